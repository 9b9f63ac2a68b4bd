"""The execution client against a venue on loopback: the exact events of each conformance case, by its id."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from nautilus_trader.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce, TrailingOffsetType
from nautilus_trader.model.objects import Price, Quantity

from adapters.alpaca.tracks import Tracks
from adapters.transport.fills import FillMarks
from tests.unit.alpaca.desk import AAPL, BTC, CAPS, Desk
from tests.unit.alpaca.stub import KEY, SECRET, StubVenue

Case = Callable[[StubVenue, Desk], Awaitable[None]]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)


@asynccontextmanager
async def trading(**changes: Any) -> AsyncIterator[tuple[StubVenue, Desk]]:
    venue = StubVenue()
    await venue.start()
    desk = Desk(venue, **changes)
    await desk.start()
    try:
        yield venue, desk
    finally:
        await desk.stop()
        await venue.stop()


def run(case: Case, **changes: Any) -> None:
    async def main() -> None:
        async with trading(**changes) as (venue, desk):
            await case(venue, desk)

    asyncio.run(main())


async def submitted(venue: StubVenue, desk: Desk, order: Any) -> str:
    """Submit an order and return the venue's id of it, once the engine knows that it was accepted."""
    desk.strategy.submit_order(order)
    await desk.until(lambda: "Acc" in desk.told(order), "acceptance")
    return venue.id_of(order.client_order_id.value)


def cost(desk: Desk, order: Any) -> Decimal:
    fills = [e for e in desk.events if type(e).__name__ == "OrderFilled" and e.client_order_id == order.client_order_id]
    total = sum((fill.last_qty.as_decimal() for fill in fills), Decimal(0))
    assert len({fill.trade_id for fill in fills}) == len(fills)
    return sum((fill.last_qty.as_decimal() * fill.last_px.as_decimal() for fill in fills), Decimal(0)) / total


def test_alp_01_limit_is_accepted_and_filled() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        await venue.push(venue.state(venue_id, "new"), venue.fill(venue_id, "100", "99.98"))
        venue.equity = "100002"
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")
        assert desk.told(order) == ["Sub", "Acc", "Fil(100)"]
        fill = desk.event(order, "OrderFilled")
        assert fill.commission.as_decimal() == 0
        assert str(fill.commission.currency) == "USD"
        assert desk.event(order, "OrderAccepted").venue_order_id.value == venue_id
        post = next(body for method, path, body in venue.requests if method == "POST")
        assert (post["qty"], post["limit_price"], post["client_order_id"]) == ("100", "100", "T-1")
        await desk.until(lambda: desk.accounts[-1].balances[0].total.as_decimal() == 100_002, "balances")

    run(case)


def test_alp_02_stream_before_answer() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        loop = asyncio.get_running_loop()

        def early(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            answer = stub.create(body)
            venue_id = stub.id_of(body["client_order_id"])
            messages = stub.state(venue_id, "new"), stub.fill(venue_id, "100", "100")
            asyncio.run_coroutine_threadsafe(stub.push(*messages), loop).result(5)
            time.sleep(0.3)
            return answer

        venue.on("POST", "/v2/orders", early)
        order = desk.limit()
        desk.strategy.submit_order(order)
        await asyncio.sleep(0.8)
        assert desk.told(order) == ["Sub", "Acc", "Fil(100)"]

    run(case)


def test_alp_03_refused_with_reason() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        body = {"code": 40310000, "message": "insufficient buying power", "buying_power": "1500.10"}
        venue.on("POST", "/v2/orders", lambda *_: (403, body))
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Rej" in desk.told(order), "rejection")
        await asyncio.sleep(0.5)
        assert desk.told(order) == ["Sub", "Rej"]
        reason = desk.event(order, "OrderRejected").reason
        assert "insufficient buying power" in reason
        assert "40310000" in reason
        assert "1500.10" in reason
        assert venue.count("GET", "/v2/orders") == 0

    run(case)


def test_alp_04_price_off_the_tick_is_denied() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit(price="100.123")
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Den" in desk.told(order), "denial")
        assert desk.told(order) == ["Den"]
        assert venue.count("POST", "/") == 0

    run(case)


def answered_late(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
    answer = stub.create(body)
    time.sleep(1.5)
    return answer


def test_alp_05_answer_lost_order_found() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        venue.on("POST", "/v2/orders", answered_late)
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Acc" in desk.told(order), "acceptance")
        await asyncio.sleep(0.3)
        assert desk.told(order) == ["Sub", "Acc"]
        assert venue.count("POST", "/v2/orders") == 1
        assert venue.count("GET", "/v2/orders:by_client_order_id") >= 1

    run(case)


def test_alp_06_request_lost_is_rejected_after_the_grace() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        def lost(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            time.sleep(1.5)
            return 500, None

        venue.on("POST", "/v2/orders", lost)
        order = desk.limit()
        began = time.monotonic()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Rej" in desk.told(order), "rejection", secs=15.0)
        assert time.monotonic() - began >= 5.0
        assert desk.told(order) == ["Sub", "Rej"]
        assert venue.count("POST", "/v2/orders") == 1
        assert venue.count("GET", "/v2/orders:by_client_order_id") >= 2

    run(case)


@pytest.mark.parametrize("status", [504, 502])
def test_alp_07_gateway_error_after_acceptance(status: int) -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        def accepted(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            stub.create(body)
            return status, "<html><h1>Gateway</h1></html>"

        venue.on("POST", "/v2/orders", accepted)
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Acc" in desk.told(order), "acceptance")
        assert desk.told(order) == ["Sub", "Acc"]
        assert venue.count("POST", "/v2/orders") == 1
        assert len(venue.orders) == 1

    run(case)


def test_alp_07_duplicate_id_is_looked_up() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        def twice(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            stub.create(body)
            return stub.create(body)

        venue.on("POST", "/v2/orders", twice)
        order = desk.limit()
        await submitted(venue, desk, order)
        assert desk.told(order) == ["Sub", "Acc"]

    run(case)


def test_alp_08_rate_limit_is_waited_out_while_others_progress() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        other = desk.limit()
        await submitted(venue, desk, other)
        for _ in range(2):
            venue.on("POST", "/v2/orders", lambda *_: (429, {"code": 42910000, "message": "rate limit exceeded"}))
        order = desk.limit()
        stalls = []

        async def watch() -> None:
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.005)
                stalls.append(time.monotonic() - began)

        watching = asyncio.create_task(watch())
        desk.strategy.submit_order(order)
        desk.strategy.cancel_order(other)
        await desk.until(lambda: venue.count("DELETE", "/v2/orders") == 1, "cancel meanwhile", secs=4.0)
        assert "Acc" not in desk.told(order)
        await desk.until(lambda: "Acc" in desk.told(order), "acceptance", secs=20.0)
        watching.cancel()
        assert desk.told(order) == ["Sub", "Acc"]
        assert sum(o["client_order_id"] == order.client_order_id.value for o in venue.orders.values()) == 1
        assert sorted(stalls)[len(stalls) * 99 // 100] < 0.05

    run(case)


def test_alp_09_partial_fills() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        for size, price in (("30", "99.9"), ("30", "99.95"), ("40", "99.9975")):
            await venue.push(venue.fill(venue_id, size, price))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)", "Fil(30)", "Fil(40)"]
        assert abs(cost(desk, order) - Decimal("99.954")) < Decimal("1e-9")

    run(case)


def test_alp_10_repeated_frame_is_one_fill() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        message = venue.fill(venue_id, "100", "100")
        await venue.push(message, message, message)
        await asyncio.sleep(0.5)
        assert desk.told(order) == ["Sub", "Acc", "Fil(100)"]

    run(case)


def test_alp_11_last_fill_overtakes() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        first = venue.fill(venue_id, "60", "99")
        last = venue.fill(venue_id, "40", "100")
        await venue.push(last, first)
        await asyncio.sleep(0.5)
        assert order.status == OrderStatus.FILLED
        assert order.filled_qty.as_decimal() == 100
        assert abs(cost(desk, order) - Decimal("99.4")) < Decimal("1e-9")
        assert sum(told.startswith("Fil") for told in desk.told(order)) == 1

    run(case)


def test_alp_12_gap_is_recovered() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        await venue.cut()
        venue.fill(venue_id, "30", "99")
        venue.fill(venue_id, "30", "99.5")
        await desk.until(lambda: venue.handshakes == 2, "reconnection", secs=10.0)
        await desk.until(lambda: order.filled_qty.as_decimal() == 60, "recovery", secs=10.0)
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)", "Fil(30)"]
        await venue.push(venue.fill(venue_id, "40", "100"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "live fill")
        await asyncio.sleep(5.5)  # the second look finds nothing new
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)", "Fil(30)", "Fil(40)"]

    run(case)


def test_alp_13_cancel() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        desk.strategy.cancel_order(order)
        await desk.until(lambda: venue.count("DELETE", "/v2/orders") == 1, "cancel")
        await venue.push(venue.state(venue_id, "canceled"))
        await desk.until(lambda: "Can" in desk.told(order), "cancellation")
        assert desk.told(order) == ["Sub", "Acc", "PC", "Can"]

    run(case)


def test_alp_14_cancel_crosses_a_fill() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        late: list[Any] = []

        def crossed(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            late.append(stub.fill(venue_id, "100", "100"))
            return 422, {"code": 42210000, "message": "order is not cancelable"}

        venue.on("DELETE", "/v2/orders", crossed)
        desk.strategy.cancel_order(order)
        await desk.until(lambda: "CRej" in desk.told(order), "refusal of the cancel")
        await venue.push(*late)
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")
        assert desk.told(order) == ["Sub", "Acc", "PC", "CRej", "Fil(100)"]

    run(case)


def test_alp_15_cancel_without_answer() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        await submitted(venue, desk, order)

        def lost(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            answer = stub.cancel(path.rsplit("/", 1)[1])
            time.sleep(1.5)
            return answer

        venue.on("DELETE", "/v2/orders", lost)
        desk.strategy.cancel_order(order)
        await desk.until(lambda: "Can" in desk.told(order), "cancellation", secs=12.0)
        assert desk.told(order) == ["Sub", "Acc", "PC", "Can"]

    run(case)


def test_alp_16_modify_price() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        old = await submitted(venue, desk, order)
        desk.strategy.modify_order(order, price=Price.from_str("99.50"))
        await desk.until(lambda: len(venue.orders) == 2, "replacement")
        new = next(o["id"] for o in venue.orders.values() if o["replaces"] == old)
        await venue.push(venue.state(old, "replaced", replaced_by=new), venue.state(new, "new"))
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        await venue.push(venue.fill(new, "100", "99.5"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")
        await asyncio.sleep(1.5)
        assert desk.told(order) == ["Sub", "Acc", "PU", "Upd", "Fil(100)"]
        assert order.venue_order_id.value == new
        assert order.price == Price.from_str("99.50")

    run(case)


def test_alp_16_modify_is_confirmed_without_the_stream() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        old = await submitted(venue, desk, order)
        desk.strategy.modify_order(order, price=Price.from_str("99.50"))
        await desk.until(lambda: len(venue.orders) == 2, "replacement")
        new = next(o["id"] for o in venue.orders.values() if o["replaces"] == old)
        venue.state(old, "replaced", replaced_by=new)
        venue.state(new, "new")
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        assert desk.told(order) == ["Sub", "Acc", "PU", "Upd"]

    run(case)


def test_alp_17_replacement_crosses_a_fill() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        old = await submitted(venue, desk, order)
        desk.strategy.modify_order(order, price=Price.from_str("99.50"))
        await desk.until(lambda: len(venue.orders) == 2, "replacement")
        new = next(o["id"] for o in venue.orders.values() if o["replaces"] == old)
        await venue.push(venue.fill(old, "100", "100"), venue.state(new, "rejected"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")
        await asyncio.sleep(1.5)
        assert [told for told in desk.told(order) if told != "MRej"] == ["Sub", "Acc", "PU", "Fil(100)"]

    run(case)


@pytest.mark.parametrize("quantity", ["60", "100"])
def test_alp_18_replacement_after_a_partial_fill(quantity: str) -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        old = await submitted(venue, desk, order)
        await venue.push(venue.fill(old, "40", "100"))
        await desk.until(lambda: order.filled_qty.as_decimal() == 40, "fill")
        desk.strategy.modify_order(order, price=Price.from_str("99.50"))
        await desk.until(lambda: len(venue.orders) == 2, "replacement")
        new = next(o["id"] for o in venue.orders.values() if o["replaces"] == old)
        venue.orders[new]["qty"] = quantity
        await venue.push(venue.state(old, "replaced", replaced_by=new), venue.state(new, "new"))
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        assert desk.event(order, "OrderUpdated").quantity.as_decimal() == 100
        await venue.push(venue.fill(new, "60", "99.5"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill")
        assert desk.told(order) == ["Sub", "Acc", "Fil(40)", "PU", "Upd", "Fil(60)"]

    run(case)


def test_alp_18_predecessor_that_fills_after_it_was_replaced() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        old = await submitted(venue, desk, order)
        await venue.push(venue.fill(old, "40", "100"))
        await desk.until(lambda: order.filled_qty.as_decimal() == 40, "fill")
        desk.strategy.modify_order(order, price=Price.from_str("99.50"))
        await desk.until(lambda: len(venue.orders) == 2, "replacement")
        new = next(o["id"] for o in venue.orders.values() if o["replaces"] == old)
        venue.orders[new]["qty"] = "56"
        late = venue.fill(old, "4", "100")
        await venue.push(venue.state(new, "new"))
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        await venue.push(late)
        await desk.until(lambda: order.filled_qty.as_decimal() == 44, "late fill")
        await venue.push(venue.fill(new, "56", "99.5"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "last fill")
        assert desk.told(order) == ["Sub", "Acc", "Fil(40)", "PU", "Upd", "Fil(4)", "Fil(56)"]
        # What a restart finds booked under each of the venue's ids.
        marks = FillMarks()
        Tracks().restore(order, marks)
        assert (marks.booked(old), marks.booked(new)) == (44, 56)

    run(case)


def test_alp_19_expiry_before_its_last_fill() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        expired = venue.state(venue_id, "expired")
        fill = venue.fill(venue_id, "10", "100")
        venue.orders[venue_id]["status"] = "expired"
        await venue.push(expired, fill)
        await desk.until(lambda: "Exp" in desk.told(order), "expiry")
        assert desk.told(order) == ["Sub", "Acc", "Fil(10)", "Exp"]

    run(case)


def test_alp_20_done_for_day_is_no_end() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit(time_in_force=TimeInForce.GTC)
        venue_id = await submitted(venue, desk, order)
        await venue.push(venue.state(venue_id, "done_for_day"), venue.state(venue_id, "new"))
        await asyncio.sleep(0.3)
        assert desk.told(order) == ["Sub", "Acc"]

    run(case)


def test_alp_21_rejected_after_acceptance() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        await venue.push(venue.state(venue_id, "rejected"))
        await desk.until(lambda: "Rej" in desk.told(order), "rejection")
        assert desk.told(order) == ["Sub", "Acc", "Rej"]

    run(case)


def bracket(desk: Desk, quantity: str = "100") -> Any:
    return desk.strategy.order_factory.bracket(
        instrument_id=AAPL,
        order_side=OrderSide.BUY,
        quantity=Quantity.from_str(quantity),
        entry_order_type=OrderType.LIMIT,
        entry_price=Price.from_str("100.00"),
        tp_price=Price.from_str("110.00"),
        tp_post_only=False,
        sl_trigger_price=Price.from_str("95.00"),
        time_in_force=TimeInForce.GTC,
    )


async def bracketed(venue: StubVenue, desk: Desk) -> tuple[Any, Any, Any, str, str, str]:
    listed = bracket(desk)
    orders = listed.orders
    entry = orders[0]
    stop = next(order for order in orders if order.order_type == OrderType.STOP_MARKET)
    take = next(order for order in orders[1:] if order is not stop)
    desk.strategy.submit_order_list(listed)
    await desk.until(lambda: all(desk.told(order)[-1:] == ["Acc"] for order in orders), "acceptance")
    parent = venue.orders[venue.id_of(entry.client_order_id.value)]
    take_id, stop_id = parent["_legs"]
    return entry, take, stop, parent["id"], take_id, stop_id


def test_alp_22_bracket() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        entry, take, stop, entry_id, take_id, stop_id = await bracketed(venue, desk)
        assert venue.count("POST", "/v2/orders") == 1
        await venue.push(venue.fill(entry_id, "100", "100"))
        await venue.push(venue.state(take_id, "new"), venue.state(stop_id, "new"))
        await venue.push(venue.fill(take_id, "100", "110"), venue.state(stop_id, "canceled"))
        await desk.until(lambda: stop.is_closed, "end of the stop")
        assert desk.told(entry) == ["Sub", "Acc", "Fil(100)"]
        assert desk.told(take) == ["Sub", "Acc", "Fil(100)"]
        assert desk.told(stop) == ["Sub", "Acc", "Can"]
        assert not desk.cache.positions_open()

    run(case)


def test_alp_22_leg_news_before_the_answer_is_kept() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        loop = asyncio.get_running_loop()

        def early(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            answer = stub.create(body)
            parent = stub.orders[stub.id_of(body["client_order_id"])]
            take_id, stop_id = parent["_legs"]
            messages = [
                stub.fill(parent["id"], "100", "100"),
                stub.fill(take_id, "100", "110"),
                stub.state(stop_id, "canceled"),
            ]
            asyncio.run_coroutine_threadsafe(stub.push(*messages), loop).result(5)
            time.sleep(0.3)
            return answer

        venue.on("POST", "/v2/orders", early)
        listed = bracket(desk)
        desk.strategy.submit_order_list(listed)
        await desk.until(lambda: all(order.is_closed for order in listed.orders), "end of all")
        assert desk.told(listed.orders[0]) == ["Sub", "Acc", "Fil(100)"]
        told = sorted(tuple(desk.told(order)) for order in listed.orders[1:])
        assert told == [("Sub", "Acc", "Can"), ("Sub", "Acc", "Fil(100)")]

    run(case)


def test_alp_23_leg_shrinks_its_sibling() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        _entry, take, stop, entry_id, take_id, stop_id = await bracketed(venue, desk)
        await venue.push(venue.fill(entry_id, "100", "100"))
        venue.state(take_id, "new")
        venue.state(stop_id, "new", qty="60")
        await venue.push(venue.fill(take_id, "40", "110"))
        await desk.until(lambda: "Upd" in desk.told(stop), "shrunk stop")
        assert desk.told(take) == ["Sub", "Acc", "Fil(40)"]
        assert desk.told(stop) == ["Sub", "Acc", "Upd"]
        assert stop.quantity.as_decimal() == 60

    run(case)


def test_partly_filled_entry_is_told_to_be_uncovered() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        entry, *_, entry_id, _take_id, _stop_id = await bracketed(venue, desk)
        await venue.push(venue.fill(entry_id, "40", "100"))
        await desk.until(lambda: any(n.kind == "uncovered" for n in desk.notices), "notice")
        notice = next(n for n in desk.notices if n.kind == "uncovered")
        assert notice.client_order_id == entry.client_order_id.value

    run(case)


def test_alp_24_what_the_venue_cannot_do_is_denied() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        factory = desk.strategy.order_factory
        desk.quote(AAPL, "99.99", "100.01")
        desk.quote(BTC, "50000.00", "50001.00")
        buy, one = OrderSide.BUY, Quantity.from_str("1")
        trigger = Price.from_str("101.00")
        expiry = desk.strategy.clock.utc_now().replace(year=2100)
        plain = [
            desk.limit("1.5", time_in_force=TimeInForce.GTC),
            factory.trailing_stop_market(
                BTC, OrderSide.SELL, one, Decimal(100), trailing_offset_type=TrailingOffsetType.PRICE
            ),
            desk.limit("1", time_in_force=TimeInForce.GTD, expire_time=expiry),
            desk.limit("1", post_only=True),
            desk.limit("1", display_qty=Quantity.from_str("1")),
            factory.market_to_limit(AAPL, buy, one, time_in_force=TimeInForce.DAY),
            factory.market_if_touched(AAPL, buy, one, trigger),
            desk.limit("1", "50000.00", instrument_id=BTC, time_in_force=TimeInForce.FOK),
            factory.stop_market(BTC, buy, one, trigger),
            desk.limit("1", order_side=OrderSide.SELL, reduce_only=True),
            factory.stop_market(AAPL, buy, one, trigger, time_in_force=TimeInForce.IOC),
            desk.limit("1", "50000.00", instrument_id=BTC, time_in_force=TimeInForce.GTC, order_side=OrderSide.SELL),
            desk.limit("1001"),
            desk.limit("1", "120.00"),
        ]
        for order in plain:
            desk.strategy.submit_order(order)
        extended = factory.market(AAPL, buy, one, time_in_force=TimeInForce.DAY)
        desk.strategy.submit_order(extended, params={"extended_hours": True})
        fractional = bracket(desk, "1.5")
        desk.strategy.submit_order_list(fractional)
        denied = [*plain, extended, *fractional.orders]
        await desk.until(lambda: all(desk.told(order) for order in denied), "denials")
        assert [desk.told(order) for order in denied] == [["Den"]] * len(denied)
        assert venue.count("POST", "/") == 0

    run(case)


def test_alp_25_wash_trade_names_the_blocking_order() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        working = desk.limit()
        await submitted(venue, desk, working)
        body = {
            "code": 40310000,
            "existing_order_id": "v-1",
            "message": "potential wash trade detected. use complex orders",
            "reject_reason": "opposite side market/stop order exists",
        }
        venue.on("POST", "/v2/orders", lambda *_: (403, body))
        stop = desk.strategy.order_factory.stop_market(
            AAPL, OrderSide.SELL, Quantity.from_str("1"), Price.from_str("95.00"), time_in_force=TimeInForce.DAY
        )
        desk.strategy.submit_order(stop)
        await desk.until(lambda: "Rej" in desk.told(stop), "rejection")
        assert desk.told(stop) == ["Sub", "Rej"]
        reason = desk.event(stop, "OrderRejected").reason
        assert "v-1" in reason
        assert "opposite side market/stop order exists" in reason
        assert desk.told(working) == ["Sub", "Acc"]

    run(case)


def test_order_that_was_given_up_and_lives_is_cancelled() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        kept: list[Any] = []

        def lost(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            kept.append(body)
            return 504, "<html>"

        venue.on("POST", "/v2/orders", lost)
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Rej" in desk.told(order), "rejection", secs=15.0)
        venue.create(kept[0])  # it was under way for longer than anybody waited
        venue_id = venue.id_of(order.client_order_id.value)
        await venue.push(venue.state(venue_id, "new"))
        await desk.until(lambda: venue.orders[venue_id]["status"] == "canceled", "cancel")
        assert desk.told(order) == ["Sub", "Rej"]
        assert any(notice.kind == "unresolved" for notice in desk.notices)

    run(case)


def test_gap_begins_where_the_stream_was_lost_and_not_at_the_last_attempt() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        venue.refuses_streams = True
        await venue.cut()
        await desk.until(lambda: not desk.client._is_up.is_set(), "loss")
        lost_ns = desk.client._down_ns
        venue.fill(venue_id, "30", "99")
        await desk.until(lambda: venue.refused >= 2, "failed attempts", secs=20.0)
        venue.refuses_streams = False
        await desk.until(lambda: order.filled_qty.as_decimal() == 30, "recovery", secs=30.0)
        assert desk.client._down_ns == lost_ns
        assert [notice.kind for notice in desk.notices] == ["stream_up", "stream_down", "stream_up"]

    run(case)


def test_mutilated_updates_change_nothing_that_they_should_not() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        rng = Random(7)
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        good = venue.state(venue_id, "new")
        poison = (None, True, -1, "NaN", "", [], {}, "🚀", "1e400", "levitating", 10**30)
        for _ in range(500):
            bad = json.loads(json.dumps(good))
            holder = rng.choice((bad, bad["data"], bad["data"]["order"]))
            holder[rng.choice(list(holder))] = rng.choice(poison)
            await venue.push(bad)
        await venue.push("no message", [], {"stream": "trade_updates", "data": None})
        await venue.push(venue.fill(venue_id, "100", "100"))
        await desk.until(lambda: order.status == OrderStatus.FILLED, "fill", secs=20.0)
        assert [told for told in desk.told(order) if told != "Upd"] == ["Sub", "Acc", "Fil(100)"]

    run(case)


def test_cancel_that_comes_before_the_order_is_known_follows_it() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        venue.on("POST", "/v2/orders", answered_late)
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Sub" in desk.told(order), "submission")
        desk.strategy.cancel_order(order)
        await desk.until(lambda: "Can" in desk.told(order), "cancellation", secs=15.0)
        assert desk.told(order) == ["Sub", "PC", "Acc", "Can"]
        assert venue.count("DELETE", "/v2/orders") == 1

    run(case)


def test_veto_rejects_without_sending() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Rej" in desk.told(order), "rejection")
        assert "standby" in desk.event(order, "OrderRejected").reason
        assert venue.count("POST", "/") == 0

    run(case, veto_path="tests.unit.alpaca.desk:no_writes")


def test_orders_a_minute_are_capped() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        orders = [desk.limit("1") for _ in range(4)]
        for order in orders:
            desk.strategy.submit_order(order)
        await desk.until(lambda: all(len(desk.told(order)) > 0 for order in orders), "events")
        await desk.until(lambda: sum("Acc" in desk.told(order) for order in orders) == 2, "acceptances")
        assert sorted(desk.told(order)[0] for order in orders) == ["Den", "Den", "Sub", "Sub"]

    run(case, caps=msgspec.structs.replace(CAPS, orders_a_minute=2))


def test_no_text_shows_a_key(capfd: pytest.CaptureFixture[str]) -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue.on("POST", "/v2/orders", lambda *_: (422, {"code": 1, "message": f"key {KEY} secret {SECRET}"}))
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Rej" in desk.told(order), "rejection")
        texts = [str(event) for event in desk.events] + [str(notice) for notice in desk.notices]
        assert KEY not in "".join(texts)
        assert SECRET not in "".join(texts)

    run(case)
    out, err = capfd.readouterr()
    assert KEY not in out + err
    assert SECRET not in out + err


def test_fill_after_an_expiry_is_told_as_a_position() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        await venue.push(venue.state(venue_id, "expired"))
        await desk.until(lambda: "Exp" in desk.told(order), "expiry")
        row = {"symbol": "AAPL", "asset_class": "us_equity", "qty": "10", "side": "long", "avg_entry_price": "100"}
        venue.positions = [row]
        late = venue.fill(venue_id, "10", "100")
        late["data"]["order"]["status"] = "expired"
        await venue.push(late)
        await desk.until(lambda: bool(desk.cache.positions_open()), "position", secs=10.0)
        assert desk.cache.positions_open()[0].signed_decimal_qty() == 10
        assert desk.told(order) == ["Sub", "Acc", "Exp"]

    run(case)


def test_fill_after_a_cancel_is_booked() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        await venue.push(venue.state(venue_id, "canceled"))
        await desk.until(lambda: "Can" in desk.told(order), "cancellation")
        late = venue.fill(venue_id, "10", "100")
        late["data"]["order"]["status"] = "canceled"
        await venue.push(late)
        await desk.until(lambda: order.filled_qty.as_decimal() == 10, "late fill")
        assert desk.told(order) == ["Sub", "Acc", "Can", "Fil(10)"]

    run(case)


def test_order_of_several_legs_is_left_alone() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        order = desk.limit()
        venue_id = await submitted(venue, desk, order)
        message = venue.state(venue_id, "new")
        message["data"]["order"] |= {"id": "m-1", "client_order_id": "m", "symbol": "", "order_class": "mleg"}
        await venue.push(message)
        await asyncio.sleep(2.0)
        assert len(desk.cache.orders()) == 1

    run(case)


def test_cancel_of_one_leg_ends_the_pair() -> None:
    async def case(venue: StubVenue, desk: Desk) -> None:
        _entry, take, stop, entry_id, take_id, stop_id = await bracketed(venue, desk)
        await venue.push(venue.fill(entry_id, "100", "100"))
        await venue.push(venue.state(take_id, "new"), venue.state(stop_id, "new"))
        await desk.until(lambda: bool(desk.cache.positions_open()), "position")
        desk.strategy.cancel_all_orders(AAPL)
        await desk.until(lambda: venue.count("DELETE", "/v2/orders") >= 1, "cancel")
        await venue.push(venue.state(take_id, "canceled"), venue.state(stop_id, "canceled"))
        await desk.until(lambda: take.is_closed and stop.is_closed, "end of both", secs=10.0)
        await asyncio.sleep(1.5)
        assert "CRej" not in desk.told()
        assert venue.count("DELETE", "/v2/orders") == 1

    run(case)
