"""The venue's streams: orders (JSON) and market data (MessagePack), over sockets that come back by themselves."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import msgpack
from msgspec import DecodeError
from msgspec.json import decode as decode_json
from websockets.asyncio.client import ClientConnection

from adapters.alpaca.config import Credentials
from adapters.alpaca.constants import FINAL_STREAM_ERRORS, STREAM_ERRORS
from adapters.transport.backoff import Backoff
from adapters.transport.counters import Counters
from adapters.transport.liveness import Liveness
from adapters.transport.socket import Frame, SocketRefusedError, VenueSocket

_HANDSHAKE_FRAMES: Final = 5
_MSGPACK: Final = {"Content-Type": "application/msgpack"}
_SUBSCRIBE_AT_ONCE: Final = 500


class TradeStream:
    """The stream of the account's order events.

    Parameters
    ----------
    url, credentials
        Where to connect, with what.
    on_update
        Takes the ``data`` of each trade update, on the loop.
    on_up, on_down
        See :class:`~adapters.transport.socket.VenueSocket`.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        on_update: Callable[[object], None],
        on_up: Callable[[int], Coroutine[Any, Any, None]],
        on_down: Callable[[str], None],
        counters: Counters,
        mute_secs: float = 15.0,
        ping_every_secs: float = 5.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._credentials = credentials
        self._on_update = on_update
        self._counters = counters
        self.socket = VenueSocket(
            "alpaca-trades",
            url,
            shake_hands=self._shake_hands,
            on_frame=self._on_frame,
            on_up=on_up,
            on_down=on_down,
            liveness=Liveness(mute_secs),
            backoff=backoff or Backoff(),
            counters=counters,
            ping_every_secs=ping_every_secs,
        )

    async def _shake_hands(self, connection: ClientConnection) -> None:
        data = {"key_id": self._credentials.key, "secret_key": self._credentials.secret}
        await connection.send(json.dumps({"action": "authenticate", "data": data}))
        status = (await self._await(connection, "authorization")).get("status")
        if status != "authorized":
            raise SocketRefusedError("the trade stream does not accept the key")
        await connection.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        streams = (await self._await(connection, "listening")).get("streams")
        if not isinstance(streams, list) or "trade_updates" not in streams:
            raise ConnectionError("the trade stream was not granted")

    async def _await(self, connection: ClientConnection, stream: str) -> Mapping[str, Any]:
        for _ in range(_HANDSHAKE_FRAMES):
            message = decode_json(await connection.recv())
            if isinstance(message, dict) and message.get("stream") == stream and isinstance(message.get("data"), dict):
                return message["data"]
            # An event may come before the acknowledgement of the subscription that asked for it.
            self._dispatch(message)
        raise ConnectionError(f"no answer of {stream}")

    def _on_frame(self, frame: Frame) -> None:
        # Paper sends JSON in binary frames, live in text ones.
        try:
            self._dispatch(decode_json(frame))
        except DecodeError:
            self._counters.add("nqs_payloads_refused", reason="stream_not_json")

    def _dispatch(self, message: object) -> None:
        if isinstance(message, dict) and message.get("stream") == "trade_updates":
            self._on_update(message.get("data"))
        else:
            self._counters.add("nqs_payloads_refused", reason="stream_not_an_update")


class DataStream:
    """A stream of market data or news.

    What is subscribed is kept here, sent again on every connection, and compared with what the venue says it serves.

    Parameters
    ----------
    name, url, credentials
        In logs and counters; where to connect, with what.
    on_message
        Takes each message but those of the protocol, on the loop.
    on_refused
        Called with the reason when the venue will not serve: it is not asked again.
    max_symbols
        Symbols that the plan allows; 0 for no limit.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credentials: Credentials,
        *,
        on_message: Callable[[Mapping[str, Any]], None],
        on_up: Callable[[int], Coroutine[Any, Any, None]],
        on_down: Callable[[str], None],
        on_refused: Callable[[str], None],
        counters: Counters,
        max_symbols: int = 0,
        mute_secs: float = 15.0,
        ping_every_secs: float = 5.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._credentials = credentials
        self._on_message = on_message
        self._on_refused = on_refused
        self._counters = counters
        self._max_symbols = max_symbols
        self._wanted: dict[str, set[str]] = {}
        self._change = asyncio.Lock()
        self._was_missing: dict[str, frozenset[str]] = {}
        self.served: dict[str, frozenset[str]] = {}
        """What the venue said that it serves, by channel."""
        self.liveness = Liveness(mute_secs)
        self.socket = VenueSocket(
            name,
            url,
            shake_hands=self._shake_hands,
            on_frame=self._on_frame,
            on_up=on_up,
            on_down=on_down,
            liveness=self.liveness,
            backoff=backoff or Backoff(),
            counters=counters,
            headers=_MSGPACK,
            ping_every_secs=ping_every_secs,
        )

    @property
    def wanted(self) -> dict[str, frozenset[str]]:
        """What is subscribed, by channel."""
        return {channel: frozenset(symbols) for channel, symbols in self._wanted.items() if symbols}

    async def subscribe(self, channel: str, symbol: str) -> bool:
        """Subscribe a symbol of a channel ("quotes", "trades", "bars", "dailyBars", "news"); False above the limit."""
        symbols = {name for names in self._wanted.values() for name in names} | {symbol}
        if self._max_symbols and len(symbols) > self._max_symbols:
            self._counters.add("nqs_subscriptions_refused", reason="symbol_limit")
            return False
        if symbol in self._wanted.setdefault(channel, set()):
            return True
        self._wanted[channel].add(symbol)
        async with self._change:
            await self.socket.send(_packed({"action": "subscribe", channel: [symbol]}))
        self.socket.start()
        return True

    async def unsubscribe(self, channel: str, symbol: str) -> None:
        """Take a symbol off a channel."""
        if symbol in self._wanted.get(channel, ()):
            self._wanted[channel].discard(symbol)
            async with self._change:
                await self.socket.send(_packed({"action": "unsubscribe", channel: [symbol]}))

    async def _shake_hands(self, connection: ClientConnection) -> None:
        await self._await(connection, "connected")
        keys = {"action": "auth", "key": self._credentials.key, "secret": self._credentials.secret}
        await connection.send(_packed(keys))
        await self._await(connection, "authenticated")
        for channel, symbols in self.wanted.items():
            names = sorted(symbols)
            for start in range(0, len(names), _SUBSCRIBE_AT_ONCE):
                part = names[start : start + _SUBSCRIBE_AT_ONCE]
                await connection.send(_packed({"action": "subscribe", channel: part}))

    async def _await(self, connection: ClientConnection, text: str) -> None:
        for _ in range(_HANDSHAKE_FRAMES):
            for message in _unpacked(await connection.recv()):
                if message.get("T") == "success" and message.get("msg") == text:
                    return
                if message.get("T") == "error":
                    self._refuse(message)
        raise ConnectionError(f"no answer of {text}")

    def _refuse(self, message: Mapping[str, Any]) -> None:
        code = message.get("code")
        reason = STREAM_ERRORS.get(code, "unknown") if isinstance(code, int) else "unknown"
        self._counters.add("nqs_stream_errors", reason=reason)
        if code in FINAL_STREAM_ERRORS:
            self._on_refused(reason)
            raise SocketRefusedError(f"the stream refuses: {reason}")
        raise ConnectionError(f"the stream refuses for now: {reason}")

    def _on_frame(self, frame: Frame) -> None:
        try:
            messages = _unpacked(frame)
        except (ValueError, DecodeError, msgpack.UnpackException):
            self._counters.add("nqs_payloads_refused", reason="stream_not_msgpack")
            return
        for message in messages:
            kind = message.get("T")
            if kind == "error":
                self._on_error(message)
            elif kind == "subscription":
                self._on_served(message)
            elif kind != "success":
                self._on_message(message)

    def _on_error(self, message: Mapping[str, Any]) -> None:
        code = message.get("code")
        reason = STREAM_ERRORS.get(code, "unknown") if isinstance(code, int) else "unknown"
        self._counters.add("nqs_stream_errors", reason=reason)
        self._on_refused(reason)

    def _on_served(self, message: Mapping[str, Any]) -> None:
        # Every answer holds the complete set: what is wanted and not in it is not being served.
        self.served = {
            channel: frozenset(str(name) for name in names)
            for channel, names in message.items()
            if isinstance(names, list)
        }

    async def restore_missing(self) -> None:
        """Subscribe again what the venue has lost; a subscription can vanish without a word."""
        before, self._was_missing = self._was_missing, self.missing()
        # Missing at two looks in a row: one may have come between a request and its answer.
        for channel, names in before.items():
            lost = sorted(names & self._was_missing.get(channel, frozenset()))
            if lost:
                self._counters.add("nqs_subscriptions_lost", len(lost), reason=self._name)
                await self.socket.send(_packed({"action": "subscribe", channel: lost}))

    def missing(self) -> dict[str, frozenset[str]]:
        """Return what is wanted and not served."""
        gaps = {channel: names - self.served.get(channel, frozenset()) for channel, names in self.wanted.items()}
        return {channel: names for channel, names in gaps.items() if names}


def _packed(message: Mapping[str, Any]) -> bytes:
    return bytes(msgpack.packb(message))


def _unpacked(frame: Frame) -> list[dict[str, Any]]:
    """Return the messages of a frame; text frames are JSON, whatever was asked for.

    Raises
    ------
    ValueError
        If it is neither.
    """
    raw = decode_json(frame) if isinstance(frame, str) else msgpack.unpackb(frame, timestamp=0, strict_map_key=True)
    if not isinstance(raw, list):
        raise ValueError("a frame is a list of messages")
    return [message for message in raw if isinstance(message, dict)]
