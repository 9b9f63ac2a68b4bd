"""How a source's rows join the rows that are stored: the same, more of them, or other ones."""

from enum import StrEnum

import msgspec
import numpy as np
import pandas as pd

from catalog.sources.series import COLUMNS


class Change(StrEnum):
    """What a source means to the stored rows."""

    NEW = "new"
    SAME = "same"
    APPEND = "append"
    REWRITE = "rewrite"


class Merged(msgspec.Struct, frozen=True):
    """All rows after the merge.

    Attributes
    ----------
    change
        What has to be done.
    frame
        Every row, indexed by UTC close time.
    fresh
        How many of the last rows are new (of an append).
    differing
        Times at which stored rows differ from the source's, or lie before the stored history.
    """

    change: Change
    frame: pd.DataFrame
    fresh: int
    differing: pd.DatetimeIndex


def merge(stored: pd.DataFrame | None, source: pd.DataFrame, *, price_decimals: int, size_decimals: int) -> Merged:
    """Compare a source's rows with the stored ones.

    Stored rows outside the source's span stay; inside it, the source must have each of them, with equal numbers to the
    stored decimals. Rows behind the stored ones are new. Everything else differs.

    Parameters
    ----------
    stored, source
        Columns open, high, low, close, volume, indexed by UTC close time in order.
    """
    nothing = pd.DatetimeIndex(source.index[:0])
    if stored is None or not len(stored):
        return Merged(Change.NEW, source, len(source), nothing)
    if not len(source):
        return Merged(Change.SAME, stored, 0, nothing)
    last = stored.index[-1]
    history, fresh = source[source.index <= last], source[source.index > last]
    overlap = stored[(stored.index >= source.index[0]) & (stored.index <= source.index[-1])]
    differing = history.index.symmetric_difference(overlap.index)
    common = overlap.index.intersection(history.index)
    differing = differing.union(_unequal(overlap.loc[common], history.loc[common], price_decimals, size_decimals))
    if not len(differing):
        if not len(fresh):
            return Merged(Change.SAME, stored, 0, nothing)
        return Merged(Change.APPEND, pd.concat([stored, fresh]), len(fresh), nothing)
    kept = stored[(stored.index < source.index[0]) | (stored.index > source.index[-1])]
    return Merged(Change.REWRITE, pd.concat([kept, source]).sort_index(), 0, pd.DatetimeIndex(differing))


def _unequal(stored: pd.DataFrame, source: pd.DataFrame, price_decimals: int, size_decimals: int) -> pd.DatetimeIndex:
    wrong = np.zeros(len(stored), dtype=bool)
    for name in COLUMNS:
        decimals = size_decimals if name == "volume" else price_decimals
        # Half a step, and what a double cannot hold of a large volume.
        tolerance = 0.5000001 * 10.0**-decimals + 1e-15 * np.abs(stored[name].to_numpy())
        wrong |= np.abs(stored[name].to_numpy() - source[name].to_numpy()) > tolerance
    return pd.DatetimeIndex(stored.index[wrong])
