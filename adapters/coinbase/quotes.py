"""Best bid and ask, from the cache while they are fresh, else from the venue."""

from collections.abc import Sequence
from typing import Final

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.model.identifiers import InstrumentId

from adapters.coinbase import parsing
from adapters.coinbase.caps import Quote
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import ParseError

_FRESH_NS: Final = 5_000_000_000


class Quotes:
    """Says what a product is worth now.

    Parameters
    ----------
    http
        The REST interface.
    cache, clock
        Of the node.
    """

    def __init__(self, http: CoinbaseHttp, *, cache: Cache, clock: LiveClock) -> None:
        self._http = http
        self._cache = cache
        self._clock = clock

    def fresh(self, instrument_id: InstrumentId) -> Quote | None:
        """Return the cache's quote, None when there is none of the last seconds."""
        tick = self._cache.quote_tick(instrument_id)
        if tick is None or self._clock.timestamp_ns() - tick.ts_init > _FRESH_NS:
            return None
        return Quote(tick.bid_price.as_decimal(), tick.ask_price.as_decimal())

    async def ask_venue(self, product_ids: Sequence[str]) -> dict[str, Quote]:
        """Return quotes by product; a product without both sides is left out.

        Raises
        ------
        VenueError, ParseError
            The venue did not tell them.
        """
        found = {}
        for row in parsing.rows(await self._http.best_quotes(product_ids), "pricebooks"):
            bids, asks = parsing.rows(row, "bids"), parsing.rows(row, "asks")
            if bids and asks:
                bid, ask = (parsing.decimal_of(levels[0].get("price"), "price") for levels in (bids, asks))
                found[str(row.get("product_id"))] = Quote(bid, ask)
        return found

    async def now(self, instrument_id: InstrumentId) -> Quote:
        """Return a quote of now.

        Raises
        ------
        VenueError, ParseError
            There is none in the cache, and the venue did not tell one.
        """
        quote = self.fresh(instrument_id)
        if quote is None:
            product_id = instrument_id.symbol.value
            quote = (await self.ask_venue([product_id])).get(product_id)
        if quote is None:
            raise ParseError("no_quote", instrument_id.symbol.value)
        return quote
