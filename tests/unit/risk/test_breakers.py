"""The circuit breakers at their numbers, over days, flows, restarts and processes."""

import json
import math
from decimal import Decimal

import pytest

from nautilus_qs.domain import TradingMode
from nautilus_qs.errors import ConfigError, DataError, StorageError
from nautilus_qs.risk.breakers import Breaker, BreakerChange, BreakerLimits, Breakers

D = Decimal


def told(*marks, **limits):
    """Return breakers after (day, equity) marks, and what they said of the last one as (breaker, change)."""
    breakers, events = Breakers(BreakerLimits(**limits)), []
    for ts, (day, equity) in enumerate(marks):
        events = breakers.on_equity(ts, day, D(str(equity)))
    return breakers, short(events)


def short(events):
    return [(event.breaker.value, event.change.value) for event in events]


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        (95_000.01, []),
        (95_000, [("daily_loss", "trip")]),
        (90_000.01, [("daily_loss", "trip")]),
        (90_000, [("daily_loss", "trip"), ("drawdown_reduce", "trip")]),
        (85_000.01, [("daily_loss", "trip"), ("drawdown_reduce", "trip")]),
        (85_000, [("daily_loss", "trip"), ("drawdown_reduce", "trip"), ("drawdown_halt", "trip")]),
        (0, [("daily_loss", "trip"), ("drawdown_reduce", "trip"), ("drawdown_halt", "trip")]),
    ],
)
def test_loss_within_a_day_trips_exactly_at_the_limit(equity, expected):
    breakers, events = told((1, 100_000), (1, equity))
    assert events == expected
    assert breakers.mode is (TradingMode.HALTED if expected else TradingMode.NORMAL)


def test_day_starts_with_the_last_mark_of_the_day_before():
    # One mark a day: 100,000, then 97,000 (3 %), then 92,200 (4.9 % of 97,000): nothing. 92,150 is 5 %.
    assert told((1, 100_000), (2, 97_000), (3, 92_200))[1] == []
    breakers, events = told((1, 100_000), (2, 97_000), (3, 92_150))
    assert events == [("daily_loss", "trip")]
    assert (breakers.start_of_day, breakers.peak) == (97_000, 100_000)


def test_daily_loss_is_measured_from_the_start_of_day_not_from_its_high():
    assert told((1, 100_000), (1, 104_000), (1, 96_000))[1] == []


def test_event_carries_what_it_was_held_against_and_the_heat():
    breakers = Breakers(BreakerLimits())
    breakers.on_equity(1, 1, D(100_000))
    breakers.on_equity(2, 1, D(99_000))
    events = breakers.on_equity(3, 2, D(89_000), heat_open=0.07)
    assert [(e.ts, e.equity, e.reference, e.heat_open) for e in events] == [
        (3, 89_000, 99_000, 0.07),
        (3, 89_000, 100_000, 0.07),
    ]
    assert breakers.drawdown == pytest.approx(0.11)
    assert breakers.kill(4, "fire")[0].reference == 0


def test_reduced_size_holds_until_equity_is_above_ninety_five_percent_of_the_peak():
    breakers, events = told((1, 100_000), (2, 96_000), (3, 92_000), (4, 90_000))
    assert events == [("drawdown_reduce", "trip")]
    assert (breakers.multiplier, breakers.mode) == (0.5, TradingMode.NORMAL)
    assert breakers.on_equity(9, 5, D(95_000)) == []
    assert breakers.multiplier == 0.5
    assert short(breakers.on_equity(10, 5, D("95_000.01"))) == [("drawdown_reduce", "clear")]
    assert breakers.multiplier == 1.0


def test_drawdown_halt_comes_after_reduced_size_and_stays_when_it_clears():
    breakers, events = told((1, 100_000), (2, 96_000), (3, 92_000), (4, 88_000), (5, 85_000))
    assert events == [("drawdown_halt", "trip")]
    assert short(breakers.on_equity(9, 5, D(96_000))) == [("drawdown_reduce", "clear")]
    assert breakers.tripped == {Breaker.DRAWDOWN_HALT}
    assert breakers.mode is TradingMode.HALTED
    assert breakers.on_equity(10, 5, D(80_750)) != []  # reduced again, and 15 % below the peak: no second halt
    assert breakers.on_equity(11, 5, D(80_000)) == []


def test_peak_follows_new_highs():
    breakers, _ = told((1, 100_000), (2, 120_000), (3, 115_000), (4, 110_000))
    assert breakers.peak == 120_000
    assert short(breakers.on_equity(9, 5, D(108_000))) == [("drawdown_reduce", "trip")]


def test_stale_mark_neither_trips_nor_clears_nor_starts_a_day():
    breakers, _ = told((1, 100_000), (2, 99_000))
    assert breakers.on_equity(3, 3, D(10), stale=True) == []
    assert (breakers.mode, breakers.start_of_day, breakers.drawdown) == (TradingMode.NORMAL, 100_000, 0.01)
    breakers.on_equity(4, 3, D(98_000))
    assert breakers.start_of_day == 99_000
    halted, _ = told((1, 100_000), (2, 96_000), (3, 92_000), (4, 90_000))
    assert halted.on_equity(5, 4, D(200_000), stale=True) == []
    assert halted.multiplier == 0.5


@pytest.mark.parametrize("equity", ["NaN", "Infinity"])
@pytest.mark.parametrize("is_restart", [True, False])
def test_equity_that_is_no_amount_is_refused_and_changes_nothing(equity, is_restart):
    breakers, _ = told((1, 100_000), (1, 95_000))
    before = breakers.state()
    with pytest.raises(DataError, match="equity must be a finite amount"):
        breakers.restart(3, D(equity)) if is_restart else breakers.on_equity(3, 2, D(equity))
    assert breakers.state() == before


@pytest.mark.parametrize(
    ("flow", "equity", "trips"),
    [
        (-50_000, 50_000, False),  # a withdrawal is no loss
        (-50_000, 47_500, True),  # 5 % of the 50,000 that were left
        (100_000, 190_000.01, False),
        (100_000, 190_000, True),
    ],
)
def test_flow_moves_peak_and_start_of_day(flow, equity, trips):
    breakers, _ = told((1, 100_000))
    breakers.on_flow(D(flow))
    assert breakers.peak == breakers.start_of_day == 100_000 + flow
    assert breakers.drawdown == 0.0
    assert short(breakers.on_equity(2, 1, D(str(equity)))) == ([("daily_loss", "trip")] if trips else [])


def test_flow_before_the_first_mark_changes_nothing():
    breakers = Breakers(BreakerLimits())
    breakers.on_flow(D(50_000))
    breakers.on_equity(1, 1, D(100_000))
    assert (breakers.peak, breakers.drawdown) == (100_000, 0.0)


def test_drawdown_before_the_first_mark_is_zero():
    assert Breakers(BreakerLimits()).drawdown == 0.0


@pytest.mark.parametrize(
    ("is_crisis", "sentiment", "is_tripped"),
    [
        (True, -0.31, True),
        (True, -0.3, False),
        (True, None, False),
        (True, math.nan, False),
        (False, -0.9, False),
    ],
)
def test_crisis_with_bad_sentiment_halts_opening(is_crisis, sentiment, is_tripped):
    breakers = Breakers(BreakerLimits())
    assert short(breakers.on_crisis(1, is_crisis, sentiment)) == ([("crisis_sentiment", "trip")] if is_tripped else [])
    assert breakers.mode is (TradingMode.HALTED if is_tripped else TradingMode.NORMAL)


@pytest.mark.parametrize(
    ("is_crisis", "sentiment", "clears"),
    [(True, -0.3, True), (False, -0.9, True), (False, None, True), (True, None, False), (True, math.nan, False)],
)
def test_crisis_with_bad_sentiment_ends_when_either_is_known_to_end(is_crisis, sentiment, clears):
    breakers = Breakers(BreakerLimits())
    breakers.on_crisis(1, True, -0.5)
    events = breakers.on_crisis(2, is_crisis, sentiment)
    assert short(events) == ([("crisis_sentiment", "clear")] if clears else [])


@pytest.mark.parametrize(
    ("age", "offset", "is_tripped"),
    [
        (59.999, 0.0, False),
        (60.0, 0.0, True),
        (math.nan, 0.0, True),
        (None, 0.0, False),  # no session is open
        (1.0, 2.0, False),
        (1.0, 2.001, True),
        (1.0, -2.001, True),
        (None, math.nan, True),
    ],
)
def test_data_that_is_old_or_a_clock_that_is_off_halts_opening(age, offset, is_tripped):
    breakers = Breakers(BreakerLimits())
    assert short(breakers.on_data(1, age, offset)) == ([("data", "trip")] if is_tripped else [])
    assert breakers.mode is (TradingMode.HALTED if is_tripped else TradingMode.NORMAL)
    assert short(breakers.on_data(2, 1.0)) == ([("data", "clear")] if is_tripped else [])
    assert breakers.mode is TradingMode.NORMAL


def test_kill_outranks_a_halt_and_a_second_one_says_nothing():
    breakers, _ = told((1, 100_000), (1, 95_000))
    assert breakers.mode is TradingMode.HALTED
    (event,) = breakers.kill(2, "by hand")
    assert (event.breaker, event.change, event.detail) == (Breaker.KILL, BreakerChange.TRIP, "by hand")
    assert breakers.mode is TradingMode.KILLED
    assert breakers.kill(3, "again") == []


def test_restart_lifts_what_an_administrator_may_and_measures_from_here():
    breakers, _ = told((1, 100_000), (1, 85_000))
    breakers.kill(2, "")
    breakers.on_data(2, 100.0)
    breakers.on_crisis(2, True, -0.9)
    events = breakers.restart(3, detail="by hand")
    assert {(e.breaker.value, e.change.value, e.detail) for e in events} == {
        (name, "restart", "by hand") for name in ("daily_loss", "drawdown_halt", "kill", "drawdown_reduce")
    }
    assert breakers.tripped == {Breaker.DATA, Breaker.CRISIS_SENTIMENT}
    assert (breakers.peak, breakers.start_of_day, breakers.multiplier) == (85_000, 85_000, 1.0)
    assert breakers.on_equity(4, 1, D(81_000)) == []
    assert short(breakers.on_equity(5, 1, D(80_750))) == [("daily_loss", "trip")]


def test_restart_from_a_given_equity():
    breakers, _ = told((1, 100_000), (1, 85_000))
    breakers.restart(3, D(84_000))
    assert (breakers.peak, breakers.start_of_day, breakers.drawdown) == (84_000, 84_000, 0.0)


def test_restart_when_nothing_is_tripped_says_nothing():
    assert told((1, 100_000))[0].restart(3) == []


def halted_for(days, *, is_killed=False, **limits):
    breakers, _ = told((1, 100_000), (1, 95_000), **limits)
    if is_killed:
        breakers.kill(2, "")
    events = []
    for day in range(2, 2 + days):
        events = breakers.on_equity(day * 10, day, D(94_000))
        breakers.on_equity(day * 10 + 1, day, D(94_000))  # a second mark is no second day
    return breakers, short(events)


@pytest.mark.parametrize(("days", "is_restarted"), [(2, False), (3, True)])
def test_backtest_restarts_after_so_many_days(days, is_restarted):
    breakers, events = halted_for(days, restart_after=3)
    assert events == ([("daily_loss", "restart")] if is_restarted else [])
    assert (breakers.mode is TradingMode.NORMAL) is is_restarted
    assert breakers.peak == (94_000 if is_restarted else 100_000)


def test_backtest_restart_waits_anew_for_each_trip():
    breakers, _ = halted_for(2, restart_after=3)
    assert short(breakers.on_equity(99, 3, D(85_000))) == [("drawdown_reduce", "trip"), ("drawdown_halt", "trip")]
    assert [short(breakers.on_equity(100 + day, day, D(85_000))) for day in (4, 5)] == [[], []]
    assert len(breakers.on_equity(106, 6, D(85_000))) == 3
    assert breakers.mode is TradingMode.NORMAL


def test_default_waits_twenty_days():
    assert halted_for(19)[0].mode is TradingMode.HALTED
    assert halted_for(20)[0].mode is TradingMode.NORMAL


@pytest.mark.parametrize(("is_killed", "restart_after"), [(True, 3), (False, None)])
def test_kill_is_never_lifted_by_waiting_and_nothing_is_where_it_is_off(is_killed, restart_after):
    assert halted_for(50, is_killed=is_killed, restart_after=restart_after)[0].mode is not TradingMode.NORMAL


def test_state_survives_json_and_another_process():
    breakers, _ = told((1, 100_000), (1, 95_000), (2, 94_000.01), restart_after=2)
    other = Breakers(BreakerLimits(restart_after=2))
    other.restore(json.loads(json.dumps(breakers.state())))
    assert other.state() == breakers.state()
    assert other.mode is TradingMode.HALTED
    assert short(other.on_equity(9, 3, D(94_000))) == [("daily_loss", "restart")], "the days that passed count"


def test_state_of_new_breakers_can_be_restored():
    other, _ = told((1, 100_000), (1, 80_000))
    other.restore(Breakers(BreakerLimits()).state())
    assert other.state() == Breakers(BreakerLimits()).state()


@pytest.mark.parametrize(
    "changed",
    [{"equity": "much"}, {"peak": "NaN"}, {"day": "monday"}, {"tripped": ["fire"]}, {"tripped": None}, None],
    ids=str,
)
def test_damaged_state_is_refused_and_the_present_one_kept(changed):
    breakers, _ = told((1, 100_000), (1, 95_000))
    before = breakers.state()
    damaged = {} if changed is None else before | changed
    with pytest.raises(StorageError, match="restart"):
        breakers.restore(damaged)
    assert breakers.state() == before


def test_breakers_reset_equal_new():
    breakers, _ = told((1, 100_000), (1, 80_000))
    breakers.kill(2, "")
    breakers.reset()
    assert breakers.state() == Breakers(BreakerLimits()).state()
    assert breakers.mode is TradingMode.NORMAL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("daily_loss", 0.0),
        ("daily_loss", 0.51),
        ("daily_loss", math.nan),
        ("reduced_multiplier", 1.1),
        ("crisis_sentiment", 0.1),
        ("data_secs", 0.0),
        ("clock_secs", 61.0),
        ("restart_after", 0),
    ],
)
def test_breaker_limit_outside_its_range_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"{name} must be in .*was {value}; set breakers\.{name}"):
        BreakerLimits(**{name: value})


@pytest.mark.parametrize("limits", [(0.0, 0.1, 0.15), (0.1, 0.1, 0.15), (0.05, 0.15, 0.15), (0.05, 0.1, 0.51)])
def test_drawdowns_out_of_order_are_refused(limits):
    clear, reduce, halt = limits
    with pytest.raises(ConfigError, match="0 < drawdown_clear < drawdown_reduce < drawdown_halt"):
        BreakerLimits(drawdown_clear=clear, drawdown_reduce=reduce, drawdown_halt=halt)
