"""Coinbase Advanced Trade on loopback: REST and both sockets over the simulator's exchange.

The sockets are `/` and `/market` for market data, `/user` for the account; REST lies under `/api/v3/brokerage`.
Start it with ``adapters.simulator.host.SimulatedVenues``.
"""

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from adapters.simulator.acts import Acts, Arguments
from adapters.simulator.coinbase_sessions import Endpoint
from adapters.simulator.coinbase_venue import VENUE, CoinbaseSettings, CoinbaseVenue
from adapters.simulator.coinbase_wire import Answer, Json, encoded, too_many
from adapters.simulator.http_faults import FaultyHttp
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market


class CoinbaseServer:
    """The application, and what the control port may do to it.

    Parameters
    ----------
    market, lines
        What it is part of.
    settings
        Account, listings, keys, limits.
    seed
        Of everything that is left to chance.

    Attributes
    ----------
    app
        The ASGI application.
    venue
        Its state; `venue.desk` is its desk, `venue.issued` the key that was made for the run.

    """

    def __init__(
        self, market: Market, lines: Lines, settings: CoinbaseSettings | None = None, *, seed: int = 0
    ) -> None:
        self.venue = CoinbaseVenue(market, lines, settings, seed=seed)
        self.app = coinbase_app(self.venue)

    def teach(self, acts: Acts) -> None:
        """Add the acts that are this venue's own, and tell of those that are everybody's.

        ============  ================================================================================================
        `revoke_key`  the name of a `key`, or none for all of them; with `is_on` false it is known again
        `say_error`   an error frame to the open sockets: `message`; `endpoint` market or user; a channel it `loses`
        ============  ================================================================================================
        """
        acts.add("revoke_key", self._revoke)
        acts.add("say_error", self._say_error)
        acts.add("halt", self._tell_states)
        acts.add("resume", self._tell_states)

    def _revoke(self, arguments: Arguments) -> None:
        if arguments.get("venue", VENUE) != VENUE:
            return
        name = str(arguments.get("key", ""))
        if arguments.get("is_on", True):
            self.venue.keyring.revoke(name)
        else:
            self.venue.keyring.restore(name)

    def _say_error(self, arguments: Arguments) -> int:
        named = {name: str(arguments[name]) for name in ("endpoint", "loses") if name in arguments}
        return self.venue.streams.tell_error(str(arguments.get("message", "internal error")), **named)

    def _tell_states(self, _arguments: Arguments) -> None:
        self.venue.streams.tell_states()


def coinbase_app(venue: CoinbaseVenue) -> ASGIApp:
    """Return the application of a simulated Coinbase, its REST side behind the fault plan."""

    async def rest(http: HttpRequest) -> Response:
        method, path = http.method, http.url.path
        admitted = venue.router.admit(method, path, http.headers)
        if isinstance(admitted, Answer):
            return _response(admitted, {})
        headers = (venue.public_pace if admitted is None else venue.private_pace).take()
        if headers is None:
            return _response(too_many(), {})
        body = await http.body()
        return _response(venue.router.answer(method, path, query=http.url.query, body=body, key=admitted), headers)

    async def market_socket(websocket: WebSocket) -> None:
        await venue.streams.serve(websocket, Endpoint.MARKET)

    async def user_socket(websocket: WebSocket) -> None:
        await venue.streams.serve(websocket, Endpoint.USER)

    routes = [
        HttpRoute("/{path:path}", rest, methods=["GET", "POST", "PUT", "DELETE"]),
        WebSocketRoute("/", market_socket),
        WebSocketRoute("/market", market_socket),
        WebSocketRoute("/user", user_socket),
    ]
    return FaultyHttp(
        Starlette(routes=routes), market=venue.market, venue=VENUE, identify=venue.identify, error_body=_error_body
    )


def _response(answer: Answer, headers: dict[str, str]) -> Response:
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, headers, media_type="text/plain")
    return Response(encoded(answer.body), answer.status, headers, media_type="application/json")


def _error_body(status: int) -> Json:
    """Return what the venue's own gateway says with a status that a fault made."""
    if status == 429:
        return {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    name = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(status, "INTERNAL")
    return {"error": name, "error_details": "", "message": f"status {status}"}
