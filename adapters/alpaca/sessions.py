"""When a bar is known: at its close; a day of equities closes with its session, which may be a short one."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from nautilus_trader.model.enums import BarAggregation

from adapters.alpaca.fields import ParseError

NEW_YORK: Final = ZoneInfo("America/New_York")
REGULAR_CLOSE: Final = time(16)
_SECOND_NS: Final = 1_000_000_000
_FRAMES: Final[Mapping[Any, str]] = {
    BarAggregation.MINUTE: "Min",
    BarAggregation.HOUR: "Hour",
    BarAggregation.DAY: "Day",
}


def timeframe_of(spec: Any) -> str:
    """Return the venue's name of a bar's interval, "" for one that it does not have."""
    frame = _FRAMES.get(spec.aggregation, "")
    limit = {"Min": 59, "Hour": 23, "Day": 1}.get(frame, 0)
    return f"{spec.step}{frame}" if 1 <= spec.step <= limit else ""


def close_ns(open_ns: int, spec: Any, closes: Mapping[date, time], *, is_crypto: bool) -> int:
    """Return when a bar that begins at `open_ns` ends; `closes` are the sessions' closing times in New York.

    Examples
    --------
    >>> from nautilus_trader.model.data import BarType
    >>> spec = BarType.from_str("AAPL.ALPACA-1-DAY-LAST-EXTERNAL").spec
    >>> opened = int(datetime(2026, 3, 2, 5, tzinfo=UTC).timestamp()) * 1_000_000_000
    >>> datetime.fromtimestamp(close_ns(opened, spec, {}, is_crypto=False) / 1e9, UTC).isoformat()
    '2026-03-02T21:00:00+00:00'

    """
    if spec.aggregation == BarAggregation.DAY and not is_crypto:
        day = datetime.fromtimestamp(open_ns // _SECOND_NS, UTC).astimezone(NEW_YORK).date()
        close = datetime.combine(day, closes.get(day, REGULAR_CLOSE), NEW_YORK)
        return int(close.timestamp()) * _SECOND_NS
    return int(open_ns + int(spec.timedelta / timedelta(microseconds=1)) * 1_000)


def parse_sessions(rows: list[Any]) -> dict[date, time]:
    """Return the closing times of the venue's calendar.

    Raises
    ------
    ParseError
        If a row is none.
    """
    closes = {}
    for row in rows:
        try:
            closes[date.fromisoformat(row["date"])] = time.fromisoformat(row["close"])
        except (KeyError, TypeError, ValueError):
            raise ParseError("calendar_row_invalid") from None
    return closes


def is_regular_session(now_ns: int) -> bool:
    """Whether it is between half past nine and four of a weekday in New York; holidays are not known here."""
    moment = datetime.fromtimestamp(now_ns / _SECOND_NS, UTC).astimezone(NEW_YORK)
    return moment.weekday() < 5 and time(9, 30) <= moment.time() < REGULAR_CLOSE
