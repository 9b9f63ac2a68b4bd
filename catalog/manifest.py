"""catalog.json: what the catalog holds, where it came from, and how each file must look."""

import os
from pathlib import Path
from typing import Any

import msgspec

from catalog.errors import CatalogError, NotFound

SCHEMA_VERSION = 1
MANIFEST = "catalog.json"


class FileFacts(msgspec.Struct):
    """A file as it was written."""

    name: str
    size: int
    mtime_ns: int
    sha256: str
    start_ns: int
    end_ns: int
    rows: int


class Dataset(msgspec.Struct):
    """The files of one folder under ``data/``, in order of time, and the digest of the rows of each UTC year."""

    files: list[FileFacts] = []
    years: dict[str, str] = {}

    @property
    def rows(self) -> int:
        """Number of rows in all files."""
        return sum(file.rows for file in self.files)


class YearFacts(msgspec.Struct):
    """Bars in a year, and how many of them opened at exactly the previous close."""

    bars: int
    stale_opens: int


class BarFacts(msgspec.Struct):
    """What is known of one instrument's bars of one size."""

    source: str
    origin: str
    licence: str
    price_kind: str
    calendar: str
    first_ns: int
    last_ns: int
    rows: int
    open_ticks: bool
    years: dict[str, YearFacts] = {}
    stale_spans: list[tuple[int, int]] = []
    warnings: list[str] = []


class InstrumentFacts(msgspec.Struct):
    """What is known of an instrument; its definition lies in ``data/`` and is digested here."""

    kind: str
    sector: str
    folder: str
    definition: str
    bars: dict[str, BarFacts] = {}
    dividends: list[tuple[int, str]] = []
    splits: list[tuple[int, str]] = []


class MacroFacts(msgspec.Struct):
    """What is known of a macro series."""

    source: str
    origin: str
    licence: str
    first_ns: int
    last_ns: int
    rows: int
    dropped: int
    warnings: list[str] = []


class Manifest(msgspec.Struct):
    """The whole of ``catalog.json``."""

    schema_version: int = SCHEMA_VERSION
    datasets: dict[str, Dataset] = {}
    instruments: dict[str, InstrumentFacts] = {}
    macro: dict[str, MacroFacts] = {}
    ingests: dict[str, str] = {}


class _Version(msgspec.Struct):
    schema_version: int


def load_manifest(root: Path) -> Manifest:
    """Return the manifest of a catalog.

    Raises
    ------
    CatalogError
        If there is none, it is damaged, or a newer version of the program wrote it.
    """
    path = root / MANIFEST
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            f"a catalog must lie in {root}, found no {MANIFEST}; make one with nqs data ingest, or correct the path"
        ) from error
    except OSError as error:
        raise CatalogError(f"{path} must be readable, was not ({error.strerror}); check the path") from error
    try:
        found = msgspec.json.decode(raw, type=_Version).schema_version
        if found > SCHEMA_VERSION:
            raise CatalogError(
                f"{root} must have schema version {SCHEMA_VERSION} or older, has {found}: a newer program wrote it; "
                "upgrade nautilus-qs, or ingest into another folder"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise CatalogError(
            f"{path} must describe the catalog, is damaged ({error}); delete {root} and ingest again"
        ) from error


def write_atomically(path: Path, value: Any) -> None:
    """Write a value as JSON beside `path`, flush it to the disk, and rename it into place."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=1))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder's own entries to the disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
