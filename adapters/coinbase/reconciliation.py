"""What the engine asks for to reconcile; in doubt the books answer: only the venue's word makes an order absent."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, Logger
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, InstrumentId, VenueOrderId
from nautilus_trader.model.orders import Order

from adapters.coinbase import commands, parsing, reports
from adapters.coinbase.account import Balances
from adapters.coinbase.constants import COINBASE_VENUE
from adapters.coinbase.events import OrderEvents
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.lookups import Lookups
from adapters.coinbase.parsing import OrderRow, ParseError
from adapters.coinbase.providers import CoinbaseInstrumentProvider, instrument_id_of
from adapters.coinbase.tracking import Tracked, TrackedOrders
from adapters.transport.counters import Counters
from adapters.transport.errors import NotFoundError, VenueError
from adapters.transport.fills import FillMarks

_ZERO: Final = Decimal(0)
_YOUNG_SECS: Final = 30.0
"""The venue's reads lag behind its writes: an order younger than this is not absent because a read says so."""


class Reconciliation:
    """Makes the reports.

    Parameters
    ----------
    http
        The REST interface.
    account_id
        Of the reports.
    cache, clock, log
        Of the client.
    products, balances, lookups, events, orders, marks, counters
        What else the client is made of.
    claimed
        Instruments whose foreign orders are reported.
    baselines
        What of a balance is not the strategies' own, by instrument.
    """

    def __init__(
        self,
        http: CoinbaseHttp,
        account_id: AccountId,
        *,
        cache: Cache,
        clock: LiveClock,
        log: Logger,
        products: CoinbaseInstrumentProvider,
        balances: Balances,
        lookups: Lookups,
        events: OrderEvents,
        orders: TrackedOrders,
        marks: FillMarks,
        counters: Counters,
        claimed: frozenset[InstrumentId],
        baselines: Mapping[InstrumentId, Decimal],
    ) -> None:
        self._http = http
        self._account_id = account_id
        self._cache = cache
        self._clock = clock
        self._log = log
        self._products = products
        self._balances = balances
        self._lookups = lookups
        self._events = events
        self._orders = orders
        self._marks = marks
        self._counters = counters
        self._claimed = claimed
        self._baselines = baselines

    async def order_status(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """Return a report of an order; None only when the venue says that it has no such order."""
        client_order_id = command.client_order_id
        if client_order_id is None and command.venue_order_id is not None:
            client_order_id = self._cache.client_order_id(command.venue_order_id)
        order = self._cache.order(client_order_id) if client_order_id is not None else None
        tracked = self._orders.get(client_order_id) if client_order_id is not None else None
        if tracked is not None and (tracked.is_held or tracked.is_swapped):
            return self._cached(order)
        venue_id = tracked.venue_id if tracked is not None else ""
        venue_id = venue_id or (command.venue_order_id.value if command.venue_order_id is not None else "")
        try:
            if venue_id:
                row = parsing.order((await self._http.order(venue_id)).get("order"))
            elif tracked is not None:
                # Its creation is being looked into, or it was never sent.
                found = await self._lookups.find(tracked)
                if found is None:
                    return None
                row = found
                self._events.adopt(tracked, row.order_id)
            else:
                return None
        except NotFoundError:
            young = tracked is not None and tracked.age_secs < _YOUNG_SECS
            return self._cached(order) if young else None
        except (VenueError, ParseError) as error:
            self._log.warning(f"client_order_id={client_order_id} report=from_cache reason={error}")
            return self._cached(order)
        if tracked is not None:
            await self._lookups.take_rest(tracked, row)
            await self._caught_up(tracked)
            order = self._cache.order(tracked.client_order_id)
        return self._reported(row, order) or self._cached(order)

    def _cached(self, order: Order | None) -> OrderStatusReport | None:
        if order is None:
            return None
        return reports.cached_report(order, self._account_id, ts_ns=self._clock.timestamp_ns())

    def _reported(self, row: OrderRow, order: Order | None) -> OrderStatusReport | None:
        instrument = self._cache.instrument(instrument_id_of(row.product_id))
        if instrument is None:
            self._counters.add("nqs_reports_without_instrument")
            return None
        return reports.order_report(row, instrument, self._account_id, order=order, ts_ns=self._clock.timestamp_ns())

    async def _caught_up(self, tracked: Tracked) -> None:
        """Wait until the engine has booked what was told: a report that overtakes a fill makes it invent one."""
        ends = monotonic() + 1.0
        while monotonic() < ends:
            order = self._cache.order(tracked.client_order_id)
            if order is None or order.filled_qty.as_decimal() >= self._marks.booked(tracked.venue_id):
                return
            await asyncio.sleep(0.01)

    async def order_statuses(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Return reports of our orders, and of foreign ones where they are claimed."""
        instrument_id = command.instrument_id
        known = [
            order
            for order in self._cache.orders(venue=COINBASE_VENUE, instrument_id=instrument_id)
            if order.is_open or order.is_inflight
        ]
        filters: dict[str, Any] = {}
        if instrument_id is not None:
            filters["product_ids"] = [instrument_id.symbol.value]
        if command.open_only:
            filters["order_status"] = ["OPEN"]
        elif command.start is not None:
            filters["start_date"] = commands.rfc3339(int(command.start.timestamp() * 1e9))
        try:
            raws = await self._http.orders(**filters)
        except VenueError as error:
            self._log.warning(f"reports=from_cache orders={len(known)} reason={error}")
            return [report for order in known if (report := self._cached(order)) is not None]
        found = []
        for raw in raws:
            try:
                row = parsing.order(raw)
            except ParseError as error:
                self._counters.add("nqs_payloads_refused", reason=error.reason)
                continue
            if (report := await self._report_of_row(row)) is not None:
                found.append(report)
        # The venue's list of open orders leaves out those that are pending or queued.
        told = {report.venue_order_id.value for report in found}
        for order in known:
            tracked = self._orders.get(order.client_order_id)
            if tracked is not None and tracked.venue_id and tracked.venue_id not in told:
                single = await self.order_status(
                    GenerateOrderStatusReport(
                        order.instrument_id, order.client_order_id, order.venue_order_id, UUID4(), command.ts_init
                    )
                )
                if single is not None:
                    found.append(single)
        return found

    async def _report_of_row(self, row: OrderRow) -> OrderStatusReport | None:
        tracked = self._orders.of(row)
        client_order_id = ClientOrderId(row.client_order_id) if row.client_order_id else None
        order = self._cache.order(tracked.client_order_id if tracked is not None else client_order_id)
        if order is None and instrument_id_of(row.product_id) not in self._claimed:
            return None
        if tracked is not None and not tracked.is_done:
            await self._lookups.take_rest(tracked, row)
            await self._caught_up(tracked)
        return self._reported(row, order)

    async def fills(self, command: GenerateFillReports) -> list[FillReport]:
        """Return reports of executions that are not booked yet."""
        filters: dict[str, Any] = {}
        if command.venue_order_id is not None:
            filters["order_ids"] = [command.venue_order_id.value]
        if command.instrument_id is not None:
            filters["product_ids"] = [command.instrument_id.symbol.value]
        try:
            rows = [parsing.fill(raw) for raw in await self._http.fills(**filters)]
        except (VenueError, ParseError) as error:
            self._log.warning(f"fill_reports=none reason={error}")
            return []
        client_ids: dict[str, ClientOrderId] = {}
        booked: dict[str, Decimal] = {}
        kept = []
        for row in rows:
            found = self._cache.client_order_id(VenueOrderId(row.order_id))
            if found is None and instrument_id_of(row.product_id) not in self._claimed:
                continue
            kept.append(row)
            order = self._cache.order(found) if found is not None else None
            if order is not None:
                client_ids[row.order_id] = order.client_order_id
                booked[row.order_id] = max(order.filled_qty.as_decimal(), self._marks.booked(row.order_id))
        instruments = reports.instrument_of(self._products.get_all())
        ts_ns = self._clock.timestamp_ns()
        return reports.fill_reports(
            kept, instruments, self._account_id, booked=booked, client_ids=client_ids, ts_ns=ts_ns
        )

    async def positions(self, command: GeneratePositionStatusReports) -> list[PositionStatusReport]:
        """Return positions: the balance above its baseline where one is set, else what the books say.

        Spot has balances and no positions. Reporting none would let the engine close its own positions.
        """
        flagged = dict(self._baselines)
        if flagged:
            try:
                await self._balances.update()
            except (VenueError, ParseError) as error:
                self._log.warning(f"positions=from_cache reason={error}")
                flagged = {}
        held = {position.instrument_id for position in self._cache.positions_open(venue=COINBASE_VENUE)}
        asked = {command.instrument_id} if command.instrument_id is not None else held | set(flagged)
        found = []
        for instrument_id in sorted(asked, key=str):
            instrument = self._cache.instrument(instrument_id)
            if instrument is None:
                continue
            qty = long_qty(self._cache, instrument_id)
            if instrument_id in flagged:
                code = instrument.base_currency.code
                qty = self._balances.totals.get(code, _ZERO) - flagged[instrument_id]
            positions = self._cache.positions_open(venue=None, instrument_id=instrument_id)
            average = Decimal(str(positions[0].avg_px_open)) if positions else None
            found.append(
                reports.position_report(
                    instrument, self._account_id, qty=qty, average=average, ts_ns=self._clock.timestamp_ns()
                )
            )
        return found


def long_qty(cache: Cache, instrument_id: InstrumentId) -> Decimal:
    """Return what the books hold of an instrument."""
    positions = cache.positions_open(venue=None, instrument_id=instrument_id)
    return sum((position.signed_decimal_qty() for position in positions), _ZERO)
