"""From a live configuration to a TradingNode: the strategies, actors and gate of a backtest, at real venues.

The venues come from their adapters; no rule is written here. Durable state, the node's own supervision and failover are
not part of this builder.
"""

import asyncio
from typing import Any

import msgspec
from msgspec import Struct
from nautilus_trader.cache.config import CacheConfig
from nautilus_trader.config import (
    LiveDataEngineConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import TraderId

from nautilus_qs.bridge.engine import skip_quadratic_analysis
from nautilus_qs.bridge.loading import find_part
from nautilus_qs.config import LiveConfig, LiveVenue
from nautilus_qs.config.hints import did_you_mean
from nautilus_qs.errors import ConfigError
from nautilus_qs.nodes import shells


class VenueAdapter(Struct, frozen=True):
    """Where an adapter's configurations and factories are, each as ``module:Class``."""

    data_config: str
    exec_config: str
    data_factory: str
    exec_factory: str


ADAPTERS = {
    "ALPACA": VenueAdapter(
        "adapters.alpaca.config:AlpacaDataClientConfig",
        "adapters.alpaca.config:AlpacaExecClientConfig",
        "adapters.alpaca.factories:AlpacaLiveDataClientFactory",
        "adapters.alpaca.factories:AlpacaLiveExecClientFactory",
    ),
    "COINBASE": VenueAdapter(
        "adapters.coinbase.config:CoinbaseDataClientConfig",
        "adapters.coinbase.config:CoinbaseExecClientConfig",
        "adapters.coinbase.factories:CoinbaseLiveDataClientFactory",
        "adapters.coinbase.factories:CoinbaseLiveExecClientFactory",
    ),
}


def build_node(
    config: LiveConfig,
    *,
    run_id: str,
    sink: str,
    sink_args: dict[str, str],
    trade_from_ns: int,
    loop: asyncio.AbstractEventLoop | None = None,
) -> TradingNode:
    """Return a node that is built and not running yet.

    Parameters
    ----------
    config
        The live configuration.
    run_id, sink, sink_args
        Whose rows are recorded, and where.
    trade_from_ns
        Bars that closed before this time (UTC nanoseconds) warm the indicators only.
    loop
        Where it runs; the current one when left out.

    Raises
    ------
    ConfigError
        If no adapter is written for a venue, or an adapter refuses its settings.
    """
    skip_quadratic_analysis()
    node_config = _node_config(config, run_id=run_id, sink=sink, sink_args=sink_args, trade_from_ns=trade_from_ns)
    node = TradingNode(node_config, loop=loop)
    for venue in config.venues:
        adapter = adapter_of(venue.name)
        node.add_data_client_factory(venue.name, find_part(adapter.data_factory))
        node.add_exec_client_factory(venue.name, find_part(adapter.exec_factory))
    node.build()
    return node


def adapter_of(venue: str) -> VenueAdapter:
    """Return the adapter of a venue.

    Raises
    ------
    ConfigError
        If none is written for it.
    """
    if venue not in ADAPTERS:
        raise ConfigError(
            f"a live venue must be one of {sorted(ADAPTERS)}, was {venue!r}" + did_you_mean(venue, ADAPTERS)
        )
    return ADAPTERS[venue]


def _node_config(
    config: LiveConfig, *, run_id: str, sink: str, sink_args: dict[str, str], trade_from_ns: int
) -> TradingNodeConfig:
    setting = shells.Setting(
        mode=config.mode,
        run_id=run_id,
        trade_from_ns=trade_from_ns,
        sink=sink,
        sink_args=sink_args,
        entry_time_in_force="GTC",
        max_mark_age_secs=config.max_mark_age_secs,
        batch_wait_ns=int(config.batch_wait_secs * 1e9),
        batch_settle_ns=1_000_000,
        waits_for_bars=True,
    )
    return TradingNodeConfig(
        trader_id=TraderId(f"{config.trader}-{config.mode.value.upper()}"),
        logging=LoggingConfig(log_level="WARNING", log_colors=False),
        cache=CacheConfig(bar_capacity=1024, drop_instruments_on_reset=False),
        data_engine=LiveDataEngineConfig(graceful_shutdown_on_exception=True),
        # As in a backtest: desk and gate judge every order, and decide alike in every mode.
        risk_engine=LiveRiskEngineConfig(bypass=True, graceful_shutdown_on_exception=True),
        exec_engine=LiveExecEngineConfig(
            reconciliation=True,
            graceful_shutdown_on_exception=True,
            # The engine would reject an order in doubt after some queries. The adapters look it up themselves, and say
            # that it was rejected on the venue's word only.
            inflight_check_interval_ms=0,
        ),
        controller=shells.controller(),
        strategies=shells.strategies(config, setting),
        actors=shells.actors(config, setting),
        data_clients={venue.name: _client(config, venue, is_data=True) for venue in config.venues},
        exec_clients={venue.name: _client(config, venue, is_data=False) for venue in config.venues},
        timeout_connection=config.connect_secs,
        timeout_reconciliation=config.connect_secs,
        timeout_portfolio=config.connect_secs,
        timeout_disconnection=10.0,
        timeout_post_stop=2.0,
    )


def _client(config: LiveConfig, venue: LiveVenue, *, is_data: bool) -> Any:
    adapter = adapter_of(venue.name)
    kind = find_part(adapter.data_config if is_data else adapter.exec_config)
    given = venue.data if is_data else venue.execution
    where = f"venues.{venue.name}.{'data' if is_data else 'execution'}"
    for key in given:
        if key not in kind.__struct_fields__:
            raise ConfigError(f"{where} has no setting {key!r}" + did_you_mean(key, kind.__struct_fields__))
    ids = [iid for iid in config.instruments if iid.rpartition(".")[2] == venue.name]
    values = {"instrument_provider": {"load_ids": ids}, **given}
    try:
        return kind.parse(msgspec.json.encode(values))
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
