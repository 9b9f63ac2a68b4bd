"""Limits as settings: their defaults are the rules', and none can be set so that it limits nothing."""

from decimal import Decimal

import msgspec
import pytest

from nautilus_qs.domain import Regime
from nautilus_qs.errors import ConfigError
from nautilus_qs.risk.limits import CorrelationMode, InstrumentLimit, MarginRule, RiskLimits, exact, heat_limit

NAN = float("nan")


def test_defaults_are_those_of_the_rules():
    assert msgspec.structs.asdict(RiskLimits()) == {
        "max_heat": 0.10,
        "max_heat_choppy": 0.05,
        "max_heat_crisis": 0.02,
        "correlation_mode": CorrelationMode.BLOCK,
        "max_correlation": 0.7,
        "correlation_days": 30,
        "correlation_min_days": 20,
        "max_cluster_heat": 0.03,
        "max_sector": 0.30,
        "max_positions_per_strategy": 5,
        "max_positions": 20,
        "max_instrument": 0.50,
        "margin_excess": 0.25,
        "margin_maintenance": 0.30,
        "margin_rule": MarginRule.INTRADAY,
        "cash_buffer": 0.02,
        "max_participation": 0.10,
        "min_grant": 0.5,
        "instruments": {},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_heat", 1.01),
        ("max_heat", 0.0),
        ("max_heat", -0.1),
        ("max_heat", NAN),
        ("max_heat_choppy", 0.11),  # above max_heat
        ("max_heat_crisis", 0.051),  # above max_heat_choppy
        ("max_correlation", 1.1),
        ("max_cluster_heat", 0.0),
        ("max_sector", 30),
        ("max_instrument", 0.0),
        ("margin_maintenance", 0.0),
        ("max_participation", 1.5),
        ("min_grant", 0.0),
        ("margin_excess", -0.01),
        ("margin_excess", 10.1),
        ("margin_excess", NAN),
        ("cash_buffer", 0.51),
        ("cash_buffer", -0.01),
        ("max_positions_per_strategy", 0),
        ("max_positions", 1001),
        ("max_positions", True),
        ("max_positions", 2.0),
        ("correlation_days", 4),
        ("correlation_min_days", 2),
        ("correlation_min_days", 31),  # above correlation_days
    ],
)
def test_limit_outside_its_range_is_refused_with_its_name(name, value):
    with pytest.raises(ConfigError, match=rf"{name} must be .*was {value!r}; set risk\.{name}"):
        RiskLimits(**{name: value})


@pytest.mark.parametrize(
    "limits",
    [
        {"margin_excess": 0.0},
        {"margin_excess": 10.0},
        {"cash_buffer": 0.0},
        {"max_correlation": 1.0},
        {"correlation_min_days": 30},
        {"max_heat": 1.0},
        {"min_grant": 1.0},
        {"max_positions": 1},
    ],
    ids=str,
)
def test_limit_at_the_end_of_its_range_is_taken(limits):
    assert RiskLimits(**limits)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_fraction": 1.01},
        {"max_fraction": 0.0},
        {"max_notional": Decimal(0)},
        {"max_notional": Decimal("Infinity")},
        {"max_quantity": Decimal(-1)},
        {"max_quantity": Decimal("NaN")},
    ],
    ids=str,
)
def test_instrument_limit_that_is_none_is_refused(fields):
    (name,) = fields
    with pytest.raises(ConfigError, match=f"{name} must be .*was"):
        InstrumentLimit(**fields)


def test_unknown_limit_is_refused_on_decoding():
    with pytest.raises(msgspec.ValidationError, match="max_heet"):
        msgspec.convert({"max_heet": 0.1}, RiskLimits)


@pytest.mark.parametrize(
    ("regime", "expected"),
    [
        (Regime.NONE, 0.10),
        (Regime.BULL_TRENDING, 0.10),
        (Regime.BEAR_TRENDING, 0.10),
        (Regime.LOW_VOL_RANGE, 0.10),
        (Regime.HIGH_VOL_CHOPPY, 0.05),
        (Regime.CRISIS, 0.02),
    ],
)
def test_heat_limit_by_regime(regime, expected):
    assert heat_limit(RiskLimits(), regime) == expected


@pytest.mark.parametrize(("number", "text"), [(0.1, "0.1"), (1, "1.0"), (1e-9, "1E-9"), (30_000.55, "30000.55")])
def test_exact_is_the_decimal_that_was_meant(number, text):
    assert exact(number) == Decimal(text)
