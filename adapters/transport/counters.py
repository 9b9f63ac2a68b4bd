"""Counts of what an adapter met; whoever serves metrics reads them."""

from collections.abc import Mapping
from threading import Lock
from types import MappingProxyType


class Counters:
    """Monotonic counts by name, safe to raise from any thread.

    Names follow ``nqs_<noun>_<unit>`` with an optional reason in braces, as Prometheus writes a label.

    Examples
    --------
    >>> counters = Counters()
    >>> counters.add("nqs_payloads_refused", reason="null_price")
    >>> counters.add("nqs_payloads_refused", reason="null_price")
    >>> counters.read()['nqs_payloads_refused{reason="null_price"}']
    2

    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, int] = {}

    def add(self, name: str, n: int = 1, *, reason: str = "") -> None:
        """Raise a count."""
        key = f'{name}{{reason="{reason}"}}' if reason else name
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + n

    def read(self) -> Mapping[str, int]:
        """Return the counts as they are now."""
        with self._lock:
            return MappingProxyType(dict(self._counts))
