"""From weight, risk and track record to units: how much of an instrument one entry may buy or sell short.

Fractions and statistics are ``float``; from the size on everything is ``Decimal``, and whatever is rounded is rounded
towards zero, so that no size exceeds the budget it was computed from.
"""

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Context, Decimal
from functools import lru_cache

import numpy as np
from msgspec import Struct

from nautilus_qs.domain import InstrumentFacts, Regime
from nautilus_qs.errors import ConfigError

_ZERO = Decimal(0)
_DOWN = Context(prec=28, rounding=ROUND_DOWN)
_DRAWS = 1000


class SizingParams(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the equity one entry may lose at its stop.

    Parameters
    ----------
    base_fraction : float
        Risk fraction without a track record, in (0, 0.05].
    kelly_fraction : float
        Share of the Kelly fraction that is used, in [0, 1].
    min_trades, max_trades : int
        Closed trades from which the track record counts, and the most (the last ones) that are counted.
    shrinkage : int
        k in w = n / (n + k), the weight of the track record against ``base_fraction``.
    cap_normal, cap_choppy, cap_crisis : float
        The most that is risked, after everything, by regime; in that order none above the one before. A cap of 0 halts
        entries in that regime.
    probe_fraction : float
        Risk of the one trade a week of a strategy whose record speaks against it, in [0, 0.01].
    max_multiplier : float
        The product of all multipliers is clipped to [0, this], in (0, 2].
    min_position : float
        The smallest entry worth having, as a share of equity, in [0, 0.05]: what is left of a strategy's capital
        when it is nearly used up is no position.

    Raises
    ------
    ConfigError
        A value is outside its range.

    """

    base_fraction: float = 0.01
    kelly_fraction: float = 0.25
    min_trades: int = 20
    max_trades: int = 30
    shrinkage: int = 50
    cap_normal: float = 0.01
    cap_choppy: float = 0.005
    cap_crisis: float = 0.0025
    probe_fraction: float = 0.0025
    max_multiplier: float = 1.25
    min_position: float = 0.001

    def __post_init__(self) -> None:
        """Refuse fractions that would stake an account on one trade."""
        _require_within("base_fraction", self.base_fraction, 1e-6, 0.05)
        _require_within("kelly_fraction", self.kelly_fraction, 0.0, 1.0)
        _require_within("min_trades", self.min_trades, 1, 1000)
        _require_within("max_trades", self.max_trades, self.min_trades, 1000)
        _require_within("shrinkage", self.shrinkage, 0, 10_000)
        _require_within("cap_normal", self.cap_normal, 0.0, 0.05)
        _require_within("cap_choppy", self.cap_choppy, 0.0, self.cap_normal)
        _require_within("cap_crisis", self.cap_crisis, 0.0, self.cap_choppy)
        _require_within("probe_fraction", self.probe_fraction, 0.0, 0.01)
        _require_within("max_multiplier", self.max_multiplier, 1e-6, 2.0)
        _require_within("min_position", self.min_position, 0.0, 0.05)


class KellyEstimate(Struct, frozen=True):
    """A Kelly fraction, the ends of its 90 % bootstrap interval, and the number of trades behind it."""

    value: float
    low: float
    high: float
    n: int


class RiskFraction(Struct, frozen=True):
    """The share of equity that an entry may lose at its stop; a probe may be taken once a week only."""

    value: float
    is_probe: bool = False


def kelly(r_multiples: Sequence[float]) -> float:
    """Return the Kelly fraction (W x avgWin - (1 - W) x avgLoss) / avgWin of closed trades; without a winner, 0.

    The numerator is the mean of all trades, so that without a loser it is W, and a trade that made nothing counts
    among the losers with a loss of 0.

    Source: J. L. Kelly, A New Interpretation of Information Rate, Bell System Technical Journal 35, 1956, for the two
    outcomes average win and average loss.

    Examples
    --------
    Half the trades win 2 R, the others lose 1 R:

    >>> kelly([2.0, -1.0, 2.0, -1.0])
    0.25

    """
    wins = [r for r in r_multiples if r > 0.0]
    if not wins:
        return 0.0
    return (math.fsum(r_multiples) / len(r_multiples)) / (math.fsum(wins) / len(wins))


def kelly_estimate(r_multiples: Iterable[float], rng: np.random.Generator, params: SizingParams) -> KellyEstimate:
    """Return the Kelly fraction of the last trades with its 90 % bootstrap interval.

    Parameters
    ----------
    r_multiples : iterable of float
        Profit after costs of closed trades in units of their initial risk, oldest first; finite.
    rng : numpy.random.Generator
        Source of chance of the 1,000 resamples (trades drawn with replacement).
    params : SizingParams
        ``max_trades``: how many of the last trades count.

    Returns
    -------
    KellyEstimate
        All zero when there are no trades.

    Examples
    --------
    >>> estimate = kelly_estimate([2.0, -1.0] * 15, np.random.default_rng(1), SizingParams())
    >>> estimate.value, estimate.n, estimate.low < 0.25 < estimate.high
    (0.25, 30, True)

    """
    last = list(r_multiples)[-params.max_trades :]
    if not last:
        return KellyEstimate(value=0.0, low=0.0, high=0.0, n=0)
    drawn = np.asarray(last)[rng.integers(0, len(last), size=(_DRAWS, len(last)))]
    won = drawn > 0.0
    n_won = won.sum(axis=1)
    total_won = np.where(won, drawn, 0.0).sum(axis=1)
    # mean / (total won / number won); a resample without a winner has 0, as the estimate itself would.
    fractions = np.divide(drawn.mean(axis=1) * n_won, total_won, out=np.zeros(_DRAWS), where=n_won > 0)
    low, high = np.quantile(fractions, (0.05, 0.95))
    return KellyEstimate(value=kelly(last), low=float(low), high=float(high), n=len(last))


def regime_cap(regime: Regime, params: SizingParams) -> float:
    """Return the largest risk fraction under a regime.

    Examples
    --------
    >>> regime_cap(Regime.HIGH_VOL_CHOPPY, SizingParams()), regime_cap(Regime.NONE, SizingParams())
    (0.005, 0.01)

    """
    if regime is Regime.CRISIS:
        return params.cap_crisis
    return params.cap_choppy if regime is Regime.HIGH_VOL_CHOPPY else params.cap_normal


def risk_fraction(estimate: KellyEstimate | None, regime: Regime, params: SizingParams) -> RiskFraction:
    """Return the share of equity that the next entry of a strategy may lose at its stop, before multipliers.

    ``base_fraction`` with fewer than ``min_trades`` trades, else w x ``kelly_fraction`` x Kelly + (1 - w) x
    ``base_fraction`` with w = n / (n + ``shrinkage``). Where the upper end of the interval is not above 0 it is a
    probe, and so it is where that sum is not above 0: a size of nothing could never prove itself wrong. The cap of the
    regime comes after everything.

    Parameters
    ----------
    estimate : KellyEstimate or None
        The strategy's track record, None before the first.
    regime : Regime
        The regime that risk goes by: crisis while the crisis guard is on, whatever regime is in force.
    params : SizingParams
        Fractions and caps.

    Returns
    -------
    RiskFraction

    Examples
    --------
    >>> params = SizingParams()
    >>> risk_fraction(None, Regime.BULL_TRENDING, params).value
    0.01
    >>> risk_fraction(KellyEstimate(value=0.02, low=-0.2, high=0.2, n=30), Regime.NONE, params).value
    0.008125
    >>> risk_fraction(KellyEstimate(value=-0.5, low=-0.9, high=-0.1, n=30), Regime.NONE, params)
    RiskFraction(value=0.0025, is_probe=True)

    """
    cap = regime_cap(regime, params)
    if estimate is None or estimate.n < params.min_trades:
        return RiskFraction(value=min(params.base_fraction, cap))
    weight = estimate.n / (estimate.n + params.shrinkage)
    shrunk = weight * params.kelly_fraction * estimate.value + (1.0 - weight) * params.base_fraction
    if not (estimate.high > 0.0 and shrunk > 0.0):
        return RiskFraction(value=min(params.probe_fraction, cap), is_probe=True)
    return RiskFraction(value=min(shrunk, cap))


def multiplier_product(multipliers: Iterable[tuple[str, float]], params: SizingParams) -> float:
    """Return the product of (name, factor) pairs, clipped to [0, ``max_multiplier``].

    A factor that is negative or not finite makes the product 0: no size is derived from nonsense.

    Examples
    --------
    >>> multiplier_product([("drawdown", 0.5), ("sentiment", 1.1)], SizingParams())
    0.55
    >>> multiplier_product([("sentiment", 1.1), ("rl", 1.2)], SizingParams())
    1.25

    """
    product = 1.0
    for _, factor in multipliers:
        if not 0.0 < factor < math.inf:
            return 0.0
        product *= factor
    return min(product, params.max_multiplier)


def risk_size(
    equity: Decimal, fraction: float, multiplier: float, *, entry_px: Decimal, stop_px: Decimal | None
) -> Decimal:
    """Return the units that lose equity x fraction x multiplier when the price goes from entry to stop.

    Without a stop, or with one at the entry, it is 0: what cannot be bounded is not sized.

    Examples
    --------
    >>> risk_size(Decimal(100_000), 0.01, 1.0, entry_px=Decimal(50), stop_px=Decimal(48))
    Decimal('500.00')

    """
    if stop_px is None:
        return _ZERO
    distance = abs(entry_px - stop_px)
    if not distance > 0 or not equity > 0:
        return _ZERO
    budget = _DOWN.multiply(equity, _decimal(fraction * multiplier))
    return _DOWN.divide(budget, distance) if budget > 0 else _ZERO


def allocation_size(weight: float, equity: Decimal, *, open_notional: Decimal, price: Decimal) -> Decimal:
    """Return the units that still fit into a strategy's share of equity; 0 when it is used up.

    Parameters
    ----------
    weight : float
        The strategy's share, in [0, 1].
    equity : Decimal
        Equity of the account.
    open_notional : Decimal
        Market value of the strategy's positions and working entries, both sides added up.
    price : Decimal
        Price of the entry.

    Examples
    --------
    >>> allocation_size(0.4, Decimal(100_000), open_notional=Decimal(15_000), price=Decimal(50))
    Decimal('500.0')

    """
    room = _DOWN.multiply(equity, _decimal(weight)) - open_notional
    return _DOWN.divide(room, price) if room > 0 else _ZERO


def round_down(quantity: Decimal, increment: Decimal) -> Decimal:
    """Return the largest multiple of an increment that is not above a quantity, towards zero for both signs.

    Examples
    --------
    >>> round_down(Decimal("12.3456"), Decimal("0.01")), round_down(Decimal("-1.9"), Decimal(1))
    (Decimal('12.34'), Decimal('-1'))

    """
    # The integer division is exact; a plain one rounds its last digit, and can gain a whole lot.
    return quantity // increment * increment


def tradable(quantity: Decimal, price: Decimal, instrument: InstrumentFacts) -> Decimal:
    """Return a quantity as it can be sent: rounded down to the size increment, 0 below a minimum.

    Parameters
    ----------
    quantity : Decimal
        Units, not negative.
    price : Decimal
        Price by which the minimum notional is judged.
    instrument : InstrumentFacts
        Size increment, minimum quantity and minimum notional.

    """
    lots = round_down(quantity, instrument.size_increment)
    if lots < instrument.min_quantity or lots * price < instrument.min_notional:
        return _ZERO
    return lots


@lru_cache(maxsize=256)
def _decimal(value: float) -> Decimal:
    # The shortest text of a float is what was meant: 0.01 and not 0.01000000000000000020816681711721...
    return Decimal(repr(float(value)))


def _require_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} must be in [{low:g}, {high:g}], was {value}; set sizing.{name}")
