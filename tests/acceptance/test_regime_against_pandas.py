"""The regime of every day, against an independent calculation by pandas: on SPY with VIX and breadth, and on noise."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.regime import history, summary
from tests.acceptance.reference_regime import features, regimes

DATA = Path(os.environ.get("NQS_TEST_DATA", "")) / "data"
ETFS = DATA / "equities" / "us_etfs_daily.parquet"
VIX = DATA / "volatility" / "vix_daily.csv.gz"
BREADTH = DATA / "breadth" / "sp500_breadth_daily.csv.gz"
# Of the columns that cover the whole span, the one that counts only the members of the day itself.
BREADTH_COLUMN = "pct_above_200dma_adj_pit"

needs_data = pytest.mark.skipif(
    "NQS_TEST_DATA" not in os.environ or not all(path.is_file() for path in (ETFS, VIX, BREADTH)),
    reason="set NQS_TEST_DATA to the folder that holds data/ to run this on real prices",
)


@pytest.fixture(scope="module")
def spy_days():
    """SPY 2005-2024: features by pandas, VIX and breadth of the previous session, closes as UTC nanoseconds."""
    bars = pd.read_parquet(ETFS)
    bars = bars[bars["symbol"] == "SPY"]
    bars = bars.set_index(pd.DatetimeIndex(pd.to_datetime(bars["date"]))).loc["2005":"2024"]
    vix = pd.read_csv(VIX, parse_dates=["date"]).set_index("date")["close"]
    breadth = pd.read_csv(BREADTH, parse_dates=["date"]).set_index("date")[BREADTH_COLUMN] / 100.0
    days = features(bars)
    days["vix"] = vix.reindex(days.index).shift(1)
    days["breadth"] = breadth.reindex(days.index).shift(1)
    closes = (days.index + pd.Timedelta(hours=16)).tz_localize("America/New_York").as_unit("ns")
    days["ts"] = closes.asi8
    return days


@pytest.fixture(scope="module")
def spy_reference(spy_days):
    return regimes(spy_days)


def updates_of(days):
    columns = {name: days[name].to_numpy(dtype=np.float64) for name in ("slope_deg", "atr_ratio", "vix", "breadth")}
    return history(
        days["ts"].to_numpy(),
        columns["slope_deg"],
        columns["atr_ratio"],
        vix=columns["vix"],
        breadth=columns["breadth"],
        instrument_id="SPY.ARCA",
    )


def assert_equal_every_day(updates, days, reference):
    assert [update.ts for update in updates] == days.loc[reference.index, "ts"].tolist()
    assert [update.label.value for update in updates] == reference["label"].tolist()
    assert [update.count for update in updates] == reference["count"].tolist()
    assert [update.regime.value for update in updates] == reference["regime"].tolist()
    np.testing.assert_allclose([u.confidence for u in updates], reference["confidence"].to_numpy(), atol=1e-12)


@needs_data
def test_history_on_spy_equals_pandas_on_every_day(spy_days, spy_reference):
    assert len(spy_reference) == 4933
    assert spy_reference["is_gap"].mean() == pytest.approx(0.264, abs=0.001)  # the main rule is exercised
    assert_equal_every_day(updates_of(spy_days), spy_days, spy_reference)


@needs_data
def test_history_without_vix_and_breadth_equals_pandas(spy_days):
    bare = spy_days.assign(vix=np.nan, breadth=np.nan)
    assert_equal_every_day(updates_of(bare), bare, regimes(bare))


@pytest.mark.parametrize("seed", range(3))
def test_history_on_noise_equals_pandas(seed):
    rng = np.random.default_rng(seed)
    n = 5000
    days = pd.DataFrame(
        {
            "slope_deg": rng.normal(0.0, 3.0, n),
            "atr_ratio": rng.uniform(0.5, 2.2, n),
            "vix": np.where(rng.random(n) < 0.2, np.nan, rng.uniform(10.0, 35.0, n)),
            "breadth": np.where(rng.random(n) < 0.2, np.nan, rng.random(n)),
            "ts": np.arange(1, n + 1) * 86_400_000_000_000,
        }
    )
    days.loc[:99, "atr_ratio"] = np.nan
    # Noise seldom says the same thing three days running: hold each value for four.
    held = days.assign(**{name: days[name].iloc[::4].repeat(4).to_numpy()[:n] for name in ("slope_deg", "atr_ratio")})
    for frame in (days, held):
        assert_equal_every_day(updates_of(frame), frame, regimes(frame))


@needs_data
@pytest.mark.parametrize("month", ["2008-10", "2008-11", "2008-12", "2020-03"])
def test_regime_in_a_crash_is_mostly_crisis(spy_days, month):
    days = spy_days.loc[:month]
    in_month = [u for u in updates_of(days) if u.ts >= days.loc[month, "ts"].iloc[0]]
    assert len(in_month) >= 19
    assert np.mean([u.label.value == "crisis" for u in in_month]) == 1.0
    assert np.mean([u.regime.value == "crisis" for u in in_month]) >= 0.95


@needs_data
def test_regime_in_2022_is_bull_on_few_days(spy_days):
    year = {period.name: period for period in summary(updates_of(spy_days)).periods}["2022"]
    assert year.sessions == 251
    assert year.in_force["bull_trending"] == pytest.approx(72 / 251)
    assert year.in_force["bull_trending"] < 0.40


@needs_data
def test_regime_on_spy_changes_about_ten_times_a_year(spy_days):
    whole = summary(updates_of(spy_days))
    assert whole.total.changes == 167
    assert whole.changes_per_year == pytest.approx(8.5, abs=0.05)
    assert max(period.changes for period in whole.periods) <= 20


@needs_data
def test_future_of_spy_changes_nothing_past(spy_days):
    full = updates_of(spy_days)
    bent = spy_days.copy()
    bent.loc["2015":, ["slope_deg", "atr_ratio"]] = [-9.0, 3.0]
    cut = spy_days.loc["2015":, "ts"].iloc[0]
    assert [u for u in full if u.ts < cut] == [u for u in updates_of(bent) if u.ts < cut]
