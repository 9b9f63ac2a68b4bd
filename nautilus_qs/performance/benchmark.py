"""A run against a benchmark: alpha, beta, correlation, and the benchmark's own figures over the same days."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nautilus_qs.performance.intervals import block_sums
from nautilus_qs.performance.marks import arithmetic_returns
from nautilus_qs.performance.ratios import cagr, sharpe, total_return, volatility
from nautilus_qs.performance.statistic import MIN_FOR_INTERVAL, Statistic, percentile_interval
from nautilus_qs.performance.underwater import Drawdown, max_drawdown

_NO_VARIANCE = 1e-24


class Relative(Struct, frozen=True):
    """What the benchmark explains: ``alpha`` per year (arithmetic, the risk-free rate is 0), ``beta``, correlation."""

    alpha: Statistic
    beta: Statistic
    correlation: Statistic


class BenchmarkSummary(Struct, frozen=True):
    """The benchmark over the same days, and what it explains of the run."""

    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    max_drawdown: Drawdown
    relative: Relative


def relative(
    returns: NDArray[np.float64],
    benchmark: NDArray[np.float64],
    periods_per_year: float,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = 1000,
) -> Relative:
    """Regress returns on a benchmark's returns of the same days.

    Parameters
    ----------
    returns, benchmark : ndarray of float64, shape (n_days,)
        Arithmetic returns; days on which either is NaN are left out of both.
    periods_per_year : float
        252 or 365.
    rng : numpy.random.Generator
        For the intervals (circular block bootstrap of the pairs).
    level, draws : float, int
        Coverage, and number of resamples.

    Returns
    -------
    Relative
        NaN with fewer than three common days or a benchmark (for the correlation: either) that does not move.

    Examples
    --------
    >>> moves = np.array([0.01, -0.02, 0.03, 0.0])
    >>> found = relative(2.0 * moves + 0.001, moves, 252, rng=np.random.default_rng(1))
    >>> round(found.beta.value, 6), round(found.alpha.value, 6), round(found.correlation.value, 6)
    (2.0, 0.252, 1.0)

    """
    common = np.isfinite(returns) & np.isfinite(benchmark)
    y, x = returns[common], benchmark[common]
    n = len(x)
    if n < 3:
        nothing = Statistic(value=math.nan, n=n, note="fewer than three common days")
        return Relative(alpha=nothing, beta=nothing, correlation=nothing)
    columns = np.column_stack((x, y, x * x, x * y, y * y))
    values = _regress(columns.sum(axis=0)[np.newaxis], n, periods_per_year)
    ends = [(math.nan, math.nan)] * 3
    if n >= MIN_FOR_INTERVAL:
        drawn = _regress(block_sums(columns, draws=draws, rng=rng), n, periods_per_year)
        ends = [percentile_interval(row, level) for row in drawn]
    alpha, beta, correlation = (
        Statistic(value=float(value[0]), low=low, high=high, n=n)
        for value, (low, high) in zip(values, ends, strict=True)
    )
    return Relative(alpha=alpha, beta=beta, correlation=correlation)


def against(
    ts: NDArray[np.int64],
    returns: NDArray[np.float64],
    levels: NDArray[np.float64],
    *,
    periods_per_year: float,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = 1000,
) -> BenchmarkSummary:
    """Return the benchmark's figures and what it explains.

    Parameters
    ----------
    ts : ndarray of int64, shape (n_days + 1,)
        Daily marks, UTC nanoseconds.
    returns : ndarray of float64, shape (n_days,)
        The run's returns between those marks.
    levels : ndarray of float64, shape (n_days + 1,)
        The benchmark at those marks, NaN where it is not known: left out of its own figures, and the days on either
        side of it out of the regression.
    periods_per_year : float
        252 or 365.
    rng, level, draws : numpy.random.Generator, float, int
        For the intervals.

    Examples
    --------
    >>> ends = np.arange(4) * 86_400 * 10**9
    >>> levels = np.array([50.0, 51.0, 49.98, 52.479])
    >>> held = against(
    ...     ends, arithmetic_returns(levels), levels, periods_per_year=252, rng=np.random.default_rng(1)
    ... )
    >>> round(held.relative.beta.value, 6), round(held.total_return, 6)
    (1.0, 0.04958)

    """
    known = np.isfinite(levels)
    own = arithmetic_returns(levels[known])
    return BenchmarkSummary(
        total_return=total_return(levels[known]),
        cagr=cagr(ts[known], levels[known]),
        volatility=volatility(own, periods_per_year),
        sharpe=sharpe(own, periods_per_year),
        max_drawdown=max_drawdown(ts[known], levels[known]),
        relative=relative(returns, arithmetic_returns(levels), periods_per_year, rng=rng, level=level, draws=draws),
    )


def _regress(sums: NDArray[np.float64], n: int, periods_per_year: float) -> NDArray[np.float64]:
    """Return alpha, beta and correlation, shape (3, n_draws), of rows of sums over n days of x, y, xx, xy, yy."""
    mean_x, mean_y, xx, xy, yy = (sums / n).T
    # A resample of days that do not move leaves the rounding of equal squares, of either sign.
    var_x, var_y = xx - mean_x**2, yy - mean_y**2
    var_x[var_x < _NO_VARIANCE] = np.nan
    var_y[var_y < _NO_VARIANCE] = np.nan
    covariance = xy - mean_x * mean_y
    beta = covariance / var_x
    correlation = np.clip(covariance / np.sqrt(var_x * var_y), -1.0, 1.0)
    return np.stack(((mean_y - beta * mean_x) * periods_per_year, beta, correlation))
