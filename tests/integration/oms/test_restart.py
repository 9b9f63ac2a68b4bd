"""A node that ends and starts again: whose is which position, and does its stop still protect it?

Strategies keep positions in one of three ways (``KINDS``): ``netting``; HEDGING with position ids made by the engine
(``generated``); HEDGING with ids that the strategy gives (``named``). The decision is ``named``; the last part shows
what breaks with the others. See docs/decisions/0002-oms-type.md.
"""

from collections.abc import Callable

import pytest

from tests.integration.oms.conftest import Life, Site
from tests.integration.oms.job import Books, Leg

SAME = (Leg("A", "BUY", 10), Leg("B", "BUY", 5))
OPPOSITE = (Leg("A", "BUY", 10), Leg("B", "SELL", 4))
BOTH = pytest.mark.parametrize("legs", [SAME, OPPOSITE], ids=["same_side", "opposite_sides"])

Sites = Callable[..., Site]


def held(books: Books) -> dict[str, tuple[str, int]]:
    """Return owner and signed quantity of every open position by its id."""
    return {position.id: (position.strategy, position.quantity) for position in books.positions if position.quantity}


def protection(books: Books) -> dict[str, tuple[str, str]]:
    """Return owner and position of every stop and target that is open in the books."""
    is_open = {"ACCEPTED", "PARTIALLY_FILLED"}
    legs = [order for order in books.orders if order.id[-1] in "ST" and order.status in is_open]
    return {order.id: (order.strategy, order.position) for order in legs}


def intact(legs: tuple[Leg, ...]) -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, str]]]:
    """Return positions and protection as they should stand while every leg is held."""
    positions = {f"{leg.tag}-1": (leg.tag, leg.quantity if leg.side == "BUY" else -leg.quantity) for leg in legs}
    return positions, {f"{leg.tag}-1-{kind}": (leg.tag, f"{leg.tag}-1") for leg in legs for kind in "ST"}


def check_intact(books: Books, legs: tuple[Leg, ...]) -> None:
    assert (held(books), protection(books)) == intact(legs)
    assert books.net == books.venue_net
    assert set(books.states.values()) == {"RUNNING"}


def check_flat(books: Books) -> None:
    assert held(books) == {}
    assert (books.net, books.venue_net, books.venue_working) == (0, 0, ())


def strangers(life: Life) -> list[str]:
    """Return what the books hold for nobody: positions and orders of no strategy of ours."""
    positions = [position.id for position in life.end.positions if position.strategy == "EXTERNAL"]
    return positions + [order.id for order in life.end.orders if order.strategy == "EXTERNAL"]


# -- warm cache ----------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_restart_warm_keeps_positions_stops_and_owners(site: Sites, is_killed: bool, legs: tuple[Leg, ...]) -> None:
    here = site("named", *legs)
    before = here.live("enter", is_killed=is_killed)
    after = here.live("leave")
    check_intact(before.end, legs)
    check_intact(after.start, legs)
    # What on_save gave is written at a clean stop only.
    assert after.start.loaded == {leg.tag: 0 if is_killed else 1 for leg in legs}
    check_flat(after.end)
    assert (strangers(after), after.errors) == ([], [])


def test_restart_twice_the_second_finds_what_the_first_found(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True)
    first = here.live(is_killed=True)
    second = here.live("fill A-1-S", is_killed=True)
    third = here.live("leave")
    assert second.start == first.start
    check_intact(second.start, SAME)
    assert held(third.start) == {"B-1": ("B", 5)}
    check_flat(third.end)
    assert strangers(third) == []


@BOTH
def test_stop_filled_while_down_closes_its_own_position_alone(site: Sites, legs: tuple[Leg, ...]) -> None:
    here = site("named", *legs)
    here.live("enter", is_killed=True)
    here.venue.fill("A-1-S")
    after = here.live("leave")
    check_intact(after.start, legs[1:])
    check_flat(after.end)
    assert (strangers(after), after.errors) == ([], [])


def test_everything_closed_while_down_leaves_nothing_open(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True)
    here.venue.fill("A-1-S")
    here.venue.fill("B-1-T")
    after = here.live()
    check_flat(after.start)
    assert (strangers(after), after.errors) == ([], [])


def test_entry_partly_filled_at_the_kill_grows_in_the_same_position(site: Sites) -> None:
    here = site("named", *SAME)
    before = here.live("enter", is_killed=True, entry="partial", partial=4)
    after = here.live("fill A-1-E", "fill B-1-E", "leave")
    assert held(before.end) == held(after.start) == {"A-1": ("A", 4), "B-1": ("B", 4)}
    check_intact(after.books[2], SAME)
    check_flat(after.end)


@pytest.mark.parametrize("has_fill_reports", [True, False], ids=["fills_reported", "only_orders_reported"])
def test_fill_never_delivered_is_booked_to_its_own_position(site: Sites, has_fill_reports: bool) -> None:
    here = site("named", *SAME)
    before = here.live("enter", is_killed=True, entry="silent")
    after = here.live("leave", has_fill_reports=has_fill_reports)
    assert held(before.end) == {}
    assert (before.end.net, before.end.venue_net) == (0, 15)
    check_intact(after.start, SAME)
    check_flat(after.end)
    assert (strangers(after), after.errors) == ([], [])


@BOTH
@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest_first", "newest_first"])
def test_entry_and_stop_filled_while_down_cancel_in_any_order(
    site: Sites, newest_first: bool, legs: tuple[Leg, ...]
) -> None:
    here = site("named", *legs)
    here.live("enter", is_killed=True, entry="silent")
    here.venue.fill("A-1-S")
    after = here.live("leave", newest_first=newest_first)
    check_intact(after.start, legs[1:])
    check_flat(after.end)
    assert (strangers(after), after.errors) == ([], [])


def test_entry_resting_at_the_kill_fills_into_its_named_position(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True, entry="rest")
    after = here.live("fill A-1-E", "fill B-1-E", "leave")
    assert after.start.positions == ()
    check_intact(after.books[2], SAME)
    check_flat(after.end)
    assert after.errors == []


def test_entry_canceled_while_down_leaves_no_position_and_no_complaint(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True, entry="rest")
    venue = here.venue
    for order in venue.working():
        venue.cancel(order.order_id)
    first, second = here.live(), here.live()
    assert first.start == second.start
    assert {order.status for order in second.start.orders} == {"CANCELED"}
    assert (second.start.positions, second.errors) == ((), [])


def test_profit_of_earlier_trades_survives_a_restart(site: Sites) -> None:
    here = site("named", SAME[0])
    before = here.live("enter", "fill A-1-S", "enter", is_killed=True)
    after = here.live()
    # Bought 10 at 100, stopped at 90.
    assert before.end.realized == after.start.realized == -100.0
    assert held(after.start) == {"A-2": ("A", 10)}


def test_reports_of_working_orders_alone_lose_a_stop_filled_while_down(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True)
    here.venue.fill("A-1-S")
    after = here.live("leave", history="working")
    assert held(after.start) == {"A-1": ("A", 10), "B-1": ("B", 5), "AAA.FAKE-EXTERNAL": ("EXTERNAL", -10)}
    # The owner sells what is gone already: the venue ends short.
    assert after.end.venue_net == -10


def test_reports_that_ask_for_every_order_of_an_open_position_keep_the_books(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True)
    here.venue.fill("A-1-S")
    after = here.live("leave", history="asked")
    check_intact(after.start, SAME[1:])
    check_flat(after.end)
    assert (strangers(after), after.errors) == ([], [])


# -- cold cache ----------------------------------------------------------------------------------------------------


def test_restart_cold_gives_everything_to_external_and_owners_can_close_nothing(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True)
    here.lose_cache()
    after = here.live("leave")
    assert held(after.end) == {"AAA.FAKE-EXTERNAL": ("EXTERNAL", 15)}
    assert protection(after.end) == {f"{tag}-1-{kind}": ("EXTERNAL", "") for tag in "AB" for kind in "ST"}
    assert after.end.venue_net == 15


def test_restart_cold_with_a_claim_gives_one_strategy_all_and_detaches_stops(site: Sites) -> None:
    here = site("named", *SAME)
    here.live("enter", is_killed=True)
    here.lose_cache()
    after = here.live("fill A-1-S", claims="A")
    assert sorted(held(after.start).values()) == [("A", 5), ("A", 10)]
    assert set(protection(after.start).values()) == {("A", "")}
    # The stop belongs to no position: its fill opens a third one beside the two that it should have reduced.
    assert sorted(held(after.end).values()) == [("A", -10), ("A", 5), ("A", 10)]


@BOTH
def test_restart_cold_with_the_sent_orders_put_back_restores_every_owner(site: Sites, legs: tuple[Leg, ...]) -> None:
    here = site("named", *legs)
    here.live("enter", is_killed=True)
    here.lose_cache()
    after = here.live("leave", is_seeded=True)
    check_intact(after.start, legs)
    check_flat(after.end)
    assert (strangers(after), after.errors) == ([], [])


def test_restart_warm_with_the_sent_orders_put_back_changes_nothing(site: Sites) -> None:
    here = site("named", *SAME)
    before = here.live("enter", is_killed=True)
    after = here.live(is_seeded=True)
    assert (after.start, after.errors) == (before.end, [])


# -- the rules that come with the choice ---------------------------------------------------------------------------


def test_closing_order_without_position_id_opens_a_second_position(site: Sites) -> None:
    here = site("named", SAME[0])
    life = here.live("enter", "leave unnamed")
    assert (life.end.net, life.end.venue_net) == (0, 0)
    assert held(life.end)["A-1"] == ("A", 10)
    assert sorted(held(life.end).values()) == [("A", -10), ("A", 10)]


def test_close_and_stop_that_both_fill_are_both_booked(site: Sites) -> None:
    here = site("named", *SAME)
    life = here.live("enter", "close", "fill A-1-S")
    assert (life.end.net, life.end.venue_net) == (-10, -10)
    assert held(life.end) == {"A-1": ("A", -10)}
    assert life.errors == []


# -- what breaks with the others -----------------------------------------------------------------------------------


def test_netting_loses_a_stop_that_is_reported_before_its_entry(site: Sites) -> None:
    here = site("netting", *SAME)
    here.live("enter", is_killed=True, entry="silent")
    here.venue.fill("A-1-S")
    after = here.live("leave", newest_first=True)
    assert held(after.start)["AAA.FAKE-Holder-A"] == ("A", 10)
    assert held(after.start)["AAA.FAKE-EXTERNAL"] == ("EXTERNAL", -10)
    assert any("Cannot open NETTING position" in line for line in after.errors)
    # The owner closes a position that the venue has not: short, and nobody's.
    assert after.end.venue_net == -10


def test_netting_does_not_book_a_stop_that_fills_after_the_close(site: Sites) -> None:
    here = site("netting", *SAME)
    life = here.live("enter", "close", "fill A-1-S")
    assert (life.end.net, life.end.venue_net) == (0, -10)


def test_netting_forgets_the_profit_of_earlier_trades(site: Sites) -> None:
    here = site("netting", SAME[0])
    before = here.live("enter", "fill A-1-S", "enter", is_killed=True)
    after = here.live()
    assert (before.end.realized, after.start.realized) == (-100.0, 0.0)


def test_generated_ids_merge_owners_when_only_orders_are_reported(site: Sites) -> None:
    here = site("generated", *SAME)
    here.live("enter", is_killed=True, entry="silent")
    after = here.live("leave", has_fill_reports=False)
    assert set(held(after.start)) == {"AAA.FAKE-EXTERNAL"}
    # Each owner closes the sum.
    assert after.end.venue_net == -15


def test_generated_ids_stop_the_node_when_close_and_stop_both_fill(site: Sites) -> None:
    here = site("generated", *SAME)
    life = here.live("enter", "close", "fill A-1-S")
    assert (life.end.net, life.end.venue_net) == (0, -10)
    assert any("already contained" in line for line in life.errors)
