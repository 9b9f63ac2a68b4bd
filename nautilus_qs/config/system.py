"""What a backtest and a live node are told alike: markets, strategies, and every rule of the desk."""

import zoneinfo

from msgspec import Struct

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.config.hints import did_you_mean
from nautilus_qs.config.parts import DataConfig, MarketVenue, RegimeConfig, StrategyEntry
from nautilus_qs.desk.params import DeskParams
from nautilus_qs.errors import ConfigError
from nautilus_qs.risk.breakers import BreakerLimits
from nautilus_qs.risk.limits import RiskLimits
from nautilus_qs.sizing import SizingParams


class SystemConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The part that decides, the same in every mode.

    Parameters
    ----------
    allocation
        Weights by regime: a file name in ``configs/``, a path, or the values themselves.
    day_zone
        Time zone of the account's day.
    seed
        Of the bootstrap behind the Kelly interval.
    """

    name: str
    data: tuple[DataConfig, ...]
    strategies: tuple[StrategyEntry, ...]
    regime: RegimeConfig | None = None
    trader: str = "NQS"
    seed: int = 1
    day_zone: str = "America/New_York"
    allocation: AllocationParams
    sizing: SizingParams = SizingParams()
    risk: RiskLimits = RiskLimits()
    breakers: BreakerLimits = BreakerLimits()

    @property
    def markets(self) -> tuple[MarketVenue, ...]:
        """Return every venue."""
        raise NotImplementedError  # each mode's own

    def __post_init__(self) -> None:
        names = [s.name for s in self.strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"strategy names must be unique, found {names}")
        if not self.strategies:
            raise ConfigError("strategies must name at least one strategy")
        venues = {v.name for v in self.markets}
        for iid in self.instruments:
            if iid.rpartition(".")[2] not in venues:
                raise ConfigError(f"the venue of {iid} must be one of venues, which has {sorted(venues)}")
        for strategy in self.strategies:
            for iid in strategy.instruments or ():
                if iid not in self.instruments:
                    raise ConfigError(
                        f"instruments of strategy {strategy.name} must be among data.instruments, {iid} is not"
                        + did_you_mean(iid, self.instruments)
                    )
            if strategy.name not in self.allocation.default:
                raise ConfigError(
                    f"allocation.default must give every strategy a weight, {strategy.name} has none"
                    + did_you_mean(strategy.name, self.allocation.default)
                )
        if len(set(self.instruments)) != len(self.instruments):
            raise ConfigError(f"data.instruments must name an instrument once, found {list(self.instruments)}")
        if not self.instruments:
            raise ConfigError("data.instruments must name at least one instrument")
        if self.day_zone not in zoneinfo.available_timezones():
            raise ConfigError(
                f"day_zone must be a time zone, as America/New_York, was {self.day_zone!r}; set day_zone"
                + did_you_mean(self.day_zone, zoneinfo.available_timezones())
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be in [0, 2^63), was {self.seed}; set seed")
        if not self.trader.replace("_", "").isalnum():
            raise ConfigError(f"trader must be letters, digits and underscores, was {self.trader!r}; set trader")

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every instrument that is traded."""
        return tuple(iid for data in self.data for iid in data.instruments)

    @property
    def desk(self) -> DeskParams:
        """Everything the risk desk decides by."""
        return DeskParams(
            allocation=self.allocation,
            sizing=self.sizing,
            risk=self.risk,
            breakers=self.breakers,
            crisis_guard=self.regime is None or self.regime.crisis_guard,
        )
