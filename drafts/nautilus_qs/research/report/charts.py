"""Figures as plain Plotly specifications: data in, a mapping of data and layout out.

Pure and free of Plotly itself, whose objects validate every point at a hundred times the cost; a test validates the
figures instead. Colours are tokens (see :mod:`nautilus_qs.research.report.palette`), backgrounds are transparent.
"""

from typing import Any

import numpy as np

from nautilus_qs.research.report.palette import series_colour
from nautilus_qs.research.report.series import Curve, Daily, Span
from nautilus_qs.research.report.text import label

Figure = dict[str, Any]

FONT = "-apple-system, 'Segoe UI', 'Helvetica Neue', Roboto, 'Liberation Sans', Arial, sans-serif"
REGIME_ORDER = ("bull_trending", "low_vol_range", "high_vol_choppy", "bear_trending", "crisis", "none")
REGIME_NAMES = {
    "bull_trending": "bull trending",
    "bear_trending": "bear trending",
    "high_vol_choppy": "high-vol choppy",
    "low_vol_range": "low-vol range",
    "crisis": "crisis",
    "none": "not yet confirmed",
}


def layout(height: int, **more: Any) -> Figure:
    """Return the layout every chart shares; `more` overrides its keys."""
    base: Figure = {
        "height": height,
        "margin": {"l": 62, "r": 16, "t": 34, "b": 34},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": "@muted"},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@line", "font": {"color": "@text", "size": 12}},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"color": "@text"}},
        "dragmode": "zoom",
        "xaxis": axis(),
        "yaxis": axis(),
    }
    return base | more


def axis(**more: Any) -> Figure:
    """Return an axis in the page's style; `more` overrides its keys."""
    base: Figure = {
        "gridcolor": "@grid",
        "linecolor": "@line",
        "zerolinecolor": "@line",
        "tickcolor": "@line",
        "automargin": True,
    }
    return base | more


def equity_figure(daily: Daily, spans: list[Span], benchmark: str) -> Figure:
    """Return equity over drawdown over the regime ribbon, on one time axis.

    Parameters
    ----------
    daily
        The account by day.
    spans
        Regimes in force; none draws no ribbon.
    benchmark
        What buy and hold held, for the legend.
    """
    data = [
        _line(daily.days, daily.equity, "This run", "@equity", width=2.0, hover="%{y:,.0f}"),
        _line(daily.days, daily.fall, "Drawdown", "@equity", yaxis="y2", fill=True, hover="%{y:.1%}"),
    ]
    if daily.benchmark:
        held = f"Buy and hold {benchmark}"
        data.insert(1, _line(daily.days, daily.benchmark, held, "@benchmark", dash="dot", hover="%{y:,.0f}"))
        data.append(
            _line(daily.days, daily.benchmark_fall, held, "@benchmark", yaxis="y2", dash="dot", hover="%{y:.1%}")
        )
    for trace in data:
        trace["showlegend"] = trace.get("yaxis") != "y2"
    return {
        "data": data + _ribbon(spans),
        "layout": layout(
            560,
            xaxis=axis(anchor="y3", domain=[0, 1], showspikes=True, spikethickness=1, spikecolor="@faint"),
            yaxis=axis(domain=[0.42, 1], title={"text": "Equity"}, tickformat=",.0f"),
            yaxis2=axis(domain=[0.13, 0.37], title={"text": "Drawdown"}, tickformat=".0%", rangemode="tozero"),
            yaxis3=axis(domain=[0, 0.07], range=[0, 1], fixedrange=True, showticklabels=False, showgrid=False),
            legend2={
                "orientation": "h",
                "x": 0,
                "y": -0.07,
                "yanchor": "top",
                "font": {"color": "@muted", "size": 11},
                "itemclick": False,
                "itemdoubleclick": False,
            },
            shapes=_shades(daily.halted, "y domain"),
        ),
    }


def strategies_figure(curves: list[Curve]) -> Figure:
    """Return realised profit by strategy as steps: a strategy's line moves when one of its trades closes."""
    data = [
        _line(curve.days, curve.pnl, label(curve.strategy), series_colour(i), shape="hv", hover="%{y:+,.0f}")
        for i, curve in enumerate(curves)
    ]
    return {
        "data": data,
        "layout": layout(340, yaxis=axis(title={"text": "Realised profit"}, tickformat=",.0f", zeroline=True)),
    }


def exposure_figure(daily: Daily) -> Figure:
    """Return exposure, heat and open positions over time; shaded where the gate let nothing open."""
    return {
        "data": [
            _line(daily.days, daily.gross, "Gross exposure", "@series0", fill=True, shape="hv", hover="%{y:.1%}"),
            _line(daily.days, daily.net, "Net exposure", "@series3", shape="hv", hover="%{y:.1%}"),
            _line(daily.days, daily.heat, "Heat", "@series1", yaxis="y2", fill=True, shape="hv", hover="%{y:.2%}"),
            _line(daily.days, daily.positions, "Open positions", "@series2", yaxis="y3", shape="hv", hover="%{y}"),
        ],
        "layout": layout(
            480,
            xaxis=axis(anchor="y3"),
            yaxis=axis(domain=[0.56, 1], title={"text": "Share of equity"}, tickformat=".0%", rangemode="tozero"),
            yaxis2=axis(domain=[0.26, 0.5], title={"text": "Heat"}, tickformat=".1%", rangemode="tozero"),
            yaxis3=axis(domain=[0, 0.2], title={"text": "Positions"}, rangemode="tozero", tickformat="d"),
            shapes=_shades(daily.halted, "paper"),
        ),
    }


def r_figure(r_multiples: list[float]) -> Figure:
    """Return how trades ended in units of their initial risk, in bins of half an R."""
    sides = (
        ("Losers", [r for r in r_multiples if r < 0], "@loss/0.75"),
        ("Winners", [r for r in r_multiples if r >= 0], "@gain/0.75"),
    )
    data = [
        {
            "type": "histogram",
            "x": values,
            "name": name,
            "marker": {"color": colour},
            "xbins": {"start": -200, "end": 200, "size": 0.5},
            "hovertemplate": "%{y} trades at %{x} R<extra></extra>",
        }
        for name, values, colour in sides
    ]
    return {
        "data": data,
        "layout": layout(
            340,
            barmode="stack",
            bargap=0.06,
            hovermode="closest",
            xaxis=axis(title={"text": "R multiple (profit after costs ÷ initial risk)"}, zeroline=True),
            yaxis=axis(title={"text": "Trades"}, rangemode="tozero"),
        ),
    }


def excursion_figure(trades: list[dict[str, Any]]) -> Figure:
    """Return each trade's worst and best unrealised return against how it ended.

    Parameters
    ----------
    trades
        Mappings with ``mae``, ``mfe``, ``return_frac``, ``pnl`` and ``title``.
    """
    data = []
    for name, is_win, colour, symbol in (
        ("Winners", True, "@gain", "circle"),
        ("Losers", False, "@loss", "diamond"),
    ):
        side = [t for t in trades if (t["pnl"] > 0) == is_win]
        for column, xaxis, title in (("mae", "x", "worst"), ("mfe", "x2", "best")):
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": xaxis == "x",
                    "x": [t[column] for t in side],
                    "y": [t["return_frac"] for t in side],
                    "xaxis": xaxis,
                    "yaxis": "y" if xaxis == "x" else "y2",
                    "text": [t["title"] for t in side],
                    "marker": {"color": f"{colour}/0.6", "symbol": symbol, "size": 7},
                    "hovertemplate": f"%{{text}}<br>{title} %{{x:.2%}}, ended %{{y:.2%}}<extra></extra>",
                }
            )
    return {
        "data": data,
        "layout": layout(
            340,
            hovermode="closest",
            xaxis=axis(domain=[0, 0.47], title={"text": "Worst while open (MAE)"}, tickformat=".1%"),
            xaxis2=axis(domain=[0.53, 1], title={"text": "Best while open (MFE)"}, tickformat=".1%", anchor="y2"),
            yaxis=axis(title={"text": "Return at exit"}, tickformat=".1%", zeroline=True),
            yaxis2=axis(anchor="x2", tickformat=".1%", zeroline=True, matches="y", showticklabels=False),
        ),
    }


def trade_figure(bars: dict[str, list[Any]], trades: list[dict[str, Any]], stops: list[dict[str, Any]]) -> Figure:
    """Return the bars of one instrument with entries, exits, and the stops that stood while positions were open.

    Parameters
    ----------
    bars
        Columns ``x, open, high, low, close``; the page draws them as a line or as candles.
    trades
        Mappings with ``entry_day, exit_day, entry_px, exit_px, side, pnl, title``.
    stops
        Mappings with ``days`` and ``px``: one stop's path from entry to exit.
    """
    candles = {
        "type": "candlestick",
        "name": "Price",
        **bars,
        "increasing": {"line": {"color": "@gain", "width": 1}, "fillcolor": "@gain/0.6"},
        "decreasing": {"line": {"color": "@loss", "width": 1}, "fillcolor": "@loss/0.6"},
        "showlegend": False,
    }
    data = [candles, _stop_lines(stops), *_paths(trades), *_entries(trades), _exits(trades)]
    return {
        "data": [trace for trace in data if trace.get("x") or trace is candles],
        "layout": layout(
            480,
            hovermode="closest",
            dragmode="pan",
            xaxis=axis(rangeslider={"visible": False}, type="date"),
            yaxis=axis(title={"text": "Price"}, fixedrange=False),
        ),
    }


def _line(
    x: list[str],
    y: list[Any],
    name: str,
    colour: str,
    *,
    hover: str,
    yaxis: str = "y",
    width: float = 1.5,
    dash: str = "solid",
    shape: str = "linear",
    fill: bool = False,
) -> Figure:
    trace: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": name,
        "yaxis": yaxis,
        "line": {"color": colour, "width": width, "dash": dash, "shape": shape},
        "hovertemplate": f"{hover}<extra>{name}</extra>",
    }
    return trace | ({"fill": "tozeroy", "fillcolor": f"{colour}/0.15"} if fill else {})


def _ribbon(spans: list[Span]) -> list[Figure]:
    """Return bars as wide as their spans, a trace a regime, so that the legend names the colours."""
    known = {span.regime for span in spans}
    order = [*(r for r in REGIME_ORDER if r in known), *sorted(known - set(REGIME_ORDER))]
    return [_ribbon_trace(regime, [span for span in spans if span.regime == regime]) for regime in order]


def _ribbon_trace(regime: str, spans: list[Span]) -> Figure:
    first = np.array([span.first for span in spans], dtype="datetime64[ms]")
    last = np.array([span.last for span in spans], dtype="datetime64[ms]")
    widths = np.maximum((last - first).astype(np.int64), 86_400_000)
    middles = first + (widths // 2).astype("timedelta64[ms]")
    name = REGIME_NAMES.get(regime, label(regime))
    return {
        "type": "bar",
        "name": name,
        "x": middles.astype(str).tolist(),
        "y": [1] * len(spans),
        "width": widths.tolist(),
        "yaxis": "y3",
        "marker": {
            "color": f"@regime_{regime}" if regime in REGIME_NAMES else "@regime_none",
            "line": {"width": 0},
        },
        "text": [f"{span.first} to {span.last}, {span.days} days" for span in spans],
        "textposition": "none",
        "hovertemplate": f"{name}: %{{text}}<extra></extra>",
        "legend": "legend2",
    }


def _shades(spans: list[tuple[str, str]], yref: str) -> list[Figure]:
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": yref,
            "x0": first,
            "x1": last,
            "y0": 0,
            "y1": 1,
            "fillcolor": "@loss/0.14",
            "line": {"width": 0},
            "layer": "below",
        }
        for first, last in spans
    ]


def _paths(trades: list[dict[str, Any]]) -> list[Figure]:
    """Return a line from entry to exit of every trade; gaps part the trades of one trace."""
    traces = []
    for name, is_win, colour, dash in (("Won", True, "@gain", "solid"), ("Lost", False, "@loss", "dash")):
        side = [t for t in trades if (t["pnl"] > 0) == is_win]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [v for t in side for v in (t["entry_day"], t["exit_day"], None)],
                "y": [v for t in side for v in (t["entry_px"], t["exit_px"], None)],
                "line": {"color": colour, "width": 2, "dash": dash},
                "hoverinfo": "skip",
            }
        )
    return traces


def _entries(trades: list[dict[str, Any]]) -> list[Figure]:
    traces = []
    for side, symbol in (("long", "triangle-up"), ("short", "triangle-down")):
        own = [t for t in trades if t["side"] == side]
        marker = {"symbol": symbol, "size": 11, "color": "@accent", "line": {"color": "@surface", "width": 1}}
        points = [(t["entry_day"], t["entry_px"], t["title"]) for t in own]
        traces.append(_markers(f"Entry {side}", points, marker))
    return traces


def _exits(trades: list[dict[str, Any]]) -> Figure:
    marker = {
        "symbol": "x",
        "size": 8,
        "color": ["@gain" if t["pnl"] > 0 else "@loss" for t in trades],
        "line": {"color": "@surface", "width": 1},
    }
    return _markers("Exit", [(t["exit_day"], t["exit_px"], t["title"]) for t in trades], marker)


def _markers(name: str, points: list[tuple[str, float, str]], marker: Figure) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x for x, _, _ in points],
        "y": [y for _, y, _ in points],
        "text": [text for _, _, text in points],
        "marker": marker,
        "hovertemplate": f"<b>{name}</b> %{{x|%Y-%m-%d}} at %{{y:,.2f}}<br>%{{text}}<extra></extra>",
    }


def _stop_lines(stops: list[dict[str, Any]]) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Stop",
        "x": [v for s in stops for v in (*s["days"], None)],
        "y": [v for s in stops for v in (*s["px"], None)],
        "line": {"color": "@loss", "width": 1.2, "dash": "dot", "shape": "hv"},
        "hovertemplate": "stop %{y:,.2f}<extra></extra>",
    }
