"""Orders at Coinbase: from a command to the venue, and from what the venue tells to NautilusTrader's events.

Whatever tells of an order (the answer to a request, the user channel, REST) ends in `_apply`, which compares it with
what was told before and emits the difference. Nothing but an answer of the venue rejects an order; doubt is kept and
looked into.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.core.uuid import UUID4
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
from nautilus_trader.model.enums import AccountType, LiquiditySide, OmsType, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueOrderId,
)
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.model.orders import Order

from adapters.coinbase import commands, parsing, reports
from adapters.coinbase.caps import OrderCaps, Quote
from adapters.coinbase.commands import Terms
from adapters.coinbase.config import CoinbaseExecClientConfig
from adapters.coinbase.constants import (
    CANCELS_PER_REQUEST,
    COINBASE,
    COINBASE_VENUE,
    DUPLICATE,
    POST_ONLY_REASONS,
    TERMINAL,
    Channel,
    Status,
)
from adapters.coinbase.credentials import Credentials
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import Envelope, OrderRow, ParseError
from adapters.coinbase.providers import CoinbaseInstrumentProvider, currency_of, instrument_id_of
from adapters.coinbase.tracking import Tracked, TrackedOrders
from adapters.coinbase.websocket import CoinbaseSocket
from adapters.transport.counters import Counters
from adapters.transport.errors import (
    AmbiguousError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    VenueError,
)
from adapters.transport.fills import FillMarks, Increment, trade_id

_ZERO: Final = Decimal(0)
_REPOST_PAUSE_SECS: Final = 1.0
_LOOKBACK_NS: Final = 60_000_000_000
_SWEEP_SECS: Final = 0.2
_UNACKNOWLEDGED_SECS: Final = 3.0
_ABSENT_SECS: Final = 5.0
"""How long after the last attempt an order must be absent from the venue's list to count as never created."""
_YOUNG_SECS: Final = 30.0
"""The venue's reads lag behind its writes: an order younger than this is not absent because a read says so."""
_MAX_LOOK_SECS: Final = 30.0
_FORGET_SECS: Final = 3600.0


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
        self._looks: dict[ClientOrderId, tuple[float, float]] = {}
        self._looking: set[ClientOrderId] = set()
        self._buffer: list[Envelope] | None = None
        self._balances: dict[str, Decimal] = {}
        self._account_due = False
        self._workers: list[asyncio.Task[Any]] = []
        self.unauthorized = ""
        """Why the venue does not accept the key; "" while it does. No order is sent while it is set."""
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
        await self._update_account()
        await self._await_account_registered()
        self._restore()
        await self._socket.subscribe(Channel.USER)
        self._socket.start()
        ends = monotonic() + 15.0
        while not self._socket.is_up and not self._socket.refusal and monotonic() < ends:
            await asyncio.sleep(0.02)
        if self._socket.refusal:
            raise ConnectionError(f"the venue refuses the user channel: {self._socket.refusal}")
        self._workers = [
            self.create_task(self._sweep(), log_msg="coinbase-sweep"),
            self.create_task(self._watch_account(), log_msg="coinbase-account"),
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
            if not tracked.venue_id:
                # It was sent, or about to be: nobody knows until the venue's list has told.
                self.create_task(self._settle(tracked, "not acknowledged before a restart"), log_msg="coinbase-settle")

    # -- submit -------------------------------------------------------------------------------------------------------

    async def _submit_order(self, command: SubmitOrder) -> None:
        await self._submit(command.order)

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        for order in command.order_list.orders:
            if not order.is_closed:
                await self._submit(order)

    async def _submit(self, order: Order) -> None:
        instrument = self._cache.instrument(order.instrument_id)
        terms = await self._terms(order, instrument)
        reason = self.unauthorized or commands.denial(
            order, instrument, long_qty=self._long_qty(order.instrument_id), terms=terms
        )
        if reason := reason or self._cap_refusal(order):
            self.counters.add("nqs_orders_denied")
            self.generate_order_denied(
                order.strategy_id, order.instrument_id, order.client_order_id, reason, self._clock.timestamp_ns()
            )
            return
        tracked = self._orders.add(Tracked(order, commands.body_of(order, instrument, terms=terms)))
        self.generate_order_submitted(
            order.strategy_id, order.instrument_id, order.client_order_id, self._clock.timestamp_ns()
        )
        await self._create(tracked)

    def _long_qty(self, instrument_id: InstrumentId) -> Decimal:
        positions = self._cache.positions_open(venue=None, instrument_id=instrument_id)
        return sum((position.signed_decimal_qty() for position in positions), _ZERO)

    def _quote(self, instrument_id: InstrumentId) -> Quote | None:
        tick = self._cache.quote_tick(instrument_id)
        return None if tick is None else Quote(tick.bid_price.as_decimal(), tick.ask_price.as_decimal())

    def _cap_refusal(self, order: Order) -> str:
        price = getattr(order, "price", None) or getattr(order, "trigger_price", None)
        refusal = self._caps.refusal(
            order.instrument_id.value,
            is_buy=order.side == OrderSide.BUY,
            qty=order.quantity.as_decimal(),
            price=price.as_decimal() if price is not None else None,
            quote=self._quote(order.instrument_id),
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
        quote = self._quote(instrument.id)
        size = instrument.min_quantity or instrument.size_increment
        try:
            price = quote.bid if quote is not None else await self._best_bid(product_id)
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

    async def _best_bid(self, product_id: str) -> Decimal:
        books = parsing.rows(await self._http.best_quotes([product_id]), "pricebooks")
        bids = parsing.rows(books[0], "bids") if books else []
        return parsing.decimal_of(bids[0].get("price") if bids else None, "best_bid")

    async def _create(self, tracked: Tracked) -> None:
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
                    self._adopt(tracked, answer.order_id)
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
            self._reject(tracked, refusal)

    async def _settle(self, tracked: Tracked, refusal: str) -> None:
        """Look for an order in the venue's list until it is found, or absent for long enough."""
        since, n_absent, pause = monotonic(), 0, _REPOST_PAUSE_SECS
        while not tracked.venue_id and not tracked.is_done:
            try:
                row = await self._find(tracked)
            except (VenueError, ParseError) as error:
                n_absent = 0
                self._log.warning(f"client_order_id={tracked.client_order_id} in_doubt=list reason={error}")
            else:
                if row is not None:
                    self._adopt(tracked, row.order_id)
                    await self._take_rest(tracked, row)
                    return
                n_absent += 1
                if n_absent >= 2 and monotonic() - since > _ABSENT_SECS and not refusal.startswith(DUPLICATE):
                    self._reject(tracked, f"the venue does not have it, {refusal}")
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _MAX_LOOK_SECS)

    async def _find(self, tracked: Tracked) -> OrderRow | None:
        """Return an order of the venue's list by our id; the venue has no other way to ask for it."""
        start_ns = self._clock.timestamp_ns() - int(tracked.age_secs * 1e9) - _LOOKBACK_NS
        order = self._cache.order(tracked.client_order_id)
        if order is not None:
            start_ns = min(start_ns, order.ts_init - _LOOKBACK_NS)
        found = await self._http.orders(
            product_ids=[tracked.instrument_id.symbol.value], start_date=commands.rfc3339(start_ns)
        )
        for raw in found:
            if raw.get("client_order_id") == tracked.client_order_id.value:
                return parsing.order(raw)
        return None

    def _note_refusal(self, refused: RefusedError) -> None:
        if isinstance(refused, UnauthorizedError) and not self.unauthorized:
            self.unauthorized = "the venue does not accept the key"
            self.counters.add("nqs_key_refused")
            self._log.error(f"{self.unauthorized}: no order is sent until it is mended ({refused})")

    def _reject(self, tracked: Tracked, reason: str) -> None:
        tracked.is_done, tracked.takes_fills = True, False
        name = reason.partition(" ")[0]
        self.generate_order_rejected(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            reason or "no reason given",
            self._clock.timestamp_ns(),
            due_post_only=name in POST_ONLY_REASONS or "POST_ONLY" in name,
        )

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
            if tracked is None:
                self._reject_cancel_of_unknown(client_order_id)
            elif not tracked.is_done:
                tracked.cancel_wanted = True
                # One whose id is not known yet is cancelled when it is.
                if tracked.venue_id:
                    known.append(tracked)
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
                self._reject_cancel(tracked, str(error))
            return
        except (AmbiguousError, ParseError) as error:
            self._log.warning(f"orders={len(batch)} in_doubt=cancel reason={error}")
            for tracked in batch:
                self._look(tracked, 0.2)
            return
        for tracked in batch:
            result = results.get(tracked.venue_id)
            if result is None or result.success or result.reason == "DUPLICATE_CANCEL_REQUEST":
                # Queued: it can still be filled, and the user channel tells the end. When that does not, we ask.
                self._look(tracked, _UNACKNOWLEDGED_SECS)
            else:
                self._reject_cancel(tracked, result.reason or "no reason given")
                self._look(tracked, 0.0)

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

    def _reject_cancel(self, tracked: Tracked, reason: str) -> None:
        tracked.cancel_wanted = False
        self.generate_order_cancel_rejected(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id) if tracked.venue_id else None,
            reason,
            self._clock.timestamp_ns(),
        )

    def _reject_cancel_of_unknown(self, client_order_id: ClientOrderId) -> None:
        order = self._cache.order(client_order_id)
        if order is not None and not order.is_closed:
            self._reject_cancel(Tracked(order), "not an order of this client")

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
            self._reject_modify(tracked or Tracked(order), reason)
            return
        terms = Terms(stop_offset_frac=self._settings.stop_market_offset_frac)
        body = commands.edit_body(order, instrument, **wanted, terms=terms)
        body["order_id"] = tracked.venue_id
        stop = body.get("stop_price")
        tracked.edit = (Decimal(body["size"]), Decimal(body["price"]), Decimal(stop) if stop else None)
        await self._edit(tracked, body)

    async def _edit(self, tracked: Tracked, body: dict[str, str]) -> None:
        try:
            refusal = parsing.edited(await self._again(lambda: self._http.edit(body)))
        except (RefusedError, NotSentError, RateLimitedError) as error:
            refusal = str(error)
            if isinstance(error, RefusedError):
                self._note_refusal(error)
        except (AmbiguousError, ParseError) as error:
            self._log.warning(f"client_order_id={tracked.client_order_id} in_doubt=edit reason={error}")
            self._look(tracked, 0.5)
            return
        if refusal:
            self._reject_modify(tracked, refusal)
        elif tracked.edit is not None and tracked.edit[2] is not None:
            # Whether an edit reaches the trigger is not documented: what the venue then holds is told.
            self._look(tracked, 0.0)
        else:
            self._confirm_edit(tracked)

    def _confirm_edit(self, tracked: Tracked) -> None:
        edit, tracked.edit = tracked.edit, None
        instrument = self._cache.instrument(tracked.instrument_id)
        if edit is None or tracked.is_done or instrument is None:
            return
        size, price, stop = edit
        is_market_stop = tracked.order_type == OrderType.STOP_MARKET
        self.generate_order_updated(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            Quantity(size, instrument.size_precision),
            None if is_market_stop else Price(price, instrument.price_precision),
            Price(stop, instrument.price_precision) if stop is not None else None,
            self._clock.timestamp_ns(),
        )

    def _reject_modify(self, tracked: Tracked, reason: str) -> None:
        tracked.edit = None
        self.generate_order_modify_rejected(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id) if tracked.venue_id else None,
            reason,
            self._clock.timestamp_ns(),
        )

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
            self._adopt(tracked, row.order_id)
            self._look(tracked, 0.0)
        else:
            self._apply(tracked, row)

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
                await self._look_now(tracked)
        self._account_due = True
        buffered, self._buffer = self._buffer, None
        for envelope in buffered or ():
            self._on_event(envelope)

    # -- looking again ------------------------------------------------------------------------------------------------

    def _look(self, tracked: Tracked, after_secs: float) -> None:
        """Read an order by REST after a while, unless that is planned for earlier."""
        due = monotonic() + after_secs
        planned = self._looks.get(tracked.client_order_id)
        if planned is None or due < planned[0]:
            self._looks[tracked.client_order_id] = (due, 0.5)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECS)
            now = monotonic()
            for client_order_id, (due, _) in list(self._looks.items()):
                tracked = self._orders.get(client_order_id)
                if tracked is None or (tracked.is_done and not tracked.takes_fills):
                    del self._looks[client_order_id]
                elif due <= now and client_order_id not in self._looking:
                    self.create_task(self._look_now(tracked), log_msg="coinbase-look")
            for tracked in self._orders.forget_done(_FORGET_SECS):
                self._marks.forget(tracked.venue_id)

    async def _look_now(self, tracked: Tracked) -> None:
        """Read one order and apply it; what stays in doubt is read again, ever more rarely."""
        client_order_id = tracked.client_order_id
        if client_order_id in self._looking:
            return
        self._looking.add(client_order_id)
        _, pause = self._looks.pop(client_order_id, (0.0, 0.5))
        try:
            row = parsing.order((await self._http.order(tracked.venue_id)).get("order"))
            await self._take_rest(tracked, row)
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

    async def _take_rest(self, tracked: Tracked, row: OrderRow) -> None:
        """Apply what REST tells of an order: its executions first, with their own prices, fees and sides."""
        self._sync(tracked)
        self._accept(tracked, row.ts_ns)
        if tracked.edit is not None:
            self._judge_edit(tracked, row)
        if row.filled > self._marks.booked(row.order_id) and tracked.quote_size is None:
            await self._book_fills(tracked, row)
        self._apply(tracked, row)

    def _judge_edit(self, tracked: Tracked, row: OrderRow) -> None:
        """Compare an order with the edit whose outcome is not known."""
        size, price, stop = tracked.edit or (_ZERO, _ZERO, None)
        held = (row.size, row.limit_price, row.stop_price if stop is not None else None)
        if held == (size, price, stop):
            self._confirm_edit(tracked)
        elif row.status is not Status.EDIT_QUEUED:
            self._reject_modify(tracked, f"the venue holds it at {row.size} @ {row.limit_price}")

    async def _book_fills(self, tracked: Tracked, row: OrderRow) -> None:
        """Book the executions of an order one by one; the list lags, and after a while the totals must do."""
        ends = monotonic() + self._settings.fills_lag_secs
        while self._marks.booked(row.order_id) < row.filled:
            try:
                found = [parsing.fill(raw) for raw in await self._http.fills(order_ids=[row.order_id])]
            except (VenueError, ParseError) as error:
                self._log.warning(f"venue_order_id={row.order_id} fills=failed reason={error}")
                found = []
            cumulative = _ZERO
            for fill in sorted(found, key=lambda fill: (fill.sequence_ns, fill.trade_id)):
                if fill.trade_type != "FILL":
                    self.counters.add("nqs_fills_of_other_types")
                    continue
                cumulative += fill.size
                increment = self._marks.add(
                    row.order_id, fill.size, fill.price, cumulative=cumulative, fee=fill.commission
                )
                if increment is not None:
                    self._fill(tracked, increment, fill.ts_ns, reports.liquidity_of(fill.liquidity))
            if self._marks.booked(row.order_id) >= row.filled or monotonic() > ends:
                return
            await asyncio.sleep(0.5)

    # -- from what is told to events ----------------------------------------------------------------------------------

    def _sync(self, tracked: Tracked) -> None:
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
        tracked.fees = tracked.fees_told = fees

    def _adopt(self, tracked: Tracked, venue_id: str) -> None:
        """Give an order the id that the venue has for it; whichever tells it first accepts the order."""
        if tracked.venue_id:
            return
        waiting = self._orders.claim(tracked, venue_id)
        self._accept(tracked, self._clock.timestamp_ns())
        for row in waiting:
            self._apply(tracked, row)
        if tracked.cancel_wanted and not tracked.is_done:
            self.create_task(self._cancel_batch([tracked]), log_msg="coinbase-cancel")

    def _accept(self, tracked: Tracked, ts_ns: int) -> None:
        if tracked.is_accepted or tracked.is_done:
            return
        tracked.is_accepted = True
        self.generate_order_accepted(
            tracked.strategy_id,
            tracked.instrument_id,
            tracked.client_order_id,
            VenueOrderId(tracked.venue_id),
            ts_ns,
        )

    def _apply(self, tracked: Tracked, row: OrderRow) -> None:
        """Emit what a row adds to what was told: accepted, triggered, filled, and the end."""
        has_failed = row.status is Status.FAILED and row.filled == 0
        if not tracked.venue_id and not has_failed:
            self._adopt(tracked, row.order_id)
        self._sync(tracked)
        if row.triggered and not tracked.is_triggered and not tracked.is_done:
            tracked.is_triggered = True
            if tracked.order_type == OrderType.STOP_LIMIT:
                self._tell(self.generate_order_triggered, tracked, row.ts_ns)
        self._book_total(tracked, row)
        if tracked.is_done or row.status not in TERMINAL:
            if row.status is Status.UNKNOWN:
                self._look(tracked, 0.0)
            return
        if has_failed:
            tracked.venue_id = tracked.venue_id or row.order_id
            self._reject(tracked, row.reason or "FAILED")
        elif row.status is Status.FILLED:
            tracked.is_done, tracked.takes_fills = True, False
        elif row.status is Status.EXPIRED:
            tracked.is_done, tracked.takes_fills = True, False
            self._tell(self.generate_order_expired, tracked, row.ts_ns)
        else:
            tracked.is_done = True
            self._tell(self.generate_order_canceled, tracked, row.ts_ns)
        self._account_due = True

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
            self.counters.add("nqs_fills_after_end")
            self._log.error(f"client_order_id={tracked.client_order_id} filled={row.filled} after its end")
            return
        if tracked.quote_size is not None:
            self._tell_base_quantity(tracked, row)
        increment = self._marks.up_to(row.order_id, row.filled, average=row.average, fee=row.fees)
        if increment is not None:
            side = LiquiditySide.MAKER if tracked.is_post_only else LiquiditySide.NO_LIQUIDITY_SIDE
            self._fill(tracked, increment, row.ts_ns, LiquiditySide.TAKER if tracked.is_taker else side)

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
        self.generate_order_updated(
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

    def _fill(self, tracked: Tracked, increment: Increment, ts_ns: int, side: LiquiditySide) -> None:
        instrument = self._cache.instrument(tracked.instrument_id)
        # Money has the currency's decimals and fees have more: the rounding is carried, so that their sum is right.
        tracked.fees += increment.fee
        commission = Money(tracked.fees - tracked.fees_told, instrument.quote_currency)
        tracked.fees_told += commission.as_decimal()
        self.generate_order_filled(
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
        self._account_due = True

    # -- account ------------------------------------------------------------------------------------------------------

    async def _query_account(self, command: QueryAccount) -> None:
        await self._update_account()

    async def _watch_account(self) -> None:
        read_at = monotonic()
        while True:
            await asyncio.sleep(0.5)
            if self._account_due or monotonic() - read_at > self._settings.account_interval_secs:
                self._account_due, read_at = False, monotonic()
                try:
                    await self._update_account()
                except (VenueError, ParseError) as error:
                    self._log.warning(f"account=stale reason={error}")

    async def _update_account(self) -> None:
        totals: dict[str, tuple[Decimal, Decimal]] = {}
        for raw in await self._http.accounts():
            row = parsing.balance(raw)
            available, hold = totals.get(row.currency, (_ZERO, _ZERO))
            totals[row.currency] = (available + row.available, hold + row.hold)
        # Hundreds of currencies are listed with nothing in them; one that had something is told once more as empty.
        told = {code for code, (available, hold) in totals.items() if available or hold} | set(self._balances)
        self._balances = {code: sum(totals.get(code, (_ZERO, _ZERO)), _ZERO) for code in told}
        balances = [_account_balance(code, *totals.get(code, (_ZERO, _ZERO))) for code in sorted(told)]
        if not balances:
            balances = [_account_balance("USD", _ZERO, _ZERO)]
        self.generate_account_state(balances, [], True, self._clock.timestamp_ns())

    # -- reports ------------------------------------------------------------------------------------------------------

    async def generate_order_status_report(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """Return a report of an order; None only when the venue says that it has no such order."""
        client_order_id = command.client_order_id
        if client_order_id is None and command.venue_order_id is not None:
            client_order_id = self._cache.client_order_id(command.venue_order_id)
        order = self._cache.order(client_order_id) if client_order_id is not None else None
        tracked = self._orders.get(client_order_id) if client_order_id is not None else None
        venue_id = tracked.venue_id if tracked is not None else ""
        venue_id = venue_id or (command.venue_order_id.value if command.venue_order_id is not None else "")
        try:
            if venue_id:
                row = parsing.order((await self._http.order(venue_id)).get("order"))
            elif tracked is not None:
                # Its creation is being looked into, or it was never sent.
                found = await self._find(tracked)
                if found is None:
                    return None
                row = found
                self._adopt(tracked, row.order_id)
            else:
                return None
        except NotFoundError:
            young = tracked is not None and tracked.age_secs < _YOUNG_SECS
            return self._cached(order) if young else None
        except (VenueError, ParseError) as error:
            self._log.warning(f"client_order_id={client_order_id} report=from_cache reason={error}")
            return self._cached(order)
        if tracked is not None:
            await self._take_rest(tracked, row)
            await self._caught_up(tracked)
            order = self._cache.order(tracked.client_order_id)
        return self._reported(row, order) or self._cached(order)

    def _cached(self, order: Order | None) -> OrderStatusReport | None:
        if order is None:
            return None
        return reports.cached_report(order, self.account_id, ts_ns=self._clock.timestamp_ns())

    def _reported(self, row: OrderRow, order: Order | None) -> OrderStatusReport | None:
        instrument = self._cache.instrument(instrument_id_of(row.product_id))
        if instrument is None:
            self.counters.add("nqs_reports_without_instrument")
            return None
        return reports.order_report(row, instrument, self.account_id, order=order, ts_ns=self._clock.timestamp_ns())

    async def _caught_up(self, tracked: Tracked) -> None:
        """Wait until the engine has booked what was told: a report that overtakes a fill makes it invent one."""
        ends = monotonic() + 1.0
        while monotonic() < ends:
            order = self._cache.order(tracked.client_order_id)
            if order is None or order.filled_qty.as_decimal() >= self._marks.booked(tracked.venue_id):
                return
            await asyncio.sleep(0.01)

    async def generate_order_status_reports(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
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
                self._socket.refuse(error)
                continue
            if (report := await self._report_of_row(row)) is not None:
                found.append(report)
        # The venue's list of open orders leaves out those that are pending or queued.
        told = {report.venue_order_id.value for report in found}
        for order in known:
            tracked = self._orders.get(order.client_order_id)
            if tracked is not None and tracked.venue_id and tracked.venue_id not in told:
                single = await self.generate_order_status_report(
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
        if order is None and instrument_id_of(row.product_id) not in self._settings.claim_external:
            return None
        if tracked is not None and not tracked.is_done:
            await self._take_rest(tracked, row)
            await self._caught_up(tracked)
        return self._reported(row, order)

    async def generate_fill_reports(self, command: GenerateFillReports) -> list[FillReport]:
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
            if found is None and instrument_id_of(row.product_id) not in self._settings.claim_external:
                continue
            kept.append(row)
            order = self._cache.order(found) if found is not None else None
            if order is not None:
                client_ids[row.order_id] = order.client_order_id
                booked[row.order_id] = max(order.filled_qty.as_decimal(), self._marks.booked(row.order_id))
        instruments = reports.instrument_of(self._products.get_all())
        ts_ns = self._clock.timestamp_ns()
        return reports.fill_reports(
            kept, instruments, self.account_id, booked=booked, client_ids=client_ids, ts_ns=ts_ns
        )

    async def generate_position_status_reports(
        self, command: GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """Return positions: the balance above its baseline where one is set, else what the books say.

        Spot has balances and no positions. Reporting none would let the engine close its own positions.
        """
        flagged = {InstrumentId.from_str(text): baseline for text, baseline in self._settings.spot_positions.items()}
        if flagged:
            try:
                await self._update_account()
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
            qty = self._long_qty(instrument_id)
            if instrument_id in flagged:
                code = instrument.base_currency.code
                qty = self._balances.get(code, _ZERO) - flagged[instrument_id]
            positions = self._cache.positions_open(venue=None, instrument_id=instrument_id)
            average = Decimal(str(positions[0].avg_px_open)) if positions else None
            found.append(
                reports.position_report(
                    instrument, self.account_id, qty=qty, average=average, ts_ns=self._clock.timestamp_ns()
                )
            )
        return found


def _account_balance(code: str, available: Decimal, hold: Decimal) -> AccountBalance:
    """Return a balance in the currency's decimals; what the rounding leaves is not free."""
    currency = currency_of(code)
    total, free = Money(available + hold, currency), Money(available, currency)
    free = min(free, total)
    return AccountBalance(total, Money(total.as_decimal() - free.as_decimal(), currency), free)
