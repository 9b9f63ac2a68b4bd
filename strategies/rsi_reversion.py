"""RSI mean reversion: buy as momentum falls through its floor, leave as it rises through its ceiling."""

from nautilus_qs.signals.rsi import RsiParams
from nautilus_qs.signals.rsi import RsiReversion as RsiRule
from strategies.base import RuleStrategy, RuleStrategyConfig


class RsiReversionConfig(RuleStrategyConfig, frozen=True, kw_only=True):
    """The shell's settings and the rule's parameters."""

    params: RsiParams = RsiParams()


class RsiReversion(RuleStrategy):
    """Trades :class:`nautilus_qs.signals.rsi.RsiReversion`."""

    RULE = RsiRule
