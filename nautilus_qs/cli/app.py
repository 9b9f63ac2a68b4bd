"""The commands of ``nqs``. Everything heavy is imported inside a command, so that ``nqs --help`` is quick."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nautilus_qs import __version__
from nautilus_qs.cli.config import app as config_app
from nautilus_qs.cli.data import app as data_app
from nautilus_qs.cli.doctor import doctor
from nautilus_qs.cli.explain import explain
from nautilus_qs.cli.options import JsonFlag, NoProgress, Overrides, TimeRange, merged
from nautilus_qs.cli.regime import regime
from nautilus_qs.cli.runs import runs_app
from nautilus_qs.cli.sim import sim
from nautilus_qs.errors import QsError

app = typer.Typer(
    name="nqs",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Plain help: the pretty one imports a Markdown parser, and doubles the time to the first line.
    rich_markup_mode=None,
    help="A NautilusTrader trading system: data, backtests, and why every trade was taken or not.",
)
app.add_typer(data_app, name="data")
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")
app.command(name="explain")(explain)
app.command(name="regime")(regime)
app.command(name="doctor")(doctor)
app.command(name="sim")(sim)

SPREAD_OPTION = "--strategy-list"


def _version(value: bool) -> None:
    if value:
        typer.echo(f"nqs {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Trade by rules, and know why."""


@app.command()
def demo(
    json_: JsonFlag = False,
    no_progress: NoProgress = False,
    directory: Annotated[Path, typer.Option("--dir", help="Where catalog and results go.")] = Path("var"),
) -> None:
    """Run three strategies on the S&P 500 and the NASDAQ, 2014-2018: offline, no key, no service.

    Example: nqs demo --json
    """
    from catalog.ingest import ingest_demo
    from nautilus_qs.cli.backtesting import run_and_print
    from nautilus_qs.config import load

    ingest_demo(directory / "demo-catalog")
    overrides = [f"catalog={directory / 'demo-catalog'}", f"runs={directory / 'runs'}"]
    run_and_print(load("demo", overrides), as_json=json_, progress=not no_progress)


@app.command()
def backtest(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a configuration that ships with nqs.")],
    strategy: Annotated[
        list[str] | None, typer.Option("-s", "--strategy", help="Only this strategy, in the one account; repeatable.")
    ] = None,
    strategy_list: Annotated[
        list[str] | None,
        typer.Option(SPREAD_OPTION, help="Run each of these alone and compare: --strategy-list A B."),
    ] = None,
    timerange: TimeRange = None,
    set_: Overrides = None,
    json_: JsonFlag = False,
    no_progress: NoProgress = False,
) -> None:
    """Run a backtest of every strategy in one account, and write a report.

    Examples: nqs backtest demo --timerange 20150101-20161231

    nqs backtest my.yaml -s breakout --set risk.max_heat=0.05 --json

    nqs backtest demo --strategy-list bollinger_bounce breakout
    """
    from nautilus_qs.cli.backtesting import compare_and_print, run_and_print
    from nautilus_qs.config import load

    loaded = load(config, merged(set_, timerange))
    if strategy:
        loaded = loaded.only(strategy)
    if strategy_list:
        compare_and_print(loaded, strategy_list, as_json=json_, progress=not no_progress)
    else:
        run_and_print(loaded, as_json=json_, progress=not no_progress)


def main(argv: list[str] | None = None) -> None:
    """Run a command and exit with its code; an error of ours is one line on stderr, never a traceback."""
    arguments = spread(sys.argv[1:] if argv is None else argv)
    try:
        app(arguments, standalone_mode=True)
    except SystemExit as leaving:
        # The parser has told people what it could not read; whoever asked for JSON gets it in that form, too.
        told = leaving.__context__
        if leaving.code == 2 and isinstance(told, Exception) and "--json" in arguments:
            _print_error("UsageError", getattr(told, "message", "") or str(told), 2)
        raise
    except QsError as error:
        _fail(error, error.exit_code, arguments)
    except KeyboardInterrupt:
        _fail(RuntimeError("interrupted; nothing half-written is left"), 1, arguments)
    except Exception as error:
        from catalog.errors import CatalogError

        if not isinstance(error, CatalogError):
            raise
        _fail(error, error.exit_code, arguments)


def spread(arguments: list[str]) -> list[str]:
    """Return arguments in which ``--strategy-list A B`` names the option once a value, as the parser wants it.

    Examples
    --------
    >>> spread(["backtest", "demo", "--strategy-list", "a", "b", "--json"])
    ['backtest', 'demo', '--strategy-list', 'a', '--strategy-list', 'b', '--json']
    """
    result: list[str] = []
    is_listing = False
    for argument in arguments:
        if argument == SPREAD_OPTION:
            is_listing = True
        elif argument.startswith("-"):
            is_listing = False
            result.append(argument)
        else:
            result += [SPREAD_OPTION, argument] if is_listing else [argument]
    return result


def _fail(error: BaseException, code: int, arguments: list[str]) -> None:
    typer.echo(f"error: {error}", err=True)
    if "--json" in arguments:
        _print_error(type(error).__name__, str(error), code)
    raise SystemExit(code)


def _print_error(name: str, message: str, code: int) -> None:
    body: dict[str, Any] = {"error": name, "message": message, "exit_code": code}
    typer.echo(json.dumps(body))
