"""Orders at Coinbase: from a command to the venue, and from what the venue tells to NautilusTrader's events.

Whatever tells of an order (the answer to a request, the user channel, REST) ends in `events`, which tells the
difference to what was told before. Nothing but an answer of the venue rejects an order; doubt is kept and looked into.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.execution.messages import (
    BatchCancelOrders,
    CancelAllOrders,
    CancelOrder,
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
    ModifyOrder,
    QueryAccount,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, OrderType
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    InstrumentId,
)
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order

from adapters.coinbase import commands, parsing, reports
from adapters.coinbase.account import Balances
from adapters.coinbase.brackets import Brackets
from adapters.coinbase.caps import OrderCaps
from adapters.coinbase.commands import Terms
from adapters.coinbase.config import CoinbaseExecClientConfig
from adapters.coinbase.constants import (
    CANCELS_PER_REQUEST,
    COINBASE,
    COINBASE_VENUE,
    DUPLICATE,
    TERMINAL,
    Channel,
)
from adapters.coinbase.credentials import Credentials
from adapters.coinbase.events import OrderEvents
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.lookups import Lookups
from adapters.coinbase.parsing import Envelope, OrderRow, ParseError
from adapters.coinbase.providers import CoinbaseInstrumentProvider, instrument_id_of
from adapters.coinbase.quotes import Quotes
from adapters.coinbase.reconciliation import Reconciliation, long_qty
from adapters.coinbase.tracking import Tracked, TrackedOrders
from adapters.coinbase.websocket import CoinbaseSocket
from adapters.transport.counters import Counters
from adapters.transport.errors import (
    AmbiguousError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    VenueError,
)
from adapters.transport.fills import FillMarks

_REPOST_PAUSE_SECS: Final = 1.0
_UNACKNOWLEDGED_SECS: Final = 3.0
_LAG_SECS: Final = 5.0
_ABSENT_SECS: Final = 5.0
"""How long after the last attempt an order must be absent from the venue's list to count as never created."""
_MAX_LOOK_SECS: Final = 30.0
_START_SECS: Final = 15.0


class CoinbaseExecutionClient(LiveExecutionClient):
    """Gives orders to Coinbase Advanced Trade spot and tells what becomes of them.

    Parameters
    ----------
    loop, msgbus, cache, clock
        Of the node.
    http
        The REST interface, with a key.
    credentials
        Of the user channel.
    instrument_provider
        Shared with the data client.
    counters
        Where everything unusual is counted.
    config
        Settings.
    name
        Client id, where it is not the venue's name.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        http: CoinbaseHttp,
        credentials: Credentials,
        *,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        instrument_provider: CoinbaseInstrumentProvider,
        counters: Counters,
        config: CoinbaseExecClientConfig,
        name: str | None = None,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(name or COINBASE),
            venue=COINBASE_VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=None,
            instrument_provider=instrument_provider,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self._set_account_id(AccountId(f"{name or COINBASE}-{config.account_label}"))
        self._http = http
        self._settings = config
        self._products = instrument_provider
        self.counters = counters
        self._marks = FillMarks()
        self._orders = TrackedOrders()
        self._caps = OrderCaps(
            max_notional=config.max_order_notional,
            max_deviation_frac=config.max_price_deviation_frac,
            max_per_sec=config.max_orders_per_sec,
            max_qty=config.max_order_qty,
        )
        self._stop_limits: dict[str, bool] = {}
        self._buffer: list[Envelope] | None = None
        self._workers: list[asyncio.Task[Any]] = []
        self.unauthorized = ""
        """Why the venue does not accept the key; "" while it does. No order is sent while it is set."""
        self._lookups = Lookups(
            self,
            http,
            cache=cache,
            clock=clock,
            log=self._log,
            orders=self._orders,
            marks=self._marks,
            counters=counters,
            fills_lag_secs=config.fills_lag_secs,
        )
        self._events = self._lookups.events = OrderEvents(
            self,
            cache=cache,
            clock=clock,
            log=self._log,
            orders=self._orders,
            marks=self._marks,
            counters=counters,
            look=self._lookups.look,
            cancel_late=self._cancel_late,
            on_change=self._on_change,
        )
        self._quotes = Quotes(http, cache=cache, clock=clock)
        self._brackets = Brackets(
            self,
            cache=cache,
            clock=clock,
            log=self._log,
            orders=self._orders,
            events=self._events,
            counters=counters,
            quotes=self._quotes,
        )
        self._balances = Balances(
            self, http, self._events, clock=clock, log=self._log, interval_secs=config.account_interval_secs
        )
        self._reconciliation = Reconciliation(
            http,
            self.account_id,
            cache=cache,
            clock=clock,
            log=self._log,
            products=instrument_provider,
            balances=self._balances,
            lookups=self._lookups,
            events=self._events,
            orders=self._orders,
            marks=self._marks,
            counters=counters,
            claimed=config.claim_external,
            baselines={InstrumentId.from_str(text): value for text, value in config.spot_positions.items()},
        )
        self._socket = CoinbaseSocket(
            "coinbase-user",
            config.endpoints.user_url,
            credentials,
            on_event=self._on_event,
            on_gap=self._on_gap,
            on_up=self._on_up,
            on_down=self._on_down,
            counters=counters,
        )

    # -- life ---------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._products.initialize()
        for instrument in self._products.list_all():
            self._cache.add_instrument(instrument)
        await self._check_clock()
        await self._balances.update()
        await self._await_account_registered()
        self._restore()
        await self._socket.subscribe(Channel.USER)
        self._socket.start()
        ends = monotonic() + _START_SECS
        while not self._socket.is_up and not self._socket.refusal and monotonic() < ends:
            await asyncio.sleep(0.02)
        if not self._socket.is_up:
            reason = self._socket.refusal or f"not up within {_START_SECS:g} s"
            await self._socket.stop()
            raise ConnectionError(f"the user channel: {reason}")
        self._workers = [
            self.create_task(self._lookups.sweep(), log_msg="coinbase-sweep"),
            self.create_task(self._balances.watch(), log_msg="coinbase-account"),
            self.create_task(self._brackets.watch(), log_msg="coinbase-targets"),
        ]

    async def _disconnect(self) -> None:
        for worker in self._workers:
            worker.cancel()
        self._workers = []
        await self._socket.stop()
        self._http.close()

    async def _check_clock(self) -> None:
        try:
            seconds = int(parsing.decimal_of((await self._http.time()).get("epochSeconds"), "epochSeconds"))
        except (VenueError, ParseError) as error:
            self._log.warning(f"The venue did not tell its clock: {error}")
            return
        skew = self._clock.timestamp_ns() / 1e9 - seconds
        if abs(skew) > 20:
            self.counters.add("nqs_clock_skewed")
            self._log.error(f"clock_skew_secs={skew:.0f}: the venue will refuse signatures; set the clock")

    def _restore(self) -> None:
        """Take up the orders that the cache brought from an earlier run."""
        for order in self._cache.orders(venue=COINBASE_VENUE):
            if order.is_closed or order.is_active_local or self._orders.get(order.client_order_id) is not None:
                continue
            tracked = self._orders.add(Tracked(order))
            if tracked.is_held:
                self.create_task(self._claim_held(tracked), log_msg="coinbase-held")
            elif not tracked.venue_id:
                # It was sent, or about to be: nobody knows until the venue's list has told.
                self.create_task(self._settle(tracked, "not acknowledged before a restart"), log_msg="coinbase-settle")
        self._brackets.restore(self._cache.orders_open(venue=COINBASE_VENUE))

    # -- submit -------------------------------------------------------------------------------------------------------

    async def _submit_order(self, command: SubmitOrder) -> None:
        await self._submit(command.order)

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        orders = [order for order in command.order_list.orders if not order.is_closed]
        children = [order for order in orders if order.parent_order_id is not None]
        if not children:
            for order in orders:
                await self._submit(order)
            return
        entry = orders[0]
        reason = await self._bracket_denial(orders) or self._brackets.hold(orders)
        if reason:
            for order in orders:
                self._deny(order, reason)
            return
        await self._submit(entry)
        tracked = self._orders.get(entry.client_order_id)
        if tracked is None:
            self._brackets.drop(entry)

    async def _bracket_denial(self, orders: Sequence[Order]) -> str:
        """Return why the children of a list could not be placed: an entry whose stop cannot rest is not to go out."""
        for order in orders[1:]:
            instrument = self._cache.instrument(order.instrument_id)
            terms = await self._terms(order, instrument)
            reason = commands.denial(order, instrument, long_qty=None, terms=terms)
            if reason or order.parent_order_id != orders[0].client_order_id:
                return f"{order.client_order_id} cannot follow its entry: {reason or 'it has another parent'}"
        return ""

    async def _submit(self, order: Order) -> None:
        instrument = self._cache.instrument(order.instrument_id)
        terms = await self._terms(order, instrument)
        reason = self.unauthorized or commands.denial(
            order, instrument, long_qty=long_qty(self._cache, order.instrument_id), terms=terms
        )
        if reason := reason or await self._cap_refusal(order):
            self._deny(order, reason)
            return
        tracked = self._orders.add(Tracked(order, commands.body_of(order, instrument, terms=terms)))
        self.generate_order_submitted(
            order.strategy_id, order.instrument_id, order.client_order_id, self._clock.timestamp_ns()
        )
        await self.create(tracked)

    def _deny(self, order: Order, reason: str) -> None:
        self.counters.add("nqs_orders_denied")
        self.generate_order_denied(
            order.strategy_id, order.instrument_id, order.client_order_id, reason, self._clock.timestamp_ns()
        )

    async def _cap_refusal(self, order: Order) -> str:
        quote = self._quotes.fresh(order.instrument_id)
        if quote is None and order.side == OrderSide.BUY and not order.is_quote_quantity:
            try:
                quote = await self._quotes.now(order.instrument_id)
            except (VenueError, ParseError) as error:
                self._log.warning(f"instrument={order.instrument_id} quote=none reason={error}")
        price = getattr(order, "price", None) or getattr(order, "trigger_price", None)
        refusal = self._caps.refusal(
            order.instrument_id.value,
            is_buy=order.side == OrderSide.BUY,
            qty=order.quantity.as_decimal(),
            price=price.as_decimal() if price is not None else None,
            quote=quote,
            is_quote_qty=order.is_quote_quantity,
            is_stop=order.order_type in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET),
        )
        return f"the adapter's cap: {refusal}" if refusal else ""

    async def _terms(self, order: Order, instrument: Instrument | None) -> Terms:
        works = True
        if instrument is not None and order.order_type in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET):
            works = await self._stop_limit_works(instrument)
        return Terms(works, self._settings.stop_market_offset_frac)

    async def _stop_limit_works(self, instrument: Instrument) -> bool:
        """Ask the venue once for each product: what it documents of stop-limit orders contradicts itself."""
        product_id = instrument.id.symbol.value
        if product_id in self._stop_limits or not self._settings.probe_stop_limits:
            return self._stop_limits.get(product_id, True)
        size = instrument.min_quantity or instrument.size_increment
        try:
            price = (await self._quotes.now(instrument.id)).bid
            tick = instrument.price_increment.as_decimal()
            body = commands.probe_body(product_id, size=size.as_decimal(), price=price, tick=tick)
            errors = parsing.preview_errors(await self._http.preview(body))
        except RefusedError as refused:
            errors = [refused.code or "REFUSED"]
        except (VenueError, ParseError) as error:
            # Not known: the venue decides about this order, and is asked again for the next one.
            self._log.warning(f"product={product_id} stop_limit=unknown: {error}")
            return True
        # Too little money or a price too far away say that the kind of order is understood.
        works = not any("UNSUPPORTED" in error or "CONFIGURATION" in error or error == "REFUSED" for error in errors)
        self._stop_limits[product_id] = works
        self._log.info(f"product={product_id} stop_limit={works} preview={errors}")
        return works

    async def create(self, tracked: Tracked) -> None:
        """Send an order until the venue has answered for it, and the same one each time.

        The identical body with the same id returns the first order: sending it again is how to ask.
        """
        ends = monotonic() + self._settings.repost_secs
        in_doubt = False
        refusal = ""
        while not tracked.venue_id and not tracked.is_done:
            pause = _REPOST_PAUSE_SECS
            try:
                answer = parsing.created(await self._http.create(tracked.body))
                if answer.order_id:
                    self._events.adopt(tracked, answer.order_id)
                    return
                refusal = f"{answer.error} {answer.message}".strip()
                in_doubt = in_doubt or answer.error == DUPLICATE
                break
            except RateLimitedError as limited:
                pause, refusal = limited.retry_after_secs, str(limited)
            except NotSentError as unsent:
                refusal = str(unsent)
                break
            except RefusedError as refused:
                self._note_refusal(refused)
                refusal = str(refused)
                break
            except (AmbiguousError, ParseError) as error:
                in_doubt, refusal = True, str(error)
                self.counters.add("nqs_orders_in_doubt")
                self._log.warning(f"client_order_id={tracked.client_order_id} in_doubt=create reason={error}")
            if monotonic() + pause > ends:
                break
            await asyncio.sleep(pause)
        if tracked.venue_id or tracked.is_done:
            return
        if in_doubt:
            # What the first copy did is not known, and a refusal of the second can be for what the first one holds.
            await self._settle(tracked, refusal)
        else:
            self._events.reject(tracked, refusal)

    async def _settle(self, tracked: Tracked, refusal: str) -> None:
        """Look for an order in the venue's list until it is found, or absent for long enough."""
        since, n_absent, pause = monotonic(), 0, _REPOST_PAUSE_SECS
        while not tracked.venue_id and not tracked.is_done:
            try:
                row = await self._lookups.find(tracked)
            except (VenueError, ParseError) as error:
                n_absent = 0
                self._log.warning(f"client_order_id={tracked.client_order_id} in_doubt=list reason={error}")
            else:
                if row is not None:
                    self._events.adopt(tracked, row.order_id)
                    await self._lookups.take_rest(tracked, row)
                    return
                n_absent += 1
                if n_absent >= 2 and monotonic() - since > _ABSENT_SECS and not refusal.startswith(DUPLICATE):
                    self._events.reject(tracked, f"the venue does not have it, {refusal}")
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _MAX_LOOK_SECS)

    def _note_refusal(self, refused: RefusedError) -> None:
        if isinstance(refused, UnauthorizedError) and not self.unauthorized:
            self.unauthorized = "the venue does not accept the key"
            self.counters.add("nqs_key_refused")
            self._log.error(f"{self.unauthorized}: no order is sent until it is mended ({refused})")

    # -- cancel -------------------------------------------------------------------------------------------------------

    async def _cancel_order(self, command: CancelOrder) -> None:
        await self._cancel([command.client_order_id])

    async def _batch_cancel_orders(self, command: BatchCancelOrders) -> None:
        await self._cancel([cancel.client_order_id for cancel in command.cancels])

    async def _cancel_all_orders(self, command: CancelAllOrders) -> None:
        # Only what the cache holds of this strategy: the venue's own order list is everybody's.
        orders = [
            *self._cache.orders_open(instrument_id=command.instrument_id, strategy_id=command.strategy_id),
            *self._cache.orders_inflight(instrument_id=command.instrument_id, strategy_id=command.strategy_id),
        ]
        wanted = {
            order.client_order_id: None
            for order in orders
            if command.order_side in (OrderSide.NO_ORDER_SIDE, order.side)
        }
        await self._cancel(list(wanted))

    async def _cancel(self, client_order_ids: Sequence[ClientOrderId]) -> None:
        known = []
        for client_order_id in client_order_ids:
            tracked = self._orders.get(client_order_id)
            if self._brackets.cancel(client_order_id):
                continue
            if tracked is None:
                self._reject_cancel_of_unknown(client_order_id)
            elif not tracked.is_done:
                tracked.cancel_wanted = True
                # One whose id is not known yet is cancelled when it is.
                if tracked.venue_id:
                    known.append(tracked)
        await self.cancel_tracked(known)

    async def cancel_tracked(self, known: Sequence[Tracked]) -> None:
        """Cancel orders that the venue has."""
        for at in range(0, len(known), CANCELS_PER_REQUEST):
            await self._cancel_batch(known[at : at + CANCELS_PER_REQUEST])

    async def _cancel_batch(self, batch: Sequence[Tracked]) -> None:
        try:
            answer = await self._again(lambda: self._http.cancel([tracked.venue_id for tracked in batch]))
            results = {result.order_id: result for result in parsing.cancelled(answer)}
        except (RefusedError, NotSentError, RateLimitedError) as error:
            if isinstance(error, RefusedError):
                self._note_refusal(error)
            for tracked in batch:
                self._events.reject_cancel(tracked, str(error))
            return
        except (AmbiguousError, ParseError) as error:
            self._log.warning(f"orders={len(batch)} in_doubt=cancel reason={error}")
            for tracked in batch:
                self._lookups.look(tracked, 0.2)
            return
        for tracked in batch:
            result = results.get(tracked.venue_id)
            if result is None or result.success or result.reason == "DUPLICATE_CANCEL_REQUEST":
                # Queued: it can still be filled, and the user channel tells the end. When that does not, we ask.
                self._lookups.look(tracked, _UNACKNOWLEDGED_SECS)
            else:
                self._events.reject_cancel(tracked, result.reason or "no reason given")
                self._lookups.look(tracked, 0.0)

    async def take_away(self, tracked: Tracked) -> bool:
        """Ask the venue to cancel an order without telling anybody; whether it may have done so."""
        try:
            (result,) = parsing.cancelled(await self._again(lambda: self._http.cancel([tracked.venue_id])))
        except (AmbiguousError, ParseError, ValueError):
            return True
        except VenueError as error:
            self._log.warning(f"client_order_id={tracked.client_order_id} take_away=refused reason={error}")
            return False
        return result.success or result.reason in ("DUPLICATE_CANCEL_REQUEST", "ORDER_IS_FULLY_FILLED")

    async def read(self, tracked: Tracked) -> None:
        """Read an order by REST now."""
        await self._lookups.look_now(tracked)

    async def resize(self, tracked: Tracked, quantity: Decimal) -> None:
        """Change the size of an order at the venue."""
        order = self._cache.order(tracked.client_order_id)
        instrument = self._cache.instrument(tracked.instrument_id)
        if order is None or order.venue_order_id is None or tracked.is_done or tracked.is_away:
            return
        size = Quantity(quantity, instrument.size_precision)
        await self._edit(tracked, order, quantity=size, price=None, trigger_price=None)

    @property
    def stop_terms(self) -> Terms:
        """Return the terms of a stop whose kind is known to work."""
        return Terms(stop_offset_frac=self._settings.stop_market_offset_frac)

    async def _claim_held(self, tracked: Tracked) -> None:
        """Look for a target that an earlier run may have sold in its last moments."""
        try:
            row = await self._lookups.find(tracked)
        except (VenueError, ParseError) as error:
            self._log.error(f"client_order_id={tracked.client_order_id} held=unknown reason={error}")
            return
        if row is not None:
            self._events.leave_venue(tracked, {})
            tracked.total = tracked.filled_before + (row.size or row.filled)
            self._events.adopt(tracked, row.order_id)
            await self._lookups.take_rest(tracked, row)

    def _on_change(self, tracked: Tracked) -> None:
        self._brackets.on_change(tracked)

    def _cancel_late(self, tracked: Tracked) -> None:
        self.create_task(self._cancel_batch([tracked]), log_msg="coinbase-cancel")

    async def _again(self, act: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
        """Do what may be done twice, up to three times."""
        for attempt in range(1, 3):
            try:
                return await act()
            except RateLimitedError as limited:
                await asyncio.sleep(limited.retry_after_secs)
            except AmbiguousError:
                await asyncio.sleep(0.2 * attempt)
        return await act()

    def _reject_cancel_of_unknown(self, client_order_id: ClientOrderId) -> None:
        order = self._cache.order(client_order_id)
        if order is not None and not order.is_closed:
            self._events.reject_cancel(Tracked(order), "not an order of this client")

    # -- modify -------------------------------------------------------------------------------------------------------

    async def _modify_order(self, command: ModifyOrder) -> None:
        order = self._cache.order(command.client_order_id)
        tracked = self._orders.get(command.client_order_id)
        instrument = self._cache.instrument(command.instrument_id)
        if order is None or instrument is None:
            self._log.error(f"client_order_id={command.client_order_id} modify=unknown_order")
            return
        wanted = {"quantity": command.quantity, "price": command.price, "trigger_price": command.trigger_price}
        reason = self.unauthorized or commands.edit_refusal(order, instrument, **wanted)
        if tracked is None or not tracked.venue_id or order.venue_order_id is None:
            reason = "the venue has not told its id yet"
        if tracked is None or reason:
            self._events.reject_modify(tracked or Tracked(order), reason)
            return
        if tracked.is_held:
            self._brackets.modify(tracked, command)
            return
        if tracked.is_swapped:
            self._events.reject_modify(tracked, "its order at the venue is being replaced")
            return
        await self._edit(tracked, order, **wanted)

    async def _edit(self, tracked: Tracked, order: Order, **wanted: Any) -> None:
        instrument = self._cache.instrument(order.instrument_id)
        body = commands.edit_body(order, instrument, **wanted, terms=self.stop_terms)
        body["order_id"] = tracked.venue_id
        if tracked.filled_before:
            # What its former orders at the venue have filled is not this one's.
            body["size"] = str(Quantity(Decimal(body["size"]) - tracked.filled_before, instrument.size_precision))
        stop = body.get("stop_price")
        tracked.edit_since = monotonic()
        tracked.edit = (Decimal(body["size"]), Decimal(body["price"]), Decimal(stop) if stop else None)
        await self._send_edit(tracked, body)

    async def _send_edit(self, tracked: Tracked, body: dict[str, str]) -> None:
        try:
            refusal = parsing.edited(await self._again(lambda: self._http.edit(body)))
        except (RefusedError, NotSentError, RateLimitedError) as error:
            refusal = str(error)
            if isinstance(error, RefusedError):
                self._note_refusal(error)
        except (AmbiguousError, ParseError) as error:
            self._log.warning(f"client_order_id={tracked.client_order_id} in_doubt=edit reason={error}")
            self._lookups.look(tracked, 0.5)
            return
        if refusal:
            self._events.reject_modify(tracked, refusal)
        elif tracked.edit is not None and tracked.edit[2] is not None:
            # Whether an edit reaches the trigger is not documented: what the venue then holds is told.
            self._lookups.look(tracked, 0.0)
        else:
            self._events.confirm_edit(tracked)

    # -- the user channel ---------------------------------------------------------------------------------------------

    def _on_gap(self) -> None:
        # What follows waits until REST has told what was missed.
        self._buffer = []
        if self._socket.is_up:
            self.create_task(self._recover(), log_msg="coinbase-recover")

    async def _on_up(self, n_connection: int) -> None:
        self._log.info(f"socket=user connection={n_connection}")
        await self._recover()

    def _on_down(self, reason: str) -> None:
        self._log.warning(f"socket=user down={reason}")

    def _on_event(self, envelope: Envelope) -> None:
        if envelope.channel != Channel.USER:
            return
        if self._buffer is not None:
            self._buffer.append(envelope)
            return
        for event in envelope.events:
            is_snapshot = event.get("type") == "snapshot"
            for raw in event.get("orders") or ():
                try:
                    self._on_user_order(parsing.user_order(raw, envelope.ts_ns), is_snapshot=is_snapshot)
                except ParseError as error:
                    self._socket.refuse(error)

    def _on_user_order(self, row: OrderRow, *, is_snapshot: bool) -> None:
        tracked = self._orders.of(row)
        if tracked is None or (tracked.venue_id and tracked.venue_id != row.order_id):
            self._park(row)
        elif is_snapshot and (row.filled > self._marks.booked(row.order_id) or row.status in TERMINAL):
            # A snapshot proves a state; how it came about is REST's to tell.
            self._events.adopt(tracked, row.order_id)
            self._lookups.look(tracked, 0.0)
        else:
            self._events.apply(tracked, row)

    def _park(self, row: OrderRow) -> None:
        self.counters.add("nqs_orders_unclaimed")
        self._orders.park(row)
        if instrument_id_of(row.product_id) in self._settings.claim_external:
            self.create_task(self._report_external(row.order_id), log_msg="coinbase-external")

    async def _report_external(self, order_id: str) -> None:
        # Our own answer may be on its way: it claims the order first.
        await asyncio.sleep(1.0)
        if self._orders.by_venue_id(order_id) is not None:
            return
        row = parsing.order((await self._http.order(order_id)).get("order"))
        instrument = self._cache.instrument(instrument_id_of(row.product_id))
        if instrument is not None:
            report = reports.order_report(
                row, instrument, self.account_id, order=None, ts_ns=self._clock.timestamp_ns()
            )
            if report is not None:
                self._send_order_status_report(report)

    async def _recover(self) -> None:
        """Read every order that is not over, then let go what the socket told meanwhile."""
        self.counters.add("nqs_recoveries")
        for tracked in self._orders:
            if tracked.venue_id:
                await self._lookups.look_now(tracked)
                # The venue's reads lag behind what they tell: once more when they have caught up.
                self._lookups.look(tracked, _LAG_SECS)
        self._events.is_account_due = True
        buffered, self._buffer = self._buffer, None
        for envelope in buffered or ():
            self._on_event(envelope)

    # -- account and reports ------------------------------------------------------------------------------------------

    async def _query_account(self, command: QueryAccount) -> None:
        await self._balances.update()

    async def generate_order_status_report(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """Return a report of an order; None only when the venue says that it has no such order."""
        return await self._reconciliation.order_status(command)

    async def generate_order_status_reports(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Return reports of our orders, and of foreign ones where they are claimed."""
        return await self._reconciliation.order_statuses(command)

    async def generate_fill_reports(self, command: GenerateFillReports) -> list[FillReport]:
        """Return reports of executions that are not booked yet."""
        return await self._reconciliation.fills(command)

    async def generate_position_status_reports(
        self, command: GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """Return positions: the balance above its baseline where one is set, else what the books say."""
        return await self._reconciliation.positions(command)
