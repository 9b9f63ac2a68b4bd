"""How long to wait before the next attempt: exponential with full jitter, and never a storm."""

from random import Random


class Backoff:
    """Delays that grow with every failure until a connection has lasted.

    Full jitter keeps many clients apart; the floor keeps attempts below one a second, however quickly each one fails.

    Parameters
    ----------
    base_secs, cap_secs
        First and greatest upper end of the jitter.
    floor_secs
        Least delay (> 0).
    stable_secs
        A connection that lasted so long starts the delays anew.
    rng
        Source of the jitter.

    Examples
    --------
    >>> backoff = Backoff(base_secs=2.0, cap_secs=30.0, floor_secs=1.0, rng=Random(1))
    >>> all(1.0 <= backoff.failed() <= 30.0 for _ in range(100))
    True

    """

    def __init__(
        self,
        *,
        base_secs: float = 2.0,
        cap_secs: float = 30.0,
        floor_secs: float = 1.0,
        stable_secs: float = 30.0,
        rng: Random | None = None,
    ) -> None:
        self._base_secs = base_secs
        self._cap_secs = cap_secs
        self._floor_secs = floor_secs
        self._stable_secs = stable_secs
        self._rng = rng or Random()
        self._failures = 0

    def failed(self, lasted_secs: float = 0.0) -> float:
        """Return the delay before the next attempt, after a connection that lasted so long."""
        if lasted_secs >= self._stable_secs:
            self._failures = 0
        # 2 ** 30 is past every cap: the exponent need not grow for ever.
        reach = min(self._cap_secs, self._base_secs * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(self._floor_secs, self._rng.uniform(0.0, reach))
