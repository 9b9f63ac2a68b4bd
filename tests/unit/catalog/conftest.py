"""A folder for a catalog, and what lies in it."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def catalog_path(tmp_path: Path) -> Path:
    """Return a folder for a catalog that is not there yet."""
    return tmp_path / "catalog"


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads every data file and the manifest of a catalog."""

    def read(root: Path) -> dict[str, bytes]:
        paths = [*root.glob("data/**/*.parquet"), root / "catalog.json"]
        return {str(path.relative_to(root)): path.read_bytes() for path in paths}

    return read
