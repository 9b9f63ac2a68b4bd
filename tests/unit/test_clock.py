"""The account's day: midnight to midnight in its own zone, daylight saving included."""

from datetime import UTC, date, datetime

import pytest

from nautilus_qs.clock import AccountDay, ManualClock


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2024-03-10T04:59:59", date(2024, 3, 9)),  # 23:59:59 EST
        ("2024-03-10T05:00:00", date(2024, 3, 10)),
        ("2024-03-11T03:59:59", date(2024, 3, 10)),  # EDT began: the day had 23 hours
        ("2024-03-11T04:00:00", date(2024, 3, 11)),
        ("2024-11-04T04:59:59", date(2024, 11, 3)),  # EST is back: 25 hours
        ("2024-11-04T05:00:00", date(2024, 11, 4)),
    ],
)
def test_account_day_at_daylight_saving_turns_at_local_midnight(at: str, day: date) -> None:
    assert AccountDay("America/New_York").of(ns(at)) == day


def test_account_day_asked_backwards_answers_the_earlier_day() -> None:
    day = AccountDay("UTC")
    assert day.of(ns("2024-01-02T00:00:00")) == date(2024, 1, 2)
    assert day.of(ns("2024-01-01T23:59:59")) == date(2024, 1, 1)


def test_manual_clock_moved_backwards_is_refused() -> None:
    clock = ManualClock(5)
    clock.advance(2)
    assert clock.now_ns() == 7
    with pytest.raises(ValueError, match="ns must be >= 0"):
        clock.advance(-1)
