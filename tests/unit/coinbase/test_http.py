"""What becomes of a call, by what the server does with it."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from adapters.coinbase.config import CoinbaseEndpoints, CoinbaseExecClientConfig
from adapters.coinbase.credentials import Credentials, credentials_from
from adapters.coinbase.http import CoinbaseHttp
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from adapters.transport.errors import (
    AmbiguousError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    VenueError,
)
from adapters.transport.lanes import ORDERS
from tests.unit.coinbase.venue import StubVenue, new_credentials


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that does with each connection what `answer` does."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    ends = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(2.0)
            try:
                connection.recv(65536)
                answer(connection)
            except OSError:
                pass

    def accept() -> None:
        while not ends.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                continue
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ends.set()
        thread.join(2.0)
        listener.close()


def replying(status: int, body: str, headers: str = "") -> Callable[[socket.socket], None]:
    text = f"HTTP/1.1 {status} X\r\n{headers}content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
    return lambda connection: connection.sendall(text.encode())


def dripping(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(40):
        connection.sendall(b" ")
        time.sleep(0.1)


def silent(connection: socket.socket) -> None:
    time.sleep(1.5)


def resetting(connection: socket.socket) -> None:
    connection.close()


def client(port: int, **changes: Any) -> CoinbaseHttp:
    endpoints = CoinbaseEndpoints(rest_host=f"127.0.0.1:{port}", plain_http=True)
    return CoinbaseHttp(
        changes.pop("credentials", new_credentials()),
        endpoints=endpoints,
        counters=Counters(),
        budget=changes.pop("budget", RateBudget(per_second=100.0, burst=100)),
        deadline_secs=changes.pop("deadline_secs", 0.4),
        **changes,
    )


def create(port: int, **changes: Any) -> Any:
    async def act() -> Any:
        http = client(port, **changes)
        try:
            return await http.create({"client_order_id": "x"})
        finally:
            http.close()

    return asyncio.run(act())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (replying(400, '{"error":"INVALID_ARGUMENT","message":"no"}'), RefusedError),
        (replying(403, '{"error":"PERMISSION_DENIED","error_details":"Missing required scopes"}'), UnauthorizedError),
        (replying(401, "Unauthorized"), UnauthorizedError),
        (replying(404, '{"error":"NOT_FOUND"}'), NotFoundError),
        (replying(429, '{"errors":[{"id":"rate_limit_exceeded"}]}', "retry-after: 7\r\n"), RateLimitedError),
        (replying(408, ""), AmbiguousError),
        (replying(500, "{}"), AmbiguousError),
        (replying(502, "<html>"), AmbiguousError),
        (replying(301, "", "location: http://127.0.0.1:1/\r\n"), AmbiguousError),
        (replying(200, "<html>"), AmbiguousError),
        (replying(200, "[]"), AmbiguousError),
        (replying(200, ""), AmbiguousError),
        (replying(200, '{"success":'), AmbiguousError),
        (silent, AmbiguousError),
        (dripping, AmbiguousError),
        (resetting, AmbiguousError),
    ],
)
def test_answer_becomes_what_may_be_concluded(answer: Callable[[socket.socket], None], error: type[VenueError]) -> None:
    with server(answer) as port:
        started = time.monotonic()
        with pytest.raises(error) as raised:
            create(port)
        assert type(raised.value) is error
        assert time.monotonic() - started < 1.2


def test_retry_after_is_told() -> None:
    with server(replying(429, "{}", "retry-after: 7\r\n")) as port, pytest.raises(RateLimitedError) as raised:
        create(port)
    assert raised.value.retry_after_secs == 7.0


def test_connection_refused_was_never_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSentError):
        create(port)


def test_budget_used_up_was_never_sent() -> None:
    budget = RateBudget(per_second=0.001, burst=1, reserved_frac=0.0)
    budget.take()
    with server(replying(200, "{}")) as port, pytest.raises(NotSentError):
        create(port, budget=budget)


def test_read_is_asked_again_and_a_write_is_not() -> None:
    seen: list[int] = []

    def answer(connection: socket.socket) -> None:
        seen.append(1)
        replying(500 if len(seen) == 1 else 200, "{}")(connection)

    async def read(port: int) -> Any:
        http = client(port, deadline_secs=2.0)
        try:
            return await http.time()
        finally:
            http.close()

    with server(answer) as port:
        assert asyncio.run(read(port)) == {}
        assert len(seen) == 2
        seen.clear()
        with pytest.raises(AmbiguousError):
            create(port)
        assert len(seen) == 1


def test_loop_is_free_while_a_call_hangs() -> None:
    async def act(port: int) -> float:
        http = client(port)
        worst = 0.0
        call = asyncio.ensure_future(http.create({"client_order_id": "x"}))
        while not call.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - before - 0.01)
        http.close()
        assert isinstance(call.exception(), AmbiguousError)
        return worst

    with server(dripping) as port:
        assert asyncio.run(act(port)) < 0.1


def test_burst_of_calls_waits_its_turn() -> None:
    async def act() -> None:
        venue = StubVenue()
        await venue.start()
        http = client(int(venue.endpoints.rest_host.partition(":")[2]), deadline_secs=8.0)
        await asyncio.gather(*(http.time() for _ in range(80)))
        assert http.lanes.stuck[ORDERS] == 0
        http.close()
        await venue.stop()

    asyncio.run(act())


def test_key_is_scrubbed_from_what_the_venue_echoes() -> None:
    credentials = new_credentials()
    body = f'{{"error":"X","message":"key {credentials.key} is bad"}}'
    with server(replying(400, body)) as port, pytest.raises(RefusedError) as raised:
        create(port, credentials=credentials)
    assert credentials.key not in str(raised.value)
    assert credentials.key not in repr(raised.value)


def test_sdk_logs_nothing_of_its_own() -> None:
    assert logging.getLogger("coinbase.RESTClient").handlers == []


def test_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with server(replying(200, "{}")) as port:
        assert create(port) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"rest_host": "api.coinbase.com", "plain_http": True},
        {"rest_host": "127.0.0.1.evil.example", "plain_http": True},
        {"user_url": "ws://127.0.0.1:1"},
        {"user_url": "ws://example.com:1", "plain_http": True, "rest_host": "127.0.0.1:1"},
    ],
)
def test_plain_text_is_for_loopback_only(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="loopback"):
        CoinbaseEndpoints(**settings)


def test_caps_have_no_default() -> None:
    with pytest.raises(TypeError):
        CoinbaseExecClientConfig()


def test_credentials_show_nothing() -> None:
    credentials = new_credentials()
    assert repr(credentials) == "Credentials(***)"
    assert credentials.socket_jwt().count(".") == 2
    with pytest.raises(ValueError, match="neither a PEM") as raised:
        Credentials("name", "canary-not-a-key").socket_jwt()
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_credentials_from_environment_come_in_pairs() -> None:
    assert credentials_from("K", "S", {}) is None
    with pytest.raises(ValueError, match="set both K and S"):
        credentials_from("K", "S", {"K": "name"})
    found = credentials_from("K", "S", {"K": "name", "S": "a\\nb"})
    assert found is not None
    assert found.secret == "a\nb"
