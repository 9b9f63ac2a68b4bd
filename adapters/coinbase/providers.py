"""The venue's products as instruments; the last known ones are kept on disk for a start while the venue is away."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from time import time_ns
from typing import Any, Final

from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.model.enums import CurrencyType
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import FIXED_PRECISION, QUANTITY_MAX, Currency, Money, Price, Quantity

from adapters.coinbase import parsing
from adapters.coinbase.constants import COINBASE_VENUE
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import ParseError, ProductRow
from adapters.transport.counters import Counters
from adapters.transport.errors import VenueError
from adapters.transport.lanes import HISTORY

_SPOT: Final = "SPOT"


class CoinbaseInstrumentProvider(InstrumentProvider):
    """Provides every spot product as a currency pair.

    Parameters
    ----------
    http
        The REST interface.
    counters
        Where products that cannot be read are counted.
    cache_path
        File that keeps the products; None for none.
    deadline_secs
        How long the venue may take.
    fee_rates
        Maker and taker rate; None to ask the venue where there is a key.
    config
        Which instruments to load.
    """

    def __init__(
        self,
        http: CoinbaseHttp,
        *,
        counters: Counters,
        cache_path: str | None,
        deadline_secs: float,
        fee_rates: tuple[Decimal, Decimal] | None = None,
        config: InstrumentProviderConfig | None = None,
    ) -> None:
        super().__init__(config=config)
        self._http = http
        self._counters = counters
        self._cache_path = Path(cache_path) if cache_path else None
        self._deadline_secs = deadline_secs
        self._fee_rates = fee_rates
        self._products: dict[str, ProductRow] = {}
        self.is_from_cache = False
        """Whether the products are those of an earlier day."""

    def product(self, product_id: str) -> ProductRow | None:
        """Return what the venue said of a product."""
        return self._products.get(product_id)

    def canonical(self, product_id: str) -> str:
        """Return the name that sockets use of a product: an alias is told under the name of what it stands for."""
        found = self._products.get(product_id)
        return found.alias if found is not None and found.alias else product_id

    async def load_all_async(self, filters: Mapping[str, Any] | None = None) -> None:
        """Read all products.

        Raises
        ------
        VenueError
            The venue did not answer, and there is no cache.
        """
        rows = await self._rows()
        maker, taker = await self._rates()
        for raw in rows:
            try:
                row = parsing.product(raw)
                if row.product_type == _SPOT:
                    self.add(_instrument(row, maker=maker, taker=taker, ts_ns=time_ns()))
                    self._products[row.product_id] = row
            except (ParseError, ValueError) as error:
                reason = error.reason if isinstance(error, ParseError) else "instrument_unfit"
                self._counters.add("nqs_payloads_refused", reason=reason)
        for instrument in self._instruments.values():
            self.add_currency(instrument.base_currency)
            self.add_currency(instrument.quote_currency)

    async def _rows(self) -> list[dict[str, Any]]:
        try:
            answer = await self._http.products(deadline_secs=self._deadline_secs)
            rows = parsing.rows(answer, "products")
            if not rows:
                raise ParseError("no_products")
        except (VenueError, ParseError) as error:
            kept = await self._http.lanes.call(HISTORY, self._read_cache, deadline_secs=self._deadline_secs)
            if not kept:
                raise
            self.is_from_cache = True
            self._counters.add("nqs_products_from_cache")
            self._log.warning(f"The venue did not tell its products ({error}), going on from {self._cache_path}")
            return kept
        self.is_from_cache = False
        try:
            await self._http.lanes.call(HISTORY, lambda: self._write_cache(answer), deadline_secs=self._deadline_secs)
        except (OSError, VenueError) as error:
            self._log.warning(f"The products cannot be kept at {self._cache_path}: {type(error).__name__}")
        return rows

    async def _rates(self) -> tuple[Decimal, Decimal]:
        if self._fee_rates is None and self._http.is_private:
            try:
                tier = (await self._http.fee_rates()).get("fee_tier") or {}
                self._fee_rates = (
                    parsing.decimal_of(tier.get("maker_fee_rate"), "maker_fee_rate"),
                    parsing.decimal_of(tier.get("taker_fee_rate"), "taker_fee_rate"),
                )
            except (VenueError, ParseError, AttributeError) as error:
                self._log.warning(f"The venue did not tell its fees ({error}): instruments have none until it does")
        return self._fee_rates or (Decimal(0), Decimal(0))

    def _read_cache(self) -> list[dict[str, Any]]:
        if self._cache_path is None:
            return []
        try:
            return parsing.rows(json.loads(self._cache_path.read_bytes()), "products")
        except (OSError, ValueError, ParseError):
            return []

    def _write_cache(self, answer: Mapping[str, Any]) -> None:
        if self._cache_path is not None:
            self._cache_path.parent.mkdir(parents=True, exist_ok=True)
            half = self._cache_path.with_suffix(".half")
            half.write_text(json.dumps(answer))
            half.replace(self._cache_path)


def instrument_id_of(product_id: str) -> InstrumentId:
    """Return the instrument id of a product: the venue's own name at the venue."""
    return InstrumentId(Symbol(product_id), COINBASE_VENUE)


def currency_of(code: str, precision: int = 8) -> Currency:
    """Return a currency, known or not: the venue lists new ones every week."""
    known = Currency.from_str(code, strict=True)
    return known or Currency(code, precision, 0, code, CurrencyType.CRYPTO)


def _instrument(row: ProductRow, *, maker: Decimal, taker: Decimal, ts_ns: int) -> CurrencyPair:
    price_step, size_step = _plain(row.price_increment), _plain(row.base_increment)
    price_precision, size_precision = _precision(price_step), _precision(size_step)
    base = currency_of(row.base or row.product_id.partition("-")[0], max(8, size_precision))
    quote = currency_of(row.quote)
    return CurrencyPair(
        instrument_id=instrument_id_of(row.product_id),
        raw_symbol=Symbol(row.product_id),
        base_currency=base,
        quote_currency=quote,
        price_precision=price_precision,
        size_precision=size_precision,
        price_increment=Price(price_step, price_precision),
        size_increment=Quantity(size_step, size_precision),
        max_quantity=_quantity(row.base_max_size, size_precision),
        min_quantity=_quantity(row.base_min_size, size_precision),
        max_notional=Money(row.quote_max_size, quote) if row.quote_max_size else None,
        min_notional=Money(row.quote_min_size, quote) if row.quote_min_size else None,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=maker,
        taker_fee=taker,
        ts_event=ts_ns,
        ts_init=ts_ns,
        info={"status": row.status, "alias": row.alias},
    )


def _plain(value: Decimal) -> Decimal:
    """Return an increment in its shortest form, which tells the precision: "1" and "1.00" are one step."""
    found = Decimal(f"{value.normalize():f}")
    if _precision(found) > FIXED_PRECISION:
        raise ParseError("increment_too_fine")
    return found


def _precision(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _quantity(value: Decimal | None, precision: int) -> Quantity | None:
    return Quantity(value, precision) if value and value < Decimal(int(QUANTITY_MAX)) else None
