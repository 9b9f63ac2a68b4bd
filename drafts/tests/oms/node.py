"""One life of a trading node in a process of its own: start, do what the job says, write down the books, end.

A job says what the node finds (Redis, venue, claims, seeds) and does (``enter``, ``complete``, ``leave``). The books are
written to the job's report once everything sent has been answered and Redis holds it; then the node stops by itself, or
waits to be killed.
"""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.config import (
    CacheConfig,
    DatabaseConfig,
    LiveDataClientConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.identifiers import ClientId, StrategyId, TraderId

from tests.integration.oms.clients import (
    INSTRUMENT_ID,
    NAME,
    FakeDataFactory,
    FakeExecClient,
    FakeExecConfig,
    FakeExecFactory,
)
from tests.integration.oms.holder import Holder, HolderConfig, bracket, position_id

STEP_SECS = 10.0


class Leg(msgspec.Struct, frozen=True):
    """One strategy: its tag, and what it opens."""

    tag: str
    side: str
    quantity: int


class Job(msgspec.Struct, frozen=True):
    """What one life of the node finds and does."""

    trader_id: str
    redis_port: int
    redis_host: str
    folder: str
    name: str
    oms: str
    is_named: bool
    legs: tuple[Leg, ...]
    steps: tuple[str, ...] = ()
    is_ending: bool = True
    claims: str = ""
    is_seeded: bool = False
    venue: dict[str, Any] = {}

    @property
    def mark(self) -> str:
        """The key that is written last."""
        return f"answered-{self.name}"

    @property
    def report_path(self) -> Path:
        """Where the books are written."""
        return Path(self.folder) / f"{self.name}.report.json"

    @property
    def log_path(self) -> Path:
        """Where the node's log goes."""
        return Path(self.folder) / f"{self.name}.log"


class PositionFact(msgspec.Struct, frozen=True):
    """A position in the books: signed quantity, 0 when closed."""

    id: str
    strategy: str
    quantity: int


class OrderFact(msgspec.Struct, frozen=True):
    """An order in the books, and the position it belongs to ("" for none)."""

    id: str
    strategy: str
    status: str
    position: str
    filled: int


class Books(msgspec.Struct, frozen=True):
    """The books and the venue at one moment."""

    positions: tuple[PositionFact, ...]
    orders: tuple[OrderFact, ...]
    net: int
    venue_net: int
    venue_working: tuple[str, ...]
    states: dict[str, str]
    loaded: dict[str, int]


class Report(msgspec.Struct, frozen=True):
    """The books after the start and after each step."""

    books: tuple[Books, ...]


def run(job: Job) -> None:
    """Live the job through; meant to be the whole of a process."""
    log = os.open(job.log_path, os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    node = _node(job)
    if job.is_seeded:
        _seed(node, job)
    task = node.kernel.loop.create_task(_drive(node, job))
    node.run()
    node.kernel.loop.run_until_complete(task)
    node.dispose()


def _node(job: Job) -> TradingNode:
    database = DatabaseConfig(
        type="redis",
        host=job.redis_host,
        port=job.redis_port,
        number_of_retries=2,
        connection_timeout=2,
        response_timeout=2,
        max_delay=2,
    )
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId(job.trader_id),
            logging=LoggingConfig(log_level="WARNING", log_colors=False),
            cache=CacheConfig(database=database, encoding="msgpack"),
            exec_engine=LiveExecEngineConfig(reconciliation=True, graceful_shutdown_on_exception=True),
            load_state=True,
            save_state=True,
            data_clients={NAME: LiveDataClientConfig()},
            exec_clients={NAME: FakeExecConfig(path=f"{job.folder}/venue.json", **job.venue)},
            timeout_connection=STEP_SECS,
            timeout_reconciliation=STEP_SECS,
            timeout_disconnection=2.0,
            timeout_post_stop=0.05,
        )
    )
    node.add_data_client_factory(NAME, FakeDataFactory)
    node.add_exec_client_factory(NAME, FakeExecFactory)
    for leg in job.legs:
        node.trader.add_strategy(Holder(_config(job, leg)))
    node.build()
    return node


def _config(job: Job, leg: Leg) -> HolderConfig:
    return HolderConfig(
        order_id_tag=leg.tag,
        oms_type=job.oms,
        instrument_id=INSTRUMENT_ID,
        side=leg.side,
        quantity=leg.quantity,
        is_named=job.is_named,
        external_order_claims=[INSTRUMENT_ID] if job.claims == leg.tag else None,
    )


def _seed(node: TradingNode, job: Job) -> None:
    """Put the orders we know to have sent into an empty cache, before the venue's reports are read."""
    for leg in job.legs:
        config = _config(job, leg)
        owner = StrategyId(f"Holder-{leg.tag}")
        for order in bracket(node.trader_id, owner, config, number=1, ts=node.kernel.clock.timestamp_ns()).orders:
            node.cache.add_order(order, position_id(config), ClientId(NAME))


async def _drive(node: TradingNode, job: Job) -> None:
    books = []
    try:
        strategies: list[Holder] = node.trader.strategies()
        await _until(lambda: all(strategy.is_running for strategy in strategies))
        await _until(lambda: _is_answered(node))
        books.append(_books(node))
        for step in job.steps:
            _step(node, step)
            await _until(lambda: _is_answered(node))
            books.append(_books(node))
    except TimeoutError:
        # What the books say then is the finding: the test sees states and orders as they stood.
        books.append(_books(node))
    # The writer to Redis is a queue: once this key is there, so is everything before it.
    node.cache.add(job.mark, b"1")
    beside = job.report_path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(Report(tuple(books))))
    beside.replace(job.report_path)
    if job.is_ending:
        await node.stop_async()


def _step(node: TradingNode, step: str) -> None:
    strategies: list[Holder] = node.trader.strategies()
    client = _client(node)
    if step == "enter":
        for strategy in strategies:
            strategy.enter()
    elif step == "leave":
        for strategy in strategies:
            strategy.leave()
    elif step == "complete":
        for order in client.broker.working():
            if order.kind == "MARKET":
                client.fill(order.order_id)
    elif step.startswith("fill "):
        client.fill(step.removeprefix("fill "))
    else:
        raise ValueError(f"no such step: {step}")


def _client(node: TradingNode) -> FakeExecClient:
    (client,) = (client for client in node.kernel.exec_engine._clients.values() if isinstance(client, FakeExecClient))
    return client


def _is_answered(node: TradingNode) -> bool:
    engine, client = node.kernel.exec_engine, _client(node)
    if engine.cmd_qsize() or engine.evt_qsize() or node.kernel.risk_engine.cmd_qsize():
        return False
    if client._tasks and any(not task.done() for task in client._tasks):
        return False
    sent = [order for order in node.cache.orders() if not order.is_closed]
    return not any(order.is_inflight or order.status_string() == "INITIALIZED" for order in sent)


async def _until(is_done: Any) -> None:
    deadline = time.monotonic() + STEP_SECS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.005)


def _books(node: TradingNode) -> Books:
    cache, broker = node.cache, _client(node).broker
    positions = tuple(
        PositionFact(held.id.value, _owner(held.strategy_id), int(held.signed_decimal_qty()))
        for held in sorted(cache.positions(), key=lambda held: held.ts_opened)
    )
    orders = []
    for order in sorted(cache.orders(), key=lambda order: order.client_order_id):
        of = cache.position_id(order.client_order_id)
        orders.append(
            OrderFact(
                order.client_order_id.value,
                _owner(order.strategy_id),
                order.status_string(),
                "" if of is None else of.value,
                int(order.filled_qty),
            )
        )
    return Books(
        positions=positions,
        orders=tuple(orders),
        net=int(node.portfolio.net_position(INSTRUMENT_ID)),
        venue_net=broker.net(),
        venue_working=tuple(order.order_id for order in broker.working()),
        states={_owner(key): state for key, state in node.trader.strategy_states().items()},
        loaded={strategy.config.order_id_tag: strategy.loaded for strategy in node.trader.strategies()},
    )


def _owner(strategy_id: StrategyId) -> str:
    return "EXTERNAL" if strategy_id.is_external() else strategy_id.get_tag()


def log_lines(job: Job, level: str) -> list[str]:
    """Return the log's lines of one level (``WARN``, ``ERROR``), without times and names."""
    text = job.log_path.read_text(errors="replace")
    return [match.group(1).strip() for match in re.finditer(rf"\[{level}\] [^:]*: (.*)", text)]


__all__ = ["Books", "Job", "Leg", "OmsType", "OrderFact", "PositionFact", "Report", "log_lines", "run"]
