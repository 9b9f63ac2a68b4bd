"""The folders of the catalog: write, extend or replace one inside a transaction, and keep its facts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.serialization.arrow.serializer import ArrowSerializer

from catalog.content import file_digest, read_table, times, year_digests
from catalog.manifest import Dataset, FileFacts
from catalog.transaction import Transaction, disk_errors

"""Bounds the memory of an ingest; NautilusTrader reads many files as one."""
ROWS_PER_GROUP = 5_000
"""As NautilusTrader writes them: streams read a group at a time."""
MACRO_FOLDER = "data/custom_macro_point"


def bar_folder(instrument_id: str, size: str) -> str:
    """Return the folder of an instrument's bars, relative to the root."""
    return f"data/bar/{instrument_id}-{size}-EXTERNAL"


def tick_folder(instrument_id: str) -> str:
    """Return the folder of an instrument's open ticks, relative to the root."""
    return f"data/quote_tick/{instrument_id}"


def extend(tx: Transaction, folder: str, chunks: Iterable[Sequence[Any]]) -> None:
    """Write objects behind what the folder holds; they must be in order, and later than all of it."""
    dataset = tx.manifest.datasets.setdefault(folder, Dataset())
    staged = tx.staging / folder
    for chunk in chunks:
        if not chunk:
            continue
        # As ParquetDataCatalog.write_data does, without its sorting and grouping object by object: half of its time.
        table = ArrowSerializer.serialize_batch(list(chunk), data_cls=type(chunk[0]))
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        path = staged / file_name(chunk[0].ts_init, chunk[-1].ts_init)
        with disk_errors(tx.root):
            staged.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, row_group_size=ROWS_PER_GROUP)
        _add_years(tx, folder, dataset, table)
        dataset.files.append(facts_of(path, table))


def file_name(first_ns: int, last_ns: int) -> str:
    """Return the name that NautilusTrader gives a file of rows from first to last, and reads their span from.

    Examples
    --------
    >>> file_name(0, 1_704_225_600_000_000_001)
    '1970-01-01T00-00-00-000000000Z_2024-01-02T20-00-00-000000001Z.parquet'
    """
    first, last = (
        f"{np.datetime64(ns, 's')}".replace(":", "-") + f"-{rest:09d}Z"
        for ns, rest in (divmod(ns, 1_000_000_000) for ns in (first_ns, last_ns))
    )
    return f"{first}_{last}.parquet"


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
    tx.manifest.datasets[folder] = Dataset([facts_of(path, table)], {})
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


def facts_of(path: Path, table: Any) -> FileFacts:
    """Return the facts of a file that was just written."""
    stat = path.stat()
    ts = times(table)
    return FileFacts(path.name, stat.st_size, stat.st_mtime_ns, file_digest(path), int(ts[0]), int(ts[-1]), len(ts))
