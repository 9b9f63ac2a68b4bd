"""The regions, the gaps between them, the crisis rule, confidence, and what is refused."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Regime
from nautilus_qs.errors import ConfigError, DataError
from nautilus_qs.regime import RegimeParams, classify

PARAMS = RegimeParams()
BULL, BEAR = Regime.BULL_TRENDING, Regime.BEAR_TRENDING
CHOPPY, RANGE, CRISIS = Regime.HIGH_VOL_CHOPPY, Regime.LOW_VOL_RANGE, Regime.CRISIS

slopes = st.floats(-89.0, 89.0)
ratios = st.floats(0.0, 5.0)
vixes = st.none() | st.floats(5.0, 90.0)
breadths = st.none() | st.floats(0.0, 1.0)
regimes = st.sampled_from(list(Regime))


def read(slope, ratio, *, vix=20.0, breadth=0.5, in_force=Regime.NONE, params=PARAMS):
    return classify(slope, ratio, vix=vix, breadth=breadth, in_force=in_force, params=params)


@pytest.mark.parametrize(
    ("slope", "ratio", "label"),
    [
        (2.1, 1.1, BULL),
        (40.0, 0.3, BULL),
        (-2.1, 1.1, BEAR),
        (2.0, 1.6, CHOPPY),
        (-2.0, 1.6, CHOPPY),
        (2.0, 0.7, RANGE),
        (-2.0, 0.7, RANGE),
        (0.0, 2.0, CHOPPY),
    ],
)
def test_classify_inside_a_region_names_it_with_full_confidence(slope, ratio, label):
    reading = read(slope, ratio)
    assert (reading.label, reading.confidence, reading.missing) == (label, 1.0, ())


@pytest.mark.parametrize(
    ("slope", "ratio", "label", "confidence"),
    [
        (-3.0, 1.4, BEAR, 0.5),  # 0.2 / 0.4 above the calm border
        (3.0, 1.3, BULL, 0.75),
        (2.2, 1.45, CHOPPY, 0.875),  # 0.05 / 0.4 in ratio beats 0.2 / 2 in slope
        (1.5, 1.0, BULL, 0.75),  # 0.5 / 2 in slope; the range is 0.2 / 0.4 away
        (-1.5, 1.0, BEAR, 0.75),
        (0.5, 0.9, RANGE, 0.75),
        (0.5, 1.4, CHOPPY, 0.75),
        (5.0, 1.9, CHOPPY, 0.0),  # 3 / 2 away in slope, bull 0.7 / 0.4: still a label, without confidence
        (2.0, 1.0, BULL, 1.0),  # on the open border: not inside, yet at distance 0
        (2.0, 0.8, BULL, 1.0),
    ],
)
def test_classify_in_a_gap_takes_the_nearest_region(slope, ratio, label, confidence):
    reading = read(slope, ratio)
    assert reading.label is label
    assert reading.confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("slope", "ratio", "vix", "label"),
    [
        (3.0, 1.0, 30.01, CRISIS),
        (3.0, 1.0, 30.0, BULL),
        (3.0, 2.01, 12.0, CRISIS),
        (0.0, 2.0, 12.0, CHOPPY),
        (0.0, 2.01, None, CRISIS),
        (0.0, 0.5, 55.0, CRISIS),
    ],
)
def test_classify_tests_crisis_first_and_strictly(slope, ratio, vix, label):
    reading = read(slope, ratio, vix=vix)
    assert reading.label is label
    assert reading.confidence == (1.0 if vix is not None else 0.9)


@pytest.mark.parametrize(
    ("slope", "ratio", "in_force", "label"),
    [
        (0.0, 1.15, Regime.NONE, CHOPPY),  # 0.35 / 0.4 to choppy and to range, equal but for the last bit
        (0.0, 1.15, RANGE, RANGE),
        (0.0, 1.15, CHOPPY, CHOPPY),
        (0.0, 1.15, BULL, CHOPPY),  # a regime that is farther wins no tie
        (0.0, 1.15, CRISIS, CHOPPY),
        (1.0, 1.0, Regime.NONE, BULL),  # 1 / 2 to bull, 0.2 / 0.4 to range
        (1.0, 1.0, RANGE, RANGE),
    ],
)
def test_classify_tie_goes_to_the_regime_in_force_else_to_table_order(slope, ratio, in_force, label):
    assert read(slope, ratio, in_force=in_force).label is label


@pytest.mark.parametrize(
    ("vix", "breadth", "missing", "factor"),
    [
        (None, 0.6, ("vix",), 0.9),
        (20.0, None, ("breadth",), 0.9),
        (None, None, ("vix", "breadth"), 0.81),
        (math.nan, math.nan, ("vix", "breadth"), 0.81),
    ],
)
def test_classify_missing_input_lowers_confidence_and_is_named(vix, breadth, missing, factor):
    reading = read(3.0, 1.0, vix=vix, breadth=breadth)
    assert reading.missing == missing
    assert reading.confidence == pytest.approx(factor)


@pytest.mark.parametrize(
    ("slope", "ratio", "breadth", "confidence"),
    [
        (3.0, 1.0, 0.49, 0.5),
        (3.0, 1.0, 0.5, 1.0),
        (-3.0, 1.0, 0.51, 0.5),
        (-3.0, 1.0, 0.5, 1.0),
        (3.0, 1.3, 0.4, 0.375),
        (0.0, 0.5, 0.1, 1.0),
        (0.0, 1.8, 0.9, 1.0),
        (0.0, 2.5, 0.9, 1.0),
    ],
)
def test_classify_breadth_against_a_trend_halves_its_confidence_only(slope, ratio, breadth, confidence):
    assert read(slope, ratio, breadth=breadth).confidence == pytest.approx(confidence)


@given(slopes, ratios, vixes, breadths, regimes)
def test_classify_confidence_stays_a_fraction(slope, ratio, vix, breadth, in_force):
    reading = read(slope, ratio, vix=vix, breadth=breadth, in_force=in_force)
    assert 0.0 <= reading.confidence <= 1.0
    assert reading.label is not Regime.NONE


@given(slopes, ratios, vixes, breadths, regimes)
def test_classify_crisis_comes_by_its_own_rule_only(slope, ratio, vix, breadth, in_force):
    is_crisis = ratio > 2.0 or (vix is not None and vix > 30.0)
    assert (read(slope, ratio, vix=vix, breadth=breadth, in_force=in_force).label is CRISIS) == is_crisis


@given(slopes, ratios, breadths)
def test_classify_mirrors_a_falling_market(slope, ratio, breadth):
    mirror = {BULL: BEAR, BEAR: BULL}
    up, down = (
        read(slope, ratio, breadth=breadth, in_force=BULL),
        read(-slope, ratio, breadth=None if breadth is None else 1.0 - breadth, in_force=BEAR),
    )
    assert mirror.get(up.label, up.label) is down.label


@pytest.mark.parametrize(
    ("slope", "ratio", "vix", "breadth", "says"),
    [
        (math.nan, 1.0, 20.0, 0.5, "must be finite"),
        (1.0, math.nan, 20.0, 0.5, "must be finite"),
        (1.0, math.inf, 20.0, 0.5, "must be finite"),
        (1.0, -0.1, 20.0, 0.5, "must be finite"),
        (1.0, 1.0, -1.0, 0.5, "vix must be"),
        (1.0, 1.0, math.inf, 0.5, "vix must be"),
        (1.0, 1.0, 20.0, 65.0, "divide a percentage by 100"),
        (1.0, 1.0, 20.0, -0.1, "breadth must be"),
    ],
)
def test_classify_impossible_numbers_are_refused(slope, ratio, vix, breadth, says):
    with pytest.raises(DataError, match=says):
        read(slope, ratio, vix=vix, breadth=breadth)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"slope_threshold_deg": 0.0}, "slope_threshold_deg must be in (0, 90), was 0.0"),
        ({"slope_threshold_deg": 90.0}, "slope_threshold_deg must be in (0, 90)"),
        ({"slope_threshold_deg": math.nan}, "slope_threshold_deg must be"),
        ({"crisis_vix": -1.0}, "crisis_vix must be in (0, 100]"),
        ({"crisis_vix": 1e9}, "crisis_vix must be"),
        ({"crisis_ratio": 1.4}, "range_ratio < choppy_ratio < crisis_ratio"),
        ({"trend_ratio": 2.1}, "trend_ratio <= crisis_ratio"),
        ({"range_ratio": 1.5}, "range_ratio < choppy_ratio < crisis_ratio"),
        ({"ratio_scale": 0.0}, "ratio_scale must be"),
        ({"confirmation_days": 0}, "confirmation_days must be in [1, 60], was 0"),
        ({"confirmation_days": 1000}, "confirmation_days must be in [1, 60]"),
        ({"missing_factor": 1.1}, "missing_factor must be in (0, 1]"),
        ({"breadth_midpoint": 50.0}, "breadth_midpoint must be in (0, 1)"),
        ({"breadth_factor": 0.0}, "breadth_factor must be in (0, 1]"),
    ],
)
def test_params_out_of_range_are_refused_by_name(values, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        RegimeParams(**values)


def test_params_move_the_borders():
    params = RegimeParams(slope_threshold_deg=4.0, trend_ratio=1.0, crisis_vix=40.0)
    assert read(3.0, 0.7, params=params).label is RANGE
    assert read(5.0, 1.1, vix=35.0, params=params).confidence == pytest.approx(0.75)
