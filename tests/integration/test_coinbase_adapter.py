"""The execution client against a venue on loopback: each case by its exact sequence of events."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
)
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide, OrderStatus, TimeInForce, TrailingOffsetType, TriggerType
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.trading.strategy import Strategy

from adapters.coinbase import execution
from adapters.coinbase.config import CoinbaseDataClientConfig, CoinbaseEndpoints, CoinbaseExecClientConfig
from adapters.coinbase.constants import COINBASE
from adapters.coinbase.execution import CoinbaseExecutionClient
from adapters.coinbase.factories import CoinbaseLiveDataClientFactory, CoinbaseLiveExecClientFactory
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.providers import CoinbaseInstrumentProvider
from adapters.simulator.host import SimulatedVenues
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from tests.unit.coinbase.venue import LOST, StubVenue, new_credentials

BTC = InstrumentId.from_str("BTC-USD.COINBASE")
SHORT = {
    "OrderInitialized": "Init",
    "OrderDenied": "Den",
    "OrderSubmitted": "Sub",
    "OrderAccepted": "Acc",
    "OrderRejected": "Rej",
    "OrderFilled": "Fil",
    "OrderCanceled": "Can",
    "OrderExpired": "Exp",
    "OrderTriggered": "Trg",
    "OrderUpdated": "Upd",
    "OrderPendingCancel": "PC",
    "OrderPendingUpdate": "PU",
    "OrderCancelRejected": "CRej",
    "OrderModifyRejected": "MRej",
}


class Desk:
    """A venue, an engine and a strategy, without a node."""

    def __init__(self, venue: StubVenue, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        self.venue = venue
        self.credentials = new_credentials()
        self.counters = Counters()
        clock = LiveClock()
        trader_id = TraderId("TESTER-001")
        msgbus = MessageBus(trader_id=trader_id, clock=clock)
        self.cache = Cache()
        portfolio = Portfolio(msgbus=msgbus, cache=self.cache, clock=clock)
        self.engine = LiveExecutionEngine(
            loop=loop,
            msgbus=msgbus,
            cache=self.cache,
            clock=clock,
            config=LiveExecEngineConfig(
                reconciliation=False, inflight_check_interval_ms=0, graceful_shutdown_on_exception=True
            ),
        )
        config = CoinbaseExecClientConfig(
            **{
                "max_order_notional": Decimal(1_000_000),
                "max_price_deviation_frac": Decimal("0.2"),
                "max_orders_per_sec": 1_000,
                "deadline_secs": 1.0,
                "fills_lag_secs": 1.0,
                "endpoints": venue.endpoints,
                "instrument_provider": InstrumentProviderConfig(load_all=True),
                **settings,
            }
        )
        self._parts = (loop, msgbus, clock, config)
        self.client = self.new_client()
        self.engine.register_client(self.client)
        msgbus.register("RiskEngine.execute", self.engine.execute)
        self.events: list[Any] = []
        msgbus.subscribe("events.order.*", self.events.append)
        self.strategy = Strategy(StrategyConfig(strategy_id="S", order_id_tag="001"))
        self.strategy.register(trader_id, portfolio, msgbus, self.cache, clock)
        self.make = self.strategy.order_factory
        self.engine.start()

    def new_client(self) -> CoinbaseExecutionClient:
        """Return a client on the same books."""
        loop, msgbus, clock, config = self._parts
        http = CoinbaseHttp(
            self.credentials,
            endpoints=config.endpoints,
            counters=self.counters,
            budget=RateBudget(per_second=1000.0, burst=1000),
            deadline_secs=config.deadline_secs,
        )
        provider = CoinbaseInstrumentProvider(
            http, counters=self.counters, cache_path=None, deadline_secs=5.0, config=config.instrument_provider
        )
        return CoinbaseExecutionClient(
            loop,
            http,
            self.credentials,
            msgbus=msgbus,
            cache=self.cache,
            clock=clock,
            instrument_provider=provider,
            counters=self.counters,
            config=config,
        )

    def told(self, order: Any) -> list[str]:
        """Return the events of an order, a fill with its quantity."""
        found = []
        for event in self.events:
            if event.client_order_id == order.client_order_id:
                name = SHORT[type(event).__name__]
                found.append(f"Fil({event.last_qty.as_decimal().normalize():f})" if name == "Fil" else name)
        return [name for name in found if name != "Init"]

    def fills(self, order: Any) -> list[tuple[str, str, str]]:
        """Return quantity, price and commission of each fill of an order."""
        return [
            (f"{e.last_qty.as_decimal().normalize():f}", str(e.last_px), f"{e.commission.as_decimal():.2f}")
            for e in self.events
            if type(e).__name__ == "OrderFilled" and e.client_order_id == order.client_order_id
        ]

    def last(self, order: Any) -> Any:
        return [event for event in self.events if event.client_order_id == order.client_order_id][-1]

    async def until(self, order: Any, *expected: str, secs: float = 5.0) -> None:
        """Wait for exactly these events, and that none follows."""
        ends = asyncio.get_running_loop().time() + secs
        while self.told(order) != list(expected) and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert self.told(order) == list(expected)

    def limit(self, qty: str = "1.0", price: str = "100.00", **changes: Any) -> Any:
        return self.make.limit(BTC, OrderSide.BUY, Quantity.from_str(qty), Price.from_str(price), **changes)

    async def open(self, **changes: Any) -> tuple[Any, dict[str, Any]]:
        """Return a limit order that the venue has accepted, and what the venue has of it."""
        order = self.limit(**changes)
        self.strategy.submit_order(order)
        await self.until(order, "Sub", "Acc")
        return order, self.venue.order(order.client_order_id)


@asynccontextmanager
async def desk(**settings: Any) -> AsyncIterator[Desk]:
    venue = StubVenue()
    await venue.start()
    found = Desk(venue, asyncio.get_running_loop(), **settings)
    try:
        found.client.connect()
        for _ in range(500):
            if found.client.is_connected:
                break
            await asyncio.sleep(0.01)
        assert found.client.is_connected
        yield found
    finally:
        await found.client._disconnect()
        await found.client.cancel_pending_tasks(timeout_secs=1.0)
        found.engine.stop()
        await asyncio.sleep(0.02)
        await venue.stop()


def run(case: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(case())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_REPOST_PAUSE_SECS", 0.1)
    monkeypatch.setattr(execution, "_ABSENT_SECS", 0.3)


def test_cbx_01_limit_filled_at_once() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            await d.venue.tell(at_venue, status="PENDING")
            await d.venue.tell(at_venue, status="OPEN")
            await d.venue.tell(
                at_venue, status="FILLED", cumulative_quantity="1", avg_price="100.00", total_fees="0.60"
            )
            await d.until(order, "Sub", "Acc", "Fil(1)")
            assert d.fills(order) == [("1", "100.00", "0.60")]
            assert order.status == OrderStatus.FILLED
            assert d.venue.requests("/orders") == [
                {
                    "client_order_id": order.client_order_id.value,
                    "product_id": "BTC-USD",
                    "side": "BUY",
                    "order_configuration": {
                        "limit_limit_gtc": {"base_size": "1.0", "limit_price": "100.00", "post_only": False}
                    },
                }
            ]

    run(case)


def test_cbx_02_refusal_of_the_venue_rejects() -> None:
    async def case() -> None:
        async with desk() as d:
            d.venue.script("/orders", (200, {"success": False, "error_response": {"error": "INSUFFICIENT_FUND"}}))
            order = d.limit()
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Rej")
            assert d.last(order).reason == "INSUFFICIENT_FUND"
            assert not d.last(order).due_post_only

    run(case)


def test_cbx_03_success_beside_a_failure_reason_accepts() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            assert order.venue_order_id.value == at_venue["order_id"]

    run(case)


def test_cbx_04_post_only_that_crosses() -> None:
    async def case() -> None:
        async with desk() as d:
            answer = {"success": False, "error_response": {"error": "INVALID_LIMIT_PRICE_POST_ONLY", "message": "x"}}
            d.venue.script("/orders", (200, answer))
            order = d.limit(post_only=True)
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Rej")
            assert d.last(order).due_post_only

    run(case)


def lost(usual: Callable[[], Any]) -> Any:
    """Do it, and never answer."""
    usual()
    return LOST


def test_cbx_05_answer_lost_after_the_venue_took_the_order() -> None:
    async def case() -> None:
        async with desk() as d:
            d.venue.script("/orders", lost)
            await d.open()
            bodies = d.venue.requests("/orders")
            assert len(bodies) == 2
            assert bodies[0] == bodies[1]
            assert len(d.venue.orders) == 1

    run(case)


def test_cbx_06_request_that_never_arrived_creates_one_order() -> None:
    async def case() -> None:
        async with desk() as d:
            d.venue.script("/orders", LOST)
            await d.open()
            assert len(d.venue.orders) == 1

    run(case)


def test_cbx_07_rate_limited_then_taken() -> None:
    async def case() -> None:
        async with desk() as d:
            limited = (429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]})
            d.venue.script("/orders", limited, limited)
            started = asyncio.get_running_loop().time()
            await d.open()
            assert asyncio.get_running_loop().time() - started >= 0.6
            assert len(d.venue.orders) == 1

    run(case)


def test_cbx_08_html_after_accept_is_resolved() -> None:
    async def case() -> None:
        async with desk() as d:
            d.venue.script("/orders", lambda usual: (usual(), (500, "<html>oops</html>"))[1])
            await d.open()
            assert len(d.venue.orders) == 1
            d.venue.script("/orders", lambda usual: (usual(), (200, "<html>fine</html>"))[1])
            await d.open()
            assert len(d.venue.orders) == 2

    run(case)


def test_cbx_05_duplicate_id_is_looked_up() -> None:
    async def case() -> None:
        async with desk() as d:
            refused = (200, {"success": False, "error_response": {"error": "DUPLICATE_CLIENT_ORDER_ID"}})
            d.venue.script("/orders", lost, refused)
            await d.open()
            assert len(d.venue.orders) == 1

    run(case)


def test_cbx_05_refusal_of_the_second_copy_is_no_rejection() -> None:
    async def case() -> None:
        async with desk() as d:
            # The first copy holds the money that the second one lacks.
            refused = (200, {"success": False, "error_response": {"error": "INSUFFICIENT_FUND"}})
            d.venue.script("/orders", lost, refused)
            await d.open()

    run(case)


def test_cbx_06_absent_from_the_list_is_rejected() -> None:
    async def case() -> None:
        async with desk(repost_secs=0.05) as d:
            d.venue.script("/orders", LOST)
            order = d.limit()
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Rej")
            assert not d.venue.orders
            assert len(d.venue.requests("/orders")) == 1

    run(case)


def test_cbx_09_fills_from_differences() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open(price="101.00")
            await d.venue.tell(at_venue, cumulative_quantity="0.3", avg_price="100.00", total_fees="0.12")
            await d.venue.tell(
                at_venue, status="FILLED", cumulative_quantity="1.0", avg_price="100.70", total_fees="0.40"
            )
            await d.until(order, "Sub", "Acc", "Fil(0.3)", "Fil(0.7)")
            assert d.fills(order) == [("0.3", "100.00", "0.12"), ("0.7", "101.00", "0.28")]

    run(case)


def test_cbx_10_coalesced_update_then_the_list_of_fills() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open(price="101.00")
            await d.venue.tell(
                at_venue, status="FILLED", cumulative_quantity="1.0", avg_price="100.70", total_fees="0.40"
            )
            await d.until(order, "Sub", "Acc", "Fil(1)")
            for size, price, fee in (("0.3", "100.00", "0.12"), ("0.3", "101.00", "0.12"), ("0.4", "101.00", "0.16")):
                d.venue.fill(at_venue, size, price, fee)
            assert await fill_reports(d) == []
            assert d.fills(order) == [("1", "100.70", "0.40")]

    run(case)


async def fill_reports(d: Desk) -> list[Any]:
    command = GenerateFillReports(None, None, None, None, UUID4(), 0)
    return await d.client.generate_fill_reports(command)


def test_cbx_11_update_told_again_and_after_a_reconnect() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            for _ in range(2):
                await d.venue.tell(at_venue, cumulative_quantity="0.3", avg_price="100.00", total_fees="0.12")
            d.venue.fill(at_venue, "0.3", "100.00", "0.12")
            await d.until(order, "Sub", "Acc", "Fil(0.3)")
            d.venue.snapshots["user"] = lambda _: {
                "channel": "user",
                "events": [{"type": "snapshot", "orders": [d.venue.user_row(at_venue)]}],
            }
            await d.venue.sockets["user"][0].close(1001)
            await reconnected(d)
            await d.venue.tell(at_venue)
            await d.until(order, "Sub", "Acc", "Fil(0.3)")

    run(case)


async def reconnected(d: Desk) -> None:
    for _ in range(500):
        await asyncio.sleep(0.01)
        if d.counters.read().get("nqs_recoveries", 0) >= 2 and d.client._buffer is None:
            return
    raise AssertionError("no reconnect")


def test_cbx_12_late_smaller_update_is_ignored() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            done = {"status": "FILLED", "cumulative_quantity": "1", "avg_price": "100.00", "total_fees": "0.4"}
            await d.venue.tell(at_venue, **done)
            stale = {**at_venue, "status": "OPEN", "filled_size": "0.3", "total_fees": "0.12"}
            await d.venue.tell(stale)
            await d.until(order, "Sub", "Acc", "Fil(1)")
            assert order.status == OrderStatus.FILLED

    run(case)


def test_cbx_13_quote_size_that_ends_early() -> None:
    async def case() -> None:
        async with desk() as d:
            order = d.make.market(
                BTC, OrderSide.BUY, Quantity.from_str("100"), time_in_force=TimeInForce.IOC, quote_quantity=True
            )
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Acc")
            at_venue = d.venue.order(order.client_order_id)
            assert at_venue["order_configuration"] == {"market_market_ioc": {"quote_size": "100"}}
            await d.venue.tell(at_venue, cumulative_quantity="0.4", avg_price="100.00", total_fees="0.24")
            await d.venue.tell(
                at_venue, status="CANCELLED", cumulative_quantity="0.6", avg_price="100.00", total_fees="0.36"
            )
            await d.until(order, "Sub", "Acc", "Upd", "Fil(0.4)", "Upd", "Fil(0.2)", "Can")
            assert not order.is_quote_quantity
            assert order.status == OrderStatus.CANCELED
            assert order.filled_qty == Quantity.from_str("0.6")

    run(case)


def test_cbx_13_quote_size_filled_whole() -> None:
    async def case() -> None:
        async with desk() as d:
            order = d.make.market(
                BTC, OrderSide.BUY, Quantity.from_str("100"), time_in_force=TimeInForce.IOC, quote_quantity=True
            )
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Acc")
            at_venue = d.venue.order(order.client_order_id)
            await d.venue.tell(
                at_venue, status="FILLED", cumulative_quantity="0.994", avg_price="100.00", total_fees="0.6"
            )
            await d.until(order, "Sub", "Acc", "Upd", "Fil(0.994)")
            assert order.status == OrderStatus.FILLED

    run(case)


def test_cbx_14_cancel_queued_then_filled_in_part() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            d.strategy.cancel_order(order)
            await d.until(order, "Sub", "Acc", "PC")
            await d.venue.tell(at_venue, status="CANCEL_QUEUED")
            await d.venue.tell(at_venue, cumulative_quantity="0.4", avg_price="100.00", total_fees="0.1")
            await d.venue.tell(at_venue, status="CANCELLED")
            await d.until(order, "Sub", "Acc", "PC", "Fil(0.4)", "Can")

    run(case)


def test_cbx_15_cancel_refused() -> None:
    async def case() -> None:
        async with desk() as d:
            first, at_venue = await d.open()
            second, other = await d.open()
            at_venue.update(status="FILLED", filled_size="1", average_filled_price="100.00", total_fees="0.4")
            d.venue.fill(at_venue, "1", "100.00", "0.4")
            for found, reason in ((at_venue, "ORDER_IS_FULLY_FILLED"), (other, "UNKNOWN_CANCEL_ORDER")):
                result = {"success": False, "failure_reason": reason, "order_id": found["order_id"]}
                d.venue.script("/orders/batch_cancel", (200, {"results": [result]}))
            d.strategy.cancel_order(first)
            await d.until(first, "Sub", "Acc", "PC", "CRej", "Fil(1)")
            d.strategy.cancel_order(second)
            await d.until(second, "Sub", "Acc", "PC", "CRej")
            assert first.status == OrderStatus.FILLED
            assert second.status == OrderStatus.ACCEPTED

    run(case)


def test_cbx_16_many_cancels_go_by_the_hundred() -> None:
    async def case() -> None:
        async with desk(deadline_secs=8.0) as d:
            orders = [d.limit() for _ in range(150)]
            for order in orders:
                d.strategy.submit_order(order)
                await asyncio.sleep(0.01)
            for order in orders:
                await d.until(order, "Sub", "Acc")
            refused = {d.venue.order(order.client_order_id)["order_id"] for order in orders[:3]}

            def some(usual: Callable[[], Any]) -> Any:
                status, answer = usual()
                for result in answer["results"]:
                    if result["order_id"] in refused:
                        result.update(success=False, failure_reason="COMMANDER_REJECTED_CANCEL_ORDER")
                return status, answer

            d.venue.script("/orders/batch_cancel", some, some)
            d.strategy.cancel_orders(orders)
            for order in orders[:3]:
                await d.until(order, "Sub", "Acc", "PC", "CRej")
            assert [len(body["order_ids"]) for body in d.venue.requests("/orders/batch_cancel")] == [100, 50]
            for order in orders[3:]:
                await d.venue.tell(d.venue.order(order.client_order_id), status="CANCELLED")
            await asyncio.sleep(0.2)
            assert all(d.told(order) == ["Sub", "Acc", "PC", "Can"] for order in orders[3:])

    run(case)


def test_cbx_17_modify_price() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            d.strategy.modify_order(order, price=Price.from_str("99.00"))
            await d.until(order, "Sub", "Acc", "PU", "Upd")
            assert d.venue.requests("/orders/edit") == [
                {"order_id": at_venue["order_id"], "size": "1.0", "price": "99.00"}
            ]
            assert order.price == Price.from_str("99.00")
            assert order.venue_order_id.value == at_venue["order_id"]
            assert order.status == OrderStatus.ACCEPTED

    run(case)


def test_cbx_18_edit_refused() -> None:
    async def case() -> None:
        async with desk() as d:
            order, _ = await d.open()
            refused = {"success": False, "errors": [{"edit_failure_reason": "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"}]}
            d.venue.script("/orders/edit", (200, refused))
            d.strategy.modify_order(order, quantity=Quantity.from_str("0.5"))
            await d.until(order, "Sub", "Acc", "PU", "MRej")
            assert d.last(order).reason == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
            assert order.status == OrderStatus.ACCEPTED

    run(case)


def test_cbx_18_edit_whose_answer_is_lost_is_read_back() -> None:
    async def case() -> None:
        async with desk() as d:
            order, _ = await d.open()
            d.venue.script("/orders/edit", lost, lost, lost)
            d.strategy.modify_order(order, price=Price.from_str("98.00"))
            await d.until(order, "Sub", "Acc", "PU", "Upd")
            assert order.price == Price.from_str("98.00")

    run(case)


def test_cbx_19_modify_of_what_cannot_be_edited() -> None:
    async def case() -> None:
        async with desk() as d:
            order = d.limit(time_in_force=TimeInForce.GTD, expire_time=datetime.now(UTC) + timedelta(hours=1))
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Acc")
            d.strategy.modify_order(order, price=Price.from_str("99.00"))
            await d.until(order, "Sub", "Acc", "PU", "MRej")
            assert d.venue.requests("/orders/edit") == []

    run(case)


def test_cbx_20_expiry_brings_a_fill_with_it() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            await d.venue.tell(
                at_venue, status="EXPIRED", cumulative_quantity="0.2", avg_price="100.00", total_fees="0.1"
            )
            await d.until(order, "Sub", "Acc", "Fil(0.2)", "Exp")

    run(case)


def stop_limit(d: Desk) -> Any:
    return d.make.stop_limit(
        BTC, OrderSide.SELL, Quantity.from_str("0.5"), Price.from_str("89.00"), Price.from_str("90.00")
    )


def test_cbx_21_stop_limit_triggers_once() -> None:
    async def case() -> None:
        async with desk() as d:
            order = stop_limit(d)
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Acc")
            at_venue = d.venue.order(order.client_order_id)
            assert at_venue["order_configuration"]["stop_limit_stop_limit_gtc"] == {
                "base_size": "0.5",
                "limit_price": "89.00",
                "stop_price": "90.00",
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
            await d.venue.tell(at_venue, trigger_status="STOP_PENDING")
            await d.venue.tell(at_venue, trigger_status="STOP_TRIGGERED")
            await d.venue.tell(
                at_venue, status="FILLED", cumulative_quantity="0.5", avg_price="89.50", total_fees="0.2"
            )
            await d.until(order, "Sub", "Acc", "Trg", "Fil(0.5)")
            assert len(d.venue.requests("/orders/preview")) == 1

    run(case)


def test_cbx_21_stop_limit_that_the_venue_does_not_take_is_denied() -> None:
    async def case() -> None:
        async with desk() as d:
            d.venue.script("/orders/preview", (200, {"errs": ["UNSUPPORTED_ORDER_CONFIGURATION"]}))
            for _ in range(2):
                order = stop_limit(d)
                d.strategy.submit_order(order)
                await d.until(order, "Den")
            assert len(d.venue.requests("/orders/preview")) == 1
            assert d.venue.requests("/orders") == []

    run(case)


def test_cbx_22_what_spot_does_not_have_is_denied() -> None:
    async def case() -> None:
        async with desk() as d:
            make, one, px = d.make, Quantity.from_str("1.0"), Price.from_str("100.00")
            sell, buy = OrderSide.SELL, OrderSide.BUY
            orders = [
                make.stop_market(BTC, sell, one, px),
                make.trailing_stop_market(
                    BTC,
                    sell,
                    one,
                    trailing_offset=Decimal(1),
                    trailing_offset_type=TrailingOffsetType.PRICE,
                    trigger_price=px,
                ),
                make.market_if_touched(BTC, sell, one, px),
                make.limit_if_touched(BTC, sell, one, px, px),
                make.market_to_limit(BTC, buy, one),
                make.limit(BTC, buy, one, px, time_in_force=TimeInForce.DAY),
                make.market(BTC, buy, one, time_in_force=TimeInForce.FOK),
                make.market(BTC, sell, one, quote_quantity=True),
                make.limit(BTC, buy, one, px, reduce_only=True),
                make.limit(BTC, sell, one, px, reduce_only=True),
                make.limit(BTC, buy, one, px, display_qty=Quantity.from_str("0.5")),
                make.limit(BTC, buy, one, px, post_only=True, time_in_force=TimeInForce.GTC, quote_quantity=True),
                make.stop_limit(BTC, sell, one, px, px, trigger_type=TriggerType.MARK_PRICE),
                make.limit(BTC, buy, one, Price.from_str("100.001")),
                make.limit(BTC, buy, Quantity.from_str("99999"), px),
            ]
            for order in orders:
                d.strategy.submit_order(order)
                await d.until(order, "Den")
            assert d.venue.requests("/orders") == []

    run(case)


def test_cbx_23_socket_closed_fills_meanwhile() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open(price="101.00")
            await d.venue.sockets["user"][0].close(1001)
            at_venue.update(status="FILLED", filled_size="1", average_filled_price="100.70", total_fees="0.40")
            d.venue.fill(at_venue, "0.3", "100.00", "0.12")
            d.venue.fill(at_venue, "0.7", "101.00", "0.28")
            await d.until(order, "Sub", "Acc", "Fil(0.3)", "Fil(0.7)")
            assert d.fills(order) == [("0.3", "100.00", "0.12"), ("0.7", "101.00", "0.28")]
            await reconnected(d)
            subscribed = [f for f in d.venue.frames if f["which"] == "user" and f["type"] == "subscribe"]
            assert [f["channel"] for f in subscribed] == ["heartbeats", "user"] * 2
            assert len({f["jwt"] for f in subscribed}) == 4
            await d.venue.tell(at_venue)
            await d.until(order, "Sub", "Acc", "Fil(0.3)", "Fil(0.7)")

    run(case)


def test_cbx_23_list_of_fills_that_lags_is_waited_for_and_then_made_up() -> None:
    async def case() -> None:
        async with desk(fills_lag_secs=0.2) as d:
            order, at_venue = await d.open(price="101.00")
            await d.venue.sockets["user"][0].close(1001)
            at_venue.update(status="FILLED", filled_size="1", average_filled_price="100.70", total_fees="0.40")
            d.venue.fill(at_venue, "0.3", "100.00", "0.12")
            await d.until(order, "Sub", "Acc", "Fil(0.3)", "Fil(0.7)")
            assert d.fills(order) == [("0.3", "100.00", "0.12"), ("0.7", "101.00", "0.28")]
            d.venue.fill(at_venue, "0.7", "101.00", "0.28")
            assert await fill_reports(d) == []

    run(case)


def test_gap_in_the_user_channel_is_recovered_by_rest() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            d.venue.skip("user")
            at_venue.update(filled_size="0.3", average_filled_price="100.00", total_fees="0.12")
            d.venue.fill(at_venue, "0.3", "100.00", "0.12")
            await d.until(order, "Sub", "Acc", "Fil(0.3)")
            assert d.counters.read()['nqs_sequence_gaps{reason="coinbase-user"}'] == 1

    run(case)


def test_event_before_the_answer_accepts_once() -> None:
    async def case() -> None:
        async with desk() as d:
            loop = asyncio.get_running_loop()

            def early(usual: Callable[[], Any]) -> Any:
                reply = usual()
                (at_venue,) = d.venue.orders.values()
                told = d.venue.tell(
                    at_venue, status="FILLED", cumulative_quantity="1", avg_price="100.00", total_fees="0.4"
                )
                asyncio.run_coroutine_threadsafe(told, loop).result()
                time.sleep(0.3)
                return reply

            d.venue.script("/orders", early)
            order = d.limit()
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Acc", "Fil(1)")
            await asyncio.sleep(0.4)
            await d.until(order, "Sub", "Acc", "Fil(1)")

    run(case)


def test_key_appears_nowhere(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    async def case() -> None:
        async with desk() as d:
            key, secret = d.credentials.key, d.credentials.secret
            d.venue.script("/orders", (401, f"Unauthorized {key} {secret}"))
            order = d.limit()
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Rej")
            again = d.limit()
            d.strategy.submit_order(again)
            await d.until(again, "Den")
            said = "".join(map(repr, [d.client, d.client._http, d.credentials, d.events, d.counters.read()]))
            said += caplog.text + "".join(capsys.readouterr())
            assert key not in said
            assert secret.splitlines()[1] not in said

    run(case)


def test_veto_keeps_every_write_from_leaving() -> None:
    async def case() -> None:
        async with desk() as d:
            kept, _ = await d.open()
            asked: list[str] = []
            d.client._http.veto = lambda path, body: asked.append(path) or "no lease"
            order = d.limit()
            d.strategy.submit_order(order)
            await d.until(order, "Sub", "Rej")
            d.strategy.cancel_order(kept)
            await d.until(kept, "Sub", "Acc", "PC", "CRej")
            assert len(asked) == 2
            assert len(d.venue.requests("/orders")) == 1
            assert d.venue.requests("/orders/batch_cancel") == []

    run(case)


def test_caps_deny_before_submission() -> None:
    async def case() -> None:
        async with desk(max_order_notional=Decimal(50), max_order_qty={"BTC-USD.COINBASE": Decimal(2)}) as d:
            for order in (
                d.limit(),
                d.limit(qty="3.0", price="1.00"),
                d.make.market(BTC, OrderSide.BUY, Quantity.from_str("1")),
            ):
                d.strategy.submit_order(order)
                await d.until(order, "Den")
            assert d.venue.requests("/orders") == []

    run(case)


def test_account_has_one_balance_a_currency_and_holds_are_locked() -> None:
    async def case() -> None:
        async with desk() as d:
            account = d.cache.account(d.client.account_id)
            balances = {currency.code: balance for currency, balance in account.balances().items()}
            assert set(balances) == {"USD", "BTC"}
            assert balances["BTC"].total.as_decimal() == Decimal("2.0")
            assert balances["BTC"].locked.as_decimal() == Decimal("0.5")

    run(case)


def bracket(d: Desk, target: str = "120.00") -> tuple[Any, Any, Any]:
    found = d.make.bracket(
        BTC,
        OrderSide.BUY,
        Quantity.from_str("1.0"),
        time_in_force=TimeInForce.IOC,
        sl_trigger_price=Price.from_str("90.00"),
        tp_price=Price.from_str(target),
        tp_post_only=False,
    )
    entry, stop, target_order = found.orders
    d.strategy.submit_order_list(found)
    return entry, stop, target_order


STOP_AS_LIMIT = {"stop_market_offset_frac": Decimal("0.05")}


async def entered(d: Desk, qty: str = "1", status: str = "FILLED") -> tuple[Any, Any, Any]:
    """Return a bracket whose entry was filled and whose stop rests."""
    entry, stop, target = bracket(d)
    await d.until(entry, "Sub", "Acc")
    await d.venue.tell(
        d.venue.order(entry.client_order_id),
        status=status,
        cumulative_quantity=qty,
        avg_price="100.00",
        total_fees="0.6",
    )
    tail = () if qty == "1" else ("Upd",)
    await d.until(stop, "Sub", "Acc", *tail)
    await d.until(target, "Sub", "Acc", *tail)
    return entry, stop, target


def test_bracket_stop_rests_and_target_is_held() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            _, stop, target = await entered(d)
            assert [body["client_order_id"] for body in d.venue.requests("/orders")][1:] == [stop.client_order_id.value]
            fields = d.venue.order(stop.client_order_id)["order_configuration"]["stop_limit_stop_limit_gtc"]
            assert fields == {
                "base_size": "1.00000000",
                "limit_price": "85.50",
                "stop_price": "90.00",
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
            assert target.status == OrderStatus.ACCEPTED
            await d.venue.tell(
                d.venue.order(stop.client_order_id),
                status="FILLED",
                cumulative_quantity="1",
                avg_price="89.00",
                total_fees="0.5",
            )
            await d.until(stop, "Sub", "Acc", "Fil(1)")
            await d.until(target, "Sub", "Acc", "Can")

    run(case)


def test_bracket_entry_filled_in_part_is_covered_in_part() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            entry, stop, target = await entered(d, qty="0.6", status="CANCELLED")
            assert entry.status == OrderStatus.CANCELED
            assert stop.quantity == target.quantity == Quantity.from_str("0.6")

    run(case)


def test_bracket_entry_that_is_rejected_cancels_its_children() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            d.venue.script("/orders", (200, {"success": False, "error_response": {"error": "INSUFFICIENT_FUND"}}))
            entry, stop, target = bracket(d)
            await d.until(entry, "Sub", "Rej")
            await d.until(stop, "Can")
            await d.until(target, "Can")

    run(case)


def test_bracket_whose_stop_cannot_rest_is_denied_whole() -> None:
    async def case() -> None:
        async with desk() as d:
            for order in bracket(d):
                await d.until(order, "Den")
            assert d.venue.requests("/orders") == []

    run(case)


async def taken_away(d: Desk, stop: Any) -> None:
    for _ in range(400):
        await asyncio.sleep(0.01)
        if d.venue.requests("/orders/batch_cancel"):
            break
    await d.venue.tell(d.venue.order(stop.client_order_id), status="CANCELLED")


async def sent(d: Desk, client_order_id: str) -> dict[str, Any]:
    for _ in range(400):
        await asyncio.sleep(0.01)
        for found in list(d.venue.orders.values()):
            if found["client_order_id"] == client_order_id:
                return found
    raise AssertionError(f"{client_order_id} was not sent")


def test_bracket_target_reached_sells_and_ends_the_stop() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            _, stop, target = await entered(d)
            d.venue.bid, d.venue.ask = "120.50", "121.00"
            await taken_away(d, stop)
            sale = await sent(d, f"{target.client_order_id}-1")
            assert sale["order_configuration"] == {
                "sor_limit_ioc": {"base_size": "1.00000000", "limit_price": "120.00"}
            }
            await d.venue.tell(sale, status="FILLED", cumulative_quantity="1", avg_price="120.50", total_fees="0.7")
            await d.until(target, "Sub", "Acc", "Upd", "Fil(1)")
            await d.until(stop, "Sub", "Acc", "Can")
            assert target.status == OrderStatus.FILLED

    run(case)


def test_bracket_target_sold_in_part_puts_the_stop_back() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            _, stop, target = await entered(d)
            d.venue.bid, d.venue.ask = "120.50", "121.00"
            await taken_away(d, stop)
            sale = await sent(d, f"{target.client_order_id}-1")
            await d.venue.tell(
                sale, status="CANCELLED", cumulative_quantity="0.4", avg_price="120.50", total_fees="0.3"
            )
            again = await sent(d, f"{stop.client_order_id}-2")
            (fields,) = again["order_configuration"].values()
            assert fields["base_size"] == "0.60000000"
            await d.until(stop, "Sub", "Acc", "Upd")
            await d.until(target, "Sub", "Acc", "Upd", "Fil(0.4)")
            assert stop.venue_order_id.value == again["order_id"]
            assert stop.quantity == Quantity.from_str("0.6")
            await d.venue.tell(again, status="FILLED", cumulative_quantity="0.6", avg_price="89.00", total_fees="0.3")
            await d.until(stop, "Sub", "Acc", "Upd", "Fil(0.6)")
            await d.until(target, "Sub", "Acc", "Upd", "Fil(0.4)", "Can")

    run(case)


def test_bracket_target_that_is_refused_puts_the_stop_back() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            _, stop, target = await entered(d)
            refused = (200, {"success": False, "error_response": {"error": "PRODUCT_TRADING_HALTED"}})
            d.venue.script("/orders", refused)
            d.venue.bid, d.venue.ask = "120.50", "121.00"
            await taken_away(d, stop)
            await sent(d, f"{stop.client_order_id}-2")
            await d.until(stop, "Sub", "Acc", "Upd")
            await d.until(target, "Sub", "Acc")
            assert target.status == OrderStatus.ACCEPTED

    run(case)


def test_bracket_stop_cancelled_by_the_strategy_ends_the_target() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            _, stop, target = await entered(d)
            d.strategy.cancel_order(stop)
            await d.until(stop, "Sub", "Acc", "PC")
            await d.venue.tell(d.venue.order(stop.client_order_id), status="CANCELLED")
            await d.until(stop, "Sub", "Acc", "PC", "Can")
            await d.until(target, "Sub", "Acc", "Can")

    run(case)


def test_bracket_target_is_moved_here_and_the_stop_at_the_venue() -> None:
    async def case() -> None:
        async with desk(**STOP_AS_LIMIT) as d:
            _, stop, target = await entered(d)
            d.strategy.modify_order(target, price=Price.from_str("130.00"))
            await d.until(target, "Sub", "Acc", "PU", "Upd")
            assert target.price == Price.from_str("130.00")
            d.strategy.modify_order(stop, trigger_price=Price.from_str("95.00"))
            await d.until(stop, "Sub", "Acc", "PU", "Upd")
            assert stop.trigger_price == Price.from_str("95.00")
            (body,) = d.venue.requests("/orders/edit")
            assert (body["price"], body["stop_price"]) == ("90.25", "95.00")

    run(case)


# -- reconciliation -------------------------------------------------------------------------------------------------


def status_command(order: Any) -> GenerateOrderStatusReport:
    return GenerateOrderStatusReport(order.instrument_id, order.client_order_id, order.venue_order_id, UUID4(), 0)


def test_report_of_a_live_order_books_its_fills_first() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            at_venue.update(filled_size="0.4", average_filled_price="100.00", total_fees="0.20")
            d.venue.fill(at_venue, "0.4", "100.00", "0.20")
            report = await d.client.generate_order_status_report(status_command(order))
            assert report.order_status == OrderStatus.PARTIALLY_FILLED
            assert report.filled_qty == order.filled_qty == Quantity.from_str("0.4")
            assert d.fills(order) == [("0.4", "100.00", "0.20")]

    run(case)


def test_report_in_an_outage_comes_from_the_books() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            d.venue.script(f"/orders/historical/{at_venue['order_id']}", *[(503, "<html>")] * 3)
            report = await d.client.generate_order_status_report(status_command(order))
            assert report.order_status == OrderStatus.ACCEPTED
            d.venue.script("/orders/historical/batch", *[(503, "<html>")] * 3)
            every = GenerateOrderStatusReports(None, None, None, False, UUID4(), 0)
            (report,) = await d.client.generate_order_status_reports(every)
            assert report.venue_order_id == order.venue_order_id

    run(case)


def test_report_is_none_when_the_venue_says_so() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            del d.venue.orders[at_venue["order_id"]]
            # The venue's reads lag: a young order is not absent yet.
            assert await d.client.generate_order_status_report(status_command(order)) is not None
            d.client._orders.get(order.client_order_id).since -= 60
            assert await d.client.generate_order_status_report(status_command(order)) is None

    run(case)


def test_reports_leave_out_what_is_not_ours_unless_it_is_claimed() -> None:
    async def case() -> None:
        for claimed, n_reports in ((frozenset(), 1), (frozenset({BTC}), 2)):
            async with desk(claim_external=claimed) as d:
                _, at_venue = await d.open()
                foreign = {**at_venue, "order_id": "foreign", "client_order_id": "web-1"}
                d.venue.orders["foreign"] = foreign
                every = GenerateOrderStatusReports(None, None, None, False, UUID4(), 0)
                assert len(await d.client.generate_order_status_reports(every)) == n_reports
                await d.venue.tell(foreign, status="CANCELLED")
                assert d.venue.requests("/orders/batch_cancel") == []

    run(case)


def test_positions_are_balances_above_their_baseline_or_what_the_books_say() -> None:
    async def case() -> None:
        async with desk(spot_positions={"BTC-USD.COINBASE": Decimal("1.25")}) as d:
            command = GeneratePositionStatusReports(None, None, None, UUID4(), 0)
            (report,) = await d.client.generate_position_status_reports(command)
            assert report.signed_decimal_qty == Decimal("0.75")
            d.venue.accounts["BTC"] = ("1.0", "0")
            (report,) = await d.client.generate_position_status_reports(command)
            assert report.signed_decimal_qty == 0
            order, at_venue = await d.open()
            await d.venue.tell(at_venue, status="FILLED", cumulative_quantity="1", avg_price="100.00", total_fees="0")
            await d.until(order, "Sub", "Acc", "Fil(1)")
            d.venue.script("/accounts", *[(503, "")] * 30)
            (report,) = await d.client.generate_position_status_reports(command)
            assert report.signed_decimal_qty == 1

    run(case)


def test_restart_takes_up_open_orders_and_what_was_missed() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            await d.client._disconnect()
            at_venue.update(status="FILLED", filled_size="1", average_filled_price="100.00", total_fees="0.4")
            d.venue.fill(at_venue, "1", "100.00", "0.4")
            again = d.new_client()
            await again._connect()
            await d.until(order, "Sub", "Acc", "Fil(1)")
            await again._disconnect()

    run(case)


def test_fees_finer_than_the_currency_add_up() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()
            for n in range(1, 11):
                await d.venue.tell(
                    at_venue,
                    status="FILLED" if n == 10 else "OPEN",
                    cumulative_quantity=f"{n / 10}",
                    avg_price="100.00",
                    total_fees=f"{n * 0.004:.3f}",
                )
            await d.until(order, "Sub", "Acc", *["Fil(0.1)"] * 10)
            assert sum(Decimal(fee) for _, _, fee in d.fills(order)) == Decimal("0.04")

    run(case)


def test_failed_before_a_fill_rejects_and_after_one_cancels() -> None:
    async def case() -> None:
        async with desk() as d:
            first, at_venue = await d.open()
            await d.venue.tell(at_venue, status="FAILED", reject_reason="HALTED")
            await d.until(first, "Sub", "Acc", "Rej")
            second, at_venue = await d.open()
            await d.venue.tell(at_venue, status="FAILED", cumulative_quantity="0.5", avg_price="100.00", total_fees="0")
            await d.until(second, "Sub", "Acc", "Fil(0.5)", "Can")

    run(case)


def test_fill_after_a_cancel_is_booked_and_after_an_expiry_is_counted() -> None:
    async def case() -> None:
        async with desk() as d:
            first, at_venue = await d.open()
            await d.venue.tell(at_venue, status="CANCELLED")
            await d.venue.tell(at_venue, cumulative_quantity="0.5", avg_price="100.00", total_fees="0")
            await d.until(first, "Sub", "Acc", "Can", "Fil(0.5)")
            second, at_venue = await d.open()
            await d.venue.tell(at_venue, status="EXPIRED")
            await d.venue.tell(at_venue, cumulative_quantity="0.5", avg_price="100.00", total_fees="0")
            await d.until(second, "Sub", "Acc", "Exp")
            assert d.counters.read()["nqs_fills_after_end"] == 1

    run(case)


def test_cancel_before_the_venue_has_told_its_id_is_sent_then() -> None:
    async def case() -> None:
        async with desk() as d:

            def slow(usual: Callable[[], Any]) -> Any:
                time.sleep(0.3)
                return usual()

            d.venue.script("/orders", slow)
            order = d.limit()
            d.strategy.submit_order(order)
            await d.until(order, "Sub")
            d.strategy.cancel_order(order)
            for _ in range(200):
                await asyncio.sleep(0.01)
                if d.venue.requests("/orders/batch_cancel"):
                    break
            assert len(d.venue.requests("/orders/batch_cancel")) == 1

    run(case)


def test_cancel_whose_answer_and_event_are_lost_is_read_back() -> None:
    async def case() -> None:
        async with desk() as d:
            order, at_venue = await d.open()

            def gone(usual: Callable[[], Any]) -> Any:
                at_venue["status"] = "CANCELLED"
                return lost(usual)

            d.venue.script("/orders/batch_cancel", gone, lost, lost)
            d.strategy.cancel_order(order)
            await d.until(order, "Sub", "Acc", "PC", "Can")

    run(case)


# -- the simulated venue, and a whole node ----------------------------------------------------------------------------


class BuyerConfig(StrategyConfig, frozen=True, kw_only=True):
    """Whether it trades at all."""

    trades: bool


class Buyer(Strategy):
    """Buys once there is a quote, leaves a bid in the market, and remembers what became of it."""

    def __init__(self, *, trades: bool) -> None:
        super().__init__(
            BuyerConfig(strategy_id="BUYER", order_id_tag="001", external_order_claims=[BTC], trades=trades)
        )
        self.told: list[str] = []

    def on_start(self) -> None:
        self.subscribe_quote_ticks(BTC)
        self.subscribe_order_book_deltas(BTC)
        self.subscribe_trade_ticks(BTC)

    def on_quote_tick(self, tick: Any) -> None:
        if self.config.trades and not self.told:
            self.submit_order(self.order_factory.market(BTC, OrderSide.BUY, Quantity.from_str("0.01")))
            self.submit_order(
                self.order_factory.limit(BTC, OrderSide.BUY, Quantity.from_str("0.02"), Price.from_str("45000.00"))
            )

    def on_order_event(self, event: Any) -> None:
        self.told.append(SHORT[type(event).__name__])


def node_of(endpoints: CoinbaseEndpoints, buyer: Buyer) -> TradingNode:
    ids = InstrumentProviderConfig(load_ids=frozenset({BTC}))
    config = TradingNodeConfig(
        trader_id="TESTER-002",
        logging=LoggingConfig(log_level="OFF"),
        exec_engine=LiveExecEngineConfig(
            reconciliation=True,
            reconciliation_startup_delay_secs=1,
            open_check_interval_secs=1,
            open_check_open_only=False,
            position_check_interval_secs=1,
            graceful_shutdown_on_exception=True,
        ),
        data_clients={COINBASE: CoinbaseDataClientConfig(endpoints=endpoints, instrument_provider=ids)},
        exec_clients={
            COINBASE: CoinbaseExecClientConfig(
                endpoints=endpoints,
                instrument_provider=ids,
                max_order_notional=Decimal(10_000),
                max_price_deviation_frac=Decimal("0.1"),
                max_orders_per_sec=5,
                spot_positions={"BTC-USD.COINBASE": Decimal(1)},
                claim_external=frozenset({BTC}),
            )
        },
        timeout_connection=10.0,
        timeout_disconnection=5.0,
        timeout_post_stop=0.5,
    )
    node = TradingNode(config=config, loop=asyncio.get_running_loop())
    node.add_data_client_factory(COINBASE, CoinbaseLiveDataClientFactory)
    node.add_exec_client_factory(COINBASE, CoinbaseLiveExecClientFactory)
    node.trader.add_strategy(buyer)
    node.build()
    return node


async def live(
    venues: SimulatedVenues, endpoints: CoinbaseEndpoints, *, trades: bool
) -> tuple[Any, Decimal, list[str]]:
    """Run a node for five seconds; return its orders, what it holds, and what its strategy was told."""
    buyer = Buyer(trades=trades)
    node = node_of(endpoints, buyer)
    running = asyncio.ensure_future(node.run_async())
    for _ in range(25):
        await asyncio.sleep(0.2)
        venues.control.step(0, ticks=[{"symbol": "BTC-USD", "bid": "50000.00", "ask": "50010.00"}])
    orders = sorted(
        (order.client_order_id.value, order.status_string(), order.filled_qty.as_decimal())
        for order in node.cache.orders()
    )
    held = sum((position.signed_decimal_qty() for position in node.cache.positions_open()), Decimal(0))
    await node.stop_async()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return orders, held, buyer.told


def test_node_trades_at_the_simulated_venue_and_a_new_one_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with SimulatedVenues(seed=1, venues=("coinbase",)) as venues:
        simulated = venues.coinbase
        monkeypatch.setenv("COINBASE_API_KEY", simulated.key_name)
        monkeypatch.setenv("COINBASE_API_SECRET", simulated.key_secret)
        endpoints = CoinbaseEndpoints(
            rest_host=simulated.base_url,
            market_url=simulated.market_stream_url,
            user_url=simulated.user_stream_url,
            plain_http=True,
        )
        orders, held, told = asyncio.run(live(venues, endpoints, trades=True))
        assert sorted(status for _, status, _ in orders) == ["ACCEPTED", "FILLED"]
        assert held == Decimal("0.01")
        assert sorted(told) == ["Acc", "Acc", "Fil", "Init", "Init", "Sub", "Sub"]
        again, held, _ = asyncio.run(live(venues, endpoints, trades=False))
        assert again == orders
        assert held == Decimal("0.01")
