"""How each strategy has done of late: its rolling Sharpe ratio, from the trades it closed."""

import math
from collections import deque

YEAR = 252


class RollingSharpe:
    """Daily returns of each strategy over the last days, and the Sharpe ratio they make.

    A day's return is what the trades closed on it made, after costs, as a share of the account's equity; a day without
    a close counts as 0.

    Parameters
    ----------
    days : int
        Days of the window; before it is full nobody has a ratio.

    Examples
    --------
    >>> form = RollingSharpe(days=4)
    >>> for made in (0.01, 0.0, 0.02, -0.01):
    ...     form.on_day()
    ...     form.on_trade("rsi", made)
    >>> round(form.sharpes()["rsi"], 3)
    6.148

    """

    def __init__(self, days: int = 60) -> None:
        self._days = days
        self.reset()

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self._window: deque[dict[str, float]] = deque(maxlen=self._days)
        self._known: set[str] = set()

    def on_day(self) -> None:
        """Begin a day."""
        self._window.append({})

    def on_trade(self, strategy: str, return_frac: float) -> None:
        """Take what a closed trade made, as a share of equity; it counts for the day that was begun last."""
        self._known.add(strategy)
        if self._window:
            today = self._window[-1]
            today[strategy] = today.get(strategy, 0.0) + return_frac

    def sharpes(self) -> dict[str, float]:
        """Return mean over deviation of the daily returns, annualised with 252; none where they do not vary."""
        n = len(self._window)
        if n < self._days:
            return {}
        found = {}
        for strategy in sorted(self._known):
            returns = [day.get(strategy, 0.0) for day in self._window]
            mean = math.fsum(returns) / n
            variance = math.fsum((made - mean) ** 2 for made in returns) / (n - 1)
            if variance > 0.0:
                found[strategy] = mean / math.sqrt(variance) * math.sqrt(YEAR)
        return found
