"""One day's numbers to a regime label: the regions, and the nearest region for a day that lies in none.

The regions are stated in two numbers of the reference instrument: the slope of its 50-day average in degrees per day
and the ratio of its short to its long average true range. VIX and market breadth add a crisis rule and a doubt. Both
must be those of the PREVIOUS session's close: the day's own are published after the bell, so a caller that passes them
looks ahead, and nothing here can notice it.
"""

import math

from msgspec import Struct

from nautilus_qs.domain import Regime
from nautilus_qs.errors import ConfigError, DataError

_TIE = 1e-9  # 0.35 / 0.4 computed from either side differs in the last bit; such a tie is still a tie


class RegimeParams(Struct, frozen=True, forbid_unknown_fields=True):
    """The borders of the regions, and how a label becomes the regime in force.

    Parameters
    ----------
    slope_threshold_deg : float
        T: a slope beyond it (either sign) is a trend; degrees per day, in (0, 90). It also scales distances in slope.
    crisis_vix, crisis_ratio : float
        A VIX or an ATR ratio strictly above these is a crisis.
    trend_ratio : float
        A trend region needs an ATR ratio strictly below it.
    choppy_ratio, range_ratio : float
        Without a trend: strictly above the first is high-vol choppy, strictly below the second low-vol range.
    ratio_scale : float
        Scales distances in the ATR ratio.
    confirmation_days : int
        Consecutive days with one label until it is in force.
    missing_factor : float
        Multiplies the confidence once for each missing input, in (0, 1].
    breadth_midpoint, breadth_factor : float
        Breadth on the other side of the midpoint multiplies a trend's confidence by the factor.

    Raises
    ------
    ConfigError
        A value is outside its range, or the ratio limits are out of order.

    """

    slope_threshold_deg: float = 2.0
    crisis_vix: float = 30.0
    crisis_ratio: float = 2.0
    trend_ratio: float = 1.2
    choppy_ratio: float = 1.5
    range_ratio: float = 0.8
    ratio_scale: float = 0.4
    confirmation_days: int = 3
    missing_factor: float = 0.9
    breadth_midpoint: float = 0.5
    breadth_factor: float = 0.5

    def __post_init__(self) -> None:
        """Refuse borders that would make a region empty, endless or overlapping."""
        _require_within("slope_threshold_deg", self.slope_threshold_deg, 90.0, is_open=True)
        _require_within("crisis_vix", self.crisis_vix, 100.0)
        for name in ("crisis_ratio", "trend_ratio", "choppy_ratio", "range_ratio", "ratio_scale"):
            _require_within(name, getattr(self, name), 10.0)
        _require_within("missing_factor", self.missing_factor, 1.0)
        _require_within("breadth_midpoint", self.breadth_midpoint, 1.0, is_open=True)
        _require_within("breadth_factor", self.breadth_factor, 1.0)
        if not 1 <= self.confirmation_days <= 60:
            raise ConfigError(
                f"confirmation_days must be in [1, 60], was {self.confirmation_days}; "
                "set regime.params.confirmation_days"
            )
        if not self.range_ratio < self.choppy_ratio < self.crisis_ratio or self.trend_ratio > self.crisis_ratio:
            raise ConfigError(
                "range_ratio < choppy_ratio < crisis_ratio and trend_ratio <= crisis_ratio must hold, was "
                f"{self.range_ratio}, {self.choppy_ratio}, {self.crisis_ratio} and {self.trend_ratio}; "
                "set regime.params.range_ratio, choppy_ratio, crisis_ratio or trend_ratio"
            )


class Reading(Struct, frozen=True):
    """What one day says: its label, the confidence in it (in [0, 1]), and which of vix and breadth were missing."""

    label: Regime
    confidence: float
    missing: tuple[str, ...] = ()


def classify(
    slope_deg: float,
    atr_ratio: float,
    *,
    vix: float | None,
    breadth: float | None,
    in_force: Regime,
    params: RegimeParams,
) -> Reading:
    """Label one day.

    Crisis is tested first and reached by its own rule only. A day in none of the other regions takes the nearest, by
    the larger of the distance in slope / T and the distance in ratio / ``ratio_scale``; a tie goes to the regime in
    force, else to the first of bull, bear, choppy, range. Confidence is 1 - that distance, not below 0, times the
    factors for missing inputs and for a breadth that contradicts the trend.

    Parameters
    ----------
    slope_deg : float
        Slope of the 50-day average, degrees per day.
    atr_ratio : float
        ATR(20) / ATR(100).
    vix, breadth : float or None
        As of the PREVIOUS session's close; breadth as a fraction. None and NaN both mean missing.
    in_force : Regime
        The regime in force before this day; it decides ties and nothing else.
    params : RegimeParams
        The borders.

    Returns
    -------
    Reading
        Label, confidence and the names of the missing inputs.

    Raises
    ------
    DataError
        Slope or ratio is not finite (a window is not full: there is nothing to label), the ratio or the VIX is
        negative, or breadth is not a fraction.

    Examples
    --------
    A falling market with a ratio of 1.4 lies in no region; bear trending is 0.2 / 0.4 away:

    >>> params = RegimeParams()
    >>> reading = classify(-3.0, 1.4, vix=25.0, breadth=0.3, in_force=Regime.NONE, params=params)
    >>> str(reading.label), round(reading.confidence, 6)
    ('bear_trending', 0.5)
    >>> str(classify(3.0, 1.0, vix=30.5, breadth=None, in_force=Regime.NONE, params=params).label)
    'crisis'

    """
    vix, breadth = _present(vix), _present(breadth)
    _require_plausible(slope_deg, atr_ratio, vix=vix, breadth=breadth)
    missing = tuple(name for name, value in (("vix", vix), ("breadth", breadth)) if value is None)
    if atr_ratio > params.crisis_ratio or (vix is not None and vix > params.crisis_vix):
        label, distance = Regime.CRISIS, 0.0
    else:
        label, distance = _nearest(slope_deg, atr_ratio, in_force, params)
    confidence = max(0.0, 1.0 - distance) * params.missing_factor ** len(missing)
    if breadth is not None and _is_contradicted(label, breadth, params):
        confidence *= params.breadth_factor
    return Reading(label=label, confidence=confidence, missing=missing)


def _nearest(slope_deg: float, atr_ratio: float, in_force: Regime, params: RegimeParams) -> tuple[Regime, float]:
    """Return the region that holds the day (distance 0), else the nearest one and its distance."""
    threshold = params.slope_threshold_deg
    calm, is_flat = atr_ratio < params.trend_ratio, abs(slope_deg) <= threshold
    # Membership before distance: a day on a region's open border has distance 0 to it without lying in it.
    for label, holds in (
        (Regime.BULL_TRENDING, slope_deg > threshold and calm),
        (Regime.BEAR_TRENDING, slope_deg < -threshold and calm),
        (Regime.HIGH_VOL_CHOPPY, is_flat and atr_ratio > params.choppy_ratio),
        (Regime.LOW_VOL_RANGE, is_flat and atr_ratio < params.range_ratio),
    ):
        if holds:
            return label, 0.0
    trend_excess, flat_excess = atr_ratio - params.trend_ratio, abs(slope_deg) - threshold
    distances = {
        Regime.BULL_TRENDING: _distance(threshold - slope_deg, trend_excess, params),
        Regime.BEAR_TRENDING: _distance(threshold + slope_deg, trend_excess, params),
        Regime.HIGH_VOL_CHOPPY: _distance(flat_excess, params.choppy_ratio - atr_ratio, params),
        Regime.LOW_VOL_RANGE: _distance(flat_excess, atr_ratio - params.range_ratio, params),
    }
    shortest = min(distances.values())
    tied = [label for label, distance in distances.items() if distance <= shortest + _TIE]
    return (in_force if in_force in tied else tied[0]), shortest


def _distance(slope_gap: float, ratio_gap: float, params: RegimeParams) -> float:
    return max(0.0, slope_gap / params.slope_threshold_deg, ratio_gap / params.ratio_scale)


def _is_contradicted(label: Regime, breadth: float, params: RegimeParams) -> bool:
    if label is Regime.BULL_TRENDING:
        return breadth < params.breadth_midpoint
    return label is Regime.BEAR_TRENDING and breadth > params.breadth_midpoint


def _present(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _require_plausible(slope_deg: float, atr_ratio: float, *, vix: float | None, breadth: float | None) -> None:
    if not (math.isfinite(slope_deg) and math.isfinite(atr_ratio) and atr_ratio >= 0.0):
        raise DataError(
            f"slope_deg and atr_ratio must be finite and the ratio not negative, was {slope_deg} and {atr_ratio}; "
            "wait until both windows are full"
        )
    if vix is not None and not 0.0 <= vix < math.inf:
        raise DataError(f"vix must be a number >= 0, was {vix}; check the volatility series")
    if breadth is not None and not 0.0 <= breadth <= 1.0:
        raise DataError(f"breadth must be a fraction in [0, 1], was {breadth}; divide a percentage by 100")


def _require_within(name: str, value: float, high: float, *, is_open: bool = False) -> None:
    if not (0.0 < value < high or (value == high and not is_open)):
        raise ConfigError(
            f"{name} must be in (0, {high:g}{')' if is_open else ']'}, was {value}; set regime.params.{name}"
        )
