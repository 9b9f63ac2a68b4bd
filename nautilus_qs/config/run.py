"""Everything one backtest is told, checked as a whole."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from nautilus_qs.config.hints import did_you_mean
from nautilus_qs.config.parts import ExecutionConfig, VenueConfig
from nautilus_qs.config.system import SystemConfig
from nautilus_qs.errors import ConfigError, NotFoundError


class RunConfig(SystemConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything one backtest is told.

    Parameters
    ----------
    timerange
        ``YYYYMMDD-YYYYMMDD``, the first and the last day that may trade.
    warmup_days
        Calendar days before the range that warm the indicators.
    catalog
        Folder of the Parquet catalog.
    benchmark
        Instruments whose equal-weight buy and hold the report compares with.
    """

    timerange: str
    venues: tuple[VenueConfig, ...]
    catalog: str = "var/catalog"
    runs: str = "var/runs"
    warmup_days: int = 400
    execution: ExecutionConfig = ExecutionConfig()
    benchmark: tuple[str, ...] = ()
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        span_ns(self.timerange)
        if not 0 <= self.warmup_days <= 3660:
            raise ConfigError(f"warmup_days must be in [0, 3660], was {self.warmup_days}")
        if self.chunk_size is not None and self.chunk_size < 1000:
            raise ConfigError(f"chunk_size must be at least 1000 rows, was {self.chunk_size}")

    @property
    def markets(self) -> tuple[VenueConfig, ...]:
        """Return every venue."""
        return self.venues

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
