"""The risk desk's shell: facts and proposals in, verdicts out. All reasoning is :class:`nautilus_qs.desk.Desk`'s."""

from collections import deque
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.config import ActorConfig
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
)

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge import orders as legs
from nautilus_qs.bridge.batch import Batches
from nautilus_qs.bridge.facts import instrument_facts
from nautilus_qs.bridge.loading import load_component
from nautilus_qs.clock import AccountDay
from nautilus_qs.desk import Desk, DeskParams, Leg
from nautilus_qs.desk.form import RollingSharpe
from nautilus_qs.desk.refusal import passage, refusal
from nautilus_qs.domain import Action, InstrumentFacts, Proposal, RegimeUpdate, TradeResult, TradingMode, Verdict
from nautilus_qs.errors import ConfigError
from nautilus_qs.risk import BreakerEvent, BreakerStore

# After the gate, before the strategies: an event must have changed the books when somebody acts on it.
_EARLY = 5
_ZERO = Decimal(0)
_DAY_TRADE_SESSIONS = 5
_DAY_TRADES_KEPT = 64


class RiskDeskConfig(ActorConfig, frozen=True, kw_only=True):
    """The rules of the desk.

    Parameters
    ----------
    instruments
        Every instrument that may be traded.
    params
        Capital, sizes, limits and breakers.
    expected_bar_types, batch_wait_ns
        Bars that complete a batch, and how long it waits for them; none and 1 ns in a backtest.
    batch_settle_ns
        From the last of these bars to the decision; long enough that a real clock can set it.
    leverage
        Of the account at each venue; 1 where it is not named.
    day_zone
        Time zone of the account's day.
    breaker_store, breaker_store_args
        Where the state of the breakers outlives the process: the path of a
        :class:`~nautilus_qs.risk.breakers.BreakerStore` and its keywords. "" keeps it in memory, for a backtest.
    seed
        Of the bootstrap behind the Kelly interval.
    """

    instruments: tuple[str, ...]
    params: DeskParams
    expected_bar_types: tuple[str, ...] = ()
    batch_wait_ns: int = 1
    batch_settle_ns: int = 1
    leverage: dict[str, float] = {}
    day_zone: str = "America/New_York"
    breaker_store: str = ""
    breaker_store_args: dict[str, str] = {}
    seed: int = 1


class RiskDesk(Actor):
    """Decides the proposals of one bar time together and publishes a verdict on each."""

    def __init__(self, config: RiskDeskConfig) -> None:
        super().__init__(config)
        self._dispatch = {
            OrderFilled: self._on_fill,
            OrderAccepted: self._on_stop_rests,
            OrderUpdated: self._on_stop_rests,
            OrderCanceled: self._on_closed,
            OrderDenied: self._on_closed,
            OrderExpired: self._on_closed,
            OrderRejected: self._on_closed,
        }
        self._desk = Desk(config.params)
        expected = [str(BarType.from_str(text).instrument_id) for text in config.expected_bar_types]
        self._form = RollingSharpe()
        self._store: BreakerStore | None = None
        if config.breaker_store:
            self._store = load_component(config.breaker_store, config.breaker_store_args)
        self._batches = Batches(expected, config.batch_wait_ns, config.batch_settle_ns)
        self._begin()

    def _begin(self) -> None:
        self._desk.reset()
        self._batches.reset()
        self._rng = np.random.default_rng(self.config.seed)
        self._day = AccountDay(self.config.day_zone)
        self._week: tuple[int, int] | None = None
        self._today: date | None = None
        self._mode = TradingMode.NORMAL
        self._is_faulted = False
        self._closed: list[bus.ClosedTrade] = []
        self._kept: dict[str, Any] | None = None
        self._form.reset()
        self._sessions: deque[int] = deque(maxlen=_DAY_TRADE_SESSIONS)
        self._day_trades: dict[str, deque[int]] = {}

    def on_start(self) -> None:
        """Learn the instruments and listen."""
        self._desk.set_instruments({iid: self._facts_of(iid) for iid in self.config.instruments})
        subscribe = self.msgbus.subscribe
        subscribe(bus.PROPOSALS, self._on_proposal)
        subscribe(bus.UNUSED, self._desk.on_order_closed)
        subscribe(bus.REGIMES, self._on_regime)
        subscribe(bus.EQUITY, self._on_equity)
        subscribe(bus.DAILY_CLOSES, self._on_daily_close)
        subscribe(bus.TRADES, self._on_trade)
        subscribe(bus.FAULTS, self._on_fault)
        subscribe("events.order.*", self._on_order_event, priority=_EARLY)
        self.msgbus.register(bus.ENDPOINT_JUDGE, self._on_judge)
        self._recall()
        for text in self.config.expected_bar_types:
            self.subscribe_bars(BarType.from_str(text))

    def _recall(self) -> None:
        """Go on under the breakers as they stood when the process before this one ended."""
        state = self._store.load() if self._store is not None else None
        if state is not None:
            self._desk.breakers.restore(state)
            self._kept = state
            self._tell([], self.clock.timestamp_ns())

    def _keep(self) -> None:
        """Keep the state of the breakers as soon as it is another: a kill must not lose a trip or a peak."""
        if self._store is None:
            return
        state = self._desk.breakers.state()
        if state == self._kept:
            return
        try:
            self._store.save(state)
            self._kept = state
        except Exception as error:  # noqa: BLE001  what a restart would not remember must not be risked: nothing opens
            if not self._is_faulted:
                detail = f"the state of the breakers cannot be kept: {error!r}"
                fault = bus.Fault(self.clock.timestamp_ns(), "breaker_store", detail, is_critical=True)
                self.msgbus.publish(bus.FAULTS, fault)

    def _facts_of(self, iid: str) -> InstrumentFacts:
        instrument = self.cache.instrument(legs.instrument_id(iid))
        if instrument is None:
            raise ConfigError(f"every instrument that is traded must be loaded, {iid} was not found; ingest it")
        return instrument_facts(instrument, self.config.leverage.get(iid.rpartition(".")[2], 1.0))

    def on_stop(self) -> None:
        """Record what the last bar proposed; it can no longer be traded."""
        for ts in self._batches.waiting:
            for proposal in self._batches.close(ts):
                self._publish(refusal(proposal, "end_of_run", self.clock.timestamp_ns(), detail="no bar follows"))
        self.msgbus.deregister(bus.ENDPOINT_JUDGE, self._on_judge)

    def on_reset(self) -> None:
        """Forget everything: equal to a new desk."""
        self._begin()

    # -- proposals -------------------------------------------------------------------------------------------------

    def _on_proposal(self, proposal: Proposal) -> None:
        opened = self._batches.add(proposal)
        if opened is None:
            self._publish(self._unjudged(proposal, "late", "its batch has been decided"))
        elif opened and _timer(proposal.ts_batch) not in self.clock.timer_names:
            deadline = self._batches.deadline(proposal.ts_batch, self.clock.timestamp_ns())
            self.clock.set_time_alert_ns(_timer(proposal.ts_batch), deadline, self._on_deadline)

    def on_bar(self, bar: Bar) -> None:
        """Count an instrument's report towards its batch."""
        if self._batches.report(bar.ts_event, str(bar.bar_type.instrument_id)):
            # Strategies may hear of the last bar after the desk: the batch is decided when they have, not here.
            name = _timer(bar.ts_event)
            if name in self.clock.timer_names:
                self.clock.cancel_timer(name)
            self.clock.set_time_alert_ns(name, self._batches.settled_at(self.clock.timestamp_ns()), self._on_deadline)

    def _on_deadline(self, event: Any) -> None:
        self._decide(int(event.name.partition(":")[2]))

    def _decide(self, ts_batch: int) -> None:
        proposals = self._batches.close(ts_batch)
        try:
            verdicts = self._judge_batch(proposals)
        except Exception as error:  # noqa: BLE001  a fault of the desk opens nothing, and nothing after it
            self._is_faulted = True
            self.msgbus.publish(
                bus.FAULTS, bus.Fault(self.clock.timestamp_ns(), "risk_desk", repr(error), is_critical=True)
            )
            verdicts = [self._unjudged(one, "desk_fault", repr(error)) for one in proposals]
        for verdict in verdicts:
            self._publish(verdict)

    def _judge_batch(self, proposals: list[Proposal]) -> list[Verdict]:
        now_ns = self.clock.timestamp_ns()
        if not self._mark(now_ns):
            return [self._unjudged(one, "no_equity", "the account was not marked") for one in proposals]
        return self._desk.decide(proposals, now_ns)

    def _mark(self, now_ns: int) -> bool:
        """Ask for prices, accounts and equity as they are now; return whether somebody answered."""
        request = bus.MarkRequest(now_ns)
        if bus.ENDPOINT_MARK in self.msgbus.endpoints():
            self.msgbus.send(bus.ENDPOINT_MARK, request)
        if request.point is None:
            return False
        for instrument_id, px in request.marks.items():
            self._desk.on_mark(instrument_id, px)
        for account in request.accounts:
            trades = self._day_trades.get(account.venue, ())
            counted = sum(1 for day in trades if not self._sessions or day >= self._sessions[0])
            self._desk.on_account(msgspec.structs.replace(account, day_trades=counted))
        self._on_equity(request.point)
        return True

    def _unjudged(self, proposal: Proposal, check: str, detail: str) -> Verdict:
        """Return the verdict on what the desk cannot judge: an entry is refused, what only reduces passes.

        What there is to close is asked of the engine, and not of the desk, which may be what failed.
        """
        now_ns = self.clock.timestamp_ns()
        if proposal.signal.action is not Action.EXIT:
            return refusal(proposal, check, now_ns, detail=detail)
        positions = self.cache.positions_open(instrument_id=legs.instrument_id(proposal.signal.instrument_id))
        held = sum(
            (one.quantity.as_decimal() for one in positions if one.strategy_id.get_tag() == proposal.strategy), _ZERO
        )
        return passage(proposal, check, now_ns, held=held, detail=detail)

    def _publish(self, verdict: Verdict) -> None:
        self.msgbus.publish(bus.verdict_topic(verdict.proposal.strategy), verdict)

    def _on_judge(self, request: bus.JudgeRequest) -> None:
        is_marked = self._mark(self.clock.timestamp_ns())
        request.reason = self._desk.judge(request.facts) if is_marked else "RISK_NO_EQUITY the account was not marked"

    # -- facts -----------------------------------------------------------------------------------------------------

    def _on_equity(self, point: bus.EquityPoint) -> None:
        desk = self._desk
        day = self._day.of(point.ts)
        if day is not self._today:
            self._on_day(day)
        events = desk.on_equity(point.ts, day.toordinal(), point.equity, stale=point.is_stale)
        self._keep()
        if events:
            self._tell(events, point.ts)
        breakers = desk.breakers
        self.msgbus.publish(bus.ACCOUNT, bus.AccountPoint(point, desk.heat(), breakers.drawdown, breakers.mode))

    def _on_day(self, day: date) -> None:
        """Close the week when this is a day of another one."""
        week = day.isocalendar()[:2]
        if self._week is not None and week != self._week:
            self._take_trades()
            self._desk.on_week_end(self._rng)
            self._desk.on_sharpes(self._form.sharpes())
        self._week, self._today = week, day
        self._form.on_day()
        self._sessions.append(day.toordinal())

    def _tell(self, events: list[BreakerEvent], ts: int) -> None:
        """Publish what the breakers did, and the mode when it changed."""
        for event in events:
            self.msgbus.publish(bus.BREAKERS, event)
        mode = self._desk.breakers.mode
        if self._is_faulted and mode is TradingMode.NORMAL:
            mode = TradingMode.HALTED
        if mode is self._mode:
            return
        self._mode = mode
        self.msgbus.publish(bus.MODES, bus.ModeChange(ts, mode, ", ".join(sorted(self._desk.breakers.tripped))))
        if mode is not TradingMode.NORMAL:
            self._cancel_entries()

    def _cancel_entries(self) -> None:
        for order in [*self.cache.orders_open(), *self.cache.orders_inflight()]:
            if not order.is_reduce_only and order.parent_order_id is None:
                self.msgbus.publish(bus.CANCELS, order.client_order_id.value)

    def _on_regime(self, update: RegimeUpdate) -> None:
        self._tell(self._desk.on_regime(update), update.ts)

    def _on_daily_close(self, close: bus.DailyClose) -> None:
        self._desk.on_day_close(close.instrument_id, close.day, close.close)

    def _on_trade(self, trade: bus.ClosedTrade) -> None:
        self._closed.append(trade)
        equity = self._desk.equity
        if equity is not None and equity > 0:
            self._form.on_trade(trade.strategy, float(trade.pnl / equity))
        day = self._day.of(trade.exit_ts)
        if self._day.of(trade.entry_ts) == day:
            venue = trade.instrument_id.rpartition(".")[2]
            self._day_trades.setdefault(venue, deque(maxlen=_DAY_TRADES_KEPT)).append(day.toordinal())

    def _take_trades(self) -> None:
        """Tell the desk of closed trades in an order of their own: those of one moment come in any order."""
        for trade in sorted(self._closed, key=lambda one: (one.exit_ts, one.instrument_id, one.decision_id)):
            self._desk.on_trade(TradeResult(trade.strategy, trade.exit_ts, trade.r_multiple, trade.return_frac))
        self._closed.clear()

    def _on_fault(self, fault: bus.Fault) -> None:
        if fault.is_critical:
            self._is_faulted = True
            self._tell([], fault.ts)

    def _on_order_event(self, event: Any) -> None:
        handler = self._dispatch.get(type(event))
        if handler is not None:
            handler(event)

    def _on_fill(self, event: Any) -> None:
        text = event.client_order_id.value
        quantity = event.last_qty.as_decimal()
        self._desk.on_fill(
            event.strategy_id.get_tag(),
            event.instrument_id.value,
            # A position of another origin is known by the engine's id, for it has no decision.
            legs.decision_of(text) or (text if event.position_id is None else event.position_id.value),
            quantity=quantity if event.order_side == OrderSide.BUY else -quantity,
            px=event.last_px.as_decimal(),
            client_order_id=text,
        )
        order = self.cache.order(event.client_order_id)
        if order is not None and order.is_closed:
            self._desk.on_order_closed(text)

    def _on_stop_rests(self, event: Any) -> None:
        text = event.client_order_id.value
        if legs.leg_of(text) is not Leg.STOP:
            return
        trigger = event.trigger_price if isinstance(event, OrderUpdated) else None
        if trigger is None:
            trigger = self.cache.order(event.client_order_id).trigger_price
        self._on_stop(event, text, trigger.as_decimal())

    def _on_closed(self, event: Any) -> None:
        text = event.client_order_id.value
        if legs.leg_of(text) is Leg.STOP:
            self._on_stop(event, text, None)
        self._desk.on_order_closed(text)

    def _on_stop(self, event: Any, text: str, stop_px: Decimal | None) -> None:
        self._desk.on_stop(event.strategy_id.get_tag(), event.instrument_id.value, legs.decision_of(text), stop_px)


def _timer(ts_batch: int) -> str:
    return f"batch:{ts_batch}"
