"""Daily curves behind the statistics: a strategy's profit marked to market, and buy and hold."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def daily_profit(fills: pd.DataFrame, prices: pd.DataFrame) -> pd.Series:
    """Return profit per day of one strategy, marked at each instrument's close.

    Parameters
    ----------
    fills
        Fills of one strategy: ts_event, instrument_id, side (buy or sell), quantity, price, commission.
    prices
        Daily closes: ts, instrument_id, close.

    Returns
    -------
    Series
        Indexed by the close's time in UTC nanoseconds; all instruments together. A fill after the last close counts on
        the last day.

    """
    closes = prices.pivot_table(index="ts", columns="instrument_id", values="close").sort_index().ffill()
    if fills.empty:
        return pd.Series(0.0, index=closes.index)
    marks = closes.index.to_numpy(np.int64)
    at = np.minimum(np.searchsorted(marks, fills["ts_event"].to_numpy(np.int64), side="left"), len(marks) - 1)
    units = np.where(fills["side"] == "buy", 1.0, -1.0) * fills["quantity"].to_numpy(float)
    flow = pd.DataFrame(
        {
            "ts": marks[at],
            "instrument_id": fills["instrument_id"].to_numpy(),
            "units": units,
            "cash": -units * fills["price"].to_numpy(float) - fills["commission"].to_numpy(float),
        }
    )
    held = flow.pivot_table(index="ts", columns="instrument_id", values="units", aggfunc="sum")
    held = held.reindex(index=closes.index, columns=closes.columns).fillna(0.0).cumsum()
    cash = flow.groupby("ts")["cash"].sum().reindex(closes.index).fillna(0.0).cumsum()
    worth: pd.Series = (held * closes.fillna(0.0)).sum(axis=1) + cash
    return worth.diff().fillna(worth)


def buy_and_hold(prices: pd.DataFrame, ids: list[str], ts: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the equal-weight buy and hold of `ids` at the marks of an equity series, None where there is none.

    Parameters
    ----------
    prices
        Daily closes: ts, instrument_id, close.
    ids
        Instruments; each is bought for the same amount at its first close.
    ts
        Times of the marks, UTC nanoseconds, shape ``(n_marks,)``.

    """
    held = prices[prices["instrument_id"].isin(ids)]
    if held.empty or not len(ts):
        return None
    closes = held.pivot_table(index="ts", columns="instrument_id", values="close").sort_index().ffill().bfill()
    level = (closes / closes.iloc[0]).mean(axis=1)
    at = np.searchsorted(level.index.to_numpy(np.int64), ts, side="right") - 1
    values = level.to_numpy(np.float64)
    return np.where(at >= 0, values[np.maximum(at, 0)], values[0])
