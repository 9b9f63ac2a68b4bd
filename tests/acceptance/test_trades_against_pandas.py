"""Every trade of every strategy, run by the whole system with its limits off, against pandas alone on real prices."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalog.reader import open_catalog
from tests.acceptance import reference_regime
from tests.acceptance import reference_signals as reference
from tests.runs import LIMITS_OFF, STRATEGIES, run_config, tables_of

SYMBOLS = ("SPY", "QQQ", "AAPL", "MSFT")
FIRST, LAST = "2015-01-01", "2024-12-31"
WARMUP_DAYS = 400
TICK = 0.01  # of an order in shares that cost a dollar or more
# ATRs to stop and target: the strategy's own, so wide that it is mostly the rule that leaves, and so tight that many a
# bar reaches both.
DISTANCES = {"default": (None, None), "wide": (8.0, 12.0), "tight": (0.4, 0.4)}
RULE_REASONS = {"middle_band": "rule", "rsi_cross": "rule", "channel": "rule"}

type RunAlone = Callable[[str, str], dict[str, pd.DataFrame]]
# The tests of one strategy share its runs, in one worker.
EACH = pytest.mark.parametrize(
    "strategy", [pytest.param(name, marks=pytest.mark.xdist_group(f"alone-{name}")) for name in STRATEGIES]
)


def frames_of(market: Path) -> dict[str, pd.DataFrame]:
    """Return the daily bars of each symbol under their dates, those that warm the windows included."""
    catalog = open_catalog(market)
    span = (pd.Timestamp(FIRST).value - WARMUP_DAYS * 86_400 * 10**9, pd.Timestamp(f"{LAST} 23:59:59").value)
    frames = {symbol: catalog.daily_frame(f"{symbol}.ALPACA", *span) for symbol in SYMBOLS}
    return {symbol: frame.set_axis(session_dates(frame.index)) for symbol, frame in frames.items()}


def session_dates(ts: Any) -> pd.DatetimeIndex:
    """Return the dates in New York of UTC times."""
    index = pd.DatetimeIndex(pd.to_datetime(ts, utc=True))
    return index.tz_convert("America/New_York").normalize().tz_localize(None).as_unit("ns")


@pytest.fixture(scope="module")
def frames(market: Path) -> dict[str, pd.DataFrame]:
    return frames_of(market)


@pytest.fixture(scope="module")
def run_alone(market: Path, tmp_path_factory: pytest.TempPathFactory) -> RunAlone:
    """Return what runs one strategy alone over the four symbols with every limit out of the way, once each."""

    @cache
    def run(strategy: str, distances: str) -> dict[str, pd.DataFrame]:
        stop_atr, target_atr = DISTANCES[distances]
        params = {} if stop_atr is None else {"stop_atr": stop_atr, "target_atr": target_atr}
        config = run_config(
            market,
            [f"{symbol}.ALPACA" for symbol in SYMBOLS],
            timerange="20150101-20241231",
            warmup_days=WARMUP_DAYS,
            strategies=[{"name": strategy, "path": STRATEGIES[strategy], "params": params}],
            allocation={"default": {strategy: 1.0}, "stop_multiple": {}},
            **LIMITS_OFF,
        )
        return tables_of(config, tmp_path_factory.mktemp(strategy) / "run")[0]

    return run


@pytest.mark.parametrize("distances", DISTANCES)
@EACH
def test_trades_with_limits_off_equal_those_of_pandas(
    frames: dict[str, pd.DataFrame], run_alone: RunAlone, strategy: str, distances: str
) -> None:
    tables = run_alone(strategy, distances)
    trades = tables["trades"].sort_values("entry_ts")
    kinds = []
    stop_atr, target_atr = DISTANCES[distances]
    for symbol in SYMBOLS:
        expected = reference.trades(
            frames[symbol], strategy, first=FIRST, stop_atr=stop_atr, target_atr=target_atr, tick=TICK
        )
        mine = trades[trades["instrument_id"] == f"{symbol}.ALPACA"]
        found = pd.DataFrame(
            {
                "entry_date": session_dates(mine["entry_ts"]),
                "exit_date": session_dates(mine["exit_ts"]),
                "exit_kind": mine["exit_reason"].replace(RULE_REASONS).to_numpy(),
                "entry_px": mine["entry_px"].to_numpy(),
                "exit_px": mine["exit_px"].to_numpy(),
            }
        )
        days = ["entry_date", "exit_date", "exit_kind"]
        assert found[days].to_numpy().tolist() == expected[days].to_numpy().tolist(), symbol
        np.testing.assert_allclose(found["entry_px"], expected["entry_px"], rtol=1e-12)
        opens = frames[symbol]["open"].reindex(pd.DatetimeIndex(expected["exit_date"])).to_numpy()
        is_at_open = (expected["exit_px"] == opens).to_numpy()
        np.testing.assert_allclose(found["exit_px"][is_at_open], opens[is_at_open], rtol=1e-12)
        # A level that the last bit of a float puts above a price of the grid rests one tick higher.
        np.testing.assert_allclose(found["exit_px"], expected["exit_px"], rtol=0.0, atol=1.01 * TICK)
        kinds += expected["exit_kind"].to_list()
    assert len(kinds) > 20
    assert len(set(kinds)) >= 2
    # The limits were off: nothing was refused, and every entry that filled is a finished trade or still open.
    assert set(tables["decisions"]["failed_check"]) == {""}
    filled = tables["fills"][tables["fills"]["leg"] == "E"]
    assert len(trades) <= len(filled) <= len(trades) + len(SYMBOLS)


@EACH
def test_signals_of_a_run_hold_every_bar_with_the_numbers_of_pandas(
    frames: dict[str, pd.DataFrame], run_alone: RunAlone, strategy: str
) -> None:
    signals = run_alone(strategy, "default")["signals"]
    for symbol in SYMBOLS:
        expected = reference.numbers(frames[symbol], strategy).loc[FIRST:].dropna()
        mine = signals[signals["instrument_id"] == f"{symbol}.ALPACA"]
        assert list(session_dates(mine["ts_batch"])) == list(frames[symbol].loc[FIRST:].index) == list(expected.index)
        np.testing.assert_allclose(mine[expected.columns], expected, rtol=1e-9)
        fired = reference.signal_days(frames[symbol], strategy).loc[FIRST:].index
        mine_fired = mine[mine["outcome"].isin(["entry", "held"])]
        # A position whose rule leaves on the bar of a signal says that it leaves.
        assert set(session_dates(mine_fired["ts_batch"])) <= set(fired)
        assert not set(session_dates(mine[mine["outcome"] == "quiet"]["ts_batch"])) & set(fired)


def test_regimes_of_a_run_over_twenty_years_equal_pandas_on_every_session(
    market: Path, real_data: Path, tmp_path: Path
) -> None:
    config = run_config(
        market,
        ["SPY.ALPACA"],
        timerange="20050101-20241231",
        venues=[{"name": "ALPACA", "account": "margin", "balances": ["100000 USD"]}],
        strategies=[{"name": "rsi_reversion", "path": STRATEGIES["rsi_reversion"]}],
        regime={"reference": "SPY.ALPACA", "vix": "VIX", "breadth": "BREADTH"},
    )
    regimes = tables_of(config, tmp_path / "run")[0]["regimes"]
    expected = reference_regime.regimes(regime_days(real_data))
    assert len(expected) == 4933
    assert list(session_dates(regimes["ts"])) == list(expected.index)
    assert regimes["label"].tolist() == expected["label"].tolist()
    assert regimes["regime"].tolist() == expected["regime"].tolist()
    assert regimes["count"].tolist() == expected["count"].tolist()
    np.testing.assert_allclose(regimes["confidence"], expected["confidence"], atol=1e-9)


def regime_days(real_data: Path) -> pd.DataFrame:
    """Return SPY's features by pandas, with VIX and breadth of the session before, read from the files themselves."""
    bars = pd.read_parquet(real_data / "equities" / "us_etfs_daily.parquet")
    bars = bars[bars["symbol"] == "SPY"]
    days = reference_regime.features(bars.set_index(pd.DatetimeIndex(pd.to_datetime(bars["date"]))).loc["2005":"2024"])
    vix = pd.read_csv(real_data / "volatility" / "vix_daily.csv.gz", parse_dates=["date"]).set_index("date")
    breadth = pd.read_csv(real_data / "breadth" / "sp500_breadth_daily.csv.gz", parse_dates=["date"]).set_index("date")
    share = breadth["pct_above_200dma_price"].fillna(breadth["pct_above_200dma_adj_pit"]) / 100.0
    days["vix"] = vix["close"].reindex(days.index).shift(1)
    days["breadth"] = share.reindex(days.index).shift(1)
    return days
