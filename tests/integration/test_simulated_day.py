"""The strategies trade a simulated day at a venue; the backtest on the same bars decides and fills the same.

The tape walks by a cent at a time and does not jump between bars: a stop fills at its price, and an order at the close
at the next open, in the backtest as at the venue.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.identifiers import ClientOrderId

from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.exchange import ALPACA
from adapters.simulator.host import START_NS, SimulatedVenues
from adapters.simulator.tape import Quote, Side, Tick, Trade
from catalog.instruments import InstrumentSpec, Kind
from catalog.sources.series import BarSeries, BarSize, PriceKind, Stamp
from nautilus_qs.config import LiveConfig, configs_dir, decode, read_yaml
from nautilus_qs.desk.digest import decision_digest, fill_digest
from nautilus_qs.nodes.live import build_node
from nautilus_qs.storage.rows import DecisionRow, FillRow
from strategies.slot import Phase
from tests.runs import MemorySink, build_engine, run_config, write_catalog

IID = "AAPL.ALPACA"
MINUTE = 60_000_000_000
BARS = 330
SEED = 5
DEADLINE_SECS = 20.0
STRATEGIES = [
    {
        "name": "bollinger_bounce",
        "path": "strategies.bollinger_bounce:BollingerBounce",
        "params": {"bb_std": 1.5, "rsi_threshold": 45, "target_atr": 60.0},
    },
    {
        "name": "breakout",
        "path": "strategies.breakout:Breakout",
        "params": {"entry_bars": 15, "exit_bars": 6, "min_relative_volume": 0.8},
    },
]
RULES = {"risk": {"max_positions_per_strategy": 5}, "sizing": {"base_fraction": 0.002}}


def path_of(n_bars: int, seed: int) -> tuple[list[Tick], pd.DataFrame]:
    """Return a tape of steps of a cent, and the bars that it makes."""
    rng = np.random.default_rng(seed)
    ticks: list[Tick] = []
    rows = []
    price = 10_000
    drift = 0.0
    for bar in range(n_bars):
        steps = int(rng.integers(12, 36))
        if bar % 12 == 0:
            drift = rng.normal(0.0, 0.25)
        walk = [price]
        for _ in range(steps):
            walk.append(walk[-1] + (1 if rng.random() < 0.5 + drift / 2 else -1))
        size = Decimal(int(rng.integers(50, 400)))
        for i, cents in enumerate(walk):
            ts = START_NS + bar * MINUTE + 1_000_000_000 + i * 1_000_000_000
            px = Decimal(cents) / 100
            ticks.append(Quote(ts, "AAPL", px, px, Decimal(100_000), Decimal(100_000)))
            ticks.append(Trade(ts + 1, "AAPL", px, size, Side.BUY if i % 2 else Side.SELL))
        rows.append([walk[0], max(walk), min(walk), walk[-1], float(size) * len(walk)])
        price = walk[-1]
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close", "volume"]).astype(float)
    frame[["open", "high", "low", "close"]] /= 100
    return ticks, frame


def live_config(venues: SimulatedVenues) -> LiveConfig:
    urls = venues.alpaca
    venue = {
        "paper": True,
        "rest_url": urls.rest_url,
        "data_url": urls.rest_url,
        "stream_url": urls.trade_stream_url,
        "data_stream_url": urls.data_stream_url("iex").removesuffix("/v2/iex"),
        "fractional": False,
        "requests_a_minute": 100_000,
    }
    caps = {"orders_a_minute": 10_000, "max_quantity": "10000", "max_notional": "200000", "max_deviation_frac": "0.5"}
    values = {
        "name": "day",
        "mode": "sandbox",
        "venues": [{"name": "ALPACA", "data": {"venue": venue}, "execution": {"venue": venue, "caps": caps}}],
        "data": [{"instruments": [IID], "bar": "1-MINUTE-LAST"}],
        "strategies": STRATEGIES,
        "allocation": read_yaml(configs_dir() / "strategy_allocation.yaml"),
        # Marks are told in the tape's time, which runs ahead of the wall's.
        "max_mark_age_secs": 864_000.0,
        **RULES,
    }
    return decode(values, LiveConfig, "test")


def settled(node: Any, bars: int) -> bool:
    """Whether the node has read so many bars, and everything that followed from them is answered."""
    strategies = node.trader.strategies()
    bar_type = next(iter(strategies[0]._slots))
    if node.cache.bar_count(bar_type) < bars:
        return False
    cache = node.cache
    if cache.orders_inflight_count() or any(order.is_pending_cancel for order in cache.orders_open()):
        return False
    for strategy in strategies:
        slot = strategy.slot_of(IID)
        if slot.phase not in (Phase.IDLE, Phase.OPEN):
            return False
        if slot.phase is Phase.OPEN:
            stop = cache.order(ClientOrderId(slot.stop_id))
            if stop is None or not stop.is_open or stop.trigger_price.as_decimal() != slot.stop_px:
                return False
    return True


def has_every_fill(node: Any, venues: SimulatedVenues) -> bool:
    """Whether the node knows of as much as the venue has filled."""
    orders = venues.control.state()["venues"]["alpaca"]["orders"]
    filled = sum((Decimal(str(order["filled_qty"])) for order in orders), Decimal(0))
    return filled == sum((order.filled_qty.as_decimal() for order in node.cache.orders()), Decimal(0))


def is_account_told(node: Any) -> bool:
    """Whether the account's balance has in it what every trade has made."""
    made = sum((one.realized_pnl.as_decimal() for one in node.cache.positions()), Decimal(0))
    return node.cache.accounts()[0].balance_total(USD).as_decimal() == 100_000 + made


async def until(is_done: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + DEADLINE_SECS
    while not is_done():
        assert time.monotonic() < ends, f"{what} did not come within {DEADLINE_SECS:g} s"
        await asyncio.sleep(0.002)


async def settle(node: Any, venues: SimulatedVenues, bars: int) -> None:
    """Wait until the node has read the bars and the account, and all is answered."""
    await until(lambda: settled(node, bars) and has_every_fill(node, venues), f"bar {bars}")
    if not is_account_told(node):
        node.trader.strategies()[0].query_account(node.cache.accounts()[0].id)
        await until(lambda: is_account_told(node), f"the account after bar {bars}")


async def trade_a_day(venues: SimulatedVenues) -> dict[str, Any]:
    node = build_node(
        live_config(venues),
        run_id="day",
        sink="tests.runs:MemorySink",
        sink_args={"name": "live-day"},
        trade_from_ns=0,
        loop=asyncio.get_running_loop(),
    )
    running = asyncio.create_task(node.run_async())
    await until(lambda: all(one.is_running for one in node.trader.strategies()), "the start")
    await until(lambda: bool(node.cache.accounts()), "the account")
    await asyncio.sleep(1.0)
    for bar in range(1, BARS + 1):
        # What fills within a bar is told before it closes: a real minute is long enough, here one lasts milliseconds.
        venues.control.step(58.0)
        await settle(node, venues, bar - 1)
        venues.control.step(2.0)
        await settle(node, venues, bar)
    state = venues.control.state()["venues"]["alpaca"]
    held = {str(p.instrument_id): p.signed_decimal_qty() for p in node.cache.positions_open()}
    facts = {
        "bars": list(reversed(node.cache.bars(next(iter(node.trader.strategies()[0]._slots))))),
        "state": state,
        "held": sum(held.values(), Decimal(0)),
        "open": sorted(o.client_order_id.value for o in node.cache.orders_open()),
    }
    await node.stop_async()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return facts


def backtest(tmp_path: Path, frame: pd.DataFrame, first_ns: int) -> list[Any]:
    index = pd.to_datetime(first_ns + np.arange(len(frame)) * MINUTE, utc=True).as_unit("ns")
    series = BarSeries(
        spec=InstrumentSpec(instrument_id=IID, kind=Kind.INDEX, fractional=False),
        size=BarSize.MINUTE,
        frame=frame.set_axis(index, axis=0),
        stamp=Stamp.BAR_START,
        calendar="24/7",
        price_kind=PriceKind.AS_TRADED,
        source="tape",
        origin="tape",
    )
    days = [f"{pd.Timestamp(ns, unit='ns'):%Y%m%d}" for ns in (first_ns, first_ns + 86_400 * 10**9)]
    config = run_config(
        write_catalog(tmp_path / "catalog", [series]),
        [IID],
        venues=[{"name": "ALPACA", "account": "margin", "balances": ["100000 USD"]}],
        strategies=STRATEGIES,
        timerange=f"{days[0]}-{days[1]}",
        warmup_days=0,
        data=[{"instruments": [IID], "bar": "1-MINUTE-LAST"}],
        execution={"half_spread_bps": {"index": 0.0}, "impact_bps": 0.0},
        allocation=read_yaml(configs_dir() / "strategy_allocation.yaml"),
        **RULES,
    )
    engine = build_engine(config, "day")
    engine.run()
    engine.dispose()
    return MemorySink.kept.pop("day")


def rows_of(rows: list[Any], kind: type) -> list[Any]:
    return [row for row in rows if type(row) is kind]


def test_day_at_the_venue_equals_the_backtest_on_its_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "SIMKEY")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "SIMSECRET")
    ticks, frame = path_of(BARS, SEED)
    rules = msgspec.structs.replace(ALPACA, partial_chance=0.0)
    settings = AlpacaSettings(rules=rules, requests_per_minute=0)
    first_ns = time.time_ns() // MINUTE * MINUTE
    with SimulatedVenues(ticks, venues=("alpaca",), alpaca=settings, seed=3, wire_start_ns=first_ns) as venues:
        facts = asyncio.run(trade_a_day(venues))
    live = MemorySink.kept.pop("live-day")
    told = backtest(tmp_path, frame, first_ns)

    got = [
        [bar.open.as_double(), bar.high.as_double(), bar.low.as_double(), bar.close.as_double()]
        for bar in facts["bars"]
    ]
    np.testing.assert_array_equal(np.array(got), frame[["open", "high", "low", "close"]].to_numpy()[: len(got)])
    decisions, expected = rows_of(live, DecisionRow), rows_of(told, DecisionRow)
    assert len([row for row in expected if row.verdict == "granted"]) >= 10
    brief = [
        [(r.ts_batch, r.strategy, r.action, r.side, r.quantity_granted, r.failed_check) for r in rs]
        for rs in (decisions, expected)
    ]
    assert brief[0] == [row for row in brief[1] if row[5] != "end_of_run"]
    assert decision_digest(decisions) == decision_digest(expected)
    fills, filled = rows_of(live, FillRow), rows_of(told, FillRow)
    assert fill_digest(fills) == fill_digest(filled)
    assert {row.leg for row in filled} >= {"E", "S", "X"}
    # The venue's own books say the same.
    held = sum((Decimal(quantity) for quantity in facts["state"]["positions"].values()), Decimal(0))
    assert facts["held"] == held
    working = {"new", "accepted", "held", "partially_filled", "pending_new"}
    assert len(facts["open"]) == sum(order["status"] in working for order in facts["state"]["orders"])
