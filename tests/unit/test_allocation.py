"""Weights by regime, the tilt, and the order and conflicts of one batch, against the rules' own table."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.allocation import AllocationParams, arrange, stop_multiple, tilted, weights
from nautilus_qs.domain import Action, Proposal, Regime, Side, Signal
from nautilus_qs.errors import ConfigError

DEFAULT = {"bounce": 0.4, "rsi": 0.3, "breakout": 0.3}
BY_REGIME = {
    "bull_trending": {"bounce": 0.3, "rsi": 0.2, "breakout": 0.5},
    "bear_trending": {"bounce": 0.3, "rsi": 0.3, "breakout": 0.1},
    "high_vol_choppy": {"bounce": 0.6, "rsi": 0.3, "breakout": 0.1},
    "low_vol_range": {"bounce": 0.5, "rsi": 0.4, "breakout": 0.1},
    "crisis": {"bounce": 0.2},
}
PARAMS = AllocationParams(default=DEFAULT, by_regime=BY_REGIME)


def proposal(strategy, name="SPY", side=Side.LONG, confidence=0.6, action=Action.ENTER, decision_id=None):
    signal = Signal(name, action, side, confidence, 50.0, 48.0, None, "", (), ())
    return Proposal(decision_id or f"{strategy}-{name}-{side}-{action}", strategy, 1, signal, 1e6)


def ids(proposals):
    return [one.decision_id for one in proposals]


# -- weights


@pytest.mark.parametrize(
    ("regime", "row", "cash"),
    [
        (Regime.NONE, (0.4, 0.3, 0.3), 0.0),
        (Regime.BULL_TRENDING, (0.3, 0.2, 0.5), 0.0),
        (Regime.BEAR_TRENDING, (0.3, 0.3, 0.1), 0.3),
        (Regime.HIGH_VOL_CHOPPY, (0.6, 0.3, 0.1), 0.0),
        (Regime.LOW_VOL_RANGE, (0.5, 0.4, 0.1), 0.0),
        (Regime.CRISIS, (0.2, 0.0, 0.0), 0.8),
    ],
)
def test_weights_are_the_table_of_the_rules(regime, row, cash):
    found = weights(PARAMS, regime)
    assert found == dict(zip(("bounce", "rsi", "breakout"), row, strict=True))
    assert 1.0 - sum(found.values()) == pytest.approx(cash)


def test_weights_without_a_table_are_the_default_in_every_regime():
    assert [weights(AllocationParams(default=DEFAULT), regime) for regime in Regime] == [DEFAULT] * 6


@pytest.mark.parametrize("regime", [Regime.NONE, Regime.BULL_TRENDING])
def test_sharpes_change_nothing_while_the_tilt_is_off(regime):
    assert weights(PARAMS, regime, {"bounce": 9.0, "rsi": -9.0}) == weights(PARAMS, regime)


def test_tilt_leans_towards_the_better_and_leaves_cash_alone():
    params = AllocationParams(default=DEFAULT, by_regime=BY_REGIME, is_tilted=True)
    # The mean is 0.5: + 0.05, - 0.05, and breakout, without a Sharpe, stays.
    found = weights(params, Regime.BEAR_TRENDING, {"bounce": 1.0, "rsi": 0.0})
    assert found == pytest.approx({"bounce": 0.35, "rsi": 0.25, "breakout": 0.1})
    assert weights(params, Regime.BEAR_TRENDING, {}) == BY_REGIME["bear_trending"]


@pytest.mark.parametrize(
    ("table", "sharpes", "expected"),
    [
        # 10 points are the most, for both: the mean is 0, the moves would be 30.
        ({"a": 0.5, "b": 0.5}, {"a": 3.0, "b": -3.0}, {"a": 0.6, "b": 0.4}),
        # b has but 4 points to give: all moves are scaled to that.
        ({"a": 0.5, "b": 0.04}, {"a": 1.0, "b": -1.0}, {"a": 0.54, "b": 0.0}),
        # a has but 2 points to take.
        ({"a": 0.98, "b": 0.02}, {"a": 1.0, "b": -1.0}, {"a": 1.0, "b": 0.0}),
        # Off stays off, and one alone has nobody to take from.
        ({"a": 0.5, "b": 0.0}, {"a": -2.0, "b": 2.0}, {"a": 0.5, "b": 0.0}),
        ({"a": 0.5, "b": 0.3}, {"a": 1.0, "b": math.nan}, {"a": 0.5, "b": 0.3}),
        ({"a": 0.5, "b": 0.3}, {"a": 1.0, "b": math.inf}, {"a": 0.5, "b": 0.3}),
        ({"a": 0.5, "b": 0.3}, {"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 0.3}),
    ],
)
def test_tilt_worked_by_hand(table, sharpes, expected):
    assert tilted(table, sharpes, 0.1) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.floats(0, 0.25), st.floats(-10, 10)), min_size=1, max_size=4),
    st.floats(0.001, 0.1),
)
def test_tilt_keeps_the_sum_and_every_bound(rows, max_tilt):
    table = {str(i): weight for i, (weight, _) in enumerate(rows)}
    found = tilted(table, {str(i): sharpe for i, (_, sharpe) in enumerate(rows)}, max_tilt)
    assert sum(found.values()) == pytest.approx(sum(table.values()), abs=1e-12)
    for strategy, weight in table.items():
        assert 0.0 <= found[strategy] <= 1.0
        assert abs(found[strategy] - weight) <= max_tilt + 1e-12
        assert weight > 0.0 or found[strategy] == 0.0


@pytest.mark.parametrize(
    ("regime", "expected"), [(Regime.CRISIS, 2.0), (Regime.NONE, 1.0), (Regime.LOW_VOL_RANGE, 1.0)]
)
def test_stop_is_twice_as_wide_in_a_crisis_only(regime, expected):
    assert stop_multiple(PARAMS, regime) == expected


# -- order


def test_batch_is_judged_exits_first_then_by_confidence_strategy_and_instrument():
    ranked = [
        proposal("rsi", "A", action=Action.EXIT, confidence=0.1),
        proposal("breakout", "C", confidence=0.9),
        proposal("bounce", "D", confidence=0.7),
        proposal("rsi", "B", confidence=0.7),
        proposal("rsi", "C", confidence=0.7),
        proposal("rsi", "D", confidence=math.nan),
    ]
    for shuffled in itertools.permutations(ranked):
        batch = arrange(shuffled)
        assert [*ids(batch.exits), *ids(batch.entries)] == ids(ranked)
        assert batch.refused == ()


def test_batch_of_nothing_and_of_one():
    assert arrange([]).entries == ()
    (one,) = arrange([proposal("rsi")]).entries
    assert one == proposal("rsi")


def test_equal_rank_is_broken_by_the_decision():
    pair = [proposal("rsi", decision_id=name) for name in ("b", "a")]
    assert ids(arrange(pair).entries) == ids(arrange(pair[::-1]).entries) == ["a", "b"]


# -- conflicts


def test_exit_beats_an_entry_of_its_own_strategy_on_that_instrument_only():
    entries = [
        proposal("rsi", "SPY", confidence=0.9),
        proposal("rsi", "QQQ", confidence=0.8),
        proposal("bounce", "SPY", confidence=0.7),
    ]
    batch = arrange([*entries, proposal("rsi", "SPY", action=Action.EXIT)])
    assert ids(batch.entries) == ids(entries[1:])
    ((beaten, check, detail),) = batch.refused
    assert (beaten, check) == (entries[0], "conflict")
    assert "exit" in detail


def test_entry_that_an_exit_beats_takes_no_part_in_a_conflict():
    short = proposal("bounce", side=Side.SHORT, confidence=0.5)
    batch = arrange([proposal("rsi", confidence=0.9), proposal("rsi", action=Action.EXIT), short])
    assert batch.entries == (short,)


@pytest.mark.parametrize(
    ("long", "short", "margin", "standing"),
    [
        (0.6, 0.5, 0.2, None),
        (0.6, 0.6, 0.2, None),
        (0.7, 0.5, 0.2, "long"),  # 0.7 - 0.5 lies below 0.2 in the last bit
        (0.9, 0.7, 0.2, "long"),  # and 0.9 - 0.7 above
        (0.5, 0.7, 0.2, "short"),
        (0.69, 0.5, 0.2, None),
        (0.6, 0.5, 0.0, "long"),
        (0.6, 0.6, 0.0, None),  # none is stronger: both stood, once
        (0.6, math.nan, 0.2, None),
        (math.nan, math.nan, 0.0, None),
    ],
)
def test_opposite_entries_cancel_out_unless_one_is_stronger(long, short, margin, standing):
    pair = {
        "long": proposal("rsi", confidence=long),
        "short": proposal("breakout", side=Side.SHORT, confidence=short),
    }
    batch = arrange(pair.values(), margin)
    assert batch.entries == (() if standing is None else (pair[standing],))
    assert len(batch.refused) == (2 if standing is None else 1)
    words = "cancels it out" if standing is None else "is stronger"
    assert all(words in detail for _, _, detail in batch.refused)


def test_strongest_of_each_side_speaks_for_it_and_the_same_side_stands_together():
    a, b = proposal("a", confidence=0.9), proposal("b", confidence=0.55)
    c, other = proposal("c", side=Side.SHORT, confidence=0.6), proposal("c", "QQQ", Side.SHORT, 0.5)
    batch = arrange([b, c, other, a], 0.2)
    assert batch.entries == (a, b, other)
    assert [one for one, _, _ in batch.refused] == [c]


def test_one_strategy_that_asks_for_both_sides_is_treated_alike():
    assert arrange([proposal("a"), proposal("a", side=Side.SHORT)]).entries == ()


# -- settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"default": {"a": 1.1}}, r"default.a must be in \[0, 1\], was 1.1; set allocation.default.a"),
        ({"default": {"a": math.nan}}, r"default.a must be in \[0, 1\], was nan"),
        ({"default": {"a": -0.1}}, r"default.a must be in"),
        ({"default": {"a": 0.6, "b": 0.41}}, r"weights of default must add up to at most 1, was 1.01"),
        ({"by_regime": {"bull_trendin": {}}}, 'did you mean "bull_trending"'),
        ({"by_regime": {"none": {}}}, '"none" is not known'),
        ({"by_regime": {"crisis": {"bounse": 0.1}}}, 'did you mean "bounce"'),
        ({"by_regime": {"crisis": {"zzz": 0.1}}}, "known: bounce, rsi, breakout"),
        ({"by_regime": {"crisis": {"bounce": 0.2}}}, r"must name every regime or none, bull_trending, .* missing"),
        ({"by_regime": BY_REGIME | {"crisis": {"bounce": 0.9, "rsi": 0.2}}}, "by_regime.crisis must add up"),
        ({"stop_multiple": {"storm": 2.0}}, '"storm" is not known'),
        ({"stop_multiple": {"crisis": 0.5}}, r"stop_multiple.crisis must be in \[1, 5\], was 0.5"),
        ({"max_positions": {"nobody": 1}}, '"nobody" is not known'),
        ({"max_positions": {"rsi": -1}}, r"max_positions.rsi must be in \[0, 1000\]"),
        ({"max_tilt": 0.11}, "max_tilt must be in"),
        ({"conflict_margin": 1.1}, "conflict_margin must be in"),
    ],
)
def test_settings_that_give_away_too_much_or_name_nobody_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        AllocationParams(**({"default": DEFAULT} | fields))


def test_weights_that_add_up_to_one_in_floats_are_taken():
    assert AllocationParams(default={"a": 0.1, "b": 0.2, "c": 0.7})
