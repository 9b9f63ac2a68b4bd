"""A history is what the tracker says day by day; its summary adds up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Regime
from nautilus_qs.errors import DataError
from nautilus_qs.regime import RegimeParams, RegimeTracker, history, summary

DAY_NS = 86_400_000_000_000
rows = st.lists(st.tuples(st.floats(-8.0, 8.0), st.floats(0.4, 2.4), st.floats(10.0, 40.0)), min_size=1, max_size=40)


def columns(numbers):
    table = np.array(numbers, dtype=np.float64)
    return np.arange(1, len(table) + 1) * DAY_NS, table[:, 0], table[:, 1], table[:, 2]


@given(rows)
def test_history_equals_the_tracker_fed_day_by_day(numbers):
    ts, slope, ratio, vix = columns(numbers)
    tracker = RegimeTracker()
    streamed = [
        tracker.update(int(t), "X", s, r, vix=v, breadth=None) for t, (s, r, v) in zip(ts, numbers, strict=True)
    ]
    assert history(ts, slope, ratio, vix=vix, instrument_id="X") == streamed


@given(rows, st.data())
def test_history_future_changes_nothing_past(numbers, data):
    cut = data.draw(st.integers(0, len(numbers) - 1))
    ts, slope, ratio, vix = columns(numbers)
    before = history(ts, slope, ratio, vix=vix)[:cut]
    slope[cut:], ratio[cut:], vix[cut:] = -slope[cut:], ratio[cut:] + 1.0, 50.0
    assert history(ts, slope, ratio, vix=vix)[:cut] == before


def test_history_skips_days_that_are_not_warm():
    ts = np.arange(1, 7) * DAY_NS
    slope = np.array([np.nan, 3.0, 3.0, np.nan, 3.0, 3.0])
    ratio = np.array([1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    updates = history(ts, slope, ratio)
    assert [(update.ts // DAY_NS, update.count) for update in updates] == [(3, 1), (5, 2), (6, 3)]
    assert updates[-1].regime is Regime.BULL_TRENDING
    assert updates[-1].missing == ("vix", "breadth")


def test_history_takes_params():
    ts = np.arange(1, 3) * DAY_NS
    updates = history(ts, np.full(2, 3.0), np.ones(2), params=RegimeParams(confirmation_days=1))
    assert updates[0].regime is Regime.BULL_TRENDING


def test_history_values_are_plain_python_numbers():
    ts, slope, ratio, vix = columns([(3.0, 1.0, 20.0)])
    update = history(ts, slope, ratio, vix=vix, breadth=np.array([0.7]))[0]
    assert [type(value) for value in (update.ts, update.slope_deg, update.vix, update.breadth)] == [
        int,
        float,
        float,
        float,
    ]


@pytest.mark.parametrize("name", ["slope_deg", "atr_ratio", "vix", "breadth"])
def test_history_of_unequal_lengths_is_refused_by_name(name):
    arrays = dict.fromkeys(("slope_deg", "atr_ratio", "vix", "breadth"), np.full(3, 0.5)) | {name: np.full(2, 0.5)}
    with pytest.raises(DataError, match=f"{name} must have one value a session, 3, was 2"):
        history(np.arange(3), arrays["slope_deg"], arrays["atr_ratio"], vix=arrays["vix"], breadth=arrays["breadth"])


def test_history_of_days_out_of_order_is_refused():
    with pytest.raises(DataError, match="in order"):
        history(np.array([2, 1]), np.full(2, 3.0), np.ones(2))


def test_summary_counts_shares_changes_and_years():
    # 2019-12-30 .. 2020-01-06, closes at 21:00 UTC.
    start = np.datetime64("2019-12-30T21:00", "ns").astype(np.int64)
    slope = np.array([3.0, 3.0, 3.0, -3.0, -3.0, -3.0, 3.0, 0.0])
    updates = history(start + np.arange(8) * DAY_NS, slope, np.array([1.0] * 7 + [0.7]))
    whole = summary(updates)
    assert (whole.start_ts, whole.end_ts) == (start, start + 7 * DAY_NS)
    assert whole.total.sessions == 8
    assert whole.total.changes == 1
    assert whole.total.in_force == {"none": 2 / 8, "bull_trending": 3 / 8, "bear_trending": 3 / 8}
    assert whole.total.labelled == {"bull_trending": 4 / 8, "bear_trending": 3 / 8, "low_vol_range": 1 / 8}
    assert whole.changes_per_year == pytest.approx(365.25 / 7)
    assert [(period.name, period.sessions, period.changes) for period in whole.periods] == [
        ("2019", 2, 0),
        ("2020", 6, 1),
    ]


def test_summary_reads_the_year_in_its_time_zone():
    just_past = np.array([np.datetime64("2020-01-01T02:00", "ns").astype(np.int64)])
    updates = history(just_past, np.array([3.0]), np.array([1.0]))
    assert summary(updates).periods[0].name == "2019"
    assert summary(updates, timezone="UTC").periods[0].name == "2020"


def test_summary_of_one_day_has_no_rate():
    whole = summary(history(np.array([DAY_NS]), np.array([3.0]), np.array([1.0])))
    assert math.isnan(whole.changes_per_year)
    assert whole.total.changes == 0


def test_summary_of_nothing_is_none():
    assert summary([]) is None


@given(rows)
def test_summary_shares_add_up_and_years_add_to_the_total(numbers):
    ts, slope, ratio, vix = columns([row for row in numbers for _ in range(4)])
    whole = summary(history(ts * 30, slope, ratio, vix=vix))
    assert sum(whole.total.in_force.values()) == pytest.approx(1.0)
    assert sum(whole.total.labelled.values()) == pytest.approx(1.0)
    assert sum(period.changes for period in whole.periods) == whole.total.changes
    assert sum(period.sessions for period in whole.periods) == whole.total.sessions
