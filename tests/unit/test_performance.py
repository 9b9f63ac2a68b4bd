"""Statistics with known numbers, their properties, what is said when little can be, and the warnings."""

import json
import math
import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import nautilus_qs.performance as perf
from nautilus_qs.errors import ConfigError, DataError
from nautilus_qs.storage.rows import TradeRow

DAY_NS = 86_400_000_000_000
HOUR_NS = DAY_NS // 24

equities = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60).map(np.array)
pnls = st.lists(st.floats(-1e4, 1e4), max_size=60).map(lambda values: np.array(values, dtype=np.float64))


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def rng(seed=7):
    return np.random.default_rng(seed)


def closes(n, first="2015-01-05T21:00"):
    return ns(first) + np.arange(n) * DAY_NS


def grown(returns, start=100_000.0):
    return start * np.cumprod(np.concatenate(([1.0], 1.0 + np.asarray(returns))))


def trade(pnl, *, r=None, entry=0, exit_=DAY_NS, mae=-0.01, mfe=0.02):
    return perf.Trade(
        pnl=pnl,
        return_frac=pnl / 1000.0,
        r_multiple=pnl / 100.0 if r is None else r,
        commission=1.0,
        entry_ts=entry,
        exit_ts=exit_,
        mae=mae,
        mfe=mfe,
    )


def summed(returns, trades=(), **options):
    levels = grown(returns)
    return perf.summarise(
        closes(len(levels)), levels, list(trades), **({"periods_per_year": 252, "rng": rng()} | options)
    )


# Days


def test_daily_returns_take_the_last_mark_of_each_account_day():
    # In New York the second and third mark are both the evening of 2020-06-01; in UTC the third is the next day.
    ts = np.array([ns(t) for t in ("2020-05-31T20:00", "2020-06-01T20:00", "2020-06-02T03:00", "2020-06-02T20:00")])
    equity = np.array([100.0, 110.0, 120.0, 132.0])
    assert perf.daily_returns(ts, equity)[1] == pytest.approx([0.2, 0.1])
    ends, returns = perf.daily_returns(ts, equity, timezone="UTC")
    assert returns == pytest.approx([0.1, 0.2])
    assert ends.tolist() == [ts[1], ts[3]]


def test_daily_returns_first_day_runs_from_its_first_mark():
    ts = ns("2020-06-01T14:00") + np.arange(3) * HOUR_NS
    assert perf.daily_returns(ts, np.array([100.0, 90.0, 105.0]))[1] == pytest.approx([0.05])


def test_account_days_follow_daylight_saving():
    before, after = ns("2020-03-08T04:30"), ns("2020-03-09T03:30")  # 23:30 EST on the 7th, 23:30 EDT on the 8th
    assert perf.account_days(np.array([before, after])).tolist() == [
        ns(d) // DAY_NS for d in ("2020-03-07", "2020-03-08")
    ]


def test_account_days_mark_of_a_bar_that_closes_at_midnight_is_of_the_day_that_ended():
    midnight = ns("2021-02-01")
    days = perf.account_days(np.array([midnight - 1, midnight + 1, midnight + 2 * 10**9]), "UTC")
    assert (days - days[0]).tolist() == [0, 0, 1]


def test_account_days_unknown_time_zone_is_refused():
    with pytest.raises(ConfigError, match="IANA name"):
        perf.account_days(np.array([0]), "New York")


@pytest.mark.parametrize(
    ("ts", "equity", "says"),
    [
        ([1, 2], [1.0], "one value a mark, 2, was 1"),
        ([1, 1], [1.0, 2.0], "in time order, each once: 1 follows 1"),
        ([2, 1], [1.0, 2.0], "in time order"),
        ([1, 2], [1.0, math.nan], "equity must be finite, was nan"),
        ([1, 2], [math.inf, 1.0], "equity must be finite, was inf"),
    ],
)
def test_damaged_equity_is_refused(ts, equity, says):
    with pytest.raises(DataError, match=says):
        perf.daily_returns(np.array(ts), np.array(equity))


def test_monthly_returns_compound_to_years_and_to_the_whole():
    n = 800
    returns = rng(1).normal(0.0005, 0.01, n)
    levels = grown(returns)
    rows = perf.monthly_returns(closes(n + 1), levels)
    assert [row.year for row in rows] == [2015, 2016, 2017]
    for row in rows:
        assert np.nanprod(1.0 + np.array(row.months)) - 1.0 == pytest.approx(row.total)
    assert np.prod([1.0 + row.total for row in rows]) - 1.0 == pytest.approx(perf.total_return(levels))
    frame = pd.Series(levels, index=pd.to_datetime(closes(n + 1), utc=True).tz_convert("America/New_York"))
    february = frame[:"2015-02-28"].iloc[-1] / frame[:"2015-01-31"].iloc[-1] - 1.0
    assert rows[0].months[1] == pytest.approx(february)


def test_monthly_returns_leave_a_silent_month_open():
    ts = np.array([ns("2020-11-30"), ns("2021-01-29"), ns("2023-01-31")])
    rows = perf.monthly_returns(ts, np.array([100.0, 110.0, 121.0]), timezone="UTC")
    assert [row.year for row in rows] == [2020, 2021, 2022, 2023]
    assert rows[0].months[10] == 0.0
    assert math.isnan(rows[0].months[11])
    assert (rows[1].months[0], rows[3].total) == (pytest.approx(0.1), pytest.approx(0.1))
    assert math.isnan(rows[2].total)


# Drawdown


def test_max_drawdown_not_recovered_runs_to_the_end():
    fall = perf.max_drawdown(np.arange(5) * DAY_NS, np.array([100.0, 120.0, 120.0, 60.0, 90.0]))
    assert fall == perf.Drawdown(depth=0.5, peak_ts=2 * DAY_NS, trough_ts=3 * DAY_NS, recovery_ts=None, length_days=2.0)


def test_max_drawdown_of_equity_that_never_fell_is_zero_without_times():
    assert perf.max_drawdown(np.arange(3), np.array([1.0, 1.0, 2.0])) == perf.Drawdown(depth=0.0)


def test_max_drawdown_without_marks_is_nan():
    assert math.isnan(perf.max_drawdown(np.arange(0), np.empty(0)).depth)
    assert perf.drawdown(np.empty(0)).shape == (0,)
    assert math.isnan(perf.ulcer_index(np.empty(0)))


def test_drawdown_past_everything_is_one_and_more():
    assert perf.drawdown(np.array([100.0, 0.0, -20.0])) == pytest.approx([0.0, 1.0, 1.2])
    assert np.isnan(perf.drawdown(np.array([-1.0, 1.0]))).tolist() == [True, False]


@given(equities)
def test_drawdown_lies_in_the_unit_interval_and_max_agrees(equity):
    falls = perf.drawdown(equity)
    assert (falls >= 0.0).all()
    assert (falls < 1.0).all()
    assert perf.max_drawdown(np.arange(len(equity)), equity).depth == falls.max()
    assert perf.ulcer_index(equity) <= falls.max() + 1e-12


@given(equities)
def test_drawdown_future_changes_nothing_past(equity):
    assert (perf.drawdown(np.append(equity, 2e6))[:-1] == perf.drawdown(equity)).all()


# Ratios


def test_ratios_equal_pandas_on_random_returns():
    returns = rng(2).standard_t(4, 1000) * 0.01
    series = pd.Series(returns)
    root = math.sqrt(252)
    assert perf.volatility(returns, 252) == pytest.approx(series.std() * root)
    assert perf.sharpe(returns, 252) == pytest.approx(series.mean() / series.std() * root)
    downside = math.sqrt((series.clip(upper=0.0) ** 2).mean())
    assert perf.sortino(returns, 252) == pytest.approx(series.mean() / downside * root)
    n = len(series)
    assert perf.skewness(returns) * math.sqrt(n * (n - 1)) / (n - 2) == pytest.approx(series.skew())
    excess = perf.kurtosis(returns) - 3.0
    assert ((n + 1) * excess + 6.0) * (n - 1) / ((n - 2) * (n - 3)) == pytest.approx(series.kurt())


@pytest.mark.parametrize(
    "value",
    [
        perf.total_return(np.array([1.0])),
        perf.total_return(np.array([0.0, 1.0])),
        perf.cagr(np.array([0]), np.array([1.0])),
        perf.cagr(np.array([0, DAY_NS]), np.array([1.0, 0.0])),
        perf.cagr(np.array([0, 1]), np.array([1.0, 2.0])),
        perf.volatility(np.array([0.1]), 252),
        perf.sharpe(np.array([0.1]), 252),
        perf.sharpe(np.full(50, 0.001), 252),
        perf.sharpe(np.zeros(50), 252),
        perf.sharpe(np.array([0.1, np.nan, 0.2]), 252),
        perf.sortino(np.array([0.1]), 252),
        perf.sortino(np.array([0.1, 0.2]), 252),
        perf.calmar(0.1, 0.0),
        perf.calmar(0.1, math.nan),
        perf.skewness(np.array([0.1, 0.2])),
        perf.skewness(np.zeros(5)),
        perf.kurtosis(np.array([0.1, 0.2, 0.3])),
        perf.kurtosis(np.zeros(5)),
        perf.profit_factor(np.array([1.0, 2.0])),
        perf.profit_factor(np.empty(0)),
        perf.sqn(np.array([1.0])),
        perf.sqn(np.ones(5)),
        perf.exposure_share(5, 5, np.array([1]), np.array([2])),
    ],
)
def test_what_cannot_be_said_is_nan(value):
    assert math.isnan(value)


@given(st.lists(st.floats(-0.1, 0.1), min_size=5, max_size=80), st.floats(0.01, 100.0))
def test_statistics_of_returns_do_not_depend_on_the_size_of_the_account(returns, scale):
    levels = grown(returns)
    small, large = (
        perf.summarise(closes(len(levels)), levels * by, [], periods_per_year=252, rng=rng(), draws=50)
        for by in (1.0, scale)
    )
    for name in ("sharpe", "sortino", "volatility", "cagr"):
        one, other = getattr(small, name), getattr(large, name)
        assert one.value == pytest.approx(other.value, rel=1e-5, abs=1e-9, nan_ok=True)
    assert small.max_drawdown.depth == pytest.approx(large.max_drawdown.depth, abs=1e-12)
    assert small.ulcer_index == pytest.approx(large.ulcer_index, abs=1e-12)


@given(st.permutations(list(np.linspace(-0.03, 0.04, 20))))
def test_sharpe_does_not_depend_on_the_order_of_days(returns):
    straight = np.linspace(-0.03, 0.04, 20)
    for statistic in (perf.sharpe, perf.sortino, perf.volatility):
        assert statistic(np.array(returns), 252) == pytest.approx(statistic(straight, 252))
    assert grown(returns)[-1] == pytest.approx(grown(straight)[-1])


# Intervals


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (45, 100, 0.3561, 0.5476)]
)
def test_wilson_known_intervals(successes, n, low, high):
    assert perf.wilson(successes, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_without_observations_is_nan():
    assert np.isnan(perf.wilson(0, 0)).all()


@pytest.mark.parametrize(("n", "block"), [(100, None), (100, 7), (10, 10), (10, 50), (5, 1), (1, None)])
def test_block_sums_equal_sums_over_the_days_they_stand_for(n, block):
    column = rng(3).normal(size=n)
    length = min(n, block if block is not None else max(1, round(n ** (1 / 3))))
    sums = perf.block_sums(np.column_stack((column, np.ones(n))), draws=40, rng=rng(4), block=block)
    whole, rest = divmod(n, length)
    starts = rng(4).integers(0, n, size=(40, whole + (rest > 0)))
    lengths = [length] * whole + [rest] * (rest > 0)
    expected = [
        sum(column[(start + k) % n] for start, size in zip(row, lengths, strict=True) for k in range(size))
        for row in starts
    ]
    assert sums[:, 0] == pytest.approx(expected)
    assert sums[:, 1] == pytest.approx(np.full(40, float(n)))


def test_block_bootstrap_widens_the_interval_of_dependent_days():
    noise = rng(5).normal(size=2000)
    smooth = np.convolve(noise, np.ones(20) / 20.0, mode="valid")[:, np.newaxis]
    spread = {block: perf.block_sums(smooth, draws=500, rng=rng(6), block=block).std() for block in (1, 60)}
    assert spread[60] > 3.0 * spread[1]


def test_resampled_sums_agree_with_theory_whatever_the_chunk(monkeypatch):
    column = rng(8).normal(1.0, 2.0, 400)
    sums = perf.resampled_sums(column[:, np.newaxis], draws=4000, rng=rng(9))[:, 0]
    assert sums.mean() == pytest.approx(column.sum(), abs=4.0 * sums.std() / math.sqrt(4000))
    assert sums.std() == pytest.approx(column.std() * math.sqrt(400), rel=0.05)
    monkeypatch.setattr("nautilus_qs.performance.intervals._CHUNK", 1000)
    assert perf.resampled_sums(column[:, np.newaxis], draws=4000, rng=rng(9))[:, 0] == pytest.approx(sums)


def test_sharpe_interval_covers_the_truth_about_as_often_as_it_says():
    truth = 1.0
    daily = truth / math.sqrt(252)
    covered = 0
    for seed in range(100):
        run = summed(rng(seed).normal(daily * 0.01, 0.01, 750), rng=rng(seed + 1000), level=0.90, draws=300)
        covered += run.sharpe.low <= truth <= run.sharpe.high
    assert 80 <= covered <= 98


def test_intervals_of_one_seed_are_the_same_and_a_benchmark_moves_none():
    returns = rng(1).normal(0.0005, 0.01, 300)
    trades = [trade(pnl) for pnl in rng(2).normal(5.0, 50.0, 60)]
    first, again = summed(returns, trades), summed(returns, trades)
    assert first.to_dict() == again.to_dict()
    beside = summed(returns, trades, benchmark=np.linspace(100.0, 130.0, 301))
    assert structs.replace(beside, benchmark=None).to_dict() == first.to_dict()
    assert summed(returns, trades, rng=rng(8)).sharpe.low != first.sharpe.low


def test_intervals_hold_their_values_and_narrow_with_the_level():
    returns = rng(1).normal(0.0005, 0.01, 500)
    trades = [trade(pnl) for pnl in rng(2).normal(5.0, 50.0, 200)]
    wide, narrow = summed(returns, trades, level=0.95), summed(returns, trades, level=0.5)
    for name in ("mean_return", "cagr", "volatility", "sharpe", "sortino"):
        outer, inner = getattr(wide, name), getattr(narrow, name)
        assert outer.low < inner.low < inner.value < inner.high < outer.high
    for name in ("win_rate", "profit_factor", "expectancy", "expectancy_r", "payoff_ratio", "sqn"):
        outer, inner = getattr(wide.trades, name), getattr(narrow.trades, name)
        assert outer.low < inner.low < inner.value < inner.high < outer.high


# Luck


@pytest.mark.parametrize(("trials", "expected"), [(46, 0.9505), (100, 0.9004)])
def test_deflated_sharpe_of_the_paper(trials, expected):
    daily = 2.5 / math.sqrt(250)
    found = perf.deflated_sharpe(daily, 1250, trials=trials, variance=0.5 / 250, skew=-3.0, kurtosis=10.0)
    assert found == pytest.approx(expected, abs=1e-4)


def test_deflated_sharpe_falls_with_the_number_of_trials():
    found = [perf.deflated_sharpe(0.08, 1000, trials=trials) for trials in (1, 2, 10, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == perf.probabilistic_sharpe(0.08, 1000)


@pytest.mark.parametrize(
    "value",
    [
        perf.probabilistic_sharpe(0.1, 1),
        perf.probabilistic_sharpe(math.nan, 100),
        perf.probabilistic_sharpe(1.0, 100, skew=5.0, kurtosis=3.0),
        perf.deflated_sharpe(0.1, 1, trials=3),
    ],
)
def test_luck_of_too_little_is_nan(value):
    assert math.isnan(value)


def test_deflated_sharpe_without_a_trial_is_refused():
    with pytest.raises(ConfigError, match="trials must be at least 1, was 0"):
        perf.deflated_sharpe(0.1, 100, trials=0)


# Trades


def test_trade_summary_of_known_trades():
    made = [
        trade(100.0, exit_=1 * DAY_NS),
        trade(-50.0, exit_=2 * DAY_NS),
        trade(-30.0, exit_=3 * DAY_NS, r=math.nan),
        trade(0.0, exit_=4 * DAY_NS),
        trade(60.0, exit_=5 * DAY_NS, mae=math.nan),
    ]
    found = perf.summarise_trades(made[::-1], rng=rng())
    assert (found.count, found.winners, found.losers) == (5, 2, 2)
    assert (found.pnl, found.commission) == (80.0, 5.0)
    assert found.win_rate.value == 0.4
    assert found.profit_factor.value == 2.0
    assert found.expectancy.value == 16.0
    assert (found.expectancy_r.value, found.expectancy_r.n) == (pytest.approx(0.275), 4)
    assert (found.average_win, found.average_loss) == (80.0, -40.0)
    assert found.payoff_ratio.value == 2.0
    assert (found.largest_win, found.largest_loss, found.largest_share) == (100.0, -50.0, 1.25)
    assert found.longest_losing_streak == 2
    assert found.average_hold_days == 3.0
    assert (found.average_mae, found.average_mfe) == (pytest.approx(-0.01), pytest.approx(0.02))
    assert found.average_return_frac == pytest.approx(0.016)
    assert math.isnan(found.expectancy.low)  # five trades are too few for a bootstrap


def test_trade_summary_without_trades_is_nan():
    found = perf.summarise_trades([], rng=rng())
    assert (found.count, found.pnl, found.longest_losing_streak) == (0, 0.0, 0)
    for statistic in (found.win_rate, found.profit_factor, found.expectancy, found.payoff_ratio, found.sqn):
        assert math.isnan(statistic.value)
    assert found.profit_factor.note == "no trade"


@pytest.mark.parametrize(
    ("pnl", "value", "note"),
    [
        ([10.0] * 12, math.nan, "no losing trade"),
        ([-10.0] * 12, 0.0, "no winning trade"),
        ([0.0] * 12, math.nan, "no losing trade"),
        ([10.0] * 11 + [-1.0], 110.0, "upper end unbounded"),
        ([10.0] * 11 + [-5e-324], math.nan, "upper end unbounded"),
    ],
)
def test_profit_factor_is_never_infinite(pnl, value, note):
    trades = perf.summarise_trades([trade(p) for p in pnl], rng=rng())
    assert not math.isinf(trades.payoff_ratio.value)
    found = trades.profit_factor
    assert found.value == pytest.approx(value, nan_ok=True)
    assert found.note == note
    assert not math.isinf(found.low)
    assert not math.isinf(found.high)


def test_trade_rows_of_a_run_are_taken_as_they_are():
    row = TradeRow(
        run_id="r",
        trader_id="t",
        account_id="a",
        mode="backtest",
        ts_batch=1,
        strategy="s",
        instrument_id="i",
        side="long",
        entry_ts=0,
        entry_px=10.0,
        exit_ts=DAY_NS,
        exit_px=11.0,
        quantity=Decimal(1),
        pnl=Decimal("0.98"),
        commission=Decimal("0.02"),
        return_frac=0.098,
        r_multiple=0.49,
        entry_reason="",
        exit_reason="",
        regime_at_entry="none",
        mae=-0.01,
        mfe=0.12,
        bars_held=1,
        decision_id="d",
    )
    found = perf.summarise_trades([row], rng=rng())
    assert (found.pnl, found.commission) == (0.98, 0.02)


@given(pnls, st.randoms(use_true_random=False))
def test_trade_summary_does_not_depend_on_the_order_of_the_list(pnl, random):
    made = [trade(p, exit_=i) for i, p in enumerate(pnl)]
    mixed = made.copy()
    random.shuffle(mixed)
    one, other = (structs.asdict(perf.summarise_trades(t, rng=rng(), draws=20)) for t in (made, mixed))
    assert str(one) == str(other)


@given(pnls)
def test_longest_losing_streak_equals_a_plain_count(pnl):
    longest = run = 0
    for p in pnl:
        run = run + 1 if p < 0.0 else 0
        longest = max(longest, run)
    assert perf.longest_losing_streak(pnl) == longest


@given(st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 30)), max_size=12))
def test_exposure_share_equals_a_count_of_minutes(spans):
    entries, exits = (
        np.array([e for e, _ in spans], dtype=np.int64),
        np.array([e + d for e, d in spans], dtype=np.int64),
    )
    covered = {minute for e, d in spans for minute in range(e, e + d) if 0 <= minute < 50}
    assert perf.exposure_share(0, 50, entries, exits) == pytest.approx(len(covered) / 50)


# The whole


def test_summary_of_known_days():
    ts = np.array([ns(f"2020-01-0{day}T21:00") for day in (1, 2, 3, 6)])
    made = [trade(30.0, entry=int(ts[0]), exit_=int(ts[1]))]
    found = perf.summarise(ts, np.array([100.0, 110.0, 99.0, 108.9]), made, periods_per_year=252, rng=rng())
    assert (found.start_ts, found.end_ts, found.days) == (ts[0], ts[3], 3)
    assert (found.start_equity, found.end_equity) == (100.0, 108.9)
    assert found.total_return == pytest.approx(0.089)
    assert found.years == pytest.approx(5 / 365.25)
    assert found.cagr.value == pytest.approx(1.089 ** (365.25 / 5) - 1.0)
    assert found.calmar == pytest.approx(found.cagr.value / 0.1)
    assert (found.best_day.ts, found.worst_day.ts) == (ts[1], ts[2])
    assert (found.best_day.value, found.worst_day.value) == (pytest.approx(0.1), pytest.approx(-0.1))
    assert found.exposure == pytest.approx(1 / 5)
    assert found.mean_return.value == pytest.approx(0.1 / 3)
    assert found.mean_return.n == 3
    assert found.monthly[0].months[0] == pytest.approx(0.089)
    assert math.isnan(found.probabilistic_sharpe)  # three days have no kurtosis


def test_summary_exposure_from_marks_counts_days_with_a_position():
    found = summed([0.01, -0.01, 0.02, 0.0], gross_exposure=np.array([0.0, 0.5, 0.0, -0.2, 0.1]))
    assert found.exposure == 0.75


def test_summary_against_its_own_benchmark_and_twice_it():
    returns = rng(1).normal(0.0005, 0.01, 400)
    market = grown(returns)
    found = perf.summarise(
        closes(401), grown(2.0 * returns + 0.0001), [], periods_per_year=252, rng=rng(), benchmark=market
    ).benchmark
    assert found.relative.beta.value == pytest.approx(2.0)
    assert found.relative.alpha.value == pytest.approx(0.0252)
    assert found.relative.correlation.value == pytest.approx(1.0)
    assert found.relative.beta.low == pytest.approx(2.0)
    assert found.sharpe == pytest.approx(perf.sharpe(returns, 252))
    assert found.total_return == pytest.approx(market[-1] / market[0] - 1.0)
    assert found.max_drawdown.depth == pytest.approx(perf.drawdown(market).max())


def test_summary_benchmark_unknown_on_some_days_leaves_those_out():
    returns = rng(1).normal(0.0005, 0.01, 400)
    market = grown(returns)
    market[:100] = np.nan
    found = summed(returns, benchmark=market).benchmark
    assert found.relative.beta.n == 300
    assert found.relative.beta.value == pytest.approx(1.0)


def test_summary_benchmark_of_a_few_days_has_a_value_and_no_interval():
    returns = [0.01, -0.01, 0.02, 0.0]
    found = summed(returns, benchmark=grown(returns)).benchmark.relative
    assert found.beta.value == pytest.approx(1.0)
    assert math.isnan(found.beta.low)


@pytest.mark.parametrize("levels", [np.full(31, 100.0), np.full(31, np.nan)])
def test_summary_benchmark_that_says_nothing_is_nan(levels):
    found = summed(rng(1).normal(0.0005, 0.01, 30), benchmark=levels).benchmark
    assert math.isnan(found.relative.beta.value)
    assert math.isnan(found.relative.correlation.value)
    assert math.isnan(found.sharpe)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_summary_of_almost_nothing_is_nan_and_json(n):
    found = perf.summarise(closes(n), np.full(n, 100.0), [], periods_per_year=365, rng=rng())
    assert math.isnan(found.sharpe.value)
    assert math.isnan(found.sortino.value)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["sharpe"]["value"] is None
    assert plain["benchmark"] is None


def test_summary_of_a_bankrupt_account_is_nan_and_warned():
    found = perf.summarise(closes(15), np.linspace(100.0, -40.0, 15), [], periods_per_year=252, rng=rng())
    assert found.sharpe.note == "equity fell to zero or below"
    assert math.isnan(found.cagr.value)
    assert found.max_drawdown.depth == pytest.approx(1.4)
    assert found.worst_day.value == pytest.approx(-0.5)
    assert any("zero or below" in warning for warning in perf.warnings_for(found))
    json.dumps(found.to_dict(), allow_nan=False)


def test_summary_of_flat_days_has_no_ratio_and_no_interval():
    found = summed(np.zeros(50))
    assert math.isnan(found.sharpe.value)
    assert found.sharpe.note == "no spread"
    assert found.sortino.note == "no losing day"
    assert math.isnan(found.sharpe.low)
    assert found.total_return == 0.0


def test_summary_of_one_wild_day_does_not_overflow():
    found = perf.summarise(np.array([0, 1]), np.array([1.0, 100.0]), [], periods_per_year=252, rng=rng())
    assert math.isnan(found.cagr.value)
    short = perf.summarise(np.arange(12), np.linspace(1.0, 9.0, 12), [], periods_per_year=252, rng=rng())
    assert math.isnan(short.cagr.high)


@given(st.lists(st.floats(-0.5, 0.5), max_size=40), st.lists(st.floats(-100.0, 100.0), max_size=40))
def test_summary_is_json_and_its_shares_are_fractions(returns, pnl):
    found = summed(returns, [trade(p) for p in pnl], draws=30, trials=5)
    json.dumps(found.to_dict(), allow_nan=False)
    for value in (found.probabilistic_sharpe, found.deflated_sharpe, found.exposure, found.trades.win_rate.value):
        assert math.isnan(value) or 0.0 <= value <= 1.0
    assert isinstance(perf.warnings_for(found), list)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"periods_per_year": 0.0}, "periods_per_year must be positive"),
        ({"level": 1.0}, "level must be in"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"trials": 0}, "trials must be at least 1"),
    ],
)
def test_summary_settings_out_of_range_are_refused(option, says):
    with pytest.raises(ConfigError, match=says):
        summed([0.01], **option)


@pytest.mark.parametrize("name", ["benchmark", "gross_exposure"])
def test_summary_columns_of_other_length_are_refused(name):
    with pytest.raises(DataError, match=f"{name} must have one value a mark, 2, was 3"):
        summed([0.01], **{name: np.ones(3)})


def test_summary_of_ten_years_is_fast():
    returns = rng(1).normal(0.0005, 0.01, 2500)
    trades = [trade(pnl) for pnl in rng(2).normal(5.0, 50.0, 500)]
    market = grown(rng(3).normal(0.0005, 0.01, 2500))
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        summed(returns, trades, benchmark=market)
        best = min(best, time.process_time() - start)
    assert best < 0.3


# Warnings


def test_warnings_of_a_broad_and_long_record_are_none():
    found = summed(rng(1).normal(0.001, 0.005, 1500), [trade(p) for p in rng(2).normal(20.0, 50.0, 300)])
    assert perf.warnings_for(found) == []


@pytest.mark.parametrize(
    ("pnl", "says"),
    [
        ([], "no closed trade"),
        ([10.0, -5.0] * 14 + [-5.0], "only 29 trades"),
        ([-5.0], "only 1 trade:"),
        ([500.0] + [10.0, -12.0] * 20, "one trade makes the profit: 500.00 of 460.00"),
        ([500.0] + [10.0, -1.0] * 20, "one trade makes 74% of the profit"),
        ([10.0] * 40, "no losing trade"),
        ([10.0] * 40 + [-5.0] * 3, "rests on 3 losing trades"),
        ([10.0, -10.0] * 20, "expectancy's 95% interval contains zero"),
    ],
)
def test_warnings_name_what_is_weak_about_the_trades(pnl, says):
    found = summed(rng(1).normal(0.001, 0.005, 1500), [trade(p) for p in pnl])
    assert [warning for warning in perf.warnings_for(found) if says in warning]


def test_warnings_leave_out_what_does_not_hold():
    found = summed(rng(1).normal(0.001, 0.005, 1500), [trade(p) for p in [10.0, -5.0] * 15])
    assert not [warning for warning in perf.warnings_for(found) if "trade" in warning]


def test_warnings_name_what_is_weak_about_the_days():
    noise = perf.warnings_for(summed(rng(1).normal(0.0, 0.01, 600), trials=50))
    assert any("Sharpe ratio's 95% interval contains zero" in warning for warning in noise)
    assert any("the best of 50 trials" in warning for warning in noise)
    short = perf.warnings_for(summed([0.01, -0.005, 0.01]))
    assert any("3 days are too few" in warning for warning in short)
    assert any("only 0.1 months" in warning for warning in short)
