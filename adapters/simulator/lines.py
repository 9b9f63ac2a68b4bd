"""The connections of clients: what is sent over a socket, what the fault plan makes of it, and how a line breaks.

A server writes frames with `Line.send`, which is synchronous: faults, order and the journal are decided there and
then. The protocol classes give it the transport below the socket, for what no well-behaved server would do.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from random import Random
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from adapters.simulator.faults import Fault, FaultKind, Occurrence, altered
from adapters.simulator.journal import EntryKind
from adapters.simulator.market import Market

type Encoder = Callable[[Any], str | bytes]
type Peer = tuple[str, int]

_BREAKS = (FaultKind.MUTE, FaultKind.HALF_OPEN, FaultKind.ABORT, FaultKind.CLOSE)
_held_back: ContextVar["_Waiting | None"] = ContextVar("held_back", default=None)
_transports: dict[Peer, asyncio.Transport] = {}
_deaf: set[Peer] = set()


class TrackedHttp(H11Protocol):
    """HTTP whose transports can be found by the client's address, also after the upgrade to a socket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport."""
        peer = transport.get_extra_info("peername")
        _transports[peer[:2]] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        _forget(self.transport)
        super().connection_lost(exc)


class DeafSocket(WebSocketsSansIOProtocol):
    """A websocket that can go deaf: it stays open, and neither pings nor a close are answered."""

    def data_received(self, data: bytes) -> None:
        """Read, unless deaf."""
        if self.transport.get_extra_info("peername")[:2] not in _deaf:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        _forget(self.transport)
        super().connection_lost(exc)


def _forget(transport: asyncio.Transport | None) -> None:
    peer = transport.get_extra_info("peername") if transport is not None else None
    if peer is not None:
        _transports.pop(peer[:2], None)
        _deaf.discard(peer[:2])


def reset(peer: Peer | None) -> None:
    """Break a connection with a TCP reset: nothing that was written before is sure to arrive."""
    transport = _transports.get(peer[:2]) if peer is not None else None
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Waiting:
    """Frames that wait for an answer. What runs later in a copy of the request's context finds it released."""

    def __init__(self) -> None:
        self.frames: list[Callable[[], None]] = []
        self.is_released = False

    def release(self) -> None:
        self.is_released = True
        while self.frames:
            self.frames.pop(0)()


@contextlib.contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Hold back the frames that are sent within, until the function that is given is called.

    A client would otherwise hear of its order by the socket before its own request is answered.
    """
    waiting = _Waiting()
    token = _held_back.set(waiting)
    try:
        yield waiting.release
    finally:
        waiting.release()
        _held_back.reset(token)


class Line:
    """One client's open socket.

    Parameters
    ----------
    websocket, market
        The connection, and what it belongs to.
    venue, stream
        Names, as faults and the journal use them: the stream `trade_updates` is `stream:trade_updates` to a fault.
    encode
        Frame to text or bytes; may be changed when a client asks for another form.

    Attributes
    ----------
    account
        Whoever authenticated on it, "" before.

    """

    def __init__(
        self, websocket: WebSocket, market: Market, *, venue: str, stream: str, encode: Encoder, limit: int = 100_000
    ) -> None:
        self.websocket = websocket
        self.venue = venue
        self.stream = stream
        self.encode = encode
        self.account = ""
        self.is_open = False
        self._market = market
        self._limit = limit
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._is_silent = False
        self._lost_events: set[str] = set()
        self._shuffled: list[Any] = []
        self._coalesced: dict[str, tuple[int, Any]] = {}
        self._writer: asyncio.Task[None] | None = None
        self._rng = Random(0)
        client = websocket.client
        self.peer: Peer | None = (client.host, client.port) if client is not None else None

    async def open(self) -> bool:
        """Accept the connection; False when a fault refused the handshake."""
        fault = self._market.faults.first(self._occurrence(), FaultKind.HANDSHAKE)
        if fault is not None:
            self._log(EntryKind.FAULT, fault=fault.kind.value, status=fault.status)
            text = "Too Many Requests" if fault.status == 429 else "handshake refused"
            await self.websocket.send_denial_response(Response(text, status_code=fault.status))
            return False
        await self.websocket.accept()
        self.is_open = True
        self._writer = asyncio.get_running_loop().create_task(self._write(), name=f"{self.stream}-writer")
        self._log(EntryKind.OPENED)
        return True

    async def receive(self) -> str | bytes | None:
        """Return the client's next frame, None at the end of the connection."""
        try:
            message = await self.websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            return None
        if message["type"] == "websocket.disconnect":
            self._log(EntryKind.CLOSED, code=message.get("code"), by="client")
            return None
        frame: str | bytes | None = message.get("text")
        return message.get("bytes", b"") if frame is None else frame

    def received(self, frame: Any) -> None:
        """Enter a decoded frame of the client in the journal."""
        self._log(EntryKind.RECEIVED, frame=frame)

    def send(
        self, frame: Any, *, event: str = "", order_ids: tuple[str, ...] = (), client_ids: tuple[str, ...] = ()
    ) -> None:
        """Send a frame, or whatever the fault plan makes of it.

        Parameters
        ----------
        frame
            Before encoding.
        event
            Its event or type, as faults name it.
        order_ids, client_ids
            Orders that it tells of.

        """
        waiting = _held_back.get()
        if waiting is not None and not waiting.is_released:
            waiting.frames.append(lambda: self._send_now(frame, event, order_ids, client_ids))
        else:
            self._send_now(frame, event, order_ids, client_ids)

    def break_by(self, fault: Fault) -> None:
        """Break the line as a fault of the kinds mute, half_open, abort or close says."""
        self._log(EntryKind.FAULT, fault=fault.kind.value, code=fault.code)
        if fault.kind is FaultKind.CLOSE:
            self.close(fault.code, fault.reason)
        elif fault.kind is FaultKind.ABORT:
            reset(self.peer)
        else:
            self._is_silent = True
            if fault.kind is FaultKind.HALF_OPEN and self.peer is not None:
                _deaf.add(self.peer)

    def lose(self, event: str) -> None:
        """Forget that the client subscribed to an event, without a word; "" is all of them."""
        self._lost_events.add(event)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, then a close frame."""
        self._queue.put_nowait((code, reason))

    async def end(self) -> None:
        """Release what the line holds; its connection is closed by whoever serves it."""
        self.is_open = False
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def _send_now(self, frame: Any, event: str, order_ids: tuple[str, ...], client_ids: tuple[str, ...]) -> None:
        if not self.is_open or event in self._lost_events or "" in self._lost_events:
            return
        occurrence = self._occurrence(event, order_ids, client_ids)
        plan = self._market.faults
        broken = plan.first(occurrence, *_BREAKS)
        if broken is not None:
            self.break_by(broken)
        if self._is_silent:
            return
        lost = plan.first(occurrence, FaultKind.LOSE_SUBSCRIPTION)
        if lost is not None:
            self._log(EntryKind.FAULT, fault=lost.kind.value, event=event)
            self.lose(lost.event)
            return
        frame = altered(frame, plan.take(occurrence, FaultKind.SET_FIELD, FaultKind.DROP_FIELD))
        for part in self._ordered(frame, occurrence):
            self._dispatch(part, occurrence)

    def _ordered(self, frame: Any, occurrence: Occurrence) -> list[Any]:
        """Return the frames that go out now: this one, none, or several that were kept back."""
        coalesce = self._market.faults.first(occurrence, FaultKind.COALESCE_FILLS)
        key = ",".join(occurrence.order_ids)
        if coalesce is not None:
            # Both venues tell totals with every fill: the last of several stands for all of them.
            count = self._coalesced.get(key, (0, None))[0] + 1
            if count < coalesce.count:
                self._coalesced[key] = (count, frame)
                return []
        self._coalesced.pop(key, None)
        reorder = self._market.faults.first(occurrence, FaultKind.REORDER_FRAMES)
        if reorder is None and not self._shuffled:
            return [frame]
        if reorder is not None:
            self._shuffled.append(frame)
            if len(self._shuffled) < reorder.count:
                return []
            frames, self._shuffled = self._shuffled, []
            return frames[::-1]
        frames, self._shuffled = [*self._shuffled[::-1], frame], []
        return frames

    def _dispatch(self, frame: Any, occurrence: Occurrence) -> None:
        plan = self._market.faults
        # All are asked before one acts: each counts its own occurrences, also those that another one strikes.
        omitted = plan.first(occurrence, FaultKind.OMIT_FRAME)
        twice = plan.first(occurrence, FaultKind.DUPLICATE_FRAME)
        delay = plan.first(occurrence, FaultKind.DELAY_FRAME)
        if omitted is not None:
            self._log(EntryKind.FAULT, fault="omit_frame", frame=frame)
            return
        if self._queue.qsize() >= self._limit:
            self._on_slow()
            return
        for _ in range(1 if twice is None else twice.count):
            if delay is None:
                self._queue.put_nowait(frame)
                continue
            self._log(EntryKind.FAULT, fault="delay_frame", secs=delay.secs)
            asyncio.get_running_loop().call_later(delay.secs, self._queue.put_nowait, frame)

    def _on_slow(self) -> None:
        self._log(EntryKind.FAULT, fault="slow_client")
        self.close(1008, "slow client")

    async def _write(self) -> None:
        while True:
            frame = await self._queue.get()
            try:
                if isinstance(frame, tuple):
                    self._log(EntryKind.CLOSED, code=frame[0], by="server")
                    await self.websocket.close(frame[0], frame[1])
                    return
                encoded = self.encode(frame)
                if isinstance(encoded, str):
                    await self.websocket.send_text(encoded)
                else:
                    await self.websocket.send_bytes(encoded)
            except (WebSocketDisconnect, RuntimeError, OSError):
                return
            self._log(EntryKind.SENT, frame=frame)

    def _occurrence(
        self, event: str = "", order_ids: tuple[str, ...] = (), client_ids: tuple[str, ...] = ()
    ) -> Occurrence:
        return Occurrence(
            venue=self.venue,
            where=f"stream:{self.stream}",
            event=event,
            order_ids=order_ids,
            client_ids=client_ids,
        )

    def _log(self, kind: EntryKind, **data: object) -> None:
        peer = "" if self.peer is None else f"{self.peer[0]}:{self.peer[1]}"
        wire_ns = self._market.clock.wire_now_ns()
        self._market.journal.add(kind, self.venue, self.stream, ts_ns=wire_ns, line=peer, **data)


class Lines:
    """The open lines of all venues, for whoever must reach them: broadcasts, and faults that strike at once."""

    def __init__(self) -> None:
        self._lines: list[Line] = []

    def add(self, line: Line) -> None:
        """Enter a line that was opened."""
        self._lines.append(line)

    def remove(self, line: Line) -> None:
        """Drop a line that has ended."""
        if line in self._lines:
            self._lines.remove(line)

    def of(self, *, venue: str = "*", stream: str = "*") -> list[Line]:
        """Return the open lines; venue and stream may hold shell patterns."""
        from fnmatch import fnmatchcase

        return [line for line in self._lines if fnmatchcase(line.venue, venue) and fnmatchcase(line.stream, stream)]

    def strike(self, fault: Fault) -> int:
        """Break the open lines that a fault names, or lose their subscriptions; return how many."""
        stream = fault.where.removeprefix("stream:")
        struck = self.of(venue=fault.venue, stream=stream)
        for line in struck:
            if fault.kind in _BREAKS:
                line.break_by(fault)
            elif fault.kind is FaultKind.LOSE_SUBSCRIPTION:
                line.lose(fault.event)
        return len(struck)
