"""Features of every rule: full windows only, no look ahead, and the same numbers however they were fed."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautilus_qs.bridge.features import RegimeFeatures, features_for
from nautilus_qs.domain import Direction, Side, StopKind
from nautilus_qs.errors import ConfigError
from nautilus_qs.signals import (
    BollingerBounce,
    BollingerParams,
    Breakout,
    BreakoutParams,
    RsiParams,
    RsiReversion,
    StopParams,
)

CHANDELIER = {"stop": StopKind.CHANDELIER, "stop_params": StopParams(chandelier_bars=5)}
RULES = {
    "bollinger": lambda **k: BollingerBounce(BollingerParams(**k)),
    "rsi": lambda **k: RsiReversion(RsiParams(**k)),
    "breakout": lambda **k: Breakout(BreakoutParams(**k)),
}
each = pytest.mark.parametrize("name", RULES)
CENTRE = 1024.0
few = settings(max_examples=25, deadline=None)


def walk(seed, n=120):
    """A random walk in 1/64 ticks, wild enough for every rule to fire now and then."""
    rng = np.random.default_rng(seed)
    close = 512.0 + np.cumsum(rng.normal(0.0, 4.0, n).round() / 2)
    open_ = np.concatenate([close[:1], close[:-1]]) + rng.integers(-32, 33, n) / 64
    up, down = rng.integers(0, 128, (2, n)) / 64
    high, low = np.maximum(open_, close) + up, np.minimum(open_, close) - down
    volume = rng.lognormal(10.0, 0.7, n).round()
    return [tuple(row) for row in np.column_stack([open_, high, low, close, volume]).tolist()]


def run(features, bars):
    return [features.update_raw(*bar) for bar in bars]


seeds = st.integers(0, 2**32 - 1)


@each
@few
@given(seed=seeds)
def test_features_speak_from_the_warmup_bar_on_with_every_number_known(name, seed):
    rule = RULES[name]()
    rows = run(features_for(rule), walk(seed))
    assert rows[: rule.warmup_bars - 1] == [None] * (rule.warmup_bars - 1)
    for row in rows[rule.warmup_bars - 1 :]:
        assert len(row) == len(rule.columns)
        assert all(type(number) is float and math.isfinite(number) for number in row)


@each
@few
@given(seed=seeds, cut=st.integers(0, 120))
def test_features_other_future_changes_nothing_past(name, seed, cut):
    bars, other = walk(seed), walk(seed + 1)
    assert run(features_for(RULES[name]()), bars[:cut] + other)[:cut] == run(features_for(RULES[name]()), bars)[:cut]


@each
@few
@given(seed=seeds)
def test_features_reset_equal_new(name, seed):
    used = features_for(RULES[name](**CHANDELIER))
    new = features_for(RULES[name](**CHANDELIER))
    used.warm(walk(seed + 1))
    used.reset()
    assert math.isnan(used.mean_volume)
    assert run(used, walk(seed)) == run(new, walk(seed))
    assert (used.mean_volume, used.stop_inputs) == (new.mean_volume, new.stop_inputs)


@each
def test_features_warmed_go_on_as_if_they_had_seen_all(name):
    bars = walk(3, 200)
    whole, warmed = features_for(RULES[name]()), features_for(RULES[name]())
    warmed.warm(bars[:150])
    assert run(warmed, bars[150:]) == run(whole, bars)[150:]


@each
def test_features_warmed_with_the_last_600_bars_equal_those_that_never_stopped(name):
    bars = walk(5, 1500)
    whole, late = features_for(RULES[name]()), features_for(RULES[name]())
    expected = run(whole, bars)[-1]
    late.warm(bars[-601:-1])
    assert late.update_raw(*bars[-1]) == pytest.approx(expected, rel=1e-12)


@each
@few
@given(seed=seeds)
def test_features_and_rule_on_mirrored_prices_give_mirrored_signals(name, seed):
    rule = RULES[name](direction=Direction.LONG_SHORT)
    bars = walk(seed)
    flipped = [(CENTRE - o, CENTRE - low, CENTRE - h, CENTRE - c, v) for o, h, low, c, v in bars]
    pairs = zip(run(features_for(rule), bars), run(features_for(rule), flipped), strict=True)
    for here, there in pairs:
        if here is None:
            assert there is None
            continue
        one, two = rule.entry("X", here), rule.entry("X", there)
        assert (one is None) == (two is None)
        if one is not None:
            assert two.side is one.side.opposite
            assert two.confidence == pytest.approx(one.confidence)
            assert two.stop_px == pytest.approx(CENTRE - one.stop_px)
        for side in Side:
            assert (rule.exit("X", here, side) is None) == (rule.exit("X", there, side.opposite) is None)


def test_mirrored_walks_make_every_rule_fire_on_both_sides():
    # Without this the test above could pass on silence.
    for make in RULES.values():
        rule = make(direction=Direction.LONG_SHORT)
        fired = [
            signal.side
            for seed in range(20)
            for row in run(features_for(rule), walk(seed))
            if row is not None and (signal := rule.entry("X", row)) is not None
        ]
        assert set(fired) == set(Side)


@each
def test_features_know_the_mean_volume_of_the_last_20_bars(name):
    bars = walk(1)
    features = features_for(RULES[name]())
    features.warm(bars)
    assert features.mean_volume == pytest.approx(np.mean([bar[4] for bar in bars[-20:]]))


@each
def test_features_hand_the_stop_the_last_bar_and_the_atr_of_the_rule(name):
    bars = walk(1)
    features = features_for(RULES[name]())
    row = run(features, bars)[-1]
    inputs = features.stop_inputs
    assert inputs[:4] == (bars[-1][1], bars[-1][2], bars[-1][3], row[1])
    assert all(math.isnan(number) for number in inputs[4:])


def test_features_of_a_chandelier_know_its_window_on_every_bar():
    bars = walk(2)
    features = features_for(RULES["breakout"](**CHANDELIER))
    for i, bar in enumerate(bars):
        features.update_raw(*bar)
        if i < 5:
            continue
        inputs, last = features.stop_inputs, bars[i - 4 : i + 1]
        assert (inputs.window_high, inputs.window_low) == (max(b[1] for b in last), min(b[2] for b in last))
        ranges = [max(b[1], a[3]) - min(b[2], a[3]) for a, b in pairwise(bars[i - 5 : i + 1])]
        assert inputs.window_atr == pytest.approx(np.mean(ranges))


def test_rsi_of_a_price_that_never_moved_is_50():
    features = features_for(RsiReversion())
    assert run(features, [(10.0, 10.0, 10.0, 10.0, 1.0)] * 30)[-1] == (10.0, 0.0, 50.0, 50.0)


def test_rsi_of_a_price_that_only_rose_is_100():
    features = features_for(RsiReversion())
    rows = run(features, [(10.0 + i, 10.0 + i, 10.0 + i, 10.0 + i, 1.0) for i in range(30)])
    assert rows[-1][2:] == (100.0, 100.0)


def test_features_for_an_unknown_rule_are_refused():
    with pytest.raises(ConfigError, match="features are written for, was object"):
        features_for(object())


def test_regime_features_come_with_bar_101_and_agree_with_their_definition():
    bars = walk(4, 150)
    features = RegimeFeatures()
    read = [features.update_raw(h, low, c) for _, h, low, c, _ in bars]
    assert [i for i, pair in enumerate(read) if pair is not None] == list(range(100, 150))
    closes = np.array([bar[3] for bar in bars])
    ranges = np.array([max(b[1], a[3]) - min(b[2], a[3]) for a, b in pairwise(bars)])
    slope = math.degrees(math.atan(100.0 * (closes[-50:].mean() / closes[-60:-10].mean() - 1.0) / 10.0))
    assert read[-1] == pytest.approx((slope, ranges[-20:].mean() / ranges[-100:].mean()))


def test_regime_features_reset_equal_new_and_a_dead_market_has_no_ratio():
    used = RegimeFeatures()
    assert [used.update_raw(5.0, 5.0, 5.0) for _ in range(150)] == [None] * 150
    used.reset()
    new = RegimeFeatures()
    for _, high, low, close, _ in walk(6, 150):
        assert used.update_raw(high, low, close) == new.update_raw(high, low, close)
