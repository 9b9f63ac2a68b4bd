"""What a strategy remembers of one instrument: one position or one working entry at a time."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from nautilus_qs.domain import Side
from nautilus_qs.signals.stops import StopState


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
        "attempts",
        "bars_held",
        "decision_id",
        "entry_px",
        "entry_reason",
        "exit_reason",
        "features",
        "high",
        "initial_stop",
        "instrument",
        "instrument_id",
        "is_stop_fixed",
        "low",
        "phase",
        "place",
        "position_id",
        "quantity",
        "regime",
        "saved_trail",
        "side",
        "stop_id",
        "stop_px",
        "target_px",
        "trail",
        "ts_batch",
    )

    def __init__(self, instrument_id: str, features: Any, *, place: int = 0) -> None:
        self.instrument_id = instrument_id
        self.place = place
        self.features = features
        self.instrument: Any = None
        self.clear()

    def clear(self) -> None:
        """Forget the trade; the features stay."""
        self.phase = Phase.IDLE
        self.decision_id = ""
        self.side = Side.LONG
        self.quantity = Decimal(0)
        self.position_id: Any = None
        self.entry_px = 0.0
        self.stop_px: Decimal | None = None
        self.initial_stop: Decimal | None = None
        self.target_px: Decimal | None = None
        self.stop_id = ""
        self.is_stop_fixed = False
        self.attempts = 0
        self.trail: Any = None
        self.saved_trail: StopState | None = None
        self.entry_reason = ""
        self.exit_reason = ""
        self.regime = ""
        self.ts_batch = 0
        self.high = 0.0
        self.low = 0.0
        self.bars_held = 0

    def saved(self) -> dict[str, Any]:
        """Return what the venue cannot tell of an open trade, as plain values."""
        return {
            "decision_id": self.decision_id,
            "entry_reason": self.entry_reason,
            "regime": self.regime,
            "ts_batch": self.ts_batch,
            "high": self.high,
            "low": self.low,
            "bars_held": self.bars_held,
            "attempts": self.attempts,
            "initial_stop": None if self.initial_stop is None else str(self.initial_stop),
            "stop_px": None if self.stop_px is None else str(self.stop_px),
            "trail": None if self.trail is None else msgspec.to_builtins(self.trail.state()),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take back what :meth:`saved` kept, if it is of this trade; where the stop rests now is the venue's word."""
        if saved.get("decision_id") != self.decision_id:
            return
        for name in ("entry_reason", "regime", "ts_batch", "high", "low", "bars_held"):
            setattr(self, name, saved[name])
        self.attempts = max(self.attempts, saved["attempts"])
        if saved["initial_stop"] is not None:
            self.initial_stop = Decimal(saved["initial_stop"])
        if self.stop_px is None and saved["stop_px"] is not None:
            self.stop_px = Decimal(saved["stop_px"])
        if saved["trail"] is not None:
            self.saved_trail = msgspec.convert(saved["trail"], StopState)
