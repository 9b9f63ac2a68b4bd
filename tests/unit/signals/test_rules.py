"""The three rules against numbers worked by hand: when they fire, how sure they are, and where the stop goes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Direction, Side, StopKind
from nautilus_qs.errors import ConfigError
from nautilus_qs.signals.bollinger import BollingerBounce, BollingerParams
from nautilus_qs.signals.breakout import Breakout, BreakoutParams
from nautilus_qs.signals.rsi import RsiParams, RsiReversion
from nautilus_qs.signals.stops import StopInputs, make_stop


def numbers(rule: object, **values: float) -> tuple[float, ...]:
    return tuple(values[name] for name in rule.columns)  # type: ignore[attr-defined]


def test_breakout_new_high_on_volume_enters_with_the_stop_below() -> None:
    rule = Breakout()
    bar = numbers(
        rule, close=102, atr=4, channel_high=100, channel_low=80, exit_high=100, exit_low=90, relative_volume=2.25
    )
    signal = rule.entry("A.X", bar)
    assert signal is not None
    assert signal.confidence == pytest.approx(0.5 + 0.25 * 2 / 4 + 0.25 * 0.75 / 1.5)
    assert (signal.stop_px, signal.target_px) == (96.0, None)


@pytest.mark.parametrize(("close", "volume"), [(100.0, 9.0), (102.0, 1.5)])
def test_breakout_at_the_border_does_not_enter(close: float, volume: float) -> None:
    rule = Breakout()
    bar = numbers(
        rule, close=close, atr=4, channel_high=100, channel_low=80, exit_high=100, exit_low=90, relative_volume=volume
    )
    assert rule.entry("A.X", bar) is None
    assert rule.nearness(np.array([bar]))[0] < 1.0


def test_breakout_close_below_the_short_channel_leaves() -> None:
    rule = Breakout()
    bar = numbers(
        rule, close=89, atr=4, channel_high=100, channel_low=80, exit_high=100, exit_low=90, relative_volume=1
    )
    assert rule.exit("A.X", bar, Side.LONG) is not None
    assert rule.exit("A.X", bar, Side.SHORT) is None


def test_rsi_crossing_below_its_floor_enters_once() -> None:
    rule = RsiReversion()
    columns = rule.columns
    crossing = tuple({"close": 100.0, "atr": 2.0}.get(c, 27.0 if i == 2 else 31.0) for i, c in enumerate(columns))
    below = tuple({"close": 100.0, "atr": 2.0}.get(c, 27.0 if i == 2 else 29.0) for i, c in enumerate(columns))
    signal = rule.entry("A.X", crossing)
    assert signal is not None
    assert signal.confidence == pytest.approx(0.5 + 0.5 * 3 / 15)
    assert (signal.stop_px, signal.target_px) == (96.0, 106.0)
    assert rule.entry("A.X", below) is None


def test_bollinger_close_below_the_band_enters_only_with_weak_momentum() -> None:
    rule = BollingerBounce()
    values = {"close": 98.0, "atr": 4.0, "rsi": 30.0, "lower": 100.0, "middle": 105.0, "upper": 110.0}
    signal = rule.entry("A.X", numbers(rule, **values))
    assert signal is not None
    assert signal.confidence == pytest.approx(0.5 + 0.25 * 2 / 4 + 0.25 * 10 / 40)
    assert (signal.stop_px, signal.target_px) == (90.0, 110.0)
    assert rule.entry("A.X", numbers(rule, **{**values, "rsi": 40.0})) is None
    assert rule.entry("A.X", numbers(rule, **{**values, "close": 100.0})) is None


def test_bollinger_long_only_never_shorts_and_both_sides_does() -> None:
    values = {"close": 112.0, "atr": 4.0, "rsi": 80.0, "lower": 100.0, "middle": 105.0, "upper": 110.0}
    long_only, both = BollingerBounce(), BollingerBounce(BollingerParams(direction=Direction.LONG_SHORT))
    assert long_only.entry("A.X", numbers(long_only, **values)) is None
    signal = both.entry("A.X", numbers(both, **values))
    assert signal is not None
    assert (signal.side, signal.stop_px, signal.target_px) == (Side.SHORT, 120.0, 100.0)


@pytest.mark.parametrize("make", [lambda: BollingerParams(bb_period=1), lambda: RsiParams(stop_atr=-1.0)])
def test_parameters_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make()  # type: ignore[operator]


def test_breakout_parameters_negative_volume_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_relative_volume"):
        BreakoutParams(min_relative_volume=-1.0)


BARS = st.lists(
    st.tuples(st.floats(50, 150), st.floats(0, 10), st.floats(0, 10), st.floats(0.1, 9)), min_size=1, max_size=40
)


@pytest.mark.parametrize("kind", list(StopKind))
@pytest.mark.parametrize("side", list(Side))
@given(bars=BARS)
def test_stop_of_any_kind_never_moves_away_from_the_price(
    kind: StopKind, side: Side, bars: list[tuple[float, float, float, float]]
) -> None:
    stop = make_stop(kind, side, 100.0 - 5.0 * side.sign, trail_atr=1.5)
    before = stop.px
    for close, up, down, atr in bars:
        inputs = StopInputs(close + up, close - down, close, atr, atr, close + up, close - down)
        after = stop.update(inputs)
        assert (after - before) * side.sign >= 0
        before = after


@pytest.mark.parametrize("kind", list(StopKind))
@given(bars=BARS)
def test_stop_saved_and_restored_goes_on_alike(kind: StopKind, bars: list[tuple[float, float, float, float]]) -> None:
    first = make_stop(kind, Side.LONG, 95.0, trail_atr=1.5)
    second = make_stop(kind, Side.LONG, 95.0, trail_atr=1.5)
    for i, (close, up, down, atr) in enumerate(bars):
        inputs = StopInputs(close + up, close - down, close, atr, atr, close + up, close - down)
        if i == len(bars) // 2:
            second = make_stop(kind, Side.LONG, 95.0, trail_atr=1.5)
            second.restore(first.state())
        assert first.update(inputs) == second.update(inputs)
