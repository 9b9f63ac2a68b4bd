"""A sink that writes one Parquet file a table into a directory, in row groups, at a bounded memory.

Files are written beside (``*.parquet.part``) and renamed when the sink closes: a killed run leaves no file that looks
complete. Decimals become float64, which holds every increment of the supported venues exactly enough (15 digits).
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import astuple
from numpy.typing import NDArray

from nautilus_qs.errors import StorageError
from nautilus_qs.storage import rows as tables
from nautilus_qs.storage.rows import Row
from nautilus_qs.storage.sink import SignalColumns

TABLES: dict[type[Row], str] = {
    tables.DecisionRow: "decisions",
    tables.OrderEventRow: "orders",
    tables.FillRow: "fills",
    tables.TradeRow: "trades",
    tables.EquityRow: "equity",
    tables.RegimeRow: "regimes",
    tables.ProtectionRow: "protections",
    tables.BreakerRow: "breakers",
}

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), Decimal: pa.float64(), bool: pa.bool_()}
ROW_GROUP = 20_000


def schema_of(row_type: type[Row]) -> pa.Schema:
    """Return the Arrow schema of a row type; optional fields are nullable."""
    return pa.schema([_field(name, hint) for name, hint in get_type_hints(row_type).items()])


def _field(name: str, hint: Any) -> pa.Field:
    options = [t for t in get_args(hint) if t is not type(None)] if isinstance(hint, UnionType) else [hint]
    return pa.field(name, _ARROW[options[0]], nullable=len(options) < len(get_args(hint)) or options[0] is str)


class ParquetSink:
    """Writes rows as Parquet into `directory`.

    Parameters
    ----------
    directory
        An existing directory that belongs to this run.
    signal_columns
        Comma-separated names of every number any strategy records: the float columns of signals.parquet.

    Raises
    ------
    StorageError
        When the disk is full or the directory cannot be written; what was renamed before stays valid.
    """

    def __init__(self, directory: str, signal_columns: str = "") -> None:
        self._dir = Path(directory)
        self._tables = {row_type: _Table(self._dir / f"{name}.parquet", row_type) for row_type, name in TABLES.items()}
        self._signals = _SignalTable(self._dir / "signals.parquet", [c for c in signal_columns.split(",") if c])

    def write(self, row: Row) -> None:
        """Keep one row."""
        self._tables[type(row)].append(row)

    def write_signals(self, base: dict[str, Any], chunk: SignalColumns) -> None:
        """Keep many bars of one strategy as one row group."""
        self._signals.append(base, chunk)

    def close(self) -> None:
        """Flush every table and rename the files into place."""
        for table in self._tables.values():
            table.close()
        self._signals.close()


class _Writer:
    """One Parquet file that becomes visible when it is complete."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._part = path.with_suffix(".parquet.part")
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        self._guard(lambda: self._open().write_table(table))

    def finish(self) -> None:
        def rename() -> None:
            self._open().close()
            self._part.replace(self._path)

        self._guard(rename)

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            # Numbers hardly repeat: to look for a dictionary of them takes longer than to write them.
            texts = [f.name for f in self._schema if not (pa.types.is_floating(f.type) or pa.types.is_integer(f.type))]
            self._writer = pq.ParquetWriter(self._part, self._schema, compression="zstd", use_dictionary=texts)
        return self._writer

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise StorageError(
                f"{self._path.name} must be writable in {self._path.parent}, found: {error}; free space and run again"
            ) from error


class _Table:
    def __init__(self, path: Path, row_type: type[Row]) -> None:
        self._schema = schema_of(row_type)
        self._names = row_type.__struct_fields__
        self._decimals = {n for n, h in get_type_hints(row_type).items() if h is Decimal or Decimal in get_args(h)}
        self._writer = _Writer(path, self._schema)
        self._rows: list[Row] = []

    def append(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.finish()

    def _flush(self) -> None:
        # Row by row into tuples and then turned round: both at the speed of C.
        columns = zip(*map(astuple, self._rows), strict=True) if self._rows else ((),) * len(self._names)
        arrays = {
            name: pa.array(self._plain(name, values), type=self._schema.field(name).type)
            for name, values in zip(self._names, columns, strict=True)
        }
        self._rows = []
        self._writer.write(pa.Table.from_arrays([arrays[f.name] for f in self._schema], schema=self._schema))

    def _plain(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        return [None if v is None else float(v) for v in values] if name in self._decimals else values


class _SignalTable:
    """Signals have a float column for every number of every rule; a rule leaves the others null."""

    FIXED = tables.SignalRow.__struct_fields__

    def __init__(self, path: Path, numbers: list[str]) -> None:
        self._numbers = sorted(set(numbers))
        text = [pa.field(n, pa.dictionary(pa.int32(), pa.string())) for n in self.FIXED[:4]]
        fixed = [
            *text,
            pa.field("ts_batch", pa.int64()),
            *[pa.field(n, pa.dictionary(pa.int32(), pa.string())) for n in self.FIXED[5:8]],
            pa.field("nearness", pa.float64()),
        ]
        self._schema = pa.schema([*fixed, *[pa.field(n, pa.float64()) for n in self._numbers]])
        self._writer = _Writer(path, self._schema)

    def append(self, base: dict[str, Any], chunk: SignalColumns) -> None:
        n = len(chunk.ts)
        same = np.zeros(n, dtype=np.int32)
        places = {name: place for place, name in enumerate(chunk.columns)}
        arrays = [
            *[_coded(same, (str(base[name]),)) for name in self.FIXED[:4]],
            pa.array(chunk.ts),
            _coded(same, (chunk.strategy,)),
            _coded(chunk.instrument_codes, chunk.instruments),
            _coded(chunk.outcome_codes, chunk.outcomes),
            pa.array(chunk.nearness),
            *[
                pa.array(chunk.numbers[:, places[name]]) if name in places else pa.nulls(n, pa.float64())
                for name in self._numbers
            ],
        ]
        self._writer.write(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.finish()


def _coded(codes: NDArray[np.int32], names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, type=pa.string()))
