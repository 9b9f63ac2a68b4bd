"""A simulated year out of a venue: in one go, or killed half-way and started again, the catalog is the same."""

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.simulator.host import SimulatedVenues
from adapters.simulator.tape import Bar
from catalog.reader import open_catalog

NS = 1_000_000_000
FIRST_SECS = 1_735_689_600  # 2025-01-01
HOURS = 365 * 24
NOW_NS = (FIRST_SECS + HOURS * 3600 + 86_400) * NS


def year() -> list[Bar]:
    bars = []
    for hour in range(HOURS):
        px = Decimal(40_000 + (hour * 37) % 5_000)
        bars.append(
            Bar((FIRST_SECS + hour * 3600) * NS, "BTC-USD", px, px + 20, px - 20, px + 5, Decimal(3 + hour % 7))
        )
    return bars


def command(venues: SimulatedVenues, catalog: Path) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("nqs")), "data", "download", "--venue", "coinbase"),
        *("--symbols", "BTC-USD", "--timeframe", "1h", "--timerange", "20250101-20251231"),
        *("--url", venues.coinbase.base_url, "--catalog", str(catalog), "--no-progress"),
    ]


def run(arguments: list[str]) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COINBASE_")}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_year_killed_half_way_ends_as_in_one_go(tmp_path: Path) -> None:
    with SimulatedVenues(venues=("coinbase",), start_ns=NOW_NS, wire_start_ns=NOW_NS) as venues:
        venues.coinbase.server.venue.add_history("BTC-USD", year())
        told = run(command(venues, tmp_path / "whole"))
        assert f"{HOURS:,} bars of 1 instruments" in told
        process = subprocess.Popen(command(venues, tmp_path / "killed"), stdout=subprocess.DEVNULL)
        ends = time.monotonic() + 30
        while not list(tmp_path.glob("killed.pages/*/*.npy")):
            assert time.monotonic() < ends, "no page was written"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        assert not (tmp_path / "killed").exists()
        run(command(venues, tmp_path / "killed"))
    frames = [
        open_catalog(tmp_path / name).bars_frame("BTC-USD.COINBASE", "1-HOUR-LAST", 0, 2**62)
        for name in ("whole", "killed")
    ]
    assert len(frames[0]) == HOURS
    assert frames[0].equals(frames[1])
    assert frames[0]["close"].iloc[0] == pytest.approx(40_005.0)
    assert not list(tmp_path.glob("*.pages/*"))
