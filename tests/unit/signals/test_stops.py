"""The four stops against levels worked by hand, and what none of them may do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Side, StopKind
from nautilus_qs.errors import ConfigError, DataError
from nautilus_qs.signals import BollingerBounce, BollingerParams, Breakout, BreakoutParams, RsiParams, RsiReversion
from nautilus_qs.signals.stops import StopInputs, StopParams, make_stop, stop_warmup_bars

CENTRE = 1024.0  # a power of two: prices of 1/8 ticks are mirrored around it without rounding


def mirrored(bar: StopInputs) -> StopInputs:
    return StopInputs(
        CENTRE - bar.low,
        CENTRE - bar.high,
        CENTRE - bar.close,
        bar.atr,
        bar.window_atr,
        CENTRE - bar.window_low,
        CENTRE - bar.window_high,
    )


@st.composite
def paths(draw):
    rows = draw(
        st.lists(
            st.tuples(st.integers(4000, 4400), st.integers(0, 60), st.integers(0, 60), st.integers(1, 80)),
            min_size=1,
            max_size=40,
        )
    )
    bars, top, bottom = [], -math.inf, math.inf
    for close, up, down, atr in rows:
        high, low = (close + up) / 8, (close - down) / 8
        top, bottom = max(top, high), min(bottom, low)
        bars.append(StopInputs(high, low, close / 8, atr / 8, atr / 8, top, bottom))
    return bars


def test_fixed_stop_never_moves():
    stop = make_stop(StopKind.FIXED, Side.LONG, 95.0, trail_atr=1.5)
    assert [stop.update(StopInputs(c + 1, c - 1, c, 1.0)) for c in (100.0, 120.0, 96.0)] == [95.0] * 3


def test_trailing_stop_follows_the_highest_close_not_the_highest_high():
    stop = make_stop(StopKind.TRAILING_ATR, Side.LONG, 97.0, trail_atr=1.5)
    assert stop.update(StopInputs(110.0, 99.0, 102.0, 2.0)) == 99.0
    assert stop.update(StopInputs(103.0, 100.0, 101.0, 2.0)) == 99.0
    assert stop.update(StopInputs(105.0, 101.0, 104.0, 4.0)) == 99.0  # 98 would be further away
    assert stop.update(StopInputs(104.0, 101.0, 103.0, 2.0)) == 101.0  # 104 - 3: the ATR has come back


def test_trailing_stop_of_a_short_follows_the_lowest_close():
    stop = make_stop(StopKind.TRAILING_ATR, Side.SHORT, 103.0, trail_atr=1.5)
    assert stop.update(StopInputs(101.0, 90.0, 98.0, 2.0)) == 101.0
    assert stop.update(StopInputs(100.0, 97.0, 99.0, 2.0)) == 101.0


def test_trailing_stop_beyond_the_close_is_breached():
    stop = make_stop(StopKind.TRAILING_ATR, Side.LONG, 97.0, trail_atr=1.5)
    stop.update(StopInputs(111.0, 99.0, 110.0, 4.0))
    assert not stop.is_breached
    assert stop.update(StopInputs(111.0, 105.0, 106.0, 2.0)) == 107.0
    assert stop.is_breached


def test_chandelier_hangs_from_the_highest_high_of_its_window():
    stop = make_stop(StopKind.CHANDELIER, Side.LONG, 90.0, trail_atr=1.5)
    assert stop.update(StopInputs(101.0, 99.0, 100.0, 9.0, 2.0, 104.0, 80.0)) == 98.0
    assert stop.update(StopInputs(101.0, 99.0, 99.5, 9.0, 2.0, 103.0, 80.0)) == 98.0


def test_chandelier_above_the_price_waits_with_the_initial_stop():
    stop = make_stop(StopKind.CHANDELIER, Side.LONG, 90.0, trail_atr=1.5)
    assert stop.update(StopInputs(96.0, 94.0, 95.0, 2.0, 2.0, 104.0, 90.0)) == 90.0  # 98 is above the close
    assert not stop.is_breached
    assert stop.update(StopInputs(100.0, 95.0, 99.0, 2.0, 2.0, 104.0, 90.0)) == 98.0
    assert stop.update(StopInputs(99.0, 95.0, 97.0, 2.0, 1.0, 104.0, 90.0)) == 101.0  # it hangs now: the close is under
    assert stop.is_breached


def test_chandelier_with_a_window_not_yet_full_moves_nothing():
    stop = make_stop(StopKind.CHANDELIER, Side.LONG, 90.0, trail_atr=1.5)
    assert stop.update(StopInputs(101.0, 99.0, 100.0, 2.0)) == 90.0
    assert not stop.is_breached


def test_parabolic_stop_accelerates_with_each_new_extreme():
    stop = make_stop(StopKind.PARABOLIC, Side.LONG, 90.0, trail_atr=1.5)
    assert stop.update(StopInputs(100.0, 98.0, 99.0, 1.0)) == pytest.approx(90.0 + 0.02 * 10.0)
    assert stop.update(StopInputs(102.0, 99.0, 101.0, 1.0)) == pytest.approx(90.2 + 0.04 * 11.8)
    assert stop.update(StopInputs(101.0, 99.0, 100.0, 1.0)) == pytest.approx(90.672 + 0.04 * 11.328)


def test_parabolic_stop_acceleration_ends_at_its_limit():
    stop = make_stop(StopKind.PARABOLIC, Side.LONG, 90.0, trail_atr=1.5)
    for i in range(30):
        stop.update(StopInputs(100.0 + i, 98.0 + i, 99.0 + i, 1.0))
    assert stop.state().factor == 0.20


def test_parabolic_stop_stays_out_of_the_last_two_bars():
    stop = make_stop(StopKind.PARABOLIC, Side.LONG, 90.0, trail_atr=1.5, params=StopParams(sar_step=0.5, sar_max=1.0))
    assert stop.update(StopInputs(100.0, 91.0, 99.0, 1.0)) == 91.0  # 95 lies inside the bar
    assert stop.update(StopInputs(110.0, 99.0, 109.0, 1.0)) == 91.0  # 110 lies inside, and the bar before ends at 91
    assert stop.update(StopInputs(110.0, 105.0, 109.0, 1.0)) == 99.0


@pytest.mark.parametrize("kind", StopKind)
@given(bars=paths(), offset=st.integers(1, 200))
def test_stop_of_a_short_is_the_mirror_of_a_long(kind, bars, offset):
    initial = bars[0].close - offset / 8
    long = make_stop(kind, Side.LONG, initial, trail_atr=1.5)
    short = make_stop(kind, Side.SHORT, CENTRE - initial, trail_atr=1.5)
    for bar in bars:
        assert short.update(mirrored(bar)) == pytest.approx(CENTRE - long.update(bar), rel=1e-12)


@pytest.mark.parametrize("kind", StopKind)
@given(bars=paths())
def test_stop_is_breached_exactly_when_the_close_is_at_or_below_it(kind, bars):
    stop = make_stop(kind, Side.LONG, 500.0, trail_atr=1.5)
    for bar in bars:
        assert (bar.close <= stop.update(bar)) == stop.is_breached


@given(bars=paths())
def test_stop_restored_under_another_kind_is_refused(bars):
    stop = make_stop(StopKind.TRAILING_ATR, Side.LONG, 490.0, trail_atr=1.5)
    for bar in bars:
        stop.update(bar)
    with pytest.raises(ConfigError, match="must be of the kind configured, fixed, was trailing_atr"):
        make_stop(StopKind.FIXED, Side.LONG, 490.0, trail_atr=1.5).restore(stop.state())


def test_stop_multiple_widens_the_distance():
    stop = make_stop(StopKind.TRAILING_ATR, Side.LONG, 90.0, trail_atr=1.5, multiple=2.0)
    assert stop.update(StopInputs(101.0, 99.0, 100.0, 2.0)) == 94.0


@pytest.mark.parametrize("px", [0.0, -1.0, math.nan, math.inf])
def test_stop_without_a_positive_start_is_refused(px):
    with pytest.raises(DataError, match="must be a positive price"):
        make_stop(StopKind.FIXED, Side.LONG, px, trail_atr=1.5)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"chandelier_bars": 1}, "chandelier_bars"),
        ({"chandelier_bars": 22.0}, "chandelier_bars"),
        ({"chandelier_atr": 0.0}, "chandelier_atr"),
        ({"sar_step": 0.3}, "sar_step"),
        ({"sar_max": math.nan}, "sar_max"),
    ],
)
def test_stop_params_out_of_range_are_refused(values, name):
    with pytest.raises(ConfigError, match=name):
        StopParams(**values)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (BollingerBounce(), None),
        (RsiReversion(), None),
        (Breakout(), StopKind.TRAILING_ATR),
        (Breakout(BreakoutParams(stop=StopKind.FIXED)), None),
        (RsiReversion(RsiParams(stop=StopKind.PARABOLIC)), StopKind.PARABOLIC),
        (BollingerBounce(BollingerParams(stop=StopKind.CHANDELIER)), StopKind.CHANDELIER),
    ],
)
def test_rule_hands_out_the_stop_it_was_told(rule, kind):
    stop = rule.trail(Side.LONG, 90.0)
    assert (stop is None) == (kind is None)
    assert rule.stop_kind is (kind or StopKind.FIXED)
    if stop is not None:
        assert (stop.state().kind, stop.px) == (kind, 90.0)


def test_chandelier_makes_its_rule_wait_for_the_window():
    assert BollingerBounce(BollingerParams(stop=StopKind.CHANDELIER)).warmup_bars == 23
    assert BollingerBounce().warmup_bars == 20
    assert stop_warmup_bars(StopKind.PARABOLIC, StopParams()) == 0
