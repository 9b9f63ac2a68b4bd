"""How much worse than the price on the tape a marketable order fills.

Half the spread, plus an impact that grows with the square root of the order's share of the volume.
"""

import math
from types import MappingProxyType

HALF_SPREAD_BPS = MappingProxyType({"index": 1.0, "stock": 3.0, "crypto": 5.0})
"""Half the spread by kind of instrument: index funds, large stocks, crypto."""

IMPACT_BPS = 10.0
"""Impact of an order of 1 % of the mean volume."""

_REFERENCE_SHARE = 0.01
_UNKNOWN_SHARE = 0.10


def slippage_frac(
    half_spread_bps: float,
    quantity: float,
    mean_volume: float | None,
    *,
    impact_bps: float = IMPACT_BPS,
    multiplier: float = 1.0,
) -> float:
    """Return the adverse distance from the tape's price at which `quantity` fills, as a fraction of that price.

    Parameters
    ----------
    half_spread_bps
        Half the spread, in basis points.
    quantity
        Units of the order, positive.
    mean_volume
        Mean volume of the 20 bars before the fill, in the same units. When it is unknown (None, NaN, zero) the order is
        charged as if it took 10 % of the volume, the most that an opening order may take.
    impact_bps
        Impact at a share of 1 %, in basis points.
    multiplier
        Scales spread and impact, for cost stress.

    Examples
    --------
    >>> round(slippage_frac(3.0, quantity=400, mean_volume=10_000) * 1e4, 6)
    23.0
    >>> round(slippage_frac(1.0, quantity=400, mean_volume=None) * 1e4, 4)
    32.6228

    Notes
    -----
    Source: the square-root law of market impact (Almgren, Thum, Hauptmann, Li 2005, "Direct estimation of equity market
    impact"; Tóth et al. 2011), with the scale as a parameter.
    """
    is_known = mean_volume is not None and mean_volume > 0
    share = quantity / mean_volume if is_known and mean_volume is not None else _UNKNOWN_SHARE
    return multiplier * (half_spread_bps + impact_bps * math.sqrt(share / _REFERENCE_SHARE)) / 1e4
