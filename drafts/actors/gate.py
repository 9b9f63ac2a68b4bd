"""The gate: every order of every origin passes here on its way to the execution engine, and fails closed.

The desk decides, the gate enforces: an opening order needs the desk's grant (or its judgement, when it comes from
elsewhere) and the normal mode; what only reduces always passes; cancels and queries always pass.
"""

from typing import Any

from nautilus_trader.config import ControllerConfig
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
from nautilus_trader.trading.controller import Controller

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.engine import EVENT_ENDPOINT, interpose_gate
from nautilus_qs.domain import Side
from nautilus_qs.risk.gate import Gate, OrderFacts

_TERMINAL = (OrderCanceled, OrderDenied, OrderExpired, OrderRejected)


class GateController(Controller):
    """Stands at the execution engine's endpoint from start to the end of the process."""

    def __init__(self, trader: Any, config: ControllerConfig | None = None) -> None:
        super().__init__(trader=trader, config=config)
        self._execute: Any = None
        self.gate = Gate(judge=self._judge)

    def on_start(self) -> None:
        """Take the endpoint over; a second start finds it taken."""
        if self._execute is not None:
            return
        self._execute = interpose_gate(self, self.on_command)
        self.msgbus.subscribe(bus.MODES, self._on_mode)
        self.msgbus.subscribe("events.order.*", self._on_order_event)

    def on_reset(self) -> None:
        """Forget reservations and mode: equal to a new gate; the endpoint stays taken."""
        self.gate = Gate(judge=self._judge)

    def on_command(self, command: Any) -> None:
        """Pass a command on, or deny its orders with the reason."""
        if isinstance(command, SubmitOrder):
            self._submit([command.order], command)
        elif isinstance(command, SubmitOrderList):
            self._submit(command.order_list.orders, command)
        elif isinstance(command, ModifyOrder):
            self._modify(command)
        else:
            self._execute(command)

    def _submit(self, orders: list[Any], command: Any) -> None:
        try:
            reason = self._first_reason(orders, command)
        except Exception as error:  # noqa: BLE001  # border: whatever fails here must not let an order through
            reason = f"RISK_GATE_ERROR: {error!r}"
        if reason is None:
            self._execute(command)
            return
        for order in orders:
            self._deny(order, reason)

    def _first_reason(self, orders: list[Any], command: Any) -> str | None:
        for order in orders:
            reason = self.gate.check(self._facts(order, command.position_id))
            if reason is not None:
                return reason
        return None

    def _facts(self, order: Any, position_id: Any) -> OrderFacts:
        parent = order.parent_order_id
        held = None
        if order.is_reduce_only and parent is None:
            held = self._held(order, position_id)
        price = order.price if order.has_price else order.trigger_price if order.has_trigger_price else None
        return OrderFacts(
            client_order_id=order.client_order_id.value,
            strategy=order.strategy_id.get_tag(),
            instrument_id=order.instrument_id.value,
            side=Side.LONG if order.side == OrderSide.BUY else Side.SHORT,
            quantity=order.quantity.as_decimal(),
            price=None if price is None else price.as_decimal(),
            reduce_only=order.is_reduce_only,
            parent_id=None if parent is None else parent.value,
            position_quantity=held,
        )

    def _held(self, order: Any, position_id: Any) -> Any:
        """Return the signed quantity of the position an order would reduce: its own, else the strategy's net."""
        if position_id is not None:
            position = self.cache.position(position_id)
            return None if position is None else position.signed_decimal_qty()
        positions = self.cache.positions_open(instrument_id=order.instrument_id, strategy_id=order.strategy_id)
        return sum((p.signed_decimal_qty() for p in positions), start=order.quantity.as_decimal() * 0)

    def _modify(self, command: Any) -> None:
        order = self.cache.order(command.client_order_id)
        is_larger = command.quantity is not None and order is not None and command.quantity > order.quantity
        if not is_larger or (order is not None and order.is_reduce_only):
            self._execute(command)
            return
        # A command that is dropped leaves the order pending for ever: the refusal must be an event.
        self.msgbus.send(
            EVENT_ENDPOINT,
            OrderModifyRejected(
                command.trader_id,
                command.strategy_id,
                command.instrument_id,
                command.client_order_id,
                command.venue_order_id,
                None,
                "RISK_GATE: an opening order may not be enlarged; send a new one",
                UUID4(),
                self.clock.timestamp_ns(),
                self.clock.timestamp_ns(),
            ),
        )

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

    def _on_mode(self, change: bus.ModeChange) -> None:
        self.gate.set_mode(change.mode)

    def _on_order_event(self, event: Any) -> None:
        if isinstance(event, OrderFilled):
            self.gate.on_fill(event.client_order_id.value, event.last_qty.as_decimal())
        elif isinstance(event, _TERMINAL):
            self.gate.on_closed(event.client_order_id.value)
