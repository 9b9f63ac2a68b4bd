"""The regime of the market over any period, from the catalog alone: the same features and rules as the actor's."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct

from catalog.reader import open_catalog
from nautilus_qs.bridge.features import RegimeFeatures
from nautilus_qs.config import RunConfig, span_ns
from nautilus_qs.domain import RegimeUpdate
from nautilus_qs.errors import ConfigError, DataError
from nautilus_qs.regime.history import HistorySummary, history, summary

NS_PER_DAY = 86_400 * 10**9


class RegimeReport(Struct, frozen=True):
    """Every session's regime, and how the sessions divide."""

    instrument_id: str
    updates: tuple[RegimeUpdate, ...]
    summary: HistorySummary

    def changes(self) -> list[RegimeUpdate]:
        """Return the sessions on which another regime came into force."""
        found: list[RegimeUpdate] = []
        for update in self.updates:
            if not found or found[-1].regime is not update.regime:
                found.append(update)
        return found

    def to_dict(self, *, with_days: bool) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        shown = self.updates if with_days else self.changes()
        return {
            "instrument_id": self.instrument_id,
            "summary": msgspec.to_builtins(self.summary),
            "days" if with_days else "changes": msgspec.to_builtins(shown),
        }


def regime_history(config: RunConfig) -> RegimeReport:
    """Return the regimes of a configuration's reference instrument over its time range.

    Raises
    ------
    ConfigError
        If the configuration has no regime section.
    """
    if config.regime is None:
        raise ConfigError("regime must name a reference instrument for a regime history; add a regime section")
    start_ns, end_ns = span_ns(config.timerange)
    catalog = open_catalog(config.catalog)
    frame = catalog.daily_frame(config.regime.reference, start_ns - config.warmup_days * NS_PER_DAY, end_ns)
    features = RegimeFeatures()
    read = [
        features.update_raw(h, low, c) for h, low, c in zip(frame["high"], frame["low"], frame["close"], strict=True)
    ]
    ready = np.array([r is not None for r in read])
    ts = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
    slope, ratio = (np.array([r[i] for r in read if r is not None]) for i in (0, 1))
    vix = _as_of_previous(catalog, config.regime.vix, ts)
    breadth = _as_of_previous(catalog, config.regime.breadth, ts)
    updates = history(
        ts[ready],
        slope,
        ratio,
        vix=vix[ready],
        breadth=breadth[ready],
        instrument_id=config.regime.reference,
        params=config.regime.params,
    )
    kept = tuple(u for u in updates if start_ns <= u.ts <= end_ns)
    divided = summary(kept)
    if divided is None:
        raise DataError(
            f"{config.regime.reference} must have classified sessions in {config.timerange}, it has none; it needs 101 "
            "daily bars before the first"
        )
    return RegimeReport(config.regime.reference, kept, divided)


def _as_of_previous(catalog: Any, series: str, ts: np.ndarray) -> np.ndarray:
    """Return what was known of a series before each bar, NaN where the previous session's value is missing."""
    values = np.full(len(ts), np.nan)
    if not series:
        return values
    frame = catalog.macro_frame(series)
    known_at = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
    at = np.searchsorted(known_at, ts, side="left") - 1
    previous_bar = np.concatenate(([0], ts[:-1]))
    fresh = (at >= 0) & (known_at[np.maximum(at, 0)] >= previous_bar)
    values[fresh] = frame["value"].to_numpy(float)[at[fresh]]
    return values
