"""Alpaca's answers to what the exchange refuses: status, code, message, and the facts that stand beside them."""

from decimal import Decimal
from typing import NamedTuple

from adapters.simulator.alpaca_wire import WireError, number
from adapters.simulator.exchange import Reason, RefusalError, Status


class _Body(NamedTuple):
    status: int
    code: int
    message: str
    extra: tuple[str, ...] = ()


_FORBIDDEN, _UNPROCESSABLE, _MALFORMED = 40310000, 42210000, 40010001
_QTY_FACTS = ("available", "existing_qty", "held_for_orders", "related_orders", "symbol")
_BODIES: dict[Reason, _Body] = {
    Reason.UNKNOWN_SYMBOL: _Body(422, _UNPROCESSABLE, 'asset "{symbol}" not found'),
    Reason.NOT_TRADABLE: _Body(422, _UNPROCESSABLE, 'asset "{symbol}" is not tradable'),
    Reason.HALTED: _Body(422, _UNPROCESSABLE, 'asset "{symbol}" is not tradable'),
    Reason.DUPLICATE_CLIENT_ID: _Body(422, _MALFORMED, "client_order_id must be unique"),
    Reason.QTY_MISSING: _Body(422, _MALFORMED, "qty or notional is required"),
    Reason.QTY_NOT_POSITIVE: _Body(422, _UNPROCESSABLE, "qty must be > 0"),
    Reason.QTY_INCREMENT: _Body(422, _UNPROCESSABLE, "qty must be a multiple of {increment}"),
    Reason.QTY_TOO_SMALL: _Body(403, _FORBIDDEN, "qty must be >= minimal qty of order {least}"),
    Reason.QTY_TOO_LARGE: _Body(422, _UNPROCESSABLE, "qty must be <= {most}"),
    Reason.NOTIONAL_INCREMENT: _Body(422, _UNPROCESSABLE, "notional value must be limited to 2 decimal places"),
    Reason.NOTIONAL_TOO_SMALL: _Body(403, _FORBIDDEN, "cost basis must be >= minimal amount of order {least}"),
    Reason.NOTIONAL_TOO_LARGE: _Body(422, _UNPROCESSABLE, "notional value must be <= {most}"),
    Reason.PRICE_MISSING: _Body(422, _MALFORMED, "{field} is required"),
    Reason.PRICE_INCREMENT: _Body(
        422,
        _UNPROCESSABLE,
        "invalid {field} {price}. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    Reason.STOP_SIDE: _Body(
        422, _UNPROCESSABLE, "stop price must be {relation} than current price", ("market_price", "stop_price")
    ),
    Reason.TYPE_UNSUPPORTED: _Body(422, _UNPROCESSABLE, "invalid order type for {kind} order"),
    Reason.TIF_UNSUPPORTED: _Body(422, _UNPROCESSABLE, "invalid order time_in_force: {time_in_force}"),
    Reason.CLASS_UNSUPPORTED: _Body(422, _UNPROCESSABLE, "{order_class} orders are not supported for {kind}"),
    Reason.EXTENDED_HOURS: _Body(422, _UNPROCESSABLE, "extended hours order must be DAY or GTC limit orders"),
    Reason.TIME_WINDOW: _Body(422, _UNPROCESSABLE, "{time_in_force} orders are not accepted at this time"),
    Reason.LEG_MISSING: _Body(422, _MALFORMED, "{order_class} orders require {field}"),
    Reason.LEG_PRICE: _Body(422, _UNPROCESSABLE, "{field} must be {relation}", ("base_price",)),
    Reason.NOT_FRACTIONABLE: _Body(422, _UNPROCESSABLE, 'asset "{symbol}" is not fractionable'),
    Reason.FRACTION_TIF: _Body(422, _UNPROCESSABLE, "fractional orders must be DAY orders"),
    Reason.FRACTION_TYPE: _Body(
        422, _UNPROCESSABLE, "fractional orders must be market, limit, stop, or stop_limit orders"
    ),
    Reason.FRACTION_CLASS: _Body(422, _UNPROCESSABLE, "fractional orders must be simple orders"),
    Reason.FRACTION_SHORT: _Body(422, _UNPROCESSABLE, "fractional orders cannot be sold short"),
    Reason.INSUFFICIENT_BUYING_POWER: _Body(
        403, _FORBIDDEN, "insufficient buying power", ("buying_power", "cost_basis")
    ),
    Reason.INSUFFICIENT_QTY: _Body(
        403,
        _FORBIDDEN,
        "insufficient qty available for order (requested: {requested}, available: {available})",
        _QTY_FACTS,
    ),
    Reason.NOT_SHORTABLE: _Body(422, _UNPROCESSABLE, 'asset "{symbol}" cannot be sold short'),
    Reason.SHORTING_OFF: _Body(403, _FORBIDDEN, "account is not allowed to short"),
    Reason.WASH_TRADE: _Body(
        403,
        _FORBIDDEN,
        "potential wash trade detected. use complex orders",
        ("existing_order_id", "reject_reason"),
    ),
    Reason.SUSPENDED: _Body(403, _FORBIDDEN, "new orders are rejected by user request"),
    Reason.TOO_MANY_ORDERS: _Body(403, _FORBIDDEN, "too many open orders"),
    Reason.ORDER_UNKNOWN: _Body(404, 40410000, "order not found for {order_id}"),
    Reason.NOT_CANCELABLE: _Body(422, _UNPROCESSABLE, "order is not cancelable"),
    Reason.NOT_REPLACEABLE: _Body(422, _UNPROCESSABLE, "cannot replace order in {status} status"),
    Reason.BELOW_FILLED: _Body(422, _UNPROCESSABLE, "qty must be > filled_qty"),
    Reason.NOTHING_CHANGED: _Body(422, _UNPROCESSABLE, "order parameters are not changed"),
}


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def refusal_error(refusal: RefusalError) -> WireError:
    """Return the answer to a request that the exchange refused.

    Examples
    --------
    >>> error = refusal_error(RefusalError(Reason.NOT_FRACTIONABLE, symbol="BRK.A"))
    >>> error.status, error.body
    (422, {'code': 42210000, 'message': 'asset "BRK.A" is not fractionable'})

    """
    body = _BODIES.get(refusal.reason, _Body(422, _UNPROCESSABLE, refusal.reason.value.replace("_", " ")))
    facts = {name: _fact(value) for name, value in refusal.facts.items()}
    message = body.message
    if refusal.reason is Reason.NOT_REPLACEABLE and facts.get("status") == Status.REPLACED:
        message = "order already replaced"
    if refusal.reason is Reason.INSUFFICIENT_BUYING_POWER and facts.get("kind") == "crypto":
        message = "insufficient balance for {currency} (requested: {cost_basis}, available: {buying_power})"
    if refusal.reason is Reason.INSUFFICIENT_QTY and "/" in str(facts.get("symbol", "")):
        message = "insufficient balance for {base} (requested: {requested}, available: {available})"
    text = message.format_map(_Facts({name: str(value) for name, value in facts.items()}))
    extra = {name: facts[name] for name in body.extra if name in facts}
    return WireError(body.status, text, body.code, **extra)


def _fact(value: object) -> object:
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return str(value)
