"""Blocking SDK calls off the node's loop: a private pool, a lane for each kind of call, a total deadline for every one.

A timeout of the HTTP library counts each read, so that a server which sends a byte a second holds a call for ever. Here
the caller stops waiting at the deadline; the thread is written off until it comes back, and a lane whose threads are
all stuck refuses new work instead of queueing it. Cancels have a lane of their own: they never wait behind history.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from adapters.transport.counters import Counters
from adapters.transport.errors import AmbiguousError, NotSentError
from adapters.transport.threads import Threads

ORDERS, CANCELS, READS, HISTORY = "orders", "cancels", "reads", "history"
LANES: Mapping[str, int] = {ORDERS: 3, CANCELS: 2, READS: 2, HISTORY: 1}
"""Threads of each lane."""

_WAITING_A_THREAD = 8


class Lanes:
    """Runs blocking calls in threads.

    Parameters
    ----------
    name
        Of the client, in the names of its threads.
    counters
        Where timeouts and refusals are counted.
    threads
        Threads by lane.
    """

    def __init__(self, name: str, counters: Counters, threads: Mapping[str, int] = LANES) -> None:
        self._counters = counters
        self._threads = dict(threads)
        self._pools = {lane: Threads(count, f"{name}-{lane}") for lane, count in threads.items()}
        self._busy = dict.fromkeys(threads, 0)
        self.stuck = dict.fromkeys(threads, 0)
        """Threads by lane whose caller has stopped waiting."""

    async def call[T](self, lane: str, act: Callable[[], T], *, deadline_secs: float) -> T:
        """Run `act` in the lane and return what it returns; call this on the loop the lanes belong to.

        Raises
        ------
        NotSentError
            Every thread of the lane is stuck, or too many calls wait: nothing was done.
        AmbiguousError
            The deadline passed: the call may still do what it does.
        """
        if self.stuck[lane] >= self._threads[lane] or self._busy[lane] >= self._threads[lane] * _WAITING_A_THREAD:
            self._counters.add("nqs_calls_refused", reason=f"{lane}_full")
            raise NotSentError(f"lane {lane} is full: {self._busy[lane]} calls, {self.stuck[lane]} of them stuck")
        loop = asyncio.get_running_loop()
        try:
            future = self._pools[lane].submit(act)
        except RuntimeError:
            raise NotSentError(f"lane {lane} is closed") from None
        self._busy[lane] += 1
        waited = asyncio.wrap_future(future, loop=loop)
        try:
            return await asyncio.wait_for(asyncio.shield(waited), deadline_secs)
        except TimeoutError:
            if waited.done() and not waited.cancelled():
                # It ended in the very moment of the deadline: what became of it counts.
                return waited.result()
            if future.cancel():
                self._counters.add("nqs_calls_refused", reason=f"{lane}_never_started")
                raise NotSentError(f"lane {lane} had no free thread for {deadline_secs:g} s") from None
            self._counters.add("nqs_calls_timed_out", reason=lane)
            self.stuck[lane] += 1
            waited.add_done_callback(lambda done: self._came_back(lane, done))
            raise AmbiguousError(f"no answer within {deadline_secs:g} s") from None
        except asyncio.CancelledError:
            # Nobody waits any more: what becomes of the call is read, so that nobody complains that it never was.
            waited.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        finally:
            self._busy[lane] -= 1

    def close(self) -> None:
        """Take no more calls; threads that are stuck are left behind."""
        for pool in self._pools.values():
            pool.close()

    def _came_back(self, lane: str, done: "asyncio.Future[Any]") -> None:
        self.stuck[lane] -= 1
        if not done.cancelled():
            done.exception()  # read, so that nobody complains that it never was
