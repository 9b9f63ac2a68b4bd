"""Statistics of closed trades: how often they win, what they make, and what one of them matters."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nautilus_qs.performance.closed import TradeLike
from nautilus_qs.performance.intervals import resampled_sums, wilson
from nautilus_qs.performance.statistic import MIN_FOR_INTERVAL, Statistic, percentile_interval

_NS_PER_DAY = 86_400_000_000_000
_NO_SPREAD = 1e-12


class TradeSummary(Struct, frozen=True):
    """All statistics of a list of trades; money in the account's currency.

    A trade of exactly 0 counts in ``count`` and is neither a winner nor a loser. ``average_loss`` and
    ``largest_loss`` are negative. ``largest_share`` is the largest winner over the total profit, NaN unless there is
    a profit. ``n`` of the R statistics counts only trades that had a stop.
    """

    count: int
    winners: int
    losers: int
    pnl: float
    commission: float
    win_rate: Statistic
    profit_factor: Statistic
    expectancy: Statistic
    expectancy_r: Statistic
    payoff_ratio: Statistic
    sqn: Statistic
    average_return_frac: float
    average_win: float
    average_loss: float
    largest_win: float
    largest_loss: float
    largest_share: float
    longest_losing_streak: int
    average_hold_days: float
    average_mae: float
    average_mfe: float


def profit_factor(pnl: NDArray[np.float64]) -> float:
    """Return the sum of winners over the sum of losers; NaN, not infinity, without a loser.

    Examples
    --------
    >>> profit_factor(np.array([30.0, -10.0, 15.0, -5.0]))
    3.0

    """
    lost = -float(pnl[pnl < 0.0].sum())
    return _ratio(float(pnl[pnl > 0.0].sum()), lost)


def sqn(r_multiples: NDArray[np.float64]) -> float:
    """Return the system quality number: mean R over its sample deviation, times the root of the number of trades.

    NaN with fewer than two trades or without a spread. The number of trades is not capped at 100.

    Source: V. Tharp, The Definitive Guide to Position Sizing, 2008.

    Examples
    --------
    >>> sqn(np.array([1.0, 3.0, 1.0, 3.0])) == 2.0 / (4.0 / 3.0) ** 0.5 * 2.0
    True

    """
    spread = float(np.std(r_multiples, ddof=1)) if len(r_multiples) >= 2 else 0.0
    return float(np.mean(r_multiples)) / spread * math.sqrt(len(r_multiples)) if spread > _NO_SPREAD else math.nan


def longest_losing_streak(pnl: NDArray[np.float64]) -> int:
    """Return the most losers in a row, the trades in the order of their exits; a trade of 0 ends a streak.

    Examples
    --------
    >>> longest_losing_streak(np.array([-1.0, -1.0, 0.0, -1.0, 2.0]))
    2

    """
    edges = np.flatnonzero(np.concatenate(([True], pnl >= 0.0, [True])))
    return int(np.diff(edges).max()) - 1


def exposure_share(start_ts: int, end_ts: int, entry_ts: NDArray[np.int64], exit_ts: NDArray[np.int64]) -> float:
    """Return the share of a period in which at least one of the trades was open.

    Positions still open at the end are no trades and do not count; overlaps count once; NaN for an empty period.

    Examples
    --------
    >>> exposure_share(0, 10, np.array([1, 2, 8]), np.array([4, 5, 20]))
    0.6

    """
    if end_ts <= start_ts:
        return math.nan
    order = np.argsort(entry_ts, kind="stable")
    opened = np.clip(entry_ts[order], start_ts, end_ts)
    closed = np.clip(exit_ts[order], start_ts, end_ts)
    covered_until = np.concatenate(([start_ts], np.maximum.accumulate(closed)[:-1])) if len(order) else closed
    return float(np.maximum(0, closed - np.maximum(opened, covered_until)).sum()) / (end_ts - start_ts)


def summarise_trades(
    trades: Sequence[TradeLike], *, rng: np.random.Generator, level: float = 0.95, draws: int = 1000
) -> TradeSummary:
    """Sum up closed trades.

    Parameters
    ----------
    trades : sequence of TradeLike
        In any order.
    rng : numpy.random.Generator
        For the bootstrap intervals; the win rate has Wilson's.
    level, draws : float, int
        Coverage of the intervals, and number of resamples.

    Returns
    -------
    TradeSummary
        NaN for what too few trades cannot say; intervals by bootstrap from ten trades on.

    Examples
    --------
    >>> from nautilus_qs.performance.closed import Trade
    >>> day = 86_400 * 10**9
    >>> won = Trade(30.0, 0.03, 1.5, 1.0, 0, day, -0.01, 0.04)
    >>> lost = Trade(-10.0, -0.01, -0.5, 1.0, day, 4 * day, -0.02, 0.0)
    >>> found = summarise_trades([won, lost], rng=np.random.default_rng(1))
    >>> found.win_rate.value, found.profit_factor.value, found.expectancy.value, found.average_hold_days
    (0.5, 3.0, 10.0, 2.0)

    """
    ordered = sorted(trades, key=lambda trade: trade.exit_ts)
    pnl = np.array([float(trade.pnl) for trade in ordered], dtype=np.float64)
    r_multiples = np.array([trade.r_multiple for trade in ordered], dtype=np.float64)
    wins, losses, total = pnl[pnl > 0.0], pnl[pnl < 0.0], float(pnl.sum())
    money = _money_statistics(pnl, rng=rng, level=level, draws=draws)
    expectancy_r, quality = _r_statistics(r_multiples[np.isfinite(r_multiples)], rng=rng, level=level, draws=draws)
    low, high = wilson(len(wins), len(pnl), level)
    return TradeSummary(
        count=len(pnl),
        winners=len(wins),
        losers=len(losses),
        pnl=total,
        commission=float(sum(float(trade.commission) for trade in ordered)),
        win_rate=Statistic(value=len(wins) / len(pnl) if len(pnl) else math.nan, low=low, high=high, n=len(pnl)),
        profit_factor=money["profit_factor"],
        expectancy=money["expectancy"],
        expectancy_r=expectancy_r,
        payoff_ratio=money["payoff_ratio"],
        sqn=quality,
        average_return_frac=_mean([trade.return_frac for trade in ordered]),
        average_win=_mean(wins),
        average_loss=_mean(losses),
        largest_win=float(wins.max()) if len(wins) else math.nan,
        largest_loss=float(losses.min()) if len(losses) else math.nan,
        largest_share=_ratio(float(wins.max()), total) if len(wins) else math.nan,
        longest_losing_streak=longest_losing_streak(pnl),
        average_hold_days=_mean([(trade.exit_ts - trade.entry_ts) / _NS_PER_DAY for trade in ordered]),
        average_mae=_mean([trade.mae for trade in ordered]),
        average_mfe=_mean([trade.mfe for trade in ordered]),
    )


def _money_statistics(
    pnl: NDArray[np.float64], *, rng: np.random.Generator, level: float, draws: int
) -> dict[str, Statistic]:
    n = len(pnl)
    gain, loss = np.maximum(pnl, 0.0), np.maximum(-pnl, 0.0)
    columns = np.column_stack((pnl, gain, loss, pnl > 0.0, pnl < 0.0)).astype(np.float64)
    values = {name: float(value[0]) for name, value in _money_ratios(columns.sum(axis=0)[np.newaxis], n).items()}
    ends = dict.fromkeys(values, (math.nan, math.nan))
    if n >= MIN_FOR_INTERVAL:
        drawn = _money_ratios(resampled_sums(columns, draws=draws, rng=rng), n)
        ends = {name: percentile_interval(draw, level) for name, draw in drawn.items()}
    (low, high), (payoff_low, payoff_high) = ends["expectancy"], ends["payoff_ratio"]
    note = _missing_side(pnl)
    return {
        "expectancy": Statistic(value=values["expectancy"], low=low, high=high, n=n, note="" if n else note),
        "payoff_ratio": Statistic(value=values["payoff_ratio"], low=payoff_low, high=payoff_high, n=n, note=note),
        "profit_factor": _profit_factor_of_share(pnl, ends["gain_share"], note),
    }


def _money_ratios(sums: NDArray[np.float64], n: int) -> dict[str, NDArray[np.float64]]:
    """Return the ratios of rows of sums over n trades of pnl, gain, loss, is winner, is loser; NaN where undefined."""
    pnl, gain, loss, winners, losers = sums.T
    defined = (winners > 0.0) & (losers > 0.0)
    payoff = np.full(len(sums), np.nan)
    with np.errstate(over="ignore"):
        payoff[defined] = (gain[defined] / winners[defined]) / (loss[defined] / losers[defined])
    payoff[np.isinf(payoff)] = np.nan
    turnover = gain + loss
    share = np.full(len(sums), np.nan)
    np.divide(gain, turnover, out=share, where=turnover > 0.0)
    return {"expectancy": pnl / n if n else np.full(len(sums), np.nan), "payoff_ratio": payoff, "gain_share": share}


def _profit_factor_of_share(pnl: NDArray[np.float64], ends: tuple[float, float], note: str) -> Statistic:
    """Turn the ends of gain / (gain + loss) into those of gain / loss.

    The bootstrap works on the share, which stays finite where a resample has no loser; the order is the same.
    """
    low, high = (end / (1.0 - end) if end < 1.0 else math.nan for end in ends)
    if not note and ends[1] >= 1.0:
        note = "upper end unbounded"
    return Statistic(value=profit_factor(pnl), low=low, high=high, n=len(pnl), note=note)


def _missing_side(pnl: NDArray[np.float64]) -> str:
    if len(pnl) == 0:
        return "no trade"
    if not (pnl < 0.0).any():
        return "no losing trade"
    return "" if (pnl > 0.0).any() else "no winning trade"


def _r_statistics(
    r_multiples: NDArray[np.float64], *, rng: np.random.Generator, level: float, draws: int
) -> tuple[Statistic, Statistic]:
    """Return expectancy in R and the system quality number, of trades that had a stop."""
    n = len(r_multiples)
    mean_ends = quality_ends = (math.nan, math.nan)
    if n >= MIN_FOR_INTERVAL:
        sums = resampled_sums(np.column_stack((r_multiples, r_multiples**2)), draws=draws, rng=rng)
        mean = sums[:, 0] / n
        variance = (sums[:, 1] - n * mean**2) / (n - 1)
        variance[variance <= _NO_SPREAD] = np.nan
        mean_ends = percentile_interval(mean, level)
        quality_ends = percentile_interval(mean / np.sqrt(variance) * math.sqrt(n), level)
    return (
        Statistic(value=_mean(r_multiples), low=mean_ends[0], high=mean_ends[1], n=n),
        Statistic(value=sqn(r_multiples), low=quality_ends[0], high=quality_ends[1], n=n),
    )


def _ratio(numerator: float, denominator: float) -> float:
    """Return a quotient, NaN unless the denominator is positive and not so small that the quotient overflows."""
    quotient = numerator / denominator if denominator > 0.0 else math.nan
    return quotient if math.isfinite(quotient) else math.nan


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the mean of what is finite, NaN without any."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else math.nan
