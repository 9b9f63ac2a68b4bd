"""What is wrong with a source's bars: each fault by name, where it stands, and what accepting it does.

==============  =======  ==========================================================================
kind            without  accepted
==============  =======  ==========================================================================
unordered       refused  rows are sorted by time
duplicate       refused  the first row of a time is kept
nan             refused  rows are dropped
not_a_session   refused  rows are dropped (a date without a session, a time outside market hours)
misaligned      refused  rows are dropped (a time that is no multiple of the bar's length)
impossible      refused  rows are dropped (high below open or close, low above, a price <= 0, volume < 0)
gap             refused  the series is kept with its gap; the gap is a warning
changed         refused  stored rows are replaced by the source's (judged by ingest)
jump            warns    kept
zero_volume     warns    kept
stale_open      warns    kept; see :mod:`catalog.stale`
==============  =======  ==========================================================================
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalog.errors import CatalogError
from catalog.sessions import Sessions, sessions_of
from catalog.sources.series import COLUMNS, BarSeries, BarSize, PriceKind, Stamp

JUMP_LOG_RETURN = 0.40
_SPLIT_RATIOS = (2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 10.0, 15.0, 20.0, 50.0, 1.5)


class Fault(StrEnum):
    """The kinds of fault; the word that ``--accept`` takes."""

    UNORDERED = "unordered"
    DUPLICATE = "duplicate"
    NAN = "nan"
    NOT_A_SESSION = "not_a_session"
    MISALIGNED = "misaligned"
    IMPOSSIBLE = "impossible"
    GAP = "gap"
    CHANGED = "changed"
    JUMP = "jump"
    ZERO_VOLUME = "zero_volume"
    STALE_OPEN = "stale_open"


REFUSED = frozenset(
    {
        Fault.UNORDERED,
        Fault.DUPLICATE,
        Fault.NAN,
        Fault.NOT_A_SESSION,
        Fault.MISALIGNED,
        Fault.IMPOSSIBLE,
        Fault.GAP,
        Fault.CHANGED,
    }
)

_MUST = {
    Fault.UNORDERED: ("rows must be in order of time", "sort the file"),
    Fault.DUPLICATE: ("each time must stand once", "remove the copies"),
    Fault.NAN: ("every price and volume must be a number", "fill or remove the rows"),
    Fault.NOT_A_SESSION: (
        "each row must lie in a session of the market",
        "check the time zone and whether stamps are bar starts or bar closes, or drop the dates in the mapping",
    ),
    Fault.MISALIGNED: ("each time must be a multiple of the bar's length", "check the time zone and the bar size"),
    Fault.IMPOSSIBLE: ("low <= open, close <= high, prices > 0 and volume >= 0 must hold", "correct the rows"),
    Fault.GAP: ("no bar may be missing between the first and the last", "complete the data"),
    Fault.CHANGED: ("stored history must stay as it is", "find out why the source changed"),
    Fault.JUMP: (f"a return beyond {JUMP_LOG_RETURN:.0%} (log) must be explained by a split", "compare another source"),
    Fault.ZERO_VOLUME: ("a bar should have volume", "do not trade this span: its fills are imaginary"),
    Fault.STALE_OPEN: ("an open should differ from the previous close", "a stale span fills at the next close"),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of one series.

    Attributes
    ----------
    fault
        Its kind.
    instrument_id, origin
        What it concerns, and the file or data set.
    rows
        How many rows (bars missing, for a gap).
    where
        The first few, in words.
    is_refused
        Whether it stops the ingest: a kind that is refused and was not accepted.
    """

    fault: Fault
    instrument_id: str
    origin: str
    rows: int
    where: str
    is_refused: bool

    @property
    def brief(self) -> str:
        """The fault in a few words, for a list of warnings."""
        return f"{self.fault.value}: {self.rows} rows ({self.where})"

    def __str__(self) -> str:
        must, advice = _MUST[self.fault]
        accept = f", or accept it with --accept {self.fault.value}" if self.fault in REFUSED else ""
        return (
            f"{self.fault.value}: {self.instrument_id} from {self.origin}: {must}, found {self.rows} that do not "
            f"({self.where}); {advice}{accept}"
        )


class Checked(msgspec.Struct, frozen=True):
    """A series after the check: its clean rows with their times, and what was found.

    Attributes
    ----------
    frame
        The rows to keep, float64, in order; the source's index.
    start_ns, close_ns
        Start (session open, for daily bars) and close of each bar, UTC nanoseconds.
    findings
        Everything found, refused or not.
    """

    frame: pd.DataFrame
    start_ns: NDArray[np.int64]
    close_ns: NDArray[np.int64]
    findings: tuple[Finding, ...]


class _Check:
    def __init__(self, series: BarSeries, accept: Collection[Fault]) -> None:
        self.series = series
        self.accept = accept
        self.findings: list[Finding] = []

    def note(self, fault: Fault, times: pd.DatetimeIndex, *, remark: str = "") -> bool:
        """Note a fault at these times; return whether there is any."""
        if not len(times):
            return False
        show = "%Y-%m-%d" if self.series.size is BarSize.DAY else "%Y-%m-%d %H:%M"
        where = ", ".join(str(time.strftime(show)) for time in times[:3]) + (", ..." if len(times) > 3 else "")
        self.findings.append(
            Finding(
                fault=fault,
                instrument_id=self.series.spec.instrument_id,
                origin=self.series.origin,
                rows=len(times),
                where=f"{where}{'; ' if remark else ''}{remark}",
                is_refused=fault in REFUSED and fault not in self.accept,
            )
        )
        return True


def check(series: BarSeries, accept: Collection[Fault] = ()) -> Checked:
    """Check a series against its market's calendar and against itself.

    A refused fault does not raise here: the caller gathers the findings of all series first (:func:`refuse`).
    Rows that a fault concerns are treated as if it were accepted, so that one fault does not hide another.
    """
    record = _Check(series, accept)
    frame = series.frame.loc[:, list(COLUMNS)].astype("float64")
    frame = _ordered(record, frame)
    frame = _without(record, Fault.NAN, frame, ~np.isfinite(frame.to_numpy()).all(axis=1))
    sessions = sessions_of(series.calendar)
    frame = _in_sessions(record, frame, sessions)
    frame = _without(record, Fault.IMPOSSIBLE, frame, _impossible(frame))
    start_ns, close_ns = stamps(series, _index(frame), sessions)
    _gaps(record, _index(frame), start_ns, sessions)
    _jumps(record, frame)
    record.note(Fault.ZERO_VOLUME, _index(frame)[frame["volume"].to_numpy() == 0.0])
    return Checked(frame, start_ns, close_ns, tuple(record.findings))


def refuse(findings: Collection[Finding]) -> None:
    """Raise one CatalogError that names every refused finding; do nothing when there is none."""
    refused = [finding for finding in findings if finding.is_refused]
    if not refused:
        return
    lines = [str(finding) for finding in refused[:10]]
    if len(refused) > 10:
        lines.append(f"... and {len(refused) - 10} more")
    raise CatalogError("the data was refused, nothing was written:\n" + "\n".join(lines))


def stamps(
    series: BarSeries, index: pd.DatetimeIndex, sessions: Sessions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and close of each bar, UTC nanoseconds; a bar that the session's end cuts short closes there."""
    if series.stamp is Stamp.SESSION:
        return sessions.bounds(index)
    ts = index.as_unit("ns").asi8
    if series.stamp is Stamp.BAR_START:
        _, closes = sessions.position_at(ts, side="right")
        return ts, np.minimum(ts + series.size.step_ns, closes)
    return starts_of(ts, series.size, sessions), ts


def starts_of(close_ns: NDArray[np.int64], size: BarSize, sessions: Sessions) -> NDArray[np.int64]:
    """Return the start of each bar from its close: a daily bar starts at the open, others on the grid from there."""
    opens, _ = sessions.position_at(close_ns, side="left")
    if size is BarSize.DAY:
        return opens
    return np.asarray(opens + (close_ns - 1 - opens) // size.step_ns * size.step_ns)


def _index(frame: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(frame.index)


def _ordered(record: _Check, frame: pd.DataFrame) -> pd.DataFrame:
    ts = _index(frame).as_unit("ns").asi8
    backwards = np.flatnonzero(np.diff(ts) < 0) + 1
    if record.note(Fault.UNORDERED, _index(frame)[backwards]):
        frame = frame.sort_index(kind="stable")
    copies = frame.index.duplicated(keep="first")
    return _without(record, Fault.DUPLICATE, frame, copies)


def _without(record: _Check, fault: Fault, frame: pd.DataFrame, wrong: NDArray[np.bool_]) -> pd.DataFrame:
    return frame[~wrong] if record.note(fault, _index(frame)[wrong]) else frame


def _in_sessions(record: _Check, frame: pd.DataFrame, sessions: Sessions) -> pd.DataFrame:
    index, series = _index(frame), record.series
    if series.stamp is Stamp.SESSION:
        return _without(record, Fault.NOT_A_SESSION, frame, ~sessions.has_dates(index))
    ts, step = index.as_unit("ns").asi8, series.size.step_ns
    if series.stamp is Stamp.BAR_START:
        opens, closes = sessions.position_at(ts, side="right")
        outside = (ts < opens) | (ts >= closes)
        off_grid = (ts - opens) % step != 0
    else:
        opens, closes = sessions.position_at(ts, side="left")
        outside = (ts <= opens) | (ts > closes)
        off_grid = ((ts - opens) % step != 0) & (ts != closes)
    kept = _without(record, Fault.NOT_A_SESSION, frame, outside)
    return _without(record, Fault.MISALIGNED, kept, off_grid[~outside])


def _impossible(frame: pd.DataFrame) -> NDArray[np.bool_]:
    opens, high, low, close, volume = (frame[name].to_numpy() for name in COLUMNS)
    return (
        (high < np.maximum(opens, close)) | (low > np.minimum(opens, close)) | (low > high) | (low <= 0) | (volume < 0)
    )


def _gaps(record: _Check, index: pd.DatetimeIndex, start_ns: NDArray[np.int64], sessions: Sessions) -> None:
    if len(index) < 2:
        return
    series = record.series
    if series.stamp is Stamp.SESSION:
        missing = sessions.dates_between(index[0], index[-1]).difference(index)
        record.note(Fault.GAP, missing)
        return
    record.note(Fault.GAP, _missing_starts(start_ns, series.size.step_ns, sessions))


def _missing_starts(start_ns: NDArray[np.int64], step: int, sessions: Sessions) -> pd.DatetimeIndex:
    first, last = (pd.Timestamp(ns, unit="ns") for ns in (start_ns[0], start_ns[-1]))
    # A day to each side: a session's UTC date may differ from its name.
    dates = sessions.dates_between(first - pd.Timedelta(days=1), last + pd.Timedelta(days=1))
    opens, closes = sessions.bounds(dates)
    counts = -((opens - closes) // step)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    expected = np.repeat(opens, counts) + offsets * step
    expected = expected[(expected >= start_ns[0]) & (expected <= start_ns[-1])]
    return pd.DatetimeIndex(np.setdiff1d(expected, start_ns, assume_unique=True).astype("datetime64[ns]"), tz="UTC")


def _jumps(record: _Check, frame: pd.DataFrame) -> None:
    close = frame["close"].to_numpy()
    if len(close) < 2:
        return
    returns = np.log(close[1:] / close[:-1])
    is_jump = np.abs(returns) > JUMP_LOG_RETURN
    if not is_jump.any():
        return
    series = record.series
    times = _index(frame)[1:][is_jump]
    split_dates = {date.date() for date, _ in series.splits}
    explained = np.array([time.date() in split_dates for time in times])
    if series.price_kind is PriceKind.AS_TRADED:
        times, sizes = times[~explained], returns[is_jump][~explained]
    else:
        sizes = returns[is_jump]
    like = [ratio for size in sizes for ratio in _SPLIT_RATIOS if abs(abs(size) - np.log(ratio)) < 0.005]
    remark = f"near a ratio of {like[0]:g} to 1, as an unadjusted split" if like else ""
    record.note(Fault.JUMP, times, remark=remark)


def parse_accept(kinds: Collection[str]) -> frozenset[Fault]:
    """Return the faults that words name.

    Raises
    ------
    CatalogError
        If a word names none.
    """
    known = {fault.value for fault in REFUSED}
    for kind in kinds:
        if kind not in known:
            raise CatalogError(f"what is accepted must be one of {', '.join(sorted(known))}, was {kind!r}")
    return frozenset(Fault(kind) for kind in kinds)
