"""What a catalog answers, and that damage, strangers and newer versions are refused."""

import json
import os
import shutil
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import CatalogError
from catalog.ingest import ingest
from catalog.objects import MACRO_DELAY_NS
from catalog.reader import open_catalog
from catalog.sources.series import BarSize, Stamp
from tests.unit.catalog.generated import FakeSource, daily, macro, walk

SPY = ["SPY.ALPACA"]


def ns(text: str) -> int:
    return pd.Timestamp(text).value


@pytest.fixture
def opened(catalog_path: Path) -> Path:
    source = FakeSource(
        daily("2022-01-03", "2024-12-31"),
        daily("2022-01-03", "2024-12-31", iid="QQQ.ALPACA", seed=8),
        macro=(macro("2022-01-03", "2024-12-31"), macro("2022-01-03", "2024-12-31", "BREADTH", scale=0.01)),
    )
    ingest(source, catalog_path)
    return catalog_path


def test_fingerprint_tells_content_and_not_files(opened: Path) -> None:
    span = (ns("2022-03-01"), ns("2024-06-30"))
    one = open_catalog(opened).fingerprint(SPY, "1-DAY-LAST", *span)
    assert open_catalog(opened).fingerprint(SPY, "1-DAY-LAST", *span) == one
    assert open_catalog(opened).fingerprint(["QQQ.ALPACA"], "1-DAY-LAST", *span) != one
    assert open_catalog(opened).fingerprint(SPY, "1-DAY-LAST", span[0], ns("2024-06-27")) != one
    both = open_catalog(opened).fingerprint(["QQQ.ALPACA", *SPY], "1-DAY-LAST", *span)
    assert both == open_catalog(opened).fingerprint([*SPY, "QQQ.ALPACA"], "1-DAY-LAST", *span)


def test_fingerprint_of_a_past_span_survives_an_append(catalog_path: Path) -> None:
    whole = daily("2022-01-03", "2024-12-31")
    ingest(FakeSource(msgspec.structs.replace(whole, frame=whole.frame[:600])), catalog_path)
    span = (ns("2022-03-01"), int(whole.frame.index[580].value))
    before = open_catalog(catalog_path).fingerprint(SPY, "1-DAY-LAST", *span)
    ingest(FakeSource(whole), catalog_path)
    assert open_catalog(catalog_path).fingerprint(SPY, "1-DAY-LAST", *span) == before


@pytest.mark.parametrize("change", ["definition", "dividend", "tick"])
def test_fingerprint_sees_all_that_a_run_reads(catalog_path: Path, change: str) -> None:
    series = daily("2022-01-03", "2024-12-31")
    other = {
        "definition": msgspec.structs.replace(series, spec=msgspec.structs.replace(series.spec, sector="Utilities")),
        "dividend": msgspec.structs.replace(series, dividends=((series.frame.index[3], Decimal("0.26")),)),
        "tick": msgspec.structs.replace(series, open_ticks=False),
    }[change]
    span = (ns("2022-01-01"), ns("2025-01-01"))
    ingest(FakeSource(series), catalog_path)
    before = open_catalog(catalog_path).fingerprint(SPY, "1-DAY-LAST", *span)
    ingest(FakeSource(other), catalog_path)
    assert open_catalog(catalog_path).fingerprint(SPY, "1-DAY-LAST", *span) != before


def test_macro_fingerprint_sees_its_series_and_span_only(opened: Path) -> None:
    catalog = open_catalog(opened)
    vix = catalog.macro_fingerprint("VIX", ns("2022-03-01"), ns("2024-06-30"))
    assert vix != catalog.macro_fingerprint("BREADTH", ns("2022-03-01"), ns("2024-06-30"))
    assert vix != catalog.macro_fingerprint("VIX", ns("2022-03-01"), ns("2024-06-20"))
    with pytest.raises(CatalogError, match="has them from 2022-01-03 to 2024-12-31"):
        catalog.macro_fingerprint("VIX", ns("2026-03-01"), ns("2026-06-20"))
    with pytest.raises(CatalogError, match=r"did you mean BREADTH\?"):
        catalog.macro_frame("BREATH")


@pytest.mark.parametrize(
    ("iid", "bar", "start", "match"),
    [
        ("SPYY.ALPACA", "1-DAY-LAST", "2022-01-01", r"did you mean SPY.ALPACA\?"),
        ("SPY.ALPACA", "1-HOUR-LAST", "2022-01-01", "has 1-DAY-LAST"),
        ("SPY.ALPACA", "1-DAY-LAST", "2025-06-01", "has them from 2022-01-03 to 2024-12-31"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(opened: Path, iid: str, bar: str, start: str, match: str) -> None:
    with pytest.raises(CatalogError, match=match):
        open_catalog(opened).fingerprint([iid], bar, ns(start), ns("2026-01-01"))


def test_daily_frame_gives_the_source_back(opened: Path) -> None:
    frame = open_catalog(opened).daily_frame("SPY.ALPACA", ns("2024-11-25"), ns("2024-12-04"))
    source = daily("2022-01-03", "2024-12-31").frame["2024-11-25":"2024-12-03"]
    np.testing.assert_array_equal(frame.to_numpy(), source.to_numpy())
    assert str(frame.index.dtype) == "datetime64[ns, UTC]"
    assert str(frame.index[3]) == "2024-11-29 18:00:00+00:00"


def test_intraday_bars_are_joined_to_days(catalog_path: Path) -> None:
    index = pd.date_range("2024-01-01", "2024-01-03 23:00", freq="1h", tz="UTC")
    frame = walk(index)
    hourly = daily(
        "2024-01-02", "2024-01-31", frame=frame, size=BarSize.HOUR, stamp=Stamp.BAR_START, calendar="24/7", dividends=()
    )
    ingest(FakeSource(hourly), catalog_path)
    days = open_catalog(catalog_path).daily_frame("SPY.ALPACA", 0, ns("2025-01-01"))
    assert [str(day) for day in days.index.date] == ["2024-01-02", "2024-01-03", "2024-01-04"]
    assert days["open"].iloc[1] == frame["open"].iloc[24]
    assert days["high"].iloc[1] == frame["high"].iloc[24:48].max()
    assert days["close"].iloc[1] == frame["close"].iloc[47]
    assert days["volume"].iloc[1] == 24e6


def test_macro_frame_is_indexed_by_when_it_was_known(opened: Path) -> None:
    frame = open_catalog(opened).macro_frame("VIX")
    first = pd.Timestamp("2022-01-03 21:00", tz="UTC") + pd.Timedelta(MACRO_DELAY_NS, "ns")
    assert frame.index[0] == first
    assert frame["value"].iloc[0] == 10.0


def test_dividends_stand_at_the_open_of_their_day(opened: Path) -> None:
    ((ts, amount),) = open_catalog(opened).dividends("SPY.ALPACA")
    assert (pd.Timestamp(ts), amount) == (pd.Timestamp("2022-01-06 14:30"), Decimal("0.25"))


def test_description_counts_within_the_span(opened: Path) -> None:
    (facts,) = open_catalog(opened).describe(SPY, start_ns=ns("2024-12-01"), end_ns=ns("2024-12-11"))
    assert (facts["kind"], facts["sector"], facts["price_kind"]) == ("stock", "Energy", "split_adjusted")
    assert (facts["first"], facts["last"], facts["bars"]) == ("2024-12-02", "2024-12-10", 7)
    assert facts["stale_open_share"] == 0.0


def one_file(path: Path, pattern: str) -> Path:
    return next(iter(path.glob(pattern)))


def test_changed_byte_is_noticed(opened: Path) -> None:
    file = one_file(opened, "data/bar/SPY*/*.parquet")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(CatalogError, match="must be as it was written, was changed or damaged"):
        open_catalog(opened).fingerprint(SPY, "1-DAY-LAST", ns("2022-01-01"), ns("2025-01-01"))
    open_catalog(opened).fingerprint(["QQQ.ALPACA"], "1-DAY-LAST", ns("2022-01-01"), ns("2025-01-01"))


def test_changed_byte_with_its_old_time_is_noticed_by_the_full_check(opened: Path) -> None:
    file = one_file(opened, "data/bar/SPY*/*.parquet")
    stat, raw = file.stat(), bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(CatalogError, match="was changed or damaged"):
        open_catalog(opened).verify()


def test_stranger_among_the_files_is_refused(opened: Path) -> None:
    file = one_file(opened, "data/quote_tick/SPY*/*.parquet")
    shutil.copy(file, file.with_name("2030-01-01T00-00-00-000000000Z_2030-01-02T00-00-00-000000000Z.parquet"))
    with pytest.raises(CatalogError, match=r"found 2030-01-01.*which a run would read"):
        open_catalog(opened).fingerprint(SPY, "1-DAY-LAST", ns("2022-01-01"), ns("2025-01-01"))


def test_missing_file_is_refused(opened: Path) -> None:
    one_file(opened, "data/cfd/SPY*/*.parquet").unlink()
    with pytest.raises(CatalogError, match="must be there, is missing"):
        open_catalog(opened).instruments()


def test_copied_catalog_is_read_like_the_first(opened: Path, tmp_path: Path) -> None:
    shutil.copytree(opened, tmp_path / "copy", copy_function=shutil.copyfile)
    span = (ns("2022-01-01"), ns("2025-01-01"))
    copy = open_catalog(tmp_path / "copy").fingerprint(SPY, "1-DAY-LAST", *span)
    assert copy == open_catalog(opened).fingerprint(SPY, "1-DAY-LAST", *span)


def test_newer_schema_is_refused_even_when_it_cannot_be_understood(opened: Path) -> None:
    (opened / "catalog.json").write_text(json.dumps({"schema_version": 99, "datasets": "elsewhere"}))
    with pytest.raises(CatalogError, match="has 99: a newer program wrote it; upgrade nautilus-qs"):
        open_catalog(opened)
    with pytest.raises(CatalogError, match="a newer program wrote it"):
        ingest(FakeSource(daily("2024-01-02", "2024-06-28")), opened)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 1, "datasets": []}'])
def test_damaged_manifest_is_refused(opened: Path, text: str) -> None:
    (opened / "catalog.json").write_text(text)
    with pytest.raises(CatalogError, match="is damaged"):
        open_catalog(opened)


def test_missing_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"found no catalog.json; make one with nqs data ingest"):
        open_catalog(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(st.integers(0, 700), st.integers(1, 52))
def test_any_span_gives_exactly_its_rows(opened: Path, first: int, length: int) -> None:
    source = daily("2022-01-03", "2024-12-31").frame
    wanted = source.iloc[first : first + length]
    start, end = wanted.index[0].value, wanted.index[-1].value + pd.Timedelta("1D").value - 1
    frame = open_catalog(opened).bars_frame("SPY.ALPACA", "1-DAY-LAST", start, end)
    np.testing.assert_array_equal(frame.to_numpy(), wanted.to_numpy())
