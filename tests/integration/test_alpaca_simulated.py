"""The execution client against the simulated venue: the conformance cases again, with a matching engine behind them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from nautilus_trader.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from nautilus_trader.model.objects import Price, Quantity

from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.control import Control
from adapters.simulator.host import SimulatedVenues
from tests.unit.alpaca.desk import AAPL, BTC, Desk


@dataclass
class Simulated:
    """The simulated Alpaca, where it listens, and the hand on it."""

    rest_url: str
    stream_url: str
    data_stream_url: str
    control: Control

    def quote(self, bid: str = "99.99", ask: str = "100.01", symbol: str = "AAPL") -> None:
        tick = {"symbol": symbol, "bid": bid, "ask": ask, "bid_size": "100000", "ask_size": "100000"}
        self.control.step(0, ticks=[tick])

    def fill(self, order: Any, quantity: str, price: str) -> None:
        self.control.act("fill", venue="alpaca", client_id=order.client_order_id.value, qty=quantity, price=price)

    def fill_id(self, order_id: str, quantity: str, price: str) -> None:
        self.control.act("fill", venue="alpaca", order_id=order_id, qty=quantity, price=price)

    def orders(self) -> list[dict[str, Any]]:
        return list(self.control.state()["venues"]["alpaca"]["orders"])


Case = Callable[[Simulated, Desk], Awaitable[None]]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "SIMKEY")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "SIMSECRET")
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)


@asynccontextmanager
async def trading(**changes: Any) -> AsyncIterator[tuple[Simulated, Desk]]:
    pace = AlpacaSettings(requests_per_minute=changes.get("requests_a_minute", 200))
    with SimulatedVenues(seed=1, venues=("alpaca",), alpaca=pace) as venues:
        urls = venues.alpaca
        host = urls.data_stream_url("iex").removesuffix("/v2/iex")
        venue = Simulated(urls.rest_url, urls.trade_stream_url, host, venues.control)
        venue.quote()
        desk = Desk(venue, **changes)
        await desk.start()
        desk.quote(AAPL, "99.99", "100.01")
        try:
            yield venue, desk
        finally:
            await desk.stop()


def run(case: Case, **changes: Any) -> None:
    async def main() -> None:
        async with trading(**changes) as (venue, desk):
            await case(venue, desk)
            await agree(venue, desk)

    asyncio.run(main())


async def agree(venue: Simulated, desk: Desk) -> None:
    """Check what must hold after every scenario: quantities agree, and no order is over here while it lives there."""
    await asyncio.sleep(0.1)
    rows = {row["client_id"]: row for row in venue.orders()}
    for order in desk.cache.orders():
        row = rows.get(order.client_order_id.value)
        if row is None or order.strategy_id.value == "EXTERNAL":
            continue
        chain = [row]
        while chain[-1].get("replaced_by"):
            chain.append(next(r for r in rows.values() if r["id"] == chain[-1]["replaced_by"]))
        assert order.filled_qty.as_decimal() == sum(Decimal(str(r["filled_qty"])) for r in chain), order
        if order.is_closed:
            assert chain[-1]["status"] in ("filled", "canceled", "expired", "rejected", "replaced"), order
    assert len({row["client_id"] for row in rows.values()}) == len(venue.orders())


async def accepted(desk: Desk, order: Any, secs: float = 10.0) -> None:
    desk.strategy.submit_order(order)
    await desk.until(lambda: "Acc" in desk.told(order), "acceptance", secs=secs)


async def filled(desk: Desk, order: Any) -> None:
    await desk.until(lambda: order.status == OrderStatus.FILLED, "whole fill", secs=15.0)


def resting(desk: Desk, **more: Any) -> Any:
    return desk.limit("100", "95.00", **more)


def test_alp_01_limit_is_accepted_and_filled() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        venue.fill(order, "100", "95.00")
        await filled(desk, order)
        assert desk.told(order) == ["Sub", "Acc", "Fil(100)"]

    run(case)


def test_alp_02_stream_before_answer() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        venue.control.fault(kind="delay_answer", where="POST /v2/orders", secs=0.3)
        order = desk.limit("10", "100.05")
        desk.strategy.submit_order(order)
        await filled(desk, order)
        await asyncio.sleep(0.6)
        assert desk.told(order)[:2] == ["Sub", "Acc"]
        assert desk.told(order).count("Acc") == 1

    run(case)


def test_alp_03_insufficient_buying_power() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = desk.limit("1000", "110.00")
        bigger = desk.limit("1000", "105.00")
        for one in (order, bigger):
            desk.strategy.submit_order(one)
        await desk.until(lambda: any("Rej" in desk.told(one) for one in (order, bigger)), "refusal")
        refused = order if "Rej" in desk.told(order) else bigger
        assert desk.told(refused) == ["Sub", "Rej"]
        assert "40310000" in desk.event(refused, "OrderRejected").reason

    run(case, caps=None)


FAULTS_ON_SUBMIT = {
    "05_answer_lost": {"kind": "drop_answer", "secs": 2.0},
    "05_answer_dripped": {"kind": "drip", "secs": 0.3},
    "07_504_html": {"kind": "status_after", "status": 504, "html": True},
    "07_500": {"kind": "status_after", "status": 500},
    "html_200": {"kind": "html_200"},
    "truncated": {"kind": "truncated_json"},
    "empty": {"kind": "empty_body"},
    "wrong_length": {"kind": "wrong_length"},
    "field_lost": {"kind": "drop_field", "path": "id"},
}


@pytest.mark.parametrize("name", sorted(FAULTS_ON_SUBMIT))
def test_alp_05_07_no_clear_answer_is_looked_up(name: str) -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        # The stream must not help: what is to be seen is the lookup.
        venue.control.fault(kind="omit_frame", where="stream:trade_updates", times=0)
        venue.control.fault(where="POST /v2/orders", **FAULTS_ON_SUBMIT[name])
        order = resting(desk)
        await accepted(desk, order)
        assert desk.told(order) == ["Sub", "Acc"]
        assert len(venue.orders()) == 1

    run(case)


def test_alp_06_request_lost() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        venue.control.fault(kind="drop_request", where="POST /v2/orders", secs=2.0)
        order = resting(desk)
        desk.strategy.submit_order(order)
        await desk.until(lambda: "Rej" in desk.told(order), "rejection", secs=15.0)
        assert desk.told(order) == ["Sub", "Rej"]
        assert venue.orders() == []

    run(case)


def test_alp_08_rate_limit() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        venue.control.fault(kind="status", where="POST /v2/orders", status=429, times=2)
        order = resting(desk)
        await accepted(desk, order, secs=40.0)
        assert desk.told(order) == ["Sub", "Acc"]
        assert len(venue.orders()) == 1

    run(case)


def test_alp_09_partial_fills() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        for quantity, price in (("30", "94.9"), ("30", "94.95"), ("40", "94.9975")):
            venue.fill(order, quantity, price)
        await filled(desk, order)
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)", "Fil(30)", "Fil(40)"]

    run(case)


def test_alp_10_duplicate_frames() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        venue.control.fault(kind="duplicate_frame", where="stream:trade_updates", times=0)
        order = resting(desk)
        await accepted(desk, order)
        venue.fill(order, "100", "95.00")
        await filled(desk, order)
        await asyncio.sleep(0.3)
        assert desk.told(order) == ["Sub", "Acc", "Fil(100)"]

    run(case)


def test_alp_11_frames_out_of_order() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        await asyncio.sleep(0.3)
        venue.control.fault(kind="delay_frame", where="stream:trade_updates", event="partial_fill", secs=0.5)
        venue.fill(order, "60", "94.00")
        venue.fill(order, "40", "95.00")
        await filled(desk, order)
        await asyncio.sleep(0.8)
        assert sum(told.startswith("Fil") for told in desk.told(order)) == 1
        assert abs(Decimal(str(order.avg_px)) - Decimal("94.4")) < Decimal("1e-9")

    run(case)


@pytest.mark.parametrize("how", [{"kind": "abort"}, {"kind": "close", "code": 1001}, {"kind": "half_open"}])
def test_alp_12_gap_is_recovered(how: dict[str, Any]) -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        venue.control.act("break", where="stream:trade_updates", **how)
        venue.fill(order, "30", "94.00")
        venue.fill(order, "30", "94.50")
        await desk.until(lambda: order.filled_qty.as_decimal() == 60, "recovery", secs=30.0)
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)", "Fil(30)"]
        venue.fill(order, "40", "95.00")
        await filled(desk, order)
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)", "Fil(30)", "Fil(40)"]

    run(case, mute_secs=6.0)


def test_alp_12_reads_that_lag_are_read_again() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        for model in ("orders", "fills", "activities"):
            venue.control.fault(kind="lag", where=f"model:{model}", secs=4.0, times=0)
        venue.control.act("break", where="stream:trade_updates", kind="abort")
        venue.fill(order, "30", "94.00")
        await desk.until(lambda: order.filled_qty.as_decimal() == 30, "recovery", secs=20.0)
        assert desk.told(order) == ["Sub", "Acc", "Fil(30)"]
        venue.control.clear()

    run(case)


def test_alp_13_cancel() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        desk.strategy.cancel_order(order)
        await desk.until(lambda: "Can" in desk.told(order), "cancellation")
        assert desk.told(order) == ["Sub", "Acc", "PC", "Can"]

    run(case)


def test_alp_14_cancel_crosses_a_fill() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        await asyncio.sleep(0.3)
        venue.control.fault(kind="delay_frame", where="stream:trade_updates", event="fill", secs=1.0)
        venue.fill(order, "100", "95.00")
        desk.strategy.cancel_order(order)
        await filled(desk, order)
        assert desk.told(order) == ["Sub", "Acc", "PC", "CRej", "Fil(100)"]

    run(case)


def test_alp_15_cancel_without_answer() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        venue.control.fault(kind="omit_frame", where="stream:trade_updates", times=0)
        venue.control.fault(kind="drop_answer", where="DELETE /v2/orders/*", secs=2.0)
        desk.strategy.cancel_order(order)
        await desk.until(lambda: "Can" in desk.told(order), "cancellation", secs=15.0)
        assert desk.told(order) == ["Sub", "Acc", "PC", "Can"]

    run(case)


def test_alp_16_modify() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        await asyncio.sleep(0.3)
        desk.strategy.modify_order(order, price=Price.from_str("94.50"), quantity=Quantity.from_str("80"))
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        new = order.venue_order_id.value
        venue.fill_id(new, "80", "94.50")
        await filled(desk, order)
        await asyncio.sleep(1.2)
        assert desk.told(order) == ["Sub", "Acc", "PU", "Upd", "Fil(80)"]
        assert order.price == Price.from_str("94.50")

    run(case)


def test_alp_16_modify_without_answer() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        await asyncio.sleep(0.3)
        venue.control.fault(kind="omit_frame", where="stream:trade_updates", times=0)
        venue.control.fault(kind="drop_answer", where="PATCH /v2/orders/*", secs=2.0)
        desk.strategy.modify_order(order, price=Price.from_str("94.50"))
        await desk.until(lambda: "Upd" in desk.told(order), "update", secs=15.0)
        assert desk.told(order) == ["Sub", "Acc", "PU", "Upd"]
        assert len(venue.orders()) == 2

    run(case)


def test_alp_18_replacement_after_a_partial_fill() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        venue.fill(order, "40", "95.00")
        await desk.until(lambda: order.filled_qty.as_decimal() == 40, "fill")
        desk.strategy.modify_order(order, price=Price.from_str("94.50"))
        await desk.until(lambda: "Upd" in desk.told(order), "update")
        assert order.quantity.as_decimal() == 100
        venue.fill_id(order.venue_order_id.value, "60", "94.50")
        await filled(desk, order)
        assert desk.told(order) == ["Sub", "Acc", "Fil(40)", "PU", "Upd", "Fil(60)"]

    run(case)


def test_alp_21_rejected_after_acceptance() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = resting(desk)
        await accepted(desk, order)
        venue.control.act("end", venue="alpaca", client_id=order.client_order_id.value, status="rejected")
        await desk.until(lambda: "Rej" in desk.told(order), "rejection")
        assert desk.told(order) == ["Sub", "Acc", "Rej"]

    run(case)


def bracket(desk: Desk, entry: str = "95.00") -> tuple[Any, Any, Any, Any]:
    listed = desk.strategy.order_factory.bracket(
        instrument_id=AAPL,
        order_side=OrderSide.BUY,
        quantity=Quantity.from_str("100"),
        entry_order_type=OrderType.LIMIT,
        entry_price=Price.from_str(entry),
        tp_price=Price.from_str("110.00"),
        tp_post_only=False,
        sl_trigger_price=Price.from_str("90.00"),
        time_in_force=TimeInForce.GTC,
    )
    stop = next(order for order in listed.orders if order.order_type == OrderType.STOP_MARKET)
    take = next(order for order in listed.orders[1:] if order is not stop)
    return listed, listed.orders[0], take, stop


async def bracketed(desk: Desk) -> tuple[Any, Any, Any]:
    listed, entry, take, stop = bracket(desk)
    desk.strategy.submit_order_list(listed)
    await desk.until(lambda: all("Acc" in desk.told(order) for order in listed.orders), "acceptance")
    return entry, take, stop


def test_alp_22_bracket() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        entry, take, stop = await bracketed(desk)
        venue.fill(entry, "100", "95.00")
        await filled(desk, entry)
        venue.fill_id(take.venue_order_id.value, "100", "110.00")
        await desk.until(lambda: stop.is_closed, "end of the stop")
        assert desk.told(entry) == ["Sub", "Acc", "Fil(100)"]
        assert desk.told(take) == ["Sub", "Acc", "Fil(100)"]
        assert desk.told(stop) == ["Sub", "Acc", "Can"]
        assert not desk.cache.positions_open()

    run(case)


def test_alp_23_leg_shrinks_its_sibling() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        entry, take, stop = await bracketed(desk)
        venue.fill(entry, "100", "95.00")
        await filled(desk, entry)
        venue.fill_id(take.venue_order_id.value, "40", "110.00")
        await desk.until(lambda: "Upd" in desk.told(stop), "shrunk stop")
        assert desk.told(take) == ["Sub", "Acc", "Fil(40)"]
        assert desk.told(stop) == ["Sub", "Acc", "Upd"]
        assert stop.quantity.as_decimal() == 60

    run(case)


def test_bracket_cancelled_while_working() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        entry, take, stop = await bracketed(desk)
        desk.strategy.cancel_all_orders(AAPL)
        await desk.until(lambda: all(o.is_closed for o in (entry, take, stop)), "end of all", secs=10.0)
        assert desk.told(entry)[-1] == "Can"
        assert "CRej" not in desk.told()

    run(case)


def test_alp_25_wash_trade() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        working = resting(desk)
        await accepted(desk, working)
        stop = desk.strategy.order_factory.stop_market(
            AAPL, OrderSide.SELL, Quantity.from_str("1"), Price.from_str("90.00"), time_in_force=TimeInForce.DAY
        )
        desk.strategy.submit_order(stop)
        await desk.until(lambda: "Rej" in desk.told(stop), "rejection")
        assert desk.told(stop) == ["Sub", "Rej"]
        reason = desk.event(stop, "OrderRejected").reason
        assert working.venue_order_id.value in reason
        assert "wash trade" in reason
        assert desk.told(working) == ["Sub", "Acc"]

    run(case)


def test_notional_order_is_told_in_shares_before_it_fills() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        order = desk.strategy.order_factory.market(
            AAPL, OrderSide.BUY, Quantity.from_str("1000"), time_in_force=TimeInForce.DAY, quote_quantity=True
        )
        desk.strategy.submit_order(order)
        await filled(desk, order)
        told = desk.told(order)
        assert told[:3] == ["Sub", "Acc", "Upd"]
        assert Decimal("9.9") < order.filled_qty.as_decimal() < Decimal("10.1")
        assert order.quantity == order.filled_qty

    run(case)


def test_crypto_fee_is_an_estimate() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        venue.quote("50000", "50001", "BTC/USD")
        desk.quote(BTC, "50000.00", "50001.00")
        order = desk.limit("0.1", "50010.00", instrument_id=BTC, time_in_force=TimeInForce.GTC)
        desk.strategy.submit_order(order)
        await filled(desk, order)
        fill = desk.event(order, "OrderFilled")
        assert fill.info["commission"] == "estimate"
        assert fill.commission.as_decimal() > 0

    run(case)


def test_order_of_others_is_seen_and_not_touched() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        ticket = {
            "symbol": "AAPL",
            "side": "buy",
            "type": "limit",
            "time_in_force": "day",
            "qty": "7",
            "limit_price": "95",
        }
        venue.control.act("place", venue="alpaca", client_id="web", **ticket)
        await desk.until(lambda: bool(desk.cache.orders()), "report", secs=10.0)
        order = desk.cache.orders()[0]
        assert order.strategy_id.value == "EXTERNAL"
        venue.control.act("fill", venue="alpaca", client_id="web", qty="7", price="95")
        await desk.until(lambda: order.is_closed, "fill", secs=10.0)
        assert desk.cache.positions_open()[0].signed_decimal_qty() == 7
        second = desk.limit("1", "95.00")
        await accepted(desk, second)
        desk.strategy.cancel_all_orders(AAPL)
        await desk.until(lambda: second.is_closed, "cancel")

    run(case)


def test_key_that_is_revoked_stops_submissions() -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        venue.control.act("revoke_key", venue="alpaca")
        first, second = resting(desk), resting(desk)
        desk.strategy.submit_order(first)
        await desk.until(lambda: "Rej" in desk.told(first), "refusal")
        desk.strategy.submit_order(second)
        await desk.until(lambda: "Den" in desk.told(second), "denial")
        assert any(notice.kind == "unauthorized" for notice in desk.notices)

    run(case)


CHAOS = [
    {"kind": "drop_answer", "where": "* /v2/orders*", "secs": 1.5, "chance": 0.15},
    {"kind": "drop_request", "where": "* /v2/orders*", "secs": 1.5, "chance": 0.1},
    {"kind": "status_after", "where": "* /v2/orders*", "status": 502, "html": True, "chance": 0.1},
    {"kind": "status", "where": "* /v2/orders*", "status": 503, "chance": 0.1},
    {"kind": "truncated_json", "where": "* /v2/orders*", "chance": 0.05},
    {"kind": "delay_answer", "where": "POST /v2/orders", "secs": 0.4, "chance": 0.3},
    {"kind": "duplicate_frame", "where": "stream:trade_updates", "chance": 0.2},
    {"kind": "omit_frame", "where": "stream:trade_updates", "chance": 0.15},
    {"kind": "delay_frame", "where": "stream:trade_updates", "secs": 0.5, "chance": 0.2},
    {"kind": "abort", "where": "stream:trade_updates", "chance": 0.02},
    {"kind": "lag", "where": "model:*", "secs": 1.0, "chance": 0.3},
]


async def act_at_random(venue: Simulated, desk: Desk, rng: Random, orders: list[Any]) -> None:
    live = [order for order in orders if order.is_open and not order.is_pending_cancel and not order.is_pending_update]
    choice = rng.random()
    if choice < 0.4 or not live:
        order = desk.limit(str(rng.randint(1, 20)), f"{rng.randint(90, 98)}.00")
        orders.append(order)
        desk.strategy.submit_order(order)
    elif choice < 0.55:
        desk.strategy.cancel_order(rng.choice(live))
    elif choice < 0.7:
        desk.strategy.modify_order(rng.choice(live), price=Price.from_str(f"{rng.randint(90, 98)}.50"))
    else:
        working = [row for row in venue.orders() if row["status"] in ("new", "partially_filled")]
        if working:
            row = rng.choice(working)
            left = Decimal(str(row["qty"])) - Decimal(str(row["filled_qty"]))
            part = max(Decimal(1), (left * rng.choice((1, 2, 3)) / 3).to_integral_value())
            venue.fill_id(row["id"], str(min(part, left)), "95.00")
    await asyncio.sleep(rng.uniform(0.0, 0.15))


def chaos(seed: int, steps: int) -> None:
    async def case(venue: Simulated, desk: Desk) -> None:
        rng = Random(seed)
        orders: list[Any] = []
        for fault in CHAOS:
            venue.control.fault(times=0, **fault)
        for _ in range(steps):
            await act_at_random(venue, desk, rng, orders)
        venue.control.clear()
        # A cut lets the recovery find what frames were lost: the venue tells nothing twice.
        venue.control.act("break", where="stream:trade_updates", kind="abort")
        await asyncio.sleep(12.0)
        venue.control.act("break", where="stream:trade_updates", kind="abort")
        await desk.until(lambda: settled(venue, desk), "agreement", secs=45.0)

    # A hundred orders in ten seconds, half of them lost, are more than the account's pace lets anyone look up in time.
    run(case, deadline_secs=1.0, requests_a_minute=3_000)


def settled(venue: Simulated, desk: Desk) -> bool:
    rows = {row["client_id"]: row for row in venue.orders()}
    by_id = {row["id"]: row for row in rows.values()}
    for order in desk.cache.orders():
        row = rows.get(order.client_order_id.value)
        if row is None:
            if order.status != OrderStatus.REJECTED:
                return False
            continue
        total = Decimal(str(row["filled_qty"]))
        while row["replaced_by"]:
            row = by_id[row["replaced_by"]]
            total += Decimal(str(row["filled_qty"]))
        if order.filled_qty.as_decimal() != total:
            return False
        if order.is_closed != (row["status"] in ("filled", "canceled", "expired", "rejected")):
            return False
    held = sum((p.signed_decimal_qty() for p in desk.cache.positions_open()), Decimal(0))
    return held == Decimal(venue.control.state()["venues"]["alpaca"]["positions"].get("AAPL", "0"))


@pytest.mark.parametrize("seed", [1, 2])
def test_books_agree_after_everything_goes_wrong(seed: int) -> None:
    chaos(seed, steps=40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_books_agree_after_everything_goes_wrong_for_long(seed: int) -> None:
    chaos(seed, steps=120)
