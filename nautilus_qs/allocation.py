"""Capital by strategy and regime, and the order in which the proposals of one batch are judged.

A weight is the share of equity that a strategy may use; what is given to none is cash.
"""

import difflib
import math
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from nautilus_qs.domain import Action, Proposal, Regime, Side
from nautilus_qs.errors import ConfigError

_TIE = 1e-9  # 0.9 - 0.7 and 0.7 - 0.5 differ from 0.2 in the last bit, on either side of it
_CONFIRMED = tuple(regime for regime in Regime if regime is not Regime.NONE)


class AllocationParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may use how much of the equity, and what a regime changes in that.

    Parameters
    ----------
    default : dict of str to float
        Weight by strategy tag, before the first confirmed regime and where ``by_regime`` is empty. It names every
        strategy that may trade, and has no default: capital is given in words.
    by_regime : dict of str to dict
        Weights by regime. It names all five regimes or none; a strategy that is not in a regime's row has weight 0
        there.
    stop_multiple : dict of str to float
        By how much a regime widens the stop of a new entry, in [1, 5]; 1 where it is not named.
    max_positions : dict of str to int
        Open positions of a strategy, where it must hold fewer than the risk limits allow.
    is_tilted : bool
        Whether weights lean towards the strategies with the better rolling Sharpe.
    max_tilt : float
        The furthest a weight may lean from the table, in (0, 0.10].
    conflict_margin : float
        Opposite entries on one instrument cancel out when their confidences differ by less, in [0, 1].

    Raises
    ------
    ConfigError
        A weight is outside [0, 1], a row adds up to more than 1, or a regime or strategy is not known.

    """

    default: dict[str, float]
    by_regime: dict[str, dict[str, float]] = {}
    stop_multiple: dict[str, float] = field(default_factory=lambda: {"crisis": 2.0})
    max_positions: dict[str, int] = {}
    is_tilted: bool = False
    max_tilt: float = 0.10
    conflict_margin: float = 0.2

    def __post_init__(self) -> None:
        """Refuse a table that gives away more than there is, or that names what does not exist."""
        _require_row("default", self.default)
        for regime, row in self.by_regime.items():
            _require_known(f"by_regime.{regime}", regime, _CONFIRMED)
            _require_row(f"by_regime.{regime}", row)
            for strategy in row:
                _require_known(f"by_regime.{regime}.{strategy}", strategy, self.default)
        absent = [regime.value for regime in _CONFIRMED if regime not in self.by_regime]
        if self.by_regime and absent:
            raise ConfigError(
                f"by_regime must name every regime or none, {', '.join(absent)} missing; add allocation.by_regime."
                f"{absent[0]}"
            )
        for regime, multiple in self.stop_multiple.items():
            _require_known(f"stop_multiple.{regime}", regime, _CONFIRMED)
            _require_within(f"stop_multiple.{regime}", multiple, 1.0, 5.0)
        for strategy, count in self.max_positions.items():
            _require_known(f"max_positions.{strategy}", strategy, self.default)
            _require_within(f"max_positions.{strategy}", count, 0, 1000)
        _require_within("max_tilt", self.max_tilt, 1e-6, 0.10)
        _require_within("conflict_margin", self.conflict_margin, 0.0, 1.0)


class Arrangement(Struct, frozen=True):
    """A batch in the order in which it is judged; ``refused`` holds (proposal, check, detail)."""

    exits: tuple[Proposal, ...]
    entries: tuple[Proposal, ...]
    refused: tuple[tuple[Proposal, str, str], ...]


def weights(params: AllocationParams, regime: Regime, sharpes: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the weight of every strategy under a regime in force.

    Parameters
    ----------
    params : AllocationParams
        The table.
    regime : Regime
        The regime in force; ``NONE`` before the first confirmation.
    sharpes : mapping of str to float, optional
        Rolling Sharpe by strategy, used only when the tilt is on; a strategy without a finite one keeps its weight.

    Returns
    -------
    dict of str to float
        One weight for each strategy of ``params.default``, in [0, 1]; together they are what the table gives.

    Examples
    --------
    >>> params = AllocationParams(default={"bounce": 0.4, "rsi": 0.3, "breakout": 0.3})
    >>> weights(params, Regime.NONE)
    {'bounce': 0.4, 'rsi': 0.3, 'breakout': 0.3}

    """
    row = params.default if regime is Regime.NONE else params.by_regime.get(regime, params.default)
    table = {strategy: float(row.get(strategy, 0.0)) for strategy in params.default}
    return tilted(table, sharpes, params.max_tilt) if params.is_tilted and sharpes else table


def tilted(table: Mapping[str, float], sharpes: Mapping[str, float], max_tilt: float) -> dict[str, float]:
    """Lean weights towards the better rolling Sharpe, their sum unchanged.

    A strategy moves by ``max_tilt`` for each point that its Sharpe lies above or below the mean. All moves are then
    scaled by one factor, so that none is larger than ``max_tilt`` and no weight leaves [0, 1]: the moves add up to
    nothing, and what was cash stays cash. A weight of 0 stays 0: a strategy that is switched off is not switched on.

    Parameters
    ----------
    table : mapping of str to float
        Weights of the table.
    sharpes : mapping of str to float
        Rolling Sharpe by strategy.
    max_tilt : float
        The largest move.

    Examples
    --------
    >>> tilt = tilted({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.0, "b": 1.0}, 0.1)
    >>> {strategy: round(weight, 6) for strategy, weight in tilt.items()}
    {'a': 0.45, 'b': 0.35, 'c': 0.2}

    """
    known = [s for s, weight in table.items() if weight > 0.0 and math.isfinite(sharpes.get(s, math.nan))]
    if len(known) < 2:
        return dict(table)
    mean = math.fsum(sharpes[s] for s in known) / len(known)
    moves = {s: max_tilt * (sharpes[s] - mean) for s in known}
    scale = 1.0
    for strategy, move in moves.items():
        room = min(max_tilt, table[strategy] if move < 0.0 else 1.0 - table[strategy])
        if abs(move) > room:
            scale = min(scale, room / abs(move))
    return {s: min(1.0, max(0.0, weight + scale * moves.get(s, 0.0))) for s, weight in table.items()}


def stop_multiple(params: AllocationParams, regime: Regime) -> float:
    """Return by how much the stop of a new entry is widened under a regime in force.

    Examples
    --------
    >>> params = AllocationParams(default={"bounce": 0.4})
    >>> stop_multiple(params, Regime.CRISIS), stop_multiple(params, Regime.BULL_TRENDING)
    (2.0, 1.0)

    """
    return params.stop_multiple.get(regime, 1.0)


def arrange(proposals: Iterable[Proposal], conflict_margin: float = 0.2) -> Arrangement:
    """Put the proposals of one batch in the order in which they are judged, and settle what contradicts itself.

    Exits come first, then entries: each by confidence descending, strategy tag, instrument id, decision id. The order
    in which the proposals came in does not matter.

    Within one strategy an exit beats an entry on the same instrument; an entry that is beaten takes no part in what
    follows. When both sides of one instrument are asked for, by two strategies or more, the strongest entry of either
    side speaks for it: if their confidences differ by less than ``conflict_margin`` nobody enters that instrument, else
    every entry of the stronger side stands and every other is refused.

    Parameters
    ----------
    proposals : iterable of Proposal
        One batch.
    conflict_margin : float
        Confidence by which a side must be stronger.

    Returns
    -------
    Arrangement

    """
    exits: list[Proposal] = []
    entries: list[Proposal] = []
    for proposal in sorted(proposals, key=_rank):
        (exits if proposal.signal.action is Action.EXIT else entries).append(proposal)
    if len(entries) < 2 and not exits:
        return Arrangement(exits=(), entries=tuple(entries), refused=())
    refused: list[tuple[Proposal, str, str]] = []
    leaving = {(proposal.strategy, proposal.signal.instrument_id) for proposal in exits}
    wanted: list[Proposal] = []
    for entry in entries:
        if (entry.strategy, entry.signal.instrument_id) in leaving:
            refused.append((entry, "conflict", "an exit of the same strategy on this instrument comes first"))
        else:
            wanted.append(entry)
    lost = _losers(wanted, conflict_margin)
    standing = [entry for entry in wanted if (entry.signal.instrument_id, entry.signal.side) not in lost]
    refused += [
        (entry, "conflict", lost[entry.signal.instrument_id, entry.signal.side])
        for entry in wanted
        if (entry.signal.instrument_id, entry.signal.side) in lost
    ]
    return Arrangement(exits=tuple(exits), entries=tuple(standing), refused=tuple(refused))


def _rank(proposal: Proposal) -> tuple[float, str, str, str]:
    signal = proposal.signal
    # NaN compares false with everything: unmapped, the order would depend on the order of arrival.
    doubt = -signal.confidence if signal.confidence >= 0.0 else 1.0
    return doubt, proposal.strategy, signal.instrument_id, proposal.decision_id


def _losers(entries: list[Proposal], margin: float) -> dict[tuple[str, Side], str]:
    """Return the sides of instruments on which nobody may enter, and why; ``entries`` are the strongest first."""
    strongest: dict[tuple[str, Side], Proposal] = {}
    for entry in entries:
        strongest.setdefault((entry.signal.instrument_id, entry.signal.side), entry)
    lost: dict[tuple[str, Side], str] = {}
    for (instrument_id, side), entry in strongest.items():
        rival = strongest.get((instrument_id, side.opposite))
        if rival is None:
            continue
        lead = entry.signal.confidence - rival.signal.confidence
        # Also where a confidence is NaN, or both are equal and the margin is 0: then both lose.
        if not (lead > 0.0 and lead >= margin - _TIE):
            verb = "is stronger" if lead < 0.0 and lead <= _TIE - margin else "cancels it out"
            lost[instrument_id, side] = (
                f"{rival.strategy} {rival.signal.side} {verb}: confidence {rival.signal.confidence:g} against "
                f"{entry.signal.confidence:g}"
            )
    return lost


def _require_row(name: str, row: Mapping[str, float]) -> None:
    for strategy, weight in row.items():
        _require_within(f"{name}.{strategy}", weight, 0.0, 1.0)
    total = math.fsum(row.values())
    if total > 1.0 + 1e-9:
        raise ConfigError(f"weights of {name} must add up to at most 1, was {total:g}; set allocation.{name}")


def _require_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} must be in [{low:g}, {high:g}], was {value}; set allocation.{name}")


def _require_known(name: str, key: str, known: Iterable[str]) -> None:
    names = [str(one) for one in known]
    if key in names:
        return
    near = difflib.get_close_matches(key, names, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names)}"
    raise ConfigError(f'allocation.{name}: "{key}" is not known; {hint}')
