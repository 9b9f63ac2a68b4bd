"""Every limit at, below and above its number, worked by hand."""

from decimal import Decimal

import pytest

from nautilus_qs.domain import InstrumentFacts, Side
from nautilus_qs.risk.checks import (
    Ask,
    check_cash,
    check_cluster,
    check_correlation,
    check_half,
    check_heat,
    check_instrument,
    check_minimum,
    check_participation,
    check_positions,
    check_sector,
    is_correlated,
    open_risk,
)
from nautilus_qs.risk.limits import InstrumentLimit, MarginRule, RiskLimits, VenueAccount

D = Decimal


def ask(quantity=300, *, needed=None, price=50, unit_risk=5, side=Side.LONG, equity=100_000):
    """300 at 50, 5 of it at risk, against 100,000: 15,000 of value, 1,500 of risk."""
    least = D(quantity) / 2 if needed is None else D(needed)
    return Ask(side, D(quantity), least, D(price), D(unit_risk), D(equity))


@pytest.mark.parametrize(
    ("side", "stop", "expected"),
    [
        (Side.LONG, "48", 20),
        (Side.LONG, "50", 0),
        (Side.LONG, "53", 0),
        (Side.LONG, None, 550),
        (Side.SHORT, "52", 20),
        (Side.SHORT, "50", 0),
        (Side.SHORT, "47", 0),
        (Side.SHORT, None, 550),
    ],
)
def test_open_risk_of_ten_from_fifty_is_what_the_stop_leaves(side, stop, expected):
    stop_px = None if stop is None else D(stop)
    assert open_risk(side, D(10), entry_px=D(50), stop_px=stop_px, mark_px=D(55)) == expected


@pytest.mark.parametrize(("count", "limit", "passes"), [(0, 0, False), (0, 1, True), (4, 5, True), (5, 5, False)])
def test_positions_one_more_must_fit(count, limit, passes):
    check = check_positions("positions_strategy", count, limit)
    assert (check.name, check.passed, check.value, check.limit) == ("positions_strategy", passes, count + 1, limit)


@pytest.mark.parametrize(
    ("used", "fits", "passes"),
    [
        (0, 300, True),
        (8_500, 300, True),  # 8,500 + 1,500 are exactly the limit
        (8_505, 299, True),
        (9_250, 150, True),  # exactly the half that is needed
        (9_251, D("149.8"), False),
        (10_000, 0, False),
        (12_000, 0, False),
    ],
)
def test_heat_ten_percent_of_equity_and_not_a_unit_more(used, fits, passes):
    quantity, check = check_heat(ask(), open_risk=D(used), limit=0.10)
    assert quantity == fits
    assert (check.name, check.passed, check.limit) == ("heat", passes, 0.10)
    assert check.value == pytest.approx((used + 1_500) / 100_000)
    assert (check.detail == "") is (fits == 300)


def test_heat_rounds_what_fits_down():
    # 100 are left at 3 a unit: 33.33..., and 33.4 would be too many.
    quantity, _ = check_heat(ask(100, unit_risk=3), open_risk=D(9_900), limit=0.10)
    assert quantity * 3 <= 100 < (quantity + D("1e-20")) * 3


@pytest.mark.parametrize(
    ("found", "passes", "highest", "detail"),
    [
        ([], True, 0.0, ""),
        ([("A", 0.7, False)], True, 0.7, ""),
        ([("A", 0.7000001, False)], False, 0.7000001, "A 0.70"),
        ([("A", -0.95, True)], True, -0.95, ""),
        ([("A", None, False)], True, 0.0, ""),
        ([("A", None, True)], False, 0.0, "A by sector"),
        ([("A", 0.2, True), ("B", None, False)], True, 0.2, ""),
        ([("A", 0.75, False), ("B", 0.1, True), ("C", None, True)], False, 0.75, "A 0.75, C by sector"),
    ],
)
def test_correlation_above_the_limit_denies_all(found, passes, highest, detail):
    quantity, check = check_correlation(ask(), found, 0.7)
    assert quantity == (300 if passes else 0)
    assert (check.passed, check.value, check.detail) == (passes, highest, detail)


def test_correlation_limit_of_one_is_off():
    assert check_correlation(ask(), [("A", 1.0000000002, True), ("B", None, True)], 1.0)[1].passed


@pytest.mark.parametrize(
    ("rho", "is_one_sector", "limit", "expected"),
    [
        (0.71, False, 0.7, True),
        (0.7, True, 0.7, False),
        (None, True, 0.7, True),
        (None, False, 0.7, False),
        (1.0, True, 1.0, False),
        (None, True, 1.0, False),
    ],
)
def test_is_correlated_by_number_or_by_sector(rho, is_one_sector, limit, expected):
    assert is_correlated(rho, is_one_sector, limit) is expected


@pytest.mark.parametrize(("used", "fits", "passes"), [(1_500, 300, True), (2_250, 150, True), (2_500, 100, False)])
def test_cluster_three_percent_for_all_together(used, fits, passes):
    quantity, check = check_cluster(ask(), ["A", "B"], cluster_risk=D(used), limit=0.03)
    assert (quantity, check.name, check.passed) == (fits, "correlation", passes)
    assert check.detail.startswith("A, B")


@pytest.mark.parametrize(("used", "fits", "passes"), [(15_000, 300, True), (22_500, 150, True), (22_550, 149, False)])
def test_sector_thirty_percent_by_market_value(used, fits, passes):
    quantity, check = check_sector(ask(), "Energy", used=D(used), limit=0.30)
    assert (quantity, check.passed) == (fits, passes)
    assert check.value == (used + 15_000) / 100_000
    assert check.detail.startswith("Energy")


def test_sector_of_an_index_fund_has_no_limit():
    quantity, check = check_sector(ask(), "", used=D(99_999), limit=0.30)
    assert (quantity, check.passed, check.value) == (300, True, 0.0)


@pytest.mark.parametrize(
    ("stricter", "fits", "limit", "value"),
    [
        (None, 300, 0.5, 0.35),
        (InstrumentLimit(), 300, 0.5, 0.35),
        (InstrumentLimit(max_fraction=0.9), 300, 0.5, 0.35),  # not stricter
        (InstrumentLimit(max_fraction=0.3), 200, 0.3, 0.35),
        (InstrumentLimit(max_notional=D(29_000)), 180, 29_000, 35_000),
        (InstrumentLimit(max_quantity=D(650)), 250, 650, 700),
        (InstrumentLimit(max_fraction=0.3, max_notional=D(29_000), max_quantity=D(500)), 100, 500, 700),
        (InstrumentLimit(max_fraction=0.22, max_quantity=D(600)), 40, 0.22, 0.35),
        (InstrumentLimit(max_notional=D(35_000), max_quantity=D(700)), 300, 0.5, 0.35),
    ],
)
def test_instrument_smallest_of_its_limits_binds(stricter, fits, limit, value):
    # 400 units worth 20,000 are held, 300 worth 15,000 are asked for.
    quantity, check = check_instrument(ask(), used=D(20_000), held=D(400), limit=0.5, stricter=stricter)
    assert (quantity, check.limit, check.value) == (fits, limit, value)
    assert check.passed is (fits >= 150)


def cash_check(account, *, side=Side.LONG, reserved=0, notional=0, margin=0, margin_init=0.5, **limits):
    return check_cash(
        ask(side=side),
        account,
        reserved=D(reserved),
        notional=D(notional),
        margin=D(margin),
        margin_init=margin_init,
        limits=RiskLimits(**limits),
    )


def cash_account(cash):
    return VenueAccount("C", is_margin=False, cash=D(cash), equity=D(10**9))


def margin_account(equity, day_trades=0):
    return VenueAccount("M", is_margin=True, cash=D(10**9), equity=D(equity), day_trades=day_trades)


@pytest.mark.parametrize(
    ("cash", "reserved", "fits", "passes"),
    [
        (15_300, 0, 300, True),  # 15,000 and 2 % of it
        (10_200, 0, 200, True),
        (15_300, 10_000, 100, False),  # 10,200 of it is spoken for
        (15_300, 15_000, 0, False),
        (-5, 0, 0, False),
    ],
)
def test_cash_account_pays_cost_and_buffer_from_what_is_free(cash, reserved, fits, passes):
    quantity, check = cash_check(cash_account(cash), reserved=reserved)
    assert (quantity, check.passed, check.limit) == (fits, passes, cash)
    assert check.value == pytest.approx((15_000 + reserved) * 1.02)


def test_cash_account_without_buffer_spends_all():
    assert cash_check(cash_account(15_000), cash_buffer=0.0)[0] == 300


def test_cash_account_does_not_sell_short():
    quantity, check = cash_check(cash_account(10**6), side=Side.SHORT)
    assert (quantity, check.passed, check.detail) == (0, False, "a cash account does not sell short")


def test_cash_of_an_unknown_account_is_none():
    quantity, check = cash_check(None)
    assert (quantity, check.passed, check.detail) == (0, False, "the venue's account is not known")


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("equity", "notional", "margin", "fits", "limits"),
    [
        (100_000, 0, 0, 300, {}),
        # Initial: 45,000 + 0.5 x 15,000 = 52,500; excess: 105,000 x 0.3 x 1.25 = 39,375.
        (52_500, 90_000, 45_000, 300, {}),
        (50_000, 90_000, 45_000, 200, {}),
        # Maintenance 30 % and a quarter of it: 0.375 x (90,000 + 300 x 50) = 39,375, initial 7,500 only.
        (39_375, 90_000, 0, 300, {}),
        (37_500, 90_000, 0, 200, {}),
        (30_000, 90_000, 0, 0, {}),
        # Without an excess 0.3 x 105,000 = 31,500 will do.
        (31_500, 90_000, 0, 300, {"margin_excess": 0.0}),
        (42_000, 90_000, 0, 300, {"margin_excess": 0.0, "margin_maintenance": 0.4}),
    ],
)
def test_margin_account_keeps_initial_margin_and_excess(side, equity, notional, margin, fits, limits):
    quantity, check = cash_check(margin_account(equity), side=side, notional=notional, margin=margin, **limits)
    assert (quantity, check.passed) == (fits, fits >= 150)


@pytest.mark.parametrize(("equity", "day_trades", "passes"), [(24_999, 3, False), (24_999, 2, True), (25_000, 9, True)])
def test_margin_account_under_the_old_rule_counts_day_trades(equity, day_trades, passes):
    rule = MarginRule.PATTERN_DAY_TRADING
    quantity, check = cash_check(margin_account(equity, day_trades), margin_rule=rule)
    assert check.passed is passes
    assert quantity == (300 if passes else 0)
    assert cash_check(margin_account(equity, day_trades))[1].passed, "the rule of today does not count them"


@pytest.mark.parametrize(
    ("volume", "fits", "passes"),
    [
        (3_000.0, 300, True),
        (2_999.0, D("299.9"), True),
        (1.0, D("0.1"), True),
        (0.0, 0, False),
        (-1.0, 0, False),
        (float("nan"), 0, False),
        (float("inf"), 0, False),
        (1e18, 0, False),
    ],
)
def test_participation_cuts_to_a_tenth_of_the_volume(volume, fits, passes):
    quantity, check = check_participation(D(300), volume, 0.1)
    assert (quantity, check.passed) == (fits, passes)


@pytest.mark.parametrize(
    ("quantity", "price", "passes", "detail"),
    [
        ("0.01", "1000", True, ""),
        ("0.009", "2000", False, "quantity"),
        ("0.01", "999", False, "notional"),
        ("0", "1000", False, "notional"),
    ],
)
def test_minimum_of_units_and_of_notional(quantity, price, passes, detail):
    coin = InstrumentFacts("X", "C", D("0.01"), D("0.001"), D("0.01"), D(10), "", True)
    check = check_minimum(D(quantity), D(price), coin)
    assert (check.passed, check.detail) == (passes, detail)


def test_minimum_of_nothing_is_not_met_by_nothing():
    free = InstrumentFacts("X", "C", D("0.01"), D("0.001"), D(0), D(0), "", True)
    assert not check_minimum(D(0), D(1), free).passed
    assert check_minimum(D("0.001"), D(1), free).passed


@pytest.mark.parametrize(
    ("granted", "asked", "passes"),
    [(0, 0, False), (50, 100, True), (49, 100, False), (100, 100, True), (1, 3, False), (2, 3, True), (0, 5, False)],
)
def test_half_of_what_was_asked_must_fit(granted, asked, passes):
    check = check_half(D(granted), D(asked), 0.5)
    assert check.passed is passes
    assert check.value == (granted / asked if asked else 0.0)
