"""Budget and backoff: part of the budget is kept for cancels, and no failure leads to a storm."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.transport.backoff import Backoff
from adapters.transport.budget import RateBudget


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 0.5)), max_size=200))
def test_budget_never_gives_more_than_its_rate_and_keeps_its_reserve(asked: list[tuple[bool, float]]) -> None:
    now = [0.0]
    budget = RateBudget(per_second=2.0, burst=10, reserved_frac=0.5, clock=lambda: now[0])
    given_, usual = 0, 0
    for is_urgent, pause in asked:
        now[0] += pause
        if budget.take(urgent=is_urgent) == 0.0:
            given_ += 1
            usual += not is_urgent
    assert given_ <= 10 + 2.0 * now[0]
    assert usual <= 5 + 2.0 * now[0]


def test_budget_says_how_long_to_wait_and_then_gives() -> None:
    now = [0.0]
    budget = RateBudget(per_second=2.0, burst=2, reserved_frac=0.0, clock=lambda: now[0])
    budget.drain()
    wait = budget.take()
    assert wait == pytest.approx(0.5)
    now[0] += wait + 1e-9
    assert budget.take() == 0.0


@pytest.mark.parametrize("settings", [{"per_second": 0.0, "burst": 1}, {"per_second": 1.0, "burst": 0}])
def test_budget_that_would_give_nothing_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="per_second > 0"):
        RateBudget(**settings)  # type: ignore[arg-type]


@given(st.integers(0, 2**32), st.lists(st.floats(0.0, 25.0), min_size=20, max_size=60))
def test_backoff_averages_at_most_one_attempt_a_second_and_never_passes_its_cap(seed: int, lasted: list[float]) -> None:
    backoff = Backoff(rng=Random(seed))
    delays = [backoff.failed(secs) for secs in lasted]
    assert min(delays) >= 1.0
    assert max(delays) <= 30.0


def test_backoff_starts_anew_after_a_connection_that_lasted() -> None:
    backoff = Backoff(base_secs=2.0, cap_secs=1000.0, rng=Random(3))
    for _ in range(12):
        backoff.failed()
    assert backoff.failed(lasted_secs=31.0) <= 2.0
