"""Checked rows as NautilusTrader objects: bars stamped at their close, open ticks, macro points."""

from typing import Any

import numpy as np
import pandas as pd
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from numpy.typing import NDArray

from catalog.macro import MacroPoint
from catalog.sources.series import COLUMNS, BarSize

ORDER_LATENCY_NS = 1_000_000_000
"""What an order needs from a decision to its market, as backtests assume it."""
OPEN_TICK_DELAY_NS = ORDER_LATENCY_NS + 1_000_000
"""The open tick stands this long after the open: an order sent at the previous close, which may be the very same
instant, has arrived by then."""
OPEN_TICK_SIZE = 1e6
MACRO_DELAY_NS = 20 * 60 * 1_000_000_000
"""VIX and breadth of a day are known after the bell: a decision at that day's close must not see them."""

type Ns = NDArray[np.int64]


def bar_type(instrument_id: str, size: BarSize | str) -> Any:
    """Return the NautilusTrader bar type of stored bars."""
    return BarType.from_str(f"{instrument_id}-{size}-EXTERNAL")


def to_bars(instrument: Any, size: BarSize, frame: pd.DataFrame, close_ns: Ns) -> list[Any]:
    """Return bars with ``ts_event`` and ``ts_init`` at their true close.

    ``BarDataWrangler`` is not used: it fails on the read-only blocks of pandas 3.
    """
    ts = close_ns.astype(np.uint64)
    columns = (np.array(frame[name], dtype=np.float64) for name in COLUMNS)
    bars: list[Any] = Bar.from_raw_arrays_to_list(
        bar_type(str(instrument.id), size), instrument.price_precision, instrument.size_precision, *columns, ts, ts
    )
    return bars


def to_open_ticks(instrument: Any, opens: NDArray[np.float64], start_ns: Ns) -> list[Any]:
    """Return one quote a bar, bid and ask at its open, where an order sent at the previous close arrives."""
    ts = (start_ns + OPEN_TICK_DELAY_NS).astype(np.uint64)
    prices = np.array(opens, dtype=np.float64)
    sizes = np.full(len(prices), OPEN_TICK_SIZE)
    ticks: list[Any] = QuoteTick.from_raw_arrays_to_list(
        instrument.id, instrument.price_precision, instrument.size_precision, prices, prices, sizes, sizes, ts, ts
    )
    return ticks


def to_points(name: str, values: NDArray[np.float64], known_ns: Ns) -> list[MacroPoint]:
    """Return the points of one series, each at the time it was known."""
    return [
        MacroPoint(int(ts), int(ts), series=name, value=float(value))
        for ts, value in zip(known_ns, values, strict=True)
    ]
