"""Candles of Coinbase, at most 350 a request, newest first, with no word on which is still open."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from adapters.coinbase.config import CoinbaseEndpoints
from adapters.coinbase.constants import REQUESTS_PER_SEC
from adapters.coinbase.credentials import Credentials
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import ParseError, ProductRow, candle, product, rows
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError
from catalog.errors import CatalogError
from catalog.instruments import InstrumentSpec, Kind
from catalog.pages import WIDTH, Rows
from catalog.sessions import ALWAYS_OPEN
from catalog.sources.series import BarSize, PriceKind

_GRANULARITY = {
    BarSize.MINUTE: "ONE_MINUTE",
    BarSize.QUARTER: "FIFTEEN_MINUTE",
    BarSize.HOUR: "ONE_HOUR",
    BarSize.DAY: "ONE_DAY",
}
_PER_REQUEST = 350
_REQUESTS_A_WINDOW = 20


class CoinbaseHistory:
    """The venue's history of candles.

    Parameters
    ----------
    credentials
        None reads the public mirror, whose rate is lower.
    endpoints
        Where the venue is.
    requests_per_sec
        What may be asked; the venue's own limit when left out.
    """

    name = "coinbase"
    licence = "Coinbase terms of service: personal use, no redistribution"
    price_kind = PriceKind.AS_TRADED

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        endpoints: CoinbaseEndpoints | None = None,
        requests_per_sec: float | None = None,
        venue: str = "COINBASE",
    ) -> None:
        rate = requests_per_sec or (REQUESTS_PER_SEC if credentials else 10.0)
        self._venue = venue
        self._http = CoinbaseHttp(
            credentials,
            endpoints=endpoints or CoinbaseEndpoints(),
            counters=Counters(),
            # Nothing is kept back: no order goes through this budget.
            budget=RateBudget(per_second=rate, burst=max(1, int(rate)), reserved_frac=0.0),
        )
        self._products: dict[str, ProductRow] = {}

    def calendar(self, symbol: str) -> str:
        """Return that the market never closes."""
        return ALWAYS_OPEN

    def window_secs(self, size: BarSize) -> int:
        """Return the span of a window."""
        return size.step_ns // 10**9 * _PER_REQUEST * _REQUESTS_A_WINDOW

    async def open(self, symbols: Sequence[str], size: BarSize) -> None:
        """Read the products and find every symbol among them."""
        try:
            listed = rows(await self._http.products(deadline_secs=20.0), "products")
        except (VenueError, ParseError) as error:
            raise CatalogError(f"Coinbase must tell its products, did not: {error}; try again later") from error
        wanted = set(symbols)
        for raw in listed:
            if raw.get("product_id") in wanted:
                self._products[str(raw["product_id"])] = _product(raw)
        for symbol in symbols:
            if symbol not in self._products:
                raise CatalogError(f"Coinbase must list {symbol}, does not; a product is written BTC-USD")

    async def spec(self, symbol: str) -> InstrumentSpec:
        """Return the pair, with the venue's increments."""
        found = self._products[symbol]
        return InstrumentSpec(
            instrument_id=f"{symbol}.{self._venue}",
            kind=Kind.CRYPTO,
            price_decimals=_decimals(found.price_increment),
            size_decimals=_decimals(found.base_increment),
        )

    async def bars(self, symbol: str, size: BarSize, start_secs: int, end_secs: int) -> Rows:
        """Return the candles that open in a window."""
        step = size.step_ns // 10**9
        found: list[tuple[float, ...]] = []
        at = start_secs
        while at <= end_secs:
            last = min(end_secs, at + step * (_PER_REQUEST - 1))
            for raw in await self._page(symbol, size, at, last):
                row = candle(raw)
                if at <= row.start_secs <= last:
                    numbers = (row.open, row.high, row.low, row.close, row.volume)
                    found.append((float(row.start_secs), *map(float, numbers)))
            at = last + 1
        return np.array(sorted(found), dtype=np.float64).reshape(-1, WIDTH)

    async def close(self) -> None:
        """End the connections."""
        self._http.close()

    async def _page(self, symbol: str, size: BarSize, start: int, end: int) -> list[dict[str, object]]:
        try:
            answer = await self._http.candles(
                symbol, start=str(start), end=str(end), granularity=_GRANULARITY[size], limit=str(_PER_REQUEST)
            )
            return rows(answer, "candles")
        except (VenueError, ParseError) as error:
            raise CatalogError(
                f"Coinbase must answer for {symbol}, did not: {error}; run the same command again, it goes on here"
            ) from error


def _product(raw: object) -> ProductRow:
    try:
        return product(raw)
    except ParseError as error:
        raise CatalogError(f"Coinbase must describe its product in full, did not: {error}") from error


def _decimals(increment: Decimal) -> int:
    exponent = increment.normalize().as_tuple().exponent
    return max(0, -int(exponent))
