"""What the engine is told when it asks: the truth, what was known while the venue is silent, and seldom nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
    QueryOrder,
)
from nautilus_trader.model.enums import OrderStatus, PositionSide
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
from nautilus_trader.model.objects import Price

from tests.unit.alpaca.desk import AAPL, Desk
from tests.unit.alpaca.stub import KEY, SECRET, StubVenue

MSFT = InstrumentId.from_str("MSFT.ALPACA")
Case = Callable[[StubVenue, Desk], Awaitable[None]]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)


def run(case: Case) -> None:
    async def main() -> None:
        venue = StubVenue()
        await venue.start()
        desk = Desk(venue)
        await desk.start()
        try:
            await case(venue, desk)
        finally:
            await desk.stop()
            await venue.stop()

    asyncio.run(main())


async def accepted(venue: StubVenue, desk: Desk, order: Any) -> str:
    desk.strategy.submit_order(order)
    await desk.until(lambda: "Acc" in desk.told(order), "acceptance")
    return venue.id_of(order.client_order_id.value)


def one(order: Any) -> GenerateOrderStatusReport:
    return GenerateOrderStatusReport(order.instrument_id, order.client_order_id, order.venue_order_id, UUID4(), 0)


def every(**more: Any) -> GenerateOrderStatusReports:
    return GenerateOrderStatusReports(
        instrument_id=None, start=None, end=None, open_only=False, command_id=UUID4(), ts_init=0, **more
    )


def held(instrument_id: Any) -> GeneratePositionStatusReports:
    return GeneratePositionStatusReports(instrument_id, None, None, UUID4(), 0)


def silence(venue: StubVenue) -> None:
    """Have every further read fail."""
    for _ in range(40):
        venue.on("GET", "/v2", lambda *_: (503, "<html>"))


def test_report_of_an_order_is_what_the_venue_says_and_what_was_told() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await accepted(venue, desk, order)
        venue.fill(venue_id, "30", "99.5")  # the stream does not tell of it
        report = await desk.client.generate_order_status_report(one(order))
        assert report.order_status == OrderStatus.PARTIALLY_FILLED
        assert report.filled_qty.as_decimal() == 30
        # It was told as an event first: the engine would invent a fill for the difference.
        assert order.filled_qty.as_decimal() == 30
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)"]

    run(case)


def test_outage_is_answered_from_the_cache() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await accepted(venue, desk, order)
        await venue.push(venue.fill(venue_id, "30", "99.5"))
        await desk.until(lambda: order.filled_qty.as_decimal() == 30, "fill")
        await asyncio.sleep(0.6)  # the account is read after a fill
        silence(venue)
        report = await desk.client.generate_order_status_report(one(order))
        assert (report.order_status, report.filled_qty.as_decimal()) == (OrderStatus.PARTIALLY_FILLED, 30)
        (listed,) = await desk.client.generate_order_status_reports(every())
        assert listed.client_order_id == order.client_order_id
        (position,) = await desk.client.generate_position_status_reports(held(None))
        assert position.signed_decimal_qty == 30
        (flat,) = await desk.client.generate_position_status_reports(held(MSFT))
        assert flat.position_side == PositionSide.FLAT
        assert await desk.client.generate_fill_reports(GenerateFillReports(None, None, None, None, UUID4(), 0)) == []

    run(case)


def test_none_is_said_on_authority_only() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await accepted(venue, desk, order)
        del venue.orders[venue_id]
        assert await desk.client.generate_order_status_report(one(order)) is None
        unknown = GenerateOrderStatusReport(AAPL, ClientOrderId("nobody"), None, UUID4(), 0)
        assert await desk.client.generate_order_status_report(unknown) is None

    run(case)


def test_unresolved_order_is_shown_as_live_before_the_engine_gives_it_up() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        def lost(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            stub.create(body)
            for _ in range(12):
                stub.on("GET", "/v2/orders", lambda *_: (503, "<html>"))
            return 504, "<html>"

        venue.on("POST", "/v2/orders", lost)
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: venue.count("GET", "/v2/orders") > 0, "lookup")
        for _ in range(3):
            query = QueryOrder(
                order.trader_id, order.strategy_id, AAPL, order.client_order_id, None, UUID4(), time.time_ns()
            )
            await desk.client._query_order(query)
        await desk.until(lambda: order.status == OrderStatus.ACCEPTED, "placeholder")
        venue_id = venue.id_of(order.client_order_id.value)
        await desk.until(lambda: order.venue_order_id.value == venue_id, "the venue's id", secs=20.0)
        assert order.status == OrderStatus.ACCEPTED
        await venue.push(venue.fill(venue_id, "100", "100"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")

    run(case)


def test_replaced_order_is_reported_under_its_own_id() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        old = await accepted(venue, desk, order)
        desk.strategy.modify_order(order, price=Price.from_str("99.50"))
        await desk.until(lambda: len(venue.orders) == 2, "replacement")
        new = next(o["id"] for o in venue.orders.values() if o["replaces"] == old)
        venue.state(old, "replaced", replaced_by=new)
        venue.state(new, "new")
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        (report,) = await desk.client.generate_order_status_reports(every())
        assert report.client_order_id == order.client_order_id
        assert report.venue_order_id.value == new

    run(case)


def test_positions_are_signed_and_loaded() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        row = {"asset_class": "us_equity", "avg_entry_price": "100", "unrealized_pl": "5"}
        venue.positions = [
            row | {"symbol": "AAPL", "qty": "-5", "side": "short"},
            row | {"symbol": "BTCUSD", "qty": "0.5", "side": "long", "asset_class": "crypto"},
            row | {"symbol": "MSFT", "qty": "x", "side": "long"},
        ]
        told = await desk.client.generate_position_status_reports(held(None))
        assert {r.instrument_id.value: r.signed_decimal_qty for r in told} == {
            "AAPL.ALPACA": -5,
            "BTC/USD.ALPACA": Decimal("0.5"),
        }
        (flat,) = await desk.client.generate_position_status_reports(held(MSFT))
        assert flat.position_side == PositionSide.FLAT

    run(case)


def test_restart_books_what_filled_meanwhile_once() -> None:
    async def main() -> None:
        venue = StubVenue()
        await venue.start()
        before = Desk(venue)
        await before.start()
        order = before.limit()
        venue_id = await accepted(venue, before, order)
        await venue.push(venue.fill(venue_id, "40", "99"))
        await before.until(lambda: order.filled_qty.as_decimal() == 40, "fill")
        await before.stop()
        venue.fill(venue_id, "30", "99.5")
        after = Desk(venue, cache=before.cache)
        await after.start()
        assert await after.engine.reconcile_execution_state()
        await after.until(lambda: order.filled_qty.as_decimal() == 70, "reconciliation")
        await venue.push(venue.message("partial_fill", venue_id, qty="30", price="99.5"))
        await venue.push(venue.fill(venue_id, "30", "100"))
        await after.until(lambda: order.status == OrderStatus.FILLED, "last fill")
        await asyncio.sleep(0.2)
        assert len(order.trade_ids) == 3
        assert after.told(order) == ["Fil(30)", "Fil(30)"]
        await after.stop()
        await venue.stop()

    asyncio.run(main())


def test_account_total_leaves_out_what_the_engine_adds_itself() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        row = {"symbol": "AAPL", "asset_class": "us_equity", "qty": "5", "side": "long", "avg_entry_price": "100"}
        venue.positions = [row | {"unrealized_pl": "250.50"}]
        venue.equity = "100250.50"
        await desk.client._refresh_account()
        account = desk.cache.accounts()[0]
        assert account.balance_total().as_decimal() == 100_000
        assert account.last_event.info["equity"] == "100250.50"
        assert account.last_event.info["buying_power"] == "200000"

    run(case)
