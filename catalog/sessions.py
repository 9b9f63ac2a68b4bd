"""When a market is open: true opens and closes of its sessions, half days and daylight saving included."""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalog.errors import CatalogError

type Ns = NDArray[np.int64]

ALWAYS_OPEN = "24/7"
NEW_YORK = "XNYS"
NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND
FIRST_SESSION = "1990-01-01"


class Sessions:
    """The sessions of one market.

    Parameters
    ----------
    calendar
        A name that exchange_calendars knows ("XNYS"), or "24/7": UTC days from midnight to midnight.

    Raises
    ------
    CatalogError
        If the calendar is unknown.
    """

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        self.is_continuous = calendar == ALWAYS_OPEN
        if not self.is_continuous:
            dates, self._opens, self._closes = _schedule(calendar)
            self._dates = dates
            self._index = pd.DatetimeIndex(dates.view("datetime64[ns]"))

    def dates_between(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
        """Return the session dates from first to last, both included, as naive midnights."""
        if self.is_continuous:
            return pd.date_range(first.normalize(), last.normalize(), freq="D", unit="ns")
        return self._index[self._index.slice_indexer(first.normalize(), last.normalize())]

    def has_dates(self, dates: pd.DatetimeIndex) -> NDArray[np.bool_]:
        """Return for each naive date whether it is a session; a time of day makes it none."""
        if self.is_continuous:
            return np.asarray(dates == dates.normalize(), dtype=np.bool_)
        return np.asarray(dates.as_unit("ns").isin(self._index), dtype=np.bool_)

    def bounds(self, dates: pd.DatetimeIndex) -> tuple[Ns, Ns]:
        """Return the opens and closes, UTC nanoseconds, of session dates.

        Raises
        ------
        CatalogError
            If a date is not a session.

        Examples
        --------
        >>> opens, closes = Sessions("XNYS").bounds(pd.DatetimeIndex(["2024-11-29"]))  # the day after Thanksgiving
        >>> str(pd.Timestamp(opens[0], tz="UTC")), str(pd.Timestamp(closes[0], tz="UTC"))
        ('2024-11-29 14:30:00+00:00', '2024-11-29 18:00:00+00:00')
        """
        days = dates.as_unit("ns").asi8
        if self.is_continuous:
            return days.copy(), days + NS_PER_DAY
        found = np.searchsorted(self._dates, days)
        inside = found < len(self._dates)
        if not inside.all() or not (self._dates[np.where(inside, found, 0)] == days).all():
            wrong = dates[~self.has_dates(dates)]
            raise CatalogError(
                f"every date must be a session of {self.calendar}, found {wrong[0].date()} and {len(wrong) - 1} more; "
                "drop these rows"
            )
        return self._opens[found], self._closes[found]

    def position_at(self, ts_ns: Ns, *, side: Literal["left", "right"] = "right") -> tuple[Ns, Ns]:
        """Return the open and close of the last session that opened before each time.

        Parameters
        ----------
        ts_ns
            UTC nanoseconds.
        side
            "right": a session that opens exactly then counts (for bar starts); "left": it does not (for bar closes).
        """
        if self.is_continuous:
            shifted = ts_ns - (1 if side == "left" else 0)
            opens = shifted - shifted % NS_PER_DAY
            return opens, opens + NS_PER_DAY
        place = np.clip(np.searchsorted(self._opens, ts_ns, side=side) - 1, 0, None)
        return self._opens[place], self._closes[place]


@lru_cache(maxsize=16)
def sessions_of(calendar: str) -> Sessions:
    """Return the sessions of a calendar; the same object every time, since a calendar takes a second to build."""
    return Sessions(calendar)


@lru_cache(maxsize=16)
def _schedule(calendar: str) -> tuple[Ns, Ns, Ns]:
    import exchange_calendars

    try:
        market: Any = exchange_calendars.get_calendar(calendar, start=FIRST_SESSION)
    except (exchange_calendars.errors.InvalidCalendarName, ValueError) as error:
        raise CatalogError(
            f"a calendar must be '24/7' or a name that exchange_calendars knows, was {calendar!r}; XNYS is New York"
        ) from error

    def ns(times: Any) -> Ns:
        return np.asarray(pd.DatetimeIndex(times).as_unit("ns").asi8, dtype=np.int64)

    return ns(market.sessions), ns(market.opens), ns(market.closes)
