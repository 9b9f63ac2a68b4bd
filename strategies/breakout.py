"""Breakout momentum: buy a new high on unusual volume, follow it with a trailing stop."""

from nautilus_qs.signals.breakout import Breakout as BreakoutRule
from nautilus_qs.signals.breakout import BreakoutParams
from strategies.base import RuleStrategy, RuleStrategyConfig


class BreakoutConfig(RuleStrategyConfig, frozen=True, kw_only=True):
    """The shell's settings and the rule's parameters."""

    params: BreakoutParams = BreakoutParams()


class Breakout(RuleStrategy):
    """Trades :class:`nautilus_qs.signals.breakout.Breakout`."""

    RULE = BreakoutRule
