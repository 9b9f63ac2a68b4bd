"""Run, and print: a progress bar on the way, a table per strategy at the end, one JSON object where asked."""

import json
import sys
from typing import Any

import typer

from nautilus_qs.config import RunConfig
from nautilus_qs.nodes.backtest import Progress, RunResult, run_backtest

PRINTED = (
    "run_id",
    "decision_digest",
    "fill_digest",
    "metrics",
    "per_strategy",
    "counts",
    "elapsed_s",
    "bars_per_s",
    "breakers",
    "warnings",
)
COLUMNS = ("strategy", "proposals", "granted", "trades", "P&L", "win rate [95 %]", "PF", "Sharpe [95 %]", "fees")


def run_and_print(config: RunConfig, *, as_json: bool, progress: bool) -> None:
    """Run one backtest and print what came of it."""
    result = _run(config, progress=progress)
    if as_json:
        typer.echo(json.dumps(summary_object(result)))
    else:
        _print_run(result)


def compare_and_print(config: RunConfig, names: list[str], *, as_json: bool, progress: bool) -> None:
    """Run each named strategy alone and print a comparison."""
    # Every name is looked up before the first run: a comparison is not half made.
    alone = [config.only([name]) for name in names]
    results = [_run(one, progress=progress) for one in alone]
    if as_json:
        typer.echo(json.dumps({"runs": [summary_object(result) for result in results]}))
        return
    rows = {name: result.metrics["per_strategy"][name] for name, result in zip(names, results, strict=True)}
    _print_table("each strategy alone in the account", rows)
    for name, result in zip(names, results, strict=True):
        typer.echo(f"{name}: {_account_line(result.metrics)}")
        typer.echo(f"report: {result.directory / 'report.html'}")


def summary_object(result: RunResult) -> dict[str, Any]:
    """Return what ``--json`` prints of a run."""
    return {
        **{name: result.metrics[name] for name in PRINTED},
        "report": str(result.directory / "report.html"),
        "reused": result.is_reused,
    }


def _run(config: RunConfig, *, progress: bool) -> RunResult:
    if not progress or not sys.stderr.isatty():
        return run_backtest(config)
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[bars]:,} bars  {task.fields[rate]:,.0f} bars/s  {task.fields[trades]:,} trades"),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(config.name, total=1.0, bars=0, rate=0.0, trades=0)

        def show(at: Progress) -> None:
            rate = at.bars / at.elapsed_s if at.elapsed_s > 0 else 0.0
            bar.update(task, completed=at.share, bars=at.bars, rate=rate, trades=at.trades)

        return run_backtest(config, show)


def _print_run(result: RunResult) -> None:
    metrics = result.metrics
    _print_table(f"{metrics['name']}  {'-'.join(metrics['timerange'])}", metrics["per_strategy"])
    typer.echo(f"account: {_account_line(metrics)}")
    for warning in metrics["warnings"]:
        typer.echo(f"note: {warning}")
    counts = metrics["counts"]
    typer.echo(f"{counts['bars']:,} bars in {metrics['elapsed_s']:.1f} s, {metrics['bars_per_s']:,.0f} bars/s")
    typer.echo(f"decision digest {metrics['decision_digest']}")
    typer.echo(f"fill digest     {metrics['fill_digest']}")
    if result.is_reused:
        typer.echo("the same as the earlier run of this configuration, data and code, which is kept")
    typer.echo(f"run {metrics['run_id']}")
    typer.echo(f"report: {result.directory / 'report.html'}")


def _print_table(title: str, rows: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "strategy" else "right", no_wrap=True)
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['proposals']:,}",
            f"{row['granted']:,}",
            f"{row['trades']:,}",
            f"{row['pnl']:,.0f}",
            _interval(row["win_rate"], 100, " %", digits=0),
            _number(row["profit_factor"]),
            _interval(row["sharpe"]),
            f"{row['commission']:,.2f}",
        )
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


def _account_line(metrics: dict[str, Any]) -> str:
    summary = metrics["metrics"]
    return (
        f"return {100 * summary['total_return']:.2f} %, Sharpe {_interval(summary['sharpe'])}, max drawdown "
        f"{100 * summary['max_drawdown']['depth']:.1f} %, {summary['days']:,} days, {metrics['counts']['trades']:,} "
        f"trades, {metrics['breakers']['trips']} breaker trips"
    )


def _number(statistic: Any, digits: int = 2) -> str:
    value = statistic["value"] if isinstance(statistic, dict) else statistic
    return "–" if value is None else f"{value:.{digits}f}"


def _interval(statistic: Any, scale: float = 1.0, unit: str = "", *, digits: int = 2) -> str:
    if not isinstance(statistic, dict) or statistic.get("value") is None:
        return "–"
    text = f"{scale * statistic['value']:.{digits}f}{unit}"
    low, high = statistic.get("low"), statistic.get("high")
    if low is None or high is None:
        return text
    return f"{text} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"
