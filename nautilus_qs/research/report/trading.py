"""The trades of a run for the page: a chart an instrument, the list, and how trades ended and wandered."""

from collections import defaultdict
from typing import Any

import numpy as np

from nautilus_qs.research.report.charts import Figure
from nautilus_qs.research.report.series import bars_of, charted_instruments, iso_days
from nautilus_qs.research.report.text import escape, label, number, percent
from nautilus_qs.research.report.trade_charts import excursion_figure, r_figure, trade_figure
from nautilus_qs.storage.runs import Run

# Beyond this the list would outweigh the page; the newest trades are kept.
MAX_LISTED = 10_000
MAX_POINTS = 4_000

LIST_COLUMNS = (
    "Entry",
    "Exit",
    "Strategy",
    "Instrument",
    "Side",
    "Quantity",
    "Entry price",
    "Exit price",
    "Profit",
    "Return",
    "R",
    "Bars",
    "Left by",
    "Regime",
)


def trade_dicts(run: Run) -> list[dict[str, Any]]:
    """Return the closed trades by exit, as charts and list want them; `title` is safe inside a hover label."""
    frame = run.frame("trades").sort_values("exit_ts", kind="stable")
    frame = frame.assign(
        entry_day=iso_days(frame["entry_ts"].to_numpy(dtype=np.int64), run.day_zone),
        exit_day=iso_days(frame["exit_ts"].to_numpy(dtype=np.int64), run.day_zone),
    )
    trades = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    for trade in trades:
        trade["title"] = _title(trade)
    return trades


def trade_charts(run: Run, trades: list[dict[str, Any]]) -> dict[str, Figure]:
    """Return a figure for each of the most traded instruments, by instrument id."""
    by_instrument: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for trade in trades:
        by_instrument[str(trade["instrument_id"])].append(trade)
    stops = _stops(run, trades)
    return {
        iid: trade_figure(
            bars_of(run, iid),
            by_instrument[iid],
            [stops[t["decision_id"]] for t in by_instrument[iid] if t["decision_id"] in stops],
        )
        for iid in charted_instruments(run)
    }


def trade_list(trades: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the list of trades by exit, the newest last; at most `MAX_LISTED`, column by column name."""
    rows = [
        [
            t["entry_day"],
            t["exit_day"],
            label(str(t["strategy"])),
            str(t["instrument_id"]),
            str(t["side"]),
            _short(t["quantity"]),
            _short(t["entry_px"]),
            _short(t["exit_px"]),
            _rounded(t["pnl"], 2),
            _rounded(t["return_frac"], 5),
            _rounded(t["r_multiple"], 3),
            int(t["bars_held"]),
            label(str(t["exit_reason"])),
            label(str(t["regime_at_entry"])),
        ]
        for t in trades[-MAX_LISTED:]
    ]
    return {"columns": list(LIST_COLUMNS), "rows": rows}


def ending_figures(trades: list[dict[str, Any]]) -> dict[str, Figure]:
    """Return how trades ended in R, and how far they wandered before; none without trades."""
    if not trades:
        return {}
    finite = [float(t["r_multiple"]) for t in trades if np.isfinite(t["r_multiple"])]
    points = [
        {k: _rounded(t[k], 5) for k in ("mae", "mfe", "return_frac")} | {"pnl": float(t["pnl"]), "title": t["title"]}
        for t in trades[-MAX_POINTS:]
    ]
    return {"r_multiples": r_figure([round(r, 3) for r in finite]), "excursions": excursion_figure(points)}


def _stops(run: Run, trades: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the path of each trade's stop, from its entry to its exit."""
    frame = run.frame("protections").sort_values("ts", kind="stable")
    days = iso_days(frame["ts"].to_numpy(dtype=np.int64), run.day_zone)
    moves: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for decision_id, day, px in zip(frame["decision_id"].tolist(), days, frame["stop_px"].tolist(), strict=True):
        moves[decision_id].append((day, float(px)))
    paths = {}
    for trade in trades:
        own = moves.get(trade["decision_id"])
        if own:
            # A stop is sent with its entry, before the fill: its path begins where the position does.
            path = [(max(day, trade["entry_day"]), px) for day, px in own if day <= trade["exit_day"]]
            path = [*path, (trade["exit_day"], path[-1][1])] if path else []
            paths[trade["decision_id"]] = {"days": [d for d, _ in path], "px": [_short(px) for _, px in path]}
    return paths


def _title(trade: dict[str, Any]) -> str:
    parts = [
        f"{label(str(trade['strategy']))} {trade['side']} {number(trade['quantity'])} {trade['instrument_id']}",
        f"{number(trade['pnl'], 2, sign=True)} ({percent(trade['return_frac'], 2, sign=True)}, "
        f"{number(trade['r_multiple'], 2, sign=True)} R) in {trade['bars_held']} bars",
        f"in: {trade['entry_reason']}",
        f"out: {label(str(trade['exit_reason'])).lower()}",
    ]
    return "<br>".join(escape(part) for part in parts)


def _short(value: Any) -> float:
    return float(f"{float(value):.7g}")


def _rounded(value: Any, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
