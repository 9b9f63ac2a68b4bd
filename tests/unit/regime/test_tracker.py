"""The tracker joins label and confirmation, keeps order, survives a restart; the guard does not wait."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Regime, RegimeUpdate
from nautilus_qs.errors import DataError, StorageError
from nautilus_qs.regime import RegimeParams, RegimeTracker, crisis_guard

SPY = "SPY.ARCA"
days = st.lists(
    st.tuples(
        st.floats(-8.0, 8.0),
        st.floats(0.4, 2.4),
        st.none() | st.floats(10.0, 40.0),
        st.none() | st.floats(0.0, 1.0),
    ),
    max_size=30,
)


def feed(tracker, numbers, *, start=1):
    return [
        tracker.update(start + i, SPY, slope, ratio, vix=vix, breadth=breadth)
        for i, (slope, ratio, vix, breadth) in enumerate(numbers)
    ]


def test_update_carries_label_count_regime_and_inputs():
    updates = feed(RegimeTracker(), [(3.0, 1.0, 20.0, 0.7)] * 3 + [(3.0, 1.0, math.nan, None)])
    assert updates[1].regime is Regime.NONE
    assert updates[2] == RegimeUpdate(
        ts=3,
        instrument_id=SPY,
        slope_deg=3.0,
        atr_ratio=1.0,
        vix=20.0,
        breadth=0.7,
        label=Regime.BULL_TRENDING,
        confidence=1.0,
        count=3,
        regime=Regime.BULL_TRENDING,
        missing=(),
    )
    assert (updates[3].vix, updates[3].breadth, updates[3].missing) == (None, None, ("vix", "breadth"))


def test_tie_goes_to_the_regime_in_force():
    tracker = RegimeTracker()
    feed(tracker, [(0.0, 0.7, 20.0, 0.5)] * 3)
    assert tracker.regime is Regime.LOW_VOL_RANGE
    assert tracker.update(4, SPY, 0.0, 1.15, vix=20.0, breadth=0.5).label is Regime.LOW_VOL_RANGE


def test_crisis_guard_runs_from_the_first_crisis_day_to_the_first_that_is_not():
    calm, storm = (3.0, 1.0, 15.0, 0.7), (3.0, 1.0, 35.0, 0.7)
    updates = feed(RegimeTracker(), [calm] * 3 + [storm] * 4 + [calm] * 3)
    assert [crisis_guard(update) for update in updates] == [False] * 3 + [True] * 4 + [False] * 3
    in_crisis = [update.regime is Regime.CRISIS for update in updates]
    assert in_crisis == [False] * 5 + [True] * 4 + [False]


def test_confirmation_days_come_from_the_params():
    tracker = RegimeTracker(RegimeParams(confirmation_days=1))
    assert feed(tracker, [(3.0, 1.0, 15.0, 0.7)])[0].regime is Regime.BULL_TRENDING
    assert tracker.params.confirmation_days == 1


@given(days, days)
def test_tracker_restored_goes_on_as_if_never_stopped(before, after):
    whole, second = RegimeTracker(), RegimeTracker()
    feed(whole, before)
    second.restore(json.loads(json.dumps(whole.save())))
    assert (second.ts, second.regime) == (whole.ts, whole.regime)
    assert feed(second, after, start=100) == feed(whole, after, start=100)


@given(days)
def test_tracker_reset_equals_new(numbers):
    tracker = RegimeTracker()
    feed(tracker, numbers)
    tracker.reset()
    assert tracker.save() == RegimeTracker().save()
    assert feed(tracker, numbers) == feed(RegimeTracker(), numbers)


@pytest.mark.parametrize(
    ("ts", "instrument_id", "slope", "says"),
    [
        (2, SPY, 3.0, "in order, each once: the last was 2, this is 2"),
        (1, SPY, 3.0, "in order, each once"),
        (3, "QQQ.XNAS", 3.0, "one reference instrument, 'SPY.ARCA', was 'QQQ.XNAS'"),
        (3, SPY, math.nan, "must be finite"),
    ],
)
def test_tracker_refuses_a_session_and_keeps_its_state(ts, instrument_id, slope, says):
    tracker = RegimeTracker()
    feed(tracker, [(3.0, 1.0, 20.0, 0.7)] * 2)
    before = tracker.save()
    with pytest.raises(DataError, match=says):
        tracker.update(ts, instrument_id, slope, 1.0, vix=20.0, breadth=0.7)
    assert tracker.save() == before
    assert tracker.update(3, SPY, 3.0, 1.0, vix=20.0, breadth=0.7).regime is Regime.BULL_TRENDING


@pytest.mark.parametrize("damage", [{"ts": "soon"}, {"label": "bull"}, {"count": 0}, {"instrument_id": None}])
def test_tracker_damaged_state_is_refused_and_changes_nothing(damage):
    tracker = RegimeTracker()
    feed(tracker, [(3.0, 1.0, 20.0, 0.7)])
    before = tracker.save()
    state = {key: value for key, value in {**before, **damage}.items() if value is not None}
    with pytest.raises(StorageError, match="remove the damaged state"):
        tracker.restore(state)
    assert tracker.save() == before
