"""Runs and ingests that are killed or run out of disk: nothing half-written is left, and the next one is whole."""

import errno
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from tests.commands import nqs, start
from tests.runs import daily, run_values, walk, write_catalog, write_config

IDS = [f"S{i}.SIM" for i in range(3)]
# More bars than strategies hand to the recorder at once (8192): the tables grow while the engine runs.
LONG, SHORT = 2900, 400


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crash") / "catalog"
    return write_catalog(path, [daily(iid, walk(LONG, seed), first="2010-01-04") for seed, iid in enumerate(IDS)])


def config_in(folder: Path, catalog: Path, bars: int = SHORT) -> Path:
    """Write the configuration of a run over the last bars; its runs go beside it."""
    first = "20100101" if bars == LONG else "20200101"
    values = run_values(catalog, IDS, timerange=f"{first}-20221231", runs=str(folder / "runs"))
    return write_config(folder / "config.yaml", {**values, "risk": {"max_correlation": 1.0}})


@pytest.fixture
def config(catalog: Path, tmp_path: Path) -> Path:
    return config_in(tmp_path, catalog)


@pytest.fixture(scope="module")
def finished(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the runs of an undisturbed run of the same configuration, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    answer = nqs("backtest", config_in(folder, catalog), "--json")
    assert answer.code == 0, answer.err
    return folder / "runs", answer.json


@pytest.fixture
def earlier(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the directory of an earlier run of the configuration, and what it printed."""
    shutil.copytree(finished[0], tmp_path / "runs")
    return tmp_path / "runs" / finished[1]["run_id"], finished[1]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def until(process: "subprocess.Popen[str]", is_so: Callable[[], bool]) -> None:
    """Wait for something to be so while a process runs; a process that ends first has failed."""
    while not is_so():
        try:
            process.wait(timeout=0.001)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the process ended first: {process.communicate()}")


def kill_at(moment: str, config: Path, runs: Path) -> None:
    """Kill a run as soon as a file is there, and see that nothing looks like a run."""
    process = start("backtest", config, "--json")
    until(process, lambda: any(runs.glob(f".{moment}")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = names_in(runs)
    assert len(left) == 1
    assert left[0].startswith(".")
    assert left[0].endswith(f".{process.pid}.part")
    listed = nqs("runs", "list", "--runs", runs, "--json")
    assert (listed.code, listed.json["runs"]) == (0, [])
    assert nqs("runs", "show", "latest", "--runs", runs).code == 3


def test_run_killed_while_bars_are_recorded_leaves_no_run(catalog: Path, tmp_path: Path) -> None:
    kill_at("*.part/signals.parquet.part", config_in(tmp_path, catalog, LONG), tmp_path / "runs")


@pytest.mark.parametrize("moment", ["*.part", "*.part/config.yaml"])
def test_run_after_a_killed_one_sweeps_up_and_has_the_digests_of_an_undisturbed_one(
    config: Path, tmp_path: Path, finished: tuple[Path, dict[str, Any]], moment: str
) -> None:
    kill_at(moment, config, tmp_path / "runs")
    again = nqs("backtest", config, "--json")
    assert again.code == 0, again.err
    assert names_in(tmp_path / "runs") == [again.json["run_id"]]
    for name in ("run_id", "decision_digest", "fill_digest", "counts", "reused"):
        assert again.json[name] == finished[1][name]
    assert again.json["reused"] is False


def full(*_arguments: Any, **_keywords: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def after(calls: int, call: Any) -> Any:
    """Return what does as before so many times, and then finds the disk full."""
    left = [calls]

    def limited(*arguments: Any, **keywords: Any) -> Any:
        left[0] -= 1
        return full() if left[0] < 0 else call(*arguments, **keywords)

    return limited


# Where the disk may fill up: while bars are recorded, as the tables are closed, and in what follows the last bar.
FULL_AT = {
    "first table": (pq.ParquetWriter, "write_table", 0),
    "a later table": (pq.ParquetWriter, "write_table", 4),
    "closing a table": (pq.ParquetWriter, "close", 2),
    "prices": (pd.DataFrame, "to_parquet", 0),
    "settings and metrics": (Path, "write_text", 0),
    "metrics": (Path, "write_bytes", 0),
    "report": (Path, "write_text", 1),
    "the last rename": (Path, "replace", 9),
}


@pytest.mark.parametrize("place", FULL_AT)
def test_disk_full_during_a_run_says_what_to_do_and_leaves_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    owner, name, calls = FULL_AT[place]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, after(calls, getattr(owner, name)))
        answer = nqs("backtest", config, "--json")
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert "No space left on device" in answer.err
    assert "free" in answer.err
    assert answer.json == {"error": answer.json["error"], "message": answer.json["message"], "exit_code": 1}
    assert names_in(tmp_path / "runs") == []


def test_disk_full_for_a_process_says_what_to_do_and_leaves_nothing(config: Path, tmp_path: Path) -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
        "from nautilus_qs.cli.app import main; main()"
    )
    process = start("backtest", config, "--json", script=script)
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert "File too large" in err
    assert "Traceback" not in err
    assert '"exit_code": 1' in out.splitlines()[-1]
    assert names_in(tmp_path / "runs") == []


def test_disk_full_during_an_ingest_says_what_to_do_and_leaves_the_catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = write_mapping(tmp_path, rows=300)
    catalog = tmp_path / "catalog"
    assert nqs("data", "ingest", mapping, "--catalog", catalog).code == 0
    before = contents(catalog)
    write_mapping(tmp_path, rows=400)
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        answer = nqs("data", "ingest", mapping, "--catalog", catalog, "--json")
    assert answer.code == 1
    assert "the disk is full; free some space and ingest again; the catalog is as it was before" in answer.err
    assert answer.json["exit_code"] == 1
    assert contents(catalog) == before
    assert nqs("data", "ingest", mapping, "--catalog", catalog, "--json").json["rows_written"] == 200


def write_mapping(folder: Path, *, rows: int) -> Path:
    """Write daily bars as a CSV file, and the mapping that describes it."""
    frame = daily("AAA.SIM", walk(400, 1)[:rows]).frame
    frame.to_csv(folder / "AAA.csv", index_label="date")
    bars = {
        "files": "AAA.csv", "venue": "SIM", "kind": "index", "calendar": "XNYS", "timeframe": "1-DAY",
        "stamp": "session", "price_kind": "split_adjusted", "sector": "",
    }  # fmt: skip
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump({"name": "made", "bars": [bars]}), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with what it holds, but for the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_run_again_confirms_the_digests_and_keeps_the_first(
    config: Path, tmp_path: Path, earlier: tuple[Path, dict[str, Any]]
) -> None:
    place, first = earlier
    kept = contents(tmp_path / "runs")
    second = nqs("backtest", config, "--json")
    assert second.code == 0, second.err
    assert (first["reused"], second.json["reused"]) == (False, True)
    for name in ("run_id", "decision_digest", "fill_digest"):
        assert first[name] == second.json[name]
    assert second.json["report"] == str(place / "report.html")
    assert contents(tmp_path / "runs") == kept


def altered_fills(place: Path) -> None:
    fills = pd.read_parquet(place / "fills.parquet")
    fills.assign(price=fills["price"] * 1.01).to_parquet(place / "fills.parquet")


def altered_digest(place: Path) -> None:
    path = place / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**metrics, "decision_digest": "0" * 32}), encoding="utf-8")


def damaged_metrics(place: Path) -> None:
    (place / "metrics.json").write_text("{", encoding="utf-8")


def missing_decisions(place: Path) -> None:
    (place / "decisions.parquet").unlink()


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (altered_fills, "fill_digest"),
        (altered_digest, "decision_digest"),
        (damaged_metrics, "metrics"),
        (missing_decisions, "decisions.parquet"),
    ],
)
def test_run_again_over_an_altered_run_is_refused_by_name(
    config: Path, tmp_path: Path, earlier: tuple[Path, dict[str, Any]], alter: Callable[[Path], None], named: str
) -> None:
    place, _ = earlier
    alter(place)
    before = contents(tmp_path / "runs")
    second = nqs("backtest", config, "--json")
    assert second.code == 1
    assert str(place) in second.json["message"]
    assert named in second.json["message"]
    assert contents(tmp_path / "runs") == before


def test_run_stopped_by_a_fault_of_a_part_is_not_kept(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_keywords: Any) -> Any:
        raise ValueError("a bug")

    monkeypatch.setattr("nautilus_qs.research.report.render", broken)
    with pytest.raises(ValueError, match="a bug"):
        nqs("backtest", config)
    assert names_in(tmp_path / "runs") == []
