"""What is written after the last bar, beside the recorded tables: prices, carry, metrics and the report."""

import gc
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from msgspec import Struct

from catalog.reader import Catalog
from nautilus_qs.bridge.carry import CarryEntry
from nautilus_qs.config import RunConfig, to_values
from nautilus_qs.desk.digest import decision_digest, fill_digest
from nautilus_qs.nodes.assembly import MARK_EVERY_SECS
from nautilus_qs.nodes.curves import buy_and_hold, daily_profit
from nautilus_qs.nodes.spec import RunSpec
from nautilus_qs.performance import Summary, Trade, summarise, warnings_for

READ_BACK: dict[str, list[str] | None] = {
    "equity": ["ts", "equity", "gross_exposure"],
    "trades": None,
    "fills": None,
    "decisions": ["strategy", "action", "verdict"],
    "breakers": ["event"],
}
"""Tables that the figures need, and which columns of them (None: all)."""
NAMED = 3
"""Instruments that a warning names; the others are counted."""

OHLCV = ("open", "high", "low", "close", "volume")


class RunCounts(Struct, frozen=True, kw_only=True):
    """What went through the engine."""

    bars: int
    proposals: int
    orders: int
    fills: int
    trades: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What a run leaves besides its tables: counts, carry, and the price each order met before spread and impact."""

    counts: RunCounts
    carry: list[CarryEntry]
    market_px: dict[str, float]


def finish_run(part: Path, spec: RunSpec, outcome: Outcome, *, catalog: Catalog, elapsed_s: float) -> dict[str, Any]:
    """Write config.yaml, prices, carry, metrics.json and report.html beside the recorded tables; return the metrics."""
    # Imported here: only the end of a run draws.
    from nautilus_qs.research.report import render

    (part / "config.yaml").write_text(yaml.safe_dump(to_values(spec.config), sort_keys=False), encoding="utf-8")
    prices = _prices(spec, catalog)
    prices.to_parquet(part / "prices.parquet", index=False)
    _carry_frame(outcome.carry).to_parquet(part / "carry.parquet", index=False)
    frames = {name: pd.read_parquet(part / f"{name}.parquet", columns=columns) for name, columns in READ_BACK.items()}
    metrics: dict[str, Any] = {
        "run_id": spec.run_id,
        "name": spec.config.name,
        **digests_of(part),
        "code_version": spec.code_version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "timerange": spec.config.timerange.split("-"),
        **_figures(spec.config, frames, prices=prices, data=_data_notes(spec, catalog)),
        "costs": costs_of(frames["fills"], outcome),
        "counts": msgspec.to_builtins(outcome.counts),
        "elapsed_s": round(elapsed_s, 3),
        "bars_per_s": round(outcome.counts.bars / elapsed_s, 1) if elapsed_s > 0 else None,
        "execution": _execution_notes(spec.config),
        "trials": 1,
    }
    text = msgspec.json.format(msgspec.json.encode(metrics, order="sorted"), indent=2)
    (part / "metrics.json").write_bytes(text)
    # The report reads what it needs from the files: what was read for the figures makes room first.
    del frames, prices
    gc.collect()
    render(part)
    return metrics


def _figures(
    config: RunConfig, frames: dict[str, pd.DataFrame], *, prices: pd.DataFrame, data: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return every statistic of the account and of each strategy."""
    equity, breakers = frames["equity"], frames["breakers"]
    benchmark = list(config.benchmark) or list(config.instruments[:1])
    periods = 365 if {facts["kind"] for facts in data} == {"crypto"} else 252
    ts = equity["ts"].to_numpy(np.int64)
    summary = summarise(
        ts,
        equity["equity"].to_numpy(np.float64),
        trade_list(frames["trades"]),
        periods_per_year=periods,
        rng=np.random.default_rng(config.seed),
        benchmark=buy_and_hold(prices, benchmark, ts),
        gross_exposure=equity["gross_exposure"].to_numpy(np.float64),
        timezone=config.day_zone,
    )
    per_strategy = {
        entry.name: _strategy_figures(entry.name, frames, prices=prices, config=config, periods=periods)
        for entry in config.strategies
    }
    return {
        "metrics": summary.to_dict(),
        "per_strategy": per_strategy,
        "benchmark": benchmark,
        "data": data,
        "breakers": {"trips": int((breakers["event"] == "trip").sum())},
        "warnings": _warnings(summary, per_strategy, data),
    }


def _warnings(summary: Summary, per_strategy: dict[str, Any], data: list[dict[str, Any]]) -> list[str]:
    """Return what is weak about the result: the account's figures, each strategy's, the data's; each said once."""
    account = [f"account: {warning}" for warning in warnings_for(summary)]
    strategies = [f"{name}: {warning}" for name, row in per_strategy.items() for warning in row["warnings"]]
    return [*account, *strategies, *data_warnings(data)]


def data_warnings(data: list[dict[str, Any]]) -> list[str]:
    """Return what is weak about the data, each weakness once, with the instruments it is true of.

    Examples
    --------
    >>> data_warnings([{"instrument_id": "A.X", "warnings": ["w"]}, {"instrument_id": "B.X", "warnings": ["v", "w"]}])
    ['w', 'B.X: v']
    """
    found: dict[str, list[str]] = {}
    for facts in data:
        for warning in facts["warnings"]:
            found.setdefault(warning, []).append(facts["instrument_id"])
    return [text if len(ids) == len(data) else f"{_named(ids)}: {text}" for text, ids in found.items()]


def _named(ids: list[str]) -> str:
    rest = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def trade_list(trades: pd.DataFrame) -> list[Trade]:
    """Return trades as the statistics want them."""
    fields = [name for name in Trade.__struct_fields__ if name in trades.columns]
    return [Trade(**{str(k): v for k, v in row.items()}) for row in trades[fields].to_dict("records")]


def _strategy_figures(
    name: str, frames: dict[str, pd.DataFrame], *, prices: pd.DataFrame, config: RunConfig, periods: int
) -> dict[str, Any]:
    """Return one strategy's statistics: its daily profit (marked to market) on the account's equity, and its trades."""
    trades, fills, decisions = (
        frames[table][frames[table]["strategy"] == name] for table in ("trades", "fills", "decisions")
    )
    start = float(frames["equity"]["equity"].iloc[0]) if len(frames["equity"]) else 0.0
    curve = start + daily_profit(fills, prices).cumsum()
    summary = summarise(
        curve.index.to_numpy(np.int64),
        curve.to_numpy(np.float64),
        trade_list(trades),
        periods_per_year=periods,
        rng=np.random.default_rng(config.seed),
        timezone=config.day_zone,
    )
    proposals = decisions[decisions["action"] == "enter"]
    return {
        **_headline(summary),
        "trades": len(trades),
        "pnl": float(trades["pnl"].sum()),
        "commission": float(fills["commission"].sum()),
        "proposals": len(proposals),
        "granted": int((proposals["verdict"] == "granted").sum()),
        "warnings": warnings_for(summary),
    }


def _headline(summary: Summary) -> dict[str, Any]:
    numbers = summary.to_dict()
    closed = {key: numbers["trades"].get(key) for key in ("win_rate", "profit_factor", "expectancy")}
    return {**closed, "sharpe": numbers["sharpe"], "max_drawdown": numbers["max_drawdown"]}


class _Decided(Struct, frozen=True):
    ts_batch: int
    strategy: str
    instrument_id: str
    side: str
    action: str
    quantity_granted: float
    reference_px: float
    stop_px: float | None
    target_px: float | None


class _Filled(Struct, frozen=True):
    ts_batch: int
    strategy: str
    instrument_id: str
    side: str
    leg: str
    quantity: float
    price: float


def digests_of(directory: Path) -> dict[str, str]:
    """Return the digests of what a run decided and of what was filled, from its recorded tables."""
    return {
        "decision_digest": decision_digest(_digest_rows(directory / "decisions.parquet", _Decided)),
        "fill_digest": fill_digest(_digest_rows(directory / "fills.parquet", _Filled)),
    }


def _digest_rows(path: Path, kind: type[Struct]) -> list[Any]:
    """Return the digest's columns of a recorded table as rows; pandas would turn a missing price into NaN."""
    table = pq.read_table(path, columns=list(kind.__struct_fields__))
    columns = (table.column(name).to_pylist() for name in kind.__struct_fields__)
    return [kind(*values) for values in zip(*columns, strict=True)]


def _prices(spec: RunSpec, catalog: Catalog) -> pd.DataFrame:
    """Return daily bars of everything traded and of the benchmark over the run."""
    frames = []
    for iid in dict.fromkeys([*spec.config.instruments, *spec.config.benchmark]):
        frame = catalog.daily_frame(iid, spec.start_ns, spec.end_ns)
        ts = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
        frames.append(pd.DataFrame({"ts": ts, "instrument_id": iid, **{c: frame[c].to_numpy() for c in OHLCV}}))
    return pd.concat(frames, ignore_index=True)


def _carry_frame(carry: list[CarryEntry]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ts": pd.Series([e.ts for e in carry], dtype="int64"),
            "kind": pd.Series([e.kind.value for e in carry], dtype="str"),
            "instrument_id": pd.Series([e.instrument_id for e in carry], dtype="str"),
            "amount": pd.Series([float(e.amount) for e in carry], dtype="float64"),
        }
    )


def costs_of(fills: pd.DataFrame, outcome: Outcome) -> dict[str, float]:
    """Return what trading and holding cost, in money; adverse is positive, but carry is what was received.

    ``slippage`` is spread and impact: the fill against the price that the order met. ``gap`` is what the price moved
    between the signal's close and that moment, for entries: no cost of trading, but of deciding at a close.
    """
    sign = np.where(fills["side"] == "buy", 1.0, -1.0)
    reference_px = fills["price"] / (1.0 + sign * fills["slippage_bps"] / 1e4)
    # Without a single fill there are no ids, and nothing that they map to has the type of a price.
    met_px = fills["client_order_id"].map(outcome.market_px).astype("float64")
    slippage = sign * fills["quantity"] * (fills["price"] - met_px)
    gap = sign * fills["quantity"] * (fills["price"] - reference_px) - slippage
    return {
        "commission": float(fills["commission"].sum()),
        "slippage": float(slippage.fillna(0.0).sum()),
        "gap": float(gap[fills["leg"] == "E"].fillna(0.0).sum()),
        "carry": float(sum(entry.amount for entry in outcome.carry)),
    }


def _data_notes(spec: RunSpec, catalog: Catalog) -> list[dict[str, Any]]:
    return list(catalog.describe(list(spec.config.instruments), start_ns=spec.start_ns, end_ns=spec.end_ns))


def _execution_notes(config: RunConfig) -> dict[str, Any]:
    execution = config.execution
    return {
        "fees": {venue.name: venue.fees for venue in config.venues},
        "latency_ms": execution.latency_ms,
        "mark_every_secs": MARK_EVERY_SECS,
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
