"""Digests: equal for equal trades in any order and any spelling of a number, different for any other trade."""

import hashlib
import itertools
from decimal import Decimal

import pytest
from msgspec import Struct
from msgspec.structs import replace

from nautilus_qs.desk.digest import decision_digest, fill_digest

D = Decimal


class Decided(Struct, frozen=True):
    ts_batch: int = 1
    strategy: str = "rsi"
    instrument_id: str = "SPY"
    side: str = "long"
    action: str = "enter"
    quantity_granted: object = D(100)
    reference_px: float = 50.0
    stop_px: float | None = 48.5
    target_px: float | None = None
    decision_id: str = "x"


class Filled(Struct, frozen=True):
    ts_batch: int = 1
    strategy: str = "rsi"
    instrument_id: str = "SPY"
    side: str = "long"
    leg: str = "E"
    quantity: object = D(100)
    price: object = D("50.10")
    ts_event: int = 5


def test_digest_is_sha256_of_one_line_a_row():
    assert decision_digest([Decided()]) == hashlib.sha256(b"1|rsi|SPY|long|enter|100|50|48.5|-\n").hexdigest()
    assert fill_digest([Filled()]) == hashlib.sha256(b"1|rsi|SPY|long|E|100|50.1\n").hexdigest()


def test_digest_does_not_depend_on_the_order_of_rows():
    rows = [Decided(), Decided(ts_batch=2), Decided(strategy="bounce")]
    assert len({decision_digest(order) for order in itertools.permutations(rows)}) == 1


@pytest.mark.parametrize("quantity", [100, 100.0, D(100), D("100.0"), D("1E+2"), D("100.000000")])
def test_digest_reads_one_number_in_every_spelling(quantity):
    assert decision_digest([Decided(quantity_granted=quantity)]) == decision_digest([Decided()])
    assert fill_digest([Filled(quantity=quantity)]) == fill_digest([Filled()])


@pytest.mark.parametrize(
    ("left", "right"),
    [(D("0.00"), 0.0), (D("-0"), 0.0), (D("0.00000001"), 1e-8), (D("0.1"), 0.1), (D("NaN"), float("nan"))],
)
def test_digest_reads_decimals_and_floats_alike(left, right):
    assert decision_digest([Decided(quantity_granted=left)]) == decision_digest([Decided(quantity_granted=right)])


@pytest.mark.parametrize("ignored", [{"decision_id": "y"}])
def test_digest_holds_no_ids_and_no_clocks(ignored):
    assert decision_digest([replace(Decided(), **ignored)]) == decision_digest([Decided()])
    assert fill_digest([Filled(ts_event=6)]) == fill_digest([Filled()])


@pytest.mark.parametrize(
    "changed",
    [
        {"ts_batch": 2},
        {"strategy": "bounce"},
        {"instrument_id": "QQQ"},
        {"side": "short"},
        {"action": "exit"},
        {"quantity_granted": D("100.00000001")},
        {"quantity_granted": D(0)},
        {"reference_px": 50.01},
        {"stop_px": None},
        {"target_px": 48.5},
    ],
    ids=str,
)
def test_decision_digest_differs_for_any_other_decision(changed):
    assert decision_digest([replace(Decided(), **changed)]) != decision_digest([Decided()])


@pytest.mark.parametrize(
    "changed",
    [
        {"ts_batch": 2},
        {"strategy": "b"},
        {"instrument_id": "Q"},
        {"side": "short"},
        {"leg": "S"},
        {"quantity": D(1)},
        {"price": D("50.11")},
    ],
    ids=str,
)
def test_fill_digest_differs_for_any_other_fill(changed):
    assert fill_digest([replace(Filled(), **changed)]) != fill_digest([Filled()])


def test_digest_counts_equal_rows():
    assert decision_digest([Decided(), Decided()]) != decision_digest([Decided()])
