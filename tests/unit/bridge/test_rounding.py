"""Rounding never adds risk, and never leaves the grid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from catalog.instruments import InstrumentSpec, Kind, build_instrument
from nautilus_qs.bridge.rounding import (
    order_tick,
    price_of,
    quantity_of,
    stop_price,
    target_price,
    tick_ceil,
    tick_floor,
)
from nautilus_qs.domain import Side

INCREMENTS = st.sampled_from([Decimal("0.01"), Decimal("0.0001"), Decimal("0.05"), Decimal(1)])
PRICES = st.floats(min_value=0.01, max_value=1e6, allow_nan=False)


@given(px=PRICES, increment=INCREMENTS)
def test_ticks_any_price_enclose_it_within_one_increment(px: float, increment: Decimal) -> None:
    low, high = tick_floor(px, increment), tick_ceil(px, increment)
    exact = Decimal(repr(px))
    assert low <= exact <= high
    assert high - low <= increment
    assert low % increment == 0
    assert high % increment == 0


@given(px=PRICES, increment=INCREMENTS)
def test_stop_rounded_never_moves_away_from_the_entry(px: float, increment: Decimal) -> None:
    assert stop_price(px, increment, Side.LONG) >= Decimal(repr(px))
    assert stop_price(px, increment, Side.SHORT) <= Decimal(repr(px))


@given(px=PRICES, increment=INCREMENTS)
def test_target_rounded_is_never_easier_to_reach(px: float, increment: Decimal) -> None:
    assert target_price(px, increment, Side.LONG) >= Decimal(repr(px))
    assert target_price(px, increment, Side.SHORT) <= Decimal(repr(px))


@pytest.mark.parametrize(("px", "floor"), [(10.05, "10.05"), (0.1 + 0.2, "0.30"), (1e-9, "0.00")])
def test_tick_floor_floats_on_the_grid_stay_on_it(px: float, floor: str) -> None:
    assert tick_floor(px, Decimal("0.01")) == Decimal(floor)


@given(quantity=st.decimals(min_value=0, max_value=1_000_000, places=12))
def test_quantity_any_decimal_is_rounded_towards_zero(quantity: Decimal) -> None:
    instrument = TestInstrumentProvider.btcusdt_binance()
    increment = instrument.size_increment.as_decimal()
    rounded = quantity_of(instrument, quantity).as_decimal()
    assert rounded <= quantity < rounded + increment


def test_price_on_the_grid_has_the_instruments_precision() -> None:
    instrument = TestInstrumentProvider.equity("AAPL", "X")
    assert str(price_of(instrument, Decimal("10.5"))) == "10.50"


@pytest.mark.parametrize(
    ("iid", "kind", "px", "tick"),
    [
        ("AAA.X", Kind.STOCK, 1.0, "0.01"),
        ("AAA.X", Kind.INDEX, 250.0, "0.01"),
        ("AAA.X", Kind.STOCK, 0.9999, "0.0001"),
        ("BTC-USD.X", Kind.CRYPTO, 50_000.0, "0.0001"),
    ],
)
def test_order_tick_is_a_cent_for_shares_from_a_dollar_on(iid: str, kind: Kind, px: float, tick: str) -> None:
    instrument = build_instrument(InstrumentSpec(instrument_id=iid, kind=kind, sector="s", price_decimals=4))
    assert order_tick(instrument, px) == Decimal(tick)
