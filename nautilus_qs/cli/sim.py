"""``nqs sim``: the simulated venues, for rehearsals without an account and without a network."""

import json
import signal
import threading
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_qs.cli.options import JsonFlag

if TYPE_CHECKING:
    from adapters.simulator.faults import Scenario
    from adapters.simulator.host import SimulatedVenues

VENUES = ("alpaca", "coinbase")


def sim(
    venue: Annotated[
        list[str] | None, typer.Option("--venue", help="alpaca or coinbase; repeatable. Both when left out.")
    ] = None,
    tape: Annotated[
        list[str] | None,
        typer.Option("--tape", help="walk:AAPL=180, bars:SPY=file.parquet, or a file of ticks; repeatable."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Venue seconds in a second.")] = 1.0,
    scenario: Annotated[Path | None, typer.Option(help="A YAML file of faults and acts.")] = None,
    seed: Annotated[int, typer.Option(help="Of walks, ids and chances.")] = 0,
    cash: Annotated[str, typer.Option(help="USD of the Alpaca account.")] = "100000",
    time_scale: Annotated[float, typer.Option(help="Factor for the durations of the venues' rules.")] = 1.0,
    stepped: Annotated[bool, typer.Option("--stepped", help="Time moves by the control port only.")] = False,
    port: Annotated[
        list[str] | None, typer.Option("--port", help="NAME=NUMBER of alpaca, coinbase or control; repeatable.")
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Run simulated venues on this machine until they are interrupted, and print where they are.

    Examples: nqs sim

    nqs sim --venue alpaca --tape walk:AAPL=180,SPY=600 --speed 60

    nqs sim --venue alpaca --venue coinbase --tape bars:SPY=spy_1min.parquet --scenario lost_answers.yaml --json
    """
    from adapters.simulator.alpaca_venue import AlpacaSettings
    from adapters.simulator.clock import ClockMode
    from adapters.simulator.host import START_NS, SimulatedVenues
    from adapters.simulator.tapes import DEFAULT, tape_of
    from nautilus_qs.errors import ConfigError

    try:
        played = tape_of(tape or DEFAULT, seed=seed, start_ns=START_NS)
        venues = SimulatedVenues(
            played.ticks,
            start_ns=played.start_ns,
            mode=ClockMode.STEPPED if stepped else ClockMode.RUNNING,
            speed=speed,
            time_scale=time_scale,
            seed=seed,
            venues=venue or VENUES,
            alpaca=AlpacaSettings(cash=_money(cash)),
            scenario=_scenario(scenario),
            ports=_ports(port or ()),
        )
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with venues:
            _print(venues, as_json=json_)
            # A wait without an end cannot be interrupted everywhere; a short one can.
            while not ended.wait(0.2):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"cash must be a number, was {text}") from error


def _scenario(path: Path | None) -> "Scenario | None":
    from adapters.simulator.faults import read_scenario

    return None if path is None else read_scenario(path)


def _ports(words: Sequence[str]) -> dict[str, int]:
    """Return ports by name.

    Examples
    --------
    >>> _ports(["alpaca=8801"])
    {'alpaca': 8801}

    """
    ports: dict[str, int] = {}
    for word in words:
        name, _, number = word.partition("=")
        if name not in (*VENUES, "control") or not number.isdigit():
            raise ValueError(f"port must be NAME=NUMBER with a name of alpaca, coinbase, control, was {word}")
        ports[name] = int(number)
    return ports


def _print(venues: "SimulatedVenues", *, as_json: bool) -> None:
    keys = _keys(venues)
    if as_json:
        typer.echo(json.dumps({"urls": venues.urls(), "keys": keys, "token": venues.token}))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(width=110, highlight=False)
    table = Table(title="Simulated venues, on this machine only", title_justify="left")
    table.add_column("what")
    table.add_column("where", overflow="fold")
    for name, url in (venues.urls() | keys | {"control token": venues.token}).items():
        table.add_row(name, url)
    console.print(table)
    console.print("Interrupt to stop.")


def _keys(venues: "SimulatedVenues") -> dict[str, str]:
    """Return the keys of the run; they open nothing but this process."""
    keys: dict[str, str] = {}
    started = venues.urls()
    if "alpaca REST" in started:
        keys |= {"alpaca key": venues.alpaca.key_id, "alpaca secret": venues.alpaca.secret_key}
    if "coinbase REST" in started:
        keys |= {"coinbase key": venues.coinbase.key_name, "coinbase secret": venues.coinbase.key_secret}
    return keys
