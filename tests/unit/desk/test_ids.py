"""Names of decisions and orders: the same everywhere, different for whatever differs, and short enough for a venue."""

import itertools

import pytest

from nautilus_qs.desk.ids import Leg, client_order_id, make_decision_id
from nautilus_qs.domain import Action

BASE = ("QS-BACKTEST", "rsi", "SPY.ARCA", 1_420_146_000_000_000_000, Action.ENTER)


def test_decision_id_is_the_same_in_every_process():
    # The first ten bytes of BLAKE2b over the parts, computed once with `b2sum -l 80`.
    assert make_decision_id(*BASE) == "11cb5eda05dec6bcb81f"


@pytest.mark.parametrize(
    ("place", "other"),
    [(0, "QS-LIVE"), (1, "rsi2"), (2, "SPY.NYSE"), (3, 1_420_146_000_000_000_001), (4, Action.EXIT)],
)
def test_decision_id_differs_where_any_part_does(place, other):
    changed = [*BASE]
    changed[place] = other
    assert make_decision_id(*changed) != make_decision_id(*BASE)


def test_decision_id_does_not_depend_on_where_one_part_ends():
    assert make_decision_id("A", "BC", "D", 1, Action.EXIT) != make_decision_id("AB", "C", "D", 1, Action.EXIT)


@pytest.mark.parametrize(
    ("leg", "sequence", "suffix"),
    [(Leg.ENTRY, 0, "E"), (Leg.STOP, 2, "S2"), (Leg.TARGET, 0, "T"), (Leg.EXIT, 10, "X10")],
)
def test_client_order_id_names_decision_leg_and_sequence(leg, sequence, suffix):
    assert client_order_id("0123456789abcdef0123", leg, sequence) == f"0123456789abcdef0123-{suffix}"


def test_client_order_ids_of_one_decision_are_all_different():
    pairs = itertools.product(Leg, range(25))
    assert len({client_order_id("0123456789abcdef0123", leg, n) for leg, n in pairs}) == 100


@pytest.mark.parametrize(
    ("decision_id", "sequence", "is_allowed"),
    [
        ("a" * 20, 999_999_999, True),
        ("a" * 20, 10**10, False),
        ("a" * 30, 0, True),
        ("a" * 31, 0, False),
        ("a", -1, False),
    ],
)
def test_client_order_id_fits_into_32_characters(decision_id, sequence, is_allowed):
    if is_allowed:
        assert len(client_order_id(decision_id, Leg.EXIT, sequence)) <= 32
    else:
        with pytest.raises(ValueError, match="sequence must be at least 0 and the id at most 32 characters"):
            client_order_id(decision_id, Leg.EXIT, sequence)
