"""A socket that comes back: one reader, a deadline on every wait, an own clock of its liveness, and no silent death.

Both SDKs stop reading without a word after some errors, and neither tells its owner that there was a gap.
This one ends every connection for a stated reason, waits with jitter, shakes hands again, and says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from adapters.transport.backoff import Backoff
from adapters.transport.counters import Counters
from adapters.transport.liveness import Liveness

Frame = str | bytes


class SocketRefusedError(Exception):
    """The venue will not have this client: wrong or revoked key. Only a person can mend it; the socket ends."""


class VenueSocket:
    """Keeps one connection to a venue open.

    Parameters
    ----------
    name
        In logs, task names and counter reasons.
    url, headers
        Where to connect, with what.
    shake_hands
        Authenticates and subscribes on a new connection; it may raise :class:`SocketRefusedError`.
    on_frame
        Takes every frame that follows, on the loop. An exception is counted, and the next frame is read.
    on_up
        Called with the number of the connection (from 1) after each handshake: from 2 on there was a gap to recover.
    on_down
        Called with the reason when a connection ends.
    liveness
        Noted with every frame and pong; when it is mute the connection is replaced.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        shake_hands: Callable[[ClientConnection], Awaitable[None]],
        on_frame: Callable[[Frame], None],
        on_up: Callable[[int], Coroutine[Any, Any, None]],
        on_down: Callable[[str], None],
        liveness: Liveness,
        backoff: Backoff,
        counters: Counters,
        headers: dict[str, str] | None = None,
        open_deadline_secs: float = 10.0,
        ping_every_secs: float = 5.0,
        close_deadline_secs: float = 2.0,
    ) -> None:
        self._name = name
        self._url = url
        self._headers = headers or {}
        self._shake_hands = shake_hands
        self._on_frame = on_frame
        self._on_up = on_up
        self._on_down = on_down
        self._liveness = liveness
        self._backoff = backoff
        self._counters = counters
        self._open_deadline_secs = open_deadline_secs
        self._ping_every_secs = ping_every_secs
        self._close_deadline_secs = close_deadline_secs
        self._task: asyncio.Task[None] | None = None
        self._connection: ClientConnection | None = None
        self.connections = 0
        self.refusal = ""
        """Why the venue will not have this client; "" while it may."""

    @property
    def is_up(self) -> bool:
        """Whether a connection has shaken hands and not ended yet."""
        return self._connection is not None

    def start(self) -> None:
        """Begin to connect; call it on the loop."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"{self._name}-socket")

    async def stop(self) -> None:
        """End the connection and stay down; returns within the close deadline."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=self._close_deadline_secs)

    async def send(self, frame: Frame) -> bool:
        """Send a frame on the open connection; False when there is none or it broke."""
        connection = self._connection
        if connection is None:
            return False
        try:
            await asyncio.wait_for(connection.send(frame), self._open_deadline_secs)
        except Exception:  # noqa: BLE001  the reader sees the same end and says why
            return False
        return True

    async def _run(self) -> None:
        while not self.refusal:
            opened = monotonic()
            try:
                reason = await self._connect_once()
            except asyncio.CancelledError:
                self._went_down("stopped")
                raise
            except SocketRefusedError as refused:
                self.refusal = reason = str(refused)
            except Exception as error:  # noqa: BLE001  whatever ends a connection, the next one is tried
                reason = f"{type(error).__name__}: {error}"[:200]
            self._went_down(reason)
            if self.refusal:
                return
            await asyncio.sleep(self._backoff.failed(monotonic() - opened))

    async def _connect_once(self) -> str:
        connection = await asyncio.wait_for(
            connect(
                self._url,
                additional_headers=self._headers,
                open_timeout=self._open_deadline_secs,
                close_timeout=self._close_deadline_secs,
                ping_interval=None,
                max_size=2**24,
                compression=None,
            ),
            self._open_deadline_secs + 1.0,
        )
        watch: asyncio.Task[None] | None = None
        try:
            self._liveness.opened()
            await asyncio.wait_for(self._shake_hands(connection), self._open_deadline_secs)
            self._liveness.opened()
            self._connection = connection
            self.connections += 1
            self._counters.add("nqs_socket_connections", reason=self._name)
            watch = asyncio.get_running_loop().create_task(self._watch(connection), name=f"{self._name}-watch")
            recover = asyncio.get_running_loop().create_task(self._on_up(self.connections), name=f"{self._name}-up")
            recover.add_done_callback(lambda task: self._recovered(task, connection))
            try:
                async for frame in connection:
                    self._liveness.data()
                    self._take(frame)
            finally:
                recover.cancel()
                await asyncio.gather(recover, return_exceptions=True)
            ended = connection.protocol
            return f"closed {ended.close_code} {ended.close_reason or ''}".strip()
        finally:
            self._connection = None
            if watch is not None:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            # abort, not close: a mute peer would hold a close handshake to its deadline.
            connection.transport.abort()

    def _take(self, frame: Frame) -> None:
        try:
            self._on_frame(frame)
        except Exception as error:  # noqa: BLE001  one bad frame must not end the reader
            self._counters.add("nqs_frames_failed", reason=type(error).__name__)

    def _recovered(self, task: asyncio.Task[None], connection: ClientConnection) -> None:
        """Replace a connection whose owner could not recover what was missed: the next one tries again."""
        if task.cancelled() or task.exception() is None:
            return
        self._counters.add("nqs_recoveries_failed", reason=type(task.exception()).__name__)
        connection.transport.abort()

    async def _watch(self, connection: ClientConnection) -> None:
        """Ping, and break the connection when nothing is heard."""
        while True:
            # A peer that does not read can block even a ping: its absence is what is to be found.
            with suppress(TimeoutError):
                ping: Any = await asyncio.wait_for(connection.ping(), self._ping_every_secs)
                ping.add_done_callback(self._on_pong)
            await asyncio.sleep(self._ping_every_secs)
            if self._liveness.is_mute:
                self._counters.add("nqs_sockets_mute", reason=self._name)
                connection.transport.abort()
                return

    def _on_pong(self, pong: Any) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self._liveness.sign()

    def _went_down(self, reason: str) -> None:
        self._connection = None
        try:
            self._on_down(reason)
        except Exception as error:  # noqa: BLE001  whatever the owner makes of it, the next connection is tried
            self._counters.add("nqs_frames_failed", reason=type(error).__name__)
