"""Assembles the page: sections in the order in which they are read, figures and the trade list as data, one file."""

import base64
import gzip
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from nautilus_qs.errors import StorageError
from nautilus_qs.research.report import assumptions, headline, refusals, tables, trading
from nautilus_qs.research.report import markup as html
from nautilus_qs.research.report.charts import Figure, equity_figure, exposure_figure, strategies_figure
from nautilus_qs.research.report.palette import DARK, LIGHT, css_variables
from nautilus_qs.research.report.series import MAX_TRADE_CHARTS, daily_account, regime_spans, strategy_curves
from nautilus_qs.research.report.text import count, escape, listed
from nautilus_qs.storage.runs import Run, open_run

NAME = "report.html"


def render(run_dir: Path) -> Path:
    """Write ``report.html`` into a run's directory and return its path.

    One file that needs nothing else: no network, no other file. What the run does not have is an empty section with a
    sentence.

    Raises
    ------
    NotFoundError
        If the directory holds no finished run.
    StorageError
        If a table cannot be read or the page cannot be written; a page that was there before stays.
    """
    page = build(open_run(run_dir))
    path = run_dir / NAME
    part = run_dir / f".{NAME}.part"
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StorageError(f"{path} must be writable, found: {error}; free space and render it again") from error
    return path


def build(run: Run) -> str:
    """Return the whole page of a run as HTML."""
    trades = trading.trade_dicts(run)
    figures = _figures(run, trades)
    charts = trading.trade_charts(run, trades)
    body = "".join(part(run, figures, charts, trades) for part in SECTIONS)
    payload = {
        "figures": figures,
        "trades": charts,
        "list": trading.trade_list(trades),
        "palettes": {"light": LIGHT, "dark": DARK},
    }
    return Template(_asset("page.html")).substitute(
        title=escape(f"{headline.name_of(run)} · {run.run_id}"),
        style=_asset("page.css"),
        light=css_variables(LIGHT),
        dark=css_variables(DARK),
        body=body,
        # What is not finite becomes null.
        payload=_packed(msgspec.json.encode(payload)),
        plotly=_plotly(),
        script=_asset("page.js"),
    )


def _figures(run: Run, trades: list[dict[str, Any]]) -> dict[str, Figure]:
    daily = daily_account(run)
    figures = trading.ending_figures(trades)
    if daily.days:
        held = listed([str(iid).partition(".")[0] for iid in run.metrics.get("benchmark") or ()], 3)
        figures["equity"] = equity_figure(daily, regime_spans(run), held)
        figures["exposure"] = exposure_figure(daily)
    if trades:
        figures["strategies"] = strategies_figure(strategy_curves(run))
    return figures


Section = Callable[[Run, dict[str, Figure], dict[str, Figure], list[dict[str, Any]]], str]


def _top(run: Run, *_: Any) -> str:
    return headline.header(run) + headline.verdict(run) + headline.warnings(run) + headline.tiles(run)


def _equity(run: Run, figures: dict[str, Figure], *_: Any) -> str:
    if "equity" not in figures:
        return html.section("equity", "Equity", html.note("The account was never marked."))
    switch = '<div class="controls"><button type="button" data-scale aria-pressed="false">Log scale</button></div>'
    body = switch + _chart(figures, "equity", "Equity and drawdown over time, with the regime in force below")
    lead = "Marked to market at every close, against buying and holding from the same day; below, the regime in force."
    return html.section("equity", "Equity and drawdown", body, lead)


def _months(run: Run, *_: Any) -> str:
    return html.section(
        "months", "Month by month", tables.monthly(run), "Returns in percent; a year compounds its months."
    )


def _strategies(run: Run, figures: dict[str, Figure], *_: Any) -> str:
    curve = _chart(figures, "strategies", "Realised profit by strategy over time")
    lead = (
        "All share one account. The curves add up closed trades after commission, so an open position shows only once "
        "it is closed."
    )
    body = tables.per_strategy(run) + (curve or html.note("No trade was closed.")) + tables.strategy_warnings(run)
    return html.section("strategies", "Strategies", body, lead)


def _exposure(run: Run, figures: dict[str, Figure], *_: Any) -> str:
    body = _chart(figures, "exposure", "Exposure, heat and open positions over time")
    lead = "Heat is what would be lost if every stop were hit at its price. Shaded: the gate let nothing open."
    body = (body or html.note("The account was never marked.")) + "<h3>Circuit breakers</h3>" + tables.breakers(run)
    return html.section("exposure", "Exposure and heat", body, lead)


def _trades(run: Run, figures: dict[str, Figure], charts: dict[str, Figure], trades: list[dict[str, Any]]) -> str:
    if not trades:
        return html.section("trades", "Trades", html.note("No trade was closed."))
    endings = _chart(figures, "r_multiples", "How trades ended, in units of their initial risk")
    wander = _chart(figures, "excursions", "Worst and best unrealised return of each trade against its end")
    listing = (
        '<h3>Every trade</h3><div class="controls"><input type="search" data-filter placeholder="Filter the list" '
        'aria-label="Filter the list"><span class="pages" data-pages></span></div><div class="scroll" data-list></div>'
    )
    if len(trades) > trading.MAX_LISTED:
        listing += html.note(f"The list holds the last {trading.MAX_LISTED:,} of {len(trades):,} trades.")
    if len(trades) > trading.MAX_POINTS:
        wander += html.note(f"The last {trading.MAX_POINTS:,} of {len(trades):,} trades.")
    body = _trade_chart(charts, trades) + f'<div class="pair"><div>{endings}</div><div>{wander}</div></div>' + listing
    lead = "A click on a trade in the list shows it in the chart."
    return html.section("trades", "Trades", body, lead)


def _trade_chart(charts: dict[str, Figure], trades: list[dict[str, Any]]) -> str:
    if not charts:
        return html.note("The run kept no prices of the instruments it traded, so there is no chart of them.")
    options = "".join(f'<option value="{escape(iid)}">{escape(iid)}</option>' for iid in charts)
    controls = (
        f'<div class="controls"><label>Instrument <select data-instrument>{options}</select></label>'
        '<button type="button" data-step="-1" aria-label="Earlier trade">‹ trade</button>'
        '<button type="button" data-step="1" aria-label="Later trade">trade ›</button>'
        '<button type="button" data-candles aria-pressed="false">Candles</button>'
        '<button type="button" data-whole>Whole period</button></div>'
    )
    place = (
        '<div class="chart" id="trade-chart" style="min-height:480px" role="img" '
        'aria-label="Trades of one instrument"></div>'
    )
    traded = len({t["instrument_id"] for t in trades})
    cut = html.note(f"Charts of the {MAX_TRADE_CHARTS} most traded of {count(traded, 'instrument')}; the list has all.")
    return controls + place + (cut if traded > len(charts) else "")


def _why_not(run: Run, *_: Any) -> str:
    body = refusals.refusals(run) + refusals.unfilled(run) + "<h3>By regime</h3>" + refusals.by_regime(run)
    lead = "Every entry a strategy asked for is on record; an entry counts under the first check it failed."
    return html.section("why-not", "Why not", body, lead)


def _costs(run: Run, *_: Any) -> str:
    return html.section(
        "costs", "Costs", tables.costs(run), "What trading took from the profit, and what holding gave or took."
    )


def _statistics(run: Run, *_: Any) -> str:
    lead = (
        "Each with its interval and the number of days or trades behind it; a dash where too little stands behind it."
    )
    return html.section("statistics", "Every statistic", tables.statistics(run), lead)


def _assumptions(run: Run, *_: Any) -> str:
    parts = (
        "<h3>Data</h3>",
        assumptions.data_table(run),
        "<h3>How orders were filled</h3>",
        assumptions.execution_table(run),
        "<h3>Identity</h3>",
        assumptions.identity(run),
        assumptions.config_listing(run),
    )
    return html.section("assumptions", "Data and assumptions", "".join(parts))


SECTIONS: tuple[Section, ...] = (
    _top,
    _equity,
    _strategies,
    _months,
    _exposure,
    _trades,
    _why_not,
    _costs,
    _statistics,
    _assumptions,
)


def _chart(figures: dict[str, Figure], name: str, description: str) -> str:
    return html.chart(name, figures[name]["layout"]["height"], description) if name in figures else ""


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return _packed(get_plotlyjs().encode())


def _packed(data: bytes) -> str:
    """Return bytes compressed, as text that may stand inside a script element whatever they hold.

    Plotly alone is 4.8 MB; raw, the page of a large run would weigh ten.
    """
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
