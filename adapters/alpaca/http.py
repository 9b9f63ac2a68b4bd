"""Calls to the venue: alpaca-py's clients in lanes, each with a total deadline, and an outcome one can conclude from.

The SDK would wait for ever and repeat a submission of its own accord: its repeats are off, every read has a timeout,
and every call a deadline around it. Numbers go out as text, since the SDK's models would make floats of them.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic, time
from typing import Any, Final

from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data.historical.crypto import CryptoHistoricalDataClient
from alpaca.data.historical.news import NewsClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from requests import exceptions as transport
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from adapters.alpaca.config import Credentials
from adapters.alpaca.fields import ParseError, parse_time_ns
from adapters.alpaca.parsing import parse_error
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
from adapters.transport.lanes import CANCELS, HISTORY, ORDERS, READS, Lanes

Veto = Callable[[str, str], str]
"""``(method, path) -> reason``: asked in the sending thread just before a write; "" lets it pass."""

PAGE_ORDERS: Final = 500
PAGE_FILLS: Final = 100
_MAX_PAGES: Final = 200
_CONNECT_SECS: Final = 3.0
_LIMITED_TRIES: Final = 4
_READ_TRIES: Final = 2
_MAX_BUDGET_WAIT_SECS: Final = 10.0
_READS_AT_ONCE: Final = 4


class _Timed(HTTPAdapter):
    """Gives every request a connect and a read timeout: the SDK passes none."""

    def __init__(self, read_secs: float) -> None:
        self._read_secs = read_secs
        super().__init__(pool_connections=4, pool_maxsize=16)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["timeout"] = (_CONNECT_SECS, self._read_secs)
        return super().send(request, *args, **kwargs)


class AlpacaHttp:
    """The venue's REST interface, for use on one event loop.

    Parameters
    ----------
    credentials
        Key and secret; no error raised here shows them.
    rest_url, data_url
        Hosts.
    lanes, counters
        Shared with nobody but the client's other parts.
    budget, data_budget
        Requests of the account; half of the first should be reserved.
    veto
        Asked just before each write.
    deadline_secs
        Total seconds of a call.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        rest_url: str,
        data_url: str,
        lanes: Lanes,
        counters: Counters,
        budget: RateBudget,
        data_budget: RateBudget,
        veto: Veto | None = None,
        deadline_secs: float = 10.0,
        rng: Random | None = None,
    ) -> None:
        self._credentials = credentials
        self._lanes = lanes
        self._counters = counters
        self._budget = budget
        self._data_budget = data_budget
        self._veto = veto
        self._deadline_secs = deadline_secs
        self._rng = rng or Random()
        self._hold_until = 0.0
        self._reading = asyncio.Semaphore(_READS_AT_ONCE)
        self._users = 0
        self.is_closed = False
        keys = credentials.key, credentials.secret
        self._trading = self._prepared(TradingClient(*keys, raw_data=True, url_override=rest_url))
        self._stocks = self._prepared(StockHistoricalDataClient(*keys, raw_data=True, url_override=data_url))
        self._crypto = self._prepared(CryptoHistoricalDataClient(*keys, raw_data=True, url_override=data_url))
        self._news = self._prepared(NewsClient(*keys, raw_data=True, url_override=data_url))

    def _prepared(self, client: Any) -> RESTClient:
        # The constructors refuse 0, and TradingClient's does not know the argument.
        client._retry = 0
        adapter = _Timed(self._deadline_secs)
        client._session.mount("http://", adapter)
        client._session.mount("https://", adapter)
        return client

    def open(self) -> None:
        """Count one more client that uses it."""
        self._users += 1

    def close(self) -> None:
        """Take no more calls, once the last client that uses it has closed it."""
        self._users -= 1
        if self._users <= 0:
            self.is_closed = True
            self._lanes.close()

    # -- writes --------------------------------------------------------------------------------------------------------

    async def submit(self, body: Mapping[str, object], *, urgent: bool = False) -> Any:
        """Create an order and return it; `urgent` for what closes a position."""
        return await self._write("POST", "/orders", dict(body), lane=ORDERS, urgent=urgent)

    async def replace(self, order_id: str, body: Mapping[str, object]) -> Any:
        """Replace an order and return the new one."""
        return await self._write("PATCH", f"/orders/{order_id}", dict(body), lane=ORDERS, urgent=False)

    async def cancel(self, order_id: str) -> None:
        """Ask for an order's cancellation."""
        await self._write("DELETE", f"/orders/{order_id}", None, lane=CANCELS, urgent=True)

    # -- reads ---------------------------------------------------------------------------------------------------------

    async def account(self) -> Any:
        """Return the account."""
        return await self._read("/account")

    async def positions(self) -> list[Any]:
        """Return all positions."""
        return _list(await self._read("/positions"))

    async def position(self, symbol: str) -> Any:
        """Return the position in a symbol (crypto without slash)."""
        return await self._read(f"/positions/{symbol}")

    async def order(self, order_id: str) -> Any:
        """Return an order with its legs by the venue's id."""
        return await self._read(f"/orders/{order_id}", {"nested": True})

    async def order_by_client_id(self, client_order_id: str) -> Any:
        """Return an order with its legs by the client's id."""
        return await self._read("/orders:by_client_order_id", {"client_order_id": client_order_id, "nested": True})

    async def orders(self, *, status: str, after: str = "") -> list[Any]:
        """Return all orders of a status ("open", "closed", "all") submitted after a time, oldest first."""
        found: list[Any] = []
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            params = {"status": status, "limit": PAGE_ORDERS, "direction": "asc", "nested": True}
            page = _list(await self._read("/orders", {**params, "after": after} if after else params))
            new = [row for row in page if isinstance(row, dict) and str(row.get("id")) not in seen]
            found.extend(new)
            seen.update(str(row.get("id")) for row in new)
            if len(page) < PAGE_ORDERS or not new:
                return found
            after = _just_before(new[-1].get("submitted_at"))
        raise AmbiguousError("the list of orders has no end")

    async def fills(self, *, after: str = "") -> list[Any]:
        """Return the executions after a time, oldest first."""
        found: list[Any] = []
        token = ""
        for _ in range(_MAX_PAGES):
            params = {"direction": "asc", "page_size": PAGE_FILLS, "after": after, "page_token": token}
            page = _list(await self._read("/account/activities/FILL", {k: v for k, v in params.items() if v}))
            found.extend(page)
            last = page[-1].get("id") if page and isinstance(page[-1], dict) else None
            if len(page) < PAGE_FILLS or not isinstance(last, str) or last == token:
                return found
            token = last
        raise AmbiguousError("the list of fills has no end")

    async def assets(self, asset_class: str) -> list[Any]:
        """Return all active assets of a class."""
        return _list(await self._read("/assets", {"status": "active", "asset_class": asset_class}, lane=HISTORY))

    async def asset(self, symbol: str) -> Any:
        """Return one asset."""
        return await self._read(f"/assets/{symbol}")

    async def clock(self) -> Any:
        """Return whether the market is open, and when that changes."""
        return await self._read("/clock")

    async def calendar(self, start: str, end: str) -> list[Any]:
        """Return the trading days from a date to another."""
        return _list(await self._read("/calendar", {"start": start, "end": end}))

    async def stock_page(self, what: str, params: Mapping[str, object]) -> Any:
        """Return a page of "bars", "trades" or "quotes" of shares."""
        return await self._read(f"/stocks/{what}", params, client=self._stocks, lane=HISTORY)

    async def crypto_page(self, what: str, params: Mapping[str, object]) -> Any:
        """Return a page of "bars", "trades" or "quotes" of crypto pairs."""
        return await self._read(f"/crypto/us/{what}", params, client=self._crypto, lane=HISTORY)

    async def news_page(self, params: Mapping[str, object]) -> Any:
        """Return a page of news."""
        return await self._read("/news", params, client=self._news, lane=HISTORY)

    # -- how -----------------------------------------------------------------------------------------------------------

    async def _read(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        client: RESTClient | None = None,
        lane: str = READS,
    ) -> Any:
        budget = self._budget if client is None else self._data_budget
        chosen = client or self._trading
        query = dict(params or {})
        if lane != READS:
            return await self._tried(chosen, path, query, lane=lane, budget=budget)
        # Lookups come in crowds when many answers are lost: they wait here in turn, for the lane would refuse them.
        try:
            await asyncio.wait_for(self._reading.acquire(), self._deadline_secs)
        except TimeoutError:
            self._counters.add("nqs_calls_refused", reason="reads_queued")
            raise NotSentError(f"too many reads for {self._deadline_secs:g} s") from None
        try:
            return await self._tried(chosen, path, query, lane=lane, budget=budget)
        finally:
            self._reading.release()

    async def _tried(
        self, chosen: RESTClient, path: str, query: dict[str, object], *, lane: str, budget: RateBudget
    ) -> Any:
        for attempt in range(1, _READ_TRIES + 1):
            try:
                return await self._limited(lambda: chosen.get(path, query), lane=lane, budget=budget, urgent=False)
            except AmbiguousError:
                if attempt == _READ_TRIES:
                    raise
                await asyncio.sleep(self._rng.uniform(0.1, 0.5))
        raise AssertionError  # the loop returns or raises

    async def _write(self, method: str, path: str, body: dict[str, object] | None, *, lane: str, urgent: bool) -> Any:
        def send() -> Any:
            self._ask_veto(method, path)
            if method == "DELETE":
                return self._trading.delete(path)
            return (self._trading.post if method == "POST" else self._trading.patch)(path, body)

        answer = await self._limited(send, lane=lane, budget=self._budget, urgent=urgent)
        if answer is None and method != "DELETE":
            raise AmbiguousError(f"{method} {path} was answered without a body")
        return answer

    def _ask_veto(self, method: str, path: str) -> None:
        if self._veto is None:
            return
        try:
            reason = self._veto(method, path)
        except Exception as error:  # noqa: BLE001  a veto that fails is a veto
            raise NotSentError(f"veto failed: {type(error).__name__}") from None
        if reason:
            self._counters.add("nqs_writes_vetoed")
            raise NotSentError(f"vetoed: {reason}")

    async def _limited(self, act: Callable[[], Any], *, lane: str, budget: RateBudget, urgent: bool) -> Any:
        """Run a call; 429 says that the venue did not look at it, so that every call may be sent again after it."""
        for attempt in range(1, _LIMITED_TRIES + 1):
            await self._await_budget(budget, urgent=urgent)
            try:
                return await self._lanes.call(lane, lambda: self._mapped(act), deadline_secs=self._deadline_secs)
            except RateLimitedError as limited:
                self._counters.add("nqs_calls_rate_limited", reason=lane)
                self._hold_until = monotonic() + limited.retry_after_secs
                if attempt == _LIMITED_TRIES:
                    raise
                await asyncio.sleep(limited.retry_after_secs * self._rng.uniform(1.0, 1.3))
            except VenueError:
                raise
            except Exception as error:  # noqa: BLE001  callers conclude from these errors alone
                self._counters.add("nqs_calls_failed", reason=type(error).__name__)
                raise AmbiguousError(type(error).__name__) from None
        raise AssertionError  # the loop returns or raises

    async def _await_budget(self, budget: RateBudget, *, urgent: bool) -> None:
        waited = 0.0
        # After a 429 the venue counts more than we know of: only what is urgent goes on at once.
        if not urgent and (held := self._hold_until - monotonic()) > 0:
            await asyncio.sleep(held)
        while (delay := budget.take(urgent=urgent)) > 0:
            waited += delay
            if waited > _MAX_BUDGET_WAIT_SECS:
                self._counters.add("nqs_calls_refused", reason="budget")
                raise NotSentError("the budget of requests is used up")
            await asyncio.sleep(delay)

    def _mapped(self, act: Callable[[], Any]) -> Any:
        """Run a call in its thread and raise what became of it; nothing of the SDK's errors gets out."""
        failure: VenueError
        try:
            return act()
        except VenueError:
            raise
        except APIError as error:
            failure = self._answered(error)
        except transport.ConnectTimeout:
            failure = NotSentError("no connection within the time allowed")
        except transport.JSONDecodeError:
            failure = AmbiguousError("an answer that is no JSON")
        except (
            transport.InvalidHeader,
            transport.InvalidURL,
            transport.MissingSchema,
            transport.InvalidSchema,
        ) as error:
            failure = NotSentError(type(error).__name__)
        except transport.ConnectionError as error:
            failure = _disconnected(error)
        except Exception as error:  # noqa: BLE001  whatever it is, nobody knows what became of the call
            failure = AmbiguousError(type(error).__name__)
        # Raised outside of the handler: what it would chain to holds the request, and with it the key.
        raise failure

    def _answered(self, error: APIError) -> VenueError:
        status = error.status_code or 0
        text = self._credentials.hide(str(error))
        body = parse_error(status, text)
        if status == 429:
            return RateLimitedError(_retry_after(error))
        if status >= 500 or status in (0, 408):
            return AmbiguousError(f"HTTP {status} {body.message}"[:200])
        facts: dict[str, object] = dict(body.facts)
        if status == 401 or (status == 403 and body.message == "forbidden."):
            # This 403 is the gateway's answer to a key that it does not know; others speak of one order.
            return UnauthorizedError(status, body.code, body.message, facts)
        if status == 404:
            return NotFoundError(status, body.code, body.message, facts)
        return RefusedError(status, body.code, body.message, facts)


def _disconnected(error: transport.ConnectionError) -> VenueError:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NewConnectionError):
        return NotSentError("no connection")
    return AmbiguousError(f"connection broken: {type(error).__name__}")


def _retry_after(error: APIError) -> float:
    headers = getattr(error.response, "headers", {})
    for name, is_moment in (("Retry-After", False), ("X-RateLimit-Reset", True)):
        try:
            secs = float(headers[name])
        except (KeyError, ValueError, TypeError):
            continue
        if is_moment:
            secs -= time()
        return min(30.0, max(0.25, secs))
    return 1.0


def _just_before(submitted_at: object) -> str:
    # Several orders may share the time that a page ends at, and `after` leaves it out: the next page overlaps.
    try:
        moment_ns = parse_time_ns(submitted_at)
    except ParseError:
        raise AmbiguousError("an order without its time") from None
    moment = datetime.fromtimestamp(moment_ns // 1_000_000 / 1_000, UTC) - timedelta(milliseconds=1)
    return moment.isoformat().replace("+00:00", "Z")


def _list(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise AmbiguousError("an answer that is no list")
    return answer
