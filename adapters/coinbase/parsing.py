"""The venue's JSON, read with suspicion: numbers become Decimal, times nanoseconds, whatever is invalid one ParseError.

Pure. Numbers come as strings, "" where there is none; the venue adds fields and names without notice, so that unknown
fields are passed over and unknown names get the UNKNOWN branch of their set.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from adapters.coinbase.constants import TRIGGERED, Status

_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,2})?\Z", re.ASCII)
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12})\d*)?(?:Z|([+-])(\d\d):?(\d\d))\Z", re.ASCII
)
_MAX_EXPONENT: Final = 24
_MAX_NS: Final = 2**63 - 1
_MAX_TEXT: Final = 256
_ZERO: Final = Decimal(0)


class ParseError(Exception):
    """A payload that cannot be used.

    Attributes
    ----------
    reason
        Short name of what is wrong, for counters.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}"[:200] if detail else reason)
        self.reason = reason


class ProductRow(msgspec.Struct, frozen=True, kw_only=True):
    """A product: its increments, its limits (None where there is none), and whether it may be traded."""

    product_id: str
    base: str
    quote: str
    product_type: str
    price_increment: Decimal
    base_increment: Decimal
    base_min_size: Decimal | None
    base_max_size: Decimal | None
    quote_min_size: Decimal | None
    quote_max_size: Decimal | None
    status: str
    is_closed: bool
    cancel_only: bool
    limit_only: bool
    post_only: bool
    alias: str


class BalanceRow(msgspec.Struct, frozen=True):
    """What an account has of a currency; the total is both together."""

    currency: str
    available: Decimal
    hold: Decimal


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says of an order, by REST or socket: totals, and never a single execution."""

    order_id: str
    client_order_id: str
    product_id: str
    side: str
    status: Status
    filled: Decimal
    average: Decimal
    fees: Decimal
    triggered: bool
    reason: str
    ts_ns: int
    kind: str = ""
    size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    end_ns: int | None = None
    post_only: bool = False
    created_ns: int | None = None


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as REST lists it; `size` is in the base currency."""

    trade_id: str
    order_id: str
    product_id: str
    side: str
    trade_type: str
    price: Decimal
    size: Decimal
    commission: Decimal
    liquidity: str
    ts_ns: int
    sequence_ns: int


class Envelope(msgspec.Struct, frozen=True):
    """A frame of a socket; `sequence` is None on an error frame."""

    channel: str
    sequence: int | None
    ts_ns: int
    events: list[dict[str, Any]]
    error: str = ""


class Level(msgspec.Struct, frozen=True):
    """A level of the book; size 0 takes it away."""

    is_bid: bool
    price: Decimal
    size: Decimal
    ts_ns: int


class TradeRow(msgspec.Struct, frozen=True):
    """A trade in the market; `maker_is_buyer` is how the venue tells the side."""

    trade_id: str
    product_id: str
    price: Decimal
    size: Decimal
    maker_is_buyer: bool | None
    ts_ns: int


class TickerRow(msgspec.Struct, frozen=True):
    """Best bid and ask with their sizes."""

    product_id: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


class CandleRow(msgspec.Struct, frozen=True):
    """A bar by the second at which it opens."""

    start_secs: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    product_id: str = ""


class CreateAnswer(msgspec.Struct, frozen=True):
    """Whether an order was created: its id, or the venue's name of the refusal and its text."""

    order_id: str
    error: str = ""
    message: str = ""


class CancelResult(msgspec.Struct, frozen=True):
    """What became of one id of a cancel request; success means that it is queued."""

    order_id: str
    success: bool
    reason: str


# -- scalars ----------------------------------------------------------------------------------------------------------


def decimal_of(raw: object, name: str = "number") -> Decimal:
    """Return a number.

    Examples
    --------
    >>> decimal_of("0.10")
    Decimal('0.10')
    >>> decimal_of("nan")
    Traceback (most recent call last):
    ...
    adapters.coinbase.parsing.ParseError: not_a_number: number

    """
    found = decimal_or_none(raw, name)
    if found is None:
        raise ParseError("missing_number", name)
    return found


def decimal_or_none(raw: object, name: str = "number") -> Decimal | None:
    """Return a number, or None where the venue gave none (null or "").

    Python's own constructor takes NaN, underscores and every script's digits: the grammar is checked first.
    """
    if raw is None or raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise ParseError("not_a_number", name)
    text = raw if isinstance(raw, str) else str(raw) if isinstance(raw, Decimal) or abs(raw) < 10**40 else ""
    if not _NUMBER.match(text):
        raise ParseError("not_a_number", name)
    value = Decimal(text)
    if value and (value.adjusted() > _MAX_EXPONENT or value.adjusted() < -_MAX_EXPONENT):
        raise ParseError("number_out_of_range", name)
    return value


def time_ns(raw: object, name: str = "time") -> int:
    """Return nanoseconds since 1970 of an RFC 3339 time with up to nine decimals.

    Examples
    --------
    >>> time_ns("1970-01-01T00:00:01.000000001Z")
    1000000001
    >>> time_ns("1970-01-01 01:00:01+01:00")
    1000000000

    """
    match = _TIME.match(raw) if isinstance(raw, str) else None
    if match is None:
        raise ParseError("not_a_time", name)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise ParseError("not_a_time", name) from None
    seconds = int(at.timestamp())
    if match[8]:
        seconds -= (1 if match[8] == "+" else -1) * (int(match[9]) * 3600 + int(match[10]) * 60)
    nanoseconds = seconds * 1_000_000_000 + int((match[7] or "0").ljust(9, "0")[:9])
    if not 0 <= nanoseconds <= _MAX_NS:
        raise ParseError("time_out_of_range", name)
    return nanoseconds


def _time_or_none(raw: object, name: str) -> int | None:
    return None if raw is None or raw == "" else time_ns(raw, name)


def _positive(raw: object, name: str) -> Decimal:
    value = decimal_of(raw, name)
    if value <= 0:
        raise ParseError("not_positive", name)
    return value


def _not_negative(raw: object, name: str) -> Decimal:
    value = decimal_or_none(raw, name)
    if value is not None and value < 0:
        raise ParseError("negative", name)
    return value if value is not None else _ZERO


def _text(raw: object, name: str) -> str:
    found = _text_or_empty(raw, name)
    if not found:
        raise ParseError("missing_text", name)
    return found


def _text_or_empty(raw: object, name: str) -> str:
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise ParseError("not_a_text", name)
    if len(raw) > _MAX_TEXT or not raw.isprintable():
        raise ParseError("text_unfit", name)
    return raw


def _flag(raw: object, name: str) -> bool:
    # Some messages carry booleans as strings.
    if raw is None or raw == "":
        return False
    if isinstance(raw, bool):
        return raw
    if raw in ("true", "false"):
        return raw == "true"
    raise ParseError("not_a_flag", name)


def _object(raw: object, name: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ParseError("not_an_object", name)
    return raw


def rows(raw: object, key: str) -> list[dict[str, Any]]:
    """Return the objects in a list of an answer; the list must be there.

    Examples
    --------
    >>> rows({"fills": [{"size": "1"}]}, "fills")
    [{'size': '1'}]

    """
    found = _object(raw, key).get(key)
    if not isinstance(found, list):
        raise ParseError("missing_list", key)
    return [_object(row, key) for row in found]


def _side(raw: object) -> str:
    if raw not in ("BUY", "SELL"):
        raise ParseError("unknown_side")
    return str(raw)


def _status(raw: object) -> Status:
    text = _text(raw, "status")
    try:
        return Status(text)
    except ValueError:
        return Status.UNKNOWN


# -- REST -------------------------------------------------------------------------------------------------------------


def product(raw: object) -> ProductRow:
    """Return a product."""
    row = _object(raw, "product")
    quote_increment = _positive(row.get("quote_increment"), "quote_increment")
    flags = ("trading_disabled", "is_disabled", "view_only", "auction_mode")
    return ProductRow(
        product_id=_text(row.get("product_id"), "product_id"),
        base=_text_or_empty(row.get("base_currency_id"), "base_currency_id"),
        quote=_text(row.get("quote_currency_id"), "quote_currency_id"),
        product_type=_text(row.get("product_type"), "product_type"),
        price_increment=_positive(row["price_increment"], "price_increment")
        if row.get("price_increment")
        else quote_increment,
        base_increment=_positive(row.get("base_increment"), "base_increment"),
        base_min_size=decimal_or_none(row.get("base_min_size"), "base_min_size"),
        base_max_size=decimal_or_none(row.get("base_max_size"), "base_max_size"),
        quote_min_size=decimal_or_none(row.get("quote_min_size"), "quote_min_size"),
        quote_max_size=decimal_or_none(row.get("quote_max_size"), "quote_max_size"),
        status=_text_or_empty(row.get("status"), "status"),
        is_closed=True in [_flag(row.get(flag), flag) for flag in flags],
        cancel_only=_flag(row.get("cancel_only"), "cancel_only"),
        limit_only=_flag(row.get("limit_only"), "limit_only"),
        post_only=_flag(row.get("post_only"), "post_only"),
        alias=_text_or_empty(row.get("alias"), "alias"),
    )


def balance(raw: object) -> BalanceRow:
    """Return what an account has."""
    row = _object(raw, "account")
    hold = row.get("hold")
    return BalanceRow(
        currency=_text(row.get("currency"), "currency"),
        available=decimal_of(_object(row.get("available_balance"), "available_balance").get("value"), "available"),
        hold=_ZERO if hold is None else _not_negative(_object(hold, "hold").get("value"), "hold"),
    )


def order(raw: object) -> OrderRow:
    """Return an order as REST tells it."""
    row = _object(raw, "order")
    kind, configuration = _configuration(row.get("order_configuration"))
    created_ns = time_ns(row.get("created_time"), "created_time")
    quote_size = decimal_or_none(configuration.get("quote_size"), "quote_size")
    return OrderRow(
        order_id=_text(row.get("order_id"), "order_id"),
        client_order_id=_text_or_empty(row.get("client_order_id"), "client_order_id"),
        product_id=_text(row.get("product_id"), "product_id"),
        side=_side(row.get("side")),
        status=_status(row.get("status")),
        filled=_not_negative(row.get("filled_size"), "filled_size"),
        average=_not_negative(row.get("average_filled_price"), "average_filled_price"),
        # `fee` is empty: the total is the truth.
        fees=decimal_or_none(row.get("total_fees"), "total_fees") or _ZERO,
        triggered=row.get("trigger_status") == TRIGGERED,
        reason=_reason(row, "reject_message", "reject_reason", "cancel_message"),
        ts_ns=_time_or_none(row.get("last_fill_time"), "last_fill_time") or created_ns,
        kind=kind,
        size=decimal_or_none(configuration.get("base_size"), "base_size"),
        quote_size=quote_size,
        limit_price=decimal_or_none(configuration.get("limit_price"), "limit_price"),
        stop_price=decimal_or_none(
            configuration.get("stop_price", configuration.get("stop_trigger_price")), "stop_price"
        ),
        end_ns=_time_or_none(configuration.get("end_time"), "end_time"),
        post_only=_flag(configuration.get("post_only"), "post_only"),
        created_ns=created_ns,
    )


def _configuration(raw: object) -> tuple[str, dict[str, Any]]:
    if raw is None:
        return "", {}
    for kind, fields in _object(raw, "order_configuration").items():
        if isinstance(fields, dict):
            return kind, fields
    return "", {}


def _reason(row: Mapping[str, Any], *names: str) -> str:
    found = (_text_or_empty(row.get(name), name) for name in names)
    return next((text for text in found if text and text != "REJECT_REASON_UNSPECIFIED"), "")


def fill(raw: object) -> FillRow:
    """Return an execution; its size is converted where the venue tells it in the quote currency."""
    row = _object(raw, "fill")
    price = _positive(row.get("price"), "price")
    size = _positive(row.get("size"), "size")
    ts_ns = time_ns(row.get("trade_time"), "trade_time")
    return FillRow(
        trade_id=_text(row.get("trade_id"), "trade_id"),
        order_id=_text(row.get("order_id"), "order_id"),
        product_id=_text(row.get("product_id"), "product_id"),
        side=_side(row.get("side")),
        trade_type=_text_or_empty(row.get("trade_type"), "trade_type") or "FILL",
        price=price,
        size=size / price if _flag(row.get("size_in_quote"), "size_in_quote") else size,
        commission=decimal_or_none(row.get("commission"), "commission") or _ZERO,
        liquidity=_text_or_empty(row.get("liquidity_indicator"), "liquidity_indicator"),
        ts_ns=ts_ns,
        sequence_ns=_time_or_none(row.get("sequence_timestamp"), "sequence_timestamp") or ts_ns,
    )


def created(raw: object) -> CreateAnswer:
    """Return what became of a new order.

    Only `success` decides. A failure reason of UNKNOWN_FAILURE_REASON stands beside successes, and the order id at the
    top is missing from newer answers.
    """
    row = _object(raw, "create")
    success = row.get("success")
    if success is True:
        return CreateAnswer(_text(_object(row.get("success_response"), "success_response").get("order_id"), "order_id"))
    if success is not False:
        raise ParseError("not_a_flag", "success")
    error = row.get("error_response")
    found = error if isinstance(error, dict) else {}
    name = _first(
        found.get("error"), found.get("preview_failure_reason"), found.get("new_order_failure_reason")
    ) or _first(row.get("failure_reason"))
    return CreateAnswer("", name or "UNKNOWN_FAILURE_REASON", _first(found.get("message"), found.get("error_details")))


def _first(*raws: object) -> str:
    for raw in raws:
        if isinstance(raw, str) and raw and not raw.startswith("UNKNOWN"):
            return raw[:_MAX_TEXT]
    return ""


def cancelled(raw: object) -> list[CancelResult]:
    """Return what became of each id of a cancel request."""
    return [
        CancelResult(
            _text(row.get("order_id"), "order_id"),
            _flag(row.get("success"), "success"),
            _text_or_empty(row.get("failure_reason"), "failure_reason"),
        )
        for row in rows(raw, "results")
    ]


def edited(raw: object) -> str:
    """Return why an edit was refused, "" when it was not."""
    row = _object(raw, "edit")
    success = row.get("success")
    if success is True:
        return ""
    if success is not False:
        raise ParseError("not_a_flag", "success")
    errors = row.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            found = _first(error.get("edit_failure_reason"), error.get("preview_failure_reason"))
            if found:
                return found
    return "UNKNOWN_EDIT_ORDER_FAILURE_REASON"


def preview_errors(raw: object) -> list[str]:
    """Return the names of what a previewed order would be refused for."""
    errors = _object(raw, "preview").get("errs")
    if errors is None:
        return []
    if not isinstance(errors, list):
        raise ParseError("missing_list", "errs")
    return [_text(error, "errs") for error in errors]


def candle(raw: object) -> CandleRow:
    """Return a bar."""
    row = _object(raw, "candle")
    start = decimal_of(row.get("start"), "start")
    if start != int(start) or not 0 <= start < 2**33:
        raise ParseError("time_out_of_range", "start")
    opened, high, low, closed = (_positive(row.get(name), name) for name in ("open", "high", "low", "close"))
    if high < max(opened, low, closed) or low > min(opened, closed):
        raise ParseError("candle_inconsistent")
    return CandleRow(
        int(start),
        opened,
        high,
        low,
        closed,
        volume=_not_negative(row.get("volume"), "volume"),
        product_id=_text_or_empty(row.get("product_id"), "product_id"),
    )


def trade(raw: object) -> TradeRow:
    """Return a trade in the market, by REST or socket."""
    row = _object(raw, "trade")
    side = row.get("side")
    return TradeRow(
        _text(row.get("trade_id"), "trade_id"),
        _text(row.get("product_id"), "product_id"),
        _positive(row.get("price"), "price"),
        _positive(row.get("size"), "size"),
        None if side not in ("BUY", "SELL") else side == "BUY",
        time_ns(row.get("time"), "time"),
    )


def book(raw: object) -> tuple[str, list[Level]]:
    """Return the product and the levels of a book as REST tells it."""
    row = _object(_object(raw, "book").get("pricebook"), "pricebook")
    ts_ns = time_ns(row.get("time"), "time")
    levels = [
        Level(name == "bids", _positive(level.get("price"), "price"), _not_negative(level.get("size"), "size"), ts_ns)
        for name in ("bids", "asks")
        for level in rows(row, name)
    ]
    return _text(row.get("product_id"), "product_id"), levels


# -- sockets ----------------------------------------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError("not_a_number", name)


def envelope(frame: str | bytes) -> Envelope:
    """Return what is around the events of a frame."""
    try:
        raw = json.loads(frame, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ParseError("not_json") from None
    row = _object(raw, "frame")
    if row.get("type") == "error":
        message = row.get("message")
        return Envelope("", None, 0, [], message[:_MAX_TEXT] if isinstance(message, str) else "no message")
    sequence = row.get("sequence_num")
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence < 2**63:
        raise ParseError("missing_sequence")
    return Envelope(
        _text(row.get("channel"), "channel"), sequence, time_ns(row.get("timestamp"), "timestamp"), rows(row, "events")
    )


def user_orders(event: Mapping[str, Any], ts_ns: int) -> list[OrderRow]:
    """Return the orders of an event of the user channel."""
    return [user_order(row, ts_ns) for row in rows(dict(event), "orders")]


def user_order(raw: object, ts_ns: int) -> OrderRow:
    """Return an order as the user channel tells it: totals, without the order's size."""
    row = _object(raw, "order")
    return OrderRow(
        order_id=_text(row.get("order_id"), "order_id"),
        client_order_id=_text_or_empty(row.get("client_order_id"), "client_order_id"),
        product_id=_text(row.get("product_id"), "product_id"),
        side=_side(row.get("order_side")),
        status=_status(row.get("status")),
        filled=_not_negative(row.get("cumulative_quantity"), "cumulative_quantity"),
        average=_not_negative(row.get("avg_price"), "avg_price"),
        fees=decimal_or_none(row.get("total_fees"), "total_fees") or _ZERO,
        triggered=row.get("trigger_status") == TRIGGERED,
        reason=_reason(row, "reject_reason", "reject_Reason", "cancel_reason"),
        ts_ns=ts_ns,
    )


def book_event(event: Mapping[str, Any]) -> tuple[str, bool, list[Level]]:
    """Return the product of a level2 event, whether it is a snapshot, and its levels."""
    kind = event.get("type")
    if kind not in ("snapshot", "update"):
        raise ParseError("unknown_event_type")
    levels = []
    for row in rows(dict(event), "updates"):
        side = row.get("side")
        if side not in ("bid", "offer", "ask"):
            raise ParseError("unknown_side")
        price = _positive(row.get("price_level"), "price_level")
        size = decimal_of(row.get("new_quantity"), "new_quantity")
        if size < 0:
            raise ParseError("negative", "new_quantity")
        levels.append(Level(side == "bid", price, size, time_ns(row.get("event_time"), "event_time")))
    return _text(event.get("product_id"), "product_id"), kind == "snapshot", levels


def ticker(raw: object) -> TickerRow:
    """Return best bid and ask."""
    row = _object(raw, "ticker")
    bid, ask = _positive(row.get("best_bid"), "best_bid"), _positive(row.get("best_ask"), "best_ask")
    if bid > ask:
        raise ParseError("crossed_quote")
    return TickerRow(
        _text(row.get("product_id"), "product_id"),
        bid,
        _not_negative(row.get("best_bid_quantity"), "best_bid_quantity"),
        ask,
        _not_negative(row.get("best_ask_quantity"), "best_ask_quantity"),
    )


def status_product(raw: object) -> tuple[str, str]:
    """Return a product and its status as the status channel tells it."""
    row = _object(raw, "product")
    return _text(row.get("id"), "id"), _text_or_empty(row.get("status"), "status")
