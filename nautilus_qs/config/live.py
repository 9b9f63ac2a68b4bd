"""What a node that trades at real or simulated venues is told beside the rules."""

from typing import Any

from msgspec import Struct

from nautilus_qs.config.system import SystemConfig
from nautilus_qs.domain import RunMode
from nautilus_qs.errors import ConfigError


class LiveVenue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One venue, and what its adapter is told.

    Parameters
    ----------
    name
        The venue in instrument ids; one that an adapter is written for.
    leverage
        Of a margin account: the most notional per unit of equity; 1 means that positions are paid in full.
    data, execution
        Settings of the adapter's two clients, as its guide names them. Keys are never among them: the adapter reads
        those from the environment.
    """

    name: str
    leverage: float = 1.0
    data: dict[str, Any] = {}
    execution: dict[str, Any]

    def __post_init__(self) -> None:
        if not 1.0 <= self.leverage <= 10.0:
            raise ConfigError(f"leverage of venue {self.name} must be in [1, 10], was {self.leverage}; set venues")


class LiveConfig(SystemConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a live node is told.

    Parameters
    ----------
    mode
        sandbox (simulated venues), paper or live; there is no default.
    runs
        Folder of what is recorded.
    batch_wait_secs
        How long the decisions of one bar time wait for the slowest instrument.
    max_mark_age_secs
        A position whose last price is older makes the equity stale, and nothing is opened.
    connect_secs
        Total time the venues have to connect and to be reconciled.
    """

    mode: RunMode
    venues: tuple[LiveVenue, ...]
    runs: str = "var/runs"
    batch_wait_secs: float = 5.0
    max_mark_age_secs: float = 300.0
    connect_secs: float = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode is RunMode.BACKTEST:
            raise ConfigError("mode of a live node must be sandbox, paper or live, was backtest; set mode")
        names = [venue.name for venue in self.venues]
        if len(set(names)) != len(names):
            raise ConfigError(f"venues must name a venue once, found {names}")
        for name, low, high in (
            ("batch_wait_secs", 0.001, 3600.0),
            ("max_mark_age_secs", 1.0, 864_000.0),
            ("connect_secs", 1.0, 600.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} must be in [{low:g}, {high:g}], was {getattr(self, name):g}; set {name}")

    @property
    def markets(self) -> tuple[LiveVenue, ...]:
        """Return every venue."""
        return self.venues
