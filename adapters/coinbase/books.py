"""What a stream builds up: the top of a book, the last trade, the bar in progress. All of it is lost with a gap."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.coinbase.parsing import CandleRow, Level, TradeRow

_GRACE_NS: Final = 3_000_000_000
_SECOND: Final = 1_000_000_000


class Top(NamedTuple):
    """Best bid and ask with their sizes."""

    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


class TopOfBook:
    """Best bid and ask of a book that is told by its changes.

    Examples
    --------
    >>> top = TopOfBook()
    >>> one = Decimal(1)
    >>> top.update([Level(True, Decimal(99), one, 0), Level(False, Decimal(101), one, 0)], is_snapshot=True).ask
    Decimal('101')
    >>> top.update([Level(True, Decimal(98), one, 0)], is_snapshot=False) is None
    True

    """

    def __init__(self) -> None:
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._last: Top | None = None
        self._best: list[Decimal | None] = [None, None]

    def update(self, levels: Iterable[Level], *, is_snapshot: bool) -> Top | None:
        """Apply changes; return the top when it is another one, None while it is the same or one side is empty."""
        if is_snapshot:
            self._bids.clear()
            self._asks.clear()
            self._best = [None, None]
        for level in levels:
            self._set(level)
        if not self._bids or not self._asks:
            return None
        bid = self._best[0] if self._best[0] is not None else max(self._bids)
        ask = self._best[1] if self._best[1] is not None else min(self._asks)
        self._best = [bid, ask]
        top = Top(bid, self._bids[bid], ask, self._asks[ask])
        if top == self._last or bid > ask:
            return None
        self._last = top
        return top

    def _set(self, level: Level) -> None:
        side, index = (self._bids, 0) if level.is_bid else (self._asks, 1)
        best = self._best[index]
        if level.size:
            side[level.price] = level.size
            if best is not None and (level.price > best if level.is_bid else level.price < best):
                self._best[index] = level.price
        elif side.pop(level.price, None) is not None and level.price == best:
            self._best[index] = None


class TradeFilter:
    """Lets each trade through once, oldest first.

    The venue starts every subscription with the last hundred trades. The first ones are history; after a reconnect
    those above the last one seen are what was missed.

    Examples
    --------
    >>> filter_ = TradeFilter()
    >>> row = lambda n: TradeRow(str(n), "BTC-USD", Decimal(1), Decimal(1), True, n)
    >>> [row.trade_id for row in filter_.fresh([row(2), row(1)], is_snapshot=True)]
    []
    >>> [row.trade_id for row in filter_.fresh([row(4), row(3), row(2)], is_snapshot=True)]
    ['3', '4']

    """

    def __init__(self) -> None:
        self._last: int | None = None

    def fresh(self, trades: Iterable[TradeRow], *, is_snapshot: bool) -> list[TradeRow]:
        """Return the trades that were not let through before."""
        ordered = sorted(trades, key=_order_of)
        if not ordered:
            return []
        last = self._last
        self._last = max(_order_of(ordered[-1]), last if last is not None else 0)
        if last is None:
            return [] if is_snapshot else ordered
        return [trade for trade in ordered if _order_of(trade) > last]


def _order_of(trade: TradeRow) -> int:
    return int(trade.trade_id) if trade.trade_id.isdecimal() else trade.ts_ns


class BarCloser:
    """Holds the bar in progress back until it is closed.

    The venue sends the open bar again and again and does not say which is the last time: a bar is closed when a later
    one has begun, or a few seconds after its end.

    Parameters
    ----------
    step_secs
        Length of a bar.
    """

    def __init__(self, step_secs: int) -> None:
        self._step_secs = step_secs
        self._open: CandleRow | None = None
        self._told = -1
        self._is_first = True

    def take(self, candles: Iterable[CandleRow], *, is_snapshot: bool) -> list[CandleRow]:
        """Take what the venue sent; return the bars that are closed by it, oldest first."""
        closed = []
        for candle in sorted(candles, key=lambda candle: candle.start_secs):
            if candle.start_secs <= self._told:
                continue
            if self._open is not None and candle.start_secs > self._open.start_secs:
                closed.append(self._close(self._open))
            self._open = candle
        is_first, self._is_first = self._is_first, False
        # What the first snapshot closes is from before the subscription: history.
        return [] if is_first and is_snapshot else closed

    def expire(self, now_ns: int) -> list[CandleRow]:
        """Return the bar whose time is over."""
        candle = self._open
        if candle is None or now_ns < (candle.start_secs + self._step_secs) * _SECOND + _GRACE_NS:
            return []
        self._open = None
        return [self._close(candle)]

    def _close(self, candle: CandleRow) -> CandleRow:
        self._told = max(self._told, candle.start_secs)
        return candle
