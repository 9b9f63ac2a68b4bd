"""Runs read back: tables as frames, the list, names, and runs side by side."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nautilus_qs.errors import NotFoundError, StorageError
from nautilus_qs.storage.rows import EquityRow, Row
from nautilus_qs.storage.runs import compare_runs, find_run, flatten, list_runs, open_run

TABLES = (
    "orders",
    "fills",
    "trades",
    "equity",
    "decisions",
    "regimes",
    "protections",
    "breakers",
    "carry",
    "prices",
)
BASE = {"run_id": "r", "trader_id": "t", "account_id": "a", "mode": "backtest"}


def make_run(root: Path, name: str, *, config: str = "risk: {heat: 0.1}\n", **metrics: Any) -> Path:
    path = root / name
    path.mkdir(parents=True)
    (path / "metrics.json").write_text(json.dumps({"run_id": name, **metrics}))
    (path / "config.yaml").write_text(config)
    return path


@pytest.mark.parametrize("table", TABLES)
def test_frame_of_missing_table_is_empty_with_columns(tmp_path: Path, table: str) -> None:
    frame = open_run(make_run(tmp_path, "a")).frame(table)
    assert frame.empty
    assert {"ts", "ts_batch", "ts_event"} & set(frame.columns)


def test_frame_columns_of_missing_table_are_those_of_the_row(tmp_path: Path) -> None:
    frame = open_run(make_run(tmp_path, "a")).frame("equity")
    assert set(frame.columns) == {*Row.__struct_fields__, *EquityRow.__struct_fields__}
    assert frame["ts"].dtype == "int64"
    assert frame["equity"].dtype == "float64"


def test_frame_lacking_a_column_gets_it_as_missing(tmp_path: Path) -> None:
    path = make_run(tmp_path, "a")
    pd.DataFrame({"ts": [1, 2], "equity": [1.0, 2.0]}).to_parquet(path / "equity.parquet")
    frame = open_run(path).frame("equity")
    assert frame["equity"].tolist() == [1.0, 2.0]
    assert frame["heat"].isna().all()
    assert frame["mode_in_force"].isna().all()


def test_frame_of_corrupt_file_is_refused_by_name(tmp_path: Path) -> None:
    path = make_run(tmp_path, "a")
    (path / "fills.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(StorageError, match=r"fills\.parquet must be a readable Parquet file"):
        open_run(path).frame("fills")


def test_frame_of_unknown_table_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="equity"):
        open_run(make_run(tmp_path, "a")).frame("nonsense")


@pytest.mark.parametrize("text", ["{", "[1, 2]", ""])
def test_open_run_of_damaged_metrics_is_refused(tmp_path: Path, text: str) -> None:
    path = make_run(tmp_path, "a")
    (path / "metrics.json").write_text(text)
    with pytest.raises(StorageError, match=r"metrics\.json must be a JSON object"):
        open_run(path)


def test_open_run_of_unfinished_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"has no metrics\.json"):
        open_run(tmp_path)


def test_config_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "a", config="a: [1"))
    with pytest.raises(StorageError, match=r"config\.yaml must be YAML"):
        _ = run.config


def signals(**columns: Any) -> pd.DataFrame:
    fixed = {**BASE, "strategy": "rsi", "nearness": 0.5, "outcome": "quiet"}
    return pd.DataFrame({"ts_batch": [1, 2, 3], "instrument_id": ["A.X", "A.X", "B.X"], **fixed, **columns})


@pytest.mark.parametrize(
    "columns",
    [
        {"close": [9.0, 10.0, 11.0], "rsi": [30.0, 40.0, None]},
        {"numbers": ['{"close": 9.0, "rsi": 30.0}', '{"close": 10.0, "rsi": 40.0}', '{"close": 11.0}']},
    ],
    ids=["flattened", "json"],
)
def test_signals_are_read_in_both_forms(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = make_run(tmp_path, "a")
    signals(**columns).to_parquet(path / "signals.parquet")
    run = open_run(path)
    found = run.signals(instrument_id="A.X", ts=2)
    assert found.rows[["close", "rsi"]].to_dict("records") == [{"close": 10.0, "rsi": 40.0}]
    assert set(found.columns) == {"close", "rsi"}
    other = run.signals(instrument_id="B.X").rows
    assert "rsi" not in other or other["rsi"].isna().all()
    assert run.bar_times("A.X") == (1, 2)
    assert run.instruments() == ("A.X", "B.X")


def test_signals_missing_are_empty(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "a"))
    assert run.signals(instrument_id="A.X").rows.empty
    assert run.bar_times("A.X") == ()


def test_signals_with_damaged_numbers_are_refused(tmp_path: Path) -> None:
    path = make_run(tmp_path, "a")
    signals(numbers=["{", "{}", "{}"]).to_parquet(path / "signals.parquet")
    with pytest.raises(StorageError, match=r"numbers in signals\.parquet must be a JSON object"):
        open_run(path).signals()


def test_list_runs_is_newest_first_and_skips_what_is_being_written(tmp_path: Path) -> None:
    make_run(tmp_path, "old", created_at="2024-01-01T00:00:00Z")
    make_run(tmp_path, "new", created_at="2024-01-02T00:00:00+01:00")
    make_run(tmp_path, ".half.1.part", created_at="2025-01-01T00:00:00Z")
    (tmp_path / "empty").mkdir()
    assert [entry.run_id for entry in list_runs(tmp_path)] == ["new", "old"]


def test_list_runs_keeps_a_damaged_run_last_with_its_problem(tmp_path: Path) -> None:
    bad = make_run(tmp_path, "bad")
    (bad / "metrics.json").write_text("{")
    make_run(tmp_path, "good", created_at="2001-01-01T00:00:00Z")
    good, damaged = list_runs(tmp_path)
    assert (good.run_id, good.problem) == ("good", "")
    assert "metrics.json" in damaged.problem


def test_list_runs_without_a_folder_is_empty(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []


def test_list_runs_without_created_at_goes_by_file_time(tmp_path: Path) -> None:
    os.utime(make_run(tmp_path, "older"), (1_000, 1_000))
    os.utime(make_run(tmp_path, "newer"), (2_000, 2_000))
    assert [entry.run_id for entry in list_runs(tmp_path)] == ["newer", "older"]


def test_entry_reads_statistics_whatever_their_form(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        "a",
        timerange=["20140101", "20181231"],
        counts={"trades": 12},
        metrics={"total_return": 0.1, "sharpe": {"value": 0.4, "n": 10}, "max_drawdown": {"depth": 0.2}},
    )
    entry = list_runs(tmp_path)[0]
    assert (entry.start, entry.end, entry.trades) == ("2014-01-01", "2018-12-31", 12)
    assert (entry.total_return, entry.sharpe, entry.max_drawdown) == (0.1, 0.4, 0.2)


@pytest.mark.parametrize("name", ["abc123", "abc", "latest"])
def test_find_run_by_id_prefix_or_latest(tmp_path: Path, name: str) -> None:
    make_run(tmp_path, "abc123", created_at="2024-01-02T00:00:00Z")
    make_run(tmp_path, "xyz789", created_at="2024-01-01T00:00:00Z")
    assert find_run(tmp_path, name).run_id == "abc123"


def test_find_run_by_directory(tmp_path: Path) -> None:
    path = make_run(tmp_path, "abc123")
    assert find_run(tmp_path / "elsewhere", str(path)).run_id == "abc123"


def test_find_run_prefers_the_exact_id(tmp_path: Path) -> None:
    make_run(tmp_path, "abc")
    make_run(tmp_path, "abcd")
    assert find_run(tmp_path, "abc").run_id == "abc"


@pytest.mark.parametrize(
    ("name", "message"),
    [("ab", "it matches abc123, abd456"), ("abc124", "did you mean abc123"), ("zzzzzz", "nqs runs list"), ("", "none")],
)
def test_find_run_that_names_no_single_run_is_not_found(tmp_path: Path, name: str, message: str) -> None:
    make_run(tmp_path, "abc123")
    make_run(tmp_path, "abd456")
    with pytest.raises(NotFoundError, match=message):
        find_run(tmp_path, name)


def test_find_latest_without_a_run_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nqs demo"):
        find_run(tmp_path, "latest")


def test_compare_runs_names_only_what_differs(tmp_path: Path) -> None:
    one = make_run(
        tmp_path,
        "one",
        config="risk: {heat: 0.1}\nseed: 1\n",
        decision_digest="d",
        fill_digest="f1",
        metrics={"sharpe": {"value": 0.5}, "years": 5},
    )
    two = make_run(
        tmp_path,
        "two",
        config="risk: {heat: 0.05}\nseed: 1\n",
        decision_digest="d",
        fill_digest="f2",
        metrics={"sharpe": {"value": 0.7}, "years": 5},
    )
    found = compare_runs([open_run(one), open_run(two)])
    assert [(row.key, row.values) for row in found.config] == [("risk.heat", (0.1, 0.05))]
    assert [(row.key, row.values) for row in found.metrics] == [("sharpe", (0.5, 0.7))]
    assert (found.decisions_equal, found.fills_equal) == (True, False)


def test_compare_runs_without_digests_are_not_called_equal(tmp_path: Path) -> None:
    runs = [open_run(make_run(tmp_path, name)) for name in ("one", "two")]
    assert not compare_runs(runs).decisions_equal


def test_flatten_keys_strategies_by_name() -> None:
    moved = [{"strategies": order} for order in ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}])]
    assert flatten(moved[0]) == flatten(moved[1])
