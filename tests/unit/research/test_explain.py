"""Why and why not: the bar that is meant, what each strategy saw, and what had to be different."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from nautilus_qs.domain import Direction
from nautilus_qs.errors import ConfigError, NotFoundError, StorageError
from nautilus_qs.research.explain import Card, explain, render_text
from nautilus_qs.research.explain.bar import find_bar, iso_time
from nautilus_qs.research.explain.counterfactual import conditions, what_would_have_changed_it
from nautilus_qs.signals import BollingerBounce, BollingerParams, Breakout, BreakoutParams, RsiParams, RsiReversion
from nautilus_qs.storage.runs import Run, open_run

BASE = {"run_id": "r", "trader_id": "t", "account_id": "a", "mode": "backtest"}


def decision(run: Run, verdict: str) -> Any:
    frame = run.frame("decisions")
    return frame[frame["verdict"] == verdict].iloc[0]


def bars(path: Path, times: list[str], *, zone: str = "America/New_York") -> Run:
    (path / "metrics.json").write_text("{}")
    (path / "config.yaml").write_text(f"day_zone: {zone}\n")
    ts = pd.DatetimeIndex(times).as_unit("ns").asi8
    columns = {**BASE, "strategy": "s", "instrument_id": "A.X", "nearness": 0.1, "outcome": "quiet", "close": 1.0}
    pd.DataFrame({"ts_batch": ts, **columns}).to_parquet(path / "signals.parquet")
    return open_run(path)


# -- the bar ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "at", "closed"),
    [
        ("America/New_York", "2024-03-11", "2024-03-11T20:00:00Z"),
        ("America/New_York", "20240311", "2024-03-11T20:00:00Z"),
        ("America/New_York", "2024-03-12", "2024-03-13T04:00:00Z"),  # midnight ends the day
        ("UTC", "2024-03-12", "2024-03-12T20:00:00Z"),
        ("UTC", "2024-03-11T20:00", "2024-03-11T20:00:00Z"),
        ("America/New_York", "2024-03-11T16:00:00-04:00", "2024-03-11T20:00:00Z"),
    ],
)
def test_bar_is_found_by_date_and_by_time(tmp_path: Path, zone: str, at: str, closed: str) -> None:
    run = bars(tmp_path, ["2024-03-11 20:00", "2024-03-12 20:00", "2024-03-13 04:00"], zone=zone)
    assert iso_time(find_bar(run, "A.X", at)) == closed


def test_date_across_a_change_of_clocks_ends_with_its_own_midnight(tmp_path: Path) -> None:
    # 2024-03-10 has 23 hours in New York: it ends at 04:00 UTC, not at 05:00.
    run = bars(tmp_path, ["2024-03-11 04:00", "2024-03-11 04:30"])
    assert iso_time(find_bar(run, "A.X", "2024-03-10")) == "2024-03-11T04:00:00Z"


def test_bar_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    run = bars(tmp_path, ["2024-03-08 21:00", "2024-03-11 20:00", "2024-03-12 20:00", "2024-06-12 20:00"])
    with pytest.raises(NotFoundError, match="2024-03-08T21:00:00Z, 2024-03-11T20:00:00Z, 2024-03-12T20:00:00Z"):
        find_bar(run, "A.X", "2024-03-09")


@pytest.mark.parametrize("at", ["yesterday", "2024-13-01", ""])
def test_bar_at_no_time_is_a_configuration_error(run: Run, at: str) -> None:
    with pytest.raises(ConfigError, match="at must be a date"):
        explain(run, at, "SPY")


def test_instrument_is_found_by_symbol_and_refused_with_a_hint(run: Run) -> None:
    at = iso_time(run.bar_times("SPY.ALPACA")[50])
    assert explain(run, at, "spy").instrument_id == "SPY.ALPACA"
    with pytest.raises(NotFoundError, match=r"did you mean SPY\.ALPACA"):
        explain(run, at, "SPY.ALPAC")


def test_strategy_that_did_not_look_is_not_found(run: Run) -> None:
    at = iso_time(run.bar_times("SPY.ALPACA")[50])
    with pytest.raises(NotFoundError, match="rsi_reversion"):
        explain(run, at, "SPY", "nonsense")


# -- the card ---------------------------------------------------------------------------------------------------------


def test_card_of_a_granted_entry_leads_to_its_trade(run: Run) -> None:
    row = decision(run, "granted")
    card = explain(run, iso_time(row["ts_batch"]), row["instrument_id"], row["strategy"])
    (strategy,) = card.strategies
    (found,) = strategy.decisions
    trade = run.frame("trades").set_index("decision_id").loc[row["decision_id"]]
    assert (found.verdict, found.would_trade, found.failed_check) == ("granted", "", "")
    assert found.trade is not None
    assert found.trade.pnl == trade["pnl"]
    assert [fill.leg for fill in found.fills] == ["E", "X"]
    assert {order.event for order in found.orders} == {"initialized", "submitted", "accepted", "filled"}
    assert all(check.passed for check in found.checks)
    assert strategy.outcome == "entry"
    assert strategy.nearness == 1.0


def test_card_of_a_denied_entry_says_what_had_to_be_different(run: Run) -> None:
    row = decision(run, "denied")
    card = explain(run, iso_time(row["ts_batch"]), row["instrument_id"], row["strategy"])
    found = card.strategies[0].decisions[0]
    assert (found.granted, found.orders, found.fills, found.trade) == (0.0, (), (), None)
    assert found.failed_check == row["failed_check"]
    assert found.would_trade.startswith(f"would have traded if {found.failed_check.replace('_', ' ')} had been at most")


def test_card_of_a_quiet_bar_has_numbers_and_every_strategy(run: Run) -> None:
    asked = set(run.frame("decisions")["ts_batch"])
    ts = next(t for t in run.bar_times("SPY.ALPACA")[100:] if t not in asked)
    card = explain(run, iso_time(ts), "SPY")
    assert [s.strategy for s in card.strategies] == ["bollinger_bounce", "rsi_reversion", "breakout"]
    assert all(s.outcome == "quiet" and not s.decisions and s.conditions for s in card.strategies)
    assert set(card.strategies[1].numbers) == {"close", "atr", "rsi", "rsi_before"}  # not those of other rules
    assert card.regime is not None
    assert card.regime.vix is None


def test_card_of_a_held_bar_tells_the_stop_in_force(run: Run) -> None:
    trades = run.frame("trades")
    trade = trades[trades["bars_held"] > 8].iloc[0]
    ts = next(t for t in run.bar_times(trade["instrument_id"]) if t > trade["entry_ts"] + 7 * 86_400 * 10**9)
    card = explain(run, iso_time(ts), trade["instrument_id"], trade["strategy"])
    stops = run.frame("protections")
    stops = stops[(stops["decision_id"] == trade["decision_id"]) & (stops["ts"] <= ts)]
    assert len(stops) >= 2
    assert card.strategies[0].open_since == iso_time(trade["entry_ts"])
    assert card.strategies[0].stop_px == stops["stop_px"].iloc[-1]


def test_card_of_an_exit_follows_the_position_it_closes(own_dir: Path) -> None:
    run = open_run(own_dir)
    trade = run.frame("trades").iloc[3]
    times = [t for t in run.bar_times(trade["instrument_id"]) if trade["entry_ts"] < t < trade["exit_ts"]]
    frame = run.frame("decisions")
    leaving = frame.head(1).assign(
        ts_batch=times[-1],
        decision_id="exit",
        strategy=trade["strategy"],
        instrument_id=trade["instrument_id"],
        action="exit",
        client_order_id="exit-X",
        verdict="granted",
        failed_check="",
    )
    pd.concat([frame, leaving]).to_parquet(own_dir / "decisions.parquet")
    card = explain(own_dir, iso_time(times[-1]), trade["instrument_id"], trade["strategy"])
    found = card.strategies[0].decisions[0]
    assert [fill.leg for fill in found.fills] == ["X"]  # the entry's fill came before
    assert found.trade is not None
    assert found.trade.exit_at == iso_time(trade["exit_ts"])


def test_card_without_signals_still_has_the_decision(own_dir: Path) -> None:
    (own_dir / "signals.parquet").unlink()
    run = open_run(own_dir)
    row = decision(run, "granted")
    card = explain(run, iso_time(row["ts_batch"]), row["instrument_id"])
    assert card.strategies[0].outcome == "unrecorded"
    assert card.close == row["reference_px"]
    assert "not recorded" in render_text(card)


def test_card_with_damaged_checks_is_refused(own_dir: Path) -> None:
    frame = pd.read_parquet(own_dir / "decisions.parquet")
    frame.assign(checks="[{").to_parquet(own_dir / "decisions.parquet")
    row = frame.iloc[0]
    with pytest.raises(StorageError, match="checks of decision"):
        explain(own_dir, iso_time(row["ts_batch"]), row["instrument_id"])


def test_card_survives_json(run: Run) -> None:
    row = decision(run, "granted")
    card = explain(run, iso_time(row["ts_batch"]), row["instrument_id"], row["strategy"])
    text = msgspec.json.encode(card)
    assert msgspec.json.decode(text, type=Card) == card
    assert json.loads(text)["strategies"][0]["decisions"][0]["verdict"] == "granted"


def test_words_tell_checks_orders_fills_and_trade(run: Run) -> None:
    row = decision(run, "granted")
    text = render_text(explain(run, iso_time(row["ts_batch"]), row["instrument_id"], row["strategy"]))
    for word in ("saw ", "needs ", "asked ", "size ", "check   ok", "answer  granted", "order ", "fill ", "trade "):
        assert f"  {word}" in text
    row = decision(run, "denied")
    text = render_text(explain(run, iso_time(row["ts_batch"]), row["instrument_id"], row["strategy"]))
    assert f"check   FAIL {row['failed_check']}" in text
    assert "would have traded if" in text


# -- what was missing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        (BollingerBounce(), (94.0, 1.0, 95.0, 100.0, 105.0, 35.0)),
        (BollingerBounce(), (94.0, 1.0, 95.0, 100.0, 105.0, 45.0)),
        (BollingerBounce(), (96.0, 1.0, 95.0, 100.0, 105.0, 35.0)),
        (BollingerBounce(BollingerParams(rsi_threshold=30.0)), (94.0, 1.0, 95.0, 100.0, 105.0, 35.0)),
        (RsiReversion(), (94.0, 1.0, 29.0, 31.0)),
        (RsiReversion(), (94.0, 1.0, 29.0, 28.0)),
        (RsiReversion(RsiParams(entry_level=25.0)), (94.0, 1.0, 29.0, 31.0)),
        (Breakout(), (106.0, 1.0, 105.0, 95.0, 104.0, 96.0, 1.6)),
        (Breakout(), (106.0, 1.0, 105.0, 95.0, 104.0, 96.0, 1.4)),
        (Breakout(BreakoutParams(min_relative_volume=1.3)), (106.0, 1.0, 105.0, 95.0, 104.0, 96.0, 1.4)),
    ],
)
def test_conditions_agree_with_the_rule(rule: Any, numbers: tuple[float, ...]) -> None:
    lines = conditions(dict(zip(rule.columns, numbers, strict=True)), msgspec.to_builtins(rule.params))
    assert len(lines) == 2
    assert all(": yes, " in line for line in lines) == (rule.entry("A.X", numbers) is not None)


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        (BollingerBounce(BollingerParams(direction=Direction.LONG_SHORT)), (106.0, 1.0, 95.0, 100.0, 105.0, 65.0)),
        (RsiReversion(RsiParams(direction=Direction.LONG_SHORT)), (94.0, 1.0, 71.0, 69.0)),
        (Breakout(BreakoutParams(direction=Direction.LONG_SHORT)), (94.0, 1.0, 105.0, 95.0, 104.0, 96.0, 1.6)),
    ],
)
def test_conditions_of_both_sides_agree_with_the_rule(rule: Any, numbers: tuple[float, ...]) -> None:
    lines = conditions(dict(zip(rule.columns, numbers, strict=True)), msgspec.to_builtins(rule.params))
    signal = rule.entry("A.X", numbers)
    assert signal is not None
    held = {side: all(": yes, " in x for x in lines if x.startswith(side)) for side in ("long", "short")}
    assert held == {"long": False, "short": True}


def test_conditions_of_an_unknown_rule_are_none() -> None:
    assert conditions({"close": 1.0, "moon": 0.5}, {}) == ()


@pytest.mark.parametrize(
    ("failed", "checks", "text"),
    [
        ("", [], ""),
        (
            "positions_total",
            [("positions_total", 21, 20, "")],
            "would have traded if positions total had been at most 20 (it came to 21)",
        ),
        (
            "minimum",
            [("minimum", 0.4, 1, "quantity")],
            "would have traded if minimum had been at least 1 (it came to 0.4)",
        ),
        (
            "heat",
            [("heat", 0.2, 0.1, "0 of 10 fit"), ("cash", 9, 8, ""), ("minimum", 0, 1, ""), ("half_rule", 0, 0.5, "")],
            "would have traded if heat had been at most 10.00 % (it came to 20.00 %) and cash had been at most 8 "
            "(it came to 9)",
        ),
        ("mode", [("mode", 1, 0, "halted")], "would have traded but for this: trading was halted (halted)"),
        (
            "conflict",
            [("conflict", 0.7, 0.2, "breakout is short")],
            "would have traded but for this: lost against the opposite side of another strategy (breakout is short)",
        ),
        (
            "correlation",
            [("correlation", 0.0, 0.7, "B.X by sector")],
            "would have traded but for this: too much alike with a position already open (B.X by sector)",
        ),
        (
            "mode",
            [("mode", 1, 0, ""), ("heat", 0.2, 0.1, "")],
            "would have traded if heat had been at most 10.00 % (it came to 20.00 %), and but for this: "
            "trading was halted",
        ),
        ("mode", [], "would have traded but for this: trading was halted"),
        ("odd", [("odd", None, None, "")], "would have traded but for this: odd"),
    ],
)
def test_counterfactual_names_every_failing_check(failed: str, checks: list[Any], text: str) -> None:
    judged = [{"name": n, "passed": False, "value": v, "limit": limit, "detail": d} for n, v, limit, d in checks]
    assert what_would_have_changed_it(failed, judged) == text
