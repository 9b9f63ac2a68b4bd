"""When a market is open: New York's sessions with their holidays and half days, or always."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

NEW_YORK = ZoneInfo("America/New_York")
_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = _HOUR_NS // 60


class Phase(StrEnum):
    """Part of a trading day."""

    CLOSED = "closed"
    BEFORE = "before"
    REGULAR = "regular"
    AFTER = "after"


class Session(msgspec.Struct, frozen=True):
    """A trading day: its date in New York, and its times in UTC nanoseconds.

    Parameters
    ----------
    day
        Date.
    early_ns, open_ns, close_ns, late_ns
        04:00, the open, the close (13:00 on a half day), and the end of trading after hours: 20:00, or 17:00.

    """

    day: date
    early_ns: int
    open_ns: int
    close_ns: int
    late_ns: int


class Calendar:
    """The sessions of the New York Stock Exchange.

    Parameters
    ----------
    first, last
        Dates between which it knows sessions.

    """

    def __init__(self, first: date, last: date) -> None:
        import exchange_calendars

        schedule = exchange_calendars.get_calendar("XNYS", start=str(first), end=str(last)).schedule
        self.sessions = [
            _session(day.date(), int(opens.value), int(closes.value))
            for day, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True)
        ]
        self._early = [session.early_ns for session in self.sessions]
        self._close = [session.close_ns for session in self.sessions]
        self._bounds = [
            bound
            for s in self.sessions
            for bound in (
                (s.early_ns, Phase.BEFORE),
                (s.open_ns, Phase.REGULAR),
                (s.close_ns, Phase.AFTER),
                (s.late_ns, Phase.CLOSED),
            )
        ]

    def at(self, now_ns: int) -> Session | None:
        """Return the session whose extended day, 04:00 to 20:00, holds a time."""
        i = bisect_right(self._early, now_ns) - 1
        return self.sessions[i] if i >= 0 and now_ns < self.sessions[i].late_ns else None

    def phase(self, now_ns: int) -> Phase:
        """Return the part of the day; a close is not part of its session any more."""
        session = self.at(now_ns)
        if session is None:
            return Phase.CLOSED
        if now_ns < session.open_ns:
            return Phase.BEFORE
        return Phase.REGULAR if now_ns < session.close_ns else Phase.AFTER

    def closing_after(self, now_ns: int) -> Session:
        """Return the first session whose close lies after a time."""
        return self.sessions[min(bisect_right(self._close, now_ns), len(self.sessions) - 1)]

    def boundary_after(self, now_ns: int) -> tuple[int, Phase]:
        """Return the next change of phase after a time, and the phase that begins."""
        i = bisect_right(self._bounds, now_ns, key=lambda bound: bound[0])
        return self._bounds[i] if i < len(self._bounds) else (2**62, Phase.CLOSED)

    def between(self, first: date, last: date) -> list[Session]:
        """Return the sessions of the dates, both inclusive."""
        days = [session.day for session in self.sessions]
        return self.sessions[bisect_left(days, first) : bisect_right(days, last)]


def _session(day: date, open_ns: int, close_ns: int) -> Session:
    early_ns = open_ns - 5 * _HOUR_NS - 30 * _MINUTE_NS
    return Session(day, early_ns, open_ns, close_ns, close_ns + 4 * _HOUR_NS)


@lru_cache(maxsize=8)
def _calendar_of(year: int) -> Calendar:
    # The library's own bounds are twenty years back and one year on; a tape of last spring needs neither.
    today = datetime.now(tz=UTC).date()
    last = min(date(year + 1, 12, 31), today + timedelta(days=360))
    return Calendar(date(year - 1, 1, 2), max(last, date(year, 1, 31)))


def calendar_at(now_ns: int) -> Calendar:
    """Return a calendar that knows the year of a time, the one before and the one after."""
    return _calendar_of(datetime.fromtimestamp(now_ns // 1_000_000_000, tz=UTC).year)


def new_york(ts_ns: int) -> datetime:
    """Return a time as New York's clocks show it, cut to microseconds."""
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, tz=NEW_YORK) + timedelta(
        microseconds=ts_ns % 1_000_000_000 // 1_000
    )
