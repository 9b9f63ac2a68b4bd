"""Run, and print: a progress bar on the way, a table per strategy at the end, one JSON object where asked."""

import json
import sys
from typing import Any

import typer

from nautilus_qs.config import RunConfig
from nautilus_qs.nodes.backtest import Progress, RunResult, run_backtest


def run_and_print(config: RunConfig, *, as_json: bool, progress: bool) -> RunResult:
    """Run one backtest and print what came of it."""
    result = _run(config, progress=progress)
    if as_json:
        typer.echo(json.dumps(summary_object(result)))
    else:
        _print_tables(result)
    return result


def compare_and_print(config: RunConfig, names: list[str], *, as_json: bool, progress: bool) -> list[RunResult]:
    """Run each named strategy alone and print a comparison."""
    results = [_run(config.only([name]), progress=progress) for name in names]
    if as_json:
        typer.echo(json.dumps({"runs": [summary_object(r) for r in results]}))
        return results
    for result in results:
        _print_tables(result)
    return results


def summary_object(result: RunResult) -> dict[str, Any]:
    """Return what ``--json`` prints of a run."""
    metrics = result.metrics
    names = ("run_id", "decision_digest", "fill_digest", "metrics", "per_strategy", "counts", "elapsed_s", "bars_per_s", "warnings")
    return {**{n: metrics[n] for n in names}, "report": str(result.directory / "report.html"), "reused": result.is_reused}


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


def _print_tables(result: RunResult) -> None:
    from rich.console import Console
    from rich.table import Table

    metrics = result.metrics
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    summary = metrics["metrics"]
    table = Table(title=f"{metrics['name']}  {'-'.join(metrics['timerange'])}  run {metrics['run_id']}", title_justify="left")
    for name in ("strategy", "proposals", "granted", "trades", "P&L", "win rate [95 %]", "profit factor", "Sharpe [95 %]", "fees"):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    for name, row in metrics["per_strategy"].items():
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
    console.print(table)
    drawdown = summary["max_drawdown"]["depth"]
    console.print(
        f"account: return {100 * summary['total_return']:.2f} %, Sharpe {_interval(summary['sharpe'])}, "
        f"max drawdown {100 * drawdown:.1f} %, {summary['days']:,} days, {metrics['counts']['trades']:,} trades, "
        f"{metrics['counts']['bars']:,} bars in {metrics['elapsed_s']:.1f} s"
    )
    for warning in metrics["warnings"]:
        console.print(f"[yellow]note[/yellow] {warning}")
    console.print(f"decision digest {metrics['decision_digest'][:16]}  fill digest {metrics['fill_digest'][:16]}")
    if result.is_reused:
        console.print("digests equal those of the earlier run of this spec, which is kept")
    typer.echo(f"report: {result.directory / 'report.html'}")


def _number(statistic: Any, digits: int = 2) -> str:
    value = statistic["value"] if isinstance(statistic, dict) else statistic
    return "–" if value is None else f"{value:.{digits}f}"


def _interval(statistic: Any, scale: float = 1.0, unit: str = "", *, digits: int = 2) -> str:
    if not isinstance(statistic, dict) or statistic.get("value") is None:
        return "–"
    value, low, high = (statistic.get(k) for k in ("value", "low", "high"))
    text = f"{scale * value:.{digits}f}{unit}"
    return text if low is None or high is None else f"{text} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"
