"""The limits of the portfolio as settings, each with its default and the range in which it may be set."""

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from nautilus_qs.domain import Regime
from nautilus_qs.errors import ConfigError


class CorrelationMode(StrEnum):
    """What happens to an entry that is correlated with what is held: denied, or its cluster's heat capped."""

    BLOCK = "block"
    CLUSTER = "cluster"


class MarginRule(StrEnum):
    """Which margin rule a margin account lives under: maintenance all session long, or day trades counted as well."""

    INTRADAY = "intraday"
    PATTERN_DAY_TRADING = "pattern_day_trading"


class InstrumentLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """A stricter limit of one instrument, over all strategies; None leaves the general limit alone.

    Raises
    ------
    ConfigError
        A value is not positive, or the fraction is above 1.

    """

    max_fraction: float | None = None
    max_notional: Decimal | None = None
    max_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        if self.max_fraction is not None:
            _require_within("instruments.max_fraction", self.max_fraction, 1.0)
        for name, value in (("max_notional", self.max_notional), ("max_quantity", self.max_quantity)):
            if value is not None and not (value.is_finite() and value > 0):
                raise ConfigError(f"{name} must be above 0, was {value}; set risk.instruments.ID.{name}")


class RiskLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Every limit that an opening order is held against. Fractions are of equity.

    Parameters
    ----------
    max_heat, max_heat_choppy, max_heat_crisis : float
        Sum of what all positions and working entries lose at their stops, by regime; each at most the one before.
    correlation_mode : CorrelationMode
        Deny an entry that is correlated with what is held in the same direction, or cap the heat of both together.
    max_correlation : float
        Correlation of daily returns above which two instruments are one bet, in (0, 1].
    correlation_days, correlation_min_days : int
        Window of daily returns, and the fewest common ones from which a correlation is computed.
    max_cluster_heat : float
        Heat of an entry together with all that is correlated with it.
    max_sector : float
        Market value in one sector, both sides added up.
    max_positions_per_strategy, max_positions : int
        Open positions and working entries.
    max_instrument : float
        Market value in one instrument over all strategies, both sides added up.
    margin_excess : float
        A margin account's equity stays at least (1 + this) x the maintenance margin, in [0, 10].
    margin_maintenance : float
        Maintenance margin as a share of market value, in (0, 1].
    margin_rule : MarginRule
        The rule for margin accounts.
    cash_buffer : float
        Share of an order's cost that a cash account keeps back for fees and a worse price, in [0, 0.5].
    max_participation : float
        Share of the mean volume that one order may take, in (0, 1].
    min_grant : float
        What fits is granted when it is at least this share of what was asked, in (0, 1].
    instruments : dict of str to InstrumentLimit
        Stricter limits by instrument id.

    Raises
    ------
    ConfigError
        A value is outside its range.

    """

    max_heat: float = 0.10
    max_heat_choppy: float = 0.05
    max_heat_crisis: float = 0.02
    correlation_mode: CorrelationMode = CorrelationMode.BLOCK
    max_correlation: float = 0.7
    correlation_days: int = 30
    correlation_min_days: int = 20
    max_cluster_heat: float = 0.03
    max_sector: float = 0.30
    max_positions_per_strategy: int = 5
    max_positions: int = 20
    max_instrument: float = 0.50
    margin_excess: float = 0.25
    margin_maintenance: float = 0.30
    margin_rule: MarginRule = MarginRule.INTRADAY
    cash_buffer: float = 0.02
    max_participation: float = 0.10
    min_grant: float = 0.5
    instruments: dict[str, InstrumentLimit] = {}

    def __post_init__(self) -> None:
        """Refuse limits that limit nothing."""
        _require_within("max_heat", self.max_heat, 1.0)
        _require_within("max_heat_choppy", self.max_heat_choppy, self.max_heat)
        _require_within("max_heat_crisis", self.max_heat_crisis, self.max_heat_choppy)
        for name in ("max_correlation", "max_cluster_heat", "max_sector", "max_instrument"):
            _require_within(name, getattr(self, name), 1.0)
        for name in ("margin_maintenance", "max_participation", "min_grant"):
            _require_within(name, getattr(self, name), 1.0)
        _require_within("margin_excess", self.margin_excess, 10.0, is_zero_allowed=True)
        _require_within("cash_buffer", self.cash_buffer, 0.5, is_zero_allowed=True)
        _require_count("max_positions_per_strategy", self.max_positions_per_strategy, 1, 1000)
        _require_count("max_positions", self.max_positions, 1, 1000)
        _require_count("correlation_days", self.correlation_days, 5, 500)
        _require_count("correlation_min_days", self.correlation_min_days, 3, self.correlation_days)


class VenueAccount(Struct, frozen=True):
    """The account at one venue, in the base currency.

    Parameters
    ----------
    venue : str
        Where it is kept.
    is_margin : bool
        Whether it may borrow.
    cash : Decimal
        A cash account's free cash, before what working entries reserve.
    equity : Decimal
        A margin account's equity, marked to market.
    day_trades : int
        Day trades of the last five sessions.

    """

    venue: str
    is_margin: bool
    cash: Decimal
    equity: Decimal
    day_trades: int = 0


@lru_cache(maxsize=4096)  # settings and the prices of one batch are asked for again and again
def exact(value: float) -> Decimal:
    """Return the decimal that a float meant: 0.1, and not the nearest binary fraction to it.

    Examples
    --------
    >>> exact(0.1) * 3
    Decimal('0.3')

    """
    return Decimal(repr(float(value)))


def heat_limit(limits: RiskLimits, regime: Regime) -> float:
    """Return the heat allowed under the regime that risk goes by (crisis while the crisis guard is on).

    Examples
    --------
    >>> heat_limit(RiskLimits(), Regime.CRISIS), heat_limit(RiskLimits(), Regime.NONE)
    (0.02, 0.1)

    """
    if regime is Regime.CRISIS:
        return limits.max_heat_crisis
    return limits.max_heat_choppy if regime is Regime.HIGH_VOL_CHOPPY else limits.max_heat


def _require_within(name: str, value: float, high: float, *, is_zero_allowed: bool = False) -> None:
    if not (0.0 < value <= high or (is_zero_allowed and value == 0.0)):
        bracket = "[" if is_zero_allowed else "("
        raise ConfigError(f"{name} must be in {bracket}0, {high:g}], was {value}; set risk.{name}")


def _require_count(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number in [{low}, {high}], was {value!r}; set risk.{name}")
