"""What is worked out after the last bar: digests, statistics, prices for the charts, and the files of a run."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from msgspec import Struct

from catalog.reader import open_catalog
from nautilus_qs.config import RunConfig, to_values
from nautilus_qs.desk.digest import decision_digest, fill_digest
from nautilus_qs.nodes.spec import RunSpec
from nautilus_qs.performance import Trade, summarise, warnings_for

NS_PER_DAY = 86_400 * 10**9


class RunCounts(Struct, frozen=True, kw_only=True):
    """What went through the engine."""

    bars: int
    proposals: int
    orders: int
    fills: int
    trades: int


def finish_run(
    part: Path, spec: RunSpec, *, counts: RunCounts, carry: list[Any], elapsed_s: float
) -> dict[str, Any]:
    """Write config.yaml, prices, carry, metrics.json and report.html beside the recorded tables; return the metrics."""
    # Imported here: plotly is slow to import and only the end of a run needs it.
    from nautilus_qs.nodes.backtest import encode_json
    from nautilus_qs.research.report import render

    config = spec.config
    (part / "config.yaml").write_text(yaml.safe_dump(to_values(config), sort_keys=False), encoding="utf-8")
    prices = _prices(spec)
    prices.to_parquet(part / "prices.parquet", index=False)
    _carry_frame(carry).to_parquet(part / "carry.parquet", index=False)
    frames = {name: pd.read_parquet(part / f"{name}.parquet") for name in ("equity", "trades", "fills", "decisions", "breakers")}
    metrics = _metrics(spec, frames, prices=prices, counts=counts, carry=carry, elapsed_s=elapsed_s)
    (part / "metrics.json").write_text(encode_json(metrics), encoding="utf-8")
    started = time.perf_counter()
    render(part)
    metrics["report_s"] = round(time.perf_counter() - started, 3)
    return metrics


def _metrics(
    spec: RunSpec,
    frames: dict[str, pd.DataFrame],
    *,
    prices: pd.DataFrame,
    counts: RunCounts,
    carry: list[Any],
    elapsed_s: float,
) -> dict[str, Any]:
    config = spec.config
    equity, trades, fills = frames["equity"], frames["trades"], frames["fills"]
    benchmark = list(config.benchmark) or list(config.instruments[:1])
    periods = periods_per_year(config)
    summary = summarise(
        equity["ts"].to_numpy(np.int64),
        equity["equity"].to_numpy(np.float64),
        trade_list(trades),
        periods_per_year=periods,
        rng=np.random.default_rng(config.seed),
        benchmark=_benchmark(prices, benchmark, equity["ts"].to_numpy(np.int64)),
        gross_exposure=equity["gross_exposure"].to_numpy(np.float64),
        timezone=config.day_zone,
    )
    data = _data_notes(spec)
    return {
        "run_id": spec.run_id,
        "name": config.name,
        "decision_digest": decision_digest(frames["decisions"].to_dict("records")),
        "fill_digest": fill_digest(fills.to_dict("records")),
        "code_version": spec.code_version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "timerange": config.timerange.split("-"),
        "metrics": summary.to_dict(),
        "per_strategy": {
            entry.name: strategy_metrics(entry.name, frames, prices=prices, config=config, periods=periods)
            for entry in config.strategies
        },
        "counts": {f: getattr(counts, f) for f in counts.__struct_fields__},
        "elapsed_s": round(elapsed_s, 3),
        "bars_per_s": round(counts.bars / elapsed_s, 1) if elapsed_s > 0 else None,
        "benchmark": benchmark,
        "data": data,
        "execution": _execution_notes(config),
        "costs": {
            "commission": float(fills["commission"].sum()) if len(fills) else 0.0,
            "slippage": _slippage(fills, frames["decisions"]),
            "carry": float(sum(e.amount for e in carry)),
        },
        "breakers": {"trips": int((frames["breakers"]["event"] == "trip").sum()) if len(frames["breakers"]) else 0},
        "trials": 1,
        "warnings": [*warnings_for(summary), *[w for d in data for w in d["warnings"]]],
    }


def periods_per_year(config: RunConfig) -> int:
    """Return 365 for a book of crypto alone, 252 otherwise."""
    kinds = {facts["kind"] for facts in open_catalog(config.catalog).describe(list(config.instruments))}
    return 365 if kinds == {"crypto"} else 252


def trade_list(trades: pd.DataFrame) -> list[Trade]:
    """Return trades as the statistics want them."""
    fields = [f for f in Trade.__struct_fields__ if f in trades.columns]
    return [Trade(**{f: row[f] for f in fields}) for row in trades[fields].to_dict("records")]


def strategy_metrics(
    name: str, frames: dict[str, pd.DataFrame], *, prices: pd.DataFrame, config: RunConfig, periods: int
) -> dict[str, Any]:
    """Return one strategy's statistics: its daily profit (marked to market) on the account's equity, and its trades."""
    trades = frames["trades"][frames["trades"]["strategy"] == name]
    fills = frames["fills"][frames["fills"]["strategy"] == name]
    start = float(frames["equity"]["equity"].iloc[0]) if len(frames["equity"]) else 0.0
    profit = daily_profit(fills, prices)
    curve = start + profit.cumsum()
    summary = summarise(
        curve.index.to_numpy(np.int64),
        curve.to_numpy(np.float64),
        trade_list(trades),
        periods_per_year=periods,
        rng=np.random.default_rng(config.seed),
        timezone=config.day_zone,
    )
    numbers = summary.to_dict()
    proposals = frames["decisions"][(frames["decisions"]["strategy"] == name) & (frames["decisions"]["action"] == "enter")]
    closed = numbers["trades"]
    return {
        "trades": len(trades),
        "pnl": float(trades["pnl"].sum()) if len(trades) else 0.0,
        "win_rate": closed.get("win_rate"),
        "profit_factor": closed.get("profit_factor"),
        "expectancy": closed.get("expectancy"),
        "sharpe": numbers["sharpe"],
        "max_drawdown": numbers["max_drawdown"],
        "commission": float(fills["commission"].sum()) if len(fills) else 0.0,
        "proposals": len(proposals),
        "granted": int((proposals["verdict"] == "granted").sum()) if len(proposals) else 0,
        "warnings": warnings_for(summary),
    }


def daily_profit(fills: pd.DataFrame, prices: pd.DataFrame) -> pd.Series:
    """Return profit per day, marked at each instrument's close.

    Parameters
    ----------
    fills
        Fills of one strategy.
    prices
        Daily closes: ts, instrument_id, close.

    Returns
    -------
    Series
        Indexed by the close's time in UTC nanoseconds; positions and cash flows of all instruments together.
    """
    closes = prices.pivot_table(index="ts", columns="instrument_id", values="close").sort_index().ffill()
    if fills.empty:
        return pd.Series(0.0, index=closes.index)
    sign = np.where(fills["side"] == "buy", 1.0, -1.0)
    flow = pd.DataFrame(
        {
            "ts": _next_mark(closes.index.to_numpy(np.int64), fills["ts_event"].to_numpy(np.int64)),
            "instrument_id": fills["instrument_id"].to_numpy(),
            "units": sign * fills["quantity"].to_numpy(float),
            "cash": -sign * fills["quantity"].to_numpy(float) * fills["price"].to_numpy(float)
            - fills["commission"].to_numpy(float),
        }
    )
    units = flow.pivot_table(index="ts", columns="instrument_id", values="units", aggfunc="sum")
    units = units.reindex(index=closes.index, columns=closes.columns).fillna(0.0).cumsum()
    cash = flow.groupby("ts")["cash"].sum().reindex(closes.index).fillna(0.0).cumsum()
    worth = (units * closes.fillna(0.0)).sum(axis=1) + cash
    return worth.diff().fillna(worth)


def _next_mark(marks: np.ndarray, ts: np.ndarray) -> np.ndarray:
    return marks[np.minimum(np.searchsorted(marks, ts, side="left"), len(marks) - 1)]


def _benchmark(prices: pd.DataFrame, ids: list[str], ts: np.ndarray) -> np.ndarray | None:
    """Return the equal-weight buy and hold of `ids` at the marks of the equity series."""
    held = prices[prices["instrument_id"].isin(ids)]
    if held.empty or not len(ts):
        return None
    closes = held.pivot_table(index="ts", columns="instrument_id", values="close").sort_index().ffill().bfill()
    level = (closes / closes.iloc[0]).mean(axis=1)
    at = np.searchsorted(level.index.to_numpy(np.int64), ts, side="right") - 1
    values = level.to_numpy(np.float64)
    return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)


def _prices(spec: RunSpec) -> pd.DataFrame:
    catalog = open_catalog(spec.config.catalog)
    frames = []
    for iid in dict.fromkeys([*spec.config.instruments, *spec.config.benchmark]):
        frame = catalog.daily_frame(iid, spec.start_ns, spec.end_ns)
        frames.append(
            pd.DataFrame(
                {
                    "ts": frame.index.as_unit("ns").asi8,
                    "instrument_id": iid,
                    **{c: frame[c].to_numpy() for c in ("open", "high", "low", "close", "volume")},
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _carry_frame(carry: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ts": pd.Series([e.ts for e in carry], dtype="int64"),
            "kind": pd.Series([str(e.kind) for e in carry], dtype="str"),
            "instrument_id": pd.Series([e.instrument_id for e in carry], dtype="str"),
            "amount": pd.Series([float(e.amount) for e in carry], dtype="float64"),
        }
    )


def _slippage(fills: pd.DataFrame, decisions: pd.DataFrame) -> float:
    """Return what entries paid over their reference price, in money: gap and cost together, adverse positive."""
    entries = fills[fills["leg"] == "E"]
    return float((entries["slippage_bps"] / 1e4 * entries["quantity"] * entries["price"]).sum()) if len(entries) else 0.0


def _data_notes(spec: RunSpec) -> list[dict[str, Any]]:
    catalog = open_catalog(spec.config.catalog)
    return list(catalog.describe(list(spec.config.instruments), start_ns=spec.start_ns, end_ns=spec.end_ns))


def _execution_notes(config: RunConfig) -> dict[str, Any]:
    execution = config.execution
    return {
        "fees": {v.name: v.fees for v in config.venues},
        "latency_ms": execution.latency_ms,
        "half_spread_bps": execution.half_spread_bps,
        "impact_bps": execution.impact_bps,
        "cost_multiplier": execution.cost_multiplier,
        "entry": "market order at the close's batch, filled at the next open tick; killed when that open lies beyond "
        "its stop or target",
        "stop": "rests at the venue; fills at its trigger, or at the open when the price gaps through it",
        "target": "limit; fills at its price when touched",
        "inside_bar": "the side nearer the open comes first",
        "seed": config.seed,
    }
