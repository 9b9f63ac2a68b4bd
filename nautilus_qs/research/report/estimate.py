"""What metrics.json says of one statistic: a value, its interval, and how much stands behind it."""

import math
from typing import Any

from msgspec import Struct

from nautilus_qs.research.report.text import is_number


class Estimate(Struct, frozen=True):
    """A statistic as read back. NaN where the run could not say; ``n`` is None where the run does not count."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int | None = None
    note: str = ""

    @property
    def is_known(self) -> bool:
        """Return whether there is a value."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Return whether both ends are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def contains(self, value: float) -> bool:
        """Return whether the interval is known and `value` lies in it."""
        return self.has_interval and self.low <= value <= self.high


def estimate_of(raw: Any) -> Estimate:
    """Return the estimate in a raw value: a statistic, a drawdown, a day, a plain number, or nothing.

    Examples
    --------
    >>> estimate_of({"value": 0.4, "low": 0.1, "high": 0.7, "n": 30}).contains(0.5)
    True
    >>> estimate_of({"depth": 0.2}).value, estimate_of(0.3).value, estimate_of(None).is_known
    (0.2, 0.3, False)
    """
    if isinstance(raw, dict):
        value = raw.get("value", raw.get("depth"))
        n = raw.get("n")
        return Estimate(
            value=_float(value),
            low=_float(raw.get("low")),
            high=_float(raw.get("high")),
            n=int(n) if is_number(n) else None,
            note=str(raw.get("note") or ""),
        )
    return Estimate(value=_float(raw))


def _float(value: Any) -> float:
    return float(value) if is_number(value) else math.nan
