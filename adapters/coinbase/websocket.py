"""One socket to the venue: what is subscribed, the sequence of its frames, and what a gap means.

The venue numbers the frames of a connection. A number left out is a frame lost: the state that was built from the
frames is worthless, and the channels are subscribed anew to get a snapshot. Heartbeats are always subscribed, since the
venue closes quiet channels and since they alone tell a quiet socket from a mute one.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic
from typing import Any, Final

from websockets.asyncio.client import ClientConnection

from adapters.coinbase import parsing
from adapters.coinbase.constants import MUTE_SECS, SUBSCRIPTIONS, Channel
from adapters.coinbase.credentials import Credentials
from adapters.coinbase.parsing import Envelope, ParseError
from adapters.transport.backoff import Backoff
from adapters.transport.counters import Counters
from adapters.transport.liveness import Liveness
from adapters.transport.socket import Frame, SocketRefusedError, VenueSocket

_REFUSALS: Final = ("authentication failure", "invalid jwt", "unauthorized", "user is not authorized")
_LEAST_SECS_BETWEEN_RENEWALS: Final = 2.0


class HeartbeatLiveness(Liveness):
    """Frames alone are signs of life: a venue can answer pings while its data has stopped."""

    def sign(self) -> None:
        """Take no notice of a pong."""


class CoinbaseSocket:
    """A socket that knows its subscriptions.

    Parameters
    ----------
    name
        In logs and counters.
    url
        Where to connect.
    credentials
        Signs every subscription; None for public channels.
    on_event
        Takes each frame in sequence, on the loop.
    on_gap
        Called when frames were lost: on a new connection before its first frame, and within one.
    on_up
        Called with the number of the connection, after its subscriptions were acknowledged.
    on_down
        Called with the reason when a connection ends.
    counters
        Where refused frames and gaps are counted.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credentials: Credentials | None,
        *,
        on_event: Callable[[Envelope], None],
        on_gap: Callable[[], None],
        on_up: Callable[[int], Coroutine[Any, Any, None]],
        on_down: Callable[[str], None],
        counters: Counters,
        mute_secs: float = MUTE_SECS,
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._credentials = credentials
        self._on_event = on_event
        self._on_gap = on_gap
        self._counters = counters
        self._channels: dict[str, set[str]] = {Channel.HEARTBEATS: set()}
        self._acknowledged: set[str] = set()
        self._refusal = ""
        self._expected: int | None = None
        self._renewed_at = -_LEAST_SECS_BETWEEN_RENEWALS
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = VenueSocket(
            name,
            url,
            shake_hands=self._shake_hands,
            on_frame=self._take,
            on_up=on_up,
            on_down=on_down,
            liveness=HeartbeatLiveness(mute_secs),
            # The venue allows eight connections a second from an address; a first retry within the second is welcome.
            backoff=backoff or Backoff(base_secs=1.0, cap_secs=30.0, floor_secs=1.0),
            counters=counters,
            ping_every_secs=min(1.0, mute_secs / 4),
        )

    @property
    def is_up(self) -> bool:
        """Whether the channels are subscribed and frames may come."""
        return self._socket.is_up

    @property
    def refusal(self) -> str:
        """Why the venue will not have this client; "" while it may."""
        return self._socket.refusal

    def start(self) -> None:
        """Begin to connect; call it on the loop."""
        self._socket.start()

    async def stop(self) -> None:
        """End the connection."""
        for task in self._tasks:
            task.cancel()
        await self._socket.stop()

    async def subscribe(self, channel: str, products: Iterable[str] = ()) -> None:
        """Add products to a channel; with none the channel tells of all."""
        wanted = set(products)
        held = self._channels.get(channel)
        if held is not None and wanted <= held:
            return
        self._channels.setdefault(channel, set()).update(wanted)
        await self._send("subscribe", channel, wanted)

    async def unsubscribe(self, channel: str, products: Iterable[str]) -> None:
        """Take products off a channel."""
        gone = set(products) & self._channels.get(channel, set())
        if not gone:
            return
        self._channels[channel] -= gone
        if not self._channels[channel]:
            del self._channels[channel]
        await self._send("unsubscribe", channel, gone)

    async def renew(self, channel: str) -> None:
        """Subscribe to a channel anew, so that it starts with a snapshot."""
        products = self._channels.get(channel)
        if products is not None:
            await self._send("unsubscribe", channel, products)
            await self._send("subscribe", channel, products)

    # -- on the connection --------------------------------------------------------------------------------------------

    def _message(self, action: str, channel: str, products: Iterable[str]) -> str:
        message: dict[str, Any] = {"type": action, "channel": channel, "product_ids": sorted(products)}
        if self._credentials is not None:
            # Two minutes old tokens are refused, so that each message has its own.
            message["jwt"] = self._credentials.socket_jwt()
        return json.dumps(message)

    async def _send(self, action: str, channel: str, products: Iterable[str]) -> None:
        if self._socket.is_up:
            await self._socket.send(self._message(action, channel, products))

    async def _shake_hands(self, connection: ClientConnection) -> None:
        self._expected = None
        self._acknowledged.clear()
        self._refusal = ""
        self._on_gap()
        for channel, products in self._channels.items():
            await connection.send(self._message("subscribe", channel, products))
        while not self._acknowledged >= set(self._channels):
            self._take(await connection.recv())
            if self._refusal:
                if any(text in self._refusal.lower() for text in _REFUSALS):
                    raise SocketRefusedError(f"{self._name}: {self._refusal}")
                raise ConnectionError(self._refusal)

    def _take(self, frame: Frame) -> None:
        try:
            envelope = parsing.envelope(frame)
        except ParseError as error:
            self.refuse(error)
            return
        if envelope.error:
            self._refusal = self._credentials.scrub(envelope.error) if self._credentials else envelope.error
            self._counters.add("nqs_socket_errors", reason=self._name)
            return
        if not self._is_next(envelope.sequence):
            return
        if envelope.channel == SUBSCRIPTIONS:
            for event in envelope.events:
                held = event.get("subscriptions")
                self._acknowledged.update(held if isinstance(held, dict) else ())
        elif envelope.channel != Channel.HEARTBEATS:
            try:
                self._on_event(envelope)
            except ParseError as error:
                self.refuse(error)

    def refuse(self, error: ParseError) -> None:
        """Count a frame that cannot be used."""
        self._counters.add("nqs_payloads_refused", reason=error.reason)

    def _is_next(self, sequence: int | None) -> bool:
        if sequence is None:
            return False
        expected, self._expected = self._expected, sequence + 1
        if expected is None or sequence == expected:
            return True
        if sequence < expected:
            self._expected = expected
            self._counters.add("nqs_frames_out_of_order", reason=self._name)
            return False
        self._counters.add("nqs_sequence_gaps", reason=self._name)
        self._on_gap()
        if monotonic() - self._renewed_at >= _LEAST_SECS_BETWEEN_RENEWALS:
            self._renewed_at = monotonic()
            self._renew_all()
        return True

    def _renew_all(self) -> None:
        task = asyncio.get_running_loop().create_task(self._renew_each(), name=f"{self._name}-renew")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _renew_each(self) -> None:
        for channel in [channel for channel in self._channels if channel != Channel.HEARTBEATS]:
            await self.renew(channel)
