"""Figures of trades: on the bars of their instrument, how they ended, and how far they wandered before."""

from typing import Any

import numpy as np

from nautilus_qs.research.report.charts import Figure, axis, layout

# One trade with a tiny stop must not squeeze all others into one bar.
R_ENDS = (-5.0, 10.0)


def r_figure(r_multiples: list[float]) -> Figure:
    """Return how trades ended in units of their initial risk, in bins of half an R; the outer bins hold the rest."""
    low, high = R_ENDS
    held = [min(max(r, low), high - 0.01) for r in r_multiples]
    sides = (
        ("Losers", [r for r in held if r < 0], "@loss/0.75"),
        ("Winners", [r for r in held if r >= 0], "@gain/0.75"),
    )
    data = [
        {
            "type": "histogram",
            "x": values,
            "name": name,
            "marker": {"color": colour},
            "xbins": {"start": low, "end": high, "size": 0.5},
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
            xaxis=axis(
                title={"text": f"R: profit after costs ÷ initial risk (below {low:g}, above {high:g}: outer bins)"},
                zeroline=True,
            ),
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
            xaxis=axis(rangeslider={"visible": False}, type="date", rangebreaks=_breaks(bars["x"])),
            yaxis=axis(title={"text": "Price"}, fixedrange=False),
        ),
    }


def _breaks(days: list[str]) -> list[Figure]:
    """Return the weekend as a gap to leave out, unless the market trades through it."""
    weekdays = np.array(days, dtype="datetime64[D]").astype(np.int64) % 7  # day 0 was a Thursday
    return [] if np.isin(weekdays, (2, 3)).any() else [{"bounds": ["sat", "mon"]}]


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
