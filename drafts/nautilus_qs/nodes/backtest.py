"""A run specification in, a run directory out."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from nautilus_trader.backtest.node import BacktestNode

from catalog.reader import open_catalog
from nautilus_qs.bridge.engine import gate_answers, install_venue_models, skip_quadratic_analysis
from nautilus_qs.config import RunConfig
from nautilus_qs.errors import DataError, QsError
from nautilus_qs.nodes import assembly
from nautilus_qs.nodes.importing import resolve_strategies, rule_of
from nautilus_qs.nodes.results import RunCounts, finish_run
from nautilus_qs.nodes.rundir import RunDirectory
from nautilus_qs.nodes.spec import RunSpec, code_version

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


def make_spec(config: RunConfig) -> RunSpec:
    """Check strategies and data, and return what the run is.

    Raises
    ------
    ConfigError
        If a strategy does not resolve.
    CatalogError
        If an instrument or its bars are missing, or the range holds no data.
    """
    resolve_strategies(config)
    catalog = open_catalog(config.catalog)
    start_ns, end_ns = RunSpec(config=config, data=(), code_version="").start_ns, RunSpec(
        config=config, data=(), code_version=""
    ).end_ns
    data = []
    for group in config.data:
        for iid in group.instruments:
            data.append((iid, catalog.fingerprint([iid], group.bar, start_ns, end_ns)))
    if config.regime is not None:
        data.append((config.regime.reference, catalog.fingerprint([config.regime.reference], config.regime.bar, start_ns, end_ns)))
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
    spec = make_spec(config)
    with RunDirectory(Path(config.runs), spec.run_id) as place:
        started = time.perf_counter()
        numbers = ",".join(sorted({c for entry in config.strategies for c in rule_of(entry).columns}))
        engine_config = assembly.engine_config(
            spec, PARQUET_SINK, {"directory": str(place.part), "signal_columns": numbers}
        )
        node_config = assembly.run_config(spec, engine_config)
        counts, carry = _execute(node_config, spec, on_progress)
        elapsed = time.perf_counter() - started
        metrics = finish_run(place.part, spec, counts=counts, carry=carry, elapsed_s=elapsed)
        is_reused = place.publish(metrics)
    return RunResult(place.final, metrics, is_reused)


def _execute(
    node_config: Any, spec: RunSpec, on_progress: Callable[[Progress], None] | None
) -> tuple[RunCounts, list[Any]]:
    skip_quadratic_analysis()
    node = BacktestNode([node_config])
    try:
        node.build()
        engine = node.get_engine(node_config.id)
        models = install_venue_models(engine, spec.config, open_catalog(spec.config.catalog))
        watch = _Watch(engine, spec, on_progress)
        try:
            node.run()
        except QsError:
            raise
        except Exception as error:
            raise DataError(f"the run of {spec.config.name} stopped: {error!r}") from error
        finally:
            watch.stop()
        if not gate_answers(engine.kernel.msgbus):
            raise DataError("the gate must stand at the execution engine's endpoint, it does not; no result is kept")
        recorder = _recorder(engine)
        recorder.close()
        return RunCounts(bars=watch.bars, **recorder.counts), [e for m in models for e in m.carry_entries]
    finally:
        node.dispose()


def _recorder(engine: Any) -> Any:
    return next(actor for actor in engine.trader.actors() if type(actor).__name__ == "Recorder")


class _Watch:
    """Looks at a running engine from a thread, so that progress costs the run nothing."""

    def __init__(self, engine: Any, spec: RunSpec, on_progress: Callable[[Progress], None] | None) -> None:
        self._engine = engine
        self._spec = spec
        self._on_progress = on_progress
        self._started = time.perf_counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nqs-progress", daemon=True)
        if on_progress is not None:
            self._thread.start()

    @property
    def bars(self) -> int:
        """Bars that the data engine has seen."""
        equity = next(a for a in self._engine.trader.actors() if type(a).__name__ == "EquityActor")
        return int(equity.bars_seen)

    def stop(self) -> None:
        """End the thread."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        assert self._on_progress is not None
        span = max(1, self._spec.end_ns - self._spec.warm_ns)
        recorder = _recorder(self._engine)
        while not self._done.wait(0.2):
            now_ns = self._engine.kernel.clock.timestamp_ns()
            share = min(1.0, max(0.0, (now_ns - self._spec.warm_ns) / span))
            elapsed = time.perf_counter() - self._started
            self._on_progress(Progress(self.bars, share, recorder.counts["trades"], elapsed))


def encode_json(values: Any) -> str:
    """Return JSON text with sorted keys and two spaces, for files people read."""
    return msgspec.json.format(msgspec.json.encode(values, order="deterministic"), indent=2).decode()
