"""Where rows go: one small interface, so that a run directory today and a database later take the same facts."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nautilus_qs.storage.rows import Row


class SignalColumns(Protocol):
    """Bars of one strategy, by column; ``numbers`` has shape ``(n_bars, n_columns)``, codes are places in names."""

    @property
    def strategy(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def ts(self) -> NDArray[np.int64]: ...
    @property
    def instruments(self) -> tuple[str, ...]: ...
    @property
    def instrument_codes(self) -> NDArray[np.int32]: ...
    @property
    def outcomes(self) -> tuple[str, ...]: ...
    @property
    def outcome_codes(self) -> NDArray[np.int32]: ...
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
