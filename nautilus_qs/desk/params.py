"""Everything the desk decides by."""

from msgspec import Struct, field

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.risk.breakers import BreakerLimits
from nautilus_qs.risk.limits import RiskLimits
from nautilus_qs.sizing import SizingParams


class DeskParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Capital, sizes, limits and breakers.

    Parameters
    ----------
    allocation : AllocationParams
        Capital by strategy and regime; without a default, since money is given in words.
    sizing : SizingParams
        Risk of one entry.
    risk : RiskLimits
        Limits of the portfolio.
    breakers : BreakerLimits
        Circuit breakers.
    crisis_guard : bool
        Whether risk fraction and heat limit take their crisis values on every day labelled crisis, without waiting for
        the confirmation. It only ever adds: a confirmed crisis has them whatever the day is labelled.

    """

    allocation: AllocationParams
    sizing: SizingParams = field(default_factory=SizingParams)
    risk: RiskLimits = field(default_factory=RiskLimits)
    breakers: BreakerLimits = field(default_factory=BreakerLimits)
    crisis_guard: bool = True
