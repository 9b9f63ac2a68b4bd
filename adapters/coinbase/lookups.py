"""Asking the venue by REST what became of an order: after a gap, after a doubt, and when an answer does not come."""

import asyncio
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, Logger
from nautilus_trader.model.identifiers import ClientOrderId

from adapters.coinbase import commands, parsing, reports
from adapters.coinbase.constants import Status
from adapters.coinbase.events import OrderEvents
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import OrderRow, ParseError
from adapters.coinbase.tracking import Tracked, TrackedOrders
from adapters.transport.counters import Counters
from adapters.transport.errors import NotFoundError, VenueError
from adapters.transport.fills import FillMarks

_ZERO: Final = Decimal(0)
_LOOKBACK_NS: Final = 60_000_000_000
_SWEEP_SECS: Final = 0.2
_MAX_LOOK_SECS: Final = 30.0
_FORGET_SECS: Final = 3600.0
_SILENCE_SECS: Final = 30.0
_TAKER_SILENCE_SECS: Final = 2.0
"""An order that ends at once and has not ended, or any that nobody has spoken of for long, is read: frames get lost."""
_EDIT_LAG_SECS: Final = 3.0
"""The venue's reads lag behind its writes: an edit that a read does not show yet may have been made."""


class Lookups:
    """Reads orders again, at once or later.

    Parameters
    ----------
    client
        Whose loop the readings run on.
    http
        The REST interface.
    cache, clock, log
        Of the client.
    orders, marks
        What is known, and what is booked.
    counters
        Where everything unusual is counted.
    fills_lag_secs
        How long the list of fills may lag.
    """

    events: OrderEvents

    def __init__(
        self,
        client: Any,
        http: CoinbaseHttp,
        *,
        cache: Cache,
        clock: LiveClock,
        log: Logger,
        orders: TrackedOrders,
        marks: FillMarks,
        counters: Counters,
        fills_lag_secs: float,
    ) -> None:
        self._client = client
        self._http = http
        self._cache = cache
        self._clock = clock
        self._log = log
        self._orders = orders
        self._marks = marks
        self._counters = counters
        self._fills_lag_secs = fills_lag_secs
        self._looks: dict[ClientOrderId, tuple[float, float]] = {}
        self._looking: set[ClientOrderId] = set()

    def look(self, tracked: Tracked, after_secs: float) -> None:
        """Read an order by REST after a while, unless that is planned for earlier."""
        due = monotonic() + after_secs
        planned = self._looks.get(tracked.client_order_id)
        if planned is None or due < planned[0]:
            self._looks[tracked.client_order_id] = (due, 0.5)

    async def sweep(self) -> None:
        """Do what is planned, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECS)
            now = monotonic()
            for client_order_id, (due, _) in list(self._looks.items()):
                tracked = self._orders.get(client_order_id)
                if tracked is None or (tracked.is_done and not tracked.takes_fills):
                    del self._looks[client_order_id]
                elif due <= now and client_order_id not in self._looking:
                    self._client.create_task(self.look_now(tracked), log_msg="coinbase-look")
            for tracked in self._orders:
                silence = _TAKER_SILENCE_SECS if tracked.is_taker else _SILENCE_SECS
                is_silent = tracked.venue_id and not tracked.is_held and now - tracked.heard > silence
                # One that is planned keeps its pause: it may be what the venue fails at.
                if is_silent and tracked.client_order_id not in self._looks:
                    self.look(tracked, 0.0)
            for tracked in self._orders.forget_done(_FORGET_SECS):
                self._marks.forget(tracked.venue_id)

    async def look_now(self, tracked: Tracked) -> None:
        """Read one order and apply it; what stays in doubt is read again, ever more rarely."""
        client_order_id = tracked.client_order_id
        if client_order_id in self._looking:
            return
        if tracked.is_held or not tracked.venue_id:
            self._looks.pop(client_order_id, None)
            return
        self._looking.add(client_order_id)
        _, pause = self._looks.pop(client_order_id, (0.0, 0.5))
        try:
            row = parsing.order((await self._http.order(tracked.venue_id)).get("order"))
            await self.take_rest(tracked, row)
            is_settled = tracked.edit is None and not tracked.cancel_wanted and row.status is not Status.UNKNOWN
        except NotFoundError:
            self._log.warning(f"client_order_id={client_order_id} venue_order_id={tracked.venue_id} not_found")
            is_settled = False
        except (VenueError, ParseError) as error:
            self._log.warning(f"client_order_id={client_order_id} look=failed reason={error}")
            is_settled = False
        finally:
            self._looking.discard(client_order_id)
        if not tracked.is_done and not is_settled and client_order_id not in self._looks:
            self._looks[client_order_id] = (monotonic() + pause, min(pause * 2, _MAX_LOOK_SECS))

    async def take_rest(self, tracked: Tracked, row: OrderRow) -> None:
        """Apply what REST tells of an order: its executions first, with their own prices, fees and sides."""
        self.events.sync(tracked)
        self.events.accept(tracked, row.ts_ns)
        if tracked.edit is not None:
            self._judge_edit(tracked, row)
        if row.filled > self._marks.booked(row.order_id) and tracked.quote_size is None:
            await self._book_fills(tracked, row)
        self.events.apply(tracked, row)

    def _judge_edit(self, tracked: Tracked, row: OrderRow) -> None:
        """Compare an order with the edit whose outcome is not known."""
        size, price, stop = tracked.edit or (_ZERO, _ZERO, None)
        held = (row.size, row.limit_price, row.stop_price if stop is not None else None)
        if held == (size, price, stop):
            self.events.confirm_edit(tracked)
        elif row.status is not Status.EDIT_QUEUED and monotonic() - tracked.edit_since > _EDIT_LAG_SECS:
            self.events.reject_modify(tracked, f"the venue holds it at {row.size} @ {row.limit_price}")

    async def _book_fills(self, tracked: Tracked, row: OrderRow) -> None:
        """Book the executions of an order one by one; the list lags, and after a while the totals must do."""
        ends = monotonic() + self._fills_lag_secs
        while self._marks.booked(row.order_id) < row.filled:
            try:
                found = [parsing.fill(raw) for raw in await self._http.fills(order_ids=[row.order_id])]
            except (VenueError, ParseError) as error:
                self._log.warning(f"venue_order_id={row.order_id} fills=failed reason={error}")
                found = []
            cumulative = _ZERO
            for fill in sorted(found, key=lambda fill: (fill.sequence_ns, fill.trade_id)):
                if fill.trade_type != "FILL":
                    self._counters.add("nqs_fills_of_other_types")
                    continue
                cumulative += fill.size
                increment = self._marks.add(
                    row.order_id, fill.size, fill.price, cumulative=cumulative, fee=fill.commission
                )
                if increment is not None:
                    self.events.fill(tracked, increment, fill.ts_ns, reports.liquidity_of(fill.liquidity))
            if self._marks.booked(row.order_id) >= row.filled or monotonic() > ends:
                return
            await asyncio.sleep(0.5)

    async def find(self, tracked: Tracked) -> OrderRow | None:
        """Return an order of the venue's list by our id; the venue has no other way to ask for it."""
        start_ns = self._clock.timestamp_ns() - int(tracked.age_secs * 1e9) - _LOOKBACK_NS
        order = self._cache.order(tracked.client_order_id)
        if order is not None:
            start_ns = min(start_ns, order.ts_init - _LOOKBACK_NS)
        wanted = tracked.body.get("client_order_id") or tracked.client_order_id.value
        found = await self._http.orders(
            product_ids=[tracked.instrument_id.symbol.value], start_date=commands.rfc3339(start_ns)
        )
        for raw in found:
            if raw.get("client_order_id") == wanted:
                return parsing.order(raw)
        return None
