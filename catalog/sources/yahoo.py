"""Daily bars from Yahoo Finance by the optional package yfinance; the only source that needs a network."""

import datetime as dt
import importlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from catalog.errors import CatalogError
from catalog.instruments import InstrumentSpec, Kind
from catalog.sessions import NEW_YORK
from catalog.sources.series import COLUMNS, BarSeries, BarSize, MacroSeries, PriceKind, Stamp

DEADLINE_SECS = 30
"""How long one answer may take."""

_LICENCE = "Yahoo Finance terms of service: personal use, no redistribution"


class YahooSource:
    """Symbols from Yahoo Finance: split-adjusted prices, with dividends and splits.

    Parameters
    ----------
    symbols
        "SPY", "AAPL"; "^VIX" gives the macro series VIX.
    start, end
        First and last day, both included.
    venue
        Of the instruments.
    kinds, sectors
        By symbol; a symbol without a kind is a stock, and a stock must have a sector.
    module
        Stands in for yfinance in tests.

    Raises
    ------
    CatalogError
        If yfinance is not installed, a stock has no sector, or Yahoo has nothing for a symbol.
    """

    name = "yahoo"

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        start: dt.date,
        end: dt.date,
        venue: str = "ALPACA",
        kinds: dict[str, Kind] | None = None,
        sectors: dict[str, str] | None = None,
        module: Any = None,
    ) -> None:
        self._module = module if module is not None else _yfinance()
        self._shares = [symbol for symbol in symbols if not symbol.startswith("^")]
        self._macro = [symbol for symbol in symbols if symbol.startswith("^")]
        self._start, self._end, self._venue = start, end, venue
        self._kinds, self._sectors = kinds or {}, sectors or {}
        for symbol in self._shares:
            if self._kinds.get(symbol, Kind.STOCK) is Kind.STOCK and symbol not in self._sectors:
                raise CatalogError(
                    f"every stock must have a sector, or the sector limit does not hold it; {symbol} has none; "
                    f'give sectors={{"{symbol}": "..."}}, or its kind as index for a fund'
                )

    def fingerprint(self) -> str:
        """Return nothing: what Yahoo has is known only by asking."""
        return ""

    def bars(self) -> Iterator[BarSeries]:
        """Yield the bars of every share and fund."""
        for symbol in self._shares:
            table = self._history(symbol)
            frame = table.rename(columns=str.lower)[list(COLUMNS)].astype("float64")
            yield BarSeries(
                spec=InstrumentSpec(
                    instrument_id=f"{symbol}.{self._venue}",
                    kind=self._kinds.get(symbol, Kind.STOCK),
                    sector=self._sectors.get(symbol, ""),
                ),
                size=BarSize.DAY,
                frame=frame,
                stamp=Stamp.SESSION,
                calendar=NEW_YORK,
                price_kind=PriceKind.SPLIT_ADJUSTED,
                source=self.name,
                origin=f"Yahoo {symbol}",
                licence=_LICENCE,
                dividends=_events(table, "Dividends"),
                splits=_events(table, "Stock Splits"),
            )

    def macro(self) -> Iterator[MacroSeries]:
        """Yield the closes of every symbol that starts with ^."""
        for symbol in self._macro:
            yield MacroSeries(
                name=symbol.removeprefix("^"),
                values=self._history(symbol)["Close"].astype("float64"),
                calendar=NEW_YORK,
                source=self.name,
                origin=f"Yahoo {symbol}",
                licence=_LICENCE,
            )

    def _history(self, symbol: str) -> pd.DataFrame:
        after = self._end + dt.timedelta(days=1)  # Yahoo leaves the end out.
        try:
            table: pd.DataFrame = self._module.Ticker(symbol).history(
                start=self._start.isoformat(),
                end=after.isoformat(),
                auto_adjust=False,
                actions=True,
                interval="1d",
                timeout=DEADLINE_SECS,
            )
        except Exception as error:
            raise CatalogError(f"Yahoo must answer for {symbol}, did not ({error}); try again later") from error
        if table is None or not len(table):
            raise CatalogError(
                f"Yahoo must have {symbol} from {self._start} to {self._end}, has nothing; check symbol and dates"
            )
        # Stamps are midnights of the exchange: the date is the session.
        index = pd.DatetimeIndex(table.index)
        return table.set_axis((index.tz_localize(None) if index.tz is not None else index).normalize().as_unit("ns"))


def _events(table: pd.DataFrame, column: str) -> tuple[tuple[pd.Timestamp, Decimal], ...]:
    if column not in table.columns:
        return ()
    real = table[column][table[column] != 0.0].dropna()
    return tuple((pd.Timestamp(str(date)), Decimal(repr(round(float(amount), 6)))) for date, amount in real.items())


def _yfinance() -> Any:
    try:
        return importlib.import_module("yfinance")
    except ImportError as error:
        raise CatalogError(
            "the package yfinance must be installed for Yahoo, found none; pip install 'nautilus-qs[yahoo]'"
        ) from error
