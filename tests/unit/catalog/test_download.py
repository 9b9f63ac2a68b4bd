"""Downloads: one go, a kill and another start, or a lost line: the same catalog."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.download import DownloadJob, download
from catalog.errors import CatalogError
from catalog.instruments import InstrumentSpec, Kind
from catalog.pages import PageStore, Rows, windows
from catalog.reader import open_catalog
from catalog.sources.series import BarSize, PriceKind

START = 1_700_006_400  # midnight UTC
HOURS = 24 * 40
JOB = DownloadJob(
    symbols=("AAA-USD", "BBB-USD"),
    size=BarSize.HOUR,
    start_secs=START,
    end_secs=START + HOURS * 3600 - 1,
    now_secs=START + 2 * HOURS * 3600,
)


class Venue:
    """A venue made of a formula; it can stop to answer after some windows, and counts what it was asked."""

    name, licence, price_kind = "made", "", PriceKind.AS_TRADED

    def __init__(self, *, fails_after: int = 10**9, pause_secs: float = 0.0) -> None:
        self.asked: list[tuple[str, int]] = []
        self._fails_after = fails_after
        self._pause_secs = pause_secs

    def calendar(self, symbol: str) -> str:
        return "24/7"

    def window_secs(self, size: BarSize) -> int:
        return 3600 * 24 * 3

    async def open(self, symbols: Sequence[str], size: BarSize) -> None:
        """Nothing is refused."""

    async def spec(self, symbol: str) -> InstrumentSpec:
        return InstrumentSpec(instrument_id=f"{symbol}.MADE", kind=Kind.CRYPTO)

    async def bars(self, symbol: str, size: BarSize, start_secs: int, end_secs: int) -> Rows:
        if len(self.asked) >= self._fails_after:
            raise CatalogError("the line is lost")
        self.asked.append((symbol, start_secs))
        await asyncio.sleep(self._pause_secs)
        opens = np.arange(-(-start_secs // 3600) * 3600, end_secs + 1, 3600, dtype=np.float64)
        px = 100.0 + (opens / 3600) % 17 + len(symbol)
        return np.column_stack([opens, px, px + 1, px - 1, px + 0.5, np.full_like(opens, 7.0)])

    async def close(self) -> None:
        """Nothing is open."""


def bars_of(catalog: Path) -> dict[str, list[list[float]]]:
    opened = open_catalog(catalog)
    return {
        iid: opened.bars_frame(iid, "1-HOUR-LAST", 0, 2**62).reset_index(drop=True).to_numpy().tolist()
        for iid in opened.instrument_ids
    }


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 10**4))
def test_windows_cover_a_range_once_and_in_order(start: int, length: int, span: int) -> None:
    found = list(windows(start, start + length, span))
    assert found[0][0] == start
    assert found[-1][1] == start + length
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(found))
    assert all(0 <= last - first < span for first, last in found)


def test_download_that_lost_its_line_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    download(whole := Venue(), JOB, tmp_path / "whole")
    broken = Venue(fails_after=17)
    with pytest.raises(CatalogError, match="the line is lost"):
        download(broken, JOB, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    rest = Venue()
    download(rest, JOB, tmp_path / "parts")
    assert broken.asked + rest.asked == whole.asked
    assert bars_of(tmp_path / "parts") == bars_of(tmp_path / "whole")
    assert len(bars_of(tmp_path / "whole")["AAA-USD.MADE"]) == HOURS
    assert not list(tmp_path.glob("parts.pages/*"))


def test_download_killed_half_way_ends_as_in_one_go(tmp_path: Path) -> None:
    download(Venue(), JOB, tmp_path / "whole")
    code = (
        "from pathlib import Path; from tests.unit.catalog.test_download import JOB, Venue\n"
        "from catalog.download import download\n"
        f"download(Venue(pause_secs=0.05), JOB, Path({str(tmp_path / 'killed')!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    deadline = time.monotonic() + 30
    while len(list(tmp_path.glob("killed.pages/*/*.npy"))) < 9 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    rest = Venue()
    download(rest, JOB, tmp_path / "killed")
    assert 0 < len(rest.asked) <= 28 - 9
    assert bars_of(tmp_path / "killed") == bars_of(tmp_path / "whole")


def test_download_that_reached_the_present_reads_its_last_window_again(tmp_path: Path) -> None:
    noon = START + HOURS * 3600 // 2 + 1800
    with pytest.raises(CatalogError, match="the line is lost"):
        # Lost on the second symbol: the first one's pages end at the present.
        download(Venue(fails_after=8), msgspec.structs.replace(JOB, now_secs=noon), tmp_path / "c")
    download(Venue(), JOB, tmp_path / "c")
    assert [len(bars) for bars in bars_of(tmp_path / "c").values()] == [HOURS, HOURS]


def test_download_leaves_out_the_bar_that_is_not_over(tmp_path: Path) -> None:
    download(Venue(), msgspec.structs.replace(JOB, now_secs=START + 10 * 3600 + 1799), tmp_path / "c")
    assert [len(bars) for bars in bars_of(tmp_path / "c").values()] == [10, 10]


def test_download_of_nothing_says_so(tmp_path: Path) -> None:
    class Empty(Venue):
        async def bars(self, symbol: str, size: BarSize, start_secs: int, end_secs: int) -> Rows:
            return np.empty((0, 6))

    with pytest.raises(CatalogError, match="must have bars of AAA-USD in this range, has none"):
        download(Empty(), JOB, tmp_path / "c")


def test_page_that_was_damaged_is_named(tmp_path: Path) -> None:
    store = PageStore(tmp_path)
    store.put((0, 9), np.zeros((1, 6)))
    next(tmp_path.glob("*.npy")).write_bytes(b"\x93NUMPY broken")
    with pytest.raises(CatalogError, match="must be a page of a download"):
        store.rows()
