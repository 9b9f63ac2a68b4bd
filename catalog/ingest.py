"""From a source into the catalog: check, compare with what is stored, write all or nothing."""

import hashlib
import json
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from catalog.content import bars_frame
from catalog.datasets import MACRO_FOLDER, bar_folder, extend, replace, stored_table, tick_folder, write_definition
from catalog.errors import CatalogError
from catalog.instruments import build_instrument
from catalog.integrity import verify
from catalog.macro import MacroPoint
from catalog.manifest import SCHEMA_VERSION, BarFacts, Dataset, InstrumentFacts, MacroFacts, Manifest
from catalog.merge import Change, Merged, merge
from catalog.objects import MACRO_DELAY_NS, to_bars, to_open_ticks, to_points
from catalog.quality import Checked, Fault, Finding, check, parse_accept, refuse, starts_of
from catalog.sessions import sessions_of
from catalog.sources.arch import ArchSource
from catalog.sources.series import BarSeries, BarSize, MacroSeries, Source
from catalog.stale import count_years, in_spans, is_judged, share_limit, stale_spans
from catalog.transaction import Transaction

REVISION = 1
"""Counts changes in what ingest makes of the same source: a new one makes every ingest run again."""
_ROWS = 250_000


class IngestReport(msgspec.Struct, kw_only=True):
    """What an ingest did.

    Attributes
    ----------
    source, path
        Name of the source and folder of the catalog.
    bars, ticks, macro
        Rows written for each bar type, instrument, and series; nothing for what was already there.
    unchanged
        Bar types and series whose rows were all there.
    dropped
        Rows left out, by reason.
    findings
        What the check found and the ingest accepted or warned of.
    is_skipped
        Whether nothing was read, since neither the source nor the program has changed.
    """

    source: str
    path: str
    bars: dict[str, int] = {}
    ticks: dict[str, int] = {}
    macro: dict[str, int] = {}
    unchanged: list[str] = []
    dropped: dict[str, int] = {}
    findings: list[Finding] = []
    is_skipped: bool = False

    @property
    def rows_written(self) -> int:
        """All rows written."""
        return sum(self.bars.values()) + sum(self.ticks.values()) + sum(self.macro.values())

    def drop(self, reason: str, rows: int) -> None:
        """Count rows that were left out."""
        if rows:
            self.dropped[reason] = self.dropped.get(reason, 0) + rows


def ingest_demo(path: Path | str) -> IngestReport:
    """Ingest the embedded data: SPX.INDEX, NDQ.INDEX (daily, 1999 to 2018) and the macro series VIX."""
    return ingest(ArchSource(), path)


def ingest_mapping(
    mapping: Path | str, catalog_path: Path | str, *, data_root: Path | str | None = None, accept: Collection[str] = ()
) -> IngestReport:
    """Ingest a folder of CSV or Parquet files that a YAML mapping describes.

    Parameters
    ----------
    mapping
        The YAML file.
    catalog_path
        Folder of the catalog; made when missing.
    data_root
        Folder that the mapping's paths start from; None takes the mapping's own folder.
    accept
        Kinds of fault to accept, besides those that the mapping accepts itself.
    """
    from catalog.sources.folder import FolderSource

    source = FolderSource.from_yaml(mapping, data_root=data_root)
    return ingest(source, catalog_path, accept=[*accept, *source.accept])


def ingest(source: Source, path: Path | str, *, accept: Collection[str] = ()) -> IngestReport:
    """Bring a source's data into a catalog; a second time only what is new.

    Parameters
    ----------
    source
        Where the data comes from.
    path
        Folder of the catalog; made when missing.
    accept
        Kinds of fault (see :mod:`catalog.quality`) that are let pass.

    Raises
    ------
    CatalogError
        If data is refused, the disk is full, another ingest is at work, or the catalog is damaged. The catalog is
        then as it was before.
    """
    accepted = parse_accept(accept)
    root = Path(path)
    report = IngestReport(source=source.name, path=str(root))
    told = source.fingerprint()
    fingerprint = hashlib.sha256(f"{told}|{SCHEMA_VERSION}|{REVISION}".encode()).hexdigest()
    with Transaction(root) as tx:
        verify(root, tx.manifest)
        if told and tx.manifest.ingests.get(source.name) == fingerprint:
            report.is_skipped = True
            return report
        for series in source.bars():
            _take_bars(tx, series, accepted, report)
        stored = macro_values(root, tx.manifest)
        for macro in source.macro():
            _take_macro(tx, macro, stored, accept=accepted, report=report)
        refuse(report.findings)
        if report.macro:
            _write_macro(tx, stored)
        tx.manifest.ingests[source.name] = fingerprint
        tx.commit()
    return report


def check_source(source: Source, *, accept: Collection[str] = ()) -> list[Finding]:
    """Check every series of a source and write nothing; refused findings are marked, not raised."""
    accepted = parse_accept(accept)
    return [finding for series in source.bars() for finding in check(series, accepted).findings]


def _take_bars(tx: Transaction, series: BarSeries, accept: frozenset[Fault], report: IngestReport) -> None:
    checked = check(series, accept)
    report.findings += checked.findings
    for reason, rows in series.dropped.items():
        report.drop(reason, rows)
    if any(finding.is_refused for finding in report.findings):
        # Nothing will be written: go on only to name every fault of every series.
        return
    if not len(checked.frame):
        raise CatalogError(
            f"{series.spec.instrument_id} must have rows, found none in {series.origin}; check the mapping"
        )
    instrument = build_instrument(series.spec)
    folder = bar_folder(str(instrument.id), series.size)
    if (tx.staging / folder).exists():
        raise CatalogError(f"{series.source} must give {folder} once, gave it twice; correct the mapping")
    merged = _merged(tx, instrument, folder, checked)
    findings = list(checked.findings)
    if len(merged.differing):
        finding = _changed(series.spec.instrument_id, series.origin, merged.differing, accept)
        report.findings.append(finding)
        if finding.is_refused:
            return
        findings.append(finding)
    facts = _define(tx, instrument, series)
    _write_bars(tx, instrument, series, merged, facts=facts, findings=findings, report=report)


def _merged(tx: Transaction, instrument: Any, folder: str, checked: Checked) -> Merged:
    source = checked.frame.set_axis(_utc(checked.close_ns))
    table = stored_table(tx.root, folder, tx.manifest.datasets.get(folder, Dataset()))
    return merge(
        None if table is None else bars_frame(table),
        source,
        price_decimals=instrument.price_precision,
        size_decimals=instrument.size_precision,
    )


def _changed(name: str, origin: str, times: pd.DatetimeIndex, accept: frozenset[Fault]) -> Finding:
    return Finding(
        fault=Fault.CHANGED,
        instrument_id=name,
        origin=origin,
        rows=len(times),
        where=f"from {times[0]:%Y-%m-%d %H:%M} to {times[-1]:%Y-%m-%d %H:%M}",
        is_refused=Fault.CHANGED not in accept,
    )


def _define(tx: Transaction, instrument: Any, series: BarSeries) -> InstrumentFacts:
    iid = str(instrument.id)
    definition = _definition_digest(instrument)
    facts = tx.manifest.instruments.get(iid)
    if facts is None or facts.definition != definition:
        if facts is not None:
            _check_decimals(tx, facts, instrument)
            for file in tx.manifest.datasets.pop(facts.folder).files:
                tx.remove(f"{facts.folder}/{file.name}")
        folder = write_definition(tx, instrument)
        old = facts or InstrumentFacts("", "", "", "")
        info = instrument.info
        facts = InstrumentFacts(info["kind"], info["sector"], folder, definition, old.bars, old.dividends, old.splits)
        tx.manifest.instruments[iid] = facts
    sessions = sessions_of(series.calendar)
    facts.dividends = _events(facts.dividends, series.dividends, sessions)
    facts.splits = _events(facts.splits, series.splits, sessions)
    return facts


def _check_decimals(tx: Transaction, facts: InstrumentFacts, instrument: Any) -> None:
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    (old,) = ParquetDataCatalog(str(tx.root)).instruments(instrument_ids=[str(instrument.id)])
    before, after = ((i.price_precision, i.size_precision) for i in (old, instrument))
    if before != after and facts.bars:
        raise CatalogError(
            f"{instrument.id} must keep its decimals (price, size) {before}, the source asks for {after}; "
            "ingest into another folder"
        )


def _events(
    stored: list[tuple[int, str]], fresh: Collection[tuple[pd.Timestamp, Decimal]], sessions: Any
) -> list[tuple[int, str]]:
    if not fresh:
        return stored
    dates = pd.DatetimeIndex([date for date, _ in fresh]).as_unit("ns")
    is_session = sessions.has_dates(dates)
    opens, _ = sessions.bounds(dates[is_session])
    amounts = [str(amount) for (_, amount), keep in zip(fresh, is_session, strict=True) if keep]
    return sorted({**dict(stored), **dict(zip(map(int, opens), amounts, strict=True))}.items())


def _write_bars(
    tx: Transaction,
    instrument: Any,
    series: BarSeries,
    merged: Merged,
    *,
    facts: InstrumentFacts,
    findings: Collection[Finding],
    report: IngestReport,
) -> None:
    iid, size = str(instrument.id), series.size
    folder, name = bar_folder(iid, size), f"{iid}-{size}-EXTERNAL"
    old = facts.bars.get(size)
    if series.open_ticks:
        _check_tick_owner(iid, size, facts)
    fresh = _bar_facts(series, merged, findings)
    facts.bars[size] = fresh
    if merged.change is Change.SAME:
        report.unchanged.append(name)
    else:
        rows = merged.frame[-merged.fresh :] if merged.change is Change.APPEND else merged.frame
        write = extend if merged.change is Change.APPEND else replace
        write(tx, folder, (to_bars(instrument, size, part, _ns(part)) for part in _parts(rows)))
        report.bars[name] = len(rows)
    _write_ticks(tx, instrument, merged, report, old=old, fresh=fresh, size=size)


def _write_ticks(
    tx: Transaction,
    instrument: Any,
    merged: Merged,
    report: IngestReport,
    *,
    old: BarFacts | None,
    fresh: BarFacts,
    size: BarSize,
) -> None:
    had_ticks = old is not None and old.open_ticks
    if not fresh.open_ticks and not had_ticks:
        return
    same_ticks = old is not None and (old.open_ticks, old.stale_spans) == (fresh.open_ticks, fresh.stale_spans)
    if merged.change is Change.SAME and same_ticks:
        return
    is_append = merged.change is Change.APPEND and same_ticks
    rows = merged.frame[-merged.fresh :] if is_append else merged.frame
    if not fresh.open_ticks:
        rows = rows[:0]
    rows = rows[~in_spans(_ns(rows), fresh.stale_spans)]
    sessions = sessions_of(fresh.calendar)
    write = extend if is_append else replace
    write(
        tx,
        tick_folder(str(instrument.id)),
        (
            to_open_ticks(instrument, part["open"].to_numpy(), starts_of(_ns(part), size, sessions))
            for part in _parts(rows)
        ),
    )
    if len(rows):
        report.ticks[str(instrument.id)] = len(rows)


def _check_tick_owner(iid: str, size: BarSize, facts: InstrumentFacts) -> None:
    for other, bars in facts.bars.items():
        if other != size and bars.open_ticks:
            raise CatalogError(
                f"one bar size of an instrument may have open ticks in a catalog: {iid} has those of {other}, and "
                f"those of {size} would enter every run of it; ingest into another folder, or set open_ticks: false "
                "for a feed that is only read"
            )


def _bar_facts(series: BarSeries, merged: Merged, findings: Collection[Finding]) -> BarFacts:
    frame = merged.frame
    close_ns = _ns(frame)
    years, spans = {}, []
    if is_judged(series.size, series.calendar):
        years = count_years(frame["open"].to_numpy(), frame["close"].to_numpy(), close_ns)
        spans = stale_spans(years, share_limit(series.spec))
    return BarFacts(
        source=series.source,
        origin=series.origin,
        licence=series.licence,
        price_kind=series.price_kind.value,
        calendar=series.calendar,
        first_ns=int(close_ns[0]),
        last_ns=int(close_ns[-1]),
        rows=len(frame),
        open_ticks=series.open_ticks,
        years=years,
        stale_spans=spans,
        warnings=[*series.warnings, *(finding.brief for finding in findings)],
    )


def _take_macro(
    tx: Transaction,
    series: MacroSeries,
    stored: dict[str, pd.Series],
    *,
    accept: frozenset[Fault],
    report: IngestReport,
) -> None:
    values = series.values.dropna()
    sessions = sessions_of(series.calendar)
    dates = pd.DatetimeIndex(values.index)
    is_session = sessions.has_dates(dates)
    dropped = len(values) - int(is_session.sum())
    report.drop(f"{series.name}: no session of {series.calendar} on this date", dropped)
    values = values[is_session]
    if not len(values):
        raise CatalogError(f"the series {series.name} must have values, found none in {series.origin}")
    if not values.index.is_monotonic_increasing or values.index.has_duplicates:
        raise CatalogError(f"{series.name} from {series.origin}: dates must rise, found others; sort the file")
    _, closes = sessions.bounds(pd.DatetimeIndex(values.index))
    fresh = pd.Series(values.to_numpy(np.float64), index=_utc(closes + MACRO_DELAY_NS))
    old = stored.get(series.name, fresh[:0])
    merged, finding = _merged_macro(series, old, fresh, accept)
    report.findings += finding
    tx.manifest.macro[series.name] = _macro_facts(series, merged, dropped)
    if merged.equals(old):
        report.unchanged.append(series.name)
        return
    report.macro[series.name] = len(merged.index.difference(old.index)) or len(fresh)
    stored[series.name] = merged


def _merged_macro(
    series: MacroSeries, old: pd.Series, fresh: pd.Series, accept: frozenset[Fault]
) -> tuple[pd.Series, list[Finding]]:
    common = old.index.intersection(fresh.index)
    differing = pd.DatetimeIndex(common[old.loc[common].to_numpy() != fresh.loc[common].to_numpy()])
    merged = pd.concat([old.drop(common), fresh]).sort_index()
    if not len(differing):
        return merged, []
    return merged, [_changed(series.name, series.origin, differing, accept)]


def _macro_facts(series: MacroSeries, values: pd.Series, dropped: int) -> MacroFacts:
    ns = pd.DatetimeIndex(values.index).as_unit("ns").asi8
    return MacroFacts(
        source=series.source,
        origin=series.origin,
        licence=series.licence,
        first_ns=int(ns[0]),
        last_ns=int(ns[-1]),
        rows=len(values),
        dropped=dropped,
        warnings=list(series.warnings),
    )


def _write_macro(tx: Transaction, stored: dict[str, pd.Series]) -> None:
    points: list[MacroPoint] = []
    for name, values in stored.items():
        points += to_points(name, values.to_numpy(), pd.DatetimeIndex(values.index).as_unit("ns").asi8)
    # One file for all series: files of one folder may not overlap in time.
    points.sort(key=lambda point: (point.ts_init, point.series))
    replace(tx, MACRO_FOLDER, [points])


def macro_values(root: Path, manifest: Manifest) -> dict[str, pd.Series]:
    """Return every stored macro series: values over the UTC times at which they were known."""
    table = stored_table(root, MACRO_FOLDER, manifest.datasets.get(MACRO_FOLDER, Dataset()))
    if table is None:
        return {}
    frame = pd.DataFrame(
        {"series": table.column("series").to_pylist(), "value": table.column("value").to_numpy()},
        index=_utc(np.asarray(table.column("ts_init").to_numpy())),
    )
    return {str(name): part["value"] for name, part in frame.groupby("series", sort=False)}


def _parts(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for first in range(0, len(frame), _ROWS):
        yield frame[first : first + _ROWS]


def _definition_digest(instrument: Any) -> str:
    text = json.dumps(type(instrument).to_dict(instrument), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _utc(ns: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(ns, dtype=np.int64).astype("datetime64[ns]"), tz="UTC")


def _ns(frame: pd.DataFrame) -> Any:
    return pd.DatetimeIndex(frame.index).as_unit("ns").asi8
