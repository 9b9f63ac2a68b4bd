"""What is arranged with NautilusTrader behind its back."""

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.model.data import Bar
from nautilus_trader.model.events import OrderFilled

from nautilus_qs.bridge.engine import silent_bus


def test_silent_bus_building_an_engine_keeps_the_id_of_the_configuration():
    # A BacktestNode finds its engine by this id, before and after the engine was built.
    config = BacktestEngineConfig(message_bus=silent_bus(), logging=LoggingConfig(bypass_logging=True))
    before = config.id
    engine = BacktestEngine(config)
    engine.dispose()
    assert config.id == before


def test_silent_bus_filter_covers_data_events_and_plain_values():
    assert {Bar, OrderFilled, str, float} <= set(silent_bus().types_filter)
