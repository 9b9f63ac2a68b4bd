"""One venue's exchange behind the faults that concern the venue itself, with read models that may lag.

Servers go through here: a fault then acts the same on every venue.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from time import monotonic

from adapters.simulator.exchange import (
    Changes,
    Event,
    Exchange,
    Fill,
    Listing,
    Order,
    Position,
    Reason,
    RefusalError,
    Status,
    Ticket,
    VenueRules,
)
from adapters.simulator.faults import Fault, FaultKind, Occurrence
from adapters.simulator.journal import EntryKind
from adapters.simulator.market import Market
from adapters.simulator.tape import ZERO, Side

# Read models that lag look back so far at most.
_TOLD_LIMIT = 50_000

type EventListener = Callable[[Event], None]


class Desk:
    """Takes orders for a venue.

    Parameters
    ----------
    market
        What the venue is part of; its exchange is made here and entered there.
    rules, listings, balances, multiplier, seed
        Of the exchange.

    """

    def __init__(
        self,
        market: Market,
        rules: VenueRules,
        listings: Iterable[Listing],
        *,
        balances: Mapping[str, Decimal],
        multiplier: int = 1,
        seed: int = 0,
    ) -> None:
        self.market = market
        self.venue = rules.name
        self.exchange = Exchange(
            rules,
            listings,
            balances=balances,
            now_ns=market.clock.now_ns(),
            seed=seed,
            multiplier=multiplier,
            on_event=self._on_event,
        )
        market.exchanges[rules.name] = self.exchange
        self._listeners: list[EventListener] = []
        self._told: deque[tuple[float, Event]] = deque(maxlen=_TOLD_LIMIT)

    def listen(self, listener: EventListener) -> None:
        """Have every event of an order told, in order; a listener must not call the desk."""
        self._listeners.append(listener)

    def submit(self, ticket: Ticket, *, where: str) -> Order:
        """Submit an order as `Exchange.submit`; `where` is the endpoint that faults name."""
        occurrence = Occurrence(venue=self.venue, where=where, client_ids=(ticket.client_id,))
        refused = self.market.faults.first(occurrence, FaultKind.REFUSE)
        if refused is not None:
            raise _refusal(refused)
        order = self.exchange.submit(ticket, self.market.clock.stamp_ns())
        rejected = self.market.faults.first(occurrence, FaultKind.REJECT_ORDER)
        if rejected is not None:
            self._later(
                rejected.secs,
                lambda: self.exchange.end(order.id, Status.REJECTED, self._now(), reason=rejected.reason),
            )
        return order

    def cancel(self, order_id: str, *, where: str) -> Order:
        """Cancel an order as `Exchange.cancel`; by fault without effect, or with a fill that comes after it."""
        before = self.exchange.order(order_id)
        client_ids = () if before is None else (before.client_id,)
        occurrence = Occurrence(venue=self.venue, where=where, order_ids=(order_id,), client_ids=client_ids)
        refused = self.market.faults.first(occurrence, FaultKind.REFUSE)
        if refused is not None:
            raise _refusal(refused)
        ignored = self.market.faults.first(occurrence, FaultKind.IGNORE_CANCEL)
        late = self.market.faults.first(occurrence, FaultKind.LATE_FILL)
        order = self.exchange.cancel(order_id, self._now(), is_effective=ignored is None)
        if late is not None and before is not None:
            qty = Decimal(str(late.value)) if late.value is not None else before.leaves_qty
            price = before.limit_price or self.exchange.mark(before.symbol)
            self._later(late.secs, lambda: self.exchange.fill_anyway(order_id, qty, price, self._now()))
        return order

    def replace(self, order_id: str, changes: Changes, *, where: str) -> Order:
        """Replace an order as `Exchange.replace`."""
        occurrence = Occurrence(venue=self.venue, where=where, order_ids=(order_id,))
        refused = self.market.faults.first(occurrence, FaultKind.REFUSE)
        if refused is not None:
            raise _refusal(refused)
        return self.exchange.replace(order_id, changes, self.market.clock.stamp_ns())

    # Read models: what the venue's reading side knows, which may be behind what it has done.

    def orders(self) -> list[Order]:
        """Return every order, as the read model `orders` knows it."""
        lag = self._lag("orders")
        if lag is None:
            return self.exchange.orders()
        known: dict[str, Order] = {}
        for told, event in self._told:
            if told <= lag:
                known[event.order.id] = event.order
        return sorted(known.values(), key=lambda order: order.sequence)

    def order(self, order_id: str) -> Order | None:
        """Return an order by the venue's id."""
        if self._lag("orders") is None:
            return self.exchange.order(order_id)
        return next((order for order in self.orders() if order.id == order_id), None)

    def order_by_client_id(self, client_id: str) -> Order | None:
        """Return the order that a client id names."""
        if self._lag("orders") is None:
            return self.exchange.order_by_client_id(client_id)
        return next((order for order in self.orders() if order.client_id == client_id), None)

    def fills(self, model: str = "fills") -> list[Fill]:
        """Return every execution in order, as the read model (`fills`, `activities`) knows them."""
        lag = self._lag(model)
        if lag is None:
            return list(self.exchange.fills)
        return [event.fill for told, event in self._told if event.fill is not None and told <= lag]

    def positions(self) -> list[Position]:
        """Return the holdings that are not zero, as the read model `positions` knows them."""
        lag = self._lag("positions")
        if lag is None:
            return self.exchange.positions()
        late: dict[str, Decimal] = {}
        for told, event in self._told:
            if event.fill is not None and told > lag:
                sign = 1 if event.fill.side is Side.BUY else -1
                late[event.fill.symbol] = late.get(event.fill.symbol, ZERO) + sign * event.fill.qty
        known = [self.exchange.position(symbol) for symbol in self.exchange.listings]
        then = [Position(p.listing, p.qty - late.get(p.listing.symbol, ZERO), p.held, p.entry_price) for p in known]
        return [position for position in then if position.qty]

    def _lag(self, model: str) -> float | None:
        fault = self.market.faults.standing(f"model:{model}", FaultKind.LAG, venue=self.venue)
        return None if fault is None else monotonic() - fault.secs

    def _now(self) -> int:
        return self.market.clock.now_ns()

    def _later(self, secs: float, action: Callable[[], object]) -> None:
        """Do something after wall seconds; on the loop where there is one, at once where there is none."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            action()
            return
        loop.call_later(secs, action)

    def _on_event(self, event: Event) -> None:
        self._told.append((monotonic(), event))
        order = event.order
        self.market.journal.add(
            EntryKind.EVENT,
            self.venue,
            event.kind,
            ts_ns=self.market.clock.wire_ns(event.ts_ns),
            order_id=order.id,
            client_id=order.client_id,
            symbol=order.symbol,
            status=order.status.value,
            filled_qty=str(order.filled_qty),
            qty=None if event.fill is None else str(event.fill.qty),
            price=None if event.fill is None else str(event.fill.price),
            is_outside=order.is_outside,
        )
        for listener in self._listeners:
            listener(event)


def _refusal(fault: Fault) -> RefusalError:
    facts = fault.value if isinstance(fault.value, dict) else {}
    return RefusalError(Reason(fault.reason or Reason.INSUFFICIENT_BUYING_POWER), **facts)
