"""The venue's JSON as values: Decimals, nanoseconds, closed sets; what is not valid raises one error with a reason.

Pure: no clock, no I/O. A payload is read whole or refused, so that a bad one cannot change any state.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from adapters.alpaca.constants import AssetClass, Kind, OrderClass, OrderState, Tif, TradeEvent
from adapters.alpaca.fields import (
    MAX_TEXT,
    ParseError,
    id_of,
    number_of,
    number_or_none,
    object_of,
    symbol_of,
    text_of,
    time_of,
    time_or_none,
    word_of,
)

# Who reads history without the client finds everything here.
from adapters.alpaca.market import parse_bar, parse_page

__all__ = [
    "Account",
    "Asset",
    "ErrorBody",
    "Fill",
    "Order",
    "ParseError",
    "Position",
    "TradeUpdate",
    "parse_account",
    "parse_asset",
    "parse_bar",
    "parse_error",
    "parse_fill",
    "parse_order",
    "parse_page",
    "parse_position",
    "parse_trade_update",
]

_MAX_LEGS = 8


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
    body = object_of(raw, "order")
    order_class = OrderClass(word_of(body, "order_class") or OrderClass.SIMPLE)
    several = order_class is OrderClass.MLEG
    side = word_of(body, "side")
    if side not in ("buy", "sell") and not several:
        raise ParseError("order_side_invalid")
    filled = number_or_none(body, "filled_qty") or Decimal(0)
    average = number_or_none(body, "filled_avg_price")
    quantity = number_or_none(body, "qty")
    if filled < 0 or (quantity is not None and quantity <= 0):
        raise ParseError("order_qty_invalid")
    legs = body.get("legs")
    if legs is None or depth > 0:
        legs = ()
    if not isinstance(legs, Sequence) or isinstance(legs, str) or len(legs) > _MAX_LEGS:
        raise ParseError("order_legs_invalid")
    submitted = time_or_none(body, "submitted_at") or time_or_none(body, "created_at") or 0
    return Order(
        id=id_of(body, "id", "order_id"),
        client_order_id=text_of(body, "client_order_id"),
        symbol=symbol_of(body, "order_symbol") if not several else text_of(body, "symbol"),
        asset_class=AssetClass(word_of(body, "asset_class")),
        state=OrderState(word_of(body, "status")),
        kind=Kind(word_of(body, "type") or word_of(body, "order_type")),
        tif=Tif(word_of(body, "time_in_force")),
        order_class=order_class,
        is_buy=side == "buy",
        quantity=quantity,
        notional=number_or_none(body, "notional"),
        filled=filled,
        average=average,
        limit_price=number_or_none(body, "limit_price"),
        stop_price=number_or_none(body, "stop_price"),
        trail_price=number_or_none(body, "trail_price"),
        trail_percent=number_or_none(body, "trail_percent"),
        replaced_by=text_of(body, "replaced_by"),
        replaces=text_of(body, "replaces"),
        submitted_ns=submitted,
        updated_ns=time_or_none(body, "updated_at") or submitted,
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
    body = object_of(raw, "trade_update")
    order = parse_order(body.get("order"))
    event = TradeEvent(word_of(body, "event"))
    quantity = price = None
    if event in (TradeEvent.FILL, TradeEvent.PARTIAL_FILL):
        quantity, price = number_of(body, "qty"), number_of(body, "price")
        if quantity <= 0:
            raise ParseError("execution_qty_invalid")
        if order.filled < quantity:
            raise ParseError("execution_past_total")
    at = time_or_none(body, "timestamp") or time_or_none(body, "at") or order.updated_ns
    return TradeUpdate(
        event=event,
        order=order,
        quantity=quantity,
        price=price,
        at_ns=at,
        execution_id=text_of(body, "execution_id"),
    )


def parse_fill(raw: object) -> Fill:
    """Return an execution from an activity of type FILL."""
    body = object_of(raw, "activity")
    if text_of(body, "activity_type").upper() != "FILL":
        raise ParseError("activity_not_a_fill")
    side = word_of(body, "side")
    if side not in ("buy", "sell", "sell_short"):
        raise ParseError("activity_side_invalid")
    quantity, cumulative = number_of(body, "qty"), number_of(body, "cum_qty")
    if quantity <= 0 or cumulative < quantity:
        raise ParseError("activity_qty_invalid")
    return Fill(
        id=id_of(body, "id", "activity_id"),
        order_id=id_of(body, "order_id", "activity_order_id"),
        symbol=symbol_of(body, "activity_symbol"),
        is_buy=side == "buy",
        quantity=quantity,
        price=number_of(body, "price"),
        cumulative=cumulative,
        at_ns=time_of(body, "transaction_time"),
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
        str(key)[:MAX_TEXT]: str(value)[:MAX_TEXT] for key, value in body.items() if key not in ("code", "message")
    }
    code, message = body.get("code"), body.get("message")
    return ErrorBody(
        code="" if code is None else str(code)[:MAX_TEXT],
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
    body = object_of(raw, "account")
    return Account(
        number=id_of(body, "account_number", "account_number"),
        currency=text_of(body, "currency") or "USD",
        cash=number_of(body, "cash"),
        equity=number_or_none(body, "equity") or number_of(body, "portfolio_value"),
        buying_power=number_or_none(body, "buying_power") or Decimal(0),
        multiplier=number_or_none(body, "multiplier") or Decimal(1),
        is_blocked=body.get("account_blocked") is True or body.get("trading_blocked") is True,
        can_short=body.get("shorting_enabled") is True,
        facts={name: str(body[name])[:MAX_TEXT] for name in _ACCOUNT_FACTS if body.get(name) is not None},
    )


def parse_position(raw: object) -> Position:
    """Return a position."""
    body = object_of(raw, "position")
    side = word_of(body, "side")
    if side not in ("long", "short"):
        raise ParseError("position_side_invalid")
    quantity = abs(number_of(body, "qty"))
    available = number_or_none(body, "qty_available")
    return Position(
        symbol=symbol_of(body, "position_symbol"),
        asset_class=AssetClass(word_of(body, "asset_class")),
        quantity=quantity if side == "long" else -quantity,
        available=quantity if available is None else abs(available),
        average=number_of(body, "avg_entry_price"),
        unrealized=number_or_none(body, "unrealized_pl") or Decimal(0),
    )


def parse_asset(raw: object) -> Asset:
    """Return an asset."""
    body = object_of(raw, "asset")
    steps = {name: number_or_none(body, name) for name in ("min_order_size", "min_trade_increment", "price_increment")}
    if any(step is not None and step <= 0 for step in steps.values()):
        raise ParseError("asset_step_invalid")
    return Asset(
        symbol=symbol_of(body, "asset_symbol"),
        asset_class=AssetClass(word_of(body, "class") or word_of(body, "asset_class")),
        exchange=text_of(body, "exchange"),
        name=text_of(body, "name"),
        is_tradable=body.get("tradable") is True and word_of(body, "status") in ("active", ""),
        is_fractionable=body.get("fractionable") is True,
        is_marginable=body.get("marginable") is True,
        is_shortable=body.get("shortable") is True,
        is_easy_to_borrow=body.get("easy_to_borrow") is True or word_of(body, "borrow_status") == "easy_to_borrow",
        min_size=steps["min_order_size"],
        size_step=steps["min_trade_increment"],
        price_step=steps["price_increment"],
    )
