"""What a caller of the Coinbase simulator asks for: `order_configuration` read, judged against the product's grid.

Two ways to say no, as at the venue: a body that cannot be read is a 400, an order that may not be is an HTTP 200 with
`success` false and a name from the venue's enumerations. Off-grid numbers are refused and never rounded.
"""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec


class BadRequestError(Exception):
    """The body cannot be read: 400 INVALID_ARGUMENT with this text."""


class RefusedError(Exception):
    """The order may not be.

    Parameters
    ----------
    preview
        Name among the preview failures; the name among the order failures derives from it where there is one.
    message
        What a person would be shown.

    """

    def __init__(self, preview: str, message: str = "") -> None:
        super().__init__(f"{preview} {message}".strip())
        self.preview = preview
        self.message = message

    @property
    def error(self) -> str:
        """Return the name among the order failures, which knows fewer reasons than the preview does."""
        return _ORDER_FAILURES.get(self.preview, "UNKNOWN_FAILURE_REASON")


_ORDER_FAILURES = {
    "PREVIEW_INSUFFICIENT_FUND": "INSUFFICIENT_FUND",
    "PREVIEW_INVALID_LIMIT_PRICE": "INVALID_LIMIT_PRICE",
    "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY": "INVALID_LIMIT_PRICE_POST_ONLY",
    "PREVIEW_INVALID_NO_LIQUIDITY": "INVALID_NO_LIQUIDITY",
    "PREVIEW_INVALID_ORDER_CONFIG": "UNSUPPORTED_ORDER_CONFIGURATION",
    "PREVIEW_INVALID_PRICE_PRECISION": "INVALID_PRICE_PRECISION",
    "PREVIEW_INVALID_PRODUCT_ID": "INVALID_PRODUCT_ID",
    "PREVIEW_INVALID_QUOTE_SIZE_PRECISION": "INVALID_SIZE_PRECISION",
    "PREVIEW_INVALID_SIDE": "INVALID_SIDE",
    "PREVIEW_INVALID_SIZE_PRECISION": "INVALID_SIZE_PRECISION",
    "PREVIEW_LIMIT_PRICE_TOO_FAR_FROM_MARKET": "LIMIT_PRICE_TOO_FAR_FROM_MARKET",
    "PREVIEW_ORDER_ENTRY_DISABLED": "ORDER_ENTRY_DISABLED",
    "PREVIEW_PRODUCT_TRADING_HALTED": "PRODUCT_TRADING_HALTED",
}


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


class Grid(msgspec.Struct, frozen=True):
    """The steps and bounds of a product's sizes and prices."""

    base_increment: Decimal
    quote_increment: Decimal
    price_increment: Decimal
    base_min_size: Decimal
    base_max_size: Decimal
    quote_min_size: Decimal
    quote_max_size: Decimal


class Ticket(msgspec.Struct, frozen=True):
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
_UNSUPPORTED = frozenset({"market_market_fok", "twap_limit_gtd", "scaled_limit_gtc"})
_DIRECTIONS = {"STOP_DIRECTION_STOP_UP": True, "STOP_DIRECTION_STOP_DOWN": False}
_PRICES = ("limit_price", "stop_price", "stop_trigger_price", "stop_direction")
_FIELDS = frozenset({"base_size", "quote_size", "post_only", "end_time", "reduce_only", *_PRICES})


def read_configuration(configuration: Any, *, is_attached: bool = False) -> Ticket:
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
    ticket = Ticket(
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
    _check_sizes(ticket, is_attached=is_attached)
    return ticket


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


def _check_sizes(ticket: Ticket, *, is_attached: bool) -> None:
    given = [size for size in (ticket.base_size, ticket.quote_size) if size is not None]
    if is_attached:
        if given or ticket.kind is not Kind.BRACKET:
            raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", "an attached order is a bracket without a size")
    elif len(given) != 1:
        raise BadRequestError("exactly one of base_size and quote_size is required")
    elif ticket.quote_size is not None and ticket.name not in ("market_market_ioc", "limit_limit_gtc"):
        raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", f"{ticket.name} takes no quote_size")


def check_grid(ticket: Ticket, grid: Grid) -> None:
    """Refuse what does not lie on the product's grid or within its bounds.

    Raises
    ------
    RefusedError
        With the venue's name for the first thing that is wrong.

    """
    if ticket.base_size is not None:
        check_base_size(ticket.base_size, grid)
    if ticket.quote_size is not None:
        _check_quote_size(ticket.quote_size, grid)
    for price in (ticket.limit_price, ticket.stop_price):
        if price is not None and price % grid.price_increment:
            raise RefusedError("PREVIEW_INVALID_PRICE_PRECISION", "Too many decimals in order price")


def check_base_size(size: Decimal, grid: Grid) -> None:
    """Refuse a base size off the grid or out of bounds.

    Raises
    ------
    RefusedError
        With the venue's name for it.

    """
    if size % grid.base_increment:
        raise RefusedError("PREVIEW_INVALID_SIZE_PRECISION", "Too many decimals in order amount")
    if size < grid.base_min_size:
        raise RefusedError("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL")
    if size > grid.base_max_size:
        raise RefusedError("PREVIEW_INVALID_BASE_SIZE_TOO_LARGE")


def _check_quote_size(size: Decimal, grid: Grid) -> None:
    if size % grid.quote_increment:
        raise RefusedError("PREVIEW_INVALID_QUOTE_SIZE_PRECISION", "Too many decimals in order amount")
    if size < grid.quote_min_size:
        raise RefusedError("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL")
    if size > grid.quote_max_size:
        raise RefusedError("PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE")
