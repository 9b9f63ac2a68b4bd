"""A bar as plain numbers, taken out of the engine's object once, however many components read it."""

from typing import Any

RawBar = tuple[str, int, float, float, float, float, float]
"""Instrument id, time of the close (UTC nanoseconds), open, high, low, close, volume."""

_NO_BAR: RawBar = ("", 0, 0.0, 0.0, 0.0, 0.0, 0.0)


class _Reader:
    """Remembers the last bar read."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._raw = _NO_BAR

    def __call__(self, bar: Any) -> RawBar:
        if bar is self._bar:
            return self._raw
        self._bar = bar
        self._raw = (
            bar.bar_type.instrument_id.value,
            bar.ts_event,
            bar.open.as_double(),
            bar.high.as_double(),
            bar.low.as_double(),
            bar.close.as_double(),
            bar.volume.as_double(),
        )
        return self._raw


raw_of = _Reader()
"""Return a bar's numbers.

Every field of a bar is a new object on each access, which costs more than most of what is done with it, and the bus
hands one bar to all its readers in turn: the last one is remembered.
"""
