"""What the desk must know of a NautilusTrader instrument."""

from decimal import Decimal
from typing import Any

from nautilus_trader.model.instruments import CurrencyPair

from nautilus_qs.domain import InstrumentFacts


def instrument_facts(instrument: Any, leverage: float = 1.0) -> InstrumentFacts:
    """Return sizes, minima and sector of an instrument; the sector is read from its ``info``.

    Parameters
    ----------
    instrument
        NautilusTrader's instrument.
    leverage
        Of the account at its venue: the share of an order's notional that must be there is never less than one over
        it, whatever the instrument asks for.
    """
    increment = instrument.size_increment.as_decimal()
    is_crypto = isinstance(instrument, CurrencyPair)
    info = instrument.info or {}
    return InstrumentFacts(
        instrument_id=str(instrument.id),
        venue=str(instrument.id.venue),
        price_increment=instrument.price_increment.as_decimal(),
        size_increment=increment,
        min_quantity=instrument.min_quantity.as_decimal() if instrument.min_quantity is not None else increment,
        min_notional=instrument.min_notional.as_decimal() if instrument.min_notional is not None else Decimal(0),
        sector=str(info.get("sector", "crypto" if is_crypto else "")),
        is_crypto=is_crypto,
        margin_init=max(float(instrument.margin_init), 1.0 / leverage),
    )
