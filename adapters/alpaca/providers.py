"""The venue's assets as instruments: what can be traded, in which parts, and by which facts."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AssetClass as NtAssetClass
from nautilus_trader.model.enums import CurrencyType
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import Cfd, CurrencyPair, Equity
from nautilus_trader.model.objects import Currency, Money, Price, Quantity

from adapters.alpaca.constants import ALPACA_VENUE, AssetClass
from adapters.alpaca.fields import ParseError
from adapters.alpaca.http import AlpacaHttp
from adapters.alpaca.parsing import Asset, parse_asset
from adapters.transport.counters import Counters
from adapters.transport.errors import NotFoundError

EQUITY_PRICE_DECIMALS: Final = 4
"""Prints and fills carry four decimals and more; what an order may ask for is checked apart."""
FRACTION_DECIMALS: Final = 9
MARGIN_INIT: Final = Decimal("0.5")
MARGIN_MAINT: Final = Decimal("0.25")
_CRYPTO_STEP: Final = Decimal("0.000000001")
_CRYPTO_PRICE_STEP: Final = Decimal("0.000000001")
_MIN_CRYPTO_NOTIONAL: Final = Decimal(1)


def instrument_of(asset: Asset, *, fractional: bool) -> Any:
    """Return the instrument of an asset.

    Parameters
    ----------
    asset
        What the venue tells of it.
    fractional
        Whether a fractionable share is made divisible. ``Equity`` knows whole shares only; a divisible one is a ``Cfd``
        of asset class EQUITY, as in backtests.
    """
    symbol = Symbol(asset.symbol)
    instrument_id = InstrumentId(symbol, ALPACA_VENUE)
    facts = _facts(asset)
    if asset.asset_class is AssetClass.CRYPTO:
        return _pair(instrument_id, asset, facts)
    step = Price(Decimal(1).scaleb(-EQUITY_PRICE_DECIMALS), EQUITY_PRICE_DECIMALS)
    if not (fractional and asset.is_fractionable):
        return Equity(
            instrument_id,
            symbol,
            USD,
            EQUITY_PRICE_DECIMALS,
            step,
            Quantity.from_int(1),
            0,
            0,
            margin_init=MARGIN_INIT,
            margin_maint=MARGIN_MAINT,
            info=facts,
        )
    return Cfd(
        instrument_id=instrument_id,
        raw_symbol=symbol,
        asset_class=NtAssetClass.EQUITY,
        quote_currency=USD,
        price_precision=EQUITY_PRICE_DECIMALS,
        size_precision=FRACTION_DECIMALS,
        price_increment=step,
        size_increment=Quantity(Decimal(1).scaleb(-FRACTION_DECIMALS), FRACTION_DECIMALS),
        ts_event=0,
        ts_init=0,
        margin_init=MARGIN_INIT,
        margin_maint=MARGIN_MAINT,
        info=facts,
    )


def _facts(asset: Asset) -> dict[str, str]:
    flags = {
        "tradable": asset.is_tradable,
        "fractionable": asset.is_fractionable,
        "marginable": asset.is_marginable,
        "shortable": asset.is_shortable,
        "easy_to_borrow": asset.is_easy_to_borrow,
    }
    return {
        "asset_class": asset.asset_class.value,
        "exchange": asset.exchange,
        "name": asset.name,
        **{name: "true" if flag else "false" for name, flag in flags.items()},
    }


def _pair(instrument_id: InstrumentId, asset: Asset, facts: dict[str, str]) -> CurrencyPair:
    base, _, quote = asset.symbol.partition("/")
    if not base or not quote:
        raise ParseError("asset_pair_invalid")
    size_step, price_step = asset.size_step or _CRYPTO_STEP, asset.price_step or _CRYPTO_PRICE_STEP
    price_decimals, size_decimals = decimals_of(price_step), decimals_of(size_step)
    quote_currency = _currency(quote)
    return CurrencyPair(
        instrument_id,
        instrument_id.symbol,
        _currency(base),
        quote_currency,
        price_decimals,
        size_decimals,
        Price(price_step, price_decimals),
        Quantity(size_step, size_decimals),
        0,
        0,
        min_quantity=Quantity(asset.min_size, max(size_decimals, decimals_of(asset.min_size)))
        if asset.min_size
        else None,
        min_notional=Money(_MIN_CRYPTO_NOTIONAL, quote_currency),
        info=facts,
    )


def _currency(code: str) -> Currency:
    return Currency.from_internal_map(code) or Currency(code, 8, 0, code, CurrencyType.CRYPTO)


def decimals_of(step: Decimal) -> int:
    """Return how many decimals a step has.

    Examples
    --------
    >>> decimals_of(Decimal("0.0100")), decimals_of(Decimal("5"))
    (2, 0)

    """
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


class AlpacaInstrumentProvider(InstrumentProvider):
    """Loads instruments from the venue's assets.

    Parameters
    ----------
    http
        The venue.
    config
        What to load at the start.
    fractional, crypto
        See :class:`~adapters.alpaca.config.AlpacaVenueConfig`.
    counters
        Where refused assets are counted.
    """

    def __init__(
        self,
        http: AlpacaHttp,
        config: InstrumentProviderConfig,
        *,
        fractional: bool,
        crypto: bool,
        counters: Counters,
    ) -> None:
        super().__init__(config=config)
        self._http = http
        self._fractional = fractional
        self._crypto = crypto
        self._counters = counters
        self._unknown: set[str] = set()

    async def load_all_async(self, filters: dict[str, Any] | None = None) -> None:
        """Load every active asset."""
        self._unknown.clear()
        classes = [AssetClass.EQUITY, *([AssetClass.CRYPTO] if self._crypto else [])]
        for asset_class in classes:
            for raw in await self._http.assets(asset_class.value):
                self._take(raw)

    async def load_ids_async(self, instrument_ids: list[InstrumentId], filters: dict[str, Any] | None = None) -> None:
        """Load the assets named; one that the venue does not know is logged."""
        for instrument_id in instrument_ids:
            await self.load_symbol(instrument_id.symbol.value)

    async def load_async(self, instrument_id: InstrumentId, filters: dict[str, Any] | None = None) -> None:
        """Load one asset."""
        await self.load_symbol(instrument_id.symbol.value)

    async def load_symbol(self, symbol: str) -> Any | None:
        """Load one asset by the venue's symbol (crypto with or without slash) and return its instrument."""
        if symbol in self._unknown:
            return None
        try:
            return self._take(await self._http.asset(symbol.replace("/", "")))
        except NotFoundError:
            self._unknown.add(symbol)
            self._log.error(f"asset not found: symbol={symbol}")
            return None

    async def load_symbols(self, symbols: Iterable[str]) -> None:
        """Load what is not there yet: a position in an instrument that is not loaded would be invisible."""
        for symbol in symbols:
            if self.by_symbol(symbol) is None:
                await self.load_symbol(symbol)

    def by_symbol(self, symbol: str) -> Any | None:
        """Return the instrument of a symbol; positions and old messages write crypto without its slash."""
        found = self.find(InstrumentId(Symbol(symbol), ALPACA_VENUE))
        if found is not None or "/" in symbol:
            return found
        return next(
            (pair for pair in self.list_all() if isinstance(pair, CurrencyPair) and _flat(pair) == symbol), None
        )

    def _take(self, raw: object) -> Any | None:
        try:
            instrument = instrument_of(parse_asset(raw), fractional=self._fractional)
        except (ParseError, ValueError) as error:
            reason = error.reason if isinstance(error, ParseError) else "asset_not_expressible"
            self._counters.add("nqs_payloads_refused", reason=reason)
            return None
        self.add_currency(instrument.quote_currency)
        if isinstance(instrument, CurrencyPair):
            self.add_currency(instrument.base_currency)
        self.add(instrument)
        return instrument


def _flat(pair: CurrencyPair) -> str:
    return str(pair.id.symbol.value).replace("/", "")
