"""The nouns of the system: frozen values that pure code takes and returns.

Units: prices in the instrument's quote currency, fractions as decimals (0.01 = 1 %), times in integer UTC nanoseconds.
Money that decides anything is ``Decimal``; indicator numbers are ``float``.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Side(StrEnum):
    """The direction of a position or of the order that opens it."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """Return 1 for long and -1 for short."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SHORT if self is Side.LONG else Side.LONG


class Action(StrEnum):
    """What a proposal asks for."""

    ENTER = "enter"
    EXIT = "exit"


class Direction(StrEnum):
    """Which sides a strategy may take."""

    LONG = "long"
    LONG_SHORT = "long_short"


class StopKind(StrEnum):
    """How a protective stop moves; it never moves away from the price."""

    FIXED = "fixed"
    TRAILING_ATR = "trailing_atr"
    CHANDELIER = "chandelier"
    PARABOLIC = "parabolic"


class Regime(StrEnum):
    """The market regimes; ``NONE`` stands before the first confirmation (default weights, normal risk)."""

    NONE = "none"
    CRISIS = "crisis"
    BULL_TRENDING = "bull_trending"
    BEAR_TRENDING = "bear_trending"
    HIGH_VOL_CHOPPY = "high_vol_choppy"
    LOW_VOL_RANGE = "low_vol_range"


class TradingMode(StrEnum):
    """What the gate lets pass: everything, only what reduces, or only what reduces after a kill."""

    NORMAL = "normal"
    HALTED = "halted"
    KILLED = "killed"


class RunMode(StrEnum):
    """Where orders go."""

    BACKTEST = "backtest"
    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class Signal(Struct, frozen=True):
    """What a rule says of one closed bar: enter or leave, where, and with which reason.

    ``numbers`` are the rule's columns in order (see the rule's ``columns``), as they stood on that bar.
    """

    instrument_id: str
    action: Action
    side: Side
    confidence: float
    reference_px: float
    stop_px: float | None
    target_px: float | None
    reason: str
    numbers: tuple[float, ...]
    columns: tuple[str, ...]


class Proposal(Struct, frozen=True):
    """A strategy's wish to trade, decided together with the other proposals of its batch.

    ``volume`` is the mean volume of the 20 bars up to the signal (participation limit); ``is_daily`` tells whether its
    bars are sessions. ``multipliers`` are (name, factor) pairs besides the drawdown factor, which the desk adds.
    """

    decision_id: str
    strategy: str
    ts_batch: int
    signal: Signal
    volume: float
    multipliers: tuple[tuple[str, float], ...] = ()


class Check(Struct, frozen=True):
    """One limit, judged: the value found, the limit it was held against, and whether it passed."""

    name: str
    passed: bool
    value: float
    limit: float
    detail: str = ""


class Verdict(Struct, frozen=True):
    """The answer to one proposal, with the whole chain of reasons.

    ``granted`` is 0 when the proposal was denied; ``failed`` is then the first failing check. For an exit, ``granted``
    is what may be closed. ``risk_fraction`` is the fraction after regime caps, before multipliers.
    """

    proposal: Proposal
    granted: Decimal
    asked: Decimal
    failed: str
    checks: tuple[Check, ...]
    multipliers: tuple[tuple[str, float], ...]
    regime: Regime
    weight: float
    equity: Decimal
    risk_fraction: float
    ts_decided: int

    @property
    def is_granted(self) -> bool:
        """Return whether the proposal may be carried out."""
        return self.granted > 0


class InstrumentFacts(Struct, frozen=True):
    """What sizing and limits must know of an instrument.

    ``sector`` is "" for a broad-index fund, which belongs to none. ``min_notional`` is in quote currency.
    """

    instrument_id: str
    venue: str
    price_increment: Decimal
    size_increment: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    sector: str
    is_crypto: bool
    margin_init: float = 1.0


class Exposure(Struct, frozen=True):
    """One open position of one strategy: units are positive, ``side`` gives the sign.

    ``stop_px`` is the stop that rests at the venue, None when there is none.
    """

    strategy: str
    instrument_id: str
    side: Side
    quantity: Decimal
    entry_px: Decimal
    mark_px: Decimal
    stop_px: Decimal | None


class Working(Struct, frozen=True):
    """A granted entry that is not filled yet: it counts for every limit as if it were."""

    key: str
    strategy: str
    instrument_id: str
    side: Side
    quantity: Decimal
    entry_px: Decimal
    stop_px: Decimal | None


class Book(Struct, frozen=True):
    """The account as the limits see it at one moment.

    ``cash`` is free cash in the base currency by venue; ``buying_power`` what opening orders may still cost there.
    """

    ts: int
    equity: Decimal
    positions: tuple[Exposure, ...]
    working: tuple[Working, ...]
    buying_power: dict[str, Decimal]


class RegimeUpdate(Struct, frozen=True):
    """The regime after one session: the raw label, its count towards confirmation, and what is in force."""

    ts: int
    instrument_id: str
    slope_deg: float
    atr_ratio: float
    vix: float | None
    breadth: float | None
    label: Regime
    confidence: float
    count: int
    regime: Regime
    missing: tuple[str, ...] = ()


class TradeResult(Struct, frozen=True):
    """A closed trade: ``r_multiple`` is profit after costs in units of initial risk."""

    strategy: str
    ts_closed: int
    r_multiple: float
    return_frac: float
