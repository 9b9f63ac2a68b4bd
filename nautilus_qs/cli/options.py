"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress bar.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Override a setting, a.b=c; repeatable.")]
TimeRange = Annotated[str | None, typer.Option(help="YYYYMMDD-YYYYMMDD; the configuration's when left out.")]

DEFAULT_CATALOG = Path("var/catalog")
CatalogFolder = Annotated[Path, typer.Option("--catalog", help="Folder of the catalog.")]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", help="Let a kind of fault pass: gap, impossible, nan, duplicate, ...; repeatable."),
]


def merged(overrides: list[str] | None, timerange: str | None) -> list[str]:
    """Return the overrides with the time range as one of them.

    Examples
    --------
    >>> merged(["seed=2"], "20150101-20151231")
    ['seed=2', "timerange='20150101-20151231'"]
    """
    return [*(overrides or []), *([f"timerange='{timerange}'"] if timerange else [])]
