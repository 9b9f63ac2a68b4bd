"""``nqs explain``: why a bar was traded, or why not."""

from pathlib import Path
from typing import Annotated

import typer


def explain(
    run: Annotated[str, typer.Argument(help="A run's id or its beginning, 'latest', or a directory.")],
    at: Annotated[
        str, typer.Option("--at", help="A date (that session's bar), or an ISO time; UTC without an offset.")
    ],
    instrument: Annotated[str, typer.Option("--instrument", "-i", help="As SPY.ALPACA; SPY where that is clear.")],
    strategy: Annotated[str | None, typer.Option("--strategy", "-s", help="Only this strategy.")] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")] = Path("var/runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Tell why a bar was traded or why not: what each strategy saw, what the desk answered, and what followed.

    Examples: nqs explain latest --at 2016-06-24 --instrument SPY
    nqs explain 3f2a --at 2016-06-24T20:00:00Z -i SPY.ALPACA -s breakout --json
    """
    import msgspec

    from nautilus_qs.research.explain import explain as explain_bar
    from nautilus_qs.research.explain import render_text
    from nautilus_qs.storage.runs import find_run

    card = explain_bar(find_run(runs, run), at, instrument, strategy)
    typer.echo(msgspec.json.encode(card).decode() if json_ else render_text(card))
