"""Fixtures for every suite: where the user's own data lies, and a catalog built once."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is slow, not wrong.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


def data_root() -> Path | None:
    """Return the folder of real market data, None where there is none."""
    text = os.environ.get("NQS_TEST_DATA", "")
    root = Path(text) / "data"
    return root if text and root.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real market data, or skip and say so."""
    root = data_root()
    if root is None:
        pytest.skip("real market data not found: set NQS_TEST_DATA to the folder that holds data/")
    return root
