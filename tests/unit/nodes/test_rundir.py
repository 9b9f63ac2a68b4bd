"""Run directories: nothing half-written is ever visible."""

import json
import os
from pathlib import Path

import pytest

from nautilus_qs.errors import StorageError
from nautilus_qs.nodes.rundir import RunDirectory

METRICS = {"decision_digest": "d", "fill_digest": "f"}


def publish(runs: Path, metrics: dict[str, str]) -> bool:
    with RunDirectory(runs, "abc") as place:
        (place.part / "metrics.json").write_text(json.dumps(metrics))
        return place.publish(metrics)


def test_run_directory_published_appears_whole_under_its_id(tmp_path: Path) -> None:
    assert publish(tmp_path, METRICS) is False
    assert (tmp_path / "abc" / "metrics.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["abc"]


def test_run_directory_left_by_an_error_leaves_nothing(tmp_path: Path) -> None:
    def die_halfway() -> None:
        with RunDirectory(tmp_path, "abc") as place:
            (place.part / "equity.parquet").write_text("half")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        die_halfway()
    assert list(tmp_path.iterdir()) == []


def test_run_directory_second_run_confirms_the_digests(tmp_path: Path) -> None:
    publish(tmp_path, METRICS)
    assert publish(tmp_path, METRICS) is True


def test_run_directory_second_run_with_other_digests_is_an_error(tmp_path: Path) -> None:
    publish(tmp_path, METRICS)
    with pytest.raises(StorageError, match="decision_digest of the same spec must not change"):
        publish(tmp_path, {**METRICS, "decision_digest": "other"})
    assert json.loads((tmp_path / "abc" / "metrics.json").read_text()) == METRICS


def test_run_directory_of_a_killed_process_is_removed_by_the_next_run(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    orphan = tmp_path / f".old.{pid}.part"
    orphan.mkdir()
    alive = tmp_path / f".mine.{os.getpid()}.part"
    alive.mkdir()
    publish(tmp_path, METRICS)
    assert not orphan.exists()
    assert alive.exists()


def test_run_directory_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    file.write_text("not a folder")
    with pytest.raises(StorageError, match="must be writable"), RunDirectory(file, "abc"):
        pass
