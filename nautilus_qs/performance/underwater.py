"""How far and how long equity stood below its peak."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

_NS_PER_DAY = 86_400_000_000_000


class Drawdown(Struct, frozen=True):
    """The deepest fall from a peak.

    ``depth`` is a fraction of the peak, positive; NaN without marks. ``peak_ts`` is the last mark at the peak,
    ``trough_ts`` the first at the bottom, ``recovery_ts`` the first back at the peak, None while there is none.
    ``length_days`` are calendar days from the peak to the recovery, or to the last mark. All times are None when
    equity never fell.
    """

    depth: float
    peak_ts: int | None = None
    trough_ts: int | None = None
    recovery_ts: int | None = None
    length_days: float = 0.0


def drawdown(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fall from the running peak at each mark, as a positive fraction of that peak.

    Parameters
    ----------
    equity : ndarray of float64, shape (n_marks,)
        Account value; the first must be positive.

    Returns
    -------
    ndarray of float64, shape (n_marks,)
        In [0, 1) while equity is positive; 1 and above once the account lost everything and more. NaN as long as
        no mark has been positive.

    Examples
    --------
    >>> drawdown(np.array([100.0, 80.0, 120.0, 90.0]))
    array([0.  , 0.2 , 0.  , 0.25])

    """
    if len(equity) == 0:
        return np.empty(0)
    peak = np.maximum.accumulate(equity)
    fall = np.full(len(equity), np.nan)
    np.divide(peak - equity, peak, out=fall, where=peak > 0.0)
    return fall


def max_drawdown(ts: NDArray[np.int64], equity: NDArray[np.float64]) -> Drawdown:
    """Return the deepest drawdown of a series, the earliest of equals.

    Parameters
    ----------
    ts : ndarray of int64, shape (n_marks,)
        UTC nanoseconds.
    equity : ndarray of float64, shape (n_marks,)
        Account value at those times.

    Examples
    --------
    >>> day = 86_400 * 10**9
    >>> fall = max_drawdown(np.arange(5) * day, np.array([100.0, 120.0, 90.0, 110.0, 121.0]))
    >>> fall.depth, fall.peak_ts // day, fall.trough_ts // day, fall.recovery_ts // day, fall.length_days
    (0.25, 1, 2, 4, 3.0)

    """
    falls = drawdown(equity)
    if len(falls) == 0 or not np.isfinite(falls).all():
        return Drawdown(depth=math.nan, length_days=math.nan)
    trough = int(np.argmax(falls))
    if falls[trough] == 0.0:
        return Drawdown(depth=0.0)
    peak = int(np.flatnonzero(falls[:trough] == 0.0)[-1])
    back = np.flatnonzero(equity[trough:] >= equity[peak])
    recovery = trough + int(back[0]) if len(back) else None
    end = recovery if recovery is not None else len(ts) - 1
    return Drawdown(
        depth=float(falls[trough]),
        peak_ts=int(ts[peak]),
        trough_ts=int(ts[trough]),
        recovery_ts=None if recovery is None else int(ts[recovery]),
        length_days=float(ts[end] - ts[peak]) / _NS_PER_DAY,
    )


def ulcer_index(equity: NDArray[np.float64]) -> float:
    """Return the root mean square of the drawdown, as a fraction; NaN without marks.

    Source: P. Martin and B. McCann, The Investor's Guide to Fidelity Funds, 1989 (there in percent).

    Examples
    --------
    >>> round(ulcer_index(np.array([100.0, 90.0, 100.0, 80.0])), 6)
    0.111803

    """
    falls = drawdown(equity)
    return float(np.sqrt(np.mean(falls**2))) if len(falls) else math.nan
