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


class MemorySink:
    """Keeps rows in lists by type; for tests."""

    def __init__(self) -> None:
        self.rows: dict[type, list[Row]] = {}
        self.signals: list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]] = []

    def write(self, row: Row) -> None:
        """Keep one row."""
        self.rows.setdefault(type(row), []).append(row)

    def write_signals(
        self, base: dict[str, Any], strategy: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
    ) -> None:
        """Keep the bars of one strategy."""
        self.signals.append((strategy, columns, rows))

    def close(self) -> None:
        """Nothing is held back."""
