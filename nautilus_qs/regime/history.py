"""The regime over a period: every session's update, and how much of the time each regime was in force."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nautilus_qs.domain import Regime, RegimeUpdate
from nautilus_qs.errors import DataError
from nautilus_qs.regime.rules import RegimeParams
from nautilus_qs.regime.tracker import RegimeTracker

_NS_PER_SEC = 1_000_000_000
_SECS_PER_YEAR = 365.25 * 86_400.0


class PeriodSummary(Struct, frozen=True):
    """The regimes of one period; shares are of its sessions, keyed by regime, and add up to 1.

    ``in_force`` counts the regime in force, ``labelled`` the raw label. ``changes`` counts the sessions on which a new
    regime came into force; the first confirmation is not a change.
    """

    name: str
    sessions: int
    changes: int
    in_force: dict[str, float]
    labelled: dict[str, float]


class HistorySummary(Struct, frozen=True):
    """The whole period, and each part of it. ``changes_per_year`` is NaN with fewer than two sessions."""

    start_ts: int
    end_ts: int
    total: PeriodSummary
    changes_per_year: float
    periods: tuple[PeriodSummary, ...]


def history(
    ts: NDArray[np.int64],
    slope_deg: NDArray[np.float64],
    atr_ratio: NDArray[np.float64],
    *,
    vix: NDArray[np.float64] | None = None,
    breadth: NDArray[np.float64] | None = None,
    instrument_id: str = "",
    params: RegimeParams | None = None,
) -> list[RegimeUpdate]:
    """Return the update of every session, exactly as a tracker that is fed one session at a time gives them.

    Parameters
    ----------
    ts : ndarray of int64, shape (n_sessions,)
        Closes of the sessions, UTC nanoseconds, increasing.
    slope_deg, atr_ratio : ndarray of float64, shape (n_sessions,)
        At that close. Where either is NaN (warm-up, a flat market) the session yields no update and counts neither
        towards a confirmation nor against it.
    vix, breadth : ndarray of float64, shape (n_sessions,), or None
        Element i must be known BEFORE session i ends: the value of the previous session's close. NaN, or no array, is
        a missing input. The caller shifts; aligned by date without a shift they look ahead.
    instrument_id : str
        Goes into every update.
    params : RegimeParams or None
        Borders; None for the defaults.

    Returns
    -------
    list of RegimeUpdate
        One for each session that is warm.

    Raises
    ------
    DataError
        Lengths differ, times do not increase, or a number cannot be labelled.

    Examples
    --------
    >>> updates = history(np.arange(4), np.array([np.nan, 3.0, 3.0, 3.0]), np.ones(4), vix=np.full(4, 15.0))
    >>> [(u.ts, u.count, str(u.regime), round(u.confidence, 2)) for u in updates]
    [(1, 1, 'none', 0.9), (2, 2, 'none', 0.9), (3, 3, 'bull_trending', 0.9)]

    """
    columns = {"slope_deg": slope_deg, "atr_ratio": atr_ratio, "vix": vix, "breadth": breadth}
    for name, column in columns.items():
        if column is not None and len(column) != len(ts):
            raise DataError(f"{name} must have one value a session, {len(ts)}, was {len(column)}; align them")
    # Python numbers: they are what the rows store, and several times faster here than numpy scalars.
    slopes, ratios = slope_deg.tolist(), atr_ratio.tolist()
    nothing = [math.nan] * len(ts)
    vixes = nothing if vix is None else vix.tolist()
    breadths = nothing if breadth is None else breadth.tolist()
    tracker = RegimeTracker(params)
    return [
        tracker.update(t, instrument_id, slope, ratio, vix=v, breadth=b)
        for t, slope, ratio, v, b in zip(ts.tolist(), slopes, ratios, vixes, breadths, strict=True)
        if not (math.isnan(slope) or math.isnan(ratio))
    ]


def summary(updates: Sequence[RegimeUpdate], *, timezone: str = "America/New_York") -> HistorySummary | None:
    """Sum up a history, in total and by calendar year.

    Parameters
    ----------
    updates : sequence of RegimeUpdate
        In time order, as :func:`history` returns them.
    timezone : str
        Where a session's date is read: "UTC" for a crypto reference.

    Returns
    -------
    HistorySummary or None
        None without any update.

    Examples
    --------
    >>> day = 86_400 * 10**9
    >>> updates = history(np.arange(1, 7) * day, np.array([3.0] * 3 + [-3.0] * 3), np.ones(6))
    >>> whole = summary(updates)
    >>> whole.total.changes, whole.total.in_force["bull_trending"], [period.name for period in whole.periods]
    (1, 0.5, ['1970'])

    """
    if not updates:
        return None
    changed = [
        now.regime is not before.regime and before.regime is not Regime.NONE
        for before, now in zip([updates[0], *updates[:-1]], updates, strict=True)
    ]
    zone = ZoneInfo(timezone)
    years = [datetime.fromtimestamp(update.ts // _NS_PER_SEC, UTC).astimezone(zone).year for update in updates]
    cuts = [0, *(i for i in range(1, len(years)) if years[i] != years[i - 1]), len(years)]
    periods = tuple(
        _period(str(years[start]), updates[start:stop], changes=sum(changed[start:stop]))
        for start, stop in pairwise(cuts)
    )
    elapsed = (updates[-1].ts - updates[0].ts) / _NS_PER_SEC / _SECS_PER_YEAR
    changes = sum(changed)
    return HistorySummary(
        start_ts=updates[0].ts,
        end_ts=updates[-1].ts,
        total=_period("total", updates, changes=changes),
        changes_per_year=changes / elapsed if elapsed > 0.0 else math.nan,
        periods=periods,
    )


def _period(name: str, updates: Sequence[RegimeUpdate], *, changes: int) -> PeriodSummary:
    return PeriodSummary(
        name=name,
        sessions=len(updates),
        changes=changes,
        in_force=_shares([update.regime for update in updates]),
        labelled=_shares([update.label for update in updates]),
    )


def _shares(regimes: Sequence[Regime]) -> dict[str, float]:
    """Return the share of each regime that occurs at all, in the order of the enumeration."""
    counts = Counter(regimes)
    return {regime.value: counts[regime] / len(regimes) for regime in Regime if counts[regime]}
