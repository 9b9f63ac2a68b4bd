"""Numbers, signal days and exit days of each strategy against an independent calculation by pandas on real prices."""

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.bridge.features import RegimeFeatures, features_for
from nautilus_qs.domain import Side
from nautilus_qs.signals import BollingerBounce, Breakout, RsiReversion
from nautilus_qs.signals.stops import StopInputs
from tests.acceptance import reference_regime
from tests.acceptance import reference_signals as reference

RULES = {rule.name: rule for rule in (BollingerBounce, RsiReversion, Breakout)}
SYMBOLS = {"SPY": "us_etfs_daily", "QQQ": "us_etfs_daily", "AAPL": "us_stocks_daily", "MSFT": "us_stocks_daily"}
RAW = ["open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def frames(real_data):
    """Daily bars of each symbol, 2015 to 2024."""
    found = {}
    for file in sorted(set(SYMBOLS.values())):
        bars = pd.read_parquet(real_data / "equities" / f"{file}.parquet")
        for symbol in (name for name, where in SYMBOLS.items() if where == file):
            mine = bars[bars["symbol"] == symbol]
            mine = mine.set_index(pd.DatetimeIndex(pd.to_datetime(mine["date"]))).loc["2015":"2024", RAW]
            found[symbol] = mine.astype(float)
    return found


def streamed(bars, rule):
    """Return the numbers of each warm bar as the strategy would see them, with its entry signal and its rule exit."""
    features = features_for(rule)
    rows = {}
    for date, raw in zip(bars.index, bars[RAW].itertuples(index=False), strict=True):
        numbers = features.update_raw(*raw)
        if numbers is not None:
            rows[date] = (numbers, rule.entry("X", numbers), rule.exit("X", numbers, Side.LONG))
    return rows


@pytest.mark.parametrize("strategy", reference.STRATEGIES)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_rule_on_real_bars_has_the_numbers_of_pandas(frames, symbol, strategy):
    bars, rule = frames[symbol], RULES[strategy]()
    rows = streamed(bars, rule)
    expected = reference.numbers(bars, strategy).dropna()
    assert list(rows) == list(expected.index)
    assert list(rule.columns) == list(expected.columns)
    np.testing.assert_allclose(np.array([numbers for numbers, _, _ in rows.values()]), expected, rtol=1e-9)


@pytest.mark.parametrize("strategy", reference.STRATEGIES)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_rule_on_real_bars_signals_on_the_days_of_pandas(frames, symbol, strategy):
    rows = streamed(frames[symbol], RULES[strategy]())
    signals = {date: entry for date, (_, entry, _) in rows.items() if entry is not None}
    expected = reference.signal_days(frames[symbol], strategy)
    assert len(expected) > 5
    assert list(signals) == list(expected.index)
    for name in ("confidence", "stop", "target"):
        field = name if name == "confidence" else f"{name}_px"
        values = [np.inf if (value := getattr(s, field)) is None else value for s in signals.values()]
        np.testing.assert_allclose(values, expected[name], rtol=1e-9)


@pytest.mark.parametrize("strategy", reference.STRATEGIES)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_rule_on_real_bars_leaves_on_the_days_of_pandas(frames, symbol, strategy):
    rows = streamed(frames[symbol], RULES[strategy]())
    expected = reference.exit_days(frames[symbol], strategy)
    assert len(expected) > 5
    assert [date for date, (_, _, leaving) in rows.items() if leaving is not None] == list(expected)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_trailing_stop_on_real_trades_is_touched_on_the_days_of_pandas(frames, symbol):
    bars, rule = frames[symbol], Breakout()
    rows = streamed(bars, rule)
    dates = list(bars.index)
    trades = reference.trades(bars, "breakout")
    stopped = trades[trades["exit_kind"].isin(["stop", "trailing_stop"])]
    assert len(stopped) > 5
    for entry, last, kind in stopped[["entry_date", "exit_date", "exit_kind"]].itertuples(index=False):
        signal = rows[dates[dates.index(entry) - 1]][1]
        stop = rule.trail(signal.side, signal.stop_px)
        days = bars.loc[entry:last]
        for day in days.index[:-1]:
            assert bars.at[day, "low"] > stop.px
            high, low, close = bars.loc[day, ["high", "low", "close"]]
            stop.update(StopInputs(high, low, close, rows[day][0][1]))
        assert bars.at[last, "low"] <= stop.px
        assert kind == ("trailing_stop" if stop.px > signal.stop_px else "stop")


def test_regime_features_on_real_bars_have_the_numbers_of_pandas(frames):
    bars, features = frames["SPY"], RegimeFeatures()
    read = [features.update_raw(*raw) for raw in bars[["high", "low", "close"]].itertuples(index=False)]
    expected = reference_regime.features(bars).dropna()
    assert [date for date, pair in zip(bars.index, read, strict=True) if pair is not None] == list(expected.index)
    np.testing.assert_allclose([pair for pair in read if pair is not None], expected, rtol=1e-8, atol=1e-10)


def test_reference_trades_of_a_drawn_path_are_those_worked_by_hand():
    # Thirty quiet bars (range 2, so ATR 2), a new high on four times the volume, a rise, and a fall through the stop.
    quiet = pd.DataFrame({"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "volume": 100.0}, index=range(30))
    path = pd.DataFrame(
        [
            (100.0, 103.0, 101.0, 102.0, 400.0),  # true range 3: ATR 29 / 14, stop 102 - 1.5 x that = 98.89
            (102.5, 106.0, 102.0, 106.0, 100.0),  # true range 4: ATR 31 / 14, stop 106 - 3.32 = 102.68
            (105.0, 106.0, 103.0, 105.0, 100.0),  # true range 3: ATR 32 / 14; stop 106 - 3.43 = 102.57: not moved back
            (105.0, 105.0, 102.0, 104.0, 100.0),  # low below 102.68
        ],
        columns=quiet.columns,
        index=range(30, 34),
    )
    bars = pd.concat([quiet, path])
    found = reference.trades(bars, "breakout", tick=0.0001)
    assert found.to_numpy().tolist() == [[31, 33, "trailing_stop", 102.5, pytest.approx(102.6786)]]
    assert reference.trades(bars.iloc[:33], "breakout").empty
