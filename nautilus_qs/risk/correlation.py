"""Correlation of daily returns between what is held and what is asked for, cheap enough to ask at every entry.

Returns are taken between days that both instruments have: a share's Friday to Monday is held against the coin's Friday
to Monday, not against its Sunday to Monday. Instruments with the same last days share one matrix of standardised
returns, so that one against all others is one product; pairs with different calendars are aligned one by one and kept.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nautilus_qs.errors import DataError

_CONSTANT = 1e-12  # a norm of returns below this is rounding: the price did not move, and nothing correlates with it


class ReturnsBook:
    """The last daily closes of every instrument, and the correlation of their simple returns.

    Parameters
    ----------
    days : int
        Daily returns in a window.
    min_days : int
        The fewest common returns from which a correlation is computed.

    Examples
    --------
    >>> book = ReturnsBook(days=4, min_days=3)
    >>> for day, (a, b) in enumerate([(100, 50), (110, 55), (99, 49.5), (108.9, 54.45), (98.01, 49.005)]):
    ...     book.on_close("A", day, a)
    ...     book.on_close("B", day, b)
    >>> [round(rho, 6) for rho in book.correlations("A", ["B"])], book.correlations("A", ["C"])
    ([1.0], [None])

    """

    def __init__(self, days: int = 30, min_days: int = 20) -> None:
        self._days = days
        self._min_days = min_days
        # Two calendars with 31 days in common span some 48 of the fuller one.
        self._kept = 2 * days + 4
        self.reset()

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self._row: dict[str, int] = {}
        self._on: list[list[int]] = []
        self._closes: list[list[float]] = []
        self._window: list[tuple[int, ...] | None] = []  # None: to be computed; (): not usable as it is
        self._windows: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._standard: NDArray[np.float64] = np.zeros((16, self._days))
        self._pairs: dict[tuple[int, int], tuple[int, int, float | None]] = {}
        self._version: list[int] = []

    def on_close(self, instrument_id: str, day: int, close: float) -> None:
        """Take the close of a finished day; one that is given again replaces it.

        Parameters
        ----------
        instrument_id : str
            The instrument.
        day : int
            Ordinal of the day: the session's date, or the UTC date of what trades around the clock.
        close : float
            Its close, positive.

        Raises
        ------
        DataError
            The close is not a positive number, or the day lies before the last one.

        """
        if not 0.0 < close < math.inf:
            raise DataError(f"a close must be a positive number, was {close} of {instrument_id} on day {day}")
        row = self._row.get(instrument_id)
        if row is None:
            row = self._add(instrument_id)
        on, closes = self._on[row], self._closes[row]
        if on and day <= on[-1]:
            if day < on[-1]:
                raise DataError(f"days of {instrument_id} must come in order: the last was {on[-1]}, this is {day}")
            closes[-1] = close
        else:
            on.append(day)
            closes.append(close)
            if len(on) > 2 * self._kept:
                del on[: -self._kept], closes[: -self._kept]
        self._window[row] = None
        self._version[row] += 1

    def correlations(self, instrument_id: str, others: Sequence[str]) -> list[float | None]:
        """Return the correlation of an instrument with each of some others over their last common days.

        Returns
        -------
        list of float or None
            One for each of ``others``; None with fewer than ``min_days`` common returns, or where a price never moved.

        """
        if not others:
            return []
        row = self._row.get(instrument_id)
        if row is None:
            return [None] * len(others)
        own, windows = self._window_of(row), self._window
        rows = [self._row.get(other, -1) for other in others]
        if own and all([other >= 0 and windows[other] is own for other in rows]):  # noqa: C419  a list is twice as fast
            return (self._standard.take(rows, axis=0) @ self._standard[row]).tolist()  # type: ignore[no-any-return]
        same: list[int] = []
        places: list[int] = []
        result: list[float | None] = [None] * len(others)
        for place, other in enumerate(rows):
            if other < 0:
                continue
            if self._window_of(other) is own and own:
                same.append(other)
                places.append(place)
            else:
                result[place] = self._pair(row, other)
        if same:
            products = (self._standard.take(same, axis=0) @ self._standard[row]).tolist()
            for place, rho in zip(places, products, strict=True):
                result[place] = rho
        return result

    def _add(self, instrument_id: str) -> int:
        row = self._row[instrument_id] = len(self._row)
        self._on.append([])
        self._closes.append([])
        self._window.append(None)
        self._version.append(0)
        if row == len(self._standard):
            self._standard = np.concatenate((self._standard, np.zeros_like(self._standard)))
        return row

    def _window_of(self, row: int) -> tuple[int, ...]:
        """Return the days of the full window of a row, its returns standardised; empty when they cannot be."""
        window = self._window[row]
        if window is None:
            window = self._window[row] = self._standardise(row)
        return window

    def _standardise(self, row: int) -> tuple[int, ...]:
        closes = self._closes[row]
        if len(closes) <= self._days:
            return ()
        unit = _unit_returns(closes[-self._days - 1 :])
        if unit is None:
            return ()
        self._standard[row] = unit
        window = tuple(self._on[row][-self._days - 1 :])
        if len(self._windows) > 256:
            self._windows = {kept: kept for kept in self._window if kept}
        # One object for one set of days: comparing calendars is then comparing identities.
        return self._windows.setdefault(window, window)

    def _pair(self, row: int, other: int) -> float | None:
        """Return the correlation over the last days that both have, computed once for each state of the two."""
        key = (row, other) if row < other else (other, row)
        versions = self._version[key[0]], self._version[key[1]]
        known = self._pairs.get(key)
        if known is not None and known[:2] == versions:
            return known[2]
        first, second = key
        # As many closes as are always there: what was trimmed already must not decide.
        kept = slice(-self._kept, None)
        at = dict(zip(self._on[second][kept], self._closes[second][kept], strict=True))
        days, closes = self._on[first][kept], self._closes[first][kept]
        common = [(close, at[day]) for day, close in zip(days, closes, strict=True) if day in at]
        common = common[-self._days - 1 :]
        rho = None
        if len(common) > self._min_days:
            units = [_unit_returns([pair[i] for pair in common]) for i in (0, 1)]
            if units[0] is not None and units[1] is not None:
                rho = float(units[0] @ units[1])
        self._pairs[key] = (*versions, rho)
        return rho


def _unit_returns(closes: list[float]) -> NDArray[np.float64] | None:
    """Return the centred simple returns scaled to length 1, None when they do not vary."""
    prices = np.array(closes)
    returns: NDArray[np.float64] = prices[1:] / prices[:-1]
    returns -= returns.mean()
    norm = math.sqrt(float(returns @ returns))
    return returns / norm if norm > _CONSTANT else None
