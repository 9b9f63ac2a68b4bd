"""Folders described by YAML: every way to write the same bars gives the same bars, and bad pages are refused."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from catalog.errors import CatalogError
from catalog.ingest import ingest_mapping
from catalog.reader import open_catalog
from catalog.sources.folder import FolderSource
from tests.unit.catalog.generated import walk

ALL = (0, pd.Timestamp("2030-01-01").value)


def table(symbol: str = "AAA") -> pd.DataFrame:
    frame = walk(pd.DatetimeIndex(["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08"]))
    frame.insert(0, "date", frame.index.strftime("%Y-%m-%d"))
    return frame.assign(symbol=symbol, dividends=[0, 0.25, 0, 0, 0], splits=[0, 0, 0, 4.0, 0])


def page(tmp_path: Path, **changes: Any) -> Path:
    bars: dict[str, Any] = {
        "files": "prices.csv",
        "symbol": "AAA",
        "venue": "ALPACA",
        "kind": "stock",
        "sector": "Energy",
        "calendar": "XNYS",
        "timeframe": "1-DAY",
        "stamp": "session",
        "price_kind": "split_adjusted",
    }
    top = {key: changes.pop(key) for key in ("accept", "macro", "nmae") if key in changes}
    path = tmp_path / "page.yaml"
    path.write_text(yaml.safe_dump({"name": "test", "bars": [bars | changes], **top}))
    return path


def stored(tmp_path: Path, iid: str = "AAA.ALPACA") -> pd.DataFrame:
    return open_catalog(tmp_path / "c").daily_frame(iid, *ALL)


@pytest.mark.parametrize("form", ["prices.csv", "prices.csv.gz", "prices.parquet"])
def test_every_file_form_gives_the_same_bars(tmp_path: Path, form: str) -> None:
    rows = table()
    if form.endswith("parquet"):
        rows.to_parquet(tmp_path / form, index=False)
    else:
        rows.to_csv(tmp_path / form, index=False)
    ingest_mapping(page(tmp_path, files=form, dividends="dividends", splits="splits"), tmp_path / "c")
    np.testing.assert_array_equal(stored(tmp_path).to_numpy(), walk(rows.index).to_numpy())
    catalog = open_catalog(tmp_path / "c")
    assert catalog.dividends("AAA.ALPACA") == ((pd.Timestamp("2024-07-02 13:30").value, Decimal("0.25")),)
    assert catalog.splits("AAA.ALPACA") == ((pd.Timestamp("2024-07-05 13:30").value, Decimal("4.0")),)


def test_symbols_come_from_a_column_or_from_file_names(tmp_path: Path) -> None:
    pd.concat([table("AAA"), table("B-B"), table("CCC")]).to_csv(tmp_path / "prices.csv", index=False)
    changes = {"symbol": "", "symbol_column": "symbol", "exclude": ["CCC"], "rename": {"B-B": "B.B"}}
    ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    assert open_catalog(tmp_path / "c").instrument_ids == ("AAA.ALPACA", "B.B.ALPACA")
    for name in ("DDD", "EEE"):
        table().to_csv(tmp_path / f"{name}.daily.csv", index=False)
    ingest_mapping(page(tmp_path, files="*.daily.csv", symbol=""), tmp_path / "d")
    assert open_catalog(tmp_path / "d").instrument_ids == ("DDD.ALPACA", "EEE.ALPACA")


def test_sector_comes_from_map_before_file_before_default(tmp_path: Path) -> None:
    pd.concat([table("AAA"), table("BBB"), table("CCC")]).to_csv(tmp_path / "prices.csv", index=False)
    pd.DataFrame({"s": ["AAA", "BBB"], "g": ["Utilities", "Materials"]}).to_csv(tmp_path / "sectors.csv", index=False)
    changes: dict[str, Any] = {"symbol": "", "symbol_column": "symbol", "sectors": {"AAA": "Energy"}, "sector": ""}
    changes["sectors_file"] = {"file": "sectors.csv", "symbol": "s", "sector": "g"}
    ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    found = {row["instrument_id"]: row["sector"] for row in open_catalog(tmp_path / "c").describe()}
    assert found == {"AAA.ALPACA": "Energy", "BBB.ALPACA": "Materials", "CCC.ALPACA": ""}
    instruments = open_catalog(tmp_path / "c").instruments()
    assert [instrument.info["sector"] for instrument in instruments] == ["Energy", "Materials", ""]


def test_stock_without_a_sector_is_refused(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "prices.csv", index=False)
    with pytest.raises(CatalogError, match=r"every stock must have a sector.*AAA has none"):
        ingest_mapping(page(tmp_path, sector=None), tmp_path / "c")


def minutes(zone: str | None, stamp: str) -> pd.DataFrame:
    starts = pd.date_range("2024-03-08 14:30", "2024-03-08 20:59", freq="1min", tz="UTC").append(
        pd.date_range("2024-03-11 13:30", "2024-03-11 19:59", freq="1min", tz="UTC")
    )
    frame = walk(starts)
    times = starts + pd.Timedelta("1min") if stamp == "bar_close" else starts
    frame.insert(0, "ts", times if zone is None else times.tz_convert(zone).tz_localize(None))
    return frame


@pytest.mark.parametrize("stamp", ["bar_start", "bar_close"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_time_zone_and_stamp_are_read_as_they_were_said(tmp_path: Path, zone: str | None, stamp: str) -> None:
    minutes(zone, stamp).to_csv(tmp_path / "prices.csv", index=False)
    changes = {"timeframe": "1-MINUTE", "stamp": stamp, "columns": {"time": "ts"}, "timezone": zone or ""}
    ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    frame = open_catalog(tmp_path / "c").bars_frame("AAA.ALPACA", "1-MINUTE-LAST", *ALL)
    assert (str(frame.index[0]), str(frame.index[-1])) == ("2024-03-08 14:31:00+00:00", "2024-03-11 20:00:00+00:00")
    assert len(frame) == 780


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_numbers_since_1970_are_times(tmp_path: Path, unit: str) -> None:
    frame = minutes(None, "bar_start")
    frame["ts"] = frame["ts"].dt.as_unit(unit).astype("int64")
    frame.to_csv(tmp_path / "prices.csv", index=False)
    changes = {"timeframe": "1-MINUTE", "stamp": "bar_start", "columns": {"time": "ts"}}
    with pytest.raises(CatalogError, match="holds numbers; set time_unit"):
        ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    ingest_mapping(page(tmp_path, **changes, time_unit=unit), tmp_path / "c")
    assert len(open_catalog(tmp_path / "c").bars_frame("AAA.ALPACA", "1-MINUTE-LAST", *ALL)) == 780


def test_local_time_that_was_called_utc_is_refused(tmp_path: Path) -> None:
    minutes("America/New_York", "bar_start").to_csv(tmp_path / "prices.csv", index=False)
    changes = {"timeframe": "1-MINUTE", "stamp": "bar_start", "columns": {"time": "ts"}, "timezone": "UTC"}
    with pytest.raises(CatalogError, match=r"not_a_session: AAA.ALPACA from prices.csv.*check the time zone"):
        ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    assert not (tmp_path / "c" / "catalog.json").exists()


def test_rows_outside_hours_are_left_out_and_counted_when_asked(tmp_path: Path) -> None:
    frame = minutes(None, "bar_start")
    early = frame[:30].assign(ts=frame["ts"][:30] - pd.Timedelta("30min"))
    pd.concat([early, frame]).to_csv(tmp_path / "prices.csv", index=False)
    changes = {"timeframe": "1-MINUTE", "stamp": "bar_start", "columns": {"time": "ts"}, "regular_hours": True}
    report = ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    assert report.dropped == {"outside the sessions of XNYS": 30}


def test_dates_are_cut_and_dropped(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "prices.csv", index=False)
    changes = {"start": "2024-07-02", "end": "2024-07-05", "drop_dates": ["2024-07-05"]}
    report = ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    assert report.dropped == {"dates that the mapping drops": 1}
    assert [str(day) for day in stored(tmp_path).index.date] == ["2024-07-02", "2024-07-03"]


def test_macro_takes_the_first_column_that_has_a_number(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "prices.csv", index=False)
    rows = pd.DataFrame({"date": ["2024-07-02", "2024-07-03", "2024-07-04"], "a": [np.nan, 50, 60], "b": [40, 1, 2]})
    rows.to_csv(tmp_path / "m.csv", index=False)
    macro = [{"name": "BREADTH", "file": "m.csv", "calendar": "XNYS", "value": ["a", "b"], "scale": 0.01}]
    report = ingest_mapping(page(tmp_path, macro=macro), tmp_path / "c")
    assert open_catalog(tmp_path / "c").macro_frame("BREADTH")["value"].tolist() == [0.4, 0.5]
    assert report.dropped == {"BREADTH: no session of XNYS on this date": 1}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"tiemzone": "UTC"}, r"did you mean timezone\?"),
        ({"nmae": "x"}, r"did you mean name\?"),
        ({"timeframe": "2-DAY"}, "timeframe must be one of 1-DAY"),
        ({"stamp": "bar_close"}, "stamp must be session for 1-DAY"),
        ({"price_kind": "adjusted"}, "adjusted"),
        ({"price_kind": "total_return", "dividends": "dividends"}, "pay them twice"),
        ({"files": "nothing*.csv"}, "files must match .*nothing"),
        ({"columns": {"close": "cloes"}}, r"must have the column 'cloes'.*did you mean close\?"),
        ({"symbols": ["ZZZ"]}, "symbols must be in the files, ZZZ are not"),
        ({"accept": ["gaps"]}, "was 'gaps'"),
        ({"calendar": "XNYZ"}, "was 'XNYZ'"),
    ],
)
def test_bad_page_is_refused_with_advice(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    table().to_csv(tmp_path / "prices.csv", index=False)
    with pytest.raises(CatalogError, match=match):
        ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
    assert not (tmp_path / "c" / "catalog.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("2024-07-03,", "2024-07-04,", "not_a_session: AAA.ALPACA from prices.csv.*2024-07-04"),
        ("2024-07-03,", "yesterday,", "date must hold times"),
        ("2024-07-03,", ",", "row 3 has none"),
        (",1000000.0,", ",many,", "volume must hold numbers, row 1 holds 'many'"),
        (",1000000.0,", ",,", "nan: AAA.ALPACA from prices.csv"),
    ],
)
def test_bad_field_is_refused_with_its_place(tmp_path: Path, old: str, new: str, match: str) -> None:
    file = tmp_path / "prices.csv"
    table().to_csv(file, index=False)
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(CatalogError, match=match):
        ingest_mapping(page(tmp_path), tmp_path / "c")


@pytest.mark.parametrize("name", ["prices.parquet", "prices.csv.gz", "prices.csv"])
def test_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\xff\x81 no such thing \n\x00" * 20)
    with pytest.raises(CatalogError, match=r"prices.*(could not be read|must have the column)"):
        ingest_mapping(page(tmp_path, files=name), tmp_path / "c")


def test_fingerprint_follows_page_and_files(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    table().to_csv(file, index=False)
    seen = {FolderSource.from_yaml(page(tmp_path)).fingerprint()}
    seen.add(FolderSource.from_yaml(page(tmp_path, sector="Utilities")).fingerprint())
    file.write_text(file.read_text() + "\n")
    seen.add(FolderSource.from_yaml(page(tmp_path)).fingerprint())
    assert len(seen) == 3


def test_naive_times_without_a_zone_are_refused(tmp_path: Path) -> None:
    minutes("UTC", "bar_start").to_csv(tmp_path / "prices.csv", index=False)
    changes = {"timeframe": "1-MINUTE", "stamp": "bar_start", "columns": {"time": "ts"}}
    with pytest.raises(CatalogError, match="has no time zone, so the mapping must say it"):
        ingest_mapping(page(tmp_path, **changes), tmp_path / "c")
