"""A run specification in, a run directory out."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from nautilus_trader.backtest.node import BacktestNode

from catalog.reader import Catalog, open_catalog
from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.carry import CARRY, CarryEntry
from nautilus_qs.bridge.engine import gate_answers, skip_quadratic_analysis
from nautilus_qs.bridge.fees import fee_fingerprint
from nautilus_qs.bridge.venue_models import install
from nautilus_qs.config import RunConfig, span_ns
from nautilus_qs.errors import DataError, QsError
from nautilus_qs.nodes import assembly
from nautilus_qs.nodes.importing import resolve_strategies, rule_of
from nautilus_qs.nodes.results import Outcome, RunCounts, digests_of, finish_run
from nautilus_qs.nodes.rundir import RunDirectory
from nautilus_qs.nodes.spec import RunSpec, code_version, warm_ns

# New objects that outnumber the freed ones by so many lead to a look; Python's own number is 2,000.
_COLLECT_EVERY = 100_000

PARQUET_SINK = "nautilus_qs.storage.parquet:ParquetSink"


class Progress(Struct, frozen=True):
    """How far a run is: bars fed, the share of the time range behind it, and trades closed."""

    bars: int
    share: float
    trades: int
    elapsed_s: float


class RunResult(Struct, frozen=True):
    """What a run left: its directory, what `metrics.json` holds, and whether an earlier run was confirmed."""

    directory: Path
    metrics: dict[str, Any]
    is_reused: bool


def make_spec(config: RunConfig, catalog: Catalog) -> RunSpec:
    """Check strategies and data, and return what the run is.

    Raises
    ------
    ConfigError
        If a strategy does not resolve.
    CatalogError
        If an instrument or its bars are missing, or the range holds no data.
    """
    resolve_strategies(config)
    start_ns, end_ns = span_ns(config.timerange)
    regime = config.regime
    wanted = [(iid, group.bar) for group in config.data for iid in group.instruments]
    if regime is not None:
        wanted.append((regime.reference, regime.bar))
    for iid in config.benchmark:
        catalog.intervals(iid)  # an unknown one is refused now, and not when the run is over
    data = []
    for iid, bar in wanted:
        # There must be bars to trade on; what the run is follows from those that warm the indicators, too.
        catalog.fingerprint([iid], bar, start_ns, end_ns)
        data.append((f"{iid} {bar}", catalog.fingerprint([iid], bar, warm_ns(config), end_ns)))
    series = [name for name in (regime.vix, regime.breadth) if name] if regime is not None else []
    data += [(name, catalog.macro_fingerprint(name, warm_ns(config), end_ns)) for name in series]
    # Fees are data, too: a table that changes makes another run.
    data += [(f"fees {name}", fee_fingerprint(name)) for name in sorted({venue.fees for venue in config.venues})]
    return RunSpec(config=config, data=tuple(data), code_version=code_version())


def run_backtest(config: RunConfig, on_progress: Callable[[Progress], None] | None = None) -> RunResult:
    """Run a backtest and leave its directory under ``runs``.

    The directory is written beside and renamed into place: a run that dies leaves nothing that looks finished. A second
    run of the same spec confirms the digests of the first and keeps its directory.

    Raises
    ------
    QsError
        If configuration or data are refused, a strategy fails, or the digests of an earlier run differ.
    """
    catalog = open_catalog(config.catalog)
    spec = make_spec(config, catalog)
    with RunDirectory(Path(config.runs), spec.run_id) as place:
        started = time.perf_counter()
        outcome = record(spec, catalog, place.part, on_progress)
        elapsed_s = time.perf_counter() - started
        metrics = finish_run(place.part, spec, outcome, catalog=catalog, elapsed_s=elapsed_s)
        is_reused = place.publish(metrics, digests_of)
    return RunResult(place.final, metrics, is_reused)


def record(
    spec: RunSpec, catalog: Catalog, directory: Path, on_progress: Callable[[Progress], None] | None = None
) -> Outcome:
    """Run the engine and leave the recorded tables in `directory`; no figures are worked out.

    Raises
    ------
    QsError
        If a part of the system fails: then the tables are not complete.
    """
    numbers = ",".join(sorted({column for entry in spec.config.strategies for column in rule_of(entry).columns}))
    sink_args = {"directory": str(directory), "signal_columns": numbers}
    engine_config = assembly.engine_config(spec, PARQUET_SINK, sink_args)
    return _execute(assembly.run_config(spec, engine_config, catalog), spec, on_progress)


def _execute(node_config: Any, spec: RunSpec, on_progress: Callable[[Progress], None] | None) -> Outcome:
    skip_quadratic_analysis()
    node = BacktestNode([node_config])
    try:
        node.build()
        engine = node.get_engine(node_config.id)
        clients = install(engine.kernel, [venue.name for venue in spec.config.venues])
        carry: list[CarryEntry] = []
        engine.kernel.msgbus.subscribe(CARRY, carry.append)
        engine.kernel.msgbus.subscribe(bus.FAULTS, _refuse_fault)
        is_gated: list[bool] = []
        engine.kernel.msgbus.subscribe(bus.EQUITY, _once(lambda: is_gated.append(gate_answers(engine.kernel.msgbus))))
        recorder, equity = (_actor(engine, name) for name in ("Recorder", "EquityActor"))
        with _Watch(engine, spec, on_progress, recorder=recorder, equity=equity), _rare_collections():
            _run(node, spec)
        if is_gated != [True]:
            raise DataError("the gate must stand before the execution engine, it does not; no result is kept")
        recorder.close()
        met: dict[str, float] = {}
        for client in clients.values():
            met |= client.exchange.fill_model.market_px
        return Outcome(counts=RunCounts(bars=equity.bars_seen, **recorder.counts), carry=carry, market_px=met)
    finally:
        node.dispose()


def _run(node: BacktestNode, spec: RunSpec) -> None:
    try:
        node.run()
    except QsError:
        raise
    except Exception as error:
        raise DataError(f"the run of {spec.config.name} stopped: {error!r}") from error


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for reference cycles fifty times as rarely, and not in what is loaded already: a run makes none."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY, *usual[1:])
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


def _refuse_fault(fault: bus.Fault) -> None:
    """End the run: a result in which a part has failed is no result."""
    raise DataError(f"{fault.component} failed at {fault.ts}: {fault.detail}; the run is not kept")


def _once(act: Callable[[], None]) -> Callable[[Any], None]:
    done: list[bool] = []

    def on_message(_message: Any) -> None:
        if not done:
            done.append(True)
            act()

    return on_message


def _actor(engine: Any, name: str) -> Any:
    return next(actor for actor in engine.trader.actors() if type(actor).__name__ == name)


class _Watch:
    """Looks at a running engine from a thread, so that progress costs the run nothing."""

    def __init__(
        self,
        engine: Any,
        spec: RunSpec,
        on_progress: Callable[[Progress], None] | None,
        *,
        recorder: Any,
        equity: Any,
    ) -> None:
        self._clock = engine.kernel.clock
        self._first_ns, self._last_ns = spec.warm_ns, spec.end_ns
        self._on_progress = on_progress
        self._recorder = recorder
        self._equity = equity
        self._started = time.perf_counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="nqs-progress", daemon=True)

    def __enter__(self) -> None:
        if self._on_progress is not None:
            self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _look(self) -> None:
        assert self._on_progress is not None
        span = max(1, self._last_ns - self._first_ns)
        while not self._done.wait(0.2):
            share = (self._clock.timestamp_ns() - self._first_ns) / span
            elapsed_s = time.perf_counter() - self._started
            trades = self._recorder.counts["trades"]
            self._on_progress(Progress(self._equity.bars_seen, min(1.0, max(0.0, share)), trades, elapsed_s))
