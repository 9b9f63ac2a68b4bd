"""The socket: it comes back after every kind of end, finds a mute peer, and stays away where it is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve

from adapters.transport.backoff import Backoff
from adapters.transport.counters import Counters
from adapters.transport.liveness import Liveness
from adapters.transport.socket import Frame, SocketRefusedError, VenueSocket


class Ears:
    """What the owner of a socket hears."""

    def __init__(self, url: str, *, mute_secs: float = 5.0, is_refused: bool = False) -> None:
        self.frames: list[Frame] = []
        self.ups: list[int] = []
        self.downs: list[str] = []
        self.fails_at: set[int] = set()
        self.counters = Counters()
        self._is_refused = is_refused
        self.socket = VenueSocket(
            "test",
            url,
            shake_hands=self.shake_hands,
            on_frame=self.on_frame,
            on_up=self.on_up,
            on_down=self.on_down,
            liveness=Liveness(mute_secs),
            backoff=Backoff(base_secs=0.02, floor_secs=0.01, rng=Random(1)),
            counters=self.counters,
            ping_every_secs=0.05,
            open_deadline_secs=1.0,
        )

    async def shake_hands(self, connection: ClientConnection) -> None:
        await connection.send("hello")
        await connection.recv()
        if self._is_refused:
            raise SocketRefusedError("wrong key")

    def on_frame(self, frame: Frame) -> None:
        if frame == "bad":
            raise ValueError("bad")
        self.frames.append(frame)

    def on_down(self, reason: str) -> None:
        self.downs.append(reason)
        if self.fails_at:
            raise ValueError("owner")

    async def on_up(self, n: int) -> None:
        self.ups.append(n)
        if n in self.fails_at:
            raise KeyError("recovery")

    async def until(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_done():
                await asyncio.sleep(0.005)


def run(
    handler: Callable[[ServerConnection], Awaitable[None]], act: Callable[[str], Awaitable[None]], **kw: Any
) -> None:
    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0, **kw) as server:
            port = server.sockets[0].getsockname()[1]
            await act(f"ws://127.0.0.1:{port}/")

    asyncio.run(main())


async def greet(connection: ServerConnection) -> None:
    await connection.recv()
    await connection.send("welcome")


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4001, None])
def test_socket_comes_back_after_every_end_and_says_that_there_was_a_gap(code: int | None) -> None:
    async def handler(connection: ServerConnection) -> None:
        await greet(connection)
        await connection.send("one")
        if code is None:
            connection.transport.abort()
        else:
            await connection.close(code)

    async def act(url: str) -> None:
        ears = Ears(url)
        ears.socket.start()
        await ears.until(lambda: len(ears.ups) >= 3)
        await ears.socket.stop()
        assert ears.ups[:3] == [1, 2, 3]
        assert len(ears.downs) >= 2
        assert "one" in ears.frames
        assert not ears.socket.is_up

    run(handler, act)


def test_socket_with_a_bad_frame_reads_the_next_one() -> None:
    async def handler(connection: ServerConnection) -> None:
        await greet(connection)
        for frame in ("bad", "good"):
            await connection.send(frame)
        await connection.wait_closed()

    async def act(url: str) -> None:
        ears = Ears(url)
        ears.socket.start()
        await ears.until(lambda: ears.frames == ["good"])
        await ears.socket.stop()
        assert ears.counters.read()['nqs_frames_failed{reason="ValueError"}'] == 1
        assert ears.ups == [1]

    run(handler, act)


def test_socket_that_is_quiet_but_answers_pings_is_kept_and_a_mute_one_is_replaced() -> None:
    is_mute = False

    async def handler(connection: ServerConnection) -> None:
        await greet(connection)
        if is_mute:
            # Not to read is not to answer pings.
            connection.transport.pause_reading()
        await asyncio.sleep(2)

    async def act(url: str) -> None:
        nonlocal is_mute
        quiet = Ears(url, mute_secs=0.3)
        quiet.socket.start()
        await quiet.until(lambda: quiet.ups == [1])
        await asyncio.sleep(0.7)
        assert quiet.downs == []
        await quiet.socket.stop()
        is_mute = True
        mute = Ears(url, mute_secs=0.3)
        mute.socket.start()
        await mute.until(lambda: len(mute.ups) >= 2)
        await mute.socket.stop()
        assert mute.counters.read()['nqs_sockets_mute{reason="test"}'] >= 1

    run(handler, act, ping_interval=None, close_timeout=0.1)


def test_socket_that_is_refused_stays_down_and_says_why() -> None:
    attempts = 0

    async def handler(connection: ServerConnection) -> None:
        nonlocal attempts
        attempts += 1
        await greet(connection)
        await connection.wait_closed()

    async def act(url: str) -> None:
        ears = Ears(url, is_refused=True)
        ears.socket.start()
        await ears.until(lambda: bool(ears.socket.refusal))
        await asyncio.sleep(0.2)
        assert attempts == 1
        assert ears.ups == []
        assert ears.socket.refusal == "wrong key"

    run(handler, act)


def test_socket_whose_server_never_answers_the_handshake_tries_again_at_its_deadline() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def act(url: str) -> None:
        ears = Ears(url)
        ears.socket.start()
        await ears.until(lambda: bool(ears.downs))
        await ears.socket.stop()
        assert "TimeoutError" in ears.downs[0]

    run(handler, act)


def test_socket_that_stops_sends_no_more() -> None:
    async def handler(connection: ServerConnection) -> None:
        await greet(connection)
        await connection.wait_closed()

    async def act(url: str) -> None:
        ears = Ears(url)
        assert not await ears.socket.send("early")
        ears.socket.start()
        await ears.until(lambda: ears.socket.is_up)
        assert await ears.socket.send("now")
        await ears.socket.stop()
        assert not await ears.socket.send("late")

    run(handler, act)


def test_socket_whose_owner_cannot_recover_is_replaced_until_he_can() -> None:
    async def handler(connection: ServerConnection) -> None:
        await greet(connection)
        await connection.wait_closed()

    async def act(url: str) -> None:
        ears = Ears(url)
        ears.fails_at = {1, 2}
        ears.socket.start()
        await ears.until(lambda: ears.ups == [1, 2, 3])
        await asyncio.sleep(0.1)
        assert ears.socket.is_up
        assert ears.counters.read()['nqs_recoveries_failed{reason="KeyError"}'] == 2
        await ears.socket.stop()

    run(handler, act)
