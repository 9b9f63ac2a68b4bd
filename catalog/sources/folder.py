"""Folders of CSV or Parquet files, described by a YAML mapping."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from catalog.content import file_digest
from catalog.errors import CatalogError, NotFound
from catalog.instruments import InstrumentSpec, Kind
from catalog.sessions import sessions_of
from catalog.sources.mapping import BarsMapping, EventsFile, MacroMapping, Mapping, read_mapping
from catalog.sources.series import COLUMNS, BarSeries, BarSize, MacroSeries, Stamp
from catalog.sources.tables import load_table, numbers, session_dates, utc_times

type Events = tuple[tuple[pd.Timestamp, Decimal], ...]

_AMOUNT_DECIMALS = 6


class FolderSource:
    """Files under a root, as a mapping describes them.

    Parameters
    ----------
    mapping
        The description.
    root
        Folder that its paths start from.
    digest
        Of the mapping's text.
    """

    def __init__(self, mapping: Mapping, root: Path, *, digest: str = "") -> None:
        self.mapping = mapping
        self.root = root
        self._digest = digest

    @classmethod
    def from_yaml(cls, path: Path | str, *, data_root: Path | str | None = None) -> "FolderSource":
        """Read a mapping; its paths start from `data_root`, or from its own folder.

        Raises
        ------
        CatalogError
            See :func:`catalog.sources.mapping.read_mapping`.
        """
        place = Path(path)
        mapping = read_mapping(place)
        return cls(mapping, Path(data_root) if data_root else place.parent, digest=file_digest(place))

    @property
    def name(self) -> str:
        """Name of the mapping."""
        return self.mapping.name

    @property
    def accept(self) -> tuple[str, ...]:
        """Kinds of fault that the mapping accepts."""
        return tuple(self.mapping.accept)

    def fingerprint(self) -> str:
        """Return a digest of the mapping and of every byte of its files."""
        digest = hashlib.sha256(self._digest.encode())
        for path in self._all_files():
            digest.update(f"{path.name}|{file_digest(path)}|".encode())
        return digest.hexdigest()

    def bars(self) -> Iterator[BarSeries]:
        """Yield every instrument's bars, file by file."""
        for group in self.mapping.bars:
            yield from _Group(group, self).series()

    def macro(self) -> Iterator[MacroSeries]:
        """Yield every macro series."""
        for macro in self.mapping.macro:
            yield _macro_series(macro, self.path(macro.file), self.name)

    def path(self, name: str) -> Path:
        """Return a file that the mapping names.

        Raises
        ------
        NotFound
            If it is missing.
        """
        path = self.root / name
        if not path.is_file():
            raise NotFound(f"{path} must be there, is missing; correct the mapping {self.name} or the data root")
        return path

    def matching(self, patterns: str | list[str]) -> list[Path]:
        """Return the files of one or more patterns, in order.

        Raises
        ------
        NotFound
            If a pattern matches nothing.
        """
        found: list[Path] = []
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            here = sorted(self.root.glob(pattern))
            if not here:
                raise NotFound(
                    f"files must match {self.root / pattern}, found none; "
                    f"correct the mapping {self.name} or the data root"
                )
            found += here
        return found

    def _all_files(self) -> list[Path]:
        files: list[Path] = []
        for group in self.mapping.bars:
            files += self.matching(group.files)
            extra = (group.dividends_file, group.splits_file, group.sectors_file)
            files += [self.path(part.file) for part in extra if part is not None]
        return files + [self.path(macro.file) for macro in self.mapping.macro]


class _Group:
    """One entry of the mapping's bars, at work."""

    def __init__(self, group: BarsMapping, source: FolderSource) -> None:
        self.group = group
        self.source = source
        self.sectors = self._sectors()
        self.dividends = self._event_file(group.dividends_file)
        self.splits = self._event_file(group.splits_file)
        self.seen: set[str] = set()

    def series(self) -> Iterator[BarSeries]:
        for path in self.source.matching(self.group.files):
            yield from self._file(path)
        unknown = set(self.group.symbols) - self.seen
        if unknown:
            raise CatalogError(
                f"{self.source.name}: symbols must be in the files, {', '.join(sorted(unknown))} are not; "
                "correct the mapping"
            )

    def _file(self, path: Path) -> Iterator[BarSeries]:
        group = self.group
        names = group.columns
        prices = {getattr(names, name): name for name in COLUMNS}
        extra = [name for name in (group.symbol_column, group.dividends, group.splits) if name]
        table = load_table(path, [names.time, *prices, *extra])
        frame = numbers(path, table[list(prices)].rename(columns=prices))
        for name in (group.dividends, group.splits):
            if name:
                frame[f"event {name}"] = numbers(path, table[[name]])[name].to_numpy()
        frame.index = self._index(path, table[names.time])
        if not group.symbol_column:
            yield from self._symbol(path, group.symbol or path.name.split(".")[0], frame)
            return
        for symbol, part in frame.groupby(table[group.symbol_column].astype(str).to_numpy(), sort=False):
            yield from self._symbol(path, str(symbol), part)

    def _index(self, path: Path, column: pd.Series) -> pd.DatetimeIndex:
        if self.group.stamp is Stamp.SESSION:
            return session_dates(path, column)
        return utc_times(path, column, timezone=self.group.timezone, unit=self.group.time_unit)

    def _symbol(self, path: Path, symbol: str, frame: pd.DataFrame) -> Iterator[BarSeries]:
        group = self.group
        if symbol in group.exclude or (group.symbols and symbol not in group.symbols):
            return
        self.seen.add(symbol)
        kept, dropped = self._kept(frame)
        warnings = list(group.warnings)
        splits = self.splits.get(symbol, ()) if group.splits_file else _events(kept, group.splits)
        dividends = self.dividends.get(symbol, ()) if group.dividends_file else _events(kept, group.dividends)
        if group.price_kind.value == "as_traded" and splits:
            warnings.append(f"prices are as traded across {len(splits)} splits: returns and indicators jump there")
        yield BarSeries(
            spec=self._spec(symbol),
            size=group.size,
            frame=kept[list(COLUMNS)],
            stamp=group.stamp,
            calendar=group.calendar,
            price_kind=group.price_kind,
            source=self.source.name,
            origin=str(path.relative_to(self.source.root)),
            licence=group.licence,
            dividends=dividends,
            splits=splits,
            open_ticks=group.open_ticks,
            warnings=tuple(warnings),
            dropped=dropped,
        )

    def _spec(self, symbol: str) -> InstrumentSpec:
        group = self.group
        sector = self.sectors.get(symbol, group.sector)
        if sector is None:
            if group.kind is Kind.STOCK:
                raise CatalogError(
                    f"{self.source.name}: every stock must have a sector, or the sector limit does not hold it; "
                    f"{symbol} has none; add it to sectors (an empty text says: belongs to none)"
                )
            sector = ""
        return InstrumentSpec(
            instrument_id=f"{group.rename.get(symbol, symbol)}.{group.venue}",
            kind=group.kind,
            sector=sector,
            is_proxy=group.is_proxy,
            fractional=group.fractional,
            price_decimals=group.price_decimals.get(symbol, group.price_decimals.get("*")),
            size_decimals=group.size_decimals,
        )

    def _kept(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
        group, dropped = self.group, {}
        index = pd.DatetimeIndex(frame.index)
        inside = _within(index, group.start, group.end)
        if group.drop_dates:
            naive = index.tz_localize(None).normalize()
            named = np.asarray(naive.isin(pd.DatetimeIndex(group.drop_dates)))
            dropped["dates that the mapping drops"] = int((named & inside).sum())
            inside &= ~named
        if group.regular_hours and group.size is not BarSize.DAY:
            is_open = _is_open(index, group)
            dropped[f"outside the sessions of {group.calendar}"] = int((~is_open & inside).sum())
            inside &= is_open
        return frame[inside], {reason: rows for reason, rows in dropped.items() if rows}

    def _sectors(self) -> dict[str, str]:
        group, found = self.group, {}
        if group.sectors_file is not None:
            names = group.sectors_file
            table = load_table(self.source.path(names.file), [names.symbol, names.sector])
            found = dict(zip(table[names.symbol].astype(str), table[names.sector].astype(str), strict=True))
        return {**found, **group.sectors}

    def _event_file(self, file: EventsFile | None) -> dict[str, Events]:
        if file is None:
            return {}
        path = self.source.path(file.file)
        table = load_table(path, [name for name in (file.date, file.amount, file.symbol) if name])
        frame = numbers(path, table[[file.amount]]).set_axis(session_dates(path, table[file.date]))
        if not file.symbol:
            return {self.group.symbol: _amounts(frame[file.amount])}
        parts = frame[file.amount].groupby(table[file.symbol].astype(str).to_numpy())
        return {str(symbol): _amounts(part) for symbol, part in parts}


def _events(frame: pd.DataFrame, column: str) -> Events:
    return _amounts(frame[f"event {column}"]) if column else ()


def _amounts(values: pd.Series) -> Events:
    real = values[(values.notna()) & (values != 0.0)].sort_index()
    return tuple(
        (pd.Timestamp(str(date)), Decimal(repr(round(float(amount), _AMOUNT_DECIMALS))))
        for date, amount in real.items()
    )


def _within(index: pd.DatetimeIndex, start: dt.date | None, end: dt.date | None) -> np.ndarray:
    inside = np.ones(len(index), dtype=bool)
    if start is not None:
        inside &= np.asarray(index >= pd.Timestamp(start, tz=index.tz))
    if end is not None:
        inside &= np.asarray(index < pd.Timestamp(end, tz=index.tz) + pd.Timedelta(days=1))
    return inside


def _is_open(index: pd.DatetimeIndex, group: BarsMapping) -> np.ndarray:
    sessions, ts = sessions_of(group.calendar), index.as_unit("ns").asi8
    if group.stamp is Stamp.BAR_START:
        opens, closes = sessions.position_at(ts, side="right")
        return np.asarray((ts >= opens) & (ts < closes))
    opens, closes = sessions.position_at(ts, side="left")
    return np.asarray((ts > opens) & (ts <= closes))


def _macro_series(macro: MacroMapping, path: Path, source: str) -> MacroSeries:
    columns = [macro.value] if isinstance(macro.value, str) else macro.value
    table = load_table(path, [macro.time, *columns])
    frame = numbers(path, table[columns])
    values = frame[columns[0]]
    for name in columns[1:]:
        values = values.fillna(frame[name])
    values = pd.Series(values.to_numpy() * macro.scale, index=session_dates(path, table[macro.time]))
    return MacroSeries(
        name=macro.name,
        values=values[_within(pd.DatetimeIndex(values.index), macro.start, macro.end)],
        calendar=macro.calendar,
        source=source,
        origin=str(path.name),
        licence=macro.licence,
        warnings=tuple(macro.warnings),
    )
