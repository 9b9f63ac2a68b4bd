"""Whole runs for tests: bars made here, a catalog of them, the full system over it, and the tables it leaves."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import yaml
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import ClientId, Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from catalog.ingest import ingest
from catalog.instruments import InstrumentSpec, Kind
from catalog.macro import MACRO_CLIENT, MacroPoint
from catalog.reader import open_catalog
from catalog.sessions import sessions_of
from catalog.sources.series import BarSeries, BarSize, MacroSeries, PriceKind, Stamp
from nautilus_qs.bridge.venue_models import install
from nautilus_qs.config import RunConfig, configs_dir, decode, read_yaml
from nautilus_qs.nodes import assembly, shells
from nautilus_qs.nodes.backtest import make_spec, record
from nautilus_qs.nodes.results import RunCounts
from nautilus_qs.storage.parquet import TABLES

NEW_YORK = "XNYS"
STRATEGIES = {
    "bollinger_bounce": "strategies.bollinger_bounce:BollingerBounce",
    "rsi_reversion": "strategies.rsi_reversion:RsiReversion",
    "breakout": "strategies.breakout:Breakout",
}

# A run in which no limit, size, cost or breaker changes what the rules alone would do: so much money and so little of
# it at risk that nothing binds. One strategy alone, with a weight of 1 and no wider stops in a crisis, goes with it.
LIMITS_OFF: dict[str, Any] = {
    "venues": [{"name": "ALPACA", "account": "margin", "balances": ["1000000000 USD"]}],
    "sizing": {
        "base_fraction": 1e-6, "min_trades": 1000, "max_trades": 1000, "cap_choppy": 0.01, "cap_crisis": 0.01,
        "min_position": 0.0,
    },
    "risk": {
        "max_heat": 1.0, "max_heat_choppy": 1.0, "max_heat_crisis": 1.0, "max_correlation": 1.0, "max_sector": 1.0,
        "max_instrument": 1.0, "max_positions_per_strategy": 1000, "max_positions": 1000, "max_participation": 1.0,
    },
    "breakers": {"daily_loss": 0.5, "drawdown_clear": 0.3, "drawdown_reduce": 0.4, "drawdown_halt": 0.5},
    "execution": {"half_spread_bps": {"index": 0.0, "stock": 0.0, "crypto": 0.0}, "impact_bps": 0.0},
}  # fmt: skip


class FrameSource:
    """A source of bars and macro values that are made in memory."""

    name = "frames"

    def __init__(self, bars: list[BarSeries], macro: list[MacroSeries] | None = None) -> None:
        self._bars, self._macro = bars, macro or []

    def fingerprint(self) -> str:
        return ""

    def bars(self) -> Iterator[BarSeries]:
        yield from self._bars

    def macro(self) -> Iterator[MacroSeries]:
        yield from self._macro


def walk(n: int, seed: int, *, step: float = 0.015, start: float = 100.0) -> pd.DataFrame:
    """Return n bars of a seeded random walk (PCG64) whose opens gap and whose volume has spikes; the index counts."""
    rng = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(rng.normal(0.0, step, n)))
    before = np.concatenate(([start], close[:-1]))
    open_ = before * np.exp(rng.normal(0.0, step / 4, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, step / 3, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, step / 3, n)))
    volume = np.round(1e6 * np.exp(rng.normal(0.0, 0.6, n)))
    frame = pd.DataFrame({"open": open_, "high": high, "low": low, "close": close})
    frame = frame.round(4)
    frame["high"] = frame[["open", "high", "low", "close"]].max(axis=1)
    frame["low"] = frame[["open", "high", "low", "close"]].min(axis=1)
    return frame.assign(volume=volume)


def dates(n: int, first: str = "2015-01-02") -> pd.DatetimeIndex:
    """Return the dates of n sessions of the New York Stock Exchange."""
    days = pd.date_range(first, periods=2 * n + 20, freq="D").as_unit("ns")
    return days[sessions_of(NEW_YORK).has_dates(days)][:n]


def daily(iid: str, frame: pd.DataFrame, *, sector: str = "", first: str = "2015-01-02") -> BarSeries:
    """Return daily bars of one share or, without a sector, of one index fund."""
    return BarSeries(
        spec=InstrumentSpec(instrument_id=iid, kind=Kind.STOCK if sector else Kind.INDEX, sector=sector),
        size=BarSize.DAY,
        frame=frame.set_axis(dates(len(frame), first), axis=0),
        stamp=Stamp.SESSION,
        calendar=NEW_YORK,
        price_kind=PriceKind.SPLIT_ADJUSTED,
        source="frames",
        origin=f"walk of {iid}",
    )


def around_the_clock(iid: str, frame: pd.DataFrame, size: BarSize, first: str = "2020-01-01") -> BarSeries:
    """Return bars of one coin that trades around the clock."""
    index = pd.date_range(first, periods=len(frame), freq=pd.Timedelta(size.step_ns, unit="ns"), tz="UTC").as_unit("ns")
    return BarSeries(
        spec=InstrumentSpec(instrument_id=iid, kind=Kind.CRYPTO, price_decimals=4),
        size=size,
        frame=frame.set_axis(index, axis=0),
        stamp=Stamp.BAR_START,
        calendar="24/7",
        price_kind=PriceKind.AS_TRADED,
        source="frames",
        origin=f"walk of {iid}",
    )


def values_of(series: str, values: Any, first: str = "2015-01-02") -> MacroSeries:
    """Return one macro value a session."""
    found = pd.Series(np.asarray(values, dtype=float), index=dates(len(values), first))
    return MacroSeries(name=series, values=found, calendar=NEW_YORK, source="frames", origin=series)


def write_catalog(path: Path, bars: list[BarSeries], macro: list[MacroSeries] | None = None) -> Path:
    """Ingest bars and macro values into a new catalog."""
    ingest(FrameSource(bars, macro), path)
    return path


def run_values(catalog: Path, ids: list[str], **changes: Any) -> dict[str, Any]:
    """Return a configuration of the three strategies over daily bars as plain values, the changes on top."""
    values: dict[str, Any] = {
        "name": "test",
        "timerange": "20150101-20171231",
        "warmup_days": 0,
        "catalog": str(catalog),
        "runs": str(catalog.parent / "runs"),
        "venues": [{"name": "SIM", "account": "margin", "balances": ["100000 USD"]}],
        "data": [{"instruments": ids}],
        "strategies": [{"name": name, "path": path} for name, path in STRATEGIES.items()],
        "allocation": read_yaml(configs_dir() / "strategy_allocation.yaml"),
    }
    return {**values, **changes}


def run_config(catalog: Path, ids: list[str], **changes: Any) -> RunConfig:
    """Return :func:`run_values`, decoded."""
    return decode(run_values(catalog, ids, **changes), RunConfig, "test")


def tables_of(config: RunConfig, directory: Path) -> tuple[dict[str, pd.DataFrame], RunCounts]:
    """Run the whole system and return every table it recorded, and what went through it."""
    catalog = open_catalog(config.catalog)
    directory.mkdir(parents=True)
    outcome = record(make_spec(config, catalog), catalog, directory)
    names = [*TABLES.values(), "signals"]
    tables = {name: pd.read_parquet(directory / f"{name}.parquet") for name in names}
    paid = {"ts": [e.ts for e in outcome.carry], "amount": [float(e.amount) for e in outcome.carry]}
    return {**tables, "carry": pd.DataFrame(paid)}, outcome.counts


def write_config(path: Path, values: dict[str, Any]) -> Path:
    """Write a configuration as the YAML file that a user would have."""
    path.write_text(yaml.safe_dump(msgspec.to_builtins(values)), encoding="utf-8")
    return path


class MemorySink:
    """Keeps rows in memory, under the name of the run, where a test finds them."""

    kept: dict[str, list[Any]] = {}

    def __init__(self, name: str) -> None:
        self._rows = MemorySink.kept.setdefault(name, [])

    def write(self, row: Any) -> None:
        self._rows.append(row)

    def write_signals(self, base: Any, chunk: Any) -> None:
        instruments = [chunk.instruments[code] for code in chunk.instrument_codes]
        outcomes = [chunk.outcomes[code] for code in chunk.outcome_codes]
        fixed = zip(chunk.ts.tolist(), instruments, outcomes, chunk.nearness.tolist(), strict=True)
        rows = zip(fixed, chunk.numbers.tolist(), strict=True)
        self._rows += [("signal", chunk.strategy, *one, *numbers) for one, numbers in rows]

    def close(self) -> None:
        """Nothing is held back."""


def tables_in_memory(name: str) -> dict[str, pd.DataFrame]:
    """Return what a :class:`MemorySink` kept under a name as the tables a run writes, and forget it."""
    kept: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES.values()}
    for row in MemorySink.kept.pop(name):
        if not isinstance(row, tuple):
            kept[TABLES[type(row)]].append({field: getattr(row, field) for field in row.__struct_fields__})
    frames = {name: pd.DataFrame(kept[name], columns=[*kind.__struct_fields__]) for kind, name in TABLES.items()}
    plain = {
        name: frame.map(lambda value: float(value) if isinstance(value, Decimal) else value)
        for name, frame in frames.items()
    }
    return {**plain, "carry": pd.DataFrame({"ts": [], "amount": []})}


def build_engine(config: RunConfig, sink_name: str) -> BacktestEngine:
    """Return the engine of a run as the backtest node builds it, data included, and not yet run.

    Unlike a node it stays at hand: it can be stopped half-way, reset, and run again.
    """
    catalog = open_catalog(config.catalog)
    spec = make_spec(config, catalog)
    engine = BacktestEngine(assembly.engine_config(spec, "tests.runs:MemorySink", {"name": sink_name}))
    for venue in config.venues:
        is_margin = venue.account == "margin"
        engine.add_venue(
            Venue(venue.name),
            OmsType.HEDGING,
            AccountType.MARGIN if is_margin else AccountType.CASH,
            [Money.from_str(text) for text in venue.balances],
            base_currency=USD if is_margin else None,
            default_leverage=Decimal(str(venue.leverage if is_margin else 1)),
            **assembly.venue_models(config, catalog, venue.name).objects(),
        )
    for instrument in catalog.instruments(config.instruments):
        engine.add_instrument(instrument)
    regime = config.regime
    if regime is not None and (regime.vix or regime.breadth):
        points = ParquetDataCatalog(str(Path(config.catalog).absolute())).custom_data(MacroPoint)
        engine.add_data(points, client_id=ClientId(MACRO_CLIENT), sort=False)
    stored = ParquetDataCatalog(str(Path(config.catalog).absolute()))
    for bar_type in shells.bar_types(config):
        engine.add_data(stored.bars(bar_types=[bar_type]), sort=False)
    engine.add_data(stored.quote_ticks(instrument_ids=list(config.instruments)), sort=False)
    engine.sort_data()
    install(engine.kernel, [venue.name for venue in config.venues])
    return engine
