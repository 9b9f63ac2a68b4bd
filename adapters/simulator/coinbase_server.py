"""Coinbase Advanced Trade on loopback: REST and both sockets over the simulator's exchange.

The sockets are `/` and `/market` for market data, `/user` for the account; REST lies under `/api/v3/brokerage`.
"""

import json

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from adapters.simulator.coinbase_sessions import Endpoint
from adapters.simulator.coinbase_venue import VENUE, CoinbaseVenue
from adapters.simulator.coinbase_wire import Answer, Json, too_many
from adapters.simulator.http_faults import FaultyHttp


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
    return Response(json.dumps(answer.body), answer.status, headers, media_type="application/json")


def _error_body(status: int) -> Json:
    """Return what the venue's own gateway says with a status that a fault made."""
    if status == 429:
        return {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    name = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(status, "INTERNAL")
    return {"error": name, "error_details": "", "message": f"status {status}"}
