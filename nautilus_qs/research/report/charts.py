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
        "margin": {"l": 72, "r": 16, "t": 34, "b": 34},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": "@muted"},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@line", "font": {"color": "@text", "size": 12}},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"color": "@text"}},
        "dragmode": "zoom",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@faint", "activecolor": "@text"},
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
        "spikecolor": "@faint",
        "spikedash": "solid",
        "spikethickness": -2,  # negative: without the white rim that Plotly draws around the line
    }
    if "title" in more:
        more["title"] = {"standoff": 14, **more["title"]}
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
            _line(
                daily.days,
                daily.benchmark_fall,
                f"{held}, drawdown",
                "@benchmark",
                yaxis="y2",
                dash="dot",
                hover="%{y:.1%}",
            )
        )
    for trace in data:
        trace["showlegend"] = trace.get("yaxis") != "y2"
    return {
        "data": data + _ribbon(spans),
        "layout": layout(
            560,
            hoversubplots="axis",
            xaxis=axis(anchor="y3", domain=[0, 1]),
            yaxis=axis(domain=[0.42, 1], title={"text": "Equity"}, tickformat=",.0f"),
            yaxis2=axis(domain=[0.13, 0.37], title={"text": "Drawdown"}, tickformat=".0%", rangemode="tozero"),
            yaxis3=axis(domain=[0, 0.07], range=[0, 1], fixedrange=True, visible=False),
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
            hoversubplots="axis",
            xaxis=axis(anchor="y3"),
            yaxis=axis(domain=[0.56, 1], title={"text": "Share of equity"}, tickformat=".0%", rangemode="tozero"),
            yaxis2=axis(domain=[0.26, 0.5], title={"text": "Heat"}, tickformat=".1%", rangemode="tozero"),
            yaxis3=axis(domain=[0, 0.2], title={"text": "Positions"}, rangemode="tozero", tickformat="d"),
            shapes=_shades(daily.halted, "paper"),
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
