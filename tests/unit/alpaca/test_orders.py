"""What goes out as a request, number by number, and what is refused before it goes out."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.enums import (
    ContingencyType,
    OrderSide,
    OrderType,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.identifiers import StrategyId, TraderId
from nautilus_trader.model.objects import Price, Quantity

from adapters.alpaca import orders
from adapters.alpaca.constants import OrderClass
from adapters.alpaca.orders import Standing
from adapters.alpaca.parsing import parse_asset
from adapters.alpaca.providers import instrument_of
from tests.unit.alpaca.desk import CAPS
from tests.unit.alpaca.stub import ASSETS

AAPL = instrument_of(parse_asset(ASSETS["AAPL"]), fractional=True)
WHOLE = instrument_of(parse_asset(ASSETS["AAPL"]), fractional=False)
HARD = instrument_of(parse_asset(ASSETS["AAPL"] | {"easy_to_borrow": False}), fractional=True)
BTC = instrument_of(parse_asset(ASSETS["BTCUSD"]), fractional=True)
FLAT = Standing(held=Decimal(0), reference=Decimal(100))
LONG = Standing(held=Decimal(50), reference=Decimal(100))
BUY, SELL = OrderSide.BUY, OrderSide.SELL
DAY, GTC = TimeInForce.DAY, TimeInForce.GTC


@pytest.fixture
def factory() -> OrderFactory:
    return OrderFactory(TraderId("T-1"), StrategyId("S-1"), TestClock())


def qty(text: str) -> Quantity:
    return Quantity.from_str(text)


def px(text: str) -> Price:
    return Price.from_str(text)


def test_bodies_are_text_without_needless_zeros(factory: OrderFactory) -> None:
    limit = factory.limit(AAPL.id, BUY, qty("1.500000000"), px("100.1000"), time_in_force=DAY)
    body = orders.body_of(limit, AAPL)
    assert body == {
        "symbol": "AAPL",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "client_order_id": limit.client_order_id.value,
        "qty": "1.5",
        "limit_price": "100.1",
    }
    stop = factory.stop_limit(AAPL.id, SELL, qty("100"), px("89.5"), px("90"), time_in_force=GTC)
    body = orders.body_of(stop, AAPL)
    assert (body["type"], body["stop_price"], body["limit_price"], body["qty"]) == ("stop_limit", "90", "89.5", "100")
    notional = factory.market(AAPL.id, BUY, qty("1000.50"), time_in_force=DAY, quote_quantity=True)
    assert orders.body_of(notional, AAPL)["notional"] == "1000.5"
    assert orders.body_of(factory.market(BTC.id, BUY, qty("1")), BTC)["symbol"] == "BTC/USD"


@pytest.mark.parametrize(
    ("kind", "offset", "expected"),
    [
        (TrailingOffsetType.PRICE, "1.50", {"trail_price": "1.5"}),
        (TrailingOffsetType.BASIS_POINTS, "150", {"trail_percent": "1.5"}),
    ],
)
def test_trailing_stop(factory: OrderFactory, kind: Any, offset: str, expected: dict[str, str]) -> None:
    order = factory.trailing_stop_market(
        AAPL.id, SELL, qty("10"), Decimal(offset), trailing_offset_type=kind, time_in_force=DAY
    )
    assert orders.why_not(order, AAPL, LONG, CAPS) == ""
    assert expected.items() <= orders.body_of(order, AAPL).items()


def group(factory: OrderFactory, *, which: str, **more: Any) -> list[Any]:
    tif = more.pop("tif", GTC)
    listed = factory.bracket(
        AAPL.id,
        BUY,
        qty(more.pop("quantity", "100")),
        entry_order_type=OrderType.LIMIT,
        entry_price=px("100"),
        tp_price=px("110"),
        tp_post_only=False,
        sl_trigger_price=px("95"),
        time_in_force=tif,
        **more,
    ).orders
    entry, stop = listed[0], next(o for o in listed if o.order_type == OrderType.STOP_MARKET)
    take = next(o for o in listed[1:] if o is not stop)
    return {"bracket": [entry, stop, take], "oto": [entry, stop], "oco": [stop, take]}[which]


def test_bracket_body(factory: OrderFactory) -> None:
    found = orders.group_of(group(factory, which="bracket"))
    assert isinstance(found, orders.Group)
    body = orders.body_of_group(found, AAPL)
    assert body["order_class"] == "bracket"
    assert body["take_profit"] == {"limit_price": "110"}
    assert body["stop_loss"] == {"stop_price": "95"}
    assert body["limit_price"] == "100"


def test_one_exit_is_an_oto(factory: OrderFactory) -> None:
    found = orders.group_of(group(factory, which="oto"))
    assert isinstance(found, orders.Group)
    body = orders.body_of_group(found, AAPL)
    assert body["order_class"] == "oto"
    assert "take_profit" not in body


def test_pair_of_exits_is_an_oco_whose_parent_is_the_limit(factory: OrderFactory) -> None:
    pair = group(factory, which="oco")
    loose = [SimpleNamespace(**{name: getattr(o, name) for name in FIELDS if hasattr(o, name)}) for o in pair]
    for order in loose:
        order.parent_order_id, order.contingency_type = None, ContingencyType.OCO
    found = orders.group_of(loose)
    assert isinstance(found, orders.Group)
    assert found.order_class is OrderClass.OCO
    assert found.parent.order_type == OrderType.LIMIT
    body = orders.body_of_group(found, AAPL)
    assert "limit_price" not in body
    assert (body["side"], body["take_profit"], body["stop_loss"]) == (
        "sell",
        {"limit_price": "110"},
        {"stop_price": "95"},
    )


FIELDS = (
    "order_type", "time_in_force", "side", "quantity", "price", "trigger_price", "instrument_id", "client_order_id",
    "is_quote_quantity", "is_post_only", "is_reduce_only", "tags",
)  # fmt: skip


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"quantity": "1.5"}, "whole units"),
        ({"tif": DAY}, "all DAY or all GTC"),
        ({"tif": TimeInForce.IOC}, "all DAY or all GTC"),
    ],
)
def test_group_that_is_not_native_says_why(factory: OrderFactory, more: dict[str, Any], reason: str) -> None:
    found = orders.group_of(group(factory, which="bracket", **more))
    assert isinstance(found, str)
    assert reason in found


def test_list_without_contingency_is_no_group(factory: OrderFactory) -> None:
    assert orders.group_of([factory.market(AAPL.id, BUY, qty("1")), factory.market(AAPL.id, BUY, qty("2"))]) is None


def limit(factory: OrderFactory, **more: Any) -> Any:
    settings = {"quantity": qty("10"), "price": px("100"), "order_side": BUY, "time_in_force": DAY} | more
    return factory.limit(instrument_id=settings.pop("instrument").id, **settings)


@pytest.mark.parametrize(
    ("instrument", "more", "standing", "reason"),
    [
        (AAPL, {}, FLAT, ""),
        (AAPL, {"time_in_force": TimeInForce.AT_THE_OPEN}, FLAT, ""),
        (AAPL, {"time_in_force": TimeInForce.FOK}, FLAT, ""),
        (AAPL, {"quantity": qty("0.5")}, FLAT, ""),
        (AAPL, {"quantity": qty("0.5"), "time_in_force": GTC}, FLAT, "must be DAY"),
        (AAPL, {"price": px("0.1234"), "quantity": qty("1")}, FLAT, ""),
        (AAPL, {"price": px("0.12345"), "quantity": qty("1")}, FLAT, "no multiple of 0.0001"),
        (AAPL, {"price": px("100.005")}, FLAT, "no multiple of 0.01"),
        (AAPL, {"post_only": True}, FLAT, "post_only"),
        (AAPL, {"reduce_only": True, "order_side": SELL}, LONG, ""),
        (AAPL, {"reduce_only": True, "order_side": SELL, "quantity": qty("51")}, LONG, "reduce_only"),
        (AAPL, {"order_side": SELL}, FLAT, ""),
        (HARD, {"order_side": SELL}, FLAT, "cannot be sold short"),
        (HARD, {"order_side": SELL}, LONG, ""),
        (AAPL, {"order_side": SELL, "quantity": qty("0.5")}, FLAT, "parts of a share"),
        (AAPL, {"price": px("111")}, FLAT, "through its reference"),
        (AAPL, {"price": px("50")}, FLAT, ""),
        (AAPL, {"price": px("89"), "order_side": SELL}, LONG, "through its reference"),
        (AAPL, {"quantity": qty("1001")}, FLAT, "above the cap of 1000"),
        (BTC, {"price": px("100.00"), "time_in_force": GTC}, FLAT, ""),
        (BTC, {"price": px("100.00"), "time_in_force": DAY}, FLAT, "time in force DAY"),
        (BTC, {"price": px("100.005"), "time_in_force": GTC}, FLAT, "no multiple of 0.01"),
        (BTC, {"quantity": qty("0.00001"), "time_in_force": GTC}, FLAT, "below the least"),
        (BTC, {"order_side": SELL, "time_in_force": GTC}, FLAT, "cannot be sold short"),
    ],
)
def test_limit_is_judged(
    factory: OrderFactory, instrument: Any, more: dict[str, Any], standing: Standing, reason: str
) -> None:
    found = orders.why_not(limit(factory, instrument=instrument, **more), instrument, standing, CAPS)
    assert (reason in found) if reason else not found, found


def test_notional_cap_counts_the_price_known(factory: OrderFactory) -> None:
    market = factory.market(AAPL.id, BUY, qty("900"), time_in_force=DAY)
    dear = Standing(held=Decimal(0), reference=Decimal(600))
    assert "notional" in orders.why_not(market, AAPL, dear, CAPS)
    unknown = Standing(held=Decimal(0), reference=None)
    assert "no price is known" in orders.why_not(market, AAPL, unknown, CAPS)
    out = factory.market(AAPL.id, SELL, qty("900"), time_in_force=DAY)
    assert orders.why_not(out, AAPL, Standing(held=Decimal(900), reference=None), CAPS) == ""


def test_extended_hours_take_limit_day_only(factory: OrderFactory) -> None:
    good = limit(factory, instrument=AAPL)
    assert orders.why_not(good, AAPL, FLAT, CAPS, extended=True) == ""
    for bad in (limit(factory, instrument=AAPL, time_in_force=GTC), factory.market(AAPL.id, BUY, qty("1"))):
        assert "extended hours" in orders.why_not(bad, AAPL, FLAT, CAPS, extended=True)


def test_stop_triggers_on_the_last_price_only(factory: OrderFactory) -> None:
    stop = factory.stop_market(AAPL.id, SELL, qty("1"), px("90"), trigger_type=TriggerType.BID_ASK, time_in_force=DAY)
    assert "last price" in orders.why_not(stop, AAPL, LONG, CAPS)


def test_whole_shares_have_no_parts(factory: OrderFactory) -> None:
    notional = factory.market(WHOLE.id, BUY, qty("100"), time_in_force=DAY, quote_quantity=True)
    assert "fractional" in orders.why_not(notional, WHOLE, FLAT, CAPS)
    assert orders.capabilities(WHOLE).fractional_types == frozenset()
    assert orders.capabilities(BTC).groups == frozenset()


def change(**fields: Any) -> Any:
    return SimpleNamespace(**({"quantity": None, "price": None, "trigger_price": None, "params": None} | fields))


def test_change_names_only_what_differs(factory: OrderFactory) -> None:
    order = limit(factory, instrument=AAPL)
    assert orders.change_of(change(price=px("100")), order) == {}
    assert "nothing" in orders.why_not_change({}, order, AAPL)
    body = orders.change_of(change(price=px("101.5"), quantity=qty("20")), order)
    assert body == {"qty": "20", "limit_price": "101.5"}
    assert orders.why_not_change(body, order, AAPL) == ""
    assert "multiple" in orders.why_not_change({"limit_price": "101.555"}, order, AAPL)
    assert "parts" in orders.why_not_change({"qty": "1.5"}, order, AAPL)
