"""What the market did so far, in the times that the wire told: for requests of history, latest values and snapshots."""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from adapters.simulator.tape import ZERO, Quote, Side, Tick, Trade


class Candle(msgspec.Struct, frozen=True):
    """Trades of an interval; `ts_ns` is its opening time on the wire.

    Parameters
    ----------
    ts_ns
        Opening time, a multiple of the interval.
    open, high, low, close, volume, vwap
        Of its trades.
    count
        Number of trades.

    """

    ts_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    vwap: Decimal
    count: int


class Print(msgspec.Struct, frozen=True):
    """A trade as the wire told it: with its number within the symbol."""

    id: int
    ts_ns: int
    price: Decimal
    size: Decimal
    aggressor: Side


class Shown(msgspec.Struct, frozen=True):
    """A quote as the wire told it."""

    ts_ns: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal


class History:
    """The last quotes and trades of every symbol.

    Parameters
    ----------
    limit
        Ticks of each kind that are kept of a symbol.

    """

    def __init__(self, limit: int = 200_000) -> None:
        self._limit = limit
        self._trades: dict[str, deque[Print]] = {}
        self._quotes: dict[str, deque[Shown]] = {}
        self._counts: dict[str, int] = {}

    def add(self, tick: Tick, wire_ns: int) -> None:
        """Remember a tick under its time on the wire."""
        if isinstance(tick, Trade):
            self._counts[tick.symbol] = number = self._counts.get(tick.symbol, 0) + 1
            kept = self._trades.setdefault(tick.symbol, deque(maxlen=self._limit))
            kept.append(Print(number, wire_ns, tick.price, tick.size, tick.aggressor))
        elif isinstance(tick, Quote):
            shown = self._quotes.setdefault(tick.symbol, deque(maxlen=self._limit))
            shown.append(Shown(wire_ns, tick.bid, tick.ask, tick.bid_size, tick.ask_size))

    def trades(self, symbol: str, *, since_ns: int = 0, until_ns: int | None = None) -> list[Print]:
        """Return the trades between two times on the wire, both inclusive."""
        return [p for p in self._trades.get(symbol, ()) if since_ns <= p.ts_ns and _is_before(p.ts_ns, until_ns)]

    def quotes(self, symbol: str, *, since_ns: int = 0, until_ns: int | None = None) -> list[Shown]:
        """Return the quotes between two times on the wire, both inclusive."""
        return [q for q in self._quotes.get(symbol, ()) if since_ns <= q.ts_ns and _is_before(q.ts_ns, until_ns)]

    def last_trade(self, symbol: str) -> Print | None:
        """Return the newest trade."""
        kept = self._trades.get(symbol)
        return kept[-1] if kept else None

    def last_quote(self, symbol: str) -> Shown | None:
        """Return the newest quote."""
        shown = self._quotes.get(symbol)
        return shown[-1] if shown else None

    def candles(self, symbol: str, interval_ns: int, *, since_ns: int = 0, until_ns: int | None = None) -> list[Candle]:
        """Return the candles whose opening times lie between two times on the wire, oldest first, the open one too."""
        first = since_ns - since_ns % interval_ns
        prints = self.trades(symbol, since_ns=first)
        candles = candles_of(prints, interval_ns)
        return [c for c in candles if c.ts_ns >= since_ns and _is_before(c.ts_ns, until_ns)]


def candles_of(prints: Iterable[Print], interval_ns: int) -> list[Candle]:
    """Return the candles of trades in order of time.

    Examples
    --------
    >>> prints = [Print(i, i * 10, Decimal(p), Decimal(1), Side.BUY) for i, p in enumerate((5, 7, 6))]
    >>> [(c.ts_ns, int(c.open), int(c.high), int(c.close)) for c in candles_of(prints, 20)]
    [(0, 5, 7, 7), (20, 6, 6, 6)]

    """
    buckets: dict[int, list[Print]] = {}
    for trade in prints:
        buckets.setdefault(trade.ts_ns - trade.ts_ns % interval_ns, []).append(trade)
    return [_candle(ts_ns, trades) for ts_ns, trades in buckets.items()]


def _candle(ts_ns: int, trades: list[Print]) -> Candle:
    prices = [trade.price for trade in trades]
    volume = sum((trade.size for trade in trades), ZERO)
    value = sum((trade.size * trade.price for trade in trades), ZERO)
    return Candle(
        ts_ns=ts_ns,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=volume,
        vwap=value / volume if volume else prices[-1],
        count=len(trades),
    )


def _is_before(ts_ns: int, until_ns: int | None) -> bool:
    return until_ns is None or ts_ns <= until_ns
