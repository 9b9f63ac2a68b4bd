"""All or nothing: files are written beside the catalog and moved into it once a journal says how.

A crash before the journal leaves the old state (the leavings are swept by the next ingest); a crash after it leaves a
journal, and whoever opens the catalog next finishes the moves. Repeating them is harmless.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import msgspec

from catalog.errors import CatalogError
from catalog.manifest import MANIFEST, Manifest, flush_folder, load_manifest, write_atomically

STAGING = ".staging"
_JOURNAL = "journal.json"
_LOCK = ".lock"


class Journal(msgspec.Struct):
    """What a commit does: files to remove, files to move out of the staging folder, and the manifest to end with."""

    remove: list[str]
    move: list[str]
    manifest: Manifest


class Transaction:
    """One ingest's changes; as a context manager it commits nothing by itself and always sweeps up.

    Parameters
    ----------
    root
        The catalog's folder; made when missing.

    Attributes
    ----------
    staging
        Folder to write into, laid out as the catalog.
    manifest
        The manifest to change.

    Raises
    ------
    CatalogError
        If another ingest is at work, or the folder holds something else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / STAGING
        self.manifest = Manifest()
        self._remove: list[str] = []
        self._lock = -1

    def __enter__(self) -> "Transaction":
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.root)
        try:
            finish_interrupted(self.root, has_lock=True)
            if (self.root / MANIFEST).exists():
                self.manifest = load_manifest(self.root)
            elif any(self.root.glob("data/*")):
                raise CatalogError(
                    f"{self.root} must be empty or a catalog of this program, found data/ without {MANIFEST}; "
                    "choose another folder"
                )
            shutil.rmtree(self.staging, ignore_errors=True)
            with disk_errors(self.root):
                self.staging.mkdir()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if not (self.staging / _JOURNAL).exists():
                shutil.rmtree(self.staging, ignore_errors=True)
        finally:
            os.close(self._lock)

    def remove(self, path: str) -> None:
        """Remove a file of the catalog, by its path under the root, at the commit."""
        self._remove.append(path)

    def commit(self) -> None:
        """Put every staged file and the manifest into place."""
        files = sorted(path for path in self.staging.rglob("*.parquet"))
        with disk_errors(self.root):
            for path in files:
                _flush(path)
            moves = [str(path.relative_to(self.staging)) for path in files]
            # What is replaced must not be removed first: a repeated commit would remove the new file.
            journal = Journal(sorted(set(self._remove) - set(moves)), moves, self.manifest)
            write_atomically(self.staging / _JOURNAL, journal)
            _apply(self.root, journal)


def finish_interrupted(root: Path, *, has_lock: bool = False) -> None:
    """Finish a commit that was interrupted; do nothing when there is none.

    Raises
    ------
    CatalogError
        If an ingest is at work right now, or the journal is damaged.
    """
    path = root / STAGING / _JOURNAL
    if not path.exists():
        return
    lock = -1 if has_lock else _locked(root)
    try:
        if not path.exists():
            return
        try:
            journal = msgspec.json.decode(path.read_bytes(), type=Journal)
        except msgspec.MsgspecError as error:
            raise CatalogError(
                f"{path} must be a journal, is damaged ({error}); delete {root}, ingest again"
            ) from error
        with disk_errors(root):
            _apply(root, journal)
    finally:
        if lock >= 0:
            os.close(lock)


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn errors of the disk into a CatalogError that says what to do."""
    try:
        yield
    except OSError as error:
        # Arrow raises an OSError of its own, with the reason in the text only.
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        reason = "the disk is full" if is_full else (error.strerror or str(error))
        advice = "free some space and ingest again" if is_full else "check the folder and its permissions"
        raise CatalogError(
            f"the catalog {root} must be writable, was not: {reason}; {advice}; the catalog is as it was before"
        ) from error


def _apply(root: Path, journal: Journal) -> None:
    for name in journal.remove:
        (root / name).unlink(missing_ok=True)
    for name in journal.move:
        staged, final = root / STAGING / name, root / name
        if staged.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(final)
    for folder in {(root / name).parent for name in journal.move}:
        flush_folder(folder)
    write_atomically(root / MANIFEST, journal.manifest)
    # The journal goes first: a folder of staged files without one is rubbish, a journal without its files is not.
    (root / STAGING / _JOURNAL).unlink()
    shutil.rmtree(root / STAGING, ignore_errors=True)


def _locked(root: Path) -> int:
    try:
        handle = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CatalogError(f"{root} must be writable, was not ({error.strerror}); check its permissions") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise CatalogError(f"one ingest at a time may write {root}, another is at work; wait for it to end") from error
    return handle


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
