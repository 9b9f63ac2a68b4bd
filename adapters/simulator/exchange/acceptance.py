"""What becomes an order: a ticket that satisfies the venue's rules, the market as it is, and the account."""

import msgspec

from adapters.simulator.exchange import checks, matching
from adapters.simulator.exchange.floor import Floor
from adapters.simulator.exchange.ledger import reference_price
from adapters.simulator.exchange.orders import (
    Changes,
    Order,
    OrderClass,
    OrderType,
    Role,
    Status,
    Ticket,
    TimeInForce,
)
from adapters.simulator.exchange.refusals import Reason, RefusalError
from adapters.simulator.exchange.rules import Listing
from adapters.simulator.exchange.sessions import calendar_at
from adapters.simulator.tape import ZERO, Side

_DAY_NS = 86_400_000_000_000


class Acceptance:
    """Checks tickets, and makes orders of them; what it makes is on no book yet.

    Parameters
    ----------
    floor
        The books and the account that a ticket is checked against.
    may_short
        Whether the account may sell what it does not own.

    Attributes
    ----------
    is_suspended
        The account takes no orders.

    """

    def __init__(self, floor: Floor, *, may_short: bool) -> None:
        self._floor = floor
        self.may_short = may_short
        self.is_suspended = False

    def check(self, ticket: Ticket, now_ns: int) -> Listing:
        """Check what does not depend on the account's means, and return the listing; raises a RefusalError."""
        listing = self._floor.listings.get(ticket.symbol)
        if listing is None:
            raise RefusalError(Reason.UNKNOWN_SYMBOL, symbol=ticket.symbol)
        if self.is_suspended:
            raise RefusalError(Reason.SUSPENDED)
        checks.check_ticket(ticket, listing, self._floor.rules)
        checks.check_window(ticket, now_ns)
        checks.check_market(ticket, listing, self._floor.books[ticket.symbol], self._floor.rules)
        working = [order for order in self._floor.working.values() if order.symbol == ticket.symbol]
        if self._floor.rules.max_open_orders is not None and len(working) >= self._floor.rules.max_open_orders:
            raise RefusalError(Reason.TOO_MANY_ORDERS, most=self._floor.rules.max_open_orders)
        if self._floor.rules.refuses_wash_trades:
            checks.check_wash_trade(ticket, working)
        return listing

    def make(self, ticket: Ticket, listing: Listing, now_ns: int) -> Order:
        """Return the order of a ticket."""
        book = self._floor.books[ticket.symbol]
        is_oco = ticket.order_class is OrderClass.OCO
        limit = ticket.take_profit.limit_price if is_oco and ticket.take_profit else ticket.limit_price
        order = Order(
            id=self._floor.new_id(),
            client_id=ticket.client_id,
            ticket=ticket,
            symbol=ticket.symbol,
            side=ticket.side,
            type=ticket.type,
            time_in_force=ticket.time_in_force,
            status=Status.PENDING_NEW,
            qty=ticket.qty,
            notional=ticket.notional,
            limit_price=limit,
            stop_price=ticket.stop_price,
            trail_price=ticket.trail_price,
            trail_percent=ticket.trail_percent,
            is_post_only=ticket.is_post_only,
            is_extended_hours=ticket.is_extended_hours,
            is_stop_up=self._is_stop_up(ticket),
            order_class=ticket.order_class,
            role=self._floor.groups.role_of(ticket),
            expires_ns=ticket.expires_ns,
            day_end_ns=self._day_end(ticket, listing),
            sequence=self._floor.next_sequence(),
            created_ns=now_ns,
            submitted_ns=now_ns,
            updated_ns=now_ns,
        )
        market = book.market_price(ticket.side)
        order.hold_price = reference_price(limit or ticket.stop_price, ticket.type, market)
        if order.type is OrderType.TRAILING_STOP and book.last_price:
            matching.trail(order, book.last_price)
        if not self._floor.is_at_market(order):
            order.status = Status.ACCEPTED
        return order

    def make_leg(self, parent: Order, ticket: Ticket, role: Role) -> Order:
        """Return a leg of an order: held until its entry is filled, or open beside it."""
        leg = self.make(ticket, self._floor.listings[ticket.symbol], parent.created_ns)
        leg.client_id = self._floor.new_id()
        leg.ticket = msgspec.structs.replace(ticket, client_id=leg.client_id)
        leg.parent_id, leg.role, leg.order_class = parent.id, role, parent.order_class
        leg.is_closing = True
        if role is not Role.ALONE and parent.role is Role.ENTRY:
            leg.status = Status.HELD
        return leg

    def _is_stop_up(self, ticket: Ticket) -> bool:
        if ticket.is_stop_up is not None:
            return ticket.is_stop_up
        return ticket.side is Side.BUY

    def _day_end(self, ticket: Ticket, listing: Listing) -> int | None:
        if ticket.time_in_force is TimeInForce.GTC:
            days = self._floor.rules.gtc_days
            return None if days is None else self._floor.now_ns + days * _DAY_NS
        if ticket.time_in_force is TimeInForce.GTD:
            return ticket.expires_ns
        if ticket.time_in_force is not TimeInForce.DAY:
            return None
        if not listing.calendar:
            return self._floor.now_ns + _DAY_NS
        calendar = calendar_at(self._floor.now_ns)
        session = calendar.closing_after(self._floor.now_ns)
        today = calendar.at(self._floor.now_ns)
        if ticket.is_extended_hours and today is not None:
            return today.late_ns
        return session.late_ns if ticket.is_extended_hours else session.close_ns

    def check_account(self, order: Order, listing: Listing, *, replacing: Order | None = None) -> None:
        """Check that the account can afford or deliver what an order asks for; raises a RefusalError."""
        working = [other for other in self._floor.working.values() if replacing is None or other.id != replacing.id]
        owned = self._floor.ledger.total(listing.base)
        wanted = order.leaves_qty
        order.is_closing = self._floor.ledger.is_closing(order)
        if order.is_closing:
            available = abs(owned) - self._floor.ledger.held(listing.base, working)
            if order.qty is not None and wanted > available:
                raise RefusalError(
                    Reason.INSUFFICIENT_QTY,
                    symbol=listing.symbol,
                    base=listing.base,
                    requested=wanted,
                    available=max(available, ZERO),
                    existing_qty=abs(owned),
                    held_for_orders=self._floor.ledger.held(listing.base, working),
                    related_orders=[o.id for o in working if o.symbol == listing.symbol],
                )
            return
        if order.side is Side.SELL:
            self._check_short(order, listing)
        self._check_money(order, listing, working)

    def _check_short(self, order: Order, listing: Listing) -> None:
        if listing.kind != "equity":
            facts = {"requested": order.leaves_qty, "available": ZERO, "existing_qty": ZERO, "held_for_orders": ZERO}
            raise RefusalError(
                Reason.INSUFFICIENT_QTY, symbol=listing.symbol, base=listing.base, related_orders=[], **facts
            )
        if not self.may_short:
            raise RefusalError(Reason.SHORTING_OFF)
        if not listing.is_shortable:
            raise RefusalError(Reason.NOT_SHORTABLE, symbol=listing.symbol)
        if order.qty is None or order.qty % 1:
            raise RefusalError(Reason.FRACTION_SHORT, symbol=listing.symbol)
        dearer = self._floor.mark(listing.symbol) * (1 + self._floor.rules.short_margin)
        order.hold_price = max(order.hold_price, dearer)

    def _check_money(self, order: Order, listing: Listing, working: list[Order]) -> None:
        is_lent_on = self._floor.rules.is_margin and listing.kind == "equity"
        power = (
            self._floor.ledger.buying_power(working)
            if is_lent_on
            else self._floor.ledger.cash_power(working, listing.quote)
        )
        cost = self._floor.ledger.cost(order)
        if cost > power:
            raise RefusalError(
                Reason.INSUFFICIENT_BUYING_POWER,
                buying_power=power,
                cost_basis=cost,
                currency=listing.quote,
                kind=listing.kind,
            )

    def changed(self, old: Order, changes: Changes) -> Order:
        """Return a copy of an order with other numbers; raises a RefusalError where nothing would change."""
        new = old.copy()
        is_percent = old.trail_percent is not None
        asked = {
            "qty": changes.qty,
            "limit_price": changes.limit_price,
            "stop_price": changes.stop_price,
            "trail_percent" if is_percent else "trail_price": changes.trail,
            "time_in_force": changes.time_in_force,
        }
        changed = {name: value for name, value in asked.items() if value is not None and value != getattr(old, name)}
        if not changed and changes.client_id is None:
            raise RefusalError(Reason.NOTHING_CHANGED, order_id=old.id)
        for name, value in changed.items():
            setattr(new, name, value)
        new.ticket = msgspec.structs.replace(old.ticket, **{k: v for k, v in changed.items() if hasattr(old.ticket, k)})
        if "limit_price" in changed or "stop_price" in changed:
            new.hold_price = reference_price(new.limit_price or new.stop_price, new.type, old.hold_price)
        if changes.trail is not None and old.hwm is not None:
            new.hwm = None
            matching.trail(new, old.hwm)
        return new
