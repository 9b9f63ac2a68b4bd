"""Bollinger bounce: buy below the lower band while momentum is weak, leave at the middle."""

from nautilus_qs.signals.bollinger import BollingerBounce as BollingerRule
from nautilus_qs.signals.bollinger import BollingerParams
from strategies.base import RuleStrategy, RuleStrategyConfig


class BollingerBounceConfig(RuleStrategyConfig, frozen=True, kw_only=True):
    """The shell's settings and the rule's parameters."""

    params: BollingerParams = BollingerParams()


class BollingerBounce(RuleStrategy):
    """Trades :class:`nautilus_qs.signals.bollinger.BollingerBounce`."""

    RULE = BollingerRule
