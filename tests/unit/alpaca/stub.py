"""A small Alpaca on loopback: what a test scripts it to be, and otherwise a venue where nothing goes wrong."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgpack
from websockets.asyncio.server import ServerConnection, serve

KEY, SECRET = "canary-key-7f3a", "canary-secret-91bc"

ASSETS = {
    symbol: {
        "id": symbol,
        "symbol": symbol,
        "class": "us_equity",
        "exchange": "NASDAQ",
        "name": symbol,
        "status": "active",
        "tradable": True,
        "fractionable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
    }
    for symbol in ("AAPL", "MSFT")
} | {
    "BTCUSD": {
        "id": "btc",
        "symbol": "BTC/USD",
        "class": "crypto",
        "exchange": "CRYPTO",
        "name": "Bitcoin",
        "status": "active",
        "tradable": True,
        "fractionable": True,
        "min_order_size": "0.0001",
        "min_trade_increment": "0.000000001",
        "price_increment": "0.01",
    }
}

Answer = tuple[int, object]


class StubVenue:
    """State, script and journal of the stub.

    Attributes
    ----------
    script
        Answers by ``(method, path prefix)``, each used once; a callable gets the stub, path and body.
    requests
        What came: ``(method, path, body)``.
    """

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.script: list[tuple[str, str, Callable[[StubVenue, str, Any], Answer | None]]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.pages: dict[str, list[Any]] = {}
        self.equity = "100000"
        self.stream_auth = "authorized"
        self._sockets: set[ServerConnection] = set()
        self.data_sockets: set[ServerConnection] = set()
        self.subscribed: list[dict[str, Any]] = []
        self.handshakes = 0
        self.refuses_streams = False
        self.refused = 0
        self._lock = threading.Lock()
        self._next = 0

    async def start(self) -> None:
        venue = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = venue.serve(self.command, self.path, body, dict(self.headers))
                raw = (
                    b""
                    if answer is None
                    else answer.encode()
                    if isinstance(answer, str)
                    else json.dumps(answer).encode()
                )
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.rest_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._streams = await serve(self._trades, "127.0.0.1", 0)
        self.stream_url = f"ws://127.0.0.1:{self._streams.sockets[0].getsockname()[1]}/stream"
        self._data = await serve(self._market, "127.0.0.1", 0)
        self.data_stream_url = f"ws://127.0.0.1:{self._data.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        for server in (self._streams, self._data):
            server.close()
            await server.wait_closed()
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()

    # -- REST ----------------------------------------------------------------------------------------------------------

    def on(self, method: str, prefix: str, act: Callable[["StubVenue", str, Any], Answer | None]) -> None:
        """Script the next request of a kind; an answer of None lets the request go on after `act`."""
        self.script.append((method, prefix, act))

    def count(self, method: str, prefix: str) -> int:
        return sum(1 for verb, path, _ in self.requests if verb == method and path.startswith(prefix))

    def serve(self, method: str, target: str, body: Any, headers: dict[str, str]) -> Answer:
        path = urlsplit(target).path
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        with self._lock:
            self.requests.append((method, path, body))
            scripted = next((s for s in self.script if s[0] == method and path.startswith(s[1])), None)
            if scripted is not None:
                self.script.remove(scripted)
        if headers.get("APCA-API-KEY-ID") != KEY or headers.get("APCA-API-SECRET-KEY") != SECRET:
            return 401, {"code": 40110000, "message": "request is not authorized"}
        if scripted is not None:
            answer = scripted[2](self, path, body)
            if answer is not None:
                return answer
        return self.answer(method, path, query, body)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        match method, path.removeprefix("/v2").split("/")[1:]:
            case "GET", ["account"]:
                return 200, {
                    "account_number": "PA1",
                    "currency": "USD",
                    "cash": "100000",
                    "equity": self.equity,
                    "buying_power": "200000",
                    "multiplier": "2",
                    "shorting_enabled": True,
                }
            case "GET", ["positions"]:
                return 200, self.positions
            case "GET", ["assets"]:
                return 200, [a for a in ASSETS.values() if a["class"] == query.get("asset_class")]
            case "GET", ["assets", symbol]:
                return (200, ASSETS[symbol]) if symbol in ASSETS else (404, {"code": 40410000, "message": "no asset"})
            case "POST", ["orders"]:
                return self.create(body)
            case "GET", ["orders"]:
                rows = [o for o in self.orders.values() if not o.get("_parent")]
                if query.get("status") == "open":
                    rows = [o for o in rows if o["status"] in ("new", "accepted", "partially_filled", "held")]
                return 200, [self.nested(o) for o in rows]
            case "GET", ["orders:by_client_order_id"]:
                found = [o for o in self.orders.values() if o["client_order_id"] == query["client_order_id"]]
                return (200, self.nested(found[0])) if found else NOT_FOUND
            case "GET", ["orders", venue_id]:
                return (200, self.nested(self.orders[venue_id])) if venue_id in self.orders else NOT_FOUND
            case "PATCH", ["orders", venue_id]:
                return self.replace(venue_id, body)
            case "DELETE", ["orders", venue_id]:
                return self.cancel(venue_id)
            case "GET", ["account", "activities", "FILL"]:
                return 200, self.fills
            case "GET", ["calendar"]:
                return 200, self.pages.get("calendar", [])
            case "GET", _:
                return 200, self.pages[path].pop(0)
        return 404, {"code": 40410000, "message": "no such path"}

    def create(self, body: Any) -> Answer:
        if any(o["client_order_id"] == body["client_order_id"] for o in self.orders.values()):
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        order = self.order(body)
        legs = []
        exit_side = "sell" if body["side"] == "buy" else "buy"
        if body.get("order_class") == "oco":
            order["limit_price"] = body["take_profit"]["limit_price"]
            exit_side = body["side"]
        for name, kind in (("take_profit", "limit"), ("stop_loss", "stop")):
            if name in body and not (body["order_class"] == "oco" and name == "take_profit"):
                leg = self.order({**body, **body[name], "type": kind, "side": exit_side})
                leg |= {"client_order_id": f"leg-{leg['id']}", "status": "held", "_parent": order["id"]}
                if kind == "stop":
                    leg["limit_price"] = None
                legs.append(leg["id"])
        order["_legs"] = legs
        return 200, self.nested(order)

    def order(self, body: Any) -> dict[str, Any]:
        self._next += 1
        order = {
            "id": f"v-{self._next}",
            "client_order_id": body["client_order_id"],
            "symbol": body["symbol"],
            "asset_class": "us_equity",
            "qty": body.get("qty"),
            "notional": body.get("notional"),
            "filled_qty": "0",
            "filled_avg_price": None,
            "order_class": body.get("order_class", ""),
            "type": body["type"],
            "side": body["side"],
            "time_in_force": body["time_in_force"],
            "limit_price": body.get("limit_price"),
            "stop_price": body.get("stop_price"),
            "status": "accepted",
            "submitted_at": moment(),
            "created_at": moment(),
            "updated_at": moment(),
            "replaced_by": None,
            "replaces": None,
        }
        self.orders[order["id"]] = order
        return order

    def nested(self, order: dict[str, Any]) -> dict[str, Any]:
        shown = {key: value for key, value in order.items() if not key.startswith("_")}
        return shown | {"legs": [self.nested(self.orders[leg]) for leg in order.get("_legs", [])] or None}

    def replace(self, venue_id: str, body: Any) -> Answer:
        old = self.orders[venue_id]
        self._next += 1
        changes = {"qty": body.get("qty", old["qty"])}
        changes |= {name: body[name] for name in ("limit_price", "stop_price") if name in body}
        new = (
            old
            | changes
            | {
                "id": f"v-{self._next}",
                "client_order_id": f"auto-{self._next}",
                "replaces": venue_id,
                "status": "accepted",
                "filled_qty": "0",
                "filled_avg_price": None,
                "updated_at": moment(),
            }
        )
        self.orders[new["id"]] = new
        return 200, self.nested(new)

    def cancel(self, venue_id: str) -> Answer:
        order = self.orders.get(venue_id)
        if order is None:
            return NOT_FOUND
        if order["status"] not in ("accepted", "new", "partially_filled", "held"):
            return 422, {"code": 42210000, "message": "order is not cancelable"}
        order |= {"status": "canceled", "updated_at": moment()}
        return 204, None

    # -- the market ----------------------------------------------------------------------------------------------------

    def fill(self, venue_id: str, quantity: str, price: str) -> dict[str, Any]:
        """Fill an order in part or whole, and return the message that tells of it."""
        order = self.orders[venue_id]
        done, size, px = float(order["filled_qty"]), float(quantity), float(price)
        total = done + size
        average = (done * float(order["filled_avg_price"] or 0) + size * px) / total
        whole = order["qty"] is not None and total >= float(order["qty"])
        order |= {
            "filled_qty": f"{total:g}",
            "filled_avg_price": f"{average:.10g}",
            "status": "filled" if whole else "partially_filled",
            "updated_at": moment(),
        }
        event = "fill" if whole else "partial_fill"
        self.fills.append(
            {
                "activity_type": "FILL",
                "id": f"{moment()}::{len(self.fills)}",
                "order_id": venue_id,
                "cum_qty": order["filled_qty"],
                "leaves_qty": "0",
                "qty": quantity,
                "price": price,
                "side": order["side"],
                "symbol": order["symbol"],
                "transaction_time": moment(),
                "type": event,
            }
        )
        return self.message(event, venue_id, qty=quantity, price=price)

    def state(self, venue_id: str, status: str, event: str = "", **more: Any) -> dict[str, Any]:
        """Put an order in a state and return the message that tells of it."""
        self.orders[venue_id] |= {"status": status, "updated_at": moment(), **more}
        return self.message(event or status, venue_id)

    def message(self, event: str, venue_id: str, **more: Any) -> dict[str, Any]:
        order = self.nested(self.orders[venue_id]) | {"legs": None}
        data = {"event": event, "timestamp": moment(), "execution_id": f"x-{time.monotonic_ns()}", "order": order}
        return {"stream": "trade_updates", "data": json.loads(json.dumps(data | more))}

    def id_of(self, client_order_id: str) -> str:
        return next(o["id"] for o in self.orders.values() if o["client_order_id"] == client_order_id)

    # -- streams -------------------------------------------------------------------------------------------------------

    async def push(self, *messages: object) -> None:
        for message in messages:
            for socket in list(self._sockets):
                await socket.send(json.dumps(message).encode())

    async def cut(self) -> None:
        for socket in list(self._sockets):
            socket.transport.abort()

    async def push_data(self, *messages: dict[str, Any]) -> None:
        for socket in list(self.data_sockets):
            await socket.send(msgpack.packb(list(messages)))

    async def _trades(self, socket: ServerConnection) -> None:
        if self.refuses_streams:
            self.refused += 1
            socket.transport.abort()
            return
        try:
            auth = json.loads(await socket.recv())
            ok = auth["data"] == {"key_id": KEY, "secret_key": SECRET}
            status = self.stream_auth if ok else "unauthorized"
            await socket.send(json.dumps({"stream": "authorization", "data": {"status": status}}).encode())
            await socket.recv()
            await socket.send(json.dumps({"stream": "listening", "data": {"streams": ["trade_updates"]}}).encode())
            self.handshakes += 1
            self._sockets.add(socket)
            await socket.wait_closed()
        except Exception:  # noqa: BLE001  a connection that a test cut
            return
        finally:
            self._sockets.discard(socket)

    async def _market(self, socket: ServerConnection) -> None:
        sets: dict[str, set[str]] = {}
        try:
            await socket.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
            auth = msgpack.unpackb(await socket.recv())
            if auth != {"action": "auth", "key": KEY, "secret": SECRET}:
                await socket.send(msgpack.packb([{"T": "error", "code": 402, "msg": "auth failed"}]))
                return
            await socket.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
            self.data_sockets.add(socket)
            async for frame in socket:
                message = msgpack.unpackb(frame)
                self.subscribed.append(message)
                for channel, names in message.items():
                    if isinstance(names, list):
                        known = sets.setdefault(channel, set())
                        known.update(names) if message["action"] == "subscribe" else known.difference_update(names)
                answer = {"T": "subscription", **{channel: sorted(names) for channel, names in sets.items()}}
                await socket.send(msgpack.packb([answer]))
        except Exception:  # noqa: BLE001  a connection that a test cut
            return
        finally:
            self.data_sockets.discard(socket)


NOT_FOUND: Answer = (404, {"code": 40410000, "message": "order not found"})


def moment() -> str:
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"
