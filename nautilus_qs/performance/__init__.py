"""Every statistic of a run, from its daily marked-to-market equity and its closed trades. The only home of one.

Policy for what cannot be said: a statistic with too little behind it, or without a denominator, is NaN; it is never
infinite and never an exception. A profit factor without a losing trade is NaN with the note "no losing trade"; an
interval that is open above has a NaN end and the note "upper end unbounded". :meth:`Summary.to_dict` writes NaN as
None, since JSON has neither NaN nor infinity. What is an exception is damaged input: times out of order, an equity
that is not a number, lengths that differ.
"""

from nautilus_qs.performance.benchmark import BenchmarkSummary, Relative, against, relative
from nautilus_qs.performance.cautions import warnings_for
from nautilus_qs.performance.closed import Trade, TradeLike
from nautilus_qs.performance.deflation import deflated_sharpe, probabilistic_sharpe
from nautilus_qs.performance.intervals import block_sums, resampled_sums, wilson
from nautilus_qs.performance.marks import MonthlyRow, account_days, daily_marks, daily_returns, monthly_returns
from nautilus_qs.performance.ratios import (
    cagr,
    calmar,
    kurtosis,
    sharpe,
    skewness,
    sortino,
    total_return,
    volatility,
)
from nautilus_qs.performance.statistic import Statistic
from nautilus_qs.performance.summary import Day, Summary, summarise
from nautilus_qs.performance.trades import (
    TradeSummary,
    exposure_share,
    longest_losing_streak,
    profit_factor,
    sqn,
    summarise_trades,
)
from nautilus_qs.performance.underwater import Drawdown, drawdown, max_drawdown, ulcer_index

__all__ = [
    "BenchmarkSummary",
    "Day",
    "Drawdown",
    "MonthlyRow",
    "Relative",
    "Statistic",
    "Summary",
    "Trade",
    "TradeLike",
    "TradeSummary",
    "account_days",
    "against",
    "block_sums",
    "cagr",
    "calmar",
    "daily_marks",
    "daily_returns",
    "deflated_sharpe",
    "drawdown",
    "exposure_share",
    "kurtosis",
    "longest_losing_streak",
    "max_drawdown",
    "monthly_returns",
    "probabilistic_sharpe",
    "profit_factor",
    "relative",
    "resampled_sums",
    "sharpe",
    "skewness",
    "sortino",
    "sqn",
    "summarise",
    "summarise_trades",
    "total_return",
    "ulcer_index",
    "volatility",
    "warnings_for",
    "wilson",
]
