"""Runs side by side."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from nautilus_qs.storage.runs.index import RunEntry, entry_of
from nautilus_qs.storage.runs.run import Run
from nautilus_qs.storage.runs.values import flatten, mapping


class Difference(Struct, frozen=True):
    """One key in which runs differ (or are shown side by side): a value a run, None where a run lacks it."""

    key: str
    values: tuple[Any, ...]


class Comparison(Struct, frozen=True, kw_only=True):
    """Runs side by side: their lines, the settings that differ, the figures that differ, and whether digests agree."""

    runs: tuple[RunEntry, ...]
    config: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    decisions_equal: bool
    fills_equal: bool


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Lay runs side by side: every setting and every figure that is not the same in all of them."""
    entries = tuple(entry_of(run) for run in runs)
    figures = [
        {
            **flatten(mapping(run.metrics.get("metrics"))),
            **flatten(mapping(run.metrics.get("counts")), "counts"),
            **flatten(mapping(run.metrics.get("per_strategy")), "per_strategy"),
            **flatten(mapping(run.metrics.get("costs")), "costs"),
        }
        for run in runs
    ]
    return Comparison(
        runs=entries,
        config=_differences([flatten(run.config) for run in runs]),
        metrics=_differences(figures),
        decisions_equal=len({entry.decision_digest for entry in entries}) == 1 and bool(entries[0].decision_digest),
        fills_equal=len({entry.fill_digest for entry in entries}) == 1 and bool(entries[0].fill_digest),
    )


def _differences(sides: list[dict[str, Any]]) -> tuple[Difference, ...]:
    keys = dict.fromkeys(key for side in sides for key in side)
    rows = (Difference(key, tuple(side.get(key) for side in sides)) for key in keys)
    return tuple(row for row in rows if any(value != row.values[0] for value in row.values))
