"""A venue for tests: it takes orders and says what a test tells it to, on loopback, and keeps a journal."""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from adapters.coinbase.config import CoinbaseEndpoints
from adapters.coinbase.credentials import Credentials

API = "/api/v3/brokerage"
Reply = tuple[int, Any]
LOST = (0, None)
"""A reply that never comes: the connection is cut after the request was served."""


def rfc3339() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_credentials() -> Credentials:
    """Return a key made for this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Credentials(f"organizations/{uuid4()}/apiKeys/{uuid4()}", pem)


def product(product_id: str, **changes: Any) -> dict[str, Any]:
    base, quote = product_id.split("-")
    return {
        "product_id": product_id,
        "base_currency_id": base,
        "quote_currency_id": quote,
        "product_type": "SPOT",
        "price_increment": "0.01",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "base_min_size": "0.00000001",
        "base_max_size": "3400",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "status": "online",
        "alias": "",
        **changes,
    }


class StubVenue:
    """The venue.

    Attributes
    ----------
    journal
        Requests in the order they came: method, path, query, body.
    orders
        Orders by venue id, as REST tells them; tests change them.
    scripted
        Replies by path, used up before the usual ones. A callable is given the usual reply and returns another one.
    """

    def __init__(self) -> None:
        self.journal: list[tuple[str, str, dict[str, list[str]], Any]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.accounts = {"USD": ("100000.00", "0"), "BTC": ("1.5", "0.5"), "ETH": ("0", "0")}
        self.products = [product("BTC-USD"), product("ETH-USD"), product("BTC-USDC", alias="BTC-USD")]
        self.candles: list[dict[str, str]] = []
        self.scripted: dict[str, deque[Any]] = {}
        self.keys: set[str] = set()
        self.frames: list[dict[str, Any]] = []
        self.sockets: dict[str, list[ServerConnection]] = {"market": [], "user": []}
        self.sequences: dict[ServerConnection, int] = {}
        self.subscriptions: dict[ServerConnection, dict[str, set[str]]] = {}
        self.snapshots: dict[str, Callable[[str], dict[str, Any]]] = {}
        self.bid, self.ask = "99.00", "100.00"
        self.is_mute = False
        self.refuses_keys = False
        self._beats: list[asyncio.Task[None]] = []
        self._servers: list[Server] = []

    async def start(self) -> None:
        venue = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                venue.serve(self, "GET")

            def do_POST(self) -> None:
                venue.serve(self, "POST")

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        ports = []
        for which in ("market", "user"):
            server = await serve(lambda socket, which=which: self._talk(socket, which), "127.0.0.1", 0)
            self._servers.append(server)
            ports.append(next(iter(server.sockets)).getsockname()[1])
        self.endpoints = CoinbaseEndpoints(
            rest_host=f"127.0.0.1:{self._http.server_port}",
            market_url=f"ws://127.0.0.1:{ports[0]}",
            user_url=f"ws://127.0.0.1:{ports[1]}",
            plain_http=True,
        )

    async def stop(self) -> None:
        for beat in self._beats:
            beat.cancel()
        for server in self._servers:
            server.close()
            await server.wait_closed()
        await asyncio.get_running_loop().run_in_executor(None, self._http.shutdown)
        self._http.server_close()

    # -- REST ---------------------------------------------------------------------------------------------------------

    def requests(self, path: str, method: str = "POST") -> list[Any]:
        return [body for verb, at, _, body in list(self.journal) if verb == method and at == f"{API}{path}"]

    def script(self, path: str, *replies: Any) -> None:
        self.scripted.setdefault(f"{API}{path}", deque()).extend(replies)

    def serve(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        url = urlsplit(handler.path)
        raw = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        body = json.loads(raw) if raw else None
        self._check_key(handler, method, url.path)
        self.journal.append((method, url.path, parse_qs(url.query), body))
        replies = self.scripted.get(url.path)
        scripted = replies.popleft() if replies else None
        if callable(scripted):
            status, answer = scripted(lambda: self.answer(method, url.path, parse_qs(url.query), body))
        else:
            status, answer = scripted or self.answer(method, url.path, parse_qs(url.query), body)
        if status == 0:
            handler.close_connection = True
            handler.connection.close()
            return
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("content-length", str(len(content)))
        if status == 429:
            handler.send_header("retry-after", "0.3")
        handler.end_headers()
        handler.wfile.write(content)

    def _check_key(self, handler: BaseHTTPRequestHandler, method: str, path: str) -> None:
        token = (handler.headers.get("authorization") or "").removeprefix("Bearer ")
        if token:
            claims = jwt.decode(token, options={"verify_signature": False})
            assert claims["uri"] == f"{method} {self.endpoints.rest_host}{path}"
            self.keys.add(claims["sub"])

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Reply:
        path = path.removeprefix(API)
        if path in ("/products", "/market/products"):
            return 200, {"products": self.products}
        if path == "/accounts":
            rows = [
                {"currency": code, "available_balance": {"value": free}, "hold": {"value": hold}}
                for code, (free, hold) in self.accounts.items()
            ]
            return 200, {"accounts": rows, "has_next": False, "cursor": ""}
        if path == "/time":
            return 200, {"epochSeconds": str(int(time.time()))}
        if path == "/transaction_summary":
            return 200, {"fee_tier": {"maker_fee_rate": "0.004", "taker_fee_rate": "0.006"}}
        if path == "/best_bid_ask":
            book = {"bids": [{"price": self.bid, "size": "1"}], "asks": [{"price": self.ask, "size": "1"}]}
            return 200, {"pricebooks": [{"product_id": one, **book} for one in query["product_ids"]]}
        if path == "/orders/preview":
            return 200, {"errs": ["PREVIEW_INSUFFICIENT_FUND"]}
        if path == "/orders" and method == "POST":
            return 200, self._create(body)
        if path == "/orders/batch_cancel":
            return 200, {
                "results": [{"success": True, "failure_reason": "", "order_id": one} for one in body["order_ids"]]
            }
        if path == "/orders/edit":
            self._edit(body)
            return 200, {"success": True, "errors": []}
        if path == "/orders/historical/batch":
            rows = list(self.orders.values())
            if "order_status" in query:
                rows = [row for row in rows if row["status"] in query["order_status"]]
            return 200, {"orders": rows, "has_next": False, "cursor": ""}
        if path == "/orders/historical/fills":
            wanted = query.get("order_ids")
            rows = [row for row in reversed(self.fills) if wanted is None or row["order_id"] in wanted]
            return 200, {"fills": rows, "cursor": ""}
        if path.startswith("/orders/historical/"):
            found = self.orders.get(path.rpartition("/")[2])
            return (200, {"order": found}) if found else (404, {"error": "NOT_FOUND", "message": "order not found"})
        if path.endswith("/candles"):
            start, end = int(query["start"][0]), int(query["end"][0])
            rows = [row for row in self.candles if start <= int(row["start"]) <= end]
            return 200, {"candles": sorted(rows, key=lambda row: -int(row["start"]))[:350]}
        return 404, {"error": "NOT_FOUND", "message": path}

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        for found in self.orders.values():
            if found["client_order_id"] == body["client_order_id"]:
                order_id = found["order_id"]
                break
        else:
            order_id = str(uuid4())
            self.orders[order_id] = {
                "order_id": order_id,
                "client_order_id": body["client_order_id"],
                "product_id": body["product_id"],
                "side": body["side"],
                "order_configuration": body["order_configuration"],
                "status": "OPEN",
                "created_time": rfc3339(),
                "last_fill_time": None,
                "filled_size": "0",
                "average_filled_price": "0",
                "total_fees": "0",
                "trigger_status": "INVALID_ORDER_TYPE",
            }
        return {
            "success": True,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "success_response": {"order_id": order_id, "client_order_id": body["client_order_id"]},
        }

    def _edit(self, body: dict[str, Any]) -> None:
        (fields,) = self.orders[body["order_id"]]["order_configuration"].values()
        fields["base_size"], fields["limit_price"] = body["size"], body["price"]
        if "stop_price" in body:
            fields["stop_price"] = body["stop_price"]

    def order(self, client_order_id: Any) -> dict[str, Any]:
        """Return the order of a client id."""
        return next(row for row in self.orders.values() if row["client_order_id"] == str(client_order_id))

    # -- sockets ------------------------------------------------------------------------------------------------------

    async def _talk(self, socket: ServerConnection, which: str) -> None:
        self.sockets[which].append(socket)
        self.sequences[socket] = 0
        held = self.subscriptions[socket] = {}
        beat = asyncio.get_running_loop().create_task(self._beat(socket))
        self._beats.append(beat)
        try:
            async for text in socket:
                message = json.loads(text)
                self.frames.append({"which": which, **message})
                if "jwt" in message:
                    self.keys.add(jwt.decode(message["jwt"], options={"verify_signature": False})["sub"])
                if self.refuses_keys:
                    await socket.send(json.dumps({"type": "error", "message": "authentication failure"}))
                    continue
                products = set(message["product_ids"])
                if message["type"] == "unsubscribe":
                    held[message["channel"]] = held.get(message["channel"], set()) - products
                    continue
                held.setdefault(message["channel"], set()).update(products)
                if message["channel"] in self.snapshots:
                    await self.send(which, **self.snapshots[message["channel"]](message["channel"]), only=socket)
                await self.send(
                    which,
                    channel="subscriptions",
                    events=[{"subscriptions": {name: sorted(ids) for name, ids in held.items()}}],
                    only=socket,
                )
        except ConnectionClosed:
            pass
        finally:
            beat.cancel()
            self.sockets[which].remove(socket)

    async def _beat(self, socket: ServerConnection) -> None:
        n = 0
        while True:
            await asyncio.sleep(0.2)
            if not self.is_mute and "heartbeats" in self.subscriptions[socket]:
                n += 1
                await self._send(socket, "heartbeats", [{"heartbeat_counter": n}])

    async def _send(self, socket: ServerConnection, channel: str, events: list[Any]) -> None:
        sequence = self.sequences[socket]
        self.sequences[socket] += 1
        await socket.send(
            json.dumps({"channel": channel, "timestamp": rfc3339(), "sequence_num": sequence, "events": events})
        )

    async def send(self, which: str, *, channel: str, events: list[Any], only: Any = None) -> None:
        for socket in [only] if only else list(self.sockets[which]):
            await self._send(socket, channel, events)

    async def tell(self, order: dict[str, Any], kind: str = "update", **changes: Any) -> None:
        """Tell of an order on the user channel, and hold it so for REST."""
        names = {"cumulative_quantity": "filled_size", "avg_price": "average_filled_price"}
        for name, value in changes.items():
            order[names.get(name, name)] = value
        await self.send("user", channel="user", events=[{"type": kind, "orders": [self.user_row(order)]}])

    def user_row(self, order: dict[str, Any]) -> dict[str, Any]:
        return {
            "order_id": order["order_id"],
            "client_order_id": order["client_order_id"],
            "product_id": order["product_id"],
            "order_side": order["side"],
            "status": order["status"],
            "cumulative_quantity": order["filled_size"],
            "avg_price": order["average_filled_price"],
            "total_fees": order["total_fees"],
            "trigger_status": order["trigger_status"],
            "reject_reason": order.get("reject_reason", ""),
        }

    def skip(self, which: str, n: int = 1) -> None:
        """Lose frames."""
        for socket in self.sockets[which]:
            self.sequences[socket] += n

    def fill(self, order: dict[str, Any], size: str, price: str, commission: str) -> None:
        """Add an execution to the list that REST tells."""
        self.fills.append(
            {
                "entry_id": str(uuid4()),
                "trade_id": str(uuid4()),
                "order_id": order["order_id"],
                "product_id": order["product_id"],
                "side": order["side"],
                "trade_time": rfc3339(),
                "sequence_timestamp": rfc3339(),
                "trade_type": "FILL",
                "price": price,
                "size": size,
                "commission": commission,
                "liquidity_indicator": "MAKER",
            }
        )
