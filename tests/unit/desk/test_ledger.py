"""Positions, stops and grants, fill by fill."""

import math
from decimal import Decimal

import pytest

from nautilus_qs.desk.ledger import Ledger
from nautilus_qs.desk.lines import Grant
from nautilus_qs.domain import Exposure, InstrumentFacts, Side
from nautilus_qs.errors import DataError

D = Decimal
SPY = InstrumentFacts("SPY", "M", D("0.01"), D(1), D(1), D(0), "", False, 0.5)
BTC = InstrumentFacts("BTC", "C", D("0.01"), D("0.001"), D("0.001"), D(0), "", True)
KEY = ("rsi", "SPY", "1")


@pytest.fixture
def ledger():
    one = Ledger()
    one.set_instruments({"SPY": SPY, "BTC": BTC})
    return one


def filled(ledger, *fills, key=KEY, order="E"):
    for quantity, px in fills:
        ledger.on_fill(key, D(quantity), D(px), order)
    return [(p.side, p.quantity, p.entry_px, p.stop_px) for p in ledger.positions()]


def grant(order="E", quantity=10, *, strategy="rsi", instrument=SPY, side=Side.LONG, stop="48"):
    stop_px = None if stop is None else D(stop)
    return Grant(order, strategy, instrument, side, quantity=D(quantity), entry_px=D(50), stop_px=stop_px)


@pytest.mark.parametrize(
    ("fills", "expected"),
    [
        ([(10, 50)], [(Side.LONG, 10, 50, None)]),
        ([(10, 50), (30, 54)], [(Side.LONG, 40, 53, None)]),  # (500 + 1,620) / 40
        ([(10, 50), (-4, 60)], [(Side.LONG, 6, 50, None)]),
        ([(10, 50), (-4, 60), (4, 55)], [(Side.LONG, 10, 52, None)]),
        ([(10, 50), (-10, 60)], []),
        ([(10, 50), (-15, 60)], [(Side.SHORT, 5, 60, None)]),
        ([(-10, 50), (-10, 40)], [(Side.SHORT, 20, 45, None)]),
        ([(-10, 50), (12, 40)], [(Side.LONG, 2, 40, None)]),
        ([(0, 50)], []),  # it was a short of nothing, once, and kept its strategy from entering
        ([(10, 50), (0, 50)], [(Side.LONG, 10, 50, None)]),
    ],
)
def test_fills_make_positions(ledger, fills, expected):
    assert filled(ledger, *fills) == expected
    assert ledger.is_held("rsi", "SPY") is bool(expected)


def test_fill_of_nothing_leaves_nothing_held(ledger):
    filled(ledger, (0, 50))
    assert not ledger.is_held("rsi", "SPY")
    assert ledger.open_risk() == 0


def test_stop_told_before_its_position_protects_it(ledger):
    ledger.on_stop(KEY, D(48))
    assert filled(ledger, (10, 50)) == [(Side.LONG, 10, 50, 48)]
    assert ledger.open_risk() == 20


def test_stop_goes_with_its_position_and_does_not_come_back(ledger):
    filled(ledger, (10, 50))
    ledger.on_stop(KEY, D(48))
    filled(ledger, (-10, 60))
    assert filled(ledger, (10, 50)) == [(Side.LONG, 10, 50, None)]
    ledger.on_stop(KEY, D(48))
    assert filled(ledger, (-15, 50)) == [(Side.SHORT, 5, 50, None)], "nor to what a flip leaves"


def test_stop_that_is_gone_before_the_position_is_none(ledger):
    ledger.on_stop(KEY, D(48))
    ledger.on_stop(KEY, None)
    assert filled(ledger, (10, 50)) == [(Side.LONG, 10, 50, None)]
    ledger.on_stop(("rsi", "SPY", "other"), None)


def test_position_is_valued_at_its_cost_before_the_first_mark(ledger):
    filled(ledger, (10, 50), (-2, 55))
    assert ledger.open_risk() == 400
    assert ledger.exposure() == (400, 400)
    assert ledger.positions() == (Exposure("rsi", "SPY", Side.LONG, D(8), D(50), D(50), None),)
    ledger.on_mark("SPY", 55.0)
    assert ledger.open_risk() == 440
    assert ledger.positions()[0].mark_px == 55


@pytest.mark.parametrize("px", [0.0, -1.0, math.nan, math.inf])
def test_mark_that_is_no_price_is_refused(ledger, px):
    ledger.on_mark("SPY", 50.0)
    with pytest.raises(DataError, match="a mark must be a positive number"):
        ledger.on_mark("SPY", px)
    assert ledger.mark_of("SPY") == 50
    assert ledger.mark_of("BTC") is None


def test_unknown_instrument_is_refused_and_leaves_the_grant_alone(ledger):
    ledger.reserve(grant())
    with pytest.raises(DataError, match="the facts of QQQ must be known"):
        filled(ledger, (10, 50), key=("rsi", "QQQ", "1"))
    assert ledger.positions() == ()
    assert ledger.working()[0].quantity == 10


def test_fill_takes_from_its_grant_what_it_fills(ledger):
    ledger.reserve(grant())
    assert ledger.open_risk() == 20
    filled(ledger, (4, 51))
    assert ledger.working()[0].quantity == 6
    assert ledger.open_risk() == 4 * 51 + 12
    filled(ledger, (9, 51))
    assert ledger.working() == (), "what is filled is not worked, and never less than nothing"
    assert len(ledger.grants) == 1, "until it is closed"
    assert ledger.release("E").is_touched
    assert ledger.release("E") is None


def test_fill_of_another_order_leaves_the_grant_alone(ledger):
    ledger.reserve(grant())
    filled(ledger, (4, 50), order="M")
    assert ledger.working()[0].quantity == 10


def test_grant_that_is_filled_and_not_closed_holds_nothing(ledger):
    ledger.reserve(grant(strategy="bounce"))
    filled(ledger, (10, 50), key=("bounce", "SPY", "1"))
    filled(ledger, (-10, 50), key=("bounce", "SPY", "1"), order="X")
    assert not ledger.is_held("bounce", "SPY")


def test_held_is_asked_by_strategy_and_instrument(ledger):
    ledger.reserve(grant())
    filled(ledger, (1, 50), key=("bounce", "BTC", "1"))
    held = [(s, i) for s in ("rsi", "bounce") for i in ("SPY", "BTC") if ledger.is_held(s, i)]
    assert held == [("rsi", "SPY"), ("bounce", "BTC")]


def test_tally_adds_up_by_strategy_sector_instrument_venue_and_side(ledger):
    filled(ledger, (10, 50), key=("rsi", "SPY", "1"))
    filled(ledger, (-4, 50), key=("bounce", "SPY", "2"))
    filled(ledger, (2, 100), key=("bounce", "BTC", "3"))
    ledger.on_stop(("rsi", "SPY", "1"), D(48))
    ledger.on_stop(("bounce", "SPY", "2"), D(55))
    ledger.on_mark("SPY", 60.0)
    ledger.reserve(grant("G", 3, strategy="breakout"))
    ledger.reserve(grant("H", 1, strategy="rsi", instrument=BTC, stop=None))
    tally = ledger.tally("rsi", SPY, Side.LONG)
    assert tally.heat == 20 + 20 + 200 + 6 + 50
    assert tally.by_strategy == 600 + 50
    assert (tally.by_instrument, tally.units) == (600 + 240 + 150, 17)
    assert (tally.by_venue, tally.margin, tally.reserved) == (990, 495, 150)
    assert (tally.own_risk, tally.risks, tally.sectors) == (26, {"BTC": 250}, {"BTC": "crypto"})
    assert (tally.opened, tally.opened_total, tally.is_held) == (2, 5, True)
    coins = ledger.tally("breakout", BTC, Side.SHORT)
    assert (coins.by_sector, coins.risks, coins.own_risk) == (250, {"SPY": 20}, 0)
    assert (coins.opened, coins.opened_total, coins.is_held) == (1, 5, False)
    assert ledger.at_venue("M") == (495, 150)
    assert ledger.exposure() == (990 + 250, 600 - 240 + 150 + 250)
    assert ledger.quantity_of("rsi", "SPY", Side.LONG) == 10
    assert ledger.quantity_of("rsi", "SPY", Side.SHORT) == 0


def test_ledger_reset_keeps_instruments_only(ledger):
    ledger.reserve(grant())
    ledger.on_stop(KEY, D(48))
    ledger.on_mark("SPY", 60.0)
    filled(ledger, (4, 51))
    ledger.reset()
    assert (ledger.positions(), ledger.working(), ledger.grants, ledger.open_risk()) == ((), (), {}, 0)
    assert ledger.mark_of("SPY") is None
    assert filled(ledger, (1, 50)) == [(Side.LONG, 1, 50, None)]
