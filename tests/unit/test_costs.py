"""Fees by date, slippage by size, and the expected cost made of both."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.bridge.fees import load_fee_table
from nautilus_qs.costs import (
    HALF_SPREAD_BPS,
    FeeTable,
    SecFee,
    TafFee,
    Tier,
    TierSchedule,
    commission,
    expected_cost,
    slippage_frac,
)
from nautilus_qs.errors import ConfigError

ALPACA = load_fee_table("alpaca")
COINBASE = load_fee_table("coinbase")
NONE = load_fee_table("none")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def fee(table: FeeTable, day: str, quantity: str, price: str, **kwargs: object) -> Decimal:
    kwargs = {"is_sell": True, "is_maker": False} | kwargs
    return commission(table, ts=at(day), quantity=Decimal(quantity), price=Decimal(price), **kwargs)  # type: ignore[arg-type]


# -- slippage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "quantity", "bps"),
    [("index", 0, 1.0), ("index", 100, 11.0), ("stock", 100, 13.0), ("crypto", 100, 15.0), ("stock", 1000, 34.6227766)],
)
def test_slippage_is_half_the_spread_plus_the_root_of_the_share(kind: str, quantity: float, bps: float) -> None:
    assert slippage_frac(HALF_SPREAD_BPS[kind], quantity, 10_000.0) * 1e4 == pytest.approx(bps)


@pytest.mark.parametrize("volume", [None, 0.0, float("nan"), -5.0])
def test_slippage_of_unknown_volume_is_that_of_a_tenth(volume: float | None) -> None:
    assert slippage_frac(3.0, 7.0, volume) == slippage_frac(3.0, 1000.0, 10_000.0)


@given(st.floats(0, 1e6), st.floats(1e-6, 1e9), st.floats(0, 10), st.floats(0, 50))
def test_slippage_grows_with_size_and_scales_with_stress(q: float, volume: float, k: float, half: float) -> None:
    base = slippage_frac(half, q, volume)
    assert slippage_frac(half, 2 * q, volume) >= base >= half / 1e4
    assert slippage_frac(half, q, volume, multiplier=k) == pytest.approx(k * base)


# -- fees --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # 100 shares at 500.00 = 50,000 sold: the SEC's rate per million x 0.05, and the TAF, each up to the cent.
        ("2001-06-01T15:00", "1.67"),  # 33.33; no TAF yet
        ("2014-03-17T15:00", "0.89"),  # 17.40 -> 0.87, + 0.02
        ("2014-03-18T15:00", "1.13"),  # 22.10 -> 1.105, + 0.02
        ("2018-06-01T15:00", "0.67"),  # 13.00 -> 0.65, + 0.02
        ("2024-06-03T15:00", "1.41"),  # 27.80 -> 1.39, + 0.0166
        ("2025-06-02T15:00", "0.02"),  # no SEC fee
    ],
)
def test_sale_of_stock_pays_the_rates_of_its_day(day: str, expected: str) -> None:
    assert fee(ALPACA, day, "100", "500") == Decimal(expected)


def test_fee_dates_begin_at_midnight_in_new_york() -> None:
    before, after = fee(ALPACA, "2014-03-18T03:59", "100", "500"), fee(ALPACA, "2014-03-18T04:00", "100", "500")
    assert (before, after) == (Decimal("0.89"), Decimal("1.13"))


def test_purchase_of_stock_pays_nothing() -> None:
    assert fee(ALPACA, "2020-05-04T15:00", "100", "500", is_sell=False) == 0


def test_taf_is_capped_per_trade() -> None:
    # 22.10 x 0.2 = 4.42; 200,000 x 0.000119 = 23.80, capped at 5.95.
    assert fee(ALPACA, "2020-05-04T15:00", "200000", "1") == Decimal("10.37")


@pytest.mark.parametrize(
    ("day", "volume", "maker", "taker"),
    [
        ("2014-01-01T00:00", "0", "0", "30"),  # before the first date: the first known fee, not none
        ("2020-01-01T00:00", "0", "50", "50"),
        ("2020-01-01T00:00", "9999.99", "50", "50"),
        ("2020-01-01T00:00", "10000", "35", "35"),
        ("2023-01-01T00:00", "0", "40", "60"),
        ("2023-01-01T00:00", "2000000", "8", "18"),
        ("2026-09-15T23:59", "0", "40", "60"),
        ("2026-09-16T00:00", "0", "50", "90"),
    ],
)
def test_coinbase_charges_the_tier_of_day_and_volume(day: str, volume: str, maker: str, taker: str) -> None:
    for is_maker, bps in ((True, maker), (False, taker)):
        charged = fee(COINBASE, day, "2", "5000", is_maker=is_maker, volume_30d=Decimal(volume), is_sell=False)
        assert charged == Decimal(bps)  # of 10,000


def test_coinbase_keeps_full_precision() -> None:
    assert fee(COINBASE, "2023-01-01T00:00", "0.00000123", "20000.01") == Decimal("0.0001476000738")


def test_no_fees_are_no_fees() -> None:
    assert fee(NONE, "2023-01-01T00:00", "100", "100") == 0


def test_tier_volume_below_the_first_tier_pays_the_first() -> None:
    assert fee(COINBASE, "2023-01-01T00:00", "2", "5000", volume_30d=Decimal(-1)) == 60


@given(
    st.decimals("0.000001", "1000000", places=6),
    st.decimals("0.01", "10000", places=2),
    st.integers(at("1999-01-01"), at("2027-01-01")),
    st.booleans(),
)
def test_fee_is_never_negative_and_never_falls_with_size(qty: Decimal, px: Decimal, ts: int, is_sell: bool) -> None:
    for table in (ALPACA, COINBASE):
        one, two = (
            commission(table, ts=ts, is_sell=is_sell, quantity=n * qty, price=px, is_maker=False) for n in (1, 2)
        )
        assert 0 <= one <= two


@pytest.mark.parametrize("table", [ALPACA, COINBASE], ids=lambda table: table.name)
def test_shipped_tables_state_their_sources(table: FeeTable) -> None:
    assert table.sources
    assert table.notes


def test_shipped_sec_rates_change_from_row_to_row() -> None:
    assert all(a.per_million != b.per_million for a, b in pairwise(ALPACA.sec))


DAY = date(2020, 1, 1)
TIER = Tier(Decimal(0), Decimal("0.004"), Decimal("0.006"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sec": (SecFee(DAY, Decimal(1)), SecFee(DAY, Decimal(2)))}, "dates of sec"),
        ({"taf": (TafFee(DAY, Decimal(0), Decimal(1)), TafFee(date(2019, 1, 1), Decimal(0), Decimal(1)))}, "of taf"),
        ({"sec": (SecFee(DAY, Decimal(-1)),)}, "per_million"),
        ({"taf": (TafFee(DAY, Decimal(2), Decimal(1)),)}, "per_share"),
        ({"taf": (TafFee(DAY, Decimal(0), Decimal(-1)),)}, "cap"),
        ({"schedules": (TierSchedule(DAY, ()),)}, "ascend from 0"),
        ({"schedules": (TierSchedule(DAY, (Tier(Decimal(5), Decimal(0), Decimal(0)),)),)}, "ascend from 0"),
        ({"schedules": (TierSchedule(DAY, (TIER, TIER)),)}, "ascend from 0"),
        ({"schedules": (TierSchedule(DAY, (Tier(Decimal(0), Decimal(0), Decimal("0.6")),)),)}, "0.6 % is 0.006"),
        ({"zone": "Mars/Olympus"}, "time zone"),
    ],
)
def test_fee_table_that_cannot_be_right_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FeeTable(name="x", **fields)  # type: ignore[arg-type]


# -- expected cost -----------------------------------------------------------------------------------------------------

ORDER = {"ts": at("2020-05-04T15:00"), "quantity": Decimal(100), "price": Decimal(100), "mean_volume": 10_000.0}


def test_expected_cost_of_a_sale_splits_into_spread_impact_and_fee() -> None:
    cost = expected_cost(ALPACA, is_sell=True, half_spread_bps=3.0, **ORDER)  # type: ignore[arg-type]
    assert (cost.spread, cost.impact, cost.fee) == (Decimal("3.00"), Decimal("10.00"), Decimal("0.25"))
    assert cost.total == Decimal("13.25")
    assert cost.bps == pytest.approx(13.25)


def test_expected_cost_of_a_maker_order_is_its_fee() -> None:
    cost = expected_cost(COINBASE, is_sell=False, is_maker=True, half_spread_bps=5.0, **ORDER)  # type: ignore[arg-type]
    assert cost.total == cost.fee == 50


def test_cost_stress_scales_spread_and_impact_but_no_fee() -> None:
    plain = expected_cost(ALPACA, is_sell=True, half_spread_bps=3.0, **ORDER)  # type: ignore[arg-type]
    stress = expected_cost(ALPACA, is_sell=True, half_spread_bps=3.0, multiplier=2.0, **ORDER)  # type: ignore[arg-type]
    assert (stress.spread, stress.impact, stress.fee) == (2 * plain.spread, 2 * plain.impact, plain.fee)


def test_order_of_nothing_costs_no_basis_points() -> None:
    cost = expected_cost(NONE, is_sell=True, half_spread_bps=3.0, **(ORDER | {"quantity": Decimal(0)}))  # type: ignore[arg-type]
    assert (cost.total, cost.bps) == (0, 0.0)
