"""The command line itself: what it prints of a regime, and how its arguments are read."""

import numpy as np
import pytest

from nautilus_qs.cli.app import spread
from nautilus_qs.cli.printing import regime_tables
from nautilus_qs.nodes.regimes import RegimeReport
from nautilus_qs.regime.history import history, summary


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["backtest", "demo", "-s", "a"], ["backtest", "demo", "-s", "a"]),
        (["--strategy-list", "a"], ["--strategy-list", "a"]),
        (
            ["x", "--strategy-list", "a", "b", "--set", "c=d"],
            ["x", "--strategy-list", "a", "--strategy-list", "b", "--set", "c=d"],
        ),
    ],
)
def test_spread_names_the_option_once_a_value(arguments: list[str], expected: list[str]) -> None:
    assert spread(arguments) == expected


def test_regime_table_has_a_year_without_a_crisis(capsys: pytest.CaptureFixture[str]) -> None:
    day = 86_400 * 10**9
    ts = 1_420_000_000 * 10**9 + np.arange(400) * day
    missing = np.full(400, np.nan)
    updates = history(ts, np.full(400, 5.0), np.full(400, 1.0), vix=missing, breadth=missing, instrument_id="A.X")
    divided = summary(updates)
    assert divided is not None
    regime_tables(RegimeReport("A.X", tuple(updates), divided), with_days=False)
    printed = capsys.readouterr().out
    assert "2015" in printed
    assert "bull_trending" in printed
