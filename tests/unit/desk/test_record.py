"""The track record: which trades count, when estimates change, and the probe of the week."""

import math

import numpy as np
import pytest

from nautilus_qs.desk.record import TrackRecord
from nautilus_qs.domain import TradeResult
from nautilus_qs.sizing import SizingParams


def told(*r_multiples, strategy="rsi", record=None):
    record = record or TrackRecord(SizingParams())
    for r in r_multiples:
        record.on_trade(TradeResult(strategy, 1, r, 0.0))
    return record


def test_estimates_change_at_the_end_of_the_week_only():
    record = told(2.0, -1.0)
    assert record.estimates == {}
    fresh = record.on_week_end(np.random.default_rng(1))
    assert (fresh["rsi"].value, fresh["rsi"].n) == (0.25, 2)
    told(-1.0, record=record)
    assert record.estimates == fresh
    assert record.on_week_end(np.random.default_rng(1))["rsi"].n == 3


def test_week_without_trades_leaves_the_estimate_and_draws_nothing():
    record = told(2.0, -1.0)
    fresh = record.on_week_end(np.random.default_rng(1))
    rng = np.random.default_rng(2)
    assert record.on_week_end(rng) == {}
    assert record.estimates == fresh
    assert rng.random() == np.random.default_rng(2).random()


def test_last_thirty_trades_count():
    record = told(*[-1.0] * 40, *[1.0] * 30)
    assert record.on_week_end(np.random.default_rng(1))["rsi"].value == 1.0


@pytest.mark.parametrize("r", [math.nan, math.inf, -math.inf])
def test_trade_without_a_finite_multiple_does_not_count(r):
    assert told(r).on_week_end(np.random.default_rng(1)) == {}


def test_strategy_that_traded_first_does_not_decide_the_draws():
    first, second = TrackRecord(SizingParams()), TrackRecord(SizingParams())
    trades = {"a": (1.0, -1.0, 0.5), "b": (2.0, -0.5, -1.0)}
    for record, order in ((first, "ab"), (second, "ba")):
        for strategy in order:
            told(*trades[strategy], strategy=strategy, record=record)
    assert first.on_week_end(np.random.default_rng(1)) == second.on_week_end(np.random.default_rng(1))


def test_probe_is_one_a_week_and_may_be_given_back():
    record = TrackRecord(SizingParams())
    record.use_probe("rsi")
    assert (record.has_probed("rsi"), record.has_probed("bounce")) == (True, False)
    record.return_probe("rsi")
    record.return_probe("bounce")
    assert not record.has_probed("rsi")
    record.use_probe("rsi")
    record.on_week_end(np.random.default_rng(1))
    assert not record.has_probed("rsi")


def test_record_reset_equals_new():
    record = told(1.0, -1.0)
    record.on_week_end(np.random.default_rng(1))
    record.use_probe("rsi")
    told(1.0, record=record)
    record.reset()
    assert (record.estimates, record.has_probed("rsi")) == ({}, False)
    assert record.on_week_end(np.random.default_rng(1)) == {}
