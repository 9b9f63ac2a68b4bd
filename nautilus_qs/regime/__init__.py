"""Market regime: numbers to a label (rules), labels to the regime in force (confirmation), and both over a period."""

from nautilus_qs.regime.confirmation import Confirmation
from nautilus_qs.regime.history import HistorySummary, PeriodSummary, history, summary
from nautilus_qs.regime.rules import Reading, RegimeParams, classify
from nautilus_qs.regime.tracker import RegimeTracker, crisis_guard

__all__ = [
    "Confirmation",
    "HistorySummary",
    "PeriodSummary",
    "Reading",
    "RegimeParams",
    "RegimeTracker",
    "classify",
    "crisis_guard",
    "history",
    "summary",
]
