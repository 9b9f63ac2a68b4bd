"""Entry and exit rules, one file an idea: numbers of one closed bar in, a signal or nothing out; and the stops."""

from nautilus_qs.signals.bollinger import BollingerBounce, BollingerParams, ExitBand
from nautilus_qs.signals.breakout import Breakout, BreakoutParams
from nautilus_qs.signals.rsi import RsiParams, RsiReversion
from nautilus_qs.signals.rule import VOLUME_BARS, Rule
from nautilus_qs.signals.stops import MovingStop, StopInputs, StopParams, StopState, make_stop

__all__ = [
    "VOLUME_BARS",
    "BollingerBounce",
    "BollingerParams",
    "Breakout",
    "BreakoutParams",
    "ExitBand",
    "MovingStop",
    "RsiParams",
    "RsiReversion",
    "Rule",
    "StopInputs",
    "StopParams",
    "StopState",
    "make_stop",
]
