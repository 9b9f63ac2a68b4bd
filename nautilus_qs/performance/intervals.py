"""Intervals: Wilson for a share, block bootstrap for days, plain bootstrap for trades.

The bootstraps return sums of columns over each resample. A ratio such as Sharpe is a function of a few sums, so that
one set of resamples, drawn once, serves every statistic, and a day's columns are touched once and not once a draw.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_CHUNK = 2_000_000  # resampled observations in memory at a time


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a share; (NaN, NaN) without observations.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]

    """
    if n <= 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2.0) / (1.0 + spread)
    half = z * math.sqrt(share * (1.0 - share) / n + spread / (4.0 * n)) / (1.0 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def default_block(n: int) -> int:
    """Return the block length for n days: their cube root, at least 1.

    Source: P. Hall, J. L. Horowitz and B.-Y. Jing, On blocking rules for the bootstrap with dependent data,
    Biometrika 82, 1995 (the rate for a variance).

    Examples
    --------
    >>> default_block(2500)
    14

    """
    return max(1, round(math.cbrt(n)))


def block_sums(
    columns: NDArray[np.float64], *, draws: int, rng: np.random.Generator, block: int | None = None
) -> NDArray[np.float64]:
    """Return the column sums of circular block bootstrap resamples.

    A resample is as long as the data: blocks of consecutive days from random starts, the end joined to the beginning,
    the last block cut to fit. Consecutive days stay together, so that volatility clusters as it did.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_days, n_columns)
        Finite; at least one day.
    draws : int
        Number of resamples.
    rng : numpy.random.Generator
        Source of chance.
    block : int or None
        Days in a block, at most n_days; None for :func:`default_block`.

    Returns
    -------
    ndarray of float64, shape (draws, n_columns)

    Source: D. N. Politis and J. P. Romano, A circular block-resampling procedure for stationary data, 1992.

    Examples
    --------
    Three blocks of one whole turn each hold every day as often as it occurs:

    >>> block_sums(np.array([[1.0], [2.0], [3.0]]), draws=2, rng=np.random.default_rng(1), block=3)
    array([[6.],
           [6.]])

    """
    n = len(columns)
    length = min(n, block if block is not None else default_block(n))
    turn = np.concatenate((np.zeros((1, columns.shape[1])), columns, columns[: length - 1]))
    # The sum of a block is the difference of two running sums, whatever its length.
    running = np.cumsum(turn, axis=0)
    whole, rest = divmod(n, length)
    starts = rng.integers(0, n, size=(draws, whole + (rest > 0)))
    sums: NDArray[np.float64] = (running[starts[:, :whole] + length] - running[starts[:, :whole]]).sum(axis=1)
    if rest:
        sums += running[starts[:, whole] + rest] - running[starts[:, whole]]
    return sums


def resampled_sums(columns: NDArray[np.float64], *, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the column sums of plain bootstrap resamples (rows drawn with replacement, independently).

    Trades that were open together are not independent, so that intervals from this are rather too narrow.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_trades, n_columns)
        Finite; at least one trade.
    draws : int
        Number of resamples.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of float64, shape (draws, n_columns)

    Examples
    --------
    >>> resampled_sums(np.array([[2.0], [2.0]]), draws=2, rng=np.random.default_rng(1))
    array([[4.],
           [4.]])

    """
    n = len(columns)
    at_once = max(1, _CHUNK // n)
    parts = []
    for first in range(0, draws, at_once):
        size = min(at_once, draws - first)
        picks = rng.integers(0, n, size=(size, n)) + n * np.arange(size)[:, np.newaxis]
        times_picked = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n)
        parts.append(times_picked @ columns)
    return np.concatenate(parts)
