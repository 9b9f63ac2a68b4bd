"""Time as a part that can be exchanged: UTC nanoseconds, and the day an account lives in."""

import time
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

NS_PER_SEC = 1_000_000_000


class Clock(Protocol):
    """What nodes, control and alerts ask for the time."""

    def now_ns(self) -> int:
        """Return the current time in UTC nanoseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return the machine's time in UTC nanoseconds."""
        return time.time_ns()


class ManualClock:
    """A clock that stands still until it is moved; for tests and simulated venues."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time last set."""
        return self._now_ns

    def advance(self, ns: int) -> None:
        """Move the clock forward by `ns` nanoseconds.

        Raises
        ------
        ValueError
            If `ns` is negative: time does not run backwards.
        """
        if ns < 0:
            raise ValueError(f"ns must be >= 0, was {ns}")
        self._now_ns += ns


class AccountDay:
    """Which day of the account a time falls into, cheap enough to ask on every bar.

    Parameters
    ----------
    zone
        IANA name of the account's time zone; a day runs from midnight to midnight there.

    Examples
    --------
    >>> day = AccountDay("America/New_York")
    >>> day.of(1_420_146_000_000_000_000)  # 2015-01-01 21:00 UTC
    datetime.date(2015, 1, 1)
    """

    def __init__(self, zone: str = "America/New_York") -> None:
        self._zone = ZoneInfo(zone)
        self._start_ns = 1
        self._end_ns = 0
        self._day = date.min

    @property
    def end_ns(self) -> int:
        """Return the midnight that ends the day asked for last: until then the answer stays the same."""
        return self._end_ns

    def of(self, ts_ns: int) -> date:
        """Return the account's day at `ts_ns`."""
        if not self._start_ns <= ts_ns < self._end_ns:
            self._day = datetime.fromtimestamp(ts_ns // NS_PER_SEC, tz=self._zone).date()
            self._start_ns = self._midnight_ns(self._day)
            self._end_ns = self._midnight_ns(self._day + timedelta(days=1))
        return self._day

    def _midnight_ns(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) * NS_PER_SEC
