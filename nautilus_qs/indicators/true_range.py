"""Average true range as the plain mean of the last n true ranges."""

from collections import deque
from math import nan


class MeanTrueRange:
    """Arithmetic mean of the last n true ranges.

    The true range is max(high - low, abs(high - previous close), abs(low - previous close)). The first bar has no
    previous close and therefore no true range: the first value comes with bar n + 1. (NautilusTrader's
    ``AverageTrueRange`` counts the first bar's high - low; from bar n + 1 on both are the same.)

    Parameters
    ----------
    period : int
        True ranges in the window (> 0).

    Attributes
    ----------
    value : float
        In the price's currency; NaN for the first ``period`` bars.
    ready : bool
        Whether the window is full.

    Notes
    -----
    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), with an arithmetic mean in place of
    Wilder's smoothing.

    Examples
    --------
    >>> atr = MeanTrueRange(2)
    >>> for high, low, close in ((11.0, 9.0, 10.0), (14.0, 12.0, 13.0), (13.0, 11.0, 12.0)):
    ...     last = atr.update(high, low, close)
    >>> atr.value
    3.0

    """

    __slots__ = ("_period", "_previous_close", "_ranges", "ready", "value")

    def __init__(self, period: int) -> None:
        self._period = period
        self.reset()

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        self._ranges: deque[float] = deque(maxlen=self._period)
        self._previous_close = nan
        self.value = nan
        self.ready = False

    def update(self, high: float, low: float, close: float) -> float:
        """Take one closed bar and return the value, NaN while warming."""
        previous = self._previous_close
        self._previous_close = close
        if previous != previous:  # NaN: the first bar
            return nan
        ranges = self._ranges
        ranges.append((high if high > previous else previous) - (low if low < previous else previous))
        period = self._period
        if len(ranges) == period:
            self.ready = True
            self.value = sum(ranges) / period
        return self.value
