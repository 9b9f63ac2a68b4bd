"""Tables for people."""

from datetime import UTC, datetime

from nautilus_qs.nodes.regimes import RegimeReport


def day(ts_ns: int) -> str:
    """Return the UTC date of a time, as people write it."""
    return datetime.fromtimestamp(ts_ns / 1e9, tz=UTC).date().isoformat()


def regime_tables(report: RegimeReport, *, with_days: bool) -> None:
    """Print how the sessions divide, year by year, and when the regime changed."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=110, highlight=False)
    names = list(report.summary.total.in_force)
    table = Table(title=f"Regime in force, {report.instrument_id}: share of sessions", title_justify="left")
    table.add_column("period")
    table.add_column("sessions", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("changes", justify="right")
    for period in (*report.summary.periods, report.summary.total):
        shares = [f"{100 * period.in_force.get(name, 0.0):.0f} %" for name in names]
        table.add_row(period.name, str(period.sessions), *shares, str(period.changes))
    console.print(table)
    console.print(f"changes a year: {report.summary.changes_per_year:.1f}")
    listing = Table(title="Every session" if with_days else "Changes", title_justify="left")
    for name in ("session", "in force", "label", "count", "confidence", "slope deg", "ATR ratio", "VIX", "breadth"):
        listing.add_column(name)
    for u in report.updates if with_days else report.changes():
        listing.add_row(
            day(u.ts),
            u.regime.value,
            u.label.value,
            str(u.count),
            f"{u.confidence:.2f}",
            f"{u.slope_deg:.2f}",
            f"{u.atr_ratio:.2f}",
            "–" if u.vix is None else f"{u.vix:.1f}",
            "–" if u.breadth is None else f"{u.breadth:.2f}",
        )
    console.print(listing)
