"""What several commands print alike."""

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from catalog.ingest import IngestReport


def print_ingest(report: "IngestReport", *, json_: bool) -> None:
    """Print what an ingest did."""
    if json_:
        facts = {name: getattr(report, name) for name in ("source", "path", "bars", "ticks", "macro", "unchanged")}
        facts |= {"dropped": report.dropped, "is_skipped": report.is_skipped, "rows_written": report.rows_written}
        typer.echo(json.dumps(facts | {"findings": [facts_of(finding) for finding in report.findings]}))
        return
    for reason, rows in report.dropped.items():
        typer.echo(f"left out: {rows:,} rows, {reason}")
    for finding in report.findings:
        typer.echo(f"warning: {finding.instrument_id}: {finding.brief}")
    if not report.rows_written:
        typer.echo(f"{report.path}: nothing new from {report.source}")
        return
    typer.echo(
        f"{report.path}: {sum(report.bars.values()):,} bars of {len(report.bars)} instruments, "
        f"{sum(report.ticks.values()):,} open ticks, {sum(report.macro.values()):,} macro values from {report.source}"
    )


def facts_of(finding: Any) -> dict[str, Any]:
    """Return a finding as plain values."""
    return {name: getattr(finding, name) for name in finding.__struct_fields__}
