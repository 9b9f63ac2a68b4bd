"""The live builder: every adapter it names exists, and bad settings are named before anything connects."""

from typing import Any

import pytest

from nautilus_qs.bridge.loading import find_part
from nautilus_qs.config import LiveConfig, configs_dir, decode, read_yaml
from nautilus_qs.errors import ConfigError
from nautilus_qs.nodes.live import ADAPTERS, build_node

CAPS = {"orders_a_minute": 60, "max_quantity": "1000", "max_notional": "50000", "max_deviation_frac": "0.1"}
ALPACA = {
    "name": "ALPACA",
    "data": {"venue": {"paper": True}},
    "execution": {"venue": {"paper": True}, "caps": CAPS},
}


def values(**changed: Any) -> dict[str, Any]:
    return {
        "name": "sandbox",
        "mode": "sandbox",
        "venues": [ALPACA],
        "data": [{"instruments": ["SPY.ALPACA"], "bar": "1-MINUTE-LAST"}],
        "strategies": [{"name": "breakout", "path": "strategies.breakout:Breakout"}],
        "allocation": read_yaml(configs_dir() / "strategy_allocation.yaml"),
        **changed,
    }


def live(**changed: Any) -> LiveConfig:
    return decode(values(**changed), LiveConfig, "test")


def build(config: LiveConfig) -> Any:
    return build_node(config, run_id="r", sink="tests.runs:MemorySink", sink_args={"name": "live"}, trade_from_ns=0)


@pytest.mark.parametrize("venue", ADAPTERS)
def test_every_part_of_an_adapter_exists(venue: str) -> None:
    adapter = ADAPTERS[venue]
    for name in adapter.__struct_fields__:
        assert isinstance(find_part(getattr(adapter, name)), type)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mode": "backtest"}, "must be sandbox, paper or live"),
        ({"mode": "demo"}, "Invalid enum value"),
        ({"venues": [ALPACA, ALPACA]}, "must name a venue once"),
        ({"venues": [{**ALPACA, "leverage": 20.0}]}, r"leverage of venue ALPACA must be in \[1, 10\]"),
        ({"batch_wait_secs": 0}, r"batch_wait_secs must be in \[0.001, 3600\]"),
        ({"venues": [{**ALPACA, "name": "COINBASE"}]}, "the venue of SPY.ALPACA must be one of venues"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        live(**changed)


@pytest.mark.parametrize(
    ("venue", "message"),
    [
        ({**ALPACA, "execution": {**ALPACA["execution"], "capz": {}}}, "has no setting 'capz'; did you mean 'caps'"),
        ({**ALPACA, "execution": {"venue": {"paper": True}}}, "venues.ALPACA.execution: .*caps"),
        ({**ALPACA, "data": {"venue": {}}}, "venues.ALPACA.data: .*paper"),
        (
            {**ALPACA, "execution": {"venue": {"paper": True}, "caps": {**CAPS, "orders_a_minute": 0}}},
            "orders_a_minute must be positive",
        ),
    ],
)
def test_settings_that_an_adapter_refuses_are_named(venue: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(live(venues=[venue]))


def test_venue_without_an_adapter_is_refused() -> None:
    other = {**ALPACA, "name": "COINBSE"}
    data = [{"instruments": ["BTC-USD.COINBSE"], "bar": "1-MINUTE-LAST"}]
    with pytest.raises(ConfigError, match=r"must be one of .*did you mean 'COINBASE'"):
        build(live(venues=[other], data=data))
