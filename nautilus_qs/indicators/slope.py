"""The direction of an average, as an angle."""

from collections import deque
from math import atan, degrees, nan


class Slope:
    """Slope of the mean of the last n closes in degrees per day, measured over a lag of several days.

    arctan(100 x (SMA[t] / SMA[t - lag] - 1) / lag), in degrees: 1 % a day is 45 degrees. One day's change of an average
    is the noise of two prices (the one that came and the one that left), hence the lag.

    Parameters
    ----------
    period : int
        Closes in the average (> 0).
    lag : int
        Bars between the two averages compared (> 0).

    Attributes
    ----------
    value : float
        Degrees per day, in (-90, 90); NaN for the first ``period + lag - 1`` closes.
    ready : bool
        Whether both averages have their full window.

    Examples
    --------
    >>> slope = Slope(1, lag=1)
    >>> [round(slope.update(close), 6) for close in (100.0, 101.0)]
    [nan, 45.0]

    """

    __slots__ = ("_averages", "_closes", "_lag", "_period", "ready", "value")

    def __init__(self, period: int, lag: int = 10) -> None:
        self._period = period
        self._lag = lag
        self.reset()

    def reset(self) -> None:
        """Forget every close: equal to a new one."""
        self._closes: deque[float] = deque(maxlen=self._period)
        self._averages: deque[float] = deque(maxlen=self._lag + 1)
        self.value = nan
        self.ready = False

    def update(self, close: float) -> float:
        """Take the close of one bar (positive) and return the value, NaN while warming."""
        closes, averages = self._closes, self._averages
        closes.append(close)
        if len(closes) < self._period:
            return nan
        averages.append(sum(closes) / self._period)
        if len(averages) > self._lag:
            self.ready = True
            self.value = degrees(atan(100.0 * (averages[-1] / averages[0] - 1.0) / self._lag))
        return self.value
