"""REST: the SDK signs, and this says what an answer means.

The SDK's client has no total deadline, logs answers, parses each of them twice and raises one exception for everything.
Of it only the signing and the session are used; reading the answer, within its deadline, is done here.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import requests
from coinbase.rest import RESTClient
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from adapters.coinbase.config import CoinbaseEndpoints
from adapters.coinbase.constants import API, CANCELS_PER_REQUEST, ORDERS_PER_PAGE
from adapters.coinbase.credentials import Credentials
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
from adapters.transport.lanes import CANCELS, HISTORY, LANES, ORDERS, READS, Lanes

Veto = Callable[[str, Mapping[str, Any]], str]
"""Called with path and body in the sending thread just before a write; any text it returns keeps it from leaving."""

_MAX_BYTES: Final = 32 * 1024 * 1024
_MAX_PAGES: Final = 200
_GET_ATTEMPTS: Final = 3

for _name in ("coinbase", "coinbase.RESTClient", "coinbase.WSClient"):
    # Importing the SDK hangs stream handlers on its loggers that print what also propagates.
    logging.getLogger(_name).handlers.clear()
logging.getLogger("coinbase.RESTClient").setLevel(logging.CRITICAL)


class _PlainOnLoopback(HTTPAdapter):
    """Sends what the SDK addresses to https as http; mounted for the loopback interface only."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


class _Signer(RESTClient):
    """The SDK's client with its own way to send taken out."""

    exchange: Callable[..., Any]

    def send_request(
        self,
        http_method: str,
        url_path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        data: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.exchange(http_method, url_path, params, headers, data)


class CoinbaseHttp:
    """The venue's REST interface.

    Parameters
    ----------
    credentials
        None for public calls only.
    endpoints
        Where the venue is.
    counters
        Where refusals and timeouts are counted.
    budget
        Requests of the account, shared by all clients of the same key.
    deadline_secs
        Total time a call may take, unless it is told otherwise.
    veto
        Asked before every write.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        endpoints: CoinbaseEndpoints,
        counters: Counters,
        budget: RateBudget,
        deadline_secs: float = 8.0,
        veto: Veto | None = None,
    ) -> None:
        self._credentials = credentials
        self._endpoints = endpoints
        self._counters = counters
        self._budget = budget
        self._deadline_secs = deadline_secs
        self.veto = veto
        self.lanes = Lanes("coinbase", counters)
        # A burst of orders waits here; the lanes refuse what would queue behind their threads for long.
        self._turns = {lane: asyncio.Semaphore(threads) for lane, threads in LANES.items()}
        # The arguments are always given: the SDK's defaults are what the environment held when it was imported.
        self._signer = _Signer(
            api_key=credentials.key if credentials else None,
            api_secret=credentials.secret if credentials else None,
            base_url=endpoints.rest_host,
            timeout=deadline_secs,
        )
        self._signer.exchange = self._exchange
        self._renew_session()

    def __repr__(self) -> str:
        """Name the host, and never the key."""
        return f"CoinbaseHttp({self._endpoints.rest_host})"

    @property
    def is_private(self) -> bool:
        """Whether there is a key."""
        return self._credentials is not None

    def close(self) -> None:
        """Take no more calls."""
        self.lanes.close()
        self._signer.session.close()

    # -- endpoints ----------------------------------------------------------------------------------------------------

    async def products(self, *, deadline_secs: float) -> dict[str, Any]:
        """Return all spot products."""
        path = f"{API}/products" if self.is_private else f"{API}/market/products"
        return await self.get(path, {"product_type": "SPOT"}, lane=HISTORY, deadline_secs=deadline_secs)

    async def accounts(self) -> list[Mapping[str, Any]]:
        """Return the balances of every currency."""
        return await self._paged(f"{API}/accounts", "accounts", {"limit": "250"}, lane=READS)

    async def fee_rates(self) -> dict[str, Any]:
        """Return the account's summary of transactions, with its fee tier."""
        return await self.get(f"{API}/transaction_summary", {"product_type": "SPOT"})

    async def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a new order."""
        return await self.post(f"{API}/orders", body, lane=ORDERS)

    async def preview(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask what an order would be refused for."""
        return await self.post(f"{API}/orders/preview", body, lane=READS, is_write=False)

    async def edit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change size and price of an order."""
        return await self.post(f"{API}/orders/edit", body, lane=ORDERS)

    async def cancel(self, order_ids: Sequence[str]) -> dict[str, Any]:
        """Cancel at most a hundred orders."""
        if not 0 < len(order_ids) <= CANCELS_PER_REQUEST or not all(order_ids):
            raise NotSentError(f"a cancel takes 1 to {CANCELS_PER_REQUEST} order ids, had {len(order_ids)}")
        return await self.post(
            f"{API}/orders/batch_cancel", {"order_ids": list(order_ids)}, lane=CANCELS, is_urgent=True
        )

    async def order(self, order_id: str) -> dict[str, Any]:
        """Return an order by its venue id."""
        return await self.get(f"{API}/orders/historical/{order_id}")

    async def orders(self, **filters: Any) -> list[Mapping[str, Any]]:
        """Return every order that passes the filters."""
        return await self._paged(
            f"{API}/orders/historical/batch", "orders", {"limit": str(ORDERS_PER_PAGE), **filters}, lane=READS
        )

    async def fills(self, **filters: Any) -> list[Mapping[str, Any]]:
        """Return every fill that passes the filters, newest first."""
        return await self._paged(
            f"{API}/orders/historical/fills", "fills", {"limit": "250", **filters}, lane=READS, id_key="entry_id"
        )

    async def best_quotes(self, product_ids: Sequence[str]) -> dict[str, Any]:
        """Return best bid and ask of products."""
        return await self.get(f"{API}/best_bid_ask", {"product_ids": list(product_ids)})

    async def candles(self, product_id: str, **window: str) -> dict[str, Any]:
        """Return at most 350 bars, newest first."""
        return await self.get(self._market(product_id, "candles"), window, lane=HISTORY)

    async def trades(self, product_id: str, **window: str) -> dict[str, Any]:
        """Return trades of the market, newest first, and best bid and ask."""
        return await self.get(self._market(product_id, "ticker"), window, lane=HISTORY)

    async def book(self, product_id: str, limit: int) -> dict[str, Any]:
        """Return the book of a product."""
        path = f"{API}/product_book" if self.is_private else f"{API}/market/product_book"
        return await self.get(path, {"product_id": product_id, "limit": str(limit)}, lane=HISTORY)

    async def time(self) -> dict[str, Any]:
        """Return the venue's clock."""
        return await self.get(f"{API}/time")

    def _market(self, product_id: str, what: str) -> str:
        return f"{API}/{'' if self.is_private else 'market/'}products/{product_id}/{what}"

    # -- calls --------------------------------------------------------------------------------------------------------

    async def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        lane: str = READS,
        deadline_secs: float | None = None,
    ) -> dict[str, Any]:
        """Read; asked again when the answer is lost, since reading changes nothing.

        Raises
        ------
        VenueError
            As the transport's errors say.
        """
        ends = monotonic() + (deadline_secs or self._deadline_secs)
        for attempt in range(1, _GET_ATTEMPTS + 1):
            try:
                return await self._call(
                    "GET", path, params=params, lane=lane, deadline_secs=max(0.05, ends - monotonic())
                )
            except (AmbiguousError, RateLimitedError) as error:
                pause = error.retry_after_secs if isinstance(error, RateLimitedError) else 0.2 * attempt
                if attempt == _GET_ATTEMPTS or monotonic() + pause >= ends:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        lane: str,
        is_urgent: bool = False,
        is_write: bool = True,
    ) -> dict[str, Any]:
        """Write, once.

        Raises
        ------
        VenueError
            As the transport's errors say.
        """
        return await self._call(
            "POST",
            path,
            body=body,
            lane=lane,
            deadline_secs=self._deadline_secs,
            is_urgent=is_urgent,
            is_write=is_write,
        )

    async def _paged(
        self, path: str, key: str, params: Mapping[str, Any], *, lane: str, id_key: str = ""
    ) -> list[Mapping[str, Any]]:
        """Read every page; a cursor that leads to nothing new ends it, since `has_next` is missing from some lists."""
        found: list[Mapping[str, Any]] = []
        seen: set[str] = set()
        cursors: set[str] = set()
        query = dict(params)
        for _ in range(_MAX_PAGES):
            answer = await self.get(path, query, lane=lane)
            page = answer.get(key)
            if not isinstance(page, list):
                raise AmbiguousError(f"{path} answered without {key}")
            fresh = [row for row in page if isinstance(row, dict) and not (id_key and str(row.get(id_key)) in seen)]
            seen.update(str(row.get(id_key)) for row in fresh)
            found.extend(fresh)
            cursor = answer.get("cursor")
            if not fresh or not cursor or answer.get("has_next") is False or cursor in cursors:
                return found
            cursors.add(str(cursor))
            query["cursor"] = cursor
        raise AmbiguousError(f"{path} has more than {_MAX_PAGES} pages")

    async def _call(
        self,
        method: str,
        path: str,
        *,
        lane: str,
        deadline_secs: float,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        is_urgent: bool = False,
        is_write: bool = False,
    ) -> dict[str, Any]:
        turn = self._turns[lane]
        # Waiting and calling have a deadline each: a request sent with little time left would end in doubt.
        try:
            await asyncio.wait_for(self._take_turn(turn, urgent=is_urgent), deadline_secs)
        except TimeoutError:
            self._counters.add("nqs_calls_refused", reason="budget")
            raise NotSentError(f"no turn for {deadline_secs:g} s: too many requests") from None

        def act() -> dict[str, Any]:
            if is_write and self.veto is not None and (reason := self.veto(path, body or {})):
                raise NotSentError(f"vetoed: {reason}")
            if method == "GET":
                answer = self._signer.get(path, dict(params or {}), public=not self.is_private)
            else:
                answer = self._signer.post(path, data=dict(body or {}))
            return answer

        try:
            return await self.lanes.call(lane, act, deadline_secs=deadline_secs)
        except RateLimitedError:
            self._budget.drain()
            self._counters.add("nqs_calls_rate_limited")
            raise
        except AmbiguousError as error:
            self._counters.add("nqs_calls_ambiguous", reason=lane)
            if self.lanes.stuck[lane]:
                self._renew_session()
            raise AmbiguousError(self._without_key(str(error))) from None
        finally:
            turn.release()

    async def _take_turn(self, turn: asyncio.Semaphore, *, urgent: bool) -> None:
        """Wait for a free thread of the lane, then for a request of the budget."""
        await turn.acquire()
        try:
            while wait := self._budget.take(urgent=urgent):
                await asyncio.sleep(wait)
        except BaseException:
            turn.release()
            raise

    # -- in the sending thread ----------------------------------------------------------------------------------------

    def _renew_session(self) -> None:
        """Start with fresh connections: a thread that hangs keeps the old ones to itself."""
        session = requests.Session()
        # The environment could name other certificates, proxies, or a netrc that replaces the signature.
        session.trust_env = False
        if self._endpoints.ca_bundle:
            session.verify = self._endpoints.ca_bundle
        if self._endpoints.proxy_url:
            session.proxies = {"https": self._endpoints.proxy_url}
        kind = _PlainOnLoopback if self._endpoints.plain_http else HTTPAdapter
        session.mount("https://", kind(pool_maxsize=8, max_retries=0))
        self._signer.session = session

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        data: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        try:
            with self._signer.session.request(
                method,
                f"https://{self._endpoints.rest_host}{path}",
                params=params,
                data=json.dumps(data).encode() if method != "GET" else None,
                headers=dict(headers),
                timeout=(min(3.0, self._deadline_secs), self._deadline_secs),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._read(response)
                return self._judge(response.status_code, response.headers, content)
        except requests.RequestException as error:
            if _never_left(error):
                raise NotSentError(f"no connection: {type(error).__name__}") from None
            # Its text may hold the request, so that only its kind is told.
            raise AmbiguousError(f"connection failed: {type(error).__name__}") from None

    def _read(self, response: requests.Response) -> bytes:
        """Read the body within the deadline; a timeout of the session counts each read anew."""
        ends = monotonic() + self._deadline_secs
        content = bytearray()
        for piece in response.iter_content(65536):
            content += piece
            if monotonic() > ends or len(content) > _MAX_BYTES:
                raise AmbiguousError("the answer took too long or was too long")
        return bytes(content)

    def _judge(self, status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        body = _decoded(content)
        if status == HTTPStatus.OK:
            if body is None:
                raise AmbiguousError("HTTP 200 with a body that is no JSON object")
            return body
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimitedError(_retry_after(headers))
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.REQUEST_TIMEOUT:
            raise self._refusal(status, body or {}, content)
        raise AmbiguousError(f"HTTP {status}")

    def _refusal(self, status: int, body: dict[str, Any], content: bytes) -> VenueError:
        code = str(body.get("error") or "")[:100]
        text = body.get("message") or body.get("error_details") or content[:200].decode("utf-8", "replace")
        message = self._without_key(" ".join(str(text).split())[:200])
        if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and "required scopes" in str(body)):
            return UnauthorizedError(status, code, message)
        if status == HTTPStatus.NOT_FOUND:
            return NotFoundError(status, code, message)
        return RefusedError(status, code, message)

    def _without_key(self, text: str) -> str:
        return self._credentials.scrub(text) if self._credentials else text


def _decoded(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return min(30.0, max(0.2, float(headers.get("retry-after", "1"))))
    except ValueError:
        return 1.0


def _never_left(error: requests.RequestException) -> bool:
    """Whether no connection was made, so that nothing can have been sent."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError | NameResolutionError)
