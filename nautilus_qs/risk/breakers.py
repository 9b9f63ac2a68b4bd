"""Circuit breakers: a state machine from marks of equity to what may still be opened.

Daily loss, drawdown halt and kill stay tripped until an administrator restarts (a backtest: until so many days have
passed). Reduced size, data, and crisis with bad sentiment clear by themselves. Positions held at a trip keep their
stops, so that the loss is bounded by the limit, the heat open at the trip and gaps: each trip records that heat.
"""

import math
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from nautilus_qs.domain import TradingMode
from nautilus_qs.errors import ConfigError, DataError, StorageError

_ZERO = Decimal(0)


class Breaker(StrEnum):
    """What can trip."""

    DAILY_LOSS = "daily_loss"
    DRAWDOWN_REDUCE = "drawdown_reduce"
    DRAWDOWN_HALT = "drawdown_halt"
    CRISIS_SENTIMENT = "crisis_sentiment"
    DATA = "data"
    KILL = "kill"


class BreakerChange(StrEnum):
    """What a breaker did."""

    TRIP = "trip"
    CLEAR = "clear"
    RESTART = "restart"


_HALTING = frozenset({Breaker.DAILY_LOSS, Breaker.DRAWDOWN_HALT, Breaker.CRISIS_SENTIMENT, Breaker.DATA})
_LATCHED = (Breaker.DAILY_LOSS, Breaker.DRAWDOWN_HALT, Breaker.KILL)


class BreakerLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """When a breaker trips.

    Parameters
    ----------
    daily_loss : float
        Loss since the start of the account's day, as a share of the equity then, in (0, 1).
    drawdown_reduce, drawdown_clear, drawdown_halt : float
        Shares below the peak: where sizes are reduced, where they no longer are, and where opening halts. They must
        hold drawdown_clear < drawdown_reduce < drawdown_halt.
    reduced_multiplier : float
        The size multiplier in a drawdown, in [0, 1].
    crisis_sentiment : float
        In a crisis, an index sentiment below this halts opening, in [-1, 0].
    data_secs : float
        Age of the newest market data of an open session that halts opening, in (0, 3600].
    clock_secs : float
        Difference of the clock that does, in (0, 60].
    restart_after : int or None
        Days (those with a mark) after which a backtest restarts by itself; None never does. A live account must have
        None: only an administrator restarts it.

    Raises
    ------
    ConfigError
        A value is outside its range, or the drawdowns are out of order.

    """

    daily_loss: float = 0.05
    drawdown_reduce: float = 0.10
    drawdown_clear: float = 0.05
    drawdown_halt: float = 0.15
    reduced_multiplier: float = 0.5
    crisis_sentiment: float = -0.3
    data_secs: float = 60.0
    clock_secs: float = 2.0
    restart_after: int | None = 20

    def __post_init__(self) -> None:
        """Refuse breakers that never trip."""
        _require_within("daily_loss", self.daily_loss, 1e-4, 0.5)
        if not 0.0 < self.drawdown_clear < self.drawdown_reduce < self.drawdown_halt <= 0.5:
            raise ConfigError(
                "0 < drawdown_clear < drawdown_reduce < drawdown_halt <= 0.5 must hold, was "
                f"{self.drawdown_clear}, {self.drawdown_reduce}, {self.drawdown_halt}; set breakers.drawdown_clear, "
                "breakers.drawdown_reduce, breakers.drawdown_halt"
            )
        _require_within("reduced_multiplier", self.reduced_multiplier, 0.0, 1.0)
        _require_within("crisis_sentiment", self.crisis_sentiment, -1.0, 0.0)
        _require_within("data_secs", self.data_secs, 1e-3, 3600.0)
        _require_within("clock_secs", self.clock_secs, 1e-3, 60.0)
        if self.restart_after is not None:
            _require_within("restart_after", self.restart_after, 1, 10_000)


class BreakerEvent(Struct, frozen=True):
    """A breaker that tripped, cleared or was restarted.

    ``reference`` is the equity it was held against (start of day, peak, else 0); ``heat_open`` the share of equity that
    the open positions may still lose at their stops.
    """

    ts: int
    breaker: Breaker
    change: BreakerChange
    equity: Decimal
    reference: Decimal
    heat_open: float
    detail: str = ""


class BreakerStore(Protocol):
    """Where the state of the breakers outlives the process."""

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, None when there is none."""
        ...

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state."""
        ...


class Breakers:
    """The state machine. Every method returns what changed, in order; nothing changed is an empty list.

    Parameters
    ----------
    limits : BreakerLimits
        When to trip.

    Examples
    --------
    >>> breakers = Breakers(BreakerLimits())
    >>> breakers.on_equity(1, 1, Decimal(100_000)), breakers.on_equity(2, 2, Decimal(97_000))
    ([], [])
    >>> [(str(e.breaker), str(e.change)) for e in breakers.on_equity(3, 3, Decimal(92_000))]
    [('daily_loss', 'trip')]
    >>> str(breakers.mode)
    'halted'

    """

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self._equity = _ZERO
        self._peak = _ZERO
        self._start_of_day = _ZERO
        self._day: int | None = None
        self._days_halted = 0
        self._tripped: set[Breaker] = set()

    @property
    def mode(self) -> TradingMode:
        """Return what may be opened now."""
        if not self._tripped:
            return TradingMode.NORMAL
        if Breaker.KILL in self._tripped:
            return TradingMode.KILLED
        return TradingMode.NORMAL if self._tripped.isdisjoint(_HALTING) else TradingMode.HALTED

    @property
    def multiplier(self) -> float:
        """Return the size multiplier of the drawdown."""
        return self._limits.reduced_multiplier if Breaker.DRAWDOWN_REDUCE in self._tripped else 1.0

    @property
    def tripped(self) -> frozenset[Breaker]:
        """Return the breakers that are tripped."""
        return frozenset(self._tripped)

    @property
    def peak(self) -> Decimal:
        """Return the highest equity since the start or the last restart, flows taken out."""
        return self._peak

    @property
    def start_of_day(self) -> Decimal:
        """Return the equity that the day's loss is measured from: the last mark of the day before."""
        return self._start_of_day

    @property
    def drawdown(self) -> float:
        """Return how far the last equity lies below the peak, as a share of the peak."""
        return float(1 - self._equity / self._peak) if self._peak > 0 else 0.0

    def on_equity(
        self, ts: int, day: int, equity: Decimal, *, stale: bool = False, heat_open: float = 0.0
    ) -> list[BreakerEvent]:
        """Take a mark of the whole account.

        The day starts with the last mark of the day before, so that a book that is marked once a day has a daily loss,
        too. A mark that contains a stale price changes nothing.

        Parameters
        ----------
        ts : int
            Time of the mark.
        day : int
            Ordinal of the account's day.
        equity : Decimal
            Equity across venues.
        stale : bool
            Whether a price in it is stale.
        heat_open : float
            What the positions may still lose at their stops, as a share of equity.

        Raises
        ------
        DataError
            The equity is not finite; the state is unchanged.

        """
        _require_finite(equity, ts)
        if stale:
            return []
        events: list[BreakerEvent] = []
        if self._day is None:
            self._peak = self._start_of_day = equity
        elif day != self._day:
            self._start_of_day = self._equity
            if not self._tripped.isdisjoint(_LATCHED):
                self._days_halted += 1
                if self._is_restart_due():
                    self._day, self._equity = day, equity
                    return self.restart(ts, equity, heat_open=heat_open, detail="days have passed")
        self._day, self._equity = day, equity
        if equity > self._peak:
            self._peak = equity
        self._judge_day(ts, heat_open, events)
        self._judge_drawdown(ts, heat_open, events)
        return events

    def on_flow(self, amount: Decimal) -> None:
        """Take a deposit (positive) or a withdrawal: peak, start of day and last mark move with it."""
        if self._day is not None:
            self._peak += amount
            self._start_of_day += amount
            self._equity += amount

    def on_crisis(
        self, ts: int, is_crisis: bool, sentiment: float | None, *, heat_open: float = 0.0
    ) -> list[BreakerEvent]:
        """Take the regime and the index sentiment (in [-1, 1], None when there is none).

        A missing sentiment trips nothing and, once tripped, clears nothing: only the end of the crisis or a score does.
        """
        is_known = sentiment is not None and not math.isnan(sentiment)
        is_bad = sentiment < self._limits.crisis_sentiment if sentiment is not None and is_known else None
        wanted = is_crisis and (is_bad if is_bad is not None else Breaker.CRISIS_SENTIMENT in self._tripped)
        return self._set(ts, Breaker.CRISIS_SENTIMENT, wanted, heat_open, f"sentiment {sentiment}")

    def on_data(
        self, ts: int, age_secs: float | None, clock_offset_secs: float = 0.0, *, heat_open: float = 0.0
    ) -> list[BreakerEvent]:
        """Take the age of the newest market data (None while no session is open) and the error of the clock."""
        # Written so that NaN trips: what cannot be measured is not known to be fresh.
        is_fresh = age_secs is None or age_secs < self._limits.data_secs
        is_on_time = abs(clock_offset_secs) <= self._limits.clock_secs
        detail = f"data age {age_secs} s, clock off by {clock_offset_secs} s"
        return self._set(ts, Breaker.DATA, not (is_fresh and is_on_time), heat_open, detail)

    def kill(self, ts: int, detail: str, *, heat_open: float = 0.0) -> list[BreakerEvent]:
        """Stop all opening, by an administrator or the guardian."""
        return self._set(ts, Breaker.KILL, True, heat_open, detail)

    def restart(
        self, ts: int, equity: Decimal | None = None, *, heat_open: float = 0.0, detail: str = ""
    ) -> list[BreakerEvent]:
        """Lift daily loss, drawdown and kill, and measure peak and day from here on, by an administrator.

        Parameters
        ----------
        ts : int
            Now.
        equity : Decimal or None
            The equity to start from, None for the last mark.
        heat_open : float
            What the positions may still lose at their stops, as a share of equity.
        detail : str
            Who, and why.

        Raises
        ------
        DataError
            The equity is not finite; the state is unchanged.

        """
        if equity is not None:
            _require_finite(equity, ts)
            self._equity = equity
        events = [
            self._event(ts, breaker, BreakerChange.RESTART, heat_open, detail)
            for breaker in (*_LATCHED, Breaker.DRAWDOWN_REDUCE)
            if breaker in self._tripped
        ]
        self._tripped.difference_update((*_LATCHED, Breaker.DRAWDOWN_REDUCE))
        self._peak = self._start_of_day = self._equity
        self._days_halted = 0
        return events

    def state(self) -> dict[str, Any]:
        """Return the state as values that JSON keeps."""
        return {
            "equity": str(self._equity),
            "peak": str(self._peak),
            "start_of_day": str(self._start_of_day),
            "day": self._day,
            "days_halted": self._days_halted,
            "tripped": sorted(breaker.value for breaker in self._tripped),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a saved state.

        Raises
        ------
        StorageError
            A field is missing or is not what :meth:`state` writes; the present state is left as it is.

        """
        try:
            money = [Decimal(str(state[name])) for name in ("equity", "peak", "start_of_day")]
            day = None if state["day"] is None else int(state["day"])
            days_halted = int(state["days_halted"])
            tripped = {Breaker(name) for name in state["tripped"]}
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise StorageError(
                f"a saved breaker state must hold what state() writes, was {state!r}; keep opening orders off and "
                "restart by hand"
            ) from error
        if not all(amount.is_finite() for amount in money):
            raise StorageError(f"saved equity, peak and start of day must be finite, was {state!r}; restart by hand")
        self._equity, self._peak, self._start_of_day = money
        self._day, self._days_halted, self._tripped = day, days_halted, tripped

    def _judge_day(self, ts: int, heat_open: float, events: list[BreakerEvent]) -> None:
        if Breaker.DAILY_LOSS in self._tripped:
            return
        if self._equity <= self._start_of_day * _complement(self._limits.daily_loss):
            self._trip(ts, Breaker.DAILY_LOSS, heat_open, events)

    def _judge_drawdown(self, ts: int, heat_open: float, events: list[BreakerEvent]) -> None:
        limits, equity, peak = self._limits, self._equity, self._peak
        if Breaker.DRAWDOWN_REDUCE not in self._tripped:
            if equity > peak * _complement(limits.drawdown_reduce):
                return
            self._trip(ts, Breaker.DRAWDOWN_REDUCE, heat_open, events)
        elif equity > peak * _complement(limits.drawdown_clear):
            events += self._set(ts, Breaker.DRAWDOWN_REDUCE, False, heat_open, "")
            return
        if Breaker.DRAWDOWN_HALT not in self._tripped and equity <= peak * _complement(limits.drawdown_halt):
            self._trip(ts, Breaker.DRAWDOWN_HALT, heat_open, events)

    def _trip(self, ts: int, breaker: Breaker, heat_open: float, events: list[BreakerEvent]) -> None:
        if breaker in _LATCHED:
            self._days_halted = 0
        events += self._set(ts, breaker, True, heat_open, "")

    def _is_restart_due(self) -> bool:
        # A kill was somebody's decision: only somebody takes it back.
        due = self._limits.restart_after
        return due is not None and self._days_halted >= due and Breaker.KILL not in self._tripped

    def _set(self, ts: int, breaker: Breaker, is_tripped: bool, heat_open: float, detail: str) -> list[BreakerEvent]:
        if is_tripped == (breaker in self._tripped):
            return []
        if is_tripped:
            self._tripped.add(breaker)
            return [self._event(ts, breaker, BreakerChange.TRIP, heat_open, detail)]
        self._tripped.discard(breaker)
        return [self._event(ts, breaker, BreakerChange.CLEAR, heat_open, detail)]

    def _event(self, ts: int, breaker: Breaker, change: BreakerChange, heat_open: float, detail: str) -> BreakerEvent:
        reference = _ZERO
        if breaker is Breaker.DAILY_LOSS:
            reference = self._start_of_day
        elif breaker in (Breaker.DRAWDOWN_REDUCE, Breaker.DRAWDOWN_HALT):
            reference = self._peak
        return BreakerEvent(
            ts=ts,
            breaker=breaker,
            change=change,
            equity=self._equity,
            reference=reference,
            heat_open=heat_open,
            detail=detail,
        )


@lru_cache(maxsize=64)
def _complement(share: float) -> Decimal:
    """Return 1 - share, exactly: 1 - 0.05 in floats lies above 0.95."""
    return 1 - Decimal(repr(float(share)))


def _require_finite(equity: Decimal, ts: int) -> None:
    if not equity.is_finite():
        raise DataError(f"equity must be a finite amount, was {equity} at {ts}; check marks and balances")


def _require_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} must be in [{low:g}, {high:g}], was {value}; set breakers.{name}")
