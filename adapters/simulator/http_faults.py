"""Stands before a venue's HTTP: enters every request in the journal, and does to it what the fault plan says."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.simulator.faults import Fault, FaultKind, Occurrence, altered
from adapters.simulator.journal import EntryKind
from adapters.simulator.lines import held_back, reset
from adapters.simulator.market import Market

_HTML = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr>gateway</body></html>"
_SHAPES = (
    FaultKind.HTML_200,
    FaultKind.TRUNCATED_JSON,
    FaultKind.EMPTY_BODY,
    FaultKind.WRONG_LENGTH,
    FaultKind.DRIP,
)


class Ids(NamedTuple):
    """The orders that a request names."""

    order_ids: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()


class Request(NamedTuple):
    """What a venue's `identify` is shown of a request; the body is None when it is not JSON."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any


type Identify = Callable[[Request], Ids]
type ErrorBody = Callable[[int], Any]


class _Answer:
    """An answer that is collected before anything of it is sent."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def collect(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(k, v) for k, v in message.get("headers", []) if k.lower() != b"content-length"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def become(self, status: int, body: bytes, content_type: bytes) -> None:
        self.status, self.body = status, body
        self.headers = [(b"content-type", content_type)]


class FaultyHttp:
    """ASGI middleware of a venue's REST side; sockets pass.

    Parameters
    ----------
    app, market, venue
        What it stands before.
    identify
        Names the orders of a request.
    error_body
        The venue's own JSON body for a status.

    """

    def __init__(self, app: ASGIApp, *, market: Market, venue: str, identify: Identify, error_body: ErrorBody) -> None:
        self._app = app
        self._market = market
        self._venue = venue
        self._identify = identify
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or what is left of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw = await _body_of(receive)
        request = Request(scope["method"], scope["path"], parse_qs(scope["query_string"].decode()), _json_or_none(raw))
        where = f"{request.method} {request.path}"
        ids = self._identify(request)
        occurrence = Occurrence(venue=self._venue, where=where, order_ids=ids.order_ids, client_ids=ids.client_ids)
        request_id = self._log(EntryKind.REQUEST, where, query=request.query, body=request.body, **ids._asdict())
        if await self._struck_before(occurrence, scope, receive, send, request_id):
            return
        answer = _Answer()
        with held_back() as release:
            await self._app(scope, _replayed(raw), answer.collect)
            await self._answer(occurrence, answer, request_id, release, scope, receive, send)
            release()

    async def _struck_before(
        self, occurrence: Occurrence, scope: Scope, receive: Receive, send: Send, request_id: int
    ) -> bool:
        faults = self._market.faults
        for fault in faults.take(occurrence, FaultKind.DELAY_REQUEST):
            self._struck(fault, occurrence, request_id)
            await asyncio.sleep(fault.secs)
        dropped = faults.first(occurrence, FaultKind.DROP_REQUEST)
        if dropped is not None:
            self._struck(dropped, occurrence, request_id)
            await _hang_up(dropped.secs, scope, receive)
            return True
        refused = faults.first(occurrence, FaultKind.STATUS)
        if refused is None:
            return False
        self._struck(refused, occurrence, request_id)
        answer = _Answer()
        self._become_status(answer, refused)
        self._log_answer(occurrence.where, answer, request_id)
        await _send_whole(answer, send)
        return True

    async def _answer(
        self,
        occurrence: Occurrence,
        answer: _Answer,
        request_id: int,
        release: Callable[[], None],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        faults = self._market.faults
        fields = faults.take(occurrence, FaultKind.SET_FIELD, FaultKind.DROP_FIELD)
        if fields and answer.body:
            answer.body = json.dumps(altered(json.loads(answer.body), fields)).encode()
        self._log_answer(occurrence.where, answer, request_id)
        for fault in faults.take(occurrence, FaultKind.DELAY_ANSWER):
            self._struck(fault, occurrence, request_id)
            # The socket does not wait for the answer: this is how an event comes before it.
            release()
            await asyncio.sleep(fault.secs)
        dropped = faults.first(occurrence, FaultKind.DROP_ANSWER)
        if dropped is not None:
            self._struck(dropped, occurrence, request_id)
            release()
            await _hang_up(dropped.secs, scope, receive)
            return
        status = faults.first(occurrence, FaultKind.STATUS_AFTER)
        if status is not None:
            self._struck(status, occurrence, request_id)
            self._become_status(answer, status)
        shape = faults.first(occurrence, *_SHAPES)
        if shape is None:
            await _send_whole(answer, send)
            return
        self._struck(shape, occurrence, request_id)
        await _send_misshapen(answer, shape, scope, send)

    def _become_status(self, answer: _Answer, fault: Fault) -> None:
        if fault.html:
            answer.become(fault.status, _HTML % (fault.status, fault.status), b"text/html")
            return
        body = json.dumps(self._error_body(fault.status)).encode()
        answer.become(fault.status, body, b"application/json; charset=UTF-8")

    def _struck(self, fault: Fault, occurrence: Occurrence, request_id: int) -> None:
        self._log(EntryKind.FAULT, occurrence.where, fault=fault.kind.value, request_id=request_id)

    def _log_answer(self, where: str, answer: _Answer, request_id: int) -> None:
        body = _json_or_none(answer.body)
        self._log(EntryKind.ANSWER, where, status=answer.status, body=body, request_id=request_id)

    def _log(self, kind: EntryKind, where: str, **data: object) -> int:
        return self._market.journal.add(kind, self._venue, where, ts_ns=self._market.clock.wire_now_ns(), **data)


async def _body_of(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _json_or_none(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None


async def _hang_up(secs: float, scope: Scope, receive: Receive) -> None:
    """Keep the client waiting, then reset its connection; a client that leaves first is not waited for."""
    if secs > 0:
        gone = asyncio.ensure_future(receive())
        await asyncio.wait([gone], timeout=secs)
        gone.cancel()
    reset(scope.get("client"))


async def _send_whole(answer: _Answer, send: Send) -> None:
    headers = list(answer.headers)
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_misshapen(answer: _Answer, fault: Fault, scope: Scope, send: Send) -> None:
    if fault.kind is FaultKind.HTML_200:
        answer.become(200, _HTML % (200, 200), b"text/html")
    elif fault.kind is FaultKind.TRUNCATED_JSON:
        answer.body = answer.body[: len(answer.body) // 2]
    elif fault.kind is FaultKind.EMPTY_BODY:
        answer.body = b""
    if fault.kind not in (FaultKind.WRONG_LENGTH, FaultKind.DRIP):
        await _send_whole(answer, send)
        return
    surplus = 64 if fault.kind is FaultKind.WRONG_LENGTH else 0
    headers = [*answer.headers, (b"content-length", str(len(answer.body) + surplus).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if surplus:
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        reset(scope.get("client"))
        return
    for i in range(len(answer.body)):
        await send({"type": "http.response.body", "body": answer.body[i : i + 1], "more_body": True})
        await asyncio.sleep(fault.secs)
    await send({"type": "http.response.body", "body": b""})
