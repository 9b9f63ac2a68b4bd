"""NautilusTrader's orders as the venue's requests, or the reason why the venue would not do what they say.

Pure: what is asked is refused here, before anything is sent, whenever the venue's rules are known; nothing is ever
rounded, weakened or replaced by something similar.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from nautilus_trader.model.enums import (
    ContingencyType,
    OrderSide,
    OrderType,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
    order_type_to_str,
    time_in_force_to_str,
)
from nautilus_trader.model.instruments import CurrencyPair

from adapters.alpaca.config import Caps
from adapters.alpaca.constants import OrderClass

_KINDS: Final[Mapping[Any, str]] = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP_MARKET: "trailing_stop",
}
_TIFS: Final[Mapping[Any, str]] = {
    TimeInForce.DAY: "day",
    TimeInForce.GTC: "gtc",
    TimeInForce.AT_THE_OPEN: "opg",
    TimeInForce.AT_THE_CLOSE: "cls",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
}
_PLAIN_TRIGGERS: Final = (TriggerType.NO_TRIGGER, TriggerType.DEFAULT, TriggerType.LAST_PRICE)
_LASTING: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_ONE = Decimal(1)
_EXITS: Final = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue does natively with an instrument.

    Attributes
    ----------
    types, tifs
        Order types and times in force for whole units.
    fractional_types, fractional_tifs
        The same for parts of a unit and for orders by notional; empty where there are no parts.
    groups
        Native groups of orders.
    short
        Whether it can be sold without being held.
    """

    types: frozenset[Any]
    tifs: frozenset[Any]
    fractional_types: frozenset[Any]
    fractional_tifs: frozenset[Any]
    groups: frozenset[OrderClass]
    short: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known beside an order to judge it.

    Attributes
    ----------
    held
        Net position in the instrument, negative when short.
    reference
        Last known price, None when there is none.
    """

    held: Decimal
    reference: Decimal | None


def capabilities(instrument: Any) -> Capabilities:
    """Return what the venue does with an instrument of its own."""
    facts = instrument.info or {}
    if isinstance(instrument, CurrencyPair):
        types = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
        tifs = frozenset({TimeInForce.GTC, TimeInForce.IOC})
        return Capabilities(
            types=types, tifs=tifs, fractional_types=types, fractional_tifs=tifs, groups=frozenset(), short=False
        )
    parts = instrument.size_precision > 0 and facts.get("fractionable") == "true"
    return Capabilities(
        types=frozenset(_KINDS),
        tifs=frozenset(_TIFS),
        fractional_types=frozenset(_KINDS) - {OrderType.TRAILING_STOP_MARKET} if parts else frozenset(),
        fractional_tifs=frozenset({TimeInForce.DAY}) if parts else frozenset(),
        groups=frozenset({OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO}),
        short=facts.get("shortable") == "true" and facts.get("easy_to_borrow") == "true",
    )


# -- why not -----------------------------------------------------------------------------------------------------------


def why_not(
    order: Any, instrument: Any, standing: Standing, caps: Caps, *, in_group: bool = False, extended: bool = False
) -> str:
    """Return why an order cannot be sent as it is; "" if it can.

    Parameters
    ----------
    order, instrument
        NautilusTrader's.
    standing
        Position and price.
    caps
        The adapter's own limits.
    in_group
        Whether it is an exit of a native group: it may be larger than what is held yet.
    extended
        Whether it is for extended hours.
    """
    for check in _CHECKS:
        if reason := check(order, instrument):
            return reason
    if extended and (reason := _why_not_extended(order, instrument, in_group=in_group)):
        return reason
    if not in_group and (reason := _why_not_by_position(order, instrument, standing)):
        return reason
    return why_not_by_caps(order, standing, caps)


def _why_not_by_kind(order: Any, instrument: Any) -> str:
    able = capabilities(instrument)
    kind, tif = order_type_to_str(order.order_type), time_in_force_to_str(order.time_in_force)
    if instrument.info.get("tradable") == "false":
        return f"{instrument.id.symbol} cannot be traded at the venue"
    if order.order_type not in able.types:
        return f"order type {kind} is not native for {instrument.id}: set emulation_trigger where it can be emulated"
    if order.time_in_force not in able.tifs:
        return f"time in force {tif} is not native for {instrument.id}"
    if order.time_in_force not in _LASTING and order.order_type not in (OrderType.MARKET, OrderType.LIMIT):
        return f"time in force {tif} is for market and limit orders only"
    if _is_partial(order):
        if order.order_type not in able.fractional_types:
            return f"a fractional {kind} order is not possible for {instrument.id}"
        if order.time_in_force not in able.fractional_tifs:
            return f"a fractional order for {instrument.id} must be DAY, was {tif}"
    return ""


def _why_not_by_flag(order: Any, _instrument: Any) -> str:
    if order.is_post_only:
        return "post_only does not exist at the venue"
    if getattr(order, "display_qty", None) is not None:
        return "display_qty does not exist at the venue"
    if getattr(order, "trigger_type", TriggerType.NO_TRIGGER) not in _PLAIN_TRIGGERS:
        return "the venue triggers on the last price only"
    if order.is_quote_quantity and order.order_type != OrderType.MARKET:
        return "a quote quantity is for market orders only"
    return ""


def _why_not_extended(order: Any, instrument: Any, *, in_group: bool) -> str:
    if isinstance(instrument, CurrencyPair):
        return "crypto knows no extended hours"
    if in_group or order.contingency_type != ContingencyType.NO_CONTINGENCY:
        return "a native group is for regular hours only"
    if order.order_type != OrderType.LIMIT or order.time_in_force != TimeInForce.DAY:
        return "extended hours are for LIMIT orders with time in force DAY only"
    return ""


def _why_not_by_trail(order: Any, _instrument: Any) -> str:
    if order.order_type != OrderType.TRAILING_STOP_MARKET:
        return ""
    if order.time_in_force not in _LASTING:
        return "a trailing stop must be DAY or GTC"
    if getattr(order, "activation_price", None) is not None:
        return "the venue's trailing stops have no activation price"
    if order.trailing_offset_type not in (TrailingOffsetType.PRICE, TrailingOffsetType.BASIS_POINTS):
        return "a trailing offset must be in PRICE or BASIS_POINTS"
    return "" if order.trailing_offset > 0 else "a trailing offset must be positive"


def _why_not_by_step(order: Any, instrument: Any) -> str:
    for name in ("price", "trigger_price"):
        price = getattr(order, name, None)
        if price is None or order.order_type == OrderType.TRAILING_STOP_MARKET:
            continue
        if reason := why_not_price(price.as_decimal(), instrument):
            return reason
    quantity = order.quantity.as_decimal()
    if isinstance(instrument, CurrencyPair) and not order.is_quote_quantity:
        if quantity % instrument.size_increment.as_decimal():
            return f"quantity {quantity} is no multiple of {instrument.size_increment}"
        if instrument.min_quantity is not None and quantity < instrument.min_quantity.as_decimal():
            return f"quantity {quantity} is below the least of {instrument.min_quantity}"
    return ""


def why_not_price(price: Decimal, instrument: Any) -> str:
    """Return why the venue would not take a price; "" if it would."""
    if price <= 0:
        return f"price {price} is not positive"
    if isinstance(instrument, CurrencyPair):
        step = instrument.price_increment.as_decimal()
    else:
        step = Decimal("0.01") if price >= _ONE else Decimal("0.0001")
    return f"price {price} is no multiple of {step}" if price % step else ""


def _why_not_by_position(order: Any, instrument: Any, standing: Standing) -> str:
    if order.is_reduce_only and not is_exit(order, standing):
        return f"reduce_only, but {standing.held} is held: it would open or turn a position"
    if order.side == OrderSide.SELL and not order.is_quote_quantity and not is_exit(order, standing):
        if not capabilities(instrument).short:
            return f"{instrument.id} cannot be sold short, and {standing.held} is held"
        if _is_partial(order):
            return "parts of a share cannot be sold short"
    return ""


def is_exit(order: Any, standing: Standing) -> bool:
    """Whether an order can only make the position smaller."""
    if order.is_quote_quantity:
        return False
    held = standing.held if order.side == OrderSide.SELL else -standing.held
    return order.quantity.as_decimal() <= held


def why_not_by_caps(order: Any, standing: Standing, caps: Caps) -> str:
    """Return which of the adapter's own limits an order passes; "" for none. What only reduces has no size limit."""
    prices = [price.as_decimal() for name in ("price", "trigger_price") if (price := getattr(order, name, None))]
    reference = standing.reference
    if (through := _through(order, reference)) > caps.max_deviation_frac:
        return f"the limit price is {through:.4f} through its reference, the cap is {caps.max_deviation_frac}"
    if order.is_reduce_only or is_exit(order, standing):
        return ""
    quantity = order.quantity.as_decimal()
    if order.is_quote_quantity:
        return "" if quantity <= caps.max_notional else f"notional {quantity} is above the cap of {caps.max_notional}"
    if quantity > caps.max_quantity:
        return f"quantity {quantity} is above the cap of {caps.max_quantity}"
    price = max([*prices, reference] if reference is not None else prices, default=None)
    if price is None:
        return "no price is known to value a market order by: subscribe to quotes, trades or bars first"
    if quantity * price > caps.max_notional:
        return f"notional {quantity * price} is above the cap of {caps.max_notional}"
    return ""


def _through(order: Any, reference: Decimal | None) -> Decimal:
    """Return how far a limit lies on the costly side of the market; of a stop-limit, of its own trigger."""
    limit = getattr(order, "price", None)
    if order.order_type == OrderType.STOP_LIMIT:
        reference = order.trigger_price.as_decimal()
    if limit is None or reference is None:
        return Decimal(0)
    # A resting limit may be as far away as it likes; only one that would be filled at once can cost.
    away = limit.as_decimal() / reference - 1
    return away if order.side == OrderSide.BUY else -away


_CHECKS: Final[tuple[Callable[[Any, Any], str], ...]] = (
    _why_not_by_kind,
    _why_not_by_flag,
    _why_not_by_trail,
    _why_not_by_step,
)


# -- requests ----------------------------------------------------------------------------------------------------------


def body_of(order: Any, instrument: Any) -> dict[str, object]:
    """Return the request that creates an order; numbers are text."""
    body: dict[str, object] = {
        "symbol": instrument.raw_symbol.value,
        "side": "buy" if order.side == OrderSide.BUY else "sell",
        "type": _KINDS[order.order_type],
        "time_in_force": _TIFS[order.time_in_force],
        "client_order_id": order.client_order_id.value,
    }
    body["notional" if order.is_quote_quantity else "qty"] = text(order.quantity.as_decimal())
    if order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        body["limit_price"] = text(order.price.as_decimal())
    if order.order_type in _EXITS:
        body["stop_price"] = text(order.trigger_price.as_decimal())
    if order.order_type == OrderType.TRAILING_STOP_MARKET:
        body |= _trail(order)
    return body


def _trail(order: Any) -> dict[str, object]:
    if order.trailing_offset_type == TrailingOffsetType.BASIS_POINTS:
        return {"trail_percent": text(Decimal(order.trailing_offset) / 100)}
    return {"trail_price": text(Decimal(order.trailing_offset))}


def text(number: Decimal) -> str:
    """Return a number without exponent and without zeros at its end.

    Examples
    --------
    >>> text(Decimal("100.10")), text(Decimal("1E+2")), text(Decimal("0.000000001"))
    ('100.1', '100', '0.000000001')

    """
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def wants_extended_hours(params: Mapping[str, Any] | None) -> bool:
    """Whether a command's parameters ask for extended hours."""
    return bool((params or {}).get("extended_hours"))


def change_of(command: Any, order: Any) -> dict[str, object]:
    """Return the request that changes an order: only what differs; {} when nothing does."""
    body: dict[str, object] = {}
    if command.quantity is not None and command.quantity != order.quantity:
        body["qty"] = text(command.quantity.as_decimal())
    price, trigger = getattr(order, "price", None), getattr(order, "trigger_price", None)
    if command.price is not None and command.price != price:
        body["limit_price"] = text(command.price.as_decimal())
    if command.trigger_price is not None and command.trigger_price != trigger:
        body["stop_price"] = text(command.trigger_price.as_decimal())
    if order.order_type == OrderType.TRAILING_STOP_MARKET:
        body.pop("stop_price", None)
        if offset := (command.params or {}).get("trailing_offset"):
            body["trail"] = text(Decimal(str(offset)))
    return body


def why_not_change(body: Mapping[str, object], order: Any, instrument: Any) -> str:
    """Return why an order cannot be changed so; "" if it can."""
    if not body:
        return "nothing would change"
    if order.is_quote_quantity:
        return "an order by notional cannot be changed"
    if _is_partial(order) or Decimal(str(body.get("qty", 1))) % 1:
        return "an order for parts of a unit cannot be changed" if not isinstance(instrument, CurrencyPair) else ""
    for name in ("limit_price", "stop_price"):
        if name in body and (reason := why_not_price(Decimal(str(body[name])), instrument)):
            return reason
    return ""


def _is_partial(order: Any) -> bool:
    return order.is_quote_quantity or order.quantity.as_decimal() % 1 != 0


# -- groups ------------------------------------------------------------------------------------------------------------


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that go out as one request; ``parent`` is the order that the venue's own parent stands for."""

    order_class: OrderClass
    parent: Any
    take_profit: Any | None
    stop_loss: Any | None

    @property
    def orders(self) -> tuple[Any, ...]:
        """All orders of the group, parent first."""
        legs = [leg for leg in (self.take_profit, self.stop_loss) if leg is not None and leg is not self.parent]
        return (self.parent, *legs)


def group_of(orders: Sequence[Any]) -> Group | str | None:
    """Return the native group that a list of orders is; why it cannot be one; None for a list without contingency."""
    if all(order.contingency_type == ContingencyType.NO_CONTINGENCY for order in orders):
        return None
    first = orders[0]
    exits = [order for order in orders if order.parent_order_id is not None]
    group: Group | None = None
    if first.contingency_type == ContingencyType.OTO and len(exits) == len(orders) - 1 and len(exits) in (1, 2):
        take, stop = _limit_of(exits), _stop_of(exits)
        if len(exits) == 2 and take is not None and stop is not None:
            group = Group(order_class=OrderClass.BRACKET, parent=first, take_profit=take, stop_loss=stop)
        elif len(exits) == 1 and (take is not None or stop is not None):
            group = Group(order_class=OrderClass.OTO, parent=first, take_profit=take, stop_loss=stop)
    elif len(orders) == 2 and all(o.contingency_type in (ContingencyType.OCO, ContingencyType.OUO) for o in orders):
        take, stop = _limit_of(orders), _stop_of(orders)
        if take is not None and stop is not None:
            group = Group(order_class=OrderClass.OCO, parent=take, take_profit=take, stop_loss=stop)
    if group is None:
        return "the venue's groups are an entry with a limit and a stop exit, such a pair of exits, or one of them"
    return _why_not_group(group) or group


def _limit_of(orders: Sequence[Any]) -> Any | None:
    return next((order for order in orders if order.order_type == OrderType.LIMIT), None)


def _stop_of(orders: Sequence[Any]) -> Any | None:
    return next((order for order in orders if order.order_type in _EXITS), None)


def _why_not_group(group: Group) -> str:
    first = group.parent
    if group.order_class is not OrderClass.OCO and first.order_type not in (OrderType.MARKET, OrderType.LIMIT):
        return "the entry of a native group must be MARKET or LIMIT"
    if any(order.instrument_id != first.instrument_id for order in group.orders):
        return "a native group is of one instrument"
    if any(order.quantity != first.quantity for order in group.orders):
        return "the orders of a native group have one quantity"
    if any(_is_partial(order) for order in group.orders):
        return "a native group is for whole units only"
    if {order.time_in_force for order in group.orders} not in ({TimeInForce.DAY}, {TimeInForce.GTC}):
        return "the orders of a native group must be all DAY or all GTC"
    entry_side = first.side if group.order_class is not OrderClass.OCO else None
    sides = {order.side for order in group.orders if order is not first or entry_side is None}
    if len(sides) != 1 or entry_side in sides:
        return "the exits of a native group must be on one side, against the entry"
    return ""


def body_of_group(group: Group, instrument: Any) -> dict[str, object]:
    """Return the one request that creates a group."""
    body = body_of(group.parent, instrument)
    body["order_class"] = group.order_class.value
    if group.order_class is OrderClass.OCO:
        body.pop("limit_price")  # its price is the take-profit's
    if group.take_profit is not None:
        body["take_profit"] = {"limit_price": text(group.take_profit.price.as_decimal())}
    if group.stop_loss is not None:
        stop: dict[str, object] = {"stop_price": text(group.stop_loss.trigger_price.as_decimal())}
        if group.stop_loss.order_type == OrderType.STOP_LIMIT:
            stop["limit_price"] = text(group.stop_loss.price.as_decimal())
        body["stop_loss"] = stop
    return body
