"""What Parquet files of the catalog hold, read without building objects: digests, and prices as floats."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog.errors import CatalogError

_RAW_SCALE = 1e16
"""NautilusTrader's raw prices and quantities: 128-bit integers of 10^-16."""


def read_table(path: Path, *, columns: list[str] | None = None) -> Any:
    """Return a file of the catalog as an Arrow table.

    Raises
    ------
    CatalogError
        If it cannot be read as Parquet.
    """
    try:
        return pq.ParquetFile(path).read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(
            f"{path} must be a Parquet file, could not be read ({_first_line(error)}); "
            "delete the catalog's folder and ingest again, or restore the file"
        ) from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def year_digests(table: Any) -> dict[str, str]:
    """Return the digest of a table's rows for each UTC year of ``ts_init``; rows must be in order of time."""
    ts = times(table)
    years = ts.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
    starts = np.flatnonzero(np.diff(years, prepend=years[:1] - 1))
    ends = np.append(starts[1:], len(ts))
    return {
        str(years[start]): rows_digest(table.slice(int(start), int(end - start)))
        for start, end in zip(starts, ends, strict=True)
    }


def rows_digest(table: Any) -> str:
    """Return the digest of a table's rows, whatever files and row groups they were read from."""
    digest = hashlib.sha256()
    for name in sorted(table.column_names):
        digest.update(name.encode())
        digest.update(_column_bytes(table.column(name)))
    return digest.hexdigest()[:32]


def between(table: Any, start_ns: int, end_ns: int) -> Any:
    """Return the rows whose ``ts_init`` lies in [start_ns, end_ns]."""
    ts = times(table)
    first, last = np.searchsorted(ts, start_ns, side="left"), np.searchsorted(ts, end_ns, side="right")
    return table.slice(int(first), max(0, int(last - first)))


def times(table: Any) -> NDArray[np.int64]:
    """Return ``ts_init`` in UTC nanoseconds."""
    return np.asarray(table.column("ts_init").to_numpy()).astype(np.int64)


def bars_frame(table: Any) -> pd.DataFrame:
    """Return bars as floats: columns open, high, low, close, volume over an index of UTC close times (ns).

    Each float is the one nearest to the stored decimal.
    """
    meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    decimals = int(meta.get("price_precision", "9")), int(meta.get("size_precision", "9"))
    columns = {
        name: decoded(table.column(name), decimals[name == "volume"])
        for name in ("open", "high", "low", "close", "volume")
    }
    return pd.DataFrame(columns, index=pd.DatetimeIndex(times(table).astype("datetime64[ns]"), tz="UTC"))


def decoded(column: Any, decimals: int) -> NDArray[np.float64]:
    """Return a column of raw 128-bit integers as floats rounded to `decimals`."""
    raw = np.frombuffer(_column_bytes(column), dtype=[("low", "<u8"), ("high", "<i8")])
    values = raw["high"].astype(np.float64) * 2.0**64 + raw["low"].astype(np.float64)
    return np.asarray(np.round(values / _RAW_SCALE, decimals), dtype=np.float64)


def _column_bytes(column: Any) -> bytes:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not pa.types.is_fixed_size_binary(column.type) and not pa.types.is_primitive(column.type):
        return "\x00".join(map(str, column.to_pylist())).encode()
    parts = []
    for chunk in chunks:
        width = chunk.type.bit_width // 8
        buffer = chunk.buffers()[1]
        parts.append(bytes(memoryview(buffer)[chunk.offset * width : (chunk.offset + len(chunk)) * width]))
    return b"".join(parts)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
