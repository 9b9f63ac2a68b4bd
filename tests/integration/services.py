"""Services that tests need for a while: found in the environment, else started here and ended here.

A Redis is found by ``NQS_TEST_REDIS_URL`` (``redis://HOST:PORT``), else the system's ``redis-server`` is started on a
free loopback port in a temporary directory. NautilusTrader writes to database 0 of what it is given: keep every key
under a trader id of the test's own, and take away only those (:meth:`Redis.forget`).
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from urllib.parse import urlsplit

from msgspec import Struct

START_SECS = 10.0
PORT_TRIES = 3


class UnavailableError(Exception):
    """No such service here; the message says what was looked for."""


def wait_until(is_done: Callable[[], bool], what: str, *, secs: float) -> None:
    """Poll a condition until it holds.

    Raises
    ------
    TimeoutError
        When it does not hold after ``secs`` seconds.
    """
    deadline = time.monotonic() + secs
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {secs:g} s")
        time.sleep(0.005)


class Redis(Struct, frozen=True):
    """Where a Redis listens, and the few commands tests need (no client library is among the dependencies)."""

    host: str
    port: int

    def ask(self, *words: str) -> object:
        """Send one command on a connection of its own and return the decoded reply."""
        sent = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
        with socket.create_connection((self.host, self.port), timeout=2.0) as connection:
            connection.sendall(b"*%d\r\n%s" % (len(words), sent))
            with connection.makefile("rb") as replies:
                return _reply(replies)

    def answers(self) -> bool:
        """Return whether it answers a ping."""
        try:
            return self.ask("PING") == b"PONG"
        except OSError:
            return False

    def has(self, key: str) -> bool:
        """Return whether the key exists."""
        return self.ask("EXISTS", key) == 1

    def forget(self, prefix: str) -> int:
        """Delete every key that starts with ``prefix`` and return how many there were."""
        keys = self.ask("KEYS", prefix + "*")
        assert isinstance(keys, list)
        return sum(int(bool(self.ask("DEL", key.decode()))) for key in keys)


def _reply(replies: BufferedReader) -> object:
    line = replies.readline()
    kind, text = line[:1], line[1:].rstrip()
    if kind == b"+":
        return text
    if kind == b":":
        return int(text)
    if kind == b"$":
        return None if text == b"-1" else replies.read(int(text) + 2)[:-2]
    if kind == b"*":
        return [_reply(replies) for _ in range(int(text))]
    raise OSError(f"Redis answered {line!r}")


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Yield a Redis that answers; one started here ends with the block, and no other process does.

    Raises
    ------
    UnavailableError
        When the environment names one that does not answer, or none is named and ``redis-server`` is not installed.
    """
    url = os.environ.get("NQS_TEST_REDIS_URL", "")
    if url:
        parts = urlsplit(url)
        found = Redis(parts.hostname or "127.0.0.1", parts.port or 6379)
        if not found.answers():
            raise UnavailableError(f"NQS_TEST_REDIS_URL: the Redis at {found.host}:{found.port} does not answer a ping")
        yield found
        return
    binary = shutil.which("redis-server")
    if binary is None:
        raise UnavailableError("no Redis: set NQS_TEST_REDIS_URL=redis://HOST:PORT, or install redis-server")
    with tempfile.TemporaryDirectory(prefix="nqs-redis-") as folder:
        process, started = _started(binary, folder)
        try:
            yield started
        finally:
            _end(process)


def _started(binary: str, folder: str) -> tuple[subprocess.Popen[bytes], Redis]:
    for _ in range(PORT_TRIES):
        address = Redis("127.0.0.1", _free_port())
        options = ["--port", str(address.port), "--bind", address.host, "--dir", folder]
        volatile = ["--save", "", "--appendonly", "no"]
        process = subprocess.Popen([binary, *options, *volatile], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Another program may take the port in between: then the server ends at once, and a new port is tried.
        if _is_up(process, address):
            return process, address
    raise UnavailableError(f"redis-server ended at once on each of {PORT_TRIES} ports")


def _is_up(process: subprocess.Popen[bytes], address: Redis) -> bool:
    try:
        wait_until(
            lambda: address.answers() or process.poll() is not None, "redis-server answering a ping", secs=START_SECS
        )
    except BaseException:
        _end(process)
        raise
    return process.poll() is None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
