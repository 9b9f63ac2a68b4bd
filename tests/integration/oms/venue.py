"""A venue that nets, as a margin stockbroker does: one signed position an instrument, whoever traded.

It knows orders, fills and brackets, and nothing of strategies or of the engine. Its state is one small file, written
at every change, so that it outlives a node that is killed; while no node runs, a test may trade on it directly.
"""

from decimal import Decimal
from pathlib import Path

import msgspec

HELD, WORKING, PARTIAL, FILLED, CANCELED = "held", "working", "partial", "filled", "canceled"
FIRST_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


class VenueOrder(msgspec.Struct):
    """One order as the venue keeps it; ``parent`` and ``siblings`` are client order ids of its bracket."""

    order_id: str
    venue_order_id: str
    side: str
    kind: str
    quantity: int
    price: str | None
    trigger: str | None
    reduce_only: bool
    parent: str | None
    siblings: list[str]
    status: str
    ts: int
    filled: int = 0
    paid: Decimal = Decimal(0)


class VenueFill(msgspec.Struct):
    """One execution."""

    trade_id: str
    order_id: str
    venue_order_id: str
    side: str
    quantity: int
    price: str
    ts: int


class State(msgspec.Struct):
    """What survives: orders and fills in the order they came, and the last traded price."""

    orders: list[VenueOrder] = []
    fills: list[VenueFill] = []
    last: Decimal = Decimal("100.00")
    events: int = 0


class Venue:
    """The venue over its file.

    Parameters
    ----------
    path
        Where the state is kept; read if it is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.state = msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else State()

    def order(self, order_id: str) -> VenueOrder:
        """Return the order of that client order id."""
        return next(order for order in self.state.orders if order.order_id == order_id)

    def net(self) -> int:
        """Return the signed net position."""
        return sum(fill.quantity if fill.side == "BUY" else -fill.quantity for fill in self.state.fills)

    def average_price(self) -> Decimal | None:
        """Return the average price of the net position, None when flat."""
        held, average = 0, Decimal(0)
        for fill in self.state.fills:
            signed, price = (fill.quantity if fill.side == "BUY" else -fill.quantity), Decimal(fill.price)
            if held * signed >= 0:
                average = (average * abs(held) + price * abs(signed)) / (abs(held) + abs(signed))
            elif abs(signed) > abs(held):
                average = price
            held += signed
        return average if held else None

    def working(self) -> list[VenueOrder]:
        """Return the orders that may still fill, those held behind an entry included."""
        return [order for order in self.state.orders if order.status in (HELD, WORKING, PARTIAL)]

    def accept(self, order: VenueOrder) -> VenueOrder:
        """Take a new order; the leg of a bracket is held until its entry has filled completely."""
        if any(known.order_id == order.order_id for known in self.state.orders):
            raise ValueError(f"duplicate client order id {order.order_id}")
        order.venue_order_id = f"V-{len(self.state.orders) + 1}"
        order.status = WORKING if order.parent is None else HELD
        order.ts = self._now()
        self.state.orders.append(order)
        self._write()
        return order

    def fill(self, order_id: str, quantity: int | None = None) -> tuple[VenueFill, list[VenueOrder]]:
        """Fill an order at its own price or the last one; return the fill and the siblings it cancels."""
        order = self.order(order_id)
        price = Decimal(order.trigger or order.price or self.state.last)
        traded = order.quantity - order.filled if quantity is None else quantity
        order.filled += traded
        order.paid += price * traded
        order.status = FILLED if order.filled == order.quantity else PARTIAL
        order.ts = self._now()
        trade_id = f"T-{len(self.state.fills) + 1}"
        fill = VenueFill(trade_id, order.order_id, order.venue_order_id, order.side, traded, f"{price:.2f}", order.ts)
        self.state.fills.append(fill)
        self.state.last = price
        gone = []
        if order.status == FILLED:
            for leg in self.state.orders:
                if leg.parent == order.order_id and leg.status == HELD:
                    leg.status = WORKING
            gone = [self.order(sibling) for sibling in order.siblings if self.order(sibling) in self.working()]
        for sibling in gone:
            sibling.status, sibling.ts = CANCELED, order.ts
        self._write()
        return fill, gone

    def cancel(self, order_id: str) -> None:
        """Cancel a working order; nothing happens to one that is done."""
        order = self.order(order_id)
        if order in self.working():
            order.status, order.ts = CANCELED, self._now()
            self._write()

    def _now(self) -> int:
        self.state.events += 1
        return FIRST_NS + self.state.events * SECOND_NS

    def _write(self) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(self.state))
        beside.replace(self._path)
