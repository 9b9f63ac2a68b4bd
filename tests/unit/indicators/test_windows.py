"""Properties of every indicator: full window or NaN, streaming equals batch, reset equals new, no look ahead."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nautilus_trader.indicators import AverageTrueRange, DonchianChannel
from nautilus_trader.indicators import BollingerBands as CompiledBands

from nautilus_qs.indicators import BollingerBands, MeanTrueRange, RelativeVolume, Slope, TrailingChannel

# Each: how to make it, what it takes of a bar, and the first bar (from 1) with a value.
INDICATORS = {
    "bands": (lambda: BollingerBands(4, 2.0), ("close",), 4),
    "true_range": (lambda: MeanTrueRange(4), ("high", "low", "close"), 5),
    "channel": (lambda: TrailingChannel(4), ("high", "low"), 5),
    "relative_volume": (lambda: RelativeVolume(4), ("volume",), 5),
    "slope": (lambda: Slope(4, lag=3), ("close",), 7),
}
each = pytest.mark.parametrize("name", INDICATORS)
few = settings(max_examples=40, deadline=None)


@st.composite
def bar_lists(draw, min_size=12, max_size=40):
    """Bars of 1/8 ticks, so that ties are common."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(400, 1600), st.integers(0, 40), st.integers(0, 40), st.integers(0, 9)),
            min_size=min_size,
            max_size=max_size,
        )
    )
    return [
        {"high": (c + up) / 8, "low": (c - down) / 8, "close": c / 8, "volume": float(volume)}
        for c, up, down, volume in rows
    ]


def run(name, bars, indicator=None):
    make, fields, _ = INDICATORS[name]
    indicator = make() if indicator is None else indicator
    values = []
    for bar in bars:
        indicator.update(*(bar[field] for field in fields))
        values.append((np.atleast_1d(indicator.value).tolist(), indicator.ready))
    return values


def batch(name, bars, i):
    """Return the value of bar i (from 0) by its definition, from the bars up to it."""
    high, low, close, volume = (np.array([bar[k] for bar in bars]) for k in ("high", "low", "close", "volume"))
    window = slice(i - 3, i + 1)
    if name == "bands":
        middle, width = close[window].mean(), 2.0 * close[window].std()
        return [middle - width, middle, middle + width]
    if name == "true_range":
        before = close[i - 4 : i]
        ranges = [high[window] - low[window], np.abs(high[window] - before), np.abs(low[window] - before)]
        return [np.max(ranges, axis=0).mean()]
    if name == "channel":
        return [high[i - 4 : i].max(), low[i - 4 : i].min()]
    if name == "relative_volume":
        usual = volume[i - 4 : i].mean()
        return [volume[i] / usual if usual > 0 else 0.0]
    averages = [close[j - 3 : j + 1].mean() for j in (i, i - 3)]
    return [math.degrees(math.atan(100.0 * (averages[0] / averages[1] - 1.0) / 3.0))]


@each
@few
@given(bars=bar_lists())
def test_indicator_streamed_equals_its_definition_on_every_bar(name, bars):
    first = INDICATORS[name][2]
    for i, (value, ready) in enumerate(run(name, bars)):
        assert ready == (i + 1 >= first)
        if ready:
            assert value == pytest.approx(batch(name, bars, i), rel=1e-9, abs=1e-9)
        else:
            assert all(math.isnan(number) for number in value)


@each
@few
@given(bars=bar_lists(), other=bar_lists())
def test_indicator_reset_equals_new(name, bars, other):
    used = INDICATORS[name][0]()
    run(name, other, used)
    used.reset()
    assert repr(run(name, bars, used)) == repr(run(name, bars))


@each
@few
@given(bars=bar_lists(), other=bar_lists(), cut=st.integers(0, 12))
def test_indicator_other_future_changes_nothing_past(name, bars, other, cut):
    assert repr(run(name, bars[:cut] + other)[:cut]) == repr(run(name, bars)[:cut])


@each
@few
@given(bars=bar_lists(min_size=24))
def test_indicator_warmed_late_equals_one_that_never_stopped(name, bars):
    assert run(name, bars)[-1] == run(name, bars[-12:])[-1]


def test_relative_volume_without_any_volume_before_is_zero():
    relative = RelativeVolume(2)
    assert [relative.update(volume) for volume in (0.0, 0.0, 5.0)][-1] == 0.0


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, 400)))
    return [(c * (1 + u), c * (1 - d), c) for c, u, d in zip(close, *rng.uniform(0, 0.02, (2, 400)), strict=True)]


def test_mean_true_range_equals_the_compiled_one_from_bar_n_plus_1(noise):
    ours, compiled = MeanTrueRange(14), AverageTrueRange(14)
    for i, (high, low, close) in enumerate(noise):
        ours.update(high, low, close)
        compiled.update_raw(high, low, close)
        assert ours.ready == (i >= 14)
        if ours.ready:
            assert ours.value == pytest.approx(compiled.value, rel=1e-12)


def test_bands_equal_the_compiled_ones_fed_with_closes(noise):
    ours, compiled = BollingerBands(20, 2.0), CompiledBands(20, 2.0)
    for _, _, close in noise:
        ours.update(close)
        compiled.update_raw(close, close, close)
        assert ours.ready == compiled.initialized
        if ours.ready:
            assert ours.value == pytest.approx((compiled.lower, compiled.middle, compiled.upper), rel=1e-12)


def test_channel_equals_the_compiled_one_before_its_update(noise):
    ours, compiled = TrailingChannel(20), DonchianChannel(20)
    for high, low, _ in noise:
        ours.update(high, low)
        assert ours.ready == compiled.initialized
        if ours.ready:
            assert ours.value == (compiled.upper, compiled.lower)
        compiled.update_raw(high, low)
