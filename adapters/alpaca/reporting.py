"""What is asked instead of told: the recovery after a gap, the account, the reports that reconcile the engine."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
    QueryAccount,
    QueryOrder,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.objects import AccountBalance, Currency, Money

from adapters.alpaca import reports
from adapters.alpaca.constants import (
    DEAD_STATES,
    NoticeKind,
    OrderState,
)
from adapters.alpaca.fields import ParseError
from adapters.alpaca.following import AlpacaFollower
from adapters.alpaca.parsing import (
    Account,
    Fill,
    Order,
    Position,
    parse_account,
    parse_fill,
    parse_order,
    parse_position,
)
from adapters.alpaca.tracks import Track
from adapters.transport.counters import Counters
from adapters.transport.errors import (
    NotFoundError,
    UnauthorizedError,
    VenueError,
)

_SECOND_NS: Final = 1_000_000_000
_RETRY_SECS: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0)
_QUERIES_BEFORE_PLACEHOLDER: Final = 3
_ACCOUNT_PAUSE_SECS: Final = 1.5
_LOOK_BACK: Final = timedelta(days=7)
"""How far closed orders and executions are reported when nobody says how far: not the account's whole past."""


class AlpacaReporter(AlpacaFollower):
    """The part of the execution client that asks: see the client for its parameters."""

    _last_account: object = None

    # -- gaps ----------------------------------------------------------------------------------------------------------

    async def _recover(self, since_ns: int) -> None:
        """Read what happened since a moment: orders and executions, by cumulative quantity."""
        after = datetime.fromtimestamp(since_ns / _SECOND_NS, UTC).isoformat().replace("+00:00", "Z")
        for attempt in range(len(_RETRY_SECS)):
            try:
                recent, fills = await asyncio.gather(
                    self._http.orders(status="all", after=after), self._http.fills(after=after)
                )
                break
            except VenueError as error:
                self._log.warning(f"recovery failed: error={error}")
                await asyncio.sleep(_RETRY_SECS[attempt])
        else:
            self._notify(NoticeKind.UNRESOLVED, "what happened while the stream was down could not be read")
            return
        found = _flat(_parsed(recent, parse_order, self.counters))
        for order in found:
            if (track := self._tracks.of(order)) is not None:
                self._acknowledge(track, order, order.updated_ns)
        # A fill of an order in force under no id yet waits for the order to be looked up.
        missing = [track for track in self._tracks if track.is_live and track.venue_id not in {o.id for o in found}]
        by_order: dict[str, list[Fill]] = {}
        for fill in sorted(_parsed(fills, parse_fill, self.counters), key=lambda fill: (fill.at_ns, fill.cumulative)):
            by_order.setdefault(fill.order_id, []).append(fill)
        whole = {order.id: order.filled for order in found if order.state is OrderState.FILLED}
        for order_id, executions in by_order.items():
            self._book_activities(order_id, executions, whole.get(order_id))
        for order in found:
            track = self._tracks.of(order)
            if track is not None:
                self._apply(track, order)
            elif order.state not in DEAD_STATES or order.filled > 0:
                await self._report_foreign(order)
        for track in missing:
            await self._refresh(track)
        self._account_due.set()

    def _book_activities(self, order_id: str, executions: list[Fill], whole: Decimal | None) -> None:
        track = self._tracks.by_venue_id(order_id)
        if track is None:
            return
        for fill in executions:
            increment = self._marks.add(order_id, fill.quantity, fill.price, cumulative=fill.cumulative)
            if increment is not None:
                self._fill(track, order_id, increment, fill.at_ns, is_last=fill.cumulative == whole)

    # -- account -------------------------------------------------------------------------------------------------------

    async def _watch_account(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._account_due.wait(), self._settings.account_secs)
                await asyncio.sleep(0.3)  # fills come in bursts, and the read side lags behind them
            except TimeoutError:
                pass
            self._account_due.clear()
            await self._refresh_account()
            await asyncio.sleep(_ACCOUNT_PAUSE_SECS)

    async def _refresh_account(self) -> None:
        try:
            raw, rows = await asyncio.gather(self._http.account(), self._http.positions())
            account, positions = parse_account(raw), [parse_position(row) for row in rows]
        except UnauthorizedError as error:
            self._on_unauthorized(error)
        except (VenueError, ParseError) as error:
            self._log.warning(f"account not read: error={error}")
        else:
            self._tell_account(account, positions)

    def _tell_account(self, account: Account, positions: list[Position]) -> None:
        unrealized = sum((position.unrealized for position in positions), Decimal(0))
        # The engine adds the unrealized result of its own positions to the total of a margin account.
        total = account.equity - unrealized if self._settings.margin else account.cash
        state = (total, account.is_blocked, tuple(account.facts.items()))
        if state == self._last_account:
            return
        self._last_account = state
        currency = Currency.from_str(account.currency)
        money = Money(total, currency)
        self.generate_account_state(
            [AccountBalance(money, Money(0, currency), money)],
            [],
            True,
            self._clock.timestamp_ns(),
            {**account.facts, "unrealized_pl": str(unrealized), "is_blocked": str(account.is_blocked).lower()},
        )

    async def _query_account(self, command: QueryAccount) -> None:
        self._last_account = None
        await self._refresh_account()

    # -- reports -------------------------------------------------------------------------------------------------------

    async def _query_order(self, command: QueryOrder) -> None:
        track = self._track_of(command.client_order_id)
        if track is not None and track.is_unresolved and not track.is_accepted:
            # A lookup is under way, and the engine would reject the order after some unanswered questions. To be shown
            # as live for a while is the lesser evil: it can be taken back.
            track.queries += 1
            if track.queries < _QUERIES_BEFORE_PLACEHOLDER:
                return
        await super()._query_order(command)

    async def generate_order_status_report(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """Return the report of an order; None only if the venue says that it does not know it."""
        track = self._track_of(command.client_order_id) if command.client_order_id else None
        if track is None and command.venue_order_id is not None:
            track = self._tracks.by_venue_id(command.venue_order_id.value)
        try:
            order = await self._find(track, command)
        except NotFoundError:
            return self._cached(track) if track is not None and track.is_unresolved else None
        except (VenueError, ParseError) as error:
            self._log.warning(f"order not read, reported from the cache: error={error}")
            return self._cached(track)
        if track is None:
            track = self._tracks.of(order)
        instrument = await self._loaded(order.symbol)
        if track is not None:
            self._apply(track, order)
            await self._settled([track])
        if instrument is None:
            return self._cached(track)
        return reports.order_report(order, instrument, self.account_id, self._clock.timestamp_ns(), track=track)

    async def _find(self, track: Track | None, command: GenerateOrderStatusReport) -> Order:
        venue_id = track.venue_id if track is not None else ""
        if not venue_id and command.venue_order_id is not None:
            venue_id = command.venue_order_id.value
        if venue_id:
            order = parse_order(await self._http.order(venue_id))
        else:
            order = parse_order(await self._http.order_by_client_id(command.client_order_id.value))
        for _ in range(20):
            if order.state is not OrderState.REPLACED or not order.replaced_by:
                break
            order = parse_order(await self._http.order(order.replaced_by))
        return order

    def _cached(self, track: Track | None) -> OrderStatusReport | None:
        cached = self._cache.order(track.client_order_id) if track is not None else None
        if track is None or cached is None:
            return None
        return reports.cached_report(track, cached, self.account_id, self._clock.timestamp_ns())

    async def _settled(self, tracks: list[Track]) -> None:
        """Wait until the engine has applied what it was told: it would invent fills for what it has not."""
        for _ in range(100):
            orders_ = [(track, self._cache.order(track.client_order_id)) for track in tracks]
            if all(order is None or order.filled_qty.as_decimal() >= track.booked for track, order in orders_):
                return
            await asyncio.sleep(0.01)

    async def generate_order_status_reports(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Return the reports of all orders; from the cache while the venue cannot be asked."""
        try:
            raw = await self._http.orders(status="open")
            if not command.open_only:
                raw += await self._http.orders(status="all", after=self._start_of(command))
        except VenueError as error:
            if self.reconciliation_active:
                raise
            self._log.warning(f"orders not read, reported from the cache: error={error}")
            live = (self._cached(track) for track in self._tracks if track.is_live and track.is_accepted)
            return [report for report in live if report is not None]
        found = {order.id: order for order in _flat(_parsed(raw, parse_order, self.counters))}
        told = []
        for order in found.values():
            if order.state is OrderState.REPLACED:
                continue  # its successor stands for it
            track = self._root(order, found)
            if track is not None and not self.reconciliation_active:
                self._apply(track, order)
                await self._settled([track])
            instrument = await self._loaded(order.symbol) if order.symbol else None
            if instrument is None or command.instrument_id not in (None, instrument.id):
                continue
            self._count_reported(order, track)
            report = reports.order_report(order, instrument, self.account_id, self._clock.timestamp_ns(), track=track)
            if report is not None:
                told.append(report)
        return told

    def _start_of(self, command: Any) -> str:
        start = command.start or self._clock.utc_now() - _LOOK_BACK
        return str(start.isoformat()).replace("+00:00", "Z")

    def _root(self, order: Order, found: dict[str, Order]) -> Track | None:
        """Return the track of an order, also when it is known under the id of one that it replaced."""
        current: Order | None = order
        for _ in range(20):
            if current is None:
                return None
            track = self._tracks.of(current)
            if track is not None:
                return track
            current = found.get(current.replaces) if current.replaces else None
        return None

    def _count_reported(self, order: Order, track: Track | None) -> None:
        # What is in a report is booked by the engine: it is not to be told again as an event.
        if track is None or self.reconciliation_active:
            value = order.filled * (order.average or Decimal(0))
            before = self._marks.booked(order.id)
            self._marks.restore(order.id, order.filled, value=value)
            if track is not None:
                track.booked += max(Decimal(0), order.filled - before)
                track.is_dead = order.state in DEAD_STATES
                track.is_accepted = True
                if order.id not in track.venue_ids:
                    self._tracks.give_id(track, order.id)

    async def generate_fill_reports(self, command: GenerateFillReports) -> list[FillReport]:
        """Return the reports of executions; none while the venue cannot be asked."""
        try:
            raw = await self._http.fills(after=self._start_of(command))
        except VenueError:
            if self.reconciliation_active:
                raise
            return []
        told = []
        for fill in _parsed(raw, parse_fill, self.counters):
            if command.venue_order_id is not None and fill.order_id != command.venue_order_id.value:
                continue
            instrument = await self._loaded(fill.symbol)
            if instrument is None or command.instrument_id not in (None, instrument.id):
                continue
            track = self._tracks.by_venue_id(fill.order_id)
            told.append(
                reports.fill_report(
                    fill,
                    instrument,
                    self.account_id,
                    now_ns=self._clock.timestamp_ns(),
                    crypto_fee_bps=self._settings.crypto_fee_bps,
                    client_order_id=track.client_order_id if track is not None else None,
                )
            )
        return told

    async def generate_position_status_reports(
        self, command: GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """Return the reports of positions; from the cache while the venue cannot be asked."""
        now_ns = self._clock.timestamp_ns()
        try:
            positions = _parsed(await self._http.positions(), parse_position, self.counters)
        except VenueError as error:
            if self.reconciliation_active:
                raise
            self._log.warning(f"positions not read, reported from the cache: error={error}")
            return self._cached_positions(command.instrument_id)
        told = []
        for position in positions:
            instrument = await self._loaded(position.symbol)
            if instrument is not None and command.instrument_id in (None, instrument.id):
                told.append(reports.position_report(position, instrument, self.account_id, now_ns))
        asked = self._cache.instrument(command.instrument_id) if command.instrument_id is not None else None
        if asked is not None and not told:
            told.append(PositionStatusReport.create_flat(self.account_id, asked.id, asked.size_precision, now_ns))
        return told

    def _cached_positions(self, instrument_id: Any) -> list[PositionStatusReport]:
        held = self._cache.positions_open(venue=self.venue, instrument_id=instrument_id)
        ids = {position.instrument_id for position in held} | ({instrument_id} if instrument_id is not None else set())
        return [
            reports.cached_position_report(
                [position for position in held if position.instrument_id == one],
                self._cache.instrument(one),
                self.account_id,
                self._clock.timestamp_ns(),
            )
            for one in ids
        ]

    async def _report_position(self, instrument_id: Any) -> None:
        command = GeneratePositionStatusReports(
            instrument_id=instrument_id, start=None, end=None, command_id=UUID4(), ts_init=self._clock.timestamp_ns()
        )
        for report in await self.generate_position_status_reports(command):
            self._send_position_status_report(report)


def _parsed[T](rows: list[Any], parse: Callable[[object], T], counters: Counters) -> list[T]:
    """Return what can be read of the rows; what cannot is counted."""
    found = []
    for row in rows:
        try:
            found.append(parse(row))
        except ParseError as error:
            counters.add("nqs_payloads_refused", reason=error.reason)
    return found


def _flat(found: Iterable[Order]) -> list[Order]:
    """Return orders and their legs, each once, a parent before its legs."""
    flat: dict[str, Order] = {}
    for order in found:
        flat[order.id] = order
        for leg in order.legs:
            flat[leg.id] = leg
    return list(flat.values())
