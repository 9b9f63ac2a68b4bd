"""``nqs data``: what the catalog holds, bring data into it, check it, get it from a venue."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nautilus_qs.cli.download import download
from nautilus_qs.cli.options import DEFAULT_CATALOG, Accept, CatalogFolder, JsonFlag
from nautilus_qs.cli.reports import facts_of, print_ingest

app = typer.Typer(no_args_is_help=True, help="Keep the market data of the catalog.", rich_markup_mode=None)


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
    print_ingest(report, json_=json_)


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
        typer.echo(json.dumps({"ok": is_ok, "findings": [facts_of(finding) for finding in findings]}))
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


app.command()(download)


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
