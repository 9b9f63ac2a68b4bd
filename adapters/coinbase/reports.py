"""What the engine asks for to reconcile, from the venue's rows or, while the venue is away, from the cache."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.enums import (
    LiquiditySide,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
    TriggerType,
)
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, InstrumentId, TradeId, VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import FIXED_PRECISION, Money, Price, Quantity
from nautilus_trader.model.orders import Order

from adapters.coinbase.constants import KIND_OF, STATUS_OF, TERMINAL
from adapters.coinbase.parsing import FillRow, OrderRow
from adapters.transport.fills import trade_id

_LIQUIDITY: Final = {"MAKER": LiquiditySide.MAKER, "TAKER": LiquiditySide.TAKER}


def liquidity_of(text: str) -> LiquiditySide:
    """Return the side of a fill as REST tells it."""
    return _LIQUIDITY.get(text, LiquiditySide.NO_LIQUIDITY_SIDE)


def price_of(value: Decimal, instrument: Instrument) -> Price:
    """Return a fill's price with every digit it has: it may be finer than the instrument's ticks."""
    exponent = value.normalize().as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return Price(value, min(FIXED_PRECISION, max(instrument.price_precision, digits)))


def order_report(
    row: OrderRow, instrument: Instrument, account_id: AccountId, *, order: Order | None, ts_ns: int
) -> OrderStatusReport | None:
    """Return a report of an order; None where the row does not tell enough for one.

    Parameters
    ----------
    order
        The same order in the cache: it has what the row leaves out.
    """
    status = STATUS_OF.get(row.status)
    size = row.size if row.size is not None else order.quantity.as_decimal() if order is not None else row.filled
    if (order is not None and order.is_quote_quantity) or (row.size is None and row.quote_size is not None):
        # In the quote currency: what is filled is all that is known in the base currency.
        size = row.filled
    kind, tif = KIND_OF.get(row.kind, (None, None))
    if order is not None:
        # A stop-market order rests as a stop-limit order.
        kind, tif = order.order_type, order.time_in_force
    if status is None or kind is None or size <= 0:
        return None
    if row.status not in TERMINAL and row.filled > 0:
        status = OrderStatus.PARTIALLY_FILLED
    if status == OrderStatus.REJECTED and row.filled > 0:
        status = OrderStatus.CANCELED
    if status == OrderStatus.ACCEPTED and row.triggered and kind == OrderType.STOP_LIMIT:
        status = OrderStatus.TRIGGERED
    if order is not None and order.status in (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_UPDATE):
        # A live order that we asked to be cancelled stays so until the venue has said what came of it.
        status = order.status if row.status not in TERMINAL else status
    is_stop = kind in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET) and row.stop_price is not None
    has_price = kind != OrderType.STOP_MARKET and row.limit_price is not None
    return OrderStatusReport(
        account_id=account_id,
        instrument_id=instrument.id,
        venue_order_id=VenueOrderId(row.order_id),
        client_order_id=ClientOrderId(row.client_order_id) if row.client_order_id else None,
        order_side=OrderSide.BUY if row.side == "BUY" else OrderSide.SELL,
        order_type=kind,
        time_in_force=tif or TimeInForce.GTC,
        order_status=status,
        price=Price(row.limit_price, instrument.price_precision) if has_price else None,
        trigger_price=Price(row.stop_price, instrument.price_precision) if is_stop else None,
        trigger_type=TriggerType.LAST_PRICE if is_stop else TriggerType.NO_TRIGGER,
        expire_time=_expiry(row),
        quantity=Quantity(size, instrument.size_precision),
        filled_qty=Quantity(row.filled, instrument.size_precision),
        avg_px=row.average or None,
        post_only=row.post_only,
        cancel_reason=row.reason or None,
        report_id=UUID4(),
        ts_accepted=row.created_ns or row.ts_ns,
        ts_last=row.ts_ns,
        ts_init=ts_ns,
    )


def _expiry(row: OrderRow) -> datetime | None:
    return datetime.fromtimestamp(row.end_ns // 1_000_000_000, UTC) if row.end_ns else None


def cached_report(order: Order, account_id: AccountId, *, ts_ns: int) -> OrderStatusReport | None:
    """Return what the books say of an order that the venue knows; None where it has no venue id yet."""
    if order.venue_order_id is None:
        return None
    trigger_price = getattr(order, "trigger_price", None)
    return OrderStatusReport(
        account_id=account_id,
        instrument_id=order.instrument_id,
        venue_order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        order_side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        order_status=order.status,
        price=getattr(order, "price", None),
        trigger_price=trigger_price,
        trigger_type=order.trigger_type if trigger_price is not None else TriggerType.NO_TRIGGER,
        quantity=order.quantity,
        filled_qty=order.filled_qty,
        avg_px=Decimal(str(order.avg_px)) if order.avg_px else None,
        post_only=order.is_post_only,
        reduce_only=order.is_reduce_only,
        report_id=UUID4(),
        ts_accepted=order.ts_accepted or order.ts_last,
        ts_last=order.ts_last,
        ts_init=ts_ns,
    )


def fill_reports(
    rows: Iterable[FillRow],
    instruments: Mapping[str, Instrument],
    account_id: AccountId,
    *,
    booked: Mapping[str, Decimal],
    client_ids: Mapping[str, ClientOrderId],
    ts_ns: int,
) -> list[FillReport]:
    """Return reports of the executions that lie above what is booked of their orders.

    One update of the socket can tell of several executions; booked under the id of their sum, they must not come back
    under ids of their own.

    Parameters
    ----------
    rows
        In any order.
    instruments
        By product.
    booked
        Quantity booked, by venue order id.
    client_ids
        By venue order id.
    """
    reports = []
    cumulative: dict[str, Decimal] = {}
    for row in sorted(rows, key=lambda row: (row.sequence_ns, row.trade_id)):
        instrument = instruments.get(row.product_id)
        if instrument is None or row.trade_type != "FILL":
            continue
        total = cumulative[row.order_id] = cumulative.get(row.order_id, Decimal(0)) + row.size
        new = min(row.size, total - booked.get(row.order_id, Decimal(0)))
        if new <= 0:
            continue
        reports.append(
            FillReport(
                account_id=account_id,
                instrument_id=instrument.id,
                venue_order_id=VenueOrderId(row.order_id),
                client_order_id=client_ids.get(row.order_id),
                trade_id=TradeId(trade_id(row.order_id, total)),
                order_side=OrderSide.BUY if row.side == "BUY" else OrderSide.SELL,
                last_qty=Quantity(new, instrument.size_precision),
                last_px=price_of(row.price, instrument),
                commission=Money(row.commission * new / row.size, instrument.quote_currency),
                liquidity_side=liquidity_of(row.liquidity),
                report_id=UUID4(),
                ts_event=row.ts_ns,
                ts_init=ts_ns,
            )
        )
    return reports


def position_report(
    instrument: Instrument, account_id: AccountId, *, qty: Decimal, average: Decimal | None, ts_ns: int
) -> PositionStatusReport:
    """Return a report of so much of the base currency; what is less than nothing is flat."""
    step = instrument.size_increment.as_decimal()
    lots = (max(qty, Decimal(0)) // step) * step
    if not lots:
        return PositionStatusReport.create_flat(account_id, instrument.id, instrument.size_precision, ts_ns)
    return PositionStatusReport(
        account_id=account_id,
        instrument_id=instrument.id,
        position_side=PositionSide.LONG,
        quantity=Quantity(lots, instrument.size_precision),
        avg_px_open=average,
        report_id=UUID4(),
        ts_last=ts_ns,
        ts_init=ts_ns,
    )


def instrument_of(instruments: Mapping[InstrumentId, Instrument]) -> dict[str, Instrument]:
    """Return instruments by product."""
    return {instrument_id.symbol.value: instrument for instrument_id, instrument in instruments.items()}
