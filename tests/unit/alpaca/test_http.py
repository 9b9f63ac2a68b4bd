"""What each way of failing lets one conclude, and that no failure shows a key."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.alpaca.config import Credentials
from adapters.alpaca.http import AlpacaHttp
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from adapters.transport.errors import (
    AmbiguousError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    VenueError,
)
from adapters.transport.lanes import Lanes
from tests.unit.alpaca.stub import KEY, SECRET, StubVenue

BODY = {
    "symbol": "AAPL",
    "qty": "1.50",
    "side": "buy",
    "type": "limit",
    "limit_price": "100.10",
    "time_in_force": "day",
    "client_order_id": "c-1",
}


def client(url: str, counters: Counters | None = None, **changes: Any) -> AlpacaHttp:
    counters = counters or Counters()
    settings: dict[str, Any] = {
        "rest_url": url,
        "data_url": url,
        "lanes": Lanes("test", counters),
        "counters": counters,
        "budget": RateBudget(per_second=100, burst=100),
        "data_budget": RateBudget(per_second=100, burst=100, reserved_frac=0),
        "deadline_secs": 0.6,
    }
    return AlpacaHttp(Credentials(KEY, SECRET), **(settings | changes))


def run(act: Callable[[AlpacaHttp, StubVenue], Awaitable[Any]], **changes: Any) -> Any:
    async def main() -> Any:
        venue = StubVenue()
        await venue.start()
        http = client(venue.rest_url, **changes)
        http.open()
        try:
            return await act(http, venue)
        finally:
            http.close()
            await venue.stop()

    return asyncio.run(main())


def answer(status: int, body: object) -> Callable[..., tuple[int, object]]:
    return lambda *_: (status, body)


def slow(*_: object) -> tuple[int, object]:
    time.sleep(1.0)
    return 200, {}


OUTCOMES = [
    (answer(403, {"code": 40310000, "message": "insufficient buying power"}), RefusedError),
    (answer(403, {"message": "forbidden."}), UnauthorizedError),
    (answer(401, {"code": 40110000, "message": "request is not authorized"}), UnauthorizedError),
    (answer(404, {"code": 40410000, "message": "order not found"}), NotFoundError),
    (answer(422, f"<html>{SECRET}</html>"), RefusedError),
    (answer(500, {"code": 50010000, "message": "internal"}), AmbiguousError),
    (answer(502, f"<html>{KEY}</html>"), AmbiguousError),
    (answer(504, None), AmbiguousError),
    (answer(200, "<html>maintenance</html>"), AmbiguousError),
    (answer(200, '{"id": "tru'), AmbiguousError),
    (answer(200, None), AmbiguousError),
    (answer(302, None), AmbiguousError),
    (slow, AmbiguousError),
]


@pytest.mark.parametrize(("act", "error"), OUTCOMES)
def test_write_ends_in_what_can_be_concluded(act: Callable[..., Any], error: type[VenueError]) -> None:
    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        venue.on("POST", "/v2/orders", act)
        with pytest.raises(error) as caught:
            await http.submit(BODY)
        assert type(caught.value) is error
        text = "".join(traceback.format_exception(caught.value))
        assert KEY not in text
        assert SECRET not in text
        assert venue.count("POST", "/v2/orders") == 1

    run(case)


def test_nobody_listening_is_not_sent() -> None:
    async def main() -> None:
        http = client("http://127.0.0.1:9")
        http.open()
        with pytest.raises(NotSentError):
            await http.submit(BODY)
        http.close()

    asyncio.run(main())


def test_key_that_makes_no_header_is_not_shown() -> None:
    async def main() -> None:
        counters = Counters()
        bad = "line\nbreak-secret"
        http = AlpacaHttp(
            Credentials(KEY, bad),
            rest_url="http://127.0.0.1:9",
            data_url="http://127.0.0.1:9",
            lanes=Lanes("test", counters),
            counters=counters,
            budget=RateBudget(per_second=1, burst=10),
            data_budget=RateBudget(per_second=1, burst=10),
        )
        http.open()
        with pytest.raises(NotSentError) as caught:
            await http.submit(BODY)
        assert "break-secret" not in "".join(traceback.format_exception(caught.value))
        http.close()

    asyncio.run(main())


def test_numbers_go_out_as_they_are() -> None:
    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        await http.submit(BODY)
        sent = next(body for method, _, body in venue.requests if method == "POST")
        assert (sent["qty"], sent["limit_price"]) == ("1.50", "100.10")

    run(case)


def test_rate_limit_is_waited_out_and_at_last_told() -> None:
    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        for _ in range(4):
            venue.on("POST", "/v2/orders", answer(429, {"code": 42910000, "message": "too many requests."}))
        with pytest.raises(RateLimitedError):
            await http.submit(BODY)
        assert venue.count("POST", "/v2/orders") == 4
        assert (await http.submit(BODY))["status"] == "accepted"

    run(case)


def test_veto_is_asked_in_the_sending_thread_and_stops_writes_only() -> None:
    import threading

    asked: list[tuple[str, str, str]] = []

    def veto(method: str, path: str) -> str:
        asked.append((method, path, threading.current_thread().name))
        return "not the leader"

    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        for call in (http.submit(BODY), http.replace("v-1", {}), http.cancel("v-1")):
            with pytest.raises(NotSentError, match="not the leader"):
                await call
        await http.account()
        assert {method for method, *_ in venue.requests} == {"GET"}
        assert [method for method, *_ in asked] == ["POST", "PATCH", "DELETE"]
        assert all(name.startswith("test-") for *_, name in asked)

    run(case, veto=veto)


def test_veto_that_fails_is_a_veto() -> None:
    def veto(method: str, path: str) -> str:
        raise RuntimeError("store unreachable")

    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        with pytest.raises(NotSentError):
            await http.submit(BODY)
        assert not venue.requests

    run(case, veto=veto)


def test_cancels_go_on_when_the_budget_of_others_is_used_up() -> None:
    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        for number in range(5):
            await http.submit(BODY | {"client_order_id": f"c-{number}"})
        with pytest.raises(NotSentError):
            await http.submit(BODY | {"client_order_id": "c-9"})
        await http.cancel("v-1")
        assert venue.orders["v-1"]["status"] == "canceled"

    run(case, budget=RateBudget(per_second=0.05, burst=10))


def test_lists_are_read_to_their_end() -> None:
    async def case(http: AlpacaHttp, venue: StubVenue) -> None:
        rows = [{"id": f"v-{n}", "submitted_at": f"2026-03-02T15:{n // 60:02}:{n % 60:02}Z"} for n in range(700)]

        def page(stub: StubVenue, path: str, body: Any) -> tuple[int, object]:
            return 200, rows[:500]

        venue.on("GET", "/v2/orders", page)
        venue.on("GET", "/v2/orders", lambda *_: (200, rows[499:]))
        found = await http.orders(status="all", after="2026-03-01T00:00:00Z")
        assert [row["id"] for row in found] == [row["id"] for row in rows]

    run(case)
