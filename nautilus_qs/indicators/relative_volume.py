"""Volume against the volume usual before it."""

from collections import deque
from math import nan


class RelativeVolume:
    """Volume of the current bar divided by the mean volume of the n bars BEFORE it.

    Parameters
    ----------
    period : int
        Bars in the mean, the current one excluded (> 0).

    Attributes
    ----------
    value : float
        A ratio, 1 = as usual; NaN for the first ``period`` bars, 0 when no volume at all was traded before (an index
        without volumes never looks active).
    ready : bool
        Whether n bars stood before the last one taken.

    Examples
    --------
    >>> relative = RelativeVolume(2)
    >>> [relative.update(volume) for volume in (100.0, 300.0, 400.0)]
    [nan, nan, 2.0]

    """

    __slots__ = ("_period", "_volumes", "ready", "value")

    def __init__(self, period: int) -> None:
        self._period = period
        self.reset()

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        self._volumes: deque[float] = deque(maxlen=self._period)
        self.value = nan
        self.ready = False

    def update(self, volume: float) -> float:
        """Take the volume of one closed bar and return the value, NaN while warming."""
        volumes = self._volumes
        period = self._period
        if len(volumes) == period:
            self.ready = True
            total = sum(volumes)
            self.value = volume * period / total if total > 0.0 else 0.0
        volumes.append(volume)
        return self.value
