"""Market data: books, quotes, trades, five-minute bars and status by socket; history by REST."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.data.messages import (
    RequestBars,
    RequestInstrument,
    RequestInstruments,
    RequestOrderBookSnapshot,
    RequestQuoteTicks,
    RequestTradeTicks,
    SubscribeBars,
    SubscribeInstrument,
    SubscribeInstruments,
    SubscribeInstrumentStatus,
    SubscribeOrderBook,
    SubscribeQuoteTicks,
    SubscribeTradeTicks,
    UnsubscribeBars,
    UnsubscribeInstrument,
    UnsubscribeInstruments,
    UnsubscribeInstrumentStatus,
    UnsubscribeOrderBook,
    UnsubscribeQuoteTicks,
    UnsubscribeTradeTicks,
)
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.data import (
    Bar,
    BarType,
    BookOrder,
    DataType,
    InstrumentStatus,
    OrderBookDelta,
    OrderBookDeltas,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import (
    AggressorSide,
    BarAggregation,
    BookAction,
    BookType,
    MarketStatusAction,
    OrderSide,
    PriceType,
    RecordFlag,
)
from nautilus_trader.model.identifiers import ClientId, InstrumentId, TradeId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Price, Quantity

from adapters.coinbase import parsing
from adapters.coinbase.books import BarCloser, TopOfBook, TradeFilter
from adapters.coinbase.config import CoinbaseDataClientConfig
from adapters.coinbase.constants import (
    CANDLES_PER_REQUEST,
    COINBASE,
    COINBASE_VENUE,
    GRANULARITY_OF,
    L2_DATA,
    Channel,
)
from adapters.coinbase.credentials import Credentials
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import CandleRow, Envelope, Level, ParseError, TradeRow
from adapters.coinbase.providers import CoinbaseInstrumentProvider
from adapters.coinbase.websocket import CoinbaseSocket
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError

_LIVE_BAR_SECS: Final = 300
_SECOND: Final = 1_000_000_000
_BOOK_LEVELS: Final = 1_000
_TRADES_PER_REQUEST: Final = 1_000
_ACTION_OF: Final = {
    "online": MarketStatusAction.TRADING,
    "offline": MarketStatusAction.NOT_AVAILABLE_FOR_TRADING,
    "delisted": MarketStatusAction.CLOSE,
    "auction": MarketStatusAction.CROSS,
}


class CoinbaseDataClient(LiveMarketDataClient):
    """Gives a node Coinbase's market data.

    Parameters
    ----------
    loop, msgbus, cache, clock
        Of the node.
    http
        The REST interface.
    credentials
        None: market data is public.
    instrument_provider
        Of the products.
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
        credentials: Credentials | None,
        *,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        instrument_provider: CoinbaseInstrumentProvider,
        counters: Counters,
        config: CoinbaseDataClientConfig,
        name: str | None = None,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(name or COINBASE),
            venue=COINBASE_VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=instrument_provider,
            config=config,
        )
        self._http = http
        self._settings = config
        self._products = instrument_provider
        self.counters = counters
        # By what is told and by product: an alias is told under the name of the product that it stands for.
        self._wanted: dict[str, dict[str, set[InstrumentId]]] = defaultdict(lambda: defaultdict(set))
        self._bar_types: dict[InstrumentId, BarType] = {}
        self._booked: set[str] = set()
        self._tops: dict[str, TopOfBook] = {}
        self._trades: dict[str, TradeFilter] = defaultdict(TradeFilter)
        self._bars: dict[str, BarCloser] = defaultdict(lambda: BarCloser(_LIVE_BAR_SECS))
        self._statuses: dict[str, str] = {}
        self._workers: list[asyncio.Task[Any]] = []
        self._handlers: dict[str, Callable[[dict[str, Any], Envelope], None]] = {
            L2_DATA: self._on_book,
            Channel.TICKER: self._on_ticker,
            Channel.MARKET_TRADES: self._on_trades,
            Channel.CANDLES: self._on_candles,
            Channel.STATUS: self._on_status,
        }
        self._socket = CoinbaseSocket(
            "coinbase-market",
            config.endpoints.market_url,
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
        self._tell_instruments()
        self._socket.start()
        self._workers = [self.create_task(self._close_bars(), log_msg="coinbase-bars")]
        if self._settings.update_instruments_interval_mins:
            self._workers.append(self.create_task(self._refresh_instruments(), log_msg="coinbase-instruments"))

    async def _disconnect(self) -> None:
        for worker in self._workers:
            worker.cancel()
        self._workers = []
        await self._socket.stop()
        self._http.close()

    def _tell_instruments(self) -> None:
        for currency in self._products.currencies().values():
            self._cache.add_currency(currency)
        for instrument in self._products.list_all():
            self._handle_data(instrument)

    async def _refresh_instruments(self) -> None:
        while True:
            await asyncio.sleep(60.0 * (self._settings.update_instruments_interval_mins or 60))
            try:
                await self._products.initialize(reload=True)
            except (VenueError, ParseError) as error:
                self._log.warning(f"instruments=stale reason={error}")
            else:
                self._tell_instruments()

    # -- subscriptions ------------------------------------------------------------------------------------------------

    async def _want(self, what: str, channel: str, instrument_id: InstrumentId) -> None:
        product = self._products.canonical(instrument_id.symbol.value)
        self._wanted[what][product].add(instrument_id)
        await self._socket.subscribe(channel, [product])

    async def _leave(self, what: str, channel: str, instrument_id: InstrumentId, *, shared_with: str = "") -> None:
        product = self._products.canonical(instrument_id.symbol.value)
        self._wanted[what][product].discard(instrument_id)
        if not self._wanted[what][product] and not (shared_with and self._wanted[shared_with][product]):
            self._booked.discard(product)
            await self._socket.unsubscribe(channel, [product])

    async def _subscribe_instruments(self, command: SubscribeInstruments) -> None:
        """Instruments are read again by a timer."""

    async def _subscribe_instrument(self, command: SubscribeInstrument) -> None:
        """Instruments are read again by a timer."""

    async def _unsubscribe_instruments(self, command: UnsubscribeInstruments) -> None:
        """Instruments are read again by a timer."""

    async def _unsubscribe_instrument(self, command: UnsubscribeInstrument) -> None:
        """Instruments are read again by a timer."""

    async def _subscribe_order_book_deltas(self, command: SubscribeOrderBook) -> None:
        if command.book_type != BookType.L2_MBP:
            self._log.error("Coinbase has books of price levels only: subscribe with L2_MBP")
            return
        product = self._products.canonical(command.instrument_id.symbol.value)
        is_held = product in self._booked
        await self._want("book", Channel.LEVEL2, command.instrument_id)
        if is_held:
            # Quotes came from it already: the newcomer needs a snapshot.
            await self._socket.renew(Channel.LEVEL2)

    async def _unsubscribe_order_book_deltas(self, command: UnsubscribeOrderBook) -> None:
        await self._leave("book", Channel.LEVEL2, command.instrument_id, shared_with="top")

    async def _subscribe_quote_ticks(self, command: SubscribeQuoteTicks) -> None:
        if self._settings.quotes_from_book:
            await self._want("top", Channel.LEVEL2, command.instrument_id)
        else:
            await self._want("quote", Channel.TICKER, command.instrument_id)

    async def _unsubscribe_quote_ticks(self, command: UnsubscribeQuoteTicks) -> None:
        if self._settings.quotes_from_book:
            await self._leave("top", Channel.LEVEL2, command.instrument_id, shared_with="book")
        else:
            await self._leave("quote", Channel.TICKER, command.instrument_id)

    async def _subscribe_trade_ticks(self, command: SubscribeTradeTicks) -> None:
        await self._want("trade", Channel.MARKET_TRADES, command.instrument_id)

    async def _unsubscribe_trade_ticks(self, command: UnsubscribeTradeTicks) -> None:
        await self._leave("trade", Channel.MARKET_TRADES, command.instrument_id)

    async def _subscribe_bars(self, command: SubscribeBars) -> None:
        spec = command.bar_type.spec
        is_live = spec.step == 5 and spec.aggregation == BarAggregation.MINUTE and spec.price_type == PriceType.LAST
        if not is_live or not command.bar_type.is_externally_aggregated():
            self._log.error(
                f"{command.bar_type} is not streamed: subscribe to 5-MINUTE-LAST-EXTERNAL, or aggregate internally"
            )
            return
        self._bar_types[command.bar_type.instrument_id] = command.bar_type
        await self._want("bar", Channel.CANDLES, command.bar_type.instrument_id)

    async def _unsubscribe_bars(self, command: UnsubscribeBars) -> None:
        await self._leave("bar", Channel.CANDLES, command.bar_type.instrument_id)

    async def _subscribe_instrument_status(self, command: SubscribeInstrumentStatus) -> None:
        await self._want("status", Channel.STATUS, command.instrument_id)

    async def _unsubscribe_instrument_status(self, command: UnsubscribeInstrumentStatus) -> None:
        await self._leave("status", Channel.STATUS, command.instrument_id)

    # -- the socket ---------------------------------------------------------------------------------------------------

    async def _on_up(self, n_connection: int) -> None:
        self._log.info(f"socket=market connection={n_connection}")

    def _on_down(self, reason: str) -> None:
        self._log.warning(f"socket=market down={reason}")

    def _on_gap(self) -> None:
        """Clear every book: what is left of it could be wrong, and no change is told before the next snapshot."""
        for product in list(self._booked):
            for instrument_id in self._wanted["book"][product]:
                ts_ns = self._clock.timestamp_ns()
                clear = OrderBookDelta(instrument_id, BookAction.CLEAR, None, RecordFlag.F_LAST, 0, ts_ns, ts_ns)
                self._handle_data(OrderBookDeltas(instrument_id, [clear]))
        self._booked.clear()
        self._tops.clear()

    def _on_event(self, envelope: Envelope) -> None:
        handle = self._handlers.get(envelope.channel)
        if handle is None:
            self.counters.add("nqs_payloads_refused", reason="unknown_channel")
            return
        for event in envelope.events:
            handle(event, envelope)

    def _each(self, what: str, product: str) -> list[Instrument]:
        found = (self._products.find(instrument_id) for instrument_id in self._wanted[what].get(product, ()))
        return [instrument for instrument in found if instrument is not None]

    def _on_book(self, event: dict[str, Any], envelope: Envelope) -> None:
        product, is_snapshot, levels = parsing.book_event(event)
        if is_snapshot:
            self._booked.add(product)
            self._tops[product] = TopOfBook()
        elif product not in self._booked:
            self.counters.add("nqs_book_updates_without_snapshot")
            return
        ts_init = self._clock.timestamp_ns()
        for instrument in self._each("book", product):
            deltas = _deltas(instrument, levels, envelope, is_snapshot=is_snapshot, ts_init=ts_init)
            if deltas:
                self._handle_data(OrderBookDeltas(instrument.id, deltas))
        instruments = self._each("top", product)
        top = self._tops[product].update(levels, is_snapshot=is_snapshot) if instruments else None
        if top is not None:
            for instrument in instruments:
                self._handle_data(_quote(instrument, *top, ts_event=envelope.ts_ns, ts_init=ts_init))

    def _on_ticker(self, event: dict[str, Any], envelope: Envelope) -> None:
        for raw in parsing.rows(event, "tickers"):
            row = parsing.ticker(raw)
            for instrument in self._each("quote", row.product_id):
                self._handle_data(
                    _quote(
                        instrument,
                        row.bid,
                        row.bid_size,
                        row.ask,
                        row.ask_size,
                        ts_event=envelope.ts_ns,
                        ts_init=self._clock.timestamp_ns(),
                    )
                )

    def _on_trades(self, event: dict[str, Any], _: Envelope) -> None:
        by_product: dict[str, list[TradeRow]] = defaultdict(list)
        for raw in parsing.rows(event, "trades"):
            try:
                row = parsing.trade(raw)
            except ParseError as error:
                self._socket.refuse(error)
            else:
                by_product[row.product_id].append(row)
        for product, rows in by_product.items():
            fresh = self._trades[product].fresh(rows, is_snapshot=event.get("type") == "snapshot")
            for instrument in self._each("trade", product):
                for row in fresh:
                    self._handle_data(_trade(instrument, row, ts_init=self._clock.timestamp_ns()))

    def _on_candles(self, event: dict[str, Any], _: Envelope) -> None:
        by_product: dict[str, list[CandleRow]] = defaultdict(list)
        for raw in parsing.rows(event, "candles"):
            row = parsing.candle(raw)
            by_product[row.product_id].append(row)
        for product, rows in by_product.items():
            self._tell_bars(product, self._bars[product].take(rows, is_snapshot=event.get("type") == "snapshot"))

    async def _close_bars(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for product, bars in list(self._bars.items()):
                self._tell_bars(product, bars.expire(self._clock.timestamp_ns()))

    def _tell_bars(self, product: str, candles: list[CandleRow]) -> None:
        for instrument in self._each("bar", product):
            for candle in candles:
                bar_type = self._bar_types[instrument.id]
                self._handle_data(
                    _bar(bar_type, instrument, candle, secs=_LIVE_BAR_SECS, ts_init=self._clock.timestamp_ns())
                )

    def _on_status(self, event: dict[str, Any], envelope: Envelope) -> None:
        for raw in parsing.rows(event, "products"):
            product, status = parsing.status_product(raw)
            for instrument in self._each("status", product):
                if self._statuses.get(product) != status:
                    action = _ACTION_OF.get(status, MarketStatusAction.NONE)
                    is_trading = status == "online"
                    self._handle_data(
                        InstrumentStatus(
                            instrument.id,
                            action,
                            envelope.ts_ns,
                            self._clock.timestamp_ns(),
                            reason=status,
                            is_trading=is_trading,
                            is_quoting=is_trading,
                        )
                    )
            self._statuses[product] = status

    # -- requests -----------------------------------------------------------------------------------------------------

    async def _request_instrument(self, request: RequestInstrument) -> None:
        instrument = self._products.find(request.instrument_id)
        if instrument is None:
            self._log.error(f"{request.instrument_id} is not a product of the venue")
            return
        self._handle_instrument(instrument, request.id, request.start, request.end, request.params)

    async def _request_instruments(self, request: RequestInstruments) -> None:
        self._handle_instruments(
            COINBASE_VENUE, self._products.list_all(), request.id, request.start, request.end, request.params
        )

    async def _request_quote_ticks(self, request: RequestQuoteTicks) -> None:
        self._log.error("Coinbase has no history of quotes")

    async def _request_trade_ticks(self, request: RequestTradeTicks) -> None:
        instrument = self._products.find(request.instrument_id)
        if instrument is None:
            self._log.error(f"{request.instrument_id} is not a product of the venue")
            return
        window = {"limit": str(min(request.limit or _TRADES_PER_REQUEST, _TRADES_PER_REQUEST))}
        for name, at in (("start", request.start), ("end", request.end)):
            if at is not None:
                window[name] = str(int(at.timestamp()))
        try:
            answer = await self._http.trades(request.instrument_id.symbol.value, **window)
            rows = [parsing.trade(raw) for raw in parsing.rows(answer, "trades")]
        except (VenueError, ParseError) as error:
            self._log.error(f"{request.instrument_id} trades=failed reason={error}")
            return
        ts_init = self._clock.timestamp_ns()
        ticks = [_trade(instrument, row, ts_init=ts_init) for row in sorted(rows, key=lambda row: row.ts_ns)]
        self._handle_trade_ticks(request.instrument_id, ticks, request.id, request.start, request.end, request.params)

    async def _request_bars(self, request: RequestBars) -> None:
        bar_type = request.bar_type
        instrument = self._products.find(bar_type.instrument_id)
        granularity = GRANULARITY_OF.get((bar_type.spec.step, bar_type.spec.aggregation))
        if instrument is None or granularity is None or bar_type.spec.price_type != PriceType.LAST:
            self._log.error(f"{bar_type} has no history at the venue")
            return
        name, secs = granularity
        now_ns = self._clock.timestamp_ns()
        end = min(int(request.end.timestamp()) if request.end is not None else now_ns // _SECOND, now_ns // _SECOND)
        count = request.limit or CANDLES_PER_REQUEST
        start = int(request.start.timestamp()) if request.start is not None else end - count * secs
        try:
            candles = await self._candles(bar_type.instrument_id, name, secs=secs, start=start, end=end)
        except (VenueError, ParseError) as error:
            self._log.error(f"{bar_type} history=failed reason={error}")
            return
        closed = [candle for candle in candles if (candle.start_secs + secs) * _SECOND <= now_ns]
        bars = [_bar(bar_type, instrument, candle, secs=secs, ts_init=now_ns) for candle in closed]
        if request.limit:
            bars = bars[-request.limit :]
        self._handle_bars(bar_type, bars, request.id, request.start, request.end, request.params)

    async def _candles(
        self, instrument_id: InstrumentId, granularity: str, *, secs: int, start: int, end: int
    ) -> list[CandleRow]:
        """Read bars page by page, oldest first; both ends of a page belong to it."""
        found: dict[int, CandleRow] = {}
        at = start - start % secs
        while at <= end:
            until = min(end, at + (CANDLES_PER_REQUEST - 1) * secs)
            answer = await self._http.candles(
                instrument_id.symbol.value, start=str(at), end=str(until), granularity=granularity
            )
            for raw in parsing.rows(answer, "candles"):
                row = parsing.candle(raw)
                if start <= row.start_secs <= end:
                    found[row.start_secs] = row
            at = until - until % secs + secs
        return [found[start_secs] for start_secs in sorted(found)]

    async def _request_order_book_snapshot(self, request: RequestOrderBookSnapshot) -> None:
        instrument = self._products.find(request.instrument_id)
        if instrument is None:
            self._log.error(f"{request.instrument_id} is not a product of the venue")
            return
        try:
            _, levels = parsing.book(
                await self._http.book(request.instrument_id.symbol.value, request.limit or _BOOK_LEVELS)
            )
        except (VenueError, ParseError) as error:
            self._log.error(f"{request.instrument_id} book=failed reason={error}")
            return
        ts_init = self._clock.timestamp_ns()
        around = Envelope("", 0, levels[0].ts_ns if levels else ts_init, [])
        deltas = _deltas(instrument, levels, around, is_snapshot=True, ts_init=ts_init)
        self._handle_data_response(
            DataType(OrderBookDeltas, metadata={"instrument_id": request.instrument_id}),
            [OrderBookDeltas(instrument.id, deltas)],
            request.id,
            None,
            None,
            request.params,
        )


def _deltas(
    instrument: Instrument, levels: list[Level], envelope: Envelope, *, is_snapshot: bool, ts_init: int
) -> list[OrderBookDelta]:
    sequence = envelope.sequence or 0
    base = int(RecordFlag.F_SNAPSHOT) if is_snapshot else 0
    changes: list[tuple[BookAction, BookOrder | None, int]] = []
    if is_snapshot:
        changes.append((BookAction.CLEAR, None, envelope.ts_ns))
    for level in levels:
        size = Quantity(level.size, instrument.size_precision)
        if is_snapshot and size == 0:
            continue
        side = OrderSide.BUY if level.is_bid else OrderSide.SELL
        action = BookAction.ADD if is_snapshot else BookAction.UPDATE if size > 0 else BookAction.DELETE
        changes.append((action, BookOrder(side, Price(level.price, instrument.price_precision), size, 0), level.ts_ns))
    last = len(changes) - 1
    return [
        OrderBookDelta(
            instrument.id, action, order, base | (RecordFlag.F_LAST if n == last else 0), sequence, ts_ns, ts_init
        )
        for n, (action, order, ts_ns) in enumerate(changes)
    ]


def _quote(
    instrument: Instrument,
    bid: Decimal,
    bid_size: Decimal,
    ask: Decimal,
    ask_size: Decimal,
    *,
    ts_event: int,
    ts_init: int,
) -> QuoteTick:
    return QuoteTick(
        instrument.id,
        Price(bid, instrument.price_precision),
        Price(ask, instrument.price_precision),
        Quantity(bid_size, instrument.size_precision),
        Quantity(ask_size, instrument.size_precision),
        ts_event,
        ts_init,
    )


def _trade(instrument: Instrument, row: TradeRow, *, ts_init: int) -> TradeTick:
    # The venue tells the side of the maker: who took is on the other one.
    taker = AggressorSide.SELLER if row.maker_is_buyer else AggressorSide.BUYER
    return TradeTick(
        instrument.id,
        Price(row.price, instrument.price_precision),
        Quantity(row.size, instrument.size_precision),
        AggressorSide.NO_AGGRESSOR if row.maker_is_buyer is None else taker,
        TradeId(row.trade_id[:36]),
        row.ts_ns,
        ts_init,
    )


def _bar(bar_type: BarType, instrument: Instrument, row: CandleRow, *, secs: int, ts_init: int) -> Bar:
    prices = [Price(price, instrument.price_precision) for price in (row.open, row.high, row.low, row.close)]
    closed_ns = (row.start_secs + secs) * _SECOND
    return Bar(
        bar_type,
        *prices,
        Quantity(row.volume, instrument.size_precision),
        closed_ns,
        max(ts_init, closed_ns),
    )
