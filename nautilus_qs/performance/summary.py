"""Everything there is to say of a run, in one struct."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins
from numpy.typing import NDArray

from nautilus_qs.errors import ConfigError, DataError
from nautilus_qs.performance.benchmark import BenchmarkSummary, against
from nautilus_qs.performance.closed import TradeLike
from nautilus_qs.performance.deflation import deflated_sharpe, probabilistic_sharpe
from nautilus_qs.performance.estimates import daily_estimates
from nautilus_qs.performance.marks import MonthlyRow, arithmetic_returns, daily_marks, monthly_returns
from nautilus_qs.performance.ratios import calmar, kurtosis, sharpe, skewness, total_return, years_between
from nautilus_qs.performance.statistic import Statistic
from nautilus_qs.performance.trades import TradeSummary, exposure_share, summarise_trades
from nautilus_qs.performance.underwater import Drawdown, max_drawdown, ulcer_index


class Day(Struct, frozen=True):
    """One day's return, and the time of its last mark."""

    ts: int
    value: float


class Summary(Struct, frozen=True):
    """The statistics of a run: from daily marked-to-market equity, and from its closed trades in ``trades``.

    ``days`` is the number of daily returns; ``level`` the coverage of every interval. Ratios are annualised with
    ``periods_per_year``; ``mean_return`` is a day's. ``exposure`` is a share of time, ``ulcer_index`` and drawdowns are
    fractions. ``deflated_sharpe`` counts ``trials``. ``calmar`` and the moments come without an interval, since a
    resample of days has another path or another tail.
    """

    start_ts: int | None
    end_ts: int | None
    start_equity: float
    end_equity: float
    years: float
    days: int
    periods_per_year: float
    level: float
    total_return: float
    mean_return: Statistic
    cagr: Statistic
    volatility: Statistic
    sharpe: Statistic
    sortino: Statistic
    calmar: float
    max_drawdown: Drawdown
    ulcer_index: float
    exposure: float
    skew: float
    kurtosis: float
    best_day: Day | None
    worst_day: Day | None
    trials: int
    probabilistic_sharpe: float
    deflated_sharpe: float
    monthly: tuple[MonthlyRow, ...]
    trades: TradeSummary
    benchmark: BenchmarkSummary | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists and numbers that JSON can hold: what is not finite is None."""
        plain: dict[str, Any] = _json_safe(to_builtins(self))
        return plain


def summarise(
    equity_ts: NDArray[np.int64],
    equity: NDArray[np.float64],
    trades: Sequence[TradeLike],
    *,
    periods_per_year: float,
    rng: np.random.Generator,
    benchmark: NDArray[np.float64] | None = None,
    gross_exposure: NDArray[np.float64] | None = None,
    trials: int = 1,
    trial_variance: float | None = None,
    timezone: str = "America/New_York",
    level: float = 0.95,
    draws: int = 1000,
) -> Summary:
    """Sum up a run.

    Parameters
    ----------
    equity_ts : ndarray of int64, shape (n_marks,)
        UTC nanoseconds, increasing; any number of marks a day, the last of each account day counts.
    equity : ndarray of float64, shape (n_marks,)
        The account marked to market across venues, without deposits and withdrawals.
    trades : sequence of TradeLike
        Closed trades, in any order.
    periods_per_year : float
        252 for equities and mixed books, 365 for crypto alone.
    rng : numpy.random.Generator
        For the bootstrap intervals.
    benchmark : ndarray of float64, shape (n_marks,), or None
        Level of the benchmark at each mark of equity, NaN where it is not known.
    gross_exposure : ndarray of float64, shape (n_marks,), or None
        Gross exposure at each mark: exposure is then the share of daily marks at which it is not 0. None takes the
        share of time in which a closed trade was open, which misses what is still open at the end.
    trials, trial_variance : int, float or None
        See :func:`nautilus_qs.performance.deflated_sharpe`.
    timezone : str
        Where the account's day ends.
    level, draws : float, int
        Coverage of the intervals, and number of resamples.

    Returns
    -------
    Summary
        NaN for what there is too little to say of; intervals from ten days (ten trades) on.

    Raises
    ------
    DataError
        Lengths differ, times do not increase, or an equity is not finite.
    ConfigError
        ``level``, ``draws``, ``periods_per_year`` or ``trials`` is out of range.

    Examples
    --------
    >>> day = 86_400 * 10**9
    >>> run = summarise(
    ...     np.arange(4) * day,
    ...     np.array([100.0, 101.0, 99.99, 101.9898]),
    ...     [],
    ...     periods_per_year=252,
    ...     rng=np.random.default_rng(1),
    ... )
    >>> run.days, round(run.sharpe.value, 6), round(run.max_drawdown.depth, 6), run.to_dict()["trades"]["pnl"]
    (3, 6.928203, 0.01, 0.0)

    """
    _require_settings(periods_per_year=periods_per_year, level=level, draws=draws, trials=trials)
    for name, column in (("benchmark", benchmark), ("gross_exposure", gross_exposure)):
        if column is not None and len(column) != len(equity_ts):
            raise DataError(f"{name} must have one value a mark, {len(equity_ts)}, was {len(column)}; align them")
    marks = daily_marks(equity_ts, equity, timezone)
    ts, levels = equity_ts[marks], equity[marks]
    returns = arithmetic_returns(levels)
    estimates = daily_estimates(ts, levels, periods_per_year, rng=rng, level=level, draws=draws)
    of_trades = summarise_trades(trades, rng=rng, level=level, draws=draws)
    beside = None
    # Last, so that a benchmark changes no draw of the run's own intervals.
    if benchmark is not None:
        beside = against(
            ts, returns, benchmark[marks], periods_per_year=periods_per_year, rng=rng, level=level, draws=draws
        )
    fall = max_drawdown(ts, levels)
    per_day = sharpe(returns, 1.0)
    skew, kurt = skewness(returns), kurtosis(returns)
    return Summary(
        start_ts=int(ts[0]) if len(ts) else None,
        end_ts=int(ts[-1]) if len(ts) else None,
        start_equity=float(levels[0]) if len(ts) else math.nan,
        end_equity=float(levels[-1]) if len(ts) else math.nan,
        years=years_between(ts),
        days=len(returns),
        periods_per_year=periods_per_year,
        level=level,
        total_return=total_return(levels),
        mean_return=estimates["mean_return"],
        cagr=estimates["cagr"],
        volatility=estimates["volatility"],
        sharpe=estimates["sharpe"],
        sortino=estimates["sortino"],
        calmar=calmar(estimates["cagr"].value, fall.depth),
        max_drawdown=fall,
        ulcer_index=ulcer_index(levels),
        exposure=_exposure(ts, trades, None if gross_exposure is None else gross_exposure[marks]),
        skew=skew,
        kurtosis=kurt,
        best_day=_day(ts, returns, best=True),
        worst_day=_day(ts, returns, best=False),
        trials=trials,
        probabilistic_sharpe=probabilistic_sharpe(per_day, len(returns), skew=skew, kurtosis=kurt),
        deflated_sharpe=deflated_sharpe(
            per_day, len(returns), trials=trials, variance=trial_variance, skew=skew, kurtosis=kurt
        ),
        monthly=monthly_returns(ts, levels, timezone=timezone),
        trades=of_trades,
        benchmark=beside,
    )


def _exposure(ts: NDArray[np.int64], trades: Sequence[TradeLike], gross_exposure: NDArray[np.float64] | None) -> float:
    if len(ts) < 2:
        return math.nan
    if gross_exposure is not None:
        return float(np.mean(np.abs(gross_exposure[1:]) > 0.0))
    entries = np.array([trade.entry_ts for trade in trades], dtype=np.int64)
    exits = np.array([trade.exit_ts for trade in trades], dtype=np.int64)
    return exposure_share(int(ts[0]), int(ts[-1]), entries, exits)


def _day(ts: NDArray[np.int64], returns: NDArray[np.float64], *, best: bool) -> Day | None:
    if len(returns) == 0 or np.isnan(returns).all():
        return None
    which = int(np.nanargmax(returns) if best else np.nanargmin(returns))
    return Day(ts=int(ts[which + 1]), value=float(returns[which]))


def _require_settings(*, periods_per_year: float, level: float, draws: int, trials: int) -> None:
    if not 0.0 < periods_per_year < math.inf:
        raise ConfigError(f"periods_per_year must be positive, was {periods_per_year}; use 252, or 365 for crypto")
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level must be in (0, 1), was {level}; use 0.95 for 95 % intervals")
    if draws < 1:
        raise ConfigError(f"draws must be at least 1, was {draws}; use 1000")
    if trials < 1:
        raise ConfigError(f"trials must be at least 1, was {trials}; count every parameter set that was evaluated")


def _json_safe(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(item) for item in value]
    return value
