"""Bollinger bands of closes."""

from collections import deque
from math import dist, nan, sqrt


class BollingerBands:
    """Mean of the last n closes, plus and minus k population standard deviations (ddof 0) of the same closes.

    Parameters
    ----------
    period : int
        Closes in the window, current one included (> 0).
    k : float
        Half width of the band in standard deviations.

    Attributes
    ----------
    lower, middle, upper : float
        In the price's currency; NaN for the first ``period - 1`` closes.
    ready : bool
        Whether the window is full.

    Notes
    -----
    Source: J. Bollinger, Bollinger on Bollinger Bands (2001). NautilusTrader's indicator of the same name takes the
    typical price when it is handed a bar; here only closes count.

    Examples
    --------
    >>> bands = BollingerBands(2, 2.0)
    >>> for close in (9.0, 11.0):
    ...     bands.update(close)
    >>> bands.value
    (8.0, 10.0, 12.0)

    """

    __slots__ = ("_closes", "_k_per_distance", "_period", "lower", "middle", "ready", "upper")

    def __init__(self, period: int, k: float) -> None:
        self._period = period
        self._k_per_distance = k / sqrt(period)
        self.reset()

    @property
    def value(self) -> tuple[float, float, float]:
        """Return lower, middle and upper."""
        return self.lower, self.middle, self.upper

    def reset(self) -> None:
        """Forget every close: equal to a new one."""
        self._closes: deque[float] = deque(maxlen=self._period)
        self.lower = self.middle = self.upper = nan
        self.ready = False

    def update(self, close: float) -> None:
        """Take the close of one bar."""
        closes = self._closes
        closes.append(close)
        period = self._period
        if len(closes) < period:
            return
        self.ready = True
        middle = sum(closes) / period
        # The Euclidean distance from the mean is the deviation times sqrt(n), without the cancellation of a difference
        # of squares.
        width = dist(closes, (middle,) * period) * self._k_per_distance
        self.lower = middle - width
        self.middle = middle
        self.upper = middle + width
