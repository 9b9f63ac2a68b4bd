"""The top of the page: the key figures, each with its interval and what stands behind it, and the warnings."""

from typing import Any

from nautilus_qs.research.report import markup as html
from nautilus_qs.research.report.definitions import definition_of
from nautilus_qs.research.report.estimate import Estimate, estimate_of
from nautilus_qs.research.report.text import count, day, escape, is_number, percent, tone
from nautilus_qs.research.report.verdict import cautions, paragraph
from nautilus_qs.storage.runs import Run, time_text

# Key, and what its n counts.
TILES = (
    ("total_return", "day"),
    ("cagr", "day"),
    ("sharpe", "day"),
    ("max_drawdown", "day"),
    ("trades.win_rate", "trade"),
    ("trades.profit_factor", "trade"),
    ("trades.expectancy_r", "trade"),
    ("exposure", "day"),
)
TONED = {"total_return", "cagr", "sharpe", "trades.expectancy_r"}


def header(run: Run) -> str:
    """Return name, period and identity of the run."""
    span = [time_text(value)[:10] for value in run.metrics.get("timerange") or ()]
    created = time_text(run.metrics.get("created_at"))[:16].replace("T", " ")
    facts = [" to ".join(span), f"run {run.run_id}", f"made {created}" if created else ""]
    shown = " · ".join(escape(fact) for fact in facts if fact)
    return (
        f"<header><p class=kicker>Backtest</p><h1>{escape(name_of(run))}</h1><p class=facts-line>{shown}</p></header>"
    )


def name_of(run: Run) -> str:
    """Return what the run is called."""
    return str(run.metrics.get("name") or run.run_id)


def verdict(run: Run) -> str:
    """Return the paragraph that says what the run shows."""
    return f'<p class="verdict">{escape(paragraph(run))}</p>'


def warnings(run: Run) -> str:
    """Return what a reader must know before the figures; "" when the run warns of nothing."""
    found = cautions(run)
    if not found:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in found)
    return f'<aside class="warnings" aria-label="Warnings"><h2>Before you believe it</h2><ul>{items}</ul></aside>'


def tiles(run: Run) -> str:
    """Return the key figures as tiles."""
    summary = run.metrics.get("metrics")
    values = summary if isinstance(summary, dict) else {}
    return f'<div class="tiles">{"".join(_tile(values, key, unit) for key, unit in TILES)}</div>'


def lookup(values: dict[str, Any], key: str) -> Any:
    """Return the value under a dotted key, None without one.

    Examples
    --------
    >>> lookup({"trades": {"count": 3}}, "trades.count"), lookup({}, "trades.count")
    (3, None)
    """
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _tile(values: dict[str, Any], key: str, unit: str) -> str:
    definition = definition_of(key)
    estimate = estimate_of(lookup(values, key))
    # An interval around the value of no effect earns no colour, however green the number would be.
    is_doubtful = definition.neutral is not None and estimate.contains(definition.neutral)
    css = tone(estimate.value) if key in TONED and not is_doubtful else ""
    lines = [_interval_line(values, estimate, key), _n_line(values, estimate, unit)]
    return (
        f'<div class="tile" title="{escape(definition.meaning)}"><h3>{escape(definition.title)}</h3>'
        f'<p class="value {css}">{escape(html.value_text(estimate, definition))}</p>'
        f"{html.whisker(estimate, definition.neutral)}"
        f"{''.join(f'<p class=sub>{escape(line)}</p>' for line in lines if line)}</div>"
    )


def _interval_line(values: dict[str, Any], estimate: Estimate, key: str) -> str:
    interval = html.interval_text(estimate, definition_of(key))
    if interval:
        level = values.get("level")
        return f"{percent(level, 0) + ': ' if is_number(level) else ''}{interval}"
    if estimate.note:
        return estimate.note
    if key == "total_return":
        held = estimate_of(lookup(values, "benchmark.total_return"))
        return f"buy and hold {percent(held.value, 2, sign=True)}" if held.is_known else ""
    if key == "max_drawdown":
        fall = lookup(values, key)
        peak, trough = (fall.get("peak_ts"), fall.get("trough_ts")) if isinstance(fall, dict) else (None, None)
        return f"{day(peak)} to {day(trough)}" if is_number(peak) else ""
    return ""


def _n_line(values: dict[str, Any], estimate: Estimate, unit: str) -> str:
    n = estimate.n
    if n is None:
        raw = values.get("days") if unit == "day" else lookup(values, "trades.count")
        n = int(raw) if is_number(raw) else None
    return f"n = {count(n, unit)}" if n is not None else ""
