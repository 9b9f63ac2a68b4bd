"""Market data from the stub: what is subscribed, what is told, what is refused, what comes back after a cut."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.data import BarType, DataType
from nautilus_trader.model.identifiers import InstrumentId, TraderId

from adapters.alpaca.config import AlpacaDataClientConfig, AlpacaVenueConfig
from adapters.alpaca.constants import NOTICES_TOPIC
from adapters.alpaca.factories import AlpacaLiveDataClientFactory
from adapters.alpaca.news import AlpacaNews
from tests.unit.alpaca.stub import KEY, SECRET, StubVenue

AAPL, MSFT = InstrumentId.from_str("AAPL.ALPACA"), InstrumentId.from_str("MSFT.ALPACA")
BTC = InstrumentId.from_str("BTC/USD.ALPACA")
MINUTE = BarType.from_str("AAPL.ALPACA-1-MINUTE-LAST-EXTERNAL")
DAY = BarType.from_str("AAPL.ALPACA-1-DAY-LAST-EXTERNAL")
NOON = int(datetime(2026, 3, 2, 17, tzinfo=UTC).timestamp())


class Tap:
    """A data client and what it told."""

    def __init__(self, venue: StubVenue, **changes: Any) -> None:
        clock = LiveClock()
        self.msgbus = MessageBus(trader_id=TraderId("TEST-001"), clock=clock)
        self.cache = Cache()
        self.data: list[Any] = []
        self.responses: list[Any] = []
        self.notices: list[Any] = []
        self.msgbus.register("DataEngine.process", self._on_data)
        self.msgbus.register("DataEngine.response", self.responses.append)
        self.msgbus.subscribe(NOTICES_TOPIC, self.notices.append)
        urls = AlpacaVenueConfig(
            paper=True,
            rest_url=venue.rest_url,
            data_url=venue.rest_url,
            stream_url=venue.stream_url,
            data_stream_url=venue.data_stream_url,
            deadline_secs=1.0,
        )
        config = AlpacaDataClientConfig(
            venue=urls, instrument_provider=InstrumentProviderConfig(load_all=True), **changes
        )
        self.client = AlpacaLiveDataClientFactory.create(
            asyncio.get_running_loop(), "ALPACA", config, self.msgbus, self.cache, clock
        )

    def _on_data(self, data: Any) -> None:
        if hasattr(data, "raw_symbol"):
            self.cache.add_instrument(data)
        else:
            self.data.append(data)

    async def until(self, is_so: Callable[[], bool], what: str, secs: float = 6.0) -> None:
        deadline = time.monotonic() + secs
        while not is_so():
            assert time.monotonic() < deadline, f"{what} did not happen: {self.data} {self.responses}"
            await asyncio.sleep(0.005)


def run(case: Callable[[StubVenue, Tap], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)

    async def main() -> None:
        venue = StubVenue()
        await venue.start()
        tap = Tap(venue, **changes)
        tap.client.connect()
        await tap.until(lambda: tap.client.is_connected, "connection")
        try:
            await case(venue, tap)
        finally:
            tap.client.disconnect()
            await tap.until(lambda: not tap.client.is_connected, "disconnection")
            await venue.stop()

    asyncio.run(main())


def stamp(secs: float) -> msgpack.Timestamp:
    return msgpack.Timestamp(int(secs), 123_456_789)


def command(instrument_id: Any = None, **more: Any) -> Any:
    return SimpleNamespace(instrument_id=instrument_id, **more)


async def served(venue: StubVenue, tap: Tap, channel: str, symbol: str) -> None:
    await tap.until(lambda: any(symbol in m.get(channel, []) for m in venue.subscribed), "subscription")


def test_live_quotes_trades_and_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        client = tap.client
        await client._subscribe_quote_ticks(command(AAPL))
        await client._subscribe_trade_ticks(command(AAPL))
        await client._subscribe_bars(command(bar_type=MINUTE))
        await served(venue, tap, "bars", "AAPL")
        quote = {"T": "q", "S": "AAPL", "bp": 180.0, "ap": 180.02, "bs": 300, "as": 200, "t": stamp(NOON)}
        await venue.push_data(
            quote,
            {**quote, "bp": 0},
            {"T": "t", "S": "AAPL", "i": 7, "p": 180.0125, "s": 10, "t": stamp(NOON)},
            {"T": "b", "S": "AAPL", "o": 1, "h": 3, "l": 1, "c": 2, "v": 9, "t": msgpack.Timestamp(NOON, 0)},
            {"T": "x", "S": "AAPL"},
        )
        await tap.until(lambda: len(tap.data) == 3, "data")
        told = tap.data
        assert str(told[0].bid_price) == "180.0000"
        assert told[0].ts_event == NOON * 10**9 + 123_456_789
        assert str(told[1].price) == "180.0125"
        assert told[1].trade_id.value == "7"
        assert told[2].ts_event == (NOON + 60) * 10**9
        counts = client.counters.read()
        assert counts['nqs_payloads_refused{reason="quote_one_sided"}'] == 1
        assert counts['nqs_payloads_refused{reason="message_type_not_used"}'] == 1

    run(case, monkeypatch)


def test_crypto_trade_tells_who_took(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        await tap.client._subscribe_trade_ticks(command(BTC))
        await served(venue, tap, "trades", "BTC/USD")
        row = {"T": "t", "S": "BTC/USD", "i": 1, "p": 50000.5, "s": 0.25, "tks": "S", "t": stamp(NOON)}
        await venue.push_data(row)
        await tap.until(lambda: bool(tap.data), "trade")
        assert tap.data[0].aggressor_side.name == "SELLER"

    run(case, monkeypatch)


def test_day_is_told_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        await tap.client._subscribe_bars(command(bar_type=DAY))
        await served(venue, tap, "dailyBars", "AAPL")
        midnight = int(datetime(2026, 3, 2, 5, tzinfo=UTC).timestamp())
        day = {"T": "d", "S": "AAPL", "o": 1, "h": 3, "l": 1, "c": 2, "v": 9, "t": msgpack.Timestamp(midnight, 0)}
        await venue.push_data(day, {**day, "c": 2.5})
        await tap.until(lambda: bool(tap.client._running_days), "running day")
        close = int(datetime(2026, 3, 2, 21, tzinfo=UTC).timestamp()) * 10**9
        tap.client._tell_days(close)
        assert tap.data == []
        tap.client._tell_days(close + 61 * 10**9)
        assert [(bar.ts_event, str(bar.close)) for bar in tap.data] == [(close, "2.5000")]

    run(case, monkeypatch)


def test_symbol_limit_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        await tap.client._subscribe_quote_ticks(command(AAPL))
        await tap.client._subscribe_trade_ticks(command(AAPL))
        await tap.client._subscribe_quote_ticks(command(MSFT))
        assert [notice.instrument_id for notice in tap.notices if notice.kind == "stale"] == ["MSFT.ALPACA"]
        assert tap.client._streams["alpaca-stocks"].wanted == {"quotes": {"AAPL"}, "trades": {"AAPL"}}

    run(case, monkeypatch, max_symbols=1)


def test_subscriptions_come_back_after_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        await tap.client._subscribe_quote_ticks(command(AAPL))
        await served(venue, tap, "quotes", "AAPL")
        venue.subscribed.clear()
        for socket in list(venue.data_sockets):
            socket.transport.abort()
        await served(venue, tap, "quotes", "AAPL")
        assert [n.kind for n in tap.notices if n.text.startswith("alpaca-stocks")] == ["stream_up", "stream_down"] or (
            "stream_down" in [n.kind for n in tap.notices]
        )

    run(case, monkeypatch)


def test_history_of_bars_is_paged_and_stamped_with_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        rows = [{"o": 1, "h": 2, "l": 1, "c": 2, "v": 5, "t": f"2026-03-0{d}T05:00:00Z"} for d in (2, 3)]
        bad = {**rows[0], "h": None}
        venue.pages["/v2/stocks/bars"] = [
            {"bars": {"AAPL": [rows[0], bad]}, "next_page_token": "x"},
            {"bars": {"AAPL": [rows[1]]}, "next_page_token": None},
        ]
        venue.pages["calendar"] = [{"date": "2026-03-03", "open": "09:30", "close": "13:00"}]
        start, end = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
        request = command(bar_type=DAY, start=start, end=end, limit=0, id=UUID4(), params=None)
        await tap.client._request_bars(request)
        bars = tap.responses[0].data
        closes = [datetime.fromtimestamp(bar.ts_event / 1e9, UTC).isoformat() for bar in bars]
        assert closes == ["2026-03-02T21:00:00+00:00", "2026-03-03T18:00:00+00:00"]

    run(case, monkeypatch)


def test_history_that_breaks_off_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(venue: StubVenue, tap: Tap) -> None:
        row = {"p": 1, "s": 5, "i": 1, "t": "2026-03-02T15:00:00Z"}
        venue.pages["/v2/stocks/trades"] = [{"trades": {"AAPL": [row]}, "next_page_token": "x"}]
        venue.on("GET", "/v2/stocks/trades", lambda *_: None)
        venue.on("GET", "/v2/stocks/trades", lambda *_: (500, "<html>"))
        venue.on("GET", "/v2/stocks/trades", lambda *_: (500, "<html>"))
        request = command(AAPL, start=datetime(2026, 3, 2, tzinfo=UTC), end=None, limit=0, id=UUID4(), params=None)
        await tap.client._request_trade_ticks(request)
        assert tap.responses == []

    run(case, monkeypatch)


def test_news_live_and_past(monkeypatch: pytest.MonkeyPatch) -> None:
    article = {"id": 5, "headline": "h", "summary": "s", "source": "x", "url": "u", "symbols": ["AAPL", "MSFT"]}
    times = {"created_at": "2026-03-02T15:00:00Z", "updated_at": "2026-03-02T15:01:00Z"}

    async def case(venue: StubVenue, tap: Tap) -> None:
        data_type = DataType(AlpacaNews, metadata={"symbol": "AAPL"})
        await tap.client._subscribe(command(data_type=data_type))
        await served(venue, tap, "news", "AAPL")
        await venue.push_data({"T": "n"} | article | times, {"T": "n"} | article | times | {"symbols": ["X"]})
        await tap.until(lambda: bool(tap.data), "news")
        assert len(tap.data) == 1
        news = tap.data[0].data
        assert (news.article_id, news.headline, news.symbols) == (5, "h", "AAPL MSFT")
        assert AlpacaNews.from_dict(news.to_dict()) == news
        venue.pages["/v1beta1/news"] = [{"news": [article | times], "next_page_token": None}]
        request = command(data_type=data_type, start=None, end=None, limit=0, id=UUID4(), params=None)
        await tap.client._request(request)
        assert [row.article_id for row in tap.responses[0].data] == [5]

    run(case, monkeypatch)
