"""Market data and news of the venue as values: quotes, prints, bars, articles, and the pages of history."""

from decimal import Decimal

import msgspec

from adapters.alpaca.fields import (
    ParseError,
    number_of,
    number_or_none,
    object_of,
    symbol_of,
    text_of,
    time_of,
    time_or_none,
)


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and ask."""

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    at_ns: int


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A print; ``taker`` is "B", "S" or "" where the venue does not tell."""

    symbol: str
    id: str
    price: Decimal
    size: Decimal
    taker: str
    at_ns: int


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Prices and volume of an interval that begins at ``open_ns``."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    open_ns: int


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """A news article."""

    id: int
    headline: str
    summary: str
    source: str
    url: str
    symbols: tuple[str, ...]
    created_ns: int
    updated_ns: int


def parse_quote(raw: object, symbol: str = "") -> Quote:
    """Return a quote of the stream (``S`` names the symbol) or of the history (`symbol` does)."""
    body = object_of(raw, "quote")
    bid, ask = number_of(body, "bp"), number_of(body, "ap")
    if bid < 0 or ask < 0:
        raise ParseError("quote_price_invalid")
    sizes = number_or_none(body, "bs") or Decimal(0), number_or_none(body, "as") or Decimal(0)
    if min(sizes) < 0:
        raise ParseError("quote_size_invalid")
    return Quote(
        symbol=symbol or symbol_of(body, "quote_symbol", key="S"),
        bid=bid,
        ask=ask,
        bid_size=sizes[0],
        ask_size=sizes[1],
        at_ns=time_of(body, "t"),
    )


def parse_trade(raw: object, symbol: str = "") -> Trade:
    """Return a print of the stream or of the history."""
    body = object_of(raw, "trade")
    price, size = number_of(body, "p"), number_of(body, "s")
    if price <= 0 or size <= 0:
        raise ParseError("trade_not_positive")
    number = body.get("i")
    if isinstance(number, bool) or not isinstance(number, int | str) or number == "":
        raise ParseError("trade_id_invalid")
    if (isinstance(number, int) and abs(number) >= 10**30) or (isinstance(number, str) and not number.isalnum()):
        raise ParseError("trade_id_invalid")
    taker = body.get("tks")
    return Trade(
        symbol=symbol or symbol_of(body, "trade_symbol", key="S"),
        id=str(number)[:36],
        price=price,
        size=size,
        taker=taker if taker in ("B", "S") else "",
        at_ns=time_of(body, "t"),
    )


def parse_bar(raw: object, symbol: str = "") -> Bar:
    """Return a bar of the stream or of the history."""
    body = object_of(raw, "bar")
    prices = {name: number_of(body, name) for name in "ohlc"}
    volume = number_of(body, "v")
    if min(prices.values()) <= 0 or volume < 0:
        raise ParseError("bar_not_positive")
    if prices["h"] < max(prices["o"], prices["c"], prices["l"]) or prices["l"] > min(prices["o"], prices["c"]):
        raise ParseError("bar_inconsistent")
    return Bar(
        symbol=symbol or symbol_of(body, "bar_symbol", key="S"),
        open=prices["o"],
        high=prices["h"],
        low=prices["l"],
        close=prices["c"],
        volume=volume,
        open_ns=time_of(body, "t"),
    )


def parse_article(raw: object) -> Article:
    """Return a news article."""
    body = object_of(raw, "news")
    number = body.get("id")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise ParseError("news_id_invalid")
    symbols = body.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise ParseError("news_symbols_invalid")
    headline = body.get("headline")
    if not isinstance(headline, str):
        raise ParseError("news_headline_missing")
    created = time_of(body, "created_at")
    return Article(
        id=number,
        headline=headline,
        summary=str(body.get("summary") or ""),
        source=str(body.get("source") or ""),
        url=str(body.get("url") or ""),
        symbols=tuple(symbols),
        created_ns=created,
        updated_ns=time_or_none(body, "updated_at") or created,
    )


def parse_page(raw: object, key: str) -> tuple[dict[str, list[object]], str]:
    """Return the rows of a page of market data by symbol, and the token of the next page ("" at the end)."""
    body = object_of(raw, "page")
    rows = body.get(key)
    token = body.get("next_page_token")
    if token is not None and not isinstance(token, str):
        raise ParseError("page_token_invalid")
    if rows is None:
        rows = {}
    if isinstance(rows, list):
        rows = {text_of(body, "symbol"): rows}
    if not isinstance(rows, dict) or not all(value is None or isinstance(value, list) for value in rows.values()):
        raise ParseError("page_rows_invalid")
    return {str(symbol): value or [] for symbol, value in rows.items()}, token or ""
