"""Bodies and queries of Alpaca's clients, read as tolerantly as the venue does: numbers as text or as JSON numbers."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from adapters.simulator.alpaca_wire import WireError
from adapters.simulator.exchange import Changes, Leg, OrderClass, OrderType, Ticket, TimeInForce
from adapters.simulator.tape import Side

_CLIENT_ID_LIMIT = 128


def decimal_or_none(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number of a body; None when it is absent or null.

    Raises
    ------
    WireError
        When it is no number.

    """
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise WireError(422, f"invalid {name}: {value}", 40010001) from error
    if not number.is_finite():
        raise WireError(422, f"invalid {name}: {value}", 40010001)
    return number


def whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number of a query.

    Raises
    ------
    WireError
        When it is none.

    """
    text = query.get(name)
    if not text:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise WireError(422, f"invalid {name}: {text}", 40010001) from error


def is_true(text: str | None) -> bool:
    """Whether a query says yes; the SDK writes booleans as Python does.

    Examples
    --------
    >>> is_true("True"), is_true("true"), is_true("False"), is_true(None)
    (True, True, False, False)

    """
    return text is not None and text.lower() in ("true", "1")


def ticket_of(body: Mapping[str, Any], symbols: Mapping[str, str]) -> Ticket:
    """Return the order that a body asks for.

    Parameters
    ----------
    body
        Of ``POST /v2/orders``.
    symbols
        The listed symbol by each way to write it: ``BTCUSD`` is ``BTC/USD``.

    Raises
    ------
    WireError
        When a field is missing or is none of its kind.

    """
    symbol = str(body.get("symbol") or "")
    if not symbol:
        raise WireError(422, "symbol is required", 40010001)
    client_id = str(body.get("client_order_id") or uuid4())
    if len(client_id) > _CLIENT_ID_LIMIT:
        raise WireError(422, "client_order_id must be no more than 128 characters", 40010001)
    order_class = OrderClass(_word(body, "order_class", ("", *OrderClass)) or OrderClass.SIMPLE)
    return Ticket(
        client_id=client_id,
        symbol=symbols.get(symbol, symbol),
        side=Side(_word(body, "side", tuple(Side))),
        type=OrderType(_word(body, "type", tuple(OrderType))),
        time_in_force=TimeInForce(_word(body, "time_in_force", tuple(TimeInForce))),
        qty=decimal_or_none(body, "qty"),
        notional=decimal_or_none(body, "notional"),
        limit_price=decimal_or_none(body, "limit_price"),
        stop_price=decimal_or_none(body, "stop_price"),
        trail_price=decimal_or_none(body, "trail_price"),
        trail_percent=decimal_or_none(body, "trail_percent"),
        is_extended_hours=body.get("extended_hours") is True,
        order_class=order_class,
        take_profit=_leg(body.get("take_profit")),
        stop_loss=_leg(body.get("stop_loss")),
    )


def changes_of(body: Mapping[str, Any]) -> Changes:
    """Return what a body of ``PATCH /v2/orders/{id}`` changes."""
    tif = body.get("time_in_force")
    return Changes(
        qty=decimal_or_none(body, "qty"),
        limit_price=decimal_or_none(body, "limit_price"),
        stop_price=decimal_or_none(body, "stop_price"),
        trail=decimal_or_none(body, "trail"),
        time_in_force=None if tif is None else TimeInForce(_word(body, "time_in_force", tuple(TimeInForce))),
        client_id=None if body.get("client_order_id") is None else str(body["client_order_id"]),
    )


def _leg(body: Any) -> Leg | None:
    if not isinstance(body, Mapping):
        return None
    return Leg(decimal_or_none(body, "limit_price"), decimal_or_none(body, "stop_price"))


def _word(body: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str:
    value = body.get(name)
    word = "" if value is None else str(value)
    if word not in words:
        message = f"{name} is required" if not word else f"invalid {name}: {word}"
        raise WireError(422, message, 40010001)
    return word
