"""News of orders, from whichever source, as events that the engine has not been told yet.

Every source (the answer to a request, the stream, a lookup, the recovery after a gap) ends in
:meth:`AlpacaFollower._apply`. It concludes nothing that the venue did not say.
"""

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import AccountType, ContingencyType, LiquiditySide, OmsType
from nautilus_trader.model.identifiers import ClientId, TradeId, VenueOrderId
from nautilus_trader.model.objects import Currency

from adapters.alpaca import reports
from adapters.alpaca.config import AlpacaExecClientConfig
from adapters.alpaca.constants import (
    ALPACA_VENUE,
    DEAD_STATES,
    DOUBTFUL_STATES,
    NOTICES_TOPIC,
    Notice,
    NoticeKind,
    OrderState,
    TradeEvent,
)
from adapters.alpaca.fields import ParseError
from adapters.alpaca.http import AlpacaHttp
from adapters.alpaca.parsing import (
    Order,
    TradeUpdate,
    parse_order,
    parse_trade_update,
)
from adapters.alpaca.providers import AlpacaInstrumentProvider
from adapters.alpaca.tracks import FILLED_UNDER, Track, Tracks, legs_by_role
from adapters.transport.counters import Counters
from adapters.transport.errors import (
    RefusedError,
    UnauthorizedError,
    VenueError,
)
from adapters.transport.fills import FillMarks, Increment, trade_id

_PARK_SECS: Final = 1.5
_MAX_PARKED: Final = 1_000
CONFIRM_SECS: Final = 1.0
_EXPIRE_TRIES: Final = 7
_DROP_TRIES: Final = 20


class AlpacaFollower(LiveExecutionClient):
    """The part of the execution client that follows orders: see the client for its parameters."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        client_id: ClientId,
        http: AlpacaHttp,
        provider: AlpacaInstrumentProvider,
        counters: Counters,
        config: AlpacaExecClientConfig,
        msgbus: Any,
        cache: Any,
        clock: Any,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=client_id,
            venue=ALPACA_VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN if config.margin else AccountType.CASH,
            base_currency=Currency.from_str("USD"),
            instrument_provider=provider,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self.counters = counters
        self._http = http
        self._provider = provider
        self._settings = config
        self._marks = FillMarks()
        self._tracks = Tracks()
        self._parked: dict[str, list[TradeUpdate]] = {}
        self._groups_in_flight = 0
        self._unauthorized = ""
        self._account_due = asyncio.Event()

    def _keep(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        return self.create_task(work, log_msg=f"alpaca-{name}")

    async def _send_cancel(self, track: Track) -> None:
        raise NotImplementedError

    async def _report_position(self, instrument_id: Any) -> None:
        raise NotImplementedError

    def _track_of(self, client_order_id: Any) -> Track | None:
        track = self._tracks.by_client_id(client_order_id.value)
        if track is None and (order := self._cache.order(client_order_id)) is not None:
            track = self._tracks.restore(order, self._marks)
        return track

    def _instrument(self, track: Track) -> Any:
        return self._cache.instrument(track.instrument_id)

    # -- what the venue tells ------------------------------------------------------------------------------------------

    def _on_update(self, raw: object) -> None:
        try:
            update = parse_trade_update(raw)
        except ParseError as error:
            # Something happened to some order: what exactly is to be read again.
            self.counters.add("nqs_payloads_refused", reason=error.reason)
            self._log.warning(f"trade update refused: reason={error.reason}")
            self._keep(self._reread(raw), "reread")
            return
        track = self._tracks.of(update.order)
        if track is None:
            self._park(update)
        else:
            self._take(track, update)

    async def _reread(self, raw: object) -> None:
        order = raw.get("order") if isinstance(raw, dict) else None
        venue_id = order.get("id") if isinstance(order, dict) else None
        track = self._tracks.by_venue_id(venue_id) if isinstance(venue_id, str) else None
        if track is not None:
            await self._refresh(track)

    def _take(self, track: Track, update: TradeUpdate) -> None:
        event, order = update.event, update.order
        if event in (TradeEvent.TRADE_BUST, TradeEvent.TRADE_CORRECT):
            self._notify(NoticeKind.BUST, f"the venue took a trade back or corrected it: {event.value}", track)
            self._account_due.set()
            self._keep(self._report_position(track.instrument_id), "position")
            return
        if event is TradeEvent.ORDER_CANCEL_REJECTED and track.is_cancelling:
            self._reject_cancel(track, "the venue rejected the cancel")
        if event is TradeEvent.ORDER_REPLACE_REJECTED:
            self._end_change(track, "the venue rejected the replacement")
        if event is TradeEvent.EXPIRED and order.id == track.venue_id:
            # Nothing can be booked after an expiry: what filled at the last moment is asked for first.
            self._keep(self._expire(track), "expire")
            return
        self._apply(track, order, at_ns=update.at_ns, execution=update)
        if event in (TradeEvent.UNKNOWN, TradeEvent.RESTATED) or order.state in DOUBTFUL_STATES:
            self._keep(self._refresh(track), "refresh")

    async def _expire(self, track: Track) -> None:
        await asyncio.sleep(CONFIRM_SECS)
        for _ in range(_EXPIRE_TRIES):
            await self._refresh(track)
            if track.is_dead:
                return
            await asyncio.sleep(CONFIRM_SECS)

    def _apply(
        self, track: Track, order: Order, *, at_ns: int | None = None, execution: TradeUpdate | None = None
    ) -> None:
        """Tell the engine what an order of the venue says that it has not been told."""
        if track.is_absorbed:
            self._on_given_up(track, order)
            return
        if not self._is_of(track, order):
            self.counters.add("nqs_payloads_refused", reason="order_id_unrelated")
            self._keep(self._refresh(track), "refresh")
            return
        moment = at_ns or order.updated_ns or self._clock.timestamp_ns()
        self._acknowledge(track, order, moment)
        self._book(track, order, moment, execution)
        for leg, leg_order in legs_by_role(track, order):
            if leg_order.id not in leg.venue_ids and not leg.venue_ids:
                self._tracks.give_id(leg, leg_order.id)
            if self._tracks.by_venue_id(leg_order.id) is leg:
                self._apply(leg, leg_order)
                self._replay(leg_order.id)
        self._requantify(track, order, moment)
        self._conclude(track, order, moment)

    def _is_of(self, track: Track, order: Order) -> bool:
        """Whether an id of the venue is one of the track's, or of an order that replaces one of them."""
        return (
            not track.venue_ids
            or self._tracks.by_venue_id(order.id) is track
            or (order.replaces in track.venue_ids)
            or track.is_unresolved
        )

    def _on_given_up(self, track: Track, order: Order) -> None:
        """Deal with an order that was told as rejected or expired, and of which the venue still tells something.

        The engine takes nothing of it any more: if it lives it is cancelled, and what it filled is told as a position.
        """
        if order.state not in DEAD_STATES and not track.is_dropped:
            track.is_dropped = True
            self._notify(NoticeKind.UNRESOLVED, "an order that was given up lives at the venue: it is cancelled", track)
            self._keep(self._drop(track, order.id), "drop")
        if order.filled > self._marks.booked(order.id):
            self._marks.restore(order.id, order.filled)
            self._notify(NoticeKind.UNRESOLVED, "an order that was given up has filled: its position is told", track)
            self._keep(self._report_position(track.instrument_id), "position")

    async def _drop(self, track: Track, venue_id: str) -> None:
        for _ in range(_DROP_TRIES):
            try:
                await self._http.cancel(venue_id)
                return
            except RefusedError:
                return  # it is over already
            except VenueError as error:
                self._log.error(f"order not cancelled: client_order_id={track.client_order_id} error={error}")
                await asyncio.sleep(CONFIRM_SECS)

    def _acknowledge(self, track: Track, order: Order, moment: int) -> None:
        if order.id not in track.venue_ids:
            if not track.venue_ids:
                self._tracks.give_id(track, order.id)
            elif order.state is not OrderState.REJECTED:
                self._promote(track, order, moment)
        if order.quantity is not None:
            track.venue_quantities.setdefault(order.id, order.quantity)
        if track.is_accepted or (order.state is OrderState.REJECTED and order.filled == 0):
            return
        track.is_accepted, track.is_unresolved = True, False
        cached = self._cache.order(track.client_order_id)
        known = cached.venue_order_id if cached is not None else None
        if known is not None and known.value != order.id:
            # It was shown as live under a placeholder while nobody knew.
            self._tell_updated(track, moment)
        else:
            self.generate_order_accepted(
                track.strategy_id, track.instrument_id, track.client_order_id, VenueOrderId(order.id), moment
            )
        if track.wants_cancel:
            track.wants_cancel, track.is_cancelling = False, True
            self._keep(self._send_cancel(track), "cancel")

    def _promote(self, track: Track, order: Order, moment: int) -> None:
        """Put a replacement in force."""
        change, old = track.change, track.venue_id
        booked_before = self._marks.booked(old)
        self._tracks.give_id(track, order.id)
        quantity = order.quantity or track.quantity
        if order.filled == booked_before and order.filled > 0:
            # The replacement carries what its predecessor had filled.
            self._marks.restore(order.id, order.filled, value=order.filled * (order.average or Decimal(0)))
            total = quantity
        else:
            total = quantity if quantity >= track.quantity else quantity + track.booked
        track.venue_quantities[order.id] = quantity
        track.quantity = change.quantity if change else total
        instrument = self._instrument(track)
        if order.limit_price is not None:
            track.price = reports.price_of(instrument, order.limit_price)
        if order.stop_price is not None:
            track.trigger = reports.price_of(instrument, order.stop_price)
        track.change = None
        self._tell_updated(track, moment)

    def _book(self, track: Track, order: Order, moment: int, execution: TradeUpdate | None) -> None:
        if execution is not None and execution.quantity is not None and execution.price is not None:
            increment = self._marks.add(
                order.id, execution.quantity, execution.price, cumulative=order.filled, average=order.average
            )
        elif order.filled > 0 and order.average is not None:
            increment = self._marks.up_to(order.id, order.filled, average=order.average, fee=Decimal(0))
        else:
            return
        if increment is not None:
            self._fill(track, order.id, increment, moment, is_last=order.state is OrderState.FILLED)

    def _fill(self, track: Track, order_id: str, increment: Increment, moment: int, *, is_last: bool) -> None:
        after = track.booked + increment.quantity
        self._fit_quantity(track, after, increment.price, moment, is_last=is_last and order_id == track.venue_id)
        instrument = self._instrument(track)
        order = track.order
        commission = reports.commission_of(
            instrument, increment.quantity, increment.price, self._settings.crypto_fee_bps
        )
        self.generate_order_filled(
            track.strategy_id,
            track.instrument_id,
            track.client_order_id,
            # The engine drops a fill that names another id than the one in force, and a predecessor can fill late.
            VenueOrderId(track.venue_id),
            None,
            TradeId(trade_id(order_id, increment.cumulative)),
            order.side,
            order.order_type,
            reports.quantity_of(instrument, increment.quantity),
            reports.price_of(instrument, increment.price),
            instrument.quote_currency,
            commission,
            LiquiditySide.NO_LIQUIDITY_SIDE,
            moment,
            {"commission": "estimate" if commission.as_decimal() else "none", FILLED_UNDER: order_id},
        )
        track.booked = after
        self._account_due.set()
        if track.booked >= track.quantity:
            track.is_dead, track.change = True, None
        self._look_at_family(track)

    def _fit_quantity(self, track: Track, after: Decimal, price: Decimal, moment: int, *, is_last: bool) -> None:
        """Make the engine's quantity one that the next fill fits into: it would refuse the fill otherwise."""
        if track.is_quote:
            instrument = self._instrument(track)
            step = instrument.size_increment.as_decimal()
            estimate = (track.quantity / price) // step * step
            # Never complete before the venue says so.
            track.quantity = after if is_last else max(estimate, after + step)
            track.is_quote = False
            self._tell_updated(track, moment, is_quote_quantity=False)
        elif after > track.quantity or (is_last and after < track.quantity):
            track.quantity = after
            self._tell_updated(track, moment)

    def _look_at_family(self, track: Track) -> None:
        head = track.parent or track
        if not head.legs:
            return
        if track is head and head.is_live and head.order.contingency_type == ContingencyType.OTO:
            if not head.is_uncovered_told:
                head.is_uncovered_told = True
                text = f"{track.booked} of {track.quantity} filled; the exits are held until the entry has filled whole"
                self._notify(NoticeKind.UNCOVERED, text, track)
        elif track is not head or track.order.parent_order_id is None:
            for sibling in track.family:
                if sibling is not track and sibling.is_live and sibling.venue_id:
                    self._keep(self._refresh(sibling), "sibling")

    def _requantify(self, track: Track, order: Order, moment: int) -> None:
        """Tell of a quantity or a price that the venue changed under the same id: a shrunk leg, a split."""
        if order.id != track.venue_id or track.is_dead or track.change is not None or order.quantity is None:
            return
        known = track.venue_quantities.get(order.id, order.quantity)
        total = track.quantity + order.quantity - known
        is_changed = order.quantity != known and total >= track.booked and not track.is_quote
        track.venue_quantities[order.id] = order.quantity
        if is_changed:
            track.quantity = total
            self._tell_updated(track, moment)

    def _tell_updated(self, track: Track, moment: int, *, is_quote_quantity: bool | None = None) -> None:
        self.generate_order_updated(
            track.strategy_id,
            track.instrument_id,
            track.client_order_id,
            VenueOrderId(track.venue_id),
            reports.quantity_of(self._instrument(track), track.quantity),
            track.price,
            track.trigger,
            moment,
            venue_order_id_modified=True,
            is_quote_quantity=is_quote_quantity,
        )

    def _conclude(self, track: Track, order: Order, moment: int) -> None:
        if order.state is OrderState.REPLACED and order.replaced_by:
            self._tracks.alias(track, order.replaced_by)
            if order.replaced_by not in track.venue_ids:
                self._keep(self._refresh_id(track, order.replaced_by), "successor")
            self._replay(order.replaced_by)
            return
        if order.state is OrderState.REJECTED and track.change is not None and order.id != track.venue_id:
            self._end_change(track, "the venue rejected the replacement")
            return
        if order.id != track.venue_id or track.is_dead:
            return
        ids = (track.strategy_id, track.instrument_id, track.client_order_id)
        if order.state is OrderState.REJECTED and track.booked == 0:
            track.is_dead = track.is_absorbed = True
            track.is_unresolved = False
            self.generate_order_rejected(*ids, "rejected by the venue", moment)
        elif order.state in (OrderState.CANCELED, OrderState.REJECTED):
            track.is_dead, track.is_cancelling, track.change = True, False, None
            self.generate_order_canceled(*ids, VenueOrderId(order.id), moment)
        elif order.state is OrderState.EXPIRED:
            track.is_dead = track.is_absorbed = True
            self.generate_order_expired(*ids, VenueOrderId(order.id), moment)
        if track.is_dead and track.legs:
            self._keep(self._refresh(track), "legs")

    # -- asking and telling --------------------------------------------------------------------------------------------

    async def _refresh(self, track: Track) -> None:
        """Read an order again and tell what is new."""
        if track.venue_id:
            await self._refresh_id(track, track.venue_id)

    async def _refresh_id(self, track: Track, venue_id: str) -> None:
        order = await self._look(venue_id)
        if order is not None:
            self._apply(track, order)

    async def _look(self, venue_id: str) -> Order | None:
        try:
            return parse_order(await self._http.order(venue_id))
        except (VenueError, ParseError) as error:
            self._log.warning(f"order not read: venue_order_id={venue_id} error={error}")
            return None

    def _end_change(self, track: Track, reason: str) -> None:
        if track.change is None:
            return
        track.change = None
        if track.is_live:
            self.generate_order_modify_rejected(
                track.strategy_id,
                track.instrument_id,
                track.client_order_id,
                VenueOrderId(track.venue_id),
                reason,
                self._clock.timestamp_ns(),
            )

    def _reject_cancel(self, track: Track, reason: str) -> None:
        track.is_cancelling = track.wants_cancel = False
        if track.is_dead:
            self._log.info(f"cancel of a closed order: client_order_id={track.client_order_id}")
            return
        self.generate_order_cancel_rejected(
            track.strategy_id,
            track.instrument_id,
            track.client_order_id,
            VenueOrderId(track.venue_id) if track.venue_id else None,
            reason,
            self._clock.timestamp_ns(),
        )

    def _why_foreign(self, track: Track) -> str:
        if self._settings.claim_foreign or track.strategy_id.value != "EXTERNAL":
            return ""
        return "the order was not created here; set claim_foreign to let it be touched"

    # -- orders of others ----------------------------------------------------------------------------------------------

    def _park(self, update: TradeUpdate) -> None:
        """Keep news of an order that is not known yet: its submission's answer may still be under way."""
        if len(self._parked) < _MAX_PARKED:
            self._parked.setdefault(update.order.id, []).append(update)
        self._keep(self._unpark(update.order.id), "unpark")

    def _replay(self, venue_id: str) -> None:
        track = self._tracks.by_venue_id(venue_id)
        if track is not None:
            for update in self._parked.pop(venue_id, []):
                self._take(track, update)

    async def _unpark(self, venue_id: str) -> None:
        await asyncio.sleep(_PARK_SECS)
        while self._groups_in_flight or any(track.is_unresolved for track in self._tracks):
            await asyncio.sleep(_PARK_SECS)
        updates = self._parked.pop(venue_id, [])
        if updates:
            await self._report_foreign(updates[-1].order)

    async def _report_foreign(self, order: Order) -> None:
        """Tell the engine of an order that was not created here, so that no position stays unseen."""
        cached_id = self._cache.client_order_id(VenueOrderId(order.id))
        if cached_id is not None and (track := self._track_of(cached_id)) is not None:
            self._apply(track, order)
            return
        instrument = await self._loaded(order.symbol)
        report = instrument and reports.order_report(order, instrument, self.account_id, self._clock.timestamp_ns())
        if not report:
            self.counters.add("nqs_payloads_refused", reason="foreign_order_not_expressible")
            return
        self._notify(NoticeKind.FOREIGN, f"an order that was not created here: {order.symbol} {order.state.value}")
        # The engine books its fills from the report; later ones are told as events.
        self._marks.restore(order.id, order.filled, value=order.filled * (order.average or Decimal(0)))
        self._send_order_status_report(report)
        self._account_due.set()

    async def _loaded(self, symbol: str) -> Any | None:
        if not symbol:
            return None  # of several legs
        instrument = self._provider.by_symbol(symbol)
        if instrument is None:
            try:
                instrument = await self._provider.load_symbol(symbol)
            except VenueError:
                return None
        if instrument is not None and self._cache.instrument(instrument.id) is None:
            self._cache.add_instrument(instrument)
        return instrument

    def _notify(self, kind: NoticeKind, text: str, track: Track | None = None) -> None:
        notice = Notice(
            kind=kind,
            text=text,
            instrument_id=track.instrument_id.value if track else "",
            client_order_id=track.client_order_id.value if track else "",
            ts_event=self._clock.timestamp_ns(),
        )
        self.counters.add("nqs_notices", reason=kind.value)
        if kind not in (NoticeKind.STREAM_UP, NoticeKind.STREAM_DOWN):
            self._log.warning(f"notice: kind={kind.value} client_order_id={notice.client_order_id} text={text}")
        self._msgbus.publish(NOTICES_TOPIC, notice)

    def _on_unauthorized(self, error: UnauthorizedError) -> None:
        self._unauthorized = error.message or "unauthorized"
        self._notify(NoticeKind.UNAUTHORIZED, "the venue does not accept the key: no more orders are sent")
