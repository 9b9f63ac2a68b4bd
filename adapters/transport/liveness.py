"""Whether a socket still lives: the venue's answers to our pings and its data, told apart."""

from collections.abc import Callable
from time import monotonic


class Liveness:
    """When a socket last gave a sign of life, and when data.

    A quiet socket that answers pings is not a mute one: only the absence of any sign for `mute_secs` is.

    Parameters
    ----------
    mute_secs
        Seconds without any sign after which the socket is to be replaced.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> now = [0.0]
    >>> liveness = Liveness(15.0, clock=lambda: now[0])
    >>> now[0] = 14.0
    >>> liveness.is_mute
    False
    >>> now[0] = 15.5
    >>> liveness.is_mute
    True

    """

    def __init__(self, mute_secs: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._mute_secs = mute_secs
        self._clock = clock
        self.opened()

    def opened(self) -> None:
        """Start anew with a new connection."""
        self._sign = self._data = self._clock()

    def sign(self) -> None:
        """Note a sign of life: a pong, a heartbeat."""
        self._sign = self._clock()

    def data(self) -> None:
        """Note data, which is a sign of life, too."""
        self._sign = self._data = self._clock()

    @property
    def is_mute(self) -> bool:
        """Whether nothing has been heard for too long."""
        return self._clock() - self._sign > self._mute_secs

    @property
    def data_age_secs(self) -> float:
        """Return the seconds since the last data."""
        return self._clock() - self._data
