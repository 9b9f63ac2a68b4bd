"""The report's parts: figures Plotly accepts, series, sentences, tables, and pages of damaged runs."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from nautilus_qs.errors import NotFoundError, StorageError
from nautilus_qs.research.report import headline, refusals, render, tables, trading
from nautilus_qs.research.report.charts import equity_figure, exposure_figure, strategies_figure
from nautilus_qs.research.report.definitions import DEFINITIONS, check_title
from nautilus_qs.research.report.palette import DARK, LIGHT, resolve
from nautilus_qs.research.report.series import (
    benchmark_levels,
    charted_instruments,
    daily_account,
    regime_spans,
    strategy_curves,
)
from nautilus_qs.research.report.verdict import cautions, paragraph
from nautilus_qs.storage.runs import Run, open_run
from tests.unit.research.synthetic_run import write_run

DAY = 86_400 * 10**9


def payload_of(page: str) -> dict[str, Any]:
    packed = re.search(r'id="report-data">([^<]*)<', page)
    assert packed is not None
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return found


def figures_of(run: Run) -> dict[str, Any]:
    daily, trades = daily_account(run), trading.trade_dicts(run)
    return {
        "equity": equity_figure(daily, regime_spans(run), "SPY and QQQ"),
        "exposure": exposure_figure(daily),
        "strategies": strategies_figure(strategy_curves(run)),
        **trading.ending_figures(trades),
        **trading.trade_charts(run, trades),
    }


# -- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_figure_is_valid_plotly_in_both_themes(run: Run, palette: dict[str, str]) -> None:
    figures = figures_of(run)
    assert set(figures) >= {"equity", "exposure", "strategies", "r_multiples", "excursions", "SPY.ALPACA"}
    for figure in figures.values():
        go.Figure(resolve(figure, palette))  # raises on an unknown attribute or a colour that is none


def test_palettes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)


def test_trade_figure_shows_every_entry_exit_and_stop(run: Run) -> None:
    trades = trading.trade_dicts(run)
    own = [t for t in trades if t["instrument_id"] == "SPY.ALPACA"]
    traces = {t["name"]: t for t in trading.trade_charts(run, trades)["SPY.ALPACA"]["data"]}
    assert len(traces["Exit"]["x"]) == len(own)
    entries = [x for name in ("Entry long", "Entry short") for x in traces.get(name, {"x": []})["x"]]
    assert sorted(entries) == sorted(t["entry_day"] for t in own)
    assert traces["Stop"]["x"].count(None) == len(own)


def test_trade_charts_are_of_the_most_traded_only(tmp_path: Path) -> None:
    names = ("SPY.ALPACA", *(f"S{k:02d}.ALPACA" for k in range(19)))
    run = open_run(write_run(tmp_path, days=300, instruments=names))
    charted = charted_instruments(run)
    counts = run.frame("trades")["instrument_id"].value_counts()
    assert len(charted) == 12
    assert min(counts[iid] for iid in charted) >= max(counts[iid] for iid in counts.index if iid not in charted)
    assert "Charts of the 12 most traded of" in render(run.path).read_text(encoding="utf-8")


# -- series -----------------------------------------------------------------------------------------------------------


def test_daily_account_has_one_mark_a_day_of_an_intraday_run(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    ts = pd.date_range("2020-01-06 15:00", periods=48, freq="h").as_unit("ns").asi8
    columns = {"gross_exposure": 0.0, "net_exposure": 0.0, "heat": 0.0, "positions": 0, "mode_in_force": "normal"}
    pd.DataFrame({"ts": ts, "equity": np.arange(100.0, 148.0), **columns}).to_parquet(tmp_path / "equity.parquet")
    daily = daily_account(open_run(tmp_path))
    assert daily.days == ["2020-01-06", "2020-01-06", "2020-01-07", "2020-01-08"]
    assert daily.equity == [100.0, 114.0, 138.0, 147.0]  # midnight in New York is 5:00 UTC and ends the day


def test_benchmark_is_equal_weight_and_late_instruments_are_cash(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"benchmark": ["A.X", "B.X"]}')
    rows = [(1, "A.X", 10.0), (2, "A.X", 11.0), (3, "A.X", 12.0), (2, "B.X", 50.0), (3, "B.X", 25.0), (3, "C.X", 9.0)]
    frame = pd.DataFrame(rows, columns=["ts", "instrument_id", "close"])
    frame["ts"] = frame["ts"] * DAY - 3600 * 10**9 * 2
    frame.to_parquet(tmp_path / "prices.parquet")
    levels = benchmark_levels(open_run(tmp_path), ["1970-01-01", "1970-01-02", "1970-01-03"])
    assert levels.tolist() == pytest.approx([1.0, (1.1 + 1.0) / 2, (1.2 + 0.5) / 2])


def test_benchmark_starts_with_the_account_not_with_the_prices(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"benchmark": ["A.X"]}')
    ts = [n * DAY - 3600 * 10**9 * 2 for n in (1, 2, 3)]
    pd.DataFrame({"ts": ts, "instrument_id": "A.X", "close": [5.0, 10.0, 11.0]}).to_parquet(tmp_path / "prices.parquet")
    assert benchmark_levels(open_run(tmp_path), ["1970-01-02", "1970-01-03"]).tolist() == pytest.approx([1.0, 1.1])


def test_regime_spans_cover_every_day_once(run: Run) -> None:
    spans = regime_spans(run)
    assert sum(span.days for span in spans) == len(run.frame("regimes"))
    assert all(one.last == two.first and one.regime != two.regime for one, two in pairwise(spans))


def test_strategy_curves_end_at_the_profit_of_their_trades(run: Run) -> None:
    trades = run.frame("trades")
    for curve in strategy_curves(run):
        total = trades.loc[trades["strategy"] == curve.strategy, "pnl"].sum()
        assert curve.pnl[0] == 0.0
        assert curve.pnl[-1] == pytest.approx(total, abs=0.01)
        assert curve.days == sorted(curve.days)


def test_halted_days_are_shaded(run: Run) -> None:
    days = pd.bdate_range("2014-01-02", periods=1000).strftime("%Y-%m-%d")
    assert daily_account(run).halted == [(days[700], days[720])]


# -- sentences --------------------------------------------------------------------------------------------------------


def made_run(tmp_path: Path, **metrics: Any) -> Run:
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    return open_run(tmp_path)


def summary(low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    base = {"start_equity": 100.0, "end_equity": 110.0, "total_return": 0.1, "level": 0.95, "trades": {"count": 50}}
    return {**base, "sharpe": {"value": 0.5, "low": low, "high": high, "n": 250}, **more}


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (-0.2, 1.1, "The 95 % interval of the Sharpe ratio, −0.20 to 1.10, contains zero"),
        (0.2, 1.1, "lies above zero"),
        (-2.0, -0.1, "lies below zero"),
        (None, None, "too few days stand behind it"),
    ],
)
def test_verdict_says_what_the_interval_says(tmp_path: Path, low: Any, high: Any, sentence: str) -> None:
    assert sentence in paragraph(made_run(tmp_path, metrics=summary(low, high)))


def test_verdict_never_praises_an_interval_that_holds_zero(tmp_path: Path) -> None:
    text = paragraph(made_run(tmp_path, metrics=summary(0.0, 2.0)))
    assert "cannot be told from luck" in text
    assert "above zero" not in text


@pytest.mark.parametrize(
    ("own", "held", "phrase"),
    [
        ((0.1, 0.05), (0.3, 0.2), "the run made less, but with a shallower worst drawdown"),
        ((0.4, 0.05), (0.3, 0.2), "the run made more, and with a shallower worst drawdown"),
        ((0.4, 0.25), (0.3, 0.2), "the run made more, but with a deeper worst drawdown"),
        ((0.1, 0.25), (0.3, 0.2), "the run made less, and with a deeper worst drawdown"),
    ],
)
def test_verdict_weighs_return_and_drawdown_against_the_benchmark(
    tmp_path: Path, own: tuple[float, float], held: tuple[float, float], phrase: str
) -> None:
    beside = {"total_return": held[0], "max_drawdown": {"depth": held[1]}}
    values = summary(-1, 1, total_return=own[0], max_drawdown={"depth": own[1]}, benchmark=beside)
    assert phrase in paragraph(made_run(tmp_path, metrics=values, benchmark=["SPY.X"]))


def test_verdict_counts_the_trials(tmp_path: Path) -> None:
    values = summary(0.2, 1.0, trials=40, deflated_sharpe=0.31)
    assert "best of 40 trials" in paragraph(made_run(tmp_path, metrics=values))
    assert "31 %" in paragraph(made_run(tmp_path, metrics=values))


def test_verdict_of_an_empty_run_is_a_sentence(tmp_path: Path) -> None:
    assert paragraph(made_run(tmp_path)).startswith("The account was marked too rarely")


def test_cautions_are_said_once(tmp_path: Path) -> None:
    data = [{"instrument_id": "A.X", "warnings": ["stale opens", "A.X: gaps"]}]
    assert cautions(made_run(tmp_path, warnings=["A.X: gaps"], data=data)) == ["A.X: gaps", "A.X: stale opens"]


def test_caution_that_instruments_share_is_said_once_for_all_of_them(tmp_path: Path) -> None:
    data = [{"instrument_id": iid, "warnings": ["survivorship"]} for iid in ("A.X", "B.X")]
    shared = made_run(tmp_path, warnings=["A.X, B.X: survivorship"], data=data)
    assert cautions(shared) == ["A.X, B.X: survivorship"]


def test_cautions_count_trips_of_breakers(run: Run) -> None:
    assert any("tripped 1 time" in text for text in cautions(run))


def test_tile_is_coloured_only_when_its_interval_leaves_out_no_effect(tmp_path: Path) -> None:
    sure = headline.tiles(made_run(tmp_path, metrics=summary(0.2, 1.1)))
    doubtful = headline.tiles(made_run(tmp_path, metrics=summary(-0.2, 1.1)))
    assert '<p class="value gain">0.50</p>' in sure
    assert '<p class="value ">0.50</p>' in doubtful


def test_every_check_of_the_desk_has_words_or_falls_back(run: Run) -> None:
    page = refusals.refusals(run)
    assert "Too many open positions of the strategy" in page
    assert check_title("some_new_limit") == "Some new limit"


# -- tables -----------------------------------------------------------------------------------------------------------


def test_refusals_add_up_to_the_decisions(run: Run) -> None:
    asked = refusals.entries(run)
    denied = asked[asked["verdict"] != "granted"]
    page = refusals.refusals(run)
    for check, group in denied.groupby("failed_check"):
        notional = (group["quantity_asked"] * group["reference_px"]).sum()
        assert re.search(rf'{check}</td><td class="num" data-sort="{len(group)}">', page)
        assert f"{notional:,.0f}" in page


def test_refusals_say_so_when_all_was_granted(own_dir: Path) -> None:
    frame = pd.read_parquet(own_dir / "decisions.parquet")
    frame = frame[frame["verdict"] == "granted"].assign(quantity_granted=frame["quantity_asked"])
    frame.to_parquet(own_dir / "decisions.parquet")
    assert "were granted in full" in refusals.refusals(open_run(own_dir))


def test_unfilled_entries_are_told_with_their_reason(own_dir: Path) -> None:
    frame = pd.read_parquet(own_dir / "orders.parquet")
    one = frame[(frame["leg"] == "E") & (frame["event"] == "filled")].head(1)
    lost = one.assign(client_order_id="other-E", event="rejected", reason="open beyond stop")
    pd.concat([frame, lost, one.assign(event="canceled")]).to_parquet(own_dir / "orders.parquet")
    page = refusals.unfilled(open_run(own_dir))
    assert "open beyond stop" in page
    assert "Canceled" not in page  # the rest of an order that did fill


def test_costs_add_up(run: Run) -> None:
    trades = run.frame("trades")
    net = trades["pnl"].sum()
    gross = net + trades["commission"].sum() + 812.4
    page = tables.costs(run)
    assert f"{gross:+,.2f}".replace("-", "−") in page
    assert f"{net:+,.2f}".replace("-", "−") in page


def test_costs_of_a_losing_run_show_no_share(own_dir: Path) -> None:
    frame = pd.read_parquet(own_dir / "trades.parquet")
    frame.assign(pnl=-10_000.0).to_parquet(own_dir / "trades.parquet")
    row = next(r for r in tables.costs(open_run(own_dir)).split("<tr>") if "Commission</td>" in r)
    assert re.findall(r"<td class=\"num[^>]*>([^<]*)", row)[1] == "–"


def test_monthly_table_shows_every_month_with_its_sign(run: Run) -> None:
    page = tables.monthly(run)
    years = run.metrics["metrics"]["monthly"]
    assert page.count("<tr>") == len(years) + 1
    lost = min(value for row in years for value in row["months"] if value is not None)
    assert f"−{abs(lost) * 100:.1f}" in page


def test_every_statistic_of_a_summary_has_a_definition(run: Run) -> None:
    shown = {key for key, _ in tables._leaves(run.metrics["metrics"])}
    assert shown - set(DEFINITIONS) == set()


# -- pages ------------------------------------------------------------------------------------------------------------


class Balanced(HTMLParser):
    """Fails on tags that do not close."""

    VOID = frozenset({"meta", "link", "input", "br", "path", "circle", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_page_is_balanced_html_of_moderate_size(own_dir: Path) -> None:
    path = render(own_dir)
    parser = Balanced()
    parser.feed(path.read_text(encoding="utf-8"))
    assert parser.open == []
    assert path.stat().st_size < 6_000_000


def test_page_reaches_for_nothing_outside(own_dir: Path) -> None:
    page = render(own_dir).read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!#|data:,)', page)
    assert "url(" not in page
    assert "@import" not in page


def test_page_is_the_same_twice(own_dir: Path) -> None:
    first = render(own_dir).read_bytes()
    assert render(own_dir).read_bytes() == first


@pytest.mark.parametrize(
    "table",
    [
        "orders",
        "fills",
        "trades",
        "equity",
        "decisions",
        "regimes",
        "protections",
        "breakers",
        "carry",
        "prices",
        "signals",
    ],
)
def test_page_of_a_run_lacking_a_table_is_whole(own_dir: Path, table: str) -> None:
    (own_dir / f"{table}.parquet").unlink()
    page = render(own_dir).read_text(encoding="utf-8")
    assert page.count("<section") == 9


def test_page_of_a_run_with_nothing_but_an_id_is_whole(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"run_id": "bare"}')
    page = render(tmp_path).read_text(encoding="utf-8")
    assert page.count("<section") == 9
    assert page.count('class="note"') >= 8


def test_page_of_a_run_without_trades_is_whole(own_dir: Path) -> None:
    for table in ("trades", "fills", "orders", "protections"):
        pd.read_parquet(own_dir / f"{table}.parquet").head(0).to_parquet(own_dir / f"{table}.parquet")
    page = render(own_dir).read_text(encoding="utf-8")
    assert "No trade was closed." in page
    assert payload_of(page)["list"]["rows"] == []


def test_page_escapes_whatever_a_run_says(own_dir: Path) -> None:
    bad = '"><script>alert(1)</script>'
    metrics = json.loads((own_dir / "metrics.json").read_text())
    metrics |= {"name": bad, "warnings": [bad], "execution": {bad: bad}, "code_version": bad}
    metrics["data"] = [{"instrument_id": bad, "source": bad, "warnings": [bad]}]
    metrics["per_strategy"][bad] = {"warnings": [bad]}
    (own_dir / "metrics.json").write_text(json.dumps(metrics))
    (own_dir / "config.yaml").write_text(f"name: '{bad}'\nseed: '{bad}'\n")
    for table, columns in {
        "trades": ["strategy", "instrument_id", "exit_reason", "entry_reason", "regime_at_entry"],
        "decisions": ["strategy", "failed_check", "regime"],
        "breakers": ["breaker", "event", "detail"],
        "carry": ["kind"],
    }.items():
        frame = pd.read_parquet(own_dir / f"{table}.parquet")
        for column in columns:
            frame[column] = bad
        frame.to_parquet(own_dir / f"{table}.parquet")
    page = render(own_dir).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("<script") == 3
    # Hover labels are read as HTML by Plotly: they are escaped in the data.
    assert "<script>alert" not in json.dumps(payload_of(page)["figures"]["excursions"])


def test_page_with_numbers_that_are_none_is_valid_json(own_dir: Path) -> None:
    frame = pd.read_parquet(own_dir / "trades.parquet")
    frame.loc[frame.index[:3], ["r_multiple", "mae"]] = float("nan")
    frame.to_parquet(own_dir / "trades.parquet")
    page = render(own_dir).read_text(encoding="utf-8")
    assert any(row[10] is None for row in payload_of(page)["list"]["rows"])


def test_render_of_no_run_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        render(tmp_path)


def test_render_that_cannot_write_keeps_the_old_page(own_dir: Path) -> None:
    (own_dir / "report.html").write_text("old")
    (own_dir / ".report.html.part").mkdir()
    (own_dir / ".report.html.part" / "x").touch()
    with pytest.raises(StorageError, match=r"report\.html must be writable"):
        render(own_dir)
    assert (own_dir / "report.html").read_text() == "old"


def test_render_with_a_corrupt_table_names_it(own_dir: Path) -> None:
    (own_dir / "trades.parquet").write_bytes(b"garbage")
    with pytest.raises(StorageError, match=r"trades\.parquet"):
        render(own_dir)
