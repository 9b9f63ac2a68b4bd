"""The matching engine: orders and ticks in, events out; pure, synchronous, and the same for every venue.

Time is handed in with every call. Calls do not nest: an event callback must not call the exchange.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from random import Random
from uuid import UUID

import msgspec

from adapters.simulator.exchange import checks, matching
from adapters.simulator.exchange.book import Book, TradingState
from adapters.simulator.exchange.groups import Groups
from adapters.simulator.exchange.ledger import Ledger, Position, reference_price
from adapters.simulator.exchange.orders import (
    Changes,
    Event,
    EventKind,
    Fill,
    Liquidity,
    Order,
    OrderClass,
    OrderType,
    Role,
    Status,
    Ticket,
    TimeInForce,
)
from adapters.simulator.exchange.refusals import Reason, RefusalError
from adapters.simulator.exchange.rules import Depth, Listing, VenueRules
from adapters.simulator.exchange.sessions import Phase, calendar_at
from adapters.simulator.tape import ZERO, Quote, Side, Tick, Trade

_DAY_NS = 86_400_000_000_000
_AT_MARKET = frozenset({Status.NEW, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL})
_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
_AUCTION = (TimeInForce.OPG, TimeInForce.CLS)
_FINAL_EVENT = {
    Status.CANCELED: EventKind.CANCELED,
    Status.EXPIRED: EventKind.EXPIRED,
    Status.REJECTED: EventKind.REJECTED,
}


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
    >>> from adapters.simulator.exchange import ALPACA, equity
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
        self.rules = rules
        self.listings = {listing.symbol: listing for listing in listings}
        self.books = {symbol: Book() for symbol in self.listings}
        self.on_event = on_event
        self.now_ns = now_ns
        self.is_suspended = False
        self.may_short = multiplier > 1
        self.ledger = Ledger(rules, self.listings, balances=balances, multiplier=multiplier, mark=self.mark)
        self.fills: list[Fill] = []
        self._orders: dict[str, Order] = {}
        self._by_client: dict[str, str] = {}
        self._working: dict[str, Order] = {}
        self._resting: set[str] = set()
        self._due: list[tuple[int, str]] = []
        self._awaits_open: set[str] = set()
        self._rng = Random(f"{seed}:{rules.name}")
        self._sequence = 0
        self._groups = Groups(self._working, self._orders)
        self._has_calendar = any(listing.calendar for listing in self.listings.values())
        self.phase = calendar_at(now_ns).phase(now_ns) if self._has_calendar else Phase.REGULAR

    # What can be read. Orders are handed out as copies.

    def order(self, order_id: str) -> Order | None:
        """Return an order by the venue's id."""
        order = self._orders.get(order_id)
        return order.copy() if order is not None else None

    def order_by_client_id(self, client_id: str) -> Order | None:
        """Return the order that a client id names now: of a chain of replacements the one that has it."""
        return self.order(self._by_client.get(client_id, ""))

    def orders(self) -> list[Order]:
        """Return every order there ever was, in the order they came."""
        return [order.copy() for order in self._orders.values()]

    def working(self) -> list[Order]:
        """Return the orders that are not final, with queued and held ones."""
        return list(self._working.values())

    def position(self, symbol: str) -> Position:
        """Return a holding, which may be of zero units."""
        return self.ledger.position(self.listings[symbol], self.working())

    def positions(self) -> list[Position]:
        """Return every holding that is not zero."""
        return [p for p in map(self.position, self.listings) if p.qty]

    def mark(self, symbol: str) -> Decimal:
        """Return the last price of a symbol, 0 before the first."""
        return self.books[symbol].last_price

    def phase_of(self, symbol: str) -> Phase:
        """Return the part of the day that a symbol's market is in."""
        return self.phase if self.listings[symbol].calendar else Phase.REGULAR

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
        twin = self._by_client.get(ticket.client_id)
        if twin is not None:
            if self.rules.refuses_client_id_twice or self._orders[twin].ticket != ticket:
                raise RefusalError(Reason.DUPLICATE_CLIENT_ID, client_id=ticket.client_id, existing_order_id=twin)
            return self._orders[twin].copy()
        listing = self._check(ticket, now_ns)
        order = self._make(ticket, listing, now_ns)
        order.is_outside = is_outside
        legs = self._groups.legs_of(order, self._make_leg)
        self._check_account(order, listing)
        for made in (order, *legs):
            self._enter(made)
        accepted = order.copy()
        accepted.legs = tuple(leg.copy() for leg in legs)
        self._open(order)
        for leg in legs:
            if leg.status is Status.HELD:
                self._tell(EventKind.HELD, leg)
            else:
                self._open(leg)
        self._after_opening(order)
        return accepted

    def check(self, ticket: Ticket, now_ns: int) -> Order:
        """Return the order that `submit` would accept, and change nothing; raises as `submit` does."""
        self.advance(now_ns)
        listing = self._check(ticket, now_ns)
        order = self._make(ticket, listing, now_ns)
        self._check_account(order, listing)
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
        order.cancel_requested_ns = self.now_ns
        if not is_effective:
            order.status = Status.PENDING_CANCEL
            self._tell(EventKind.PENDING_CANCEL, order)
            return order.copy()
        self._finish(order, Status.CANCELED, "requested")
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
        if changes.client_id is not None and changes.client_id in self._by_client:
            raise RefusalError(Reason.DUPLICATE_CLIENT_ID, client_id=changes.client_id)
        new = self._changed(old, changes)
        if changes.qty is not None and changes.qty <= old.filled_qty:
            raise RefusalError(Reason.BELOW_FILLED, qty=changes.qty, filled_qty=old.filled_qty)
        listing = self.listings[old.symbol]
        checks.check_prices(new.ticket, listing)
        self._check_account(new, listing, replacing=old)
        if self.rules.replaces_by_new_id:
            return self._replace_by_new(old, new, changes)
        self._restate_in_place(old, new)
        return old.copy()

    # What the market does.

    def on_tick(self, tick: Tick) -> None:
        """Show a quote or a trade to the orders of its symbol; a symbol that is not listed is none of ours."""
        book = self.books.get(tick.symbol)
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
            self._on_trade(tick)
        for order in self._matchable(tick.symbol):
            self._match(order)

    def advance(self, now_ns: int) -> None:
        """Let time pass: sessions open and close, orders expire. A time that has passed changes nothing."""
        while self._has_calendar:
            at_ns, phase = calendar_at(self.now_ns).boundary_after(self.now_ns)
            if at_ns > now_ns:
                break
            self._expire(at_ns - 1)
            self.now_ns, self.phase = at_ns, phase
            self._on_phase(phase)
        self._expire(now_ns)
        self.now_ns = max(self.now_ns, now_ns)

    def set_state(self, symbol: str, state: TradingState, now_ns: int) -> None:
        """Halt a symbol, or let it trade again; what waited is matched."""
        self.advance(now_ns)
        self.books[symbol].state = state
        if state is not TradingState.HALTED:
            for order in self._matchable(symbol):
                self._match(order)

    # What goes wrong by order of a test.

    def fill_anyway(self, order_id: str, qty: Decimal, price: Decimal, now_ns: int) -> Fill:
        """Fill an order whatever its status is, as a venue does whose cancel lost a race."""
        self.advance(now_ns)
        return self._fill(self._known(order_id), matching.Execution(qty, price), Liquidity.TAKER)

    def end(self, order_id: str, status: Status, now_ns: int, *, reason: str) -> Order:
        """Reject, cancel or expire an order out of the venue's own will."""
        self.advance(now_ns)
        order = self._known(order_id)
        if not order.status.is_final:
            self._finish(order, status, reason)
        return order.copy()

    def forget(self, order_id: str) -> None:
        """Lose an order without a word: it was working, and now nobody has heard of it."""
        order = self._orders.pop(order_id, None)
        if order is not None:
            self._working.pop(order_id, None)
            self._by_client.pop(order.client_id, None)

    def _known(self, order_id: str) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise RefusalError(Reason.ORDER_UNKNOWN, order_id=order_id)
        return order

    def _new_id(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    # Accepting.

    def _check(self, ticket: Ticket, now_ns: int) -> Listing:
        listing = self.listings.get(ticket.symbol)
        if listing is None:
            raise RefusalError(Reason.UNKNOWN_SYMBOL, symbol=ticket.symbol)
        if self.is_suspended:
            raise RefusalError(Reason.SUSPENDED)
        checks.check_ticket(ticket, listing, self.rules)
        checks.check_window(ticket, now_ns)
        checks.check_market(ticket, listing, self.books[ticket.symbol], self.rules)
        working = [order for order in self._working.values() if order.symbol == ticket.symbol]
        if self.rules.max_open_orders is not None and len(working) >= self.rules.max_open_orders:
            raise RefusalError(Reason.TOO_MANY_ORDERS, most=self.rules.max_open_orders)
        if self.rules.refuses_wash_trades:
            checks.check_wash_trade(ticket, working)
        return listing

    def _make(self, ticket: Ticket, listing: Listing, now_ns: int) -> Order:
        book = self.books[ticket.symbol]
        self._sequence += 1
        is_oco = ticket.order_class is OrderClass.OCO
        limit = ticket.take_profit.limit_price if is_oco and ticket.take_profit else ticket.limit_price
        order = Order(
            id=self._new_id(),
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
            role=self._groups.role_of(ticket),
            expires_ns=ticket.expires_ns,
            day_end_ns=self._day_end(ticket, listing),
            sequence=self._sequence,
            created_ns=now_ns,
            submitted_ns=now_ns,
            updated_ns=now_ns,
        )
        market = book.market_price(ticket.side)
        order.hold_price = reference_price(limit or ticket.stop_price, ticket.type, market)
        if order.type is OrderType.TRAILING_STOP and book.last_price:
            matching.trail(order, book.last_price)
        if not self._is_at_market(order):
            order.status = Status.ACCEPTED
        return order

    def _make_leg(self, parent: Order, ticket: Ticket, role: Role) -> Order:
        leg = self._make(ticket, self.listings[ticket.symbol], parent.created_ns)
        leg.client_id = self._new_id()
        leg.ticket = msgspec.structs.replace(ticket, client_id=leg.client_id)
        leg.parent_id, leg.role, leg.order_class = parent.id, role, parent.order_class
        if role is not Role.ALONE and parent.role is Role.ENTRY:
            leg.status = Status.HELD
        return leg

    def _is_stop_up(self, ticket: Ticket) -> bool:
        if ticket.is_stop_up is not None:
            return ticket.is_stop_up
        return ticket.side is Side.BUY

    def _day_end(self, ticket: Ticket, listing: Listing) -> int | None:
        if ticket.time_in_force is TimeInForce.GTC:
            return None if self.rules.gtc_days is None else self.now_ns + self.rules.gtc_days * _DAY_NS
        if ticket.time_in_force is TimeInForce.GTD:
            return ticket.expires_ns
        if ticket.time_in_force is not TimeInForce.DAY:
            return None
        if not listing.calendar:
            return self.now_ns + _DAY_NS
        calendar = calendar_at(self.now_ns)
        session = calendar.closing_after(self.now_ns)
        today = calendar.at(self.now_ns)
        if ticket.is_extended_hours and today is not None:
            return today.late_ns
        return session.late_ns if ticket.is_extended_hours else session.close_ns

    def _check_account(self, order: Order, listing: Listing, *, replacing: Order | None = None) -> None:
        working = [other for other in self._working.values() if replacing is None or other.id != replacing.id]
        owned = self.ledger.total(listing.base)
        wanted = order.leaves_qty
        is_closing = self.ledger.is_closing(order)
        if is_closing:
            available = abs(owned) - self.ledger.held(listing.base, working)
            if order.qty is not None and wanted > available:
                raise RefusalError(
                    Reason.INSUFFICIENT_QTY,
                    symbol=listing.symbol,
                    base=listing.base,
                    requested=wanted,
                    available=max(available, ZERO),
                    existing_qty=abs(owned),
                    held_for_orders=self.ledger.held(listing.base, working),
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
        order.hold_price = max(order.hold_price, self.mark(listing.symbol) * (1 + self.rules.short_margin))

    def _check_money(self, order: Order, listing: Listing, working: list[Order]) -> None:
        is_lent_on = self.rules.is_margin and listing.kind == "equity"
        power = self.ledger.buying_power(working) if is_lent_on else self.ledger.cash_power(working, listing.quote)
        cost = self.ledger.cost(order)
        if cost > power:
            raise RefusalError(
                Reason.INSUFFICIENT_BUYING_POWER,
                buying_power=power,
                cost_basis=cost,
                currency=listing.quote,
                kind=listing.kind,
            )

    def _enter(self, order: Order) -> None:
        self._orders[order.id] = order
        self._by_client[order.client_id] = order.id
        self._working[order.id] = order
        if order.day_end_ns is not None:
            heapq.heappush(self._due, (order.day_end_ns, order.id))

    def _is_at_market(self, order: Order) -> bool:
        if order.time_in_force in _AUCTION:
            return False
        phase = self.phase_of(order.symbol)
        return phase is Phase.REGULAR or (order.is_extended_hours and phase is not Phase.CLOSED)

    def _open(self, order: Order) -> None:
        """Tell where the order stands now: at the market, or in the queue for its session or auction."""
        if order.status is Status.ACCEPTED:
            self._tell(EventKind.ACCEPTED, order)
            return
        order.status = Status.PARTIALLY_FILLED if order.filled_qty else Status.NEW
        self._tell(EventKind.NEW, order)

    def _after_opening(self, order: Order) -> None:
        """Match an order that has just come to the market; what cannot wait ends here."""
        if order.status not in _AT_MARKET:
            return
        self._match(order)
        if order.status.is_final:
            return
        limited_time = order.time_in_force in _IMMEDIATE
        protected = self.rules.protection is not None and order.type is OrderType.MARKET
        if limited_time or protected:
            self._finish(order, Status.CANCELED, "no more liquidity")
        elif order.type is OrderType.LIMIT and not self._is_marketable(order):
            self._resting.add(order.id)

    # Matching.

    def _matchable(self, symbol: str) -> list[Order]:
        if self.phase_of(symbol) is Phase.CLOSED:
            return []
        return [
            order
            for order in list(self._working.values())
            if order.symbol == symbol and order.status in _AT_MARKET and self._is_at_market(order)
        ]

    def _is_marketable(self, order: Order) -> bool:
        limit = matching.limit_of(order)
        best = self.books[order.symbol].best(order.side)
        return best is not None and (limit is None or checks.crosses(order.side, limit, best))

    def _match(self, order: Order) -> None:
        if matching.is_waiting(order) or order.status not in _AT_MARKET:
            return
        book, listing = self.books[order.symbol], self.listings[order.symbol]
        if book.state is TradingState.HALTED:
            return
        is_resting = order.id in self._resting
        if is_resting and self.rules.depth is Depth.DISPLAYED and not order.is_triggered:
            return
        rate = ZERO if listing.fees.in_received else listing.fees.tier(self.ledger.traded_value).taker
        taking = matching.Taking(rate, self._worst_price(order, book))
        # A resting paper order gets its own price, not the better one that crossed it.
        at_limit = matching.limit_of(order) if is_resting else None
        for execution in matching.taken(order, book, self.rules, listing, taking, self._rng):
            if order.status.is_final:
                return
            if self.rules.depth is Depth.DISPLAYED:
                book.take(order.side, execution.qty)
            price = execution.price if at_limit is None else at_limit
            liquidity = Liquidity.TAKER if at_limit is None else Liquidity.MAKER
            self._fill(order, matching.Execution(execution.qty, price), liquidity)
        if order.type is OrderType.LIMIT and not order.status.is_final and not self._is_marketable(order):
            self._resting.add(order.id)

    def _worst_price(self, order: Order, book: Book) -> Decimal | None:
        limit = matching.limit_of(order)
        best = book.best(order.side)
        if limit is not None or best is None or self.rules.protection is None:
            return limit
        sign = 1 if order.side is Side.BUY else -1
        return best * (1 + sign * self.rules.protection)

    def _on_trade(self, trade: Trade) -> None:
        listing = self.listings[trade.symbol]
        if trade.symbol in self._awaits_open and self.phase_of(trade.symbol) is Phase.REGULAR:
            self._awaits_open.discard(trade.symbol)
            self._auction(trade.symbol, TimeInForce.OPG, trade.price)
        orders = self._matchable(trade.symbol)
        if self.rules.depth is Depth.DISPLAYED:
            self._give(trade, orders)
        if self.phase_of(trade.symbol) is not Phase.REGULAR:
            return
        for order in orders:
            if order.status in _AT_MARKET and matching.elect(order, trade.price, self.rules, listing):
                self._tell(EventKind.TRIGGERED, order)
                self._match(order)

    def _give(self, trade: Trade, orders: list[Order]) -> None:
        volume = trade.size
        candidates = [o for o in orders if not matching.is_waiting(o) and matching.limit_of(o) is not None]
        candidates.sort(key=_priority)
        for order in candidates:
            qty = matching.given(order, trade, volume, self.rules, self.listings[trade.symbol])
            if qty <= 0 or order.status.is_final:
                continue
            limit = matching.limit_of(order)
            assert limit is not None
            volume -= qty
            self._fill(order, matching.Execution(qty, limit), Liquidity.MAKER)

    def _auction(self, symbol: str, kind: TimeInForce, price: Decimal) -> None:
        for order in list(self._working.values()):
            if order.symbol != symbol or order.time_in_force is not kind or order.status.is_final:
                continue
            limit = matching.limit_of(order)
            if price and (limit is None or checks.crosses(order.side, limit, price)):
                self._fill(order, matching.Execution(order.leaves_qty, price), Liquidity.TAKER)
            else:
                self._finish(order, Status.CANCELED, "not part of the auction")

    def _fill(self, order: Order, execution: matching.Execution, liquidity: Liquidity) -> Fill:
        listing = self.listings[order.symbol]
        fee, currency = self._fee(order, execution, liquidity, listing)
        order.filled_qty += execution.qty
        order.filled_value += execution.qty * execution.price
        order.fees += fee if currency == listing.quote else ZERO
        order.number_of_fills += 1
        order.filled_ns = order.updated_ns = self.now_ns
        was_final = order.status.is_final
        is_done = self._is_done(order, execution.price, listing)
        leaves = ZERO if is_done or order.qty is None else max(order.qty - order.filled_qty, ZERO)
        draft = Fill(
            id=self._new_id(),
            order_id=order.id,
            symbol=order.symbol,
            side=order.side,
            qty=execution.qty,
            price=execution.price,
            liquidity=liquidity,
            fee=fee,
            fee_currency=currency,
            ts_ns=self.now_ns,
            cum_qty=order.filled_qty,
            leaves_qty=leaves,
            position_qty=ZERO,
        )
        fill = msgspec.structs.replace(draft, position_qty=self.ledger.book(draft, listing))
        self.fills.append(fill)
        if is_done:
            order.status = Status.FILLED
            self._working.pop(order.id, None)
        elif not was_final and order.status is not Status.PENDING_CANCEL:
            order.status = Status.PARTIALLY_FILLED
        self._tell(EventKind.FILL if is_done else EventKind.PARTIAL_FILL, order, fill)
        self._react(order, fill)
        return fill

    def _is_done(self, order: Order, price: Decimal, listing: Listing) -> bool:
        if order.qty is not None:
            return order.filled_qty >= order.qty
        rate = ZERO if listing.fees.in_received else listing.fees.tier(self.ledger.traded_value).taker
        return matching.units_left(order, price, rate, listing) < max(listing.qty_increment, listing.min_qty)

    def _fee(
        self, order: Order, execution: matching.Execution, liquidity: Liquidity, listing: Listing
    ) -> tuple[Decimal, str]:
        tier = listing.fees.tier(self.ledger.traded_value)
        rate = tier.maker if liquidity is Liquidity.MAKER else tier.taker
        if listing.fees.in_received and order.side is Side.BUY:
            return execution.qty * rate, listing.base
        return execution.qty * execution.price * rate, listing.quote

    # Consequences.

    def _react(self, order: Order, fill: Fill | None = None) -> None:
        """Let the group of an order follow what happened to it."""
        activated = self._groups.to_activate(order)
        for leg in activated:
            leg.status = Status.NEW if self._is_at_market(leg) else Status.ACCEPTED
            leg.qty = order.filled_qty
            self._open(leg)
        # All of them are open before one is matched: its fill may be the end of the others.
        for leg in activated:
            self._after_opening(leg)
        for other in self._groups.to_cancel(order):
            self._finish(other, Status.CANCELED, "group")
        if fill is not None:
            for other in self._groups.to_shrink(order):
                assert other.qty is not None
                other.qty = max(other.qty - fill.qty, other.filled_qty)
                if other.leaves_qty > 0:
                    self._tell(EventKind.RESTATED, other)
                else:
                    self._finish(other, Status.CANCELED, "group")

    def _finish(self, order: Order, status: Status, reason: str) -> None:
        if order.status.is_final:
            return
        order.status, order.reason, order.updated_ns = status, reason, self.now_ns
        self._working.pop(order.id, None)
        self._resting.discard(order.id)
        if status is Status.CANCELED:
            order.canceled_ns = self.now_ns
        elif status is Status.EXPIRED:
            order.expired_ns = self.now_ns
        else:
            order.failed_ns = self.now_ns
        self._tell(_FINAL_EVENT[status], order)
        self._react(order)

    def _tell(self, kind: EventKind, order: Order, fill: Fill | None = None) -> None:
        order.updated_ns = self.now_ns
        self.on_event(Event(id=self._new_id(), kind=kind, order=order.copy(), ts_ns=self.now_ns, fill=fill))

    # Time.

    def _expire(self, until_ns: int) -> None:
        while self._due and self._due[0][0] <= until_ns:
            due_ns, order_id = heapq.heappop(self._due)
            order = self._working.get(order_id)
            if order is None or order.day_end_ns != due_ns:
                continue
            self.now_ns = max(self.now_ns, due_ns)
            is_gtc = order.time_in_force is TimeInForce.GTC
            self._finish(order, Status.CANCELED if is_gtc else Status.EXPIRED, "end of its time")

    def _on_phase(self, phase: Phase) -> None:
        ours = [order for order in list(self._working.values()) if self.listings[order.symbol].calendar]
        if phase is Phase.AFTER:
            for symbol in {order.symbol for order in ours}:
                self._auction(symbol, TimeInForce.CLS, self.mark(symbol))
                self._auction(symbol, TimeInForce.OPG, ZERO)
            self._awaits_open.clear()
            self._expire(self.now_ns)
            self._tell_done_for_day(ours)
            return
        if phase is Phase.REGULAR:
            self._awaits_open = {order.symbol for order in ours if order.time_in_force is TimeInForce.OPG}
        for order in ours:
            waits = order.status in (Status.ACCEPTED, Status.DONE_FOR_DAY)
            if waits and self._is_at_market(order):
                order.status = Status.NEW
                self._open(order)

    def _tell_done_for_day(self, orders: list[Order]) -> None:
        for order in orders:
            is_told = order.status in (Status.NEW, Status.PARTIALLY_FILLED) and not order.is_extended_hours
            if is_told and self.rules.tells_done_for_day:
                order.status = Status.DONE_FOR_DAY
                self._tell(EventKind.DONE_FOR_DAY, order)

    # Replacing.

    def _changed(self, old: Order, changes: Changes) -> Order:
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

    def _replace_by_new(self, old: Order, new: Order, changes: Changes) -> Order:
        self._sequence += 1
        new.id, new.client_id = self._new_id(), changes.client_id or self._new_id()
        new.ticket = msgspec.structs.replace(new.ticket, client_id=new.client_id)
        new.replaces, new.status, new.sequence = old.id, Status.NEW, self._sequence
        new.created_ns = new.submitted_ns = new.updated_ns = self.now_ns
        if not self.rules.replacement_keeps_fills and new.qty is not None:
            new.qty -= old.filled_qty
            new.filled_qty = new.filled_value = new.fees = ZERO
            new.number_of_fills, new.filled_ns = 0, None
        old.status, old.replaced_by = Status.REPLACED, new.id
        old.replaced_ns = self.now_ns
        self._working.pop(old.id, None)
        self._resting.discard(old.id)
        self._groups.substitute(old, new)
        self._enter(new)
        accepted = new.copy()
        accepted.status = Status.PENDING_NEW
        self._tell(EventKind.REPLACED, old)
        self._open(new)
        self._after_opening(new)
        return accepted

    def _restate_in_place(self, old: Order, new: Order) -> None:
        self._sequence += 1
        # A better place in the queue is lost with another price or a larger size.
        if new.limit_price != old.limit_price or (new.leaves_qty > old.leaves_qty):
            old.sequence = self._sequence
        for name in ("qty", "limit_price", "stop_price", "hold_price", "ticket", "time_in_force"):
            setattr(old, name, getattr(new, name))
        self._resting.discard(old.id)
        self._tell(EventKind.RESTATED, old)
        self._after_opening(old)


def _priority(order: Order) -> tuple[Decimal, int]:
    limit = matching.limit_of(order) or ZERO
    return (-limit if order.side is Side.BUY else limit), order.sequence
