"""The statistics of daily returns that come with an interval."""

import math

import numpy as np
from numpy.typing import NDArray

from nautilus_qs.performance.intervals import block_sums
from nautilus_qs.performance.marks import arithmetic_returns
from nautilus_qs.performance.ratios import cagr, sharpe, sortino, volatility, years_between
from nautilus_qs.performance.statistic import MIN_FOR_INTERVAL, Statistic, percentile_interval

_NO_VARIANCE = 1e-24


def daily_estimates(
    ts: NDArray[np.int64],
    levels: NDArray[np.float64],
    periods_per_year: float,
    *,
    rng: np.random.Generator,
    level: float,
    draws: int,
) -> dict[str, Statistic]:
    """Return mean return (a day's), volatility, Sharpe, Sortino and CAGR with their intervals.

    Parameters
    ----------
    ts, levels : ndarray, shape (n_days + 1,)
        Daily marks: UTC nanoseconds and equity.
    periods_per_year : float
        252 or 365.
    rng, level, draws : numpy.random.Generator, float, int
        For circular block bootstrap intervals, given from ten days on.

    Returns
    -------
    dict of str to Statistic
        Keys mean_return, volatility, sharpe, sortino, cagr; NaN with a note for what cannot be said.

    Examples
    --------
    >>> ends = np.arange(4) * 86_400 * 10**9
    >>> levels = np.array([100.0, 101.0, 99.99, 101.9898])
    >>> found = daily_estimates(ends, levels, 252, rng=np.random.default_rng(1), level=0.95, draws=100)
    >>> round(found["sortino"].value, 6), found["sortino"].n
    (18.330303, 3)

    """
    returns = arithmetic_returns(levels)
    n = len(returns)
    values = {
        "mean_return": float(np.mean(returns)) if n else math.nan,
        "volatility": volatility(returns, periods_per_year),
        "sharpe": sharpe(returns, periods_per_year),
        "sortino": sortino(returns, periods_per_year),
        "cagr": cagr(ts, levels),
    }
    ends = dict.fromkeys(values, (math.nan, math.nan))
    if n >= MIN_FOR_INTERVAL and np.isfinite(returns).all():
        drawn = _resampled(returns, periods_per_year, years_between(ts), rng=rng, draws=draws)
        # A value that cannot be said (no losing day) has no interval either, though some resample may have one.
        ends |= {name: percentile_interval(draw, level) for name, draw in drawn.items() if math.isfinite(values[name])}
    return {
        name: Statistic(value=value, low=ends[name][0], high=ends[name][1], n=n, note=_why_not(name, value, returns))
        for name, value in values.items()
    }


def _resampled(
    returns: NDArray[np.float64], periods_per_year: float, years: float, *, rng: np.random.Generator, draws: int
) -> dict[str, NDArray[np.float64]]:
    """Return each statistic of each resample, as the ratios of sums it is; NaN where a resample leaves it undefined."""
    n, centre = len(returns), float(np.mean(returns))
    # About the mean: the variance as a difference of raw sums would lose half its digits.
    deviations = returns - centre
    columns = np.column_stack((deviations, deviations**2, np.minimum(returns, 0.0) ** 2, np.log1p(returns)))
    shift, squares, downside, logs = block_sums(columns, draws=draws, rng=rng).T
    mean = centre + shift / n
    variance = (squares - shift**2 / n) / (n - 1)
    downside = downside / n
    variance[variance < _NO_VARIANCE] = np.nan
    downside[downside < _NO_VARIANCE] = np.nan
    with np.errstate(over="ignore"):
        grown = np.expm1(logs / years) if years > 0.0 else np.full(draws, np.nan)
    return {
        "mean_return": mean,
        "volatility": np.sqrt(variance * periods_per_year),
        "sharpe": mean / np.sqrt(variance) * math.sqrt(periods_per_year),
        "sortino": mean / np.sqrt(downside) * math.sqrt(periods_per_year),
        "cagr": grown,
    }


def _why_not(name: str, value: float, returns: NDArray[np.float64]) -> str:
    if math.isfinite(value):
        return ""
    if len(returns) < 2:
        return "fewer than two days"
    if not np.isfinite(returns).all():
        return "equity fell to zero or below"
    return "no losing day" if name == "sortino" else "no spread" if name == "sharpe" else "out of range"
