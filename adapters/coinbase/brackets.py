"""An entry with its stop and its target, at a venue where two sales cannot hold one balance.

The stop rests at the venue as soon as there is something to protect: it is what must work while this process does not.
The target is held here. When the market reaches it, the stop is taken away, what is left is sold at the target's price
or better, at once, and a stop for what is not sold is put back. NautilusTrader sees none of that shuffling: both orders
stay open, and their ids at the venue change, until one of them is filled or cancelled, which ends the other.
"""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, Logger
from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.model.enums import OrderSide, OrderType
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order

from adapters.coinbase import commands
from adapters.coinbase.commands import Terms
from adapters.coinbase.events import OrderEvents
from adapters.coinbase.parsing import ParseError
from adapters.coinbase.quotes import Quotes
from adapters.coinbase.tracking import HELD, Tracked, TrackedOrders
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError

_ZERO: Final = Decimal(0)
_WATCH_SECS: Final = 0.25
_ASK_SECS: Final = 1.0
_POLL_SECS: Final = 0.2
_PAUSE_SECS: Final = 5.0
"""After a target that could not be sold the stop stands for so long before the next attempt."""
_STOPS: Final = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)


class Bracket:
    """The orders of one list, and how much of the entry its children cover."""

    def __init__(self, entry: ClientOrderId | None, stop: Order | None, target: Order | None) -> None:
        self.entry = entry
        self.stop = stop
        self.target = target
        self.covered = _ZERO
        self.n_sent = 0
        self.rests_until = 0.0
        self.is_dirty = False
        self.lock = asyncio.Lock()

    @property
    def children(self) -> list[Order]:
        """Return stop and target, as far as there are any."""
        return [order for order in (self.stop, self.target) if order is not None]


class Brackets:
    """Keeps the children of entries.

    Parameters
    ----------
    client
        Gives orders to the venue (`create`), takes them away (`take_away`), reads them (`read`).
    cache, clock, log
        Of the client.
    orders, events, counters
        What else the client is made of.
    quotes
        Says when a target is reached.
    """

    def __init__(
        self,
        client: Any,
        *,
        cache: Cache,
        clock: LiveClock,
        log: Logger,
        orders: TrackedOrders,
        events: OrderEvents,
        counters: Counters,
        quotes: Quotes,
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._log = log
        self._orders = orders
        self._events = events
        self._counters = counters
        self._quotes = quotes
        self._by_order: dict[ClientOrderId, Bracket] = {}
        self._asked_at = 0.0

    # -- what comes in ------------------------------------------------------------------------------------------------

    def hold(self, orders: Sequence[Order]) -> str:
        """Keep the children of an entry until it is filled; return why that cannot be done, "" when it can."""
        entry, children = orders[0], orders[1:]
        stops = [order for order in children if order.order_type in _STOPS]
        targets = [order for order in children if order.order_type == OrderType.LIMIT]
        if len(stops) > 1 or len(targets) > 1 or len(stops) + len(targets) != len(children):
            return "a bracket has at most one stop and one LIMIT target"
        if entry.side != OrderSide.BUY or any(order.side != OrderSide.SELL for order in children):
            return "a bracket buys, and its children sell: spot cannot be short"
        if entry.is_quote_quantity:
            return "a bracket needs its quantity in the base currency"
        bracket = Bracket(entry.client_order_id, *(found[0] if found else None for found in (stops, targets)))
        self._by_order.update({order.client_order_id: bracket for order in orders})
        return ""

    def restore(self, orders: Iterable[Order]) -> None:
        """Take up the targets that an earlier run held."""
        for target in orders:
            if target.venue_order_id is None or not target.venue_order_id.value.startswith(HELD):
                continue
            linked = [self._cache.order(linked_id) for linked_id in target.linked_order_ids or ()]
            stop = next((order for order in linked if order is not None and order.order_type in _STOPS), None)
            bracket = Bracket(None, stop, target)
            bracket.covered = target.quantity.as_decimal()
            self._by_order.update({order.client_order_id: bracket for order in bracket.children})
            self._wake(bracket)

    def on_change(self, tracked: Tracked) -> None:
        """Take notice of a fill or an end."""
        bracket = self._by_order.get(tracked.client_order_id)
        if bracket is not None:
            self._wake(bracket)

    def drop(self, entry: Order) -> None:
        """Cancel the children of an entry that came to nothing."""
        bracket = self._by_order.get(entry.client_order_id)
        if bracket is not None:
            self._cancel_unsent(bracket)

    def cancel(self, client_order_id: ClientOrderId) -> bool:
        """Cancel an order that is not at the venue; False when it is, or is none of a bracket's."""
        bracket = self._by_order.get(client_order_id)
        tracked = self._orders.get(client_order_id)
        if bracket is None or (tracked is not None and not tracked.is_held):
            return False
        if tracked is not None:
            self._end(tracked)
            self._wake(bracket)
        else:
            self._cancel_unsent(bracket, only=client_order_id)
        return True

    def modify(self, tracked: Tracked, command: ModifyOrder) -> None:
        """Change a target that is held."""
        self._events.update(tracked, quantity=command.quantity, price=command.price)

    async def watch(self) -> None:
        """Look at the market for the targets, for ever."""
        while True:
            await asyncio.sleep(_WATCH_SECS)
            waiting = [bracket for bracket in set(self._by_order.values()) if self._is_waiting(bracket)]
            try:
                reached = await self._reached(waiting)
            except (VenueError, ParseError) as error:
                self._log.warning(f"targets={len(waiting)} quotes=failed reason={error}")
                continue
            for bracket in reached:
                self._client.create_task(self._sell(bracket), log_msg="coinbase-target")

    # -- children -----------------------------------------------------------------------------------------------------

    def _wake(self, bracket: Bracket) -> None:
        is_awake, bracket.is_dirty = bracket.is_dirty or bracket.lock.locked(), True
        if not is_awake:
            self._client.create_task(self._step(bracket), log_msg="coinbase-bracket")

    async def _step(self, bracket: Bracket) -> None:
        """Bring the children in line with what the entry and each other have come to."""
        async with bracket.lock:
            await self._settle(bracket)

    async def _settle(self, bracket: Bracket) -> None:
        while bracket.is_dirty:
            bracket.is_dirty = False
            entry = self._orders.get(bracket.entry) if bracket.entry is not None else None
            if entry is not None:
                bought = self._events.filled(entry)
                if entry.is_done and bought == 0:
                    self._cancel_unsent(bracket)
                # One that ends at once is waited for: its stop is for all of it.
                elif bought > bracket.covered and (entry.is_done or not entry.is_taker):
                    await self._cover(bracket, bought)
            await self._pair(bracket)

    async def _cover(self, bracket: Bracket, bought: Decimal) -> None:
        is_first, bracket.covered = bracket.covered == 0, bought
        stop, target = bracket.stop, bracket.target
        if is_first and stop is not None:
            await self._place(stop, bought)
        elif stop is not None and (tracked := self._orders.get(stop.client_order_id)) is not None:
            await self._client.resize(tracked, bought)
        if target is not None and self._by_order.get(target.client_order_id) is bracket:
            if is_first:
                self._hold(target)
            tracked = self._orders.get(target.client_order_id)
            if tracked is not None and not tracked.is_done and bought != target.quantity.as_decimal():
                self._events.update(tracked, quantity=self._quantity(tracked, bought), price=None)

    async def _place(self, stop: Order, quantity: Decimal) -> None:
        if self._by_order.get(stop.client_order_id) is None:
            return
        instrument = self._cache.instrument(stop.instrument_id)
        body = commands.body_of(stop, instrument, terms=self._client.stop_terms)
        body = commands.resized(body, Quantity(quantity, instrument.size_precision))
        tracked = self._orders.add(Tracked(stop, body))
        self._tell_submitted(stop)
        await self._client.create(tracked)
        if tracked.is_done:
            self._counters.add("nqs_stops_refused")
            self._log.error(f"client_order_id={stop.client_order_id} stop=refused position=unprotected")
        elif quantity != stop.quantity.as_decimal():
            self._events.update(tracked, quantity=self._quantity(tracked, quantity), price=None)

    def _hold(self, target: Order) -> None:
        tracked = self._orders.add(Tracked(target))
        tracked.is_held = True
        self._tell_submitted(target)
        self._events.adopt(tracked, f"{HELD}{target.client_order_id.value}")

    async def _pair(self, bracket: Bracket) -> None:
        """End one child when the other one is over, and keep their quantities equal."""
        stop, target = self._find(bracket.stop), self._find(bracket.target)
        if target is not None and target.is_held and not target.is_done and (stop is None or stop.is_done):
            if bracket.stop is not None:
                self._end(target)
        elif target is not None and target.is_done and stop is not None and not stop.is_done:
            if stop.is_away:
                self._end(stop)
            elif not stop.cancel_wanted:
                await self._client.cancel_tracked([stop])
        elif target is not None and target.is_held and stop is not None and not target.is_done:
            left = bracket.covered - self._events.filled(stop)
            order = self._cache.order(target.client_order_id)
            if self._events.filled(stop) > 0 and order is not None and order.quantity.as_decimal() != left:
                self._events.update(target, quantity=self._quantity(target, left), price=None)
        if bracket.covered and all(self._is_over(order) for order in bracket.children):
            for order_id in [order_id for order_id, found in self._by_order.items() if found is bracket]:
                del self._by_order[order_id]

    def _find(self, order: Order | None) -> Tracked | None:
        return self._orders.get(order.client_order_id) if order is not None else None

    def _is_over(self, order: Order) -> bool:
        tracked = self._find(order)
        return tracked is None or tracked.is_done

    def _cancel_unsent(self, bracket: Bracket, only: ClientOrderId | None = None) -> None:
        for order in bracket.children:
            order_id = order.client_order_id
            if self._orders.get(order_id) is None and only in (None, order_id) and order_id in self._by_order:
                del self._by_order[order_id]
                self._client.generate_order_canceled(
                    order.strategy_id, order.instrument_id, order_id, None, self._clock.timestamp_ns()
                )

    def _end(self, tracked: Tracked) -> None:
        tracked.is_held = tracked.is_swapped = tracked.is_away = False
        self._events.end(tracked)

    def _tell_submitted(self, order: Order) -> None:
        self._client.generate_order_submitted(
            order.strategy_id, order.instrument_id, order.client_order_id, self._clock.timestamp_ns()
        )

    def _quantity(self, tracked: Tracked, value: Decimal) -> Quantity:
        return Quantity(value, self._cache.instrument(tracked.instrument_id).size_precision)

    # -- the target ---------------------------------------------------------------------------------------------------

    def _is_waiting(self, bracket: Bracket) -> bool:
        if bracket.lock.locked() or monotonic() < bracket.rests_until:
            return False
        tracked = self._find(bracket.target)
        return tracked is not None and tracked.is_held and not tracked.is_done

    async def _reached(self, waiting: Sequence[Bracket]) -> list[Bracket]:
        """Return the brackets whose target the market has reached; quotes that nobody streams are asked for."""
        targets = {bracket: self._cache.order(bracket.target.client_order_id) for bracket in waiting if bracket.target}
        quotes = {order.instrument_id: self._quotes.fresh(order.instrument_id) for order in targets.values()}
        missing = [instrument_id for instrument_id, quote in quotes.items() if quote is None]
        if missing and monotonic() - self._asked_at > _ASK_SECS:
            self._asked_at = monotonic()
            found = await self._quotes.ask_venue([instrument_id.symbol.value for instrument_id in missing])
            quotes |= {instrument_id: found.get(instrument_id.symbol.value) for instrument_id in missing}
        return [
            bracket
            for bracket, order in targets.items()
            if (quote := quotes[order.instrument_id]) is not None and quote.bid >= order.price.as_decimal()
        ]

    async def _sell(self, bracket: Bracket) -> None:
        """Sell at the target: the stop away, what is left sold at once, a stop for the rest put back."""
        async with bracket.lock:
            stop, target = self._find(bracket.stop), self._find(bracket.target)
            if target is None or target.is_done or not target.is_held:
                return
            if stop is not None and not stop.is_done and not await self._take_away(stop):
                bracket.rests_until = monotonic() + _PAUSE_SECS
                return
            left = bracket.covered - self._events.filled(target) - (self._events.filled(stop) if stop else _ZERO)
            if left > 0 and not (stop is not None and stop.is_done):
                await self._swap(bracket, target, left, terms=None)
                await self._until_over(target)
                left -= self._events.filled(target) - target.filled_before
            if not target.is_done:
                target.is_held, target.is_swapped, target.is_away = True, False, False
                if target.cancel_wanted:
                    self._end(target)
                bracket.rests_until = monotonic() + _PAUSE_SECS
                await self._put_back(bracket, stop, left)
            bracket.is_dirty = True
            await self._settle(bracket)

    async def _take_away(self, stop: Tracked) -> bool:
        """Take an order off the venue without its end being one; False when it would not go."""
        stop.is_swapped = True
        if not await self._client.take_away(stop):
            stop.is_swapped = False
            return False
        await self._until_over(stop)
        return True

    async def _until_over(self, tracked: Tracked) -> None:
        pause = _POLL_SECS
        while not tracked.is_done and not tracked.is_away:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            if not tracked.is_done and not tracked.is_away:
                await self._client.read(tracked)

    async def _put_back(self, bracket: Bracket, stop: Tracked | None, left: Decimal) -> None:
        if stop is None or stop.is_done or not stop.is_away:
            return
        if stop.cancel_wanted:
            self._end(stop)
            return
        if left > 0:
            await self._swap(bracket, stop, left, terms=self._client.stop_terms)
            if stop.venue_id:
                stop.is_swapped = False
                return
        self._counters.add("nqs_stops_refused")
        self._log.error(f"client_order_id={stop.client_order_id} stop=not_put_back left={left} position=unprotected")
        self._end(stop)

    async def _swap(self, bracket: Bracket, tracked: Tracked, quantity: Decimal, *, terms: Terms | None) -> None:
        """Give an open order another one at the venue; when that is refused, it is away as before."""
        order = self._cache.order(tracked.client_order_id)
        instrument = self._cache.instrument(tracked.instrument_id)
        size = Quantity(quantity, instrument.size_precision)
        if terms is None:
            body = commands.sale_body(order, size)
        else:
            body = commands.resized(commands.body_of(order, instrument, terms=terms), size)
        bracket.n_sent += 1
        body["client_order_id"] = f"{order.client_order_id.value}-{bracket.n_sent}"
        self._events.leave_venue(tracked, body)
        tracked.total = tracked.filled_before + quantity
        await self._client.create(tracked)
