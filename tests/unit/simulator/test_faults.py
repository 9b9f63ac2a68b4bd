"""Every fault on the wire, seen by a plain HTTP client and a plain socket: what goes wrong is what was asked for."""

import json
import time

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.control import ControlClient
from adapters.simulator.exchange import ALPACA
from adapters.simulator.faults import Fault, FaultKind, FaultPlan, Occurrence, read_scenario
from adapters.simulator.host import SimulatedVenues

DEADLINE_SECS = 5.0
ORDER = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "limit_price": "100", "time_in_force": "day"}
KEYS = {"APCA-API-KEY-ID": "SIMKEY", "APCA-API-SECRET-KEY": "SIMSECRET"}


@pytest.fixture(scope="module")
def running():
    settings = AlpacaSettings(
        rules=msgspec.structs.replace(ALPACA, partial_chance=0.0), cash=10_000_000, requests_per_minute=0
    )
    with SimulatedVenues(venues=["alpaca"], alpaca=settings, time_scale=0.02, seed=3) as venues:
        yield venues


@pytest.fixture
def venues(running):
    running.control.clear()
    running.control.act("skew", secs=0)
    for order in running.control.state()["venues"]["alpaca"]["orders"]:
        if order["status"] in ("new", "accepted", "partially_filled", "pending_cancel"):
            running.control.act("cancel", order_id=order["id"])
    show(running, bid="110.00", ask="110.02")
    return running


@pytest.fixture
def http(venues):
    with httpx.Client(base_url=venues.alpaca.rest_url, headers=KEYS, timeout=1.0, trust_env=False) as client:
        yield client


@pytest.fixture
def stream(venues):
    with connect(venues.alpaca.trade_stream_url, close_timeout=0.2) as socket:
        listen(socket)
        yield socket


def listen(socket):
    socket.send(json.dumps({"action": "auth", "key": "SIMKEY", "secret": "SIMSECRET"}))
    assert told(socket)["data"]["status"] == "authorized"
    socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    assert told(socket)["stream"] == "listening"


def told(socket, timeout=DEADLINE_SECS):
    return json.loads(socket.recv(timeout=timeout))


def show(venues, **tick):
    venues.control.step(0, ticks=[{"symbol": "AAPL", **tick}])


def place(http, **fields):
    return http.post("/v2/orders", json=ORDER | fields)


def fail(venues, kind, where="POST /v2/orders", **fields):
    return venues.control.fault(kind=kind, where=where, **fields)


# Plan


def test_fault_strikes_the_nth_occurrence_of_its_order_and_no_other():
    plan = FaultPlan()
    plan.add(Fault(kind=FaultKind.STATUS, where="GET /v2/orders/*", nth=2, times=2, order_id="a"))
    a, b = (Occurrence(venue="alpaca", where=f"GET /v2/orders/{x}", order_ids=(x,)) for x in "ab")
    assert [len(plan.take(o, FaultKind.STATUS)) for o in (a, b, a, b, a, a)] == [0, 0, 1, 0, 1, 0]


def test_chance_is_the_same_for_the_same_seed():
    def struck(seed):
        plan = FaultPlan(seed=seed)
        plan.add(Fault(kind=FaultKind.STATUS, chance=0.5, times=0))
        return [bool(plan.take(Occurrence(venue="v", where="w"), FaultKind.STATUS)) for _ in range(40)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 5 < sum(struck(1)) < 35


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("version: 2", "version"),
        ("version: 1\nfaults: [{kind: nonsense}]", "kind"),
        ("version: 1\nfaults: [{kind: status, wher: x}]", "wher"),
        ("version: 1\nfaults: [{kind: status, chance: 2}]", "chance"),
    ],
)
def test_scenario_that_is_wrong_says_what(tmp_path, text, wrong):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=wrong):
        read_scenario(path)


# HTTP


@pytest.mark.parametrize(("status", "html"), [(429, False), (500, False), (502, True), (503, True), (504, True)])
def test_status_before_execution_creates_no_order(venues, http, status, html):
    fail(venues, "status", status=status, html=html)
    answer = place(http, client_order_id=f"s{status}")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html" if html else "application/json")
    assert http.get("/v2/orders:by_client_order_id", params={"client_order_id": f"s{status}"}).status_code == 404


def test_status_after_execution_has_created_the_order(venues, http):
    fail(venues, "status_after", status=504)
    assert place(http, client_order_id="after").status_code == 504
    assert http.get("/v2/orders:by_client_order_id", params={"client_order_id": "after"}).status_code == 200


@pytest.mark.parametrize(("kind", "exists"), [("drop_request", False), ("drop_answer", True)])
@pytest.mark.parametrize(("secs", "error"), [(0.0, httpx.TransportError), (5.0, httpx.ReadTimeout)])
def test_dropped_call_breaks_or_hangs_and_only_a_dropped_answer_was_executed(venues, http, kind, exists, secs, error):
    fail(venues, kind, secs=secs)
    client_id = f"{kind}-{secs}"
    with pytest.raises(error):
        http.post("/v2/orders", json=ORDER | {"client_order_id": client_id}, timeout=0.3)
    found = http.get("/v2/orders:by_client_order_id", params={"client_order_id": client_id})
    assert found.status_code == (200 if exists else 404)


@pytest.mark.parametrize("kind", ["delay_request", "delay_answer"])
def test_delay_holds_the_answer_back(venues, http, kind):
    fail(venues, kind, secs=0.2)
    began = time.monotonic()
    assert place(http).status_code == 200
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("html_200", lambda r: r.status_code == 200 and r.text.startswith("<html>")),
        ("truncated_json", lambda r: r.status_code == 200 and r.text.startswith("{") and not r.text.endswith("}")),
        ("empty_body", lambda r: r.status_code == 200 and r.content == b""),
    ],
)
def test_misshapen_answer_is_unreadable_and_the_order_exists(venues, http, kind, check):
    fail(venues, kind)
    assert check(place(http, client_order_id=kind))
    assert http.get("/v2/orders:by_client_order_id", params={"client_order_id": kind}).status_code == 200


def test_wrong_length_ends_before_the_body_does(venues, http):
    fail(venues, "wrong_length", where="GET /v2/clock")
    with pytest.raises(httpx.TransportError):
        http.get("/v2/clock")


def test_drip_defeats_a_timeout_between_two_reads(venues, http):
    fail(venues, "drip", where="GET /v2/clock", secs=0.005)
    began = time.monotonic()
    assert http.get("/v2/clock", timeout=0.2).json()["is_open"] is True
    assert time.monotonic() - began > 0.5


def test_fields_of_an_answer_are_set_dropped_and_added(venues, http):
    fail(venues, "set_field", path="status", value="brand_new")
    fail(venues, "set_field", path="surprise.deep", value=None)
    fail(venues, "drop_field", path="qty")
    body = place(http).json()
    assert (body["status"], body["surprise"], "qty" in body) == ("brand_new", {"deep": None}, False)


def test_refusal_by_order_of_the_test_has_the_venue_s_body(venues, http):
    fail(venues, "refuse", reason="insufficient_buying_power", value={"buying_power": "1500.10"})
    answer = place(http)
    assert answer.status_code == 403
    assert answer.json() == {"code": 40310000, "message": "insufficient buying power", "buying_power": "1500.10"}


# The venue's own moods


def test_rejected_after_acceptance_comes_by_the_stream(venues, http, stream):
    fail(venues, "reject_order", secs=0.05, reason="no")
    assert place(http).json()["status"] == "pending_new"
    assert [told(stream)["data"]["event"] for _ in range(2)] == ["new", "rejected"]


def test_ignored_cancel_stays_pending_and_late_fill_follows_a_cancel(venues, http, stream):
    stuck, late = place(http).json()["id"], place(http).json()["id"]
    fail(venues, "ignore_cancel", where="DELETE /v2/orders/*", order_id=stuck)
    fail(venues, "late_fill", where="DELETE /v2/orders/*", order_id=late, secs=0.05, value="4")
    assert http.delete(f"/v2/orders/{stuck}").status_code == 204
    assert http.get(f"/v2/orders/{stuck}").json()["status"] == "pending_cancel"
    assert http.delete(f"/v2/orders/{late}").status_code == 204
    events = [told(stream)["data"] for _ in range(5)]
    assert [e["event"] for e in events] == ["new", "new", "pending_cancel", "canceled", "partial_fill"]
    assert http.get(f"/v2/orders/{late}").json()["filled_qty"] == "4"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("orders", "/v2/orders?status=open"),
        ("activities", "/v2/account/activities/FILL"),
        ("positions", "/v2/positions"),
    ],
)
def test_read_model_lags_behind_what_was_done(venues, http, model, path):
    def read():
        rows = http.get(path).json()
        return [row.get("qty") for row in rows] if model == "positions" else len(rows)

    before = read()
    fault = fail(venues, "lag", where=f"model:{model}", secs=60, times=0)
    place(http, **({} if model == "orders" else {"limit_price": "120"}))
    assert read() in (before, 0, [])
    venues.control.clear(fault)
    assert read() != before


def test_order_from_outside_and_forgotten_order(venues, http, stream):
    outside = venues.control.act(
        "place",
        client_id=f"web-{time.monotonic_ns()}",
        symbol="AAPL",
        side="buy",
        type="market",
        qty="1",
        time_in_force="day",
    )
    assert told(stream)["data"]["order"]["id"] == outside["id"]
    lost = place(http).json()["id"]
    venues.control.act("forget", order_id=lost)
    assert http.get(f"/v2/orders/{lost}").status_code == 404


def test_revoked_key_and_suspended_account_are_refused(venues, http):
    venues.control.act("revoke_key", is_on=True)
    assert http.get("/v2/account").status_code == 401
    venues.control.act("revoke_key", is_on=False)
    venues.control.act("suspend", is_on=True)
    assert place(http).json()["message"] == "new orders are rejected by user request"
    venues.control.act("suspend", is_on=False)
    assert place(http).status_code == 200


def test_skewed_clock_is_told_on_the_wire(venues, http):
    before = http.get("/v2/clock").json()["timestamp"]
    venues.control.act("skew", secs=-7200)
    assert http.get("/v2/clock").json()["timestamp"] < before


# Sockets


def test_event_comes_after_the_answer_unless_the_answer_is_delayed(venues, http, stream):
    fail(venues, "delay_answer", secs=0.4)
    began = time.monotonic()
    with httpx.Client(base_url=venues.alpaca.rest_url, headers=KEYS, timeout=2.0) as other:
        import threading

        answered = []
        thread = threading.Thread(
            target=lambda: (other.post("/v2/orders", json=ORDER), answered.append(time.monotonic()))
        )
        thread.start()
        assert told(stream)["data"]["event"] == "new"
        heard = time.monotonic()
        thread.join(DEADLINE_SECS)
    assert heard - began < 0.4 <= answered[0] - began


def test_frames_are_omitted_duplicated_delayed_and_altered(venues, http, stream):
    where = "stream:trade_updates"
    fail(venues, "omit_frame", where=where, event="new")
    fail(venues, "duplicate_frame", where=where, event="canceled", count=3)
    fail(venues, "set_field", where=where, event="canceled", path="data.order.status", value="odd", times=0)
    fail(venues, "delay_frame", where=where, event="new", nth=2, secs=0.2)
    order = place(http).json()["id"]
    http.delete(f"/v2/orders/{order}")
    frames = [told(stream)["data"] for _ in range(3)]
    assert [(f["event"], f["order"]["status"]) for f in frames] == [("canceled", "odd")] * 3
    began = time.monotonic()
    place(http)
    assert told(stream)["data"]["event"] == "new"
    assert time.monotonic() - began >= 0.2


def test_frames_are_reordered_and_fills_coalesced(venues, http, stream):
    where = "stream:trade_updates"
    fail(venues, "reorder_frames", where=where, times=2, count=2)
    order = place(http).json()["id"]
    http.delete(f"/v2/orders/{order}")
    assert [told(stream)["data"]["event"] for _ in range(2)] == ["canceled", "new"]
    order = place(http).json()["id"]
    assert told(stream)["data"]["event"] == "new"
    fail(venues, "coalesce_fills", where=where, times=0, count=3, event="partial_fill")
    for _ in range(3):
        venues.control.act("fill", order_id=order, qty="2", price="99")
    fill = told(stream)["data"]
    assert (fill["event"], fill["order"]["filled_qty"], fill["qty"]) == ("partial_fill", "6", "2")


@pytest.mark.parametrize("code", [1000, 1001, 1006, 4001])
def test_socket_closes_with_a_code_or_is_reset(venues, stream, code):
    if code == 1006:
        venues.control.act("break", kind="abort", where="stream:trade_updates")
    else:
        venues.control.act("break", kind="close", where="stream:*", code=code)
    with pytest.raises(ConnectionClosed) as closed:
        stream.recv(timeout=DEADLINE_SECS)
    assert (closed.value.rcvd.code if closed.value.rcvd else 1006) == code


@pytest.mark.parametrize(("kind", "answers_pings"), [("mute", True), ("half_open", False)])
def test_silent_socket_stays_open_and_only_a_mute_one_answers_pings(venues, http, stream, kind, answers_pings):
    venues.control.act("break", kind=kind, where="stream:trade_updates")
    place(http)
    with pytest.raises(TimeoutError):
        stream.recv(timeout=0.2)
    assert stream.ping().wait(0.3) is answers_pings


def test_subscription_is_lost_without_a_word(venues, http, stream):
    venues.control.act("break", kind="lose_subscription", where="stream:trade_updates", event="new")
    order = place(http).json()["id"]
    http.delete(f"/v2/orders/{order}")
    assert told(stream)["data"]["event"] == "canceled"


@pytest.mark.parametrize("status", [401, 429, 503])
def test_handshake_is_refused_with_a_status(venues, status):
    fail(venues, "handshake", where="stream:*", status=status)
    with pytest.raises(InvalidStatus) as refused, connect(venues.alpaca.trade_stream_url):
        pass
    assert refused.value.response.status_code == status


def test_wrong_key_on_a_socket_is_unauthorized_and_silence_is_timed_out(venues):
    with connect(venues.alpaca.trade_stream_url) as socket:
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": "SIMKEY", "secret_key": "no"}}))
        assert told(socket)["data"]["status"] == "unauthorized"
    with connect(venues.alpaca.data_stream_url("iex")) as socket:
        assert told(socket)[0]["msg"] == "connected"
        # Ten seconds at a fiftieth.
        assert told(socket)[0]["code"] == 404


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (['{"action":"subscribe","trades":["A"]}'], 401),
        (["no json"], 400),
        (['{"action":"auth","key":"SIMKEY","secret":"x"}'], 402),
        (['{"action":"auth","key":"SIMKEY","secret":"SIMSECRET"}'] * 2, 403),
    ],
)
def test_data_socket_tells_errors_by_their_codes(venues, frames, code):
    with connect(venues.alpaca.data_stream_url("iex")) as socket:
        told(socket)
        for frame in frames:
            socket.send(frame)
            last = told(socket)[0]
        assert (last["T"], last["code"]) == ("error", code)


def test_feed_outside_the_plan_is_an_insufficient_subscription(venues):
    with connect(venues.alpaca.data_stream_url("sip")) as socket:
        told(socket)
        socket.send('{"action":"auth","key":"SIMKEY","secret":"SIMSECRET"}')
        assert told(socket)[0]["code"] == 409


# Control


def test_control_port_needs_the_token_and_tells_the_same_as_in_process(venues):
    client = ControlClient(venues.control_url, venues.token)
    fault = client.fault(kind="status", where="GET /v2/clock", status=503)
    assert [f["id"] for f in client.state()["faults"]] == [fault]
    client.clear()
    assert client.step(1.0, ticks=[{"symbol": "AAPL", "price": "110.01", "size": "5"}]) == 1
    assert client.journal(kind="step")[-1]["data"]["secs"] == 1.0
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        client.fault(kind="nonsense")
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        client.act("nonsense")
    client.close()
    stranger = ControlClient(venues.control_url, "guess")
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        stranger.state()
    stranger.close()


def test_journal_pairs_answers_with_requests_and_keeps_no_secret(venues, http):
    since = venues.market.journal.last_id
    place(http, client_order_id="paired")
    request = venues.control.journal(since=since, kind="request", name="POST /v2/orders")[0]
    answer = venues.control.wait_for(since=since, kind="answer", name="POST /v2/orders")[0]
    assert answer.data["request_id"] == request.id
    assert request.data["client_ids"] == ("paired",)
    assert "SIMSECRET" not in str(venues.control.journal())


def test_rate_limit_is_told_by_headers_and_then_refused():
    settings = AlpacaSettings(requests_per_minute=3)
    with (
        SimulatedVenues(venues=["alpaca"], alpaca=settings) as venues,
        httpx.Client(base_url=venues.alpaca.rest_url, headers=KEYS) as client,
    ):
        answers = [client.get("/v2/clock") for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert [a.headers["x-ratelimit-remaining"] for a in answers] == ["2", "1", "0", "0"]
        assert answers[3].json() == {"code": 42910000, "message": "rate limit exceeded"}
