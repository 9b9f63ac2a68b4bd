"""One contract for every strategy that ships: what a shell and its rule must keep, whatever the idea behind them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.desk.digest import decision_digest, fill_digest
from nautilus_qs.nodes.importing import rule_of
from tests.runs import STRATEGIES, daily, run_config, tables_of, values_of, walk, write_catalog

N = 500
IDS = {"AAA.SIM": 1, "BBB.SIM": 2, "CCC.SIM": 3}
LOOSE = {"max_correlation": 1.0, "max_positions_per_strategy": 50}
BOTH = pytest.mark.parametrize("direction", ["long", "long_short"])
EACH = pytest.mark.parametrize("name", STRATEGIES)


def frames(change: Any = None) -> dict[str, pd.DataFrame]:
    made = {iid: walk(N, seed) for iid, seed in IDS.items()}
    return made if change is None else {iid: change(frame) for iid, frame in made.items()}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "catalog"
    macro = [values_of("VIX", 20 + 12 * np.sin(np.arange(N) / 15)), values_of("BREADTH", np.linspace(0.1, 0.9, N))]
    return write_catalog(path, [daily(iid, frame) for iid, frame in frames().items()], macro)


def config_of(catalog: Path, name: str, direction: str, **changes: Any) -> Any:
    strategy = {"name": name, "path": STRATEGIES[name], "params": {"direction": direction}}
    regime = {"reference": "AAA.SIM", "vix": "VIX", "breadth": "BREADTH"}
    return run_config(catalog, list(IDS), **{"strategies": [strategy], "regime": regime, "risk": LOOSE, **changes})


def rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples(index=False))


def digests(tables: dict[str, pd.DataFrame]) -> tuple[str, str]:
    return decision_digest(rows(tables["decisions"])), fill_digest(rows(tables["fills"]))


@EACH
@BOTH
def test_strategy_trades_and_each_position_has_its_stop(
    catalog: Path, tmp_path: Path, name: str, direction: str
) -> None:
    tables, counts = tables_of(config_of(catalog, name, direction), tmp_path / "a")
    trades, orders = tables["trades"], tables["orders"]
    assert counts.trades == len(trades) > 5
    assert set(trades["side"]) <= ({"long"} if direction == "long" else {"long", "short"})
    if direction == "long_short":
        assert "short" in set(trades["side"])
    filled = set(orders[(orders["leg"] == "E") & (orders["event"] == "filled")]["decision_id"])
    protected = set(orders[(orders["leg"] == "S") & (orders["event"] == "accepted")]["decision_id"])
    assert filled == protected != set()


@EACH
def test_strategy_says_nothing_before_its_windows_are_full(catalog: Path, tmp_path: Path, name: str) -> None:
    config = config_of(catalog, name, "long")
    tables, _ = tables_of(config, tmp_path / "a")
    sessions = tables["signals"].groupby("instrument_id", observed=True)["ts_batch"]
    first = N - rule_of(config.strategies[0]).warmup_bars + 1
    assert sessions.size().to_dict() == dict.fromkeys(IDS, first)


@EACH
@BOTH
def test_strategy_run_twice_decides_and_fills_the_same(
    catalog: Path, tmp_path: Path, name: str, direction: str
) -> None:
    config = config_of(catalog, name, direction)
    assert digests(tables_of(config, tmp_path / "a")[0]) == digests(tables_of(config, tmp_path / "b")[0])


@EACH
def test_strategy_streamed_in_chunks_decides_and_fills_as_in_one_piece(
    catalog: Path, tmp_path: Path, name: str
) -> None:
    whole = digests(tables_of(config_of(catalog, name, "long_short"), tmp_path / "a")[0])
    chunked = tables_of(config_of(catalog, name, "long_short", chunk_size=1000), tmp_path / "b")[0]
    assert digests(chunked) == whole


@EACH
@BOTH
@pytest.mark.parametrize("cut", [150, 320, 451])
def test_strategy_changing_the_future_changes_nothing_past(
    catalog: Path, tmp_path: Path, name: str, direction: str, cut: int
) -> None:
    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        other = walk(len(frame), 77 + cut, start=float(frame["close"].iloc[cut]))
        return pd.concat([frame.iloc[: cut + 1], other.iloc[cut + 1 :]])

    macro = [values_of("VIX", np.where(np.arange(N) < cut, 20 + 12 * np.sin(np.arange(N) / 15), 60.0))]
    macro.append(values_of("BREADTH", np.where(np.arange(N) < cut, np.linspace(0.1, 0.9, N), 0.0)))
    other = write_catalog(tmp_path / "catalog", [daily(iid, f) for iid, f in frames(changed).items()], macro)
    before, _ = tables_of(config_of(catalog, name, direction), tmp_path / "a")
    after, _ = tables_of(config_of(other, name, direction), tmp_path / "b")
    closes = np.sort(before["signals"]["ts_batch"].unique())
    last = int(closes[len(closes) - (N - cut)])
    for table, stamp in (("signals", "ts_batch"), ("decisions", "ts_batch"), ("regimes", "ts"), ("fills", "ts_event")):
        kept = [tables[table][tables[table][stamp] <= last].drop(columns="run_id") for tables in (before, after)]
        kept = [one.sort_values(list(one.columns[:7]), kind="stable").reset_index(drop=True) for one in kept]
        pd.testing.assert_frame_equal(kept[0], kept[1], check_categorical=False)
        assert len(kept[0]) > 0
    assert digests(before) != digests(after)


@EACH
@pytest.mark.parametrize("stop", ["fixed", "trailing_atr", "chandelier", "parabolic"])
def test_strategy_with_any_stop_moves_it_only_towards_the_price(
    catalog: Path, tmp_path: Path, name: str, stop: str
) -> None:
    params = {"direction": "long_short", "stop": stop, "stop_atr": 3.0}
    strategy = {"name": name, "path": STRATEGIES[name], "params": params}
    tables, _ = tables_of(config_of(catalog, name, "long_short", strategies=[strategy]), tmp_path / "a")
    orders = tables["orders"]
    resting = orders[(orders["leg"] == "S") & orders["event"].isin(["accepted", "updated"])]
    moves = 0
    for _, own in resting.sort_values("ts_event", kind="stable").groupby("client_order_id"):
        steps = np.diff(own["trigger_px"].to_numpy())
        sign = 1 if own["side"].iloc[0] == "sell" else -1
        assert (sign * steps >= 0).all()
        moves += int((steps != 0).sum())
    assert (moves > 0) == (stop != "fixed")
    assert set(tables["trades"]["side"]) == {"long", "short"}
