"""The risk desk's shell: facts and proposals in, verdicts out. All reasoning is :class:`nautilus_qs.desk.desk.Desk`."""

from decimal import Decimal
from typing import Any

import numpy as np
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig
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

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge import orders as legs
from nautilus_qs.bridge.batch import Batches
from nautilus_qs.bridge.facts import instrument_facts
from nautilus_qs.clock import AccountDay
from nautilus_qs.desk.desk import Desk
from nautilus_qs.domain import Proposal, RegimeUpdate, Side, TradeResult, TradingMode
from nautilus_qs.risk.limits import RiskLimits
from nautilus_qs.sizing import SizingParams


class RiskDeskConfig(ActorConfig, frozen=True, kw_only=True):
    """The rules of the desk.

    Parameters
    ----------
    instruments
        Every instrument that may be traded.
    expected_bar_types, batch_wait_ns
        Bars that complete a batch, and how long it waits for them; none and 1 ns in a backtest.
    cash_venues
        Venues whose account is a cash account.
    seed
        Of the bootstrap behind the Kelly interval.
    """

    instruments: tuple[str, ...]
    allocation: AllocationParams
    sizing: SizingParams = SizingParams()
    limits: RiskLimits = RiskLimits()
    cash_venues: tuple[str, ...] = ()
    expected_bar_types: tuple[str, ...] = ()
    batch_wait_ns: int = 1
    day_zone: str = "America/New_York"
    trade_from_ns: int = 0
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
        self._begin()

    def _begin(self) -> None:
        config = self.config
        self._desk = Desk(
            allocation=config.allocation,
            sizing=config.sizing,
            limits=config.limits,
            rng=np.random.default_rng(config.seed),
        )
        expected = [str(BarType.from_str(text).instrument_id) for text in config.expected_bar_types]
        self._batches = Batches(expected, config.batch_wait_ns)
        self._day = AccountDay(config.day_zone)
        self._week: tuple[int, int] | None = None
        self._mode = TradingMode.NORMAL

    def on_start(self) -> None:
        """Learn the instruments and listen."""
        facts = [instrument_facts(self.cache.instrument(legs.instrument_id(iid))) for iid in self.config.instruments]
        self._desk.set_instruments({f.instrument_id: f for f in facts})
        subscribe = self.msgbus.subscribe
        subscribe(bus.PROPOSALS, self._on_proposal)
        subscribe(bus.REGIMES, self._on_regime)
        subscribe(bus.EQUITY, self._on_equity)
        subscribe(bus.DAILY_CLOSES, self._on_daily_close)
        subscribe(bus.TRADES, self._on_trade)
        subscribe(bus.FAULTS, self._on_fault)
        subscribe("events.order.*", self._on_order_event)
        self.msgbus.register(bus.ENDPOINT_JUDGE, self._on_judge)
        for text in self.config.expected_bar_types:
            self.subscribe_bars(BarType.from_str(text))

    def on_stop(self) -> None:
        """Record what the last bar proposed; it can no longer be traded."""
        for ts in self._batches.waiting:
            self._decide(ts, is_over=True)
        self.msgbus.deregister(bus.ENDPOINT_JUDGE, self._on_judge)

    def on_reset(self) -> None:
        """Forget everything: equal to a new desk."""
        self._begin()

    # -- proposals -------------------------------------------------------------------------------------------------

    def _on_proposal(self, proposal: Proposal) -> None:
        opened = self._batches.add(proposal)
        if opened is None:
            self._publish(self._desk.refuse(proposal, "late", ts=self.clock.timestamp_ns()))
        elif opened:
            deadline = self._batches.deadline(self.clock.timestamp_ns())
            self.clock.set_time_alert_ns(f"batch:{proposal.ts_batch}", deadline, self._on_deadline)

    def on_bar(self, bar: Bar) -> None:
        """Count a live instrument's report towards its batch."""
        if self._batches.report(bar.ts_event, str(bar.bar_type.instrument_id)):
            self.clock.cancel_timer(f"batch:{bar.ts_event}")
            self._decide(bar.ts_event)

    def _on_deadline(self, event: Any) -> None:
        self._decide(int(event.name.partition(":")[2]))

    def _decide(self, ts_batch: int, *, is_over: bool = False) -> None:
        proposals = self._batches.close(ts_batch)
        if not proposals:
            return
        now_ns = self.clock.timestamp_ns()
        if is_over:
            for proposal in proposals:
                self._publish(self._desk.refuse(proposal, "end_of_run", ts=now_ns))
            return
        request = bus.MarkRequest(now_ns)
        self.msgbus.send(bus.ENDPOINT_MARK, request)
        if request.point is None:
            for proposal in proposals:
                self._publish(self._desk.refuse(proposal, "no_equity", ts=now_ns))
            return
        self._on_equity(request.point)
        self._desk.on_marks(request.marks)
        self._desk.on_buying_power(request.buying_power)
        for verdict in self._desk.decide(proposals, now_ns):
            self._publish(verdict)

    def _publish(self, verdict: Any) -> None:
        self.msgbus.publish(bus.verdict_topic(verdict.proposal.strategy), verdict)

    def _on_judge(self, request: bus.JudgeRequest) -> None:
        request.reason = self._desk.judge(request.facts)

    # -- facts -----------------------------------------------------------------------------------------------------

    def _on_equity(self, point: bus.EquityPoint) -> None:
        day = self._day.of(point.ts)
        week = day.isocalendar()[:2]
        if self._week is not None and week != self._week:
            self._desk.on_week_end()
        self._week = week
        for trip in self._desk.on_equity(point.ts, day.toordinal(), point.equity, is_stale=point.is_stale):
            self.msgbus.publish(bus.BREAKERS, trip)
        self._set_mode(point.ts)
        self.msgbus.publish(
            bus.ACCOUNT, bus.AccountPoint(point, self._desk.heat(), self._desk.drawdown(), self._desk.mode)
        )

    def _set_mode(self, ts: int) -> None:
        mode = self._desk.mode
        if mode is self._mode:
            return
        self._mode = mode
        self.msgbus.publish(bus.MODES, bus.ModeChange(ts, mode, self._desk.mode_reason))
        if mode is not TradingMode.NORMAL:
            self._cancel_entries()

    def _cancel_entries(self) -> None:
        for order in [*self.cache.orders_open(), *self.cache.orders_inflight()]:
            if not order.is_reduce_only and order.parent_order_id is None:
                self.msgbus.publish(bus.CANCELS, order.client_order_id.value)

    def _on_regime(self, update: RegimeUpdate) -> None:
        self._desk.on_regime(update)

    def _on_daily_close(self, close: bus.DailyClose) -> None:
        self._desk.on_daily_close(close.instrument_id, close.day, close.close)

    def _on_trade(self, trade: bus.ClosedTrade) -> None:
        self._desk.on_trade(TradeResult(trade.strategy, trade.exit_ts, trade.r_multiple, trade.return_frac))

    def _on_fault(self, fault: bus.Fault) -> None:
        if fault.is_critical:
            self._desk.halt(f"fault: {fault.component}: {fault.detail}")
            self._set_mode(fault.ts)

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
            legs.decision_of(text) or text,
            side=Side.LONG if event.order_side == OrderSide.BUY else Side.SHORT,
            quantity=quantity if event.order_side == OrderSide.BUY else -quantity,
            px=event.last_px.as_decimal(),
            client_order_id=text,
        )

    def _on_stop_rests(self, event: Any) -> None:
        text = event.client_order_id.value
        if legs.leg_of(text) != legs.STOP:
            return
        order = self.cache.order(event.client_order_id)
        stop_px = event.trigger_price if isinstance(event, OrderUpdated) and event.trigger_price else order.trigger_price
        self._on_stop(event, text, stop_px.as_decimal())

    def _on_closed(self, event: Any) -> None:
        text = event.client_order_id.value
        if legs.leg_of(text) == legs.STOP:
            self._on_stop(event, text, None)
        self._desk.on_order_closed(text)

    def _on_stop(self, event: Any, text: str, stop_px: Decimal | None) -> None:
        self._desk.on_stop(
            event.strategy_id.get_tag(), event.instrument_id.value, legs.decision_of(text), stop_px=stop_px
        )
