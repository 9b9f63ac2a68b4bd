"""Bollinger bounce: buy a close below the lower band while momentum is weak, leave at the middle."""

from enum import StrEnum

import numpy as np
from msgspec import Struct

from nautilus_qs.domain import Direction, Side, Signal, StopKind
from nautilus_qs.signals.bounds import require_between, require_distances, require_window
from nautilus_qs.signals.rule import VOLUME_BARS, Numbers, capped, entry_signal, exit_signal, trail_of
from nautilus_qs.signals.stops import MovingStop, StopParams, stop_warmup_bars


class ExitBand(StrEnum):
    """The band at which a long leaves; ``UPPER`` is the lower band for a short."""

    MIDDLE = "middle"
    UPPER = "upper"


class BollingerParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the Bollinger bounce.

    Parameters
    ----------
    bb_period : int
        Closes in the bands.
    bb_std : float
        Half width of the bands in population standard deviations.
    rsi_period : int
        Period of Wilder's RSI.
    rsi_threshold : float
        A long needs an RSI below it, a short one above 100 minus it; in (0, 50].
    exit_band : ExitBand
        Where the rule leaves.
    atr_period : int
        True ranges in the ATR.
    stop_atr : float
        ATRs from the signal's close to the stop; also the distance of a trailing ATR stop.
    target_atr : float or None
        ATRs from the signal's close to the target; None for no target.
    stop : StopKind
        How the stop moves.
    stop_params : StopParams
        Constants of the Chandelier and the Parabolic SAR.
    direction : Direction
        Long only, or both sides.

    Raises
    ------
    ConfigError
        A value is out of its range.

    """

    bb_period: int = 20
    bb_std: float = 2.0
    rsi_period: int = 14
    rsi_threshold: float = 40.0
    exit_band: ExitBand = ExitBand.MIDDLE
    atr_period: int = 14
    stop_atr: float = 2.0
    target_atr: float | None = 3.0
    stop: StopKind = StopKind.FIXED
    stop_params: StopParams = StopParams()
    direction: Direction = Direction.LONG

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        require_window("bb_period", self.bb_period)
        require_between("bb_std", self.bb_std, 0.0, 10.0)
        require_window("rsi_period", self.rsi_period)
        # Above 50 a long and a short could both be meant by one RSI.
        require_between("rsi_threshold", self.rsi_threshold, 0.0, 50.0)
        require_window("atr_period", self.atr_period)
        require_distances(self.stop_atr, self.target_atr)


class BollingerBounce:
    """Enter when close < lower band and RSI < threshold; leave when close >= middle (or upper) band.

    Shorts mirror it: close > upper band and RSI > 100 - threshold; leave at or below the middle (or lower) band.
    """

    name = "bollinger_bounce"
    columns = ("close", "atr", "lower", "middle", "upper", "rsi")

    def __init__(self, params: BollingerParams | None = None) -> None:
        self.params = params = params if params is not None else BollingerParams()
        self.direction = params.direction
        self.stop_kind = params.stop
        self.warmup_bars = max(
            params.bb_period,
            params.rsi_period + 1,
            params.atr_period + 1,
            VOLUME_BARS,
            stop_warmup_bars(params.stop, params.stop_params),
        )
        self._threshold = params.rsi_threshold
        self._stop_atr = params.stop_atr
        self._is_both_sides = params.direction is Direction.LONG_SHORT

    def entry(self, instrument_id: str, numbers: tuple[float, ...]) -> Signal | None:
        """Return the signal to enter that the bar gives, None when it gives none.

        The confidence is 0.5 + 0.25 x min(1, (lower - close) / ATR) + 0.25 x min(1, (threshold - RSI) / threshold),
        mirrored for a short.
        """
        side = self._side(numbers)
        if side is None:
            return None
        close, atr, lower, _, upper, rsi = numbers
        threshold = self._threshold
        if side is Side.LONG:
            beyond, weakness = lower - close, threshold - rsi
            reason = f"close {close:.6g} < lower band {lower:.6g}, RSI {rsi:.1f} < {threshold:g}"
        else:
            beyond, weakness = close - upper, rsi - (100.0 - threshold)
            reason = f"close {close:.6g} > upper band {upper:.6g}, RSI {rsi:.1f} > {100.0 - threshold:g}"
        return entry_signal(
            self,
            instrument_id,
            side,
            numbers,
            confidence=0.5 + 0.25 * min(1.0, beyond / atr) + 0.25 * min(1.0, weakness / threshold),
            reason=reason,
            stop_atr=self._stop_atr,
            target_atr=self.params.target_atr,
        )

    def exit(self, instrument_id: str, numbers: tuple[float, ...], side: Side) -> Signal | None:
        """Return the signal to leave a position of `side` (reason: the band reached), None to stay."""
        close, _, lower, middle, upper, _ = numbers
        is_middle = self.params.exit_band is ExitBand.MIDDLE
        if side is Side.LONG:
            is_reached, reason = close >= (middle if is_middle else upper), "upper_band"
        else:
            is_reached, reason = close <= (middle if is_middle else lower), "lower_band"
        if not is_reached:
            return None
        return exit_signal(self, instrument_id, side, numbers, reason="middle_band" if is_middle else reason)

    def nearness(self, numbers: Numbers) -> Numbers:
        """Return how near to an entry bars came that gave none: the smaller of two shares, at most 0.99.

        The way from the middle to the band that the close has gone, and the way from an RSI of 100 to the threshold
        that the RSI has gone; the better side where both may be taken. 0 where the bands have no width.
        """
        close, _, lower, middle, _, rsi = numbers.T
        half_width = middle - lower
        is_wide = half_width > 0.0
        way = (middle - close) / np.where(is_wide, half_width, 1.0)
        span = 100.0 - self._threshold
        near = np.minimum(way, (100.0 - rsi) / span)
        if self._is_both_sides:
            near = np.maximum(near, np.minimum(-way, rsi / span))
        return capped(np.where(is_wide, near, 0.0))

    def trail(self, side: Side, stop_px: float, *, multiple: float = 1.0) -> MovingStop | None:
        """Return the stop of a new position, None when it is fixed."""
        return trail_of(self.params, side, stop_px, multiple=multiple)

    def _side(self, numbers: tuple[float, ...]) -> Side | None:
        close, atr, lower, _, upper, rsi = numbers
        if close < lower:
            # No range, or a stop at or below zero: the risk of the trade cannot be stated, so there is none.
            if rsi < self._threshold and 0.0 < self._stop_atr * atr < close:
                return Side.LONG
        elif self._is_both_sides and close > upper and rsi > 100.0 - self._threshold and atr > 0.0:
            return Side.SHORT
        return None
