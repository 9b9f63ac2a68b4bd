"""The orders of a decision: an entry whose protective stop goes out with it, and what closes the position again.

Ids derive from the decision and the leg, so that a venue refuses a second copy whoever sends it: ``<decision>-E`` is
the entry, ``-S`` the stop, ``-T`` the target, ``-X`` the close; a leg sent again carries a number (``-S2``).
"""

from decimal import Decimal
from typing import Any

from msgspec import Struct
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import ContingencyType, OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, OrderListId
from nautilus_trader.model.orders import LimitOrder, MarketOrder, OrderList, StopMarketOrder

from nautilus_qs.bridge.rounding import price_of, quantity_of
from nautilus_qs.desk.ids import Leg, client_order_id
from nautilus_qs.domain import Side

_LEGS = {leg.value: leg for leg in Leg}


class OrderOwner(Struct, frozen=True):
    """Whose orders these are: NautilusTrader's identifiers of trader, strategy and instrument."""

    trader_id: Any
    strategy_id: Any
    instrument: Any


def leg_of(order_id: str) -> Leg | None:
    """Return the leg of one of our client order ids, None when it is not ours.

    Examples
    --------
    >>> leg_of("0123456789abcdef0123-S2")
    <Leg.STOP: 'S'>
    >>> leg_of("O-20260102-1")
    """
    if len(order_id) < 22 or order_id[20] != "-":
        return None
    return _LEGS.get(order_id[21])


def decision_of(order_id: str) -> str:
    """Return the decision id in one of our client order ids, "" when it is not ours."""
    return order_id[:20] if leg_of(order_id) is not None else ""


def instrument_id(text: str) -> InstrumentId:
    """Return NautilusTrader's identifier of an instrument."""
    return InstrumentId.from_str(text)


def order_side(side: Side, *, opens: bool) -> Any:
    """Return the order side that opens (or closes) a position on `side`."""
    is_buy = (side is Side.LONG) == opens
    return OrderSide.BUY if is_buy else OrderSide.SELL


def bracket(
    owner: OrderOwner,
    decision_id: str,
    side: Side,
    *,
    quantity: Decimal,
    stop_px: Decimal,
    target_px: Decimal | None,
    ts_init: int,
    time_in_force: str,
) -> OrderList:
    """Return entry, stop and (when there is one) target as one list.

    The entry carries the prices beyond which it must not be filled (``SKIP_BELOW``, ``SKIP_ABOVE``): an open beyond the
    stop or the target makes the trade pointless. Children are reduce-only and cancel each other (OUO).
    """
    instrument = owner.instrument
    entry_id, stop_id, target_id = (
        ClientOrderId(client_order_id(decision_id, leg)) for leg in (Leg.ENTRY, Leg.STOP, Leg.TARGET)
    )
    children = [stop_id] if target_px is None else [stop_id, target_id]
    list_id = OrderListId(decision_id)
    units = quantity_of(instrument, quantity)
    closing = order_side(side, opens=False)
    entry = MarketOrder(
        owner.trader_id,
        owner.strategy_id,
        instrument.id,
        entry_id,
        order_side(side, opens=True),
        units,
        UUID4(),
        ts_init,
        time_in_force=TimeInForce[time_in_force],
        contingency_type=ContingencyType.OTO,
        order_list_id=list_id,
        linked_order_ids=children,
        tags=_skip_tags(side, stop_px, target_px),
    )
    sibling = ContingencyType.OUO if target_px is not None else ContingencyType.NO_CONTINGENCY
    stop = StopMarketOrder(
        owner.trader_id,
        owner.strategy_id,
        instrument.id,
        stop_id,
        closing,
        units,
        price_of(instrument, stop_px),
        TriggerType.DEFAULT,
        UUID4(),
        ts_init,
        reduce_only=True,
        contingency_type=sibling,
        order_list_id=list_id,
        linked_order_ids=[target_id] if target_px is not None else None,
        parent_order_id=entry_id,
    )
    if target_px is None:
        return OrderList(list_id, [entry, stop])
    target = LimitOrder(
        owner.trader_id,
        owner.strategy_id,
        instrument.id,
        target_id,
        closing,
        units,
        price_of(instrument, target_px),
        UUID4(),
        ts_init,
        reduce_only=True,
        contingency_type=ContingencyType.OUO,
        order_list_id=list_id,
        linked_order_ids=[stop_id],
        parent_order_id=entry_id,
    )
    return OrderList(list_id, [entry, stop, target])


def closing_order(owner: OrderOwner, order_id: str, side: Side, *, quantity: Any, ts_init: int) -> MarketOrder:
    """Return the reduce-only market order that closes a position held on `side`."""
    return MarketOrder(
        owner.trader_id,
        owner.strategy_id,
        owner.instrument.id,
        ClientOrderId(order_id),
        order_side(side, opens=False),
        quantity,
        UUID4(),
        ts_init,
        time_in_force=TimeInForce.DAY,
        reduce_only=True,
    )


def stop_order(
    owner: OrderOwner, order_id: str, side: Side, *, quantity: Any, stop_px: Decimal, ts_init: int
) -> StopMarketOrder:
    """Return a lone reduce-only stop for a position held on `side`: the one that is put back."""
    return StopMarketOrder(
        owner.trader_id,
        owner.strategy_id,
        owner.instrument.id,
        ClientOrderId(order_id),
        order_side(side, opens=False),
        quantity,
        price_of(owner.instrument, stop_px),
        TriggerType.DEFAULT,
        UUID4(),
        ts_init,
        reduce_only=True,
    )


def _skip_tags(side: Side, stop_px: Decimal, target_px: Decimal | None) -> list[str]:
    low, high = (stop_px, target_px) if side is Side.LONG else (target_px, stop_px)
    tags = [] if low is None else [f"SKIP_BELOW={low}"]
    return tags if high is None else [*tags, f"SKIP_ABOVE={high}"]
