"""What the desk is told of an instrument."""

from decimal import Decimal

import pytest

from catalog.instruments import InstrumentSpec, Kind, build_instrument
from nautilus_qs.bridge.facts import instrument_facts


@pytest.mark.parametrize(("leverage", "margin"), [(1.0, 1.0), (2.0, 0.5), (4.0, 0.5)])
def test_facts_margin_is_never_less_than_the_account_or_the_instrument_asks(leverage: float, margin: float) -> None:
    share = build_instrument(InstrumentSpec(instrument_id="XOM.SIM", kind=Kind.STOCK, sector="Energy"))
    facts = instrument_facts(share, leverage)
    assert facts.margin_init == margin
    assert (facts.sector, facts.venue, facts.is_crypto) == ("Energy", "SIM", False)
    assert facts.size_increment == Decimal("0.000001")


def test_facts_of_a_coin_are_of_the_one_sector_of_coins() -> None:
    coin = build_instrument(InstrumentSpec(instrument_id="BTC-USD.COINBASE", kind=Kind.CRYPTO))
    facts = instrument_facts(coin)
    assert (facts.is_crypto, facts.sector) == (True, "crypto")
