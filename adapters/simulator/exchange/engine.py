"""The matching engine: orders and ticks in, events out; pure, synchronous, and the same for every venue.

Time is handed in with every call. Calls do not nest: an event callback must not call the exchange.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from adapters.simulator.exchange import checks, matching
from adapters.simulator.exchange.acceptance import Acceptance
from adapters.simulator.exchange.book import Book, TradingState
from adapters.simulator.exchange.floor import Floor
from adapters.simulator.exchange.ledger import Ledger, Position
from adapters.simulator.exchange.orders import (
    Changes,
    Event,
    EventKind,
    Fill,
    Liquidity,
    Order,
    Status,
    Ticket,
)
from adapters.simulator.exchange.refusals import Reason, RefusalError
from adapters.simulator.exchange.rules import Listing, VenueRules
from adapters.simulator.exchange.sessions import Phase, calendar_at
from adapters.simulator.tape import ZERO, Quote, Tick, Trade

_NEVER_NS = 2**62


class Exchange:
    """One venue's books, orders and account.

    Parameters
    ----------
    rules
        How the venue behaves.
    listings
        What it lists.
    balances
        Units by asset at the start: ``{"USD": Decimal(100_000)}``.
    now_ns
        Venue time at the start.
    seed
        Of ids, partial fills and everything else that is left to chance.
    multiplier
        Buying power in multiples of equity; of margin venues only.
    on_event
        Told of everything that happens to an order, in order, while the call that made it happen runs.

    Examples
    --------
    >>> from adapters.simulator.exchange import ALPACA, OrderType, TimeInForce, equity
    >>> from adapters.simulator.tape import Quote, Side
    >>> events = []
    >>> venue = Exchange(ALPACA, [equity("AAPL", calendar="")], balances={"USD": Decimal(1000)}, now_ns=0,
    ...                  on_event=events.append)
    >>> venue.on_tick(Quote(1, "AAPL", Decimal("9.99"), Decimal(10)))
    >>> order = venue.submit(Ticket(client_id="c", symbol="AAPL", side=Side.BUY, type=OrderType.MARKET,
    ...                             time_in_force=TimeInForce.DAY, qty=Decimal(3)), 2)
    >>> [event.kind.value for event in events], venue.ledger.total("USD")
    (['new', 'fill'], Decimal('970'))

    """

    def __init__(
        self,
        rules: VenueRules,
        listings: Iterable[Listing],
        *,
        balances: Mapping[str, Decimal],
        now_ns: int,
        seed: int = 0,
        multiplier: int = 1,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        by_symbol = {listing.symbol: listing for listing in listings}
        self._floor = Floor(
            rules,
            by_symbol,
            balances=balances,
            multiplier=multiplier,
            now_ns=now_ns,
            seed=seed,
            on_event=on_event,
        )
        self._acceptance = Acceptance(self._floor, may_short=multiplier > 1)
        has_calendar = any(listing.calendar for listing in by_symbol.values())
        # The next change of phase is kept: it is asked for with every tick.
        self._next_ns, self._next_phase = _NEVER_NS, Phase.REGULAR
        if has_calendar:
            self._floor.phase = calendar_at(now_ns).phase(now_ns)
            self._next_ns, self._next_phase = calendar_at(now_ns).boundary_after(now_ns)

    # What can be read. Orders are handed out as copies.

    @property
    def rules(self) -> VenueRules:
        """Return how the venue behaves."""
        return self._floor.rules

    @property
    def listings(self) -> Mapping[str, Listing]:
        """Return what the venue lists, by symbol."""
        return self._floor.listings

    @property
    def books(self) -> Mapping[str, Book]:
        """Return the books by symbol."""
        return self._floor.books

    @property
    def ledger(self) -> Ledger:
        """Return what the account owns."""
        return self._floor.ledger

    @property
    def fills(self) -> Sequence[Fill]:
        """Return every execution, in order."""
        return self._floor.fills

    @property
    def now_ns(self) -> int:
        """Return the time that the exchange has reached."""
        return self._floor.now_ns

    @property
    def phase(self) -> Phase:
        """Return the part of New York's day."""
        return self._floor.phase

    @property
    def is_suspended(self) -> bool:
        """Whether the account takes no orders; may be set."""
        return self._acceptance.is_suspended

    @is_suspended.setter
    def is_suspended(self, is_on: bool) -> None:
        self._acceptance.is_suspended = is_on

    @property
    def may_short(self) -> bool:
        """Whether the account may sell what it does not own; may be set."""
        return self._acceptance.may_short

    @may_short.setter
    def may_short(self, is_on: bool) -> None:
        self._acceptance.may_short = is_on

    def order(self, order_id: str) -> Order | None:
        """Return an order by the venue's id."""
        order = self._floor.orders.get(order_id)
        return order.copy() if order is not None else None

    def order_by_client_id(self, client_id: str) -> Order | None:
        """Return the order that a client id names now: of a chain of replacements the one that has it."""
        return self.order(self._floor.by_client.get(client_id, ""))

    def orders(self) -> list[Order]:
        """Return every order there ever was, in the order they came."""
        return [order.copy() for order in self._floor.orders.values()]

    def working(self) -> list[Order]:
        """Return the orders that are not final, with queued and held ones."""
        return list(self._floor.working.values())

    def position(self, symbol: str) -> Position:
        """Return a holding, which may be of zero units."""
        return self._floor.ledger.position(self._floor.listings[symbol], self.working())

    def positions(self) -> list[Position]:
        """Return every holding that is not zero."""
        return [p for p in map(self.position, self._floor.listings) if p.qty]

    def mark(self, symbol: str) -> Decimal:
        """Return the last price of a symbol, 0 before the first."""
        return self._floor.mark(symbol)

    def phase_of(self, symbol: str) -> Phase:
        """Return the part of the day that a symbol's market is in."""
        return self._floor.phase_of(symbol)

    # What can be asked for.

    def submit(self, ticket: Ticket, now_ns: int, *, is_outside: bool = False) -> Order:
        """Accept an order, and match it at once where it may trade.

        Parameters
        ----------
        ticket
            What is asked for.
        now_ns
            Venue time.
        is_outside
            Of somebody else with the same account: not of the client under test.

        Returns
        -------
        Order
            As it was when it was accepted, before anything happened to it.

        Raises
        ------
        RefusalError
            When the venue would not take it.

        """
        self.advance(now_ns)
        twin = self._floor.by_client.get(ticket.client_id)
        if twin is not None:
            if self._floor.rules.refuses_client_id_twice or self._floor.orders[twin].ticket != ticket:
                raise RefusalError(Reason.DUPLICATE_CLIENT_ID, client_id=ticket.client_id, existing_order_id=twin)
            return self._floor.orders[twin].copy()
        listing = self._acceptance.check(ticket, now_ns)
        order = self._acceptance.make(ticket, listing, now_ns)
        order.is_outside = is_outside
        legs = self._floor.groups.legs_of(order, self._acceptance.make_leg)
        self._acceptance.check_account(order, listing)
        for made in (order, *legs):
            self._floor.enter(made)
        accepted = order.copy()
        accepted.legs = tuple(leg.copy() for leg in legs)
        self._floor.open(order)
        for leg in legs:
            if leg.status is Status.HELD:
                self._floor.tell(EventKind.HELD, leg)
            else:
                self._floor.open(leg)
        self._floor.after_opening(order)
        return accepted

    def check(self, ticket: Ticket, now_ns: int) -> Order:
        """Return the order that `submit` would accept, and change nothing; raises as `submit` does."""
        self.advance(now_ns)
        listing = self._acceptance.check(ticket, now_ns)
        order = self._acceptance.make(ticket, listing, now_ns)
        self._acceptance.check_account(order, listing)
        return order

    def cancel(self, order_id: str, now_ns: int, *, is_effective: bool = True) -> Order:
        """Cancel an order; one that is not effective stays pending and may still fill.

        Raises
        ------
        RefusalError
            ORDER_UNKNOWN, or NOT_CANCELABLE for an order that is final.

        """
        self.advance(now_ns)
        order = self._known(order_id)
        if order.status.is_final:
            raise RefusalError(Reason.NOT_CANCELABLE, order_id=order_id, status=order.status)
        order.cancel_requested_ns = self._floor.now_ns
        if not is_effective:
            order.status = Status.PENDING_CANCEL
            self._floor.tell(EventKind.PENDING_CANCEL, order)
            return order.copy()
        self._floor.finish(order, Status.CANCELED, "requested")
        return order.copy()

    def replace(self, order_id: str, changes: Changes, now_ns: int) -> Order:
        """Change a working order: a new one in its place, or the same with other numbers, as the venue does.

        Returns
        -------
        Order
            The order that works now.

        Raises
        ------
        RefusalError
            ORDER_UNKNOWN, NOT_REPLACEABLE, NOTHING_CHANGED, BELOW_FILLED, DUPLICATE_CLIENT_ID, or what the new
            numbers are refused for.

        """
        self.advance(now_ns)
        old = self._known(order_id)
        if old.status not in (Status.NEW, Status.PARTIALLY_FILLED):
            raise RefusalError(Reason.NOT_REPLACEABLE, order_id=order_id, status=old.status)
        if changes.client_id is not None and changes.client_id in self._floor.by_client:
            raise RefusalError(Reason.DUPLICATE_CLIENT_ID, client_id=changes.client_id)
        new = self._acceptance.changed(old, changes)
        if changes.qty is not None and changes.qty <= old.filled_qty:
            raise RefusalError(Reason.BELOW_FILLED, qty=changes.qty, filled_qty=old.filled_qty)
        listing = self._floor.listings[old.symbol]
        checks.check_prices(new.ticket, listing)
        self._acceptance.check_account(new, listing, replacing=old)
        if self._floor.rules.replaces_by_new_id:
            return self._replace_by_new(old, new, changes)
        self._restate_in_place(old, new)
        return old.copy()

    # What the market does.

    def on_tick(self, tick: Tick) -> None:
        """Show a quote or a trade to the orders of its symbol; a symbol that is not listed is none of ours."""
        book = self._floor.books.get(tick.symbol)
        if book is None:
            return
        self.advance(tick.ts_ns)
        if isinstance(tick, Quote):
            book.show(tick)
        else:
            book.trade = tick
        if book.state is TradingState.HALTED:
            return
        if isinstance(tick, Trade):
            self._floor.on_trade(tick)
        for order in self._floor.matchable(tick.symbol):
            self._floor.match(order)

    def advance(self, now_ns: int) -> None:
        """Let time pass: sessions open and close, orders expire. A time that has passed changes nothing."""
        while self._next_ns <= now_ns:
            at_ns, phase = self._next_ns, self._next_phase
            self._floor.expire(at_ns - 1)
            self._floor.now_ns, self._floor.phase = at_ns, phase
            self._floor.begin(phase)
            self._next_ns, self._next_phase = calendar_at(at_ns).boundary_after(at_ns)
        self._floor.expire(now_ns)
        self._floor.now_ns = max(self._floor.now_ns, now_ns)

    def set_state(self, symbol: str, state: TradingState, now_ns: int) -> None:
        """Halt a symbol, or let it trade again; what waited is matched."""
        self.advance(now_ns)
        self._floor.books[symbol].state = state
        if state is not TradingState.HALTED:
            for order in self._floor.matchable(symbol):
                self._floor.match(order)

    # What goes wrong by order of a test.

    def fill_anyway(self, order_id: str, qty: Decimal, price: Decimal, now_ns: int) -> Fill:
        """Fill an order whatever its status is, as a venue does whose cancel lost a race."""
        self.advance(now_ns)
        return self._floor.fill(self._known(order_id), matching.Execution(qty, price), Liquidity.TAKER)

    def bust(self, fill_id: str, now_ns: int) -> Fill:
        """Take an execution back: units, money and fee return, the order stays as it is, and the bust is told."""
        self.advance(now_ns)
        fill = next((fill for fill in self._floor.fills if fill.id == fill_id), None)
        if fill is None:
            raise RefusalError(Reason.ORDER_UNKNOWN, order_id=fill_id)
        back = msgspec.structs.replace(fill, side=fill.side.opposite, fee=-fill.fee)
        left = self._floor.ledger.book(back, self.listings[fill.symbol])
        busted = msgspec.structs.replace(fill, position_qty=left)
        self._floor.tell(EventKind.TRADE_BUST, self._known(fill.order_id), busted)
        return busted

    def end(self, order_id: str, status: Status, now_ns: int, *, reason: str) -> Order:
        """Reject, cancel or expire an order out of the venue's own will."""
        self.advance(now_ns)
        order = self._known(order_id)
        if not order.status.is_final:
            self._floor.finish(order, status, reason)
        return order.copy()

    def forget(self, order_id: str) -> None:
        """Lose an order without a word: it was working, and now nobody has heard of it."""
        order = self._floor.orders.pop(order_id, None)
        if order is not None:
            self._floor.working.pop(order_id, None)
            self._floor.by_client.pop(order.client_id, None)

    def _known(self, order_id: str) -> Order:
        order = self._floor.orders.get(order_id)
        if order is None:
            raise RefusalError(Reason.ORDER_UNKNOWN, order_id=order_id)
        return order

    def _replace_by_new(self, old: Order, new: Order, changes: Changes) -> Order:
        new.id, new.client_id = self._floor.new_id(), changes.client_id or self._floor.new_id()
        new.ticket = msgspec.structs.replace(new.ticket, client_id=new.client_id)
        new.replaces, new.status, new.sequence = old.id, Status.NEW, self._floor.next_sequence()
        new.created_ns = new.submitted_ns = new.updated_ns = self._floor.now_ns
        if not self._floor.rules.replacement_keeps_fills and new.qty is not None:
            new.qty -= old.filled_qty
            new.filled_qty = new.filled_value = new.fees = ZERO
            new.number_of_fills, new.filled_ns = 0, None
        old.status, old.replaced_by = Status.REPLACED, new.id
        old.replaced_ns = self._floor.now_ns
        self._floor.working.pop(old.id, None)
        self._floor.resting.discard(old.id)
        self._floor.groups.substitute(old, new)
        self._floor.enter(new)
        accepted = new.copy()
        accepted.status = Status.PENDING_NEW
        self._floor.tell(EventKind.REPLACED, old)
        self._floor.open(new)
        self._floor.after_opening(new)
        return accepted

    def _restate_in_place(self, old: Order, new: Order) -> None:
        # A better place in the queue is lost with another price or a larger size.
        if new.limit_price != old.limit_price or (new.leaves_qty > old.leaves_qty):
            old.sequence = self._floor.next_sequence()
        for name in ("qty", "limit_price", "stop_price", "hold_price", "ticket", "time_in_force"):
            setattr(old, name, getattr(new, name))
        self._floor.resting.discard(old.id)
        self._floor.tell(EventKind.RESTATED, old)
        self._floor.after_opening(old)
