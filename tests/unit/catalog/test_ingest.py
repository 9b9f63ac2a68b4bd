"""From a source into the catalog: what is written, when it stands, and that a second time nothing is."""

import errno
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from nautilus_trader.model.data import Bar, QuoteTick
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from catalog.consolidation import consolidate
from catalog.errors import CatalogError
from catalog.ingest import ingest, ingest_demo
from catalog.macro import MacroPoint
from catalog.reader import open_catalog
from catalog.sources.series import BarSize, Stamp
from tests.unit.catalog.generated import FakeSource, daily, macro, walk

FilesOf = Callable[[Path], dict[str, bytes]]
START, END = pd.Timestamp("2023-01-01").value, pd.Timestamp("2025-01-01").value
LATENCY = pd.Timedelta("1s").value


def bars_and_ticks(path: Path, size: str = "1-DAY-LAST") -> tuple[list[Bar], list[QuoteTick]]:
    native = ParquetDataCatalog(str(path))
    return (
        native.bars(bar_types=[f"SPY.ALPACA-{size}-EXTERNAL"]),
        native.quote_ticks(instrument_ids=["SPY.ALPACA"]),
    )


def test_order_sent_at_a_close_arrives_before_the_next_open_tick_and_after_the_last(catalog_path: Path) -> None:
    ingest(FakeSource(daily("2024-11-01", "2024-12-31")), catalog_path)
    bars, ticks = bars_and_ticks(catalog_path)
    assert len(bars) == len(ticks) == 41
    for bar, tick in zip(bars, ticks, strict=True):
        assert tick.bid_price == tick.ask_price == bar.open
        assert tick.ts_init < bar.ts_init
    for bar, tick in zip(bars, ticks[1:], strict=False):
        assert bar.ts_init + 1 + LATENCY < tick.ts_init
    half_day = next(bar for bar in bars if str(pd.Timestamp(bar.ts_init)).startswith("2024-11-29"))
    assert pd.Timestamp(half_day.ts_init) == pd.Timestamp("2024-11-29 18:00")
    assert half_day.ts_event == half_day.ts_init


def test_continuous_hours_have_a_tick_where_an_order_of_the_last_close_arrives(catalog_path: Path) -> None:
    index = pd.date_range("2024-01-01", "2024-01-03 23:00", freq="1h", tz="UTC")
    series = daily(
        "2024-01-02",
        "2024-01-31",
        frame=walk(index),
        size=BarSize.HOUR,
        stamp=Stamp.BAR_START,
        calendar="24/7",
        dividends=(),
    )
    ingest(FakeSource(series), catalog_path)
    bars, ticks = bars_and_ticks(catalog_path, "1-HOUR-LAST")
    assert len(ticks) == 72
    for bar, tick in zip(bars, ticks[1:], strict=False):
        assert bar.ts_init + 1 + LATENCY < tick.ts_init < bar.ts_init + 2 * LATENCY


def test_macro_value_is_known_after_its_close_and_before_the_next(catalog_path: Path) -> None:
    source = FakeSource(daily("2024-11-01", "2024-12-31"), macro=(macro("2024-11-01", "2024-12-31"),))
    report = ingest(source, catalog_path)
    points = [item.data for item in ParquetDataCatalog(str(catalog_path)).query(MacroPoint)]
    bars, _ = bars_and_ticks(catalog_path)
    assert len(points) == len(bars)
    for bar, after, point in zip(bars, bars[1:], points, strict=False):
        assert bar.ts_init < point.ts_init < after.ts_init
    assert report.dropped == {"VIX: no session of XNYS on this date": 2}  # Thanksgiving and Christmas


def test_second_ingest_writes_nothing(catalog_path: Path, files_of: FilesOf) -> None:
    source = FakeSource(daily("2024-01-02", "2024-06-28"), macro=(macro("2024-01-02", "2024-06-28"),))
    assert ingest(source, catalog_path).rows_written > 0
    before = files_of(catalog_path)
    again = ingest(source, catalog_path)
    assert (again.rows_written, again.is_skipped) == (0, False)
    assert again.unchanged == ["SPY.ALPACA-1-DAY-LAST-EXTERNAL", "VIX"]
    assert files_of(catalog_path) == before


def test_source_that_tells_its_fingerprint_is_not_read_again(catalog_path: Path) -> None:
    series = daily("2024-01-02", "2024-06-28")
    ingest(FakeSource(series, fingerprint="one"), catalog_path)
    assert ingest(FakeSource(fingerprint="one"), catalog_path).is_skipped
    assert not ingest(FakeSource(series, fingerprint="two"), catalog_path).is_skipped


def test_append_writes_only_what_is_new_and_consolidation_changes_no_row(catalog_path: Path) -> None:
    whole = daily("2023-11-01", "2024-06-28")
    first = msgspec.structs.replace(whole, frame=whole.frame[:60])
    ingest(FakeSource(first, macro=(macro("2023-11-01", "2024-01-31"),)), catalog_path)
    report = ingest(FakeSource(whole, macro=(macro("2023-11-01", "2024-01-31"),)), catalog_path)
    assert report.bars == {"SPY.ALPACA-1-DAY-LAST-EXTERNAL": len(whole.frame) - 60}
    assert report.ticks == {"SPY.ALPACA": len(whole.frame) - 60}
    once = catalog_path.with_name("once")
    ingest(FakeSource(whole), once)
    expected = open_catalog(once).fingerprint(["SPY.ALPACA"], "1-DAY-LAST", START, END)
    assert open_catalog(catalog_path).fingerprint(["SPY.ALPACA"], "1-DAY-LAST", START, END) == expected
    assert consolidate(catalog_path) == 2
    assert consolidate(catalog_path) == 0
    joined = open_catalog(catalog_path)
    assert joined.fingerprint(["SPY.ALPACA"], "1-DAY-LAST", START, END) == expected
    bars, ticks = bars_and_ticks(catalog_path)
    assert len(bars) == len(ticks) == len(whole.frame)
    assert ingest(FakeSource(whole), catalog_path).rows_written == 0


def test_rows_behind_the_stored_ones_alone_are_appended(catalog_path: Path) -> None:
    whole = daily("2024-01-02", "2024-06-28")
    ingest(FakeSource(msgspec.structs.replace(whole, frame=whole.frame[:60])), catalog_path)
    report = ingest(FakeSource(msgspec.structs.replace(whole, frame=whole.frame[60:])), catalog_path)
    assert sum(report.bars.values()) == len(whole.frame) - 60
    frame = open_catalog(catalog_path).daily_frame("SPY.ALPACA", START, END)
    np.testing.assert_array_equal(frame.to_numpy(), whole.frame.to_numpy())


def test_changed_history_is_refused_by_name_and_rewritten_when_accepted(catalog_path: Path, files_of: FilesOf) -> None:
    series = daily("2024-01-02", "2024-06-28")
    ingest(FakeSource(series), catalog_path)
    before, fingerprint = files_of(catalog_path), _fingerprint(catalog_path)
    frame = series.frame.copy()
    frame.iloc[10, frame.columns.get_loc("high")] += 0.0001
    changed = msgspec.structs.replace(series, frame=frame)
    with pytest.raises(CatalogError, match=r"changed: SPY.ALPACA.*found 1 .*2024-01-17.*--accept changed"):
        ingest(FakeSource(changed), catalog_path)
    assert files_of(catalog_path) == before
    report = ingest(FakeSource(changed), catalog_path, accept=["changed"])
    assert sum(report.bars.values()) == len(frame)
    assert _fingerprint(catalog_path) != fingerprint
    stored = open_catalog(catalog_path).daily_frame("SPY.ALPACA", START, END)
    np.testing.assert_array_equal(stored.to_numpy(), frame.to_numpy())


def _fingerprint(path: Path) -> str:
    return open_catalog(path).fingerprint(["SPY.ALPACA"], "1-DAY-LAST", START, END)


def test_refused_series_leaves_nothing_of_the_others(catalog_path: Path, files_of: FilesOf) -> None:
    ingest(FakeSource(daily("2024-01-02", "2024-06-28")), catalog_path)
    before = files_of(catalog_path)
    good = daily("2024-01-02", "2024-06-28", iid="GOOD.ALPACA")
    bad = daily("2024-01-02", "2024-06-28", iid="BAD.ALPACA")
    worse = daily("2024-01-02", "2024-06-28", iid="WORSE.ALPACA")
    sources = [good, *(msgspec.structs.replace(s, frame=s.frame.drop(s.frame.index[7])) for s in (bad, worse))]
    with pytest.raises(CatalogError, match=r"(?s)gap: BAD.ALPACA.*gap: WORSE.ALPACA"):
        ingest(FakeSource(*sources), catalog_path)
    assert files_of(catalog_path) == before
    assert not (catalog_path / ".staging").exists()


def test_full_disk_is_said_and_leaves_the_old_state(
    catalog_path: Path, files_of: FilesOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(FakeSource(daily("2024-01-02", "2024-06-28")), catalog_path)
    before = files_of(catalog_path)

    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nautilus_trader.persistence.catalog.parquet.pq.write_table", no_space)
    with pytest.raises(CatalogError, match="the disk is full; free some space and ingest again"):
        ingest(FakeSource(daily("2024-01-02", "2024-12-31")), catalog_path)
    monkeypatch.undo()
    assert files_of(catalog_path) == before
    assert not (catalog_path / ".staging").exists()
    assert sum(ingest(FakeSource(daily("2024-01-02", "2024-06-28")), catalog_path).bars.values()) == 0


def test_second_bar_size_with_open_ticks_is_refused_and_without_is_kept(catalog_path: Path) -> None:
    day = daily("2024-11-29", "2024-12-06", dividends=())
    index = pd.date_range("2024-11-29 14:30", "2024-11-29 17:59", freq="1min", tz="UTC")
    minute = msgspec.structs.replace(day, frame=walk(index), size=BarSize.MINUTE, stamp=Stamp.BAR_START)
    ingest(FakeSource(minute), catalog_path)
    with pytest.raises(CatalogError, match=r"has those of 1-MINUTE-LAST.*open_ticks: false"):
        ingest(FakeSource(day), catalog_path)
    ingest(FakeSource(msgspec.structs.replace(day, open_ticks=False)), catalog_path)
    bars, ticks = bars_and_ticks(catalog_path)
    assert (len(bars), len(ticks)) == (6, 210)


def test_folder_that_is_no_catalog_is_refused(catalog_path: Path) -> None:
    (catalog_path / "data" / "bar").mkdir(parents=True)
    with pytest.raises(CatalogError, match="must be empty or a catalog of this program"):
        ingest(FakeSource(daily("2024-01-02", "2024-06-28")), catalog_path)


def test_embedded_data_says_where_its_opens_are_stale(catalog_path: Path) -> None:
    report = ingest_demo(catalog_path)
    assert report.bars == {"SPX.INDEX-1-DAY-LAST-EXTERNAL": 5031, "NDQ.INDEX-1-DAY-LAST-EXTERNAL": 5031}
    assert ingest_demo(catalog_path).is_skipped
    opened = open_catalog(catalog_path)
    spx, ndq = opened.describe(["SPX.INDEX", "NDQ.INDEX"])
    assert spx["open_kind"] == "stale"
    assert spx["stale_spans"] == [("1999-01-04", "2007-12-31"), ("2011-01-01", "2013-12-31")]
    assert ndq["open_kind"] == "open_tick"
    (recent,) = opened.describe(["SPX.INDEX"], start_ns=pd.Timestamp("2014-01-01").value)
    assert (recent["open_kind"], recent["bars"]) == ("open_tick", 1258)
    ticks = ParquetDataCatalog(str(catalog_path)).quote_ticks(instrument_ids=["SPX.INDEX"])
    years = {pd.Timestamp(tick.ts_init).year for tick in ticks}
    assert years == {2008, 2009, 2010, 2014, 2015, 2016, 2017, 2018}


def test_files_are_those_that_nautilus_itself_would_write(catalog_path: Path, tmp_path: Path) -> None:
    ingest(FakeSource(daily("2024-01-02", "2024-06-28"), macro=(macro("2024-01-02", "2024-06-28"),)), catalog_path)
    ours = ParquetDataCatalog(str(catalog_path))
    (tmp_path / "native").mkdir()
    native = ParquetDataCatalog(str(tmp_path / "native"))
    native.write_data(ours.instruments())
    for rows in (ours.bars(), ours.quote_ticks(), ours.query(MacroPoint)):
        native.write_data(rows)
    for place in (tmp_path / "native", catalog_path):
        assert len(list(place.glob("data/**/*.parquet"))) == 4
    for file in (tmp_path / "native").glob("data/**/*.parquet"):
        mine = catalog_path / file.relative_to(tmp_path / "native")
        assert pq.read_table(mine).equals(pq.read_table(file), check_metadata=True)
