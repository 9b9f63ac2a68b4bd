"""Yahoo by a stand-in for yfinance: no test asks the network."""

import datetime as dt
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from catalog.errors import CatalogError
from catalog.ingest import ingest
from catalog.instruments import Kind
from catalog.reader import open_catalog
from catalog.sources.yahoo import YahooSource
from tests.unit.catalog.generated import walk

SPAN = {"start": dt.date(2024, 7, 1), "end": dt.date(2024, 7, 8)}


def module(asked: list[dict[str, Any]]) -> Any:
    days = pd.DatetimeIndex(["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08"])
    rows = walk(days).rename(columns=str.capitalize).assign(Dividends=[0, 0.5, 0, 0, 0])
    rows["Stock Splits"] = 0.0
    rows.index = days.tz_localize("America/New_York")

    def history(**request: Any) -> pd.DataFrame:
        asked.append(request)
        return rows

    return SimpleNamespace(
        Ticker=lambda symbol: SimpleNamespace(history=history if symbol != "NONE" else lambda **_: None)
    )


def test_shares_and_macro_come_in_split_adjusted(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    source = YahooSource(["SPY", "^VIX"], kinds={"SPY": Kind.INDEX}, module=module(asked), **SPAN)
    ingest(source, tmp_path)
    assert asked[0]["auto_adjust"] is False
    assert asked[0]["end"] == "2024-07-09"
    catalog = open_catalog(tmp_path)
    (facts,) = catalog.describe()
    assert (facts["instrument_id"], facts["price_kind"], facts["bars"]) == ("SPY.ALPACA", "split_adjusted", 5)
    assert len(catalog.dividends("SPY.ALPACA")) == 1
    assert len(catalog.macro_frame("VIX")) == 5


def test_symbol_that_yahoo_does_not_have_is_named(tmp_path: Path) -> None:
    source = YahooSource(["NONE"], kinds={"NONE": Kind.INDEX}, module=module([]), **SPAN)
    with pytest.raises(CatalogError, match="Yahoo must have NONE from 2024-07-01 to 2024-07-08"):
        ingest(source, tmp_path)


def test_stock_without_a_sector_is_refused() -> None:
    with pytest.raises(CatalogError, match="AAPL has none"):
        YahooSource(["AAPL"], module=module([]), **SPAN)


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(CatalogError, match=r"yfinance must be installed.*nautilus-qs\[yahoo\]"):
        YahooSource(["SPY"], kinds={"SPY": Kind.INDEX}, **SPAN)
