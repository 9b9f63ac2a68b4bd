"""Orders at the market: how they open, fill and end, and what then happens to the orders that belong to them."""

import heapq
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from uuid import UUID

import msgspec

from adapters.simulator.exchange import checks, matching
from adapters.simulator.exchange.book import Book, TradingState
from adapters.simulator.exchange.groups import Groups
from adapters.simulator.exchange.ledger import Ledger
from adapters.simulator.exchange.orders import (
    Event,
    EventKind,
    Fill,
    Liquidity,
    Order,
    OrderType,
    Status,
    TimeInForce,
)
from adapters.simulator.exchange.rules import Depth, Listing, VenueRules
from adapters.simulator.exchange.sessions import Phase
from adapters.simulator.tape import ZERO, Side, Trade

_AT_MARKET = frozenset({Status.NEW, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL})
_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
_AUCTION = (TimeInForce.OPG, TimeInForce.CLS)
_FINAL_EVENT = {
    Status.CANCELED: EventKind.CANCELED,
    Status.EXPIRED: EventKind.EXPIRED,
    Status.REJECTED: EventKind.REJECTED,
}


class Floor:
    """The books of a venue, and every order on them.

    Parameters
    ----------
    rules, listings
        The venue, and what it lists by symbol.
    balances, multiplier
        Of the account.
    now_ns
        Venue time at the start.
    seed
        Of ids and of what is left to chance.
    on_event
        Told of everything that happens to an order.

    Attributes
    ----------
    orders, working, by_client
        Every order by id, those that are not final, and ids by client id.
    resting
        Ids of limits that have been in the book: they give liquidity.

    """

    def __init__(
        self,
        rules: VenueRules,
        listings: Mapping[str, Listing],
        *,
        balances: Mapping[str, Decimal],
        multiplier: int,
        now_ns: int,
        seed: int,
        on_event: Callable[[Event], None],
    ) -> None:
        self.rules = rules
        self.listings = listings
        self.now_ns = now_ns
        self.phase = Phase.REGULAR
        self.on_event = on_event
        self.books = {symbol: Book() for symbol in listings}
        self.ledger = Ledger(rules, listings, balances=balances, multiplier=multiplier, mark=self.mark)
        self.fills: list[Fill] = []
        self.orders: dict[str, Order] = {}
        self.working: dict[str, Order] = {}
        self.by_client: dict[str, str] = {}
        self.resting: set[str] = set()
        self.groups = Groups(self.working, self.orders)
        self._due: list[tuple[int, str]] = []
        self._awaits_open: set[str] = set()
        self._rng = Random(f"{seed}:{rules.name}")
        self._sequence = 0

    def next_sequence(self) -> int:
        """Return the next place in the queue of time."""
        self._sequence += 1
        return self._sequence

    def mark(self, symbol: str) -> Decimal:
        """Return the last price of a symbol, 0 before the first."""
        return self.books[symbol].last_price

    def phase_of(self, symbol: str) -> Phase:
        """Return the part of the day that a symbol's market is in."""
        return self.phase if self.listings[symbol].calendar else Phase.REGULAR

    def new_id(self) -> str:
        """Return an id that follows from the seed."""
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def enter(self, order: Order) -> None:
        """Put an order on the books."""
        self.orders[order.id] = order
        self.by_client[order.client_id] = order.id
        self.working[order.id] = order
        if order.day_end_ns is not None:
            heapq.heappush(self._due, (order.day_end_ns, order.id))

    def is_at_market(self, order: Order) -> bool:
        """Whether an order may trade in the present part of the day."""
        if order.time_in_force in _AUCTION:
            return False
        phase = self.phase_of(order.symbol)
        return phase is Phase.REGULAR or (order.is_extended_hours and phase is not Phase.CLOSED)

    def open(self, order: Order) -> None:
        """Tell where the order stands now: at the market, or in the queue for its session or auction."""
        if order.status is Status.ACCEPTED:
            self.tell(EventKind.ACCEPTED, order)
            return
        order.status = Status.PARTIALLY_FILLED if order.filled_qty else Status.NEW
        self.tell(EventKind.NEW, order)

    def after_opening(self, order: Order) -> None:
        """Match an order that has just come to the market; what cannot wait ends here."""
        if order.status not in _AT_MARKET:
            return
        self.match(order)
        if order.status.is_final:
            return
        limited_time = order.time_in_force in _IMMEDIATE
        protected = self.rules.protection is not None and order.type is OrderType.MARKET
        if limited_time or protected:
            self.finish(order, Status.CANCELED, "no more liquidity")
        elif order.type is OrderType.LIMIT and not self._is_marketable(order):
            self.resting.add(order.id)

    def matchable(self, symbol: str) -> list[Order]:
        """Return the orders of a symbol that may trade now."""
        if self.phase_of(symbol) is Phase.CLOSED:
            return []
        return [
            order
            for order in list(self.working.values())
            if order.symbol == symbol and order.status in _AT_MARKET and self.is_at_market(order)
        ]

    def _is_marketable(self, order: Order) -> bool:
        limit = matching.limit_of(order)
        best = self.books[order.symbol].best(order.side)
        return best is not None and (limit is None or checks.crosses(order.side, limit, best))

    def match(self, order: Order) -> None:
        """Let an order take what it may of the book."""
        if matching.is_waiting(order) or order.status not in _AT_MARKET:
            return
        book, listing = self.books[order.symbol], self.listings[order.symbol]
        if book.state is TradingState.HALTED:
            return
        is_resting = order.id in self.resting
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
            self.fill(order, matching.Execution(execution.qty, price), liquidity)
        if order.type is OrderType.LIMIT and not order.status.is_final and not self._is_marketable(order):
            self.resting.add(order.id)

    def _worst_price(self, order: Order, book: Book) -> Decimal | None:
        limit = matching.limit_of(order)
        best = book.best(order.side)
        if limit is not None or best is None or self.rules.protection is None:
            return limit
        sign = 1 if order.side is Side.BUY else -1
        return best * (1 + sign * self.rules.protection)

    def on_trade(self, trade: Trade) -> None:
        """Fill what rests at a trade's price, and elect the stops that it reaches."""
        listing = self.listings[trade.symbol]
        if trade.symbol in self._awaits_open and self.phase_of(trade.symbol) is Phase.REGULAR:
            self._awaits_open.discard(trade.symbol)
            self._auction(trade.symbol, TimeInForce.OPG, trade.price)
        orders = self.matchable(trade.symbol)
        if self.rules.depth is Depth.DISPLAYED:
            self._give(trade, orders)
        if self.phase_of(trade.symbol) is not Phase.REGULAR:
            return
        for order in orders:
            if order.status in _AT_MARKET and matching.elect(order, trade.price, self.rules, listing):
                self.tell(EventKind.TRIGGERED, order)
                self.match(order)

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
            self.fill(order, matching.Execution(qty, limit), Liquidity.MAKER)

    def _auction(self, symbol: str, kind: TimeInForce, price: Decimal) -> None:
        for order in list(self.working.values()):
            if order.symbol != symbol or order.time_in_force is not kind or order.status.is_final:
                continue
            limit = matching.limit_of(order)
            if price and (limit is None or checks.crosses(order.side, limit, price)):
                self.fill(order, matching.Execution(order.leaves_qty, price), Liquidity.TAKER)
            else:
                self.finish(order, Status.CANCELED, "not part of the auction")

    def fill(self, order: Order, execution: matching.Execution, liquidity: Liquidity) -> Fill:
        """Execute a part of an order, whatever its status is, and let its group follow."""
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
            id=self.new_id(),
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
            self.working.pop(order.id, None)
        elif not was_final and order.status is not Status.PENDING_CANCEL:
            order.status = Status.PARTIALLY_FILLED
        self.tell(EventKind.FILL if is_done else EventKind.PARTIAL_FILL, order, fill)
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

    def _react(self, order: Order, fill: Fill | None = None) -> None:
        """Let the group of an order follow what happened to it."""
        activated = self.groups.to_activate(order)
        for leg in activated:
            leg.status = Status.NEW if self.is_at_market(leg) else Status.ACCEPTED
            leg.qty = order.filled_qty
            self.open(leg)
        # All of them are open before one is matched: its fill may be the end of the others.
        for leg in activated:
            self.after_opening(leg)
        for other in self.groups.to_cancel(order):
            self.finish(other, Status.CANCELED, "group")
        if fill is not None:
            for other in self.groups.to_shrink(order):
                assert other.qty is not None
                other.qty = max(other.qty - fill.qty, other.filled_qty)
                if other.leaves_qty > 0:
                    self.tell(EventKind.RESTATED, other)
                else:
                    self.finish(other, Status.CANCELED, "group")

    def finish(self, order: Order, status: Status, reason: str) -> None:
        """End an order without a fill, and let its group follow; one that has ended is left alone."""
        if order.status.is_final:
            return
        order.status, order.reason, order.updated_ns = status, reason, self.now_ns
        self.working.pop(order.id, None)
        self.resting.discard(order.id)
        if status is Status.CANCELED:
            order.canceled_ns = self.now_ns
        elif status is Status.EXPIRED:
            order.expired_ns = self.now_ns
        else:
            order.failed_ns = self.now_ns
        self.tell(_FINAL_EVENT[status], order)
        self._react(order)

    def tell(self, kind: EventKind, order: Order, fill: Fill | None = None) -> None:
        """Tell what happened to an order, as it is now."""
        order.updated_ns = self.now_ns
        self.on_event(Event(id=self.new_id(), kind=kind, order=order.copy(), ts_ns=self.now_ns, fill=fill))

    def expire(self, until_ns: int) -> None:
        """End the orders whose time is over."""
        while self._due and self._due[0][0] <= until_ns:
            due_ns, order_id = heapq.heappop(self._due)
            order = self.working.get(order_id)
            if order is None or order.day_end_ns != due_ns:
                continue
            self.now_ns = max(self.now_ns, due_ns)
            is_gtc = order.time_in_force is TimeInForce.GTC
            self.finish(order, Status.CANCELED if is_gtc else Status.EXPIRED, "end of its time")

    def begin(self, phase: Phase) -> None:
        """Begin a part of the day: auctions, queues, the end of the day."""
        ours = [order for order in list(self.working.values()) if self.listings[order.symbol].calendar]
        if phase is Phase.AFTER:
            for symbol in {order.symbol for order in ours}:
                self._auction(symbol, TimeInForce.CLS, self.mark(symbol))
                self._auction(symbol, TimeInForce.OPG, ZERO)
            self._awaits_open.clear()
            self.expire(self.now_ns)
            self._tell_done_for_day(ours)
            return
        if phase is Phase.REGULAR:
            self._awaits_open = {order.symbol for order in ours if order.time_in_force is TimeInForce.OPG}
        for order in ours:
            waits = order.status in (Status.ACCEPTED, Status.DONE_FOR_DAY)
            if waits and self.is_at_market(order):
                order.status = Status.NEW
                self.open(order)

    def _tell_done_for_day(self, orders: list[Order]) -> None:
        for order in orders:
            is_told = order.status in (Status.NEW, Status.PARTIALLY_FILLED) and not order.is_extended_hours
            if is_told and self.rules.tells_done_for_day:
                order.status = Status.DONE_FOR_DAY
                self.tell(EventKind.DONE_FOR_DAY, order)


def _priority(order: Order) -> tuple[Decimal, int]:
    limit = matching.limit_of(order) or ZERO
    return (-limit if order.side is Side.BUY else limit), order.sequence
