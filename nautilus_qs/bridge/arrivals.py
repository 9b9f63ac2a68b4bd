"""Orders arrive when their own market next trades, never before.

NautilusTrader's simulated venue lets every order in flight arrive whenever anything at all happens after its latency: a
bar of another instrument, a timer of any actor. A market order sent at Friday's close then fills at Friday's price as
soon as bitcoin trades at 16:00:01, and of two instruments that open at the same instant the second fills at its
previous close. This client holds each order until the first datum of its own instrument at or after its arrival time,
and only then sends it on; the venue fills it against the market that this datum made.

An entry that carries ``SKIP_BELOW`` or ``SKIP_ABOVE`` tags is refused, with its children, when the market it would
meet is at or beyond one of the two: its stop or target would be reached as soon as it is filled.
"""

from decimal import Decimal
from typing import Any

from msgspec import Struct
from nautilus_trader.backtest.execution_client import BacktestExecClient
from nautilus_trader.execution.messages import SubmitOrderList
from nautilus_trader.model.data import Bar, QuoteTick, TradeTick
from nautilus_trader.model.enums import OrderSide

from nautilus_qs.bridge.tape import Tape, tape_of

_BELOW, _ABOVE = "SKIP_BELOW=", "SKIP_ABOVE="


class Held(Struct, frozen=True):
    """A submit command on its way, and the prices at or beyond which its entry is pointless."""

    command: Any
    orders: tuple[Any, ...]
    arrival_ns: int
    below: Decimal | None
    above: Decimal | None


class ArrivalClient(BacktestExecClient):
    """The execution client of a simulated venue that holds orders until their market trades.

    Cancels act at once, on held orders too; changes of a held order are applied by the venue as it does with any order
    that has not arrived.
    """

    def __init__(self, exchange: Any, tape: Tape, *, msgbus: Any, cache: Any, clock: Any) -> None:
        super().__init__(exchange, msgbus, cache, clock, False, exchange.is_frozen_account)
        self.exchange = exchange
        self.tape = tape
        self._venue_clock = clock
        self._waiting: dict[Any, list[Held]] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether any order is on its way."""
        return bool(self._waiting)

    def _reset(self) -> None:
        # The hook of the engine's own reset, which also makes the client ready to be started again.
        self._waiting.clear()

    # -- commands --------------------------------------------------------------------------------------------------

    def submit_order(self, command: Any) -> None:
        """Report the order as sent and hold it."""
        self._hold(command, (command.order,))

    def submit_order_list(self, command: Any) -> None:
        """Report the orders as sent and hold them together."""
        self._hold(command, tuple(command.order_list.orders))

    def cancel_order(self, command: Any) -> None:
        """Cancel an order, on its way or at the venue."""
        if not self._withdraw(command.instrument_id, command.client_order_id):
            super().cancel_order(command)

    def cancel_all_orders(self, command: Any) -> None:
        """Cancel an instrument's orders of one side or both, on their way and at the venue."""
        for held in tuple(self._waiting.get(command.instrument_id, ())):
            for order in held.orders:
                if command.order_side in (OrderSide.NO_ORDER_SIDE, order.side):
                    self._withdraw(command.instrument_id, order.client_order_id)
        super().cancel_all_orders(command)

    def batch_cancel_orders(self, command: Any) -> None:
        """Cancel each order that is named."""
        for cancel in command.cancels:
            self.cancel_order(cancel)

    # -- arrival ---------------------------------------------------------------------------------------------------

    def deliver(self, data: Any) -> None:
        """Send on what has arrived by the time of this datum of its own instrument."""
        instrument_id = self.tape.instrument_moved_by(data)
        waiting = self._waiting.get(instrument_id)
        if waiting is None:
            return
        due = [held for held in waiting if held.arrival_ns <= data.ts_init]
        if not due:
            return
        # Taken out first: a refusal is told at once, and whoever hears it may send the next order.
        self._keep(instrument_id, [held for held in waiting if held.arrival_ns > data.ts_init])
        for held in due:
            reason = _skip_reason(held, data)
            if reason:
                self._refuse(held, reason)
            else:
                self.exchange.send(held.command)

    def _hold(self, command: Any, orders: tuple[Any, ...]) -> None:
        now_ns = self._venue_clock.timestamp_ns()
        for order in orders:
            self.generate_order_submitted(order.strategy_id, order.instrument_id, order.client_order_id, now_ns)
        latency = self.exchange.latency_model
        arrival_ns = command.ts_init + (0 if latency is None else latency.insert_latency_nanos)
        tags = orders[0].tags or ()
        held = Held(command, orders, arrival_ns, _bound(tags, _BELOW), _bound(tags, _ABOVE))
        self._waiting.setdefault(orders[0].instrument_id, []).append(held)

    def _keep(self, instrument_id: Any, left: list[Held]) -> None:
        if left:
            self._waiting[instrument_id] = left
        else:
            self._waiting.pop(instrument_id, None)

    def _refuse(self, held: Held, reason: str) -> None:
        now_ns = self._venue_clock.timestamp_ns()
        for order in held.orders:
            if not order.is_closed:
                self.generate_order_rejected(
                    order.strategy_id, order.instrument_id, order.client_order_id, reason, now_ns
                )

    def _withdraw(self, instrument_id: Any, order_id: Any) -> bool:
        """Cancel a held order, an entry with its children; return whether it was held."""
        waiting = self._waiting.get(instrument_id, ())
        for held in waiting:
            order = next((o for o in held.orders if o.client_order_id == order_id and not o.is_closed), None)
            if order is None:
                continue
            is_whole = order is held.orders[0] or not isinstance(held.command, SubmitOrderList)
            if is_whole:
                self._keep(instrument_id, [other for other in waiting if other is not held])
            self._cancel(held.orders if is_whole else (order,))
            return True
        return False

    def _cancel(self, orders: tuple[Any, ...]) -> None:
        now_ns = self._venue_clock.timestamp_ns()
        for order in orders:
            if not order.is_closed:
                self.generate_order_canceled(
                    order.strategy_id, order.instrument_id, order.client_order_id, order.venue_order_id, now_ns
                )


def install_arrivals(kernel: Any, venue: Any) -> ArrivalClient:
    """Put an :class:`ArrivalClient` in the place of the venue's execution client; call it before the run starts.

    Parameters
    ----------
    kernel
        ``engine.kernel`` of a BacktestEngine whose venue has a :class:`~nautilus_qs.bridge.tape.Tape`.
    venue
        The venue's identifier.

    Raises
    ------
    KeyError
        If the venue has no tape.
    """
    tape = tape_of(kernel.msgbus, venue)
    exchange = tape.exchange
    client = ArrivalClient(exchange, tape, msgbus=kernel.msgbus, cache=kernel.cache, clock=kernel.clock)
    kernel.exec_engine.deregister_client(exchange.exec_client)
    kernel.exec_engine.register_client(client)
    exchange.register_client(client)
    tape.queue = client
    return client


def _bound(tags: Any, prefix: str) -> Decimal | None:
    return next((Decimal(tag[len(prefix) :]) for tag in tags if tag.startswith(prefix)), None)


def _skip_reason(held: Held, data: Any) -> str:
    if held.below is None and held.above is None:
        return ""
    price = _market_price(data, is_buy=held.orders[0].side == OrderSide.BUY)
    if price is None:
        return ""
    exact = price.as_decimal()
    if held.below is not None and exact <= held.below:
        return f"SKIPPED: the market at {price} is at or below {held.below}"
    if held.above is not None and exact >= held.above:
        return f"SKIPPED: the market at {price} is at or above {held.above}"
    return ""


def _market_price(data: Any, *, is_buy: bool) -> Any | None:
    """Return the price that an arriving market order would meet: a bar leaves the market at its close."""
    match data:
        case QuoteTick():
            return data.ask_price if is_buy else data.bid_price
        case Bar():
            return data.close
        case TradeTick():
            return data.price
        case _:
            return None
