from decimal import Decimal

from adapters.coinbase.books import BarCloser, TopOfBook, TradeFilter
from adapters.coinbase.parsing import CandleRow, Level, TradeRow

ONE = Decimal(1)


def level(price: int, size: int = 1, *, is_bid: bool = True) -> Level:
    return Level(is_bid, Decimal(price), Decimal(size), 0)


def candle(start_secs: int, close: int = 2) -> CandleRow:
    return CandleRow(start_secs, ONE, Decimal(3), ONE, Decimal(close), ONE)


def trade(n: int) -> TradeRow:
    return TradeRow(str(n), "BTC-USD", ONE, ONE, True, n)


def test_top_falls_back_to_the_next_level() -> None:
    top = TopOfBook()
    top.update([level(99), level(98), level(101, is_bid=False)], is_snapshot=True)
    found = top.update([level(99, 0)], is_snapshot=False)
    assert found is not None
    assert found.bid == 98


def test_top_of_a_crossed_or_half_book_is_none() -> None:
    top = TopOfBook()
    assert top.update([level(99)], is_snapshot=True) is None
    assert top.update([level(98, is_bid=False)], is_snapshot=False) is None


def test_top_starts_anew_with_a_snapshot() -> None:
    top = TopOfBook()
    top.update([level(99), level(101, is_bid=False)], is_snapshot=True)
    found = top.update([level(50), level(51, is_bid=False)], is_snapshot=True)
    assert found is not None
    assert (found.bid, found.ask) == (50, 51)


def test_trades_missed_are_let_through_once() -> None:
    trades = TradeFilter()
    assert trades.fresh([trade(2), trade(1)], is_snapshot=True) == []
    assert trades.fresh([trade(3)], is_snapshot=False) == [trade(3)]
    assert trades.fresh([trade(5), trade(4), trade(3), trade(2)], is_snapshot=True) == [trade(4), trade(5)]
    assert trades.fresh([trade(4)], is_snapshot=False) == []


def test_bar_is_told_when_the_next_one_begins() -> None:
    bars = BarCloser(300)
    assert bars.take([candle(600), candle(300), candle(0)], is_snapshot=True) == []
    assert bars.take([candle(600, 3)], is_snapshot=False) == []
    assert bars.take([candle(900)], is_snapshot=False) == [candle(600, 3)]
    assert bars.take([candle(600)], is_snapshot=False) == []


def test_bar_is_told_after_its_time_and_once() -> None:
    bars = BarCloser(300)
    bars.take([candle(600)], is_snapshot=True)
    assert bars.expire(899 * 10**9) == []
    assert bars.expire(903 * 10**9) == [candle(600)]
    assert bars.expire(999 * 10**9) == []
    assert bars.take([candle(600)], is_snapshot=False) == []


def test_bars_missed_are_told_after_a_gap() -> None:
    bars = BarCloser(300)
    bars.take([candle(0)], is_snapshot=True)
    assert bars.take([candle(600), candle(300), candle(0)], is_snapshot=True) == [candle(0), candle(300)]
