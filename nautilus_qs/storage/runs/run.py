"""One finished run: its directory, and its tables as frames.

A missing table is an empty frame with the right columns, so that a reader needs no special case; a table that cannot be
read is a :class:`~nautilus_qs.errors.StorageError` that names the file. Times stay UTC nanoseconds (int64).
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from nautilus_qs.errors import NotFoundError, StorageError
from nautilus_qs.storage.runs.values import mapping

if TYPE_CHECKING:
    import pandas as pd


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
_JSON_COLUMNS = ("numbers", "checks")
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

    def brief(self, table: str) -> "pd.DataFrame":
        """Return a table without its JSON columns, which are most of it: for whoever counts rows. Read once."""
        if table in self._frames:
            return self._frames[table]
        name = f"{table} in brief"
        if name not in self._frames:
            columns = {column: kind for column, kind in _columns_of(table).items() if column not in _JSON_COLUMNS}
            self._frames[name] = _read(self.path / f"{table}.parquet", columns, is_whole=False)
        return self._frames[name]

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
            found.update(
                _read(path, {"instrument_id": "str"}, only=["instrument_id"])["instrument_id"].unique().tolist()
            )
        return tuple(sorted(found))


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
        raise StorageError(
            f"{file} must be a JSON object, found: {type(metrics).__name__}; remove {path} and run again"
        )
    return Run(path, metrics)


def _decoded(text: Any) -> dict[str, float]:
    try:
        values = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, TypeError) as error:
        raise StorageError(f"numbers in signals.parquet must be a JSON object, found {text!r}; run again") from error
    return mapping(values)


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
    path: Path,
    columns: dict[str, str],
    filters: Sequence[Any] = (),
    *,
    only: list[str] | None = None,
    is_whole: bool = True,
) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    try:
        if not is_whole:
            stored = set(pq.read_schema(path).names)
            only = [name for name in columns if name in stored]
        frame: pd.DataFrame = pq.read_table(
            path, filters=list(filters) or None, columns=only, partitioning=None
        ).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path} must be a readable Parquet file, found: {error}; run again") from error
    for name, kind in columns.items():
        if name not in frame.columns:
            frame[name] = pd.Series(0 if kind == "int64" else None, index=frame.index, dtype=kind)
    return frame
