"""Many small files of one folder into one: what appends leave behind. Rows, and so fingerprints, stay the same."""

from pathlib import Path

import pyarrow.parquet as pq

from catalog.content import year_digests
from catalog.datasets import ROWS_PER_GROUP, facts_of, file_name, stored_table
from catalog.errors import CatalogError
from catalog.integrity import verify
from catalog.manifest import Dataset, load_manifest
from catalog.transaction import Transaction, disk_errors


def consolidate(path: Path | str) -> int:
    """Join the files of each folder that has several, and return how many files there are less.

    A second call does nothing.

    Raises
    ------
    CatalogError
        If the catalog is missing or damaged, an ingest is at work, or the disk is full.
    """
    root = Path(path)
    load_manifest(root)
    fewer = 0
    with Transaction(root) as tx:
        verify(root, tx.manifest)
        for folder, dataset in tx.manifest.datasets.items():
            if len(dataset.files) > 1:
                fewer += len(dataset.files) - 1
                _join(tx, folder, dataset)
        if fewer:
            tx.commit()
    return fewer


def _join(tx: Transaction, folder: str, dataset: Dataset) -> None:
    table = stored_table(tx.root, folder, dataset)
    if table is None or year_digests(table) != dataset.years:
        raise CatalogError(
            f"{tx.root / folder} must hold the rows that were written, does not; delete {tx.root} and ingest again"
        )
    first, last = dataset.files[0], dataset.files[-1]
    path = tx.staging / folder / file_name(first.start_ns, last.end_ns)
    with disk_errors(tx.root):
        path.parent.mkdir(parents=True)
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP)
    for file in dataset.files:
        tx.remove(f"{folder}/{file.name}")
    dataset.files = [facts_of(path, table)]
