"""``nqs sim`` as people start it: a process that prints where it is, serves, and ends on a signal."""

import json
import signal
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from adapters.simulator.control import ControlClient
from adapters.simulator.tape import Quote, Trade, random_walk, recorded, written
from adapters.simulator.tapes import tape_of
from nautilus_qs.cli.app import app

DEADLINE_SECS = 20
START = "import sys; from nautilus_qs.cli.app import main; main(sys.argv[1:])"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_venues_serve_until_a_signal_and_then_end_with_code_zero(number):
    arguments = ["sim", "--venue", "alpaca", "--tape", "walk:AAPL=180", "--speed", "60", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", START, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        told = json.loads(process.stdout.readline())
        keys = {"APCA-API-KEY-ID": told["keys"]["alpaca key"], "APCA-API-SECRET-KEY": told["keys"]["alpaca secret"]}
        with httpx.Client(base_url=told["urls"]["alpaca REST"], headers=keys, trust_env=False) as client:
            assert client.get("/v2/clock").json()["is_open"] is True
            assert client.get("/v2/stocks/quotes/latest?symbols=AAPL").json()["quotes"]["AAPL"]["bp"] > 170
        control = ControlClient(told["urls"]["control"], told["token"])
        assert set(control.state()["venues"]) == {"alpaca"}
        control.close()
        process.send_signal(number)
        _, errors = process.communicate(timeout=DEADLINE_SECS)
        assert (process.returncode, errors) == (0, "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--venue", "kraken"], "kraken"),
        (["--tape", "walk:AAPL"], "walk:SYMBOL=VALUE"),
        (["--tape", "absent.jsonl"], "absent.jsonl"),
        (["--port", "alpaca=x"], "NAME=NUMBER"),
        (["--cash", "much"], "cash must be a number"),
        (["--scenario", "absent.yaml"], "absent.yaml"),
        (["--speed", "0"], "speed"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_starts(arguments, text):
    result = CliRunner().invoke(app, ["sim", *arguments])
    assert type(result.exception).__name__ == "ConfigError"
    assert text in str(result.exception)


def test_tape_of_a_file_begins_where_the_file_does_and_walks_begin_with_it(tmp_path):
    path = tmp_path / "ticks.jsonl"
    walk = random_walk("MSFT", start_ns=5_000, seed=1, price=400)
    assert written([next(walk) for _ in range(4)], path) == 4
    assert len(list(recorded(path))) == 4
    tape = tape_of([str(path), "walk:AAPL=180"], seed=1, start_ns=99)
    assert tape.start_ns == 5_000
    first = [next(tape.ticks) for _ in range(3)]
    assert {tick.symbol for tick in first} == {"AAPL", "MSFT"}
    assert {type(tick) for tick in first} <= {Quote, Trade}


def test_tape_of_bars_expands_them_in_their_own_length(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    minute = 60_000_000_000
    rows = {"ts_ns": [0, minute, 10 * minute], "open": [10.0, 11.0, 12.0], "high": [11.0, 12.0, 13.0]}
    rows |= {"low": [9.5, 10.5, 11.5], "close": [10.5, 11.5, 12.5], "volume": [400, 400, 400]}
    path = tmp_path / "bars.parquet"
    pq.write_table(pa.table(rows), path)
    ticks = list(tape_of([f"bars:SPY={path}"], seed=0, start_ns=0).ticks)
    assert [str(tick.price) for tick in ticks if isinstance(tick, Trade)][:4] == ["10.0", "9.5", "11.0", "10.5"]
    assert [tick.ts_ns for tick in ticks] == sorted(tick.ts_ns for tick in ticks)
    assert ticks[7].ts_ns < minute
