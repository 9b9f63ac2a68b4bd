"""The gate: every order of every origin passes here on its way to the execution engine, and fails closed.

The desk decides, the gate enforces: an opening order needs the desk's grant (or its judgement, when it comes from
elsewhere) and the normal mode; what only reduces always passes; cancels and queries always pass.
"""

from decimal import Decimal
from typing import Any

from nautilus_trader.common.config import ActorConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import ModifyOrder, SubmitOrder, SubmitOrderList
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import (
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
)
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.trading.controller import Controller

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.engine import EVENT_ENDPOINT, GateProbe, interpose_gate
from nautilus_qs.desk.ids import Leg, client_order_id
from nautilus_qs.domain import Action, Side, Verdict
from nautilus_qs.risk.gate import GATE_ERROR, Gate, OrderFacts

_TERMINAL = (OrderCanceled, OrderDenied, OrderExpired, OrderRejected)
_ZERO = Decimal(0)
# Before the strategies: the grant must be known when its order comes.
_FIRST = 10


class GateController(Controller):
    """Stands at the execution engine's endpoint from start to the end of the process."""

    def __init__(self, trader: Any, config: ActorConfig | None = None) -> None:
        super().__init__(trader=trader, config=config)
        self._execute: Any = None
        self.gate = Gate(judge=self._judge)

    def on_start(self) -> None:
        """Take the endpoint over; a second start finds it taken."""
        if self._execute is not None:
            return
        self._execute = interpose_gate(self, self.on_command)
        self.msgbus.subscribe(f"{bus.VERDICTS}.*", self._on_verdict, priority=_FIRST)
        self.msgbus.subscribe(bus.UNUSED, self.gate.on_closed)
        self.msgbus.subscribe(bus.MODES, self._on_mode, priority=_FIRST)
        self.msgbus.subscribe("events.order.*", self._on_order_event, priority=_FIRST)

    def on_reset(self) -> None:
        """Forget reservations and mode: equal to a new gate; the endpoint stays taken."""
        self.gate.reset()

    def on_command(self, command: Any) -> None:
        """Pass a command on, or deny its orders with the reason."""
        if isinstance(command, SubmitOrder):
            self._submit([command.order], command)
        elif isinstance(command, SubmitOrderList):
            self._submit(command.order_list.orders, command)
        elif isinstance(command, ModifyOrder):
            self._modify(command)
        elif isinstance(command, GateProbe):
            command.is_answered = True
        else:
            self._execute(command)

    def _submit(self, orders: list[Any], command: Any) -> None:
        try:
            reason = self._first_reason(orders, command)
        except Exception as error:  # noqa: BLE001  the border of the money path: whatever fails here lets nothing through
            reason = f"{GATE_ERROR} {error!r}"
        if reason is None:
            self._execute(command)
            return
        self._tell_fault(reason)
        for order in orders:
            self._deny(order, reason)

    def _tell_fault(self, reason: str) -> None:
        """Say that the gate itself failed, and not the order: nothing more is opened until somebody has looked."""
        if reason.startswith(GATE_ERROR):
            fault = bus.Fault(self.clock.timestamp_ns(), "gate", reason, is_critical=True)
            self.msgbus.publish(bus.FAULTS, fault)

    def _first_reason(self, orders: list[Any], command: Any) -> str | None:
        stop_px = _stop_in(orders)
        for order in orders:
            reason = self.gate.check(self._facts(order, command.position_id, stop_px))
            if reason is not None:
                return reason
        return None

    def _facts(self, order: Any, position_id: Any, stop_px: Decimal | None) -> OrderFacts:
        price = order.price if order.has_price else order.trigger_price if order.has_trigger_price else None
        return OrderFacts(
            client_order_id=order.client_order_id.value,
            strategy=order.strategy_id.get_tag(),
            instrument_id=order.instrument_id.value,
            side=Side.LONG if order.side == OrderSide.BUY else Side.SHORT,
            quantity=order.quantity.as_decimal(),
            price=None if price is None else price.as_decimal(),
            reduce_only=order.is_reduce_only,
            parent_id=_parent_of(order),
            position_quantity=self._held(order, position_id),
            stop_px=stop_px,
        )

    def _held(self, order: Any, position_id: Any) -> Decimal:
        """Return the signed quantity that an order can reduce: that of the position it is for, named or netting.

        A strategy that hedges and names no position reduces none: the engine would open a second one.
        """
        position = self.cache.position(position_id) if position_id is not None else None
        if position is None:
            position = self.cache.position_for_order(order.client_order_id)
        if position is None:
            position = self.cache.position(PositionId(f"{order.instrument_id}-{order.strategy_id}"))
        return _ZERO if position is None else position.signed_decimal_qty()

    def _modify(self, command: Any) -> None:
        reason = self._modify_reason(command)
        if reason is None:
            self._execute(command)
            return
        self._tell_fault(reason)
        # A command that is dropped leaves the order pending for ever: the refusal must be an event.
        now_ns = self.clock.timestamp_ns()
        self.msgbus.send(
            EVENT_ENDPOINT,
            OrderModifyRejected(
                command.trader_id,
                command.strategy_id,
                command.instrument_id,
                command.client_order_id,
                command.venue_order_id,
                None,
                reason,
                UUID4(),
                now_ns,
                now_ns,
            ),
        )

    def _modify_reason(self, command: Any) -> str | None:
        try:
            order = self.cache.order(command.client_order_id)
            current = order.quantity.as_decimal()
            price = command.trigger_price if command.price is None else command.price
            return self.gate.check_modify(
                command.client_order_id.value,
                quantity=current if command.quantity is None else command.quantity.as_decimal(),
                current=current,
                price=None if price is None else price.as_decimal(),
            )
        except Exception as error:  # noqa: BLE001  the border of the money path, as above
            return f"{GATE_ERROR} {error!r}"

    def _deny(self, order: Any, reason: str) -> None:
        self.msgbus.send(
            EVENT_ENDPOINT,
            OrderDenied(
                order.trader_id,
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                reason,
                UUID4(),
                self.clock.timestamp_ns(),
            ),
        )

    def _judge(self, facts: OrderFacts) -> str | None:
        request = bus.JudgeRequest(facts)
        if bus.ENDPOINT_JUDGE in self.msgbus.endpoints():
            self.msgbus.send(bus.ENDPOINT_JUDGE, request)
        return request.reason

    def _on_verdict(self, verdict: Verdict) -> None:
        proposal = verdict.proposal
        if proposal.signal.action is Action.ENTER and verdict.is_granted:
            self.gate.on_grant(
                OrderFacts(
                    client_order_id=client_order_id(proposal.decision_id, Leg.ENTRY),
                    strategy=proposal.strategy,
                    instrument_id=proposal.signal.instrument_id,
                    side=proposal.signal.side,
                    quantity=verdict.granted,
                )
            )

    def _on_mode(self, change: bus.ModeChange) -> None:
        self.gate.mode = change.mode

    def _on_order_event(self, event: Any) -> None:
        order_id = event.client_order_id
        if isinstance(event, OrderFilled):
            self.gate.on_fill(order_id.value, event.last_qty.as_decimal())
            order = self.cache.order(order_id)
            if order is not None and order.is_closed:
                self.gate.on_closed(order_id.value)
        elif isinstance(event, _TERMINAL):
            self.gate.on_closed(order_id.value)


def _parent_of(order: Any) -> str | None:
    """Return the entry whose leg an order is, or the order it was split from."""
    if order.parent_order_id is not None:
        parent: str = order.parent_order_id.value
        return parent
    if order.exec_spawn_id is not None and order.exec_spawn_id != order.client_order_id:
        spawner: str = order.exec_spawn_id.value
        return spawner
    return None


def _stop_in(orders: list[Any]) -> Decimal | None:
    """Return the protective stop that goes out with a list of orders, None when there is none."""
    for order in orders:
        if order.is_reduce_only and order.has_trigger_price:
            stop_px: Decimal = order.trigger_price.as_decimal()
            return stop_px
    return None
