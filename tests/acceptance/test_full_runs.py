"""The whole system on real data: every limit held against a second book, digests, figures, memory."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalog.reader import open_catalog
from nautilus_qs.config import RunConfig, span_ns, to_values
from nautilus_qs.desk.digest import decision_digest, fill_digest
from tests.acceptance.conftest import FUNDS, STOCKS
from tests.commands import REPOSITORY, last_object, nqs
from tests.replay import breaches
from tests.runs import STRATEGIES, run_config, run_values, tables_of, write_config

ALPACA = {"name": "ALPACA", "account": "margin", "balances": ["100000 USD"], "fees": "alpaca"}
COINBASE = {"name": "COINBASE", "account": "cash", "balances": ["100000 USD"], "fees": "coinbase"}
REGIME = {"reference": "SPY.ALPACA", "vix": "VIX", "breadth": "BREADTH"}
BITCOIN = {"instruments": ["BTC-USD.COINBASE"], "bar": "1-HOUR-LAST"}
FOUR = ("SPY", "QQQ", "AAPL", "MSFT")
TWENTY = (*STOCKS, *FUNDS)
MB = 2**20

type Tables = dict[str, pd.DataFrame]


def settings(case: str) -> dict[str, Any]:
    """Return what a named run changes in the usual configuration."""
    shares = {"venues": [ALPACA], "regime": REGIME, "warmup_days": 400}
    match case:
        case "four":
            return {**shares, "data": [{"instruments": ids(FOUR)}], "timerange": "20150101-20241231"}
        case "twenty":
            return {**shares, "data": [{"instruments": ids(TWENTY)}], "timerange": "20180101-20221231"}
        case "two venues":
            data = [{"instruments": ids(("SPY", "AAPL"))}, BITCOIN]
            return {**shares, "venues": [ALPACA, COINBASE], "data": data, "timerange": "20180101-20181231"}
        case "coin in cash" | "coin on margin":
            venue = COINBASE if case == "coin in cash" else {**COINBASE, "account": "margin"}
            return {"venues": [venue], "data": [BITCOIN], "timerange": "20180101-20181231", "warmup_days": 30}
    raise ValueError(case)


def ids(symbols: tuple[str, ...]) -> list[str]:
    return [f"{symbol}.ALPACA" for symbol in symbols]


@pytest.fixture(scope="module")
def ran(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what makes a named run, once each: its configuration and its tables."""

    @cache
    def run(case: str) -> tuple[RunConfig, Tables]:
        config = run_config(market, [], **settings(case))
        return config, tables_of(config, tmp_path_factory.mktemp("run") / "a")[0]

    return run


def cases(*names: str) -> Any:
    """Parametrize over named runs; the tests of one share it, in one worker."""
    return pytest.mark.parametrize("case", [pytest.param(n, marks=pytest.mark.xdist_group(f"run-{n}")) for n in names])


def digests(tables: Tables) -> tuple[str, str]:
    rows = [list(tables[name].itertuples(index=False)) for name in ("decisions", "fills")]
    return decision_digest(rows[0]), fill_digest(rows[1])


@cases("four", "twenty", "two venues", "coin in cash", "coin on margin")
def test_limits_in_a_full_run_are_never_exceeded_and_no_position_lacks_a_stop(
    ran: Any, market: Path, case: str
) -> None:
    config, tables = ran(case)
    assert breaches(config, open_catalog(market), tables) == []
    granted = tables["decisions"].query("verdict == 'granted' and action == 'enter'")
    assert len(granted) > 80
    assert granted["quantity_granted"].gt(0).all()
    equity = tables["equity"]
    assert equity["heat"].max() <= config.risk.max_heat
    # What was bought within its strategy's share of equity may grow, and a regime may shift shares between strategies.
    assert 0.1 < equity["gross_exposure"].max() <= 1.05


@cases("four", "twenty", "two venues", "coin in cash")
def test_strategies_in_a_full_run_all_trade(ran: Any, case: str) -> None:
    config, tables = ran(case)
    counts = tables["trades"].groupby("strategy", observed=True).size()
    assert set(counts.index) == set(STRATEGIES)
    assert counts.min() >= 10
    traded = {iid.rpartition(".")[2] for iid in tables["trades"]["instrument_id"]}
    assert traded == {venue.name for venue in config.venues}


@cases("four")
def test_full_run_again_has_the_same_digests(ran: Any, tmp_path: Path, case: str) -> None:
    config, tables = ran(case)
    again, _ = tables_of(config, tmp_path / "b")
    assert digests(again) == digests(tables)


@cases("four")
def test_full_run_records_every_bar_and_every_session(ran: Any, market: Path, case: str) -> None:
    config, tables = ran(case)
    sessions = open_catalog(market).bars_frame("SPY.ALPACA", "1-DAY-LAST", *span_ns(config.timerange))
    assert len(sessions) == 2516
    assert len(tables["regimes"]) == len(tables["equity"]) == len(sessions)
    assert len(tables["signals"]) == len(sessions) * len(FOUR) * len(STRATEGIES)


@cases("coin in cash", "two venues")
def test_cash_account_never_borrows(ran: Any, case: str) -> None:
    _, tables = ran(case)
    fills = tables["fills"].query("account_id == 'COINBASE-001'")
    assert set(fills["currency"]) == {"USD"}
    sign = np.where(fills["side"] == "buy", -1.0, 1.0)
    cash = 100_000.0 + (sign * fills["quantity"] * fills["price"] - fills["commission"]).cumsum()
    coins = -(sign * fills["quantity"]).cumsum()
    assert cash.min() > 0.0
    assert coins.min() > -1e-9
    assert tables["equity"]["cash"].min() > 0.0


def test_regime_command_on_spy_tells_crashes_and_changes_about_ten_times_a_year(market: Path, tmp_path: Path) -> None:
    values = run_values(market, ["SPY.ALPACA"], venues=[ALPACA], regime=REGIME, timerange="20050101-20241231")
    config = write_config(tmp_path / "config.yaml", values)
    answer = nqs("regime", config, "--days", "--json")
    assert answer.code == 0, answer.err
    days = pd.DataFrame(answer.json["days"])
    days.index = pd.DatetimeIndex(pd.to_datetime(days["ts"], utc=True))
    shares = {
        "2008-10 to 2008-12": (days.loc["2008-10":"2008-12", "regime"] == "crisis").mean(),
        "2020-03": (days.loc["2020-03", "regime"] == "crisis").mean(),
    }
    assert all(share > 0.5 for share in shares.values()), shares
    assert (days.loc["2022", "regime"] == "bull_trending").mean() < 0.40
    changes = int((days["regime"] != days["regime"].shift()).sum()) - 1
    assert 5.0 <= changes / (len(days) / 252) <= 15.0
    assert answer.json["summary"]["changes_per_year"] == pytest.approx(changes / (len(days) / 252), rel=0.05)


MEASURE = """
import json, resource, sys
from pathlib import Path
import nautilus_qs.nodes.backtest, nautilus_qs.research.report, nautilus_trader.backtest.node
from tests.commands import nqs
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answer = nqs("backtest", sys.argv[1], "--json")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"code": answer.code, "err": answer.err, "out": answer.out, "kb": peak - before}))
"""


@pytest.mark.slow
def test_whole_market_in_one_run_keeps_limits_and_memory(
    whole_market: Path, tmp_path: Path, record_property: Any
) -> None:
    catalog = open_catalog(whole_market)
    span = (pd.Timestamp("2016-03-14").value, pd.Timestamp("2024-12-31 23:59:59").value)
    symbols = [iid for iid in catalog.instrument_ids if catalog.intervals(iid)["1-DAY-LAST"][0] <= span[1]]
    changes = {"venues": [ALPACA], "regime": REGIME, "warmup_days": 400, "timerange": "20160314-20241231"}
    config = run_config(whole_market, symbols, **changes)
    path = write_config(tmp_path / "config.yaml", to_values(config))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    measured = last_object(done.stdout)
    assert measured["code"] == 0, measured["err"]
    result = last_object(measured["out"])
    peak_mb = measured["kb"] * 1024 / MB
    record_property("peak_mb_above_import", peak_mb)
    print(f"{len(symbols)} symbols: {result['counts']} in {result['elapsed_s']} s, peak {peak_mb:.0f} MB above import")
    assert len(symbols) == 191
    assert all(row["trades"] > 100 for row in result["per_strategy"].values())
    assert peak_mb <= 900.0
    run = Path(config.runs) / result["run_id"]
    tables = {name: pd.read_parquet(run / f"{name}.parquet") for name in ("decisions", "orders", "fills", "regimes")}
    assert breaches(config, catalog, {**tables, "carry": pd.read_parquet(run / "carry.parquet")}) == []
