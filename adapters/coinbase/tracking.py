"""What the client knows of its orders beside the cache, which lags behind the events that are on their way to it."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, StrategyId
from nautilus_trader.model.orders import Order

from adapters.coinbase.parsing import OrderRow

_ZERO: Final = Decimal(0)
HELD: Final = "HELD-"
"""Begins the venue id of an order that is not at the venue."""
_MAX_PARKED: Final = 1_000
_ENDED: Final = (OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.FILLED)


class Tracked:
    """One order of ours.

    Attributes
    ----------
    venue_id
        "" until the venue has told it.
    is_accepted, is_triggered, is_done
        Which events are on their way already; done is canceled, expired, rejected or filled.
    takes_fills
        Whether the engine would still book a fill: it does after a cancel, and not after a rejection or an expiry.
    cancel_wanted
        A cancel was asked for; it is sent as soon as there is a venue id.
    edit
        The edit whose outcome is not known: quantity, price, trigger price. It was sent at `edit_since`.
    quote_size
        Quantity in the quote currency until the one in the base currency is told.
    is_held
        It waits here, and is not at the venue.
    is_swapped, is_away
        Its order at the venue is replaced by another one: the end of that one is not its own end. Away: it has none.
    filled_before, total
        Quantity filled by its former orders at the venue; its quantity once it has the next one, None as before.
    since, heard
        When this process has first known of it, and last heard of it (monotonic seconds).
    fees, fees_told
        Exact fees of what is booked, and what of them was told in the currency's precision.
    """

    def __init__(self, order: Order, body: Mapping[str, Any] | None = None) -> None:
        self.client_order_id: ClientOrderId = order.client_order_id
        self.strategy_id: StrategyId = order.strategy_id
        self.instrument_id: InstrumentId = order.instrument_id
        self.side: OrderSide = order.side
        self.order_type: OrderType = order.order_type
        self.body = dict(body or {})
        self.venue_id = order.venue_order_id.value if order.venue_order_id is not None else ""
        self.is_accepted = bool(self.venue_id)
        self.is_triggered = bool(getattr(order, "is_triggered", False) or order.filled_qty > 0)
        self.is_done = bool(order.is_closed)
        self.takes_fills = order.status not in _ENDED
        self.cancel_wanted = order.status == OrderStatus.PENDING_CANCEL
        self.edit: tuple[Decimal, Decimal, Decimal | None] | None = None
        self.edit_since = 0.0
        self.quote_size: Decimal | None = order.quantity.as_decimal() if order.is_quote_quantity else None
        self.is_held = self.venue_id.startswith(HELD)
        self.is_swapped = self.is_away = False
        self.filled_before = _ZERO
        self.total: Decimal | None = None
        self.fees = self.fees_told = _ZERO
        self.since = self.heard = monotonic()
        self.is_post_only = bool(order.is_post_only)
        self.is_taker = order.order_type == OrderType.MARKET or order.time_in_force in (
            TimeInForce.IOC,
            TimeInForce.FOK,
        )

    @property
    def age_secs(self) -> float:
        """Return the seconds since this process has known the order."""
        return monotonic() - self.since


class TrackedOrders:
    """All of them, by either id; and what the venue told of ids that nobody has claimed yet.

    A fill can overtake the answer that tells the order's id. Such rows are parked until an order claims them.
    """

    def __init__(self) -> None:
        self._by_client: dict[ClientOrderId, Tracked] = {}
        self._by_venue: dict[str, Tracked] = {}
        self._parked: OrderedDict[str, list[OrderRow]] = OrderedDict()

    def __iter__(self) -> Iterator[Tracked]:
        """Go over those that are not done."""
        return iter([tracked for tracked in self._by_client.values() if not tracked.is_done])

    def add(self, tracked: Tracked) -> Tracked:
        """Keep an order."""
        self._by_client[tracked.client_order_id] = tracked
        if tracked.venue_id:
            self._by_venue[tracked.venue_id] = tracked
        return tracked

    def get(self, client_order_id: ClientOrderId) -> Tracked | None:
        """Return an order by our id."""
        return self._by_client.get(client_order_id)

    def of(self, row: OrderRow) -> Tracked | None:
        """Return the order that a row tells of."""
        found = self._by_venue.get(row.order_id)
        if found is None and row.client_order_id:
            found = self._by_client.get(ClientOrderId(row.client_order_id))
        return found

    def by_venue_id(self, venue_id: str) -> Tracked | None:
        """Return an order by the venue's id."""
        return self._by_venue.get(venue_id)

    def park(self, row: OrderRow) -> None:
        """Keep a row that nobody claims; the oldest go first."""
        self._parked.setdefault(row.order_id, []).append(row)
        while len(self._parked) > _MAX_PARKED:
            self._parked.popitem(last=False)

    def claim(self, tracked: Tracked, venue_id: str) -> list[OrderRow]:
        """Give an order its venue id; return the rows that waited for it."""
        tracked.venue_id = venue_id
        self._by_venue[venue_id] = tracked
        return self._parked.pop(venue_id, [])

    def forget_done(self, older_than_secs: float) -> list[Tracked]:
        """Drop, and return, the orders whose life is over for so long that nobody speaks of them."""
        gone = [item for item in self._by_client.values() if item.is_done and item.age_secs > older_than_secs]
        for tracked in gone:
            del self._by_client[tracked.client_order_id]
            self._by_venue.pop(tracked.venue_id, None)
        return gone
