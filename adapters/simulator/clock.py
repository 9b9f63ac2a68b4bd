"""Venue time: stepped by a test, real, or real times a factor; and how it appears on the wire.

Sessions, expiries and the tape live in venue time. What a client sees is wall time: with a speed of 60 a tape's minute
is told as a second, and a tape of last spring is told as of today. Both are one affine map, so that a client may ask
for history in the times that it was told.
"""

import time
from collections.abc import Callable
from enum import StrEnum

NS_PER_SEC = 1_000_000_000
_STAMP_NS = 1_000


class ClockMode(StrEnum):
    """Who moves venue time."""

    STEPPED = "stepped"
    RUNNING = "running"


class VenueClock:
    """The time of a simulated venue.

    Parameters
    ----------
    start_ns
        Venue time at the start, UTC nanoseconds.
    mode
        Stepped time stands still until `advance`; running time follows the wall.
    speed
        Venue seconds in a wall second (> 0); of running time only.
    time_scale
        Factor for the durations of the venue's rules (> 0): a 5 s rule lasts 0.5 s at 0.1.
    wire_start_ns
        Time that is told on the wire for `start_ns`; None is the wall's time now.
    wall
        Wall time, UTC nanoseconds.

    Attributes
    ----------
    skew_ns
        How far the venue's clock is wrong on the wire.

    Examples
    --------
    >>> clock = VenueClock(start_ns=1_000, wire_start_ns=5_000, wall=lambda: 0)
    >>> clock.advance(500)
    >>> clock.now_ns(), clock.wire_ns(clock.now_ns()), clock.venue_ns(5_500)
    (1500, 5500, 1500)

    """

    def __init__(
        self,
        start_ns: int,
        *,
        mode: ClockMode = ClockMode.STEPPED,
        speed: float = 1.0,
        time_scale: float = 1.0,
        wire_start_ns: int | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        if speed <= 0 or time_scale <= 0:
            raise ValueError(f"speed and time_scale must be > 0, were {speed} and {time_scale}")
        self.mode = mode
        self.speed = speed if mode is ClockMode.RUNNING else 1.0
        self.time_scale = time_scale
        self._wall = wall
        self._wall_start_ns = wall()
        self._start_ns = start_ns
        self._wire_start_ns = self._wall_start_ns if wire_start_ns is None else wire_start_ns
        self._stepped_ns = start_ns
        self._last_stamp_ns = 0
        self.skew_ns = 0

    def now_ns(self) -> int:
        """Return venue time."""
        if self.mode is ClockMode.STEPPED:
            return self._stepped_ns
        return self._start_ns + round((self._wall() - self._wall_start_ns) * self.speed)

    def stamp_ns(self) -> int:
        """Return venue time for a record: strictly increasing, so that records can be ordered and paged by it."""
        self._last_stamp_ns = max(self.now_ns(), self._last_stamp_ns + _STAMP_NS)
        return self._last_stamp_ns

    def advance(self, ns: int) -> None:
        """Move stepped time forward."""
        if self.mode is not ClockMode.STEPPED:
            raise ValueError("running time cannot be stepped; start the venues with stepped time")
        if ns < 0:
            raise ValueError(f"time must not go back, was {ns} ns")
        self._stepped_ns += ns

    def advance_to(self, venue_ns: int) -> None:
        """Move stepped time to a time; one that has passed is left alone."""
        if self.mode is ClockMode.STEPPED:
            self._stepped_ns = max(self._stepped_ns, venue_ns)

    def wire_ns(self, venue_ns: int) -> int:
        """Return how a venue time is told on the wire."""
        return self._wire_start_ns + round((venue_ns - self._start_ns) / self.speed) + self.skew_ns

    def venue_ns(self, wire_ns: int) -> int:
        """Return the venue time that was told as `wire_ns`."""
        return self._start_ns + round((wire_ns - self.skew_ns - self._wire_start_ns) * self.speed)

    def wire_now_ns(self) -> int:
        """Return the time as it is told on the wire; never before what has been recorded."""
        return self.wire_ns(max(self.now_ns(), self._last_stamp_ns))

    def rule_secs(self, secs: float) -> float:
        """Return how many wall seconds a rule of the venue lasts here."""
        return secs * self.time_scale

    def rule_ns(self, ns: int) -> int:
        """Return how long a rule of the venue lasts in venue time, for rules that the exchange keeps."""
        return round(ns * self.time_scale)
