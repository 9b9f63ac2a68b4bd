"""``nqs runs``: the runs that were kept, one of them, or several side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nautilus_qs.storage.runs import Comparison, Run, RunEntry

runs_app = typer.Typer(no_args_is_help=True, help="List, show and compare runs.", rich_markup_mode=None)

Root = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
DEFAULT_ROOT = Path("var/runs")

# What a comparison always shows; the JSON has every figure that differs.
COMPARED = (
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "trades.count",
    "trades.win_rate",
    "trades.profit_factor",
    "trades.expectancy_r",
    "exposure",
)


@runs_app.command("list")
def list_(runs: Root = DEFAULT_ROOT, json_: JsonFlag = False) -> None:
    """List the runs, newest first.

    Example: nqs runs list
    """
    from nautilus_qs.storage.runs import list_runs

    entries = list_runs(runs)
    if json_:
        _print_json({"runs": entries})
    elif not entries:
        typer.echo(f"no runs under {runs}; nqs demo makes one")
    else:
        readable = [entry for entry in entries if not entry.problem]
        heads = ("run", "name", "period", "trades", "return", "Sharpe", "max DD", "decisions", "made")
        typer.echo(_aligned([heads, *[_entry_row(entry) for entry in readable]], right={3, 4, 5, 6}))
        for entry in entries:
            if entry.problem:
                typer.echo(f"{entry.run_id}: {entry.problem}", err=True)


@runs_app.command()
def show(
    run: Annotated[str, typer.Argument(help="A run's id or its beginning, 'latest', or a directory.")],
    runs: Root = DEFAULT_ROOT,
    json_: JsonFlag = False,
) -> None:
    """Show one run: its verdict, warnings, strategies, statistics, and where its report is.

    Examples: nqs runs show latest
    nqs runs show 3f2a --json
    """
    from nautilus_qs.storage.runs import find_run

    found = find_run(runs, run)
    if json_:
        report = found.path / "report.html"
        _print_json({**found.metrics, "path": str(found.path), "report": str(report) if report.is_file() else None})
    else:
        typer.echo(_shown(found))


@runs_app.command()
def compare(
    names: Annotated[list[str], typer.Argument(help="Two runs or more: ids, their beginnings, 'latest', directories.")],
    runs: Root = DEFAULT_ROOT,
    json_: JsonFlag = False,
) -> None:
    """Lay runs side by side: settings and figures that differ, and whether they decided and filled alike.

    Example: nqs runs compare 3f2a 91bc
    """
    from nautilus_qs.storage.runs import compare_runs, find_run

    if len(names) < 2:
        raise typer.BadParameter("a comparison needs two runs or more")
    found = [find_run(runs, name) for name in names]
    comparison = compare_runs(found)
    if json_:
        _print_json(comparison)
    else:
        typer.echo(_compared(found, comparison))


def _entry_row(entry: "RunEntry") -> tuple[str, ...]:
    from nautilus_qs.research.report.text import number, percent

    return (
        entry.run_id[:16],
        entry.name,
        f"{entry.start} to {entry.end}",
        number(entry.trades, 0),
        percent(entry.total_return, sign=True),
        number(entry.sharpe),
        percent(entry.max_drawdown),
        entry.decision_digest[:8],
        entry.created_at[:16].replace("T", " "),
    )


def _shown(run: "Run") -> str:
    from nautilus_qs.research.report.verdict import cautions, paragraph
    from nautilus_qs.storage.runs import entry_of

    entry = entry_of(run)
    lines = [f"{entry.name}  {entry.start} to {entry.end}  (run {entry.run_id})", "", paragraph(run)]
    lines += ["", *(f"! {text}" for text in cautions(run))] if cautions(run) else []
    measured = run.metrics.get("per_strategy")
    if isinstance(measured, dict) and measured:
        rows: list[tuple[str, ...]] = [("strategy", "trades", "profit", "win rate", "Sharpe")]
        rows += [_strategy_row(name, values) for name, values in measured.items() if isinstance(values, dict)]
        lines += ["", _aligned(rows, right={1, 2, 3, 4})]
    lines += ["", _aligned([("", "value", "interval", "n"), *_statistic_rows(run)], right={1, 2, 3})]
    lines += ["", f"decisions {entry.decision_digest}  fills {entry.fill_digest}  code {entry.code_version}"]
    report = run.path / "report.html"
    return "\n".join([*lines, f"report    {report if report.is_file() else 'none'}"])


def _strategy_row(name: str, values: dict[str, Any]) -> tuple[str, ...]:
    from nautilus_qs.research.report.text import number, percent
    from nautilus_qs.storage.runs import number_of

    return (
        name,
        number(values.get("trades"), 0),
        number(values.get("pnl"), 2, sign=True),
        percent(number_of(values.get("win_rate"))),
        number(number_of(values.get("sharpe"))),
    )


def _statistic_rows(run: "Run") -> list[tuple[str, ...]]:
    from nautilus_qs.research.report.definitions import definition_of
    from nautilus_qs.research.report.estimate import estimate_of
    from nautilus_qs.research.report.headline import lookup
    from nautilus_qs.research.report.markup import interval_text, value_text

    summary = run.metrics.get("metrics")
    rows: list[tuple[str, ...]] = []
    for key in COMPARED:
        estimate, definition = (
            estimate_of(lookup(summary if isinstance(summary, dict) else {}, key)),
            definition_of(key),
        )
        n = "" if estimate.n is None else f"{estimate.n:,}"
        rows.append((definition.title, value_text(estimate, definition), interval_text(estimate, definition), n))
    return rows


def _compared(runs: list["Run"], comparison: "Comparison") -> str:
    from nautilus_qs.research.report.definitions import definition_of

    heads = ("", *(entry.run_id[:16] for entry in comparison.runs))
    right = set(range(1, len(heads)))
    sides = [_statistic_rows(run) for run in runs]
    figures = [
        (definition_of(key).title, *(f"{side[i][1]}{f' ({side[i][2]})' if side[i][2] else ''}" for side in sides))
        for i, key in enumerate(COMPARED)
    ]
    settings = [(row.key, *(_setting(value) for value in row.values)) for row in comparison.config]
    lines = [_aligned([heads, *figures], right=right), ""]
    lines += [_aligned([("setting", *heads[1:]), *settings], right=set())] if settings else ["settings: the same"]
    lines += [
        "",
        f"decisions: {'the same' if comparison.decisions_equal else 'differ'}",
        f"fills: {'the same' if comparison.fills_equal else 'differ'}",
    ]
    return "\n".join(lines)


def _setting(value: Any) -> str:
    return "–" if value is None else str(value)


def _aligned(rows: list[tuple[str, ...]], *, right: set[int]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())
