"""What a reader should be told before he believes a summary."""

import math

from nautilus_qs.performance.statistic import Statistic
from nautilus_qs.performance.summary import Summary

FEW_TRADES = 30
FEW_LOSERS = 10
_SURE = 0.95


def warnings_for(summary: Summary) -> list[str]:
    """Return the weaknesses of a summary as sentences, the gravest first; empty when none was found.

    Examples
    --------
    >>> import numpy as np
    >>> from nautilus_qs.performance.summary import summarise
    >>> ends = np.arange(3) * 86_400 * 10**9
    >>> run = summarise(ends, np.array([100.0, 101.0, 99.0]), [], periods_per_year=252, rng=np.random.default_rng(1))
    >>> warnings_for(run)[0]
    'no closed trade: nothing here says anything about the strategy'

    """
    return [*_of_trades(summary), *_of_equity(summary), *_of_sharpe(summary)]


def _of_equity(summary: Summary) -> list[str]:
    found = []
    if summary.sharpe.note == "equity fell to zero or below":
        found.append("equity fell to zero or below: returns and ratios are undefined from there on")
    if 0.0 < summary.years < 1.0:
        found.append(f"only {summary.years * 12.0:.1f} months: figures per year extrapolate")
    return found


def _of_trades(summary: Summary) -> list[str]:
    trades = summary.trades
    if trades.count == 0:
        return ["no closed trade: nothing here says anything about the strategy"]
    found = []
    if trades.count < FEW_TRADES:
        found.append(f"only {_counted(trades.count, 'trade')}: fewer than {FEW_TRADES} say little about win rate")
    if trades.largest_share >= 1.0:
        found.append(f"one trade makes the profit: {trades.largest_win:,.2f} of {trades.pnl:,.2f} in total")
    elif trades.largest_share > 0.5:
        found.append(f"one trade makes {trades.largest_share:.0%} of the profit: {trades.largest_win:,.2f}")
    if trades.losers == 0:
        found.append("no losing trade: the profit factor is undefined, not infinite")
    elif trades.losers < FEW_LOSERS:
        found.append(f"the profit factor rests on {_counted(trades.losers, 'losing trade')}")
    if _holds(trades.expectancy, 0.0):
        found.append(f"the expectancy's {summary.level:.0%} interval contains zero: {_span(trades.expectancy)}")
    return found


def _of_sharpe(summary: Summary) -> list[str]:
    found = []
    if _holds(summary.sharpe, 0.0):
        found.append(f"the Sharpe ratio's {summary.level:.0%} interval contains zero: {_span(summary.sharpe)}")
    elif math.isfinite(summary.sharpe.value) and math.isnan(summary.sharpe.low):
        found.append(f"{_counted(summary.days, 'day')} are too few for an interval of the Sharpe ratio")
    if summary.trials > 1 and summary.deflated_sharpe < _SURE:
        found.append(
            f"the best of {summary.trials} trials: the probability that its Sharpe ratio is more than luck is "
            f"{summary.deflated_sharpe:.0%}"
        )
    return found


def _holds(statistic: Statistic, value: float) -> bool:
    return statistic.low <= value <= statistic.high


def _span(statistic: Statistic) -> str:
    return f"{statistic.low:,.2f} to {statistic.high:,.2f}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
