"""What every source yields: frames of bars and of macro values with the facts that ingest needs, and the interface."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import msgspec
import pandas as pd

from catalog.instruments import InstrumentSpec

COLUMNS = ("open", "high", "low", "close", "volume")


class Stamp(StrEnum):
    """What the time of a row means."""

    SESSION = "session"
    """The date of a session; the row is known at that session's close."""
    BAR_START = "bar_start"
    BAR_CLOSE = "bar_close"


class PriceKind(StrEnum):
    """How the prices were adjusted by the source."""

    SPLIT_ADJUSTED = "split_adjusted"
    AS_TRADED = "as_traded"
    TOTAL_RETURN = "total_return"


class BarSize(StrEnum):
    """The sizes of bar that the catalog keeps."""

    DAY = "1-DAY-LAST"
    HOUR = "1-HOUR-LAST"
    QUARTER = "15-MINUTE-LAST"
    MINUTE = "1-MINUTE-LAST"

    @property
    def step_ns(self) -> int:
        """Length of a bar, nanoseconds."""
        return _STEP_NS[self.value]


_MINUTE_NS = 60_000_000_000
_STEP_NS = {
    "1-DAY-LAST": 1440 * _MINUTE_NS,
    "1-HOUR-LAST": 60 * _MINUTE_NS,
    "15-MINUTE-LAST": 15 * _MINUTE_NS,
    "1-MINUTE-LAST": _MINUTE_NS,
}


class BarSeries(msgspec.Struct, frozen=True, kw_only=True):
    """The bars of one instrument as a source has them, unchecked.

    Attributes
    ----------
    spec
        The instrument.
    size
        Size of the bars.
    frame
        Columns open, high, low, close, volume (float64, the rows in the source's own order). The index holds naive
        session dates (`stamp` is session) or UTC times.
    stamp
        What the index means.
    calendar
        The market's calendar.
    price_kind
        How prices are adjusted.
    source, origin, licence
        Name of the source; the file or data set; what its owner allows.
    dividends
        (ex-date, cash per share on the price's own split basis).
    splits
        (ex-date, new shares per old share).
    open_ticks
        Whether open ticks are written; False for a feed that is only read (a regime's daily reference).
    warnings
        What is weak about the data, in a sentence each.
    dropped
        Rows that the source left out, and why: {"2026-03-13 is dropped by the mapping": 119}.
    """

    spec: InstrumentSpec
    size: BarSize
    frame: pd.DataFrame
    stamp: Stamp
    calendar: str
    price_kind: PriceKind
    source: str
    origin: str
    licence: str = ""
    dividends: tuple[tuple[pd.Timestamp, Decimal], ...] = ()
    splits: tuple[tuple[pd.Timestamp, Decimal], ...] = ()
    open_ticks: bool = True
    warnings: tuple[str, ...] = ()
    dropped: dict[str, int] = {}


class MacroSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One value a session of a named series; rows of NaN are no values."""

    name: str
    values: pd.Series
    calendar: str
    source: str
    origin: str
    licence: str = ""
    warnings: tuple[str, ...] = ()


class Source(Protocol):
    """A place that market data comes from."""

    @property
    def name(self) -> str:
        """Name under which the catalog remembers what it took from here."""

    def fingerprint(self) -> str:
        """Return a digest that changes whenever data or description may have; "" when only reading tells."""

    def bars(self) -> Iterator[BarSeries]:
        """Yield every instrument's bars."""

    def macro(self) -> Iterator[MacroSeries]:
        """Yield every macro series."""
