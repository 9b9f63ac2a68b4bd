"""What one life of a node is told, and what it answers: values that cross from process to process."""

import re
from pathlib import Path
from typing import Any

import msgspec

# How strategies keep positions: OMS type, and whether they name their positions themselves.
KINDS = {"netting": ("NETTING", False), "generated": ("HEDGING", False), "named": ("HEDGING", True)}


class Leg(msgspec.Struct, frozen=True):
    """One strategy: its tag, and what it opens."""

    tag: str
    side: str
    quantity: int


class Job(msgspec.Struct, frozen=True):
    """What one life of the node finds and does."""

    trader_id: str
    redis_port: int
    redis_host: str
    folder: str
    name: str
    kind: str
    legs: tuple[Leg, ...]
    steps: tuple[str, ...] = ()
    is_ending: bool = True
    claims: str = ""
    is_seeded: bool = False
    venue: dict[str, Any] = {}

    @property
    def is_told(self) -> bool:
        """Whether the venue tells the node everything that happens there."""
        return self.venue.get("entry") != "silent" and self.venue.get("history") != "working"

    @property
    def mark(self) -> str:
        """The key that is written last."""
        return f"answered-{self.name}"

    @property
    def report_path(self) -> Path:
        """Where the books are written."""
        return Path(self.folder) / f"{self.name}.report.json"

    @property
    def log_path(self) -> Path:
        """Where the node's log goes."""
        return Path(self.folder) / f"{self.name}.log"


class PositionFact(msgspec.Struct, frozen=True):
    """A position in the books: signed quantity, 0 when closed."""

    id: str
    strategy: str
    quantity: int


class OrderFact(msgspec.Struct, frozen=True):
    """An order in the books, and the position it belongs to ("" for none)."""

    id: str
    strategy: str
    status: str
    position: str
    filled: int


class Books(msgspec.Struct, frozen=True):
    """The books and the venue at one moment."""

    positions: tuple[PositionFact, ...]
    orders: tuple[OrderFact, ...]
    net: int
    realized: float
    venue_net: int
    venue_working: tuple[str, ...]
    states: dict[str, str]
    loaded: dict[str, int]


class Report(msgspec.Struct, frozen=True):
    """The books after the start and after each step; ``is_complete`` unless an answer did not come in time."""

    books: tuple[Books, ...]
    is_complete: bool


def log_lines(job: Job, level: str) -> list[str]:
    """Return the log's lines of one level (``WARN``, ``ERROR``), without times and names."""
    text = job.log_path.read_text(errors="replace")
    return [match.group(1).strip() for match in re.finditer(rf"\[{level}\] [^:]*: (.*)", text)]
