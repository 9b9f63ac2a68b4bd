"""Reads the card of a bar out of a run's tables."""

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from nautilus_qs.errors import NotFoundError, StorageError
from nautilus_qs.research.explain.bar import find_bar, find_instrument, iso_time
from nautilus_qs.research.explain.card import (
    Card,
    CheckCard,
    DecisionCard,
    FillCard,
    OrderCard,
    RegimeCard,
    StrategyCard,
    TradeCard,
)
from nautilus_qs.research.explain.counterfactual import conditions, what_would_have_changed_it
from nautilus_qs.storage.runs import Run, open_run


def explain(run: Run | Path, at: str, instrument: str, strategy: str | None = None) -> Card:
    """Return the why and why-not card of a bar.

    Parameters
    ----------
    run
        A run, or the path of its directory.
    at
        A date (the session's bar) or an ISO time (the bar that closed then; UTC without an offset).
    instrument
        An instrument id, or its symbol when it is unambiguous.
    strategy
        Only this strategy; None for all that looked at the bar.

    Raises
    ------
    NotFoundError
        If run, instrument, bar or strategy does not exist; for a bar, with the nearest ones.
    ConfigError
        If `at` cannot be read.
    StorageError
        If a table cannot be read.
    """
    run = run if isinstance(run, Run) else open_run(run)
    instrument_id = find_instrument(run, instrument)
    ts = find_bar(run, instrument_id, at)
    signals = run.signals(instrument_id=instrument_id, ts=ts)
    decisions = run.frame("decisions")
    decisions = decisions[(decisions["instrument_id"] == instrument_id) & (decisions["ts_batch"] == ts)]
    names = list(dict.fromkeys([*signals.rows["strategy"].astype(str), *decisions["strategy"].astype(str)]))
    if strategy is not None and strategy not in names:
        raise NotFoundError(
            f"strategy {strategy!r} must have looked at this bar, only {', '.join(names) or 'none'} did"
        )
    cards = tuple(
        _strategy_card(run, name, ts, instrument_id, rows=signals.rows, columns=signals.columns, decisions=decisions)
        for name in names
        if strategy in (None, name)
    )
    return Card(
        run_id=run.run_id,
        instrument_id=instrument_id,
        at=iso_time(ts),
        ts=ts,
        close=_close(cards, signals.rows),
        regime=_regime_card(run, ts),
        strategies=cards,
    )


def _strategy_card(
    run: Run,
    name: str,
    ts: int,
    instrument_id: str,
    *,
    rows: pd.DataFrame,
    columns: tuple[str, ...],
    decisions: pd.DataFrame,
) -> StrategyCard:
    row = next((r for r in _records(rows) if r["strategy"] == name), None)
    numbers = {c: float(row[c]) for c in columns if pd.notna(row[c])} if row else {}
    own = _records(decisions[decisions["strategy"] == name])
    opened, stop_px = _position(run, name, instrument_id, ts)
    return StrategyCard(
        strategy=name,
        outcome=str(row["outcome"]) if row else "unrecorded",
        nearness=_optional(row["nearness"]) if row else None,
        numbers=numbers,
        conditions=conditions(numbers, _params(run, name)),
        open_since=opened,
        stop_px=stop_px,
        decisions=tuple(_decision_card(run, decision) for decision in own),
    )


def _decision_card(run: Run, row: dict[str, Any]) -> DecisionCard:
    checks = _checks(row)
    # An exit's orders carry the id of the decision that opened the position.
    owner = _held_decision(run, row) if row["action"] == "exit" else str(row["decision_id"])
    return DecisionCard(
        decision_id=str(row["decision_id"]),
        action=str(row["action"]),
        side=str(row["side"]),
        reason=str(row["reason"]),
        confidence=float(row["confidence"]),
        reference_px=float(row["reference_px"]),
        stop_px=_optional(row["stop_px"]),
        target_px=_optional(row["target_px"]),
        regime=str(row["regime"]),
        weight=float(row["weight"]),
        equity=float(row["equity"]),
        risk_fraction=float(row["risk_fraction"]),
        multipliers={k.removeprefix("multiplier_"): float(v) for k, v in row.items() if k.startswith("multiplier_")},
        checks=checks,
        asked=float(row["quantity_asked"]),
        granted=float(row["quantity_granted"]),
        verdict=str(row["verdict"]),
        failed_check=str(row["failed_check"] or ""),
        would_trade=what_would_have_changed_it(
            str(row["failed_check"] or ""), [msgspec.to_builtins(c) for c in checks]
        ),
        orders=tuple(_order_card(r) for r in _of(run, "orders", owner, int(row["ts_batch"]))),
        fills=tuple(_fill_card(r) for r in _of(run, "fills", owner, int(row["ts_batch"]))),
        trade=next((_trade_card(r) for r in _of(run, "trades", owner, int(row["ts_batch"]))), None),
    )


def _checks(row: dict[str, Any]) -> tuple[CheckCard, ...]:
    try:
        return msgspec.json.decode(row["checks"] or "[]", type=tuple[CheckCard, ...])
    except (msgspec.DecodeError, TypeError) as error:
        raise StorageError(
            f"checks of decision {row['decision_id']} must be a JSON list of checks, found: {error}; run again"
        ) from error


def _of(run: Run, table: str, decision_id: str, since: int) -> list[dict[str, Any]]:
    """Return the rows of a decision in a table that happened at `since` or later, in time."""
    at = "exit_ts" if table == "trades" else "ts_event"
    frame = run.frame(table)
    frame = frame[(frame["decision_id"] == decision_id) & (frame[at] >= since)]
    return _records(frame.sort_values(at, kind="stable"))


def _held_decision(run: Run, row: dict[str, Any]) -> str:
    held = _held(run, row["strategy"], row["instrument_id"], int(row["ts_batch"]))
    return str(held["decision_id"].iloc[0]) if len(held) else str(row["decision_id"])


def _held(run: Run, strategy: str, instrument_id: str, ts: int) -> pd.DataFrame:
    """Return the trade that was open at the close of a bar, empty without one."""
    trades = run.frame("trades")
    is_own = (trades["strategy"] == strategy) & (trades["instrument_id"] == instrument_id)
    return trades[is_own & (trades["entry_ts"] <= ts) & (trades["exit_ts"] > ts)]


def _order_card(row: dict[str, Any]) -> OrderCard:
    return OrderCard(
        at=iso_time(row["ts_event"]),
        leg=str(row["leg"]),
        event=str(row["event"]),
        side=str(row["side"]),
        order_type=str(row["order_type"]),
        quantity=float(row["quantity"]),
        price=_optional(row["price"]),
        trigger_px=_optional(row["trigger_px"]),
        reason=str(row["reason"] or ""),
    )


def _fill_card(row: dict[str, Any]) -> FillCard:
    return FillCard(
        at=iso_time(row["ts_event"]),
        leg=str(row["leg"]),
        side=str(row["side"]),
        quantity=float(row["quantity"]),
        price=float(row["price"]),
        commission=float(row["commission"]),
        slippage_bps=float(row["slippage_bps"]),
    )


def _trade_card(row: dict[str, Any]) -> TradeCard:
    return TradeCard(
        entry_at=iso_time(row["entry_ts"]),
        entry_px=float(row["entry_px"]),
        exit_at=iso_time(row["exit_ts"]),
        exit_px=float(row["exit_px"]),
        quantity=float(row["quantity"]),
        pnl=float(row["pnl"]),
        return_frac=float(row["return_frac"]),
        r_multiple=_optional(row["r_multiple"]),
        exit_reason=str(row["exit_reason"]),
        mae=float(row["mae"]),
        mfe=float(row["mfe"]),
        bars_held=int(row["bars_held"]),
    )


def _position(run: Run, strategy: str, instrument_id: str, ts: int) -> tuple[str, float | None]:
    """Return since when a position was open at the bar's close, and the stop that stood for it; "" without one."""
    held = _held(run, strategy, instrument_id, ts)
    if held.empty:
        return "", None
    stops = run.frame("protections")
    stops = stops[(stops["decision_id"] == held["decision_id"].iloc[0]) & (stops["ts"] <= ts)].sort_values("ts")
    return iso_time(int(held["entry_ts"].iloc[0])), float(stops["stop_px"].iloc[-1]) if len(stops) else None


def _regime_card(run: Run, ts: int) -> RegimeCard | None:
    frame = run.frame("regimes")
    known = frame[frame["ts"] <= ts].sort_values("ts")
    if known.empty:
        return None
    row = _records(known.tail(1))[0]
    return RegimeCard(
        at=iso_time(row["ts"]),
        regime=str(row["regime"]),
        label=str(row["label"]),
        confidence=float(row["confidence"]),
        count=int(row["count"]),
        slope_deg=_optional(row["slope_deg"]),
        atr_ratio=_optional(row["atr_ratio"]),
        vix=_optional(row["vix"]),
        breadth=_optional(row["breadth"]),
    )


def _params(run: Run, strategy: str) -> dict[str, Any]:
    for entry in run.config.get("strategies") or ():
        if isinstance(entry, dict) and entry.get("name") == strategy:
            return dict(entry.get("params") or {})
    return {}


def _close(cards: tuple[StrategyCard, ...], rows: pd.DataFrame) -> float | None:
    found = [card.numbers["close"] for card in cards if "close" in card.numbers]
    found += [d.reference_px for card in cards for d in card.decisions]
    return found[0] if found else None


def _optional(value: Any) -> float | None:
    return float(value) if pd.notna(value) else None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
