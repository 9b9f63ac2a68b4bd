"""Why not: what was refused, by which check and in which regime, counted from the decisions of a run."""

import pandas as pd

from nautilus_qs.research.report import markup as html
from nautilus_qs.research.report.charts import REGIME_NAMES, REGIME_ORDER
from nautilus_qs.research.report.definitions import check_title
from nautilus_qs.research.report.markup import Cell, figure_cell, plain
from nautilus_qs.research.report.text import MISSING, escape, label, listed, number, percent
from nautilus_qs.storage.runs import Run


def entries(run: Run) -> pd.DataFrame:
    """Return the decisions on entries; exits are always granted and are no part of why not."""
    frame = run.brief("decisions")
    return frame[frame["action"] == "enter"]


def refusals(run: Run) -> str:
    """Return which check refused how many entries, and how much they had asked for."""
    asked = entries(run)
    if asked.empty:
        return html.note("No strategy asked to enter a position.")
    denied = asked[asked["verdict"] != "granted"]
    cut = asked[(asked["verdict"] == "granted") & (asked["quantity_granted"] < asked["quantity_asked"])]
    if denied.empty and cut.empty:
        return html.note(f"All {len(asked):,} entries that were asked for were granted in full.")
    most = max(1, int(denied["failed_check"].value_counts().max())) if len(denied) else 1
    groups = sorted(denied.groupby("failed_check"), key=lambda item: (-len(item[1]), str(item[0])))
    rows = [_refusal_row(check_title(str(name)), group, len(asked), most) for name, group in groups]
    if len(cut):
        rows.append(_refusal_row("Granted in part: the rest did not fit", cut, len(asked), most, is_cut=True))
    heads = ("Why", "Check", "Entries", "Of all asked", "Notional refused", "Strategies", "Most in")
    return html.table(heads, rows, caption="Why not: entries that were refused or cut")


def unfilled(run: Run) -> str:
    """Return what became of granted entries that never filled; "" when all did."""
    orders = run.frame("orders")
    ended = orders[(orders["leg"] == "E") & orders["event"].isin(("canceled", "rejected", "denied", "expired"))]
    # An order cut to what the volume allows is cancelled for the rest, after it filled.
    filled = set(orders.loc[(orders["leg"] == "E") & (orders["event"] == "filled"), "client_order_id"])
    ended = ended[~ended["client_order_id"].isin(filled)]
    if ended.empty:
        return ""
    # Prices differ from one to the next, the reason does not.
    reasons = ended["reason"].fillna("").astype(str).str.replace(r"\d[\d.]*", "…", regex=True)
    reasons = reasons.replace("", "no reason given")
    counted = ended.assign(reason=reasons)[["event", "reason"]].value_counts().reset_index(name="n")
    rows = [
        [plain(label(str(r["event"]))), plain(r["reason"]), figure_cell(number(int(r["n"]), 0), float(r["n"]))]
        for r in counted.to_dict("records")
    ]
    return "<h3>Granted, and never filled</h3>" + html.table(("Order", "Reason", "Entries"), rows)


def by_regime(run: Run) -> str:
    """Return, by the regime in force, days, entries asked and refused, trades and their profit."""
    regimes, proposed, trades = run.frame("regimes"), entries(run), run.frame("trades")
    names = {*regimes["regime"].unique(), *proposed["regime"].unique(), *trades["regime_at_entry"].unique()}
    if not names:
        return html.note("The run recorded no regime.")
    order = [*(name for name in REGIME_ORDER if name in names), *sorted(names - set(REGIME_ORDER))]
    rows = []
    for name in order:
        asked = proposed[proposed["regime"] == name]
        own = trades[trades["regime_at_entry"] == name]
        days = int((regimes["regime"] == name).sum())
        share = days / len(regimes) if len(regimes) else None
        refused = asked.loc[asked["verdict"] != "granted", "failed_check"].value_counts()
        pnl = float(own["pnl"].sum())
        swatch = f'<i class="swatch {escape(name)}"></i>{escape(REGIME_NAMES.get(str(name), label(str(name))))}'
        rows.append(
            [
                Cell(str(name), markup=swatch),
                figure_cell(f"{days:,}", days, share=share),
                figure_cell(number(len(asked), 0), len(asked)),
                figure_cell(number(int(refused.sum()), 0), int(refused.sum())),
                plain(label(str(refused.index[0])) if len(refused) else MISSING),
                figure_cell(number(len(own), 0), len(own)),
                figure_cell(number(int((own["pnl"] > 0).sum()), 0), int((own["pnl"] > 0).sum())),
                figure_cell(number(pnl, 0, sign=True), pnl, toned=True),
            ]
        )
    heads = ("Regime", "Days", "Entries asked", "Refused", "Mostly by", "Trades", "Won", "Profit")
    return html.table(heads, rows, caption="By regime in force")


def _refusal_row(why: str, group: pd.DataFrame, asked: int, most: int, *, is_cut: bool = False) -> list[Cell]:
    refused = float(((group["quantity_asked"] - group["quantity_granted"]).abs() * group["reference_px"]).sum())
    check = "" if is_cut else str(group["failed_check"].iloc[0])
    regimes = group["regime"].value_counts()
    by = [f"{label(str(name))} {n:,}" for name, n in group["strategy"].value_counts().items()]
    return [
        plain(why),
        Cell(check, "code"),
        figure_cell(number(len(group), 0), len(group), share=len(group) / most),
        figure_cell(percent(len(group) / asked), len(group) / asked),
        figure_cell(number(refused, 0), refused),
        plain(listed(by, 3)),
        plain(REGIME_NAMES.get(str(regimes.index[0]), label(str(regimes.index[0]))) if len(regimes) else MISSING),
    ]
