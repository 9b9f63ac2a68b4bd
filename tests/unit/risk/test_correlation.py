"""Correlation of daily returns against numpy and pandas, over common days only."""

import math

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.errors import DataError
from nautilus_qs.risk.correlation import ReturnsBook


def fed(series, **params):
    """Return a book that was told {instrument: {day: close}}, day by day."""
    book = ReturnsBook(**params)
    for name, closes in series.items():
        for day, close in closes.items():
            book.on_close(name, day, close)
    return book


def walk(seed, days, factor=None):
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, len(days))
    if factor is not None:
        returns += factor * np.random.default_rng(99).normal(0, 0.01, len(days))
    return dict(zip(days, (100 * np.cumprod(1 + returns)).tolist(), strict=True))


def common_rho(a, b, days):
    """The definition: simple returns between common days, the last ``days`` of them, Pearson."""
    frame = pd.DataFrame({"a": a, "b": b}).dropna().pct_change().dropna().tail(days)
    return frame["a"].corr(frame["b"]), len(frame)


def test_four_returns_worked_by_hand():
    # Returns of A: +10 %, -10 %, +10 %, -10 %; of B: +10 %, +10 %, -10 %, -10 %. Their means are 0, and so is the sum
    # of products; C goes against A.
    a = {0: 100.0, 1: 110.0, 2: 99.0, 3: 108.9, 4: 98.01}
    b = {0: 100.0, 1: 110.0, 2: 121.0, 3: 108.9, 4: 98.01}
    c = {0: 100.0, 1: 90.0, 2: 99.0, 3: 89.1, 4: 98.01}
    book = fed({"A": a, "B": b, "C": c}, days=4, min_days=3)
    assert book.correlations("A", ["B", "C"]) == pytest.approx([0.0, -1.0], abs=1e-12)
    assert book.correlations("A", []) == []


def test_matrix_of_a_common_calendar_equals_numpy():
    days = range(100, 145)
    series = {f"I{i:02}": walk(i, days, factor=i % 4) for i in range(20)}  # more than the first matrix holds
    book = fed(series)
    closes = np.array([list(one.values())[-31:] for one in series.values()])
    expected = np.corrcoef(closes[:, 1:] / closes[:, :-1] - 1)
    names = list(series)
    for i, name in enumerate(names):
        others = names[:i] + names[i + 1 :]
        assert book.correlations(name, others) == pytest.approx(np.delete(expected[i], i).tolist(), abs=1e-9)
    assert expected.max() > 0.7, "the case must hold what the limit is about"


def test_different_calendars_meet_on_their_common_days():
    every_day = walk(1, range(700_000, 700_080), factor=2)
    weekdays = walk(2, [day for day in every_day if day % 7 < 5], factor=2)
    book = fed({"BTC": every_day, "SPY": weekdays, "QQQ": walk(3, list(weekdays))})
    expected, n_returns = common_rho(every_day, weekdays, 30)
    assert n_returns == 30
    assert book.correlations("SPY", ["BTC", "QQQ"])[0] == pytest.approx(expected, abs=1e-9)
    assert book.correlations("BTC", ["SPY"])[0] == pytest.approx(expected, abs=1e-9)
    assert book.correlations("SPY", ["BTC", "QQQ"])[1] == pytest.approx(
        common_rho(weekdays, walk(3, list(weekdays)), 30)[0], abs=1e-9
    )
    for name, closes in (("BTC", every_day), ("SPY", weekdays)):  # and a pair that was asked for is computed anew
        closes[700_090] = 150.0
        book.on_close(name, 700_090, 150.0)
    (rho,) = book.correlations("BTC", ["SPY"])
    assert rho == pytest.approx(common_rho(every_day, weekdays, 30)[0], abs=1e-9)
    assert abs(rho - expected) > 0.01


@pytest.mark.parametrize(("n_closes", "is_known"), [(20, False), (21, True), (30, True), (31, True), (32, True)])
def test_fewer_than_twenty_common_returns_say_nothing(n_closes, is_known):
    a, b = walk(1, range(n_closes)), walk(2, range(n_closes))
    (rho,) = fed({"A": a, "B": b}).correlations("A", ["B"])
    if is_known:
        assert rho == pytest.approx(common_rho(a, b, 30)[0], abs=1e-9)
    else:
        assert rho is None


def test_unknown_instrument_has_no_correlation():
    book = fed({"A": walk(1, range(40)), "B": walk(2, range(40))})
    assert book.correlations("X", ["A", "B"]) == [None, None]
    found = book.correlations("A", ["X", "B"])
    assert found[0] is None
    assert found[1] is not None


@pytest.mark.parametrize("constant", ["A", "B"])
def test_price_that_never_moved_has_no_correlation(constant):
    series = {"A": walk(1, range(40)), "B": walk(2, range(40))}
    series[constant] = dict.fromkeys(range(40), 10.0)
    assert fed(series).correlations("A", ["B"]) == [None]


def test_new_close_moves_the_window_and_a_repeated_one_replaces_the_last():
    a, b = walk(1, range(50), factor=1), walk(2, range(50), factor=1)
    book = fed({"A": a, "B": b})
    book.correlations("A", ["B"])
    for name, closes in (("A", a), ("B", b)):
        for close in (closes[49] * 1.3, closes[49] * 1.1):
            closes[50] = close
            book.on_close(name, 50, close)
    assert book.correlations("A", ["B"])[0] == pytest.approx(common_rho(a, b, 30)[0], abs=1e-9)


def test_instrument_that_lags_a_day_is_compared_over_common_days():
    a, b = walk(1, range(50), factor=1), walk(2, range(49), factor=1)
    book = fed({"A": a, "B": b})
    expected = pytest.approx(common_rho(a, b, 30)[0], abs=1e-9)
    assert book.correlations("A", ["B"])[0] == expected
    assert book.correlations("A", ["B"])[0] == expected, "the pair that was kept"


def test_long_history_is_forgotten_without_a_trace():
    """What is trimmed away must not decide: a book that saw 2,000 days says what one that saw the last 70 says."""
    a, b = walk(1, range(2_000), factor=1), walk(2, [day for day in range(2_000) if day % 3], factor=1)
    late_a, late_b = ({day: px for day, px in one.items() if day >= 1_930} for one in (a, b))
    long, short = fed({"A": a, "B": b}), fed({"A": late_a, "B": late_b})
    assert long.correlations("A", ["B"]) == pytest.approx(short.correlations("A", ["B"]), abs=1e-12)


def test_many_calendars_do_not_lose_the_matrix():
    book = ReturnsBook(days=5, min_days=5)
    names = ("A", "B")
    closes = {name: walk(seed, range(400)) for seed, name in enumerate(names)}
    for day in range(400):  # 400 windows of days, one after the other
        for name in names:
            book.on_close(name, day, closes[name][day])
        found = book.correlations("A", ["B"])[0]
        assert (found is None) is (day < 5)
    assert found == pytest.approx(common_rho(closes["A"], closes["B"], 5)[0], abs=1e-9)


@pytest.mark.parametrize("close", [0.0, -1.0, math.nan, math.inf])
def test_close_that_is_no_price_is_refused(close):
    with pytest.raises(DataError, match="a close must be a positive number"):
        ReturnsBook().on_close("A", 1, close)


def test_day_before_the_last_is_refused():
    book = fed({"A": {5: 10.0}})
    with pytest.raises(DataError, match="must come in order: the last was 5, this is 4"):
        book.on_close("A", 4, 10.0)


def test_book_reset_equals_new():
    series = {"A": walk(1, range(40)), "B": walk(2, range(40))}
    book = fed({"B": walk(7, range(60)), "A": walk(8, range(60))})
    book.correlations("A", ["B"])
    book.reset()
    assert book.correlations("A", ["B"]) == [None]
    for name, closes in series.items():
        for day, close in closes.items():
            book.on_close(name, day, close)
    assert book.correlations("A", ["B"]) == fed(series).correlations("A", ["B"])
