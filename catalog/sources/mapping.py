"""The YAML page that describes a folder of market data, read strictly."""

import datetime as dt
import difflib
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from catalog.errors import CatalogError, NotFound
from catalog.instruments import Kind
from catalog.sources.series import BarSize, PriceKind, Stamp


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of the columns in the file."""

    time: str = "date"
    open: str = "open"
    high: str = "high"
    low: str = "low"
    close: str = "close"
    volume: str = "volume"


class EventsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of dividends or splits: one row an event."""

    file: str
    date: str = "date"
    amount: str = "amount"
    symbol: str = ""


class SectorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CSV file of sectors: one row a symbol."""

    file: str
    symbol: str
    sector: str


class BarsMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of bars that are alike.

    Attributes
    ----------
    files
        A path or pattern, relative to the data root, or a list of them; .parquet, .csv, .csv.gz.
    symbol_column, symbol
        Where the symbol stands: a column, or one symbol for all rows; neither: the file's name up to the first dot.
    venue, kind, calendar, timeframe, stamp, price_kind
        Must be said; nothing about time or adjustment is guessed.
    timezone
        Of naive times; needed unless rows are sessions or times carry their own zone.
    time_unit
        Of times that are numbers since 1970: s, ms, us or ns.
    dividends, splits
        Column of cash per share, of new shares per old one; 0 or empty: none that day.
    sector, sectors, sectors_file
        One for all; by symbol; from a file. The map comes before the file, the file before the one for all.
    symbols, exclude, rename
        Only these; not these; old name to new.
    start, end, drop_dates
        Sessions (UTC dates for intraday bars) to keep, and to leave out.
    regular_hours
        Leave out rows outside the calendar's sessions, counted.
    open_ticks
        Whether orders may be filled on these bars; false for a feed that is only read.
    """

    files: str | list[str]
    venue: str
    kind: Kind
    calendar: str
    timeframe: str
    stamp: Stamp
    price_kind: PriceKind
    symbol_column: str = ""
    symbol: str = ""
    columns: Columns = Columns()
    timezone: str = ""
    time_unit: str = ""
    dividends: str = ""
    splits: str = ""
    dividends_file: EventsFile | None = None
    splits_file: EventsFile | None = None
    sector: str | None = None
    sectors: dict[str, str] = {}
    sectors_file: SectorsFile | None = None
    symbols: list[str] = []
    exclude: list[str] = []
    rename: dict[str, str] = {}
    start: dt.date | None = None
    end: dt.date | None = None
    drop_dates: list[dt.date] = []
    regular_hours: bool = False
    open_ticks: bool = True
    fractional: bool = True
    is_proxy: bool = False
    price_decimals: dict[str, int] = {}
    size_decimals: int | None = None
    licence: str = ""
    warnings: list[str] = []

    @property
    def size(self) -> BarSize:
        """Size of the bars."""
        return BarSize(f"{self.timeframe}-LAST")


class MacroMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file with one value a session.

    Attributes
    ----------
    value
        Column, or columns in order of preference: the first that has a number on a day gives it.
    scale
        Factor to the series' own unit: 0.01 makes a share of a percentage.
    """

    name: str
    file: str
    calendar: str
    value: str | list[str]
    time: str = "date"
    scale: float = 1.0
    start: dt.date | None = None
    end: dt.date | None = None
    licence: str = ""
    warnings: list[str] = []


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole page.

    Attributes
    ----------
    name
        Under which the catalog remembers the ingest.
    accept
        Kinds of fault that the owner of the data knows of and accepts; say why in a comment.
    """

    name: str
    bars: list[BarsMapping] = []
    macro: list[MacroMapping] = []
    accept: list[str] = []


_STRUCTS = (Mapping, BarsMapping, MacroMapping, Columns, EventsFile, SectorsFile)


def read_mapping(path: Path) -> Mapping:
    """Read a mapping.

    Raises
    ------
    CatalogError
        If the file is missing, is no YAML, has an unknown key, or leaves out what must be said.
    """
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"a mapping must lie in {path}, found none ({error.strerror}); correct the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} must be YAML, is not: {error}") from error
    try:
        mapping = msgspec.convert(values, Mapping)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{path} must describe data, does not: {error}{_meant(str(error))}") from error
    if not mapping.bars and not mapping.macro:
        raise CatalogError(f"{path} must have bars or macro, has neither; add one")
    for bars in mapping.bars:
        _check(path, bars)
    return mapping


def _check(path: Path, bars: BarsMapping) -> None:
    sizes = [size.value.removesuffix("-LAST") for size in BarSize]
    if bars.timeframe not in sizes:
        raise CatalogError(f"{path}: timeframe must be one of {', '.join(sizes)}, was {bars.timeframe!r}")
    if (bars.stamp is Stamp.SESSION) != (bars.timeframe == "1-DAY"):
        raise CatalogError(
            f"{path}: stamp must be session for 1-DAY and bar_start or bar_close for other bars, "
            f"was {bars.stamp.value} for {bars.timeframe}; give daily rows their session's date"
        )
    if bars.price_kind is PriceKind.TOTAL_RETURN and (bars.dividends or bars.dividends_file):
        raise CatalogError(
            f"{path}: total_return prices must come without dividends, since they hold them already and a backtest "
            "would pay them twice; leave the dividends out, or map the column of unadjusted prices"
        )


def _meant(text: str) -> str:
    found = re.search(r"unknown field `([^`]+)`", text)
    if not found:
        return ""
    known = sorted({field for struct in _STRUCTS for field in struct.__struct_fields__})
    close = difflib.get_close_matches(found[1], known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(known)}"
