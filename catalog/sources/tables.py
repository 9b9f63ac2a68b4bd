"""Tables out of CSV and Parquet files, with errors that name file and column."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from catalog.errors import CatalogError


def load_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns of a .csv, .csv.gz or .parquet file, as they stand.

    Raises
    ------
    CatalogError
        If the file is missing, damaged, of another kind, or lacks a column.
    """
    is_parquet = path.suffix == ".parquet"
    if not is_parquet and not path.name.endswith((".csv", ".csv.gz")):
        raise CatalogError(f"{path} must be .parquet, .csv or .csv.gz; convert it")
    try:
        frame = pd.read_parquet(path) if is_parquet else pd.read_csv(path, low_memory=False)
    except FileNotFoundError as error:
        raise CatalogError(f"{path} must be there, is missing; correct the mapping or the data root") from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        kind = "Parquet" if is_parquet else "CSV"
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CatalogError(f"{path} must be {kind}, could not be read ({first}); get the file again") from error
    wanted = list(dict.fromkeys(columns))
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        have = [str(name) for name in frame.columns]
        close = difflib.get_close_matches(missing[0], have, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise CatalogError(
            f"{path} must have the column {missing[0]!r}, has {', '.join(have)}{hint}; "
            "correct the columns in the mapping"
        )
    return frame[wanted]


def numbers(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return columns as float64; an empty field is NaN.

    Raises
    ------
    CatalogError
        If a field holds something else; the message names its column and row.
    """
    columns: dict[str, Any] = {}
    for name in frame.columns:
        values = pd.to_numeric(frame[name], errors="coerce")
        wrong = values.isna().to_numpy() & frame[name].notna().to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise CatalogError(
                f"{path}: {name} must hold numbers, row {row + 1} holds {frame[name].iloc[row]!r}; correct the file"
            )
        columns[str(name)] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(columns)


def session_dates(path: Path, column: pd.Series) -> pd.DatetimeIndex:
    """Return naive dates of sessions; a time of day is kept, for the check to refuse.

    Raises
    ------
    CatalogError
        If a field is no date.
    """
    dates = _parsed(path, column)
    if dates.tz is not None:
        if (dates != dates.normalize()).any():
            raise CatalogError(
                f"{path}: daily rows must carry their session's date, found the time {dates[0]}; "
                "a date in another time zone may be another day: write plain dates"
            )
        dates = dates.tz_localize(None)
    return dates.as_unit("ns")


def utc_times(path: Path, column: pd.Series, *, timezone: str, unit: str) -> pd.DatetimeIndex:
    """Return UTC times.

    Parameters
    ----------
    timezone
        Of naive times; times with their own zone ignore it.
    unit
        Of numbers since 1970, "" when times are texts or timestamps.

    Raises
    ------
    CatalogError
        If a field is no time, the zone is missing or unknown, or a local time stands twice or never on a day when the
        clock is changed.
    """
    if unit:
        try:
            since_1970 = column.to_numpy(np.int64).astype(f"datetime64[{unit}]").astype("datetime64[ns]")
            return pd.DatetimeIndex(since_1970, tz="UTC")
        except (ValueError, TypeError) as error:
            raise CatalogError(
                f"{path}: {column.name} must be numbers since 1970 in {unit} (s, ms, us or ns), was not: {error}"
            ) from error
    times = _parsed(path, column)
    if times.tz is not None:
        return times.tz_convert("UTC").as_unit("ns")
    if not timezone:
        raise CatalogError(
            f"{path}: {column.name} has no time zone, so the mapping must say it; "
            "set timezone: UTC, or America/New_York"
        )
    try:
        return times.tz_localize(timezone, ambiguous="raise", nonexistent="raise").tz_convert("UTC").as_unit("ns")
    except (ValueError, KeyError) as error:
        raise CatalogError(
            f"{path}: times must exist once in {timezone}, did not ({error}); use UTC, or correct timezone"
        ) from error


def _parsed(path: Path, column: pd.Series) -> pd.DatetimeIndex:
    if pd.api.types.is_numeric_dtype(column):
        raise CatalogError(
            f"{path}: {column.name} must hold times, holds numbers; set time_unit to s, ms, us or ns, or another column"
        )
    try:
        parsed = pd.DatetimeIndex(pd.to_datetime(column))
    except (ValueError, TypeError) as error:
        raise CatalogError(f"{path}: {column.name} must hold times, does not ({error}); correct the file") from error
    if parsed.hasnans:
        row = int(np.flatnonzero(parsed.isna())[0])
        raise CatalogError(
            f"{path}: {column.name} must hold a time in each row, row {row + 1} has none; correct the file"
        )
    return parsed
