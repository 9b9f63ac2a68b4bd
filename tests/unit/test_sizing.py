"""Kelly, risk fraction, multipliers and units, worked by hand or by another formula."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import InstrumentFacts, Regime
from nautilus_qs.errors import ConfigError
from nautilus_qs.sizing import (
    KellyEstimate,
    RiskFraction,
    SizingParams,
    allocation_size,
    kelly,
    kelly_estimate,
    multiplier_product,
    regime_cap,
    risk_fraction,
    risk_size,
    round_down,
    tradable,
)

D = Decimal
PARAMS = SizingParams()


def kelly_by_the_book(trades):
    """(W x avgWin - (1 - W) x avgLoss) / avgWin, term by term."""
    wins, losses = [r for r in trades if r > 0], [-r for r in trades if r <= 0]
    if not wins:
        return 0.0
    if not losses:
        return len(wins) / len(trades)
    won = len(wins) / len(trades)
    average_win, average_loss = sum(wins) / len(wins), sum(losses) / len(losses)
    return (won * average_win - (1 - won) * average_loss) / average_win


# -- Kelly


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        ([2.0, -1.0, 2.0, -1.0], 0.25),  # (0.5 x 2 - 0.5 x 1) / 2
        ([3.0, -1.0, -1.0, -1.0], 0.0),  # (0.25 x 3 - 0.75 x 1) / 3
        ([1.0, -1.0, -1.0, -1.0], -0.5),
        ([1.0, 2.0, 3.0], 1.0),
        ([1.0, 0.0], 0.5),  # half of them win, and the others lose nothing
        ([-1.0, -2.0], 0.0),
        ([0.0], 0.0),
        ([], 0.0),
    ],
)
def test_kelly_worked_by_hand(trades, expected):
    assert kelly(trades) == pytest.approx(expected, abs=1e-15)
    assert not trades or kelly_by_the_book(trades) == pytest.approx(expected, abs=1e-15)


@given(st.lists(st.floats(-5, 5).map(lambda r: round(r, 6)), min_size=1, max_size=40))
def test_kelly_equals_the_formula_term_by_term(trades):
    assert kelly(trades) == pytest.approx(kelly_by_the_book(trades), rel=1e-9, abs=1e-9)


def test_kelly_interval_equals_a_bootstrap_resample_by_resample():
    trades = np.random.default_rng(3).normal(0.2, 1.2, 30).round(3).tolist()
    picks = np.random.default_rng(11).integers(0, 30, size=(1000, 30))
    resampled = [kelly_by_the_book([trades[i] for i in row]) for row in picks.tolist()]
    estimate = kelly_estimate(trades, np.random.default_rng(11), PARAMS)
    assert estimate.value == pytest.approx(kelly_by_the_book(trades), abs=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx(np.percentile(resampled, [5, 95]), abs=1e-12)
    assert estimate.n == 30


@pytest.mark.parametrize(("trades", "ends"), [([-1.0] * 25, 0.0), ([1.0] * 25, 1.0)])
def test_kelly_interval_of_trades_that_are_all_alike_is_a_point(trades, ends):
    estimate = kelly_estimate(trades, np.random.default_rng(1), PARAMS)
    assert (estimate.value, estimate.low, estimate.high) == (ends, ends, ends)


def test_kelly_counts_the_last_thirty_trades_only():
    estimate = kelly_estimate([-1.0] * 50 + [2.0] * 30, np.random.default_rng(1), PARAMS)
    assert estimate == KellyEstimate(value=1.0, low=1.0, high=1.0, n=30)


def test_kelly_of_no_trades_is_nothing():
    assert kelly_estimate([], np.random.default_rng(1), PARAMS) == KellyEstimate(0.0, 0.0, 0.0, 0)


# -- risk fraction


@pytest.mark.parametrize(
    ("regime", "cap"),
    [
        (Regime.NONE, 0.01),
        (Regime.BULL_TRENDING, 0.01),
        (Regime.BEAR_TRENDING, 0.01),
        (Regime.LOW_VOL_RANGE, 0.01),
        (Regime.HIGH_VOL_CHOPPY, 0.005),
        (Regime.CRISIS, 0.0025),
    ],
)
def test_cap_by_regime_and_base_fraction_under_it(regime, cap):
    assert regime_cap(regime, PARAMS) == cap
    assert risk_fraction(None, regime, PARAMS) == RiskFraction(cap)


@pytest.mark.parametrize(
    ("value", "low", "high", "n", "expected", "is_probe"),
    [
        (0.9, 0.5, 1.0, 19, 0.01, False),  # too few trades: the record does not count
        (-0.9, -1.0, -0.5, 19, 0.01, False),
        # n = 20: w = 2/7; 2/7 x 0.25 x 0.02 + 5/7 x 0.01
        (0.02, -0.1, 0.1, 20, 2 / 7 * 0.005 + 5 / 7 * 0.01, False),
        # n = 30: w = 3/8; 0.375 x 0.25 x 0.04 + 0.625 x 0.01 = 0.01, the cap
        (0.04, -0.1, 0.1, 30, 0.01, False),
        (0.30, 0.1, 0.5, 30, 0.01, False),
        (0.00, -0.1, 0.1, 30, 0.00625, False),
        (-0.02, -0.1, 0.1, 30, 0.004375, False),
        # -1/15 is where nothing is left; below, and where the interval says no, it is a probe
        (-0.07, -0.3, 0.1, 30, 0.0025, True),
        (-0.02, -0.1, 0.0, 30, 0.0025, True),
        (0.00, 0.0, 0.0, 30, 0.0025, True),
        (math.nan, 0.0, 0.5, 30, 0.0025, True),
    ],
)
def test_fraction_shrinks_kelly_towards_the_base(value, low, high, n, expected, is_probe):
    found = risk_fraction(KellyEstimate(value, low, high, n), Regime.NONE, PARAMS)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.is_probe is is_probe


def test_cap_comes_after_everything_also_for_a_probe():
    good, bad = KellyEstimate(0.3, 0.1, 0.5, 30), KellyEstimate(-0.3, -0.5, -0.1, 30)
    assert risk_fraction(good, Regime.HIGH_VOL_CHOPPY, PARAMS) == RiskFraction(0.005)
    assert risk_fraction(good, Regime.CRISIS, PARAMS) == RiskFraction(0.0025)
    low = SizingParams(cap_crisis=0.001)
    assert risk_fraction(bad, Regime.CRISIS, low) == RiskFraction(0.001, is_probe=True)


def test_crisis_halts_where_it_is_configured_to():
    assert risk_fraction(None, Regime.CRISIS, SizingParams(cap_crisis=0.0)) == RiskFraction(0.0)


# -- multipliers


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([], 1.0),
        ([0.5], 0.5),
        ([0.5, 0.5], 0.25),
        ([1.1, 1.1], 1.1 * 1.1),
        ([1.1, 1.2], 1.25),  # 1.32
        ([2.0, 0.5], 1.0),  # clipped at the end, not on the way
        ([0.0, 9.0], 0.0),
        ([-1.0, -1.0], 0.0),
        ([math.nan], 0.0),
        ([math.inf], 0.0),
        ([1e200, 1e200, 0.0], 0.0),  # infinity x 0 was NaN, once
        ([1e200, 1e200], 1.25),
    ],
)
def test_product_is_clipped_and_nonsense_is_nothing(factors, expected):
    found = multiplier_product([(str(i), factor) for i, factor in enumerate(factors)], PARAMS)
    assert found == pytest.approx(expected, rel=1e-15)


# -- units


@pytest.mark.parametrize(
    ("equity", "fraction", "multiplier", "entry", "stop", "expected"),
    [
        (100_000, 0.01, 1.0, 50, 48, 500),
        (100_000, 0.01, 0.5, 50, 48, 250),
        (100_000, 0.01, 1.0, 48, 50, 500),  # a short
        (100_000, 0.01, 1.25, 50, "49.5", 2_500),
        (100_000, 0.01, 1.0, 50, 50, 0),
        (100_000, 0.01, 1.0, 50, None, 0),
        (100_000, 0.0, 1.0, 50, 48, 0),
        (100_000, 0.01, 0.0, 50, 48, 0),
        (0, 0.01, 1.0, 50, 48, 0),
        (-5, 0.01, 1.0, 50, 48, 0),
    ],
)
def test_risk_size_loses_its_budget_at_the_stop(equity, fraction, multiplier, entry, stop, expected):
    stop_px = None if stop is None else D(stop)
    assert risk_size(D(equity), fraction, multiplier, entry_px=D(entry), stop_px=stop_px) == expected


def test_risk_size_rounds_towards_zero():
    # 1,000 / 3 = 333.33...
    size = risk_size(D(100_000), 0.01, 1.0, entry_px=D(50), stop_px=D(47))
    assert Fraction(size) * 3 <= 1_000 < (Fraction(size) + Fraction(1, 10**20)) * 3


@pytest.mark.parametrize(
    ("weight", "used", "price", "expected"),
    [(0.4, 15_000, 50, 500), (0.4, 40_000, 50, 0), (0.4, 45_000, 50, 0), (0.0, 0, 50, 0), (1.0, 0, 3, "33333.33")],
)
def test_allocation_size_is_what_is_left_of_the_share(weight, used, price, expected):
    size = allocation_size(weight, D(100_000), open_notional=D(used), price=D(price))
    assert round_down(size, D("0.01")) == D(expected)
    assert Fraction(size) * price + used <= max(used, Fraction(weight) * 100_000)


@pytest.mark.parametrize(
    ("quantity", "increment", "expected"),
    [
        ("12.3456", "0.01", "12.34"),
        ("0.99999999", "1", "0"),
        ("-1.9", "1", "-1"),
        ("299", "100", "200"),
        ("0.3", "0.1", "0.3"),  # in floats 0.3 / 0.1 lies below 3
        ("9999999999999999.99999999", "1", "9999999999999999"),  # a plain division would round it up
        ("7", "2.5", "5.0"),
    ],
)
def test_round_down_never_goes_up(quantity, increment, expected):
    assert round_down(D(quantity), D(increment)) == D(expected)


@given(
    st.decimals(0, 10**9, places=9),
    st.sampled_from([D("1e-9"), D("0.00001"), D("0.1"), D(1), D(100), D("2.5")]),
)
def test_round_down_is_the_largest_multiple(quantity, increment):
    found = Fraction(round_down(quantity, increment))
    assert found % Fraction(increment) == 0
    assert 0 <= Fraction(quantity) - found < Fraction(increment)


@given(
    st.decimals(1, 10**7, places=2),
    st.sampled_from([0.01, 0.005, 0.0025, 0.008125]),
    st.decimals("0.01", 10**5, places=2),
    st.decimals("0.01", 10**4, places=2),
)
def test_size_never_exceeds_its_budget(equity, fraction, stop, distance):
    size = risk_size(equity, fraction, 1.0, entry_px=stop + distance, stop_px=stop)
    assert Fraction(size) * Fraction(distance) <= Fraction(equity) * Fraction(repr(fraction))
    allowed = allocation_size(0.3, equity, open_notional=D(0), price=stop)
    assert Fraction(allowed) * Fraction(stop) <= Fraction(equity) * Fraction(3, 10)


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("0.0199", "1000", "0.019"),
        ("0.01", "1000", "0.01"),
        ("0.0099", "5000", "0"),  # below the minimum quantity
        ("0.0109", "999.99", "0"),  # 0.010 x 999.99 is below the minimum notional
        ("0", "1000", "0"),
    ],
)
def test_tradable_is_rounded_down_and_nothing_below_a_minimum(quantity, price, expected):
    coin = InstrumentFacts("X", "C", D("0.01"), D("0.001"), D("0.01"), D(10), "", True)
    assert tradable(D(quantity), D(price), coin) == D(expected)


# -- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_fraction", 0.051),
        ("base_fraction", 0.0),
        ("kelly_fraction", 1.1),
        ("min_trades", 0),
        ("max_trades", 19),  # below min_trades
        ("shrinkage", -1),
        ("cap_normal", 0.051),
        ("cap_choppy", 0.011),  # above cap_normal
        ("cap_crisis", 0.006),  # above cap_choppy
        ("probe_fraction", 0.011),
        ("max_multiplier", 2.1),
        ("max_multiplier", math.nan),
    ],
)
def test_setting_outside_its_range_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"{name} must be in .*was {value}; set sizing\.{name}"):
        SizingParams(**{name: value})
