"""What the market does: quotes and trades in the order of their time, whatever they come from."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from pathlib import Path
from random import Random

import msgspec

ZERO = Decimal(0)
CENT = Decimal("0.01")


class Level(msgspec.Struct, frozen=True):
    """A price of the book and the size that is shown at it."""

    price: Decimal
    size: Decimal


class Quote(msgspec.Struct, frozen=True, tag="quote"):
    """The best prices of both sides, and what lies behind them where the tape knows it.

    Parameters
    ----------
    ts_ns
        Venue time, UTC nanoseconds.
    symbol
        As the venue that lists it writes it: AAPL, BTC/USD, BTC-USD.
    bid, bid_size, ask, ask_size
        Best prices and displayed sizes.
    more_bids, more_asks
        Levels behind the best, best first.

    """

    ts_ns: int
    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal = Decimal(100)
    ask_size: Decimal = Decimal(100)
    more_bids: tuple[Level, ...] = ()
    more_asks: tuple[Level, ...] = ()

    @property
    def bids(self) -> tuple[Level, ...]:
        """Return the bid side, best first."""
        return (Level(self.bid, self.bid_size), *self.more_bids)

    @property
    def asks(self) -> tuple[Level, ...]:
        """Return the ask side, best first."""
        return (Level(self.ask, self.ask_size), *self.more_asks)


class Side(StrEnum):
    """A side of the market."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Trade(msgspec.Struct, frozen=True, tag="trade"):
    """A print on the tape; `aggressor` is the side that took.

    Examples
    --------
    >>> Trade(1, "AAPL", Decimal("180.00"), Decimal(100)).aggressor
    <Side.BUY: 'buy'>

    """

    ts_ns: int
    symbol: str
    price: Decimal
    size: Decimal
    aggressor: Side = Side.BUY


type Tick = Quote | Trade


class Bar(msgspec.Struct, frozen=True):
    """A bar that is to be expanded; `ts_ns` is its opening time."""

    ts_ns: int
    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Tape:
    """Ticks in order of time, read as time reaches them.

    Parameters
    ----------
    ticks
        In order of time; may be endless.

    Examples
    --------
    >>> tape = Tape([Trade(5, "A", Decimal(1), Decimal(1)), Trade(9, "A", Decimal(2), Decimal(1))])
    >>> [tick.ts_ns for tick in tape.due(7)], tape.next_ns
    ([5], 9)

    """

    def __init__(self, ticks: Iterable[Tick] = ()) -> None:
        self._ticks = iter(ticks)
        self._next: Tick | None = next(self._ticks, None)

    @property
    def next_ns(self) -> int | None:
        """Return the time of the next tick; None at the end."""
        return None if self._next is None else self._next.ts_ns

    def due(self, until_ns: int) -> Iterator[Tick]:
        """Yield and consume the ticks up to a time, inclusive."""
        while self._next is not None and self._next.ts_ns <= until_ns:
            tick, self._next = self._next, next(self._ticks, None)
            yield tick


def merged(*streams: Iterable[Tick]) -> Iterator[Tick]:
    """Yield the ticks of several streams in order of time."""
    return heapq.merge(*streams, key=lambda tick: tick.ts_ns)


def expanded(bars: Iterable[Bar], *, bar_ns: int, spread: Decimal = Decimal("0.02")) -> Iterator[Tick]:
    """Yield a quote and a trade at a bar's open, its extremes and its close.

    The extreme that lies nearer to the open comes first, as in a backtest that makes ticks of bars. A quarter of the
    volume is traded at each price.

    Parameters
    ----------
    bars
        In order of time.
    bar_ns
        Length of a bar.
    spread
        Between bid and ask, in units of the price.

    Examples
    --------
    >>> bar = Bar(0, "A", Decimal(10), Decimal(12), Decimal(9), Decimal(11), Decimal(400))
    >>> [str(t.price) for t in expanded([bar], bar_ns=60) if isinstance(t, Trade)]
    ['10', '9', '12', '11']

    """
    half = spread / 2
    for bar in bars:
        is_low_first = bar.open - bar.low <= bar.high - bar.open
        extremes = (bar.low, bar.high) if is_low_first else (bar.high, bar.low)
        before = bar.open
        # The close is told just inside its bar: one nanosecond later it would belong to the next.
        times = (0, bar_ns // 3, 2 * bar_ns // 3, bar_ns - 2)
        for offset, price in zip(times, (bar.open, *extremes, bar.close), strict=True):
            size = bar.volume / 4
            yield Quote(bar.ts_ns + offset, bar.symbol, price - half, price + half, size, size)
            aggressor = Side.BUY if price >= before else Side.SELL
            yield Trade(bar.ts_ns + offset + 1, bar.symbol, price, size, aggressor)
            before = price


def random_walk(
    symbol: str,
    *,
    start_ns: int,
    seed: int,
    price: Decimal,
    interval_ns: int = 1_000_000_000,
    volatility_bps: float = 2.0,
    size: Decimal = Decimal(100),
    increment: Decimal = CENT,
) -> Iterator[Tick]:
    """Yield an endless walk of quotes, each followed by a trade at its bid or ask.

    Parameters
    ----------
    symbol, price
        What walks, and from where.
    start_ns, interval_ns
        Time of the first quote, and between two.
    seed
        The same seed gives the same walk.
    volatility_bps
        Standard deviation of a step, basis points of the price.
    size
        Greatest size that is shown.
    increment
        Prices are multiples of it; the spread is two.

    """
    rng = Random(f"{seed}:{symbol}")
    middle, now_ns = price, start_ns
    unit = size / 10
    while True:
        middle *= 1 + Decimal(round(rng.gauss(0.0, volatility_bps) / 10_000, 9))
        middle = max(middle.quantize(increment, ROUND_HALF_EVEN), 2 * increment)
        bid, ask = middle - increment, middle + increment
        yield Quote(now_ns, symbol, bid, ask, unit * rng.randint(1, 10), unit * rng.randint(1, 10))
        aggressor = rng.choice((Side.BUY, Side.SELL))
        traded = unit * rng.randint(1, 5)
        yield Trade(now_ns + interval_ns // 2, symbol, ask if aggressor is Side.BUY else bid, traded, aggressor)
        now_ns += interval_ns


def recorded(path: Path) -> Iterator[Tick]:
    """Yield the ticks of a file of JSON lines, as `written` makes it."""
    decoder: msgspec.json.Decoder[Tick] = msgspec.json.Decoder(Quote | Trade)
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield decoder.decode(line)


def written(ticks: Iterable[Tick], path: Path) -> int:
    """Write ticks as JSON lines; return how many."""
    with path.open("wb") as lines:
        return sum(1 for tick in ticks if lines.write(msgspec.json.encode(tick) + b"\n"))


def bars_of(rows: Iterable[Mapping[str, object]], symbol: str) -> Iterator[Bar]:
    """Yield bars of rows with `ts_ns`, `open`, `high`, `low`, `close` and `volume`."""
    for row in rows:
        prices = (Decimal(str(row[name])) for name in ("open", "high", "low", "close", "volume"))
        yield Bar(int(str(row["ts_ns"])), symbol, *prices)


def parquet_bars(path: Path, symbol: str) -> Iterator[Bar]:
    """Yield the bars of a Parquet file with the columns time (or ts_ns), open, high, low, close, volume.

    Parameters
    ----------
    path
        The file; a column `time` or `timestamp` holds UTC times of any unit, `ts_ns` holds nanoseconds.
    symbol
        Whose bars they are; a column `symbol`, where there is one, selects its rows.

    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if "symbol" in table.column_names:
        table = table.filter(pc.equal(table["symbol"], symbol))
    name = next((n for n in ("ts_ns", "time", "timestamp", "ts", "date") if n in table.column_names), None)
    if name is None:
        raise ValueError(f"{path.name} needs a column ts_ns, time or timestamp, has {', '.join(table.column_names)}")
    times = table[name]
    if name != "ts_ns":
        times = times.cast(
            pa.timestamp("ns", tz=times.type.tz) if pa.types.is_timestamp(times.type) else "timestamp[ns]"
        )
    stamps = times.cast("int64").to_pylist()
    columns = {n: table[n].to_pylist() for n in ("open", "high", "low", "close", "volume")}
    rows = ({"ts_ns": stamp, **{n: values[i] for n, values in columns.items()}} for i, stamp in enumerate(stamps))
    yield from bars_of(rows, symbol)
