"""Alpaca's JSON: times, numbers, orders, positions, assets, activities, and the body of every refusal."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from adapters.simulator.clock import NS_PER_SEC, VenueClock
from adapters.simulator.exchange import Event, Fill, Listing, Order, Position, Status
from adapters.simulator.exchange.sessions import NEW_YORK
from adapters.simulator.tape import ZERO, Side

type Json = dict[str, Any]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class WireError(Exception):
    """A request that is answered by an error.

    Attributes
    ----------
    status, body
        Of the answer.
    """

    def __init__(self, status: int, message: str, code: int | None = None, **extra: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {**({} if code is None else {"code": code}), "message": message, **extra}


def number(value: Decimal) -> str:
    """Return a number as text, without exponent and padding.

    Examples
    --------
    >>> number(Decimal("1.500")), number(Decimal("1E+2")), number(Decimal("-0.0"))
    ('1.5', '100', '0')

    """
    text = f"{value.normalize():f}"
    return "0" if text in ("-0", "") else text


def number_or_none(value: Decimal | None) -> str | None:
    """Return a number as text, None for None."""
    return None if value is None else number(value)


def utc_text(ts_ns: int) -> str:
    """Return a time in UTC with nanoseconds.

    Examples
    --------
    >>> utc_text(1_500_000_000_123_456_789)
    '2017-07-14T02:40:00.123456789Z'

    """
    secs, ns = divmod(ts_ns, NS_PER_SEC)
    head = datetime.fromtimestamp(secs, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{head}{_fraction(ns)}Z"


def new_york_text(ts_ns: int) -> str:
    """Return a time in New York with nanoseconds and its offset.

    Examples
    --------
    >>> new_york_text(1_500_000_000_000_000_000)
    '2017-07-13T22:40:00-04:00'

    """
    secs, ns = divmod(ts_ns, NS_PER_SEC)
    there = datetime.fromtimestamp(secs, tz=NEW_YORK)
    offset = there.strftime("%z")
    return f"{there:%Y-%m-%dT%H:%M:%S}{_fraction(ns)}{offset[:3]}:{offset[3:]}"


def _fraction(ns: int) -> str:
    return f".{ns:09d}".rstrip("0") if ns else ""


def read_time(text: str, *, now_ns: int = 0) -> int:
    """Return a time of a request in nanoseconds: RFC 3339 with any offset and up to nine digits, or a date.

    Examples
    --------
    >>> read_time("2017-07-13T22:40:00.000000001-04:00") - read_time("2017-07-14T02:40:00Z")
    1

    """
    text = text.strip().replace(" ", "+") if "T" in text else text.strip()
    if not text:
        return now_ns
    head, ns = text, 0
    if "." in text:
        head, rest = text.split(".", 1)
        digits = rest[: next((i for i, c in enumerate(rest) if not c.isdigit()), len(rest))]
        head, ns = head + rest[len(digits) :], int(digits[:9].ljust(9, "0"))
    try:
        moment = datetime.fromisoformat(head)
    except ValueError as error:
        raise WireError(422, f"invalid time: {text}", 42210000) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * NS_PER_SEC + ns


def ulid(ts_ns: int, number: int, rng: Random) -> str:
    """Return an id that sorts by time and, within a millisecond, by number; 26 characters."""
    value = ((ts_ns // 1_000_000) << 80) | ((number & 0xFFFF_FFFF) << 48) | rng.getrandbits(48)
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def asset_id(symbol: str) -> str:
    """Return the id of an asset: the same for a symbol in every run."""
    return str(uuid5(NAMESPACE_URL, f"asset:{symbol}"))


def asset_class(listing: Listing) -> str:
    """Return the class of an asset."""
    return "us_equity" if listing.kind == "equity" else "crypto"


class Shapes:
    """The shapes that need to know the listings and how times are told.

    Parameters
    ----------
    clock
        Tells the wire's times.
    listings
        By symbol.
    find
        An order by its id, for legs.

    """

    def __init__(self, clock: VenueClock, listings: Mapping[str, Listing], find: Callable[[str], Order | None]) -> None:
        self._clock = clock
        self._listings = listings
        self._find = find
        self._updates = 0

    def order(self, order: Order, *, nested: bool = False) -> Json:
        """Return an order; its legs are told only where the request asks for them."""
        listing = self._listings[order.symbol]
        known = order.legs or tuple(leg for leg in map(self._find, order.leg_ids) if leg is not None)
        legs = known if nested else ()
        return {
            "id": order.id,
            "client_order_id": order.client_id,
            "created_at": self._time(order.created_ns, at_home=True),
            "updated_at": self._time(order.updated_ns, at_home=True),
            "submitted_at": self._time(order.submitted_ns),
            "filled_at": self._time(order.filled_ns if order.status is Status.FILLED else None),
            "expired_at": self._time(order.expired_ns),
            "canceled_at": self._time(order.canceled_ns),
            "failed_at": self._time(order.failed_ns),
            "replaced_at": self._time(order.replaced_ns),
            "replaced_by": order.replaced_by,
            "replaces": order.replaces,
            "asset_id": asset_id(order.symbol),
            "symbol": order.symbol,
            "asset_class": asset_class(listing),
            "notional": number_or_none(order.notional),
            "qty": number_or_none(order.qty),
            "filled_qty": number(order.filled_qty),
            "filled_avg_price": _average(order),
            "order_class": "" if order.order_class == "simple" else order.order_class.value,
            "order_type": order.type.value,
            "type": order.type.value,
            "side": order.side.value,
            "position_intent": f"{order.side.value}_to_{'close' if order.is_closing else 'open'}",
            "time_in_force": order.time_in_force.value,
            "limit_price": number_or_none(_told_limit(order)),
            "stop_price": number_or_none(order.stop_price),
            "status": order.status.value,
            "extended_hours": order.is_extended_hours,
            "legs": [self.order(leg) for leg in legs] or None,
            "trail_percent": number_or_none(order.trail_percent),
            "trail_price": number_or_none(order.trail_price),
            "hwm": number_or_none(order.hwm if order.type == "trailing_stop" else None),
            "subtag": None,
            "source": None,
            "expires_at": self._time(order.day_end_ns),
        }

    def update(self, event: Event, rng: Random) -> Json:
        """Return a frame of trade_updates."""
        wire_ns = self._clock.wire_ns(event.ts_ns)
        self._updates += 1
        data: Json = {
            "at": utc_text(wire_ns // 1_000 * 1_000),
            "event_id": ulid(wire_ns, self._updates, rng),
            "event": event.kind.value,
            "timestamp": utc_text(wire_ns),
            "order": self.order(event.order),
            "execution_id": event.id,
        }
        if event.fill is not None:
            fill = event.fill
            data["execution_id"] = fill.id
            data |= {"price": number(fill.price), "qty": number(fill.qty), "position_qty": number(fill.position_qty)}
        return {"stream": "trade_updates", "data": data}

    def activity(self, fill: Fill) -> Json:
        """Return the FILL activity of an execution: its id carries New York's time to the millisecond."""
        wire_ns = self._clock.wire_ns(fill.ts_ns)
        there = datetime.fromtimestamp(wire_ns // NS_PER_SEC, tz=NEW_YORK)
        is_done = fill.leaves_qty == 0
        return {
            "id": f"{there:%Y%m%d%H%M%S}{wire_ns % NS_PER_SEC // 1_000_000:03d}::{uuid5(NAMESPACE_URL, fill.id)}",
            "activity_type": "FILL",
            "transaction_time": utc_text(wire_ns // 1_000 * 1_000),
            "type": "fill" if is_done else "partial_fill",
            "price": number(fill.price),
            "qty": number(fill.qty),
            "side": fill.side.value,
            "symbol": fill.symbol,
            "leaves_qty": number(fill.leaves_qty),
            "order_id": fill.order_id,
            "cum_qty": number(fill.cum_qty),
            "order_status": "filled" if is_done else "partially_filled",
        }

    def asset(self, listing: Listing) -> Json:
        """Return an asset."""
        is_equity = listing.kind == "equity"
        asset: Json = {
            "id": asset_id(listing.symbol),
            "class": asset_class(listing),
            "exchange": listing.exchange,
            "symbol": listing.symbol,
            "name": listing.name or f"{listing.symbol} {'Common Stock' if is_equity else 'pair'}",
            "status": "active",
            "tradable": listing.is_tradable,
            "marginable": is_equity,
            "maintenance_margin_requirement": 30 if is_equity else 100,
            "shortable": listing.is_shortable,
            "easy_to_borrow": listing.is_shortable and listing.is_easy_to_borrow,
            "borrow_status": "easy_to_borrow" if listing.is_shortable else "not_shortable",
            "fractionable": listing.is_fractionable or not is_equity,
            "attributes": ["fractional_eh_enabled"] if is_equity and listing.is_fractionable else [],
        }
        if not is_equity:
            asset |= {
                "min_order_size": number(listing.min_qty or listing.qty_increment),
                "min_trade_increment": number(listing.qty_increment),
                "price_increment": number(listing.price_increment or ZERO),
            }
        return asset

    def position(self, position: Position, last: Decimal) -> Json:
        """Return a position at a last price."""
        listing, qty = position.listing, position.qty
        cost = qty * position.entry_price
        value = qty * last
        gain = value - cost
        return {
            "asset_id": asset_id(listing.symbol),
            "symbol": listing.symbol.replace("/", ""),
            "exchange": listing.exchange,
            "asset_class": asset_class(listing),
            "asset_marginable": listing.kind == "equity",
            "qty": number(qty),
            "qty_available": number(position.available.copy_sign(qty)),
            "avg_entry_price": number(position.entry_price),
            "side": "long" if qty > 0 else "short",
            "market_value": number(value),
            "cost_basis": number(cost),
            "unrealized_pl": number(gain),
            "unrealized_plpc": number(_ratio(gain, cost)),
            "unrealized_intraday_pl": number(gain),
            "unrealized_intraday_plpc": number(_ratio(gain, cost)),
            "current_price": number(last),
            "lastday_price": number(last),
            "change_today": "0",
        }

    def _time(self, ts_ns: int | None, *, at_home: bool = False) -> str | None:
        if ts_ns is None:
            return None
        wire_ns = self._clock.wire_ns(ts_ns)
        # Both offsets occur in one and the same order of the real venue.
        return new_york_text(wire_ns) if at_home else utc_text(wire_ns)


def _told_limit(order: Order) -> Decimal | None:
    # The limit that a buy stop gets when it is elected is the venue's own and not told.
    return None if order.type in ("stop", "market", "trailing_stop") else order.limit_price


def _average(order: Order) -> str | None:
    average = order.average_price
    return None if average is None else number(round(average, 12))


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return round(part / abs(whole), 12) if whole else ZERO


def error_body(status: int) -> Json:
    """Return the body of a status that is not about an order."""
    known: dict[int, Json] = {
        401: {"code": 40110000, "message": "request is not authorized"},
        403: {"message": "forbidden."},
        404: {"code": 40410000, "message": "not found"},
        429: {"code": 42910000, "message": "rate limit exceeded"},
    }
    return known.get(status, {"code": 50010000, "message": "internal server error"})


def side_letter(side: Side) -> str:
    """Return how a crypto trade tells who took."""
    return "B" if side is Side.BUY else "S"
