"""Alpaca's data API: bars, trades, quotes, latest values and snapshots of shares and crypto, and news."""

import base64
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from adapters.simulator.alpaca_requests import whole_number
from adapters.simulator.alpaca_trading import served
from adapters.simulator.alpaca_venue import AlpacaVenue
from adapters.simulator.alpaca_wire import Json, WireError, read_time, side_letter, utc_text
from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.exchange.sessions import NEW_YORK
from adapters.simulator.history import Candle, Print, Shown, candles_of

_MINUTE_NS = 60 * NS_PER_SEC
_UNITS_NS = {"Min": _MINUTE_NS, "T": _MINUTE_NS, "Hour": 60 * _MINUTE_NS, "H": 60 * _MINUTE_NS}
_DATE_UNITS = {"Day": "day", "D": "day", "Week": "week", "W": "week", "Month": "month", "M": "month"}
_LIMIT, _MOST = 1_000, 10_000
_NEWS_LIMIT = 50
_RECENT_NS = 15 * _MINUTE_NS
_PRIVATE_FEEDS = frozenset({"sip"})


def bar_json(candle: Candle) -> Json:
    """Return a bar; `t` is its opening time."""
    return {
        "c": float(candle.close),
        "h": float(candle.high),
        "l": float(candle.low),
        "n": candle.count,
        "o": float(candle.open),
        "t": utc_text(candle.ts_ns),
        "v": _size(candle.volume),
        "vw": round(float(candle.vwap), 6),
    }


def trade_json(trade: Print, *, is_crypto: bool) -> Json:
    """Return a trade."""
    row: Json = {"i": trade.id, "p": float(trade.price), "s": _size(trade.size), "t": utc_text(trade.ts_ns)}
    return row | ({"tks": side_letter(trade.aggressor)} if is_crypto else {"c": ["@"], "x": "V", "z": "C"})


def quote_json(quote: Shown, *, is_crypto: bool) -> Json:
    """Return a quote; sizes are in shares."""
    row: Json = {
        "ap": float(quote.ask),
        "as": _size(quote.ask_size),
        "bp": float(quote.bid),
        "bs": _size(quote.bid_size),
        "t": utc_text(quote.ts_ns),
    }
    return row if is_crypto else row | {"ax": "V", "bx": "V", "c": ["R"], "z": "C"}


def _size(value: Any) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


class DataApi:
    """The routes of the data API.

    Parameters
    ----------
    venue
        Whose history they tell.

    """

    def __init__(self, venue: AlpacaVenue) -> None:
        self._venue = venue
        self._history = venue.market.history

    def routes(self) -> list[Route]:
        """Return the routes, in the order in which they are tried."""
        stocks, crypto = "/v2/stocks", "/v1beta3/crypto/us"
        table: list[tuple[str, Callable[[Request, Json], tuple[int, Any]]]] = [
            (f"{stocks}/snapshots", self._snapshots),
            (f"{stocks}/{{kind}}/latest", self._latest),
            (f"{stocks}/{{symbol}}/snapshot", self._snapshot),
            (f"{stocks}/{{symbol}}/{{kind}}/latest", self._latest_of),
            (f"{stocks}/{{kind}}", self._rows),
            (f"{stocks}/{{symbol}}/{{kind}}", self._rows_of),
            ("/v1beta1/news", self._news),
            ("/v1/corporate-actions", self._corporate_actions),
        ]
        open_table: list[tuple[str, Callable[[Request, Json], tuple[int, Any]]]] = [
            (f"{crypto}/snapshots", self._snapshots),
            (f"{crypto}/latest/{{kind}}", self._latest),
            (f"{crypto}/{{kind}}", self._rows),
        ]
        routes = [Route(path, served(self._venue, "data", act), methods=["GET"]) for path, act in table]
        # Crypto is told to anybody; the SDK sends no keys where it was given none.
        return routes + [
            Route(path, served(self._venue, "data", act, needs_keys=False), methods=["GET"]) for path, act in open_table
        ]

    def _rows(self, request: Request, body: Json) -> tuple[int, Any]:
        kind = request.path_params["kind"]
        rows, token = self._page(request, kind, self._symbols(request))
        grouped: dict[str, list[Json]] = {}
        for symbol, row in rows:
            grouped.setdefault(symbol, []).append(row)
        return 200, {kind: grouped, "next_page_token": token}

    def _rows_of(self, request: Request, body: Json) -> tuple[int, Any]:
        kind, symbol = request.path_params["kind"], request.path_params["symbol"]
        rows, token = self._page(request, kind, [symbol])
        return 200, {kind: [row for _, row in rows] or None, "symbol": symbol, "next_page_token": token}

    def _page(self, request: Request, kind: str, symbols: list[str]) -> tuple[list[tuple[str, Json]], str | None]:
        query = request.query_params
        now_ns = self._venue.market.clock.wire_now_ns()
        since_ns = read_time(query.get("start", ""), now_ns=now_ns // (86_400 * NS_PER_SEC) * 86_400 * NS_PER_SEC)
        until_ns = read_time(query.get("end", ""), now_ns=now_ns)
        if query.get("feed") in _PRIVATE_FEEDS - self._venue.settings.feeds and until_ns > now_ns - _RECENT_NS:
            raise WireError(403, "subscription does not permit querying recent SIP data", 42210000)
        rows: list[tuple[str, Json]] = []
        for symbol in symbols:
            # Pages come symbol by symbol: the limit counts the points of all of them.
            points = self._points(kind, symbol, query.get("timeframe", "1Min"), since_ns, until_ns)
            ordered = points[::-1] if query.get("sort") == "desc" else points
            rows += [(symbol, point) for point in ordered]
        limit = min(max(whole_number(query, "limit", _LIMIT), 1), _MOST)
        first = _offset(query.get("page_token"))
        rest = len(rows) > first + limit
        return rows[first : first + limit], _token(first + limit) if rest else None

    def _points(self, kind: str, symbol: str, timeframe: str, since_ns: int, until_ns: int) -> list[Json]:
        is_crypto = "/" in symbol
        if kind == "bars":
            candles = self._bars(symbol, timeframe, since_ns)
            return [bar_json(c) for c in candles if since_ns <= c.ts_ns <= until_ns]
        if kind == "trades":
            trades = self._history.trades(symbol, since_ns=since_ns, until_ns=until_ns)
            return [trade_json(t, is_crypto=is_crypto) for t in trades]
        if kind == "quotes":
            quotes = self._history.quotes(symbol, since_ns=since_ns, until_ns=until_ns)
            return [quote_json(q, is_crypto=is_crypto) for q in quotes]
        raise WireError(404, "endpoint not found", 40410000)

    def _bars(self, symbol: str, timeframe: str, since_ns: int) -> list[Candle]:
        digits = "".join(c for c in timeframe if c.isdigit()) or "1"
        unit = timeframe[len(digits) :] if timeframe[:1].isdigit() else timeframe
        if unit in _UNITS_NS:
            return self._history.candles(symbol, int(digits) * _UNITS_NS[unit], since_ns=since_ns)
        if unit not in _DATE_UNITS:
            raise WireError(400, f"invalid timeframe: {timeframe}", 40010001)
        return list(_by_date(self._history.trades(symbol), _DATE_UNITS[unit]))

    def _latest(self, request: Request, body: Json) -> tuple[int, Any]:
        kind = request.path_params["kind"]
        if kind == "orderbooks":
            return 200, {"orderbooks": {s: self._orderbook(s) for s in self._symbols(request)}}
        values = {symbol: self._last(kind, symbol) for symbol in self._symbols(request)}
        return 200, {kind: {symbol: value for symbol, value in values.items() if value is not None}}

    def _latest_of(self, request: Request, body: Json) -> tuple[int, Any]:
        kind, symbol = request.path_params["kind"], request.path_params["symbol"]
        return 200, {kind[:-1]: self._last(kind, symbol), "symbol": symbol}

    def _last(self, kind: str, symbol: str) -> Json | None:
        is_crypto = "/" in symbol
        if kind == "trades":
            trade = self._history.last_trade(symbol)
            return None if trade is None else trade_json(trade, is_crypto=is_crypto)
        if kind == "quotes":
            quote = self._history.last_quote(symbol)
            return None if quote is None else quote_json(quote, is_crypto=is_crypto)
        candles = self._history.candles(symbol, _MINUTE_NS)
        return bar_json(candles[-1]) if candles else None

    def _orderbook(self, symbol: str) -> Json:
        book = self._venue.exchange.books.get(symbol)
        quote = book.quote if book is not None else None
        if quote is None:
            return {"a": [], "b": [], "t": utc_text(self._venue.market.clock.wire_now_ns())}
        return {
            "a": [{"p": float(x.price), "s": float(x.size)} for x in quote.asks],
            "b": [{"p": float(x.price), "s": float(x.size)} for x in quote.bids],
            "t": utc_text(self._venue.market.clock.wire_ns(quote.ts_ns)),
        }

    def _snapshots(self, request: Request, body: Json) -> tuple[int, Any]:
        told = {symbol: self._whole(symbol) for symbol in self._symbols(request)}
        return 200, {"snapshots": told} if "crypto" in request.url.path else told

    def _snapshot(self, request: Request, body: Json) -> tuple[int, Any]:
        symbol = request.path_params["symbol"]
        return 200, {"symbol": symbol, **self._whole(symbol)}

    def _whole(self, symbol: str) -> Json:
        days = list(_by_date(self._history.trades(symbol), "day"))
        return {
            "latestTrade": self._last("trades", symbol),
            "latestQuote": self._last("quotes", symbol),
            "minuteBar": self._last("bars", symbol),
            "dailyBar": bar_json(days[-1]) if days else None,
            "prevDailyBar": bar_json(days[-2]) if len(days) > 1 else None,
        }

    def _news(self, request: Request, body: Json) -> tuple[int, Any]:
        query = request.query_params
        symbols = {s for s in query.get("symbols", "").split(",") if s}
        since_ns = read_time(query.get("start", "")) if query.get("start") else 0
        until_ns = read_time(query["end"]) if query.get("end") else None
        rows = [
            article
            for article in self._venue.news
            if (not symbols or symbols & set(article["symbols"]))
            and read_time(article["created_at"]) >= since_ns
            and (until_ns is None or read_time(article["created_at"]) <= until_ns)
        ]
        rows.sort(key=lambda article: read_time(article["updated_at"]), reverse=query.get("sort", "desc") == "desc")
        if query.get("include_content", "").lower() != "true":
            rows = [{**article, "content": ""} for article in rows]
        limit = min(whole_number(query, "limit", 10), _NEWS_LIMIT)
        first = _offset(query.get("page_token"))
        rest = len(rows) > first + limit
        return 200, {"news": rows[first : first + limit], "next_page_token": _token(first + limit) if rest else None}

    def _corporate_actions(self, request: Request, body: Json) -> tuple[int, Any]:
        return 200, {"corporate_actions": {}, "next_page_token": None}

    def _symbols(self, request: Request) -> list[str]:
        symbols = [symbol for symbol in request.query_params.get("symbols", "").split(",") if symbol]
        if not symbols:
            raise WireError(400, "symbols is required", 40010001)
        return symbols


def _by_date(trades: Iterable[Print], unit: str) -> Iterable[Candle]:
    """Yield candles of New York's days, weeks or months, each stamped with its first midnight."""
    groups: dict[date, list[Print]] = {}
    for trade in trades:
        day = datetime.fromtimestamp(trade.ts_ns // NS_PER_SEC, tz=NEW_YORK).date()
        first = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[unit]
        groups.setdefault(first, []).append(trade)
    for first, group in groups.items():
        midnight = datetime(first.year, first.month, first.day, tzinfo=NEW_YORK)
        start_ns = int(midnight.timestamp()) * NS_PER_SEC
        # One interval that is longer than any month makes one candle of the group.
        whole = candles_of(group, 2**62)[0]
        yield Candle(start_ns, whole.open, whole.high, whole.low, whole.close, whole.volume, whole.vwap, whole.count)


def _token(offset: int) -> str:
    return base64.b64encode(f"offset|{offset}".encode()).decode()


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token).decode().split("|")[1])
    except (ValueError, IndexError) as error:
        raise WireError(400, "invalid page token", 40010001) from error


def article_of(fields: Json, now_ns: int, number: int) -> Json:
    """Return a news article with everything that was left out."""
    moment = utc_text(now_ns // NS_PER_SEC * NS_PER_SEC)
    return {
        "id": number,
        "headline": "",
        "summary": "",
        "author": "Simulated Newsdesk",
        "created_at": moment,
        "updated_at": moment,
        "url": f"https://news.invalid/{number}",
        "content": "",
        "symbols": [],
        "images": [],
        "source": "simulator",
    } | fields
