"""All of the shared real data goes through the mappings, and what comes out is what the files hold."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from catalog.ingest import IngestReport, ingest, ingest_mapping
from catalog.instruments import build_instrument
from catalog.objects import to_bars
from catalog.reader import open_catalog
from catalog.sources.series import BarSize, Stamp
from tests.unit.catalog.generated import FakeSource, daily, walk

MAPPINGS = Path(__file__).parents[1] / "data_mappings"
# One bar size of an instrument has open ticks in a catalog: minutes and quarters have catalogs of their own.
PLACES = {
    "main": ["us_stocks_daily", "us_etfs_daily", "coinbase_1h", "btc_composite_1h", "btc_daily", "macro"],
    "minutes": ["spy_1min", "coinbase_1m"],
    "quarters": ["coinbase_15m"],
}
ALL = (0, pd.Timestamp("2030-01-01").value)


@pytest.fixture(scope="module")
def root(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("catalogs")
    for name, mappings in PLACES.items():
        for mapping in mappings:
            report = ingest_mapping(MAPPINGS / f"{mapping}.yaml", place / name, data_root=real_data)
            assert report.rows_written > 0
    return place


def test_every_mapping_is_ingested_somewhere() -> None:
    assert {path.stem for path in MAPPINGS.glob("*.yaml")} == {name for names in PLACES.values() for name in names}


def test_all_symbols_come_in_with_kind_and_sector(root: Path) -> None:
    rows = open_catalog(root / "main").describe()
    daily_ = [row for row in rows if row["instrument_id"].endswith(".ALPACA")]
    assert len(daily_) == 191
    assert sum(row["bars"] for row in daily_) == 279_075 + 317_608
    assert all(row["sector"] for row in daily_ if row["kind"] == "stock")
    by_id = {row["instrument_id"]: row for row in daily_}
    assert (by_id["SPY.ALPACA"]["kind"], by_id["SPY.ALPACA"]["sector"]) == ("index", "")
    assert by_id["XLE.ALPACA"]["sector"] == by_id["XOM.ALPACA"]["sector"] == "Energy"
    assert "BRK.B.ALPACA" in by_id


def test_stored_bars_equal_the_files(root: Path, real_data: Path) -> None:
    catalog = open_catalog(root / "main")
    for file in ("us_stocks_daily", "us_etfs_daily"):
        table = pd.read_parquet(real_data / "equities" / f"{file}.parquet")
        for symbol in table["symbol"].unique()[::20]:
            mine = table[table["symbol"] == symbol]
            stored = catalog.daily_frame(f"{symbol}.ALPACA", *ALL)
            wanted = mine[["open", "high", "low", "close", "volume"]].to_numpy(np.float64)
            np.testing.assert_array_equal(stored.to_numpy(), np.round(wanted, 4))
            days = pd.DatetimeIndex(stored.index).tz_convert("America/New_York").normalize().tz_localize(None)
            assert (days == pd.to_datetime(mine["date"]).to_numpy()).all()
            assert len(catalog.dividends(f"{symbol}.ALPACA")) == int((mine["dividends"] != 0).sum())


def test_bitcoin_by_the_hour_and_by_the_day_live_together(root: Path) -> None:
    catalog = open_catalog(root / "main")
    assert set(catalog.intervals("BTC-USD.COINBASE")) == {"1-HOUR-LAST", "1-DAY-LAST"}
    hours = catalog.bars_frame("BTC-USD.COINBASE", "1-HOUR-LAST", *ALL)
    ticks = ParquetDataCatalog(str(root / "main")).quote_ticks(instrument_ids=["BTC-USD.COINBASE"])
    assert len(ticks) == len(hours)


def test_minutes_are_those_of_regular_hours(root: Path) -> None:
    frame = open_catalog(root / "minutes").bars_frame("SPY.ALPACA", "1-MINUTE-LAST", *ALL)
    assert len(frame) == 63 * 390


def test_macro_is_known_after_the_close_of_its_day(root: Path) -> None:
    catalog = open_catalog(root / "main")
    closes = catalog.daily_frame("SPY.ALPACA", *ALL).index
    for name, low, high in (("VIX", 8.0, 90.0), ("BREADTH", 0.0, 1.0)):
        known = catalog.macro_frame(name)
        assert known["value"].between(low, high).all()
        after_2005 = known.index[known.index > closes[0]]
        previous = closes[np.searchsorted(closes, after_2005) - 1]
        assert ((after_2005 - previous) == pd.Timedelta("20min")).all()
    breadth = catalog.macro_frame("BREADTH")["value"]
    assert breadth["2020-03-23"].iloc[0] == pytest.approx(0.033, abs=0.005)


def test_fingerprint_of_all_symbols_is_cheap(root: Path) -> None:
    ids = [iid for iid in open_catalog(root / "main").instrument_ids if iid.endswith(".ALPACA")]
    span = (pd.Timestamp("2016-03-14").value, pd.Timestamp("2024-12-31 23:00").value)
    began = time.process_time()
    found = open_catalog(root / "main").fingerprint(
        [iid for iid in ids if iid not in ("IBIT.ALPACA",)], "1-DAY-LAST", *span
    )
    assert found
    assert time.process_time() - began < 5.0


def test_second_ingest_of_everything_reads_nothing(root: Path, real_data: Path) -> None:
    for name, mappings in PLACES.items():
        for mapping in mappings:
            report = ingest_mapping(MAPPINGS / f"{mapping}.yaml", root / name, data_root=real_data)
            assert report.is_skipped


@pytest.fixture
def minute_bars() -> pd.DataFrame:
    index = pd.date_range("2020-01-01", periods=150_000, freq="1min", tz="UTC")
    return walk(index, seed=11)


def test_ingest_keeps_the_rate_of_a_bare_write(tmp_path: Path, minute_bars: pd.DataFrame) -> None:
    series = daily(
        "2024-01-02", "2024-01-31", frame=minute_bars, size=BarSize.MINUTE, stamp=Stamp.BAR_CLOSE, calendar="24/7",
        dividends=(), open_ticks=False,
    )  # fmt: skip
    instrument = build_instrument(series.spec)

    def bare(place: Path) -> float:
        place.mkdir()
        bars = to_bars(instrument, BarSize.MINUTE, minute_bars, minute_bars.index.as_unit("ns").asi8)
        began = time.process_time()
        ParquetDataCatalog(str(place)).write_data(bars)
        return time.process_time() - began

    def whole(place: Path) -> float:
        began = time.process_time()
        report: IngestReport = ingest(FakeSource(series), place)
        assert sum(report.bars.values()) == len(minute_bars)
        return time.process_time() - began

    ratios = [bare(tmp_path / f"bare{n}") / whole(tmp_path / f"whole{n}") for n in range(3)]
    assert max(ratios) >= 0.8, ratios
