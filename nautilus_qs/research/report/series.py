"""The series behind the charts: tables of a run, one value an account day, and nothing estimated."""

from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray

from nautilus_qs.performance import account_days, daily_marks, drawdown
from nautilus_qs.storage.runs import Run

MAX_TRADE_CHARTS = 12


class Daily(Struct, frozen=True):
    """The account by day: ``days`` are ISO dates; every list has one value a day.

    ``benchmark`` is buy and hold from the same start, empty without prices. ``halted`` are (first, last) dates during
    which the gate let nothing open.
    """

    days: list[str]
    equity: list[float]
    fall: list[float]
    benchmark: list[float]
    benchmark_fall: list[float]
    gross: list[float]
    net: list[float]
    heat: list[float]
    positions: list[int]
    halted: list[tuple[str, str]]


class Span(Struct, frozen=True):
    """Consecutive days with one regime in force."""

    regime: str
    first: str
    last: str
    days: int


class Curve(Struct, frozen=True):
    """Realised profit of one strategy, cumulated at the day of each exit."""

    strategy: str
    days: list[str]
    pnl: list[float]


def iso_days(ts: NDArray[np.int64], zone: str) -> list[str]:
    """Return the account day of each time as an ISO date.

    Examples
    --------
    >>> iso_days(np.array([1_388_610_000_000_000_000]), "America/New_York")
    ['2014-01-01']
    """
    if len(ts) == 0:
        return []
    days: list[str] = account_days(ts, zone).astype("datetime64[D]").astype(str).tolist()
    return days


def daily_account(run: Run) -> Daily:
    """Return the account by day, with buy and hold of the run's benchmark beside it."""
    frame = run.frame("equity").drop_duplicates("ts", keep="last").sort_values("ts")
    frame = frame[np.isfinite(frame["equity"].to_numpy(dtype=np.float64))]
    ts, equity = frame["ts"].to_numpy(dtype=np.int64), frame["equity"].to_numpy(dtype=np.float64)
    marks = daily_marks(ts, equity, run.day_zone)
    frame, ts, equity = frame.iloc[marks], ts[marks], equity[marks]
    days = iso_days(ts, run.day_zone)
    held = benchmark_levels(run, days)
    held = held * equity[0] if len(held) and len(equity) else held
    return Daily(
        days=days,
        equity=_rounded(equity, 2),
        fall=_rounded(-drawdown(equity), 6),
        benchmark=_rounded(held, 2),
        benchmark_fall=_rounded(-drawdown(held), 6),
        gross=_rounded(frame["gross_exposure"], 5),
        net=_rounded(frame["net_exposure"], 5),
        heat=_rounded(frame["heat"], 6),
        positions=frame["positions"].astype(int).tolist(),
        halted=_halted(days, frame["mode_in_force"].tolist()),
    )


def benchmark_levels(run: Run, days: list[str]) -> NDArray[np.float64]:
    """Return equal-weight buy and hold at each day, 1 on the first; empty without prices of the benchmark.

    An instrument whose prices begin later is cash until then; a day without a price keeps the one before.
    """
    wanted = [str(iid) for iid in run.metrics.get("benchmark") or ()]
    prices = run.frame("prices")
    prices = prices[prices["instrument_id"].isin(wanted)]
    if prices.empty or not days:
        return np.empty(0)
    prices = prices.assign(day=iso_days(prices["ts"].to_numpy(dtype=np.int64), run.day_zone))
    closes = prices.pivot_table(index="day", columns="instrument_id", values="close", aggfunc="last")
    closes = closes.reindex(sorted({*closes.index, *days})).ffill().loc[days]
    growth = closes / closes.bfill().iloc[0]
    levels: NDArray[np.float64] = growth.fillna(1.0).mean(axis=1).to_numpy(dtype=np.float64)
    return levels


def regime_spans(run: Run) -> list[Span]:
    """Return the regimes in force as spans of consecutive days, in order."""
    frame = run.frame("regimes").sort_values("ts")
    days = iso_days(frame["ts"].to_numpy(dtype=np.int64), run.day_zone)
    regimes = frame["regime"].astype(str).tolist()
    spans: list[Span] = []
    for i, (day, regime) in enumerate(zip(days, regimes, strict=True)):
        last = days[i + 1] if i + 1 < len(days) else day
        if spans and spans[-1].regime == regime:
            spans[-1] = Span(regime, spans[-1].first, last, spans[-1].days + 1)
        else:
            spans.append(Span(regime, day, last, 1))
    return spans


def strategy_curves(run: Run) -> list[Curve]:
    """Return cumulative realised profit by strategy, from 0 on the run's first day; strategies by name."""
    trades = run.frame("trades").sort_values("exit_ts", kind="stable")
    equity_ts = run.frame("equity")["ts"]
    curves = []
    for strategy in strategy_names(run):
        own = trades[trades["strategy"] == strategy]
        days = iso_days(own["exit_ts"].to_numpy(dtype=np.int64), run.day_zone)
        pnl = pd.Series(own["pnl"].to_numpy(dtype=np.float64), index=days, dtype="float64")
        by_day = pnl.groupby(level=0).sum().cumsum()
        first = iso_days(np.array([equity_ts.min()], dtype=np.int64), run.day_zone) if len(equity_ts) else []
        last = iso_days(np.array([equity_ts.max()], dtype=np.int64), run.day_zone) if len(equity_ts) else []
        levels = [0.0] * len(first) + _rounded(by_day, 2)
        shown = first + by_day.index.tolist()
        curves.append(Curve(strategy, shown + last, levels + levels[-1:] * len(last)))
    return curves


def strategy_names(run: Run) -> list[str]:
    """Return the strategies of a run: those of its configuration in their order, then any other that left a row."""
    configured = [str(s["name"]) for s in run.config.get("strategies") or () if isinstance(s, dict) and "name" in s]
    measured = list(run.metrics.get("per_strategy") or {})
    seen = {str(name) for table in ("decisions", "trades") for name in run.brief(table)["strategy"].unique()}
    return list(dict.fromkeys([*configured, *measured, *sorted(seen)]))


def charted_instruments(run: Run) -> list[str]:
    """Return the instruments whose trades are charted: the most traded first, at most twelve, only with prices."""
    priced = set(run.frame("prices")["instrument_id"].unique())
    trades = run.frame("trades")["instrument_id"].value_counts()
    order = sorted(trades.index, key=lambda iid: (-int(trades[iid]), str(iid)))
    return [str(iid) for iid in order if iid in priced][:MAX_TRADE_CHARTS]


def bars_of(run: Run, instrument_id: str) -> dict[str, list[Any]]:
    """Return the daily bars of an instrument by column, `x` being ISO dates; prices to six significant digits."""
    frame = run.frame("prices")
    frame = frame[frame["instrument_id"] == instrument_id].sort_values("ts")
    bars: dict[str, list[Any]] = {"x": iso_days(frame["ts"].to_numpy(dtype=np.int64), run.day_zone)}
    for name in ("open", "high", "low", "close"):
        bars[name] = [float(f"{value:.6g}") for value in frame[name].tolist()]
    return bars


def _halted(days: list[str], modes: list[Any]) -> list[tuple[str, str]]:
    spans: list[tuple[str, str]] = []
    before = False
    for i, (day, mode) in enumerate(zip(days, modes, strict=True)):
        is_halted = mode in ("halted", "killed")
        if is_halted:
            last = days[min(i + 1, len(days) - 1)]
            spans = [*spans[:-1], (spans[-1][0], last)] if before else [*spans, (day, last)]
        before = is_halted
    return spans


def _rounded(values: Any, digits: int) -> list[Any]:
    rounded: list[float] = np.round(np.asarray(values, dtype=np.float64), digits).tolist()
    # JSON has no NaN: a gap in the line is null.
    return [value if np.isfinite(value) else None for value in rounded]
