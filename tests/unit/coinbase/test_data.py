"""The data client against a venue on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.data.messages import (
    RequestBars,
    SubscribeBars,
    SubscribeInstrumentStatus,
    SubscribeOrderBook,
    SubscribeQuoteTicks,
    SubscribeTradeTicks,
)
from nautilus_trader.model.data import BarType, OrderBookDelta
from nautilus_trader.model.enums import AggressorSide, BookAction, BookType, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId, TraderId

from adapters.coinbase.config import CoinbaseDataClientConfig
from adapters.coinbase.constants import COINBASE_CLIENT_ID, COINBASE_VENUE
from adapters.coinbase.data import CoinbaseDataClient
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.providers import CoinbaseInstrumentProvider
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError
from tests.unit.coinbase.venue import StubVenue, rfc3339

BTC = InstrumentId.from_str("BTC-USD.COINBASE")
USDC = InstrumentId.from_str("BTC-USDC.COINBASE")


class Feed:
    """A data client and what it says."""

    def __init__(self, venue: StubVenue, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        self.venue = venue
        self.counters = Counters()
        clock = LiveClock()
        msgbus = MessageBus(trader_id=TraderId("TESTER-001"), clock=clock)
        self.data: list[Any] = []
        self.responses: list[Any] = []
        msgbus.register("DataEngine.process", self._take)
        msgbus.register("DataEngine.response", self.responses.append)
        config = CoinbaseDataClientConfig(
            endpoints=venue.endpoints, instrument_provider=InstrumentProviderConfig(load_all=True), **settings
        )
        self.http = CoinbaseHttp(
            None,
            endpoints=venue.endpoints,
            counters=self.counters,
            budget=RateBudget(per_second=1000.0, burst=1000),
            deadline_secs=2.0,
        )
        provider = CoinbaseInstrumentProvider(
            self.http, counters=self.counters, cache_path=None, deadline_secs=5.0, config=config.instrument_provider
        )
        self.client = CoinbaseDataClient(
            loop,
            self.http,
            None,
            msgbus=msgbus,
            cache=Cache(),
            clock=clock,
            instrument_provider=provider,
            counters=self.counters,
            config=config,
        )

    def _take(self, data: Any) -> None:
        if type(data).__name__ != "CurrencyPair":
            self.data.append(data)

    async def until(self, n: int) -> list[Any]:
        """Wait for so many things, and that none follows."""
        for _ in range(400):
            if len(self.data) >= n:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(self.data) == n, self.data
        return self.data

    async def subscribe(self, kind: Any, **fields: Any) -> None:
        names = {SubscribeOrderBook: "order_book_deltas", SubscribeQuoteTicks: "quote_ticks"} | {
            SubscribeTradeTicks: "trade_ticks",
            SubscribeBars: "bars",
            SubscribeInstrumentStatus: "instrument_status",
        }
        command = kind(client_id=COINBASE_CLIENT_ID, venue=COINBASE_VENUE, command_id=UUID4(), ts_init=0, **fields)
        await getattr(self.client, f"_subscribe_{names[kind]}")(command)
        n = len([frame for frame in self.venue.frames if frame["which"] == "market"])
        for _ in range(200):
            await asyncio.sleep(0.01)
            if len([frame for frame in self.venue.frames if frame["which"] == "market"]) >= n:
                break
        await asyncio.sleep(0.05)

    async def subscribe_book(self, instrument_id: InstrumentId = BTC) -> None:
        await self.subscribe(
            SubscribeOrderBook,
            instrument_id=instrument_id,
            book_data_type=OrderBookDelta,
            book_type=BookType.L2_MBP,
        )


@asynccontextmanager
async def feed(**settings: Any) -> AsyncIterator[Feed]:
    venue = StubVenue()
    await venue.start()
    found = Feed(venue, asyncio.get_running_loop(), **settings)
    try:
        await found.client._connect()
        for _ in range(300):
            await asyncio.sleep(0.01)
            if found.client._socket.is_up:
                break
        yield found
    finally:
        await found.client._disconnect()
        await found.client.cancel_pending_tasks(timeout_secs=1.0)
        await venue.stop()


def run(case: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(case())


def level(side: str, price: str, size: str) -> dict[str, str]:
    return {"side": side, "event_time": rfc3339(), "price_level": price, "new_quantity": size}


def book(kind: str, *levels: dict[str, str]) -> dict[str, Any]:
    return {"channel": "l2_data", "events": [{"type": kind, "product_id": "BTC-USD", "updates": list(levels)}]}


SNAPSHOT = (level("bid", "99.00", "1"), level("bid", "98.00", "2"), level("offer", "101.00", "3"))


def test_cbx_24_gap_clears_the_book_until_the_next_snapshot() -> None:
    async def case() -> None:
        async with feed() as f:
            f.venue.snapshots["level2"] = lambda _: book("snapshot", *SNAPSHOT)
            await f.subscribe_book()
            (first,) = await f.until(1)
            assert [delta.action for delta in first.deltas] == [BookAction.CLEAR] + [BookAction.ADD] * 3
            assert [bool(delta.flags & RecordFlag.F_LAST) for delta in first.deltas] == [False] * 3 + [True]
            await f.venue.send("market", **book("update", level("bid", "99.00", "0"), level("offer", "100.00", "1")))
            (_, second) = await f.until(2)
            assert [delta.action for delta in second.deltas] == [BookAction.DELETE, BookAction.UPDATE]
            f.venue.snapshots.pop("level2")
            f.venue.skip("market")
            await f.venue.send("market", **book("update", level("bid", "97.00", "1")))
            cleared = (await f.until(3))[-1]
            assert [delta.action for delta in cleared.deltas] == [BookAction.CLEAR]
            assert cleared.flags & RecordFlag.F_LAST
            await f.venue.send("market", **book("update", level("bid", "97.00", "2")))
            await f.until(3)
            await f.venue.send("market", **book("snapshot", *SNAPSHOT))
            await f.until(4)
            counts = f.counters.read()
            assert counts['nqs_sequence_gaps{reason="coinbase-market"}'] == 1
            assert counts["nqs_book_updates_without_snapshot"] >= 1
            renewed = [frame for frame in f.venue.frames if frame["channel"] == "level2"]
            assert [frame["type"] for frame in renewed] == ["subscribe", "unsubscribe", "subscribe"]

    run(case)


def trades(kind: str, *ids: int, side: str = "BUY") -> dict[str, Any]:
    rows = [
        {"trade_id": str(n), "product_id": "BTC-USD", "price": "100.00", "size": "0.1", "side": side, "time": rfc3339()}
        for n in ids
    ]
    return {"channel": "market_trades", "events": [{"type": kind, "trades": rows}]}


def test_cbx_25_trades_are_told_once_and_by_the_taker() -> None:
    async def case() -> None:
        async with feed() as f:
            f.venue.snapshots["market_trades"] = lambda _: trades("snapshot", *range(100, 0, -1))
            await f.subscribe(SubscribeTradeTicks, instrument_id=BTC)
            await f.until(0)
            await f.venue.send("market", **trades("update", 101))
            (tick,) = await f.until(1)
            assert tick.aggressor_side == AggressorSide.SELLER
            assert tick.trade_id.value == "101"
            f.venue.snapshots["market_trades"] = lambda _: trades("snapshot", *range(103, 3, -1), side="SELL")
            await f.venue.sockets["market"][0].close(1001)
            told = await f.until(3)
            assert [tick.trade_id.value for tick in told] == ["101", "102", "103"]
            assert told[-1].aggressor_side == AggressorSide.BUYER

    run(case)


def test_mute_socket_is_replaced_within_five_seconds() -> None:
    async def case() -> None:
        async with feed() as f:
            started = asyncio.get_running_loop().time()
            f.venue.is_mute = True
            while f.counters.read().get('nqs_socket_connections{reason="coinbase-market"}', 0) < 2:
                await asyncio.sleep(0.05)
                assert asyncio.get_running_loop().time() - started < 9.0
                if f.counters.read().get('nqs_sockets_mute{reason="coinbase-market"}'):
                    f.venue.is_mute = False
            assert f.counters.read()['nqs_sockets_mute{reason="coinbase-market"}'] == 1
            channels = [frame["channel"] for frame in f.venue.frames]
            assert channels == ["heartbeats", "heartbeats"]

    run(case)


def test_quotes_from_the_ticker_and_an_alias_under_its_own_name() -> None:
    async def case() -> None:
        async with feed() as f:
            await f.subscribe(SubscribeQuoteTicks, instrument_id=USDC)
            row = {
                "product_id": "BTC-USD",
                "best_bid": "99.00",
                "best_bid_quantity": "1",
                "best_ask": "100.00",
                "best_ask_quantity": "2",
            }
            await f.venue.send("market", channel="ticker", events=[{"type": "update", "tickers": [row]}])
            (quote,) = await f.until(1)
            assert quote.instrument_id == USDC
            assert str(quote.ask_size) == "2.00000000"
            assert f.venue.frames[-1]["product_ids"] == ["BTC-USD"]

    run(case)


def test_quotes_from_the_book_are_told_when_the_top_changes() -> None:
    async def case() -> None:
        async with feed(quotes_from_book=True) as f:
            f.venue.snapshots["level2"] = lambda _: book("snapshot", *SNAPSHOT)
            await f.subscribe(SubscribeQuoteTicks, instrument_id=BTC)
            await f.until(1)
            await f.venue.send("market", **book("update", level("bid", "97.00", "5")))
            await f.venue.send("market", **book("update", level("bid", "99.50", "5")))
            told = await f.until(2)
            assert [str(quote.bid_price) for quote in told] == ["99.00", "99.50"]

    run(case)


def candle(start: int, close: str = "2") -> dict[str, str]:
    return {
        "start": str(start),
        "open": "1",
        "high": "3",
        "low": "1",
        "close": close,
        "volume": "7",
        "product_id": "BTC-USD",
    }


BAR_TYPE = BarType.from_str("BTC-USD.COINBASE-5-MINUTE-LAST-EXTERNAL")


def test_live_bars_are_closed_ones_stamped_at_their_close() -> None:
    async def case() -> None:
        async with feed() as f:
            start = int(time.time()) // 300 * 300
            old = {"channel": "candles", "events": [{"type": "snapshot", "candles": [candle(start - 300)]}]}
            f.venue.snapshots["candles"] = lambda _: old
            await f.subscribe(SubscribeBars, bar_type=BAR_TYPE)
            update = [{"type": "update", "candles": [candle(start - 300, "2.5"), candle(start)]}]
            await f.venue.send("market", channel="candles", events=update)
            (bar,) = await f.until(1)
            assert bar.ts_event == start * 10**9
            assert str(bar.close) == "2.50"
            await f.venue.send("market", channel="candles", events=update)
            await f.until(1)

    run(case)


def test_bars_of_another_length_are_not_streamed() -> None:
    async def case() -> None:
        async with feed() as f:
            await f.subscribe(SubscribeBars, bar_type=BarType.from_str("BTC-USD.COINBASE-1-HOUR-LAST-EXTERNAL"))
            assert all(frame["channel"] == "heartbeats" for frame in f.venue.frames)

    run(case)


def test_history_is_paged_and_has_no_open_bar() -> None:
    async def case() -> None:
        async with feed() as f:
            now = int(time.time()) // 3600 * 3600
            f.venue.candles = [candle(now - 3600 * n) for n in range(900)]
            request = RequestBars(
                bar_type=BarType.from_str("BTC-USD.COINBASE-1-HOUR-LAST-EXTERNAL"),
                start=datetime.fromtimestamp(now - 3600 * 800, UTC),
                end=None,
                limit=0,
                client_id=COINBASE_CLIENT_ID,
                venue=COINBASE_VENUE,
                callback=None,
                request_id=UUID4(),
                ts_init=0,
                params=None,
            )
            await f.client._request_bars(request)
            (response,) = f.responses
            stamps = [bar.ts_event for bar in response.data]
            assert len(stamps) == 800
            assert stamps == sorted(set(stamps))
            assert stamps[-1] <= time.time_ns()
            pages = [path for _, path, _, _ in f.venue.journal if path.endswith("/candles")]
            assert len(pages) == 3

    run(case)


def test_status_is_told_when_it_changes() -> None:
    async def case() -> None:
        async with feed() as f:
            await f.subscribe(SubscribeInstrumentStatus, instrument_id=BTC)
            for status in ("online", "online", "offline"):
                rows = [{"id": "BTC-USD", "status": status}]
                await f.venue.send("market", channel="status", events=[{"type": "snapshot", "products": rows}])
            told = await f.until(2)
            assert [item.reason for item in told] == ["online", "offline"]
            assert [item.is_trading for item in told] == [True, False]

    run(case)


def test_frames_that_cannot_be_read_change_nothing() -> None:
    async def case() -> None:
        async with feed() as f:
            await f.subscribe_book()
            for socket in f.venue.sockets["market"]:
                for text in ("", "{", "[]", '{"channel":"l2_data"}', '{"type":"error","message":5}', b"\xff\xfe"):
                    await socket.send(text)
            await f.venue.send("market", **book("snapshot", level("bid", "NaN", "1")))
            await f.venue.send("market", channel="never_heard_of", events=[])
            await f.venue.send("market", **book("snapshot", *SNAPSHOT))
            await f.until(1)
            counts = f.counters.read()
            assert counts['nqs_payloads_refused{reason="not_a_number"}'] == 1
            assert counts['nqs_payloads_refused{reason="unknown_channel"}'] == 1

    run(case)


def test_products_are_kept_for_a_start_without_the_venue(tmp_path: Path) -> None:
    async def case() -> None:
        venue = StubVenue()
        await venue.start()
        venue.products.append({**venue.products[0], "product_id": "BAD-USD", "base_increment": "NaN"})
        venue.products.append({**venue.products[0], "product_id": "BIP-CDE", "product_type": "FUTURE"})
        counters = Counters()
        http = CoinbaseHttp(
            None,
            endpoints=venue.endpoints,
            counters=counters,
            budget=RateBudget(per_second=100.0, burst=100),
            deadline_secs=1.0,
        )

        def provider(name: str) -> CoinbaseInstrumentProvider:
            return CoinbaseInstrumentProvider(
                http,
                counters=counters,
                cache_path=str(tmp_path / name),
                deadline_secs=1.0,
                config=InstrumentProviderConfig(load_all=True),
            )

        await provider("products.json").initialize()
        assert counters.read()['nqs_payloads_refused{reason="not_a_number"}'] == 1
        venue.script("/market/products", *[(500, "<html>")] * 6)
        kept = provider("products.json")
        await kept.initialize()
        assert kept.is_from_cache
        assert {str(instrument.id) for instrument in kept.list_all()} == {
            "BTC-USD.COINBASE",
            "ETH-USD.COINBASE",
            "BTC-USDC.COINBASE",
        }
        found = kept.find(BTC)
        assert (found.price_precision, found.size_precision) == (2, 8)
        assert kept.canonical("BTC-USDC") == "BTC-USD"
        with pytest.raises(VenueError):
            await provider("none.json").initialize()
        http.close()
        await venue.stop()

    run(case)
