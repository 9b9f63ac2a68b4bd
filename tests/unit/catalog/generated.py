"""A source made of a named generator, small enough to ingest in a test."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import numpy as np
import pandas as pd

from catalog.instruments import InstrumentSpec, Kind
from catalog.sessions import sessions_of
from catalog.sources.series import COLUMNS, BarSeries, BarSize, MacroSeries, PriceKind, Stamp


class FakeSource:
    """Yields what it was given."""

    name = "fake"

    def __init__(self, *series: BarSeries, macro: tuple[MacroSeries, ...] = (), fingerprint: str = "") -> None:
        self._series, self._macro, self._fingerprint = series, macro, fingerprint

    def fingerprint(self) -> str:
        return self._fingerprint

    def bars(self) -> Iterator[BarSeries]:
        yield from self._series

    def macro(self) -> Iterator[MacroSeries]:
        yield from self._macro


def walk(index: pd.DatetimeIndex, *, seed: int = 7) -> pd.DataFrame:
    """Return possible bars over an index: a random walk of numpy's PCG64."""
    steps = np.random.default_rng(seed).normal(0.0, 0.01, (len(index), 2))
    close = np.round(100.0 * np.exp(np.cumsum(steps[:, 0])), 4)
    opens = np.round(close * np.exp(steps[:, 1]), 4)
    high = np.round(np.maximum(opens, close) * 1.002, 4)
    low = np.round(np.minimum(opens, close) * 0.998, 4)
    volume = np.full(len(index), 1e6)
    return pd.DataFrame(dict(zip(COLUMNS, (opens, high, low, close, volume), strict=True)), index=index)


def daily(first: str, last: str, *, iid: str = "SPY.ALPACA", seed: int = 7, **changes: object) -> BarSeries:
    """Return daily bars of the New York sessions from first to last."""
    index = sessions_of("XNYS").dates_between(pd.Timestamp(first), pd.Timestamp(last))
    series = BarSeries(
        spec=InstrumentSpec(instrument_id=iid, kind=Kind.STOCK, sector="Energy"),
        size=BarSize.DAY,
        frame=walk(index, seed=seed),
        stamp=Stamp.SESSION,
        calendar="XNYS",
        price_kind=PriceKind.SPLIT_ADJUSTED,
        source="fake",
        origin="generator",
        dividends=((index[3], Decimal("0.25")),),
    )
    return msgspec.structs.replace(series, **changes)


def macro(first: str, last: str, name: str = "VIX", *, scale: float = 1.0) -> MacroSeries:
    """Return a value for every weekday, holidays among them."""
    days = pd.date_range(first, last, freq="B")
    values = pd.Series(np.linspace(10.0, 20.0, len(days)) * scale, index=days)
    return MacroSeries(name=name, values=values, calendar="XNYS", source="fake", origin="generator")
