"""Alpaca's trading API, version 2: account, positions, orders, assets, clock, calendar, activities."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.simulator import alpaca_account as account
from adapters.simulator.alpaca_refusals import refusal_error
from adapters.simulator.alpaca_requests import changes_of, decimal_or_none, is_true, ticket_of, whole_number
from adapters.simulator.alpaca_venue import AlpacaVenue
from adapters.simulator.alpaca_wire import Json, WireError, asset_class, error_body, number, read_time
from adapters.simulator.exchange import Order, Position, Reason, RefusalError
from adapters.simulator.http_faults import Ids
from adapters.simulator.http_faults import Request as SeenRequest

type Handler = Callable[[Request], Awaitable[Response]]
type Answer = Json | list[Json] | None

_OPEN_LIMIT, _LIST_LIMIT = 50, 500
_CREATE, _CANCEL = "POST /v2/orders", "DELETE /v2/orders/{}"


def identify(request: SeenRequest) -> Ids:
    """Name the orders of a request, for faults that strike one order."""
    client_ids = list(request.query.get("client_order_id", []))
    if isinstance(request.body, Mapping) and request.body.get("client_order_id"):
        client_ids.append(str(request.body["client_order_id"]))
    order_ids = (request.path.removeprefix("/v2/orders/"),) if request.path.startswith("/v2/orders/") else ()
    return Ids(order_ids, tuple(client_ids))


class TradingApi:
    """The routes of the trading API.

    Parameters
    ----------
    venue
        What they speak for.

    """

    def __init__(self, venue: AlpacaVenue) -> None:
        self._venue = venue
        self._desk = venue.desk
        self._exchange = venue.exchange

    def routes(self) -> list[Route]:
        """Return the routes, in the order in which they are tried."""
        table: list[tuple[str, str, Callable[[Request, Json], tuple[int, Answer]]]] = [
            ("GET", "/v2/account", self._account),
            ("GET", "/v2/account/configurations", self._configurations),
            ("PATCH", "/v2/account/configurations", self._configure),
            ("GET", "/v2/account/activities", self._activities),
            ("GET", "/v2/account/activities/{kind}", self._activities),
            ("GET", "/v2/account/portfolio/history", self._portfolio),
            ("GET", "/v2/positions", self._positions),
            ("DELETE", "/v2/positions", self._close_all),
            ("GET", "/v2/positions/{symbol:path}", self._position),
            ("DELETE", "/v2/positions/{symbol:path}", self._close),
            ("POST", "/v2/orders", self._create),
            ("GET", "/v2/orders", self._list),
            ("DELETE", "/v2/orders", self._cancel_all),
            ("GET", "/v2/orders:by_client_order_id", self._by_client_id),
            ("GET", "/v2/orders/{order_id}", self._read),
            ("PATCH", "/v2/orders/{order_id}", self._replace),
            ("DELETE", "/v2/orders/{order_id}", self._cancel),
            ("GET", "/v2/assets", self._assets),
            ("GET", "/v2/assets/{symbol:path}", self._asset),
            ("GET", "/v2/clock", self._clock),
            ("GET", "/v2/calendar", self._calendar),
        ]
        return [Route(path, served(self._venue, "trading", act), methods=[method]) for method, path, act in table]

    # Account

    def _account(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, account.account_of(self._venue)

    def _configurations(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, self._venue.configurations

    def _configure(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, account.configure(self._venue, body)

    def _activities(self, request: Request, body: Json) -> tuple[int, Answer]:
        named = request.path_params.get("kind") or request.query_params.get("activity_types", "")
        kinds = {kind for kind in named.split(",") if kind}
        return 200, account.activities_of(self._venue, kinds, dict(request.query_params))

    def _portfolio(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, account.portfolio_of(self._venue)

    def _clock(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, account.clock_of(self._venue)

    def _calendar(self, request: Request, body: Json) -> tuple[int, Answer]:
        query = request.query_params
        return 200, account.calendar_of(self._venue, query.get("start"), query.get("end"))

    # Assets

    def _assets(self, request: Request, body: Json) -> tuple[int, Answer]:
        wanted, status = request.query_params.get("asset_class"), request.query_params.get("status", "active")
        listings = self._venue.listings.values() if status == "active" else ()
        return 200, [self._venue.shapes.asset(x) for x in listings if not wanted or asset_class(x) == wanted]

    def _asset(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, self._venue.shapes.asset(self._venue.listing(request.path_params["symbol"]))

    # Positions

    def _positions(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, [self._told(position) for position in self._desk.positions()]

    def _position(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 200, self._told(self._held(request.path_params["symbol"]))

    def _told(self, position: Position) -> Json:
        return self._venue.shapes.position(position, self._exchange.mark(position.listing.symbol))

    def _held(self, name: str) -> Position:
        symbol = self._venue.symbols.get(name, name)
        for position in self._desk.positions():
            if position.listing.symbol == symbol:
                return position
        raise WireError(404, "position does not exist", 40410000)

    def _close(self, request: Request, body: Json) -> tuple[int, Answer]:
        position = self._held(request.path_params["symbol"])
        query = dict(request.query_params)
        qty = decimal_or_none(query, "qty")
        percentage = decimal_or_none(query, "percentage")
        if percentage is not None:
            qty = abs(position.qty) * percentage / 100
        return 200, self._closing(position, number(abs(position.qty) if qty is None else qty))

    def _closing(self, position: Position, qty: str) -> Json:
        is_equity = position.listing.kind == "equity"
        body = {
            "symbol": position.listing.symbol,
            "qty": qty,
            "side": "sell" if position.qty > 0 else "buy",
            "type": "market",
            "time_in_force": "day" if is_equity else "gtc",
        }
        try:
            order = self._desk.submit(ticket_of(body, self._venue.symbols), where=_CREATE)
        except RefusalError as refusal:
            raise refusal_error(refusal) from refusal
        return self._venue.shapes.order(order)

    def _close_all(self, request: Request, body: Json) -> tuple[int, Answer]:
        if is_true(request.query_params.get("cancel_orders")):
            self._cancel_working()
        rows: list[Json] = []
        for position in self._desk.positions():
            symbol = position.listing.symbol
            try:
                closing = self._closing(position, number(abs(position.qty)))
                rows.append({"symbol": symbol.replace("/", ""), "status": 200, "body": closing})
            except WireError as error:
                rows.append({"symbol": symbol.replace("/", ""), "status": error.status, "body": error.body})
        return 207, rows

    # Orders

    def _create(self, request: Request, body: Json) -> tuple[int, Answer]:
        order = self._desk.submit(ticket_of(body, self._venue.symbols), where=_CREATE)
        return 200, self._venue.shapes.order(order, nested=True)

    def _read(self, request: Request, body: Json) -> tuple[int, Answer]:
        order_id = request.path_params["order_id"]
        order = self._desk.order(order_id)
        if order is None:
            raise RefusalError(Reason.ORDER_UNKNOWN, order_id=order_id)
        return 200, self._venue.shapes.order(order, nested=is_true(request.query_params.get("nested")))

    def _by_client_id(self, request: Request, body: Json) -> tuple[int, Answer]:
        client_id = request.query_params.get("client_order_id", "")
        order = self._desk.order_by_client_id(client_id)
        if order is None:
            raise RefusalError(Reason.ORDER_UNKNOWN, order_id=client_id)
        return 200, self._venue.shapes.order(order, nested=is_true(request.query_params.get("nested")))

    def _list(self, request: Request, body: Json) -> tuple[int, Answer]:
        query = request.query_params
        is_nested = is_true(query.get("nested"))
        orders = [o for o in self._desk.orders() if _is_wanted(o, query, self._venue)]
        if is_nested:
            ids = {order.id for order in orders}
            orders = [order for order in orders if order.parent_id not in ids]
        if query.get("direction", "desc") != "asc":
            orders.reverse()
        limit = min(max(whole_number(query, "limit", _OPEN_LIMIT), 1), _LIST_LIMIT)
        return 200, [self._venue.shapes.order(order, nested=is_nested) for order in orders[:limit]]

    def _replace(self, request: Request, body: Json) -> tuple[int, Answer]:
        order_id = request.path_params["order_id"]
        order = self._desk.replace(order_id, changes_of(body), where=f"PATCH /v2/orders/{order_id}")
        return 200, self._venue.shapes.order(order)

    def _cancel(self, request: Request, body: Json) -> tuple[int, Answer]:
        order_id = request.path_params["order_id"]
        self._desk.cancel(order_id, where=_CANCEL.format(order_id))
        return 204, None

    def _cancel_all(self, request: Request, body: Json) -> tuple[int, Answer]:
        return 207, self._cancel_working()

    def _cancel_working(self) -> list[Json]:
        rows: list[Json] = []
        for order in self._exchange.working():
            try:
                self._desk.cancel(order.id, where=_CANCEL.format(order.id))
                rows.append({"id": order.id, "status": 200})
            except RefusalError as refusal:
                error = refusal_error(refusal)
                rows.append({"id": order.id, "status": error.status, "body": error.body})
        return rows


def _is_wanted(order: Order, query: Mapping[str, str], venue: AlpacaVenue) -> bool:
    status = query.get("status", "open")
    if (status == "open" and order.status.is_final) or (status == "closed" and not order.status.is_final):
        return False
    submitted_ns = venue.market.clock.wire_ns(order.submitted_ns)
    after, until = query.get("after"), query.get("until")
    if after and submitted_ns <= read_time(after):
        return False
    if until and submitted_ns >= read_time(until):
        return False
    symbols = query.get("symbols")
    if symbols and order.symbol not in {venue.symbols.get(s, s) for s in symbols.split(",")}:
        return False
    return not query.get("side") or order.side == query["side"]


def served(
    venue: AlpacaVenue,
    api: str,
    act: Callable[[Request, Json], tuple[int, Answer]],
    *,
    needs_keys: bool = True,
) -> Handler:
    """Return a handler that checks keys and pace, and answers errors as the venue does."""

    async def handle(request: Request) -> Response:
        raw = await request.body()
        is_within, headers = venue.pace[api].take(venue.market.clock.wire_now_ns())
        try:
            if needs_keys or "apca-api-key-id" in request.headers:
                venue.authorize(
                    request.headers.get("apca-api-key-id", ""), request.headers.get("apca-api-secret-key", "")
                )
            if not is_within:
                return JSONResponse(error_body(429), 429, headers)
            status, answer = act(request, _object(raw))
        except RefusalError as refusal:
            error = refusal_error(refusal)
            if refusal.reason is Reason.DUPLICATE_CLIENT_ID:
                error.body["code"] = venue.settings.duplicate_code
            return JSONResponse(error.body, error.status, headers)
        except WireError as error:
            return JSONResponse(error.body, error.status, headers)
        if answer is None:
            return Response(status_code=status, headers=headers)
        return JSONResponse(answer, status, headers)

    return handle


def _object(raw: bytes) -> Json:
    if not raw:
        return {}
    try:
        body: Any = json.loads(raw)
    except ValueError as error:
        raise WireError(400, "request body format is invalid", 40010000) from error
    if not isinstance(body, dict):
        raise WireError(400, "request body format is invalid", 40010000)
    return body
