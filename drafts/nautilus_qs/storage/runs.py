"""Reads finished runs: one directory a run, its tables as frames, and all the runs under a folder.

A missing table is an empty frame with the right columns, so that a reader needs no special case; a table that cannot be
read is a :class:`~nautilus_qs.errors.StorageError` that names the file. Times stay UTC nanoseconds (int64).
"""

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from nautilus_qs.errors import NotFoundError, StorageError

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_ROOT = Path("var/runs")
LATEST = "latest"

# Tables that are no row structs: what the run writer leaves beside them.
_PLAIN_TABLES: dict[str, dict[str, str]] = {
    "carry": {"ts": "int64", "kind": "str", "instrument_id": "str", "amount": "float64"},
    "prices": {
        "ts": "int64",
        "instrument_id": "str",
        "open": "float64",
        "high": "float64",
        "low": "float64",
        "close": "float64",
        "volume": "float64",
    },
}
_SIGNAL_FIXED = {
    "run_id": "str",
    "trader_id": "str",
    "account_id": "str",
    "mode": "str",
    "ts_batch": "int64",
    "strategy": "str",
    "instrument_id": "str",
    "nearness": "float64",
    "outcome": "str",
}


class SignalTable(NamedTuple):
    """Signals with the rules' numbers as columns: ``columns`` names those numbers."""

    rows: "pd.DataFrame"
    columns: tuple[str, ...]


class Run:
    """One finished run: what it was told (`config`), what came out (`metrics`), and its tables as frames.

    Parameters
    ----------
    path
        The run's directory.
    metrics
        What its metrics.json holds.
    """

    def __init__(self, path: Path, metrics: dict[str, Any]) -> None:
        self.path = path
        self.metrics = metrics
        self._frames: dict[str, pd.DataFrame] = {}

    @property
    def run_id(self) -> str:
        """The run's id; the directory's name when the metrics do not say."""
        return str(self.metrics.get("run_id") or self.path.name)

    @cached_property
    def config_text(self) -> str:
        """The configuration as it was written, "" when there is none."""
        path = self.path / "config.yaml"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration as values; empty when there is none.

        Raises
        ------
        StorageError
            If config.yaml is no YAML.
        """
        import yaml

        try:
            values = yaml.safe_load(self.config_text)
        except yaml.YAMLError as error:
            raise StorageError(f"{self.path / 'config.yaml'} must be YAML, found: {error}; run again") from error
        return values if isinstance(values, dict) else {}

    @property
    def day_zone(self) -> str:
        """The time zone of the account's day."""
        return str(self.config.get("day_zone") or "America/New_York")

    def frame(self, table: str) -> "pd.DataFrame":
        """Return a whole table, its columns typed; read once.

        Parameters
        ----------
        table
            orders, fills, trades, equity, decisions, regimes, protections, breakers, carry or prices.

        Returns
        -------
        pandas.DataFrame
            A row a fact, in the order written. Empty, with the table's columns, when the file is missing.

        Raises
        ------
        StorageError
            If the file is there and cannot be read.
        """
        if table not in self._frames:
            self._frames[table] = _read(self.path / f"{table}.parquet", _columns_of(table))
        return self._frames[table]

    def signals(
        self, *, instrument_id: str | None = None, strategy: str | None = None, ts: int | None = None
    ) -> SignalTable:
        """Return the bars that match, with the numbers their rules saw; only what matches is read into memory.

        Numbers that a rule does not have are NaN. Both ways of storing them are read: a float column a number, or
        JSON text in ``numbers``.

        Raises
        ------
        StorageError
            If signals.parquet is there and cannot be read.
        """
        import pandas as pd

        wanted = {"instrument_id": instrument_id, "strategy": strategy, "ts_batch": ts}
        filters = [(name, "=", value) for name, value in wanted.items() if value is not None]
        rows = _read(self.path / "signals.parquet", _SIGNAL_FIXED, filters)
        if "numbers" in rows.columns:
            numbers = pd.DataFrame([_decoded(text) for text in rows.pop("numbers")], index=rows.index, dtype="float64")
            rows = pd.concat([rows, numbers[[c for c in numbers.columns if c not in rows.columns]]], axis=1)
        return SignalTable(rows, tuple(c for c in rows.columns if c not in _SIGNAL_FIXED))

    def bar_times(self, instrument_id: str) -> tuple[int, ...]:
        """Return the times of every recorded bar of an instrument, ascending: from signals, else from decisions."""
        path = self.path / "signals.parquet"
        if path.is_file():
            frame = _read(path, {"ts_batch": "int64"}, [("instrument_id", "=", instrument_id)], only=["ts_batch"])
        else:
            decisions = self.frame("decisions")
            frame = decisions[decisions["instrument_id"] == instrument_id]
        return tuple(sorted(set(frame["ts_batch"].tolist())))

    def instruments(self) -> tuple[str, ...]:
        """Return every instrument the run knows, sorted."""
        found: set[str] = set()
        for table in ("prices", "decisions", "trades"):
            found.update(self.frame(table)["instrument_id"].unique().tolist())
        path = self.path / "signals.parquet"
        if path.is_file():
            found.update(_read(path, {"instrument_id": "str"}, only=["instrument_id"])["instrument_id"].unique().tolist())
        return tuple(sorted(found))


class RunEntry(Struct, frozen=True, kw_only=True):
    """One line of the list of runs. Fractions are decimals; None where the run does not say.

    ``problem`` says why a directory cannot be read; the other fields are then empty.
    """

    run_id: str
    path: str
    name: str = ""
    created_at: str = ""
    start: str = ""
    end: str = ""
    trades: int | None = None
    total_return: float | None = None
    sharpe: float | None = None
    max_drawdown: float | None = None
    decision_digest: str = ""
    fill_digest: str = ""
    code_version: str = ""
    problem: str = ""


class Difference(Struct, frozen=True):
    """One key in which runs differ (or are shown side by side): a value a run, None where a run lacks it."""

    key: str
    values: tuple[Any, ...]


class Comparison(Struct, frozen=True, kw_only=True):
    """Runs side by side: their lines, the settings that differ, the figures that differ, and whether digests agree."""

    runs: tuple[RunEntry, ...]
    config: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    decisions_equal: bool
    fills_equal: bool


def open_run(path: Path) -> Run:
    """Open the run in a directory.

    Raises
    ------
    NotFoundError
        If the directory holds no metrics.json: it is no finished run.
    StorageError
        If metrics.json is no JSON object.
    """
    file = path / "metrics.json"
    try:
        metrics = msgspec.json.decode(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{path} must be the directory of a finished run, it has no metrics.json") from error
    except (OSError, msgspec.DecodeError) as error:
        raise StorageError(f"{file} must be a JSON object, found: {error}; remove {path} and run again") from error
    if not isinstance(metrics, dict):
        raise StorageError(f"{file} must be a JSON object, found: {type(metrics).__name__}; remove {path} and run again")
    return Run(path, metrics)


def list_runs(root: Path = DEFAULT_ROOT) -> list[RunEntry]:
    """Return every finished run under `root`, newest first; what cannot be read comes last with its problem.

    Directories that are being written (they start with a dot) are no runs. A folder that does not exist holds none.
    """
    if not root.is_dir():
        return []
    found = [_entry_of(path) for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted((e for e in found if e is not None), key=_age)


def find_run(root: Path, name: str) -> Run:
    """Return the run that `name` means: a directory, an id, an unambiguous beginning of one, or ``latest``.

    Raises
    ------
    NotFoundError
        If nothing or more than one run matches.
    StorageError
        If the run cannot be read.
    """
    if (Path(name) / "metrics.json").is_file():
        return open_run(Path(name))
    if name == LATEST:
        readable = [entry for entry in list_runs(root) if not entry.problem]
        if not readable:
            raise NotFoundError(f"there must be a run under {root}, found none; run nqs backtest or nqs demo")
        return open_run(Path(readable[0].path))
    known = sorted(path.name for path in root.iterdir() if (path / "metrics.json").is_file()) if root.is_dir() else []
    matches = [run_id for run_id in known if run_id.startswith(name)] if name else []
    if name in known:
        return open_run(root / name)
    if len(matches) == 1:
        return open_run(root / matches[0])
    if matches:
        raise NotFoundError(f"run {name!r} must name one run, it matches {', '.join(matches)}; give more of the id")
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else "; see nqs runs list"
    raise NotFoundError(f"run {name!r} must be the id (or its beginning) of a run under {root}, none was found{hint}")


def entry_of(run: Run) -> RunEntry:
    """Return the line of a run in the list of runs."""
    metrics = run.metrics
    summary = _mapping(metrics.get("metrics"))
    start, end = ([*(metrics.get("timerange") or ()), "", ""])[:2]
    trades = _mapping(metrics.get("counts")).get("trades", _mapping(summary.get("trades")).get("count"))
    return RunEntry(
        run_id=run.run_id,
        path=str(run.path),
        name=str(metrics.get("name") or ""),
        created_at=time_text(metrics.get("created_at")),
        start=time_text(start)[:10],
        end=time_text(end)[:10],
        trades=None if trades is None else int(trades),
        total_return=number_of(summary.get("total_return")),
        sharpe=number_of(summary.get("sharpe")),
        max_drawdown=number_of(summary.get("max_drawdown")),
        decision_digest=str(metrics.get("decision_digest") or ""),
        fill_digest=str(metrics.get("fill_digest") or ""),
        code_version=str(metrics.get("code_version") or ""),
    )


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Lay runs side by side: every setting and every figure that is not the same in all of them."""
    entries = tuple(entry_of(run) for run in runs)
    figures = [
        {
            **flatten(_mapping(run.metrics.get("metrics"))),
            **flatten(_mapping(run.metrics.get("counts")), "counts"),
            **flatten(_mapping(run.metrics.get("per_strategy")), "per_strategy"),
            **flatten(_mapping(run.metrics.get("costs")), "costs"),
        }
        for run in runs
    ]
    return Comparison(
        runs=entries,
        config=_differences([flatten(run.config) for run in runs]),
        metrics=_differences(figures),
        decisions_equal=len({entry.decision_digest for entry in entries}) == 1 and bool(entries[0].decision_digest),
        fills_equal=len({entry.fill_digest for entry in entries}) == 1 and bool(entries[0].fill_digest),
    )


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under dotted keys; a statistic (a mapping with ``value``) becomes its value.

    Lists of mappings with a ``name`` are keyed by it, so that a strategy that moved is no difference.

    Examples
    --------
    >>> flatten({"risk": {"heat": 0.1}, "sharpe": {"value": 0.5, "n": 250}, "tags": [1, 2]})
    {'risk.heat': 0.1, 'sharpe': 0.5, 'tags': [1, 2]}
    >>> flatten({"strategies": [{"name": "rsi", "path": "a:B"}]})
    {'strategies.rsi.name': 'rsi', 'strategies.rsi.path': 'a:B'}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
            value = {str(item["name"]): item for item in value}
        if isinstance(value, dict) and "value" in value:
            flat[path] = value["value"]
        elif isinstance(value, dict) and value:
            flat.update(flatten(value, path))
        else:
            flat[path] = value
    return flat


def number_of(value: Any) -> float | None:
    """Return the number in a plain value, a statistic or a drawdown; None without one.

    Examples
    --------
    >>> number_of(0.5), number_of({"value": 1.2, "n": 3}), number_of({"depth": 0.1}), number_of(None)
    (0.5, 1.2, 0.1, None)
    """
    if isinstance(value, dict):
        value = value.get("value", value.get("depth"))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def time_text(value: Any) -> str:
    """Return a time as ISO text in UTC: from nanoseconds, from ISO text, or from ``YYYYMMDD``; "" without one.

    Examples
    --------
    >>> time_text(1_388_534_400_000_000_000), time_text("20140101"), time_text("2014-01-01")
    ('2014-01-01T00:00:00Z', '2014-01-01', '2014-01-01')
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if re.fullmatch(r"\d{8}", text) else text


def _entry_of(path: Path) -> RunEntry | None:
    try:
        return entry_of(open_run(path))
    except NotFoundError:
        return None
    except (StorageError, TypeError, ValueError) as error:
        return RunEntry(run_id=path.name, path=str(path), problem=str(error))


def _age(entry: RunEntry) -> tuple[bool, float, str]:
    try:
        created = datetime.fromisoformat(entry.created_at)
        seconds = (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        seconds = Path(entry.path).stat().st_mtime
    return bool(entry.problem), -seconds, entry.run_id


def _differences(sides: list[dict[str, Any]]) -> tuple[Difference, ...]:
    keys = dict.fromkeys(key for side in sides for key in side)
    rows = (Difference(key, tuple(side.get(key) for side in sides)) for key in keys)
    return tuple(row for row in rows if any(value != row.values[0] for value in row.values))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _decoded(text: Any) -> dict[str, float]:
    try:
        values = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, TypeError) as error:
        raise StorageError(f"numbers in signals.parquet must be a JSON object, found {text!r}; run again") from error
    return _mapping(values)


def _columns_of(table: str) -> dict[str, str]:
    if table in _PLAIN_TABLES:
        return _PLAIN_TABLES[table]
    from nautilus_qs.storage.parquet import TABLES, schema_of

    kinds = {"string": "str", "int64": "int64", "double": "float64"}
    for row_type, name in TABLES.items():
        if name == table:
            return {field.name: kinds[str(field.type)] for field in schema_of(row_type)}
    known = sorted([*TABLES.values(), *_PLAIN_TABLES])
    raise NotFoundError(f"table {table!r} must be one of {known}")


def _read(
    path: Path, columns: dict[str, str], filters: Sequence[Any] = (), *, only: list[str] | None = None
) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    try:
        frame: pd.DataFrame = pq.read_table(path, filters=list(filters) or None, columns=only, partitioning=None).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path} must be a readable Parquet file, found: {error}; run again") from error
    for name, kind in columns.items():
        if name not in frame.columns:
            frame[name] = pd.Series(0 if kind == "int64" else None, index=frame.index, dtype=kind)
    return frame
