"""Reads what runs left: one run as typed frames, the runs under a folder, and runs side by side."""

from nautilus_qs.storage.runs.comparison import Comparison, Difference, compare_runs
from nautilus_qs.storage.runs.index import DEFAULT_ROOT, LATEST, RunEntry, entry_of, find_run, list_runs
from nautilus_qs.storage.runs.run import Run, SignalTable, open_run
from nautilus_qs.storage.runs.values import flatten, number_of, time_text

__all__ = [
    "DEFAULT_ROOT",
    "LATEST",
    "Comparison",
    "Difference",
    "Run",
    "RunEntry",
    "SignalTable",
    "compare_runs",
    "entry_of",
    "find_run",
    "flatten",
    "list_runs",
    "number_of",
    "open_run",
    "time_text",
]
