"""The models of a simulated venue as one choice: fees, fills, latency, carry, and the settings they rely on.

``VenueModels(...).settings()`` gives the keyword arguments of a ``BacktestVenueConfig``; once the node is built,
:func:`install` completes each venue. ``VenueModels(...).objects()`` gives those of ``BacktestEngine.add_venue``.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct
from nautilus_trader.backtest.config import (
    ImportableFeeModelConfig,
    ImportableFillModelConfig,
    ImportableLatencyModelConfig,
    LatencyModelConfig,
)
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.common.config import ImportableActorConfig
from nautilus_trader.model.identifiers import Venue

from nautilus_qs.bridge.arrivals import ArrivalClient, install_arrivals
from nautilus_qs.bridge.carry import Carry, CarryConfig
from nautilus_qs.bridge.fees import TableFeeModel, TableFeeModelConfig
from nautilus_qs.bridge.fills import ImpactFillModel, ImpactFillModelConfig
from nautilus_qs.bridge.tape import Tape, TapeConfig
from nautilus_qs.costs import HALF_SPREAD_BPS, IMPACT_BPS
from nautilus_qs.errors import ConfigError

FIXED_SETTINGS = MappingProxyType(
    {
        # Inside a bar the side nearer the open comes first, not always the favourable one.
        "bar_adaptive_high_low_ordering": True,
        # A stop that is put back when the market is already beyond it must close the position, not be refused.
        "reject_stop_orders": False,
        "support_contingent_orders": True,
        "use_reduce_only": True,
    }
)


class VenueModels(Struct, frozen=True, kw_only=True):
    """How one simulated venue charges, fills and carries.

    Parameters
    ----------
    fees
        Name or path of a dated fee table.
    latency_ns
        From sending an order to its arrival. Cancels and changes act at once: an exit that cancels its legs at the
        close and then sends the closing order must still meet the next open.
    half_spread_bps, impact_bps, cost_multiplier, kinds
        See :class:`~nautilus_qs.bridge.fills.ImpactFillModelConfig`.
    dividends, borrow_rate, margin_rate
        See :class:`~nautilus_qs.bridge.carry.CarryConfig`.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    fees: str = "none"
    latency_ns: int = 1_000_000_000
    half_spread_bps: dict[str, float] = msgspec.field(default_factory=lambda: dict(HALF_SPREAD_BPS))
    impact_bps: float = IMPACT_BPS
    cost_multiplier: float = 1.0
    kinds: dict[str, str] = {}
    dividends: dict[str, tuple[tuple[int, Decimal], ...]] = {}
    borrow_rate: Decimal = Decimal(0)
    margin_rate: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if self.latency_ns < 0:
            raise ConfigError(f"latency_ns must be >= 0, was {self.latency_ns}; set execution.latency_ms")
        if any(not 0 <= bps <= 500 for bps in (*self.half_spread_bps.values(), self.impact_bps)):
            raise ConfigError("half_spread_bps and impact_bps must be in [0, 500]; set execution.half_spread_bps")
        if not 0 <= self.cost_multiplier <= 100:
            raise ConfigError(f"cost_multiplier must be in [0, 100], was {self.cost_multiplier}")

    @property
    def has_carry(self) -> bool:
        """Whether holding costs or pays anything; a venue without carry is spared the module's cost per datum."""
        return bool(self.dividends or self.borrow_rate or self.margin_rate)

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of a ``BacktestVenueConfig`` that these models need."""
        fee, fill, carry = (_plain(config) for config in self._configs())
        latency = {"base_latency_nanos": 0, "insert_latency_nanos": self.latency_ns}
        return {
            **FIXED_SETTINGS,
            "fee_model": ImportableFeeModelConfig(_path(TableFeeModel), _path(TableFeeModelConfig), fee),
            "fill_model": ImportableFillModelConfig(_path(ImpactFillModel), _path(ImpactFillModelConfig), fill),
            "latency_model": ImportableLatencyModelConfig(_path(LatencyModel), _path(LatencyModelConfig), latency),
            "modules": [
                ImportableActorConfig(_path(Tape), _path(TapeConfig), {}),
                *([ImportableActorConfig(_path(Carry), _path(CarryConfig), carry)] if self.has_carry else []),
            ],
        }

    def objects(self) -> dict[str, Any]:
        """Return the keyword arguments of ``BacktestEngine.add_venue`` that these models need."""
        fee, fill, carry = self._configs()
        return {
            **FIXED_SETTINGS,
            "fee_model": TableFeeModel(fee),
            "fill_model": ImpactFillModel(fill),
            "latency_model": LatencyModel(0, self.latency_ns, 0, 0),
            "modules": [Tape(), *([Carry(carry)] if self.has_carry else [])],
        }

    def _configs(self) -> tuple[TableFeeModelConfig, ImpactFillModelConfig, CarryConfig]:
        fill = ImpactFillModelConfig(
            half_spread_bps=self.half_spread_bps,
            impact_bps=self.impact_bps,
            cost_multiplier=self.cost_multiplier,
            kinds=self.kinds,
        )
        carry = CarryConfig(dividends=self.dividends, borrow_rate=self.borrow_rate, margin_rate=self.margin_rate)
        return TableFeeModelConfig(table=self.fees), fill, carry


def install(kernel: Any, venues: Iterable[str]) -> dict[str, ArrivalClient]:
    """Complete the venues of a built engine; call it after ``node.build()`` and before ``node.run()``.

    Parameters
    ----------
    kernel
        ``node.get_engine(run_config_id).kernel``, or ``engine.kernel``.
    venues
        Names of the venues whose modules include a tape.
    """
    return {name: install_arrivals(kernel, Venue(name)) for name in venues}


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _plain(config: Any) -> Mapping[str, Any]:
    fields = {name: getattr(config, name) for name in type(config).__annotations__}
    return msgspec.to_builtins(fields)
