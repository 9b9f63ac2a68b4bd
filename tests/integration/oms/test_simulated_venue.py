"""Positions at the simulated venue: what a strategy with HEDGING finds there, and why the venue must hedge too.

A simulated venue that nets measures a reduce-only order against the first open position on the instrument in the order
of ids, whoever owns it. With two strategies on one instrument a close or a stop is then cut to the other's size, and
the rest stays open without protection. A venue that hedges measures it against the order's own position.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import pytest
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity

from tests.integration.oms.clients import INSTRUMENT_ID, NAME, instrument
from tests.integration.oms.holder import Holder, HolderConfig
from tests.integration.oms.job import KINDS, Leg

ALL_KINDS = pytest.mark.parametrize("kind", KINDS)
# The small position's id sorts first: it is the one that a netting venue looks at.
LARGE, SMALL = Leg("B", "BUY", 10), Leg("A", "SELL", 4)
FALL, RISE = [100.0, 100.0, 89.0, 89.0], [100.0, 100.0, 121.0, 121.0]
LEVEL = [100.0] * 5


class Scripted(Holder):
    """Does one thing a quote: ``enter``, ``leave`` or ``leave unnamed``, by the quote's number."""

    script: Mapping[int, str] = {}
    seen = 0

    def on_quote_tick(self, quote: QuoteTick) -> None:
        match self.script.get(self.seen):
            case "enter":
                self.enter()
            case "leave":
                self.leave()
            case "leave unnamed":
                self.leave(is_naming=False)
        self.seen += 1


@contextmanager
def played(
    kind: str, prices: list[float], *scripts: tuple[Leg, Mapping[int, str]], venue: str = "HEDGING"
) -> Iterator[BacktestEngine]:
    """Run the scripts over the prices and yield the engine as it stands afterwards."""
    oms, is_named = KINDS[kind]
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    cash = [Money(1_000_000, USD)]
    engine.add_venue(
        Venue(NAME), OmsType[venue], AccountType.MARGIN, cash, base_currency=USD, default_leverage=Decimal(2)
    )
    engine.add_instrument(instrument())
    for leg, script in scripts:
        config = HolderConfig(
            order_id_tag=leg.tag,
            oms_type=oms,
            instrument_id=INSTRUMENT_ID,
            side=leg.side,
            quantity=leg.quantity,
            is_named=is_named,
        )
        strategy = Scripted(config)
        strategy.script = script
        engine.add_strategy(strategy)
    size = Quantity.from_int(1_000)
    stamps = [(i + 1) * 1_000_000_000 for i in range(len(prices))]
    quotes = [
        QuoteTick(INSTRUMENT_ID, Price(px, 2), Price(px, 2), size, size, ts, ts)
        for px, ts in zip(prices, stamps, strict=True)
    ]
    engine.add_data(quotes)
    engine.run()
    try:
        yield engine
    finally:
        engine.dispose()


def orders(engine: BacktestEngine) -> dict[str, tuple[str, int, str]]:
    """Return status, filled quantity and position of every order by its id."""
    return {
        order.client_order_id.value: (
            order.status_string(),
            int(order.filled_qty),
            engine.cache.position_id(order.client_order_id).value,
        )
        for order in engine.cache.orders()
    }


def held(engine: BacktestEngine) -> dict[str, int]:
    """Return the signed quantity of every open position by its owner's tag."""
    return {
        position.strategy_id.get_tag(): int(position.signed_decimal_qty()) for position in engine.cache.positions_open()
    }


def test_bracket_named_gives_entry_and_legs_the_position_of_the_trade() -> None:
    with played("named", LEVEL, (LARGE, {0: "enter"})) as engine:
        assert orders(engine) == {
            "B-1-E": ("FILLED", 10, "B-1"),
            "B-1-S": ("ACCEPTED", 0, "B-1"),
            "B-1-T": ("ACCEPTED", 0, "B-1"),
        }


@ALL_KINDS
def test_bracket_of_every_kind_ties_its_legs_to_the_entry(kind: str) -> None:
    with played(kind, LEVEL, (LARGE, {0: "enter"})) as engine:
        (position,) = engine.cache.positions_open()
        assert {of for _, _, of in orders(engine).values()} == {position.id.value}


@pytest.mark.parametrize(("prices", "filled", "gone"), [(FALL, "S", "T"), (RISE, "T", "S")], ids=["stop", "target"])
def test_leg_filled_flattens_its_position_and_cancels_the_other(prices: list[float], filled: str, gone: str) -> None:
    with played("named", prices, (LARGE, {0: "enter"})) as engine:
        found = orders(engine)
        assert found[f"B-1-{filled}"] == ("FILLED", 10, "B-1")
        assert found[f"B-1-{gone}"][0] == "CANCELED"
        assert held(engine) == {}


def test_close_that_names_its_position_leaves_exactly_nothing() -> None:
    with played("named", LEVEL, (LARGE, {0: "enter", 2: "leave"})) as engine:
        assert orders(engine)["B-X1"] == ("FILLED", 10, "B-1")
        assert engine.cache.positions_open() == []
        assert engine.cache.orders_open() == []


def test_close_that_names_no_position_is_not_filled_and_leaves_it_unprotected() -> None:
    with played("named", LEVEL, (LARGE, {0: "enter", 2: "leave unnamed"})) as engine:
        assert held(engine) == {"B": 10}
        assert engine.cache.orders_open() == []


@ALL_KINDS
def test_two_strategies_at_a_hedging_venue_close_their_own_each(kind: str) -> None:
    scripts = (LARGE, {1: "enter", 2: "leave"}), (SMALL, {0: "enter", 4: "leave"})
    with played(kind, LEVEL, *scripts) as engine:
        found = orders(engine)
        assert (found["B-X1"][:2], found["A-X1"][:2]) == (("FILLED", 10), ("FILLED", 4))
        assert held(engine) == {}


def test_two_strategies_at_a_hedging_venue_keep_their_own_stops() -> None:
    with played("named", [*FALL, 111.0], (LARGE, {1: "enter"}), (SMALL, {0: "enter"})) as engine:
        found = orders(engine)
        assert found["B-1-S"] == ("FILLED", 10, "B-1")
        assert found["A-1-S"] == ("FILLED", 4, "A-1")
        assert held(engine) == {}


@ALL_KINDS
def test_two_strategies_at_a_netting_venue_cut_each_others_closes(kind: str) -> None:
    scripts = (LARGE, {1: "enter", 2: "leave"}), (SMALL, {0: "enter", 4: "leave"})
    with played(kind, LEVEL, *scripts, venue="NETTING") as engine:
        assert orders(engine)["B-X1"][:2] == ("FILLED", 4)
        assert held(engine) == {"B": 6}
        assert engine.cache.orders_open() == []
