"""Everything one backtest is told, checked as a whole."""

import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.config.hints import did_you_mean
from nautilus_qs.config.parts import DataConfig, ExecutionConfig, RegimeConfig, StrategyEntry, VenueConfig
from nautilus_qs.desk.params import DeskParams
from nautilus_qs.errors import ConfigError, NotFoundError
from nautilus_qs.risk.breakers import BreakerLimits
from nautilus_qs.risk.limits import RiskLimits
from nautilus_qs.sizing import SizingParams


class RunConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything one backtest is told.

    Parameters
    ----------
    timerange
        ``YYYYMMDD-YYYYMMDD``, the first and the last day that may trade.
    warmup_days
        Calendar days before the range that warm the indicators.
    catalog
        Folder of the Parquet catalog.
    allocation
        Weights by regime: a file name in ``configs/``, a path, or the values themselves.
    benchmark
        Instruments whose equal-weight buy and hold the report compares with.
    """

    name: str
    timerange: str
    venues: tuple[VenueConfig, ...]
    data: tuple[DataConfig, ...]
    strategies: tuple[StrategyEntry, ...]
    regime: RegimeConfig | None = None
    catalog: str = "var/catalog"
    runs: str = "var/runs"
    trader: str = "NQS"
    seed: int = 1
    warmup_days: int = 400
    day_zone: str = "America/New_York"
    allocation: AllocationParams
    sizing: SizingParams = SizingParams()
    risk: RiskLimits = RiskLimits()
    breakers: BreakerLimits = BreakerLimits()
    execution: ExecutionConfig = ExecutionConfig()
    benchmark: tuple[str, ...] = ()
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        span_ns(self.timerange)
        names = [s.name for s in self.strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"strategy names must be unique, found {names}")
        if not self.strategies:
            raise ConfigError("strategies must name at least one strategy")
        venues = {v.name for v in self.venues}
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
        if not 0 <= self.warmup_days <= 3660:
            raise ConfigError(f"warmup_days must be in [0, 3660], was {self.warmup_days}")
        if self.chunk_size is not None and self.chunk_size < 1000:
            raise ConfigError(f"chunk_size must be at least 1000 rows, was {self.chunk_size}")

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

    def only(self, names: Sequence[str]) -> "RunConfig":
        """Return this configuration with the named strategies alone.

        Raises
        ------
        NotFoundError
            If a name is not among the strategies.
        """
        known = [s.name for s in self.strategies]
        for name in names:
            if name not in known:
                raise NotFoundError(f"strategy {name!r} must be one of {known}" + did_you_mean(name, known))
        return msgspec.structs.replace(self, strategies=tuple(s for s in self.strategies if s.name in names))


def span_ns(timerange: str) -> tuple[int, int]:
    """Return first and last nanosecond (UTC) of ``YYYYMMDD-YYYYMMDD``.

    Raises
    ------
    ConfigError
        If the text is no range, or runs backwards.

    Examples
    --------
    >>> span_ns("20140101-20140102")
    (1388534400000000000, 1388707199999999999)
    """
    first, dash, last = timerange.partition("-")
    try:
        if not dash:
            raise ValueError("no dash")
        start, end = (datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC) for text in (first, last))
    except ValueError as error:
        raise ConfigError(f"timerange must be YYYYMMDD-YYYYMMDD, was {timerange!r}") from error
    if end < start:
        raise ConfigError(f"timerange must not run backwards, was {timerange!r}")
    return int(start.timestamp()) * 10**9, (int(end.timestamp()) + 86_400) * 10**9 - 1
