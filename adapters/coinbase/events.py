"""From what is told of an order to NautilusTrader's events: each thing once, in an order that the engine takes.

Whatever tells of an order ends in :meth:`OrderEvents.apply`, which compares it with what was told before and emits the
difference: accepted, triggered, filled, and the end.
"""

from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, Logger
from nautilus_trader.model.enums import LiquiditySide, OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import TradeId, VenueOrderId
from nautilus_trader.model.objects import Money, Price, Quantity

from adapters.coinbase import reports
from adapters.coinbase.constants import POST_ONLY_REASONS, TERMINAL, Status
from adapters.coinbase.parsing import OrderRow
from adapters.coinbase.tracking import Tracked, TrackedOrders
from adapters.transport.counters import Counters
from adapters.transport.fills import FillMarks, Increment, trade_id

_ZERO: Final = Decimal(0)
_LATE_FILL_SECS: Final = 5.0


class OrderEvents:
    """Emits the events of the client's orders.

    Parameters
    ----------
    client
        Whose events they are: what generates and sends them.
    cache, clock, log
        Of the client.
    orders, marks
        What was told before, and what was booked.
    counters
        Where everything unusual is counted.
    look
        Called with an order, and seconds, after which it is to be read by REST.
    cancel_late
        Called with an order that was to be cancelled before its id was known.
    on_change
        Called with an order that was filled, or is over.

    Attributes
    ----------
    is_account_due
        Something has moved money since somebody has last reset this.
    """

    def __init__(
        self,
        client: Any,
        *,
        cache: Cache,
        clock: LiveClock,
        log: Logger,
        orders: TrackedOrders,
        marks: FillMarks,
        counters: Counters,
        look: Callable[[Tracked, float], None],
        cancel_late: Callable[[Tracked], None],
        on_change: Callable[[Tracked], None],
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._log = log
        self._orders = orders
        self._marks = marks
        self._counters = counters
        self._look = look
        self._cancel_late = cancel_late
        self._on_change = on_change
        self.is_account_due = False

    def sync(self, tracked: Tracked) -> None:
        """Take over fills that the engine booked from reports: they are under the mark from now on."""
        order = self._cache.order(tracked.client_order_id)
        if order is None or not tracked.venue_id or order.filled_qty.as_decimal() == 0:
            return
        fills = [event for event in order.events if isinstance(event, OrderFilled)]
        own = [fill for fill in fills if fill.venue_order_id.value == tracked.venue_id]
        quantity = sum((fill.last_qty.as_decimal() for fill in own), _ZERO)
        if quantity <= self._marks.booked(tracked.venue_id):
            return
        value = sum((fill.last_qty.as_decimal() * fill.last_px.as_decimal() for fill in own), _ZERO)
        fees = sum((fill.commission.as_decimal() for fill in own), _ZERO)
        self._marks.restore(tracked.venue_id, quantity, value=value, fee=fees)
        tracked.filled_before = order.filled_qty.as_decimal() - quantity
        tracked.fees = tracked.fees_told = sum((fill.commission.as_decimal() for fill in fills), _ZERO)

    def adopt(self, tracked: Tracked, venue_id: str) -> None:
        """Give an order the id that the venue has for it; whichever tells it first accepts the order."""
        if tracked.venue_id:
            return
        waiting = self._orders.claim(tracked, venue_id)
        if tracked.is_swapped:
            tracked.is_away = False
            self._tell_swapped(tracked)
        self.accept(tracked, self._clock.timestamp_ns())
        for row in waiting:
            self.apply(tracked, row)
        if tracked.cancel_wanted and not tracked.is_done:
            self._cancel_late(tracked)

    def leave_venue(self, tracked: Tracked, body: dict[str, Any]) -> None:
        """Make an open order ready for another order at the venue."""
        tracked.filled_before = self.filled(tracked)
        tracked.venue_id, tracked.body = "", body
        tracked.is_swapped = tracked.is_away = True
        tracked.is_held = False

    def filled(self, tracked: Tracked) -> Decimal:
        """Return what is booked of an order, at the venue now and before."""
        return tracked.filled_before + (self._marks.booked(tracked.venue_id) if tracked.venue_id else _ZERO)

    def _tell_swapped(self, tracked: Tracked) -> None:
        instrument = self._cache.instrument(tracked.instrument_id)
        self._client.generate_order_updated(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            Quantity(tracked.total or _ZERO, instrument.size_precision),
            None,
            None,
            self._clock.timestamp_ns(),
            venue_order_id_modified=True,
        )

    def update(self, tracked: Tracked, *, quantity: Quantity | None, price: Price | None) -> None:
        """Tell another quantity or price of an order."""
        order = self._cache.order(tracked.client_order_id)
        self._client.generate_order_updated(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            quantity if quantity is not None else order.quantity,
            price,
            None,
            self._clock.timestamp_ns(),
        )

    def end(self, tracked: Tracked) -> None:
        """Tell that an order is cancelled which is not at the venue."""
        tracked.is_done = True
        self._tell(self._client.generate_order_canceled, tracked, self._clock.timestamp_ns())
        self._on_change(tracked)

    def accept(self, tracked: Tracked, ts_ns: int) -> None:
        """Tell that the venue has an order, once."""
        if tracked.is_accepted or tracked.is_done:
            return
        tracked.is_accepted = True
        self._client.generate_order_accepted(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            ts_ns,
        )

    def apply(self, tracked: Tracked, row: OrderRow) -> None:
        """Emit what a row adds to what was told: accepted, triggered, filled, and the end."""
        tracked.heard = monotonic()
        has_failed = row.status is Status.FAILED and row.filled == 0
        if not tracked.venue_id and not has_failed:
            self.adopt(tracked, row.order_id)
        self.sync(tracked)
        if row.triggered and not tracked.is_triggered and not tracked.is_done:
            tracked.is_triggered = True
            if tracked.order_type == OrderType.STOP_LIMIT:
                self._tell(self._client.generate_order_triggered, tracked, row.ts_ns)
        self._book_total(tracked, row)
        self._on_change(tracked)
        if tracked.is_done or tracked.is_away or row.status not in TERMINAL:
            if row.status is Status.UNKNOWN:
                self._look(tracked, 0.0)
            return
        if tracked.is_swapped and row.status is not Status.FILLED:
            tracked.is_away = True
            return
        if has_failed:
            tracked.venue_id = tracked.venue_id or row.order_id
            self.reject(tracked, row.reason or "FAILED")
        elif row.status is Status.FILLED:
            tracked.is_done, tracked.takes_fills = True, False
        elif row.status is Status.EXPIRED:
            tracked.is_done, tracked.takes_fills = True, False
            self._tell(self._client.generate_order_expired, tracked, row.ts_ns)
        else:
            tracked.is_done = True
            self._tell(self._client.generate_order_canceled, tracked, row.ts_ns)
            # A fill that crossed the cancel is still booked, and its frame can be lost.
            self._look(tracked, _LATE_FILL_SECS)
        self.is_account_due = True
        self._on_change(tracked)

    def _tell(self, generate: Callable[..., None], tracked: Tracked, ts_ns: int) -> None:
        generate(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            ts_ns,
        )

    def _book_total(self, tracked: Tracked, row: OrderRow) -> None:
        if row.filled <= self._marks.booked(row.order_id):
            return
        if not tracked.takes_fills:
            self._counters.add("nqs_fills_after_end")
            self._log.error(f"client_order_id={tracked.client_order_id} filled={row.filled} after its end")
            return
        if tracked.quote_size is not None:
            self._tell_base_quantity(tracked, row)
        increment = self._marks.up_to(row.order_id, row.filled, average=row.average, fee=row.fees)
        if increment is not None:
            side = LiquiditySide.MAKER if tracked.is_post_only else LiquiditySide.NO_LIQUIDITY_SIDE
            self.fill(tracked, increment, row.ts_ns, LiquiditySide.TAKER if tracked.is_taker else side)

    def _tell_base_quantity(self, tracked: Tracked, row: OrderRow) -> None:
        """Turn a quantity in the quote currency into one in the base currency, before the fill that it is for.

        While the order lives it is what the rest of the money buys at the price so far; at the end what was bought.
        """
        instrument = self._cache.instrument(tracked.instrument_id)
        step = instrument.size_increment.as_decimal()
        quantity = row.filled
        if row.status not in TERMINAL and row.average > 0:
            rest = max(_ZERO, (tracked.quote_size or _ZERO) - row.filled * row.average - row.fees) / row.average
            quantity = row.filled + max(step, (rest // step) * step)
        if row.status is Status.CANCELLED:
            # Something was left over: filled to the last, the order could not be canceled.
            quantity = row.filled + step
        if row.status in TERMINAL:
            tracked.quote_size = None
        self._client.generate_order_updated(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            Quantity(quantity, instrument.size_precision),
            None,
            None,
            row.ts_ns,
            is_quote_quantity=False,
        )

    def fill(self, tracked: Tracked, increment: Increment, ts_ns: int, side: LiquiditySide) -> None:
        """Tell what an execution has added."""
        instrument = self._cache.instrument(tracked.instrument_id)
        # Money has the currency's decimals and fees have more: the rounding is carried, so that their sum is right.
        tracked.fees += increment.fee
        commission = Money(tracked.fees - tracked.fees_told, instrument.quote_currency)
        tracked.fees_told += commission.as_decimal()
        self._client.generate_order_filled(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            None,
            TradeId(trade_id(tracked.venue_id, increment.cumulative)),
            tracked.side,
            tracked.order_type,
            Quantity(increment.quantity, instrument.size_precision),
            reports.price_of(increment.price, instrument),
            instrument.quote_currency,
            commission,
            side,
            ts_ns,
            info={"fee": str(increment.fee)},
        )
        self.is_account_due = True

    def reject(self, tracked: Tracked, reason: str) -> None:
        """Tell that the venue does not take an order; one that is swapped stays as it is, and away."""
        if tracked.is_swapped:
            self._log.error(f"client_order_id={tracked.client_order_id} swap=refused reason={reason}")
            return
        tracked.is_done, tracked.takes_fills = True, False
        name = reason.partition(" ")[0]
        self._client.generate_order_rejected(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            reason or "no reason given",
            self._clock.timestamp_ns(),
            due_post_only=name in POST_ONLY_REASONS or "POST_ONLY" in name,
        )
        self._on_change(tracked)

    def reject_cancel(self, tracked: Tracked, reason: str) -> None:
        """Tell that the venue does not cancel an order."""
        tracked.cancel_wanted = False
        self._client.generate_order_cancel_rejected(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id) if tracked.venue_id else None,
            reason,
            self._clock.timestamp_ns(),
        )

    def confirm_edit(self, tracked: Tracked) -> None:
        """Tell that an edit was made."""
        edit, tracked.edit = tracked.edit, None
        instrument = self._cache.instrument(tracked.instrument_id)
        if edit is None or tracked.is_done or instrument is None:
            return
        size, price, stop = edit
        size += tracked.filled_before
        is_market_stop = tracked.order_type == OrderType.STOP_MARKET
        self._client.generate_order_updated(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            Quantity(size, instrument.size_precision),
            None if is_market_stop else Price(price, instrument.price_precision),
            Price(stop, instrument.price_precision) if stop is not None else None,
            self._clock.timestamp_ns(),
        )

    def reject_modify(self, tracked: Tracked, reason: str) -> None:
        """Tell that an edit was not made."""
        tracked.edit = None
        self._client.generate_order_modify_rejected(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id) if tracked.venue_id else None,
            reason,
            self._clock.timestamp_ns(),
        )
