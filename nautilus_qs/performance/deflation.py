"""How likely a Sharpe ratio is more than luck: for one strategy, and for the best of many that were tried."""

import math
from statistics import NormalDist

from nautilus_qs.errors import ConfigError

_EULER_MASCHERONI = 0.5772156649015329


def probabilistic_sharpe(
    sharpe: float, n: int, *, skew: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float:
    """Return the probability that the true Sharpe ratio is above ``benchmark``.

    Parameters
    ----------
    sharpe, benchmark : float
        Per period (a day's mean over a day's deviation), NOT annualised.
    n : int
        Number of returns.
    skew, kurtosis : float
        Standardised moments of the returns; kurtosis is 3 for a normal distribution.

    Returns
    -------
    float
        In [0, 1]; NaN with fewer than two returns, a NaN among the numbers, or moments that give the estimate no
        variance.

    Source: D. H. Bailey and M. Lopez de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2), 2012.

    Examples
    --------
    The paper's hedge fund: 24 months, 0.458 a month; 98 % if returns were normal, 91 % as they are.

    >>> round(probabilistic_sharpe(0.458, 24), 3)
    0.982
    >>> round(probabilistic_sharpe(0.458, 24, skew=-2.448, kurtosis=10.164), 3)
    0.913

    """
    if n < 2 or not all(map(math.isfinite, (sharpe, skew, kurtosis, benchmark))):
        return math.nan
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe
    if variance <= 0.0:
        return math.nan
    return NormalDist().cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(variance))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of ``trials`` worthless strategies is expected to show.

    Parameters
    ----------
    trials : int
        Independent strategies or parameter sets that were evaluated.
    variance : float
        Variance of their Sharpe ratios, per period.

    Raises
    ------
    ConfigError
        ``trials`` is below 1.

    Source: D. H. Bailey and M. Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), 2014.

    Examples
    --------
    The paper's example: 100 trials whose annual Sharpe ratios have the variance 1/2, in daily terms.

    >>> round(expected_best_sharpe(100, 0.5 / 250), 4)
    0.1132

    """
    if trials < 1:
        raise ConfigError(f"trials must be at least 1, was {trials}; count every parameter set that was evaluated")
    if trials == 1:
        return 0.0
    normal = NormalDist()
    best = (1.0 - _EULER_MASCHERONI) * normal.inv_cdf(1.0 - 1.0 / trials)
    best += _EULER_MASCHERONI * normal.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * best


def deflated_sharpe(
    sharpe: float,
    n: int,
    *,
    trials: int,
    variance: float | None = None,
    skew: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Return the probability that a Sharpe ratio is above what the best of ``trials`` worthless ones would show.

    Parameters
    ----------
    sharpe : float
        Of the chosen strategy, per period.
    n : int
        Number of returns.
    trials : int
        Strategies or parameter sets evaluated, this one included; 1 gives the probabilistic Sharpe ratio.
    variance : float or None
        Variance of the trials' Sharpe ratios, per period. None when they were not kept: then that of a worthless
        strategy's estimate, 1 / (n - 1), as if each trial had been independent.
    skew, kurtosis : float
        As for :func:`probabilistic_sharpe`.

    Raises
    ------
    ConfigError
        ``trials`` is below 1.

    Source: D. H. Bailey and M. Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), 2014.

    Examples
    --------
    The paper's example: 2.5 a year over 1250 days, skew -3, kurtosis 10, best of 100.

    >>> daily = 2.5 / 250**0.5
    >>> round(deflated_sharpe(daily, 1250, trials=100, variance=0.5 / 250, skew=-3.0, kurtosis=10.0), 4)
    0.9004

    """
    if n < 2:
        return math.nan
    best = expected_best_sharpe(trials, variance if variance is not None else 1.0 / (n - 1))
    return probabilistic_sharpe(sharpe, n, skew=skew, kurtosis=kurtosis, benchmark=best)
