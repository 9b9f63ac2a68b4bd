"""Carrying a verdict out: the entry with its stop, the stop kept in its place, the exit, and the trade when it is over.

The protective stop rests at the venue for as long as a position is open. An exit first cancels the resting legs, waits
for the confirmation, then closes; if the close is refused the stop is put back.
"""

from decimal import Decimal
from typing import Any

from nautilus_trader.model.events import (
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
)
from nautilus_trader.model.identifiers import ClientOrderId, PositionId

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge import orders as legs
from nautilus_qs.bridge.rounding import order_tick, price_of, stop_price, target_price
from nautilus_qs.desk.ids import Leg, client_order_id
from nautilus_qs.domain import Action, Side, Verdict
from strategies.slot import Phase, Slot

_GONE = (OrderCanceled, OrderExpired, OrderRejected, OrderDenied)
_STOP_ATTEMPTS = 2

FOLLOWED = frozenset({OrderFilled, OrderCancelRejected, OrderModifyRejected, *_GONE})
"""The events that move a trade along: a third of all that an order has."""


class Execution:
    """Moves the slots of one strategy along: every order the strategy sends is sent here.

    Parameters
    ----------
    strategy
        The shell whose orders these are.
    """

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy

    # -- verdicts --------------------------------------------------------------------------------------------------

    def on_verdict(self, verdict: Verdict, slot: Slot) -> None:
        """Enter or leave as granted, or forget the proposal."""
        signal = verdict.proposal.signal
        if signal.action is Action.EXIT:
            if slot.phase is not Phase.EXIT_PROPOSED:
                return
            if verdict.is_granted:
                self.leave(slot, signal.reason)
            else:
                slot.phase = Phase.OPEN
        elif slot.phase is not Phase.PROPOSED:
            if verdict.is_granted:
                self._publish(bus.UNUSED, client_order_id(verdict.proposal.decision_id, Leg.ENTRY))
        elif verdict.is_granted:
            self._enter(slot, verdict)
        else:
            slot.clear()

    def _enter(self, slot: Slot, verdict: Verdict) -> None:
        strategy, signal = self._strategy, verdict.proposal.signal
        stop_px, target_px = signal.stop_px or 0.0, signal.target_px
        slot.phase = Phase.ENTERING
        slot.decision_id = verdict.proposal.decision_id
        slot.ts_batch = verdict.proposal.ts_batch
        slot.side = signal.side
        slot.entry_reason = signal.reason
        slot.regime = verdict.regime.value
        # The desk may have widened the stop; whatever trails it is widened alike.
        asked = abs(signal.reference_px - float(slot.stop_px or 0))
        slot.stop_px = slot.initial_stop = stop_price(stop_px, order_tick(slot.instrument, stop_px), signal.side)
        multiple = abs(signal.reference_px - float(slot.stop_px)) / asked if asked > 0 else 1.0
        if target_px is not None:
            slot.target_px = target_price(target_px, order_tick(slot.instrument, target_px), signal.side)
        slot.stop_id = client_order_id(slot.decision_id, Leg.STOP)
        slot.trail = strategy.rule.trail(signal.side, float(slot.stop_px), multiple=multiple)
        order_list = legs.bracket(
            self._owner(slot),
            slot.decision_id,
            signal.side,
            quantity=verdict.granted,
            stop_px=slot.stop_px,
            target_px=slot.target_px,
            ts_init=strategy.clock.timestamp_ns(),
            time_in_force=strategy.config.entry_time_in_force,
        )
        slot.quantity = order_list.first.quantity.as_decimal()
        self._publish_protection(slot)
        # The strategy names its position: engine-made ids do not survive every restart.
        strategy.submit_order_list(order_list, position_id=PositionId(slot.decision_id))

    def on_cancel_request(self, order_id: str) -> None:
        """Cancel a working entry that the desk no longer wants."""
        order = self._strategy.cache.order(ClientOrderId(order_id))
        if order is not None and order.strategy_id == self._strategy.id and not order.is_closed:
            self._strategy.cancel_order(order)

    # -- while a position is open ----------------------------------------------------------------------------------

    def ratchet(self, slot: Slot, ts: int) -> None:
        """Move the resting stop after a closed bar, towards the price only."""
        trailing = slot.trail.update(slot.features.stop_inputs)
        moved = stop_price(trailing, order_tick(slot.instrument, trailing), slot.side)
        if slot.trail.is_breached:
            # No venue rests a stop at or beyond the market: the position is closed at the next open instead.
            self.leave(slot, "trailing_stop")
            return
        if slot.stop_px is None or (moved - slot.stop_px) * slot.side.sign <= 0:
            return
        stop = self._open_leg(slot, Leg.STOP)
        if stop is None or stop.is_pending_update or stop.is_inflight:
            return
        slot.stop_px = moved
        slot.ts_batch = ts
        self._publish_protection(slot)
        if slot.is_stop_fixed:
            # The venue cannot move this order (Alpaca's single leg): once it is gone, one at the new price is sent.
            self._strategy.cancel_order(stop)
        else:
            self._strategy.modify_order(stop, trigger_price=price_of(slot.instrument, moved))

    def leave(self, slot: Slot, reason: str) -> None:
        """Cancel the resting legs, wait for the confirmation, then close."""
        slot.exit_reason = reason
        slot.phase = Phase.CANCELLING
        stop = self._open_leg(slot, Leg.STOP)
        first = stop if stop is not None else self._open_leg(slot, Leg.TARGET)
        if first is None:
            self._close(slot)
            return
        self._arm_deadline(slot)
        # One cancel is enough where the venue ties the legs together; the deadline asks for what is left.
        self._strategy.cancel_order(first)

    def adopt(self, slot: Slot, position: Any, saved: dict[str, Any]) -> None:
        """Take up a position that a restart left open, with the stop that rests for it."""
        slot.phase = Phase.OPEN
        slot.position_id = position.id
        slot.side = Side.LONG if position.is_long else Side.SHORT
        slot.quantity = position.quantity.as_decimal()
        slot.entry_px = slot.high = slot.low = float(position.avg_px_open)
        slot.decision_id = position.id.value
        is_leaving = self._recall_legs(slot, position)
        slot.restore(saved)
        if slot.stop_px is not None:
            slot.trail = self._strategy.rule.trail(slot.side, float(slot.stop_px))
            if slot.trail is not None and slot.saved_trail is not None:
                slot.trail.restore(slot.saved_trail)
        if is_leaving:
            # Its close is on the way: a stop beside it could turn the position.
            slot.phase = Phase.CLOSING
        elif slot.stop_px is None:
            self._strategy.tell_fault(f"position {position.id} has no stop and none is remembered; close it by hand")
        elif not slot.stop_id:
            self._restore_stop(slot)

    def _recall_legs(self, slot: Slot, position: Any) -> bool:
        """Read the position's own orders, closed ones too; return whether a close is on its way.

        A process that is killed between cancelling a stop and closing leaves no open stop: where the last one lay is
        still known from the order itself.
        """
        is_leaving = False
        orders = self._strategy.cache.orders(instrument_id=position.instrument_id, strategy_id=self._strategy.id)
        own = [order for order in orders if legs.decision_of(order.client_order_id.value) == slot.decision_id]
        for order in sorted(own, key=lambda one: (not one.is_closed, one.ts_last)):
            text = order.client_order_id.value
            leg = legs.leg_of(text)
            # An id is used once: whatever is sent from now on counts on from the highest number.
            slot.attempts = max(slot.attempts, int(text[22:] or 0) + (leg is Leg.EXIT))
            if leg is Leg.STOP:
                slot.stop_px = order.trigger_price.as_decimal()
                slot.stop_id = "" if order.is_closed else text
                slot.initial_stop = slot.initial_stop or slot.stop_px
            elif leg is Leg.EXIT and not order.is_closed:
                is_leaving = True
        return is_leaving

    def _close(self, slot: Slot) -> None:
        position = self._strategy.cache.position(slot.position_id)
        if position is None or position.is_closed:
            return
        slot.phase = Phase.CLOSING
        slot.attempts += 1
        self._disarm(slot)
        order = legs.closing_order(
            self._owner(slot),
            client_order_id(slot.decision_id, Leg.EXIT, slot.attempts - 1),
            slot.side,
            quantity=position.quantity,
            ts_init=self._strategy.clock.timestamp_ns(),
        )
        self._strategy.submit_order(order, position_id=slot.position_id)

    def _restore_stop(self, slot: Slot) -> None:
        """Put the protective stop back: no position stays without one."""
        position = self._strategy.cache.position(slot.position_id)
        if position is None or position.is_closed or slot.stop_px is None:
            return
        slot.phase = Phase.OPEN
        slot.is_stop_fixed = False
        slot.attempts += 1
        slot.stop_id = client_order_id(slot.decision_id, Leg.STOP, slot.attempts)
        self._publish_protection(slot)
        order = legs.stop_order(
            self._owner(slot),
            slot.stop_id,
            slot.side,
            quantity=position.quantity,
            stop_px=slot.stop_px,
            ts_init=self._strategy.clock.timestamp_ns(),
        )
        self._strategy.submit_order(order, position_id=slot.position_id)

    # -- events ----------------------------------------------------------------------------------------------------

    def on_order_event(self, event: Any, slot: Slot | None) -> None:
        """Follow the orders of the trade in progress; what belongs to no trade is none of ours."""
        text = event.client_order_id.value
        if slot is None or not slot.decision_id or legs.decision_of(text) != slot.decision_id:
            return
        leg = legs.leg_of(text)
        if isinstance(event, OrderFilled):
            self._on_filled(slot, leg, event)
        elif isinstance(event, _GONE):
            self._on_gone(slot, leg, text)
        elif isinstance(event, OrderCancelRejected):
            self._on_cancel_rejected(slot)
        elif leg is Leg.STOP and text == slot.stop_id:
            self._on_stop_not_moved(slot)

    def _on_filled(self, slot: Slot, leg: Leg | None, event: Any) -> None:
        if leg is Leg.ENTRY and slot.phase is Phase.ENTERING:
            slot.phase = Phase.OPEN
            slot.position_id = event.position_id
            slot.entry_px = slot.high = slot.low = event.last_px.as_double()
        elif leg is Leg.TARGET:
            slot.exit_reason = "target"
        elif leg is Leg.STOP:
            slot.exit_reason = "stop" if slot.stop_px == slot.initial_stop else "trailing_stop"

    def _on_gone(self, slot: Slot, leg: Leg | None, text: str) -> None:
        if self._strategy.is_exiting() and slot.position_id is not None:
            # The whole strategy is being closed: the engine cancels, closes and verifies.
            slot.exit_reason = slot.exit_reason or "flattened"
        elif leg is Leg.ENTRY and slot.phase is Phase.ENTERING:
            self._cancel_children(slot)
            slot.clear()
        elif leg is Leg.EXIT and slot.phase is Phase.CLOSING:
            self._restore_stop(slot)
        elif slot.phase is Phase.CANCELLING:
            if self._open_leg(slot, Leg.STOP) is None and self._open_leg(slot, Leg.TARGET) is None:
                self._close(slot)
        elif leg is Leg.STOP and slot.phase is Phase.OPEN and text == slot.stop_id:
            # A stop that the venue refuses again and again cannot protect anything: the position is closed instead.
            if slot.attempts >= _STOP_ATTEMPTS and not slot.is_stop_fixed:
                slot.exit_reason = "stop_refused"
                self._close(slot)
            else:
                self._restore_stop(slot)

    def _on_stop_not_moved(self, slot: Slot) -> None:
        """Know where the stop still rests; the next bar replaces it."""
        stop = self._open_leg(slot, Leg.STOP)
        if stop is not None:
            slot.is_stop_fixed = True
            slot.stop_px = stop.trigger_price.as_decimal()
            self._publish_protection(slot)

    def _on_cancel_rejected(self, slot: Slot) -> None:
        """Stay protected where the venue would not cancel: the exit is proposed again on the next bar."""
        if slot.phase is Phase.CANCELLING and self._open_leg(slot, Leg.STOP) is not None:
            self._disarm(slot)
            slot.phase = Phase.OPEN

    def on_position_closed(self, event: Any, slot: Slot | None) -> None:
        """Publish the finished trade and free the slot."""
        if slot is not None and slot.position_id == event.position_id:
            self.finish(slot)

    def finish(self, slot: Slot) -> None:
        """Publish the trade of a position that is closed, also one that closed while nobody listened."""
        position = self._strategy.cache.position(slot.position_id)
        self._disarm(slot)
        self._publish(bus.TRADES, self._closed_trade(slot, position))
        slot.clear()

    def _on_cancel_deadline(self, event: Any) -> None:
        slot = self._slot_named(event.name)
        if slot is None or slot.phase is not Phase.CANCELLING:
            return
        left = [leg for leg in (self._open_leg(slot, Leg.STOP), self._open_leg(slot, Leg.TARGET)) if leg is not None]
        if not left:
            self._close(slot)
            return
        self._strategy.tell_fault(f"cancel of the legs of {slot.instrument_id} is unconfirmed; asked again")
        self._arm_deadline(slot)
        for order in left:
            if not order.is_pending_cancel:
                self._strategy.cancel_order(order)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _slot_named(self, timer: str) -> Slot | None:
        found: Slot | None = self._strategy.slot_of(timer.partition(":")[2])
        return found

    def _publish(self, topic: str, message: Any) -> None:
        self._strategy.msgbus.publish(topic, message)

    def _owner(self, slot: Slot) -> legs.OrderOwner:
        return legs.OrderOwner(self._strategy.trader_id, self._strategy.id, slot.instrument)

    def _open_leg(self, slot: Slot, leg: Leg) -> Any:
        text = slot.stop_id if leg is Leg.STOP else client_order_id(slot.decision_id, leg)
        order = self._strategy.cache.order(ClientOrderId(text)) if text else None
        return None if order is None or order.is_closed else order

    def _cancel_children(self, slot: Slot) -> None:
        for leg in (Leg.STOP, Leg.TARGET):
            order = self._open_leg(slot, leg)
            if order is not None and order.is_open:
                self._strategy.cancel_order(order)

    def _arm_deadline(self, slot: Slot) -> None:
        self._disarm(slot)
        strategy = self._strategy
        at_ns = strategy.clock.timestamp_ns() + int(strategy.config.cancel_deadline_secs * 1e9)
        strategy.clock.set_time_alert_ns(_timer(strategy, slot), at_ns, self._on_cancel_deadline)

    def _disarm(self, slot: Slot) -> None:
        name = _timer(self._strategy, slot)
        if name in self._strategy.clock.timer_names:
            self._strategy.clock.cancel_timer(name)

    def _publish_protection(self, slot: Slot) -> None:
        if slot.stop_px is None:
            return
        protection = bus.Protection(
            ts=self._strategy.clock.timestamp_ns(),
            ts_batch=slot.ts_batch,
            decision_id=slot.decision_id,
            strategy=self._strategy.tag,
            instrument_id=slot.instrument_id,
            client_order_id=slot.stop_id,
            side=slot.side,
            quantity=slot.quantity,
            stop_px=slot.stop_px,
            kind=self._strategy.rule.stop_kind,
        )
        self._publish(bus.PROTECTIONS, protection)

    def _closed_trade(self, slot: Slot, position: Any) -> bus.ClosedTrade:
        quantity = position.peak_qty.as_decimal()
        entry_px, exit_px = float(position.avg_px_open), float(position.avg_px_close)
        high, low = max(slot.high, exit_px), min(slot.low, exit_px)
        best, worst = (high, low) if slot.side is Side.LONG else (low, high)
        pnl = position.realized_pnl.as_decimal()
        risk = abs(entry_px - float(slot.initial_stop)) * float(quantity) if slot.initial_stop is not None else 0.0
        return bus.ClosedTrade(
            ts_batch=slot.ts_batch,
            decision_id=slot.decision_id,
            strategy=self._strategy.tag,
            instrument_id=slot.instrument_id,
            side=slot.side,
            entry_ts=position.ts_opened,
            entry_px=entry_px,
            exit_ts=position.ts_closed,
            exit_px=exit_px,
            quantity=quantity,
            pnl=pnl,
            commission=sum((money.as_decimal() for money in position.commissions()), Decimal(0)),
            return_frac=float(pnl) / (entry_px * float(quantity)),
            r_multiple=float(pnl) / risk if risk > 0 else float("nan"),
            entry_reason=slot.entry_reason,
            exit_reason=slot.exit_reason or "external",
            regime_at_entry=slot.regime,
            mae=slot.side.sign * (worst - entry_px) / entry_px,
            mfe=slot.side.sign * (best - entry_px) / entry_px,
            bars_held=slot.bars_held,
        )


def _timer(strategy: Any, slot: Slot) -> str:
    return f"{strategy.tag}:{slot.instrument_id}"
