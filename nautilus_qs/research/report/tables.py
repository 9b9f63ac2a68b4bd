"""The tables of the page that are counted from a run's rows: months, strategies, costs, breakers, statistics."""

from typing import Any

from nautilus_qs.research.report import markup as html
from nautilus_qs.research.report.definitions import definition_of
from nautilus_qs.research.report.estimate import estimate_of
from nautilus_qs.research.report.markup import Cell, figure_cell, plain
from nautilus_qs.research.report.refusals import entries
from nautilus_qs.research.report.series import strategy_names
from nautilus_qs.research.report.text import (
    MISSING,
    escape,
    is_number,
    label,
    minute,
    number,
    percent,
)
from nautilus_qs.storage.runs import Run

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A month of this return has the full colour.
FULL_MONTH = 0.05


def monthly(run: Run) -> str:
    """Return years by months, coloured by size; the sign stands in every cell, so that the colour may be missed."""
    years = _summary(run).get("monthly") or []
    if not years:
        return html.note("The account was marked on too few days for a table of months.")
    body = ""
    for row in years:
        months = "".join(_month(value) for value in row.get("months") or ())
        total = row.get("total")
        body += f'<tr><th scope="row">{escape(row.get("year"))}</th>{months}{_month(total, css="total")}</tr>'
    heads = "".join(f'<th scope="col" class="num">{month}</th>' for month in (*MONTHS, "Year"))
    return (
        '<div class="scroll"><table class="months"><thead><tr><th scope="col">Year</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def per_strategy(run: Run) -> str:
    """Return a row a strategy: what it asked for, what it traded, and what came of it."""
    names = strategy_names(run)
    if not names:
        return html.note("The run names no strategy.")
    measured = run.metrics.get("per_strategy")
    raw = measured if isinstance(measured, dict) else {}
    heads = (
        "Strategy",
        "Entries asked",
        "Granted",
        "Trades",
        "Win rate",
        "Profit factor",
        "Sharpe",
        "Profit",
        "Commission",
    )
    rows = [_strategy_row(run, name, dict(raw.get(name) or {})) for name in names]
    return html.table(heads, rows, caption="By strategy")


def strategy_warnings(run: Run) -> str:
    """Return what each strategy's figures warn of; "" when none does."""
    measured = run.metrics.get("per_strategy")
    parts = []
    for name, values in (measured if isinstance(measured, dict) else {}).items():
        found = values.get("warnings") if isinstance(values, dict) else None
        if found:
            items = "".join(f"<li>{escape(text)}</li>" for text in found)
            parts.append(f"<h3>{escape(label(name))}</h3><ul>{items}</ul>")
    return html.details("What each strategy's figures warn of", "".join(parts)) if parts else ""


def costs(run: Run) -> str:
    """Return what trading cost, against the profit before costs."""
    raw = run.metrics.get("costs")
    values: dict[str, Any] = raw if isinstance(raw, dict) else {}
    trades, fills = run.frame("trades"), run.frame("fills")
    commission, slippage, carry = (float(values.get(k) or 0.0) for k in ("commission", "slippage", "carry"))
    net = float(trades["pnl"].sum())
    gross = net + float(trades["commission"].sum()) + slippage
    traded = float((fills["quantity"].abs() * fills["price"]).sum())
    rows = [
        _cost_row(
            "Profit of closed trades before costs", gross, None, traded, "Net, with commission and slippage added"
        ),
        _cost_row("Commission", -commission, gross, traded, "Fees by the dated tables, open positions included"),
        _cost_row("Slippage", -slippage, gross, traded, "Half the spread and the impact, on market and stop orders"),
        _cost_row("Carry", carry, gross, traded, "Dividends received, less borrow and margin interest"),
        _cost_row("Profit of closed trades after commission", net, None, traded, "Without carry"),
    ]
    table = html.table(
        ("", "Amount", "Share of profit before costs", "Of notional traded", "What it is"), rows, sortable=False
    )
    return table + _gap(values) + _carry(run)


def _gap(values: dict[str, Any]) -> str:
    gap = values.get("gap")
    if gap is None:
        return ""
    verb = "lost" if float(gap) > 0 else "gained"
    return html.note(
        f"Between the signal's close and the price its order met, entries {verb} {abs(float(gap)):,.2f} in all: no "
        "cost of trading, but of deciding at a close."
    )


def breakers(run: Run) -> str:
    """Return every trip and every clearing of a breaker."""
    frame = run.frame("breakers").sort_values("ts")
    if frame.empty:
        return html.note("No circuit breaker tripped.")
    rows = [
        [
            Cell(minute(r["ts"]), sort=float(r["ts"])),
            plain(label(str(r["breaker"]))),
            plain(label(str(r["event"]))),
            figure_cell(number(r["equity"]), float(r["equity"])),
            figure_cell(number(r["reference"]), float(r["reference"])),
            figure_cell(percent(r["heat_open"], 2), float(r["heat_open"])),
            plain(r["detail"]),
        ]
        for r in frame.to_dict("records")
    ]
    return html.table(("Time", "Breaker", "Event", "Equity", "Against", "Heat open", "Detail"), rows)


def statistics(run: Run) -> str:
    """Return every statistic the run has: value, interval, what stands behind it, what it means."""
    rows = []
    for key, raw in _leaves(_summary(run)):
        definition, estimate = definition_of(key), estimate_of(raw)
        n = "" if estimate.n is None else f"{estimate.n:,}"
        rows.append(
            [
                plain(definition.title),
                figure_cell(html.value_text(estimate, definition), estimate.value if estimate.is_known else None),
                Cell(html.interval_text(estimate, definition), "num"),
                Cell(n, "num", float(estimate.n or 0)),
                Cell("", markup=html.whisker(estimate, definition.neutral) or " "),
                plain(" ".join(filter(None, [definition.meaning, f"({estimate.note})" if estimate.note else ""]))),
            ]
        )
    if not rows:
        return html.note("The run left no statistics.")
    return html.table(("Statistic", "Value", "Interval", "n", "", "What it is"), rows, caption="Every statistic")


def _strategy_row(run: Run, name: str, values: dict[str, Any]) -> list[Cell]:
    asked = entries(run)
    own = asked[asked["strategy"] == name]
    trades = run.frame("trades")
    trades = trades[trades["strategy"] == name]
    granted = int((own["verdict"] == "granted").sum())
    pnl = float(trades["pnl"].sum())
    paid = values.get("commission", float(trades["commission"].sum()))
    return [
        plain(label(name)),
        figure_cell(number(len(own), 0), len(own)),
        figure_cell(number(granted, 0), granted, share=granted / len(own) if len(own) else None),
        figure_cell(number(len(trades), 0), len(trades)),
        *[_estimate_cell(values.get(key), f"trades.{key}") for key in ("win_rate", "profit_factor")],
        _estimate_cell(values.get("sharpe"), "sharpe"),
        figure_cell(number(pnl, 0, sign=True), pnl, toned=True),
        figure_cell(number(paid), float(paid) if is_number(paid) else None),
    ]


def _estimate_cell(raw: Any, key: str) -> Cell:
    definition, estimate = definition_of(key), estimate_of(raw)
    interval = html.interval_text(estimate, definition)
    small = f"<small>{escape(interval or estimate.note)}</small>" if interval or estimate.note else ""
    text = html.value_text(estimate, definition)
    return Cell(text, "num", estimate.value if estimate.is_known else None, None, f"{escape(text)}{small}")


def _cost_row(name: str, amount: float, gross: float | None, traded: float, meaning: str) -> list[Cell]:
    # A share of a loss would read as a gain: it is shown of a profit only.
    share = amount / gross if gross is not None and gross > 0 else None
    bps = amount / traded * 1e4 if traded > 0 else None
    return [
        plain(name),
        figure_cell(number(amount, 2, sign=True), amount, toned=True),
        figure_cell(percent(share, sign=True), share),
        figure_cell(f"{number(bps, 1, sign=True)} bp" if bps is not None else MISSING, bps),
        plain(meaning),
    ]


def _carry(run: Run) -> str:
    frame = run.frame("carry")
    if frame.empty:
        return html.note("No dividend, borrow or interest was booked.")
    counted = frame.groupby("kind")["amount"].agg(["size", "sum"]).sort_index()
    rows = [
        [
            plain(label(str(kind))),
            figure_cell(f"{int(n):,}", n),
            figure_cell(number(total, 2, sign=True), total, toned=True),
        ]
        for kind, n, total in zip(counted.index, counted["size"].tolist(), counted["sum"].tolist(), strict=True)
    ]
    return html.table(("Carry", "Bookings", "Amount"), rows)


def _month(value: Any, css: str = "") -> str:
    if not is_number(value):
        return f'<td class="num {css} none">{MISSING if css else ""}</td>'
    side = "up" if value > 0 else "down" if value < 0 else ""
    strength = min(1.0, abs(float(value)) / (FULL_MONTH * (4 if css else 1)))
    return f'<td class="num {css} {side}" style="--heat:{strength:.2f}">{number(float(value) * 100, 1, sign=True)}</td>'


def _leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return dotted keys and raw statistics, in the order of the summary; times and months have their own places."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        if key in ("monthly", "start_ts", "end_ts") or (value is None and prefix == "" and key == "benchmark"):
            continue
        if isinstance(value, dict) and not ({"value", "depth"} & set(value)):
            found += _leaves(value, f"{path}.")
            continue
        found.append((path, value))
        if isinstance(value, dict) and is_number(value.get("length_days")):
            found.append((f"{path}.length_days", value["length_days"]))
    return found


def _summary(run: Run) -> dict[str, Any]:
    raw = run.metrics.get("metrics")
    return raw if isinstance(raw, dict) else {}
