"""The commands that read runs: what they print, and the errors that main turns into exit codes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from nautilus_qs.cli.explain import explain
from nautilus_qs.cli.runs import runs_app
from nautilus_qs.errors import ConfigError, NotFoundError
from nautilus_qs.research.explain.bar import iso_time
from nautilus_qs.storage.runs import open_run

app = typer.Typer()
app.add_typer(runs_app, name="runs")
app.command(name="explain")(explain)
RUN = "a1b2c3d4e5f60718"


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def root(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that differ in one setting and in their fills."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(run_dir, folder / RUN)
    other = Path(shutil.copytree(run_dir, folder / "b0"))
    metrics = json.loads((other / "metrics.json").read_text())
    metrics |= {"run_id": "b0", "fill_digest": "other", "created_at": "2026-11-21T10:00:00Z"}
    (other / "metrics.json").write_text(json.dumps(metrics))
    (other / "config.yaml").write_text((other / "config.yaml").read_text().replace("heat: 0.10", "heat: 0.05"))
    return folder


def test_list_prints_newest_first(root: Path) -> None:
    lines = call("runs", "list", "--runs", str(root)).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "b0", RUN]


def test_list_as_json(root: Path) -> None:
    found = json.loads(call("runs", "list", "--runs", str(root), "--json").stdout.splitlines()[-1])
    assert [entry["run_id"] for entry in found["runs"]] == ["b0", RUN]


def test_list_without_runs_says_what_makes_one(tmp_path: Path) -> None:
    assert "nqs demo" in call("runs", "list", "--runs", str(tmp_path)).stdout


def test_show_prints_verdict_warnings_strategies_and_intervals(root: Path) -> None:
    text = call("runs", "show", "a1", "--runs", str(root)).stdout
    for part in ("The account ", "! ", "bollinger_bounce", "Sharpe ratio", " to ", "d" * 32, "report    none"):
        assert part in text


def test_show_as_json_has_the_metrics(root: Path) -> None:
    found = json.loads(call("runs", "show", "latest", "--runs", str(root), "--json").stdout)
    assert found["run_id"] == "b0"
    assert found["report"] is None


def test_compare_prints_settings_and_digests(root: Path) -> None:
    text = call("runs", "compare", "a1", "b0", "--runs", str(root)).stdout
    assert "risk.heat" in text
    assert "decisions: the same" in text
    assert "fills: differ" in text


def test_compare_as_json(root: Path) -> None:
    found = json.loads(call("runs", "compare", "a1", "b0", "--runs", str(root), "--json").stdout)
    assert found["config"] == [{"key": "risk.heat", "values": [0.1, 0.05]}]
    assert found["metrics"] == []


def test_compare_of_one_run_is_a_usage_error(root: Path) -> None:
    assert call("runs", "compare", "a1", "--runs", str(root)).exit_code == 2


def test_explain_prints_words_or_json(root: Path) -> None:
    ts = open_run(root / RUN).bar_times("SPY.ALPACA")[60]
    common = ("explain", "a1", "--at", iso_time(ts), "-i", "SPY", "--runs", str(root))
    assert call(*common).stdout.startswith(f"SPY.ALPACA, bar closed {iso_time(ts)}")
    assert json.loads(call(*common, "-s", "breakout", "--json").stdout)["ts"] == ts


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("runs", "show", "zz"), NotFoundError),
        (("runs", "compare", "a1", "zz"), NotFoundError),
        (("explain", "a1", "--at", "1999-01-01", "-i", "SPY"), NotFoundError),
        (("explain", "a1", "--at", "noon", "-i", "SPY"), ConfigError),
    ],
)
def test_errors_are_ours_and_carry_their_exit_code(root: Path, arguments: tuple[str, ...], error: type) -> None:
    found = call(*arguments, "--runs", str(root)).exception
    assert type(found) is error


@pytest.mark.parametrize("command", [("runs", "list"), ("runs", "show"), ("runs", "compare"), ("explain",)])
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    assert "Example" in call(*command, "--help").stdout
