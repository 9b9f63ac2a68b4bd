"""Market data: quotes, trades and bars of shares and crypto, live and from history, and news."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.data import Bar, CustomData, DataType, QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide, BarAggregation
from nautilus_trader.model.identifiers import ClientId, TradeId
from nautilus_trader.model.objects import Price, Quantity

from adapters.alpaca import market
from adapters.alpaca.config import AlpacaDataClientConfig, Credentials
from adapters.alpaca.constants import (
    ALPACA_VENUE,
    CRYPTO_STREAM_PATH,
    NEWS_STREAM_PATH,
    NOTICES_TOPIC,
    AssetClass,
    Notice,
    NoticeKind,
)
from adapters.alpaca.fields import ParseError
from adapters.alpaca.http import AlpacaHttp
from adapters.alpaca.news import AlpacaNews, news_of
from adapters.alpaca.providers import AlpacaInstrumentProvider
from adapters.alpaca.sessions import close_ns, is_regular_session, parse_sessions, timeframe_of
from adapters.alpaca.websocket import DataStream
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError

_SECOND_NS: Final = 1_000_000_000
_WATCH_SECS: Final = 5.0
_PAGE: Final = 10_000
_NEWS_PAGE: Final = 50
_MAX_ROWS: Final = 1_000_000
_DAY_SETTLES_SECS: Final = 60
_STOCKS, _CRYPTO, _NEWS = "alpaca-stocks", "alpaca-crypto", "alpaca-news"
_TAKERS: Final = {"B": AggressorSide.BUYER, "S": AggressorSide.SELLER}


class AlpacaDataClient(LiveMarketDataClient):
    """Data client of one Alpaca account.

    Parameters
    ----------
    loop, msgbus, cache, clock
        NautilusTrader's.
    client_id
        Its name in the node.
    http, provider, credentials, counters
        The adapter's other parts.
    config
        See :class:`~adapters.alpaca.config.AlpacaDataClientConfig`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        client_id: ClientId,
        http: AlpacaHttp,
        provider: AlpacaInstrumentProvider,
        credentials: Credentials,
        counters: Counters,
        config: AlpacaDataClientConfig,
        msgbus: Any,
        cache: Any,
        clock: Any,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=client_id,
            venue=ALPACA_VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=provider,
            config=config,
        )
        self.counters = counters
        self._http = http
        self._provider = provider
        self._settings = config
        host = config.venue.data_stream()
        paths = {_STOCKS: f"/v2/{config.feed.value}", _CRYPTO: CRYPTO_STREAM_PATH, _NEWS: NEWS_STREAM_PATH}
        self._streams = {name: self._stream(name, host + path, credentials) for name, path in paths.items()}
        self._bar_types: dict[tuple[str, Any], Any] = {}
        self._last_bar_ns: dict[Any, int] = {}
        self._running_days: dict[Any, Bar] = {}
        self._closes: dict[date, time] = {}
        self._news_types: list[DataType] = []
        self._stale: set[str] = set()
        self._up: set[str] = set()

    def _stream(self, name: str, url: str, credentials: Credentials) -> DataStream:
        return DataStream(
            name,
            url,
            credentials,
            on_message=self._on_message,
            on_up=lambda connection: self._on_up(name, connection),
            on_down=lambda reason: self._on_down(name, reason),
            on_refused=lambda reason: self._on_refused(name, reason),
            counters=self.counters,
            max_symbols=self._settings.max_symbols if name == _STOCKS else 0,
            mute_secs=self._settings.mute_secs,
        )

    async def _connect(self) -> None:
        self._http.open()
        await self._provider.initialize()
        for currency in self._provider.currencies().values():
            self._cache.add_currency(currency)
        for instrument in self._provider.list_all():
            self._handle_data(instrument)
        self.create_task(self._watch(), log_msg="alpaca-data-watch")

    async def _disconnect(self) -> None:
        await asyncio.gather(*(stream.socket.stop() for stream in self._streams.values()))
        self._http.close()

    # -- subscriptions -------------------------------------------------------------------------------------------------

    async def _subscribe_instrument(self, command: Any) -> None:
        instrument = self._provider.find(command.instrument_id)
        if instrument is None:
            await self._provider.load_async(command.instrument_id)
            instrument = self._provider.find(command.instrument_id)
        if instrument is not None:
            self._handle_data(instrument)

    async def _subscribe_instruments(self, command: Any) -> None:
        """Nothing to do: all loaded instruments are published on connection and on every refresh."""

    async def _unsubscribe_instrument(self, command: Any) -> None:
        """Nothing to do."""

    async def _unsubscribe_instruments(self, command: Any) -> None:
        """Nothing to do."""

    async def _subscribe_order_book_deltas(self, command: Any) -> None:
        # NautilusTrader's order emulator asks for books beside quotes; the venue has none for shares.
        self._log.debug(f"no order book at the venue: instrument_id={command.instrument_id}")

    async def _unsubscribe_order_book_deltas(self, command: Any) -> None:
        """Nothing to do."""

    async def _subscribe_quote_ticks(self, command: Any) -> None:
        await self._subscribe_to("quotes", command.instrument_id)

    async def _unsubscribe_quote_ticks(self, command: Any) -> None:
        await self._unsubscribe_from("quotes", command.instrument_id)

    async def _subscribe_trade_ticks(self, command: Any) -> None:
        await self._subscribe_to("trades", command.instrument_id)

    async def _unsubscribe_trade_ticks(self, command: Any) -> None:
        await self._unsubscribe_from("trades", command.instrument_id)

    async def _subscribe_bars(self, command: Any) -> None:
        bar_type = command.bar_type
        channel = _bar_channel(bar_type.spec)
        if not channel:
            self._log.error(f"live bars are 1-MINUTE or 1-DAY: bar_type={bar_type}")
            return
        self._bar_types[(channel, bar_type.instrument_id)] = bar_type
        await self._subscribe_to(channel, bar_type.instrument_id)

    async def _unsubscribe_bars(self, command: Any) -> None:
        channel = _bar_channel(command.bar_type.spec)
        if channel and self._bar_types.pop((channel, command.bar_type.instrument_id), None):
            await self._unsubscribe_from(channel, command.bar_type.instrument_id)

    async def _subscribe(self, command: Any) -> None:
        if command.data_type.type is not AlpacaNews:
            self._log.error(f"custom data is {AlpacaNews.__name__} only: data_type={command.data_type}")
            return
        self._news_types.append(command.data_type)
        await self._streams[_NEWS].subscribe("news", _news_symbol(command.data_type))

    async def _unsubscribe(self, command: Any) -> None:
        if command.data_type in self._news_types:
            self._news_types.remove(command.data_type)
            await self._streams[_NEWS].unsubscribe("news", _news_symbol(command.data_type))

    async def _subscribe_to(self, channel: str, instrument_id: Any) -> None:
        instrument = self._cache.instrument(instrument_id)
        if instrument is None:
            self._log.error(f"not subscribed, the instrument is not loaded: instrument_id={instrument_id}")
            return
        stream = self._streams[_CRYPTO if _is_crypto(instrument) else _STOCKS]
        if not await stream.subscribe(channel, instrument_id.symbol.value):
            text = f"not subscribed: the plan allows {self._settings.max_symbols} symbols"
            self._notify(NoticeKind.STALE, text, instrument_id.value)

    async def _unsubscribe_from(self, channel: str, instrument_id: Any) -> None:
        for name in (_CRYPTO, _STOCKS):
            await self._streams[name].unsubscribe(channel, instrument_id.symbol.value)

    # -- live ----------------------------------------------------------------------------------------------------------

    def _on_message(self, message: Mapping[str, Any]) -> None:
        handle = {
            "q": self._on_quote,
            "t": self._on_trade,
            "b": self._on_minute,
            "d": self._on_day,
            "n": self._on_article,
        }.get(str(message.get("T")))
        if handle is None:
            self.counters.add("nqs_payloads_refused", reason="message_type_not_used")
            return
        try:
            handle(message)
        except ValueError as error:
            # One message must not take the rest of its frame with it.
            reason = error.reason if isinstance(error, ParseError) else "message_not_expressible"
            self.counters.add("nqs_payloads_refused", reason=reason)

    def _found(self, symbol: str) -> Any:
        instrument = self._provider.by_symbol(symbol)
        if instrument is None:
            raise ParseError("symbol_not_loaded")
        return instrument

    def _on_quote(self, message: Mapping[str, Any]) -> None:
        quote = market.parse_quote(message)
        self._handle_data(quote_tick(quote, self._found(quote.symbol), self._clock.timestamp_ns()))

    def _on_trade(self, message: Mapping[str, Any]) -> None:
        trade = market.parse_trade(message)
        self._handle_data(trade_tick(trade, self._found(trade.symbol), self._clock.timestamp_ns()))

    def _on_minute(self, message: Mapping[str, Any]) -> None:
        row = market.parse_bar(message)
        instrument = self._found(row.symbol)
        bar_type = self._bar_types.get(("bars", instrument.id))
        if bar_type is not None:
            self._tell_bar(bar_of(row, bar_type, instrument, self._closes, self._clock.timestamp_ns()))

    def _on_day(self, message: Mapping[str, Any]) -> None:
        # The venue sends the day as it grows; it is told when it is over.
        row = market.parse_bar(message)
        instrument = self._found(row.symbol)
        bar_type = self._bar_types.get(("dailyBars", instrument.id))
        if bar_type is not None:
            self._running_days[bar_type] = bar_of(row, bar_type, instrument, self._closes, 0)

    def _on_article(self, message: Mapping[str, Any]) -> None:
        article = market.parse_article(message)
        news = news_of(article, self._clock.timestamp_ns())
        for data_type in self._news_types:
            if _news_symbol(data_type) in ("*", *article.symbols):
                self._handle_data(CustomData(data_type, news))

    def _tell_bar(self, bar: Bar) -> None:
        # What comes again after a reconnection is not told twice.
        if bar.ts_event > self._last_bar_ns.get(bar.bar_type, 0):
            self._last_bar_ns[bar.bar_type] = bar.ts_event
            self._handle_data(bar)

    def _tell_days(self, now_ns: int) -> None:
        for bar_type, bar in list(self._running_days.items()):
            if now_ns >= bar.ts_event + _DAY_SETTLES_SECS * _SECOND_NS:
                del self._running_days[bar_type]
                prices = (bar.open, bar.high, bar.low, bar.close)
                self._tell_bar(Bar(bar_type, *prices, bar.volume, bar.ts_event, now_ns))

    # -- health --------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECS)
            now_ns = self._clock.timestamp_ns()
            self._tell_days(now_ns)
            for name, stream in self._streams.items():
                await self._look_at(name, stream, now_ns)

    async def _look_at(self, name: str, stream: DataStream, now_ns: int) -> None:
        expects = bool(stream.wanted) and (name == _CRYPTO or (name == _STOCKS and is_regular_session(now_ns)))
        age = stream.liveness.data_age_secs
        if expects and age > self._settings.stale_secs:
            if name not in self._stale:
                self._stale.add(name)
                self._notify(NoticeKind.STALE, f"{name}: no data for {age:.0f} s")
        else:
            self._stale.discard(name)
        if stream.socket.is_up:
            await stream.restore_missing()

    async def _on_up(self, name: str, connection: int) -> None:
        self._up.add(name)
        self._notify(NoticeKind.STREAM_UP, f"{name}: connection {connection}")
        if connection > 1 and name != _NEWS:
            await self._fill_gap(name)

    def _on_down(self, name: str, reason: str) -> None:
        if reason != "stopped":
            self._log.warning(f"stream down: name={name} reason={reason}")
            # Attempts that fail come here, too; the stream is lost once.
            if name in self._up:
                self._notify(NoticeKind.STREAM_DOWN, f"{name}: {reason}")
        self._up.discard(name)

    def _on_refused(self, name: str, reason: str) -> None:
        self._notify(NoticeKind.STALE, f"{name}: the venue refuses: {reason}")

    async def _fill_gap(self, name: str) -> None:
        """Read the bars that came while a stream was down."""
        for (channel, instrument_id), bar_type in list(self._bar_types.items()):
            instrument = self._cache.instrument(instrument_id)
            last = self._last_bar_ns.get(bar_type)
            if channel != "bars" or last is None or _is_crypto(instrument) != (name == _CRYPTO):
                continue
            try:
                start = datetime.fromtimestamp(last / _SECOND_NS, UTC)
                for bar in await self._bars(bar_type, start, None, 0):
                    self._tell_bar(bar)
            except (VenueError, ParseError) as error:
                self._log.warning(f"gap not filled: bar_type={bar_type} error={error}")

    def _notify(self, kind: NoticeKind, text: str, instrument_id: str = "") -> None:
        self.counters.add("nqs_notices", reason=kind.value)
        notice = Notice(kind=kind, text=text, instrument_id=instrument_id, ts_event=self._clock.timestamp_ns())
        self._msgbus.publish(NOTICES_TOPIC, notice)

    # -- history -------------------------------------------------------------------------------------------------------

    async def _request_instrument(self, request: Any) -> None:
        await self._provider.load_async(request.instrument_id)
        instrument = self._provider.find(request.instrument_id)
        if instrument is None:
            self._log.error(f"instrument not found: instrument_id={request.instrument_id}")
            return
        self._handle_instrument(instrument, request.id, request.start, request.end, request.params)

    async def _request_instruments(self, request: Any) -> None:
        found = self._provider.list_all()
        self._handle_instruments(request.venue, found, request.id, request.start, request.end, request.params)

    async def _request_quote_ticks(self, request: Any) -> None:
        ticks = await self._history("quotes", request, market.parse_quote, quote_tick)
        if ticks is not None:
            ids = (request.id, request.start, request.end, request.params)
            self._handle_quote_ticks(request.instrument_id, ticks, *ids)

    async def _request_trade_ticks(self, request: Any) -> None:
        ticks = await self._history("trades", request, market.parse_trade, trade_tick)
        if ticks is not None:
            ids = (request.id, request.start, request.end, request.params)
            self._handle_trade_ticks(request.instrument_id, ticks, *ids)

    async def _request_bars(self, request: Any) -> None:
        try:
            bars = await self._bars(request.bar_type, request.start, request.end, request.limit)
        except (VenueError, ParseError) as error:
            self._log.error(f"bars not read: bar_type={request.bar_type} error={error}")
            return
        self._handle_bars(request.bar_type, bars, request.id, request.start, request.end, request.params)

    async def _request(self, request: Any) -> None:
        if request.data_type.type is not AlpacaNews:
            self._log.error(f"custom data is {AlpacaNews.__name__} only: data_type={request.data_type}")
            return
        try:
            news = await self._news(_news_symbol(request.data_type), request.start, request.end, request.limit)
        except (VenueError, ParseError) as error:
            self._log.error(f"news not read: error={error}")
            return
        self._handle_data_response(request.data_type, news, request.id, request.start, request.end, request.params)

    async def _history(
        self, what: str, request: Any, parse: Callable[[object, str], Any], make: Callable[[Any, Any, int], Any]
    ) -> list[Any] | None:
        instrument = self._cache.instrument(request.instrument_id)
        if instrument is None:
            self._log.error(f"instrument not loaded: instrument_id={request.instrument_id}")
            return None
        try:
            rows = await self._rows(what, instrument, request.start, request.end, request.limit)
        except (VenueError, ParseError) as error:
            self._log.error(f"{what} not read: instrument_id={instrument.id} error={error}")
            return None
        symbol = instrument.raw_symbol.value
        return self._made(rows, lambda row: make(parse(row, symbol), instrument, self._clock.timestamp_ns()))

    async def _bars(self, bar_type: Any, start: Any, end: Any, limit: int) -> list[Bar]:
        instrument = self._cache.instrument(bar_type.instrument_id)
        timeframe = timeframe_of(bar_type.spec)
        if instrument is None or not timeframe:
            raise ParseError("bar_type_not_offered" if instrument is not None else "symbol_not_loaded")
        rows = await self._rows("bars", instrument, start, end, limit, timeframe=timeframe)
        if bar_type.spec.aggregation == BarAggregation.DAY and not _is_crypto(instrument):
            await self._learn_sessions(start, end)
        now_ns, symbol = self._clock.timestamp_ns(), instrument.raw_symbol.value
        bars = self._made(
            rows,
            lambda row: bar_of(market.parse_bar(row, symbol), bar_type, instrument, self._closes, now_ns),
        )
        # The bar that still grows is not known yet.
        return [bar for bar in bars if bar.ts_event <= now_ns]

    async def _learn_sessions(self, start: Any, end: Any) -> None:
        first = start.date() if start is not None else date(2016, 1, 1)
        last = end.date() if end is not None else datetime.now(UTC).date()
        if first in self._closes and last in self._closes:
            return
        try:
            self._closes |= parse_sessions(await self._http.calendar(first.isoformat(), last.isoformat()))
        except (VenueError, ParseError) as error:
            self._log.warning(f"calendar not read, days close at 16:00: error={error}")

    def _made(self, rows: list[object], make: Callable[[object], Any]) -> list[Any]:
        made = []
        for row in rows:
            try:
                made.append(make(row))
            except (ParseError, ValueError) as error:
                reason = error.reason if isinstance(error, ParseError) else "row_not_expressible"
                self.counters.add("nqs_payloads_refused", reason=reason)
        return made

    async def _rows(
        self, what: str, instrument: Any, start: Any, end: Any, limit: int, *, timeframe: str = ""
    ) -> list[object]:
        """Return rows oldest first; with a limit and no start, the latest ones."""
        latest = bool(limit) and start is None
        params: dict[str, object] = {
            "symbols": instrument.raw_symbol.value,
            "limit": min(limit or _PAGE, _PAGE),
            "sort": "desc" if latest else "asc",
        }
        if timeframe:
            params["timeframe"] = timeframe
        if start is not None:
            params["start"] = _iso(start)
        if end is not None:
            params["end"] = _iso(end)
        read: Callable[[str, Mapping[str, object]], Coroutine[Any, Any, Any]] = self._http.crypto_page
        if not _is_crypto(instrument):
            params["feed"] = self._settings.feed.value
            read = self._http.stock_page
        rows: list[object] = []
        while len(rows) < (limit or _MAX_ROWS):
            page, token = market.parse_page(await read(what, params), what)
            rows.extend(row for symbol_rows in page.values() for row in symbol_rows)
            if not token:
                break
            params["page_token"] = token
        rows = rows[: limit or _MAX_ROWS]
        return rows[::-1] if latest else rows

    async def _news(self, symbol: str, start: Any, end: Any, limit: int) -> list[AlpacaNews]:
        params: dict[str, object] = {"limit": min(limit or _NEWS_PAGE, _NEWS_PAGE), "sort": "asc"}
        if symbol != "*":
            params["symbols"] = symbol
        if start is not None:
            params["start"] = _iso(start)
        if end is not None:
            params["end"] = _iso(end)
        articles: list[object] = []
        while len(articles) < (limit or _MAX_ROWS):
            page = await self._http.news_page(params)
            rows, token = market.parse_page({**page, "symbol": ""} if isinstance(page, dict) else page, "news")
            articles.extend(rows.get("", []))
            if not token:
                break
            params["page_token"] = token
        now_ns = self._clock.timestamp_ns()
        return self._made(articles[: limit or _MAX_ROWS], lambda row: news_of(market.parse_article(row), now_ns))


def quote_tick(quote: market.Quote, instrument: Any, now_ns: int) -> QuoteTick:
    """Return a quote of NautilusTrader.

    Raises
    ------
    ParseError
        If one side is missing: a price of 0 stands for it at the venue.
    """
    if quote.bid <= 0 or quote.ask <= 0:
        raise ParseError("quote_one_sided")
    return QuoteTick(
        instrument.id,
        Price(quote.bid, instrument.price_precision),
        Price(quote.ask, instrument.price_precision),
        Quantity(quote.bid_size, instrument.size_precision),
        Quantity(quote.ask_size, instrument.size_precision),
        quote.at_ns,
        max(now_ns, quote.at_ns),
    )


def trade_tick(trade: market.Trade, instrument: Any, now_ns: int) -> TradeTick:
    """Return a trade of NautilusTrader.

    Raises
    ------
    ParseError
        If its size is less than the instrument's least unit.
    """
    size = Quantity(trade.size, instrument.size_precision)
    if size <= 0:
        raise ParseError("trade_below_unit")
    return TradeTick(
        instrument.id,
        Price(trade.price, instrument.price_precision),
        size,
        _TAKERS.get(trade.taker, AggressorSide.NO_AGGRESSOR),
        TradeId(trade.id),
        trade.at_ns,
        max(now_ns, trade.at_ns),
    )


def bar_of(row: market.Bar, bar_type: Any, instrument: Any, closes: Mapping[date, time], now_ns: int) -> Bar:
    """Return a bar of NautilusTrader, stamped with its close: the venue stamps it with its open."""
    closed = close_ns(row.open_ns, bar_type.spec, closes, is_crypto=_is_crypto(instrument))
    decimals = instrument.price_precision
    volume: Decimal = row.volume
    return Bar(
        bar_type,
        Price(row.open, decimals),
        Price(row.high, decimals),
        Price(row.low, decimals),
        Price(row.close, decimals),
        Quantity(volume, instrument.size_precision),
        closed,
        max(now_ns, closed),
    )


def _bar_channel(spec: Any) -> str:
    return {"1Min": "bars", "1Day": "dailyBars"}.get(timeframe_of(spec), "")


def _news_symbol(data_type: Any) -> str:
    return str((data_type.metadata or {}).get("symbol", "*"))


def _is_crypto(instrument: Any) -> bool:
    return bool(instrument.info.get("asset_class") == AssetClass.CRYPTO.value)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
