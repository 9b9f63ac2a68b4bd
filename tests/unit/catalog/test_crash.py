"""A kill -9 anywhere in an ingest leaves the old state or the new one, and a rerun ends in the new one."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from catalog.errors import CatalogError
from catalog.ingest import ingest
from catalog.reader import open_catalog
from catalog.transaction import Transaction
from tests.unit.catalog.generated import FakeSource, daily

ROOT = Path(__file__).parents[3]
SPAN = (pd.Timestamp("2022-01-01").value, pd.Timestamp("2025-01-01").value)

# Dies at the n-th call of a function: an ingest in the middle of its writes or of its moves.
KILLED = """
import os, pathlib, signal, sys
import nautilus_trader.persistence.catalog.parquet as parquet
from catalog.ingest import ingest
from tests.unit.catalog.generated import FakeSource, daily
place, count = sys.argv[2], int(sys.argv[3])
def dying(call):
    calls = 0
    def run(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return run
if place == "write":
    parquet.pq.write_table = dying(parquet.pq.write_table)
else:
    pathlib.Path.replace = dying(pathlib.Path.replace)
ingest(FakeSource(daily("2023-01-03", "2024-12-31")), sys.argv[1])
"""


def fingerprint(path: Path) -> str:
    return open_catalog(path).fingerprint(["SPY.ALPACA"], "1-DAY-LAST", *SPAN)


def half() -> FakeSource:
    whole = daily("2023-01-03", "2024-12-31")
    return FakeSource(msgspec.structs.replace(whole, frame=whole.frame[:250]))


def whole() -> FakeSource:
    return FakeSource(daily("2023-01-03", "2024-12-31"))


@pytest.mark.parametrize(
    ("place", "count", "is_new"),
    [
        ("write", 2, False),
        ("move", 1, False),  # the journal is not yet in its place
        ("move", 2, True),  # it is, and no file has moved
        ("move", 3, True),
        ("move", 4, True),  # every file has moved, the manifest has not
    ],
)
def test_killed_ingest_leaves_one_of_two_states(tmp_path: Path, place: str, count: int, is_new: bool) -> None:
    states = []
    for name, source in (("old", half()), ("new", whole())):
        ingest(source, tmp_path / name)
        states.append(fingerprint(tmp_path / name))
    path = tmp_path / "catalog"
    ingest(half(), path)
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(path), place, str(count)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    assert fingerprint(path) == states[is_new]
    ingest(whole(), path)
    assert fingerprint(path) == states[1]
    assert not (path / ".staging").exists()


def test_second_writer_is_refused(tmp_path: Path) -> None:
    ingest(half(), tmp_path)
    with Transaction(tmp_path), pytest.raises(CatalogError, match="one ingest at a time may write"):
        ingest(whole(), tmp_path)
    assert sum(ingest(whole(), tmp_path).bars.values()) == 252
