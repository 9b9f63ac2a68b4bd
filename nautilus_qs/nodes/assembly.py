"""From a run specification to NautilusTrader's own configuration of a backtest."""

from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.cache.config import CacheConfig
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.model.data import Bar, QuoteTick
from nautilus_trader.risk.config import RiskEngineConfig

from catalog.macro import MACRO_CLIENT, MacroPoint
from catalog.reader import Catalog
from nautilus_qs.bridge.engine import silent_bus
from nautilus_qs.bridge.venue_models import VenueModels
from nautilus_qs.config import RunConfig
from nautilus_qs.costs import HALF_SPREAD_BPS
from nautilus_qs.domain import RunMode
from nautilus_qs.nodes import shells
from nautilus_qs.nodes.spec import RunSpec
from nautilus_qs.risk.limits import exact

MARK_EVERY_SECS = 300
"""A backtest on finer bars does not mark each of them; every decision is still taken on a mark of its own."""


def engine_config(spec: RunSpec, sink: str, sink_args: dict[str, str]) -> BacktestEngineConfig:
    """Return the engine with gate, desk, actors and strategies."""
    config = spec.config
    setting = shells.Setting(
        mode=RunMode.BACKTEST,
        run_id=spec.run_id,
        trade_from_ns=spec.start_ns,
        sink=sink,
        sink_args=sink_args,
        mark_every_secs=MARK_EVERY_SECS,
    )
    return BacktestEngineConfig(
        trader_id=f"{config.trader}-BACKTEST",
        logging=LoggingConfig(bypass_logging=True),
        message_bus=silent_bus(),
        # Desk and gate judge every order. The engine's own check knows no margin account, and values what a cash
        # account buys at the last quote, here the open of the day before: it would deny what is affordable.
        risk_engine=RiskEngineConfig(bypass=True),
        cache=CacheConfig(tick_capacity=16, bar_capacity=1024, drop_instruments_on_reset=False),
        run_analysis=False,
        controller=shells.controller(),
        strategies=shells.strategies(config, setting),
        actors=shells.actors(config, setting),
    )


def run_config(spec: RunSpec, engine: BacktestEngineConfig, catalog: Catalog) -> BacktestRunConfig:
    """Return the whole backtest as NautilusTrader wants it."""
    config = spec.config
    return BacktestRunConfig(
        venues=[_venue(config, catalog, venue.name) for venue in config.venues],
        data=_data(spec),
        engine=engine,
        chunk_size=config.chunk_size,
        raise_exception=True,
        dispose_on_completion=False,
        start=spec.warm_ns,
        end=spec.end_ns,
    )


def venue_models(config: RunConfig, catalog: Catalog, name: str) -> VenueModels:
    """Return how one simulated venue charges, fills and carries."""
    venue = next(v for v in config.venues if v.name == name)
    ids = [iid for iid in config.instruments if iid.rpartition(".")[2] == name]
    paid = {iid: catalog.dividends(iid) for iid in ids}
    execution = config.execution
    return VenueModels(
        fees=venue.fees,
        latency_ns=execution.latency_ms * 1_000_000,
        half_spread_bps={**HALF_SPREAD_BPS, **execution.half_spread_bps},
        impact_bps=execution.impact_bps,
        cost_multiplier=execution.cost_multiplier,
        dividends={iid: entries for iid, entries in paid.items() if entries},
        borrow_rate=exact(venue.borrow_rate),
        margin_rate=exact(venue.margin_rate),
    )


def _venue(config: RunConfig, catalog: Catalog, name: str) -> BacktestVenueConfig:
    venue = next(v for v in config.venues if v.name == name)
    is_margin = venue.account == "margin"
    return BacktestVenueConfig(
        name=venue.name,
        # A simulated venue that nets would cut a reduce-only order to the position of whichever strategy comes first.
        oms_type="HEDGING",
        account_type="MARGIN" if is_margin else "CASH",
        base_currency="USD" if is_margin else None,
        starting_balances=list(venue.balances),
        default_leverage=venue.leverage if is_margin else 1.0,
        **venue_models(config, catalog, name).settings(),
    )


def _data(spec: RunSpec) -> list[BacktestDataConfig]:
    config = spec.config
    place = str(config.catalog)
    traded = list(shells.bar_types(config))
    configs = []
    reference = shells.regime_bar_type(config)
    if config.regime is not None and (config.regime.vix or config.regime.breadth):
        configs.append(BacktestDataConfig(catalog_path=place, data_cls=MacroPoint, client_id=MACRO_CLIENT))
    all_types = traded if reference is None or reference in traded else [*traded, reference]
    # The class, not its name: with a string the bar types are ignored and every bar of the instrument is loaded.
    configs.append(BacktestDataConfig(catalog_path=place, data_cls=Bar, bar_types=all_types))
    configs.append(BacktestDataConfig(catalog_path=place, data_cls=QuoteTick, instrument_ids=list(config.instruments)))
    return configs
