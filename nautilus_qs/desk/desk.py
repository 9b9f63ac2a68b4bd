"""The desk: facts in, verdicts out. It decides what may be opened, and remembers what it has granted."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import numpy as np

from nautilus_qs.allocation import arrange, weights
from nautilus_qs.desk.chain import Chain, Situation
from nautilus_qs.desk.ids import Leg, client_order_id
from nautilus_qs.desk.ledger import Ledger
from nautilus_qs.desk.lines import Grant
from nautilus_qs.desk.params import DeskParams
from nautilus_qs.desk.record import TrackRecord
from nautilus_qs.domain import (
    Action,
    Book,
    Check,
    InstrumentFacts,
    Proposal,
    Regime,
    RegimeUpdate,
    TradeResult,
    TradingMode,
    Verdict,
)
from nautilus_qs.risk.breakers import BreakerEvent, Breakers
from nautilus_qs.risk.correlation import ReturnsBook
from nautilus_qs.risk.gate import OrderFacts
from nautilus_qs.risk.limits import VenueAccount, exact
from nautilus_qs.sizing import KellyEstimate, RiskFraction

_ZERO = Decimal(0)


class Desk:
    """Decides batches of proposals against everything that is held, worked and granted.

    It has no clock and does no I/O: what happens is told to it. A grant counts against every limit until it is filled
    or closed, so whoever does not carry a grant out must say so by :meth:`on_order_closed`.

    Parameters
    ----------
    params : DeskParams
        Capital, sizes, limits and breakers.

    Attributes
    ----------
    breakers : Breakers
        The circuit breakers; flows, kill, restart and the state of data are told to them directly.

    """

    def __init__(self, params: DeskParams) -> None:
        self._params = params
        self.breakers = Breakers(params.breakers)
        self._ledger = Ledger()
        self._returns = ReturnsBook(params.risk.correlation_days, params.risk.correlation_min_days)
        self._record = TrackRecord(params.sizing)
        self._situation = Situation()
        self._chain = Chain(params, self._situation, ledger=self._ledger, returns=self._returns, record=self._record)
        self.reset()

    def reset(self) -> None:
        """Forget everything but instruments: equal to a new one."""
        self.breakers.reset()
        self._ledger.reset()
        self._returns.reset()
        self._record.reset()
        situation = self._situation
        situation.mode, situation.equity, situation.multiplier = TradingMode.NORMAL, None, 1.0
        situation.regime = situation.risk_regime = Regime.NONE
        situation.accounts = {}
        self._sharpes: dict[str, float] = {}
        self._sentiment: float | None = None
        situation.weights = weights(self._params.allocation, Regime.NONE)

    # Facts

    def set_instruments(self, instruments: Mapping[str, InstrumentFacts]) -> None:
        """Take the facts of every instrument that may be traded."""
        self._ledger.set_instruments(instruments)

    def on_mark(self, instrument_id: str, px: float) -> None:
        """Take the last price of an instrument."""
        self._ledger.on_mark(instrument_id, px)

    def on_day_close(self, instrument_id: str, day: int, close: float) -> None:
        """Take the close of an instrument's finished day (an ordinal), for correlations."""
        self._returns.on_close(instrument_id, day, close)

    def on_fill(
        self, strategy: str, instrument_id: str, key: str, *, quantity: Decimal, px: Decimal, client_order_id: str
    ) -> None:
        """Take an execution.

        Parameters
        ----------
        strategy, instrument_id : str
            Whose it is, and on what.
        key : str
            The position it belongs to; the same for every fill and stop of that position.
        quantity : Decimal
            Signed: + bought, - sold.
        px : Decimal
            Price of the execution.
        client_order_id : str
            The order, or the one it was split from; what it fills of a grant is a position from now on.

        """
        self._ledger.on_fill((strategy, instrument_id, key), quantity, px, client_order_id)
        if quantity > 0:
            self._pay(instrument_id, quantity * px)

    def on_stop(self, strategy: str, instrument_id: str, key: str, px: Decimal | None) -> None:
        """Take where the stop of a position rests at the venue now, None when it is gone."""
        self._ledger.on_stop((strategy, instrument_id, key), px)

    def on_order_closed(self, client_order_id: str) -> None:
        """Take the end of an order, or that a grant is not used; a probe that came to nothing may be taken again."""
        grant = self._ledger.release(client_order_id)
        if grant is not None and grant.is_probe and not grant.is_touched:
            self._record.return_probe(grant.strategy)

    def on_trade(self, trade: TradeResult) -> None:
        """Take a closed trade."""
        self._record.on_trade(trade)

    def on_week_end(self, rng: np.random.Generator) -> dict[str, KellyEstimate]:
        """Recompute the Kelly estimates after the week's last session; return those that are new."""
        for grant in self._ledger.grants.values():
            grant.is_probe = False  # the new week has a probe of its own: that of the old one is not given back
        return self._record.on_week_end(rng)

    def on_sharpes(self, sharpes: Mapping[str, float]) -> None:
        """Take the rolling Sharpe of each strategy; without the tilt they change nothing."""
        self._sharpes = dict(sharpes)
        self._situation.weights = weights(self._params.allocation, self._situation.regime, self._sharpes)

    def on_regime(self, update: RegimeUpdate) -> list[BreakerEvent]:
        """Take the regime after a session of the book's reference instrument; return what it did to the breakers."""
        situation = self._situation
        situation.regime = update.regime
        is_guarded = self._params.crisis_guard and update.label is Regime.CRISIS
        situation.risk_regime = Regime.CRISIS if is_guarded else update.regime
        situation.weights = weights(self._params.allocation, update.regime, self._sharpes)
        return self._judge_crisis(update.ts)

    def on_sentiment(self, ts: int, score: float | None) -> list[BreakerEvent]:
        """Take the sentiment of the index, None when there is none; return what it did to the breakers."""
        self._sentiment = score
        return self._judge_crisis(ts)

    def on_account(self, account: VenueAccount) -> None:
        """Take the account at one venue as it is now, after the fills already told."""
        self._situation.accounts[account.venue] = account

    def on_equity(self, ts: int, day: int, equity: Decimal, *, stale: bool = False) -> list[BreakerEvent]:
        """Take the equity across venues, marked to market; return what it did to the breakers.

        Sizes and limits go by it at once, stale or not: it is the best there is.
        """
        heat_open = self._share(self.open_risk, equity) if equity.is_finite() else 0.0
        events = self.breakers.on_equity(ts, day, equity, stale=stale, heat_open=heat_open)
        self._situation.equity = equity
        return events

    # Decisions

    def decide(self, proposals: Iterable[Proposal], ts: int) -> list[Verdict]:
        """Return the verdict on every proposal of one batch, in the order in which they were judged.

        Exits come first and are granted what there is to close. Then the entries that stand, each one's grant reserved
        before the next is judged; then those that lost a conflict, or could open nothing in the first place.
        """
        self._refresh()
        able: list[Proposal] = []
        idle: list[Proposal] = []
        for proposal in proposals:
            is_able = proposal.signal.action is Action.EXIT or self._chain.is_eligible(proposal)
            (able if is_able else idle).append(proposal)
        batch = arrange(able, self._params.allocation.conflict_margin)
        verdicts = [self._exit(proposal, ts) for proposal in batch.exits]
        for proposal in batch.entries:
            verdict = self._chain.judge(proposal, ts)
            if verdict.granted > 0:
                self._reserve(verdict)
            verdicts.append(verdict)
        verdicts += [self._chain.judge(proposal, ts, detail) for proposal, _, detail in batch.refused]
        # Nothing is arranged among entries that can open nothing, but their order must not be that of arrival.
        verdicts += [self._chain.judge(proposal, ts) for proposal in sorted(idle, key=lambda one: one.decision_id)]
        return verdicts

    def judge(self, facts: OrderFacts) -> str | None:
        """Return why an opening order that nobody proposed must not go out; None, and it is reserved, when it may."""
        self._refresh()
        self._ledger.release(facts.client_order_id)
        answer = self._chain.judge_order(facts)
        if isinstance(answer, str):
            return answer
        self._ledger.reserve(answer)
        return None

    # What it knows

    @property
    def equity(self) -> Decimal | None:
        """Return the last equity, None before the first."""
        return self._situation.equity

    @property
    def regime(self) -> Regime:
        """Return the regime in force."""
        return self._situation.regime

    @property
    def risk_regime(self) -> Regime:
        """Return the regime that risk fraction and heat limit go by."""
        return self._situation.risk_regime

    @property
    def weights(self) -> dict[str, float]:
        """Return the weight of every strategy now."""
        return dict(self._situation.weights)

    @property
    def estimates(self) -> dict[str, KellyEstimate]:
        """Return the Kelly estimate of every strategy that has one."""
        return dict(self._record.estimates)

    def risk_fraction(self, strategy: str) -> RiskFraction:
        """Return what the next entry of a strategy may lose at its stop, as a share of equity, before multipliers."""
        return self._chain.fraction_of(strategy)

    @property
    def grants(self) -> int:
        """Return the number of grants that are not closed."""
        return len(self._ledger.grants)

    def book(self, ts: int) -> Book:
        """Return the account as the limits see it."""
        return Book(
            ts=ts,
            equity=self._situation.equity or _ZERO,
            positions=self._ledger.positions(),
            working=self._ledger.working(),
            buying_power={venue: self._buying_power(account) for venue, account in self._situation.accounts.items()},
        )

    def heat(self) -> float:
        """Return what positions and working entries lose at their stops, as a share of equity."""
        return self._share(self.open_risk, self._situation.equity)

    @property
    def open_risk(self) -> Decimal:
        """Return what positions and working entries lose at their stops, in money."""
        return self._ledger.open_risk()

    def exposure(self) -> tuple[float, float]:
        """Return gross and net market value of positions and working entries, as shares of equity."""
        gross, net = self._ledger.exposure()
        return self._share(gross, self._situation.equity), self._share(net, self._situation.equity)

    def _refresh(self) -> None:
        # Whoever holds the breakers may trip them at any time: what they say is asked, not remembered.
        self._situation.mode = self.breakers.mode
        self._situation.multiplier = self.breakers.multiplier

    def _exit(self, proposal: Proposal, ts: int) -> Verdict:
        situation, signal = self._situation, proposal.signal
        held = self._ledger.quantity_of(proposal.strategy, signal.instrument_id, signal.side)
        return Verdict(
            proposal=proposal,
            granted=held,
            asked=held,
            failed="" if held > 0 else "position",
            checks=(Check("position", held > 0, float(held), 0.0, "" if held > 0 else "there is nothing to close"),),
            multipliers=(),
            regime=situation.regime,
            weight=situation.weights.get(proposal.strategy, 0.0),
            equity=situation.equity or _ZERO,
            risk_fraction=0.0,
            ts_decided=ts,
        )

    def _reserve(self, verdict: Verdict) -> None:
        proposal, signal = verdict.proposal, verdict.proposal.signal
        is_probe = self._chain.fraction_of(proposal.strategy).is_probe
        if is_probe:
            self._record.use_probe(proposal.strategy)
        self._ledger.reserve(
            Grant(
                client_order_id(proposal.decision_id, Leg.ENTRY),
                proposal.strategy,
                self._ledger.instruments[signal.instrument_id],
                signal.side,
                quantity=verdict.granted,
                entry_px=exact(signal.reference_px),
                stop_px=None if signal.stop_px is None else exact(signal.stop_px),
                is_probe=is_probe,
            )
        )

    def _judge_crisis(self, ts: int) -> list[BreakerEvent]:
        is_crisis = self._situation.regime is Regime.CRISIS
        return self.breakers.on_crisis(ts, is_crisis, self._sentiment, heat_open=self.heat())

    def _pay(self, instrument_id: str, cost: Decimal) -> None:
        """Take what was bought out of a cash account until its next state arrives; never put in what was sold."""
        instrument = self._ledger.instruments.get(instrument_id)
        account = self._situation.accounts.get(instrument.venue) if instrument is not None else None
        if account is not None and not account.is_margin:
            self._situation.accounts[account.venue] = VenueAccount(
                venue=account.venue,
                is_margin=False,
                cash=account.cash - cost,
                equity=account.equity,
                day_trades=account.day_trades,
            )

    def _buying_power(self, account: VenueAccount) -> Decimal:
        margin, reserved = self._ledger.at_venue(account.venue)
        return max(_ZERO, account.equity - margin if account.is_margin else account.cash - reserved)

    @staticmethod
    def _share(amount: Decimal, equity: Decimal | None) -> float:
        return float(amount) / float(equity) if equity is not None and equity > 0 else 0.0
