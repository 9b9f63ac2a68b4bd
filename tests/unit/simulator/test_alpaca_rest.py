"""Alpaca's REST side over a plain client: what the SDK never asks for, and what every refusal looks like."""

import httpx
import msgspec
import pytest

from adapters.simulator.alpaca_refusals import refusal_error
from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.alpaca_wire import WireError, read_time
from adapters.simulator.exchange import ALPACA, Reason, RefusalError
from adapters.simulator.host import SimulatedVenues

KEYS = {"APCA-API-KEY-ID": "SIMKEY", "APCA-API-SECRET-KEY": "SIMSECRET"}
MARKET = b'{"symbol":"AAPL","side":"buy","type":"market","time_in_force":"day","qty":"%s"}'


@pytest.fixture
def venues():
    settings = AlpacaSettings(rules=msgspec.structs.replace(ALPACA, partial_chance=0.0), requests_per_minute=0)
    with SimulatedVenues(venues=["alpaca"], alpaca=settings, seed=5) as running:
        running.control.step(
            0,
            ticks=[
                {"symbol": "AAPL", "bid": "180.00", "ask": "180.02"},
                {"symbol": "AAPL", "price": "180.01", "size": "100"},
                {"symbol": "BTC/USD", "bid": "9999", "ask": "10000"},
            ],
        )
        yield running


@pytest.fixture
def http(venues):
    with httpx.Client(base_url=venues.alpaca.rest_url, headers=KEYS, trust_env=False) as client:
        yield client


def buy(http, **fields):
    order = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    answer = http.post("/v2/orders", json=order | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_activities_page_by_token_in_both_directions_and_exclude_their_limits(http):
    for _ in range(5):
        buy(http)
    path = "/v2/account/activities/FILL"
    rows = http.get(path, params={"direction": "asc"}).json()
    assert len({row["id"] for row in rows}) == 5
    paged, token = [], None
    while page := http.get(
        path, params={"direction": "asc", "page_size": 2} | ({"page_token": token} if token else {})
    ).json():
        paged += page
        token = page[-1]["id"]
    assert paged == rows
    assert http.get(path).json() == rows[::-1]
    after = http.get(path, params={"after": "2000-01-01", "until": rows[2]["transaction_time"]}).json()
    assert [row["id"] for row in after] == [row["id"] for row in rows[1::-1]]
    assert http.get("/v2/account/activities", params={"activity_types": "DIV"}).json() == []


def test_crypto_fee_is_posted_when_the_day_is_over(venues, http):
    buy(http, symbol="BTC/USD", qty="1", time_in_force="gtc")
    assert http.get("/v2/account/activities/CFEE").json() == []
    venues.control.step(86_400)
    fee = http.get("/v2/account/activities/CFEE").json()[0]
    assert (fee["symbol"], fee["qty"], fee["activity_type"]) == ("BTCUSD", "-0.0025", "CFEE")
    assert http.get("/v2/positions/BTCUSD").json()["qty"] == "0.9975"


def test_configuration_suspends_trade_and_shorting(http):
    path = "/v2/account/configurations"
    assert http.patch(path, json={"suspend_trade": True}).json()["suspend_trade"] is True
    order = {"symbol": "AAPL", "qty": "1", "side": "sell", "type": "market", "time_in_force": "day"}
    assert http.post("/v2/orders", json=order).json()["message"] == "new orders are rejected by user request"
    http.patch(path, json={"suspend_trade": False, "no_shorting": True})
    assert http.post("/v2/orders", json=order).json()["message"] == "account is not allowed to short"
    assert http.patch(path, json={"nonsense": 1}).status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/orders?limit=x", 422),
        ("/v2/calendar?start=yesterday", 422),
        ("/v2/assets/NONE", 404),
        ("/v2/positions/AAPL", 404),
        ("/v2/stocks/bars", 400),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=1Century", 400),
        ("/v2/stocks/bars?symbols=AAPL&page_token=x", 400),
        ("/v2/stocks/bars?symbols=AAPL&feed=sip", 403),
        ("/v2/stocks/odds?symbols=AAPL", 404),
        ("/v2/nonsense", 404),
    ],
)
def test_request_that_makes_no_sense_is_answered_as_json(http, path, status):
    answer = http.get(path)
    assert answer.status_code == status
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "request body format is invalid"),
        (b"[]", 400, "request body format is invalid"),
        (b"{}", 422, "symbol is required"),
        (b'{"symbol":"AAPL"}', 422, "side is required"),
        (b'{"symbol":"AAPL","side":"up"}', 422, "invalid side: up"),
        (
            b'{"symbol":"AAPL","side":"buy","type":"market","time_in_force":"day","qty":"many"}',
            422,
            "invalid qty: many",
        ),
        (b'{"symbol":"AAPL","side":"buy","type":"market","time_in_force":"day","qty":"NaN"}', 422, "invalid qty: NaN"),
        (b'{"symbol":"AAPL","side":"buy","client_order_id":"%s"}' % (b"x" * 129), 422, "no more than 128"),
    ],
)
def test_body_that_is_no_order_is_refused(http, body, status, message):
    answer = http.post("/v2/orders", content=body)
    assert answer.status_code == status
    assert message in answer.json()["message"]


def test_part_of_a_position_is_closed_by_percentage_or_quantity(http):
    buy(http, qty="10")
    assert http.delete("/v2/positions/AAPL", params={"percentage": "50"}).json()["qty"] == "5"
    assert http.delete("/v2/positions/AAPL", params={"qty": "2"}).json()["side"] == "sell"
    assert http.get("/v2/positions/AAPL").json()["qty"] == "3"


def test_cancel_all_tells_of_each_order(http):
    ids = {buy(http, type="limit", limit_price=str(price))["id"] for price in (100, 101)}
    answer = http.delete("/v2/orders")
    assert answer.status_code == 207
    assert {(row["id"], row["status"]) for row in answer.json()} == {(i, 200) for i in ids}
    assert http.delete(f"/v2/orders/{ids.pop()}").json() == {"code": 42210000, "message": "order is not cancelable"}


def test_orders_are_selected_by_symbol_side_and_status(http):
    filled = buy(http)["id"]
    resting = buy(http, type="limit", limit_price="100")["id"]
    crypto = buy(http, symbol="BTC/USD", qty="0.1", type="limit", limit_price="5000", time_in_force="gtc")["id"]

    def ids(**query):
        return [row["id"] for row in http.get("/v2/orders", params=query).json()]

    assert ids() == [crypto, resting]
    assert ids(status="closed") == [filled]
    assert ids(symbols="BTCUSD") == [crypto]
    assert ids(status="all", side="sell") == []
    assert ids(status="all", direction="asc", limit=2) == [filled, resting]


def test_daily_bar_begins_at_midnight_in_new_york_and_history_sorts_both_ways(venues, http):
    venues.control.step(60, ticks=[{"symbol": "AAPL", "price": "181", "size": "5"}])
    query = {"symbols": "AAPL", "timeframe": "1Day", "start": "2020-01-01"}
    day = http.get("/v2/stocks/bars", params=query).json()["bars"]["AAPL"][0]
    assert day["t"].endswith(("T04:00:00Z", "T05:00:00Z"))
    assert (day["o"], day["c"], day["n"]) == (180.01, 181.0, 2)
    query = {"symbols": "AAPL", "sort": "desc", "start": "2020-01-01"}
    assert [t["p"] for t in http.get("/v2/stocks/trades", params=query).json()["trades"]["AAPL"]] == [181.0, 180.01]
    assert http.get("/v2/stocks/AAPL/bars").json()["symbol"] == "AAPL"
    assert http.get("/v2/account/portfolio/history").json()["base_value"] == 100_000


def test_crypto_data_needs_no_key_and_a_foreign_key_is_forbidden(venues):
    with httpx.Client(base_url=venues.alpaca.rest_url, trust_env=False) as stranger:
        assert stranger.get("/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD").status_code == 200
        assert stranger.get("/v2/account").json() == {"message": "forbidden."}


def test_second_listener_to_trade_updates_is_told_and_closed(venues):
    import json

    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    auth = json.dumps({"action": "auth", "key": "SIMKEY", "secret": "SIMSECRET"})
    with connect(venues.alpaca.trade_stream_url) as first, connect(venues.alpaca.trade_stream_url) as second:
        first.send(auth)
        first.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert json.loads(first.recv(timeout=5))["data"]["status"] == "authorized"
        assert json.loads(first.recv(timeout=5))["stream"] == "listening"
        second.send(auth)
        assert json.loads(second.recv(timeout=5))["data"]["code"] == 406
        with pytest.raises(ConnectionClosed):
            second.recv(timeout=5)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_has_a_status_a_code_and_words(reason):
    error = refusal_error(RefusalError(reason))
    assert error.status in (403, 404, 422)
    assert error.body["code"] in (40310000, 40410000, 42210000, 40010001)
    assert error.body["message"].strip()
    assert "{" not in error.body["message"]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        # A plus that a query turned into a space.
        ("1970-01-01T01:00:00 01:00", 0),
    ],
)
def test_times_are_read_to_the_nanosecond_in_any_offset(text, ns):
    assert read_time(text) == ns


def test_time_that_is_none_is_refused():
    with pytest.raises(WireError, match="invalid time"):
        read_time("soon")
