"""What may be opened: limits and their checks, correlation, circuit breakers, and the gate that every order passes."""

from nautilus_qs.risk.breakers import (
    Breaker,
    BreakerChange,
    BreakerEvent,
    BreakerLimits,
    Breakers,
    BreakerStore,
)
from nautilus_qs.risk.checks import Ask
from nautilus_qs.risk.correlation import ReturnsBook
from nautilus_qs.risk.gate import Gate, OrderFacts
from nautilus_qs.risk.limits import CorrelationMode, InstrumentLimit, MarginRule, RiskLimits, VenueAccount

__all__ = [
    "Ask",
    "Breaker",
    "BreakerChange",
    "BreakerEvent",
    "BreakerLimits",
    "BreakerStore",
    "Breakers",
    "CorrelationMode",
    "Gate",
    "InstrumentLimit",
    "MarginRule",
    "OrderFacts",
    "ReturnsBook",
    "RiskLimits",
    "VenueAccount",
]
