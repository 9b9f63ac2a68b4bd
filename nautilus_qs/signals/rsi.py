"""RSI mean reversion: buy as momentum falls through its floor, leave as it rises through its ceiling."""

import numpy as np
from msgspec import Struct

from nautilus_qs.domain import Direction, Side, Signal, StopKind
from nautilus_qs.errors import ConfigError
from nautilus_qs.signals.bounds import require_distances, require_window
from nautilus_qs.signals.rule import VOLUME_BARS, Numbers, capped, entry_signal, exit_signal, trail_of
from nautilus_qs.signals.stops import MovingStop, StopParams, stop_warmup_bars


class RsiParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of RSI mean reversion.

    Parameters
    ----------
    rsi_period : int
        Period of Wilder's RSI.
    entry_level : float
        A long enters as the RSI crosses below it, a short as it crosses above 100 minus it; in (0, 50].
    exit_level : float
        A long leaves as the RSI crosses above it, a short as it crosses below 100 minus it; in (entry_level, 100).
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

    rsi_period: int = 14
    entry_level: float = 30.0
    exit_level: float = 70.0
    atr_period: int = 14
    stop_atr: float = 2.0
    target_atr: float | None = 3.0
    stop: StopKind = StopKind.FIXED
    stop_params: StopParams = StopParams()
    direction: Direction = Direction.LONG

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        require_window("rsi_period", self.rsi_period)
        require_window("atr_period", self.atr_period)
        require_distances(self.stop_atr, self.target_atr)
        if not (0.0 < self.entry_level <= 50.0 and self.entry_level < self.exit_level < 100.0):
            raise ConfigError(
                "0 < entry_level <= 50 and entry_level < exit_level < 100 must hold, was "
                f"{self.entry_level} and {self.exit_level}; set entry_level, exit_level"
            )


class RsiReversion:
    """Enter as the RSI crosses below the entry level, leave as it crosses above the exit level.

    "Crosses below L": at or above L on the bar before, below L on this one. Shorts mirror it around 50.
    """

    name = "rsi_reversion"
    columns = ("close", "atr", "rsi", "rsi_before")

    def __init__(self, params: RsiParams | None = None) -> None:
        self.params = params = params if params is not None else RsiParams()
        self.direction = params.direction
        self.stop_kind = params.stop
        self.warmup_bars = max(
            params.rsi_period + 2,
            params.atr_period + 1,
            VOLUME_BARS,
            stop_warmup_bars(params.stop, params.stop_params),
        )
        self._level = params.entry_level
        self._stop_atr = params.stop_atr
        self._is_both_sides = params.direction is Direction.LONG_SHORT

    def entry(self, instrument_id: str, numbers: tuple[float, ...]) -> Signal | None:
        """Return the signal to enter that the bar gives, None when it gives none.

        The confidence is 0.5 + 0.5 x min(1, (level - RSI) / half the level), which is (30 - RSI) / 15 by default,
        mirrored for a short.
        """
        side = self._side(numbers)
        if side is None:
            return None
        _, _, rsi, before = numbers
        level = self._level
        if side is Side.LONG:
            depth = level - rsi
            reason = f"RSI {rsi:.1f} crossed below {level:g}, was {before:.1f}"
        else:
            depth = rsi - (100.0 - level)
            reason = f"RSI {rsi:.1f} crossed above {100.0 - level:g}, was {before:.1f}"
        return entry_signal(
            self,
            instrument_id,
            side,
            numbers,
            confidence=0.5 + 0.5 * min(1.0, 2.0 * depth / level),
            reason=reason,
            stop_atr=self._stop_atr,
            target_atr=self.params.target_atr,
        )

    def exit(self, instrument_id: str, numbers: tuple[float, ...], side: Side) -> Signal | None:
        """Return the signal to leave a position of `side` (reason ``rsi_cross``), None to stay."""
        _, _, rsi, before = numbers
        level = self.params.exit_level
        is_crossed = before <= level < rsi if side is Side.LONG else rsi < 100.0 - level <= before
        return exit_signal(self, instrument_id, side, numbers, reason="rsi_cross") if is_crossed else None

    def nearness(self, numbers: Numbers) -> Numbers:
        """Return how near to an entry bars came that gave none: the way from an RSI of 100 to the level it has gone.

        At most 0.99; 0 while the RSI stays beyond the level, since it must come back before it can cross again. The
        better side where both may be taken.
        """
        rsi, level = numbers[:, 2], self._level
        span = 100.0 - level
        near = np.where(rsi >= level, (100.0 - rsi) / span, 0.0)
        if self._is_both_sides:
            near = np.where(rsi <= span, np.maximum(near, rsi / span), near)
        return capped(near)

    def trail(self, side: Side, stop_px: float, *, multiple: float = 1.0) -> MovingStop | None:
        """Return the stop of a new position, None when it is fixed."""
        return trail_of(self.params, side, stop_px, multiple=multiple)

    def _side(self, numbers: tuple[float, ...]) -> Side | None:
        close, atr, rsi, before = numbers
        level = self._level
        if rsi < level <= before:
            # No range, or a stop at or below zero: the risk of the trade cannot be stated, so there is none.
            if 0.0 < self._stop_atr * atr < close:
                return Side.LONG
        elif self._is_both_sides and before <= 100.0 - level < rsi and atr > 0.0:
            return Side.SHORT
        return None
