"""The strategy shell: read the bar, ask the rule, propose, act on the verdict, keep the stop in its place.

A strategy decides nothing about money. It turns closed bars into numbers and numbers into proposals; the risk desk
answers, and the shell carries the answer out. Its protective stop rests at the venue for as long as a position is open.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.trading.strategy import Strategy

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge import orders as legs
from nautilus_qs.bridge.features import features_for
from nautilus_qs.bridge.rounding import price_of, stop_price, target_price
from nautilus_qs.desk.ids import client_order_id, make_decision_id
from nautilus_qs.domain import Action, Proposal, Side, Signal, Verdict
from nautilus_qs.errors import ConfigError
from strategies.slot import Phase, Slot

# Bars kept by on_save: after so many, what came before has left every indicator (Wilder's RSI to below 1e-15).
SAVED_BARS = 600


class RuleStrategyConfig(StrategyConfig, frozen=True, kw_only=True):
    """What every rule strategy is told.

    Parameters
    ----------
    name
        The strategy's name in weights, limits and results; also its order id tag.
    bar_types
        The bars it decides on, one bar type an instrument.
    trade_from_ns
        Bars that closed before this time warm the indicators and lead to no proposal.
    entry_time_in_force
        Of the entry order. The prices beyond which it is pointless travel with it as tags.
    exit_deadline_secs
        How long a rule exit waits for its legs to be confirmed cancelled before it asks again.
    chunk_rows
        Bars whose numbers are kept before they are handed to the recorder.
    """

    name: str
    bar_types: tuple[str, ...]
    trade_from_ns: int = 0
    entry_time_in_force: str = "DAY"
    exit_deadline_secs: float = 5.0
    chunk_rows: int = 8192


class RuleStrategy(Strategy):
    """Base of every strategy: subclasses name their pure rule (``RULE``), and nothing else."""

    RULE: Any = None

    def __init__(self, config: RuleStrategyConfig) -> None:
        super().__init__(config)
        self.rule = self.RULE(config.params)
        self._columns: tuple[str, ...] = tuple(self.rule.columns)
        self._name = config.name
        self._trade_from_ns = config.trade_from_ns
        self._chunk_rows = config.chunk_rows
        self._slots: dict[Any, Slot] = {}
        self._by_id: dict[str, Slot] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._is_active = False
        self._saved_bars: dict[str, list[tuple[float, ...]]] = {}

    # -- life cycle ------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Subscribe, warm up and adopt what is already open."""
        self._activate()

    def on_resume(self) -> None:
        """Go on after a stop: the same steps, which may be repeated."""
        self._activate()

    def on_stop(self) -> None:
        """Hand over the last numbers; positions and their stops stay as they are."""
        self._flush()

    def on_reset(self) -> None:
        """Forget everything: equal to a new strategy."""
        self._slots.clear()
        self._by_id.clear()
        self._rows.clear()
        self._saved_bars.clear()
        self._is_active = False

    def on_save(self) -> dict[str, bytes]:
        """Return the bars that rebuild the indicators, and the trades in progress."""
        bars = {
            str(bar_type): [_raw(bar) for bar in reversed(self.cache.bars(bar_type)[:SAVED_BARS])]
            for bar_type in self._slots
        }
        trades = {slot.instrument_id: _trade_state(slot) for slot in self._slots.values() if slot.phase is Phase.OPEN}
        return {"bars": msgspec.msgpack.encode(bars), "trades": msgspec.msgpack.encode(trades)}

    def on_load(self, state: dict[str, bytes]) -> None:
        """Rebuild the indicators from saved bars; positions are adopted from the cache when the strategy starts."""
        if raw := state.get("bars"):
            self._saved_bars = msgspec.msgpack.decode(raw)

    def _activate(self) -> None:
        if not self._is_active:
            self.msgbus.subscribe(bus.verdict_topic(self._name), self.on_verdict)
            self.msgbus.subscribe(bus.CANCELS, self._on_cancel_request)
            self._is_active = True
        for text in self.config.bar_types:
            bar_type = BarType.from_str(text)
            if bar_type in self._slots:
                continue
            self._add_slot(bar_type)
            self.subscribe_bars(bar_type)
        self._adopt()

    def _add_slot(self, bar_type: Any) -> None:
        instrument = self.cache.instrument(bar_type.instrument_id)
        if instrument is None:
            raise ConfigError(
                f"every instrument of strategy {self._name} must be loaded, {bar_type.instrument_id} was not found; "
                "ingest it or take it out of the configuration"
            )
        slot = Slot(str(bar_type.instrument_id), features_for(self.rule))
        slot.instrument = instrument
        self._slots[bar_type] = slot
        self._by_id[slot.instrument_id] = slot
        if saved := self._saved_bars.pop(str(bar_type), None):
            slot.features.warm(saved)

    def _adopt(self) -> None:
        """Take up positions of this strategy that a restart left open, with the stop that rests for them."""
        for position in self.cache.positions_open(strategy_id=self.id):
            slot = self._by_id.get(str(position.instrument_id))
            if slot is None or slot.phase is not Phase.IDLE:
                continue
            slot.phase = Phase.OPEN
            slot.position_id = position.id
            slot.side = Side.LONG if position.is_long else Side.SHORT
            slot.units = position.quantity
            slot.quantity = position.quantity.as_decimal()
            slot.entry_px = float(position.avg_px_open)
            slot.high = slot.low = slot.entry_px
            slot.decision_id = legs.decision_of(position.opening_order_id.value)
            for order in self.cache.orders_open(instrument_id=position.instrument_id, strategy_id=self.id):
                if legs.leg_of(order.client_order_id.value) == legs.STOP:
                    slot.stop_id = order.client_order_id.value
                    slot.stop_px = slot.initial_stop = order.trigger_price.as_decimal()
                    slot.confirmed_stop = True

    # -- bars ------------------------------------------------------------------------------------------------------

    def on_bar(self, bar: Bar) -> None:
        """Update the numbers of the bar's instrument and act on what the rule says of them."""
        slot = self._slots[bar.bar_type]
        high, low, close = bar.high.as_double(), bar.low.as_double(), bar.close.as_double()
        numbers = slot.features.update_raw(bar.open.as_double(), high, low, close, bar.volume.as_double())
        if numbers is None:
            return
        ts = bar.ts_event
        if ts < self._trade_from_ns:
            return
        if slot.position_id is not None:
            self._on_bar_held(slot, numbers, high=high, low=low, ts=ts)
            return
        signal = self.rule.entry(slot.instrument_id, numbers)
        if signal is None:
            outcome = "quiet"
        elif slot.phase is Phase.IDLE:
            outcome = "entry"
        else:
            outcome = "held"
        self._record(ts, slot, outcome, numbers)
        if outcome == "entry":
            self._propose(slot, signal, ts)

    def _on_bar_held(self, slot: Slot, numbers: tuple[float, ...], *, high: float, low: float, ts: int) -> None:
        slot.bars_held += 1
        slot.high = max(slot.high, high)
        slot.low = min(slot.low, low)
        leaving = self.rule.exit(slot.instrument_id, numbers, slot.side) if slot.phase is Phase.OPEN else None
        if leaving is not None:
            self._record(ts, slot, "exit", numbers)
            slot.phase = Phase.EXIT_PROPOSED
            self._publish_proposal(slot, leaving, ts)
            return
        held = self.rule.entry(slot.instrument_id, numbers) is not None
        self._record(ts, slot, "held" if held else "quiet", numbers)
        if slot.trail is not None and slot.phase is Phase.OPEN:
            self._ratchet(slot, ts)

    def _propose(self, slot: Slot, signal: Signal, ts: int) -> None:
        increment = slot.instrument.price_increment.as_decimal()
        stop_px = stop_price(signal.stop_px, increment, signal.side)
        target = signal.target_px
        target_px = None if target is None else float(target_price(target, increment, signal.side))
        slot.phase = Phase.PROPOSED
        slot.stop_px = stop_px
        self._publish_proposal(slot, msgspec.structs.replace(signal, stop_px=float(stop_px), target_px=target_px), ts)

    def _publish_proposal(self, slot: Slot, signal: Signal, ts: int) -> None:
        proposal = Proposal(
            decision_id=make_decision_id(
                self.trader_id.value, self._name, slot.instrument_id, ts_batch=ts, action=signal.action
            ),
            strategy=self._name,
            ts_batch=ts,
            signal=signal,
            volume=slot.features.mean_volume,
        )
        self.msgbus.publish(bus.PROPOSALS, proposal)

    # -- verdicts --------------------------------------------------------------------------------------------------

    def on_verdict(self, verdict: Verdict) -> None:
        """Carry out what the desk decided."""
        signal = verdict.proposal.signal
        slot = self._by_id[signal.instrument_id]
        if signal.action is Action.ENTER:
            if slot.phase is not Phase.PROPOSED:
                return
            if verdict.is_granted:
                self._enter(slot, verdict)
            else:
                slot.clear()
        elif slot.phase is Phase.EXIT_PROPOSED:
            if verdict.is_granted:
                self._leave(slot, signal.reason)
            else:
                slot.phase = Phase.OPEN

    def _enter(self, slot: Slot, verdict: Verdict) -> None:
        signal = verdict.proposal.signal
        increment = slot.instrument.price_increment.as_decimal()
        slot.phase = Phase.ENTERING
        slot.decision_id = verdict.proposal.decision_id
        slot.ts_batch = verdict.proposal.ts_batch
        slot.side = signal.side
        slot.entry_reason = signal.reason
        slot.regime = verdict.regime.value
        # The desk may have widened the stop; whatever trails it is widened alike.
        asked = abs(signal.reference_px - float(slot.stop_px))
        slot.stop_px = slot.initial_stop = stop_price(signal.stop_px, increment, signal.side)
        multiple = abs(signal.reference_px - float(slot.stop_px)) / asked if asked > 0 else 1.0
        slot.target_px = None if signal.target_px is None else target_price(signal.target_px, increment, signal.side)
        slot.stop_id = client_order_id(slot.decision_id, legs.STOP)
        slot.trail = self.rule.trail(signal.side, float(slot.stop_px), multiple=multiple)
        order_list = legs.bracket(
            self._owner(slot),
            slot.decision_id,
            signal.side,
            quantity=verdict.granted,
            stop_px=slot.stop_px,
            target_px=slot.target_px,
            ts_init=self.clock.timestamp_ns(),
            time_in_force=self.config.entry_time_in_force,
        )
        slot.units = order_list.first.quantity
        slot.quantity = slot.units.as_decimal()
        self._publish_protection(slot)
        self.submit_order_list(order_list)

    def _on_cancel_request(self, order_id: str) -> None:
        """Cancel a working entry that the desk no longer wants."""
        order = self.cache.order(legs.ClientOrderId(order_id))
        if order is not None and order.strategy_id == self.id and not order.is_closed:
            self.cancel_order(order)

    def _leave(self, slot: Slot, reason: str) -> None:
        """Cancel the resting legs, wait for the confirmation, then close."""
        slot.exit_reason = reason
        slot.phase = Phase.CANCELLING
        stop = self._open_leg(slot, legs.STOP)
        first = stop if stop is not None else self._open_leg(slot, legs.TARGET)
        if first is None:
            self._close(slot)
            return
        self._arm_deadline(slot, self._on_cancel_deadline)
        # One cancel is enough where the venue ties the legs together; the deadline asks for what is left.
        self.cancel_order(first)

    def _close(self, slot: Slot) -> None:
        position = self.cache.position(slot.position_id)
        if position is None or position.is_closed:
            return
        slot.phase = Phase.CLOSING
        slot.close_sent += 1
        self._arm_deadline(slot, self._on_close_deadline)
        order = legs.closing_order(
            self._owner(slot),
            client_order_id(slot.decision_id, legs.CLOSE, slot.close_sent),
            slot.side,
            quantity=position.quantity,
            ts_init=self.clock.timestamp_ns(),
        )
        self.submit_order(order, position_id=slot.position_id)

    def _restore_stop(self, slot: Slot) -> None:
        """Put the protective stop back: no position stays without one."""
        position = self.cache.position(slot.position_id)
        if position is None or position.is_closed or slot.stop_px is None:
            return
        slot.phase = Phase.OPEN
        slot.close_sent += 1
        slot.stop_id = client_order_id(slot.decision_id, legs.STOP, slot.close_sent)
        slot.confirmed_stop = False
        self._publish_protection(slot)
        order = legs.stop_order(
            self._owner(slot),
            slot.stop_id,
            slot.side,
            quantity=position.quantity,
            stop_px=slot.stop_px,
            ts_init=self.clock.timestamp_ns(),
        )
        self.submit_order(order, position_id=slot.position_id)

    def _ratchet(self, slot: Slot, ts: int) -> None:
        increment = slot.instrument.price_increment.as_decimal()
        moved = stop_price(slot.trail.update(slot.features.stop_inputs), increment, slot.side)
        if slot.trail.is_breached:
            # No venue rests a stop at or beyond the market: the position is closed at the next open instead.
            self._leave(slot, "trailing_stop")
            return
        if slot.stop_px is None or (moved - slot.stop_px) * slot.side.sign <= 0:
            return
        stop = self._open_leg(slot, legs.STOP)
        if stop is None or stop.is_pending_update or stop.is_inflight:
            return
        slot.stop_px = moved
        slot.ts_batch = ts
        self._publish_protection(slot)
        self.modify_order(stop, trigger_price=price_of(slot.instrument, moved))

    # -- order events ----------------------------------------------------------------------------------------------

    def on_order_accepted(self, event: Any) -> None:
        """Note that the stop rests at the venue."""
        slot = self._slot_of(event)
        if slot is not None and event.client_order_id.value == slot.stop_id:
            slot.confirmed_stop = True

    def on_order_filled(self, event: Any) -> None:
        """Note the position that an entry opened."""
        slot = self._slot_of(event)
        if slot is None:
            return
        leg = legs.leg_of(event.client_order_id.value)
        if leg == legs.ENTRY and slot.phase is Phase.ENTERING:
            slot.phase = Phase.OPEN
            slot.position_id = event.position_id
            slot.entry_px = slot.high = slot.low = event.last_px.as_double()
        elif leg in (legs.STOP, legs.TARGET) and not slot.exit_reason:
            slot.exit_reason = "target" if leg == legs.TARGET else self._stop_reason(slot)

    def on_order_canceled(self, event: Any) -> None:
        """Go on with an exit whose leg is gone, or put back a stop that nobody meant to cancel."""
        self._on_leg_gone(event)

    def on_order_expired(self, event: Any) -> None:
        """Treat an expired leg as a cancelled one."""
        self._on_leg_gone(event)

    def on_order_rejected(self, event: Any) -> None:
        """Treat a rejected order as gone; the venue said so."""
        self._on_leg_gone(event)

    def on_order_denied(self, event: Any) -> None:
        """Treat a denied order as gone; it never left."""
        self._on_leg_gone(event)

    def on_position_closed(self, event: Any) -> None:
        """Publish the finished trade and free the slot."""
        slot = self._by_id.get(str(event.instrument_id))
        if slot is None or slot.position_id != event.position_id:
            return
        self._disarm(slot)
        self.msgbus.publish(bus.TRADES, self._closed_trade(slot, event))
        slot.clear()

    def _on_leg_gone(self, event: Any) -> None:
        slot = self._slot_of(event)
        if slot is None:
            return
        leg = legs.leg_of(event.client_order_id.value)
        if leg == legs.ENTRY and slot.phase is Phase.ENTERING:
            self._disarm(slot)
            self._cancel_children(slot)
            slot.clear()
        elif leg == legs.CLOSE and slot.phase is Phase.CLOSING:
            self._restore_stop(slot)
        elif slot.phase is Phase.CANCELLING:
            if self._open_leg(slot, legs.STOP) is None and self._open_leg(slot, legs.TARGET) is None:
                self._close(slot)
        elif leg == legs.STOP and slot.phase is Phase.OPEN and not slot.exit_reason:
            self._restore_or_close(slot)

    def _restore_or_close(self, slot: Slot) -> None:
        # A stop that the venue refuses twice cannot protect anything: the position is closed instead.
        if slot.close_sent >= 2:
            slot.exit_reason = "stop_refused"
            self._close(slot)
        else:
            self._restore_stop(slot)

    def _on_cancel_deadline(self, event: Any) -> None:
        slot = self._by_id.get(event.name.partition(":")[2])
        if slot is None or slot.phase is not Phase.CANCELLING:
            return
        left = [leg for leg in (self._open_leg(slot, legs.STOP), self._open_leg(slot, legs.TARGET)) if leg is not None]
        if not left:
            self._close(slot)
            return
        self._arm_deadline(slot, self._on_cancel_deadline)
        for order in left:
            if not order.is_pending_cancel:
                self.cancel_order(order)

    def _on_close_deadline(self, event: Any) -> None:
        slot = self._by_id.get(event.name.partition(":")[2])
        if slot is not None and slot.phase is Phase.CLOSING:
            self.log.warning(f"close_unconfirmed instrument={slot.instrument_id} decision_id={slot.decision_id}")
            self._publish_fault(f"close of {slot.instrument_id} unconfirmed", is_critical=False)

    # -- small parts -----------------------------------------------------------------------------------------------

    def _slot_of(self, event: Any) -> Slot | None:
        slot = self._by_id.get(str(event.instrument_id))
        if slot is None or legs.decision_of(event.client_order_id.value) != slot.decision_id:
            return None
        return slot

    def _owner(self, slot: Slot) -> legs.OrderOwner:
        return legs.OrderOwner(self.trader_id, self.id, slot.instrument)

    def _open_leg(self, slot: Slot, leg: str) -> Any:
        text = slot.stop_id if leg == legs.STOP else client_order_id(slot.decision_id, leg)
        order = self.cache.order(legs.ClientOrderId(text))
        return None if order is None or order.is_closed else order

    def _cancel_children(self, slot: Slot) -> None:
        for leg in (legs.STOP, legs.TARGET):
            order = self._open_leg(slot, leg)
            if order is not None and order.is_open:
                self.cancel_order(order)

    def _stop_reason(self, slot: Slot) -> str:
        return "stop" if slot.stop_px == slot.initial_stop else "trailing_stop"

    def _arm_deadline(self, slot: Slot, callback: Callable[[Any], None]) -> None:
        self._disarm(slot)
        at_ns = self.clock.timestamp_ns() + int(self.config.exit_deadline_secs * 1e9)
        self.clock.set_time_alert_ns(f"{self._name}:{slot.instrument_id}", at_ns, callback)

    def _disarm(self, slot: Slot) -> None:
        name = f"{self._name}:{slot.instrument_id}"
        if name in self.clock.timer_names:
            self.clock.cancel_timer(name)

    def _record(self, ts: int, slot: Slot, outcome: str, numbers: tuple[float, ...]) -> None:
        rows = self._rows
        rows.append((ts, slot.instrument_id, outcome, numbers))
        if len(rows) >= self._chunk_rows:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self.msgbus.publish(bus.SIGNALS, bus.SignalChunk(self._name, self._columns, self._with_nearness()))
            self._rows = []

    def _with_nearness(self) -> list[tuple[Any, ...]]:
        nearness = self.rule.nearness
        return [(ts, iid, outcome, nearness(numbers), *numbers) for ts, iid, outcome, numbers in self._rows]

    def _publish_protection(self, slot: Slot) -> None:
        if slot.stop_px is None:
            return
        self.msgbus.publish(
            bus.PROTECTIONS,
            bus.Protection(
                ts=self.clock.timestamp_ns(),
                ts_batch=slot.ts_batch,
                decision_id=slot.decision_id,
                strategy=self._name,
                instrument_id=slot.instrument_id,
                client_order_id=slot.stop_id,
                side=slot.side,
                quantity=slot.quantity,
                stop_px=slot.stop_px,
                kind=self.rule.stop_kind,
            ),
        )

    def _publish_fault(self, detail: str, *, is_critical: bool) -> None:
        self.msgbus.publish(
            bus.FAULTS, bus.Fault(self.clock.timestamp_ns(), self._name, detail, is_critical=is_critical)
        )

    def _closed_trade(self, slot: Slot, event: Any) -> bus.ClosedTrade:
        position = self.cache.position(event.position_id)
        commission = sum((money.as_decimal() for money in position.commissions()), Decimal(0))
        quantity = event.peak_qty.as_decimal()
        entry_px, exit_px = float(event.avg_px_open), float(event.avg_px_close)
        high, low = max(slot.high, exit_px), min(slot.low, exit_px)
        best, worst = (high, low) if slot.side is Side.LONG else (low, high)
        pnl = event.realized_pnl.as_decimal()
        risk = abs(entry_px - float(slot.initial_stop)) * float(quantity) if slot.initial_stop is not None else 0.0
        return bus.ClosedTrade(
            ts_batch=slot.ts_batch,
            decision_id=slot.decision_id,
            strategy=self._name,
            instrument_id=slot.instrument_id,
            side=slot.side,
            entry_ts=event.ts_opened,
            entry_px=entry_px,
            exit_ts=event.ts_closed,
            exit_px=exit_px,
            quantity=quantity,
            pnl=pnl,
            commission=commission,
            return_frac=float(pnl) / (entry_px * float(quantity)),
            r_multiple=float(pnl) / risk if risk > 0 else 0.0,
            entry_reason=slot.entry_reason,
            exit_reason=slot.exit_reason or "external",
            regime_at_entry=slot.regime,
            mae=slot.side.sign * (worst - entry_px) / entry_px,
            mfe=slot.side.sign * (best - entry_px) / entry_px,
            bars_held=slot.bars_held,
        )


def _raw(bar: Any) -> tuple[float, ...]:
    return (
        bar.open.as_double(),
        bar.high.as_double(),
        bar.low.as_double(),
        bar.close.as_double(),
        bar.volume.as_double(),
    )


def _trade_state(slot: Slot) -> dict[str, Any]:
    return {"decision_id": slot.decision_id, "entry_reason": slot.entry_reason, "regime": slot.regime}


def bar_ids(bar_types: Iterable[str]) -> list[str]:
    """Return the instrument ids of bar types given as text."""
    return [str(BarType.from_str(text).instrument_id) for text in bar_types]
