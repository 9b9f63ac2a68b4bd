"""What every rule is: pure, without memory, the same answer to the same numbers."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nautilus_qs.domain import Action, Direction, Side, Signal, StopKind
from nautilus_qs.signals.stops import MovingStop, StopParams, make_stop

Numbers = NDArray[np.float64]

VOLUME_BARS = 20
"""Bars of the mean volume that limits an order's participation; every rule waits for them."""

ALMOST = 0.99
"""The greatest nearness of a bar that did not fire: 1 is kept for those that did."""


class Rule(Protocol):
    """An idea about one instrument: when to enter, and when to leave for a reason of its own.

    A rule sees ``numbers``, the values of its ``columns`` on one closed bar, and nothing else: whatever it must know of
    the bar before is a column. The first two columns are always ``close`` and ``atr``.

    Attributes
    ----------
    name : str
        The name in weights, limits and results.
    columns : tuple of str
        Names of the numbers, in order.
    warmup_bars : int
        Bars until the first numbers: the bar with this ordinal (from 1) is the first on which the rule may speak.
    direction : Direction
        Long only, or every rule mirrored for shorts.
    stop_kind : StopKind
        How the protective stop moves.

    """

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def warmup_bars(self) -> int: ...

    @property
    def direction(self) -> Direction: ...

    @property
    def stop_kind(self) -> StopKind: ...

    def entry(self, instrument_id: str, numbers: tuple[float, ...]) -> Signal | None:
        """Return the signal to enter that the bar gives, None when it gives none."""
        ...

    def exit(self, instrument_id: str, numbers: tuple[float, ...], side: Side) -> Signal | None:
        """Return the signal to leave a position of `side`, None to stay; stop and target are not the rule's concern."""
        ...

    def nearness(self, numbers: Numbers) -> Numbers:
        """Return how near to an entry bars came that gave none, in [0, 0.99].

        Parameters
        ----------
        numbers
            Many bars at once, shape ``(n_bars, n_columns)``: it is asked of every bar, and only for the record.

        Returns
        -------
        ndarray
            Shape ``(n_bars,)``. What it says of a bar that gives an entry has no meaning: such a bar counts as 1.

        """
        ...

    def trail(self, side: Side, stop_px: float, *, multiple: float = 1.0) -> MovingStop | None:
        """Return the stop of a new position, None when it stays where it is."""
        ...


class StopChoice(Protocol):
    """The part of a rule's parameters that says how its stop moves."""

    @property
    def stop(self) -> StopKind: ...

    @property
    def stop_atr(self) -> float: ...

    @property
    def stop_params(self) -> StopParams: ...


def trail_of(choice: StopChoice, side: Side, stop_px: float, *, multiple: float) -> MovingStop | None:
    """Return the stop that `choice` asks for, None when it is fixed: a stop that never moves needs no bars."""
    if choice.stop is StopKind.FIXED:
        return None
    return make_stop(
        choice.stop, side, stop_px, trail_atr=choice.stop_atr, params=choice.stop_params, multiple=multiple
    )


def entry_signal(
    rule: Rule,
    instrument_id: str,
    side: Side,
    numbers: tuple[float, ...],
    *,
    confidence: float,
    reason: str,
    stop_atr: float,
    target_atr: float | None,
) -> Signal:
    """Return the signal to enter, stop and target at the bar's close -/+ a multiple of its ATR.

    A short whose target would not be a positive price has none.
    """
    close, atr = numbers[0], numbers[1]
    target_px = None if target_atr is None else close + side.sign * target_atr * atr
    return Signal(
        instrument_id=instrument_id,
        action=Action.ENTER,
        side=side,
        confidence=confidence,
        reference_px=close,
        stop_px=close - side.sign * stop_atr * atr,
        target_px=target_px if target_px is not None and target_px > 0.0 else None,
        reason=reason,
        numbers=numbers,
        columns=rule.columns,
    )


def exit_signal(rule: Rule, instrument_id: str, side: Side, numbers: tuple[float, ...], *, reason: str) -> Signal:
    """Return the signal to leave a position of `side`: a rule that says leave is certain of it (confidence 1)."""
    return Signal(
        instrument_id=instrument_id,
        action=Action.EXIT,
        side=side,
        confidence=1.0,
        reference_px=numbers[0],
        stop_px=None,
        target_px=None,
        reason=reason,
        numbers=numbers,
        columns=rule.columns,
    )


def capped(share: Numbers) -> Numbers:
    """Return the nearness of bars that did not fire: `share` held within [0, 0.99].

    Examples
    --------
    >>> capped(np.array([1.7, -0.2, 0.5])).tolist()
    [0.99, 0.0, 0.5]

    """
    return np.clip(share, 0.0, ALMOST)
