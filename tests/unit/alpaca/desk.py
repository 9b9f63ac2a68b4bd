"""NautilusTrader's engines around one Alpaca client, without a node: a strategy that is told what to do."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import InstrumentProviderConfig, LiveExecEngineConfig, LiveRiskEngineConfig, StrategyConfig
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.live.risk_engine import LiveRiskEngine
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.trading.strategy import Strategy

from adapters.alpaca.config import AlpacaExecClientConfig, AlpacaVenueConfig, Caps
from adapters.alpaca.constants import NOTICES_TOPIC
from adapters.alpaca.factories import AlpacaLiveExecClientFactory

AAPL = InstrumentId.from_str("AAPL.ALPACA")
BTC = InstrumentId.from_str("BTC/USD.ALPACA")
CAPS = Caps(
    orders_a_minute=100,
    max_quantity=Decimal(1_000),
    max_notional=Decimal(500_000),
    max_deviation_frac=Decimal("0.1"),
)
SHORT = {
    "OrderSubmitted": "Sub",
    "OrderAccepted": "Acc",
    "OrderRejected": "Rej",
    "OrderDenied": "Den",
    "OrderCanceled": "Can",
    "OrderExpired": "Exp",
    "OrderUpdated": "Upd",
    "OrderPendingCancel": "PC",
    "OrderPendingUpdate": "PU",
    "OrderCancelRejected": "CRej",
    "OrderModifyRejected": "MRej",
    "OrderTriggered": "Trg",
}


def no_writes(method: str, path: str) -> str:
    """Veto every write."""
    return "standby"


def short(event: Any) -> str:
    """Return an event in short: Fil(30), Upd(60), Acc."""
    name = type(event).__name__
    if name == "OrderFilled":
        return f"Fil({event.last_qty.as_decimal().normalize():f})"
    return SHORT.get(name, name)


class Venue(Protocol):
    """Where a venue listens."""

    rest_url: str
    stream_url: str
    data_stream_url: str


class Desk:
    """Engines, client, strategy and what happened."""

    def __init__(self, venue: Venue, **changes: Any) -> None:
        loop = asyncio.get_running_loop()
        clock = LiveClock()
        trader_id = TraderId("TEST-001")
        self.msgbus = MessageBus(trader_id=trader_id, clock=clock)
        self.cache = changes.pop("cache", None) or Cache()
        self.portfolio = Portfolio(msgbus=self.msgbus, cache=self.cache, clock=clock)
        self.risk = LiveRiskEngine(
            loop, self.portfolio, self.msgbus, self.cache, clock, config=LiveRiskEngineConfig(bypass=True)
        )
        self.engine = LiveExecutionEngine(
            loop,
            self.msgbus,
            self.cache,
            clock,
            config=LiveExecEngineConfig(inflight_check_interval_ms=0, reconciliation=False),
        )
        settings: dict[str, Any] = {
            "venue": AlpacaVenueConfig(
                paper=True,
                rest_url=venue.rest_url,
                data_url=venue.rest_url,
                stream_url=venue.stream_url,
                data_stream_url=venue.data_stream_url,
                deadline_secs=changes.pop("deadline_secs", 1.0),
                fractional=changes.pop("fractional", True),
                veto_path=changes.pop("veto_path", None),
                requests_a_minute=changes.pop("requests_a_minute", 200),
            ),
            "caps": CAPS,
            "instrument_provider": InstrumentProviderConfig(load_all=True),
        }
        config = AlpacaExecClientConfig(**(settings | {k: v for k, v in changes.items() if v is not None}))
        self.client = AlpacaLiveExecClientFactory.create(loop, "ALPACA", config, self.msgbus, self.cache, clock)
        self.engine.register_client(self.client)
        self.events: list[Any] = []
        self.notices: list[Any] = []
        self.accounts: list[Any] = []
        self.msgbus.subscribe("events.order.*", self.events.append)
        self.msgbus.subscribe("events.account.*", self.accounts.append)
        self.msgbus.subscribe(NOTICES_TOPIC, self.notices.append)
        self.strategy = Strategy(StrategyConfig(strategy_id="S", order_id_tag="1"))
        self.strategy.register(trader_id, self.portfolio, self.msgbus, self.cache, clock)
        self._number = 0

    async def start(self) -> None:
        self.risk.start()
        self.engine.start()
        self.client.connect()
        await self.until(lambda: self.client.is_connected, "connection", secs=10.0)
        self.strategy.start()

    async def stop(self) -> None:
        self.strategy.stop()
        self.client.disconnect()
        await self.until(lambda: not self.client.is_connected, "disconnection", secs=10.0)
        self.engine.stop()
        self.risk.stop()
        await asyncio.sleep(0.05)

    async def until(self, is_so: Callable[[], bool], what: str, *, secs: float = 8.0) -> None:
        deadline = time.monotonic() + secs
        while not is_so():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen within {secs:g} s: {self.told()}")
            await asyncio.sleep(0.005)

    def quote(self, instrument_id: InstrumentId, bid: str, ask: str) -> None:
        now = time.time_ns()
        size = Quantity.from_int(100)
        self.cache.add_quote_tick(
            QuoteTick(instrument_id, Price.from_str(bid), Price.from_str(ask), size, size, now, now)
        )

    def limit(self, quantity: str = "100", price: str = "100.00", **more: Any) -> Any:
        settings: dict[str, Any] = {
            "instrument_id": AAPL,
            "order_side": OrderSide.BUY,
            "time_in_force": TimeInForce.DAY,
            "client_order_id": self.new_id(),
        } | more
        return self.strategy.order_factory.limit(
            quantity=Quantity.from_str(quantity), price=Price.from_str(price), **settings
        )

    def new_id(self) -> ClientOrderId:
        self._number += 1
        return ClientOrderId(f"T-{self._number}")

    def told(self, order: Any | None = None) -> list[str]:
        """Return the events of an order (or all) in short, without its beginning."""
        return [
            short(event)
            for event in self.events
            if type(event).__name__ != "OrderInitialized"
            and (order is None or event.client_order_id == order.client_order_id)
        ]

    def event(self, order: Any, name: str) -> Any:
        return next(e for e in self.events if type(e).__name__ == name and e.client_order_id == order.client_order_id)
