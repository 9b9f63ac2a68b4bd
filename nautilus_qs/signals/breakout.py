"""Breakout momentum: buy a new high on unusual volume, follow it with a trailing stop."""

import numpy as np
from msgspec import Struct

from nautilus_qs.domain import Direction, Side, Signal, StopKind
from nautilus_qs.signals.bounds import require_between, require_distances, require_window
from nautilus_qs.signals.rule import VOLUME_BARS, Numbers, capped, entry_signal, exit_signal, trail_of
from nautilus_qs.signals.stops import MovingStop, StopParams, stop_warmup_bars


class BreakoutParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of breakout momentum.

    Parameters
    ----------
    entry_bars : int
        Bars before the current one whose highest high must be broken.
    exit_bars : int
        Bars before the current one whose lowest low ends a long.
    volume_bars : int
        Bars before the current one whose mean volume is the usual.
    min_relative_volume : float
        The breaking bar's volume over the usual must be above it.
    atr_period : int
        True ranges in the ATR.
    stop_atr : float
        ATRs from the signal's close to the first stop; also the distance of a trailing ATR stop.
    target_atr : float or None
        ATRs from the signal's close to the target; None (the default) lets profits run.
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

    entry_bars: int = 20
    exit_bars: int = 10
    volume_bars: int = 20
    min_relative_volume: float = 1.5
    atr_period: int = 14
    stop_atr: float = 1.5
    target_atr: float | None = None
    stop: StopKind = StopKind.TRAILING_ATR
    stop_params: StopParams = StopParams()
    direction: Direction = Direction.LONG

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        require_window("entry_bars", self.entry_bars)
        require_window("exit_bars", self.exit_bars)
        require_window("volume_bars", self.volume_bars)
        require_between("min_relative_volume", self.min_relative_volume, 0.0, 100.0)
        require_window("atr_period", self.atr_period)
        require_distances(self.stop_atr, self.target_atr)


class Breakout:
    """Enter when close > highest high before it on relative volume above its minimum; leave below the short channel.

    Shorts mirror it: close < lowest low before it; leave when close > the short channel's high.
    """

    name = "breakout"
    columns = ("close", "atr", "channel_high", "channel_low", "exit_high", "exit_low", "relative_volume")

    def __init__(self, params: BreakoutParams | None = None) -> None:
        self.params = params = params if params is not None else BreakoutParams()
        self.direction = params.direction
        self.stop_kind = params.stop
        self.warmup_bars = max(
            params.entry_bars + 1,
            params.exit_bars + 1,
            params.volume_bars + 1,
            params.atr_period + 1,
            VOLUME_BARS,
            stop_warmup_bars(params.stop, params.stop_params),
        )
        self._min_volume = params.min_relative_volume
        self._stop_atr = params.stop_atr
        self._is_both_sides = params.direction is Direction.LONG_SHORT

    def entry(self, instrument_id: str, numbers: tuple[float, ...]) -> Signal | None:
        """Return the signal to enter that the bar gives, None when it gives none.

        The confidence is 0.5 + 0.25 x min(1, (close - channel high) / ATR) + 0.25 x min(1, (relative volume - minimum)
        / minimum), mirrored for a short.
        """
        side = self._side(numbers)
        if side is None:
            return None
        close, atr, channel_high, channel_low, _, _, volume = numbers
        if side is Side.LONG:
            beyond = close - channel_high
            where = f"close {close:.6g} > channel high {channel_high:.6g}"
        else:
            beyond = channel_low - close
            where = f"close {close:.6g} < channel low {channel_low:.6g}"
        least = self._min_volume
        return entry_signal(
            self,
            instrument_id,
            side,
            numbers,
            confidence=0.5 + 0.25 * min(1.0, beyond / atr) + 0.25 * min(1.0, (volume - least) / least),
            reason=f"{where}, relative volume {volume:.2f} > {least:g}",
            stop_atr=self._stop_atr,
            target_atr=self.params.target_atr,
        )

    def exit(self, instrument_id: str, numbers: tuple[float, ...], side: Side) -> Signal | None:
        """Return the signal to leave a position of `side` (reason ``channel``), None to stay."""
        close, _, _, _, exit_high, exit_low, _ = numbers
        is_broken = close < exit_low if side is Side.LONG else close > exit_high
        return exit_signal(self, instrument_id, side, numbers, reason="channel") if is_broken else None

    def nearness(self, numbers: Numbers) -> Numbers:
        """Return how near to an entry bars came that gave none: the smaller of two shares, at most 0.99.

        The place of the close in the channel (0 at its low, 1 at its high), and the relative volume over its minimum;
        the better side where both may be taken. 0 where the channel has no height.
        """
        close, _, channel_high, channel_low, _, _, volume = numbers.T
        height = channel_high - channel_low
        is_high = height > 0.0
        place = (close - channel_low) / np.where(is_high, height, 1.0)
        if self._is_both_sides:
            place = np.maximum(place, 1.0 - place)
        return capped(np.where(is_high, np.minimum(place, volume / self._min_volume), 0.0))

    def trail(self, side: Side, stop_px: float, *, multiple: float = 1.0) -> MovingStop | None:
        """Return the stop of a new position, None when it is fixed."""
        return trail_of(self.params, side, stop_px, multiple=multiple)

    def _side(self, numbers: tuple[float, ...]) -> Side | None:
        close, atr, channel_high, channel_low, _, _, volume = numbers
        if volume <= self._min_volume:
            return None
        # No range, or a stop at or below zero: the risk of the trade cannot be stated, so there is none.
        if close > channel_high:
            return Side.LONG if 0.0 < self._stop_atr * atr < close else None
        return Side.SHORT if self._is_both_sides and close < channel_low and atr > 0.0 else None
