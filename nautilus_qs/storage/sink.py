"""Where rows go: one small interface, so that a run directory today and a database later take the same facts."""

from typing import Any, Protocol

from nautilus_qs.storage.rows import Row


class Sink(Protocol):
    """Takes rows for good, in the order in which they happened."""

    def write(self, row: Row) -> None:
        """Keep one row."""
        ...

    def write_signals(
        self, base: dict[str, Any], strategy: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
    ) -> None:
        """Keep many bars of one strategy: (ts, instrument id, outcome, nearness, *numbers) tuples."""
        ...

    def close(self) -> None:
        """Write what is still held back; the sink takes nothing more."""
        ...
