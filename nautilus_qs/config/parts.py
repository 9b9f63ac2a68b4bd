"""The parts of a run's configuration: venues, data, strategies, regime, execution."""

import math
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from nautilus_qs.costs import HALF_SPREAD_BPS
from nautilus_qs.errors import ConfigError
from nautilus_qs.regime.rules import RegimeParams


class MarketVenue(Protocol):
    """What the rules ask of a venue, simulated or not."""

    @property
    def name(self) -> str: ...
    @property
    def leverage(self) -> float: ...


class VenueConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One venue and the account held there.

    Parameters
    ----------
    name
        The venue in instrument ids (``SPY.ALPACA``).
    account
        ``margin`` or ``cash``; a cash account never borrows.
    balances
        What the account starts with, as ``["100000 USD"]``.
    leverage
        Of a margin account: the most notional per unit of equity; 1 means that positions are paid in full.
    fees
        Name of a dated fee table in ``configs/fees``, or the path of one.
    borrow_rate, margin_rate
        Yearly rates on short market value and on borrowed cash.
    """

    name: str
    account: str
    balances: tuple[str, ...]
    leverage: float = 1.0
    fees: str = "none"
    borrow_rate: float = 0.0
    margin_rate: float = 0.0

    def __post_init__(self) -> None:
        if self.account not in ("margin", "cash"):
            raise ConfigError(f"account of venue {self.name} must be margin or cash, was {self.account!r}")
        if not self.balances:
            raise ConfigError(f"balances of venue {self.name} must name at least one amount, as ['100000 USD']")
        for text in self.balances:
            _require_money(self.name, text)
        if not 1.0 <= self.leverage <= 10.0:
            raise ConfigError(f"leverage of venue {self.name} must be in [1, 10], was {self.leverage}; set venues")
        for name in ("borrow_rate", "margin_rate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} of venue {self.name} must be in [0, 1], was {getattr(self, name)}")


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instruments and the bars that are traded, as ``1-DAY-LAST`` or ``1-HOUR-LAST``."""

    instruments: tuple[str, ...]
    bar: str = "1-DAY-LAST"


class StrategyEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One strategy: where its class is, what it trades, and its parameters.

    Parameters
    ----------
    name
        Its name in weights, limits and results; letters, digits and underscores.
    path
        ``module:Class`` of the shell; its config class is ``<Class>Config`` in the same module.
    instruments
        Which of the data's instruments it trades; all when left out.
    params
        The rule's parameters.
    flat_on_stop
        Whether its positions are closed before it stops; off, they keep their stops.
    """

    name: str
    path: str
    instruments: tuple[str, ...] | None = None
    params: dict[str, Any] = {}
    flat_on_stop: bool = False

    def __post_init__(self) -> None:
        if not self.name.replace("_", "").isalnum():
            raise ConfigError(f"a strategy name must be letters, digits and underscores, was {self.name!r}")
        if self.path.count(":") != 1:
            raise ConfigError(f"path of strategy {self.name} must be 'module:Class', was {self.path!r}")


class RegimeConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which daily bars speak for the market, and which macro series are read.

    Parameters
    ----------
    reference
        The instrument whose daily bars are classified.
    bar
        Its bars.
    vix, breadth
        Names of macro series in the catalog, "" where there is none.
    crisis_guard
        Whether risk takes its crisis values from the first day labelled crisis, without waiting for the confirmation.
    params
        The thresholds of the regions.
    """

    reference: str
    bar: str = "1-DAY-LAST"
    vix: str = ""
    breadth: str = ""
    crisis_guard: bool = True
    params: RegimeParams = RegimeParams()


class ExecutionConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a simulated venue fills.

    Parameters
    ----------
    latency_ms
        From sending an order to its arrival.
    half_spread_bps
        By kind of instrument (index, stock, crypto).
    impact_bps
        At a quantity of 1 % of the mean volume; grows with the square root.
    cost_multiplier
        Scales spread and impact, for stress runs.
    """

    latency_ms: int = 1000
    half_spread_bps: dict[str, float] = msgspec.field(default_factory=lambda: dict(HALF_SPREAD_BPS))
    impact_bps: float = 10.0
    cost_multiplier: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.latency_ms <= 60_000:
            raise ConfigError(f"execution.latency_ms must be in [0, 60000], was {self.latency_ms}")
        for name, bps in (*self.half_spread_bps.items(), ("impact", self.impact_bps)):
            if not 0 <= bps <= 500:
                key = "impact_bps" if name == "impact" else f"half_spread_bps.{name}"
                raise ConfigError(f"execution.{key} must be in [0, 500] basis points, was {bps}; set execution.{key}")
        if not 0 <= self.cost_multiplier <= 100:
            raise ConfigError(f"execution.cost_multiplier must be in [0, 100], was {self.cost_multiplier}")


def _require_money(venue: str, text: str) -> None:
    amount, _, currency = text.partition(" ")
    try:
        is_money = 0 < float(amount) < math.inf and currency.isalpha() and currency.isupper()
    except ValueError:
        is_money = False
    if not is_money:
        raise ConfigError(
            f"balances of venue {venue} must be amounts above 0 with their currency, as '100000 USD', was {text!r}"
        )
