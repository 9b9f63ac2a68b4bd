"""What a caller of the Coinbase simulator asks for: `order_configuration`, read.

Two ways to say no, as at the venue: a body that cannot be read is a 400, an order that may not be is an HTTP 200 with
`success` false and a name from the venue's enumerations. What the exchange refuses is said in the same names.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec

from adapters.simulator.coinbase_refusals import RefusedError
from adapters.simulator.coinbase_wire import number
from adapters.simulator.exchange import Listing, OrderType, Ticket, TimeInForce
from adapters.simulator.tape import Side


class BadRequestError(Exception):
    """The body cannot be read: 400 INVALID_ARGUMENT with this text."""


class Kind(StrEnum):
    """Order types, by their names on the wire."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LIMIT = "STOP_LIMIT"
    BRACKET = "BRACKET"


class Force(StrEnum):
    """Times in force, by their names on the wire."""

    GTC = "GOOD_UNTIL_CANCELLED"
    GTD = "GOOD_UNTIL_DATE_TIME"
    IOC = "IMMEDIATE_OR_CANCEL"
    FOK = "FILL_OR_KILL"


class Configuration(msgspec.Struct, frozen=True):
    """One `order_configuration`, read.

    Parameters
    ----------
    name
        The key it stood under.
    kind, force
        Order type and time in force.
    base_size, quote_size
        Exactly one of them is given, but for an attached bracket, whose size is that of its parent.
    limit_price
        Limit, or the take-profit of a bracket.
    stop_price
        Trigger of a stop-limit order or of a bracket's stop leg.
    is_stop_up
        Whether a stop-limit order elects at or above its trigger.
    post_only
        Whether it may only make.
    end_ns
        When a good-till-date order ends, UTC nanoseconds.

    """

    name: str
    kind: Kind
    force: Force
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    is_stop_up: bool | None = None
    post_only: bool = False
    end_ns: int | None = None


_SHAPES = {
    "market_market_ioc": (Kind.MARKET, Force.IOC),
    "market_market_fok": (Kind.MARKET, Force.FOK),
    "sor_limit_ioc": (Kind.LIMIT, Force.IOC),
    "limit_limit_gtc": (Kind.LIMIT, Force.GTC),
    "limit_limit_gtd": (Kind.LIMIT, Force.GTD),
    "limit_limit_fok": (Kind.LIMIT, Force.FOK),
    "stop_limit_stop_limit_gtc": (Kind.STOP_LIMIT, Force.GTC),
    "stop_limit_stop_limit_gtd": (Kind.STOP_LIMIT, Force.GTD),
    "trigger_bracket_gtc": (Kind.BRACKET, Force.GTC),
    "trigger_bracket_gtd": (Kind.BRACKET, Force.GTD),
}
_MOST_DIGITS = 15
_UNSUPPORTED = frozenset({"market_market_fok", "twap_limit_gtd", "scaled_limit_gtc"})
_DIRECTIONS = {"STOP_DIRECTION_STOP_UP": True, "STOP_DIRECTION_STOP_DOWN": False}
_PRICES = ("limit_price", "stop_price", "stop_trigger_price", "stop_direction")
_FIELDS = frozenset({"base_size", "quote_size", "post_only", "end_time", "reduce_only", *_PRICES})


def read_configuration(configuration: Any, *, is_attached: bool = False) -> Configuration:
    """Read an `order_configuration`.

    Parameters
    ----------
    configuration
        The decoded JSON object.
    is_attached
        Whether it is an `attached_order_configuration`: a bracket without a size.

    Raises
    ------
    BadRequestError
        It is no object with one known key, or a field is missing or no number.
    RefusedError
        The venue knows the configuration and does not take it on spot products.

    Examples
    --------
    >>> read_configuration({"market_market_ioc": {"quote_size": "10"}}).quote_size
    Decimal('10')

    """
    name, fields = _single(configuration)
    if name in _UNSUPPORTED:
        raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", f"{name} is not supported")
    kind, force = _SHAPES[name]
    asked = Configuration(
        name,
        kind,
        force,
        base_size=_number(fields, "base_size"),
        quote_size=_number(fields, "quote_size"),
        limit_price=_number(fields, "limit_price", required=kind is not Kind.MARKET),
        stop_price=_trigger(kind, fields),
        is_stop_up=_direction(kind, fields),
        post_only=_flag(fields, "post_only"),
        end_ns=_end(force, fields),
    )
    _check_sizes(asked, is_attached=is_attached)
    return asked


def _single(configuration: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(configuration, dict) or len(configuration) != 1:
        raise BadRequestError("order_configuration must hold exactly one configuration")
    ((name, fields),) = configuration.items()
    if name not in _SHAPES and name not in _UNSUPPORTED:
        raise BadRequestError(f'unknown field "{name}"')
    if not isinstance(fields, dict):
        raise BadRequestError(f"{name} must be an object")
    unknown = set(fields) - _FIELDS
    if unknown and name not in _UNSUPPORTED:
        raise BadRequestError(f'unknown field "{min(unknown)}"')
    return name, fields


def _number(fields: dict[str, Any], name: str, *, required: bool = False) -> Decimal | None:
    text = fields.get(name)
    if text is None or text == "":
        if required:
            raise BadRequestError(f"{name} is required")
        return None
    return read_number(text, name)


def read_number(text: Any, name: str) -> Decimal:
    """Read a positive number, which the venue takes as text only.

    Raises
    ------
    BadRequestError
        It is no text, no number, or not above zero.

    """
    if not isinstance(text, str):
        raise BadRequestError(f"invalid value for string type: {name}")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise BadRequestError(f"{name} is not a number: {text}") from error
    if not value.is_finite() or value <= 0:
        raise BadRequestError(f"{name} must be above zero: {text}")
    # Beyond this no remainder fits into a Decimal's 28 digits.
    if value.adjusted() > _MOST_DIGITS or value.adjusted() < -_MOST_DIGITS or len(text) > 2 * _MOST_DIGITS:
        raise BadRequestError(f"{name} is out of range: {text[: 2 * _MOST_DIGITS]}")
    return value


def _trigger(kind: Kind, fields: dict[str, Any]) -> Decimal | None:
    if kind is Kind.STOP_LIMIT:
        return _number(fields, "stop_price", required=True)
    if kind is Kind.BRACKET:
        return _number(fields, "stop_trigger_price", required=True)
    return None


def _direction(kind: Kind, fields: dict[str, Any]) -> bool | None:
    if kind is not Kind.STOP_LIMIT:
        return None
    try:
        return _DIRECTIONS[fields.get("stop_direction", "")]
    except (KeyError, TypeError) as error:
        raise BadRequestError("stop_direction is required") from error


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BadRequestError(f"invalid value for bool type: {name}")
    return value


def _end(force: Force, fields: dict[str, Any]) -> int | None:
    if force is not Force.GTD:
        return None
    return read_time(fields.get("end_time"), "end_time")


def read_time(text: Any, name: str) -> int:
    """Read an RFC 3339 time as UTC nanoseconds.

    Raises
    ------
    BadRequestError
        It is no such text, or names no zone.

    Examples
    --------
    >>> read_time("1970-01-01T00:00:01.5Z", "end_time")
    1500000000

    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise BadRequestError(f"{name} is not an RFC 3339 time: {text}") from error
    if moment.tzinfo is None:
        raise BadRequestError(f"{name} names no zone: {text}")
    # A float holds no nanoseconds of our day: whole seconds and microseconds are added as integers.
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


def _check_sizes(asked: Configuration, *, is_attached: bool) -> None:
    given = [size for size in (asked.base_size, asked.quote_size) if size is not None]
    if is_attached:
        if given or asked.kind is not Kind.BRACKET:
            raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", "an attached order is a bracket without a size")
    elif len(given) != 1:
        raise BadRequestError("exactly one of base_size and quote_size is required")
    elif asked.quote_size is not None and asked.name not in ("market_market_ioc", "limit_limit_gtc"):
        raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", f"{asked.name} takes no quote_size")


_TYPES = {
    Kind.MARKET: OrderType.MARKET,
    Kind.LIMIT: OrderType.LIMIT,
    Kind.STOP_LIMIT: OrderType.STOP_LIMIT,
    Kind.BRACKET: OrderType.TRIGGER_BRACKET,
}


def ticket_of(
    asked: Configuration,
    *,
    client_id: str,
    listing: Listing,
    side: Side,
    venue_ns: Callable[[int], int],
) -> Ticket:
    """Return what the exchange is asked for.

    Parameters
    ----------
    asked
        The configuration, with a size.
    client_id, listing, side
        Whose order it is, in what, which way.
    venue_ns
        From the wire's time to the venue's.

    Raises
    ------
    RefusedError
        A sell in quote currency, or a bracket whose stop lies on the wrong side of its limit.

    """
    qty, notional = asked.base_size, asked.quote_size
    if notional is not None and side is Side.SELL:
        raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", "market sells are sized in base currency")
    if notional is not None and asked.limit_price is not None:
        qty, notional = (notional / asked.limit_price).quantize(listing.qty_increment, ROUND_DOWN), None
    _check_bracket(asked, side)
    return Ticket(
        client_id=client_id,
        symbol=listing.symbol,
        side=side,
        type=_TYPES[asked.kind],
        time_in_force=TimeInForce(asked.force.name.lower()),
        qty=qty,
        notional=notional,
        limit_price=asked.limit_price,
        stop_price=asked.stop_price,
        expires_ns=None if asked.end_ns is None else venue_ns(asked.end_ns),
        is_post_only=asked.post_only,
        is_stop_up=asked.is_stop_up,
    )


def _check_bracket(asked: Configuration, side: Side) -> None:
    if asked.kind is not Kind.BRACKET or asked.limit_price is None or asked.stop_price is None:
        return
    is_above = asked.limit_price > asked.stop_price
    if is_above is not (side is Side.SELL):
        raise RefusedError("PREVIEW_INVALID_BRACKET_PRICES", "the stop must lie beyond the market from the limit")


_NAMES = {
    (OrderType.MARKET, TimeInForce.IOC): "market_market_ioc",
    (OrderType.LIMIT, TimeInForce.IOC): "sor_limit_ioc",
    (OrderType.LIMIT, TimeInForce.GTC): "limit_limit_gtc",
    (OrderType.LIMIT, TimeInForce.GTD): "limit_limit_gtd",
    (OrderType.LIMIT, TimeInForce.FOK): "limit_limit_fok",
    (OrderType.STOP_LIMIT, TimeInForce.GTC): "stop_limit_stop_limit_gtc",
    (OrderType.STOP_LIMIT, TimeInForce.GTD): "stop_limit_stop_limit_gtd",
    (OrderType.TRIGGER_BRACKET, TimeInForce.GTC): "trigger_bracket_gtc",
    (OrderType.TRIGGER_BRACKET, TimeInForce.GTD): "trigger_bracket_gtd",
}


def written(ticket: Ticket, *, end_time: str | None) -> dict[str, Any]:
    """Return the `order_configuration` of an order that came by another way than this API.

    Parameters
    ----------
    ticket
        What the exchange was asked for.
    end_time
        Its end as text, of a good-till-date order.

    """
    fields: dict[str, Any] = {}
    if ticket.notional is not None:
        fields["quote_size"] = number(ticket.notional)
    if ticket.qty is not None:
        fields["base_size"] = number(ticket.qty)
    if ticket.limit_price is not None:
        fields["limit_price"] = number(ticket.limit_price)
    if ticket.stop_price is not None:
        name = "stop_trigger_price" if ticket.type is OrderType.TRIGGER_BRACKET else "stop_price"
        fields[name] = number(ticket.stop_price)
    if ticket.type is OrderType.STOP_LIMIT:
        is_up = ticket.side is Side.BUY if ticket.is_stop_up is None else ticket.is_stop_up
        fields["stop_direction"] = f"STOP_DIRECTION_STOP_{'UP' if is_up else 'DOWN'}"
    if ticket.is_post_only:
        fields["post_only"] = True
    if end_time is not None:
        fields["end_time"] = end_time
    return {_NAMES.get((ticket.type, ticket.time_in_force), "limit_limit_gtc"): fields}
