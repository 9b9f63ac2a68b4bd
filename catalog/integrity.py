"""Whether the files of a catalog are those that were written: cheap on each open, byte for byte on request."""

from pathlib import Path

from catalog.content import file_digest
from catalog.errors import CatalogError
from catalog.manifest import Dataset, Manifest


def verify(root: Path, manifest: Manifest, *, every_byte: bool = False) -> None:
    """Check every folder of the catalog; see :func:`verify_folder`."""
    for folder, dataset in manifest.datasets.items():
        verify_folder(root, folder, dataset, every_byte=every_byte)


def verify_folder(root: Path, folder: str, dataset: Dataset, *, every_byte: bool = False) -> None:
    """Check that a folder holds the files that were written, unchanged, and no other.

    A file whose size and time are those of the manifest is taken to be unchanged; another time (a copied catalog)
    makes its bytes be read and digested.

    Raises
    ------
    CatalogError
        If a file is missing, was changed, or is not known.
    """
    place = root / folder
    for file in dataset.files:
        path = place / file.name
        try:
            stat = path.stat()
        except OSError as error:
            raise CatalogError(
                f"{path} must be there, is missing; restore it, or delete {root} and ingest again"
            ) from error
        is_touched = stat.st_mtime_ns != file.mtime_ns
        if stat.st_size != file.size or ((is_touched or every_byte) and file_digest(path) != file.sha256):
            raise CatalogError(
                f"{path} must be as it was written, was changed or damaged; restore it, "
                f"or delete {root} and ingest again"
            )
    known = {file.name for file in dataset.files}
    strangers = sorted(path.name for path in place.glob("*.parquet") if path.name not in known)
    if strangers:
        raise CatalogError(
            f"{place} must hold only what ingest wrote, found {strangers[0]}, which a run would read; move it away"
        )
