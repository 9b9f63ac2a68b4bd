"""Circuit breakers in whole runs over bars that make the strategies lose: what trips, what it stops, what it leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalog.reader import open_catalog
from catalog.sources.series import BarSize
from nautilus_qs.config import RunConfig
from tests.replay import Replay, breaches, closes_of
from tests.runs import STRATEGIES, around_the_clock, daily, dates, run_config, tables_of, write_catalog

CASH = 100_000.0
QUIET, DIP = 26, -0.012

type Tables = dict[str, pd.DataFrame]


def losing(rounds: list[float], seed: int, *, quiet: int = QUIET, after: int = 40) -> pd.DataFrame:
    """Return bars that lure a strategy in again and again: a quiet spell, a dip to buy, a day, and a gap down.

    Each round's number is the gap, as a share of the price; 0 leaves the round without one. A quiet spell ends it all.
    """
    rng = np.random.default_rng(seed)
    close = 100.0
    opens: list[float] = []
    closes: list[float] = []

    def add(to: float, gap: float = 0.0) -> None:
        nonlocal close
        # No open is exactly the close before it: such a source would be taken to have no opens of its own.
        opens.append(close * (1.0 + gap) * (1.0 + rng.choice([-1e-4, 1e-4])))
        closes.append(to)
        close = to

    def rest(days: int) -> None:
        level = close
        for day in range(days):
            add(level * (1.0 + 0.002 * (-1) ** day + rng.normal(0.0, 0.0003)))

    for gap in rounds:
        rest(quiet)
        add(close * (1.0 + DIP))
        add(close * 1.0005)
        add(close * (1.0 + gap) * 0.9995, gap)
    rest(after)
    return barred(opens, closes)


def barred(opens: list[float], closes: list[float]) -> pd.DataFrame:
    """Return bars from their opens and closes."""
    frame = pd.DataFrame({"open": opens, "close": closes})
    low = frame.min(axis=1) * 0.999
    return frame.assign(high=frame.max(axis=1) * 1.001, low=low).round(4).assign(volume=1e8)


def config_of(catalog: Path, symbols: list[str], *, params: dict[str, Any] | None = None, **changes: Any) -> RunConfig:
    """Return a run in which each fund has a strategy of its own, and the strategies share the whole account."""
    rule = {"rsi_threshold": 50.0, **(params or {})}
    names = [name_of(iid) for iid in symbols]
    path = STRATEGIES["bollinger_bounce"]
    settings: dict[str, Any] = {
        "strategies": [
            {"name": name, "path": path, "instruments": [iid], "params": rule}
            for name, iid in zip(names, symbols, strict=True)
        ],
        "allocation": {"default": dict.fromkeys(names, 1.0 / len(names)), "stop_multiple": {}},
        "risk": {"max_correlation": 1.0},
        "breakers": {"restart_after": None},
        "execution": {"half_spread_bps": {"index": 0.0, "stock": 0.0, "crypto": 0.0}, "impact_bps": 0.0},
    }
    return run_config(catalog, symbols, **{**settings, **changes})


def name_of(instrument_id: str) -> str:
    """Return the name of the strategy that trades an instrument."""
    return f"bounce_{instrument_id.partition('.')[0].lower().replace('-', '_')}"


def ran(tmp_path: Path, frames: dict[str, pd.DataFrame], **changes: Any) -> tuple[RunConfig, Tables]:
    """Run daily bars of funds, hold the run against a second book, and return what it recorded."""
    catalog = write_catalog(tmp_path / "catalog", [daily(iid, frame) for iid, frame in frames.items()])
    config = config_of(catalog, list(frames), **changes)
    tables, _ = tables_of(config, tmp_path / "run")
    assert breaches(config, open_catalog(catalog), tables) == []
    return config, tables


def told(tables: Tables) -> list[tuple[str, str]]:
    """Return what the breakers did, in order."""
    return list(tables["breakers"][["breaker", "event"]].itertuples(index=False, name=None))


def after(table: pd.DataFrame, ts: int, stamp: str = "ts_event") -> pd.DataFrame:
    """Return the rows later than a moment."""
    return table[table[stamp] > ts]


def test_daily_loss_halts_and_lets_only_what_reduces_pass(tmp_path: Path) -> None:
    falling = losing([0.0], 3)
    # The third fund goes on, and falls through its stop without a gap the day after the loss.
    prices, day = ["open", "high", "low", "close"], QUIET + 3
    falling.loc[day:, prices] *= 0.97
    falling.loc[day, "open"] = falling.loc[day - 1, "close"] * 0.9999
    falling.loc[day, "high"] = falling.loc[day, "open"]
    frames = {"F0.SIM": losing([-0.17], 0), "F1.SIM": losing([0.0], 1), "F2.SIM": falling.round(4)}
    _, tables = ran(tmp_path, frames)

    assert told(tables) == [("daily_loss", "trip")]
    trip = tables["breakers"].iloc[0]
    marks = tables["equity"].set_index("ts")["equity"]
    before = marks[marks.index < trip["ts"]].iloc[-1]
    assert trip["equity"] == pytest.approx(marks[trip["ts"]])
    assert trip["reference"] == pytest.approx(before)
    assert marks[trip["ts"]] <= 0.95 * before
    assert tables["equity"].set_index("ts").loc[trip["ts"] :, "mode_in_force"].eq("halted").all()

    orders, decisions = tables["orders"], tables["decisions"]
    assert set(after(orders, trip["ts"])["leg"]) <= {"S", "T", "X"}
    refused = decisions[(decisions["ts_batch"] >= trip["ts"]) & (decisions["action"] == "enter")]
    assert len(refused) > 0
    assert set(refused["failed_check"]) == {"mode"}
    # What was held kept its stops, and left by its rule or by its stop while everything was halted.
    trades = tables["trades"].set_index("instrument_id")
    assert trades["exit_reason"].to_dict() == {"F0.SIM": "stop", "F1.SIM": "middle_band", "F2.SIM": "stop"}
    assert (trades.loc[["F1.SIM", "F2.SIM"], "exit_ts"] > trip["ts"]).all()
    assert trip["heat_open"] == pytest.approx(
        sum((t.entry_px - stop_of(tables, t.decision_id)) * t.quantity for t in trades.iloc[1:].itertuples())
        / trip["equity"],
        rel=1e-6,
    )


def stop_of(tables: Tables, decision_id: str) -> float:
    """Return the first stop of a trade."""
    return float(tables["protections"].query("decision_id == @decision_id")["stop_px"].iloc[0])


@pytest.mark.parametrize("sessions", [5, 20])
def test_halt_restarts_after_so_many_sessions(tmp_path: Path, sessions: int) -> None:
    frames = {f"F{i}.SIM": losing([-0.06, 0.0, 0.0], i) for i in range(2)}
    _, tables = ran(tmp_path, frames, breakers={"restart_after": sessions})
    assert told(tables)[:2] == [("daily_loss", "trip"), ("daily_loss", "restart")]
    trip, restart = tables["breakers"].iloc[0], tables["breakers"].iloc[1]
    days = tables["equity"]["ts"].to_numpy()
    assert ((days > trip["ts"]) & (days <= restart["ts"])).sum() == sessions
    entries = tables["orders"].query("leg == 'E' and event == 'submitted'")["ts_event"]
    assert not entries.between(trip["ts"] + 1, restart["ts"] - 1).any()
    assert (entries > restart["ts"]).any()


def test_halt_without_restart_lasts(tmp_path: Path) -> None:
    frames = {f"F{i}.SIM": losing([-0.06, 0.0, 0.0], i) for i in range(2)}
    _, tables = ran(tmp_path, frames)
    assert told(tables) == [("daily_loss", "trip")]
    assert set(after(tables["orders"], tables["breakers"]["ts"].iloc[0])["leg"]) <= {"S", "T", "X"}


def test_drawdown_halves_sizes_and_then_halts(tmp_path: Path) -> None:
    frames = {f"F{i}.SIM": losing([-0.045] * 6, i) for i in range(2)}
    _, tables = ran(tmp_path, frames)
    assert told(tables) == [("drawdown_reduce", "trip"), ("drawdown_halt", "trip")]
    reduce, halt = (row for _, row in tables["breakers"].iterrows())
    equity = tables["equity"].set_index("ts")["equity"]
    peak = equity.cummax()
    for trip, share in ((reduce, 0.90), (halt, 0.85)):
        assert trip["reference"] == pytest.approx(peak[trip["ts"]])
        assert equity[trip["ts"]] <= share * peak[trip["ts"]]
        assert (equity.loc[: trip["ts"] - 1] > share * peak.loc[: trip["ts"] - 1]).all()

    entries = tables["decisions"].query("action == 'enter'")
    reduced = entries[entries["ts_batch"].between(reduce["ts"], halt["ts"] - 1) & (entries["verdict"] == "granted")]
    assert len(reduced) >= 3
    assert set(entries[entries["ts_batch"] < reduce["ts"]]["multiplier_drawdown"]) == {1.0}
    assert set(reduced["multiplier_drawdown"]) == {0.5}
    at_risk = (reduced["reference_px"] - reduced["stop_px"]) * reduced["quantity_granted"] / reduced["equity"]
    np.testing.assert_allclose(at_risk, 0.005, rtol=1e-4)
    halted = entries[entries["ts_batch"] >= halt["ts"]]
    assert len(halted) > 0
    assert set(halted["failed_check"]) == {"mode"}


def test_reduced_size_ends_when_the_drawdown_has_halved(tmp_path: Path) -> None:
    limits = {"restart_after": None, "drawdown_reduce": 0.05, "drawdown_clear": 0.03}
    rising = losing([-0.07, 0.10, 0.10, 0.0, 0.0], 5)
    _, tables = ran(
        tmp_path,
        {"F0.SIM": rising},
        params={"target_atr": None},
        breakers={**limits, "daily_loss": 0.5},
        risk={"max_instrument": 1.0},
    )
    assert told(tables) == [("drawdown_reduce", "trip"), ("drawdown_reduce", "clear")]
    trip, clear = (row for _, row in tables["breakers"].iterrows())
    equity = tables["equity"].set_index("ts")["equity"]
    peak = equity.cummax()
    assert equity[clear["ts"]] > 0.97 * peak[clear["ts"]]
    between = equity.loc[trip["ts"] : clear["ts"] - 1]
    assert (between <= 0.97 * peak[between.index]).all()
    entries = tables["decisions"].query("action == 'enter'")
    assert set(entries[entries["ts_batch"] >= clear["ts"]]["multiplier_drawdown"]) == {1.0}


@pytest.mark.parametrize("seed", range(4))
def test_crash_costs_at_most_the_limit_and_the_heat_and_the_gaps(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rounds = [rng.uniform(-0.12, -0.02, 5) for _ in range(4)]
    frames = {f"F{i}.SIM": losing(list(gaps), 10 * seed + i) for i, gaps in enumerate(rounds)}
    config, tables = ran(tmp_path, frames, breakers={"restart_after": None, "daily_loss": 0.5})
    assert ("drawdown_halt", "trip") in told(tables)
    trip = tables["breakers"].query("breaker == 'drawdown_halt'").iloc[0]
    equity = tables["equity"].set_index("ts")["equity"]
    peak = equity.loc[: trip["ts"]].max()
    last = int(equity.loc[: trip["ts"] - 1].index[-1])
    assert tables["equity"].set_index("ts").loc[: trip["ts"], "gross_exposure"].max() > 0.95

    replay = Replay(tables, closes_of(open_catalog(config.catalog), config), cash=CASH)
    for _ in replay.moments(last + 1):
        pass
    book = replay.now(last)
    heat = book.heat() * book.equity / peak
    bound = 0.15 + heat + gap_losses(tables, last) / peak
    worst = 1.0 - equity.min() / peak
    assert worst <= bound
    # The bound is no empty promise: the crash went well beyond the limit alone.
    assert worst > 0.15


def gap_losses(tables: Tables, since: int) -> float:
    """Return what stops lost beyond their price, and entries paid above their reference, after a moment."""
    fills, lost = after(tables["fills"], since), 0.0
    reference = tables["decisions"].set_index("decision_id")["reference_px"]
    for fill in fills.itertuples():
        if fill.leg == "S":
            resting = tables["protections"].query("decision_id == @fill.decision_id and ts < @fill.ts_event")
            lost += max(0.0, resting["stop_px"].iloc[-1] - fill.price) * fill.quantity
        elif fill.leg == "E":
            lost += max(0.0, fill.price - reference[fill.decision_id]) * fill.quantity
    return lost


def test_entry_under_way_is_cancelled_when_a_breaker_trips(tmp_path: Path) -> None:
    # A fund signals on a Friday; on Saturday a coin that is held falls by a tenth within an hour.
    quiet = next(n for n, date in enumerate(dates(60)) if n >= QUIET and date.day_name() == "Friday")
    friday = dates(60)[quiet]
    fund = daily("FUND.SIM", losing([0.0], 1, quiet=quiet))
    hours = losing([-0.10], 2, quiet=80, after=200)
    start = friday + pd.Timedelta(days=1, hours=6) - pd.Timedelta(hours=80)
    coin = around_the_clock("COIN-USD.SIM", hours, BarSize.HOUR, first=str(start))
    catalog = write_catalog(tmp_path / "catalog", [fund, coin])
    config = config_of(
        catalog,
        ["FUND.SIM", "COIN-USD.SIM"],
        data=[{"instruments": ["FUND.SIM"]}, {"instruments": ["COIN-USD.SIM"], "bar": "1-HOUR-LAST"}],
        allocation={"default": {"bounce_fund": 0.1, "bounce_coin_usd": 0.9}, "stop_multiple": {}},
        risk={"max_correlation": 1.0, "max_sector": 1.0, "max_instrument": 1.0},
    )
    tables, _ = tables_of(config, tmp_path / "run")
    assert told(tables)[0] == ("daily_loss", "trip")
    trip = tables["breakers"]["ts"].iloc[0]
    assert pd.Timestamp(trip, unit="ns").day_name() == "Saturday"
    orders = tables["orders"].query("instrument_id == 'FUND.SIM'").sort_values("ts_event", kind="stable")
    entry = orders[orders["leg"] == "E"]
    assert entry["event"].tolist() == ["submitted", "pendingcancel", "canceled"]
    assert entry["ts_event"].iloc[0] < trip <= entry["ts_event"].iloc[2] < trip + 10**9
    # Its stop and target go with it, and nothing of the fund was ever filled.
    assert orders[orders["leg"] != "E"].groupby("leg")["event"].last().to_dict() == {"S": "canceled", "T": "canceled"}
    assert tables["fills"].query("instrument_id == 'FUND.SIM'").empty
