"""Opens that are no opens: a source that repeats the previous close as the open.

A fill at such an open is a fill at the close that made the decision. Where a source does so, no open tick is written:
an order then meets the next bar of its instrument and fills at that bar's close.

The verdict is given for each calendar year (UTC), since sources change their ways over time. A traded instrument's
price lies on a grid of ticks, so an equal open happens by chance (a treasury-bill fund: on half of all days), and only
a year in which most opens are equal is stale. An index is computed from hundreds of prices and is never equal by
chance: above 5 % of a year's opens the year is stale. A market that never closes opens where it closed, and so do bars
inside a session: neither is judged.
"""

import numpy as np
from numpy.typing import NDArray

from catalog.instruments import InstrumentSpec
from catalog.manifest import YearFacts
from catalog.sessions import ALWAYS_OPEN
from catalog.sources.series import BarSize

INDEX_SHARE = 0.05
TRADED_SHARE = 0.50
MIN_BARS = 20
"""A year with fewer bars is not judged."""

type Floats = NDArray[np.float64]
type Ns = NDArray[np.int64]


def is_judged(size: BarSize, calendar: str) -> bool:
    """Return whether an open that equals the previous close says anything for such bars."""
    return size is BarSize.DAY and calendar != ALWAYS_OPEN


def share_limit(spec: InstrumentSpec) -> float:
    """Return the share of equal opens above which a year is stale; a fund, which trades, counts as traded."""
    return INDEX_SHARE if spec.is_proxy else TRADED_SHARE


def count_years(open_: Floats, close: Floats, close_ns: Ns) -> dict[str, YearFacts]:
    """Return bars and equal opens for each year; the first bar of all has no previous close and is never equal.

    Examples
    --------
    >>> ns = np.array(["2013-12-30", "2013-12-31", "2014-01-02"], "datetime64[ns]").astype(np.int64)
    >>> facts = count_years(np.array([9.0, 10.0, 12.0]), np.array([10.0, 11.0, 12.0]), ns)
    >>> facts["2013"].stale_opens, facts["2014"].stale_opens
    (1, 0)
    """
    is_equal = np.zeros(len(open_), dtype=bool)
    is_equal[1:] = open_[1:] == close[:-1]
    years = close_ns.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
    return {
        str(year): YearFacts(int((years == year).sum()), int(is_equal[years == year].sum()))
        for year in np.unique(years)
    }


def stale_spans(years: dict[str, YearFacts], limit: float) -> list[tuple[int, int]]:
    """Return the spans of stale years, UTC nanoseconds, first and last both included; years that touch are joined.

    Examples
    --------
    >>> spans = stale_spans({"2001": YearFacts(250, 240), "2002": YearFacts(250, 200), "2003": YearFacts(250, 1)}, 0.5)
    >>> [str(np.datetime64(ns, "ns"))[:10] for ns in spans[0]]
    ['2001-01-01', '2002-12-31']
    """
    stale = [
        int(year)
        for year, facts in sorted(years.items())
        if facts.bars >= MIN_BARS and facts.stale_opens / facts.bars > limit
    ]
    spans: list[tuple[int, int]] = []
    for year in stale:
        start, end = _year_ns(year), _year_ns(year + 1) - 1
        if spans and spans[-1][1] == start - 1:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def in_spans(ts_ns: Ns, spans: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Return for each time whether it lies in one of the spans."""
    inside = np.zeros(len(ts_ns), dtype=bool)
    for start, end in spans:
        inside |= (ts_ns >= start) & (ts_ns <= end)
    return inside


def _year_ns(year: int) -> int:
    return int(np.datetime64(f"{year:04d}-01-01", "ns").astype(np.int64))
