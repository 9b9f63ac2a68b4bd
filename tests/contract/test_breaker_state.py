"""What the breakers know outlives the process: a trip, a peak and the start of the day are kept when they change."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.bridge import messages as bus
from nautilus_qs.nodes import assembly
from tests.runs import MemorySink, build_engine, daily, run_config, walk, write_catalog

N = 300


class JsonStore:
    """Keeps the state in a file, whole or not at all."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def load(self) -> dict[str, Any] | None:
        return json.loads(self._path.read_text()) if self._path.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(self._path)


class FullStore(JsonStore):
    """Has no room left."""

    def save(self, state: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")


def with_store(monkeypatch: pytest.MonkeyPatch, store: type, file: Path) -> None:
    """Name a store in the configuration of every desk that is built from now on."""
    made = assembly.engine_config
    chosen = {
        "breaker_store": f"tests.contract.test_breaker_state:{store.__name__}",
        "breaker_store_args": {"path": str(file)},
    }

    def engine_config(*values: Any) -> Any:
        engine = made(*values)
        for actor in engine.actors:
            if actor.actor_path.endswith(":RiskDesk"):
                actor.config.update(chosen)
        return engine

    monkeypatch.setattr(assembly, "engine_config", engine_config)


def test_store_that_cannot_keep_a_state_halts_the_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = write_catalog(tmp_path / "catalog", [daily("AAA.SIM", walk(N, 5))])
    with_store(monkeypatch, FullStore, tmp_path / "breakers.json")
    engine = build_engine(run_config(catalog, ["AAA.SIM"]), "full-store")
    heard: dict[str, list[Any]] = {topic: [] for topic in (bus.FAULTS, bus.MODES, f"{bus.VERDICTS}.*")}
    for topic, kept in heard.items():
        engine.kernel.msgbus.subscribe(topic, kept.append)
    engine.run()
    engine.dispose()
    MemorySink.kept.pop("full-store")
    assert [fault.component for fault in heard[bus.FAULTS]] == ["breaker_store"]
    assert [change.mode.value for change in heard[bus.MODES]] == ["halted"]
    assert heard[f"{bus.VERDICTS}.*"]


def test_trip_of_one_process_halts_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = walk(N, 5)
    scale = np.linspace(1.0, 0.4, N)
    falling[["open", "high", "low", "close"]] = falling[["open", "high", "low", "close"]].mul(scale, axis=0).round(4)
    catalog = write_catalog(tmp_path / "catalog", [daily("AAA.SIM", falling)])
    config = run_config(
        catalog,
        ["AAA.SIM"],
        risk={"max_instrument": 1.0},
        breakers={"daily_loss": 0.001, "restart_after": None},
        sizing={"base_fraction": 0.05, "cap_normal": 0.05},
    )
    file = tmp_path / "breakers.json"
    with_store(monkeypatch, JsonStore, file)
    first = build_engine(config, "first")
    modes: list[bus.ModeChange] = []
    first.kernel.msgbus.subscribe(bus.MODES, modes.append)
    first.run()
    first.dispose()
    assert [change.mode.value for change in modes] == ["halted"]
    assert json.loads(file.read_text())["tripped"]

    second = build_engine(config, "second")
    granted: list[Any] = []
    second.kernel.msgbus.subscribe(f"{bus.VERDICTS}.*", granted.append)
    second.run(start=pd.Timestamp(modes[0].ts, unit="ns", tz="UTC"))
    second.dispose()
    for sink in ("first", "second"):
        MemorySink.kept.pop(sink)
    entries = [verdict for verdict in granted if verdict.proposal.signal.action.value == "enter"]
    assert entries
    assert {verdict.failed for verdict in entries} <= {"mode", "end_of_run"}
