"""One fabricated run for the module that reads it, and copies for those that damage it."""

import shutil
from pathlib import Path

import pytest

from nautilus_qs.storage.runs import Run, open_run
from tests.unit.research.synthetic_run import write_run


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 1,000 days; read it, do not write into it."""
    return write_run(tmp_path_factory.mktemp("runs"), days=1000)


@pytest.fixture
def run(run_dir: Path) -> Run:
    """The same run, opened afresh."""
    return open_run(run_dir)


@pytest.fixture
def own_dir(run_dir: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(run_dir, tmp_path / run_dir.name))
