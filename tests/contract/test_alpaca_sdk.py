"""The vendor's own clients, unmodified, trade a day on the simulated Alpaca."""

import asyncio
import json
import queue
import threading
import time
from decimal import Decimal

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import CryptoHistoricalDataClient, NewsClient, StockHistoricalDataClient
from alpaca.data.live import NewsDataStream, StockDataStream
from alpaca.data.requests import (
    CryptoLatestOrderbookRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass, OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from alpaca.trading.stream import TradingStream

from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.exchange import ALPACA
from adapters.simulator.host import START_NS, SimulatedVenues

KEYS = ("SIMKEY", "SIMSECRET")
DEADLINE_SECS = 8.0
HOUR = 3600.0


class Running:
    """An SDK stream on a loop of its own, whose messages can be waited for."""

    def __init__(self, stream, **handlers):
        self.stream = stream
        self.messages = queue.Queue()
        for subscribe, symbols in handlers.items():
            getattr(stream, subscribe)(self._take, *symbols)
        self._loop = asyncio.new_event_loop()
        self._task = None
        self._thread = threading.Thread(target=self._run, name="sdk-stream", daemon=True)
        self._thread.start()

    async def _take(self, message):
        self.messages.put(message)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self.stream._run_forever())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            self._loop.run_until_complete(self.stream.close())
        finally:
            self._loop.close()

    def next(self, wanted=lambda message: True):
        ends = time.monotonic() + DEADLINE_SECS
        while True:
            message = self.messages.get(timeout=max(ends - time.monotonic(), 0.01))
            if wanted(message):
                return message

    def stop(self):
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(DEADLINE_SECS)
        assert not self._thread.is_alive()


@pytest.fixture
def venues():
    # Partial fills by chance are tested with the exchange; here every fill is whole.
    import msgspec

    settings = AlpacaSettings(rules=msgspec.structs.replace(ALPACA, partial_chance=0.0))
    with SimulatedVenues(venues=["alpaca"], alpaca=settings, seed=7) as running:
        yield running


@pytest.fixture
def trading(venues):
    client = TradingClient(*KEYS, paper=True, url_override=venues.alpaca.rest_url)
    client._retry = 0
    yield client
    client._session.close()


@pytest.fixture
def updates(venues):
    running = Running(TradingStream(*KEYS, paper=True, url_override=venues.alpaca.trade_stream_url))
    running.stream.subscribe_trade_updates(running._take)
    venues.control.wait_for(kind="sent", name="trade_updates", deadline_secs=DEADLINE_SECS)
    wait_until(lambda: any("listening" in str(e.data) for e in venues.control.journal(kind="sent")))
    yield running
    running.stop()


def wait_until(condition):
    ends = time.monotonic() + DEADLINE_SECS
    while not condition():
        assert time.monotonic() < ends, "the condition did not come true in time"
        time.sleep(0.01)


def quote(venues, bid, ask, symbol="AAPL", size="1000"):
    venues.control.step(0, ticks=[{"symbol": symbol, "bid": bid, "ask": ask, "bid_size": size, "ask_size": size}])


def trade(venues, price, symbol="AAPL", size="500"):
    venues.control.step(0, ticks=[{"symbol": symbol, "price": price, "size": size}])


def market(side, qty=10, **fields):
    return MarketOrderRequest(symbol="AAPL", qty=qty, side=side, time_in_force=TimeInForce.DAY, **fields)


def limit(side, price, qty=10, tif=TimeInForce.DAY, **fields):
    return LimitOrderRequest(symbol="AAPL", qty=qty, side=side, time_in_force=tif, limit_price=price, **fields)


def test_scripted_day_with_every_kind_of_order_ends_flat_and_conserves_cash(venues, trading, updates):
    quote(venues, "180.00", "180.02")
    trade(venues, "180.01")

    bought = trading.submit_order(market(OrderSide.BUY, client_order_id="day-1"))
    assert bought.client_order_id == "day-1"
    fill = updates.next(lambda u: u.event == "fill")
    assert (fill.qty, fill.price, fill.position_qty) == (10.0, 180.02, 10.0)
    assert fill.order.id == bought.id
    assert trading.get_open_position("AAPL").qty_available == "10"

    resting = trading.submit_order(limit(OrderSide.SELL, 181.00))
    replaced = trading.replace_order_by_id(resting.id, ReplaceOrderRequest(limit_price=180.50))
    assert replaced.id != resting.id
    assert replaced.replaces == resting.id
    assert trading.get_order_by_id(resting.id).status is OrderStatus.REPLACED
    assert updates.next(lambda u: u.event == "replaced").order.replaced_by == replaced.id
    quote(venues, "180.50", "180.52")
    assert updates.next(lambda u: u.event == "fill").order.id == replaced.id

    bracket = trading.submit_order(
        limit(
            OrderSide.BUY,
            180.60,
            tif=TimeInForce.GTC,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=185.00),
            stop_loss=StopLossRequest(stop_price=175.00),
        )
    )
    assert [leg.status for leg in bracket.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    updates.next(lambda u: u.event == "fill" and u.order.id == bracket.id)
    trade(venues, "174.90")
    quote(venues, "174.90", "174.95")
    stopped = updates.next(lambda u: u.event == "fill")
    assert stopped.order.id == bracket.legs[1].id
    assert updates.next(lambda u: u.event == "canceled").order.id == bracket.legs[0].id

    trailing = trading.submit_order(
        TrailingStopOrderRequest(
            symbol="AAPL", qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.DAY, trail_percent=1.0
        )
    )
    assert trailing.hwm == "174.9"
    trading.cancel_order_by_id(trailing.id)
    assert updates.next(lambda u: u.event == "canceled").order.id == trailing.id

    fills = trading.get("/account/activities/FILL", {"direction": "asc"})
    assert [row["cum_qty"] for row in fills] == ["10", "10", "10", "10"]
    spent = sum((1 if row["side"] == "buy" else -1) * Decimal(row["qty"]) * Decimal(row["price"]) for row in fills)
    assert Decimal(trading.get_account().cash) == Decimal(100_000) - spent
    assert trading.get_all_positions() == []
    assert trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN)) == []


def test_close_of_the_session_expires_day_orders_and_queues_later_ones(venues, trading, updates):
    quote(venues, "180.00", "180.02")
    day = trading.submit_order(limit(OrderSide.BUY, 170.00))
    kept = trading.submit_order(limit(OrderSide.BUY, 169.00, tif=TimeInForce.GTC))
    assert trading.get_clock().is_open
    venues.control.step(6.5 * HOUR)
    assert not trading.get_clock().is_open
    assert updates.next(lambda u: u.event == "expired").order.id == day.id
    assert updates.next(lambda u: u.event == "done_for_day").order.id == kept.id

    queued = trading.submit_order(market(OrderSide.BUY, qty=1))
    assert queued.status is OrderStatus.ACCEPTED
    with pytest.raises(APIError, match="cannot replace order in accepted status"):
        trading.replace_order_by_id(queued.id, ReplaceOrderRequest(qty=2))
    venues.control.step(17.2 * HOUR)
    assert updates.next(lambda u: u.event == "new" and u.order.id == queued.id)
    # Yesterday's quote is nobody's offer: the order waits for the first one of the day.
    assert trading.get_order_by_id(queued.id).status is OrderStatus.NEW
    quote(venues, "181.00", "181.02")
    assert updates.next(lambda u: u.event == "fill").order.id == queued.id
    assert trading.get_order_by_id(kept.id).status is OrderStatus.NEW


@pytest.mark.parametrize(
    ("order", "status", "code", "text"),
    [
        (limit(OrderSide.BUY, 180.00, qty=5000), 403, 40310000, "insufficient buying power"),
        (limit(OrderSide.BUY, 100.123), 422, 42210000, "invalid limit_price 100.123. sub-penny increment"),
        (limit(OrderSide.BUY, 100.0, qty=1.5, tif=TimeInForce.GTC), 422, 42210000, "fractional orders must be DAY"),
        (
            StopOrderRequest(symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, stop_price=170.0),
            422,
            42210000,
            "stop price must be greater than current price",
        ),
        (
            MarketOrderRequest(symbol="NOSHORT", qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.DAY),
            422,
            42210000,
            'asset "NOSHORT" cannot be sold short',
        ),
        (
            MarketOrderRequest(symbol="BRK.A", qty=0.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY),
            422,
            42210000,
            'asset "BRK.A" is not fractionable',
        ),
        (
            MarketOrderRequest(symbol="BTC/USD", notional=5, side=OrderSide.BUY, time_in_force=TimeInForce.GTC),
            403,
            40310000,
            "cost basis must be >= minimal amount of order 10",
        ),
    ],
)
def test_refusal_has_the_status_code_and_message_of_the_venue(venues, trading, order, status, code, text):
    quote(venues, "180.00", "180.02")
    trade(venues, "180.01")
    with pytest.raises(APIError) as refused:
        trading.submit_order(order)
    assert (refused.value.status_code, refused.value.code) == (status, code)
    assert text in refused.value.message
    assert venues.control.state()["venues"]["alpaca"]["orders"] == []


def test_shares_held_by_a_stop_and_opposite_orders_are_refused_with_their_facts(venues, trading):
    quote(venues, "180.00", "180.02")
    trade(venues, "180.01")
    trading.submit_order(market(OrderSide.BUY))
    stop = trading.submit_order(
        StopOrderRequest(symbol="AAPL", qty=10, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, stop_price=170.0)
    )
    with pytest.raises(APIError, match="insufficient qty available for order \\(requested: 10, available: 0\\)"):
        trading.submit_order(market(OrderSide.SELL))
    with pytest.raises(APIError, match="potential wash trade") as washed:
        trading.submit_order(limit(OrderSide.BUY, 100.0))
    assert str(stop.id) in str(washed.value)


def test_client_order_id_is_refused_for_ever_after_a_cancel(trading, venues):
    quote(venues, "180.00", "180.02")
    order = trading.submit_order(limit(OrderSide.BUY, 170.0, client_order_id="once"))
    trading.cancel_order_by_id(order.id)
    with pytest.raises(APIError) as refused:
        trading.submit_order(limit(OrderSide.BUY, 170.0, client_order_id="once"))
    assert (refused.value.status_code, refused.value.code) == (422, 40010001)
    assert trading.get_order_by_client_id("once").id == order.id
    with pytest.raises(APIError) as unknown:
        trading.get_order_by_client_id("never")
    assert (unknown.value.status_code, unknown.value.code) == (404, 40410000)


def test_gateway_timeout_after_acceptance_leaves_one_order(venues, trading):
    quote(venues, "180.00", "180.02")
    venues.control.fault(kind="status_after", where="POST /v2/orders", status=504, html=True)
    with pytest.raises(APIError) as lost:
        trading.submit_order(limit(OrderSide.BUY, 170.0, client_order_id="lost"))
    assert lost.value.status_code == 504
    assert trading.get_order_by_client_id("lost").status is OrderStatus.NEW
    assert len(venues.control.journal(kind="request", name="POST /v2/orders")) == 1


def test_lists_page_by_exclusive_times_and_nest_legs(venues, trading):
    quote(venues, "180.00", "180.02")
    trade(venues, "180.01")
    first = trading.submit_order(limit(OrderSide.BUY, 170.0))
    second = trading.submit_order(limit(OrderSide.BUY, 171.0))
    trading.submit_order(
        market(
            OrderSide.BUY,
            qty=1,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=190.0),
            stop_loss=StopLossRequest(stop_price=160.0),
        )
    )
    rows = trading.get(
        "/orders", {"status": "all", "direction": "asc", "nested": True, "after": first.submitted_at.isoformat()}
    )
    # The SDK cuts to microseconds, which is before the order's own nanosecond: the first one is told again.
    assert [row["id"] for row in rows][:2] == [str(first.id), str(second.id)]
    assert len(rows) == 3
    assert len(rows[2]["legs"]) == 2
    exact = trading.get("/orders", {"status": "all", "direction": "asc", "after": rows[0]["submitted_at"]})
    assert str(first.id) not in [row["id"] for row in exact]
    assert len(exact) == 4


def test_close_all_positions_cancels_first_and_answers_for_each(venues, trading):
    quote(venues, "180.00", "180.02")
    trade(venues, "180.01")
    trading.submit_order(market(OrderSide.BUY))
    trading.submit_order(limit(OrderSide.SELL, 190.0))
    closed = trading.close_all_positions(cancel_orders=True)
    assert [row.status for row in closed] == [200]
    assert trading.get_all_positions() == []


def test_reference_data_is_read_by_the_typed_models(venues, trading):
    assert trading.get_asset("BTC/USD").asset_class is AssetClass.CRYPTO
    assert {a.symbol for a in trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))} >= {"AAPL"}
    days = trading.get_calendar(GetCalendarRequest(start="2026-11-25", end="2026-11-30"))
    assert [(str(d.date), d.close.hour) for d in days] == [("2026-11-25", 16), ("2026-11-27", 13), ("2026-11-30", 16)]
    assert trading.get_account_configurations().suspend_trade is False
    wrong = TradingClient("SIMKEY", "wrong", url_override=venues.alpaca.rest_url)
    with pytest.raises(APIError, match="request is not authorized"):
        wrong.get_account()
    wrong._session.close()


def test_data_stream_tells_trades_quotes_bars_and_news_with_nanoseconds(venues):
    market_data = Running(
        StockDataStream(*KEYS, raw_data=True, url_override=venues.alpaca.data_stream_url("iex")),
        subscribe_trades=["AAPL"],
        subscribe_quotes=["AAPL"],
        subscribe_bars=["AAPL"],
    )
    news = Running(NewsDataStream(*KEYS, url_override=venues.alpaca.data_stream_url("news")), subscribe_news=["AAPL"])
    try:
        for name in ("data:iex", "data:news"):
            wait_until(
                lambda name=name: any(
                    "subscription" in str(e.data) for e in venues.control.journal(kind="sent", name=name)
                )
            )
        quote(venues, "180.00", "180.02")
        trade(venues, "180.01", size="25")
        seen = {message["T"]: message for message in (market_data.next(), market_data.next())}
        assert (seen["q"]["bp"], seen["q"]["as"]) == (180.0, 1000)
        assert (seen["t"]["p"], seen["t"]["s"]) == (180.01, 25)
        assert seen["t"]["t"].to_unix_nano() % 1000 == venues.market.history.last_trade("AAPL").ts_ns % 1000
        venues.control.step(61)
        assert market_data.next(lambda m: m["T"] == "b")["c"] == 180.01
        venues.control.act("news", headline="Apple does something", symbols=["AAPL"])
        assert news.next().headline == "Apple does something"
    finally:
        market_data.stop()
        news.stop()
    client = NewsClient(*KEYS, url_override=venues.alpaca.rest_url)
    assert [n.headline for n in client.get_news(NewsRequest(symbols="AAPL")).data["news"]] == ["Apple does something"]
    client._session.close()


def test_second_data_connection_is_told_that_the_limit_is_exceeded(venues):
    from websockets.sync.client import connect

    url = venues.alpaca.data_stream_url("iex")
    with connect(url) as first, connect(url) as second:
        for socket, code in ((first, None), (second, 406)):
            assert '"connected"' in socket.recv(timeout=DEADLINE_SECS)
            socket.send('{"action":"auth","key":"SIMKEY","secret":"SIMSECRET"}')
            answer = socket.recv(timeout=DEADLINE_SECS)
            assert ('"authenticated"' in answer) if code is None else (f'"code":{code}' in answer)
        first.send(json.dumps({"action": "subscribe", "trades": [f"S{i}" for i in range(31)]}))
        assert '"code":405' in first.recv(timeout=DEADLINE_SECS)


def test_history_is_paged_and_merged_by_the_client(venues):
    for i in range(5):
        quote(venues, "180.00", "180.02")
        trade(venues, f"18{i}.00")
        venues.control.step(60)
    stocks = StockHistoricalDataClient(*KEYS, url_override=venues.alpaca.rest_url)
    start = (venues.market.clock.wire_ns(START_NS) // NS_PER_SEC) - 60
    from datetime import UTC, datetime

    window = {
        "symbol_or_symbols": "AAPL",
        "start": datetime.fromtimestamp(start, tz=UTC),
        "end": datetime.fromtimestamp(start + 600, tz=UTC),
        "feed": DataFeed.IEX,
    }
    bars = stocks.get_stock_bars(StockBarsRequest(timeframe=TimeFrame.Minute, adjustment=Adjustment.RAW, **window))
    assert [bar.close for bar in bars["AAPL"]] == [180.0, 181.0, 182.0, 183.0, 184.0]
    page = stocks.get("/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "limit": 2, "start": "2020-01-01"})
    assert len(page["bars"]["AAPL"]) == 2
    assert page["next_page_token"]
    assert len(stocks.get_stock_trades(StockTradesRequest(**window))["AAPL"]) == 5
    assert len(stocks.get_stock_quotes(StockQuotesRequest(**window))["AAPL"]) == 5
    assert stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"].ask_price == 180.02
    assert stocks.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))["AAPL"].latest_trade.price == 184
    stocks._session.close()
    quote(venues, "90000", "90010", symbol="BTC/USD", size="0.5")
    crypto = CryptoHistoricalDataClient(url_override=venues.alpaca.rest_url)
    book = crypto.get_crypto_latest_orderbook(CryptoLatestOrderbookRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"]
    assert book.asks[0].price == 90010
    crypto._session.close()


def test_trade_stream_comes_back_after_a_reset_and_events_of_the_gap_are_lost(venues, trading, updates):
    quote(venues, "180.00", "180.02")
    opened = len(venues.control.journal(kind="opened", name="trade_updates"))
    venues.control.act("break", kind="abort", where="stream:trade_updates")
    order = trading.submit_order(limit(OrderSide.BUY, 170.0))
    wait_until(lambda: len(venues.control.journal(kind="opened", name="trade_updates")) > opened)
    wait_until(
        lambda: sum("listening" in str(e.data) for e in venues.control.journal(kind="sent", name="trade_updates")) == 2
    )
    trading.cancel_order_by_id(order.id)
    assert updates.next().event == "canceled"
