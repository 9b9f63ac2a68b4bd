"""Orders to the venue: each is sent once, or denied before it is sent, and its outcome is waited for.

What became of a request without a clear answer stays open until a lookup has answered: a false rejection would leave
a position that no book knows.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.execution.messages import (
    BatchCancelOrders,
    CancelAllOrders,
    CancelOrder,
    ModifyOrder,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.model.enums import OrderSide, PriceType
from nautilus_trader.model.identifiers import AccountId

from adapters.alpaca import orders
from adapters.alpaca.config import AlpacaExecClientConfig, Credentials
from adapters.alpaca.constants import (
    DEAD_STATES,
    DOUBTFUL_STATES,
    DUPLICATE_ID_TEXT,
    NoticeKind,
    OrderClass,
    OrderState,
)
from adapters.alpaca.fields import ParseError
from adapters.alpaca.following import CONFIRM_SECS
from adapters.alpaca.parsing import (
    parse_account,
    parse_order,
    parse_position,
)
from adapters.alpaca.reporting import AlpacaReporter
from adapters.alpaca.tracks import Change, Track
from adapters.alpaca.websocket import TradeStream
from adapters.transport.budget import RateBudget
from adapters.transport.errors import (
    AmbiguousError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    VenueError,
)

_SECOND_NS: Final = 1_000_000_000
_OVERLAP_SECS: Final = 60.0
"""How far before a gap its recovery looks: what the read side lagged behind is in it."""
_SECOND_LOOK_SECS: Final = 5.0
_LOOKUP_SECS: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0)
_CANCEL_TRIES: Final = 6
_START_SECS: Final = 15.0
_RESTORED_SECS: Final = 5.0


class AlpacaExecutionClient(AlpacaReporter):
    """Execution client of one Alpaca account.

    Parameters
    ----------
    loop, msgbus, cache, clock
        NautilusTrader's.
    client_id
        Also the issuer of the account id.
    http, provider, credentials, counters
        The adapter's other parts.
    config
        See :class:`~adapters.alpaca.config.AlpacaExecClientConfig`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        credentials: Credentials,
        config: AlpacaExecClientConfig,
        **parts: Any,
    ) -> None:
        super().__init__(loop, config=config, **parts)
        self._rate = RateBudget(
            per_second=config.caps.orders_a_minute / 60, burst=config.caps.orders_a_minute, reserved_frac=0.0
        )
        self._stream = TradeStream(
            config.venue.stream(),
            credentials,
            on_update=self._on_update,
            on_up=self._on_up,
            on_down=self._on_down,
            counters=self.counters,
            mute_secs=config.mute_secs,
        )
        self._down_ns = 0
        self._is_up = asyncio.Event()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._http.open()
        await self._provider.initialize()
        account = parse_account(await self._http.account())
        self._set_account_id(AccountId(f"{self.id.value}-{account.number}"))
        positions = [parse_position(raw) for raw in await self._http.positions()]
        await self._provider.load_symbols(position.symbol for position in positions)
        self._share_instruments()
        self._tell_account(account, positions)
        await self._await_account_registered()
        self._restore()
        self._stream.socket.start()
        await self._until_up()
        self._keep(self._watch_account(), "account")
        if self._settings.venue.refresh_secs > 0:
            self._keep(self._refresh_instruments(), "instruments")

    async def _until_up(self) -> None:
        try:
            await asyncio.wait_for(self._is_up.wait(), _START_SECS)
        except TimeoutError:
            reason = self._stream.socket.refusal or f"no stream within {_START_SECS:g} s"
            await self._stream.socket.stop()
            raise ConnectionError(reason) from None

    async def _disconnect(self) -> None:
        await self._stream.socket.stop()
        self._http.close()

    def _share_instruments(self) -> None:
        for currency in self._provider.currencies().values():
            self._cache.add_currency(currency)
        for instrument in self._provider.list_all():
            self._cache.add_instrument(instrument)

    async def _refresh_instruments(self) -> None:
        while True:
            await asyncio.sleep(self._settings.venue.refresh_secs)
            try:
                await self._provider.initialize(reload=True)
                self._share_instruments()
            except VenueError as error:
                self._log.warning(f"instruments not refreshed: error={error}")

    def _restore(self) -> None:
        for order in self._cache.orders(venue=self.venue):
            if self._tracks.by_client_id(order.client_order_id.value) is None and (
                order.is_open or order.is_inflight or order.venue_order_id is not None
            ):
                track = self._tracks.restore(order, self._marks)
                if track.is_unresolved:
                    self._keep(self._resolve_restored(track), "lookup")
        for track in self._tracks:
            head = track.order.parent_order_id and self._tracks.by_client_id(track.order.parent_order_id.value)
            if head:
                track.parent = head
                head.legs.append(track)

    async def _on_up(self, connection: int) -> None:
        self._is_up.set()
        self._notify(NoticeKind.STREAM_UP, f"trade stream up, connection {connection}")
        if connection == 1:
            return
        since_ns = self._down_ns - int((_OVERLAP_SECS + self._settings.mute_secs) * _SECOND_NS)
        # The read side lags behind the stream: a second look catches what the first could not see.
        for pause in (0.0, _SECOND_LOOK_SECS):
            await asyncio.sleep(pause)
            await self._recover(since_ns)

    def _on_down(self, reason: str) -> None:
        # Attempts that fail come here, too: the gap began when the stream was lost.
        if self._is_up.is_set():
            self._is_up.clear()
            self._down_ns = self._clock.timestamp_ns()
            if reason != "stopped":
                self._notify(NoticeKind.STREAM_DOWN, reason)
        if reason != "stopped":
            self._log.warning(f"trade stream down: reason={reason}")

    async def _resolve_restored(self, track: Track) -> None:
        # The engine reconciles after the connection; what it has not found by then is looked up.
        await asyncio.sleep(_RESTORED_SECS)
        if track.is_unresolved:
            await self._resolve_submission(track)

    # -- submit --------------------------------------------------------------------------------------------------------

    async def _submit_order(self, command: SubmitOrder) -> None:
        order = command.order
        if reason := self._why_not(order, params=command.params):
            self._deny(order, reason)
            return
        instrument = self._cache.instrument(order.instrument_id)
        body = orders.body_of(order, instrument)
        if orders.wants_extended_hours(command.params):
            body["extended_hours"] = True
        track = self._begin(order)
        await self._send(track, body, urgent=orders.is_exit(order, self._standing(order)))

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        listed = command.order_list.orders
        group = orders.group_of(listed)
        if group is None:
            # One after the other: the venue sees them in their order, and a refused one does not stop the next.
            for order in listed:
                if reason := self._why_not(order, params=command.params):
                    self._deny(order, reason)
                else:
                    body = orders.body_of(order, self._cache.instrument(order.instrument_id))
                    await self._send(self._begin(order), body, urgent=False)
            return
        reason = group if isinstance(group, str) else self._why_not_group(group)
        if isinstance(group, str) or reason:
            for order in listed:
                self._deny(order, reason)
            return
        tracks = [self._begin(order) for order in group.orders]
        head = tracks[0]
        head.legs = tracks[1:]
        for leg in head.legs:
            leg.parent = head
        self._groups_in_flight += 1
        try:
            body = orders.body_of_group(group, self._cache.instrument(head.instrument_id))
            await self._send(head, body, urgent=group.order_class is OrderClass.OCO)
        finally:
            self._groups_in_flight -= 1

    def _why_not_group(self, group: orders.Group) -> str:
        instrument = self._cache.instrument(group.parent.instrument_id)
        if instrument is not None and group.order_class not in orders.capabilities(instrument).groups:
            return f"{group.order_class.value} orders are not native for {group.parent.instrument_id}"
        is_entry = group.order_class is not OrderClass.OCO
        reasons = (
            self._why_not(order, is_counted=order is group.parent, in_group=order is not group.parent or not is_entry)
            for order in group.orders
        )
        return next((reason for reason in reasons if reason), "")

    def _why_not(self, order: Any, *, params: Any = None, is_counted: bool = True, in_group: bool = False) -> str:
        if self._unauthorized:
            return f"the venue does not accept the key: {self._unauthorized}"
        instrument = self._cache.instrument(order.instrument_id)
        if instrument is None:
            return f"instrument {order.instrument_id} is not loaded"
        if self._tracks.by_client_id(order.client_order_id.value) is not None:
            return "this client order id was submitted before"
        reason = orders.why_not(
            order,
            instrument,
            self._standing(order),
            self._settings.caps,
            in_group=in_group,
            extended=orders.wants_extended_hours(params),
        )
        if not reason and is_counted and self._rate.take() > 0:
            reason = f"more than {self._settings.caps.orders_a_minute} orders a minute"
        return reason

    def _standing(self, order: Any) -> orders.Standing:
        held = sum(
            (
                position.signed_decimal_qty()
                for position in self._cache.positions_open(instrument_id=order.instrument_id)
            ),
            Decimal(0),
        )
        return orders.Standing(held=held, reference=self._reference(order.instrument_id))

    def _reference(self, instrument_id: Any) -> Decimal | None:
        for kind in (PriceType.MID, PriceType.LAST):
            price = self._cache.price(instrument_id, kind)
            if price is not None:
                return price.as_decimal()
        bars = [self._cache.bar(bar_type) for bar_type in self._cache.bar_types(instrument_id=instrument_id)]
        latest = max((bar for bar in bars if bar is not None), key=lambda bar: bar.ts_event, default=None)
        return None if latest is None else latest.close.as_decimal()

    def _deny(self, order: Any, reason: str) -> None:
        self.counters.add("nqs_orders_denied")
        self.generate_order_denied(
            order.strategy_id, order.instrument_id, order.client_order_id, reason, self._clock.timestamp_ns()
        )

    def _begin(self, order: Any) -> Track:
        track = self._tracks.add(order)
        self.generate_order_submitted(
            order.strategy_id, order.instrument_id, order.client_order_id, self._clock.timestamp_ns()
        )
        return track

    async def _send(self, track: Track, body: dict[str, object], *, urgent: bool) -> None:
        try:
            order = parse_order(await self._http.submit(body, urgent=urgent))
        except (NotSentError, RateLimitedError) as error:
            self._reject(track, str(error))
        except UnauthorizedError as error:
            self._on_unauthorized(error)
            self._reject(track, _reason(error))
        except RefusedError as error:
            if DUPLICATE_ID_TEXT in error.message:
                # It is the proof that a submission of this id arrived, whoever sent it.
                self._look_up(track)
            else:
                self._reject(track, _reason(error))
        except (AmbiguousError, ParseError) as error:
            self._log.warning(f"submission unresolved: client_order_id={track.client_order_id} error={error}")
            self._look_up(track)
        else:
            self._apply(track, order)

    def _look_up(self, track: Track) -> None:
        # A task of its own: the next orders of a list do not wait for it.
        track.is_unresolved = not track.is_accepted
        self._keep(self._resolve_submission(track), "lookup")

    def _reject(self, track: Track, reason: str) -> None:
        if track.is_accepted:
            # The stream has told of the order: whatever the answer says, it lives.
            self._log.warning(f"refusal after acceptance ignored: client_order_id={track.client_order_id} {reason}")
            return
        for member in [track, *track.legs]:
            if member.is_live:
                member.is_dead = member.is_absorbed = True
                member.is_unresolved = False
                self.generate_order_rejected(
                    member.strategy_id,
                    member.instrument_id,
                    member.client_order_id,
                    reason,
                    self._clock.timestamp_ns(),
                )

    async def _resolve_submission(self, track: Track) -> None:
        """Ask for an order by its client id until it is found, or twice not found over the grace."""
        track.is_unresolved = True
        began, misses, step = self._clock.timestamp_ns(), 0, 0
        while track.is_live and not track.is_accepted:
            await asyncio.sleep(_LOOKUP_SECS[min(step, len(_LOOKUP_SECS) - 1)])
            step += 1
            try:
                order = parse_order(await self._http.order_by_client_id(track.client_order_id.value))
            except NotFoundError:
                misses += 1
                waited = (self._clock.timestamp_ns() - began) / _SECOND_NS
                if misses >= 2 and waited >= self._settings.grace_secs:
                    self._reject(track, f"the venue does not know the order {waited:.1f} s after its submission")
            except (VenueError, ParseError) as error:
                self._log.warning(f"lookup failed: client_order_id={track.client_order_id} error={error}")
                if step == len(_LOOKUP_SECS):
                    self._notify(NoticeKind.UNRESOLVED, "nobody knows whether the order arrived", track)
            else:
                self._apply(track, order)
        track.is_unresolved = False

    # -- modify --------------------------------------------------------------------------------------------------------

    async def _modify_order(self, command: ModifyOrder) -> None:
        cached = self._cache.order(command.client_order_id)
        track = self._track_of(command.client_order_id)
        if track is None or cached is None or not track.is_live or not track.venue_id:
            self._reject_change(command, "the order is not working at the venue")
            return
        body = orders.change_of(command, cached)
        instrument = self._cache.instrument(command.instrument_id)
        reason = self._why_foreign(track) or orders.why_not_change(body, cached, instrument)
        if not reason and track.change is not None:
            reason = "another change is under way"
        if not reason and self._rate.take() > 0:
            reason = f"more than {self._settings.caps.orders_a_minute} orders a minute"
        if not reason and self._exceeds_caps(command, cached):
            reason = "the change passes the adapter's caps"
        if reason:
            self._reject_change(command, reason)
            return
        change = track.change = Change(
            quantity=(command.quantity or cached.quantity).as_decimal(),
            price=command.price or track.price,
            trigger=command.trigger_price or track.trigger,
            order_id=track.venue_id,
        )
        try:
            successor = parse_order(await self._http.replace(track.venue_id, body))
        except (AmbiguousError, ParseError):
            await self._resolve_change(track)
        except UnauthorizedError as error:
            self._on_unauthorized(error)
            self._end_change(track, _reason(error))
        except RefusedError as error:
            self._end_change(track, _reason(error))
            await self._refresh(track)
        except VenueError as error:
            self._end_change(track, str(error))
        else:
            if track.change is change:
                change.new_id = successor.id
                self._tracks.alias(track, successor.id)
                self._replay(successor.id)
                await self._resolve_change(track)

    def _exceeds_caps(self, command: Any, cached: Any) -> bool:
        standing = self._standing(cached)
        held = abs(standing.held)
        quantity = (command.quantity or cached.quantity).as_decimal()
        prices = [price.as_decimal() for price in (command.price, command.trigger_price) if price is not None]
        price = max([*prices, standing.reference or Decimal(0)])
        caps = self._settings.caps
        return quantity > held and (quantity > caps.max_quantity or quantity * price > caps.max_notional)

    def _reject_change(self, command: ModifyOrder, reason: str) -> None:
        self.generate_order_modify_rejected(
            command.strategy_id,
            command.instrument_id,
            command.client_order_id,
            command.venue_order_id,
            reason,
            self._clock.timestamp_ns(),
        )

    async def _resolve_change(self, track: Track) -> None:
        """Wait for the stream to tell what became of a change, and ask when it does not.

        The answer to the request is no proof: the old order may still fill, and the new one be refused.
        """
        began = self._clock.timestamp_ns()
        while (change := track.change) is not None and track.is_live:
            await asyncio.sleep(CONFIRM_SECS)
            if track.change is not change:
                return
            old = await self._look(change.order_id)
            if old is None:
                continue
            self._apply(track, old)
            waited = (self._clock.timestamp_ns() - began) / _SECOND_NS
            untouched = old.state not in DEAD_STATES | {OrderState.PENDING_REPLACE} | DOUBTFUL_STATES
            if track.change is change and untouched and waited >= self._settings.grace_secs:
                self._end_change(track, "the venue did not replace the order")

    # -- cancel --------------------------------------------------------------------------------------------------------

    async def _cancel_order(self, command: CancelOrder) -> None:
        track = self._track_of(command.client_order_id)
        if track is None:
            self.generate_order_cancel_rejected(
                command.strategy_id,
                command.instrument_id,
                command.client_order_id,
                command.venue_order_id,
                "the order is not known",
                self._clock.timestamp_ns(),
            )
            return
        await self._cancel(track)

    async def _batch_cancel_orders(self, command: BatchCancelOrders) -> None:
        tracks = [self._track_of(cancel.client_order_id) for cancel in command.cancels]
        await self._cancel_each(track for track in tracks if track is not None)

    async def _cancel_all_orders(self, command: CancelAllOrders) -> None:
        # One by one: the venue's own call cancels whatever the account has, of any strategy and of none.
        found = [
            order
            for order in (
                *self._cache.orders_open(instrument_id=command.instrument_id, strategy_id=command.strategy_id),
                *self._cache.orders_inflight(instrument_id=command.instrument_id, strategy_id=command.strategy_id),
            )
            if command.order_side in (OrderSide.NO_ORDER_SIDE, order.side)
        ]
        tracks = {order.client_order_id.value: self._track_of(order.client_order_id) for order in found}
        await self._cancel_each(track for track in tracks.values() if track is not None)

    async def _cancel_each(self, tracks: Iterable[Track]) -> None:
        asked = list(tracks)
        chosen: list[Track] = []
        for track in asked:
            # The cancel of one order of a group cancels all of it: a second one would only be refused.
            if not any(member in chosen for member in track.family):
                chosen.append(track)
        await asyncio.gather(*(self._cancel(track) for track in chosen if track.is_live))
        await asyncio.sleep(CONFIRM_SECS)
        # What the group's cancel has not reached is cancelled by itself.
        left = [track for track in asked if track not in chosen and track.is_live]
        await asyncio.gather(*(self._cancel(track) for track in left))

    async def _cancel(self, track: Track) -> None:
        if reason := self._why_foreign(track):
            self._reject_cancel(track, reason)
        elif track.is_dead:
            self._reject_cancel(track, "the order is closed")
        elif not track.venue_id:
            # Not acknowledged yet; the cancel follows the order's id.
            track.wants_cancel = True
        else:
            track.is_cancelling = True
            await self._send_cancel(track)

    async def _send_cancel(self, track: Track) -> None:
        for attempt in range(_CANCEL_TRIES):
            try:
                await self._http.cancel(track.venue_id)
            except NotFoundError as error:
                # "Not found" may only mean that the order was replaced or that it is over.
                await self._refresh(track)
                self._reject_cancel(track, _reason(error))
                return
            except (RefusedError, NotSentError, RateLimitedError) as error:
                self._reject_cancel(track, _reason(error))
                await self._refresh(track)
                return
            except VenueError as error:
                self._log.warning(f"cancel unresolved: client_order_id={track.client_order_id} error={error}")
            if await self._is_over(track, attempt):
                return
        self._notify(NoticeKind.UNRESOLVED, "a cancel was sent, and the order still works", track)

    async def _is_over(self, track: Track, attempt: int) -> bool:
        """Wait for a cancel's effect; whether there is nothing more to do."""
        for pause in (0.5, 1.0, 1.5):
            if track.is_dead or not track.is_cancelling:
                return True
            await asyncio.sleep(pause * (attempt + 1))
        await self._refresh(track)
        return track.is_dead or not track.is_cancelling


def _reason(error: VenueError) -> str:
    if not isinstance(error, RefusedError):
        return str(error)
    facts = " ".join(f"{key}={value}" for key, value in sorted(error.body.items()))
    return f"{error.message} code={error.code} http={error.status} {facts}".strip()
