"""Fill marks: whatever is told, how often and in which order, each unit is booked once and the value is exact."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from adapters.transport.fills import FillMarks, trade_id

D = Decimal
executions = st.lists(
    st.tuples(st.integers(1, 500).map(lambda n: D(n) / 10), st.integers(100, 20_000).map(lambda n: D(n) / 100)),
    min_size=1,
    max_size=12,
)


@given(executions, st.data())
def test_executions_told_often_and_shuffled_are_booked_once_at_their_value(
    parts: list[tuple[Decimal, Decimal]], data: st.DataObject
) -> None:
    told, cumulative, value = [], D(0), D(0)
    for quantity, price in parts:
        cumulative += quantity
        value += quantity * price
        told.append((quantity, price, cumulative, value / cumulative))
    repeated = [one for one in told for _ in range(data.draw(st.integers(1, 5)))]
    shuffled = data.draw(st.permutations(repeated))
    marks = FillMarks()
    booked = [
        marks.add("o", quantity, price, cumulative=at, average=average) for quantity, price, at, average in shuffled
    ]
    added = [one for one in booked if one is not None]
    assert sum(one.quantity for one in added) == cumulative == marks.booked("o")
    assert abs(sum(one.quantity * one.price for one in added) / cumulative - value / cumulative) < D("1e-9")
    assert len({trade_id("o", one.cumulative) for one in added}) == len(added)


@given(executions, st.data())
def test_totals_told_out_of_order_book_each_unit_once_with_its_fee(
    parts: list[tuple[Decimal, Decimal]], data: st.DataObject
) -> None:
    totals, cumulative, value, fee = [], D(0), D(0), D(0)
    for quantity, price in parts:
        cumulative, value, fee = cumulative + quantity, value + quantity * price, fee + quantity * price * D("0.006")
        totals.append((cumulative, value / cumulative, fee))
    marks = FillMarks()
    told = data.draw(st.permutations(totals * 2))
    added = [one for at, average, fees in told if (one := marks.up_to("o", at, average=average, fee=fees))]
    assert sum(one.quantity for one in added) == cumulative
    assert sum(one.fee for one in added) == fee
    assert abs(sum(one.quantity * one.price for one in added) - value) < D("1e-6")


def test_mark_restored_after_a_restart_takes_only_what_is_new() -> None:
    marks = FillMarks()
    marks.restore("o", D(60), value=D(6000))
    assert marks.add("o", D(60), D(100), cumulative=D(60)) is None
    assert marks.add("o", D(40), D(101), cumulative=D(100)) == (D(40), D(101), D(0), D(100))


def test_execution_that_reaches_over_the_mark_adds_what_lies_above_with_its_share_of_the_fee() -> None:
    marks = FillMarks()
    marks.restore("o", D(60))
    assert marks.add("o", D(80), D(100), cumulative=D(100), fee=D(8)) == (D(40), D(100), D(4), D(100))
