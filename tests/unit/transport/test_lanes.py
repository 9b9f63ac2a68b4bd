"""Lanes: a deadline for every call, cancels beside stuck history, and doubt told apart from what was never sent."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from adapters.transport.counters import Counters
from adapters.transport.errors import AmbiguousError, NotSentError
from adapters.transport.lanes import CANCELS, HISTORY, Lanes


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Return what a hung call waits for; it is opened at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def test_call_returns_its_value_and_its_error() -> None:
    async def run() -> None:
        lanes = Lanes("t", Counters())
        assert await lanes.call(CANCELS, lambda: 5, deadline_secs=1) == 5
        with pytest.raises(KeyError):
            await lanes.call(CANCELS, lambda: {}["missing"], deadline_secs=1)
        with pytest.raises(TimeoutError):  # the call's own
            await lanes.call(CANCELS, _time_out, deadline_secs=1)
        lanes.close()

    asyncio.run(run())


def _time_out() -> None:
    raise TimeoutError


def test_call_past_its_deadline_is_in_doubt_and_its_thread_is_counted_until_it_returns(gate: threading.Event) -> None:
    async def run() -> None:
        counters = Counters()
        lanes = Lanes("t", counters, {HISTORY: 1, CANCELS: 1})
        with pytest.raises(AmbiguousError):
            await lanes.call(HISTORY, lambda: gate.wait(10), deadline_secs=0.05)
        assert lanes.stuck[HISTORY] == 1
        assert counters.read()['nqs_calls_timed_out{reason="history"}'] == 1
        with pytest.raises(NotSentError):
            await lanes.call(HISTORY, lambda: 1, deadline_secs=1)
        assert await lanes.call(CANCELS, lambda: "cancelled", deadline_secs=1) == "cancelled"
        gate.set()
        deadline = time.monotonic() + 5
        while lanes.stuck[HISTORY] and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert await lanes.call(HISTORY, lambda: 1, deadline_secs=1) == 1
        lanes.close()

    asyncio.run(run())


def test_call_that_never_found_a_thread_was_not_sent(gate: threading.Event) -> None:
    async def run() -> None:
        lanes = Lanes("t", Counters(), {HISTORY: 1})
        first = asyncio.create_task(lanes.call(HISTORY, lambda: gate.wait(10), deadline_secs=5))
        await asyncio.sleep(0.02)
        sent: list[int] = []
        with pytest.raises(NotSentError):
            await lanes.call(HISTORY, lambda: sent.append(1), deadline_secs=0.05)
        gate.set()
        await first
        assert sent == []
        lanes.close()

    asyncio.run(run())


def test_process_ends_though_a_call_never_does() -> None:
    code = (
        "import asyncio, threading\n"
        "from adapters.transport.counters import Counters\n"
        "from adapters.transport.lanes import HISTORY, Lanes\n"
        "from adapters.transport.errors import AmbiguousError\n"
        "async def main():\n"
        "    lanes = Lanes('t', Counters())\n"
        "    try:\n"
        "        await lanes.call(HISTORY, threading.Event().wait, deadline_secs=0.05)\n"
        "    except AmbiguousError:\n"
        "        print('in doubt')\n"
        "    lanes.close()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "in doubt\n"


def test_closed_lane_sends_nothing_and_cancels_what_waits(gate: threading.Event) -> None:
    async def run() -> None:
        lanes = Lanes("t", Counters(), {HISTORY: 1})
        sent: list[int] = []
        first = asyncio.create_task(lanes.call(HISTORY, lambda: gate.wait(10), deadline_secs=5))
        second = asyncio.create_task(lanes.call(HISTORY, lambda: sent.append(1), deadline_secs=5))
        await asyncio.sleep(0.05)
        lanes.close()
        with pytest.raises(NotSentError):
            await lanes.call(HISTORY, lambda: sent.append(2), deadline_secs=1)
        gate.set()
        assert await first
        with pytest.raises(asyncio.CancelledError):
            await second
        assert sent == []

    asyncio.run(run())
