"""A request to the Coinbase simulator: read, its sender known, and handed to whom it is for.

Knows nothing of HTTP's transport: bytes and headers in, an `Answer` out.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from adapters.simulator.coinbase_auth import ApiKey, Keyring, TokenError
from adapters.simulator.coinbase_configurations import BadRequestError
from adapters.simulator.coinbase_wire import Answer, Json, bad_request, forbidden, not_found, unauthorized

PREFIX = "/api/v3/brokerage"
_MOST_DIGITS = 16
_TRUE = frozenset({"true", "True", "1"})


class NotFoundError(Exception):
    """The venue knows no such thing; the text is the answer's."""


class Request(msgspec.Struct, frozen=True):
    """A request whose sender is known.

    Parameters
    ----------
    query
        Every value of each parameter: lists travel as repeated names.
    body
        The JSON body; GETs carry one too, and it means nothing there.
    names
        What the path's placeholders stand for.
    key
        Who asks; None on public resources.

    """

    query: Mapping[str, list[str]]
    body: Json
    names: Mapping[str, str]
    key: ApiKey | None = None

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        values = self.query.get(name)
        return values[0] if values else default

    def texts(self, name: str) -> list[str]:
        """Return every value of a repeated parameter; a comma separates as well."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part]

    def flag(self, name: str) -> bool:
        """Return a boolean parameter; the SDK writes Python's spelling."""
        return self.text(name) in _TRUE

    def whole(self, name: str, default: int) -> int:
        """Return a whole number that is not negative.

        Raises
        ------
        BadRequestError
            It is none.

        """
        text = self.text(name)
        if not text:
            return default
        # A hundred digits are a number to Python and to nobody else.
        if not (text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS):
            raise BadRequestError(f"{name} must be a whole number, was {text[:_MOST_DIGITS]}")
        return int(text)

    def count(self, name: str, default: int, most: int) -> int:
        """Return a limit, cut to what the venue gives at most.

        Raises
        ------
        BadRequestError
            It is no number above zero.

        """
        count = self.whole(name, default)
        if count == 0:
            raise BadRequestError(f"{name} must be above zero")
        return min(count, most)

    def field(self, name: str) -> str:
        """Return a text of the body.

        Raises
        ------
        BadRequestError
            It is missing, empty or no text.

        """
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise BadRequestError(f"{name} is required")
        return value


type Handler = Callable[[Request], Json]


class Route(msgspec.Struct, frozen=True):
    """One resource.

    Parameters
    ----------
    method, path
        The path lies under `PREFIX`; `{name}` stands for any one segment.
    handler
        Who answers.
    scope
        What the key must be allowed: `view`, `trade`, or empty for a public resource.

    """

    method: str
    path: str
    handler: Handler
    scope: str = "view"

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return what the placeholders stand for, None if this is another resource."""
        ours, theirs = self.path.split("/"), path.split("/")
        if method != self.method or len(ours) != len(theirs):
            return None
        names: dict[str, str] = {}
        for our, their in zip(ours, theirs, strict=True):
            if our.startswith("{"):
                names[our[1:-1]] = their
            elif our != their:
                return None
        return names


class Router:
    """Find who answers, and see that the sender may ask.

    Parameters
    ----------
    routes
        The resources; the first that matches answers, so that fixed names come before placeholders.
    keyring
        Whom the venue knows.
    now_secs
        The wire's clock, UTC seconds.

    """

    def __init__(self, routes: tuple[Route, ...], keyring: Keyring, now_secs: Callable[[], int]) -> None:
        self.routes = routes
        self._keyring = keyring
        self._now_secs = now_secs

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the resource and its placeholders."""
        if not path.startswith(f"{PREFIX}/"):
            return None
        for route in self.routes:
            names = route.match(method, path.removeprefix(PREFIX))
            if names is not None:
                return route, names
        return None

    def admit(self, method: str, path: str, headers: Mapping[str, str]) -> ApiKey | Answer | None:
        """Return who asks, None on a public resource, or the answer that turns them away.

        The gateway asks who it is before it looks whether there is such a resource.
        """
        found = self.find(method, path)
        if found is not None and not found[0].scope:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return unauthorized()
        uri = f"{method} {headers.get('host', '')}{path}"
        try:
            key = self._keyring.verify_rest(token, uri=uri, now_secs=self._now_secs())
        except TokenError:
            return unauthorized()
        if found is None:
            return not_found("not found")
        allowed = key.can_trade if found[0].scope == "trade" else key.can_view
        return key if allowed else forbidden()

    def answer(self, method: str, path: str, *, query: str, body: bytes, key: ApiKey | None) -> Answer:
        """Return the answer to a request that was admitted."""
        found = self.find(method, path)
        if found is None:
            return not_found("not found")
        route, names = found
        try:
            request = Request(parse_qs(query), _object(body), names, key)
            return Answer(200, route.handler(request))
        except BadRequestError as error:
            return bad_request(str(error))
        except NotFoundError as error:
            return not_found(str(error))


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequestError("the body is not an object")
    return value
