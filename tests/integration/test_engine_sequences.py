"""Random markets, settings and orders through the real engine, held against a second book.

Three strategies and one that keeps no rule trade a few instruments on one or two venues under limits drawn at random.
Whatever happens: no limit is exceeded when something is granted, nothing that only reduces is denied, no position of a
strategy lacks a stop, nothing opens while a breaker halts, and what the gate and the desk hold at the end is exactly
what is not closed.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalog.instruments import InstrumentSpec, Kind
from catalog.reader import open_catalog
from catalog.sources.series import BarSeries, BarSize, PriceKind, Stamp
from nautilus_qs.config import RunConfig, span_ns
from nautilus_qs.nodes import shells
from tests.replay import breaches
from tests.rogue import TAG, Rogue, RogueConfig
from tests.runs import STRATEGIES, build_engine, daily, run_config, tables_in_memory, values_of, walk, write_catalog

SHORT, LONG, CHUNK = 16, 500, 20
N = 600
SECTORS = ("", "", "Tech", "Tech", "Energy", "Banks")
SHARES = [f"S{i}.SIM" for i in range(6)]
COINS = [f"C{i}-USD.COIN" for i in range(2)]
REGIMES = ("bull_trending", "bear_trending", "high_vol_choppy", "low_vol_range", "crisis")


def coin(iid: str, frame: pd.DataFrame) -> BarSeries:
    """Return daily bars of something that trades around the clock."""
    return BarSeries(
        spec=InstrumentSpec(instrument_id=iid, kind=Kind.CRYPTO, price_decimals=4),
        size=BarSize.DAY,
        frame=frame.set_axis(pd.date_range("2015-01-02", periods=len(frame), freq="D"), axis=0),
        stamp=Stamp.SESSION,
        calendar="24/7",
        price_kind=PriceKind.AS_TRADED,
        source="frames",
        origin=f"walk of {iid}",
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool of shares that move together more or less, and coins, with a VIX that is at times high."""
    rng = np.random.default_rng(99)
    market = walk(N, 7, step=0.01)["close"].to_numpy()
    bars = []
    for i, iid in enumerate(SHARES):
        frame = walk(N, i, step=float(rng.uniform(0.01, 0.03)))
        tilt = (market / market[0]) ** rng.uniform(0.0, 2.0)
        prices = frame[["open", "high", "low", "close"]].mul(tilt, axis=0).round(4)
        prices["high"], prices["low"] = prices.max(axis=1), prices.min(axis=1)
        bars.append(daily(iid, prices.assign(volume=frame["volume"]), sector=SECTORS[i]))
    bars += [coin(iid, walk(N, 20 + i, step=0.04)) for i, iid in enumerate(COINS)]
    vix = values_of("VIX", 20 + 14 * np.sin(np.arange(N) / 20))
    return write_catalog(tmp_path_factory.mktemp("sequences") / "catalog", bars, [vix])


def drawn(catalog: Path, seed: int) -> RunConfig:
    """Return a run drawn at random; every setting is one that a user may choose."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    ids = [str(iid) for iid in rng.choice(SHARES, size=rng.integers(1, 5), replace=False)]
    venues = [
        {"name": "SIM", "account": "margin", "balances": ["100000 USD"], "leverage": float(rng.choice([1.0, 2.0]))}
    ]
    if rng.random() < 0.5:
        ids += COINS[: rng.integers(1, 3)]
        venues.append({"name": "COIN", "account": str(rng.choice(["cash", "margin"])), "balances": ["50000 USD"]})
    heat = np.sort(rng.uniform(0.005, 0.2, 3))[::-1].round(4)
    caps = np.sort(rng.uniform(0.0005, 0.04, 3))[::-1].round(4)
    start = int(rng.integers(200, N - 130))
    first = pd.Timestamp("2015-01-02") + pd.Timedelta(days=start)
    names = [*STRATEGIES, TAG]

    def weights() -> dict[str, float]:
        shares = rng.dirichlet(np.ones(len(names) + 1))[: len(names)]
        return {name: float(np.floor(share * 1e4) / 1e4) for name, share in zip(names, shares, strict=True)}

    entries = [
        {"name": name, "path": path, "params": {"direction": str(rng.choice(["long", "long_short"]))}}
        for name, path in STRATEGIES.items()
    ]
    return run_config(
        catalog,
        ids,
        name=f"sequence {seed}",
        timerange=f"{first:%Y%m%d}-{first + pd.Timedelta(days=150):%Y%m%d}",
        warmup_days=190,
        venues=venues,
        strategies=entries,
        regime={"reference": ids[0], "vix": "VIX" if rng.random() < 0.7 else ""},
        allocation={"default": weights(), "by_regime": {regime: weights() for regime in REGIMES}},
        sizing={
            "base_fraction": between(0.001, 0.05),
            "min_trades": 5,
            **dict(zip(("cap_normal", "cap_choppy", "cap_crisis"), caps.tolist(), strict=True)),
        },
        risk={
            **dict(zip(("max_heat", "max_heat_choppy", "max_heat_crisis"), heat.tolist(), strict=True)),
            "correlation_mode": str(rng.choice(["block", "cluster"])),
            "max_correlation": float(rng.choice([0.5, 0.7, 1.0])),
            "max_cluster_heat": between(0.01, 0.1),
            "max_sector": between(0.05, 1.0),
            "max_instrument": between(0.05, 1.0),
            "max_positions_per_strategy": int(rng.integers(1, 6)),
            "max_positions": int(rng.integers(1, 9)),
            "min_grant": between(0.1, 1.0),
            "max_participation": float(rng.choice([0.0005, 0.1])),
        },
        breakers={
            "daily_loss": between(0.005, 0.05),
            "drawdown_clear": 0.01,
            "drawdown_reduce": between(0.015, 0.03),
            "drawdown_halt": between(0.031, 0.15),
            "restart_after": [None, 3, 10][rng.integers(3)],
        },
        execution={"impact_bps": between(0.0, 50.0)},
    )


def run_once(catalog: Path, seed: int) -> dict[str, int]:
    """Run one sequence, hold it against every invariant, and return what happened in it."""
    config = drawn(catalog, seed)
    name = f"sequence-{seed}"
    engine = build_engine(config, name)
    rogue = Rogue(
        RogueConfig(
            order_id_tag=TAG,
            oms_type="HEDGING",
            bar_types=shells.bar_types(config),
            seed=seed,
            # Later than the first session: before it the tables do not tell which regime the warm-up ended in.
            trade_from_ns=span_ns(config.timerange)[0] + 5 * 86_400 * 10**9,
        )
    )
    engine.add_strategy(rogue)
    start_ns = span_ns(config.timerange)[0] - config.warmup_days * 86_400 * 10**9
    stamps = [pd.Timestamp(ns, unit="ns", tz="UTC") for ns in (start_ns, span_ns(config.timerange)[1])]
    engine.run(*stamps)
    tables = tables_in_memory(name)
    reducing = {sent.order_id for sent in rogue.sent if sent.is_reducing}
    note = f"seed {seed}"

    found = breaches(config, open_catalog(catalog), tables, reducing=reducing, without_stops={TAG})
    assert found == [], (note, found[:3])
    orders = tables["orders"]
    denied = orders[orders["event"] == "denied"]
    # The engine's own checks deny dust below a venue's minimum, and entries on a cash account that its last quote
    # makes too dear; ours must deny nothing that reduces, and nothing that was granted.
    by_us = denied[denied["reason"].str.startswith("RISK_")]
    assert not reducing & set(by_us["client_order_id"]), (note, by_us["reason"].unique())
    assert set(by_us["leg"]) <= {""}, (note, by_us["reason"].unique())
    assert set(denied[denied["leg"] == "X"]["client_order_id"]) == set(), (note, denied["reason"].unique())
    assert_nothing_opens_while_halted(tables, reducing, note)
    assert_cash_is_kept(config, tables, note)
    assert_books_are_closed(engine, note)
    assert_nothing_grew(orders, set(rogue.grown), note)
    engine.dispose()
    return {
        "granted": int((tables["decisions"]["quantity_granted"] > 0).sum()),
        "trades": len(tables["trades"]),
        "rogue filled": int(tables["fills"]["strategy"].eq(TAG).sum()),
        "rogue denied": int(denied["strategy"].eq(TAG).sum()),
        "rogue reduced": len(reducing & set(tables["fills"]["client_order_id"])),
        "trips": int(tables["breakers"]["event"].eq("trip").sum()),
        "modifies refused": int(orders["event"].eq("modifyrejected").sum()),
        "venues": len(config.venues),
    }


def assert_nothing_opens_while_halted(tables: dict[str, pd.DataFrame], reducing: set[str], note: str) -> None:
    opening = tables["orders"].query("event == 'submitted' and leg in ('', 'E')")
    opening = opening[~opening["client_order_id"].isin(reducing)]["ts_event"].to_numpy()
    since = None
    for change in tables["breakers"].query("breaker in ('daily_loss', 'drawdown_halt')").itertuples():
        if change.event == "trip" and since is None:
            since = change.ts
        elif change.event == "restart" and since is not None:
            assert not ((opening > since) & (opening <= change.ts)).any(), note
            since = None
    assert since is None or not (opening > since).any(), note


def assert_cash_is_kept(config: RunConfig, tables: dict[str, pd.DataFrame], note: str) -> None:
    for venue in config.venues:
        if venue.account == "cash":
            fills = tables["fills"].query(f"account_id == '{venue.name}-001'")
            sign = np.where(fills["side"] == "buy", 1.0, -1.0)
            cash = float(venue.balances[0].split()[0]) - (sign * fills["quantity"] * fills["price"]).cumsum()
            assert (cash - fills["commission"].cumsum() > -0.01).all(), note


def assert_books_are_closed(engine: Any, note: str) -> None:
    """See that gate and desk hold what is open or on its way, and nothing else."""
    parts = {type(actor).__name__: actor for actor in engine.trader.actors()}
    gate, desk = parts["GateController"].gate, parts["RiskDesk"]._desk
    alive = {order.client_order_id.value for order in [*engine.cache.orders_open(), *engine.cache.orders_inflight()]}
    assert set(gate._permits) | set(gate._closes) | set(gate._legs) <= alive, note
    assert (gate.reserved, gate.closing) == (len(gate._permits), len(gate._closes) + len(gate._legs))
    assert set(desk._ledger.grants) == set(gate._permits), note
    held = {position.id.value for position in engine.cache.positions_open()}
    assert len(desk._ledger._positions) == len(held), note


def assert_nothing_grew(orders: pd.DataFrame, grown: set[str], note: str) -> None:
    """See that no order ever became larger than it was sent."""
    for order_id, events in orders[orders["client_order_id"].isin(grown)].groupby("client_order_id"):
        assert events["quantity"].max() <= events["quantity"].iloc[0], (note, order_id)


def run_many(catalog: Path, seeds: range) -> dict[str, int]:
    happened = pd.DataFrame([run_once(catalog, seed) for seed in seeds])
    return {str(name): int(count) for name, count in happened.sum().items()}


def test_random_sequences_keep_every_invariant(catalog: Path) -> None:
    happened = run_many(catalog, range(SHORT))
    # Nothing of what is asserted is asserted of nothing.
    assert min(happened.values()) > 10, happened


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(LONG // CHUNK))
def test_many_random_sequences_keep_every_invariant(catalog: Path, chunk: int) -> None:
    first = 1000 + chunk * CHUNK
    happened = run_many(catalog, range(first, first + CHUNK))
    assert min(happened.values()) > 5, happened
