"""Marks of equity to daily and monthly returns: the last mark of each account day is the day's equity."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nautilus_qs.errors import ConfigError, DataError

_NS_PER_SEC = 1_000_000_000
_NS_PER_DAY = 86_400 * _NS_PER_SEC
# Every offset from UTC in use changes on a quarter of an hour.
_QUARTER_SECS = 900
# A bar that closes at midnight is marked just after it and belongs to the day that ended.
_CLOSE_GRACE_NS = _NS_PER_SEC


class MonthlyRow(Struct, frozen=True):
    """The returns of one calendar year: twelve months, NaN without a mark, and the year as a whole."""

    year: int
    months: tuple[float, ...]
    total: float


def account_days(ts: NDArray[np.int64], timezone: str = "America/New_York") -> NDArray[np.int64]:
    """Return the account day of each mark as days since 1970-01-01 in the account's time zone.

    A mark up to one second past midnight belongs to the day that ended: it values what closed at midnight.

    Parameters
    ----------
    ts : ndarray of int64, shape (n_marks,)
        UTC nanoseconds, increasing.
    timezone : str
        IANA name.

    Raises
    ------
    ConfigError
        The time zone is not known.

    Examples
    --------
    Eleven in the evening of 1970-01-01 in New York is already the next day in UTC:

    >>> account_days(np.array([100_800 * 10**9])), account_days(np.array([100_800 * 10**9]), "UTC")
    (array([0]), array([1]))

    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"timezone must be an IANA name such as America/New_York, was {timezone!r}; set account.timezone"
        ) from error
    quarters, which = np.unique((ts - _CLOSE_GRACE_NS) // (_QUARTER_SECS * _NS_PER_SEC), return_inverse=True)
    offsets = np.array([_offset_ns(zone, quarter) for quarter in quarters.tolist()], dtype=np.int64)
    days: NDArray[np.int64] = (ts - _CLOSE_GRACE_NS + offsets[which]) // _NS_PER_DAY if len(ts) else ts
    return days


def daily_marks(
    ts: NDArray[np.int64], equity: NDArray[np.float64], timezone: str = "America/New_York"
) -> NDArray[np.intp]:
    """Return which marks make the daily series: the very first, as the base, and the last of each account day.

    Parameters
    ----------
    ts : ndarray of int64, shape (n_marks,)
        UTC nanoseconds, increasing.
    equity : ndarray of float64, shape (n_marks,)
        Account value, finite.
    timezone : str
        Where the account's day ends.

    Returns
    -------
    ndarray of intp, shape (n_daily,)
        Indices into the marks, increasing. A first day with one mark has that mark for base and for close.

    Raises
    ------
    DataError
        Lengths differ, times do not increase, or an equity is not finite.

    """
    if len(ts) != len(equity):
        raise DataError(f"equity must have one value a mark, {len(ts)}, was {len(equity)}; align them")
    if not np.isfinite(equity).all():
        raise DataError(f"equity must be finite, was {equity[~np.isfinite(equity)][0]}; mark the account again")
    if (np.diff(ts) <= 0).any():
        first = int(np.flatnonzero(np.diff(ts) <= 0)[0])
        raise DataError(f"marks must be in time order, each once: {ts[first + 1]} follows {ts[first]}; sort them")
    if len(ts) == 0:
        return np.empty(0, dtype=np.intp)
    days = account_days(ts, timezone)
    return np.union1d([0], np.flatnonzero(np.append(np.diff(days) > 0, True))).astype(np.intp)


def daily_returns(
    ts: NDArray[np.int64], equity: NDArray[np.float64], *, timezone: str = "America/New_York"
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the arithmetic return of each account day.

    Parameters
    ----------
    ts : ndarray of int64, shape (n_marks,)
        UTC nanoseconds, increasing; any number of marks a day.
    equity : ndarray of float64, shape (n_marks,)
        Account value, finite, without deposits and withdrawals.
    timezone : str
        Where the account's day ends.

    Returns
    -------
    tuple of (ndarray of int64, ndarray of float64), shape (n_daily - 1,) each
        Time of the day's last mark, and its return on the mark before. NaN where either equity is not positive: an
        account that lost everything has no further return.

    Examples
    --------
    >>> day = 86_400 * 10**9
    >>> daily_returns(np.arange(1, 4) * day, np.array([100.0, 110.0, 99.0]))[1]
    array([ 0.1, -0.1])

    """
    marks = daily_marks(ts, equity, timezone)
    return ts[marks][1:], arithmetic_returns(equity[marks])


def arithmetic_returns(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the change of each level on the one before; NaN where either is not positive (or not known)."""
    before, after = levels[:-1], levels[1:]
    returns = np.full(len(after), np.nan)
    known = (before > 0.0) & (after > 0.0)
    returns[known] = after[known] / before[known] - 1.0
    return returns


def monthly_returns(
    ts: NDArray[np.int64], equity: NDArray[np.float64], *, timezone: str = "America/New_York"
) -> tuple[MonthlyRow, ...]:
    """Return the table of years by months.

    A month's return runs from the last mark before it (for the first month: the first mark) to its last mark, so that
    the months of a year compound to its total and the years to the whole.

    Returns
    -------
    tuple of MonthlyRow
        One a calendar year from the first mark to the last; empty without marks.

    Examples
    --------
    >>> ends = np.array(["2020-01-31", "2020-02-28", "2020-03-31"], dtype="datetime64[ns]").astype(np.int64)
    >>> row = monthly_returns(ends, np.array([100.0, 110.0, 99.0]), timezone="UTC")[0]
    >>> [round(month, 6) for month in row.months[:3]], round(row.total, 6)
    ([0.0, 0.1, -0.1], -0.01)

    """
    marks = daily_marks(ts, equity, timezone)
    if len(marks) == 0:
        return ()
    days = account_days(ts[marks], timezone).astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64)
    ends = np.flatnonzero(np.append(np.diff(months) > 0, True))
    month_of_end, levels = months[ends], equity[marks][ends]
    of_month = arithmetic_returns(np.concatenate((equity[marks][:1], levels)))
    years = 1970 + month_of_end // 12
    year_ends = np.flatnonzero(np.append(np.diff(years) > 0, True))
    of_year = dict(
        zip(
            years[year_ends].tolist(),
            arithmetic_returns(np.concatenate((equity[marks][:1], levels[year_ends]))).tolist(),
            strict=True,
        )
    )
    table = np.full((int(years[-1] - years[0]) + 1, 12), np.nan)
    table[years - years[0], month_of_end % 12] = of_month
    return tuple(
        MonthlyRow(year=year, months=tuple(row), total=of_year.get(year, float("nan")))
        for year, row in enumerate(table.tolist(), start=int(years[0]))
    )


def _offset_ns(zone: ZoneInfo, quarter: int) -> int:
    secs = quarter * _QUARTER_SECS
    local = datetime.fromtimestamp(secs, zone)
    return (round(local.replace(tzinfo=UTC).timestamp()) - secs) * _NS_PER_SEC
