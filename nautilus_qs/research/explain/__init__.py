"""Why a bar was traded, or why not: what each strategy saw on it, what the desk answered, and what followed."""

from nautilus_qs.research.explain.card import (
    Card,
    CheckCard,
    DecisionCard,
    FillCard,
    OrderCard,
    RegimeCard,
    StrategyCard,
    TradeCard,
)
from nautilus_qs.research.explain.reading import explain
from nautilus_qs.research.explain.words import render_text

__all__ = [
    "Card",
    "CheckCard",
    "DecisionCard",
    "FillCard",
    "OrderCard",
    "RegimeCard",
    "StrategyCard",
    "TradeCard",
    "explain",
    "render_text",
]
