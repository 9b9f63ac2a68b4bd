"""From decided numbers to the venue's: quantised in Decimal, never in a direction that adds risk."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from nautilus_trader.model.enums import AssetClass
from nautilus_trader.model.objects import Price, Quantity

from nautilus_qs.domain import Side

_CENT = Decimal("0.01")


def quantity_of(instrument: Any, quantity: Decimal) -> Quantity:
    """Return `quantity` at the instrument's precision, rounded towards zero."""
    increment = instrument.size_increment.as_decimal()
    lots = (quantity / increment).to_integral_value(rounding=ROUND_FLOOR)
    return Quantity.from_str(f"{(lots * increment).quantize(increment):f}")


def order_tick(instrument: Any, px: Decimal | float) -> Decimal:
    """Return the price grid on which an order at `px` may lie.

    In the United States a share that costs a dollar or more is ordered in cents (Regulation NMS, Rule 612), though its
    prints and fills, and so the instrument, have four decimals.
    """
    increment: Decimal = instrument.price_increment.as_decimal()
    return max(increment, _CENT) if px >= 1 and instrument.asset_class == AssetClass.EQUITY else increment


def tick_floor(px: Decimal | float, increment: Decimal) -> Decimal:
    """Return the highest price on the grid that is not above `px`.

    Examples
    --------
    >>> tick_floor(10.057, Decimal("0.01"))
    Decimal('10.05')
    """
    return _on_grid(px, increment, ROUND_FLOOR)


def tick_ceil(px: Decimal | float, increment: Decimal) -> Decimal:
    """Return the lowest price on the grid that is not below `px`.

    Examples
    --------
    >>> tick_ceil(10.051, Decimal("0.01"))
    Decimal('10.06')
    """
    return _on_grid(px, increment, ROUND_CEILING)


def stop_price(px: Decimal | float, increment: Decimal, side: Side) -> Decimal:
    """Return a protective stop on the grid, rounded towards the entry: rounding never enlarges the risk."""
    return tick_ceil(px, increment) if side is Side.LONG else tick_floor(px, increment)


def target_price(px: Decimal | float, increment: Decimal, side: Side) -> Decimal:
    """Return a target on the grid, rounded away from the entry: rounding never makes it easier to reach."""
    return tick_ceil(px, increment) if side is Side.LONG else tick_floor(px, increment)


def price_of(instrument: Any, px: Decimal) -> Price:
    """Return a grid price as the instrument's `Price`."""
    return Price.from_str(f"{px.quantize(instrument.price_increment.as_decimal()):f}")


def _on_grid(px: Decimal | float, increment: Decimal, rounding: str) -> Decimal:
    # A float such as 10.05 is not on the decimal grid; its shortest text is what was meant.
    exact = px if isinstance(px, Decimal) else Decimal(repr(px))
    return ((exact / increment).to_integral_value(rounding=rounding) * increment).quantize(increment)
