"""True opens and closes of sessions, and what stands where on intraday grids."""

import numpy as np
import pandas as pd
import pytest

from catalog.errors import CatalogError
from catalog.sessions import sessions_of


def utc(ns: int) -> str:
    return pd.Timestamp(int(ns), tz="UTC").strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("date", "opens", "closes"),
    [
        ("2024-03-08", "2024-03-08 14:30", "2024-03-08 21:00"),  # the Friday before clocks change
        ("2024-03-11", "2024-03-11 13:30", "2024-03-11 20:00"),
        ("2024-11-29", "2024-11-29 14:30", "2024-11-29 18:00"),  # half day
        ("2019-07-03", "2019-07-03 13:30", "2019-07-03 17:00"),
    ],
)
def test_new_york_session_opens_and_closes_at_its_own_time(date: str, opens: str, closes: str) -> None:
    start, end = sessions_of("XNYS").bounds(pd.DatetimeIndex([date]))
    assert (utc(start[0]), utc(end[0])) == (opens, closes)


def test_continuous_day_ends_at_the_next_midnight() -> None:
    start, end = sessions_of("24/7").bounds(pd.DatetimeIndex(["2024-02-29"]))
    assert (utc(start[0]), utc(end[0])) == ("2024-02-29 00:00", "2024-03-01 00:00")


@pytest.mark.parametrize("date", ["2024-07-04", "2024-07-06", "2024-07-05 09:30"])
def test_holiday_weekend_and_time_of_day_are_no_session(date: str) -> None:
    sessions = sessions_of("XNYS")
    assert not sessions.has_dates(pd.DatetimeIndex([date]))[0]
    with pytest.raises(CatalogError, match="every date must be a session of XNYS"):
        sessions.bounds(pd.DatetimeIndex([date]))


def test_unknown_calendar_is_refused_by_name() -> None:
    with pytest.raises(CatalogError, match="was 'XNYZ'"):
        sessions_of("XNYZ")


def test_time_at_the_close_belongs_to_the_session_that_it_ends() -> None:
    sessions = sessions_of("XNYS")
    _, closes = sessions.bounds(pd.DatetimeIndex(["2024-11-29"]))
    _, end = sessions.position_at(np.array(closes), side="left")
    assert end[0] == closes[0]
    _, midnight = sessions_of("24/7").position_at(np.array([1709251200000000000]), side="left")
    assert midnight[0] == 1709251200000000000
