"""A trading node on the simulated venue: it trades, is stopped, and a new one without memory finds what is there."""

import asyncio
from decimal import Decimal

import pytest
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from adapters.alpaca.config import AlpacaDataClientConfig, AlpacaExecClientConfig, AlpacaVenueConfig
from adapters.alpaca.factories import AlpacaLiveDataClientFactory, AlpacaLiveExecClientFactory
from adapters.simulator.host import SimulatedVenues
from tests.unit.alpaca.desk import AAPL, CAPS

QUOTE = {"symbol": "AAPL", "bid": "99.99", "ask": "100.01", "bid_size": "1000", "ask_size": "1000"}


class TraderConfig(StrategyConfig, frozen=True):
    """Whether it trades."""

    trades: bool = True


class Trader(Strategy):
    """Buys at the market and leaves a limit, once."""

    def on_start(self) -> None:
        self.is_done = not self.config.trades
        self.subscribe_quote_ticks(AAPL)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        if self.is_done:
            return
        self.is_done = True
        factory, day = self.order_factory, TimeInForce.DAY
        self.submit_order(factory.market(AAPL, OrderSide.BUY, Quantity.from_str("10"), time_in_force=day))
        self.submit_order(factory.limit(AAPL, OrderSide.BUY, Quantity.from_str("5"), Price.from_str("90.00")))

    def on_stop(self) -> None:
        self.unsubscribe_quote_ticks(AAPL)


def node_of(venues: SimulatedVenues, *, trades: bool) -> TradingNode:
    urls = venues.alpaca
    venue = AlpacaVenueConfig(
        paper=True,
        rest_url=urls.rest_url,
        data_url=urls.rest_url,
        stream_url=urls.trade_stream_url,
        data_stream_url=urls.data_stream_url("iex").removesuffix("/v2/iex"),
    )
    provider = InstrumentProviderConfig(load_all=True)
    node = TradingNode(
        TradingNodeConfig(
            trader_id="TEST-001",
            logging=LoggingConfig(log_level="OFF"),
            exec_engine=LiveExecEngineConfig(
                reconciliation=True,
                reconciliation_startup_delay_secs=1,
                open_check_interval_secs=1,
                open_check_open_only=False,
                position_check_interval_secs=1,
            ),
            data_clients={"ALPACA": AlpacaDataClientConfig(venue=venue, instrument_provider=provider)},
            exec_clients={"ALPACA": AlpacaExecClientConfig(venue=venue, instrument_provider=provider, caps=CAPS)},
            timeout_disconnection=3.0,
            timeout_post_stop=0.5,
        ),
        loop=asyncio.get_running_loop(),
    )
    node.add_data_client_factory("ALPACA", AlpacaLiveDataClientFactory)
    node.add_exec_client_factory("ALPACA", AlpacaLiveExecClientFactory)
    node.trader.add_strategy(Trader(TraderConfig(trades=trades, order_id_tag="1", external_order_claims=[AAPL])))
    node.build()
    return node


async def live(venues: SimulatedVenues, *, trades: bool, secs: float) -> tuple[list[tuple[str, str, Decimal]], Decimal]:
    """Run a node for a while and return its orders and what it holds."""
    node = node_of(venues, trades=trades)
    running = asyncio.create_task(node.run_async())
    for _ in range(int(secs / 0.5)):
        await asyncio.sleep(0.5)
        venues.control.step(0, ticks=[QUOTE])
    found = [(o.client_order_id.value, o.status_string(), o.filled_qty.as_decimal()) for o in node.cache.orders()]
    held = sum((p.signed_decimal_qty() for p in node.cache.positions_open()), Decimal(0))
    await node.stop_async()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return sorted(found), held


def test_node_trades_and_a_new_one_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "SIMKEY")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "SIMSECRET")
    with SimulatedVenues(seed=1, venues=("alpaca",)) as venues:
        venues.control.step(0, ticks=[QUOTE])
        orders, held = asyncio.run(live(venues, trades=True, secs=5.0))
        assert [(status, filled) for _, status, filled in orders] == [("FILLED", 10), ("ACCEPTED", 0)]
        assert held == 10
        again, held = asyncio.run(live(venues, trades=False, secs=4.0))
        assert again == orders
        assert held == 10
        assert len(venues.control.state()["venues"]["alpaca"]["orders"]) == 2
