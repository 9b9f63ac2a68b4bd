"""What the Coinbase simulator's public side knows of a product: its book, its trades, its candles.

Everything here is in the wire's time, so that buckets are those a client computes from what it was told.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from adapters.simulator.coinbase_wire import NANOS, Json, number, time_text
from adapters.simulator.tape import Bar, Level, Quote, Side, Trade

GRANULARITIES = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1_800,
    "ONE_HOUR": 3_600,
    "TWO_HOUR": 7_200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}
STREAMED_SECS = GRANULARITIES["FIVE_MINUTE"]
KEPT_TRADES = 1_000
_DAY_SECS = 86_400
ZERO = Decimal(0)


class Print(msgspec.Struct, frozen=True):
    """A trade that was told; `ts_ns` is the wire's time."""

    trade_id: int
    ts_ns: int
    price: Decimal
    size: Decimal
    aggressor: Side

    def row(self, product_id: str) -> Json:
        """Return the trade as streams and REST tell it: its side is that of the maker."""
        return {
            "trade_id": str(self.trade_id),
            "product_id": product_id,
            "price": number(self.price),
            "size": number(self.size),
            "side": self.aggressor.opposite.name,
            "time": time_text(self.ts_ns),
        }


class Candle(msgspec.Struct):
    """A bucket of trades; `start` in UTC seconds of the wire. There is no telling from it whether it is closed."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def add(self, other: "Candle") -> None:
        """Take in what came later."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume

    def row(self) -> Json:
        """Return the candle as REST tells it."""
        return {
            "start": str(self.start),
            "low": number(self.low),
            "high": number(self.high),
            "open": number(self.open),
            "close": number(self.close),
            "volume": number(self.volume),
        }


class ProductMarket:
    """The public state of one product.

    Parameters
    ----------
    product_id
        The canonical name.

    """

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        self.bids: tuple[Level, ...] = ()
        self.asks: tuple[Level, ...] = ()
        self.quoted_ns = 0
        self.trades: deque[Print] = deque(maxlen=KEPT_TRADES)
        self._minutes: dict[int, Candle] = {}
        self._next_trade_id = 1
        # A day has 1,440 minutes and a ticker is told at every trade: the sum is made once a second and kept up.
        self._day: tuple[int, Candle | None] = (-1, None)

    def updates(self, quote: Quote, wire_ns: int) -> list[Json]:
        """Return the level2 updates that lead from the book as it is to a new one."""
        return [
            *_differences("bid", self.bids, quote.bids, wire_ns),
            *_differences("offer", self.asks, quote.asks, wire_ns),
        ]

    def show(self, quote: Quote, wire_ns: int) -> None:
        """Take a new book."""
        self.bids, self.asks, self.quoted_ns = quote.bids, quote.asks, wire_ns

    def trade(self, trade: Trade, wire_ns: int) -> Print:
        """Take a trade and return it with its id."""
        told = Print(self._next_trade_id, wire_ns, trade.price, trade.size, trade.aggressor)
        self._next_trade_id += 1
        self.trades.append(told)
        start = wire_ns // NANOS
        candle = Candle(start - start % 60, trade.price, trade.price, trade.price, trade.price, trade.size)
        self._add(candle)
        if self._day[1] is not None:
            self._day[1].add(candle)
        return told

    def add_history(self, bars: Iterable[tuple[int, Bar]]) -> None:
        """Take bars of before the start, each with its opening time on the wire, in order of time."""
        for wire_ns, bar in bars:
            start = wire_ns // NANOS
            self._add(Candle(start - start % 60, bar.open, bar.high, bar.low, bar.close, bar.volume))

    def _add(self, candle: Candle) -> None:
        known = self._minutes.get(candle.start)
        if known is None:
            self._minutes[candle.start] = msgspec.structs.replace(candle)
        else:
            known.add(candle)

    @property
    def best_bid(self) -> Level | None:
        """Return the best bid, None while there is no book."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        """Return the best ask, None while there is no book."""
        return self.asks[0] if self.asks else None

    @property
    def last_price(self) -> Decimal | None:
        """Return the price of the last trade, or the middle of the book before the first."""
        if self.trades:
            return self.trades[-1].price
        if self.bids and self.asks:
            return (self.bids[0].price + self.asks[0].price) / 2
        return None

    def snapshot(self) -> list[Json]:
        """Return the whole book as level2 updates."""
        return [
            *_differences("bid", (), self.bids, self.quoted_ns),
            *_differences("offer", (), self.asks, self.quoted_ns),
        ]

    def candles(self, secs: int, *, start: int, end: int) -> list[Candle]:
        """Return the candles that begin in a span of UTC seconds, both ends inclusive, oldest first.

        A bucket without a trade has no candle.
        """
        buckets: dict[int, Candle] = {}
        first, last = start - start % 60, end - end % secs + secs
        span = range(first, last, 60)
        # A short span of a long history is looked up minute by minute, a long span of a short one by what there is.
        minutes = span if len(span) < len(self._minutes) else sorted(self._minutes)
        for minute in minutes:
            bucket = minute - minute % secs
            if not start <= bucket <= end or minute not in self._minutes:
                continue
            candle = self._minutes[minute]
            known = buckets.get(bucket)
            if known is None:
                buckets[bucket] = msgspec.structs.replace(candle, start=bucket)
            else:
                known.add(candle)
        return list(buckets.values())

    def day(self, now_ns: int) -> Candle | None:
        """Return the last 24 hours as one candle."""
        now = now_ns // NANOS
        if self._day[0] != now or self._day[1] is None:
            self._day = (now, _sum(self.candles(60, start=now - _DAY_SECS, end=now)))
        return self._day[1]

    def ticker(self, now_ns: int, *, has_best: bool = True) -> Json:
        """Return the ticker's row; the batched ticker tells no best prices."""
        day = self.day(now_ns)
        row: Json = {
            "type": "ticker",
            "product_id": self.product_id,
            "price": number(self.last_price),
            "volume_24_h": number(day.volume if day else ZERO),
            "low_24_h": number(day.low if day else None),
            "high_24_h": number(day.high if day else None),
            "low_52_w": number(day.low if day else None),
            "high_52_w": number(day.high if day else None),
            "price_percent_chg_24_h": number(_change_pct(day)),
        }
        if has_best:
            bid, ask = self.best_bid, self.best_ask
            row |= {
                "best_bid": number(bid.price if bid else None),
                "best_bid_quantity": number(bid.size if bid else None),
                "best_ask": number(ask.price if ask else None),
                "best_ask_quantity": number(ask.size if ask else None),
            }
        return row


def _sum(candles: list[Candle]) -> Candle | None:
    """Return one candle of many; the first of them is used up, so they must be the caller's own."""
    whole = candles[0] if candles else None
    for candle in candles[1:]:
        candles[0].add(candle)
    return whole


def _change_pct(day: Candle | None) -> Decimal:
    return ZERO if day is None or not day.open else round((day.close / day.open - 1) * 100, 8)


def _differences(side: str, old: tuple[Level, ...], new: tuple[Level, ...], wire_ns: int) -> Iterator[Json]:
    before = {level.price: level.size for level in old}
    after = {level.price: level.size for level in new if level.size > 0}
    moment = time_text(wire_ns)
    for price in before.keys() - after.keys():
        yield _update(side, price, ZERO, moment)
    for price, size in after.items():
        if before.get(price) != size:
            yield _update(side, price, size, moment)


def _update(side: str, price: Decimal, size: Decimal, moment: str | None) -> Json:
    return {"side": side, "event_time": moment, "price_level": number(price), "new_quantity": number(size)}
