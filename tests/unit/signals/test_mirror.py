"""What holds of every rule: the short is the mirror of the long, confidence and nearness stay in their range."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Action, Direction, Side
from nautilus_qs.errors import ConfigError
from nautilus_qs.signals import (
    BollingerBounce,
    BollingerParams,
    Breakout,
    BreakoutParams,
    ExitBand,
    RsiParams,
    RsiReversion,
)

RULES = {
    "bollinger": (BollingerBounce, BollingerParams),
    "bollinger_upper": (BollingerBounce, lambda **k: BollingerParams(exit_band=ExitBand.UPPER, **k)),
    "rsi": (RsiReversion, RsiParams),
    "breakout": (Breakout, BreakoutParams),
}
each = pytest.mark.parametrize("name", RULES)
CENTRE = 1024.0  # a power of two: prices of 1/8 ticks are mirrored around it without rounding
PAIRS = {"lower": "upper", "upper": "lower", "channel_high": "channel_low", "channel_low": "channel_high"}
PAIRS |= {"exit_high": "exit_low", "exit_low": "exit_high"}


def both_sides(name):
    rule, params = RULES[name]
    return rule(params(direction=Direction.LONG_SHORT))


def long_only(name):
    rule, params = RULES[name]
    return rule(params())


@st.composite
def readings(draw):
    """Any numbers a bar may leave, in 1/8 steps, with close near the borders so that rules fire often."""
    eighth = st.integers(-80, 80).map(lambda i: i / 8)
    middle = 512.0 + draw(eighth)
    half, outer = draw(st.integers(0, 40)) / 8, draw(st.integers(0, 40)) / 8
    return {
        "close": middle + draw(eighth),
        "atr": draw(st.integers(0, 40)) / 8,
        "middle": middle,
        "lower": middle - half,
        "upper": middle + half,
        "rsi": draw(st.integers(0, 800)) / 8,
        "rsi_before": draw(st.integers(0, 800)) / 8,
        "exit_high": middle + half,
        "exit_low": middle - half,
        "channel_high": middle + half + outer,
        "channel_low": middle - half - outer,
        "relative_volume": draw(st.integers(0, 40)) / 8,
    }


def mirrored(reading):
    def value(column):
        if column in ("atr", "relative_volume"):
            return reading[column]
        if column in ("rsi", "rsi_before"):
            return 100.0 - reading[column]
        return CENTRE - reading[PAIRS.get(column, column)]

    return {column: value(column) for column in reading}


def numbers(rule, reading):
    return tuple(reading[column] for column in rule.columns)


def reflected(px):
    return None if px is None else CENTRE - px


def nearness(rule, row):
    """Return the nearness of one bar, as a strategy records it: 1 when it gives an entry."""
    return 1.0 if rule.entry("X", row) is not None else float(rule.nearness(np.array([row]))[0])


@each
@given(reading=readings())
def test_rule_of_mirrored_numbers_gives_the_mirrored_signal(name, reading):
    rule = both_sides(name)
    here, there = (rule.entry("X", numbers(rule, r)) for r in (reading, mirrored(reading)))
    assert (here is None) == (there is None)
    if here is not None:
        assert there.side is here.side.opposite
        assert there.confidence == here.confidence
        assert (there.stop_px, there.target_px) == (reflected(here.stop_px), reflected(here.target_px))
    for side in Side:
        leaving = rule.exit("X", numbers(rule, reading), side)
        assert (leaving is None) == (rule.exit("X", numbers(rule, mirrored(reading)), side.opposite) is None)
    assert nearness(rule, numbers(rule, reading)) == pytest.approx(nearness(rule, numbers(rule, mirrored(reading))))


@each
@given(reading=readings())
def test_rule_long_only_takes_the_longs_of_both_sides_and_nothing_else(name, reading):
    one, two = long_only(name), both_sides(name)
    here, both = one.entry("X", numbers(one, reading)), two.entry("X", numbers(two, reading))
    if here is not None:
        assert here.side is Side.LONG
    if both is None or both.side is Side.LONG:
        assert here == both
    else:
        assert here is None


@each
@given(reading=readings())
def test_rule_confidence_and_nearness_stay_in_their_range(name, reading):
    rule = both_sides(name)
    row = numbers(rule, reading)
    signal, near = rule.entry("X", row), nearness(rule, row)
    assert 0.0 <= near <= 1.0
    assert (near == 1.0) == (signal is not None)
    if signal is not None:
        assert 0.5 <= signal.confidence <= 1.0
        assert signal.action is Action.ENTER
        assert (signal.reference_px - signal.stop_px) * signal.side.sign > 0.0
        assert (signal.numbers, signal.columns) == (row, rule.columns)


@each
@given(reading=readings(), side=st.sampled_from(Side))
def test_rule_exit_names_the_side_it_closes(name, reading, side):
    rule = both_sides(name)
    leaving = rule.exit("X", numbers(rule, reading), side)
    if leaving is not None:
        assert (leaving.action, leaving.side, leaving.confidence) == (Action.EXIT, side, 1.0)
        assert (leaving.stop_px, leaving.target_px) == (None, None)


def test_rules_begin_their_columns_with_close_and_atr():
    assert {rule.columns[:2] for rule, _ in RULES.values()} == {("close", "atr")}


@pytest.mark.parametrize(
    ("band", "close", "reason"),
    [
        (ExitBand.MIDDLE, 105.0, "middle_band"),
        (ExitBand.MIDDLE, 104.9, None),
        (ExitBand.UPPER, 109.9, None),
        (ExitBand.UPPER, 110.0, "upper_band"),
    ],
)
def test_bollinger_long_leaves_at_its_band(band, close, reason):
    rule = BollingerBounce(BollingerParams(exit_band=band))
    leaving = rule.exit("X", (close, 2.0, 100.0, 105.0, 110.0, 50.0), Side.LONG)
    assert (None if leaving is None else leaving.reason) == reason


@pytest.mark.parametrize(("before", "now", "leaves"), [(70.0, 70.1, True), (70.1, 75.0, False), (69.0, 70.0, False)])
def test_rsi_long_leaves_as_it_crosses_above_the_exit_level(before, now, leaves):
    rule = RsiReversion()
    assert (rule.exit("X", (100.0, 2.0, now, before), Side.LONG) is not None) == leaves


@pytest.mark.parametrize(("before", "now", "near"), [(80.0, 65.0, 0.5), (31.0, 30.0, 0.99), (29.0, 25.0, 0.0)])
def test_rsi_nearness_is_the_way_from_100_to_the_level(before, now, near):
    assert nearness(RsiReversion(), (100.0, 2.0, now, before)) == near


@pytest.mark.parametrize(("close", "rsi", "near"), [(102.5, 40.0, 0.5), (99.0, 70.0, 0.5), (105.0, 10.0, 0.0)])
def test_bollinger_nearness_is_the_smaller_of_its_two_ways(close, rsi, near):
    assert nearness(BollingerBounce(), (close, 2.0, 100.0, 105.0, 110.0, rsi)) == near


@pytest.mark.parametrize(("close", "volume", "near"), [(95.0, 3.0, 0.75), (99.9, 0.75, 0.5), (101.0, 1.5, 0.99)])
def test_breakout_nearness_is_the_smaller_of_place_and_volume(close, volume, near):
    assert nearness(Breakout(), (close, 2.0, 100.0, 80.0, 100.0, 90.0, volume)) == near


def test_rules_in_a_market_without_any_width_are_not_near():
    assert nearness(BollingerBounce(), (100.0, 0.0, 100.0, 100.0, 100.0, 50.0)) == 0.0
    assert nearness(Breakout(), (100.0, 0.0, 100.0, 100.0, 100.0, 100.0, 9.0)) == 0.0


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        (BollingerBounce(), (1.0, 0.6, 1.5, 2.0, 2.5, 20.0)),
        (RsiReversion(), (1.0, 0.6, 20.0, 40.0)),
        (Breakout(), (1.0, 0.7, 0.9, 0.5, 0.9, 0.6, 3.0)),
    ],
)
def test_long_whose_stop_would_not_be_a_positive_price_is_no_signal(rule, row):
    assert rule.entry("X", row) is None
    assert nearness(rule, row) < 1.0


def test_short_whose_target_would_not_be_a_positive_price_has_none():
    rule = RsiReversion(RsiParams(direction=Direction.LONG_SHORT))
    signal = rule.entry("X", (1.0, 0.4, 80.0, 60.0))
    assert (signal.side, signal.stop_px, signal.target_px) == (Side.SHORT, 1.8, None)


@pytest.mark.parametrize(
    ("params", "values", "name"),
    [
        (BollingerParams, {"bb_period": 501}, "bb_period"),
        (BollingerParams, {"bb_period": True}, "bb_period"),
        (BollingerParams, {"bb_std": math.nan}, "bb_std"),
        (BollingerParams, {"rsi_threshold": 60.0}, "rsi_threshold"),
        (RsiParams, {"entry_level": 70.0, "exit_level": 30.0}, "entry_level"),
        (RsiParams, {"exit_level": 100.0}, "exit_level"),
        (RsiParams, {"target_atr": 0.0}, "target_atr"),
        (BreakoutParams, {"exit_bars": 1.5}, "exit_bars"),
        (BreakoutParams, {"stop_atr": 21.0}, "stop_atr"),
    ],
)
def test_parameters_out_of_range_name_themselves_and_what_to_set(params, values, name):
    with pytest.raises(ConfigError, match=rf"{name}.*was.*set.*{name}"):
        params(**values)


@each
def test_parameters_survive_the_way_through_a_file(name):
    params = both_sides(name).params
    assert msgspec.convert(msgspec.to_builtins(params), type(params)) == params


@pytest.mark.parametrize(("before", "now", "fires"), [(70.0, 70.1, True), (70.1, 75.0, False), (69.0, 70.0, False)])
def test_rsi_short_enters_as_it_crosses_above_the_mirrored_level(before, now, fires):
    assert (both_sides("rsi").entry("X", (100.0, 2.0, now, before)) is not None) == fires


@pytest.mark.parametrize(("before", "now", "leaves"), [(30.0, 29.9, True), (29.9, 25.0, False), (31.0, 30.0, False)])
def test_rsi_short_leaves_as_it_crosses_below_the_mirrored_level(before, now, leaves):
    assert (RsiReversion().exit("X", (100.0, 2.0, now, before), Side.SHORT) is not None) == leaves


@pytest.mark.parametrize(("close", "fires"), [(80.0, False), (79.9, True)])
def test_breakout_short_needs_a_close_below_the_channel(close, fires):
    row = (close, 2.0, 100.0, 80.0, 100.0, 90.0, 2.0)
    assert (both_sides("breakout").entry("X", row) is not None) == fires


@pytest.mark.parametrize(
    ("rule", "bars"),
    [
        (BollingerBounce(), 20),
        (BollingerBounce(BollingerParams(bb_period=50)), 50),
        (BollingerBounce(BollingerParams(rsi_period=50)), 51),
        (RsiReversion(), 20),  # no rule speaks before it knows the usual volume
        (RsiReversion(RsiParams(rsi_period=50)), 52),
        (RsiReversion(RsiParams(atr_period=50)), 51),
        (Breakout(), 21),
        (Breakout(BreakoutParams(exit_bars=50)), 51),
        (Breakout(BreakoutParams(volume_bars=50)), 51),
    ],
)
def test_rule_waits_for_its_longest_window(rule, bars):
    assert rule.warmup_bars == bars
