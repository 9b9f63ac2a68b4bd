"""Bars of Alpaca: shares in regular sessions, split-adjusted, in pages of 10,000; crypto pairs as they traded."""

import datetime as dt
from collections.abc import Sequence

import numpy as np

from adapters.alpaca.config import AlpacaVenueConfig, Credentials
from adapters.alpaca.http import AlpacaHttp
from adapters.alpaca.parsing import ParseError, parse_bar, parse_page
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError
from adapters.transport.lanes import Lanes
from catalog.errors import CatalogError
from catalog.instruments import InstrumentSpec, Kind
from catalog.pages import WIDTH, Rows
from catalog.sessions import ALWAYS_OPEN, NEW_YORK, NS_PER_SECOND, sessions_of
from catalog.sources.series import BarSize, PriceKind

_TIMEFRAME = {BarSize.MINUTE: "1Min", BarSize.QUARTER: "15Min", BarSize.HOUR: "1Hour", BarSize.DAY: "1Day"}
_PER_PAGE = 10_000


class AlpacaHistory:
    """The venue's history of bars.

    Parameters
    ----------
    credentials
        Of the account.
    config
        Which Alpaca, and what it may be asked.
    feed
        Source of equity prices: iex or sip.
    kinds, sectors
        By symbol; a share without a kind is a stock, and a stock must have a sector.
    is_trading_allowed
        Whether an account with open orders or positions may be used: its requests are then no longer all for trading.
    """

    name = "alpaca"
    licence = "Alpaca terms of service: personal use, no redistribution"
    price_kind = PriceKind.SPLIT_ADJUSTED

    def __init__(
        self,
        credentials: Credentials,
        config: AlpacaVenueConfig,
        *,
        feed: str = "iex",
        kinds: dict[str, Kind] | None = None,
        sectors: dict[str, str] | None = None,
        is_trading_allowed: bool = False,
        venue: str = "ALPACA",
    ) -> None:
        self._feed, self._kinds, self._sectors = feed, kinds or {}, sectors or {}
        self._is_trading_allowed = is_trading_allowed
        self._venue = venue
        counters = Counters()
        self._http = AlpacaHttp(
            credentials,
            rest_url=config.rest(),
            data_url=config.data(),
            lanes=Lanes("alpaca-history", counters),
            counters=counters,
            budget=_budget(config.requests_a_minute),
            data_budget=_budget(config.data_requests_a_minute),
            deadline_secs=config.deadline_secs,
        )
        self._http.open()

    def calendar(self, symbol: str) -> str:
        """Return the calendar of a share or of a pair (written BTC/USD)."""
        return ALWAYS_OPEN if "/" in symbol else NEW_YORK

    def window_secs(self, size: BarSize) -> int:
        """Return the span of a window: some pages."""
        return size.step_ns // NS_PER_SECOND * 2 * _PER_PAGE

    async def open(self, symbols: Sequence[str], size: BarSize) -> None:
        """Refuse what cannot be had, and an account that trades."""
        for symbol in symbols:
            if "/" not in symbol:
                self._check_share(symbol, size)
        if self._is_trading_allowed:
            return
        try:
            is_trading = bool(await self._http.orders(status="open")) or bool(await self._http.positions())
        except VenueError as error:
            raise CatalogError(f"Alpaca must say whether the account trades, did not: {error}") from error
        if is_trading:
            raise CatalogError(
                "a download must not take requests from an account that trades, this one has open orders or positions; "
                "use another key, or say --while-trading"
            )

    async def spec(self, symbol: str) -> InstrumentSpec:
        """Return what the symbol is."""
        if "/" in symbol:
            return InstrumentSpec(instrument_id=f"{symbol.replace('/', '-')}.{self._venue}", kind=Kind.CRYPTO)
        kind = self._kinds.get(symbol, Kind.STOCK)
        return InstrumentSpec(instrument_id=f"{symbol}.{self._venue}", kind=kind, sector=self._sectors.get(symbol, ""))

    async def bars(self, symbol: str, size: BarSize, start_secs: int, end_secs: int) -> Rows:
        """Return the bars that open in a window; of a share only those within regular sessions."""
        query: dict[str, object] = {
            "symbols": symbol,
            "timeframe": _TIMEFRAME[size],
            "start": _rfc3339(start_secs),
            "end": _rfc3339(end_secs),
            "limit": _PER_PAGE,
            "sort": "asc",
        }
        is_share = "/" not in symbol
        if is_share:
            query |= {"adjustment": "split", "feed": self._feed}
        found: list[tuple[float, ...]] = []
        token = ""
        while True:
            page, token = await self._page(symbol, query, token, is_share=is_share)
            for raw in page:
                try:
                    bar = parse_bar(raw, symbol)
                except ParseError as error:
                    raise CatalogError(f"a bar of {symbol} must be readable, is not: {error}") from error
                numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume)
                found.append((bar.open_ns / NS_PER_SECOND, *map(float, numbers)))
            if not token:
                break
        rows = np.array(found, dtype=np.float64).reshape(-1, WIDTH)
        return _regular(rows, size) if is_share and size is not BarSize.DAY else rows

    async def close(self) -> None:
        """End the connections."""
        self._http.close()

    def _check_share(self, symbol: str, size: BarSize) -> None:
        if size is BarSize.HOUR:
            raise CatalogError(
                f"hours of {symbol} are not to be had: Alpaca's begin at the full hour and mix the time before the "
                "opening into the first one; download minutes"
            )
        if self._kinds.get(symbol, Kind.STOCK) is Kind.STOCK and symbol not in self._sectors:
            raise CatalogError(
                f"every stock must have a sector, or the sector limit does not hold it; {symbol} has none; give "
                f'--sector "{symbol}=...", or --fund {symbol} for a fund'
            )

    async def _page(
        self, symbol: str, query: dict[str, object], token: str, *, is_share: bool
    ) -> tuple[list[object], str]:
        asked = query | ({"page_token": token} if token else {})
        ask = self._http.stock_page if is_share else self._http.crypto_page
        try:
            by_symbol, following = parse_page(await ask("bars", asked), "bars")
        except (VenueError, ParseError) as error:
            raise CatalogError(
                f"Alpaca must answer for {symbol}, did not: {error}; run the same command again, it goes on here"
            ) from error
        return by_symbol.get(symbol, []), following


def _regular(rows: Rows, size: BarSize) -> Rows:
    """Return the bars that lie within a regular session."""
    if not len(rows):
        return rows
    opens = rows[:, 0].astype("int64") * NS_PER_SECOND
    sessions = sessions_of(NEW_YORK)
    begins, ends = sessions.position_at(opens, side="right")
    return rows[(opens >= begins) & (opens + size.step_ns <= ends)]


def _budget(a_minute: int) -> RateBudget:
    # Nothing is kept back: no order goes through this budget.
    return RateBudget(per_second=a_minute / 60, burst=max(1, a_minute // 10), reserved_frac=0.0)


def _rfc3339(secs: int) -> str:
    return dt.datetime.fromtimestamp(secs, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
