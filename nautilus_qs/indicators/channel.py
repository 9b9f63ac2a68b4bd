"""The range of the bars before the current one."""

from collections import deque
from math import inf, nan


class TrailingChannel:
    """Highest high and lowest low of the n bars BEFORE the last one taken (a Donchian channel one bar late).

    A bar must not be compared with a channel that contains it: its close can never stand above its own high.

    Parameters
    ----------
    period : int
        Bars in the window, the current one excluded (> 0).

    Attributes
    ----------
    high, low : float
        In the price's currency; NaN for the first ``period`` bars.
    ready : bool
        Whether n bars stood before the last one taken.

    Examples
    --------
    >>> channel = TrailingChannel(2)
    >>> for high, low in ((5.0, 1.0), (4.0, 2.0), (9.0, 0.0)):
    ...     channel.update(high, low)
    >>> channel.value
    (5.0, 1.0)

    """

    __slots__ = ("_bottom", "_highs", "_lows", "_period", "_top", "high", "low", "ready")

    def __init__(self, period: int) -> None:
        self._period = period
        self.reset()

    @property
    def value(self) -> tuple[float, float]:
        """Return high and low."""
        return self.high, self.low

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        self._highs: deque[float] = deque(maxlen=self._period)
        self._lows: deque[float] = deque(maxlen=self._period)
        self._top = -inf
        self._bottom = inf
        self.high = self.low = nan
        self.ready = False

    def update(self, high: float, low: float) -> None:
        """Take one closed bar; the channel published is that of the bars before it."""
        highs, lows = self._highs, self._lows
        leaving_high, leaving_low = nan, nan
        if len(highs) == self._period:
            self.ready = True
            self.high, self.low = self._top, self._bottom
            leaving_high, leaving_low = highs[0], lows[0]
        highs.append(high)
        lows.append(low)
        # The window is searched only when its extreme has just left it: most bars cost two comparisons.
        if high >= self._top:
            self._top = high
        elif leaving_high == self._top:
            self._top = max(highs)
        if low <= self._bottom:
            self._bottom = low
        elif leaving_low == self._bottom:
            self._bottom = min(lows)
