"""The gate alone: what needs a permit, what passes in every mode, and what is left when everything is closed."""

from decimal import Decimal

import pytest

from nautilus_qs.domain import Side, TradingMode
from nautilus_qs.risk.gate import Gate, OrderFacts

SPY = "SPY.ARCA"
CLOSED_MODES = (TradingMode.HALTED, TradingMode.KILLED)


def order(order_id="A-E", side=Side.LONG, quantity=10, **fields):
    fields = {"strategy": "rsi", "instrument_id": SPY} | fields
    if "position_quantity" in fields:
        fields["position_quantity"] = Decimal(fields["position_quantity"])
    return OrderFacts(client_order_id=order_id, side=side, quantity=Decimal(quantity), **fields)


def leg(order_id="A-S", quantity=10, **fields):
    fields = {"reduce_only": True, "parent_id": "A-E", "price": Decimal(48)} | fields
    return order(order_id, Side.SHORT, quantity, **fields)


def broken(_):
    raise RuntimeError("no database")


@pytest.fixture
def gate():
    return Gate(lambda facts: "nobody proposed it")


@pytest.fixture
def granted(gate):
    gate.on_grant(order())
    return gate


def test_opening_order_without_permit_is_judged_and_denied_with_the_reason(gate):
    assert gate.check(order()) == "nobody proposed it"
    assert gate.reserved == 0


def test_opening_order_that_the_judge_allows_is_reserved():
    asked = []
    gate = Gate(asked.append)
    assert gate.check(order()) is None
    assert asked == [order()]
    assert (gate.reserved, gate.reserved_quantity(SPY), gate.reserved_quantity("QQQ.NASDAQ")) == (1, 10, 0)


@pytest.mark.parametrize("quantity", [1, 10])
def test_granted_order_passes_up_to_its_quantity(granted, quantity):
    assert granted.check(order(quantity=quantity)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"quantity": 11},
        {"side": Side.SHORT},
        {"instrument_id": "QQQ.NASDAQ"},
        {"strategy": "breakout"},
    ],
)
def test_granted_order_that_is_another_than_granted_is_denied(granted, changed):
    assert granted.check(order(**changed)).startswith("RISK_GATE_GRANT must be long of SPY.ARCA by rsi up to 10, was ")
    assert granted.reserved_quantity(SPY) == 10


def test_granted_order_that_goes_out_twice_reserves_once_and_is_held_against_what_is_left(granted):
    assert granted.check(order()) is None
    assert granted.check(order()) is None
    assert (granted.reserved, granted.reserved_quantity(SPY)) == (1, 10)
    granted.on_fill("A-E", Decimal(4))
    assert granted.check(order()).startswith("RISK_GATE_GRANT")
    assert granted.check(order(quantity=6)) is None


@pytest.mark.parametrize("quantity", [0, -5])
def test_quantity_that_is_not_positive_is_denied(granted, quantity):
    assert granted.check(order(quantity=quantity)).startswith("RISK_GATE_QUANTITY")


@pytest.mark.parametrize("mode", CLOSED_MODES)
def test_nothing_opens_in_a_closed_mode(granted, mode):
    granted.mode = mode
    assert granted.check(order()) == f"RISK_GATE_MODE {mode}: only what reduces passes"
    assert Gate(lambda facts: None).check(order("B")) is None, "the judge alone would allow it"


def test_judge_that_fails_denies(gate):
    reason = Gate(broken).check(order())
    assert reason == "RISK_GATE_ERROR RuntimeError('no database')"


def test_nonsense_quantity_denies(gate):
    assert gate.check(order(quantity="NaN")).startswith("RISK_GATE_ERROR")


@pytest.mark.parametrize("mode", TradingMode)
@pytest.mark.parametrize(
    "close",
    [
        order("X", Side.SHORT, 10, position_quantity=10),
        order("X", Side.SHORT, 3, position_quantity=10),
        order("X", Side.SHORT, 10, position_quantity=10, reduce_only=True),
        order("X", Side.LONG, 10, position_quantity=-10),
        leg("A-S", 10, position_quantity=10),
    ],
)
def test_reducing_order_passes_in_every_mode_whatever_the_judge_does(mode, close):
    gate = Gate(broken)
    gate.mode = mode
    assert gate.check(close) is None
    assert gate.closing == 1
    gate.on_closed(close.client_order_id)
    assert gate.closing == 0


@pytest.mark.parametrize(
    "not_reducing",
    [
        order("X", Side.SHORT, 11, position_quantity=10),
        order("X", Side.SHORT, 11, position_quantity=10, reduce_only=True),
        order("X", Side.LONG, 1, position_quantity=10, reduce_only=True),
        order("X", Side.SHORT, 1, position_quantity=-10, reduce_only=True),
        order("X", Side.SHORT, 1, reduce_only=True),
    ],
)
def test_order_that_only_claims_to_reduce_is_judged(gate, not_reducing):
    assert gate.check(not_reducing) == "nobody proposed it"
    assert gate.closing == 0


def test_second_close_that_would_turn_the_position_is_judged(gate):
    assert gate.check(order("X1", Side.SHORT, 6, position_quantity=10)) is None
    assert gate.check(order("X2", Side.SHORT, 5, position_quantity=10)) == "nobody proposed it"
    assert gate.check(order("X3", Side.SHORT, 4, position_quantity=10)) is None
    assert gate.check(order("X1", Side.SHORT, 6, position_quantity=10)) is None, "the same order again"


@pytest.mark.parametrize(
    "other", [{"strategy": "breakout"}, {"instrument_id": "QQQ.NASDAQ"}], ids=["strategy", "instrument"]
)
def test_close_of_another_position_is_not_in_the_way(gate, other):
    assert gate.check(order("X1", Side.SHORT, 10, position_quantity=10)) is None
    assert gate.check(order("X2", Side.SHORT, 10, position_quantity=10, **other)) is None


def test_close_that_is_filled_in_part_leaves_room_for_the_rest_only(gate):
    assert gate.check(order("X1", Side.SHORT, 10, position_quantity=10)) is None
    gate.on_fill("X1", Decimal(4))
    # 6 are held and 6 still under way.
    assert gate.check(order("X2", Side.SHORT, 1, position_quantity=6)) == "nobody proposed it"
    gate.on_closed("X1")
    assert gate.check(order("X2", Side.SHORT, 4, position_quantity=6)) is None
    gate.on_fill("X2", Decimal(1))
    # 5 are held and 3 under way: 2 are free.
    assert gate.check(order("X3", Side.SHORT, 3, position_quantity=5)) == "nobody proposed it"
    assert gate.check(order("X3", Side.SHORT, 2, position_quantity=5)) is None


@pytest.mark.parametrize("parent_id", ["A-E", None], ids=["bracket leg", "put back alone"])
def test_resting_stop_does_not_keep_anybody_from_closing(gate, parent_id):
    # A stop that was put back has no parent; an unflagged close beside it was refused, once.
    assert gate.check(leg(position_quantity=10, parent_id=parent_id)) is None
    assert gate.check(order("X", Side.SHORT, 10, position_quantity=10)) is None
    assert gate.check(order("X2", Side.SHORT, 10, position_quantity=10, reduce_only=True)) is None
    assert gate.closing == 3


def test_slices_of_a_close_may_not_turn_the_position_together(gate):
    # Each alone only reduces; they were not counted, once, because they have a parent.
    slices = [order(f"X-{i}", Side.SHORT, 6, position_quantity=10, parent_id="X") for i in range(2)]
    assert [gate.check(one) for one in slices] == [None, "nobody proposed it"]


def test_leg_of_an_entry_that_passed_needs_no_position_in_any_mode(granted):
    assert granted.check(order()) is None
    for mode in TradingMode:
        granted.mode = mode
        assert granted.check(leg()) is None
        assert granted.check(leg("A-T", price=Decimal(60))) is None
    assert granted.closing == 2


def test_leg_of_an_entry_that_has_not_passed_is_denied(granted):
    assert granted.check(leg()) == "nobody proposed it"


@pytest.mark.parametrize(
    "changed",
    [
        {"reduce_only": False},
        {"quantity": 11},
        {"side": Side.LONG},
        {"instrument_id": "QQQ.NASDAQ"},
        {"strategy": "breakout"},
        {"parent_id": "B-E"},
    ],
    ids=str,
)
def test_leg_that_could_open_something_is_judged(granted, changed):
    granted.check(order())
    fields = {"order_id": "A-S", "side": Side.SHORT, "reduce_only": True, "parent_id": "A-E"} | changed
    assert granted.check(order(**fields)) == "nobody proposed it"


def test_slices_of_a_granted_order_pass_up_to_the_grant(granted):
    first = order("A-E-1", quantity=4, parent_id="A-E")
    second = order("A-E-2", quantity=6, parent_id="A-E")
    assert granted.check(first) is None
    assert granted.check(order("A-E-9", quantity=7, parent_id="A-E")) == "nobody proposed it"
    assert granted.check(second) is None
    assert (granted.reserved, granted.reserved_quantity(SPY)) == (3, 10)
    assert granted.check(order(quantity=1)).startswith("RISK_GATE_GRANT"), "nothing of the whole is left"


def test_slice_of_an_order_that_went_out_whole_is_judged(granted):
    # Whole and slice passed both, once: twice the grant.
    assert granted.check(order()) is None
    assert granted.check(order("A-E-1", quantity=10, parent_id="A-E")) == "nobody proposed it"


def test_slice_that_ends_gives_back_what_it_did_not_fill(granted):
    granted.check(order("A-E-1", quantity=4, parent_id="A-E"))
    granted.on_fill("A-E-1", Decimal(1))
    granted.on_closed("A-E-1")
    assert granted.reserved_quantity(SPY) == 9
    assert granted.check(order(quantity=9)) is None
    assert granted.check(order(quantity=10)) is not None
    granted.on_closed("A-E")
    assert (granted.reserved, granted.reserved_quantity(SPY)) == (0, 0)


def test_slice_in_a_closed_mode_is_denied(granted):
    granted.mode = TradingMode.HALTED
    assert granted.check(order("A-E-1", quantity=4, parent_id="A-E")).startswith("RISK_GATE_MODE")


def test_grant_that_is_not_used_is_given_back(granted):
    granted.on_closed("A-E")
    assert granted.reserved == 0
    assert granted.check(order()) == "nobody proposed it"


def test_fill_of_more_than_was_left_leaves_nothing(granted):
    granted.on_fill("A-E", Decimal(12))
    assert granted.reserved_quantity(SPY) == 0
    granted.on_fill("unknown", Decimal(1))
    granted.on_closed("unknown")
    assert granted.reserved == 1


@pytest.mark.parametrize(("quantity", "is_allowed"), [(10, True), (1, True), (11, False), (0, False), (-1, False)])
def test_modified_quantity_may_only_shrink(gate, quantity, is_allowed):
    reason = gate.check_modify("S", quantity=Decimal(quantity), current=Decimal(10))
    assert (reason is None) is is_allowed
    assert is_allowed or reason.startswith("RISK_GATE_INCREASE quantity must be in (0, 10]")


def test_modified_entry_may_not_cost_more():
    gate = Gate(lambda facts: None)
    gate.check(order("L", price=Decimal(50)))
    ten = Decimal(10)
    assert gate.check_modify("L", quantity=ten, current=ten, price=Decimal(51)).startswith("RISK_GATE_INCREASE cost")
    assert gate.check_modify("L", quantity=ten, current=ten, price=Decimal(50)) is None
    assert gate.check_modify("L", quantity=Decimal(9), current=ten, price=Decimal(55)) is None, "495 against 500"
    assert gate.check_modify("L", quantity=ten, current=ten) is None


def test_modified_market_entry_has_no_price_to_exceed(granted):
    assert granted.check_modify("A-E", quantity=Decimal(10), current=Decimal(10), price=Decimal(99)) is None


@pytest.mark.parametrize("mode", CLOSED_MODES)
def test_modified_entry_in_a_closed_mode_is_refused_and_a_stop_is_not(granted, mode):
    granted.check(order())
    granted.check(leg())
    granted.mode = mode
    assert granted.check_modify("A-E", quantity=Decimal(5), current=Decimal(10)).startswith("RISK_GATE_MODE")
    assert granted.check_modify("A-S", quantity=Decimal(10), current=Decimal(10), price=Decimal(49)) is None


def test_modification_that_cannot_be_judged_is_refused(gate):
    assert gate.check_modify("S", quantity=Decimal("NaN"), current=Decimal(10)).startswith("RISK_GATE_ERROR")


def test_gate_reset_equals_new(granted):
    granted.check(order())
    granted.check(leg())
    granted.check(order("X", Side.SHORT, 10, position_quantity=10))
    granted.mode = TradingMode.KILLED
    granted.reset()
    assert (granted.mode, granted.reserved, granted.closing) == (TradingMode.NORMAL, 0, 0)
    assert granted.check(order()) == "nobody proposed it"
