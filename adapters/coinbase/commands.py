"""Orders as the venue takes them, and why it would not: what is denied here never leaves."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from nautilus_trader.model.enums import OrderSide, OrderType, TimeInForce, TriggerType, order_type_to_str
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import Order

_TIMES: Final = {
    # A market order ends at once whatever it asks for; one that asks for the day must not be kept from closing.
    OrderType.MARKET: (TimeInForce.IOC, TimeInForce.GTC, TimeInForce.DAY),
    OrderType.LIMIT: (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK),
    OrderType.STOP_LIMIT: (TimeInForce.GTC, TimeInForce.GTD),
    OrderType.STOP_MARKET: (TimeInForce.GTC, TimeInForce.GTD),
}
_STOPS: Final = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
_KEYS: Final = {
    (OrderType.LIMIT, TimeInForce.GTC): "limit_limit_gtc",
    (OrderType.LIMIT, TimeInForce.GTD): "limit_limit_gtd",
    (OrderType.LIMIT, TimeInForce.IOC): "sor_limit_ioc",
    (OrderType.LIMIT, TimeInForce.FOK): "limit_limit_fok",
    (OrderType.STOP_LIMIT, TimeInForce.GTC): "stop_limit_stop_limit_gtc",
    (OrderType.STOP_LIMIT, TimeInForce.GTD): "stop_limit_stop_limit_gtd",
    (OrderType.STOP_MARKET, TimeInForce.GTC): "stop_limit_stop_limit_gtc",
    (OrderType.STOP_MARKET, TimeInForce.GTD): "stop_limit_stop_limit_gtd",
}


class Terms(NamedTuple):
    """On what terms orders are taken.

    Attributes
    ----------
    stop_limit_works
        Whether the venue takes stop-limit orders of the product.
    stop_offset_frac
        How far through its trigger the limit of a stop-market order rests; None denies such orders.
    """

    stop_limit_works: bool = True
    stop_offset_frac: Decimal | None = None


def denial(order: Order, instrument: Instrument | None, *, long_qty: Decimal | None, terms: Terms) -> str:
    """Return why an order cannot be given to the venue, "" when it can.

    Parameters
    ----------
    order
        As the strategy made it.
    instrument
        None where it is not known.
    long_qty
        Open long quantity of the instrument in the books, against which reduce-only is held; None where the position is
        still to come.
    terms
        On what terms orders are taken.
    """
    if instrument is None:
        return f"{order.instrument_id} is not loaded"
    return _kind_denial(order, terms) or _flags_denial(order, long_qty=long_qty) or _grid_denial(order, instrument)


def _kind_denial(order: Order, terms: Terms) -> str:
    kind = order_type_to_str(order.order_type)
    times = _TIMES.get(order.order_type)
    if times is None or (order.order_type == OrderType.STOP_MARKET and terms.stop_offset_frac is None):
        return f"{kind} is not native to Coinbase spot: set emulation_trigger"
    if order.time_in_force not in times:
        return f"{kind} with this time in force is not supported: use one of {[tif.name for tif in times]}"
    if order.order_type in _STOPS:
        if not terms.stop_limit_works:
            return f"Coinbase takes no stop-limit orders of {order.instrument_id}: set emulation_trigger"
        if order.trigger_type not in (TriggerType.DEFAULT, TriggerType.LAST_PRICE):
            return "stops elect on the last price: use trigger_type DEFAULT or LAST_PRICE"
    return ""


def _flags_denial(order: Order, *, long_qty: Decimal | None) -> str:
    if order.is_post_only and order.time_in_force not in (TimeInForce.GTC, TimeInForce.GTD):
        return "post_only needs GTC or GTD"
    if order.is_post_only and order.order_type != OrderType.LIMIT:
        return "post_only needs a LIMIT order"
    if getattr(order, "display_qty", None) is not None:
        return "display_qty is not supported"
    if order.is_quote_quantity and (order.order_type != OrderType.MARKET or order.side != OrderSide.BUY):
        return "a quantity in the quote currency is for MARKET BUY only"
    if order.is_reduce_only:
        if order.side != OrderSide.SELL:
            return "reduce_only BUY is not supported: spot has no short position to reduce"
        if long_qty is not None and order.quantity.as_decimal() > long_qty:
            return f"reduce_only SELL of {order.quantity} exceeds the open position of {long_qty}"
    return ""


def _grid_denial(order: Order, instrument: Instrument) -> str:
    quantity = order.quantity.as_decimal()
    if not order.is_quote_quantity:
        step = instrument.size_increment.as_decimal()
        if quantity % step:
            return f"quantity {quantity} is not a multiple of {step}"
        if instrument.min_quantity is not None and order.quantity < instrument.min_quantity:
            return f"quantity {quantity} is below the least of {instrument.min_quantity}"
        if instrument.max_quantity is not None and order.quantity > instrument.max_quantity:
            return f"quantity {quantity} is above the most of {instrument.max_quantity}"
    tick = instrument.price_increment.as_decimal()
    for name in ("price", "trigger_price"):
        price = getattr(order, name, None)
        if price is not None and (price.as_decimal() <= 0 or price.as_decimal() % tick):
            return f"{name} {price} is not a positive multiple of {tick}"
    return ""


def body_of(order: Order, instrument: Instrument, *, terms: Terms) -> dict[str, Any]:
    """Return the request that creates an order. Every number is a string, so that none is changed on the way."""
    return {
        "client_order_id": order.client_order_id.value,
        "product_id": order.instrument_id.symbol.value,
        "side": "BUY" if order.side == OrderSide.BUY else "SELL",
        "order_configuration": _configuration(order, instrument, terms),
    }


def _configuration(order: Order, instrument: Instrument, terms: Terms) -> dict[str, dict[str, Any]]:
    if order.order_type == OrderType.MARKET:
        return {"market_market_ioc": {"quote_size" if order.is_quote_quantity else "base_size": str(order.quantity)}}
    fields: dict[str, Any] = {"base_size": str(order.quantity)}
    if order.order_type in _STOPS:
        fields["limit_price"] = stop_limit_price(order, order.trigger_price, instrument, terms=terms)
        fields["stop_price"] = str(order.trigger_price)
        fields["stop_direction"] = f"STOP_DIRECTION_STOP_{'UP' if order.side == OrderSide.BUY else 'DOWN'}"
    else:
        fields["limit_price"] = str(order.price)
        if order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD):
            fields["post_only"] = bool(order.is_post_only)
    if order.time_in_force == TimeInForce.GTD:
        fields["end_time"] = rfc3339(order.expire_time_ns)
    return {_KEYS[order.order_type, order.time_in_force]: fields}


def resized(body: dict[str, Any], size: Quantity) -> dict[str, Any]:
    """Return a request for another size."""
    ((kind, fields),) = body["order_configuration"].items()
    return {**body, "order_configuration": {kind: {**fields, "base_size": str(size)}}}


def sale_body(order: Order, size: Quantity) -> dict[str, Any]:
    """Return a request that sells at the order's price or better, at once."""
    return {
        "client_order_id": order.client_order_id.value,
        "product_id": order.instrument_id.symbol.value,
        "side": "SELL",
        "order_configuration": {"sor_limit_ioc": {"base_size": str(size), "limit_price": str(order.price)}},
    }


def stop_limit_price(order: Order, trigger_price: Price, instrument: Instrument, *, terms: Terms) -> str:
    """Return the limit of a stop: its own, or for a stop-market order one through the trigger, on the grid."""
    if order.order_type == OrderType.STOP_LIMIT:
        return str(order.price)
    tick = instrument.price_increment.as_decimal()
    away = trigger_price.as_decimal() * (terms.stop_offset_frac or Decimal(0))
    ticks = (trigger_price.as_decimal() + (away if order.side == OrderSide.BUY else -away)) // tick
    return str(Price(max(tick, tick * (ticks + (1 if order.side == OrderSide.BUY else 0))), instrument.price_precision))


def rfc3339(ts_ns: int) -> str:
    """Return a time as the venue reads it, cut to microseconds.

    Examples
    --------
    >>> rfc3339(1_000_000_000)
    '1970-01-01T00:00:01.000000Z'

    """
    at = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).replace(microsecond=ts_ns // 1000 % 1_000_000)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def edit_refusal(
    order: Order, instrument: Instrument, *, quantity: Quantity | None, price: Price | None, trigger_price: Price | None
) -> str:
    """Return why an order cannot be edited, "" when it can."""
    if order.order_type not in (OrderType.LIMIT, *_STOPS) or order.time_in_force != TimeInForce.GTC:
        return "only GTC limit and stop-limit orders can be edited"
    if trigger_price is not None and order.order_type not in _STOPS:
        return "only a stop has a trigger price"
    if price is not None and order.order_type == OrderType.STOP_MARKET:
        return "a stop-market order has no price"
    tick = instrument.price_increment.as_decimal()
    for wanted in (price, trigger_price):
        if wanted is not None and (wanted.as_decimal() <= 0 or wanted.as_decimal() % tick):
            return f"price {wanted} is not a positive multiple of {tick}"
    if quantity is not None and (quantity.as_decimal() <= 0 or quantity.as_decimal() % instrument.size_increment):
        return f"quantity {quantity} is not a positive multiple of {instrument.size_increment}"
    return ""


def edit_body(
    order: Order,
    instrument: Instrument,
    *,
    quantity: Quantity | None,
    price: Price | None,
    trigger_price: Price | None,
    terms: Terms,
) -> dict[str, str]:
    """Return the request that edits an order: size is the total, and what is left out would become 0."""
    body = {
        "order_id": order.venue_order_id.value,
        "size": str(quantity if quantity is not None else order.quantity),
    }
    if order.order_type in _STOPS:
        stop = trigger_price if trigger_price is not None else order.trigger_price
        body["stop_price"] = str(stop)
        body["price"] = str(price) if price is not None else stop_limit_price(order, stop, instrument, terms=terms)
    else:
        body["price"] = str(price if price is not None else order.price)
    return body


def probe_body(product_id: str, *, size: Decimal, price: Decimal, tick: Decimal) -> dict[str, Any]:
    """Return a stop-limit order to preview: small, and far under the market."""
    stop = (price * Decimal("0.8") // tick) * tick
    return {
        "product_id": product_id,
        "side": "SELL",
        "order_configuration": {
            "stop_limit_stop_limit_gtc": {
                "base_size": f"{size:f}",
                "limit_price": f"{max(tick, stop - tick):f}",
                "stop_price": f"{max(tick, stop):f}",
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
        },
    }
