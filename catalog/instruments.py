"""The one place that decides how a tradable thing is defined: class, decimals, margins and the facts about it."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AssetClass
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import Cfd, CurrencyPair, Equity
from nautilus_trader.model.objects import Currency, Money, Price, Quantity

from catalog.errors import CatalogError

EQUITY_PRICE_DECIMALS = 4
EQUITY_SIZE_DECIMALS = 6
CRYPTO_PRICE_DECIMALS = 2
CRYPTO_SIZE_DECIMALS = 8
MARGIN_INIT = Decimal("0.5")
MARGIN_MAINT = Decimal("0.25")


class Kind(StrEnum):
    """What an instrument is to costs and limits."""

    INDEX = "index"
    """An index, traded by proxy, or a fund."""
    STOCK = "stock"
    CRYPTO = "crypto"


class InstrumentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the factory must know.

    Attributes
    ----------
    instrument_id
        "SPY.ALPACA"; of a crypto pair the symbol is BASE-QUOTE, "BTC-USD.COINBASE".
    kind
        Index (or fund), stock, or crypto.
    sector
        "" for broad-index funds and what belongs to no sector; a crypto pair's is "crypto" unless given.
    is_proxy
        Whether it is an index itself, traded as if it were a fund, and not a thing that trades.
    fractional
        Whether parts of a share can be traded; of a crypto pair always.
    price_decimals, size_decimals
        None takes the default of the kind: 4 and 6 for equities, 2 and 8 for crypto.
    facts
        Further facts from the source, kept in the instrument's ``info``.
    """

    instrument_id: str
    kind: Kind
    sector: str = ""
    is_proxy: bool = False
    fractional: bool = True
    price_decimals: int | None = None
    size_decimals: int | None = None
    facts: dict[str, str] = {}


def build_instrument(spec: InstrumentSpec) -> Any:
    """Return the NautilusTrader instrument of a specification.

    A fractional equity is a ``Cfd`` of asset class EQUITY, since ``Equity`` knows whole shares only; an index proxy is
    the same thing. Its definition is dated 0: known before any data.

    Raises
    ------
    CatalogError
        If the identifier is not SYMBOL.VENUE, or a crypto symbol is not BASE-QUOTE.
    """
    try:
        instrument_id = InstrumentId.from_str(spec.instrument_id)
    except ValueError as error:
        raise CatalogError(
            f"an instrument id must be SYMBOL.VENUE, was {spec.instrument_id!r}; correct the id or the venue"
        ) from error
    if spec.kind is Kind.CRYPTO:
        return _pair(instrument_id, spec)
    return _share(instrument_id, spec)


def _info(spec: InstrumentSpec) -> dict[str, str]:
    sector = spec.sector or ("crypto" if spec.kind is Kind.CRYPTO else "")
    return {**spec.facts, "kind": spec.kind.value, "sector": sector}


def _step(decimals: int) -> str:
    return str(Decimal(1).scaleb(-decimals)) if decimals < 7 else f"{Decimal(1).scaleb(-decimals):f}"


def _share(instrument_id: Any, spec: InstrumentSpec) -> Any:
    price_decimals = EQUITY_PRICE_DECIMALS if spec.price_decimals is None else spec.price_decimals
    if not spec.fractional:
        return Equity(
            instrument_id,
            instrument_id.symbol,
            USD,
            price_decimals,
            Price.from_str(_step(price_decimals)),
            Quantity.from_int(1),
            0,
            0,
            margin_init=MARGIN_INIT,
            margin_maint=MARGIN_MAINT,
            info=_info(spec),
        )
    size_decimals = EQUITY_SIZE_DECIMALS if spec.size_decimals is None else spec.size_decimals
    return Cfd(
        instrument_id=instrument_id,
        raw_symbol=instrument_id.symbol,
        asset_class=AssetClass.EQUITY,
        quote_currency=USD,
        price_precision=price_decimals,
        size_precision=size_decimals,
        price_increment=Price.from_str(_step(price_decimals)),
        size_increment=Quantity.from_str(_step(size_decimals)),
        ts_event=0,
        ts_init=0,
        margin_init=MARGIN_INIT,
        margin_maint=MARGIN_MAINT,
        info=_info(spec),
    )


def _pair(instrument_id: Any, spec: InstrumentSpec) -> Any:
    base, _, quote = instrument_id.symbol.value.partition("-")
    if not base or not quote:
        raise CatalogError(f"a crypto symbol must be BASE-QUOTE (BTC-USD), was {instrument_id.symbol}; rename it")
    price_decimals = CRYPTO_PRICE_DECIMALS if spec.price_decimals is None else spec.price_decimals
    size_decimals = CRYPTO_SIZE_DECIMALS if spec.size_decimals is None else spec.size_decimals
    quote_currency = Currency.from_str(quote)
    return CurrencyPair(
        instrument_id,
        Symbol(instrument_id.symbol.value),
        Currency.from_str(base),
        quote_currency,
        price_decimals,
        size_decimals,
        Price.from_str(_step(price_decimals)),
        Quantity.from_str(_step(size_decimals)),
        0,
        0,
        min_notional=Money(1, quote_currency),
        info=_info(spec),
    )
