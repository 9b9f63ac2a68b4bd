"""The folders of the catalog: write, extend or replace one inside a transaction, and keep its facts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from catalog.content import file_digest, read_table, times, year_digests
from catalog.manifest import Dataset, FileFacts
from catalog.transaction import Transaction, disk_errors

ROWS_PER_FILE = 250_000
"""Bounds the memory of an ingest; NautilusTrader reads many files as one."""
MACRO_FOLDER = "data/custom_macro_point"


def bar_folder(instrument_id: str, size: str) -> str:
    """Return the folder of an instrument's bars, relative to the root."""
    return f"data/bar/{instrument_id}-{size}-EXTERNAL"


def tick_folder(instrument_id: str) -> str:
    """Return the folder of an instrument's open ticks, relative to the root."""
    return f"data/quote_tick/{instrument_id}"


def extend(tx: Transaction, folder: str, chunks: Iterable[Sequence[Any]]) -> None:
    """Write objects behind what the folder holds; they must be later than all of it."""
    dataset = tx.manifest.datasets.setdefault(folder, Dataset())
    staged = tx.staging / folder
    catalog = ParquetDataCatalog(str(tx.staging))
    for chunk in chunks:
        if not chunk:
            continue
        before = set(staged.glob("*.parquet"))
        with disk_errors(tx.root):
            catalog.write_data(list(chunk))
            (path,) = set(staged.glob("*.parquet")) - before
        table = read_table(path)
        _add_years(tx, folder, dataset, table)
        dataset.files.append(_facts(path, table))


def replace(tx: Transaction, folder: str, chunks: Iterable[Sequence[Any]]) -> None:
    """Write objects in the place of what the folder holds; without objects the folder ends empty."""
    old = tx.manifest.datasets.pop(folder, Dataset())
    for file in old.files:
        tx.remove(f"{folder}/{file.name}")
    extend(tx, folder, chunks)
    if not tx.manifest.datasets[folder].files:
        del tx.manifest.datasets[folder]


def write_definition(tx: Transaction, instrument: Any) -> str:
    """Write an instrument's definition in the place of the old one and return its folder."""
    for path in (tx.staging / "data").glob(f"*/{instrument.id}/1970-*.parquet"):
        # NautilusTrader silently keeps a definition that is there.
        path.unlink()
    catalog = ParquetDataCatalog(str(tx.staging))
    with disk_errors(tx.root):
        catalog.write_data([instrument])
    (path,) = (tx.staging / "data").glob(f"*/{instrument.id}/1970-*.parquet")
    folder = str(path.parent.relative_to(tx.staging))
    table = read_table(path)
    tx.manifest.datasets[folder] = Dataset([_facts(path, table)], {})
    return folder


def stored_table(root: Path, folder: str, dataset: Dataset) -> Any | None:
    """Return every row of a folder as one table, None when it has none."""
    if not dataset.files:
        return None
    return pa.concat_tables([read_table(root / folder / file.name) for file in dataset.files])


def _add_years(tx: Transaction, folder: str, dataset: Dataset, table: Any) -> None:
    fresh = year_digests(table)
    first = next(iter(fresh))
    if first in dataset.years:
        # The year goes on: its digest is that of old and new rows together.
        old = [read_table(_place(tx, folder, file.name)) for file in dataset.files]
        fresh[first] = year_digests(pa.concat_tables([*old, table]))[first]
    dataset.years.update(fresh)


def _place(tx: Transaction, folder: str, name: str) -> Path:
    staged = tx.staging / folder / name
    return staged if staged.exists() else tx.root / folder / name


def _facts(path: Path, table: Any) -> FileFacts:
    stat = path.stat()
    ts = times(table)
    return FileFacts(path.name, stat.st_size, stat.st_mtime_ns, file_digest(path), int(ts[0]), int(ts[-1]), len(ts))
