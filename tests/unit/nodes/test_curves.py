"""Curves by hand: profit marked to market, buy and hold, and what trading cost."""

import numpy as np
import pandas as pd
import pytest

from nautilus_qs.nodes.curves import buy_and_hold, daily_profit
from nautilus_qs.nodes.results import Outcome, RunCounts, costs_of

PRICES = pd.DataFrame(
    {
        "ts": [10, 20, 30, 10, 20, 30],
        "instrument_id": ["A"] * 3 + ["B"] * 3,
        "close": [100.0, 110.0, 105.0, 50.0, 50.0, 60.0],
    }
)


def fills(*rows: tuple[int, str, str, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["ts_event", "instrument_id", "side", "quantity", "price", "commission"])


def test_daily_profit_marks_at_each_close_and_books_the_exit_on_its_day() -> None:
    profit = daily_profit(fills((15, "A", "buy", 2.0, 104.0, 1.0), (25, "A", "sell", 2.0, 108.0, 1.0)), PRICES)
    # Bought at 104, marked at 110; sold at 108; a dollar each way.
    assert profit.tolist() == [0.0, 2 * 6 - 1.0, 2 * (108 - 110) - 1.0]


def test_daily_profit_of_a_short_held_to_the_end_is_its_open_loss() -> None:
    assert daily_profit(fills((10, "B", "sell", 3.0, 50.0, 0.0)), PRICES).sum() == -30.0


def test_daily_profit_without_fills_is_nothing_every_day() -> None:
    assert daily_profit(fills(), PRICES).tolist() == [0.0, 0.0, 0.0]


def test_buy_and_hold_weighs_instruments_alike_and_starts_at_one() -> None:
    level = buy_and_hold(PRICES, ["A", "B"], np.array([5, 10, 25, 30]))
    assert level is not None
    assert level.tolist() == pytest.approx([1.0, 1.0, 1.05, (1.05 + 1.2) / 2])


def test_buy_and_hold_of_nothing_is_none() -> None:
    assert buy_and_hold(PRICES, ["C"], np.array([10])) is None


@pytest.mark.parametrize(("side", "sign"), [("buy", 1.0), ("sell", -1.0)])
def test_costs_tell_spread_from_gap(side: str, sign: float) -> None:
    # The signal's close was 100, the order met 100 + 2 against it, and was filled 0.5 worse than that.
    price = 100.0 + sign * 2.5
    table = pd.DataFrame(
        {
            "client_order_id": ["e"],
            "leg": ["E"],
            "side": [side],
            "quantity": [10.0],
            "price": [price],
            "commission": [1.25],
            "slippage_bps": [sign * (price / 100.0 - 1.0) * 1e4],
        }
    )
    counts = RunCounts(bars=0, proposals=0, orders=0, fills=1, trades=0)
    found = costs_of(table, Outcome(counts=counts, carry=[], market_px={"e": 100.0 + sign * 2.0}))
    assert found == pytest.approx({"commission": 1.25, "slippage": 5.0, "gap": 20.0, "carry": 0.0})
