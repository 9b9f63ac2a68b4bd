"""Clock, tape, journal, scenario and acts: what happens when, and in which order."""

from decimal import Decimal
from itertools import islice

import msgspec
import pytest

from adapters.simulator.acts import UnknownActError
from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.clock import NS_PER_SEC, ClockMode, VenueClock
from adapters.simulator.exchange import ALPACA, RefusalError
from adapters.simulator.faults import Act, Fault, FaultKind, Scenario, read_scenario
from adapters.simulator.host import START_NS, SimulatedVenues
from adapters.simulator.journal import EntryKind, Journal
from adapters.simulator.tape import Quote, Side, Tape, Trade, merged, parquet_bars, random_walk

PAPER = AlpacaSettings(rules=msgspec.structs.replace(ALPACA, partial_chance=0.0))


def quote(ts_ns, bid="180.00", ask="180.02", symbol="AAPL"):
    return Quote(ts_ns, symbol, Decimal(bid), Decimal(ask))


@pytest.fixture
def venues():
    """Make venues that serve nobody: everything but the wire works without a loop."""
    made = []

    def make(ticks=(), **fields):
        made.append(SimulatedVenues(ticks, venues=["alpaca"], **({"alpaca": PAPER} | fields)))
        return made[-1]

    yield make
    for running in made:
        running.stop()


def place(control, **fields):
    order = {"client_id": "o", "symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
    return control.act("place", **(order | fields))


# Clock


def test_running_time_follows_the_wall_by_its_speed_and_is_told_as_the_wall():
    wall = [10 * NS_PER_SEC]
    clock = VenueClock(0, mode=ClockMode.RUNNING, speed=60.0, wall=lambda: wall[0])
    wall[0] += NS_PER_SEC
    assert clock.now_ns() == 60 * NS_PER_SEC
    assert clock.wire_ns(clock.now_ns()) == wall[0]
    assert clock.venue_ns(wall[0]) == clock.now_ns()
    with pytest.raises(ValueError, match="cannot be stepped"):
        clock.advance(1)


def test_stamps_increase_while_time_stands_still_and_time_never_goes_back():
    clock = VenueClock(1_000, wire_start_ns=0)
    assert [clock.stamp_ns() for _ in range(3)] == [1_000, 2_000, 3_000]
    clock.advance_to(500)
    assert clock.now_ns() == 1_000
    with pytest.raises(ValueError, match="must not go back"):
        clock.advance(-1)


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"time_scale": 0}])
def test_clock_that_could_not_run_is_refused(wrong):
    with pytest.raises(ValueError, match="must be > 0"):
        VenueClock(0, **wrong)


def test_rules_last_as_long_as_the_scale_says():
    clock = VenueClock(0, time_scale=0.1)
    assert (clock.rule_secs(5.0), clock.rule_ns(NS_PER_SEC)) == (0.5, NS_PER_SEC // 10)


# Tape


def test_random_walk_is_its_seed_and_stays_on_the_grid():
    def walk(seed):
        return list(islice(random_walk("A", start_ns=0, seed=seed, price=Decimal(100)), 200))

    assert walk(1) == walk(1) != walk(2)
    assert [tick.ts_ns for tick in walk(1)] == sorted(tick.ts_ns for tick in walk(1))
    for tick in walk(1):
        prices = (tick.price,) if isinstance(tick, Trade) else (tick.bid, tick.ask)
        assert all(price > 0 and price % Decimal("0.01") == 0 for price in prices)


def test_streams_are_merged_by_time_and_read_once():
    tape = Tape(merged([quote(1), quote(5)], [quote(3, symbol="B")]))
    assert [tick.ts_ns for tick in tape.due(4)] == [1, 3]
    assert list(tape.due(4)) == []
    assert tape.next_ns == 5


def test_bars_without_a_time_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "bars.parquet"
    pq.write_table(pa.table({"open": [1.0]}), path)
    with pytest.raises(ValueError, match="needs a column ts_ns, time or timestamp, has open"):
        list(parquet_bars(path, "A"))


def test_bars_are_selected_by_symbol_and_their_times_are_read_in_any_unit(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    prices = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    times = pa.array([1_000, 2_000], type=pa.timestamp("ms", tz="UTC"))
    path = tmp_path / "bars.parquet"
    pq.write_table(pa.table({"time": times, "symbol": ["A", "B"], **prices}), path)
    assert [(bar.ts_ns, bar.close) for bar in parquet_bars(path, "B")] == [(2_000_000_000, Decimal("2.0"))]


# Journal


def test_journal_is_bounded_keeps_its_numbers_and_selects_by_pattern():
    journal = Journal(limit=2)
    for name in ("GET /a", "GET /b", "POST /a"):
        journal.add(EntryKind.REQUEST, "v", name, ts_ns=0)
    assert [entry.id for entry in journal.read()] == [2, 3]
    assert [entry.name for entry in journal.read(name="GET *")] == ["GET /b"]
    assert journal.last_id == 3
    with pytest.raises(TimeoutError, match="no entry"):
        journal.wait_for(since=3, deadline_secs=0.01)


# Market, scenario, acts


def test_step_plays_the_tape_up_to_its_time_and_no_further(venues):
    running = venues([quote(START_NS + NS_PER_SEC), quote(START_NS + 3 * NS_PER_SEC, bid="181.00", ask="181.02")])
    assert running.control.step(2) == 1
    assert running.market.exchanges["alpaca"].mark("AAPL") == Decimal("180.01")
    assert running.control.step(1) == 1
    assert running.control.state()["tape_next_ns"] is None


def test_acts_of_a_scenario_happen_at_their_time_between_the_ticks(venues):
    halt = Act(at_secs=2, do="halt", arguments={"symbol": "AAPL"})
    resume = Act(at_secs=4, do="resume", arguments={"symbol": "AAPL"})
    scenario = Scenario(version=1, acts=(resume, halt), faults=(Fault(kind=FaultKind.STATUS),))
    running = venues([quote(START_NS + s * NS_PER_SEC) for s in (1, 3, 5)], scenario=scenario)
    running.control.step(3)
    assert running.control.state()["venues"]["alpaca"]["books"]["AAPL"]["state"] == "halted"
    order = place(running.control)
    assert running.market.exchanges["alpaca"].order(order["id"]).filled_qty == 0
    running.control.step(2)
    assert running.market.exchanges["alpaca"].order(order["id"]).filled_qty == 1
    assert len(running.control.state()["faults"]) == 1


def test_scenario_is_read_from_a_file(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("version: 1\nseed: 7\nfaults: [{kind: lag, where: 'model:orders', secs: 2, times: 0}]\n")
    scenario = read_scenario(path)
    assert (scenario.seed, scenario.faults[0].kind, scenario.faults[0].secs) == (7, FaultKind.LAG, 2)


def test_acts_move_orders_trades_and_balances_from_outside(venues):
    running = venues([quote(START_NS)])
    control, exchange = running.control, running.market.exchanges["alpaca"]
    control.step(0)
    resting = place(control, type="limit", limit_price="150", qty="5")
    moved = control.act("replace", order_id=resting["id"], limit_price="151")
    assert (moved["replaces"], moved["limit_price"]) == (resting["id"], "151")
    fill = control.act("fill", order_id=moved["id"], qty="2", price="151")
    assert exchange.position("AAPL").qty == 2
    control.act("bust", fill_id=fill["id"])
    assert exchange.position("AAPL").qty == 0
    assert control.act("end", order_id=moved["id"], status="expired", reason="test")["status"] == "expired"
    assert control.act("balance", asset="AAPL", units="10") == "10"
    # A split: twice the shares.
    assert control.act("balance", asset="AAPL", units="10") == "20"
    cancelled = place(control, client_id="p", type="limit", limit_price="150")
    assert control.act("cancel", client_id="p")["id"] == cancelled["id"]


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("nonsense", {}, UnknownActError),
        ("halt", {"venue": "kraken", "symbol": "AAPL"}, ValueError),
        ("cancel", {"client_id": "unknown"}, ValueError),
        ("cancel", {"order_id": "unknown"}, RefusalError),
        ("bust", {"fill_id": "unknown"}, RefusalError),
    ],
)
def test_act_that_cannot_be_done_says_why(venues, name, arguments, error):
    with pytest.raises(error):
        venues().control.act(name, **arguments)


def test_venue_that_was_not_started_is_named(venues):
    with pytest.raises(ValueError, match="coinbase was not started"):
        _ = venues().coinbase
    with pytest.raises(ValueError, match="kraken"):
        SimulatedVenues(venues=["kraken"])


def test_same_seed_and_steps_give_the_same_run(venues):
    def run(seed):
        walk = random_walk("AAPL", start_ns=START_NS, seed=3, price=Decimal(180))
        running = venues(walk, alpaca=AlpacaSettings(), seed=seed, wire_start_ns=0)
        for i in range(20):
            running.control.step(1)
            place(running.control, client_id=f"c{i}", side=Side.BUY, qty="7")
        return running.control.state()["venues"]

    assert run(1) == run(1) != run(2)
