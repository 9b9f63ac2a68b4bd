"""Tapes by the words that a command line has for them."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NamedTuple

from adapters.simulator.tape import Tick, expanded, merged, parquet_bars, random_walk, recorded

DEFAULT = ("walk:AAPL=180,SPY=600,BTC/USD=90000,BTC-USD=90000",)
_CRYPTO_SIZE = Decimal(2)
_SHARE_SIZE = Decimal(1000)


class NamedTape(NamedTuple):
    """Ticks in order of time, and the time of the first."""

    ticks: Iterator[Tick]
    start_ns: int


def tape_of(words: Sequence[str], *, seed: int, start_ns: int, spread_bps: float = 2.0) -> NamedTape:
    """Return the tape that words describe, several of them played together.

    Parameters
    ----------
    words
        ``walk:AAPL=180,BTC-USD=90000`` walks at random from a price, one quote a second; ``bars:AAPL=spy.parquet``
        expands the bars of a file to ticks; any other word is a file of recorded ticks, one JSON object a line.
    seed
        Of the walks.
    start_ns
        Where walks begin; files begin where they begin, and walks beside them with the first of them.
    spread_bps
        Between bid and ask of expanded bars, basis points of the first price.

    Raises
    ------
    ValueError
        When a word cannot be read; the text says what it must be.

    """
    streams = [
        stream
        for word in words
        if not word.startswith("walk:")
        for stream in (_bars(word, spread_bps) if word.startswith("bars:") else [recorded(Path(word))])
    ]
    firsts = [next(stream, None) for stream in streams]
    started = [chain([first], stream) for first, stream in zip(firsts, streams, strict=True) if first is not None]
    begins = [first.ts_ns for first in firsts if first is not None]
    start_ns = min(begins) if begins else start_ns
    walks = [
        _walk(symbol, price, seed, start_ns)
        for word in words
        if word.startswith("walk:")
        for symbol, price in _pairs(word)
    ]
    return NamedTape(merged(*started, *walks), start_ns)


def _pairs(word: str) -> Iterator[tuple[str, str]]:
    kind, _, rest = word.partition(":")
    for part in rest.split(","):
        symbol, is_given, value = part.partition("=")
        if not symbol or not is_given or not value:
            raise ValueError(f"a tape of {kind} must be {kind}:SYMBOL=VALUE, was {word}")
        yield symbol, value


def _walk(symbol: str, price: str, seed: int, start_ns: int) -> Iterator[Tick]:
    try:
        start = Decimal(price)
    except InvalidOperation as error:
        raise ValueError(f"a walk must start at a price, was {symbol}={price}") from error
    is_crypto = "/" in symbol or "-" in symbol
    return random_walk(
        symbol, start_ns=start_ns, seed=seed, price=start, size=_CRYPTO_SIZE if is_crypto else _SHARE_SIZE
    )


def _bars(word: str, spread_bps: float) -> Iterator[Iterator[Tick]]:
    for symbol, name in _pairs(word):
        bars = parquet_bars(Path(name), symbol)
        head = list(islice(bars, 50))
        if len(head) < 2:
            raise ValueError(f"{name} must have two bars of {symbol} at least, has {len(head)}")
        # The least distance is the bar's length: nights and holes only lengthen it.
        bar_ns = min(later.ts_ns - earlier.ts_ns for earlier, later in pairwise(head))
        spread = (head[0].open * Decimal(str(spread_bps)) / 10_000).quantize(Decimal("0.01"))
        yield expanded(chain(head, bars), bar_ns=bar_ns, spread=max(spread, Decimal("0.02")))
