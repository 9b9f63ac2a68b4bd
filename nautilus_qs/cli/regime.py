"""``nqs regime``: the regime of the market over any period."""

import json
from typing import Annotated

import typer

from nautilus_qs.cli.options import JsonFlag, Overrides, TimeRange, merged


def regime(
    config: Annotated[str, typer.Argument(help="Configuration whose regime section is used.")] = "demo",
    timerange: TimeRange = None,
    set_: Overrides = None,
    json_: JsonFlag = False,
    days: Annotated[bool, typer.Option("--days", help="Print every day, not only the changes.")] = False,
) -> None:
    """Show which regime was in force, when it changed, and how the days divide.

    Example: nqs regime demo --timerange 20140101-20181231
    """
    from nautilus_qs.cli.printing import regime_tables
    from nautilus_qs.config import load
    from nautilus_qs.nodes.regimes import regime_history

    report = regime_history(load(config, merged(set_, timerange)))
    if json_:
        typer.echo(json.dumps(report.to_dict(with_days=days)))
    else:
        regime_tables(report, with_days=days)
