"""Every configuration that ships, and those kept for measurements, reads strictly and names strategies that exist."""

from pathlib import Path

import pytest

from nautilus_qs.config import configs_dir, load
from nautilus_qs.nodes.importing import resolve_strategies

KEPT = [configs_dir() / "demo.yaml", *sorted(Path(__file__).parents[1].joinpath("configs").glob("*.yaml"))]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_configuration_reads_and_its_strategies_resolve(path: Path) -> None:
    config = load(str(path), environ={})
    assert resolve_strategies(config) == ["bollinger_bounce", "rsi_reversion", "breakout"]
    assert config.name == path.stem
