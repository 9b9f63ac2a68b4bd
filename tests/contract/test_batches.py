"""A desk that waits for every instrument's bar decides what one decides that takes what has come after a nanosecond."""

from pathlib import Path
from typing import Any

import pytest

from nautilus_qs.bridge import messages as bus
from nautilus_qs.nodes import assembly, shells
from tests.runs import MemorySink, build_engine, daily, run_config, walk, write_catalog

IDS = ("AAA.SIM", "BBB.SIM", "CCC.SIM")


def verdicts(config: Any, name: str) -> list[tuple[Any, ...]]:
    heard: list[Any] = []
    engine = build_engine(config, name)
    engine.kernel.msgbus.subscribe(f"{bus.VERDICTS}.*", heard.append)
    engine.run()
    engine.dispose()
    MemorySink.kept.pop(name)
    assert all(one.ts_decided - one.proposal.ts_batch <= 2 for one in heard if one.failed != "end_of_run")
    return [(one.proposal.decision_id, one.is_granted, one.granted, one.failed) for one in heard]


def test_desk_that_waits_for_its_bars_decides_the_same_and_nothing_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = [daily(iid, walk(500, seed)) for seed, iid in enumerate(IDS, 3)]
    config = run_config(write_catalog(tmp_path / "catalog", series), list(IDS))
    at_once = verdicts(config, "at-once")

    made = assembly.engine_config

    def engine_config(*values: Any) -> Any:
        engine = made(*values)
        for actor in engine.actors:
            if actor.actor_path.endswith(":RiskDesk"):
                # So long a wait that only the bars themselves can complete a batch in time.
                actor.config.update(expected_bar_types=shells.bar_types(config), batch_wait_ns=3_600_000_000_000)
        return engine

    monkeypatch.setattr(assembly, "engine_config", engine_config)
    waited = verdicts(config, "waited")
    assert len(at_once) > 20
    assert waited == at_once
