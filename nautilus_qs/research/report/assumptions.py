"""What a run rests on: the data and its quality, how orders were filled, and what identifies it."""

from typing import Any

from nautilus_qs.research.report import markup as html
from nautilus_qs.research.report.markup import Cell, figure_cell, plain
from nautilus_qs.research.report.text import MISSING, count, escape, is_number, label, number, percent, significant
from nautilus_qs.storage.runs import Run, time_text

# More rows than this fold away: a run over hundreds of instruments still has a page one can read.
FOLD_BEYOND = 20


def data_table(run: Run) -> str:
    """Return a row an instrument: where its prices come from, what they are, and what is weak about them."""
    items = [item for item in run.metrics.get("data") or () if isinstance(item, dict)]
    if not items:
        return html.note("The run says nothing of its data.")
    rows = [
        [
            plain(item.get("instrument_id", MISSING)),
            plain(item.get("source", MISSING)),
            plain(item.get("price_kind", MISSING)),
            plain(f"{time_text(item.get('first'))[:10]} to {time_text(item.get('last'))[:10]}"),
            figure_cell(percent(item.get("stale_open_share")), _number(item.get("stale_open_share"))),
            plain("; ".join(str(w) for w in item.get("warnings") or ()) or MISSING),
        ]
        for item in items
    ]
    table = html.table(("Instrument", "Source", "Prices are", "Bars", "Stale opens", "Warnings"), rows, caption="Data")
    return table if len(rows) <= FOLD_BEYOND else html.details(count(len(rows), "instrument"), table)


def execution_table(run: Run) -> str:
    """Return how orders were filled, a row a rule."""
    raw = run.metrics.get("execution")
    rules = raw if isinstance(raw, dict) else {}
    if not rules:
        return html.note("The run says nothing of how orders were filled.")
    rows = [[Cell(label(str(name)), "rule"), plain(_phrase(value))] for name, value in rules.items()]
    return html.table(("Rule", "Setting"), rows, sortable=False)


def identity(run: Run) -> str:
    """Return what identifies the run and how fast it was."""
    metrics = run.metrics
    counts = metrics.get("counts") if isinstance(metrics.get("counts"), dict) else {}
    seed = run.config.get("seed", MISSING)
    items = [
        ("Run id", run.run_id),
        ("Decision digest", metrics.get("decision_digest") or MISSING),
        ("Fill digest", metrics.get("fill_digest") or MISSING),
        ("Code", metrics.get("code_version") or MISSING),
        ("Made", time_text(metrics.get("created_at")) or MISSING),
        ("Seed", seed),
        ("Account's day ends in", run.day_zone),
        ("Took", f"{number(metrics.get('elapsed_s'), 1)} s, {number(metrics.get('bars_per_s'), 0)} bars a second"),
        *((label(str(name)), number(n, 0)) for name, n in (counts or {}).items()),
    ]
    return html.definition_list([(name, str(value)) for name, value in items])


def config_listing(run: Run) -> str:
    """Return the whole configuration, folded away."""
    if not run.config_text:
        return html.note("The run kept no configuration.")
    return html.details("The whole configuration (YAML)", f"<pre><code>{escape(run.config_text)}</code></pre>")


def _phrase(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_phrase(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_phrase(item) for item in value)
    return significant(value, 6) if is_number(value) else str(value)


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else None
