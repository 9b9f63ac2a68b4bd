"""``nqs config``: check a configuration, show what is in force, print the schema."""

import json

import typer

from nautilus_qs.cli.options import JsonFlag, Overrides

app = typer.Typer(no_args_is_help=True, help="Check and show configurations.", rich_markup_mode=None)


@app.command()
def check(config: str, set_: Overrides = None, json_: JsonFlag = False) -> None:
    """Read a configuration strictly and resolve every strategy in it.

    Example: nqs config check demo
    """
    from nautilus_qs.config import load
    from nautilus_qs.nodes.importing import resolve_strategies

    loaded = load(config, set_ or [])
    names = resolve_strategies(loaded)
    if json_:
        typer.echo(json.dumps({"ok": True, "name": loaded.name, "strategies": names}))
    else:
        typer.echo(f"{config}: ok, {len(names)} strategies ({', '.join(names)}), {len(loaded.instruments)} instruments")


@app.command()
def show(config: str, set_: Overrides = None, json_: JsonFlag = False) -> None:
    """Print every setting in force: file, environment and --set merged, defaults filled in.

    Example: nqs config show demo --set risk.max_heat=0.05
    """
    import yaml

    from nautilus_qs.config import load, to_values

    values = to_values(load(config, set_ or []))
    typer.echo(json.dumps(values) if json_ else yaml.safe_dump(values, sort_keys=False).rstrip())


@app.command()
def schema(json_: JsonFlag = False) -> None:
    """Print the JSON schema of a run configuration, for editors.

    Example: nqs config schema > nqs.schema.json
    """
    from nautilus_qs.config import schema as run_schema

    typer.echo(json.dumps(run_schema(), indent=None if json_ else 2))
