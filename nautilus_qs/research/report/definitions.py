"""What each statistic is called, how it is written, and what it means in one sentence."""

from enum import StrEnum

from msgspec import Struct

from nautilus_qs.research.report.text import label


class Unit(StrEnum):
    """How a statistic is written."""

    PERCENT = "percent"
    RATIO = "ratio"
    MONEY = "money"
    COUNT = "count"
    DAYS = "days"
    R = "r"


class Definition(Struct, frozen=True):
    """One statistic: its name, its unit, what it means, and (None: none) the value that says nothing was found."""

    title: str
    unit: Unit
    meaning: str
    neutral: float | None = None


_P, _R, _M, _C, _D = Unit.PERCENT, Unit.RATIO, Unit.MONEY, Unit.COUNT, Unit.DAYS

DEFINITIONS: dict[str, Definition] = {
    "start_equity": Definition("Equity at the start", _M, "The account at the first mark."),
    "end_equity": Definition("Equity at the end", _M, "The account at the last mark, open positions included."),
    "years": Definition("Years", _R, "Calendar time from the first mark to the last."),
    "days": Definition("Daily returns", _C, "Account days behind the return statistics."),
    "periods_per_year": Definition("Days a year", _C, "What ratios are annualised with: 252, or 365 for crypto alone."),
    "level": Definition("Interval level", _P, "Coverage of every interval on this page."),
    "total_return": Definition("Total return", _P, "Last mark over first mark, minus 1.", 0.0),
    "mean_return": Definition("Mean daily return", _P, "Arithmetic mean of the daily returns.", 0.0),
    "cagr": Definition("Return a year", _P, "The constant yearly growth that leads from first to last mark.", 0.0),
    "volatility": Definition("Volatility", _P, "Standard deviation of daily returns, annualised."),
    "sharpe": Definition("Sharpe ratio", _R, "Mean over standard deviation of daily returns, annualised; rate 0.", 0.0),
    "sortino": Definition("Sortino ratio", _R, "As Sharpe, over the root mean square of the losses.", 0.0),
    "calmar": Definition("Calmar ratio", _R, "Return a year over the deepest drawdown.", 0.0),
    "max_drawdown": Definition("Deepest drawdown", _P, "Largest fall from a peak of daily equity."),
    "max_drawdown.length_days": Definition(
        "Length of that drawdown", _D, "From that peak to its recovery, or to the last mark."
    ),
    "ulcer_index": Definition("Ulcer index", _P, "Root mean square of the drawdown."),
    "exposure": Definition("Time in the market", _P, "Share of days with any position open."),
    "skew": Definition("Skewness", _R, "Third moment of daily returns; below 0: the left tail is the longer.", 0.0),
    "kurtosis": Definition("Kurtosis", _R, "Fourth moment of daily returns; 3 for a normal distribution.", 3.0),
    "best_day": Definition("Best day", _P, "Largest daily return."),
    "worst_day": Definition("Worst day", _P, "Smallest daily return."),
    "trials": Definition("Trials", _C, "Parameter sets evaluated before this one was chosen."),
    "probabilistic_sharpe": Definition(
        "Probabilistic Sharpe", _P, "Probability that the true Sharpe ratio is above 0 (Bailey, López de Prado)."
    ),
    "deflated_sharpe": Definition(
        "Deflated Sharpe", _P, "The same against the best of that many worthless trials (Bailey, López de Prado)."
    ),
    "trades.count": Definition("Closed trades", _C, "Positions from first fill to flat."),
    "trades.winners": Definition("Winners", _C, "Trades above 0 after commission."),
    "trades.losers": Definition("Losers", _C, "Trades below 0 after commission."),
    "trades.pnl": Definition("Profit of closed trades", _M, "After commission, without carry.", 0.0),
    "trades.commission": Definition("Commission", _M, "Paid on closed trades."),
    "trades.win_rate": Definition("Win rate", _P, "Winners over trades; Wilson's interval."),
    "trades.profit_factor": Definition("Profit factor", _R, "Sum of winners over sum of losers.", 1.0),
    "trades.expectancy": Definition("Expectancy", _M, "Mean profit of a trade.", 0.0),
    "trades.expectancy_r": Definition("Expectancy in R", Unit.R, "Mean profit in units of the initial risk.", 0.0),
    "trades.payoff_ratio": Definition("Payoff ratio", _R, "Mean winner over mean loser.", 1.0),
    "trades.sqn": Definition("System quality", _R, "Mean R over its deviation, times the root of n (Tharp).", 0.0),
    "trades.average_return_frac": Definition("Mean return of a trade", _P, "On the entry's notional.", 0.0),
    "trades.average_win": Definition("Mean winner", _M, "Mean profit of the winners."),
    "trades.average_loss": Definition("Mean loser", _M, "Mean loss of the losers."),
    "trades.largest_win": Definition("Largest winner", _M, "Best trade."),
    "trades.largest_loss": Definition("Largest loser", _M, "Worst trade."),
    "trades.largest_share": Definition("Share of the largest", _P, "Largest winner over the total profit."),
    "trades.longest_losing_streak": Definition("Longest losing streak", _C, "Losers in a row, by exit."),
    "trades.average_hold_days": Definition("Mean time held", _D, "From entry to exit, in calendar days."),
    "trades.average_mae": Definition("Mean worst excursion", _P, "Mean of the worst unrealised returns."),
    "trades.average_mfe": Definition("Mean best excursion", _P, "Mean of the best unrealised returns."),
    "benchmark.total_return": Definition("Buy and hold: return", _P, "Of the benchmark over the same days."),
    "benchmark.cagr": Definition("Buy and hold: a year", _P, "Its constant yearly growth."),
    "benchmark.volatility": Definition("Buy and hold: volatility", _P, "Of its daily returns, annualised."),
    "benchmark.sharpe": Definition("Buy and hold: Sharpe", _R, "Of its daily returns, annualised."),
    "benchmark.max_drawdown": Definition("Buy and hold: drawdown", _P, "Its deepest fall from a peak."),
    "benchmark.max_drawdown.length_days": Definition("Buy and hold: its length", _D, "Peak to recovery or last mark."),
    "benchmark.relative.alpha": Definition("Alpha", _P, "Return a year that the benchmark does not explain.", 0.0),
    "benchmark.relative.beta": Definition("Beta", _R, "Slope of the run's returns on the benchmark's."),
    "benchmark.relative.correlation": Definition("Correlation", _R, "Of daily returns with the benchmark's.", 0.0),
}

CHECKS: dict[str, str] = {
    "mode": "Trading was halted",
    "regime_weight": "The strategy had no capital in this regime",
    "one_position": "The strategy already held this instrument",
    "conflict": "Lost against the opposite side of another strategy",
    "positions_strategy": "Too many open positions of the strategy",
    "positions_total": "Too many open positions in all",
    "risk_size": "No size followed from the risk",
    "allocation": "The strategy's share of equity was used up",
    "heat": "Open risk (heat) would exceed its limit",
    "correlation": "Too much alike with a position already open",
    "sector": "Too much in one sector",
    "instrument_cap": "Too much in one instrument",
    "cash": "Not enough cash or buying power",
    "participation": "Too large for the volume traded",
    "minimum": "Less than the smallest order the venue takes",
    "half_rule": "Less than half of the intended size would have fitted",
    "position": "There was nothing to close",
}


def definition_of(key: str) -> Definition:
    """Return what a statistic is; one that is not known gets its key as a name and no meaning.

    Examples
    --------
    >>> definition_of("sharpe").title, definition_of("trades.new_ratio").title
    ('Sharpe ratio', 'New ratio')
    """
    known = DEFINITIONS.get(key)
    return known or Definition(label(key.rpartition(".")[2]), Unit.RATIO, "")


def check_title(name: str) -> str:
    """Return what a failed check means, in words.

    Examples
    --------
    >>> check_title("sector"), check_title("new_limit")
    ('Too much in one sector', 'New limit')
    """
    return CHECKS.get(name) or label(name or "no reason given")
