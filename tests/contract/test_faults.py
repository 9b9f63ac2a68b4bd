"""A part fails, or the process ends at the worst moment: nothing opens, what reduces passes, stops rest."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.events import OrderCanceled, OrderSubmitted
from nautilus_trader.model.identifiers import ClientOrderId

from actors.gate import GateController
from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.arrivals import ArrivalClient
from nautilus_qs.desk import Desk, Leg, client_order_id
from nautilus_qs.domain import Action
from nautilus_qs.errors import DataError
from strategies.slot import Phase
from tests.runs import STRATEGIES, MemorySink, build_engine, daily, run_config, tables_of, walk, write_catalog

EACH = pytest.mark.parametrize("name", STRATEGIES)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("faults") / "catalog"
    return write_catalog(place, [daily("AAA.SIM", walk(400, 11)), daily("BBB.SIM", walk(400, 12))])


def config_of(catalog: Path, name: str) -> Any:
    # Stops and targets so far away that most trades are left by their rule.
    strategy = {"name": name, "path": STRATEGIES[name], "params": {"stop_atr": 8.0, "target_atr": 12.0}}
    risk = {"max_correlation": 1.0, "max_positions_per_strategy": 50}
    return run_config(catalog, ["AAA.SIM", "BBB.SIM"], strategies=[strategy], risk=risk)


@pytest.fixture
def engine_of(catalog: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    """Return what builds an engine that is not yet run, and take it and its rows away afterwards."""
    made: list[Any] = []

    def build(name: str) -> Any:
        made.append(build_engine(config_of(catalog, name), request.node.name))
        return made[-1]

    yield build
    for engine in made:
        engine.dispose()
    MemorySink.kept.pop(request.node.name, None)


def once_held(engine: Any, act: Callable[[Any, Any], None]) -> list[bool]:
    """Call `act` with the strategy and its slot at the first mark with a position whose stop rests."""
    strategy, done = engine.trader.strategies()[0], []

    def look(_point: Any) -> None:
        for position in engine.cache.positions_open(strategy_id=strategy.id):
            slot = strategy.slot_of(str(position.instrument_id))
            stop = engine.cache.order(_order_id(slot.stop_id)) if slot.phase is Phase.OPEN else None
            if not done and stop is not None and stop.is_open:
                done.append(True)
                act(strategy, slot)

    engine.kernel.msgbus.subscribe(bus.EQUITY, look)
    return done


def _order_id(text: str) -> Any:
    return ClientOrderId(text)


def test_stop_that_the_venue_cannot_move_is_replaced_and_never_falls_back(
    engine_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: Any, command: Any) -> None:
        client.generate_order_modify_rejected(
            command.strategy_id, command.instrument_id, command.client_order_id, command.venue_order_id, "no", 0
        )

    monkeypatch.setattr(ArrivalClient, "modify_order", refuse)
    engine = engine_of("breakout")
    strategy = engine.trader.strategies()[0]
    seen: dict[str, list[float]] = {}

    def look(_point: Any) -> None:
        for position in engine.cache.positions_open(strategy_id=strategy.id):
            slot = strategy.slot_of(str(position.instrument_id))
            if slot.phase is not Phase.OPEN or slot.position_id != position.id:
                continue
            stop = engine.cache.order(_order_id(slot.stop_id))
            assert not stop.is_closed, "the position has no stop, resting or on its way"
            assert stop.trigger_price.as_decimal() == slot.stop_px
            seen.setdefault(position.id.value, []).append(float(stop.trigger_price) * slot.side.sign)

    trades: list[Any] = []
    engine.kernel.msgbus.subscribe(bus.EQUITY, look)
    engine.kernel.msgbus.subscribe(bus.TRADES, trades.append)
    engine.run()
    assert len(seen) > 3
    assert all(after >= before for stops in seen.values() for before, after in itertools.pairwise(stops))
    assert sum(stops[-1] > stops[0] for stops in seen.values()) >= 2
    assert "stop_refused" not in {trade.exit_reason for trade in trades}


@EACH
def test_restart_without_saved_state_takes_up_the_position_and_its_resting_stop(
    engine_of: Callable[[str], Any], name: str
) -> None:
    engine = engine_of(name)

    def forget(strategy: Any, slot: Any) -> None:
        before = (slot.decision_id, slot.stop_id, slot.stop_px, slot.quantity, slot.side, slot.position_id)
        slot.clear()
        strategy.on_resume()
        assert slot.phase is Phase.OPEN
        after = (slot.decision_id, slot.stop_id, slot.stop_px, slot.quantity, slot.side, slot.position_id)
        assert after == before

    assert once_held(engine, forget) == []
    engine.run()
    trades = [row for row in MemorySink.kept[next(iter(MemorySink.kept))] if type(row).__name__ == "TradeRow"]
    assert len(trades) > 1


@EACH
def test_killed_between_the_cancelled_stop_and_the_close_the_stop_is_put_back(
    engine_of: Callable[[str], Any], name: str
) -> None:
    engine = engine_of(name)
    put_back: list[str] = []

    def die_there(strategy: Any, slot: Any) -> None:
        decision_id, stop_px = slot.decision_id, slot.stop_px
        stop_id = slot.stop_id

        def live_again(event: Any) -> None:
            if isinstance(event, OrderCanceled) and event.client_order_id.value == stop_id:
                slot.clear()
                strategy.on_resume()
                assert (slot.decision_id, slot.stop_px) == (decision_id, stop_px)
                put_back.append(client_order_id(decision_id, Leg.STOP, 1))
                assert slot.stop_id == put_back[0]

        # Before the strategy hears of it: the process that asked for the cancel is no more.
        engine.kernel.msgbus.subscribe("events.order.*", live_again, priority=20)
        strategy.cancel_order(engine.cache.order(_order_id(stop_id)))

    once_held(engine, die_there)
    engine.run()
    order = engine.cache.order(_order_id(put_back[0]))
    assert "OrderAccepted" in [type(event).__name__ for event in order.events]


def test_close_on_its_way_at_the_restart_is_waited_for_without_a_second_stop(engine_of: Callable[[str], Any]) -> None:
    engine = engine_of("bollinger_bounce")
    seen: list[str] = []

    def restart_while_leaving(strategy: Any, slot: Any) -> None:
        decision_id = slot.decision_id

        def live_again(event: Any) -> None:
            if isinstance(event, OrderSubmitted) and event.client_order_id.value == f"{decision_id}-X":
                slot.clear()
                strategy.on_resume()
                assert (slot.decision_id, slot.phase) == (decision_id, Phase.CLOSING)
                seen.append(decision_id)

        engine.kernel.msgbus.subscribe("events.order.*", live_again)
        strategy._execution.leave(slot, "test")

    once_held(engine, restart_while_leaving)
    engine.run()
    own = [order for order in engine.cache.orders() if order.client_order_id.value.startswith(seen[0])]
    assert [order.client_order_id.value for order in own if order.is_open] == []
    assert engine.cache.order(_order_id(client_order_id(seen[0], Leg.STOP, 1))) is None
    assert engine.cache.position(own[0].position_id).is_closed


def test_desk_at_fault_opens_nothing_and_lets_exits_pass(
    engine_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of("bollinger_bounce")
    verdicts: list[Any] = []
    faults: list[Any] = []
    modes: list[str] = []
    engine.kernel.msgbus.subscribe(f"{bus.VERDICTS}.*", verdicts.append)
    engine.kernel.msgbus.subscribe(bus.FAULTS, faults.append)
    engine.kernel.msgbus.subscribe(bus.MODES, lambda change: modes.append(change.mode.value))

    def break_desk(_strategy: Any, _slot: Any) -> None:
        verdicts.clear()
        monkeypatch.setattr(Desk, "decide", lambda *_: 1 / 0)

    once_held(engine, break_desk)
    engine.run()
    exits = [one for one in verdicts if one.proposal.signal.action is Action.EXIT and one.failed != "end_of_run"]
    entries = [one for one in verdicts if one.proposal.signal.action is Action.ENTER]
    assert {one.component for one in faults} == {"risk_desk"}
    assert modes == ["halted"]
    assert exits
    assert all(one.granted > 0 for one in exits)
    assert entries
    assert not any(one.granted > 0 for one in entries)
    assert engine.cache.positions_open() == []


@pytest.mark.parametrize(
    ("owner", "method", "component"), [(Desk, "decide", "risk_desk"), (GateController, "_facts", "gate")]
)
def test_run_in_which_desk_or_gate_fails_is_not_kept(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, component: str
) -> None:
    monkeypatch.setattr(owner, method, lambda *_: 1 / 0)
    with pytest.raises(DataError, match=f"{component} failed at .*ZeroDivisionError"):
        tables_of(config_of(catalog, "bollinger_bounce"), tmp_path / "run")
