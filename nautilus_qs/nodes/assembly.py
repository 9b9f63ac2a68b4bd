"""From a run specification to NautilusTrader's own configuration: shells by string, values by dict."""

from typing import Any

import msgspec
from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.cache.config import CacheConfig
from nautilus_trader.common.config import ImportableActorConfig, LoggingConfig
from nautilus_trader.model.data import Bar, QuoteTick
from nautilus_trader.risk.config import RiskEngineConfig
from nautilus_trader.trading.config import ImportableControllerConfig, ImportableStrategyConfig

from catalog.macro import MACRO_CLIENT, MacroPoint
from catalog.reader import Catalog
from nautilus_qs.bridge.engine import silent_bus
from nautilus_qs.bridge.venue_models import VenueModels
from nautilus_qs.config import RunConfig, StrategyEntry
from nautilus_qs.costs import HALF_SPREAD_BPS
from nautilus_qs.domain import RunMode
from nautilus_qs.nodes.spec import RunSpec
from nautilus_qs.risk.limits import exact

MARK_EVERY_SECS = 300
"""A backtest on finer bars does not mark each of them; every decision is still taken on a mark of its own."""


def bar_type(instrument_id: str, bar: str) -> str:
    """Return the bar type of bars that the catalog holds."""
    return f"{instrument_id}-{bar}-EXTERNAL"


def bar_types(config: RunConfig) -> tuple[str, ...]:
    """Return every bar type that is traded."""
    return tuple(bar_type(iid, data.bar) for data in config.data for iid in data.instruments)


def regime_bar_type(config: RunConfig) -> str | None:
    """Return the bar type the regime is read from."""
    return None if config.regime is None else bar_type(config.regime.reference, config.regime.bar)


def engine_config(spec: RunSpec, sink: str, sink_args: dict[str, str]) -> BacktestEngineConfig:
    """Return the engine with gate, desk, actors and strategies."""
    config = spec.config
    actors = [_equity(spec), _desk(spec)]
    if config.regime is not None:
        actors.insert(0, _regime(config))
    actors.append(_recorder(spec, sink, sink_args))
    return BacktestEngineConfig(
        trader_id=f"{config.trader}-BACKTEST",
        logging=LoggingConfig(bypass_logging=True),
        message_bus=silent_bus(),
        # Desk and gate judge every order. The engine's own check knows no margin account, and values what a cash
        # account buys at the last quote, here the open of the day before: it would deny what is affordable.
        risk_engine=RiskEngineConfig(bypass=True),
        cache=CacheConfig(tick_capacity=16, bar_capacity=1024, drop_instruments_on_reset=False),
        run_analysis=False,
        controller=ImportableControllerConfig(
            controller_path="actors.gate:GateController",
            config_path="nautilus_trader.common.config:ActorConfig",
            config={},
        ),
        strategies=[_strategy(spec, entry) for entry in config.strategies],
        actors=actors,
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
    traded = list(bar_types(config))
    configs = []
    reference = regime_bar_type(config)
    if config.regime is not None and (config.regime.vix or config.regime.breadth):
        configs.append(BacktestDataConfig(catalog_path=place, data_cls=MacroPoint, client_id=MACRO_CLIENT))
    all_types = traded if reference is None or reference in traded else [*traded, reference]
    # The class, not its name: with a string the bar types are ignored and every bar of the instrument is loaded.
    configs.append(BacktestDataConfig(catalog_path=place, data_cls=Bar, bar_types=all_types))
    configs.append(BacktestDataConfig(catalog_path=place, data_cls=QuoteTick, instrument_ids=list(config.instruments)))
    return configs


def _strategy(spec: RunSpec, entry: StrategyEntry) -> ImportableStrategyConfig:
    config = spec.config
    wanted = set(entry.instruments or config.instruments)
    traded = [bar_type(iid, data.bar) for data in config.data for iid in data.instruments if iid in wanted]
    values = {
        "name": entry.name,
        "order_id_tag": entry.name,
        "oms_type": "HEDGING",
        "bar_types": traded,
        "trade_from_ns": spec.start_ns,
        "params": entry.params,
        "manage_stop": entry.flat_on_stop,
    }
    return ImportableStrategyConfig(strategy_path=entry.path, config_path=f"{entry.path}Config", config=values)


def _regime(config: RunConfig) -> ImportableActorConfig:
    regime = config.regime
    assert regime is not None
    return _actor(
        "actors.regime:RegimeActor",
        {
            "bar_type": regime_bar_type(config),
            "vix_series": regime.vix,
            "breadth_series": regime.breadth,
            "params": regime.params,
        },
    )


def _equity(spec: RunSpec) -> ImportableActorConfig:
    return _actor(
        "actors.equity:EquityActor",
        {
            "bar_types": bar_types(spec.config),
            "trade_from_ns": spec.start_ns,
            "day_zone": spec.config.day_zone,
            "mark_every_secs": MARK_EVERY_SECS,
        },
    )


def _desk(spec: RunSpec) -> ImportableActorConfig:
    config = spec.config
    return _actor(
        "actors.risk_desk:RiskDesk",
        {
            "instruments": config.instruments,
            "params": config.desk,
            "leverage": {venue.name: venue.leverage for venue in config.venues},
            "day_zone": config.day_zone,
            "seed": config.seed,
        },
    )


def _recorder(spec: RunSpec, sink: str, sink_args: dict[str, str]) -> ImportableActorConfig:
    return _actor(
        "actors.recorder:Recorder",
        {
            "run_id": spec.run_id,
            "mode": RunMode.BACKTEST.value,
            "sink": sink,
            "sink_args": sink_args,
            "trade_from_ns": spec.start_ns,
        },
    )


def _actor(path: str, values: dict[str, Any]) -> ImportableActorConfig:
    return ImportableActorConfig(actor_path=path, config_path=f"{path}Config", config=msgspec.to_builtins(values))
