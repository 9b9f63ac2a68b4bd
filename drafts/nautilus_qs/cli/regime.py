"""``nqs regime``: the regime of the market over any period."""

import json
from typing import Annotated

import typer


def regime(
    config: Annotated[str, typer.Argument(help="Configuration whose regime section is used.")] = "demo",
    timerange: Annotated[str | None, typer.Option(help="YYYYMMDD-YYYYMMDD; the configuration's when left out.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a setting, a.b=c; repeatable.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
    days: Annotated[bool, typer.Option("--days", help="Print every day, not only the changes.")] = False,
) -> None:
    """Show which regime was in force, when it changed, and how the days divide.

    [bold]Example[/bold]: nqs regime demo --timerange 20140101-20181231
    """
    from nautilus_qs.cli.printing import regime_tables
    from nautilus_qs.config import load
    from nautilus_qs.nodes.regimes import regime_history

    overrides = list(set_ or [])
    if timerange:
        overrides.append(f"timerange='{timerange}'")
    report = regime_history(load(config, overrides))
    if json_:
        typer.echo(json.dumps(report.to_dict(with_days=days)))
    else:
        regime_tables(report, with_days=days)
