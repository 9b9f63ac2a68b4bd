"""Orders that belong together: an entry with its exits, and exits of which only one is to be filled."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from adapters.simulator.exchange.orders import Leg, Order, OrderClass, OrderType, Role, Status, Ticket, TimeInForce
from adapters.simulator.tape import Side

type MakeLeg = Callable[[Order, Ticket, Role], Order]


class Groups:
    """Which orders must follow another one; the engine does to them what is said here.

    Parameters
    ----------
    working, orders
        The engine's orders by id: those that are not final, and all.

    """

    def __init__(self, working: Mapping[str, Order], orders: Mapping[str, Order]) -> None:
        self._working = working
        self._orders = orders

    def role_of(self, ticket: Ticket) -> Role:
        """Return what the order of a ticket is in its group."""
        if ticket.order_class is OrderClass.SIMPLE:
            return Role.ALONE
        return Role.TAKE_PROFIT if ticket.order_class is OrderClass.OCO else Role.ENTRY

    def legs_of(self, parent: Order, make: MakeLeg) -> list[Order]:
        """Make the legs of a group's first order."""
        ticket = parent.ticket
        if ticket.order_class is OrderClass.SIMPLE:
            return []
        is_oco = ticket.order_class is OrderClass.OCO
        side = ticket.side if is_oco else ticket.side.opposite
        wanted = [(Role.STOP_LOSS, ticket.stop_loss)]
        if not is_oco:
            wanted.insert(0, (Role.TAKE_PROFIT, ticket.take_profit))
        legs = [make(parent, _leg_ticket(parent, leg, side), role) for role, leg in wanted if leg is not None]
        parent.leg_ids = tuple(leg.id for leg in legs)
        return legs

    def to_activate(self, order: Order) -> list[Order]:
        """Return the legs that an entry's complete fill brings to the market."""
        if order.role is not Role.ENTRY or order.status is not Status.FILLED:
            return []
        return [leg for leg in self._legs(order) if leg.status is Status.HELD]

    def to_cancel(self, order: Order) -> list[Order]:
        """Return what ends with an order: the legs of an entry that ended without a complete fill, and siblings."""
        if not order.status.is_final or order.status is Status.REPLACED:
            return []
        if order.role is Role.ENTRY:
            return [] if order.status is Status.FILLED else self._legs(order)
        return self._siblings(order)

    def to_shrink(self, order: Order) -> list[Order]:
        """Return the siblings that a partial fill of a leg makes smaller."""
        if order.role in (Role.ALONE, Role.ENTRY) or order.status.is_final:
            return []
        return self._siblings(order)

    def substitute(self, old: Order, new: Order) -> None:
        """Put a replacement into the group of the order that it replaces."""
        for order in self._orders.values():
            if old.id in order.leg_ids:
                order.leg_ids = tuple(new.id if i == old.id else i for i in order.leg_ids)
            if order.parent_id == old.id:
                order.parent_id = new.id

    def _legs(self, order: Order) -> list[Order]:
        return [self._working[i] for i in order.leg_ids if i in self._working]

    def _siblings(self, order: Order) -> list[Order]:
        if order.role is Role.ALONE:
            return []
        if order.parent_id is None:
            return self._legs(order)
        parent = self._orders.get(order.parent_id)
        if parent is None:
            return []
        others = [leg for leg in self._legs(parent) if leg.id != order.id]
        if parent.role is not Role.ENTRY and parent.id in self._working:
            others.append(self._working[parent.id])
        return others


def _leg_ticket(parent: Order, leg: Leg, side: Side) -> Ticket:
    qty: Decimal | None = parent.qty
    return Ticket(
        client_id=f"{parent.client_id}:leg",
        symbol=parent.symbol,
        side=side,
        type=_leg_type(leg),
        time_in_force=parent.time_in_force if parent.time_in_force is not TimeInForce.IOC else TimeInForce.GTC,
        qty=qty,
        limit_price=leg.limit_price,
        stop_price=leg.stop_price,
    )


def _leg_type(leg: Leg) -> OrderType:
    if leg.stop_price is None:
        return OrderType.LIMIT
    return OrderType.STOP if leg.limit_price is None else OrderType.STOP_LIMIT
