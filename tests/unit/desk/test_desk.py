"""The desk's verdicts by hand: 100,000 of equity, an entry at 50 with its stop at 48 unless it says otherwise."""

import math
from decimal import Decimal

import numpy as np
import pytest

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.desk import Desk, DeskParams
from nautilus_qs.desk.chain import widened
from nautilus_qs.desk.refusal import refusal
from nautilus_qs.domain import (
    Action,
    InstrumentFacts,
    Proposal,
    Regime,
    RegimeUpdate,
    Side,
    Signal,
    TradeResult,
    TradingMode,
    Working,
)
from nautilus_qs.errors import DataError
from nautilus_qs.risk import CorrelationMode, OrderFacts, RiskLimits, VenueAccount
from nautilus_qs.sizing import SizingParams

D = Decimal
SECTORS = {"SPY.M": "", "IVV.M": "", "XOM.M": "Energy", "CVX.M": "Energy", "AAPL.M": "Tech", "BTC.C": "", "ETH.C": ""}
CHECKS = [
    *("mode", "regime_weight", "one_position", "conflict", "positions_strategy", "positions_total"),
    *("risk_size", "allocation", "heat", "correlation", "sector", "instrument_cap", "cash"),
    *("participation", "minimum", "half_rule"),
]
CAPITAL = AllocationParams(
    default={"bounce": 0.4, "rsi": 0.3, "breakout": 0.3},
    by_regime={
        "bull_trending": {"bounce": 0.3, "rsi": 0.2, "breakout": 0.5},
        "bear_trending": {"bounce": 0.3, "rsi": 0.3, "breakout": 0.1},
        "high_vol_choppy": {"bounce": 0.6, "rsi": 0.3, "breakout": 0.1},
        "low_vol_range": {"bounce": 0.5, "rsi": 0.4, "breakout": 0.1},
        "crisis": {"bounce": 0.2},
    },
)


def facts_of(name, sector):
    is_crypto = name.endswith(".C")
    lot = D("0.001") if is_crypto else D(1)
    return InstrumentFacts(name, name[-1], D("0.01"), lot, lot, D(10 if is_crypto else 0), sector, is_crypto)


def make_desk(equity=100_000, *, allocation=CAPITAL, sizing=None, is_guarded=True, **limits):
    """Return a desk with an equity, a margin account at M and 20,000 of cash at C."""
    risk = RiskLimits(**({"max_correlation": 1.0} | limits))
    params = DeskParams(allocation=allocation, sizing=sizing or SizingParams(), risk=risk, crisis_guard=is_guarded)
    desk = Desk(params)
    desk.set_instruments({name: facts_of(name, sector) for name, sector in SECTORS.items()})
    desk.on_account(VenueAccount("M", is_margin=True, cash=D(0), equity=D(equity)))
    desk.on_account(VenueAccount("C", is_margin=False, cash=D(20_000), equity=D(0)))
    desk.on_equity(1, 1, D(equity))
    return desk


def proposal(strategy="rsi", name="SPY.M", side=Side.LONG, *, px=50.0, stop=48.0, confidence=0.6, **fields):
    action = fields.pop("action", Action.ENTER)
    signal = Signal(name, action, side, confidence, px, stop, None, "", (), ())
    decision_id = fields.pop("decision_id", f"{strategy}-{name}-{side}-{action}")
    fields = {"volume": 1e7} | fields
    return Proposal(decision_id, strategy, 1, signal, **fields)


def decide(desk, *proposals):
    return desk.decide(proposals, 7)


def one(desk, **fields):
    (verdict,) = decide(desk, proposal(**fields))
    return verdict


def found(verdict, name):
    return next(check for check in verdict.checks if check.name == name)


def regime(desk, in_force, label=None):
    label = in_force if label is None else label
    return desk.on_regime(RegimeUpdate(5, "SPY.M", 0.0, 1.0, None, None, label, 1.0, 3, in_force, ()))


def hold(desk, strategy, name, quantity, px, *, stop=None, key="k"):
    """Tell the desk of a position, its stop, and a mark."""
    if stop is not None:
        desk.on_stop(strategy, name, key, D(stop))
    desk.on_fill(strategy, name, key, quantity=D(quantity), px=D(px), client_order_id=f"{key}-E")
    desk.on_mark(name, float(px))


def entry_id(verdict):
    return f"{verdict.proposal.decision_id}-E"


# -- size


def test_entry_is_granted_its_risk_size_with_every_number():
    verdict = one(make_desk(), stop=47.5)
    # 100,000 x 1 % / 2.5 = 400 units; 30,000 / 50 = 600 would fit into the strategy's share.
    assert (verdict.asked, verdict.granted, verdict.failed, verdict.ts_decided) == (400, 400, "", 7)
    assert [check.name for check in verdict.checks] == CHECKS
    assert all(check.passed for check in verdict.checks)
    values = {check.name: (check.value, check.limit) for check in verdict.checks}
    assert values["risk_size"][0] == 400
    assert values["allocation"][0] == 600
    assert values["heat"] == (0.01, 0.1)
    assert values["instrument_cap"] == (0.2, 0.5)
    assert values["cash"] == (20_000, 100_000)
    assert values["participation"] == (400 / 1e7, 0.1)
    assert values["half_rule"] == (1.0, 0.5)
    assert (verdict.weight, verdict.equity, verdict.risk_fraction) == (0.3, 100_000, 0.01)
    assert (verdict.regime, verdict.multipliers) == (Regime.NONE, (("drawdown", 1.0),))


@pytest.mark.parametrize(
    ("fields", "granted"),
    [
        ({"stop": 49.5}, 600),  # risk size 2,000; its share of capital lets 600 through
        ({"side": Side.SHORT, "stop": 52.5}, 400),
        ({"stop": 47.0}, 333),  # 333.33
        ({"volume": 3_000.0}, 300),  # cut to a tenth
        ({"name": "BTC.C", "px": 30_000.0, "stop": 27_000.0}, D("0.333")),
    ],
)
def test_entry_is_granted_the_smallest_of_all_rounded_down(fields, granted):
    assert one(make_desk(), **fields).granted == granted


@pytest.mark.parametrize(
    ("in_force", "label", "strategy", "granted", "stop"),
    [
        (Regime.BULL_TRENDING, None, "breakout", 500, 48.0),  # 1,000 / 2
        (Regime.HIGH_VOL_CHOPPY, None, "bounce", 250, 48.0),  # half the risk
        (Regime.CRISIS, None, "bounce", 62, 46.0),  # a quarter of it, and a stop twice as wide: 250 / 4
        (Regime.BULL_TRENDING, Regime.CRISIS, "breakout", 125, 48.0),  # the guard: 250 / 2, the stop as it is
        (Regime.CRISIS, Regime.BULL_TRENDING, "bounce", 62, 46.0),  # in force until the end is confirmed
        (Regime.NONE, Regime.CRISIS, "rsi", 125, 48.0),
    ],
)
def test_regime_in_force_gives_capital_and_stop_and_its_label_guards_the_risk(in_force, label, strategy, granted, stop):
    desk = make_desk()
    regime(desk, in_force, label)
    verdict = one(desk, strategy=strategy)
    assert (verdict.granted, verdict.proposal.signal.stop_px) == (granted, stop)
    assert (desk.regime, verdict.regime) == (in_force, in_force)
    assert desk.book(7).working[0].stop_px == D(repr(stop))
    is_crisis = Regime.CRISIS in (in_force, label)
    assert (desk.risk_regime is Regime.CRISIS) is is_crisis
    assert found(verdict, "heat").limit == (0.02 if is_crisis else 0.05 if "choppy" in in_force else 0.1)


def test_guard_that_is_off_waits_for_the_confirmation():
    desk = make_desk(is_guarded=False)
    regime(desk, Regime.BULL_TRENDING, Regime.CRISIS)
    verdict = one(desk, strategy="breakout")
    assert (verdict.granted, found(verdict, "heat").limit) == (500, 0.1)


def test_crisis_may_be_configured_to_halt():
    desk = make_desk(sizing=SizingParams(cap_crisis=0.0))
    regime(desk, Regime.CRISIS)
    verdict = one(desk, strategy="bounce")
    assert (verdict.granted, verdict.failed) == (0, "risk_size")
    order = OrderFacts("M-1", "bounce", "SPY.M", Side.LONG, D(1), price=D(50), stop_px=D(48))
    assert desk.judge(order) == "RISK_REGIME_CAP 0 against 0 crisis"


@pytest.mark.parametrize(
    ("multipliers", "granted"),
    [
        ((), 200),  # 80,000 x 1 % x 0.5 / 2
        ((("sentiment", 0.5),), 100),
        ((("drawdown", 0.1),), 200),  # counts once, as the desk has it
        ((("sentiment", 5.0),), 500),  # 2.5 is clipped to 1.25
        ((("rl", math.nan),), 0),
    ],
)
def test_multipliers_and_the_drawdown_once(multipliers, granted):
    desk = make_desk(80_000, allocation=AllocationParams(default={"rsi": 1.0}))
    for day, equity in enumerate((88_000, 84_000, 80_200, 79_200), start=2):  # never 5 % in a day, 10 % in all
        assert desk.breakers.multiplier == 1.0
        desk.on_equity(day, day, D(equity))
    desk.on_equity(6, 5, D(80_000), stale=True)  # what sizes go by
    verdict = one(desk, multipliers=multipliers)
    assert verdict.granted == granted
    assert verdict.multipliers[0] == ("drawdown", 0.5)
    assert [pair for pair in verdict.multipliers if pair[0] == "drawdown"] == [("drawdown", 0.5)]


# -- limits, with what is already there


@pytest.mark.parametrize(
    ("held", "granted", "failed"),
    [
        (7_000, 500, ""),
        (9_000, 500, ""),
        (9_400, 300, ""),
        (9_401, 299, ""),
        (9_500, 250, ""),
        (9_501, 0, "heat"),
        (20_000, 0, "heat"),
    ],
)
def test_heat_of_what_is_held_leaves_less_room(held, granted, failed):
    desk = make_desk(max_instrument=1.0)
    hold(desk, "bounce", "XOM.M", held, "1.00", stop="0.01")  # 0.99 of each unit
    desk.on_stop("bounce", "XOM.M", "k", None)  # and without its stop all of it
    verdict = one(desk)
    assert (verdict.granted, verdict.failed) == (granted, failed)


def test_stop_that_locks_a_profit_in_frees_its_heat():
    desk = make_desk()
    hold(desk, "bounce", "XOM.M", 400, 50, stop=45)
    assert desk.heat() == 0.02
    desk.on_mark("XOM.M", 60.0)
    assert desk.heat() == 0.02, "the risk of a stop does not follow the price"
    desk.on_stop("bounce", "XOM.M", "k", D(52))
    assert desk.heat() == 0.0
    desk.on_stop("bounce", "XOM.M", "k", None)
    assert desk.heat() == 0.24, "400 x 60"
    desk.on_mark("XOM.M", 50.0)
    assert desk.heat() == 0.2


def test_sector_counts_both_sides_at_market_value_and_crypto_is_one():
    desk = make_desk()
    hold(desk, "bounce", "CVX.M", -200, 50, stop=52)
    desk.on_mark("CVX.M", 60.0)
    verdict = one(desk, name="XOM.M")
    # 12,000 of 30,000 are used: 18,000 / 50 = 360 of 500
    assert (verdict.granted, found(verdict, "sector").value) == (360, 0.37)
    hold(desk, "bounce", "ETH.C", 10, 2_000, key="e")
    assert one(desk, strategy="breakout", name="BTC.C", stop=45.0).failed == "heat"
    desk.on_stop("bounce", "ETH.C", "e", D(1_999))
    verdict = one(desk, strategy="breakout", name="BTC.C", stop=45.0)
    assert (found(verdict, "sector").value, found(verdict, "sector").passed) == (0.3, True)


def test_instrument_cap_counts_every_strategy():
    desk = make_desk(max_instrument=0.4)
    hold(desk, "bounce", "SPY.M", 600, 50, stop=49)
    verdict = one(desk)
    # 40,000 less 30,000: 200 of 500 are less than half
    assert (verdict.granted, verdict.failed) == (0, "instrument_cap")
    assert one(desk, stop=45.0).granted == 200


@pytest.mark.parametrize(("n_held", "failed"), [(4, ""), (5, "positions_strategy")])
def test_positions_of_a_strategy(n_held, failed):
    desk = make_desk()
    for name in list(SECTORS)[1 : 1 + n_held]:
        hold(desk, "rsi", name, 1, "0.5", stop="0.4")
    assert one(desk).failed == failed
    assert one(desk, strategy="bounce").failed == ""


def test_positions_of_a_strategy_may_be_fewer_by_its_own_setting():
    desk = make_desk(allocation=AllocationParams(default={"rsi": 0.5, "bounce": 0.5}, max_positions={"rsi": 1}))
    hold(desk, "rsi", "XOM.M", 1, 1, stop="0.9")
    assert one(desk).failed == "positions_strategy"
    assert one(desk, strategy="bounce").failed == ""


@pytest.mark.parametrize(("n_others", "failed"), [(19, ""), (20, "positions_total")])
def test_positions_in_total_twenty(n_others, failed):
    desk = make_desk()
    for i in range(n_others):
        hold(desk, f"other{i}", "XOM.M", 1, 1, stop="0.9", key=str(i))
    assert one(desk).failed == failed


def test_grant_counts_for_every_limit_until_it_is_filled_or_closed():
    desk = make_desk()
    first = one(desk, name="XOM.M")
    assert (first.granted, desk.grants, desk.heat()) == (500, 1, 0.01)
    # The sector has 5,000 left: 100 units.
    verdict = one(desk, strategy="bounce", name="CVX.M")
    assert (verdict.failed, found(verdict, "sector").detail) == ("sector", "Energy: 100 of 500 fit")
    desk.on_order_closed(entry_id(first))
    assert (desk.grants, desk.heat()) == (0, 0.0)
    assert one(desk, strategy="bounce", name="CVX.M").granted == 500


def test_grant_that_is_filled_in_part_counts_once():
    desk = make_desk()
    first = one(desk, name="XOM.M")
    desk.on_mark("XOM.M", 50.0)
    desk.on_stop("rsi", "XOM.M", "k", D(48))
    desk.on_fill("rsi", "XOM.M", "k", quantity=D(200), px=D(50), client_order_id=entry_id(first))
    assert (desk.heat(), desk.exposure(), desk.grants) == (0.01, (0.25, 0.25), 1)
    (working,) = desk.book(9).working
    assert working == Working(entry_id(first), "rsi", "XOM.M", Side.LONG, D(300), D("50.0"), D("48.0"))
    assert [(p.quantity, p.stop_px) for p in desk.book(9).positions] == [(200, 48)]
    desk.on_order_closed(entry_id(first))
    assert (desk.heat(), desk.exposure()) == (0.004, (0.1, 0.1))


def test_grants_of_one_batch_are_reserved_one_after_the_other():
    desk = make_desk()
    verdicts = decide(
        desk,
        proposal("rsi", "XOM.M", confidence=0.6, stop=47.0),
        proposal("bounce", "CVX.M", confidence=0.9, stop=47.0),
    )
    # 333 x 50 first; then 30,000 - 16,650 leave 267 of 333.
    assert [(v.proposal.strategy, v.granted) for v in verdicts] == [("bounce", 333), ("rsi", 267)]


def test_cash_is_spent_by_fills_before_the_account_says_so_and_sales_wait():
    desk = make_desk()
    btc = {"name": "BTC.C", "px": 100.0, "stop": 93.0}
    assert found(one(desk, **btc), "cash").limit == 20_000
    hold(desk, "bounce", "ETH.C", 10, 900, stop=899)
    assert found(one(desk, strategy="breakout", **btc), "cash").limit == 11_000
    desk.on_fill("bounce", "ETH.C", "k", quantity=D(-10), px=D(900), client_order_id="X")
    verdict = one(desk, strategy="breakout", **btc)
    assert found(verdict, "cash").limit == 11_000
    # The grant of rsi, 142.857 x 100 with 2 % of it, is more than that.
    assert (verdict.failed, found(verdict, "cash").passed) == ("cash", False)
    assert desk.book(8).buying_power == {"M": 100_000, "C": 0}


def test_short_in_a_cash_account_is_denied():
    assert one(make_desk(), name="BTC.C", side=Side.SHORT, stop=52.0).failed == "cash"


def test_venue_without_an_account_opens_nothing():
    desk = Desk(DeskParams(allocation=CAPITAL))
    desk.set_instruments({"SPY.M": facts_of("SPY.M", "")})
    desk.on_equity(1, 1, D(100_000))
    assert one(desk).failed == "cash"


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"volume": 0.0}, "participation"),
        ({"volume": math.nan}, "participation"),
        ({"volume": 9.0}, "minimum"),  # 0.9 units
        ({"name": "BTC.C", "stop": 49.0, "volume": 1.0}, "minimum"),  # 0.1 x 50 are less than 10
    ],
)
def test_what_is_too_small_or_cannot_be_traded_is_denied(fields, failed):
    assert one(make_desk(), **fields).failed == failed


def test_share_that_is_used_up_leaves_no_allocation():
    desk = make_desk()
    hold(desk, "rsi", "XOM.M", 600, 50, stop=49)
    verdict = one(desk)
    assert (verdict.failed, verdict.asked) == ("allocation", 0)


# -- correlation


def with_returns(desk, alike=("SPY.M", "IVV.M")):
    rng = np.random.default_rng(5)
    market = rng.normal(0, 0.01, 30)
    for name in SECTORS:
        moves = market + rng.normal(0, 0.0005, 30) if name in alike else rng.normal(0, 0.01, 30)
        for day, close in enumerate([100.0, *(100 * np.cumprod(1 + moves)).tolist()]):
            desk.on_day_close(name, day, close)
    return desk


@pytest.mark.parametrize(
    ("held", "side", "failed"),
    [
        ("IVV.M", 1, "correlation"),
        ("IVV.M", -1, ""),  # the other direction is another bet
        ("XOM.M", 1, ""),
        ("SPY.M", 1, ""),  # the same instrument is no other one
    ],
)
def test_correlated_entry_in_the_same_direction_is_blocked(held, side, failed):
    desk = with_returns(make_desk(max_correlation=0.7))
    hold(desk, "bounce", held, side * 10, 50, stop=50 - side)
    verdict = one(desk)
    assert verdict.failed == failed
    if failed:
        assert found(verdict, "correlation").value > 0.95
        assert found(verdict, "correlation").detail == "IVV.M 1.00"


def test_correlated_with_what_is_only_granted():
    desk = with_returns(make_desk(max_correlation=0.7))
    verdicts = decide(desk, proposal(), proposal("bounce", "IVV.M", confidence=0.5))
    assert [v.failed for v in verdicts] == ["", "correlation"]


@pytest.mark.parametrize(
    ("name", "held", "failed"),
    [
        ("XOM.M", "CVX.M", "correlation"),
        ("SPY.M", "IVV.M", ""),
        ("XOM.M", "AAPL.M", ""),
        ("BTC.C", "ETH.C", "correlation"),
    ],
)
def test_without_enough_days_one_sector_is_one_bet(name, held, failed):
    desk = make_desk(max_correlation=0.7)
    hold(desk, "bounce", held, 1, 50, stop=49)
    assert one(desk, name=name, stop=45.0).failed == failed


def test_cluster_caps_the_heat_of_what_is_correlated():
    limits = {"max_correlation": 0.7, "correlation_mode": CorrelationMode.CLUSTER}
    desk = with_returns(make_desk(**limits))
    hold(desk, "bounce", "IVV.M", 500, 50, stop="47.4")  # 1.3 %
    hold(desk, "breakout", "SPY.M", 200, 50, stop=46, key="own")  # 0.8 %, the same instrument
    hold(desk, "bounce", "XOM.M", 500, 10, stop=7, key="other")  # 1.5 %, another bet
    verdict = one(desk)
    # 3 % - 2.1 %: 900 / 2 = 450 of 500
    assert (verdict.granted, found(verdict, "correlation").limit) == (450, 0.03)
    assert found(verdict, "correlation").value == pytest.approx(0.031)


# -- who may open at all


def test_nothing_opens_while_halted_and_exits_are_granted():
    desk = make_desk()
    hold(desk, "rsi", "SPY.M", 10, 50, stop=48)
    desk.breakers.kill(2, "test")
    verdicts = decide(desk, proposal(action=Action.EXIT), proposal("bounce"))
    assert [(v.granted, v.failed) for v in verdicts] == [(10, ""), (0, "mode")]
    assert found(verdicts[1], "mode").detail == "killed"
    assert [check.name for check in verdicts[1].checks] == CHECKS, "every question is asked"
    desk.breakers.restart(3)
    assert one(desk, strategy="bounce").granted == 500


def test_strategy_with_weight_zero_opens_nothing_and_may_close():
    desk = make_desk()
    hold(desk, "rsi", "SPY.M", 10, 50, stop=48)
    regime(desk, Regime.CRISIS)
    verdicts = decide(desk, proposal(name="XOM.M"), proposal(action=Action.EXIT))
    assert [(v.granted, v.failed) for v in verdicts] == [(10, ""), (0, "regime_weight")]
    assert one(desk, strategy="nobody").failed == "regime_weight"


def test_one_position_or_working_entry_per_strategy_and_instrument():
    desk = make_desk()
    first = one(desk)
    again = one(desk, decision_id="again")
    assert (first.granted, again.granted, again.failed) == (500, 0, "one_position")
    desk.on_fill("rsi", "SPY.M", "k", quantity=D(500), px=D(50), client_order_id=entry_id(first))
    assert one(desk, decision_id="again").failed == "one_position"
    desk.on_order_closed(entry_id(first))
    assert one(desk, side=Side.SHORT, stop=52.0).failed == "one_position"
    desk.on_fill("rsi", "SPY.M", "k", quantity=D(-500), px=D(50), client_order_id="S")
    assert one(desk, decision_id="again").granted == 500


def test_two_entries_of_one_strategy_in_one_batch_are_one():
    verdicts = decide(make_desk(), proposal(decision_id="a"), proposal(decision_id="b", confidence=0.7))
    assert [(v.proposal.decision_id, v.failed) for v in verdicts] == [("b", ""), ("a", "one_position")]


def test_conflict_denies_both_and_one_that_cannot_open_has_no_say():
    desk = make_desk()
    short = proposal("bounce", side=Side.SHORT, stop=52.0)
    assert [v.failed for v in decide(desk, proposal(), short)] == ["conflict", "conflict"]
    hold(desk, "bounce", "SPY.M", 1, 50, stop=49)
    assert [v.failed for v in decide(desk, short, proposal())] == ["", "one_position"]


def test_exit_is_granted_what_is_held_on_its_side():
    desk = make_desk()
    hold(desk, "rsi", "SPY.M", 10, 50, key="a")
    hold(desk, "rsi", "SPY.M", 5, 50, key="b")
    hold(desk, "bounce", "SPY.M", 7, 50, key="c")
    assert one(desk, action=Action.EXIT).granted == 15
    none = one(desk, action=Action.EXIT, side=Side.SHORT)
    assert (none.granted, none.failed, none.checks[0].detail) == (0, "position", "there is nothing to close")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "QQQ.M"}, "facts of QQQ.M are not known"),
        ({"px": 0.0}, "the reference price must be a positive number, was 0.0"),
        ({"px": math.nan}, "the reference price must be a positive number, was nan"),
        ({"px": math.inf}, "the reference price must be a positive number, was inf"),
        ({"confidence": math.nan}, "the confidence must be in"),
        ({"confidence": 1.5}, "the confidence must be in"),
        ({"stop": None}, "an entry needs a stop"),
        ({"stop": -1.0}, "the stop must be a positive price, was -1.0"),
        ({"stop": math.nan}, "the stop must be a positive price, was nan"),
        ({"stop": 50.0}, "the stop of a long entry at 50.0 must lie on the losing side, was 50.0"),
        ({"stop": 51.0}, "must lie on the losing side, was 51.0"),
        ({"side": Side.SHORT, "stop": 49.0}, "the stop of a short entry at 50.0 must lie on the losing side"),
        ({"multipliers": (("rl", 0.0),)}, "risk fraction 0.01, multipliers 0"),
    ],
)
def test_entry_that_cannot_be_sized_is_denied_with_the_reason(fields, words):
    verdict = one(make_desk(), **fields)
    assert (verdict.granted, verdict.failed) == (0, "risk_size")
    assert words in found(verdict, "risk_size").detail


@pytest.mark.parametrize("equity", [None, 0, -5])
def test_without_equity_nothing_opens(equity):
    desk = make_desk()
    desk.reset()
    if equity is not None:
        desk.on_equity(1, 1, D(equity))
        desk.breakers.reset()
    assert "equity must be above 0" in found(one(desk), "risk_size").detail
    assert desk.judge(OrderFacts("M", "rsi", "SPY.M", Side.LONG, D(1), price=D(50))).startswith("RISK_UNKNOWN")
    assert (desk.heat(), desk.exposure(), desk.book(1).equity) == (0.0, (0.0, 0.0), equity or 0)


def test_stop_that_a_crisis_would_put_below_zero_is_no_stop():
    desk = make_desk()
    regime(desk, Regime.CRISIS)
    verdict = one(desk, strategy="bounce", stop=20.0)
    assert found(verdict, "risk_size").detail == "the stop must be a positive price, was -10.0"
    assert one(desk, strategy="bounce", stop=None).failed == "risk_size"


@pytest.mark.parametrize(
    ("side", "stop", "expected"), [(Side.LONG, 48.0, 46.0), (Side.SHORT, 51.5, 53.0), (Side.LONG, None, None)]
)
def test_stop_is_widened_away_from_the_price(side, stop, expected):
    assert widened(proposal(side=side, stop=stop).signal, 2.0).stop_px == expected


def test_refusal_of_what_cannot_be_judged_grants_nothing():
    verdict = refusal(proposal(), "late", 9, detail="its batch has been decided")
    assert (verdict.granted, verdict.failed, verdict.is_granted, verdict.ts_decided) == (0, "late", False, 9)
    assert [(c.name, c.passed, c.detail) for c in verdict.checks] == [("late", False, "its batch has been decided")]


# -- the track record and its probe


def losing(desk, strategy="rsi", n=25):
    for _ in range(n):
        desk.on_trade(TradeResult(strategy, 1, -1.0, -0.01))
    return desk.on_week_end(np.random.default_rng(1))


def test_strategy_that_only_loses_gets_one_probe_a_week():
    desk = make_desk()
    assert losing(desk) == desk.estimates
    assert (desk.estimates["rsi"].n, desk.risk_fraction("rsi").is_probe) == (25, True)
    assert desk.risk_fraction("bounce").is_probe is False
    verdicts = decide(desk, proposal(), proposal(name="XOM.M"))
    # 100,000 x 0.25 % / 2
    assert [(v.granted, v.failed) for v in verdicts] == [(125, ""), (0, "risk_size")]
    assert found(verdicts[1], "risk_size").detail == "the probe of this week is taken"
    desk.on_fill("rsi", "SPY.M", "k", quantity=D(1), px=D(50), client_order_id=entry_id(verdicts[0]))
    desk.on_order_closed(entry_id(verdicts[0]))
    assert one(desk, name="XOM.M").failed == "risk_size", "it was taken, if in part"
    desk.on_week_end(np.random.default_rng(1))
    assert one(desk, name="XOM.M").granted == 125


def test_probe_that_came_to_nothing_is_given_back():
    desk = make_desk()
    losing(desk)
    desk.on_order_closed(entry_id(one(desk)))
    assert one(desk, name="XOM.M").granted == 125


def test_probe_of_the_week_before_is_not_given_back():
    desk = make_desk()
    losing(desk)
    old = one(desk)
    desk.on_week_end(np.random.default_rng(1))
    assert one(desk, name="XOM.M").granted == 125
    desk.on_order_closed(entry_id(old))
    assert one(desk, name="AAPL.M").failed == "risk_size", "two in one week, once"


# -- orders that nobody proposed


def foreign(quantity=100, **fields):
    fields = {"strategy": "rsi", "instrument_id": "SPY.M", "side": Side.LONG, "price": D(50), "stop_px": D(48)} | fields
    return OrderFacts("M-1", quantity=D(quantity), **fields)


def test_foreign_order_that_fits_is_reserved_once():
    desk = make_desk()
    assert desk.judge(foreign()) is None
    assert desk.judge(foreign()) is None
    assert (desk.grants, desk.heat(), desk.exposure()) == (1, 0.002, (0.05, 0.05))
    desk.on_order_closed("M-1")
    assert desk.grants == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": 601}, "RISK_ALLOCATION 601 against 600"),
        ({"strategy": "EXTERNAL"}, "RISK_REGIME_WEIGHT 0 against 0"),
        ({"instrument_id": "QQQ.M"}, "RISK_UNKNOWN"),
        ({"price": None}, "RISK_UNKNOWN"),  # and no mark
        ({"price": D(0)}, "RISK_UNKNOWN"),
        ({"stop_px": D(30), "quantity": 501}, "RISK_HEAT 0.1002 against 0.1"),
        ({"stop_px": None, "quantity": 201}, "RISK_HEAT 0.1005 against 0.1"),
        ({"stop_px": D(51), "quantity": 201}, "RISK_HEAT"),  # a stop on the wrong side is none
        ({"side": Side.SHORT, "stop_px": D(49), "quantity": 201}, "RISK_HEAT"),
        ({"instrument_id": "BTC.C", "side": Side.SHORT, "stop_px": D(51)}, "RISK_CASH 0 against 0 a cash account"),
        ({"instrument_id": "BTC.C", "quantity": "0.1"}, "RISK_MINIMUM 5 against 10 notional"),
        ({"volume": 999.0}, "RISK_PARTICIPATION 0.1001 against 0.1 cut"),
        ({"volume": math.nan}, "RISK_PARTICIPATION"),
    ],
)
def test_foreign_order_that_does_not_fit_whole_is_denied(fields, reason):
    desk = make_desk()
    assert desk.judge(foreign(**fields)).startswith(reason)
    assert desk.grants == 0


@pytest.mark.parametrize("fields", [{"stop_px": None, "quantity": 200}, {"volume": 1_000.0}, {"volume": None}])
def test_foreign_order_at_its_limit_passes(fields):
    assert make_desk().judge(foreign(**fields)) is None


def test_foreign_market_order_is_judged_at_the_mark():
    desk = make_desk()
    desk.on_mark("SPY.M", 100.0)
    assert desk.judge(foreign(300, price=None, stop_px=D(98))) is None
    assert desk.judge(foreign(301, price=None, stop_px=D(98))).startswith("RISK_ALLOCATION")


def test_foreign_short_at_a_limit_far_below_the_market_is_judged_at_the_market():
    desk = make_desk()
    desk.on_mark("SPY.M", 50.0)
    # At its limit of 1 it would be 30,000 units for 30,000; it would be filled at 50, once.
    assert desk.judge(foreign(30_000, side=Side.SHORT, price=D(1), stop_px=D("1.1"))).startswith("RISK_ALLOCATION")
    assert desk.judge(foreign(500, side=Side.SHORT, price=D(60), stop_px=D(61))) is None


def test_foreign_order_in_a_closed_mode_is_denied():
    desk = make_desk()
    desk.breakers.kill(1, "test")
    assert desk.judge(foreign()) == "RISK_MODE 1 against 0 killed"


@pytest.mark.parametrize(("strategy", "reason"), [("rsi", None), ("bounce", "RISK_POSITIONS_TOTAL 2 against 1")])
def test_foreign_order_that_adds_to_a_position_is_no_further_one(strategy, reason):
    desk = make_desk(max_positions=1)
    hold(desk, "rsi", "SPY.M", 10, 50, stop=48)
    assert desk.judge(foreign(strategy=strategy)) == reason


# -- facts


def test_regime_and_sentiment_reach_the_breakers():
    desk = make_desk()
    assert desk.on_sentiment(1, -0.5) == []
    assert [e.breaker.value for e in regime(desk, Regime.CRISIS)] == ["crisis_sentiment"]
    assert one(desk, strategy="bounce").failed == "mode"
    assert [e.change.value for e in desk.on_sentiment(2, 0.0)] == ["clear"]
    assert desk.breakers.mode is TradingMode.NORMAL


def test_equity_trips_the_breakers_with_the_heat_then_open():
    desk = make_desk()
    hold(desk, "rsi", "SPY.M", 500, 50, stop=48)
    (event,) = desk.on_equity(2, 1, D(95_000))
    assert (event.breaker.value, event.heat_open) == ("daily_loss", pytest.approx(1_000 / 95_000))
    assert desk.equity == 95_000


def test_equity_that_is_no_amount_is_refused_and_changes_nothing():
    desk = make_desk()
    with pytest.raises(DataError, match="finite"):
        desk.on_equity(2, 1, D("NaN"))
    assert desk.equity == 100_000


def test_stale_equity_sizes_and_does_not_trip():
    desk = make_desk()
    assert desk.on_equity(2, 1, D(50_000), stale=True) == []
    assert one(desk).granted == 250


def test_sharpes_tilt_the_weights_where_they_may():
    tilting = AllocationParams(default={"rsi": 0.4, "bounce": 0.4}, is_tilted=True)
    desk = make_desk(allocation=tilting)
    desk.on_sharpes({"rsi": 1.0, "bounce": 0.0})
    assert desk.weights == pytest.approx({"rsi": 0.45, "bounce": 0.35})
    regime(desk, Regime.BULL_TRENDING)
    assert desk.weights == pytest.approx({"rsi": 0.45, "bounce": 0.35})
    desk.reset()
    assert desk.weights == {"rsi": 0.4, "bounce": 0.4}


def test_fill_of_an_unknown_instrument_is_refused_and_takes_no_cash():
    desk = make_desk()
    with pytest.raises(DataError, match=r"the facts of QQQ\.M must be known"):
        desk.on_fill("rsi", "QQQ.M", "k", quantity=D(1), px=D(50), client_order_id="E")
    assert desk.book(1).positions == ()


def test_desk_reset_forgets_everything_but_instruments():
    desk = with_returns(make_desk(max_correlation=0.7))
    losing(desk)
    hold(desk, "bounce", "IVV.M", 10, 50, stop=49)
    one(desk, name="XOM.M")
    desk.on_sentiment(1, -0.5)
    regime(desk, Regime.CRISIS)
    desk.on_equity(2, 2, D(80_000))
    desk.reset()
    assert (desk.equity, desk.regime, desk.risk_regime) == (None, Regime.NONE, Regime.NONE)
    assert (desk.estimates, desk.grants, desk.weights) == ({}, 0, CAPITAL.default)
    assert desk.book(1).positions == desk.book(1).working == ()
    assert desk.breakers.mode is TradingMode.NORMAL
    desk.on_equity(1, 1, D(100_000))
    assert one(desk, name="BTC.C").failed == "cash", "no account is known"
    desk.on_account(VenueAccount("M", is_margin=True, cash=D(0), equity=D(100_000)))
    hold(desk, "bounce", "IVV.M", 10, 50, stop=49)
    assert one(desk).granted == 500, "no returns are known"
    assert regime(desk, Regime.CRISIS) == [], "no sentiment is known"


def test_entries_that_could_open_nothing_come_in_the_order_of_their_decisions():
    desk = make_desk()
    desk.breakers.kill(1, "test")
    names = [("b", 0.9), ("c", 0.2), ("a", 0.5)]
    verdicts = decide(desk, *(proposal(decision_id=name, confidence=confidence) for name, confidence in names))
    assert [v.proposal.decision_id for v in verdicts] == ["a", "b", "c"]


def test_buying_power_is_what_is_left_after_positions_and_grants():
    desk = make_desk()
    hold(desk, "bounce", "SPY.M", 400, 50, stop=49)
    one(desk, name="XOM.M", stop=45.0)  # 200 x 50
    one(desk, strategy="breakout", name="BTC.C", stop=45.0)  # 200 x 50 of 20,000
    assert desk.book(1).buying_power == {"M": 100_000 - 20_000 - 10_000, "C": 10_000}
    assert desk.exposure() == (0.4, 0.4)


def test_entry_into_the_last_crumb_of_capital_is_refused() -> None:
    # 0.3 of 100,000 is 30,000: 599 units at 50 leave 50, and an entry must have 0.1 % of equity, which is 100.
    desk = make_desk()
    desk.on_mark("IVV.M", 50.0)
    desk.on_fill("rsi", "IVV.M", "held", quantity=D(599), px=D(50), client_order_id="held")
    desk.on_stop("rsi", "IVV.M", "held", D(49))
    verdict = one(desk)
    assert (verdict.granted, verdict.failed) == (0, "allocation")
    assert found(verdict, "allocation").value == 1.0
    assert found(verdict, "allocation").limit == 2.0


def test_entry_as_large_as_the_smallest_worth_having_is_granted() -> None:
    desk = make_desk()
    desk.on_mark("IVV.M", 50.0)
    desk.on_fill("rsi", "IVV.M", "held", quantity=D(598), px=D(50), client_order_id="held")
    desk.on_stop("rsi", "IVV.M", "held", D(49))
    assert one(desk).granted == 2
