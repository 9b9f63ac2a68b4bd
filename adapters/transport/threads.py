"""A few threads that run calls, and that the end of the process does not wait for.

``concurrent.futures.ThreadPoolExecutor`` joins its threads when the interpreter ends: one call that never returns would
hold the process for ever, and a supervisor would have to kill it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

type _Work = tuple[Future[Any], Callable[[], Any]] | None


class Threads:
    """Runs calls in at most so many daemon threads, started as they are needed.

    Parameters
    ----------
    count
        Threads at most (> 0).
    name
        Of the threads, with a number.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._work: SimpleQueue[_Work] = SimpleQueue()
        self._lock = Lock()
        self._started = 0
        self._is_closed = False

    def submit[T](self, act: Callable[[], T]) -> "Future[T]":
        """Run `act` when a thread is free.

        Raises
        ------
        RuntimeError
            If the threads were closed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                raise RuntimeError(f"{self._name} is closed")
            self._work.put((future, act))
            if self._started < self._count:
                self._started += 1
                Thread(target=self._run, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def close(self) -> None:
        """Take no more calls and cancel those that wait; one that runs is left to itself."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            while not self._work.empty():
                waiting = self._work.get()
                if waiting is not None:
                    waiting[0].cancel()
            for _ in range(self._started):
                self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, act = work
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = act()
            except BaseException as error:  # noqa: BLE001  whoever waits for the call is told; the thread goes on
                future.set_exception(error)
            else:
                future.set_result(result)
            # Nothing is to be kept alive by a thread that waits.
            del work, future, act
