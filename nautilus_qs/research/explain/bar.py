"""Which bar a person means: from a date or a time, and from an instrument's name or its beginning."""

import difflib
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from nautilus_qs.errors import ConfigError, NotFoundError
from nautilus_qs.storage.runs import Run

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_NS = 1_000_000_000
_NEAREST = 3


def find_instrument(run: Run, name: str) -> str:
    """Return the instrument id that `name` means: an id, or its symbol when only one venue has it.

    Raises
    ------
    NotFoundError
        If the run knows no such instrument, or more than one.
    """
    known = run.instruments()
    if name in known:
        return name
    matches = [iid for iid in known if iid.partition(".")[0].upper() == name.upper()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise NotFoundError(
            f"instrument {name!r} must name one instrument, it may be {' or '.join(matches)}; add the venue"
        )
    near = difflib.get_close_matches(name.upper(), known, 1, 0.4)
    hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known[:8])}" if known else ""
    raise NotFoundError(f"instrument {name!r} must be one of the run's {len(known)} instruments{hint}")


def find_bar(run: Run, instrument_id: str, at: str) -> int:
    """Return the time of the bar that `at` means.

    Parameters
    ----------
    at
        A date: the last bar that closed on that day of the account. Or an ISO time, without an offset in UTC: the
        bar that closed exactly then.

    Returns
    -------
    int
        The bar's close, UTC nanoseconds.

    Raises
    ------
    ConfigError
        If `at` is neither a date nor a time.
    NotFoundError
        If no bar of the instrument was recorded then; the message names the nearest.
    """
    times = run.bar_times(instrument_id)
    if not times:
        raise NotFoundError(f"the run must have recorded bars of {instrument_id}, it has none")
    zone = ZoneInfo(run.day_zone)
    if _DATE.fullmatch(at):
        start = _parsed(at).replace(tzinfo=zone)
        # The day's own end belongs to it (a bar that closes at midnight), and a day may have 23 or 25 hours.
        first, last = _nanoseconds(start), _nanoseconds(start + timedelta(days=1))
        found = [ts for ts in times if first < ts <= last]
        wanted = last
    else:
        moment = _parsed(at)
        wanted = _nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        found = [ts for ts in times if ts == wanted]
    if found:
        return found[-1]
    nearest = sorted(sorted(times, key=lambda ts: abs(ts - wanted))[:_NEAREST])
    raise NotFoundError(
        f"there must be a recorded bar of {instrument_id} at {at}, found none; the nearest closed at "
        f"{', '.join(iso_time(ts) for ts in nearest)}"
    )


def iso_time(ts: int) -> str:
    """Return nanoseconds as ISO text in UTC, to the second.

    Examples
    --------
    >>> iso_time(1_388_606_400_000_000_000)
    '2014-01-01T20:00:00Z'
    """
    return f"{np.datetime64(int(ts), 'ns').astype('datetime64[s]')}Z"


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"at must be a date (2016-06-24) or an ISO time (2016-06-24T20:00:00Z), was {text!r}; set --at"
        ) from error


def _nanoseconds(moment: datetime) -> int:
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
    return round(seconds) * 1000 if moment.microsecond else round(moment.timestamp()) * _NS
