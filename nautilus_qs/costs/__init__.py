"""What an order costs: half the spread, the impact of its size, and the venue's fees by date."""

from nautilus_qs.costs.expected import Cost, expected_cost
from nautilus_qs.costs.fees import (
    FeeTable,
    SecFee,
    TafFee,
    Tier,
    TierSchedule,
    commission,
)
from nautilus_qs.costs.slippage import HALF_SPREAD_BPS, IMPACT_BPS, slippage_frac

__all__ = [
    "HALF_SPREAD_BPS",
    "IMPACT_BPS",
    "Cost",
    "FeeTable",
    "SecFee",
    "TafFee",
    "Tier",
    "TierSchedule",
    "commission",
    "expected_cost",
    "slippage_frac",
]
