"""Three equal labels in a row, and nothing else, change the regime in force."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_qs.domain import Regime
from nautilus_qs.errors import ConfigError, StorageError
from nautilus_qs.regime import Confirmation

BULL, BEAR, CRISIS = Regime.BULL_TRENDING, Regime.BEAR_TRENDING, Regime.CRISIS
LABELS = [regime for regime in Regime if regime is not Regime.NONE]
labels = st.lists(st.sampled_from(LABELS), max_size=60)


def test_confirmation_new_regime_is_in_force_on_the_third_day():
    confirmation = Confirmation(3)
    steps = [confirmation.update(label) for label in (BULL, BULL, BULL, BEAR, BEAR, BULL, BEAR, BEAR, BEAR, BEAR)]
    assert [count for count, _ in steps] == [1, 2, 3, 1, 2, 1, 1, 2, 3, 3]
    assert [regime for _, regime in steps] == [Regime.NONE] * 2 + [BULL] * 6 + [BEAR] * 2


def test_confirmation_of_one_day_follows_the_label():
    confirmation = Confirmation(1)
    assert [confirmation.update(label) for label in (BULL, CRISIS)] == [(1, BULL), (1, CRISIS)]


@given(labels, st.integers(1, 5))
def test_confirmation_changes_only_after_enough_equal_labels(sequence, days):
    confirmation = Confirmation(days)
    in_force = Regime.NONE
    for i, label in enumerate(sequence):
        _, regime = confirmation.update(label)
        last = sequence[max(0, i - days + 1) : i + 1]
        if regime is not in_force:
            assert last == [regime] * days
        if last == [label] * days:
            assert regime is label
        in_force = regime


@given(labels, labels)
def test_confirmation_restored_goes_on_as_if_never_stopped(before, after):
    whole = Confirmation(3)
    for label in before:
        whole.update(label)
    second = Confirmation(3)
    second.restore(json.loads(json.dumps(whole.save())))
    assert [second.update(label) for label in after] == [whole.update(label) for label in after]


@given(labels)
def test_confirmation_reset_equals_new(sequence):
    confirmation = Confirmation(3)
    for label in sequence:
        confirmation.update(label)
    confirmation.reset()
    assert confirmation.save() == Confirmation(3).save()


def test_confirmation_restored_with_fewer_days_caps_the_count():
    confirmation = Confirmation(2)
    confirmation.restore({"label": "crisis", "count": 3, "regime": "crisis"})
    assert (confirmation.label, confirmation.count, confirmation.regime) == (CRISIS, 2, CRISIS)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"label": "bull", "count": 1, "regime": "none"},
        {"label": "crisis", "count": "many", "regime": "none"},
        {"label": "crisis", "count": -1, "regime": "none"},
        {"label": "crisis", "count": 0, "regime": "none"},
        {"label": "none", "count": 2, "regime": "none"},
    ],
)
def test_confirmation_damaged_state_is_refused_and_changes_nothing(state):
    confirmation = Confirmation(3)
    confirmation.update(BULL)
    before = confirmation.save()
    with pytest.raises(StorageError, match="remove the damaged state"):
        confirmation.restore(state)
    assert confirmation.save() == before


def test_confirmation_of_no_days_is_refused():
    with pytest.raises(ConfigError, match="at least 1, was 0"):
        Confirmation(0)
