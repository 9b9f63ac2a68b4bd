"""The two ways into a venue's wire that servers share: an authorized application, and a server for it on loopback."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from adapters.simulator.lines import DeafSocket, TrackedHttp

LOOPBACK = "127.0.0.1"
_START_DEADLINE_SECS = 15.0
_STOP_DEADLINE_SECS = 5.0


def free_socket(port: int = 0) -> socket.socket:
    """Return a listening socket on loopback; port 0 is any that is free.

    The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only where it sees TCP.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((LOOPBACK, port))
    listening.listen(128)
    return listening


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        # Signals belong to whoever runs the process; a thread cannot take them anyway.
        yield


class LoopbackServers:
    """Several applications on one loop in a thread of their own, each on its own port.

    Parameters
    ----------
    on_start
        Called on the loop before anything is served.
    every_secs, each_turn
        What the loop calls again and again: the market that catches up with running time.

    """

    def __init__(
        self,
        *,
        on_start: Callable[[asyncio.AbstractEventLoop], None],
        each_turn: Callable[[], object],
        every_secs: float = 0.02,
    ) -> None:
        self._on_start = on_start
        self._each_turn = each_turn
        self._every_secs = every_secs
        self._servers: list[tuple[_Server, socket.socket]] = []
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stop: Callable[[], object] | None = None
        self.failure: BaseException | None = None

    def add(self, app: ASGIApp, *, port: int = 0) -> int:
        """Serve an application; return its port."""
        listening = free_socket(port)
        config = uvicorn.Config(
            app,
            http=TrackedHttp,
            ws=DeafSocket,
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            log_level="critical",
            # Both venues' clients ping; a server that pings, too, would hide that a client does not.
            ws_ping_interval=None,
            ws_ping_timeout=None,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
            server_header=False,
            proxy_headers=False,
        )
        self._servers.append((_Server(config), listening))
        return int(listening.getsockname()[1])

    def start(self) -> None:
        """Start the thread, and return when every port answers.

        Raises
        ------
        RuntimeError
            When they do not within the deadline.

        """
        self._thread = threading.Thread(target=self._run, name="simulated-venues", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_DEADLINE_SECS) or self.failure is not None:
            raise RuntimeError(f"the simulated venues did not start: {self.failure}") from self.failure

    def stop(self) -> None:
        """End every connection and the thread, within a deadline."""
        if self._stop is not None:
            self._stop()
        if self._thread is not None:
            self._thread.join(_STOP_DEADLINE_SECS)
        for _, listening in self._servers:
            listening.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  told to whoever waits for the start
            self.failure = error
            self._ready.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        ending = asyncio.Event()
        self._stop = partial(loop.call_soon_threadsafe, ending.set)
        self._on_start(loop)
        tasks = [
            loop.create_task(server.serve(sockets=[listening]), name=f"serve-{listening.getsockname()[1]}")
            for server, listening in self._servers
        ]
        turning = loop.create_task(self._turn(), name="market")
        while not all(server.started for server, _ in self._servers):
            await asyncio.sleep(0.005)
        self._ready.set()
        await ending.wait()
        turning.cancel()
        for server, _ in self._servers:
            server.should_exit = True
            server.force_exit = True
        done, pending = await asyncio.wait(tasks, timeout=_STOP_DEADLINE_SECS - 1)
        for task in pending:
            task.cancel()
        await asyncio.gather(turning, *done, *pending, return_exceptions=True)

    async def _turn(self) -> None:
        while True:
            try:
                self._each_turn()
            except Exception as error:  # noqa: BLE001  kept for whoever looks why the tape stands still
                self.failure = error
            await asyncio.sleep(self._every_secs)
