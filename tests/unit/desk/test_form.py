"""Rolling Sharpe by hand, and against numpy."""

import numpy as np
import pytest

from nautilus_qs.desk.form import RollingSharpe


def fed(days: int, made: list[float], strategy: str = "rsi") -> RollingSharpe:
    form = RollingSharpe(days)
    for one in made:
        form.on_day()
        form.on_trade(strategy, one)
    return form


def test_sharpes_before_the_window_is_full_are_none() -> None:
    assert fed(5, [0.01, 0.02, -0.01, 0.0]).sharpes() == {}


def test_sharpes_are_those_of_the_last_days_only() -> None:
    made = list(np.random.default_rng(3).normal(0.001, 0.01, 90))
    last = np.array(made[-60:])
    assert fed(60, made).sharpes()["rsi"] == pytest.approx(last.mean() / last.std(ddof=1) * np.sqrt(252))


def test_days_without_a_close_count_as_nothing_and_trades_of_a_day_add_up() -> None:
    form = RollingSharpe(4)
    for made in ([0.01, 0.01], [], [-0.01], []):
        form.on_day()
        for one in made:
            form.on_trade("rsi", one)
    returns = np.array([0.02, 0.0, -0.01, 0.0])
    assert form.sharpes()["rsi"] == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(252))


def test_strategy_that_never_varied_has_none_and_reset_equals_new() -> None:
    form = fed(3, [0.0, 0.0, 0.0])
    assert form.sharpes() == {}
    form = fed(3, [0.01, 0.0, 0.0])
    form.reset()
    assert form.sharpes() == {}
