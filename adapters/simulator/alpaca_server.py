"""The simulated Alpaca: trading and data REST, trade updates, market data and news, on one port.

Start it with ``adapters.simulator.host.SimulatedVenues``. The URLs differ from the real ones by their host alone:
the same port serves what three hosts do there.
"""

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from adapters.simulator.acts import Acts
from adapters.simulator.alpaca_data import DataApi
from adapters.simulator.alpaca_streams import DataStreams, TradeStream
from adapters.simulator.alpaca_trading import TradingApi, identify
from adapters.simulator.alpaca_venue import VENUE, AlpacaSettings, AlpacaVenue
from adapters.simulator.alpaca_wire import error_body
from adapters.simulator.http_faults import FaultyHttp
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market


class AlpacaServer:
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
        Its state; `venue.desk` is its desk.

    """

    def __init__(self, market: Market, lines: Lines, settings: AlpacaSettings | None = None, *, seed: int = 0) -> None:
        self.venue = AlpacaVenue(market, lines, settings or AlpacaSettings(), seed=seed)
        self._trades = TradeStream(self.venue)
        self._data = DataStreams(self.venue)
        routes = [
            *TradingApi(self.venue).routes(),
            *DataApi(self.venue).routes(),
            WebSocketRoute("/stream", self._trades.serve),
            WebSocketRoute("/v2/{feed}", self._serve_data),
            WebSocketRoute("/v1beta3/crypto/us", self._serve_crypto),
            WebSocketRoute("/v1beta1/news", self._serve_news),
        ]
        inner = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
        self.app: ASGIApp = FaultyHttp(inner, market=market, venue=VENUE, identify=identify, error_body=error_body)

    def teach(self, acts: Acts) -> None:
        """Add the acts that are this venue's own."""
        acts.add("revoke_key", self._revoke)
        acts.add("news", self._publish)
        acts.add("halt", self._tell_halt)
        acts.add("resume", self._tell_resume)

    async def _serve_data(self, websocket: WebSocket) -> None:
        await self._data.serve(websocket, websocket.path_params["feed"])

    async def _serve_crypto(self, websocket: WebSocket) -> None:
        await self._data.serve(websocket, "crypto")

    async def _serve_news(self, websocket: WebSocket) -> None:
        await self._data.serve(websocket, "news")

    def _revoke(self, arguments: Mapping[str, Any]) -> bool:
        if arguments.get("venue", VENUE) == VENUE:
            self.venue.is_revoked = bool(arguments.get("is_on", True))
        return self.venue.is_revoked

    def _publish(self, arguments: Mapping[str, Any]) -> Any:
        return self._data.tell_news({name: value for name, value in arguments.items() if name != "venue"})

    def _tell_halt(self, arguments: Mapping[str, Any]) -> None:
        if arguments.get("symbol") in self.venue.listings and arguments.get("state", "halted") == "halted":
            self._data.tell_status(arguments["symbol"], is_halted=True)

    def _tell_resume(self, arguments: Mapping[str, Any]) -> None:
        if arguments.get("symbol") in self.venue.listings:
            self._data.tell_status(arguments["symbol"], is_halted=False)


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"code": 40410000, "message": "endpoint not found."}, 404)
