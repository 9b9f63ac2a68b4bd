"""The REST side without HTTP: requests through the router, the market moved by hand."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.clock import VenueClock
from adapters.simulator.coinbase_requests import PREFIX
from adapters.simulator.coinbase_venue import CoinbaseSettings, CoinbaseVenue, Pace
from adapters.simulator.exchange import OrderType, RefusalError, Ticket, TimeInForce, TradingState
from adapters.simulator.faults import Fault, FaultKind, FaultPlan
from adapters.simulator.journal import Journal
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market
from adapters.simulator.tape import Bar, Level, Quote, Side, Tape, Trade

START_NS = 1_790_000_000_000_000_000
BTC = "BTC-USD"


def dec(text):
    return Decimal(text)


class House:
    """A venue with a book of three levels a side, and the shortest way to ask it something."""

    def __init__(self, **settings):
        clock = VenueClock(START_NS, wire_start_ns=START_NS)
        self.market = Market(clock, Tape(), journal=Journal(), faults=FaultPlan())
        self.venue = CoinbaseVenue(self.market, Lines(), CoinbaseSettings(**settings))
        self.told = []
        self.venue.orders.listen(lambda record, event: self.told.append((record.client_order_id, record.status)))
        self.quote()

    def quote(self, bid="50000", ask="50010", size="1", symbol=BTC):
        bid, ask, size = dec(bid), dec(ask), dec(size)
        more_bids = tuple(Level(bid - 10 * i, size) for i in (1, 2))
        more_asks = tuple(Level(ask + 10 * i, size) for i in (1, 2))
        self.market.step(ticks=[Quote(0, symbol, bid, ask, size, size, more_bids, more_asks)])

    def trade(self, price, size="1", aggressor=Side.SELL, symbol=BTC):
        self.market.step(ticks=[Trade(0, symbol, dec(price), dec(size), aggressor)])

    def ask(self, method, path, body=None, **query):
        return self.venue.router.answer(
            method, PREFIX + path, query=urlencode(query, doseq=True), body=json.dumps(body or {}).encode(), key=None
        )

    def get(self, path, **query):
        answer = self.ask("GET", path, **query)
        assert answer.status == 200, answer.body
        return answer.body

    def post(self, path, body):
        answer = self.ask("POST", path, body)
        assert answer.status == 200, answer.body
        return answer.body

    def create(self, client_id, side, product_id=BTC, attached=None, **configuration):
        ((name, fields),) = configuration.items()
        body = {
            "client_order_id": client_id,
            "product_id": product_id,
            "side": side,
            "order_configuration": {name: fields},
        }
        return self.post("/orders", body | ({"attached_order_configuration": attached} if attached else {}))

    def limit(self, client_id, side="BUY", size="0.1", price="49000", **more):
        answer = self.create(client_id, side, limit_limit_gtc={"base_size": size, "limit_price": price, **more})
        assert answer["success"], answer
        return answer["success_response"]["order_id"]

    def order(self, order_id):
        return self.get(f"/orders/historical/{order_id}")["order"]

    def cancel(self, *order_ids):
        return self.post("/orders/batch_cancel", {"order_ids": list(order_ids)})["results"]

    def balance(self, currency):
        rows = {row["currency"]: row for row in self.get("/accounts", limit=250)["accounts"]}
        return dec(rows[currency]["available_balance"]["value"]), dec(rows[currency]["hold"]["value"])


@pytest.fixture
def house():
    return House()


def failure(answer):
    assert answer["success"] is False
    assert answer["order_id"] == ""
    return answer["error_response"]["error"], answer["error_response"]["preview_failure_reason"]


# Creating.


def test_a_market_buy_in_quote_currency_pays_its_fee_out_of_it(house):
    answer = house.create("c", "BUY", market_market_ioc={"quote_size": "1000"})
    order = house.order(answer["success_response"]["order_id"])
    assert order["status"] == "FILLED"
    spent = dec(order["filled_value"]) + dec(order["total_fees"])
    assert dec("999.99") < spent <= 1000
    assert dec(order["total_fees"]) == dec(order["filled_value"]) * dec("0.009")
    assert order["total_value_after_fees"] == f"{spent.normalize():f}"
    assert (order["fee"], order["outstanding_hold_amount"]) == ("", "")
    assert house.balance("USD") == (100_000 - spent, 0)


def test_a_market_order_takes_level_by_level_and_stops_at_its_protection():
    house = House()
    house.quote(size="0.5")
    house.market.step(
        ticks=[Quote(0, BTC, dec(50000), dec(50010), dec(1), dec("0.5"), (), (Level(dec(60000), dec(9)),))]
    )
    answer = house.create("c", "BUY", market_market_ioc={"base_size": "0.8"})
    order = house.order(answer["success_response"]["order_id"])
    assert (order["status"], order["filled_size"], order["average_filled_price"]) == ("CANCELLED", "0.5", "50010")
    assert house.told == [("c", "PENDING"), ("c", "OPEN"), ("c", "OPEN"), ("c", "CANCELLED")]


def test_what_a_sale_brings_is_less_by_its_fee(house):
    answer = house.create("c", "SELL", market_market_ioc={"base_size": "0.1"})
    order = house.order(answer["success_response"]["order_id"])
    assert (order["filled_value"], order["total_fees"], order["total_value_after_fees"]) == ("5000", "45", "4955")
    assert house.balance("USD")[0] == 104_955


def test_a_resting_limit_is_filled_by_trades_as_maker(house):
    order_id = house.limit("c", size="0.1", price="49000")
    assert house.order(order_id)["outstanding_hold_amount"] == "4944.1"
    house.trade("49000", size="0.1")
    assert house.order(order_id)["filled_size"] == "0.05"
    house.trade("48999", size="1")
    (second, first) = house.get("/orders/historical/fills", order_ids=order_id)["fills"]
    assert (first["size"], second["size"], second["liquidity_indicator"]) == ("0.05", "0.05", "MAKER")
    assert dec(first["commission"]) == dec("0.05") * 49000 * dec("0.005")
    assert (len(first["trade_id"]), first["trade_type"]) == (36, "FILL")
    assert house.order(order_id)["total_fees"] == "24.5"


@pytest.mark.parametrize(
    ("configuration", "error", "preview"),
    [
        ({"limit_limit_gtc": {"base_size": "0.000000001", "limit_price": "1"}}, "INVALID_SIZE_PRECISION", None),
        ({"limit_limit_gtc": {"base_size": "1", "limit_price": "1.001"}}, "INVALID_PRICE_PRECISION", None),
        ({"limit_limit_gtc": {"base_size": "3401", "limit_price": "1"}}, None, "INVALID_BASE_SIZE_TOO_LARGE"),
        ({"market_market_ioc": {"quote_size": "0.5"}}, None, "INVALID_QUOTE_SIZE_TOO_SMALL"),
        ({"market_market_ioc": {"quote_size": "10.001"}}, "INVALID_SIZE_PRECISION", "INVALID_QUOTE_SIZE_PRECISION"),
        ({"market_market_ioc": {"quote_size": "200000"}}, "INSUFFICIENT_FUND", None),
        ({"market_market_fok": {"quote_size": "10"}}, "UNSUPPORTED_ORDER_CONFIGURATION", "INVALID_ORDER_CONFIG"),
        (
            {"limit_limit_gtc": {"base_size": "0.1", "limit_price": "50010", "post_only": True}},
            "INVALID_LIMIT_PRICE_POST_ONLY",
            None,
        ),
        (
            {
                "stop_limit_stop_limit_gtc": {
                    "base_size": "0.1",
                    "limit_price": "50000",
                    "stop_price": "49000",
                    "stop_direction": "STOP_DIRECTION_STOP_UP",
                }
            },
            None,
            "INVALID_STOP_PRICE",
        ),
    ],
)
def test_what_may_not_be_is_told_by_name_with_status_200(house, configuration, error, preview):
    found = failure(house.create("c", "BUY", **configuration))
    assert found == (error or "UNKNOWN_FAILURE_REASON", f"PREVIEW_{preview or error}")
    body = {"product_id": BTC, "side": "BUY", "order_configuration": configuration}
    assert house.post("/orders/preview", body)["errs"] == [found[1]]
    assert house.get("/orders/historical/batch")["orders"] == []


def test_a_venue_can_be_told_what_it_does_not_take():
    house = House(unsupported=frozenset({"trigger_bracket_gtc"}))
    assert failure(house.create("c", "SELL", trigger_bracket_gtc=BRACKET))[0] == "UNSUPPORTED_ORDER_CONFIGURATION"
    body = {"product_id": BTC, "side": "SELL", "order_configuration": {"trigger_bracket_gtc": BRACKET}}
    assert house.post("/orders/preview", body)["errs"] == ["PREVIEW_INVALID_ORDER_CONFIG"]


def test_short_sales_and_unknown_products_are_refused(house):
    sell = {"market_market_ioc": {"base_size": "2"}}
    assert failure(house.create("c", "SELL", **sell))[0] == "INSUFFICIENT_FUND"
    assert failure(house.create("c", "SELL", "XXX-USD", **sell))[0] == "INVALID_PRODUCT_ID"
    quote = {"market_market_ioc": {"quote_size": "10"}}
    assert failure(house.create("c", "SELL", **quote))[0] == "UNSUPPORTED_ORDER_CONFIGURATION"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"client_order_id": "c"},
        {"client_order_id": "c", "product_id": BTC, "side": "buy", "order_configuration": {}},
        {"client_order_id": "", "product_id": BTC, "side": "BUY", "order_configuration": {}},
    ],
)
def test_a_body_that_cannot_be_read_is_a_400(house, body):
    answer = house.ask("POST", "/orders", body)
    assert (answer.status, answer.body["error"]) == (400, "INVALID_ARGUMENT")


def test_the_identical_request_returns_the_first_order(house):
    first = house.limit("c")
    house.trade("48999")
    assert house.order(first)["status"] == "FILLED"
    assert house.limit("c") == first
    assert len(house.get("/orders/historical/batch")["orders"]) == 1
    other = house.create("c", "BUY", limit_limit_gtc={"base_size": "0.2", "limit_price": "49000"})
    assert failure(other)[0] == "DUPLICATE_CLIENT_ORDER_ID"


def test_a_switch_refuses_the_second_request():
    house = House(refuses_twice=True)
    house.limit("c")
    again = house.create("c", "BUY", limit_limit_gtc={"base_size": "0.1", "limit_price": "49000"})
    assert failure(again)[0] == "DUPLICATE_CLIENT_ORDER_ID"


def test_a_refused_client_id_is_free_again(house):
    assert failure(house.create("c", "BUY", market_market_ioc={"quote_size": "200000"}))
    house.limit("c")


def test_a_switch_leaves_out_what_means_nothing():
    answer = House(is_terse=True).create("c", "BUY", market_market_ioc={"quote_size": "10"})
    assert set(answer) == {"success", "success_response", "order_configuration"}


def test_a_fill_or_kill_that_cannot_be_filled_is_cancelled(house):
    house.quote(size="0.2")
    for client_id, size, status, filled in (("a", "0.7", "CANCELLED", "0"), ("b", "0.6", "FILLED", "0.6")):
        answer = house.create(client_id, "BUY", limit_limit_fok={"base_size": size, "limit_price": "50030"})
        order = house.order(answer["success_response"]["order_id"])
        assert (order["status"], order["filled_size"]) == (status, filled)


def test_an_immediate_order_keeps_what_it_got(house):
    answer = house.create("c", "BUY", sor_limit_ioc={"base_size": "1.5", "limit_price": "50010"})
    order = house.order(answer["success_response"]["order_id"])
    assert (order["status"], order["filled_size"], order["time_in_force"]) == (
        "CANCELLED",
        "1",
        "IMMEDIATE_OR_CANCEL",
    )


def test_a_good_till_date_order_expires_with_what_it_got(house):
    end = datetime.fromtimestamp(START_NS / 1e9 + 60, UTC).isoformat().replace("+00:00", "Z")
    fields = {"base_size": "0.1", "limit_price": "49000", "end_time": end}
    answer = house.create("c", "BUY", limit_limit_gtd=fields)
    order_id = answer["success_response"]["order_id"]
    house.trade("49000", size="0.08")
    house.market.step(59)
    assert house.order(order_id)["status"] == "OPEN"
    house.market.step(2)
    order = house.order(order_id)
    assert (order["status"], order["filled_size"]) == ("EXPIRED", "0.04")
    assert house.balance("USD")[1] == 0


def test_a_stop_limit_is_elected_by_a_trade(house):
    fields = {
        "base_size": "0.1",
        "limit_price": "49400",
        "stop_price": "49500",
        "stop_direction": "STOP_DIRECTION_STOP_DOWN",
    }
    order_id = house.create("c", "SELL", stop_limit_stop_limit_gtc=fields)["success_response"]["order_id"]
    assert house.order(order_id)["trigger_status"] == "STOP_PENDING"
    house.quote("49490", "49500")
    assert house.order(order_id)["trigger_status"] == "STOP_PENDING"
    house.trade("49500")
    order = house.order(order_id)
    assert (order["trigger_status"], order["status"], order["average_filled_price"]) == (
        "STOP_TRIGGERED",
        "FILLED",
        "49490",
    )


BRACKET = {"base_size": "0.1", "limit_price": "52000", "stop_trigger_price": "48000"}


def test_a_bracket_is_one_order_whose_limit_takes_the_profit(house):
    order_id = house.create("c", "SELL", trigger_bracket_gtc=BRACKET)["success_response"]["order_id"]
    assert house.balance("BTC") == (dec("0.9"), dec("0.1"))
    house.trade("52001", aggressor=Side.BUY)
    order = house.order(order_id)
    assert (order["status"], order["average_filled_price"], order["order_type"]) == ("FILLED", "52000", "BRACKET")
    assert order["trigger_status"] == "STOP_PENDING"
    assert len(house.get("/orders/historical/batch")["orders"]) == 1


def test_a_bracket_sells_through_its_stop(house):
    order_id = house.create("c", "SELL", trigger_bracket_gtc=BRACKET)["success_response"]["order_id"]
    house.quote("47990", "48000")
    house.trade("47995")
    order = house.order(order_id)
    assert (order["status"], order["average_filled_price"], order["trigger_status"]) == (
        "FILLED",
        "47990",
        "STOP_TRIGGERED",
    )
    assert order["order_configuration"] == {"trigger_bracket_gtc": BRACKET}


def test_a_bracket_the_wrong_way_round_is_refused(house):
    turned = {"base_size": "0.1", "limit_price": "48000", "stop_trigger_price": "52000"}
    assert failure(house.create("c", "SELL", trigger_bracket_gtc=turned))[1] == "PREVIEW_INVALID_BRACKET_PRICES"


ATTACHED = {"trigger_bracket_gtc": {"limit_price": "52000", "stop_trigger_price": "48000"}}


def test_an_attached_bracket_comes_after_its_parent_is_filled(house):
    answer = house.create("c", "BUY", attached=ATTACHED, limit_limit_gtc={"base_size": "0.1", "limit_price": "49000"})
    parent_id = answer["success_response"]["order_id"]
    house.trade("49000", size="0.1")
    assert len(house.get("/orders/historical/batch")["orders"]) == 1
    house.trade("48900")
    child, parent = house.get("/orders/historical/batch")["orders"]
    assert (parent["order_id"], parent["attached_order_id"]) == (parent_id, child["order_id"])
    assert (child["originating_order_id"], child["side"], child["status"]) == (parent_id, "SELL", "OPEN")
    assert child["order_configuration"]["trigger_bracket_gtc"]["base_size"] == "0.1"
    assert child["client_order_id"] != "c"


def test_an_attached_bracket_of_a_market_order_is_there_with_the_answer(house):
    house.create("c", "BUY", attached=ATTACHED, market_market_ioc={"base_size": "0.1"})
    assert [order["order_type"] for order in house.get("/orders/historical/batch")["orders"]] == ["BRACKET", "MARKET"]


def test_nothing_else_can_be_attached(house):
    limit = {"limit_limit_gtc": {"base_size": "0.1", "limit_price": "52000"}}
    found = house.create("c", "BUY", attached=limit, market_market_ioc={"base_size": "0.1"})
    assert failure(found)[0] == "UNSUPPORTED_ORDER_CONFIGURATION"


# The alias.


def test_an_alias_has_the_same_book_and_settles_in_its_own_currency(house):
    house.create("c", "BUY", "BTC-USDC", market_market_ioc={"base_size": "0.1"})
    (order,) = house.get("/orders/historical/batch", product_ids="BTC-USDC")["orders"]
    assert (order["status"], order["average_filled_price"]) == ("FILLED", "50010")
    assert house.balance("USD")[0] == 100_000
    assert house.balance("USDC")[0] == 50_000 - dec("5001") * dec("1.009")
    assert house.balance("BTC")[0] == dec("1.1")
    product = house.get("/products/BTC-USDC")
    assert (product["alias"], product["quote_currency_id"]) == (BTC, "USDC")
    assert house.get(f"/products/{BTC}")["alias_to"] == ["BTC-USDC"]
    assert house.get("/product_book", product_id="BTC-USDC")["pricebook"]["asks"][0]["price"] == "50010"


def test_streams_call_an_alias_by_its_canonical_name(house):
    house.create("c", "BUY", "BTC-USDC", limit_limit_gtc={"base_size": "0.1", "limit_price": "49000"})
    (record,) = house.venue.orders.records.values()
    assert house.venue.orders.writer.stream_row(record)["product_id"] == BTC
    assert house.venue.orders.writer.row(record)["product_id"] == "BTC-USDC"


@pytest.mark.parametrize(
    ("state", "field"),
    [
        (TradingState.HALTED, "trading_disabled"),
        (TradingState.CANCEL_ONLY, "cancel_only"),
        (TradingState.LIMIT_ONLY, "limit_only"),
        (TradingState.POST_ONLY, "post_only"),
    ],
)
def test_a_state_of_trading_holds_for_both_names(house, state, field):
    house.venue.desk.exchange.set_state(BTC, state, START_NS)
    for name in (BTC, "BTC-USDC"):
        assert house.get(f"/products/{name}")[field] is True
    if state is not TradingState.HALTED:
        found = house.create("c", "BUY", "BTC-USDC", market_market_ioc={"base_size": "0.1"})
        assert failure(found)[0] == "PRODUCT_TRADING_HALTED"


# Cancelling and editing.


def test_a_cancel_is_told_as_queued_and_then_done(house):
    order_id = house.limit("c")
    (result,) = house.cancel(order_id)
    assert result == {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": order_id}
    assert [status for _, status in house.told] == ["PENDING", "OPEN", "CANCEL_QUEUED", "CANCELLED"]
    assert house.order(order_id)["cancel_message"] == "User requested cancel"
    assert house.balance("USD") == (100_000, 0)


def test_each_cancel_has_its_own_result(house):
    filled, done, open_ = house.limit("a"), house.limit("b", price="40000"), house.limit("d", price="41000")
    house.trade("48999")
    house.cancel(done)
    results = house.cancel(filled, done, "unknown", open_)
    assert [result["failure_reason"] for result in results] == [
        "ORDER_IS_FULLY_FILLED",
        "DUPLICATE_CANCEL_REQUEST",
        "UNKNOWN_CANCEL_ORDER",
        "UNKNOWN_CANCEL_FAILURE_REASON",
    ]
    assert [result["success"] for result in results] == [False, False, False, True]


@pytest.mark.parametrize("order_ids", [None, [], ["x"] * 101, "x", [1]])
def test_a_cancel_of_none_or_too_many_is_a_400(house, order_ids):
    assert house.ask("POST", "/orders/batch_cancel", {"order_ids": order_ids}).status == 400


def test_a_queued_cancel_may_still_fill(house):
    house.market.faults.add(Fault(kind=FaultKind.IGNORE_CANCEL))
    order_id = house.limit("c")
    assert house.cancel(order_id)[0]["success"]
    order = house.order(order_id)
    assert (order["status"], order["pending_cancel"]) == ("CANCEL_QUEUED", True)
    assert house.cancel(order_id)[0]["failure_reason"] == "DUPLICATE_CANCEL_REQUEST"
    house.trade("49000", size="0.1")
    assert (house.order(order_id)["status"], house.order(order_id)["filled_size"]) == ("CANCEL_QUEUED", "0.05")
    house.trade("48999")
    assert house.order(order_id)["status"] == "FILLED"


def test_a_cancel_can_be_refused_by_fault(house):
    order_id = house.limit("c")
    house.market.faults.add(Fault(kind=FaultKind.REFUSE, reason="suspended", where="*batch_cancel"))
    assert house.cancel(order_id)[0]["failure_reason"] == "COMMANDER_REJECTED_CANCEL_ORDER"
    assert house.order(order_id)["status"] == "OPEN"
    assert house.cancel(order_id)[0]["success"]


def edit(house, order_id, **fields):
    return house.post("/orders/edit", {"order_id": order_id, **fields})


def test_an_edit_keeps_the_id_and_is_remembered(house):
    order_id = house.limit("c")
    for price in range(49001, 49008):
        assert edit(house, order_id, price=str(price), size="0.2") == {"success": True, "errors": []}
    order = house.order(order_id)
    fields = {"base_size": "0.2", "limit_price": "49007"}
    assert order["order_configuration"] == {"limit_limit_gtc": fields}
    assert [past["price"] for past in order["edit_history"]] == ["49003", "49004", "49005", "49006", "49007"]
    assert house.balance("USD")[1] == dec("0.2") * 49007 * dec("1.009")


def test_the_size_of_an_edit_is_the_total(house):
    order_id = house.limit("c")
    house.trade("49000", size="0.08")
    found = edit(house, order_id, price="49000", size="0.03")
    assert found["errors"][0]["edit_failure_reason"] == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
    assert edit(house, order_id, price="49000", size="0.06")["success"]
    house.trade("48999")
    assert (house.order(order_id)["status"], house.order(order_id)["filled_size"]) == ("FILLED", "0.06")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": "49000"}, "INVALID_EDITED_SIZE"),
        ({"size": "0.1"}, "INVALID_EDITED_PRICE"),
        ({"price": "49000.001", "size": "0.1"}, "INVALID_EDITED_PRICE"),
        ({"price": "49000", "size": "0.000000001"}, "INVALID_EDITED_SIZE"),
        ({"price": "49000", "size": "0.1"}, "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
    ],
)
def test_an_edit_that_may_not_be_leaves_the_order(house, fields, reason):
    order_id = house.limit("c")
    before = house.order(order_id)
    assert edit(house, order_id, **fields) == {
        "success": False,
        "errors": [{"edit_failure_reason": reason, "preview_failure_reason": ""}],
    }
    assert house.order(order_id) == before


def test_an_edit_needs_the_money(house):
    order_id = house.limit("c")
    found = edit(house, order_id, price="49000", size="3")
    assert found["errors"][0]["preview_failure_reason"] == "PREVIEW_INSUFFICIENT_FUND"


def test_only_open_orders_that_are_good_till_cancelled_can_be_edited(house):
    end = "2027-01-01T00:00:00Z"
    fields = {"base_size": "0.1", "limit_price": "49000", "end_time": end}
    dated = house.create("d", "BUY", limit_limit_gtd=fields)["success_response"]["order_id"]
    done = house.limit("c")
    house.cancel(done)
    for order_id, reason in (
        (dated, "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"),
        (done, "ONLY_OPEN_ORDERS_CAN_BE_EDITED"),
        ("unknown", "ORDER_NOT_FOUND"),
    ):
        found = edit(house, order_id, price="49001", size="0.1")
        assert found["errors"][0]["edit_failure_reason"] == reason


def test_previews_change_nothing(house):
    body = {
        "product_id": BTC,
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": {"base_size": "0.1", "limit_price": "50000"}},
    }
    preview = house.post("/orders/preview", body)
    assert preview["errs"] == []
    assert (preview["order_total"], preview["commission_total"]) == ("5045", "45")
    assert (preview["best_bid"], preview["best_ask"]) == ("50000", "50010")
    assert house.get("/orders/historical/batch")["orders"] == []
    order_id = house.limit("c")
    good = house.post("/orders/edit_preview", {"order_id": order_id, "price": "49001", "size": "0.2"})
    assert (good["errors"], good["base_size"]) == ([], "0.2")
    bad = house.post("/orders/edit_preview", {"order_id": "x", "price": "49001", "size": "0.2"})
    assert bad["errors"][0]["edit_failure_reason"] == "ORDER_NOT_FOUND"
    assert house.order(order_id)["order_configuration"]["limit_limit_gtc"]["limit_price"] == "49000"


# Lists.


def test_accounts_come_by_pages(house):
    seen, cursor = [], ""
    for _ in range(10):
        page = house.get("/accounts", limit=2, cursor=cursor)
        seen += [row["currency"] for row in page["accounts"]]
        cursor = page["cursor"]
        if not page["has_next"]:
            break
    assert seen == ["BTC", "ETH", "SOL", "USD", "USDC"]
    assert cursor == ""


def pages(house, path, **query):
    seen, cursor = [], ""
    for _ in range(20):
        page = house.get(path, cursor=cursor, **query)
        seen.append(page)
        cursor = page["cursor"]
        if not cursor:
            return seen
    raise AssertionError("the pages do not end")


def test_orders_come_by_pages_that_new_orders_do_not_move(house):
    ids = [house.limit(f"c-{i}", size="0.001") for i in range(7)]
    first = house.get("/orders/historical/batch", limit=3)
    house.limit("late", size="0.001")
    second = house.get("/orders/historical/batch", limit=3, cursor=first["cursor"])
    third = house.get("/orders/historical/batch", limit=3, cursor=second["cursor"])
    rows = [row["order_id"] for page in (first, second, third) for row in page["orders"]]
    assert rows == ids[::-1]
    assert [page["has_next"] for page in (first, second, third)] == [True, True, False]
    assert third["cursor"] == ""


def test_orders_in_another_order_are_paged_by_number(house):
    for i in range(4):
        house.limit(f"c-{i}", size="0.001", price=str(49000 + i))
    query = {"sort_by": "LIMIT_PRICE", "limit": 2}
    first = house.get("/orders/historical/batch", **query)
    house.limit("late", size="0.001", price="49900")
    second = house.get("/orders/historical/batch", cursor=first["cursor"], **query)
    rows = [row["client_order_id"] for page in (first, second) for row in page["orders"]]
    # One order is told twice: pages of such a list are not stable.
    assert rows == ["c-3", "c-2", "c-2", "c-1"]


def test_the_end_of_fills_is_an_empty_cursor(house):
    for i in range(5):
        house.create(f"c-{i}", "BUY", market_market_ioc={"base_size": "0.01"})
    found = pages(house, "/orders/historical/fills", limit=2)
    assert [len(page["fills"]) for page in found] == [2, 2, 1]
    assert all(set(page) == {"fills", "cursor"} for page in found)
    times = [row["sequence_timestamp"] for page in found for row in page["fills"]]
    assert times == sorted(times, reverse=True)
    since = house.get("/orders/historical/fills", start_sequence_timestamp=times[1])["fills"]
    assert [row["sequence_timestamp"] for row in since] == times[:2]


def test_orders_are_found_by_status_product_and_side(house):
    open_id, done = house.limit("a"), house.limit("b")
    house.cancel(done)
    house.quote("3000", "3001", symbol="ETH-USD")
    house.create("e", "SELL", "ETH-USD", market_market_ioc={"base_size": "0.1"})

    def found(**query):
        return [order["client_order_id"] for order in house.get("/orders/historical/batch", **query)["orders"]]

    assert found(order_status="OPEN") == ["a"]
    assert found(order_status=["FILLED", "CANCELLED"]) == ["e", "b"]
    assert found(product_ids="ETH-USD") == found(order_side="SELL") == ["e"]
    assert found(start_date="2027-01-01T00:00:00Z") == []
    assert found(order_ids=open_id) == ["a"]
    mixed = house.ask("GET", "/orders/historical/batch", order_status=["OPEN", "FILLED"])
    assert mixed.status == 400
    assert house.ask("GET", "/orders/historical/batch", cursor="x").status == 400
    assert house.ask("GET", "/orders/historical/none").status == 404


def test_lists_lag_as_far_as_they_are_told_to():
    house = House(fills_lag_secs=3600)
    answer = house.create("c", "BUY", market_market_ioc={"base_size": "0.01"})
    order_id = answer["success_response"]["order_id"]
    assert house.get("/orders/historical/fills")["fills"] == []
    assert house.order(order_id)["status"] == "FILLED"
    house.market.faults.clear()
    assert len(house.get("/orders/historical/fills")["fills"]) == 1
    house.market.faults.add(Fault(kind=FaultKind.LAG, where="model:orders", secs=3600, times=0))
    assert house.ask("GET", f"/orders/historical/{order_id}").status == 404
    assert house.get("/orders/historical/batch")["orders"] == []


# The public side, fees, the key.


def test_candles_come_newest_first_and_350_at_most(house):
    bars = [
        Bar(START_NS - (400 - i) * 60_000_000_000, BTC, dec(100 + i), dec(101 + i), dec(99), dec(100 + i), dec(2))
        for i in range(400)
    ]
    house.venue.add_history(BTC, bars)
    now = START_NS // 1_000_000_000
    query = {"granularity": "ONE_MINUTE", "start": now - 300 * 60, "end": now}
    rows = house.get(f"/products/{BTC}/candles", **query)["candles"]
    starts = [int(row["start"]) for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert 299 <= len(rows) <= 301
    assert set(rows[0]) == {"start", "low", "high", "open", "close", "volume"}
    wide = query | {"start": now - 400 * 60}
    assert house.ask("GET", f"/products/{BTC}/candles", **wide).status == 400
    assert house.ask("GET", f"/products/{BTC}/candles", **query, limit=351).status == 400
    assert len(house.get(f"/products/{BTC}/candles", **wide, limit=350)["candles"]) == 350
    assert house.ask("GET", f"/products/{BTC}/candles", start=1, end=2).status == 400
    assert house.get(f"/market/products/{BTC}/candles", **query)["candles"] == rows


def test_trades_come_newest_first_with_the_makers_side(house):
    house.trade("50010", aggressor=Side.BUY)
    house.trade("50000", aggressor=Side.SELL)
    ticker = house.get(f"/products/{BTC}/ticker", limit=2)
    assert [(row["price"], row["side"], row["bid"]) for row in ticker["trades"]] == [
        ("50000", "BUY", ""),
        ("50010", "SELL", ""),
    ]
    assert (ticker["best_bid"], ticker["best_ask"]) == ("50000", "50010")


def test_books_and_best_prices_are_told(house):
    book = house.get("/product_book", product_id=BTC, limit=2)
    assert [level["price"] for level in book["pricebook"]["asks"]] == ["50010", "50020"]
    assert (book["mid_market"], book["spread_absolute"]) == ("50005", "10")
    (best,) = house.get("/best_bid_ask", product_ids=BTC)["pricebooks"]
    assert (best["bids"], len(best["asks"])) == ([{"price": "50000", "size": "1"}], 1)
    missing = house.ask("GET", "/products/XXX-USD")
    assert (missing.status, missing.body["message"]) == (404, "Product XXX-USD not supported")


def test_products_are_found_by_name_and_type(house):
    assert len(house.get("/products", product_type="SPOT")["products"]) == 6
    assert house.get("/products", product_type="FUTURE")["products"] == []
    (product,) = house.get("/products", product_ids=BTC, get_all_products="False")["products"]
    assert (product["price"], product["base_increment"], product["status"]) == ("50005", "0.00000001", "online")


def test_the_fee_tier_follows_the_traded_volume(house):
    assert house.get("/transaction_summary")["fee_tier"]["taker_fee_rate"] == "0.009"
    house.create("c", "BUY", market_market_ioc={"base_size": "0.3"})
    fees = house.get("/transaction_summary", product_type="SPOT")
    assert (fees["fee_tier"]["taker_fee_rate"], fees["fee_tier"]["maker_fee_rate"]) == ("0.006", "0.004")
    assert fees["total_volume"] == 15003.0


def test_times_are_told_in_three_forms(house):
    now = house.get("/time")
    assert int(now["epochMillis"]) // 1000 == int(now["epochSeconds"])
    assert now["iso"].endswith("Z")


# Whatever is sent.

WORDS = st.sampled_from(
    ["", BTC, "BTC-USDC", "c", "BUY", "OPEN", "0.1", "49000", "-1", "NaN", "1e400", "9" * 40, "x", "²"]
)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
CONFIGURATIONS = st.dictionaries(
    st.sampled_from(["market_market_ioc", "limit_limit_gtc", "limit_limit_gtd", "stop_limit_stop_limit_gtc", "x"]),
    st.dictionaries(
        st.sampled_from(["base_size", "quote_size", "limit_price", "stop_price", "end_time", "post_only"]),
        WORDS | VALUES,
    )
    | VALUES,
    max_size=2,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "client_order_id": WORDS | VALUES,
        "product_id": WORDS | VALUES,
        "side": st.sampled_from(["BUY", "SELL"]) | VALUES,
        "order_configuration": CONFIGURATIONS | VALUES,
        "attached_order_configuration": CONFIGURATIONS | VALUES,
        "order_id": WORDS | VALUES,
        "order_ids": VALUES,
        "price": WORDS | VALUES,
        "size": WORDS | VALUES,
    },
)
NAMES = [
    "limit",
    "cursor",
    "start",
    "end",
    "offset",
    "granularity",
    "order_status",
    "start_date",
    "product_id",
    "sort_by",
]
QUERIES = st.dictionaries(st.sampled_from(NAMES), WORDS | st.sampled_from(["ONE_DAY", "LIMIT_PRICE", "2026-01-01"]))


@given(st.integers(0, 100), WORDS, QUERIES, BODIES)
@settings(max_examples=300)
def test_everything_is_answered_and_nothing_else_happens(choice, name, query, body):
    house = HOUSES[0] if HOUSES else HOUSES.append(House()) or HOUSES[0]
    routes = house.venue.router.routes
    route = routes[choice % len(routes)]
    path = "/".join(name if part.startswith("{") else part for part in route.path.split("/"))
    answer = house.ask(route.method, path, body, **query)
    assert answer.status in (200, 400, 404)
    json.dumps(answer.body)


HOUSES = []


@pytest.mark.parametrize("size", ["1e400", "1e-400", "9" * 40, "0." + "0" * 60 + "1", "1e99999999"])
@pytest.mark.parametrize("name", ["base_size", "limit_price"])
def test_numbers_beyond_measure_are_refused(house, name, size):
    fields = {"base_size": "0.1", "limit_price": "49000"} | {name: size}
    body = {
        "client_order_id": "c",
        "product_id": BTC,
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": fields},
    }
    answer = house.ask("POST", "/orders", body)
    assert answer.status == 400 or answer.body["success"] is False


# From outside.


@pytest.mark.parametrize(
    ("fields", "configuration"),
    [
        ({"type": "limit", "limit_price": "48000"}, {"limit_limit_gtc": {"limit_price": "48000"}}),
        (
            {"type": "limit", "limit_price": "48000", "is_post_only": True},
            {"limit_limit_gtc": {"limit_price": "48000", "post_only": True}},
        ),
        (
            {"type": "limit", "limit_price": "48000", "time_in_force": "gtd", "expires_ns": START_NS + 60 * 10**9},
            {"limit_limit_gtd": {"limit_price": "48000", "end_time": "2026-09-21T14:14:20.000000Z"}},
        ),
        (
            {"type": "stop_limit", "limit_price": "51000", "stop_price": "50500"},
            {
                "stop_limit_stop_limit_gtc": {
                    "limit_price": "51000",
                    "stop_price": "50500",
                    "stop_direction": "STOP_DIRECTION_STOP_UP",
                }
            },
        ),
        (
            {"type": "trigger_bracket", "side": "sell", "limit_price": "52000", "stop_price": "48000"},
            {"trigger_bracket_gtc": {"limit_price": "52000", "stop_trigger_price": "48000"}},
        ),
    ],
)
def test_an_order_from_elsewhere_is_seen_like_ones_own(house, fields, configuration):
    whole = {"client_id": "ui", "symbol": BTC, "side": "buy", "time_in_force": "gtc", "qty": "0.1"} | fields
    ticket = msgspec.convert(whole, Ticket, strict=False)
    house.venue.desk.exchange.submit(ticket, house.market.clock.stamp_ns(), is_outside=True)
    (order,) = house.get("/orders/historical/batch", order_status="OPEN")["orders"]
    ((name, told),) = order["order_configuration"].items()
    assert {name: told} == {name: configuration[name] | {"base_size": "0.1"}}
    assert house.cancel(order["order_id"])[0]["success"]


def test_a_market_order_from_elsewhere_is_told_in_quote_currency(house):
    ticket = Ticket(
        client_id="ui",
        symbol=BTC,
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        notional=dec(100),
    )
    house.venue.desk.exchange.submit(ticket, house.market.clock.stamp_ns(), is_outside=True)
    (order,) = house.get("/orders/historical/batch", order_status="FILLED")["orders"]
    assert order["order_configuration"] == {"market_market_ioc": {"quote_size": "100"}}


def test_a_forgotten_order_is_unknown(house):
    order_id = house.limit("c")
    house.venue.desk.exchange.forget(order_id)
    assert house.ask("GET", f"/orders/historical/{order_id}").status == 404
    assert house.cancel(order_id)[0]["failure_reason"] == "UNKNOWN_CANCEL_ORDER"
    assert house.venue.orders.open_records() == []
    assert house.limit("c") != order_id


def test_a_late_fill_is_told_after_the_end(house):
    order_id = house.limit("c")
    house.cancel(order_id)
    house.venue.desk.exchange.fill_anyway(order_id, dec("0.04"), dec(49000), house.market.clock.now_ns())
    order = house.order(order_id)
    assert (order["status"], order["filled_size"], order["number_of_fills"]) == ("CANCELLED", "0.04", "1")


def test_a_trade_that_is_taken_back_is_a_row_of_its_own(house):
    answer = house.create("c", "BUY", market_market_ioc={"base_size": "0.1"})
    order_id = answer["success_response"]["order_id"]
    (fill,) = house.get("/orders/historical/fills")["fills"]
    house.market.step(1)
    house.venue.desk.exchange.bust(fill["trade_id"], house.market.clock.now_ns())
    reversal, first = house.get("/orders/historical/fills", order_ids=order_id)["fills"]
    assert first == fill
    assert (reversal["trade_type"], reversal["trade_id"]) == ("REVERSAL", fill["trade_id"])
    assert reversal["entry_id"] != fill["entry_id"]
    assert reversal["sequence_timestamp"] > fill["sequence_timestamp"]
    order = house.order(order_id)
    assert (order["status"], order["filled_size"], order["number_of_fills"]) == ("FILLED", "0.1", "1")
    assert house.balance("USD")[0] == 100_000


def test_a_pace_lets_so_many_through_in_a_second():
    now = [0.0]
    pace = Pace(2, clock=lambda: now[0])
    assert pace.take()["x-ratelimit-remaining"] == "1"
    assert pace.take()["x-ratelimit-remaining"] == "0"
    assert pace.take() is None
    now[0] = 1.0
    assert pace.take() is not None
    assert Pace(0).take() == {}


def test_a_refusal_by_fault_names_its_reason(house):
    house.market.faults.add(Fault(kind=FaultKind.REFUSE, reason="insufficient_buying_power", client_id="c"))
    assert failure(house.create("c", "BUY", market_market_ioc={"quote_size": "10"}))[0] == "INSUFFICIENT_FUND"
    assert house.create("c", "BUY", market_market_ioc={"quote_size": "10"})["success"]
    with pytest.raises(RefusalError):
        house.venue.desk.exchange.cancel("x", START_NS)
