"""The venue's JSON as values: Decimals, nanoseconds, closed sets; what is not valid raises one error with a reason.

Pure: no clock, no I/O. A payload is read whole or refused, so that a bad one cannot change any state.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgpack import Timestamp

from adapters.alpaca.constants import AssetClass, Kind, OrderClass, OrderState, Tif, TradeEvent

_MAX_NUMBER = Decimal("1e15")
_MAX_DECIMALS = 18
_MAX_TEXT = 128
_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_LEGS = 8
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):?(\d\d))", re.ASCII
)


class ParseError(ValueError):
    """A payload that cannot be used.

    Attributes
    ----------
    reason
        Short and from a small set (``order_id_missing``): fit to be a label of a counter.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue tells it; quantities in units, prices in the quote currency, times in ns."""

    id: str
    client_order_id: str
    symbol: str
    asset_class: AssetClass
    state: OrderState
    kind: Kind
    tif: Tif
    order_class: OrderClass
    is_buy: bool
    quantity: Decimal | None
    notional: Decimal | None
    filled: Decimal
    average: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    replaced_by: str
    replaces: str
    submitted_ns: int
    updated_ns: int
    extended_hours: bool
    legs: tuple["Order", ...]


class TradeUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the trade stream; ``quantity`` and ``price`` are those of the execution, None in other messages."""

    event: TradeEvent
    order: Order
    quantity: Decimal | None
    price: Decimal | None
    at_ns: int
    execution_id: str


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """An execution from the account's activities."""

    id: str
    order_id: str
    symbol: str
    is_buy: bool
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    at_ns: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account's numbers in its currency."""

    number: str
    currency: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    multiplier: Decimal
    is_blocked: bool
    can_short: bool
    facts: dict[str, str]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A position; ``quantity`` is negative for a short one."""

    symbol: str
    asset_class: AssetClass
    quantity: Decimal
    available: Decimal
    average: Decimal
    unrealized: Decimal


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """What can be traded, and by what rules."""

    symbol: str
    asset_class: AssetClass
    exchange: str
    name: str
    is_tradable: bool
    is_fractionable: bool
    is_marginable: bool
    is_shortable: bool
    is_easy_to_borrow: bool
    min_size: Decimal | None
    size_step: Decimal | None
    price_step: Decimal | None


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and ask."""

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    at_ns: int


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A print; ``taker`` is "B", "S" or "" where the venue does not tell."""

    symbol: str
    id: str
    price: Decimal
    size: Decimal
    taker: str
    at_ns: int


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Prices and volume of an interval that begins at ``open_ns``."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    open_ns: int


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """A news article."""

    id: int
    headline: str
    summary: str
    source: str
    url: str
    symbols: tuple[str, ...]
    created_ns: int
    updated_ns: int


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal's code, text and other facts."""

    code: str
    message: str
    facts: dict[str, str]


# -- orders, executions ------------------------------------------------------------------------------------------------


def parse_order(raw: object, *, depth: int = 0) -> Order:
    """Return an order.

    Raises
    ------
    ParseError
        Without an id, a symbol (unless it has several legs), a side, or with numbers that are none.
    """
    body = _object(raw, "order")
    order_class = OrderClass(_word(body, "order_class") or OrderClass.SIMPLE)
    several = order_class is OrderClass.MLEG
    side = _word(body, "side")
    if side not in ("buy", "sell") and not several:
        raise ParseError("order_side_invalid")
    filled = _optional_number(body, "filled_qty") or Decimal(0)
    average = _optional_number(body, "filled_avg_price")
    quantity = _optional_number(body, "qty")
    if filled < 0 or (quantity is not None and quantity <= 0):
        raise ParseError("order_qty_invalid")
    legs = body.get("legs")
    if legs is None or depth > 0:
        legs = ()
    if not isinstance(legs, Sequence) or isinstance(legs, str) or len(legs) > _MAX_LEGS:
        raise ParseError("order_legs_invalid")
    submitted = _optional_time(body, "submitted_at") or _optional_time(body, "created_at") or 0
    return Order(
        id=_id(body, "id", "order_id"),
        client_order_id=_text(body, "client_order_id"),
        symbol=_symbol(body, "order_symbol") if not several else _text(body, "symbol"),
        asset_class=AssetClass(_word(body, "asset_class")),
        state=OrderState(_word(body, "status")),
        kind=Kind(_word(body, "type") or _word(body, "order_type")),
        tif=Tif(_word(body, "time_in_force")),
        order_class=order_class,
        is_buy=side == "buy",
        quantity=quantity,
        notional=_optional_number(body, "notional"),
        filled=filled,
        average=average,
        limit_price=_optional_number(body, "limit_price"),
        stop_price=_optional_number(body, "stop_price"),
        trail_price=_optional_number(body, "trail_price"),
        trail_percent=_optional_number(body, "trail_percent"),
        replaced_by=_text(body, "replaced_by"),
        replaces=_text(body, "replaces"),
        submitted_ns=submitted,
        updated_ns=_optional_time(body, "updated_at") or submitted,
        extended_hours=body.get("extended_hours") is True,
        legs=() if several else tuple(parse_order(leg, depth=depth + 1) for leg in legs),
    )


def parse_trade_update(raw: object) -> TradeUpdate:
    """Return a message of the trade stream, from its ``data``.

    Raises
    ------
    ParseError
        If the order cannot be read, or an execution has no positive quantity or no price.
    """
    body = _object(raw, "trade_update")
    order = parse_order(body.get("order"))
    event = TradeEvent(_word(body, "event"))
    quantity = price = None
    if event in (TradeEvent.FILL, TradeEvent.PARTIAL_FILL):
        quantity, price = _number(body, "qty"), _number(body, "price")
        if quantity <= 0:
            raise ParseError("execution_qty_invalid")
        if order.filled < quantity:
            raise ParseError("execution_past_total")
    at = _optional_time(body, "timestamp") or _optional_time(body, "at") or order.updated_ns
    return TradeUpdate(
        event=event,
        order=order,
        quantity=quantity,
        price=price,
        at_ns=at,
        execution_id=_text(body, "execution_id"),
    )


def parse_fill(raw: object) -> Fill:
    """Return an execution from an activity of type FILL."""
    body = _object(raw, "activity")
    if _text(body, "activity_type").upper() != "FILL":
        raise ParseError("activity_not_a_fill")
    side = _word(body, "side")
    if side not in ("buy", "sell", "sell_short"):
        raise ParseError("activity_side_invalid")
    quantity, cumulative = _number(body, "qty"), _number(body, "cum_qty")
    if quantity <= 0 or cumulative < quantity:
        raise ParseError("activity_qty_invalid")
    return Fill(
        id=_id(body, "id", "activity_id"),
        order_id=_id(body, "order_id", "activity_order_id"),
        symbol=_symbol(body, "activity_symbol"),
        is_buy=side == "buy",
        quantity=quantity,
        price=_number(body, "price"),
        cumulative=cumulative,
        at_ns=_time(body, "transaction_time"),
    )


def parse_error(status: int, text: str) -> ErrorBody:
    """Return what an answer that is no success says; any text will do, HTML and nothing among them."""
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ErrorBody(code="", message=f"HTTP {status}, no JSON", facts={})
    if not isinstance(body, dict):
        return ErrorBody(code="", message=f"HTTP {status}, no object", facts={})
    facts = {
        str(key)[:_MAX_TEXT]: str(value)[:_MAX_TEXT] for key, value in body.items() if key not in ("code", "message")
    }
    code, message = body.get("code"), body.get("message")
    return ErrorBody(
        code="" if code is None else str(code)[:_MAX_TEXT],
        message="" if message is None else str(message)[:400],
        facts=facts,
    )


# -- the account -------------------------------------------------------------------------------------------------------

_ACCOUNT_FACTS = (
    "status",
    "crypto_status",
    "equity",
    "last_equity",
    "cash",
    "buying_power",
    "regt_buying_power",
    "non_marginable_buying_power",
    "daytrading_buying_power",
    "daytrade_count",
    "pattern_day_trader",
    "multiplier",
    "initial_margin",
    "maintenance_margin",
    "long_market_value",
    "short_market_value",
    "accrued_fees",
    "sma",
)


def parse_account(raw: object) -> Account:
    """Return the account."""
    body = _object(raw, "account")
    return Account(
        number=_id(body, "account_number", "account_number"),
        currency=_text(body, "currency") or "USD",
        cash=_number(body, "cash"),
        equity=_optional_number(body, "equity") or _number(body, "portfolio_value"),
        buying_power=_optional_number(body, "buying_power") or Decimal(0),
        multiplier=_optional_number(body, "multiplier") or Decimal(1),
        is_blocked=body.get("account_blocked") is True or body.get("trading_blocked") is True,
        can_short=body.get("shorting_enabled") is True,
        facts={name: str(body[name])[:_MAX_TEXT] for name in _ACCOUNT_FACTS if body.get(name) is not None},
    )


def parse_position(raw: object) -> Position:
    """Return a position."""
    body = _object(raw, "position")
    side = _word(body, "side")
    if side not in ("long", "short"):
        raise ParseError("position_side_invalid")
    quantity = abs(_number(body, "qty"))
    available = _optional_number(body, "qty_available")
    return Position(
        symbol=_symbol(body, "position_symbol"),
        asset_class=AssetClass(_word(body, "asset_class")),
        quantity=quantity if side == "long" else -quantity,
        available=quantity if available is None else abs(available),
        average=_number(body, "avg_entry_price"),
        unrealized=_optional_number(body, "unrealized_pl") or Decimal(0),
    )


def parse_asset(raw: object) -> Asset:
    """Return an asset."""
    body = _object(raw, "asset")
    steps = {
        name: _optional_number(body, name) for name in ("min_order_size", "min_trade_increment", "price_increment")
    }
    if any(step is not None and step <= 0 for step in steps.values()):
        raise ParseError("asset_step_invalid")
    return Asset(
        symbol=_symbol(body, "asset_symbol"),
        asset_class=AssetClass(_word(body, "class") or _word(body, "asset_class")),
        exchange=_text(body, "exchange"),
        name=_text(body, "name"),
        is_tradable=body.get("tradable") is True and _word(body, "status") in ("active", ""),
        is_fractionable=body.get("fractionable") is True,
        is_marginable=body.get("marginable") is True,
        is_shortable=body.get("shortable") is True,
        is_easy_to_borrow=body.get("easy_to_borrow") is True or _word(body, "borrow_status") == "easy_to_borrow",
        min_size=steps["min_order_size"],
        size_step=steps["min_trade_increment"],
        price_step=steps["price_increment"],
    )


# -- market data -------------------------------------------------------------------------------------------------------


def parse_quote(raw: object, symbol: str = "") -> Quote:
    """Return a quote of the stream (``S`` names the symbol) or of the history (`symbol` does)."""
    body = _object(raw, "quote")
    bid, ask = _number(body, "bp"), _number(body, "ap")
    if bid < 0 or ask < 0:
        raise ParseError("quote_price_invalid")
    sizes = _optional_number(body, "bs") or Decimal(0), _optional_number(body, "as") or Decimal(0)
    if min(sizes) < 0:
        raise ParseError("quote_size_invalid")
    return Quote(
        symbol=symbol or _symbol(body, "quote_symbol", key="S"),
        bid=bid,
        ask=ask,
        bid_size=sizes[0],
        ask_size=sizes[1],
        at_ns=_time(body, "t"),
    )


def parse_trade(raw: object, symbol: str = "") -> Trade:
    """Return a print of the stream or of the history."""
    body = _object(raw, "trade")
    price, size = _number(body, "p"), _number(body, "s")
    if price <= 0 or size <= 0:
        raise ParseError("trade_not_positive")
    number = body.get("i")
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise ParseError("trade_id_invalid")
    taker = body.get("tks")
    return Trade(
        symbol=symbol or _symbol(body, "trade_symbol", key="S"),
        id=str(number)[:36] if not isinstance(number, int) or abs(number) < 10**36 else _refuse("trade_id_invalid"),
        price=price,
        size=size,
        taker=taker if taker in ("B", "S") else "",
        at_ns=_time(body, "t"),
    )


def parse_bar(raw: object, symbol: str = "") -> Bar:
    """Return a bar of the stream or of the history."""
    body = _object(raw, "bar")
    prices = {name: _number(body, name) for name in "ohlc"}
    volume = _number(body, "v")
    if min(prices.values()) <= 0 or volume < 0:
        raise ParseError("bar_not_positive")
    if prices["h"] < max(prices["o"], prices["c"], prices["l"]) or prices["l"] > min(prices["o"], prices["c"]):
        raise ParseError("bar_inconsistent")
    return Bar(
        symbol=symbol or _symbol(body, "bar_symbol", key="S"),
        open=prices["o"],
        high=prices["h"],
        low=prices["l"],
        close=prices["c"],
        volume=volume,
        open_ns=_time(body, "t"),
    )


def parse_article(raw: object) -> Article:
    """Return a news article."""
    body = _object(raw, "news")
    number = body.get("id")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise ParseError("news_id_invalid")
    symbols = body.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise ParseError("news_symbols_invalid")
    headline = body.get("headline")
    if not isinstance(headline, str):
        raise ParseError("news_headline_missing")
    created = _time(body, "created_at")
    return Article(
        id=number,
        headline=headline,
        summary=str(body.get("summary") or ""),
        source=str(body.get("source") or ""),
        url=str(body.get("url") or ""),
        symbols=tuple(symbols),
        created_ns=created,
        updated_ns=_optional_time(body, "updated_at") or created,
    )


def parse_page(raw: object, key: str) -> tuple[dict[str, list[object]], str]:
    """Return the rows of a page of market data by symbol, and the token of the next page ("" at the end)."""
    body = _object(raw, "page")
    rows = body.get(key)
    token = body.get("next_page_token")
    if token is not None and not isinstance(token, str):
        raise ParseError("page_token_invalid")
    if rows is None:
        rows = {}
    if isinstance(rows, list):
        rows = {_text(body, "symbol"): rows}
    if not isinstance(rows, dict) or not all(value is None or isinstance(value, list) for value in rows.values()):
        raise ParseError("page_rows_invalid")
    return {str(symbol): value or [] for symbol, value in rows.items()}, token or ""


# -- fields ------------------------------------------------------------------------------------------------------------


def parse_decimal(value: object, reason: str = "number") -> Decimal:
    """Return a number, which may come as text, int or float.

    Examples
    --------
    >>> parse_decimal("100.10"), parse_decimal(178.26), parse_decimal(5)
    (Decimal('100.10'), Decimal('178.26'), Decimal('5'))

    """
    if value is None:
        raise ParseError(f"{reason}_null")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ParseError(f"{reason}_not_a_number")
    if isinstance(value, str) and (len(value) > 40 or not value.isascii() or "_" in value):
        raise ParseError(f"{reason}_not_a_number")
    if isinstance(value, int) and abs(value) > _MAX_NUMBER:
        raise ParseError(f"{reason}_too_large")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ParseError(f"{reason}_not_a_number") from None
    if not number.is_finite():
        raise ParseError(f"{reason}_not_finite")
    if abs(number) > _MAX_NUMBER:
        raise ParseError(f"{reason}_too_large")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_MAX_DECIMALS:
        raise ParseError(f"{reason}_too_fine")
    return number


def parse_time_ns(value: object, reason: str = "time") -> int:
    """Return nanoseconds since 1970, from RFC 3339 text with any offset or from a MessagePack timestamp.

    Examples
    --------
    >>> parse_time_ns("2022-04-19T13:45:04.980944666-04:00") - parse_time_ns("2022-04-19T17:45:04.980944665Z")
    1

    """
    if isinstance(value, Timestamp):
        return _in_range(value.to_unix_nano(), reason)
    if value is None:
        raise ParseError(f"{reason}_null")
    if not isinstance(value, str):
        raise ParseError(f"{reason}_not_a_time")
    found = _TIME.fullmatch(value)
    if found is None:
        raise ParseError(f"{reason}_not_a_time")
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        if sign:
            offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
            moment += offset if sign == "-" else -offset
    except (ValueError, OverflowError):
        raise ParseError(f"{reason}_not_a_time") from None
    whole = moment - _EPOCH
    return _in_range((whole.days * 86_400 + whole.seconds) * _SECOND_NS + int((fraction or "0").ljust(9, "0")), reason)


def _in_range(moment_ns: int, reason: str) -> int:
    if not 0 <= moment_ns < 2**63:
        raise ParseError(f"{reason}_out_of_range")
    return moment_ns


def _refuse(reason: str) -> Any:
    raise ParseError(reason)


def _object(raw: object, reason: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise ParseError(f"{reason}_not_an_object")
    return raw


def _number(body: Mapping[str, Any], key: str) -> Decimal:
    return parse_decimal(body.get(key), key)


def _optional_number(body: Mapping[str, Any], key: str) -> Decimal | None:
    value = body.get(key)
    return None if value is None or value == "" else parse_decimal(value, key)


def _time(body: Mapping[str, Any], key: str) -> int:
    return parse_time_ns(body.get(key), key)


def _optional_time(body: Mapping[str, Any], key: str) -> int | None:
    value = body.get(key)
    return None if value is None or value == "" else parse_time_ns(value, key)


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ParseError(f"{key}_not_text")
    return value[: 4 * _MAX_TEXT]


def _word(body: Mapping[str, Any], key: str) -> str:
    return _text(body, key).lower()


def _id(body: Mapping[str, Any], key: str, reason: str) -> str:
    value = _text(body, key)
    if not value or len(value) > _MAX_TEXT or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ParseError(f"{reason}_missing" if not value else f"{reason}_invalid")
    return value


def _symbol(body: Mapping[str, Any], reason: str, key: str = "symbol") -> str:
    value = _text(body, key)
    if not value:
        raise ParseError(f"{reason}_missing")
    if len(value) > 32 or not value.isascii() or not re.fullmatch(r"[A-Za-z0-9./\-]+", value):
        raise ParseError(f"{reason}_invalid")
    return value
