"""The venue's orders, executions and positions as NautilusTrader's reports."""

from decimal import Decimal
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.enums import (
    LiquiditySide,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, TradeId, VenueOrderId
from nautilus_trader.model.objects import Money, Price, Quantity

from adapters.alpaca.constants import Kind, OrderState, Tif
from adapters.alpaca.parsing import Fill, Order, Position
from adapters.alpaca.tracks import PLACEHOLDER, Track
from adapters.transport.fills import trade_id

_MAX_DECIMALS: Final = 16
_STATUS: Final = {
    OrderState.FILLED: OrderStatus.FILLED,
    OrderState.PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
    OrderState.CANCELED: OrderStatus.CANCELED,
    OrderState.REPLACED: OrderStatus.CANCELED,
    OrderState.EXPIRED: OrderStatus.EXPIRED,
    OrderState.REJECTED: OrderStatus.REJECTED,
    OrderState.PENDING_CANCEL: OrderStatus.ACCEPTED,
}
_TYPE: Final = {
    Kind.MARKET: OrderType.MARKET,
    Kind.LIMIT: OrderType.LIMIT,
    Kind.STOP: OrderType.STOP_MARKET,
    Kind.STOP_LIMIT: OrderType.STOP_LIMIT,
    Kind.TRAILING_STOP: OrderType.TRAILING_STOP_MARKET,
}
_TIF: Final = {
    Tif.DAY: TimeInForce.DAY,
    Tif.GTC: TimeInForce.GTC,
    Tif.OPG: TimeInForce.AT_THE_OPEN,
    Tif.CLS: TimeInForce.AT_THE_CLOSE,
    Tif.IOC: TimeInForce.IOC,
    Tif.FOK: TimeInForce.FOK,
}


def price_of(instrument: Any, value: Decimal) -> Price:
    """Return a price with every digit it has: executions carry more of them than the instrument's step."""
    return Price(value, max(instrument.price_precision, _decimals(value)))


def quantity_of(instrument: Any, value: Decimal) -> Quantity:
    """Return a quantity with every digit it has."""
    return Quantity(value, max(instrument.size_precision, _decimals(value)))


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return min(_MAX_DECIMALS, max(0, -exponent)) if isinstance(exponent, int) else 0


def commission_of(instrument: Any, quantity: Decimal, price: Decimal, crypto_fee_bps: Decimal) -> Money:
    """Return 0 for shares; for crypto an estimate, since the venue tells its fee at the end of the day only."""
    currency = instrument.quote_currency
    if instrument.info.get("asset_class") != "crypto":
        return Money(0, currency)
    return Money(quantity * price * crypto_fee_bps / 10_000, currency)


def status_of(order: Order, booked: Decimal) -> OrderStatus:
    """Return NautilusTrader's status; a state that says nothing counts as the order being live."""
    status = _STATUS.get(order.state, OrderStatus.ACCEPTED)
    if status == OrderStatus.REJECTED and booked > 0:
        return OrderStatus.CANCELED
    if status == OrderStatus.ACCEPTED and booked > 0:
        return OrderStatus.PARTIALLY_FILLED
    return status


def order_report(
    order: Order, instrument: Any, account_id: AccountId, now_ns: int, *, track: Track | None = None
) -> OrderStatusReport | None:
    """Return the report of an order, with what the adapter knows better of its own; None if it is not expressible."""
    kind = _TYPE.get(order.kind)
    if kind is None:
        return None
    booked = order.filled if track is None else track.booked
    quantity = (order.quantity or order.filled) if track is None else track.quantity
    if quantity <= 0:
        return None
    status = status_of(order, booked)
    if status == OrderStatus.FILLED and booked < quantity:
        status = OrderStatus.PARTIALLY_FILLED
    is_trailing = kind == OrderType.TRAILING_STOP_MARKET
    stop = order.stop_price
    has_trigger = stop is not None or is_trailing
    basis = order.trail_percent is not None
    offset = order.trail_percent * 100 if order.trail_percent is not None else order.trail_price
    client_order_id = track.client_order_id if track else ClientOrderId(order.client_order_id or order.id)
    return OrderStatusReport(
        account_id=account_id,
        instrument_id=instrument.id,
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(order.id),
        order_side=OrderSide.BUY if order.is_buy else OrderSide.SELL,
        order_type=kind,
        time_in_force=_TIF.get(order.tif, TimeInForce.GTC),
        order_status=status,
        price=price_of(instrument, order.limit_price) if order.limit_price is not None else None,
        trigger_price=price_of(instrument, stop) if stop is not None else None,
        trigger_type=TriggerType.LAST_PRICE if has_trigger else TriggerType.NO_TRIGGER,
        trailing_offset=offset if is_trailing else None,
        trailing_offset_type=(
            (TrailingOffsetType.BASIS_POINTS if basis else TrailingOffsetType.PRICE)
            if is_trailing
            else TrailingOffsetType.NO_TRAILING_OFFSET
        ),
        quantity=quantity_of(instrument, quantity),
        filled_qty=quantity_of(instrument, booked),
        avg_px=order.average,
        report_id=UUID4(),
        ts_accepted=order.submitted_ns,
        ts_last=order.updated_ns,
        ts_init=now_ns,
    )


def cached_report(track: Track, cached: Any, account_id: AccountId, now_ns: int) -> OrderStatusReport:
    """Return the report of an order as it is known here, for when the venue cannot be asked."""
    live = OrderStatus.PARTIALLY_FILLED if cached.filled_qty > 0 else OrderStatus.ACCEPTED
    trailing = getattr(cached, "trailing_offset", None)
    trigger = getattr(cached, "trigger_price", None)
    return OrderStatusReport(
        account_id=account_id,
        instrument_id=cached.instrument_id,
        client_order_id=cached.client_order_id,
        venue_order_id=VenueOrderId(track.venue_id or f"{PLACEHOLDER}{cached.client_order_id.value}"),
        order_side=cached.side,
        order_type=cached.order_type,
        time_in_force=cached.time_in_force,
        order_status=cached.status if cached.is_closed else live,
        price=getattr(cached, "price", None),
        trigger_price=trigger,
        trigger_type=TriggerType.LAST_PRICE if trigger is not None or trailing is not None else TriggerType.NO_TRIGGER,
        trailing_offset=trailing,
        trailing_offset_type=getattr(cached, "trailing_offset_type", TrailingOffsetType.NO_TRAILING_OFFSET),
        quantity=cached.quantity,
        filled_qty=cached.filled_qty,
        avg_px=Decimal(str(cached.avg_px)) if cached.filled_qty > 0 else None,
        report_id=UUID4(),
        ts_accepted=cached.ts_accepted or cached.ts_init,
        ts_last=cached.ts_last,
        ts_init=now_ns,
    )


def fill_report(
    fill: Fill,
    instrument: Any,
    account_id: AccountId,
    *,
    now_ns: int,
    crypto_fee_bps: Decimal,
    client_order_id: ClientOrderId | None,
) -> FillReport:
    """Return the report of an execution; its trade id is the one that every source gives it."""
    return FillReport(
        account_id=account_id,
        instrument_id=instrument.id,
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(fill.order_id),
        trade_id=TradeId(trade_id(fill.order_id, fill.cumulative)),
        order_side=OrderSide.BUY if fill.is_buy else OrderSide.SELL,
        last_qty=quantity_of(instrument, fill.quantity),
        last_px=price_of(instrument, fill.price),
        commission=commission_of(instrument, fill.quantity, fill.price, crypto_fee_bps),
        liquidity_side=LiquiditySide.NO_LIQUIDITY_SIDE,
        report_id=UUID4(),
        ts_event=fill.at_ns,
        ts_init=now_ns,
    )


def position_report(position: Position, instrument: Any, account_id: AccountId, now_ns: int) -> PositionStatusReport:
    """Return the report of a position."""
    return PositionStatusReport(
        account_id=account_id,
        instrument_id=instrument.id,
        position_side=PositionSide.LONG if position.quantity > 0 else PositionSide.SHORT,
        quantity=quantity_of(instrument, abs(position.quantity)),
        avg_px_open=position.average,
        report_id=UUID4(),
        ts_last=now_ns,
        ts_init=now_ns,
    )


def cached_position_report(positions: list[Any], instrument: Any, account_id: AccountId, now_ns: int) -> Any:
    """Return the report of what the cache holds in an instrument, for when the venue cannot be asked."""
    held = sum((position.signed_decimal_qty() for position in positions), Decimal(0))
    if not held:
        return PositionStatusReport.create_flat(account_id, instrument.id, instrument.size_precision, now_ns)
    return PositionStatusReport(
        account_id=account_id,
        instrument_id=instrument.id,
        position_side=PositionSide.LONG if held > 0 else PositionSide.SHORT,
        quantity=quantity_of(instrument, abs(held)),
        avg_px_open=Decimal(str(positions[0].avg_px_open)),
        report_id=UUID4(),
        ts_last=now_ns,
        ts_init=now_ns,
    )
