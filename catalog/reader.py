"""Reading a catalog: what it holds, whether that is still what was written, and frames for research."""

import difflib
import hashlib
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from catalog.content import bars_frame, between, read_table, rows_digest, times
from catalog.datasets import MACRO_FOLDER, bar_folder, tick_folder
from catalog.errors import CatalogError, NotFound
from catalog.integrity import verify, verify_folder
from catalog.manifest import BarFacts, Dataset, InstrumentFacts, Manifest, load_manifest
from catalog.sources.series import BarSize
from catalog.transaction import finish_interrupted

_DAY = BarSize.DAY.value


def open_catalog(path: Path | str) -> "Catalog":
    """Open a catalog for reading; a commit that was interrupted is finished first.

    Raises
    ------
    CatalogError
        If there is none, it is damaged, a newer program wrote it, or an ingest is moving files into it right now.
    """
    root = Path(path)
    finish_interrupted(root)
    return Catalog(root, load_manifest(root))


class Catalog:
    """A catalog that was opened; made by :func:`open_catalog`."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.path = root
        self.manifest = manifest
        self._verified: set[str] = set()

    # -- what is there -------------------------------------------------------------------------------------------------

    @cached_property
    def instrument_ids(self) -> tuple[str, ...]:
        """Identifiers of all instruments, sorted."""
        return tuple(sorted(self.manifest.instruments))

    def instruments(self, ids: Collection[str] | None = None) -> list[Any]:
        """Return the NautilusTrader definitions of some or all instruments, sorted by id."""
        wanted = sorted(ids) if ids is not None else list(self.instrument_ids)
        if not wanted:
            return []
        for iid in wanted:
            self._check(self._facts(iid).folder)
        found = ParquetDataCatalog(str(self.path)).instruments(instrument_ids=wanted)
        return sorted(found, key=lambda instrument: str(instrument.id))

    def macro_series(self) -> tuple[str, ...]:
        """Return the names of the macro series."""
        return tuple(sorted(self.manifest.macro))

    def intervals(self, iid: str) -> dict[str, tuple[int, int, int]]:
        """Return for each bar size of an instrument (first close ns, last close ns, number of bars)."""
        return {size: (bars.first_ns, bars.last_ns, bars.rows) for size, bars in self._facts(iid).bars.items()}

    def dividends(self, iid: str) -> tuple[tuple[int, Decimal], ...]:
        """Return (UTC ns of the ex-date's session open, cash per share on the prices' split basis), in order."""
        return tuple((ts, Decimal(amount)) for ts, amount in self._facts(iid).dividends)

    def splits(self, iid: str) -> tuple[tuple[int, Decimal], ...]:
        """Return (UTC ns of the session open, new shares per old share), in order."""
        return tuple((ts, Decimal(ratio)) for ts, ratio in self._facts(iid).splits)

    def stale_spans(self, iid: str, size: str = _DAY) -> tuple[tuple[int, int], ...]:
        """Return the spans (UTC ns, both ends included) without open ticks: orders fill at the next close there."""
        return tuple((start, end) for start, end in self._bars(iid, size).stale_spans)

    def verify(self) -> None:
        """Read and digest every byte of the catalog.

        Raises
        ------
        CatalogError
            If a file is missing, changed, damaged, or not known.
        """
        verify(self.path, self.manifest, every_byte=True)

    # -- what a run reads ----------------------------------------------------------------------------------------------

    def fingerprint(self, ids: Sequence[str], bar_spec: str, start_ns: int, end_ns: int) -> str:
        """Return a digest of everything that a run over a span reads of some instruments.

        Bars and open ticks with ``ts_init`` in the span, definitions, dividends and splits up to its end. It depends on
        rows, not on files: appending later rows or consolidating changes nothing. Whole years come from the manifest;
        only a year that the span cuts is read.

        Parameters
        ----------
        ids
            Instruments; their order does not matter.
        bar_spec
            "1-DAY-LAST".
        start_ns, end_ns
            The span, UTC nanoseconds, both included.

        Raises
        ------
        CatalogError
            If an instrument or bar size is missing, the span holds none of its bars, or a file was changed.
        """
        digest = hashlib.sha256(f"{bar_spec}|".encode())
        for iid in sorted(set(ids)):
            facts, bars = self._facts(iid), self._bars(iid, bar_spec)
            if bars.last_ns < start_ns or bars.first_ns > end_ns:
                raise CatalogError(
                    f"{iid} must have {bar_spec} bars between {_day(start_ns)} and {_day(end_ns)}, has them from "
                    f"{_day(bars.first_ns)} to {_day(bars.last_ns)}; change the time range or ingest more"
                )
            self._check(facts.folder)
            digest.update(f"{iid}|{facts.definition}|".encode())
            for folder in (bar_folder(iid, bar_spec), tick_folder(iid)):
                digest.update(self._span_digest(folder, start_ns, end_ns).encode())
            for events in (facts.dividends, facts.splits):
                digest.update(repr([event for event in events if start_ns <= event[0] <= end_ns]).encode())
        return digest.hexdigest()[:32]

    def macro_fingerprint(self, series: str, start_ns: int, end_ns: int) -> str:
        """Return a digest of a macro series' values that were known within a span.

        Raises
        ------
        CatalogError
            If there is no such series, or it has no values in the span.
        """
        values = self.macro_frame(series)
        ns = pd.DatetimeIndex(values.index).as_unit("ns").asi8
        inside = (ns >= start_ns) & (ns <= end_ns)
        if not inside.any():
            raise CatalogError(
                f"the series {series} must have values between {_day(start_ns)} and {_day(end_ns)}, has them from "
                f"{_day(int(ns[0]))} to {_day(int(ns[-1]))}; change the time range, ingest more, or leave it out"
            )
        digest = hashlib.sha256(series.encode())
        digest.update(ns[inside].tobytes())
        digest.update(values["value"].to_numpy("float64")[inside].tobytes())
        return digest.hexdigest()[:32]

    # -- frames --------------------------------------------------------------------------------------------------------

    def bars_frame(self, iid: str, bar_spec: str, start_ns: int, end_ns: int) -> pd.DataFrame:
        """Return bars as floats: open, high, low, close, volume over UTC close times (ns) in the span.

        Raises
        ------
        CatalogError
            If the instrument or bar size is missing, or a file was changed.
        """
        self._bars(iid, bar_spec)
        folder = bar_folder(iid, bar_spec)
        frames = [bars_frame(part) for part in self._tables(folder, start_ns, end_ns)]
        if not frames:
            return pd.DataFrame(
                {name: pd.Series(dtype="float64") for name in ("open", "high", "low", "close", "volume")},
                index=pd.DatetimeIndex([], tz="UTC").as_unit("ns"),
            )
        return pd.concat(frames) if len(frames) > 1 else frames[0]

    def daily_frame(self, iid: str, start_ns: int, end_ns: int) -> pd.DataFrame:
        """Return daily bars; where an instrument has none, its finest bars are joined to days.

        A joined day ends at the close of its last bar, and is a UTC day of bars' closes (a bar that closes at midnight
        belongs to the day that it ends). The first and the last may be parts of days.

        Returns
        -------
        pandas.DataFrame
            Columns open, high, low, close, volume over UTC close times (ns).
        """
        sizes = self._facts(iid).bars
        if _DAY in sizes:
            return self.bars_frame(iid, _DAY, start_ns, end_ns)
        finest = min(sizes, key=lambda size: BarSize(size).step_ns)
        bars = self.bars_frame(iid, finest, start_ns, end_ns)
        if not len(bars):
            return bars
        times_ = pd.DatetimeIndex(bars.index)
        days = (times_ - pd.Timedelta(1, "ns")).normalize()
        joined = bars.groupby(days).agg(
            {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        )
        ends = pd.Series(times_, index=days).groupby(level=0).last()
        return joined.set_axis(pd.DatetimeIndex(ends).as_unit("ns"))

    def macro_frame(self, series: str) -> pd.DataFrame:
        """Return a macro series: column value over the UTC times (ns) at which each value was known.

        Raises
        ------
        CatalogError
            If there is no such series.
        """
        if series not in self.manifest.macro:
            raise NotFound(
                f"the macro series {series!r} must be in {self.path}, found {_listed(self.macro_series())}"
                f"{_meant(series, self.macro_series())}; ingest it, or leave it out"
            )
        self._check(MACRO_FOLDER)
        return self._macro[series].to_frame("value")

    @cached_property
    def _macro(self) -> dict[str, pd.Series]:
        from catalog.ingest import macro_values

        return macro_values(self.path, self.manifest)

    # -- in words ------------------------------------------------------------------------------------------------------

    def describe(
        self, ids: Collection[str] | None = None, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the facts of instruments' bars, one dictionary for each instrument and bar size.

        Keys: kind, instrument_id, sector, bar, source, origin, licence, price_kind, calendar, open_kind ("open_tick",
        "stale" when any part of the span has no open ticks since its opens are stale, "none" for a feed without ticks),
        stale_spans (pairs of ISO dates), stale_open_share (over the calendar years that the span touches; None where it
        says nothing), first, last (ISO dates of closes), bars (in the span), dividends, splits (numbers of), warnings.
        """
        wanted = list(ids) if ids is not None else list(self.instrument_ids)
        return [
            self._described(iid, size, bars, start_ns=start_ns, end_ns=end_ns)
            for iid in wanted
            for size, bars in self._facts(iid).bars.items()
        ]

    def describe_macro(self) -> list[dict[str, Any]]:
        """Return the facts of the macro series: series, source, licence, first, last (ISO dates), rows, warnings."""
        return [
            {
                "series": name,
                "source": facts.source,
                "licence": facts.licence,
                "first": _day(facts.first_ns),
                "last": _day(facts.last_ns),
                "rows": facts.rows,
                "dropped": facts.dropped,
                "warnings": list(facts.warnings),
            }
            for name, facts in sorted(self.manifest.macro.items())
        ]

    def _described(
        self, iid: str, size: str, bars: BarFacts, *, start_ns: int | None, end_ns: int | None
    ) -> dict[str, Any]:
        facts = self._facts(iid)
        start = bars.first_ns if start_ns is None else max(start_ns, bars.first_ns)
        end = bars.last_ns if end_ns is None else min(end_ns, bars.last_ns)
        count, first, last = self._counted(bar_folder(iid, size), start, end)
        spans = [span for span in bars.stale_spans if span[0] <= end and span[1] >= start]
        share = _stale_share(bars, start, end)
        warnings = list(bars.warnings)
        if spans:
            warnings.append(
                f"opens are stale (equal to the previous close) in {_spans_text(spans)}: "
                "orders fill at the next close there"
            )
        elif share is not None and share > 0.05:
            warnings.append(f"{share:.0%} of the opens equal the previous close")
        return {
            "kind": facts.kind,
            "instrument_id": iid,
            "sector": facts.sector,
            "bar": size,
            "source": bars.source,
            "origin": bars.origin,
            "licence": bars.licence,
            "price_kind": bars.price_kind,
            "calendar": bars.calendar,
            "open_kind": ("stale" if spans else "open_tick") if bars.open_ticks else "none",
            "stale_spans": [(_day(max(a, start)), _day(min(b, end))) for a, b in spans],
            "stale_open_share": share,
            "first": None if first is None else _day(first),
            "last": None if last is None else _day(last),
            "bars": count,
            "dividends": sum(1 for ts, _ in facts.dividends if start <= ts <= end),
            "splits": sum(1 for ts, _ in facts.splits if start <= ts <= end),
            "warnings": warnings,
        }

    # -- inside --------------------------------------------------------------------------------------------------------

    def _facts(self, iid: str) -> InstrumentFacts:
        facts = self.manifest.instruments.get(str(iid))
        if facts is None:
            raise NotFound(
                f"{iid} must be in the catalog {self.path}, found {_listed(self.instrument_ids)}"
                f"{_meant(str(iid), self.instrument_ids)}; ingest it, or correct the name"
            )
        return facts

    def _bars(self, iid: str, bar_spec: str) -> BarFacts:
        sizes = self._facts(iid).bars
        if bar_spec not in sizes:
            raise NotFound(
                f"{iid} must have {bar_spec} bars in {self.path}, has {_listed(tuple(sizes))}; "
                "ingest them, or choose another bar size"
            )
        return sizes[bar_spec]

    def _check(self, folder: str) -> Dataset:
        dataset = self.manifest.datasets.get(folder, Dataset())
        if folder not in self._verified:
            verify_folder(self.path, folder, dataset)
            self._verified.add(folder)
        return dataset

    def _tables(self, folder: str, start_ns: int, end_ns: int, columns: list[str] | None = None) -> list[Any]:
        parts = [
            between(read_table(self.path / folder / file.name, columns=columns), start_ns, end_ns)
            for file in self._check(folder).files
            if file.start_ns <= end_ns and file.end_ns >= start_ns
        ]
        return [part for part in parts if part.num_rows]

    def _counted(self, folder: str, start_ns: int, end_ns: int) -> tuple[int, int | None, int | None]:
        parts = [times(part) for part in self._tables(folder, start_ns, end_ns, ["ts_init"])]
        if not parts:
            return 0, None, None
        return sum(map(len, parts)), int(parts[0][0]), int(parts[-1][-1])

    def _span_digest(self, folder: str, start_ns: int, end_ns: int) -> str:
        dataset = self._check(folder)
        if not dataset.files:
            return "-"
        first_ns, last_ns = dataset.files[0].start_ns, dataset.files[-1].end_ns
        digest = hashlib.sha256()
        for year, rows in sorted(dataset.years.items()):
            begin, finish = _year_bounds(int(year))
            if finish < start_ns or begin > end_ns:
                continue
            # The year counts as whole when what it has of the data lies within the span.
            if max(begin, first_ns) < start_ns or min(finish, last_ns) > end_ns:
                rows = self._part_digest(folder, max(begin, start_ns), min(finish, end_ns))
            digest.update(f"{year}:{rows}|".encode())
        return digest.hexdigest()

    def _part_digest(self, folder: str, start_ns: int, end_ns: int) -> str:
        import pyarrow as pa

        parts = self._tables(folder, start_ns, end_ns)
        return rows_digest(pa.concat_tables(parts)) if parts else "-"


def _stale_share(bars: BarFacts, start_ns: int, end_ns: int) -> float | None:
    first, last = _day(start_ns)[:4], _day(end_ns)[:4]
    years = [facts for year, facts in bars.years.items() if first <= year <= last]
    count = sum(facts.bars for facts in years)
    return sum(facts.stale_opens for facts in years) / count if count else None


def _spans_text(spans: Sequence[tuple[int, int]]) -> str:
    years = [(_day(start)[:4], _day(end)[:4]) for start, end in spans]
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in years)


def _year_bounds(year: int) -> tuple[int, int]:
    return pd.Timestamp(year, 1, 1).value, pd.Timestamp(year + 1, 1, 1).value - 1


def _day(ns: int) -> str:
    return pd.Timestamp(ns, unit="ns").strftime("%Y-%m-%d")


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
