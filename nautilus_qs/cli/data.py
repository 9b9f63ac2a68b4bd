"""``nqs data``: what the catalog holds, bring data into it, check it, get data from Yahoo."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nautilus_qs.cli.options import JsonFlag

if TYPE_CHECKING:
    from catalog.ingest import IngestReport

app = typer.Typer(no_args_is_help=True, help="Keep the market data of the catalog.", rich_markup_mode=None)

DEFAULT_CATALOG = Path("var/catalog")

CatalogFolder = Annotated[Path, typer.Option("--catalog", help="Folder of the catalog.")]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", help="Let a kind of fault pass: gap, impossible, nan, duplicate, ...; repeatable."),
]


@app.command("list")
def list_(catalog: CatalogFolder = DEFAULT_CATALOG, json_: JsonFlag = False) -> None:
    """List instruments and macro series with their spans, sources and weaknesses.

    Example: nqs data list --catalog var/demo-catalog
    """
    from catalog.reader import open_catalog

    opened = open_catalog(catalog)
    rows, series = opened.describe(), opened.describe_macro()
    if json_:
        typer.echo(json.dumps({"catalog": str(catalog), "instruments": rows, "macro": series}))
        return
    for row in rows:
        typer.echo(
            f"{row['instrument_id']:<20} {row['bar']:<15} {row['first']} to {row['last']} {row['bars']:>9,} bars  "
            f"{row['kind']:<7}{row['sector'] or '-':<24} {row['price_kind']}, {row['source']}"
        )
        for warning in row["warnings"]:
            typer.echo(f"    ! {warning}")
    for row in series:
        typer.echo(f"{row['series']:<20} {'macro':<15} {row['first']} to {row['last']} {row['rows']:>9,} values")
        for warning in row["warnings"]:
            typer.echo(f"    ! {warning}")


@app.command()
def ingest(
    mapping: Annotated[str, typer.Argument(help="A YAML mapping of a folder, or demo for the embedded data.")],
    catalog: CatalogFolder = DEFAULT_CATALOG,
    root: Annotated[Path | None, typer.Option("--root", help="Where the mapping's paths start.")] = None,
    accept: Accept = None,
    json_: JsonFlag = False,
) -> None:
    """Bring data into the catalog: all of it or, when any is refused, nothing. A second time only what is new.

    Example: nqs data ingest stocks.yaml --root ~/data --catalog var/catalog --accept gap
    """
    from catalog.ingest import ingest as run
    from catalog.ingest import ingest_mapping
    from catalog.sources.arch import ArchSource

    if mapping == "demo":
        report = run(ArchSource(), catalog, accept=accept or [])
    else:
        report = ingest_mapping(mapping, catalog, data_root=root, accept=accept or [])
    _print_report(report, json_=json_)


@app.command()
def check(
    mapping: Annotated[
        str | None, typer.Argument(help="A YAML mapping, or demo: check a source without writing. None: the catalog.")
    ] = None,
    catalog: CatalogFolder = DEFAULT_CATALOG,
    root: Annotated[Path | None, typer.Option("--root", help="Where the mapping's paths start.")] = None,
    accept: Accept = None,
    json_: JsonFlag = False,
) -> None:
    """Check a source's quality without writing, or every byte of the catalog.

    Example: nqs data check stocks.yaml --root ~/data
    """
    if mapping is None:
        _check_catalog(catalog, json_=json_)
        return
    from catalog.ingest import check_source
    from catalog.quality import refuse
    from catalog.sources.arch import ArchSource
    from catalog.sources.folder import FolderSource

    if mapping == "demo":
        findings = check_source(ArchSource(), accept=accept or [])
    else:
        source = FolderSource.from_yaml(mapping, data_root=root)
        findings = check_source(source, accept=[*(accept or []), *source.accept])
    if json_:
        is_ok = not any(finding.is_refused for finding in findings)
        typer.echo(json.dumps({"ok": is_ok, "findings": [_facts(finding) for finding in findings]}))
    else:
        for finding in findings:
            typer.echo(f"{'refused' if finding.is_refused else 'warning'}: {finding}")
    refuse(findings)
    if not json_:
        typer.echo(f"ok, {len(findings)} warnings")


@app.command()
def consolidate(catalog: CatalogFolder = DEFAULT_CATALOG, json_: JsonFlag = False) -> None:
    """Join the small files that appends leave behind; what runs read stays the same.

    Example: nqs data consolidate --catalog var/catalog
    """
    from catalog.consolidation import consolidate as run

    fewer = run(catalog)
    typer.echo(json.dumps({"ok": True, "files_fewer": fewer}) if json_ else f"{catalog}: {fewer} files fewer")


@app.command()
def download(
    symbols: Annotated[list[str], typer.Argument(help="Yahoo symbols; ^VIX becomes the macro series VIX.")],
    start: Annotated[datetime, typer.Option("--start", formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[datetime, typer.Option("--end", formats=["%Y-%m-%d"], help="Last day.")],
    fund: Annotated[list[str] | None, typer.Option("--fund", help="A symbol that is a fund; repeatable.")] = None,
    sector: Annotated[list[str] | None, typer.Option("--sector", help="SYMBOL=SECTOR; repeatable.")] = None,
    catalog: CatalogFolder = DEFAULT_CATALOG,
    accept: Accept = None,
    json_: JsonFlag = False,
) -> None:
    """Get daily bars from Yahoo Finance into the catalog (needs the extra yahoo and a network).

    Example: nqs data download SPY AAPL ^VIX --fund SPY --sector "AAPL=Information Technology" --start 2015-01-01
    --end 2024-12-31
    """
    from catalog.ingest import ingest as run
    from catalog.instruments import Kind
    from catalog.sources.yahoo import YahooSource

    pairs = [text.partition("=") for text in sector or []]
    source = YahooSource(
        symbols,
        start=start.date(),
        end=end.date(),
        kinds=dict.fromkeys(fund or [], Kind.INDEX),
        sectors={symbol: name for symbol, _, name in pairs},
    )
    _print_report(run(source, catalog, accept=accept or []), json_=json_)


def _check_catalog(catalog: Path, *, json_: bool) -> None:
    from catalog.reader import open_catalog

    opened = open_catalog(catalog)
    opened.verify()
    count = len(opened.instrument_ids)
    typer.echo(
        json.dumps({"ok": True, "catalog": str(catalog), "instruments": count})
        if json_
        else f"{catalog}: ok, {count} instruments, {len(opened.macro_series())} macro series, every file as written"
    )


def _print_report(report: "IngestReport", *, json_: bool) -> None:
    if json_:
        facts = {name: getattr(report, name) for name in ("source", "path", "bars", "ticks", "macro", "unchanged")}
        facts |= {"dropped": report.dropped, "is_skipped": report.is_skipped, "rows_written": report.rows_written}
        typer.echo(json.dumps(facts | {"findings": [_facts(finding) for finding in report.findings]}))
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


def _facts(finding: Any) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in finding.__struct_fields__}
