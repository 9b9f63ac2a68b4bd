"""What the adapter knows of each order: the engine applies events later than they are sent, so its cache lags behind.

A replaced order lives on under a new id of the venue; all its ids lead to the same track. A track says what has been
told to the engine, so that nothing is told twice, whichever source comes first.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from nautilus_trader.model.enums import OrderStatus, OrderType

from adapters.alpaca.parsing import Order
from adapters.transport.fills import FillMarks

_UNSENT = (OrderStatus.INITIALIZED, OrderStatus.RELEASED, OrderStatus.EMULATED, OrderStatus.SUBMITTED)
_ABSORBING = (OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.DENIED)
_MAX_DEAD = 5_000
FILLED_UNDER = "venue_order_id"
"""In the info of a fill: the venue's id of the order that was filled, which may have been replaced since."""
PLACEHOLDER = "UNRESOLVED-"
"""Begins the venue id that an order is shown under while nobody knows whether it arrived."""


@dataclass
class Change:
    """A replacement whose outcome is not known yet."""

    quantity: Decimal
    price: Any
    trigger: Any
    order_id: str
    """The venue's id of the order that is to be replaced."""
    new_id: str = ""
    """The venue's id of the order that replaces it, once told."""


@dataclass(eq=False)
class Track:
    """An order as the adapter knows it; quantities over all of its venue ids."""

    client_order_id: Any
    strategy_id: Any
    instrument_id: Any
    order: Any
    """NautilusTrader's order, for what never changes."""
    quantity: Decimal
    price: Any = None
    trigger: Any = None
    is_quote: bool = False
    booked: Decimal = Decimal(0)
    venue_ids: list[str] = field(default_factory=list)
    """In the order of their creation; the last one is in force."""
    venue_quantities: dict[str, Decimal] = field(default_factory=dict)
    is_accepted: bool = False
    is_dead: bool = False
    is_absorbed: bool = False
    """Whether it was told as rejected or expired, after which the engine takes no fill any more."""
    is_unresolved: bool = False
    """Whether nobody knows if the submission arrived."""
    is_cancelling: bool = False
    wants_cancel: bool = False
    """A cancel that waits for the order's id."""
    change: Change | None = None
    parent: "Track | None" = None
    legs: list["Track"] = field(default_factory=list)
    is_uncovered_told: bool = False
    is_dropped: bool = False
    """Whether the venue was asked to cancel it after it was given up here."""
    queries: int = 0

    @property
    def venue_id(self) -> str:
        """The venue's id that is in force, "" before there is one."""
        return self.venue_ids[-1] if self.venue_ids else ""

    @property
    def is_live(self) -> bool:
        """Whether more can still happen to it."""
        return not self.is_dead

    @property
    def family(self) -> list["Track"]:
        """All orders of its native group, itself among them."""
        head = self.parent or self
        return [head, *head.legs]


class Tracks:
    """All tracks, by both ids."""

    def __init__(self) -> None:
        self._by_client: OrderedDict[str, Track] = OrderedDict()
        self._by_venue: dict[str, Track] = {}

    def __iter__(self) -> Iterator[Track]:
        return iter(list(self._by_client.values()))

    def add(self, order: Any) -> Track:
        """Begin to follow an order that is about to be submitted, or one of the cache."""
        track = Track(
            client_order_id=order.client_order_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            order=order,
            quantity=order.quantity.as_decimal(),
            price=getattr(order, "price", None),
            trigger=getattr(order, "trigger_price", None),
            is_quote=order.is_quote_quantity,
            booked=order.filled_qty.as_decimal(),
            is_accepted=order.status not in _UNSENT,
            is_dead=order.is_closed,
            is_absorbed=order.status in _ABSORBING,
        )
        self._by_client[order.client_order_id.value] = track
        self._prune()
        return track

    def restore(self, order: Any, marks: FillMarks) -> Track:
        """Follow an order of the cache, with its venue ids and what is booked under each of them."""
        track = self.add(order)
        sums: dict[str, tuple[Decimal, Decimal]] = {}
        for event in order.events:
            venue_id = getattr(event, "venue_order_id", None)
            if venue_id is None or venue_id.value.startswith(PLACEHOLDER):
                continue
            if venue_id.value not in track.venue_ids:
                self.give_id(track, venue_id.value)
            if hasattr(event, "last_qty"):
                size, value = event.last_qty.as_decimal(), event.last_px.as_decimal()
                filled_under = (event.info or {}).get(FILLED_UNDER, venue_id.value)
                done = sums.get(filled_under, (Decimal(0), Decimal(0)))
                sums[filled_under] = done[0] + size, done[1] + size * value
        for venue_id, (size, value) in sums.items():
            marks.restore(venue_id, size, value=value)
        placeholder = order.venue_order_id is not None and order.venue_order_id.value.startswith(PLACEHOLDER)
        if placeholder and not track.venue_ids:
            track.is_accepted = False
        track.is_unresolved = order.status == OrderStatus.SUBMITTED or (not track.is_accepted and placeholder)
        return track

    def by_client_id(self, client_order_id: str) -> Track | None:
        """Return the track of a client order id."""
        return self._by_client.get(client_order_id)

    def by_venue_id(self, venue_id: str) -> Track | None:
        """Return the track of one of the venue's ids."""
        return self._by_venue.get(venue_id)

    def of(self, order: Order) -> Track | None:
        """Return the track that an order of the venue belongs to; a replacement's client id is the venue's own."""
        return (
            self._by_venue.get(order.id)
            or (self._by_venue.get(order.replaces) if order.replaces else None)
            or self._by_client.get(order.client_order_id)
        )

    def give_id(self, track: Track, venue_id: str) -> None:
        """Add an id of the venue to a track, and put it in force."""
        track.venue_ids = [known for known in track.venue_ids if known != venue_id] + [venue_id]
        self._by_venue[venue_id] = track

    def alias(self, track: Track, venue_id: str) -> None:
        """Let an id of the venue lead to a track without putting it in force."""
        self._by_venue[venue_id] = track

    def _prune(self) -> None:
        if len(self._by_client) <= _MAX_DEAD * 2:
            return
        for client_id in [key for key, track in self._by_client.items() if track.is_dead][:_MAX_DEAD]:
            track = self._by_client.pop(client_id)
            for venue_id in track.venue_ids:
                self._by_venue.pop(venue_id, None)


def legs_by_role(track: Track, order: Order) -> list[tuple[Track, Order]]:
    """Pair the legs of a group's parent, as the venue tells them, with the orders that they stand for.

    The venue makes the legs' client ids of its own accord: a leg is told by whether it is a limit order.
    """
    pairs = []
    for leg in order.legs:
        is_limit = leg.kind.value == "limit"
        for child in track.legs:
            if (child.order.order_type == OrderType.LIMIT) == is_limit:
                pairs.append((child, leg))
                break
    return pairs
