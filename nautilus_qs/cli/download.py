"""``nqs data download``: history from a venue or from Yahoo into the catalog."""

import time
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nautilus_qs.cli.options import DEFAULT_CATALOG, Accept, CatalogFolder, JsonFlag, NoProgress
from nautilus_qs.cli.reports import print_ingest
from nautilus_qs.errors import ConfigError

if TYPE_CHECKING:
    from catalog.ingest import IngestReport


class From(StrEnum):
    """Where history comes from."""

    ALPACA = "alpaca"
    COINBASE = "coinbase"
    YAHOO = "yahoo"


class Timeframe(StrEnum):
    """Sizes of bar."""

    MINUTE = "1m"
    QUARTER = "15m"
    HOUR = "1h"
    DAY = "1d"


class Account(StrEnum):
    """Which of Alpaca's accounts the key belongs to."""

    PAPER = "paper"
    LIVE = "live"


class Feed(StrEnum):
    """Source of Alpaca's equity prices."""

    IEX = "iex"
    SIP = "sip"


def download(
    venue: Annotated[From, typer.Option("--venue", help="Where from.")],
    symbols: Annotated[list[str], typer.Option("--symbols", help="As the venue writes them; comma-separated.")],
    timerange: Annotated[str, typer.Option("--timerange", help="YYYYMMDD-YYYYMMDD.")],
    timeframe: Annotated[Timeframe, typer.Option("--timeframe", help="Size of the bars.")] = Timeframe.DAY,
    fund: Annotated[list[str] | None, typer.Option("--fund", help="A symbol that is a fund; repeatable.")] = None,
    sector: Annotated[list[str] | None, typer.Option("--sector", help="SYMBOL=SECTOR; repeatable.")] = None,
    feed: Annotated[Feed, typer.Option("--feed", help="Of Alpaca's equities.")] = Feed.IEX,
    account: Annotated[Account, typer.Option("--account", help="Of Alpaca's key.")] = Account.PAPER,
    while_trading: Annotated[
        bool, typer.Option("--while-trading", help="Use a key whose account has open orders or positions.")
    ] = False,
    url: Annotated[str, typer.Option("--url", help="Another host: a simulator on this machine.")] = "",
    catalog: CatalogFolder = DEFAULT_CATALOG,
    accept: Accept = None,
    no_progress: NoProgress = False,
    json_: JsonFlag = False,
) -> None:
    """Get bars into the catalog; after a kill the same command goes on where it stopped.

    Keys come from the environment: APCA_API_KEY_ID and APCA_API_SECRET_KEY, COINBASE_API_KEY and COINBASE_API_SECRET
    (Coinbase's market data needs none). Yahoo needs the extra yahoo, and has days only.

    Example: nqs data download --venue coinbase --symbols BTC-USD,ETH-USD --timeframe 1h --timerange 20240101-20241231

    nqs data download --venue alpaca --symbols SPY --fund SPY --timeframe 1m --timerange 20240101-20240331

    nqs data download --venue yahoo --symbols SPY,^VIX --fund SPY --timerange 20150101-20241231
    """
    from nautilus_qs.config import span_ns

    named = [symbol.strip() for text in symbols for symbol in text.split(",") if symbol.strip()]
    if not named:
        raise ConfigError("--symbols must name at least one symbol, as --symbols BTC-USD,ETH-USD")
    span = span_ns(timerange)
    kinds = {"funds": fund or [], "sectors": dict(text.partition("=")[::2] for text in sector or [])}
    if venue is From.YAHOO:
        if timeframe is not Timeframe.DAY:
            raise ConfigError(f"Yahoo has days only, --timeframe was {timeframe.value}; say 1d")
        print_ingest(_from_yahoo(named, span, kinds, catalog, accept), json_=json_)
        return
    history = (
        _coinbase(url)
        if venue is From.COINBASE
        else _alpaca(kinds, url=url, feed=feed, is_paper=account is Account.PAPER, is_trading_allowed=while_trading)
    )
    print_ingest(
        _from_venue(history, named, timeframe, span, catalog, accept, is_shown=not (no_progress or json_)), json_=json_
    )


def _from_venue(
    history: Any,
    symbols: list[str],
    timeframe: Timeframe,
    span: tuple[int, int],
    catalog: Any,
    accept: list[str] | None,
    *,
    is_shown: bool,
) -> "IngestReport":
    from rich.progress import Progress

    from catalog.download import DownloadJob
    from catalog.download import download as run
    from catalog.sources.series import BarSize

    sizes = {"1m": BarSize.MINUTE, "15m": BarSize.QUARTER, "1h": BarSize.HOUR, "1d": BarSize.DAY}
    job = DownloadJob(
        symbols=tuple(symbols),
        size=sizes[timeframe.value],
        start_secs=span[0] // 10**9,
        end_secs=span[1] // 10**9,
        now_secs=int(time.time()),
    )
    with Progress() if is_shown else nullcontext() as bar:
        tasks = {symbol: bar.add_task(symbol, total=1.0) for symbol in symbols} if bar is not None else {}

        def show(symbol: str, share: float, bars: int) -> None:
            if bar is not None:
                bar.update(tasks[symbol], completed=share, description=f"{symbol} {bars:,} bars")

        return run(history, job, catalog, accept=accept or [], on_progress=show)


def _coinbase(url: str) -> Any:
    from adapters.coinbase.config import CoinbaseEndpoints
    from adapters.coinbase.credentials import credentials_from
    from catalog.sources.coinbase import CoinbaseHistory

    endpoints = CoinbaseEndpoints()
    if url:
        endpoints = CoinbaseEndpoints(rest_host=url.removeprefix("http://").rstrip("/"), plain_http=True)
    return CoinbaseHistory(credentials_from("COINBASE_API_KEY", "COINBASE_API_SECRET"), endpoints=endpoints)


def _alpaca(kinds: dict[str, Any], *, url: str, feed: Feed, is_paper: bool, is_trading_allowed: bool) -> Any:
    from adapters.alpaca.config import AlpacaVenueConfig, Credentials
    from catalog.instruments import Kind
    from catalog.sources.alpaca import AlpacaHistory

    config = AlpacaVenueConfig(paper=is_paper, rest_url=url, data_url=url)
    try:
        credentials = Credentials.from_environment(config.key_variable, config.secret_variable)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return AlpacaHistory(
        credentials,
        config,
        feed=feed.value,
        kinds=dict.fromkeys(kinds["funds"], Kind.INDEX),
        sectors=kinds["sectors"],
        is_trading_allowed=is_trading_allowed,
    )


def _from_yahoo(
    symbols: list[str], span: tuple[int, int], kinds: dict[str, Any], catalog: Any, accept: list[str] | None
) -> "IngestReport":
    from catalog.ingest import ingest as run
    from catalog.instruments import Kind
    from catalog.sources.yahoo import YahooSource

    first, last = (datetime.fromtimestamp(ns // 10**9, tz=UTC).date() for ns in span)
    source = YahooSource(
        symbols,
        start=first,
        end=last,
        kinds=dict.fromkeys(kinds["funds"], Kind.INDEX),
        sectors=kinds["sectors"],
    )
    return run(source, catalog, accept=accept or [])
