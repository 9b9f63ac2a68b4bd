"""Strategies and actors by string, from what a backtest and a live node are told alike: one assembly for both."""

from typing import Any

import msgspec
from msgspec import Struct
from nautilus_trader.common.config import ImportableActorConfig
from nautilus_trader.trading.config import ImportableControllerConfig, ImportableStrategyConfig

from nautilus_qs.config import StrategyEntry, SystemConfig
from nautilus_qs.domain import RunMode


class Setting(Struct, frozen=True, kw_only=True):
    """Where the shells stand: what differs between a backtest and a live node, and changes no rule.

    Parameters
    ----------
    mode
        Written into every row.
    run_id
        The same.
    trade_from_ns
        Bars that closed before this time warm the indicators only.
    sink, sink_args
        Where the recorder writes, as ``module:Class`` and its keywords.
    entry_time_in_force
        Of entries. A venue wants a group of orders to live equally long, and protective legs must outlive the day.
    mark_every_secs
        See :class:`actors.equity.EquityActorConfig`.
    max_mark_age_secs
        The same.
    batch_wait_ns
        How long a batch waits for the bars that complete it; 1 in a backtest.
    batch_settle_ns
        From the last of these bars to the decision.
    waits_for_bars
        Whether a batch closes when every instrument has reported.
    breaker_store, breaker_store_args
        Where the state of the breakers outlives the process; "" for memory.
    """

    mode: RunMode
    run_id: str
    trade_from_ns: int
    sink: str
    sink_args: dict[str, str] = {}
    entry_time_in_force: str = "DAY"
    mark_every_secs: int = 0
    max_mark_age_secs: float = 0.0
    batch_wait_ns: int = 1
    batch_settle_ns: int = 1
    waits_for_bars: bool = False
    breaker_store: str = ""
    breaker_store_args: dict[str, str] = {}


def bar_type(instrument_id: str, bar: str) -> str:
    """Return the bar type of bars that the catalog holds."""
    return f"{instrument_id}-{bar}-EXTERNAL"


def bar_types(config: SystemConfig) -> tuple[str, ...]:
    """Return every bar type that is traded."""
    return tuple(bar_type(iid, data.bar) for data in config.data for iid in data.instruments)


def regime_bar_type(config: SystemConfig) -> str | None:
    """Return the bar type the regime is read from."""
    return None if config.regime is None else bar_type(config.regime.reference, config.regime.bar)


def controller() -> ImportableControllerConfig:
    """Return the gate."""
    return ImportableControllerConfig(
        controller_path="actors.gate:GateController",
        config_path="nautilus_trader.common.config:ActorConfig",
        config={},
    )


def strategies(config: SystemConfig, setting: Setting) -> list[ImportableStrategyConfig]:
    """Return every strategy."""
    return [_strategy(config, setting, entry) for entry in config.strategies]


def actors(config: SystemConfig, setting: Setting) -> list[ImportableActorConfig]:
    """Return every actor, in the order in which they hear of a bar."""
    found = [_equity(config, setting), _desk(config, setting), _recorder(setting)]
    return found if config.regime is None else [_regime(config), *found]


def _strategy(config: SystemConfig, setting: Setting, entry: StrategyEntry) -> ImportableStrategyConfig:
    wanted = set(entry.instruments or config.instruments)
    traded = [bar_type(iid, data.bar) for data in config.data for iid in data.instruments if iid in wanted]
    values = {
        "name": entry.name,
        "order_id_tag": entry.name,
        "oms_type": "HEDGING",
        "bar_types": traded,
        "trade_from_ns": setting.trade_from_ns,
        "params": entry.params,
        "entry_time_in_force": setting.entry_time_in_force,
        "manage_stop": entry.flat_on_stop,
    }
    return ImportableStrategyConfig(strategy_path=entry.path, config_path=f"{entry.path}Config", config=values)


def _regime(config: SystemConfig) -> ImportableActorConfig:
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


def _equity(config: SystemConfig, setting: Setting) -> ImportableActorConfig:
    return _actor(
        "actors.equity:EquityActor",
        {
            "bar_types": bar_types(config),
            "trade_from_ns": setting.trade_from_ns,
            "day_zone": config.day_zone,
            "mark_every_secs": setting.mark_every_secs,
            "max_mark_age_secs": setting.max_mark_age_secs,
        },
    )


def _desk(config: SystemConfig, setting: Setting) -> ImportableActorConfig:
    return _actor(
        "actors.risk_desk:RiskDesk",
        {
            "instruments": config.instruments,
            "params": config.desk,
            "expected_bar_types": bar_types(config) if setting.waits_for_bars else (),
            "batch_wait_ns": setting.batch_wait_ns,
            "batch_settle_ns": setting.batch_settle_ns,
            "leverage": {venue.name: venue.leverage for venue in config.markets},
            "day_zone": config.day_zone,
            "breaker_store": setting.breaker_store,
            "breaker_store_args": setting.breaker_store_args,
            "seed": config.seed,
        },
    )


def _recorder(setting: Setting) -> ImportableActorConfig:
    return _actor(
        "actors.recorder:Recorder",
        {
            "run_id": setting.run_id,
            "mode": setting.mode.value,
            "sink": setting.sink,
            "sink_args": setting.sink_args,
            "trade_from_ns": setting.trade_from_ns,
        },
    )


def _actor(path: str, values: dict[str, Any]) -> ImportableActorConfig:
    return ImportableActorConfig(actor_path=path, config_path=f"{path}Config", config=msgspec.to_builtins(values))
