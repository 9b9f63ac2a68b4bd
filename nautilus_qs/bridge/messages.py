"""What the shells tell each other, and where: topics and endpoints of NautilusTrader's message bus.

The bus is synchronous and takes any Python object: the payloads are the frozen nouns of :mod:`nautilus_qs.domain` and
the few below. Shells never reach for each other's attributes.
"""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nautilus_qs.domain import Side, TradingMode
from nautilus_qs.risk.gate import OrderFacts
from nautilus_qs.risk.limits import VenueAccount

PROPOSALS = "qs.proposals"
VERDICTS = "qs.verdicts"
REGIMES = "qs.regimes"
EQUITY = "qs.equity"
ACCOUNT = "qs.account"
DAILY_CLOSES = "qs.closes"
MODES = "qs.modes"
BREAKERS = "qs.breakers"
TRADES = "qs.trades"
PROTECTIONS = "qs.protections"
SIGNALS = "qs.signals"
FAULTS = "qs.faults"
CANCELS = "qs.cancels"
UNUSED = "qs.unused"

ENDPOINT_JUDGE = "RiskDesk.judge"
ENDPOINT_MARK = "Equity.mark"


def verdict_topic(strategy: str) -> str:
    """Return the topic on which `strategy` receives its verdicts."""
    return f"{VERDICTS}.{strategy}"


class EquityPoint(Struct, frozen=True):
    """The account across venues, marked with closed bars. Exposures are in the base currency."""

    ts: int
    equity: Decimal
    cash: Decimal
    gross: float
    net: float
    positions: int
    is_stale: bool


class AccountPoint(Struct, frozen=True):
    """An equity point as the risk desk sees it: with heat, drawdown and the mode in force."""

    point: EquityPoint
    heat: float
    drawdown: float
    mode: TradingMode


class MarkRequest:
    """Asks the equity actor to mark the account now; it fills the answer in."""

    __slots__ = ("accounts", "marks", "point", "ts")

    def __init__(self, ts: int) -> None:
        self.ts = ts
        self.point: EquityPoint | None = None
        self.marks: Mapping[str, float] = {}
        self.accounts: tuple[VenueAccount, ...] = ()


class JudgeRequest:
    """Asks the risk desk about an order it granted nothing for; ``reason`` is None when it may pass."""

    __slots__ = ("facts", "reason")

    def __init__(self, facts: OrderFacts) -> None:
        self.facts = facts
        self.reason: str | None = "RISK_DESK_SILENT no risk desk answered"


class ModeChange(Struct, frozen=True):
    """The trading mode that the gate must enforce from now on, and why."""

    ts: int
    mode: TradingMode
    reason: str


class DailyClose(Struct, frozen=True):
    """The close of one instrument's day: ``day`` is the ordinal of the date on which that day ended."""

    instrument_id: str
    day: int
    close: float


class Protection(Struct, frozen=True):
    """The stop a strategy intends for a position, from the moment it is sent or moved."""

    ts: int
    ts_batch: int
    decision_id: str
    strategy: str
    instrument_id: str
    client_order_id: str
    side: Side
    quantity: Decimal
    stop_px: Decimal
    kind: str


class ClosedTrade(Struct, frozen=True):
    """A position from first fill to flat, as its strategy saw it; ``mae`` and ``mfe`` are returns from entry."""

    ts_batch: int
    decision_id: str
    strategy: str
    instrument_id: str
    side: Side
    entry_ts: int
    entry_px: float
    exit_ts: int
    exit_px: float
    quantity: Decimal
    pnl: Decimal
    commission: Decimal
    return_frac: float
    r_multiple: float
    entry_reason: str
    exit_reason: str
    regime_at_entry: str
    mae: float
    mfe: float
    bars_held: int


class SignalChunk(Struct, frozen=True):
    """Bars of one strategy, by column: what its rule saw on each.

    ``numbers`` has shape ``(n_bars, n_columns)``; ``columns`` names them. Every other array has shape ``(n_bars,)``;
    codes are places in ``instruments`` and in ``outcomes``.
    """

    strategy: str
    columns: tuple[str, ...]
    ts: NDArray[np.int64]
    instruments: tuple[str, ...]
    instrument_codes: NDArray[np.int32]
    outcomes: tuple[str, ...]
    outcome_codes: NDArray[np.int32]
    nearness: NDArray[np.float64]
    numbers: NDArray[np.float64]


class Fault(Struct, frozen=True):
    """A component that can no longer do its work; the risk desk stops opening orders when it is one it relies on."""

    ts: int
    component: str
    detail: str
    is_critical: bool
