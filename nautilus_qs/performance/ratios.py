"""Return, risk, and return for risk, of a series of daily returns.

All take finite arithmetic returns. Anything not finite among them, or fewer than the statistic needs, gives NaN. The
risk-free rate is 0.
"""

import math

import numpy as np
from numpy.typing import NDArray

_NS_PER_YEAR = 365.25 * 86_400e9
# Below this a spread of daily returns is the rounding of equal ones, not a risk to divide by.
_NO_SPREAD = 1e-12


def total_return(equity: NDArray[np.float64]) -> float:
    """Return the last mark over the first, minus 1; NaN with fewer than two marks or a first that is not positive.

    Examples
    --------
    >>> round(total_return(np.array([100.0, 90.0, 125.0])), 12)
    0.25

    """
    return float(equity[-1] / equity[0] - 1.0) if len(equity) >= 2 and equity[0] > 0.0 else math.nan


def cagr(ts: NDArray[np.int64], equity: NDArray[np.float64]) -> float:
    """Return the constant yearly growth from the first mark to the last, over calendar time (365.25 days a year).

    Parameters
    ----------
    ts : ndarray of int64, shape (n_marks,)
        UTC nanoseconds.
    equity : ndarray of float64, shape (n_marks,)
        Account value.

    Returns
    -------
    float
        Fraction a year; NaN with fewer than two marks, an end that is not positive, or a span so short that the
        power overflows.

    Examples
    --------
    >>> round(cagr(np.array([0, 2 * 365.25 * 86_400e9], dtype=np.int64), np.array([100.0, 121.0])), 9)
    0.1

    """
    if len(equity) < 2 or equity[0] <= 0.0 or equity[-1] <= 0.0:
        return math.nan
    return growth(math.log(equity[-1] / equity[0]), years_between(ts))


def years_between(ts: NDArray[np.int64]) -> float:
    """Return the calendar years from the first mark to the last."""
    return float(ts[-1] - ts[0]) / _NS_PER_YEAR if len(ts) else 0.0


def growth(log_return: float, years: float) -> float:
    """Return the yearly rate that compounds to a logarithmic return; NaN where that is no number."""
    if years <= 0.0 or log_return / years > 700.0:
        return math.nan
    return math.expm1(log_return / years)


def volatility(returns: NDArray[np.float64], periods_per_year: float) -> float:
    """Return the annualised sample standard deviation (ddof 1); NaN with fewer than two returns.

    Examples
    --------
    >>> round(volatility(np.array([0.01, -0.01, 0.02]), 252), 6)
    0.242487

    """
    return _spread(returns) * math.sqrt(periods_per_year)


def sharpe(returns: NDArray[np.float64], periods_per_year: float) -> float:
    """Return mean over sample standard deviation (ddof 1), annualised; NaN without a spread.

    Source: W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management, 1994.

    Examples
    --------
    >>> round(sharpe(np.array([0.01, -0.01, 0.02]), 252), 6)
    6.928203

    """
    spread = _spread(returns)
    return float(np.mean(returns)) / spread * math.sqrt(periods_per_year) if spread > _NO_SPREAD else math.nan


def sortino(returns: NDArray[np.float64], periods_per_year: float) -> float:
    """Return mean over downside deviation (root mean square of the losses, over ALL days), annualised.

    NaN without a losing day.

    Source: F. A. Sortino and L. N. Price, Performance Measurement in a Downside Risk Framework, 1994.

    Examples
    --------
    >>> round(sortino(np.array([0.01, -0.01, 0.02]), 252), 6)
    18.330303

    """
    if not _is_usable(returns, 2):
        return math.nan
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(np.mean(returns)) / downside * math.sqrt(periods_per_year) if downside > _NO_SPREAD else math.nan


def calmar(growth_per_year: float, depth: float) -> float:
    """Return the yearly growth over the deepest drawdown; NaN without a drawdown.

    Examples
    --------
    >>> calmar(0.10, 0.25)
    0.4

    """
    return growth_per_year / depth if depth > _NO_SPREAD else math.nan


def skewness(returns: NDArray[np.float64]) -> float:
    """Return the third standardised moment (population); NaN with fewer than three returns or without a spread.

    Examples
    --------
    >>> round(skewness(np.array([0.0, 0.0, 0.0, 1.0])), 6)
    1.154701

    """
    return _moment(returns, 3) if len(returns) >= 3 else math.nan


def kurtosis(returns: NDArray[np.float64]) -> float:
    """Return the fourth standardised moment (population; 3 for a normal distribution, NOT the excess over it).

    NaN with fewer than four returns or without a spread.

    Examples
    --------
    >>> round(kurtosis(np.array([0.0, 0.0, 0.0, 1.0])), 6)
    2.333333

    """
    return _moment(returns, 4) if len(returns) >= 4 else math.nan


def _moment(returns: NDArray[np.float64], order: int) -> float:
    centred = returns - np.mean(returns)
    spread = math.sqrt(float(np.mean(centred**2)))
    return float(np.mean((centred / spread) ** order)) if spread > _NO_SPREAD else math.nan


def _spread(returns: NDArray[np.float64]) -> float:
    return float(np.std(returns, ddof=1)) if _is_usable(returns, 2) else math.nan


def _is_usable(returns: NDArray[np.float64], minimum: int) -> bool:
    return len(returns) >= minimum and bool(np.isfinite(returns).all())
