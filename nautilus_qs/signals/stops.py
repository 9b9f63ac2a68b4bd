"""The protective stop of one position, bar after bar: fixed, trailing ATR, Chandelier, Parabolic SAR.

A stop is handed each bar that closes while the position is open, the bar of the entry included, and answers with the
price at which the stop must rest from then on. It never moves away from the price: up only for a long, down only for a
short. It starts where the signal put it, whatever its kind, so that the risk of a trade is known before it is taken.

A new level may stand at or beyond the close that produced it (a trailing stop whose ATR has just shrunk). No venue
rests such a stop; ``is_breached`` says so, and the position is to be closed at the next open instead.
"""

from math import isfinite, nan
from typing import NamedTuple, Protocol

from msgspec import Struct

from nautilus_qs.domain import Side, StopKind
from nautilus_qs.errors import ConfigError, DataError
from nautilus_qs.signals.bounds import require_between, require_window


class StopParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The constants of the stops that have constants of their own.

    Parameters
    ----------
    chandelier_bars : int
        Bars of the Chandelier's highest high and of its ATR, current bar included.
    chandelier_atr : float
        ATRs that the Chandelier hangs below the highest high.
    sar_step, sar_max : float
        Acceleration of the Parabolic SAR: its start, which is also its step, and its limit.

    Raises
    ------
    ConfigError
        A value is out of its range.

    """

    chandelier_bars: int = 22
    chandelier_atr: float = 3.0
    sar_step: float = 0.02
    sar_max: float = 0.20

    def __post_init__(self) -> None:
        """Refuse constants with which a stop could not work."""
        require_window("stop_params.chandelier_bars", self.chandelier_bars)
        require_between("stop_params.chandelier_atr", self.chandelier_atr, 0.0, 20.0)
        require_between("stop_params.sar_max", self.sar_max, 0.0, 1.0)
        if not 0.0 < self.sar_step <= self.sar_max:
            raise ConfigError(
                f"sar_step must be in (0, sar_max], was {self.sar_step} with sar_max {self.sar_max}; "
                "set stop_params.sar_step"
            )


class StopInputs(NamedTuple):
    """What a stop may look at when a bar closes.

    ``atr`` is the rule's own; the last three are the Chandelier's (NaN unless it is selected): its ATR, and the highest
    high and lowest low of its window, current bar included.
    """

    high: float
    low: float
    close: float
    atr: float
    window_atr: float = nan
    window_high: float = nan
    window_low: float = nan


class StopState(Struct, frozen=True):
    """A stop between two processes; fields that a kind does not use stay at their defaults."""

    kind: StopKind
    px: float
    extreme: float | None = None
    adverse: float | None = None
    factor: float = 0.0
    is_hung: bool = False


class MovingStop(Protocol):
    """The stop of one position: ``px`` is where it rests, ``is_breached`` whether the last close is at or beyond it."""

    px: float
    is_breached: bool

    def update(self, inputs: StopInputs) -> float:
        """Take one closed bar and return where the stop rests from now on."""
        ...

    def state(self) -> StopState:
        """Return everything needed to go on in another process."""
        ...

    def restore(self, state: StopState) -> None:
        """Go on from a saved state."""
        ...


class FixedStop:
    """Stays where the signal put it."""

    __slots__ = ("_sign", "is_breached", "px")
    kind = StopKind.FIXED

    def __init__(self, side: Side, initial_px: float) -> None:
        self._sign = side.sign
        self.px = initial_px
        self.is_breached = False

    def update(self, inputs: StopInputs) -> float:
        """Take one closed bar and return the stop."""
        return self._move_to(self.px, inputs.close)

    def state(self) -> StopState:
        """Return everything needed to go on in another process."""
        return StopState(self.kind, self.px)

    def restore(self, state: StopState) -> None:
        """Go on from a saved state.

        Raises
        ------
        ConfigError
            The state is of another kind of stop.

        """
        if state.kind is not self.kind:
            raise ConfigError(
                f"a saved stop must be of the kind configured, {self.kind}, was {state.kind}; "
                "set stop back or close the position first"
            )
        self.px = self._tighter(state.px)

    def _tighter(self, px: float) -> float:
        # NaN compares false: a level that could not be computed moves nothing.
        return px if px * self._sign > self.px * self._sign else self.px

    def _move_to(self, level: float, close: float) -> float:
        self.px = self._tighter(level)
        self.is_breached = close * self._sign <= self.px * self._sign
        return self.px


class TrailingAtrStop(FixedStop):
    """Follows k x ATR behind the highest close since entry (above the lowest close for a short)."""

    __slots__ = ("_distance_atr", "_extreme")
    kind = StopKind.TRAILING_ATR

    def __init__(self, side: Side, initial_px: float, *, distance_atr: float) -> None:
        super().__init__(side, initial_px)
        self._distance_atr = distance_atr
        self._extreme: float | None = None

    def update(self, inputs: StopInputs) -> float:
        """Take one closed bar and return the stop."""
        close, sign = inputs.close, self._sign
        if self._extreme is None or close * sign > self._extreme * sign:
            self._extreme = close
        return self._move_to(self._extreme - sign * self._distance_atr * inputs.atr, close)

    def state(self) -> StopState:
        """Return everything needed to go on in another process."""
        return StopState(self.kind, self.px, extreme=self._extreme)

    def restore(self, state: StopState) -> None:
        """Go on from a saved state."""
        super().restore(state)
        self._extreme = state.extreme


class ChandelierStop(FixedStop):
    """Hangs k x ATR below the highest high of the last n bars (above the lowest low for a short).

    The window reaches back before the entry. A position bought after a fall would therefore start with a stop above
    its price: the initial stop holds until the Chandelier first stands on the protective side of a close, and from
    then on it rules.

    Notes
    -----
    Source: C. LeBeau's Chandelier exit, as described by A. Elder, Come Into My Trading Room (2002).

    """

    __slots__ = ("_distance_atr", "_is_hung")
    kind = StopKind.CHANDELIER

    def __init__(self, side: Side, initial_px: float, *, distance_atr: float) -> None:
        super().__init__(side, initial_px)
        self._distance_atr = distance_atr
        self._is_hung = False

    def update(self, inputs: StopInputs) -> float:
        """Take one closed bar and return the stop."""
        sign = self._sign
        extreme = inputs.window_high if sign > 0 else inputs.window_low
        level = extreme - sign * self._distance_atr * inputs.window_atr
        if not self._is_hung:
            self._is_hung = level * sign < inputs.close * sign
        return self._move_to(level if self._is_hung else self.px, inputs.close)

    def state(self) -> StopState:
        """Return everything needed to go on in another process."""
        return StopState(self.kind, self.px, is_hung=self._is_hung)

    def restore(self, state: StopState) -> None:
        """Go on from a saved state."""
        super().restore(state)
        self._is_hung = state.is_hung


class ParabolicStop(FixedStop):
    """Wilder's Parabolic SAR: approaches the extreme price since entry by a share that grows with each new extreme.

    Starts at the initial stop. The share is ``sar_step`` on the bar of the entry, grows by ``sar_step`` with each later
    new extreme, and stops at ``sar_max``. The stop never enters the range of the last two bars since entry.

    Notes
    -----
    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section II.

    """

    __slots__ = ("_adverse", "_extreme", "_factor", "_params")
    kind = StopKind.PARABOLIC

    def __init__(self, side: Side, initial_px: float, *, params: StopParams) -> None:
        super().__init__(side, initial_px)
        self._params = params
        self._extreme: float | None = None
        self._adverse: float | None = None
        self._factor = params.sar_step

    def update(self, inputs: StopInputs) -> float:
        """Take one closed bar and return the stop."""
        sign = self._sign
        best, worst = (inputs.high, inputs.low) if sign > 0 else (inputs.low, inputs.high)
        if self._extreme is None:
            self._extreme = best
        elif best * sign > self._extreme * sign:
            self._extreme = best
            self._factor = min(self._factor + self._params.sar_step, self._params.sar_max)
        level = self.px + self._factor * (self._extreme - self.px)
        border = worst if self._adverse is None else sign * min(worst * sign, self._adverse * sign)
        self._adverse = worst
        return self._move_to(sign * min(level * sign, border * sign), inputs.close)

    def state(self) -> StopState:
        """Return everything needed to go on in another process."""
        return StopState(self.kind, self.px, extreme=self._extreme, adverse=self._adverse, factor=self._factor)

    def restore(self, state: StopState) -> None:
        """Go on from a saved state."""
        super().restore(state)
        self._extreme, self._adverse, self._factor = state.extreme, state.adverse, state.factor


def make_stop(
    kind: StopKind,
    side: Side,
    initial_px: float,
    *,
    trail_atr: float,
    params: StopParams | None = None,
    multiple: float = 1.0,
) -> MovingStop:
    """Return a new stop that rests at `initial_px`.

    Parameters
    ----------
    kind : StopKind
        How it moves.
    side : Side
        Side of the position.
    initial_px : float
        Where the signal put it.
    trail_atr : float
        Distance of the trailing ATR stop from the extreme close, in ATRs.
    params : StopParams, optional
        Constants of the Chandelier and the Parabolic SAR.
    multiple : float
        Widens the distances measured in ATRs (a regime may ask for wider stops); the Parabolic SAR has none.

    Raises
    ------
    DataError
        The initial stop is not a positive price.

    Examples
    --------
    >>> stop = make_stop(StopKind.TRAILING_ATR, Side.LONG, 97.0, trail_atr=1.5)
    >>> stop.update(StopInputs(high=103.0, low=99.0, close=102.0, atr=2.0))
    99.0
    >>> stop.update(StopInputs(high=102.0, low=100.0, close=100.5, atr=2.0))
    99.0

    """
    params = params if params is not None else StopParams()
    px = float(initial_px)
    if not (isfinite(px) and px > 0.0):
        raise DataError(f"an initial stop must be a positive price, was {initial_px}; check the bars of the signal")
    if kind is StopKind.TRAILING_ATR:
        return TrailingAtrStop(side, px, distance_atr=trail_atr * multiple)
    if kind is StopKind.CHANDELIER:
        return ChandelierStop(side, px, distance_atr=params.chandelier_atr * multiple)
    if kind is StopKind.PARABOLIC:
        return ParabolicStop(side, px, params=params)
    return FixedStop(side, px)


def stop_warmup_bars(kind: StopKind, params: StopParams) -> int:
    """Return how many bars a stop's own window needs before a position may be opened (0: none of its own).

    Examples
    --------
    >>> stop_warmup_bars(StopKind.CHANDELIER, StopParams())
    23

    """
    # One more than the window: the first bar has no true range.
    return params.chandelier_bars + 1 if kind is StopKind.CHANDELIER else 0
