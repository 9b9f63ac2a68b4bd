"""Pages of a download, kept on disk until the whole is in the catalog: a kill costs one page.

A download is cut into windows of time that depend on nothing but its range, so that one started again asks for the same
windows; one that is on disk is not asked for again. A page is written beside and renamed: it is whole or not there.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.errors import CatalogError

Rows = NDArray[np.float64]
"""Shape (n_bars, 6): time of the open in seconds (UTC), open, high, low, close, volume."""

WIDTH = 6


def windows(start_secs: int, end_secs: int, span_secs: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last second) of windows that cover a range, aligned to their own span.

    Examples
    --------
    >>> list(windows(5, 25, 10))
    [(5, 9), (10, 19), (20, 25)]
    """
    at = start_secs
    while at <= end_secs:
        last = min(end_secs, at - at % span_secs + span_secs - 1)
        yield at, last
        at = last + 1


class PageStore:
    """The pages of one download of one symbol.

    Raises
    ------
    CatalogError
        When the disk is full or a page cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, window: tuple[int, int]) -> bool:
        """Return whether a window was stored."""
        return self._path(window).exists()

    def put(self, window: tuple[int, int], rows: Rows) -> None:
        """Keep the rows of a window, which may be none."""
        path = self._path(window)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.save(file, rows.reshape(-1, WIDTH))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise CatalogError(
                f"pages of a download must be writable in {self._folder}, found: {error.strerror}; free space and run "
                "the same command again, it goes on where it stopped"
            ) from error

    def rows(self) -> Rows:
        """Return every row, oldest first, each time once."""
        pages = [self._read(path) for path in sorted(self._folder.glob("*.npy"))]
        kept = [page for page in pages if len(page)]
        if not kept:
            return np.empty((0, WIDTH))
        whole = np.concatenate(kept)
        _, first = np.unique(whole[:, 0], return_index=True)
        return whole[first]

    def remove(self) -> None:
        """Delete the pages: the catalog has them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, window: tuple[int, int]) -> Path:
        return self._folder / f"{window[0]:012}-{window[1]:012}.npy"

    def _read(self, path: Path) -> Rows:
        try:
            page: Rows = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CatalogError(
                f"{path} must be a page of a download, is not ({error}); delete it and run again"
            ) from error
        return page.reshape(-1, WIDTH)
