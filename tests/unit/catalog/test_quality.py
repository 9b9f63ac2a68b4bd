"""Each kind of fault is found, refused or warned of by name, and accepted as documented."""

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CatalogError
from catalog.quality import REFUSED, Fault, check, parse_accept, refuse
from catalog.sources.series import BarSeries, BarSize, PriceKind, Stamp
from tests.unit.catalog.generated import daily, walk


def with_frame(change: Callable[[pd.DataFrame], pd.DataFrame]) -> BarSeries:
    series = daily("2024-01-02", "2024-03-28")
    return msgspec.structs.replace(series, frame=change(series.frame.copy()))


def at(row: int, column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.iloc[row, frame.columns.get_loc(column)] = value
        return frame

    return change


def on_saturday(frame: pd.DataFrame) -> pd.DataFrame:
    extra = frame.iloc[[4]].set_axis(pd.DatetimeIndex(["2024-01-06"]))
    return pd.concat([frame, extra]).sort_index()


CASES = [
    (Fault.UNORDERED, lambda f: pd.concat([f.iloc[:5], f.iloc[[6, 5]], f.iloc[7:]]), 0),
    (Fault.DUPLICATE, lambda f: pd.concat([f.iloc[:6], f.iloc[5:]]), 0),
    (Fault.NAN, at(5, "close", np.nan), -1),
    (Fault.NAN, at(5, "volume", np.inf), -1),
    (Fault.NOT_A_SESSION, on_saturday, 0),
    (Fault.IMPOSSIBLE, at(5, "high", 1.0), -1),
    (Fault.IMPOSSIBLE, at(5, "low", 1e6), -1),
    (Fault.IMPOSSIBLE, at(5, "low", 0.0), -1),
    (Fault.IMPOSSIBLE, at(5, "volume", -1.0), -1),
    (Fault.GAP, lambda f: f.drop(f.index[5]), -1),
]


@pytest.mark.parametrize(("fault", "change", "rows_more"), CASES)
def test_fault_is_refused_by_name_and_accepted_as_documented(
    fault: Fault, change: Callable[[pd.DataFrame], pd.DataFrame], rows_more: int
) -> None:
    clean = check(daily("2024-01-02", "2024-03-28"))
    series = with_frame(change)
    found = check(series)
    assert fault in {finding.fault for finding in found.findings if finding.is_refused}
    with pytest.raises(CatalogError, match=rf"{fault.value}: SPY.ALPACA from generator.*--accept {fault.value}"):
        refuse(found.findings)
    # Dropping a row leaves a gap, which is a fault of its own.
    accepted = check(series, {fault, Fault.GAP})
    refuse(accepted.findings)
    assert len(accepted.frame) == len(clean.frame) + rows_more
    assert (np.diff(accepted.close_ns) > 0).all()


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        (Fault.ZERO_VOLUME, at(5, "volume", 0.0)),
        (Fault.JUMP, lambda f: pd.concat([f.iloc[:20], f.iloc[20:].assign(**{c: f[c] / 4 for c in f.columns[:4]})])),
    ],
)
def test_weakness_warns_and_keeps_every_row(fault: Fault, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    found = check(with_frame(change))
    assert [finding.fault for finding in found.findings] == [fault]
    refuse(found.findings)
    assert len(found.frame) == len(daily("2024-01-02", "2024-03-28").frame)


def test_jump_that_a_split_explains_is_no_finding_on_traded_prices() -> None:
    series = with_frame(lambda f: pd.concat([f.iloc[:20], f.iloc[20:].assign(**{c: f[c] / 4 for c in f.columns[:4]})]))
    split = ((series.frame.index[20], 4),)
    explained = msgspec.structs.replace(series, splits=split, price_kind=PriceKind.AS_TRADED)
    assert check(explained).findings == ()
    assert [finding.fault for finding in check(series).findings] == [Fault.JUMP]


def minutes(stamp: Stamp, shift: str = "0min") -> BarSeries:
    index = pd.date_range("2024-11-29 14:30", "2024-11-29 17:59", freq="1min", tz="UTC") + pd.Timedelta(shift)
    return daily("2024-01-02", "2024-03-28", frame=walk(index), size=BarSize.MINUTE, stamp=stamp)


def test_bar_starts_and_bar_closes_give_the_same_bars() -> None:
    starts, closes = check(minutes(Stamp.BAR_START)), check(minutes(Stamp.BAR_CLOSE, "1min"))
    assert starts.findings == closes.findings == ()
    assert (starts.close_ns == closes.close_ns).all()
    assert (starts.start_ns == closes.start_ns).all()


@pytest.mark.parametrize(
    ("stamp", "shift", "fault"),
    [
        (Stamp.BAR_START, "1min", Fault.NOT_A_SESSION),  # closes that were called starts
        (Stamp.BAR_CLOSE, "0min", Fault.NOT_A_SESSION),  # starts that were called closes
        (Stamp.BAR_START, "-5h", Fault.NOT_A_SESSION),  # New York's time that was called UTC
        (Stamp.BAR_START, "30s", Fault.MISALIGNED),
    ],
)
def test_wrong_stamps_are_refused(stamp: Stamp, shift: str, fault: Fault) -> None:
    assert fault in {finding.fault for finding in check(minutes(stamp, shift)).findings if finding.is_refused}


def test_last_hour_of_a_session_closes_at_the_session() -> None:
    index = pd.date_range("2024-11-29 14:30", "2024-11-29 17:30", freq="1h", tz="UTC")
    found = check(daily("2024-01-02", "2024-03-28", frame=walk(index), size=BarSize.HOUR, stamp=Stamp.BAR_START))
    assert found.findings == ()
    assert pd.Timestamp(int(found.close_ns[-1]), tz="UTC") == pd.Timestamp("2024-11-29 18:00", tz="UTC")


def test_missing_minutes_are_a_gap() -> None:
    series = minutes(Stamp.BAR_START)
    holed = msgspec.structs.replace(series, frame=series.frame.drop(series.frame.index[50:60]))
    (finding,) = check(holed).findings
    assert (finding.fault, finding.rows, finding.is_refused) == (Fault.GAP, 10, True)


@given(st.sets(st.integers(1, 58), max_size=20))
def test_gap_counts_exactly_the_sessions_left_out(missing: set[int]) -> None:
    series = daily("2024-01-02", "2024-03-28")
    frame = series.frame.drop(series.frame.index[sorted(missing)])
    found = check(msgspec.structs.replace(series, frame=frame))
    assert sum(f.rows for f in found.findings if f.fault is Fault.GAP) == len(missing)


def test_accept_takes_only_kinds_that_are_refused() -> None:
    assert parse_accept(["gap"]) == {Fault.GAP}
    with pytest.raises(CatalogError, match=r"must be one of changed, duplicate, gap.*was 'gaps'"):
        parse_accept(["gaps"])
    assert Fault.ZERO_VOLUME not in REFUSED
