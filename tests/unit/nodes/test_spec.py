"""What a run is: its id follows from what it is told, the data it reads and its fees, and from nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from catalog.reader import open_catalog
from nautilus_qs.nodes.backtest import make_spec
from tests.runs import daily, run_config, walk, write_catalog

IDS = ["AAA.SIM"]
AFTER_WARMUP = {"timerange": "20160601-20161231", "warmup_days": 200}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("spec") / "catalog", [daily("AAA.SIM", walk(500, 1))])


def run_id(catalog: Path, **changes: object) -> str:
    config = run_config(catalog, IDS, **{**AFTER_WARMUP, **changes})
    return make_spec(config, open_catalog(catalog)).run_id


def changed_at(tmp_path: Path, place: int) -> Path:
    frame: pd.DataFrame = walk(500, 1)
    frame.loc[place, "volume"] += 1.0
    return write_catalog(tmp_path / "catalog", [daily("AAA.SIM", frame)])


def test_run_id_is_the_same_wherever_catalog_and_runs_lie(catalog: Path, tmp_path: Path) -> None:
    elsewhere = write_catalog(tmp_path / "other", [daily("AAA.SIM", walk(500, 1))])
    assert run_id(catalog) == run_id(elsewhere, runs=str(tmp_path))


def test_run_id_changes_with_a_setting(catalog: Path) -> None:
    assert len({run_id(catalog), run_id(catalog, seed=2), run_id(catalog, risk={"max_heat": 0.09})}) == 3


@pytest.mark.parametrize(("place", "is_another"), [(380, True), (300, True), (100, False)])
def test_run_id_changes_with_a_bar_it_reads_and_with_no_other(
    catalog: Path, tmp_path: Path, place: int, is_another: bool
) -> None:
    # Bar 380 is traded, bar 300 warms the indicators, bar 100 lies before both.
    assert (run_id(changed_at(tmp_path, place)) != run_id(catalog)) == is_another


@pytest.mark.parametrize(("text", "is_another"), [("taker: 0.001", False), ("taker: 0.002", True)])
def test_run_id_changes_with_what_a_fee_table_says(catalog: Path, tmp_path: Path, text: str, is_another: bool) -> None:
    def with_fees(taker: str) -> str:
        path = tmp_path / "fees.yaml"
        path.write_text(
            f"name: mine\nschedules:\n- since: 2010-01-01\n  tiers:\n  - {{volume: 0, maker: 0, {taker}}}\n"
        )
        venue = {"name": "SIM", "account": "margin", "balances": ["100000 USD"], "fees": str(path)}
        return run_id(catalog, venues=[venue])

    assert (with_fees("taker: 0.0010") != with_fees(text)) == is_another
