"""A number with its interval and with how much stands behind it."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# Fewer observations than this and a bootstrap says more about the draw than about the strategy.
MIN_FOR_INTERVAL = 10
# A resample can lack what a statistic divides by; beyond this share the rest is not an interval any more.
_MAX_UNDEFINED = 0.10


class Statistic(Struct, frozen=True):
    """An estimate.

    Parameters
    ----------
    value : float
        The estimate; NaN when it cannot be said.
    low, high : float
        Ends of its interval at the level of the summary it is in; NaN where there is none.
    n : int
        Observations behind it: days or trades.
    note : str
        Why the value or an end is missing, "" otherwise.

    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    note: str = ""


def percentile_interval(draws: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the central interval of bootstrap draws.

    Parameters
    ----------
    draws : ndarray of float64, shape (n_draws,)
        One value of the statistic a resample; NaN where the resample does not define it.
    level : float
        Coverage in (0, 1).

    Returns
    -------
    tuple of (float, float)
        (NaN, NaN) when more than 10 % of the draws are undefined or there are none.

    Examples
    --------
    >>> percentile_interval(np.arange(5.0), 0.50)
    (1.0, 3.0)

    """
    defined = draws[np.isfinite(draws)]
    if len(defined) == 0 or len(defined) < (1.0 - _MAX_UNDEFINED) * len(draws):
        return math.nan, math.nan
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)
