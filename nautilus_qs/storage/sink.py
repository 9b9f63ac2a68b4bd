"""Where rows go: one small interface, so that a run directory today and a database later take the same facts."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nautilus_qs.storage.rows import Row


class SignalColumns(Protocol):
    """Bars of one strategy, by column; ``numbers`` has shape ``(n_bars, n_columns)``."""

    @property
    def strategy(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def ts(self) -> Sequence[int]: ...
    @property
    def instrument_ids(self) -> Sequence[str]: ...
    @property
    def outcomes(self) -> Sequence[str]: ...
    @property
    def nearness(self) -> NDArray[np.float64]: ...
    @property
    def numbers(self) -> NDArray[np.float64]: ...


class Sink(Protocol):
    """Takes rows for good, in the order in which they happened."""

    def write(self, row: Row) -> None:
        """Keep one row."""
        ...

    def write_signals(self, base: dict[str, Any], chunk: SignalColumns) -> None:
        """Keep many bars of one strategy."""
        ...

    def close(self) -> None:
        """Write what is still held back; the sink takes nothing more."""
        ...
