from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.coinbase_market import ProductMarket
from adapters.simulator.tape import Bar, Level, Quote, Side, Trade

MINUTE_NS = 60_000_000_000


def dec(text):
    return Decimal(text)


def trade(price, size="1", aggressor=Side.BUY):
    return Trade(0, "BTC-USD", dec(price), dec(size), aggressor)


def levels(*pairs):
    return tuple(Level(dec(price), dec(size)) for price, size in pairs)


def quote(bids, asks):
    return Quote(
        0, "BTC-USD", bids[0].price, asks[0].price, bids[0].size, asks[0].size, tuple(bids[1:]), tuple(asks[1:])
    )


def applied(book, updates):
    for update in updates:
        side = book[update["side"]]
        if update["new_quantity"] == "0":
            side.pop(update["price_level"], None)
        else:
            side[update["price_level"]] = update["new_quantity"]
    return book


sizes = st.integers(1, 5).map(Decimal)
bids = st.dictionaries(st.integers(90, 99).map(Decimal), sizes, min_size=1)
asks = st.dictionaries(st.integers(100, 109).map(Decimal), sizes, min_size=1)


@given(st.lists(st.tuples(bids, asks), min_size=1, max_size=6))
def test_updates_lead_from_any_book_to_the_next(books):
    market = ProductMarket("BTC-USD")
    book = {"bid": {}, "offer": {}}
    for bid_side, ask_side in books:
        bid_levels = [Level(p, s) for p, s in sorted(bid_side.items(), reverse=True)]
        ask_levels = [Level(p, s) for p, s in sorted(ask_side.items())]
        shown = quote(bid_levels, ask_levels)
        applied(book, market.updates(shown, 0))
        market.show(shown, 0)
        assert book == applied({"bid": {}, "offer": {}}, market.snapshot())
        assert set(book["bid"]) == {str(price) for price in bid_side}


def test_the_side_told_is_the_makers():
    market = ProductMarket("BTC-USD")
    assert market.trade(trade("100", aggressor=Side.BUY), 0).row("BTC-USD")["side"] == "SELL"
    row = market.trade(trade("99", aggressor=Side.SELL), 1_000).row("BTC-USD")
    assert (row["side"], row["trade_id"], row["time"]) == ("BUY", "2", "1970-01-01T00:00:00.000001Z")


def test_candles_gather_trades_by_bucket():
    market = ProductMarket("BTC-USD")
    for minute, price in enumerate(("10", "12", "9", "11", "13", "20")):
        market.trade(trade(price), minute * MINUTE_NS + 1)
    first, second = market.candles(300, start=0, end=600)
    assert (first.start, first.open, first.high, first.low, first.close, first.volume) == (0, 10, 13, 9, 13, 5)
    assert second.row() == {"start": "300", "low": "20", "high": "20", "open": "20", "close": "20", "volume": "1"}
    assert [c.start for c in market.candles(60, start=60, end=180)] == [60, 120, 180]


def test_aggregating_leaves_the_minutes_as_they_were():
    market = ProductMarket("BTC-USD")
    for minute in range(5):
        market.trade(trade("10"), minute * MINUTE_NS)
    for _ in range(2):
        (candle,) = market.candles(300, start=0, end=0)
        assert candle.volume == 5
        assert market.day(10 * MINUTE_NS).volume == 5


def test_history_comes_before_the_first_trade():
    market = ProductMarket("BTC-USD")
    bar = Bar(0, "BTC-USD", dec(1), dec(3), dec(1), dec(2), dec(7))
    market.add_history([(5 * MINUTE_NS, bar)])
    assert market.candles(60, start=0, end=900)[0].row()["high"] == "3"
    assert market.last_price is None


@pytest.mark.parametrize("has_best", [True, False])
def test_the_batched_ticker_has_no_best_prices(has_best):
    market = ProductMarket("BTC-USD")
    market.show(quote(levels(("99", "1")), levels(("101", "2"))), 0)
    assert market.ticker(0, has_best=has_best)["price"] == "100"
    market.trade(trade("101"), 0)
    row = market.ticker(1, has_best=has_best)
    assert (row["price"], row["volume_24_h"], row.get("best_ask_quantity")) == ("101", "1", "2" if has_best else None)
