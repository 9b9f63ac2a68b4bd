"""The requests an account may make, shared by all who make them; part of it is kept for cancels and closes."""

from collections.abc import Callable
from threading import Lock
from time import monotonic


class RateBudget:
    """A token bucket with a reserve that only urgent requests may use.

    Parameters
    ----------
    per_second
        Tokens that come back each second (> 0).
    burst
        Tokens there are at most (>= 1).
    reserved_frac
        Share of the burst that is kept for urgent requests.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> now = [0.0]
    >>> budget = RateBudget(per_second=1.0, burst=4, reserved_frac=0.5, clock=lambda: now[0])
    >>> [budget.take() for _ in range(3)]
    [0.0, 0.0, 1.0]
    >>> budget.take(urgent=True)
    0.0

    """

    def __init__(
        self,
        *,
        per_second: float,
        burst: int,
        reserved_frac: float = 0.5,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if per_second <= 0 or burst < 1 or not 0 <= reserved_frac < 1:
            raise ValueError(
                "a rate budget needs per_second > 0, burst >= 1 and reserved_frac in [0, 1), was "
                f"{per_second}, {burst}, {reserved_frac}"
            )
        self._per_second = per_second
        self._burst = burst
        self._reserved = burst * reserved_frac
        self._clock = clock
        self._lock = Lock()
        self._tokens = float(burst)
        self._at = clock()

    def take(self, *, urgent: bool = False) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        with self._lock:
            self._refill()
            floor = 0.0 if urgent else self._reserved
            missing = floor + 1.0 - self._tokens
            if missing <= 0:
                self._tokens -= 1.0
                return 0.0
            return missing / self._per_second

    def drain(self) -> None:
        """Empty the bucket: the venue says that more was used than we know of."""
        with self._lock:
            self._refill()
            self._tokens = 0.0

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._per_second)
        self._at = now
