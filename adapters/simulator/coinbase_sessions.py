"""One caller's socket at the Coinbase simulator, without the socket: subscriptions, envelopes, sequence numbers.

A frame gets its number when it is handed to the line and not when the line writes it, so that a frame that a fault
withholds leaves the gap that a lost one leaves.
"""

import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Protocol

from adapters.simulator.coinbase_auth import ApiKey, Keyring, TokenError
from adapters.simulator.coinbase_wire import Json, time_text


class Endpoint(StrEnum):
    """The two sockets of the venue."""

    MARKET = "market"
    USER = "user"


PRIVATE = frozenset({"user", "futures_balance_summary"})
# These speak of products and are refused without one; the others speak of the account or of the line.
OF_PRODUCTS = frozenset({"level2", "market_trades", "ticker", "ticker_batch", "candles"})
CHANNELS = {
    Endpoint.MARKET: OF_PRODUCTS | {"heartbeats", "status", "user"},
    Endpoint.USER: PRIVATE | {"heartbeats"},
}
# The one channel whose frames bear another name than its subscription.
_FRAME_NAMES = {"level2": "l2_data"}


class Feed(Protocol):
    """What a session must know of the venue."""

    def canonical(self, product_id: str) -> str | None:
        """Return the name that streams use for a product, or None if there is no such product."""

    def snapshots(self, channel: str, product_ids: tuple[str, ...]) -> Iterable[list[Json]]:
        """Return the events of each frame that a new subscription begins with."""


class Session:
    """The state of one connection.

    Parameters
    ----------
    endpoint
        Which of the two sockets it is.
    keyring
        Who may subscribe to what is private.
    feed
        The venue.
    now_ns
        The wire's clock, UTC nanoseconds.
    now_secs
        The clock that tokens are judged by, UTC seconds.
    user_id
        What the acknowledgement of the user channel names.
    has_client_id
        Whether frames bear an (empty) `client_id`; both have been seen.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        keyring: Keyring,
        feed: Feed,
        now_ns: Callable[[], int],
        now_secs: Callable[[], int],
        user_id: str,
        has_client_id: bool = True,
    ) -> None:
        self.endpoint = endpoint
        self.key: ApiKey | None = None
        self.has_subscribed = False
        self._keyring = keyring
        self._feed = feed
        self._now_ns = now_ns
        self._now_secs = now_secs
        self._user_id = user_id
        self._has_client_id = has_client_id
        self._sequence = 0
        self._products: dict[str, set[str]] = {}

    def wants(self, channel: str, product_id: str | None = None) -> bool:
        """Return whether a channel is subscribed to, and for this product if one is given."""
        products = self._products.get(channel)
        if products is None:
            return False
        return product_id is None or channel not in OF_PRODUCTS or product_id in products

    def products(self, channel: str) -> tuple[str, ...]:
        """Return the products of a channel's subscription."""
        return tuple(sorted(self._products.get(channel, ())))

    def forget(self, channel: str) -> None:
        """Lose a subscription without a word, which the venue does now and then."""
        self._products.pop(channel, None)

    def numbered(self, frame: Json) -> Json:
        """Return a frame in its envelope, with the connection's next number; an error is left as it is."""
        if frame.get("type") == "error":
            return frame
        envelope: Json = {"channel": _FRAME_NAMES.get(frame["channel"], frame["channel"])}
        if self._has_client_id:
            envelope["client_id"] = ""
        envelope["timestamp"] = time_text(self._now_ns(), digits=9)
        envelope["sequence_num"] = self._sequence
        envelope["events"] = frame["events"]
        self._sequence += 1
        return envelope

    def receive(self, text: str | bytes) -> list[Json]:
        """Return what answers a caller's message, not numbered yet: snapshots, then the acknowledgement."""
        try:
            message = json.loads(text)
        except ValueError:
            return [error_frame("malformed message")]
        if not isinstance(message, dict):
            return [error_frame("malformed message")]
        problem = self._problem(message)
        if problem:
            return [error_frame(problem)]
        channel, products = message["channel"], self._canonical(message)
        if message["type"] == "unsubscribe":
            self._unsubscribe(channel, products)
            return [self._acknowledgement()]
        self.has_subscribed = True
        self._products.setdefault(channel, set()).update(products)
        frames = [frame_of(channel, events) for events in self._feed.snapshots(channel, products)]
        return [*frames, self._acknowledgement()]

    def _problem(self, message: Json) -> str:
        channel = message.get("channel")
        if message.get("type") not in ("subscribe", "unsubscribe"):
            return f"unknown type {message.get('type')}"
        if not isinstance(channel, str) or channel not in CHANNELS[self.endpoint]:
            return f"channel {channel} is not supported"
        product_ids = message.get("product_ids") or []
        if not isinstance(product_ids, list):
            return "product_ids must be a list"
        unknown = [name for name in product_ids if self._feed.canonical(str(name)) is None]
        if unknown:
            return f"{unknown[0]} is not a valid product"
        if channel in OF_PRODUCTS and not product_ids:
            return f"channel {channel} requires product_ids"
        return self._identity_problem(message, channel)

    def _identity_problem(self, message: Json, channel: str) -> str:
        token = message.get("jwt")
        if token is None and channel not in PRIVATE:
            return ""
        try:
            key = self._keyring.verify_socket(str(token or ""), now_secs=self._now_secs())
        except TokenError:
            return "authentication failure"
        if not key.can_view:
            return "Missing required scopes"
        self.key = key
        return ""

    def _canonical(self, message: Json) -> tuple[str, ...]:
        names = (self._feed.canonical(str(name)) for name in message.get("product_ids") or [])
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def _unsubscribe(self, channel: str, products: tuple[str, ...]) -> None:
        remaining = self._products.get(channel, set()) - set(products)
        if remaining and products:
            self._products[channel] = remaining
        else:
            self._products.pop(channel, None)

    def _acknowledgement(self) -> Json:
        names: dict[str, Any] = {channel: sorted(products) for channel, products in self._products.items()}
        if "heartbeats" in names:
            names["heartbeats"] = ["heartbeats"]
        if "user" in names:
            names["user"] = [self._user_id]
        return frame_of("subscriptions", [{"subscriptions": names}])


def frame_of(channel: str, events: list[Json]) -> Json:
    """Return events of a channel, by the name of its subscription; without a number yet."""
    return {"channel": channel, "events": events}


def error_frame(message: str) -> Json:
    """Return an error, which has neither channel nor number."""
    return {"type": "error", "message": message}
