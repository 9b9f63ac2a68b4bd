"""Batches: one a bar time, closed once, whoever comes late."""

import pytest

from nautilus_qs.bridge.batch import Batches
from nautilus_qs.domain import Action, Proposal, Side, Signal


def proposal(ts: int, instrument: str = "A.X") -> Proposal:
    signal = Signal(instrument, Action.ENTER, Side.LONG, 0.5, 100.0, 90.0, None, "test", (), ())
    return Proposal(f"{instrument}-{ts}", "s", ts, signal, 1e6)


def test_batch_first_proposal_opens_and_second_joins() -> None:
    batches = Batches()
    assert batches.add(proposal(10)) is True
    assert batches.add(proposal(10, "B.X")) is False
    assert batches.deadline(10, 10) == 11
    assert [p.signal.instrument_id for p in batches.close(10)] == ["A.X", "B.X"]


def test_batch_late_proposal_makes_no_second_batch() -> None:
    batches = Batches()
    batches.add(proposal(10))
    batches.close(10)
    assert batches.add(proposal(10, "B.X")) is None
    assert batches.add(proposal(9, "C.X")) is None
    assert batches.close(10) == []
    assert batches.add(proposal(11)) is True


def test_batch_with_expected_instruments_completes_when_all_have_reported() -> None:
    batches = Batches(["A.X", "B.X"], wait_ns=5_000)
    batches.add(proposal(10))
    assert batches.report(10, "A.X") is False
    assert batches.report(10, "B.X") is True


def test_batch_that_opens_when_all_have_reported_waits_for_nobody() -> None:
    batches = Batches(["A.X", "B.X"], wait_ns=5_000)
    assert [batches.report(10, iid) for iid in ("A.X", "B.X")] == [False, False]
    batches.add(proposal(10, "B.X"))
    assert batches.deadline(10, 10) == 11
    batches.add(proposal(20))
    assert batches.deadline(20, 20) == 5_020


def test_batch_without_a_proposal_is_never_complete() -> None:
    batches = Batches(["A.X"])
    assert batches.report(10, "A.X") is False
    batches.add(proposal(20))
    assert batches.report(20, "A.X") is True


def test_batch_reset_equals_new() -> None:
    batches = Batches()
    batches.add(proposal(10))
    batches.close(10)
    batches.reset()
    assert batches.add(proposal(10)) is True


def test_batch_without_a_wait_is_refused() -> None:
    with pytest.raises(ValueError, match="wait_ns"):
        Batches(wait_ns=0)
