"""One life of a trading node in a process of its own: start, do what the job says, write down the books, end.

A job says what the node finds (Redis, venue, claims, seeds) and does (see ``_step``). The books are written to the
job's report once everything sent has been answered; then the node stops by itself, or waits to be killed.
"""

import asyncio
import os
import time
from typing import Any

import msgspec
from nautilus_trader.config import (
    CacheConfig,
    DatabaseConfig,
    ImportableStrategyConfig,
    LiveDataClientConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderStatus
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
from tests.integration.oms.job import KINDS, Books, Job, Leg, OrderFact, PositionFact, Report
from tests.integration.oms.venue import CANCELED

STEP_SECS = 10.0


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
            # By name, as a real node has them: what is added later finds its saved state not loaded.
            strategies=[_importable(_config(job, leg)) for leg in job.legs],
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
    node.build()
    return node


def _importable(config: HolderConfig) -> ImportableStrategyConfig:
    path = f"{Holder.__module__}:{Holder.__name__}"
    return ImportableStrategyConfig(strategy_path=path, config_path=f"{path}Config", config=config.json_primitives())


def _config(job: Job, leg: Leg) -> HolderConfig:
    oms, is_named = KINDS[job.kind]
    return HolderConfig(
        order_id_tag=leg.tag,
        oms_type=oms,
        instrument_id=INSTRUMENT_ID,
        side=leg.side,
        quantity=leg.quantity,
        is_named=is_named,
        external_order_claims=[INSTRUMENT_ID] if job.claims == leg.tag else None,
    )


def _seed(node: TradingNode, job: Job) -> None:
    """Put back those of the orders we know to have sent that the cache lacks, before the venue's reports are read."""
    for leg in job.legs:
        config = _config(job, leg)
        owner = StrategyId(f"Holder-{leg.tag}")
        for order in bracket(node.trader_id, owner, config, number=1, ts=node.kernel.clock.timestamp_ns()).orders:
            if not node.cache.order_exists(order.client_order_id):
                node.cache.add_order(order, position_id(config), ClientId(NAME))


async def _drive(node: TradingNode, job: Job) -> None:
    books = []
    is_complete = True
    try:
        strategies: list[Holder] = node.trader.strategies()
        await _until(lambda: all(strategy.is_running for strategy in strategies))
        await _until(lambda: _is_answered(node, job.is_told))
        books.append(_books(node))
        for step in job.steps:
            _step(node, step)
            await _until(lambda: _is_answered(node, job.is_told))
            books.append(_books(node))
    except TimeoutError:
        is_complete = False
        books.append(_books(node))
    # The writer to Redis is a queue: once this key is there, so is everything before it.
    node.cache.add(job.mark, b"1")
    beside = job.report_path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(Report(tuple(books), is_complete)))
    beside.replace(job.report_path)
    if job.is_ending:
        await node.stop_async()


def _step(node: TradingNode, step: str) -> None:
    """Do one thing: ``enter``, ``leave``, ``leave unnamed``, ``close`` (resting orders stay), ``fill ID``."""
    if step.startswith("fill "):
        _client(node).fill(step.removeprefix("fill "))
        return
    strategies: list[Holder] = node.trader.strategies()
    for strategy in strategies:
        match step:
            case "enter":
                strategy.enter()
            case "leave":
                strategy.leave()
            case "leave unnamed":
                strategy.leave(is_naming=False)
            case "close":
                strategy.leave(cancels=False)
            case _:
                raise ValueError(f"no such step: {step}")


def _client(node: TradingNode) -> FakeExecClient:
    (client,) = (client for client in node.kernel.exec_engine._clients.values() if isinstance(client, FakeExecClient))
    return client


def _is_answered(node: TradingNode, is_told: bool) -> bool:
    """Whether nothing is on its way, and (where the venue tells of its fills) the books have heard everything."""
    client = _client(node)
    if any(not task.done() for task in client._tasks):
        return False
    orders = {order.client_order_id.value: order for order in node.cache.orders()}
    if any(order.is_inflight or order.status == OrderStatus.INITIALIZED for order in orders.values()):
        return False
    return not is_told or all(
        known.order_id in orders
        and int(orders[known.order_id].filled_qty) == known.filled
        and orders[known.order_id].is_canceled == (known.status == CANCELED)
        for known in client.broker.state.orders
    )


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
        realized=float(node.portfolio.realized_pnl(INSTRUMENT_ID) or 0.0),
        venue_net=broker.net(),
        venue_working=tuple(order.order_id for order in broker.working()),
        states={_owner(key): state for key, state in node.trader.strategy_states().items()},
        loaded={strategy.config.order_id_tag: strategy.loaded for strategy in node.trader.strategies()},
    )


def _owner(strategy_id: StrategyId) -> str:
    return "EXTERNAL" if strategy_id.is_external() else strategy_id.get_tag()
