"""Alpaca's sockets: trade updates as JSON, market data and news as msgpack arrays."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
from starlette.websockets import WebSocket

from adapters.simulator.alpaca_data import article_of
from adapters.simulator.alpaca_venue import VENUE, AlpacaVenue
from adapters.simulator.alpaca_wire import Json, WireError, read_time, side_letter, utc_text
from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.exchange import Event, EventKind
from adapters.simulator.exchange.sessions import new_york
from adapters.simulator.history import Candle, Print, candles_of
from adapters.simulator.lines import Line
from adapters.simulator.tape import Quote, Tick, Trade

TRADE_UPDATES = "trade_updates"
_AUTH_SECS = 10.0
_MINUTE_NS = 60 * NS_PER_SEC
_ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    408: "v2 not enabled",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
_CHANNELS = (
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "lulds",
    "corrections",
    "cancelErrors",
    "orderbooks",
    "news",
)
_COUNTED = ("trades", "quotes")


def as_text(frame: Any) -> str:
    """Return a frame as JSON text."""
    return json.dumps(frame, default=_plain, separators=(",", ":"))


def as_binary(frame: Any) -> bytes:
    """Return a frame as JSON in a binary message."""
    return as_text(frame).encode()


def as_msgpack(frame: Any) -> bytes:
    """Return a frame as msgpack, its times as the extension type -1."""
    packed: bytes = msgpack.packb(frame)
    return packed


def _plain(value: Any) -> Any:
    if isinstance(value, msgpack.Timestamp):
        return utc_text(value.to_unix_nano())
    raise TypeError(f"no JSON for {type(value).__name__}")


def _decoded(frame: str | bytes, *, is_msgpack: bool) -> Any:
    """Return what a client sent; None when it cannot be read."""
    try:
        if isinstance(frame, bytes) and is_msgpack:
            return msgpack.unpackb(frame)
        return json.loads(frame)
    except Exception:  # noqa: BLE001  whatever a client sends, it is told that it cannot be read
        return None


class TradeStream:
    """The socket of trade updates.

    Parameters
    ----------
    venue
        Whose orders it tells of.

    """

    def __init__(self, venue: AlpacaVenue) -> None:
        self._venue = venue
        venue.desk.listen(self._on_event)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until its connection ends."""
        encode = as_binary if self._venue.settings.is_paper else as_text
        line = Line(websocket, self._venue.market, venue=VENUE, stream=TRADE_UPDATES, encode=encode)
        if not await line.open():
            return
        try:
            while (frame := await line.receive()) is not None:
                body = _decoded(frame, is_msgpack=False)
                line.received(_without_secret(body))
                self._on_frame(line, body if isinstance(body, dict) else {})
        finally:
            self._venue.lines.remove(line)
            await line.end()

    def _on_frame(self, line: Line, body: Json) -> None:
        action, data = body.get("action"), body.get("data")
        data = data if isinstance(data, dict) else {}
        if action in ("authenticate", "auth"):
            key = str(data.get("key_id", body.get("key", "")))
            secret = str(data.get("secret_key", body.get("secret", "")))
            self._authenticate(line, key, secret)
        elif action == "listen":
            if not line.account:
                line.send(_authorization("unauthorized", "listen"), event="authorization")
                return
            streams = [str(name) for name in data.get("streams", [])]
            line.send({"stream": "listening", "data": {"streams": streams}}, event="listening")
            if TRADE_UPDATES in streams and line not in self._listening():
                self._venue.lines.add(line)
        else:
            line.send({"stream": "error", "data": {"error": "invalid message"}}, event="error")

    def _authenticate(self, line: Line, key: str, secret: str) -> None:
        try:
            self._venue.authorize(key, secret)
        except WireError:
            line.send(_authorization("unauthorized", "authenticate"), event="authorization")
            line.close(1000, "unauthorized")
            return
        if any(other is not line for other in self._listening()):
            line.send({"stream": "error", "data": {"error": _ERRORS[406], "code": 406}}, event="error")
            line.close(1008, _ERRORS[406])
            return
        line.account = key
        line.send(_authorization("authorized", "authenticate"), event="authorization")

    def _listening(self) -> list[Line]:
        return self._venue.lines.of(venue=VENUE, stream=TRADE_UPDATES)

    def _on_event(self, event: Event) -> None:
        if event.kind is EventKind.TRIGGERED:
            return
        for line in self._listening():
            line.send(
                self._venue.shapes.update(event, self._venue.rng),
                event=event.kind.value,
                order_ids=(event.order.id,),
                client_ids=(event.order.client_id,),
            )


def _authorization(status: str, action: str) -> Json:
    return {"stream": "authorization", "data": {"status": status, "action": action}}


def _without_secret(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    data = body.get("data")
    safe = {name: value for name, value in body.items() if name not in ("secret", "data")}
    if isinstance(data, dict):
        safe["data"] = {name: value for name, value in data.items() if name != "secret_key"}
    return safe


class _Client:
    """One client of a data feed: its line and what it subscribed to."""

    def __init__(self, line: Line, feed: str) -> None:
        self.line = line
        self.feed = feed
        self.wanted: dict[str, set[str]] = {name: set() for name in _CHANNELS}

    def wants(self, channel: str, symbol: str) -> bool:
        wanted = self.wanted[channel]
        return symbol in wanted or "*" in wanted

    def told(self) -> Json:
        crypto, news = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "orderbooks"), ("news",)
        names = news if self.feed == "news" else crypto if self.feed == "crypto" else _CHANNELS[:9]
        return {"T": "subscription"} | {name: sorted(self.wanted[name]) for name in names}


class DataStreams:
    """The sockets of market data and of news.

    Parameters
    ----------
    venue
        Whose market they tell.

    """

    def __init__(self, venue: AlpacaVenue) -> None:
        self._venue = venue
        self._clients: list[_Client] = []
        self._minutes: dict[str, list[Print]] = {}
        self._days: dict[str, list[Print]] = {}
        venue.market.listen(self._on_tick)
        venue.market.each_step(self._on_time)

    async def serve(self, websocket: WebSocket, feed: str) -> None:
        """Serve one client of a feed (`iex`, `sip`, `crypto`, `news`, …) until its connection ends."""
        is_msgpack = "msgpack" in websocket.headers.get("content-type", "")
        encode: Callable[[Any], str | bytes] = as_msgpack if is_msgpack else as_text
        line = Line(websocket, self._venue.market, venue=VENUE, stream=f"data:{feed}", encode=encode)
        if not await line.open():
            return
        client = _Client(line, feed)
        line.send([{"T": "success", "msg": "connected"}], event="success")
        deadline = self._venue.market.clock.rule_secs(_AUTH_SECS)
        timer = asyncio.get_running_loop().call_later(deadline, self._on_auth_timeout, client)
        try:
            while (frame := await line.receive()) is not None:
                body = _decoded(frame, is_msgpack=is_msgpack)
                line.received(_without_secret(body))
                self._on_frame(client, body)
        finally:
            timer.cancel()
            if client in self._clients:
                self._clients.remove(client)
            self._venue.lines.remove(line)
            await line.end()

    def tell_status(self, symbol: str, *, is_halted: bool) -> None:
        """Tell that trading of a symbol was halted or resumed."""
        frame = {
            "T": "s",
            "S": symbol,
            "sc": "H" if is_halted else "T",
            "sm": "Trading Halt" if is_halted else "Trading Resumption",
            "rc": "LUDP" if is_halted else "",
            "rm": "Volatility Trading Pause" if is_halted else "",
            "t": _stamp(self._venue.market.clock.wire_now_ns()),
            "z": "C",
        }
        self._send("statuses", symbol, frame)

    def tell_news(self, fields: Json) -> Json:
        """Publish an article, to the sockets and to the history of news."""
        article = article_of(fields, self._venue.market.clock.wire_now_ns(), 24_000_000 + len(self._venue.news))
        self._venue.news.append(article)
        times = {name: _stamp(read_time(article[name])) for name in ("created_at", "updated_at")}
        for client in list(self._clients):
            if any(client.wants("news", symbol) for symbol in (*article["symbols"], "*")):
                client.line.send([{"T": "n", **article, **times}], event="n")
        return article

    def _on_auth_timeout(self, client: _Client) -> None:
        if not client.line.account:
            self._refuse(client, 404, closing=True)

    def _on_frame(self, client: _Client, body: Any) -> None:
        if not isinstance(body, dict) or "action" not in body:
            self._refuse(client, 400)
            return
        action = body["action"]
        if action == "auth":
            self._authenticate(client, str(body.get("key", "")), str(body.get("secret", "")))
        elif not client.line.account:
            self._refuse(client, 401)
        elif action in ("subscribe", "unsubscribe"):
            self._subscribe(client, body, is_adding=action == "subscribe")
        else:
            self._refuse(client, 400)

    def _authenticate(self, client: _Client, key: str, secret: str) -> None:
        if client.line.account:
            self._refuse(client, 403)
            return
        try:
            self._venue.authorize(key, secret)
        except WireError:
            self._refuse(client, 402, closing=True)
            return
        if client.feed not in self._venue.settings.feeds:
            self._refuse(client, 409, closing=True)
            return
        if any(other.feed == client.feed for other in self._clients):
            self._refuse(client, 406, closing=True)
            return
        client.line.account = key
        self._clients.append(client)
        self._venue.lines.add(client.line)
        client.line.send([{"T": "success", "msg": "authenticated"}], event="success")

    def _subscribe(self, client: _Client, body: Json, *, is_adding: bool) -> None:
        asked = {name: {str(s) for s in body[name]} for name in _CHANNELS if isinstance(body.get(name), list)}
        after = {name: set(wanted) for name, wanted in client.wanted.items()}
        for name, symbols in asked.items():
            after[name] = after[name] | symbols if is_adding else after[name] - symbols
        limit = self._venue.settings.symbol_limit
        if limit and client.feed not in ("news",) and len(set.union(*(after[name] for name in _COUNTED))) > limit:
            self._refuse(client, 405)
            return
        client.wanted = after
        client.line.send([client.told()], event="subscription")
        if is_adding:
            for symbol in asked.get("orderbooks", ()):
                self._tell_book(client, symbol)

    def _refuse(self, client: _Client, code: int, *, closing: bool = False) -> None:
        client.line.send([{"T": "error", "code": code, "msg": _ERRORS[code]}], event="error")
        if closing:
            client.line.close(1000 if code != 407 else 1008)

    # Market data

    def _on_tick(self, tick: Tick, wire_ns: int) -> None:
        if tick.symbol not in self._venue.listings:
            return
        if isinstance(tick, Trade):
            self._on_trade(tick, wire_ns)
        else:
            self._on_quote(tick, wire_ns)

    def _on_trade(self, trade: Trade, wire_ns: int) -> None:
        symbol = trade.symbol
        last = self._venue.market.history.last_trade(symbol)
        number = last.id if last is not None else 1
        self._close_minutes(wire_ns, only=symbol)
        printed = Print(number, wire_ns, trade.price, trade.size, trade.aggressor)
        self._minutes.setdefault(symbol, []).append(printed)
        frame: Json = {"T": "t", "S": symbol, "i": number, "p": float(trade.price), "s": _size(trade.size)}
        is_crypto = "/" in symbol
        frame |= {"tks": side_letter(trade.aggressor)} if is_crypto else {"x": "V", "c": ["@"], "z": "C"}
        self._send("trades", symbol, frame | {"t": _stamp(wire_ns)})

    def _on_quote(self, quote: Quote, wire_ns: int) -> None:
        frame: Json = {
            "T": "q",
            "S": quote.symbol,
            "bp": float(quote.bid),
            "bs": _size(quote.bid_size),
            "ap": float(quote.ask),
            "as": _size(quote.ask_size),
        }
        if "/" not in quote.symbol:
            frame |= {"bx": "V", "ax": "V", "c": ["R"], "z": "C"}
        self._send("quotes", quote.symbol, frame | {"t": _stamp(wire_ns)})
        self._send("orderbooks", quote.symbol, _book(quote, wire_ns))

    def _tell_book(self, client: _Client, symbol: str) -> None:
        book = self._venue.exchange.books.get(symbol)
        if book is not None and book.quote is not None:
            wire_ns = self._venue.market.clock.wire_ns(book.quote.ts_ns)
            client.line.send([_book(book.quote, wire_ns) | {"r": True}], event="o")

    def _on_time(self) -> None:
        self._close_minutes(self._venue.market.clock.wire_now_ns())

    def _close_minutes(self, wire_ns: int, *, only: str = "") -> None:
        """Tell the minute bars that ended: a bar comes when its minute is over, not with the next trade."""
        for symbol in [only] if only else list(self._minutes):
            prints = self._minutes.get(symbol)
            if not prints or wire_ns // _MINUTE_NS == prints[0].ts_ns // _MINUTE_NS:
                continue
            del self._minutes[symbol]
            candle = candles_of(prints, _MINUTE_NS)[0]
            self._send("bars", symbol, _bar("b", symbol, candle))
            day = wire_ns // (86_400 * NS_PER_SEC)
            kept = [p for p in self._days.get(symbol, ()) if p.ts_ns // (86_400 * NS_PER_SEC) == day] + prints
            self._days[symbol] = kept
            self._send("dailyBars", symbol, _bar("d", symbol, _whole_day(kept)))

    def _send(self, channel: str, symbol: str, frame: Json) -> None:
        is_crypto = "/" in symbol
        for client in list(self._clients):
            if (client.feed == "crypto") == is_crypto and client.feed != "news" and client.wants(channel, symbol):
                client.line.send([frame], event=str(frame["T"]))


def _bar(kind: str, symbol: str, candle: Candle) -> Json:
    return {
        "T": kind,
        "S": symbol,
        "o": float(candle.open),
        "h": float(candle.high),
        "l": float(candle.low),
        "c": float(candle.close),
        "v": _size(candle.volume),
        "t": _stamp(candle.ts_ns),
        "n": candle.count,
        "vw": round(float(candle.vwap), 6),
    }


def _whole_day(prints: list[Print]) -> Candle:
    # One interval for all of them; the bar is stamped with New York's midnight, as the venue does.
    whole = candles_of(prints, 2**62)[0]
    there = new_york(prints[0].ts_ns)
    midnight = there.replace(hour=0, minute=0, second=0, microsecond=0)
    return msgspec.structs.replace(whole, ts_ns=int(midnight.timestamp()) * NS_PER_SEC)


def _book(quote: Quote, wire_ns: int) -> Json:
    return {
        "T": "o",
        "S": quote.symbol,
        "t": _stamp(wire_ns),
        "b": [{"p": float(x.price), "s": float(x.size)} for x in quote.bids],
        "a": [{"p": float(x.price), "s": float(x.size)} for x in quote.asks],
    }


def _size(value: Any) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _stamp(ts_ns: int) -> msgpack.Timestamp:
    return msgpack.Timestamp.from_unix_nano(ts_ns)
