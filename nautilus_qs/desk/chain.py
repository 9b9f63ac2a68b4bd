"""The chain of questions from a proposal to its verdict: may it, how much, and what of that fits.

Every entry is asked every question that can be asked of it, failed or not, so that its verdict explains itself; the
first one that fails names the denial.
"""

import math
from decimal import Decimal

import msgspec
from msgspec import Struct

from nautilus_qs.allocation import stop_multiple
from nautilus_qs.desk.ledger import Ledger
from nautilus_qs.desk.lines import Grant, Tally, sector_of
from nautilus_qs.desk.params import DeskParams
from nautilus_qs.desk.record import TrackRecord
from nautilus_qs.domain import Check, InstrumentFacts, Proposal, Regime, Side, Signal, TradingMode, Verdict
from nautilus_qs.risk.checks import (
    Ask,
    Fit,
    check_cash,
    check_cluster,
    check_correlation,
    check_half,
    check_heat,
    check_instrument,
    check_minimum,
    check_participation,
    check_positions,
    check_sector,
    is_correlated,
)
from nautilus_qs.risk.correlation import ReturnsBook
from nautilus_qs.risk.gate import OrderFacts
from nautilus_qs.risk.limits import CorrelationMode, VenueAccount, exact, heat_limit
from nautilus_qs.sizing import (
    RiskFraction,
    allocation_size,
    multiplier_product,
    regime_cap,
    risk_fraction,
    risk_size,
    round_down,
)

_ZERO = Decimal(0)


class Situation(Struct):
    """What the desk knows of the account and the market besides its positions.

    ``equity`` is None before the first mark. ``regime`` is in force, ``risk_regime`` is what risk goes by (crisis while
    the guard is on). ``multiplier`` is that of the drawdown.
    """

    mode: TradingMode = TradingMode.NORMAL
    equity: Decimal | None = None
    regime: Regime = Regime.NONE
    risk_regime: Regime = Regime.NONE
    multiplier: float = 1.0
    weights: dict[str, float] = {}
    accounts: dict[str, VenueAccount] = {}


class Chain:
    """Judges one opening order at a time against the ledger as it stands.

    Parameters
    ----------
    params : DeskParams
        Capital, sizes and limits.
    situation : Situation
        Account and market; the desk keeps it up to date.
    ledger : Ledger
        Positions and grants.
    returns : ReturnsBook
        Daily returns.
    record : TrackRecord
        What the strategies have shown.

    """

    def __init__(
        self, params: DeskParams, situation: Situation, *, ledger: Ledger, returns: ReturnsBook, record: TrackRecord
    ) -> None:
        self._params = params
        self._situation = situation
        self._ledger = ledger
        self._returns = returns
        self._record = record

    def judge(self, proposal: Proposal, ts: int, conflict: str = "") -> Verdict:
        """Return the verdict on an entry; nothing is reserved yet.

        Parameters
        ----------
        proposal : Proposal
            An entry.
        ts : int
            Now.
        conflict : str
            Why it loses against another proposal of its batch, "" when it does not.

        """
        situation, signal = self._situation, proposal.signal
        multiple = stop_multiple(self._params.allocation, situation.regime)
        if multiple != 1.0 and signal.stop_px is not None:
            signal = widened(signal, multiple)
            proposal = msgspec.structs.replace(proposal, signal=signal)
        fraction = self.fraction_of(proposal.strategy)
        multipliers: tuple[tuple[str, float], ...] = (("drawdown", situation.multiplier),)
        if proposal.multipliers:
            # The drawdown counts once, whoever else thinks of it.
            multipliers += tuple(pair for pair in proposal.multipliers if pair[0] != "drawdown")
        checks = [self._mode(), self._weight(proposal.strategy)]
        asked = granted = _ZERO
        unknown = self._unknown(signal)
        if unknown:
            checks.append(Check("risk_size", False, 0.0, 0.0, unknown))
        else:
            instrument = self._ledger.instruments[signal.instrument_id]
            tally = self._ledger.tally(proposal.strategy, instrument, signal.side)
            margin = self._params.allocation.conflict_margin
            checks.append(Check("one_position", not tally.is_held, float(tally.is_held), 0.0))
            checks.append(Check("conflict", not conflict, signal.confidence, margin, conflict))
            checks += self._counts(proposal.strategy, tally)
            product = multiplier_product(multipliers, self._params.sizing)
            asked, granted = self._size(proposal, fraction, product, tally=tally, checks=checks)
        failed = next((check.name for check in checks if not check.passed), "")
        return Verdict(
            proposal=proposal,
            granted=_ZERO if failed else granted,
            asked=asked,
            failed=failed,
            checks=tuple(checks),
            multipliers=multipliers,
            regime=situation.regime,
            weight=situation.weights.get(proposal.strategy, 0.0),
            equity=_ZERO if situation.equity is None else situation.equity,
            risk_fraction=fraction.value,
            ts_decided=ts,
        )

    def judge_order(self, facts: OrderFacts) -> str | Grant:
        """Return what to reserve for an opening order that nobody proposed, or why it is denied.

        It must fit as it is: into its strategy's capital and into every limit of the portfolio. Its stop is the one
        that goes out with it; without one that lies on the losing side its whole notional counts as heat.
        """
        situation, ledger, params = self._situation, self._ledger, self._params
        instrument, equity = ledger.instruments.get(facts.instrument_id), situation.equity
        price = _price_of(facts, ledger.mark_of(facts.instrument_id))
        if instrument is None or equity is None or not equity > 0 or price is None or not price > 0:
            return "RISK_UNKNOWN instrument, equity or price is not known"
        tally = ledger.tally(facts.strategy, instrument, facts.side)
        checks = [self._mode(), self._weight(facts.strategy), self._regime_cap()]
        if not tally.is_held:
            checks += self._counts(facts.strategy, tally)
        weight = situation.weights.get(facts.strategy, 0.0)
        room = allocation_size(weight, equity, open_notional=tally.by_strategy, price=price)
        checks.append(Check("allocation", facts.quantity <= room, float(facts.quantity), float(room)))
        unit_risk = _ZERO if facts.stop_px is None else (price - facts.stop_px) * facts.side.sign
        stop_px = facts.stop_px if unit_risk > 0 else None
        ask = Ask(
            side=facts.side,
            quantity=facts.quantity,
            needed=facts.quantity,
            price=price,
            unit_risk=price if stop_px is None else unit_risk,
            equity=equity,
        )
        checks += [check for _, check in self._limits(ask, instrument, tally)]
        if facts.volume is not None:
            fits, check = check_participation(facts.quantity, facts.volume, params.risk.max_participation)
            checks.append(msgspec.structs.replace(check, passed=fits >= facts.quantity))
        checks.append(check_minimum(facts.quantity, price, instrument))
        failed = next((check for check in checks if not check.passed), None)
        if failed is not None:
            return f"RISK_{failed.name.upper()} {failed.value:g} against {failed.limit:g} {failed.detail}".rstrip()
        return Grant(
            facts.client_order_id,
            facts.strategy,
            instrument,
            facts.side,
            quantity=facts.quantity,
            entry_px=price,
            stop_px=stop_px,
        )

    def is_eligible(self, proposal: Proposal) -> bool:
        """Return whether an entry could open anything: one that cannot has no say in a conflict either."""
        situation = self._situation
        return (
            situation.mode is TradingMode.NORMAL
            and situation.weights.get(proposal.strategy, 0.0) > 0.0
            and not self._ledger.is_held(proposal.strategy, proposal.signal.instrument_id)
        )

    def fraction_of(self, strategy: str) -> RiskFraction:
        """Return what the next entry of a strategy may lose at its stop."""
        return risk_fraction(self._record.estimates.get(strategy), self._situation.risk_regime, self._params.sizing)

    def _mode(self) -> Check:
        mode = self._situation.mode
        is_normal = mode is TradingMode.NORMAL
        return Check("mode", is_normal, float(not is_normal), 0.0, "" if is_normal else mode.value)

    def _weight(self, strategy: str) -> Check:
        weight = self._situation.weights.get(strategy, 0.0)
        return Check("regime_weight", weight > 0.0, weight, 0.0)

    def _regime_cap(self) -> Check:
        cap = regime_cap(self._situation.risk_regime, self._params.sizing)
        return Check("regime_cap", cap > 0.0, cap, 0.0, "" if cap > 0.0 else self._situation.risk_regime.value)

    def _counts(self, strategy: str, tally: Tally) -> tuple[Check, Check]:
        limits = self._params.risk
        own = limits.max_positions_per_strategy
        own = min(own, self._params.allocation.max_positions.get(strategy, own))
        return (
            check_positions("positions_strategy", tally.opened, own),
            check_positions("positions_total", tally.opened_total, limits.max_positions),
        )

    def _unknown(self, signal: Signal) -> str:
        """Return what must be known before anything can be computed, "" when all of it is."""
        equity = self._situation.equity
        if signal.instrument_id not in self._ledger.instruments:
            return f"facts of {signal.instrument_id} are not known"
        if equity is None or not equity > 0:
            return f"equity must be above 0, was {equity}"
        if not 0.0 < signal.reference_px < math.inf:
            return f"the reference price must be a positive number, was {signal.reference_px}"
        if not 0.0 <= signal.confidence <= 1.0:
            return f"the confidence must be in [0, 1], was {signal.confidence}"
        return ""

    def _size(
        self, proposal: Proposal, fraction: RiskFraction, product: float, *, tally: Tally, checks: list[Check]
    ) -> tuple[Decimal, Decimal]:
        """Return what is asked for and what of it fits, rounded down, and add the checks."""
        signal, situation, limits = proposal.signal, self._situation, self._params.risk
        instrument, equity = self._ledger.instruments[signal.instrument_id], situation.equity or _ZERO
        price, weight = exact(signal.reference_px), situation.weights.get(proposal.strategy, 0.0)
        stop_px, fault = stop_of(signal, price)
        if not fault and fraction.is_probe and self._record.has_probed(proposal.strategy):
            fault = "the probe of this week is taken"
        at_risk = risk_size(equity, fraction.value, product, entry_px=price, stop_px=None if fault else stop_px)
        if not fault and not at_risk > 0:
            fault = f"risk fraction {fraction.value:g}, multipliers {product:g}"
        allowed = allocation_size(weight, equity, open_notional=tally.by_strategy, price=price)
        checks.append(Check("risk_size", not fault, float(at_risk), 0.0, fault))
        floor = equity * exact(self._params.sizing.min_position)
        least = max(instrument.min_notional, floor) / price
        checks.append(Check("allocation", allowed >= least and allowed > 0, float(allowed), float(least)))
        asked = round_down(min(at_risk, allowed), instrument.size_increment)
        # Cut, not denied: the other limits judge what the market can take.
        taken, participation = check_participation(asked, proposal.volume, limits.max_participation)
        quantity = round_down(taken, instrument.size_increment)
        ask = Ask(
            side=signal.side,
            quantity=quantity,
            needed=quantity * exact(limits.min_grant),
            price=price,
            unit_risk=price if stop_px is None else abs(price - stop_px),
            equity=equity,
        )
        fits = quantity
        for fit, check in self._limits(ask, instrument, tally):
            if fit < fits:
                fits = fit
            checks.append(check)
        granted = quantity if fits is quantity else round_down(fits, instrument.size_increment)
        checks.append(participation)
        checks.append(check_minimum(granted, price, instrument, floor))
        checks.append(check_half(granted, quantity, limits.min_grant))
        return asked, granted

    def _limits(self, ask: Ask, instrument: InstrumentFacts, tally: Tally) -> tuple[Fit, ...]:
        limits, situation = self._params.risk, self._situation
        return (
            check_heat(ask, open_risk=tally.heat, limit=heat_limit(limits, situation.risk_regime)),
            self._correlation(ask, instrument, tally),
            check_sector(ask, sector_of(instrument), used=tally.by_sector, limit=limits.max_sector),
            check_instrument(
                ask,
                used=tally.by_instrument,
                held=tally.units,
                limit=limits.max_instrument,
                stricter=limits.instruments.get(instrument.instrument_id) if limits.instruments else None,
            ),
            check_cash(
                ask,
                situation.accounts.get(instrument.venue),
                reserved=tally.reserved,
                notional=tally.by_venue,
                margin=tally.margin,
                margin_init=instrument.margin_init,
                limits=limits,
            ),
        )

    def _correlation(self, ask: Ask, instrument: InstrumentFacts, tally: Tally) -> Fit:
        limits, sector = self._params.risk, sector_of(instrument)
        others = list(tally.risks)
        found = [
            (other, rho, rho is None and tally.sectors[other] == sector != "")
            for other, rho in zip(others, self._returns.correlations(instrument.instrument_id, others), strict=True)
        ]
        if limits.correlation_mode is CorrelationMode.BLOCK:
            return check_correlation(ask, found, limits.max_correlation)
        members = [other for other, rho, is_one in found if is_correlated(rho, is_one, limits.max_correlation)]
        cluster_risk = sum((tally.risks[member] for member in members), tally.own_risk)
        return check_cluster(ask, members, cluster_risk=cluster_risk, limit=limits.max_cluster_heat)


def widened(signal: Signal, multiple: float) -> Signal:
    """Return a signal whose stop is a multiple as far from the reference price; one without a stop as it is.

    Examples
    --------
    >>> from nautilus_qs.domain import Action
    >>> signal = Signal("SPY.ARCA", Action.ENTER, Side.LONG, 0.5, 50.0, 48.0, None, "", (), ())
    >>> widened(signal, 2.0).stop_px
    46.0

    """
    if signal.stop_px is None:
        return signal
    stop_px = signal.reference_px - multiple * (signal.reference_px - signal.stop_px)
    return msgspec.structs.replace(signal, stop_px=stop_px)


def stop_of(signal: Signal, price: Decimal) -> tuple[Decimal | None, str]:
    """Return the stop of an entry, None where it has none that could protect it, and what is wrong with it."""
    stop_px = signal.stop_px
    if stop_px is None:
        return None, "an entry needs a stop"
    if not 0.0 < stop_px < math.inf:
        return None, f"the stop must be a positive price, was {stop_px}"
    exact_px = exact(stop_px)
    is_beyond = exact_px < price if signal.side is Side.LONG else exact_px > price
    if is_beyond:
        return exact_px, ""
    return None, f"the stop of a {signal.side} entry at {price} must lie on the losing side, was {exact_px}"


def _price_of(facts: OrderFacts, mark_px: Decimal | None) -> Decimal | None:
    """Return the price that an order which nobody proposed is judged by, None where none is known."""
    if facts.price is None or mark_px is None:
        return mark_px if facts.price is None else facts.price
    # A sale at a limit far below the market is filled at the market, not at its limit.
    return max(facts.price, mark_px) if facts.side is Side.SHORT else facts.price
