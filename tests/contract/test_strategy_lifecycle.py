"""What every strategy keeps through its life: reset equals new, saved and loaded it goes on, flat when asked."""

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from nautilus_trader.backtest.engine import BacktestEngine

from catalog.sources.series import BarSize
from nautilus_qs.bridge import messages as bus
from tests.runs import (
    STRATEGIES,
    MemorySink,
    around_the_clock,
    build_engine,
    daily,
    run_config,
    walk,
    write_catalog,
)

N = 400
EACH = pytest.mark.parametrize("name", STRATEGIES)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("life") / "catalog"
    return write_catalog(path, [daily(iid, walk(N, seed)) for iid, seed in (("AAA.SIM", 11), ("BBB.SIM", 12))])


def config_of(catalog: Path, name: str, **settings: Any) -> Any:
    strategy = {"name": name, "path": STRATEGIES[name], **settings}
    risk = {"max_correlation": 1.0, "max_positions_per_strategy": 50}
    return run_config(catalog, ["AAA.SIM", "BBB.SIM"], strategies=[strategy], risk=risk)


def rows_of(sink: str) -> list[Any]:
    """Return what was recorded; engine-made venue and trade ids count on through a reset."""
    plain = [row if isinstance(row, tuple) else msgspec.to_builtins(row) for row in MemorySink.kept.pop(sink)]
    for row in plain:
        if isinstance(row, dict):
            row.pop("venue_order_id", None)
            row.pop("trade_id", None)
    return plain


def strategy_of(engine: BacktestEngine) -> Any:
    return engine.trader.strategies()[0]


@EACH
def test_reset_equals_new(catalog: Path, name: str) -> None:
    engine = build_engine(config_of(catalog, name), f"reset-{name}")
    engine.run()
    first = rows_of(f"reset-{name}")
    MemorySink.kept[f"reset-{name}"] = []
    recorder = next(actor for actor in engine.trader.actors() if type(actor).__name__ == "Recorder")
    recorder._sink._rows = MemorySink.kept[f"reset-{name}"]
    engine.reset()
    engine.run()
    second = rows_of(f"reset-{name}")
    engine.dispose()
    assert len(first) > N
    assert first == second


@EACH
def test_saved_and_loaded_reads_on_as_if_never_stopped(catalog: Path, name: str) -> None:
    config = config_of(catalog, name)
    whole = build_engine(config, f"whole-{name}")
    whole.run()
    whole.dispose()
    signals = [row for row in rows_of(f"whole-{name}") if isinstance(row, tuple)]
    middle = pd.Timestamp(signals[len(signals) // 2][2], unit="ns", tz="UTC")

    before = build_engine(config, f"before-{name}")
    before.run(end=middle)
    saved = strategy_of(before).save()
    before.dispose()
    after = build_engine(config, f"after-{name}")
    strategy_of(after).load(saved)
    after.run(start=middle + pd.Timedelta(1, "s"))
    after.dispose()
    MemorySink.kept.pop(f"before-{name}")
    read_on = [row for row in rows_of(f"after-{name}") if isinstance(row, tuple)]
    expected = [row for row in signals if row[2] > middle.value]
    assert [(row[2], row[3]) for row in read_on] == [(row[2], row[3]) for row in expected]
    for got, want in zip(read_on, expected, strict=True):
        assert got[6:] == pytest.approx(want[6:], rel=1e-9)


@EACH
@pytest.mark.parametrize("is_asked", [True, False])
def test_stopped_is_flat_when_asked_and_else_keeps_its_stops(catalog: Path, name: str, is_asked: bool) -> None:
    engine = build_engine(config_of(catalog, name, flat_on_stop=is_asked), f"stop-{name}-{is_asked}")
    trades: list[Any] = []
    engine.kernel.msgbus.subscribe(bus.TRADES, trades.append)
    strategy, cache = strategy_of(engine), engine.cache
    seen: list[int] = []

    def stop_once_invested(_message: Any) -> None:
        if not seen and cache.positions_open(strategy_id=strategy.id) and not cache.orders_inflight():
            seen.append(len(trades))
            strategy.stop()

    engine.kernel.msgbus.subscribe(bus.EQUITY, stop_once_invested)
    engine.run()
    assert seen
    held = cache.positions_open(strategy_id=strategy.id)
    if is_asked:
        assert held == []
        assert trades[-1].exit_reason == "flattened"
        assert len(trades) > seen[0]
    else:
        # Nothing new is opened; what was held is still protected or was closed by its own orders.
        stops = [order for order in cache.orders_open(strategy_id=strategy.id) if order.has_trigger_price]
        assert len(held) == len(stops)
    assert strategy.state.name in ("STOPPED", "RUNNING")
    engine.dispose()
    MemorySink.kept.pop(f"stop-{name}-{is_asked}")


def test_equity_of_minute_bars_is_marked_every_five_minutes_at_the_end_of_the_day_and_at_decisions(
    tmp_path: Path,
) -> None:
    bars = around_the_clock("SYN-USD.SIM", walk(6000, 7, step=0.001), BarSize.MINUTE)
    place = write_catalog(tmp_path / "catalog", [bars])
    config = run_config(
        place,
        ["SYN-USD.SIM"],
        timerange="20200101-20200131",
        data=[{"instruments": ["SYN-USD.SIM"], "bar": "1-MINUTE-LAST"}],
        sizing={"base_fraction": 0.0005},
        execution={"half_spread_bps": {"crypto": 0.0}, "impact_bps": 0.0},
    )
    engine = build_engine(config, "minutes")
    points: list[Any] = []
    decided: set[int] = set()
    engine.kernel.msgbus.subscribe(bus.EQUITY, points.append)
    engine.kernel.msgbus.subscribe(bus.ACCOUNT, lambda account: points.append(account.point))
    engine.kernel.msgbus.subscribe(f"{bus.VERDICTS}.*", lambda verdict: decided.add(verdict.proposal.ts_batch))
    engine.run()
    engine.dispose()
    rows = MemorySink.kept.pop("minutes")
    times = sorted({point.ts for point in points})
    held = [point.ts for point in points if point.positions]
    minute = 60 * 10**9
    # Far fewer than one a bar while something was held, but never a decision without one.
    assert decided <= set(times)
    assert 0 < len(set(held)) < 0.6 * sum(1 for row in rows if isinstance(row, tuple) and row[1] == "rsi_reversion")
    midnights = {pd.Timestamp(day, tz="America/New_York").value for day in ("2020-01-02", "2020-01-03", "2020-01-04")}
    assert all(any(midnight - minute <= ts <= midnight for ts in times) for midnight in midnights)
