"""The Parquet sink: what goes in comes out, and a file is there only when it is complete."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.bridge.messages import SignalChunk
from nautilus_qs.errors import StorageError
from nautilus_qs.storage.parquet import ROW_GROUP, TABLES, ParquetSink, schema_of
from nautilus_qs.storage.rows import EquityRow, RegimeRow

BASE = {"run_id": "r", "trader_id": "T-1", "account_id": "A-1", "mode": "backtest"}


def equity(ts: int) -> EquityRow:
    return EquityRow(
        **BASE,
        ts_batch=ts,
        ts=ts,
        equity=Decimal("100000.25"),
        cash=Decimal(5),
        gross_exposure=0.5,
        net_exposure=0.5,
        heat=0.01,
        drawdown=0.0,
        positions=1,
        mode_in_force="normal",
    )


def test_sink_rows_over_a_row_group_come_back_in_order(tmp_path: Path) -> None:
    sink = ParquetSink(str(tmp_path))
    for ts in range(ROW_GROUP + 5):
        sink.write(equity(ts))
    sink.close()
    frame = pd.read_parquet(tmp_path / "equity.parquet")
    assert frame["ts"].tolist() == list(range(ROW_GROUP + 5))
    assert frame["equity"].iloc[0] == 100000.25


def test_sink_missing_optional_values_are_null(tmp_path: Path) -> None:
    sink = ParquetSink(str(tmp_path))
    sink.write(
        RegimeRow(
            **BASE,
            ts_batch=1,
            ts=1,
            instrument_id="SPY.X",
            slope_deg=1.0,
            atr_ratio=1.0,
            vix=None,
            breadth=0.5,
            label="crisis",
            confidence=1.0,
            count=1,
            regime="none",
            missing="vix",
        )
    )
    sink.close()
    frame = pd.read_parquet(tmp_path / "regimes.parquet")
    assert frame["vix"].isna().all()
    assert frame["breadth"].iloc[0] == 0.5


def test_sink_signals_of_two_rules_share_one_table(tmp_path: Path) -> None:
    sink = ParquetSink(str(tmp_path), "close,rsi,width")
    for strategy, column, outcome, value in (("one", "rsi", "quiet", 55.0), ("two", "width", "entry", 0.3)):
        numbers = np.array([[10.0, value]])
        code = np.zeros(1, dtype=np.int32)
        near = np.array([0.5])
        chunk = SignalChunk(strategy, ("close", column), np.array([1]), ("A.X",), code, (outcome,), code, near, numbers)
        sink.write_signals({**BASE, "ts_batch": 0}, chunk)
    sink.close()
    frame = pd.read_parquet(tmp_path / "signals.parquet")
    assert frame["strategy"].tolist() == ["one", "two"]
    assert frame["rsi"].isna().tolist() == [False, True]
    assert frame["width"].iloc[1] == 0.3


def test_sink_before_close_shows_no_complete_file(tmp_path: Path) -> None:
    sink = ParquetSink(str(tmp_path))
    for ts in range(ROW_GROUP):
        sink.write(equity(ts))
    assert not list(tmp_path.glob("*.parquet"))
    sink.close()
    assert {p.stem for p in tmp_path.glob("*.parquet")} == {*TABLES.values(), "signals"}
    assert not list(tmp_path.glob("*.part"))


def test_sink_that_cannot_write_says_what_to_do(tmp_path: Path) -> None:
    sink = ParquetSink(str(tmp_path / "missing"))
    sink.write(equity(1))
    with pytest.raises(StorageError, match="must be writable in"):
        sink.close()


@pytest.mark.parametrize("row_type", list(TABLES))
def test_schema_every_row_starts_with_whose_it_is(row_type: type) -> None:
    assert schema_of(row_type).names[:5] == ["run_id", "trader_id", "account_id", "mode", "ts_batch"]
