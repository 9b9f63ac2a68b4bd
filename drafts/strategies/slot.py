"""What a strategy remembers of one instrument: one position or one working entry at a time."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from nautilus_qs.domain import Side


class Phase(StrEnum):
    """Where a slot stands; orders and events move it along."""

    IDLE = "idle"
    PROPOSED = "proposed"
    ENTERING = "entering"
    OPEN = "open"
    EXIT_PROPOSED = "exit_proposed"
    CANCELLING = "cancelling"
    CLOSING = "closing"


class Slot:
    """The life of one trade on one instrument, from proposal to flat."""

    __slots__ = (
        "bars_held",
        "close_sent",
        "confirmed_stop",
        "decision_id",
        "entry_px",
        "entry_reason",
        "exit_reason",
        "features",
        "high",
        "initial_stop",
        "instrument",
        "instrument_id",
        "low",
        "phase",
        "position_id",
        "quantity",
        "regime",
        "side",
        "stop_id",
        "stop_px",
        "target_px",
        "trail",
        "ts_batch",
        "units",
    )

    def __init__(self, instrument_id: str, features: Any) -> None:
        self.instrument_id = instrument_id
        self.features = features
        self.instrument: Any = None
        self.clear()

    def clear(self) -> None:
        """Forget the trade; the features stay."""
        self.phase = Phase.IDLE
        self.decision_id = ""
        self.side = Side.LONG
        self.quantity = Decimal(0)
        self.units: Any = None
        self.position_id: Any = None
        self.entry_px = 0.0
        self.stop_px: Decimal | None = None
        self.initial_stop: Decimal | None = None
        self.target_px: Decimal | None = None
        self.stop_id = ""
        self.confirmed_stop = False
        self.close_sent = 0
        self.trail: Any = None
        self.entry_reason = ""
        self.exit_reason = ""
        self.regime = ""
        self.ts_batch = 0
        self.high = 0.0
        self.low = 0.0
        self.bars_held = 0

    @property
    def is_idle(self) -> bool:
        """Return whether a new entry may be proposed."""
        return self.phase is Phase.IDLE
