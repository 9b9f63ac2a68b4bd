"""The simulated Coinbase against the clients that coinbase-advanced-py ships, unmodified: what they send must be
understood, and what they are told must be what they can read.
"""

import asyncio
import contextlib
import json
import logging
import queue
import time
from decimal import Decimal

import pytest
import requests
from coinbase.rest import RESTClient
from coinbase.websocket import WebsocketResponse, WSClient, WSClientException, WSUserClient
from requests.adapters import HTTPAdapter

from adapters.simulator.coinbase_auth import issue_key
from adapters.simulator.coinbase_sockets import SocketOptions
from adapters.simulator.coinbase_venue import CoinbaseSettings
from adapters.simulator.host import SimulatedVenues
from adapters.simulator.tape import Level, Quote, Side, Trade

# Importing the package hangs handlers of its own on its loggers, which propagate as well: every line would come twice.
for name in ("coinbase.RESTClient", "coinbase.WSClient"):
    logging.getLogger(name).handlers.clear()

BTC = "BTC-USD"
ORDERS = "POST /api/v3/brokerage/orders"
EDIT = f"{ORDERS}/edit"
CANCEL = f"{ORDERS}/batch_cancel"
DEADLINE_SECS = 5.0


class Plain(HTTPAdapter):
    """The client writes https into every address; here it is taken out again."""

    def send(self, request, timeout=None, **options):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, timeout=timeout or (2, 5), **options)


class Ears:
    """A socket client of the SDK with its messages in a queue."""

    def __init__(self, kind, url, key):
        self.frames = []
        self._queue = queue.Queue()
        self.client = kind(
            api_key=key.name if key else None,
            api_secret=key.secret if key else None,
            base_url=url,
            on_message=self._queue.put,
            timeout=5,
        )
        self.client.open()

    def subscribe(self, *channels, products=()):
        self.client.subscribe(list(products), list(channels))
        return self

    def until(self, wanted, *, deadline_secs=DEADLINE_SECS):
        """Return the first frame that is wanted, of those that were not looked at yet."""
        ends = time.monotonic() + deadline_secs
        while (left := ends - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                frame = json.loads(self._queue.get(timeout=left))
                self.frames.append(frame)
                if wanted(frame):
                    return frame
        raise AssertionError(f"no such frame among {[(f.get('channel'), f.get('sequence_num')) for f in self.frames]}")

    def channel(self, name, kind=None):
        """Return the first event of a channel."""
        frame = self.until(lambda f: f.get("channel") == name and kind in (None, f["events"][0].get("type")))
        return frame["events"][0]

    def status(self, client_id, status):
        """Return the first row of an order in a status."""
        wanted = self.until(lambda f: any(row["status"] == status for row in rows_of(f, client_id)))
        return next(row for row in rows_of(wanted, client_id) if row["status"] == status)

    def drain(self):
        """Read what has come."""
        while not self._queue.empty():
            self.frames.append(json.loads(self._queue.get()))
        return self.frames

    def close(self):
        # The client's own close stops its loop before the connection is gone, and cannot close one that the server
        # closed: socket, task or thread would be left behind.
        loop, thread = self.client.loop, self.client.thread

        async def leave():
            websocket = self.client.websocket
            if websocket is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(websocket.close(), 1)
                websocket.transport.abort()
                await websocket.wait_closed()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(leave(), loop).result(DEADLINE_SECS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_SECS)
        loop.close()


def rows_of(frame, client_id):
    if frame.get("channel") != "user":
        return []
    return [row for event in frame["events"] for row in event["orders"] if row["client_order_id"] == client_id]


class Day:
    """A venue for one test, its clients, and the market moved by hand."""

    def __init__(self, *, key=None, scale=0.1, **settings):
        self.venues = SimulatedVenues(
            venues=("coinbase",), time_scale=scale, seed=7, coinbase=CoinbaseSettings(**settings)
        ).start()
        self.control, self.place = self.venues.control, self.venues.coinbase
        self.key = key or self.place.server.venue.issued
        self._ends = []
        self.rest = self.client(self.key)
        self.quote()

    def client(self, key, **options):
        client = RESTClient(
            api_key=key.name if key else None,
            api_secret=key.secret if key else None,
            base_url=self.place.base_url,
            **({"timeout": 5} | options),
        )
        client.session.trust_env = False
        client.session.mount(f"https://{self.place.base_url}", Plain())
        self._ends.append(client.session.close)
        return client

    def ears(self, kind=WSUserClient, key=None):
        url = self.place.user_stream_url if kind is WSUserClient else self.place.market_stream_url
        ears = Ears(kind, url, key or self.key)
        self._ends.append(ears.close)
        return ears

    def user(self):
        ears = self.ears().subscribe("heartbeats", "user")
        ears.channel("user", "snapshot")
        return ears

    def quote(self, bid="50000", ask="50010", size="1"):
        bid, ask, size = Decimal(bid), Decimal(ask), Decimal(size)
        bids = tuple(Level(bid - 10 * i, size) for i in (1, 2))
        asks = tuple(Level(ask + 10 * i, size) for i in (1, 2))
        self.control.step(0.1, ticks=[Quote(0, BTC, bid, ask, size, size, bids, asks)])

    def trade(self, price, size="1", side=Side.SELL):
        self.control.step(0.1, ticks=[Trade(0, BTC, Decimal(price), Decimal(size), side)])

    def buy(self, client_id, size="0.1", price="49000", client=None):
        answer = (client or self.rest).limit_order_gtc_buy(client_id, BTC, size, price).to_dict()
        assert answer["success"], answer
        return answer["success_response"]["order_id"]

    def order(self, order_id):
        return self.rest.get_order(order_id).to_dict()["order"]

    def count(self, where):
        return len(self.control.journal(kind="request", name=where))

    def end(self):
        for end in reversed(self._ends):
            end()
        self.venues.stop()


@pytest.fixture
def days():
    """Make venues, and end them."""
    made = []

    def make(**options):
        made.append(Day(**options))
        return made[-1]

    yield make
    for day in made:
        day.end()


@pytest.fixture
def day(days):
    return days()


# A day.


def test_a_day_is_told_alike_by_every_channel(day):
    rest, user = day.rest, day.user()
    assert abs(int(rest.get_unix_time().epoch_seconds) - time.time()) < 60
    assert rest.get_api_key_permissions()["can_trade"] is True
    before = {a["currency"]: Decimal(a["available_balance"]["value"]) for a in rest.get_accounts(limit=250).accounts}

    rest.market_order_buy("market", BTC, quote_size="1000")
    stop = rest.stop_limit_order_gtc_sell("stop", BTC, "0.2", "48400", "48500", "STOP_DIRECTION_STOP_DOWN")
    assert stop.success, stop.to_dict()
    day.buy("limit")
    edited = rest.edit_order(day.buy("edited", price="47000"), size="0.2", price="48950")
    assert edited.success
    rest.limit_order_gtd_buy("dated", BTC, "0.1", "40000", end_time="2020-01-01T00:00:00Z")
    assert rest.cancel_orders([day.buy("cancelled", price="41000")]).results[0]["success"]
    post_only = rest.limit_order_gtc_buy("post", BTC, "0.1", "50010", post_only=True).to_dict()
    assert post_only["error_response"]["error"] == "INVALID_LIMIT_PRICE_POST_ONLY"
    rest.trigger_bracket_order_gtc_sell("bracket", BTC, "0.3", "52000", "48000")
    rest.create_order(
        "parent",
        BTC,
        "BUY",
        {"market_market_ioc": {"base_size": "0.1"}},
        attached_order_configuration={"trigger_bracket_gtc": {"limit_price": "53000", "stop_trigger_price": "45000"}},
    )

    day.quote("48490", "48500")
    day.trade("48999", size="3")
    day.trade("48490", size="3")
    user.status("stop", "FILLED")
    day.trade("52500", size="9", side=Side.BUY)
    user.status("bracket", "FILLED")

    fills = rest.get_fills(limit=100).fills
    told = {}
    for frame in user.drain():
        for event in frame["events"] if frame["channel"] == "user" else []:
            told |= {row["order_id"]: row for row in event["orders"]}
    listed = {order["order_id"]: order.to_dict() for order in rest.list_orders(limit=100).orders}
    assert set(told) == set(listed)
    for order_id, order in listed.items():
        mine = [fill for fill in fills if fill["order_id"] == order_id]
        size = sum((Decimal(fill["size"]) for fill in mine), Decimal(0))
        value = sum((Decimal(fill["size"]) * Decimal(fill["price"]) for fill in mine), Decimal(0))
        fees = sum((Decimal(fill["commission"]) for fill in mine), Decimal(0))
        assert (Decimal(order["filled_size"]), Decimal(order["total_fees"])) == (size, fees)
        assert Decimal(order["filled_value"]) == value
        assert told[order_id]["status"] == order["status"]
        assert Decimal(told[order_id]["cumulative_quantity"]) == size
        assert Decimal(told[order_id]["total_fees"]) == fees

    statuses = {order["client_order_id"]: order["status"] for order in listed.values()}
    assert statuses.pop("parent-attached") == "OPEN"
    assert statuses == {
        "market": "FILLED",
        "stop": "FILLED",
        "limit": "FILLED",
        "edited": "FILLED",
        "dated": "EXPIRED",
        "cancelled": "CANCELLED",
        "bracket": "FILLED",
        "parent": "FILLED",
    }
    accounts = rest.get_accounts(limit=250).accounts
    after = {a["currency"]: Decimal(a["available_balance"]["value"]) + Decimal(a["hold"]["value"]) for a in accounts}
    bought = sum(Decimal(f["size"]) * (1 if f["side"] == "BUY" else -1) for f in fills)
    spent = sum(
        Decimal(f["size"]) * Decimal(f["price"]) * (1 if f["side"] == "BUY" else -1) + Decimal(f["commission"])
        for f in fills
    )
    assert after["BTC"] - before["BTC"] == bought
    assert before["USD"] - after["USD"] == spent
    sequence = [frame["sequence_num"] for frame in user.frames]
    assert sequence == list(range(len(sequence)))


def test_market_data_is_told_as_the_sdk_reads_it(day):
    ears = day.ears(WSClient).subscribe("heartbeats")
    ears.subscribe("level2", "market_trades", "ticker", "ticker_batch", "candles", "status", products=[BTC])
    book = ears.channel("l2_data", "snapshot")
    assert {update["side"] for update in book["updates"]} == {"bid", "offer"}
    ears.channel("status", "snapshot")
    day.quote("50001", "50010")
    update = ears.channel("l2_data", "update")
    assert {"bid", "0"} <= {update["updates"][0]["side"], *(u["new_quantity"] for u in update["updates"])}
    day.trade("50010", side=Side.BUY)
    trades = ears.channel("market_trades", "update")["trades"]
    assert [(trade["price"], trade["side"]) for trade in trades] == [("50010", "SELL")]
    ears.until(lambda f: f.get("channel") == "candles" and f["events"][0]["candles"])
    ears.channel("heartbeats")
    ears.until(lambda f: f.get("channel") == "ticker_batch" and f["events"][0]["type"] == "update")
    for frame in ears.frames:
        WebsocketResponse(json.loads(json.dumps(frame)))
    ticker = next(f for f in ears.frames if f["channel"] == "ticker" and f["events"][0]["type"] == "update")
    assert ticker["events"][0]["tickers"][0]["best_bid"] == "50001"
    sequence = [frame["sequence_num"] for frame in ears.frames]
    assert sequence == list(range(len(sequence)))
    again = day.ears(WSClient).subscribe("market_trades", products=[BTC])
    assert again.channel("market_trades", "snapshot")["trades"] == trades


def test_every_read_of_the_rest_client_is_answered(day):
    day.trade("50010", side=Side.BUY)
    rest, public = day.rest, day.client(None)
    now = int(time.time())
    assert rest.get_product(BTC, get_tradability_status=True)["price"] == "50010"
    assert {p["product_id"] for p in rest.get_products(product_ids=[BTC, "ETH-USD"]).products} == {BTC, "ETH-USD"}
    assert rest.get_product_book(BTC, limit=1).pricebook["bids"][0]["price"] == "50000"
    assert rest.get_best_bid_ask([BTC]).pricebooks[0]["asks"][0]["price"] == "50010"
    candles = rest.get_candles(BTC, str(now - 3_600), str(now + 60), "ONE_MINUTE", limit=350).candles
    assert [c["close"] for c in candles] == ["50010"]
    assert rest.get_market_trades(BTC, 10).trades[0]["side"] == "SELL"
    assert rest.get_transaction_summary(product_type="SPOT")["fee_tier"]["taker_fee_rate"] == "0.009"
    portfolio = rest.get_portfolios().portfolios[0]["uuid"]
    assert rest.get_api_key_permissions()["portfolio_uuid"] == portfolio
    account = rest.get_accounts().accounts[0]
    assert rest.get_account(account["uuid"]).account["currency"] == account["currency"]
    preview = rest.preview_limit_order_gtc_buy(BTC, "0.1", "49000")
    assert (preview.errs, preview.commission_total) == ([], "44.1")
    order_id = day.buy("c")
    assert rest.preview_edit_order(order_id, size="0.2", price="49001").errors == []
    listed = rest.list_orders(order_status=["OPEN"], product_ids=[BTC]).orders
    assert [order["order_id"] for order in listed] == [order_id]
    assert public.get_public_product(BTC)["product_id"] == BTC
    assert public.get_public_candles(BTC, str(now - 3_600), str(now + 60), "ONE_MINUTE").candles
    assert public.get_public_products().products
    assert public.get_public_product_book(BTC).pricebook["product_id"] == BTC
    assert public.get_public_market_trades(BTC, 5).trades


# Keys.


@pytest.mark.parametrize("kind", ["ec", "ed25519", "ed25519-raw"])
def test_every_kind_of_key_is_known_in_rest_and_on_sockets(days, kind):
    key = issue_key(kind)
    day = days(key=key, keys=(key.key,))
    assert day.rest.get_accounts().accounts
    assert day.user().frames[-1]["events"][0]["orders"] == []


def test_who_is_not_known_is_turned_away(day):
    stranger, viewer = issue_key(), issue_key(can_trade=False)
    day.place.server.venue.keyring.add(viewer.key)
    with pytest.raises(requests.HTTPError) as caught:
        day.client(stranger).get_accounts()
    assert (caught.value.response.status_code, caught.value.response.text) == (401, "Unauthorized\n")
    assert day.client(viewer).get_accounts().accounts
    with pytest.raises(requests.HTTPError, match="Missing Required Scopes"):
        day.client(viewer).limit_order_gtc_buy("c", BTC, "0.1", "49000")
    with pytest.raises(requests.HTTPError, match="404"):
        day.rest.get_product("XXX-USD")
    day.control.act("revoke_key", key=day.key.name)
    with pytest.raises(requests.HTTPError, match="401"):
        day.rest.get_accounts()
    day.control.act("revoke_key", key=day.key.name, is_on=False)
    day.control.act("skew", secs=600)
    with pytest.raises(requests.HTTPError, match="401"):
        day.rest.get_accounts()


def test_a_strange_key_hears_an_error_and_nothing_of_the_account(day):
    ears = day.ears(key=issue_key()).subscribe("user")
    assert ears.until(lambda f: "channel" not in f) == {"type": "error", "message": "authentication failure"}
    day.buy("c")
    assert all(frame.get("channel") != "user" for frame in ears.drain())


# Orders that are in doubt.


def test_an_answer_that_is_lost_is_found_by_the_identical_request(day):
    day.control.fault(kind="drop_answer", where=ORDERS)
    with pytest.raises(requests.ConnectionError):
        day.buy("c")
    assert len(day.rest.list_orders().orders) == 1
    order_id = day.buy("c")
    assert [order["order_id"] for order in day.rest.list_orders().orders] == [order_id]
    assert day.count(ORDERS) == 2


def test_a_request_that_is_lost_creates_nothing(day):
    day.control.fault(kind="drop_request", where=ORDERS)
    with pytest.raises(requests.ConnectionError):
        day.buy("c")
    assert day.rest.list_orders().orders == []
    day.buy("c")
    assert len(day.rest.list_orders().orders) == 1


@pytest.mark.parametrize(
    ("fault", "status", "orders"),
    [
        ({"kind": "status", "status": 429}, 429, 0),
        ({"kind": "status_after", "status": 500, "html": True}, 500, 1),
        ({"kind": "status", "status": 503, "html": True}, 503, 0),
    ],
)
def test_a_status_says_what_became_of_the_order(day, fault, status, orders):
    day.control.fault(where=ORDERS, **fault)
    with pytest.raises(requests.HTTPError) as caught:
        day.buy("c")
    response = caught.value.response
    assert response.status_code == status
    if status == 429:
        assert response.json() == {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    assert len(day.rest.list_orders().orders) == orders


def test_a_page_instead_of_json_and_a_slow_answer_are_the_clients_to_notice(day):
    day.control.fault(kind="html_200", where=ORDERS)
    with pytest.raises(requests.JSONDecodeError):
        day.buy("c")
    day.control.fault(kind="delay_answer", where=ORDERS, secs=2)
    with pytest.raises(requests.ReadTimeout):
        day.buy("d", client=day.client(day.key, timeout=0.3))
    assert len(day.rest.list_orders().orders) == 2


def test_too_many_requests_are_refused_and_counted(days):
    day = days(private_per_second=3)
    client = day.client(day.key, rate_limit_headers=True)
    assert client.get_accounts().rate_limit_remaining == "2"
    for _ in range(2):
        client.get_accounts()
    with pytest.raises(requests.HTTPError, match="429"):
        client.get_accounts()


def test_an_event_can_come_before_its_answer(day):
    user = day.user()
    day.control.fault(kind="delay_answer", where=ORDERS, secs=0.5)
    started = time.monotonic()
    day.buy("c")
    assert time.monotonic() - started > 0.4
    user.status("c", "OPEN")
    sent = day.control.journal(kind="sent", name="user")[-1].id
    faults = [entry.id for entry in day.control.journal(kind="fault", name=ORDERS)]
    assert len(faults) == 1
    assert sent > faults[0]


# Orders that change their mind.


def test_a_queued_cancel_fills_and_then_ends(day):
    user = day.user()
    order_id = day.buy("c")
    day.control.fault(kind="ignore_cancel", order_id=order_id)
    assert day.rest.cancel_orders([order_id]).results[0]["success"]
    assert user.status("c", "CANCEL_QUEUED")["cumulative_quantity"] == "0"
    day.trade("49000", size="0.08")
    part = user.until(lambda f: any(row["cumulative_quantity"] != "0" for row in rows_of(f, "c")))
    assert [(row["status"], row["cumulative_quantity"]) for row in rows_of(part, "c")] == [("CANCEL_QUEUED", "0.04")]
    day.control.act("cancel", venue="coinbase", order_id=order_id)
    ended = user.status("c", "CANCELLED")
    assert (ended["cumulative_quantity"], ended["leaves_quantity"]) == ("0.04", "0")


def test_an_edit_can_be_queued_and_refused_after_all(day):
    user = day.user()
    order_id = day.buy("c")
    day.control.fault(kind="reject_order", where=EDIT, secs=0.1)
    assert day.rest.edit_order(order_id, size="0.2", price="49001").success
    user.status("c", "EDIT_QUEUED")
    with pytest.raises(AssertionError, match="no such frame"):
        user.until(lambda f: any(row["limit_price"] != "49000" for row in rows_of(f, "c")), deadline_secs=0.4)
    assert day.order(order_id)["status"] == "OPEN"
    assert day.rest.edit_order(order_id, size="0.2", price="49001").success
    user.until(lambda f: any(row["limit_price"] == "49001" for row in rows_of(f, "c")))


def test_an_order_can_fail_after_it_was_taken(day):
    user = day.user()
    day.control.fault(kind="reject_order", where=ORDERS, secs=0.05, reason="risk")
    order_id = day.buy("c")
    row = user.status("c", "FAILED")
    assert (row["reject_reason"], row["leaves_quantity"]) == ("risk", "0")
    assert day.order(order_id)["reject_message"] == "risk"


def test_a_fill_can_come_after_the_end(day):
    user = day.user()
    order_id = day.buy("c")
    day.control.fault(kind="late_fill", order_id=order_id, secs=0.05, value="0.04")
    assert day.rest.cancel_orders([order_id]).results[0]["success"]
    assert user.status("c", "CANCELLED")["cumulative_quantity"] == "0"
    assert user.status("c", "CANCELLED")["cumulative_quantity"] == "0.04"


def test_an_attached_child_that_follows_a_fill_is_told_on_the_socket(day):
    user = day.user()
    day.rest.create_order(
        "c",
        BTC,
        "BUY",
        {"limit_limit_gtc": {"base_size": "0.1", "limit_price": "49000"}},
        attached_order_configuration={"trigger_bracket_gtc": {"limit_price": "60000", "stop_trigger_price": "40000"}},
    )
    day.trade("48999")
    assert user.status("c-attached", "OPEN")["order_type"] == "Bracket"


# Sockets that break.


def test_the_client_comes_back_from_an_abort_and_without_its_account(day):
    ears = day.user()
    (first,) = day.control.journal(kind="opened", name="user")
    broken = ears.client.websocket
    day.control.act("break", kind="abort", where="stream:user")
    (second,) = day.control.wait_for(kind="opened", name="user", since=first.id)
    soon = time.monotonic() + DEADLINE_SECS
    while ears.client.websocket is broken or not ears.client._is_websocket_open():
        assert time.monotonic() < soon
        time.sleep(0.005)
    # It subscribes again to what had products: neither the account nor the heartbeats are among that.
    assert day.control.journal(kind="received", name="user", since=second.id) == []
    ears.subscribe("user")
    assert ears.until(lambda f: f.get("channel") == "user")["sequence_num"] == 0


def test_a_close_ends_the_client_in_silence(day):
    ears = day.user()
    day.control.act("break", kind="close", where="stream:user", code=1001)
    assert day.control.wait_for(kind="closed", name="user")[0].data["code"] == 1001
    day.buy("c")
    with pytest.raises(AssertionError, match="no such frame"):
        ears.until(lambda f: f["sequence_num"] > 6, deadline_secs=0.5)
    ears.client.raise_background_exception()


def test_a_mute_socket_stays_open_and_says_nothing(day):
    ears = day.user()
    day.control.act("break", kind="mute", where="stream:user")
    # One or two frames may be on their way; of heartbeats alone there would be five.
    last = ears.drain()[-1]["sequence_num"]
    with pytest.raises(AssertionError, match="no such frame"):
        ears.until(lambda f: f["sequence_num"] > last + 2, deadline_secs=0.5)
    assert ears.client.websocket.open


def test_a_frame_that_is_left_out_leaves_a_gap(day):
    ears = day.ears(WSClient).subscribe("level2", products=[BTC])
    ears.channel("subscriptions")
    day.control.fault(kind="omit_frame", where="stream:market", event="level2")
    day.quote("50001", "50011")
    day.quote("50002", "50012")
    ears.channel("l2_data", "update")
    assert [frame["sequence_num"] for frame in ears.frames] == [0, 1, 3]


def test_frames_come_twice_and_out_of_order(day):
    ears = day.ears(WSClient).subscribe("level2", products=[BTC])
    ears.channel("subscriptions")
    day.control.fault(kind="duplicate_frame", where="stream:market", event="level2", count=2)
    day.quote("50001", "50011")
    day.control.fault(kind="reorder_frames", where="stream:market", event="level2", count=2, times=2)
    day.quote("50002", "50012")
    day.quote("50003", "50013")
    ears.until(lambda f: f["sequence_num"] == 3)
    assert [frame["sequence_num"] for frame in ears.frames] == [0, 1, 2, 2, 4, 3]


def test_fills_are_joined_without_a_gap(day):
    user = day.user()
    order_id = day.buy("c", size="0.3")
    user.status("c", "OPEN")
    day.control.fault(kind="coalesce_fills", order_id=order_id, count=3, times=0)
    for size in ("0.1", "0.2", "9"):
        day.trade("49000", size=size)
    assert day.order(order_id)["status"] == "FILLED"
    row = user.status("c", "FILLED")
    assert (row["number_of_fills"], row["cumulative_quantity"]) == ("3", "0.3")
    told = [row["cumulative_quantity"] for frame in user.frames for row in rows_of(frame, "c")]
    assert told == ["0", "0", "0.3"]
    sequence = [frame["sequence_num"] for frame in user.frames]
    assert sequence == list(range(len(sequence)))


def test_a_subscription_that_is_lost_leaves_the_heartbeats(day):
    user = day.user()
    day.control.fault(kind="lose_subscription", where="stream:user", event="user")
    order_id = day.buy("c")
    day.trade("48999")
    assert day.order(order_id)["status"] == "FILLED"
    for _ in range(3):
        user.channel("heartbeats")
    assert not [row for frame in user.drain() for row in rows_of(frame, "c")]
    user.subscribe("user")
    assert user.channel("user", "snapshot")["orders"] == []


def test_an_error_has_no_channel_and_may_be_followed_by_silence(day):
    user = day.user()
    assert day.control.act("say_error", message="too slow", endpoint="user", loses="user") == 1
    assert user.until(lambda f: "channel" not in f) == {"type": "error", "message": "too slow"}
    day.buy("c")
    for _ in range(3):
        user.channel("heartbeats")
    assert not [row for frame in user.frames for row in rows_of(frame, "c")]


def test_who_does_not_subscribe_is_put_out(day):
    day.ears()
    closed = day.control.wait_for(kind="closed", name="user")[0]
    assert (closed.data["code"], closed.data["by"]) == (1008, "server")


def test_a_quiet_connection_is_put_out_unless_it_has_heartbeats(days):
    day = days(sockets=SocketOptions(idle_secs=5.0))
    quiet = day.ears(WSClient).subscribe("level2", products=[BTC])
    quiet.channel("subscriptions")
    beating = day.user()
    closed = day.control.wait_for(kind="closed", venue="coinbase")[0]
    assert (closed.name, closed.data["code"]) == ("market", 1001)
    beating.channel("heartbeats")


def test_a_handshake_can_be_refused(day):
    day.control.fault(kind="handshake", where="stream:user", status=429)
    with pytest.raises(WSClientException):
        day.ears()
    day.user()


def test_open_orders_come_in_batches_of_fifty(days):
    day = days(sockets=SocketOptions(has_client_id=False))
    for i in range(60):
        day.buy(f"c-{i}", size="0.001")
    ears = day.ears().subscribe("user")
    ears.channel("subscriptions")
    sizes = [len(f["events"][0]["orders"]) for f in ears.frames if f["channel"] == "user"]
    assert sizes == [50, 10]
    assert all("client_id" not in frame for frame in ears.frames)


def test_a_halt_is_told_and_felt(day):
    ears = day.ears(WSClient).subscribe("status", products=[BTC])
    ears.channel("status", "snapshot")
    day.control.act("halt", venue="coinbase", symbol=BTC, state="cancel_only")
    ears.channel("status", "update")
    answer = day.rest.market_order_buy("c", BTC, quote_size="10").to_dict()
    assert answer["error_response"]["error"] == "PRODUCT_TRADING_HALTED"
