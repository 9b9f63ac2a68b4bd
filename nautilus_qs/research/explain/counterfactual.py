"""What was missing: how far a bar was from an entry, and what would have let a refused proposal pass."""

from collections.abc import Callable, Sequence
from typing import Any

from nautilus_qs.domain import Direction
from nautilus_qs.research.report.definitions import check_title
from nautilus_qs.research.report.text import is_number, number, percent, significant
from nautilus_qs.signals import BollingerParams, BreakoutParams, RsiParams

_BOLLINGER, _RSI, _BREAKOUT = BollingerParams(), RsiParams(), BreakoutParams()

# Checks whose value and limit are fractions (an instrument's own cap may be an amount: it is then far above 1).
_FRACTIONS = ("heat", "sector", "instrument_cap", "participation", "half_rule")
# Checks that ask for a state: their numbers only encode it.
_STATES = ("mode", "regime_weight", "one_position", "conflict", "risk_size", "allocation", "position")
_LOWER_BOUNDS = ("minimum", "half_rule")
# Where nothing was granted, these fail with whatever failed before them.
_CONSEQUENCES = ("minimum", "half_rule")


def conditions(numbers: dict[str, float], params: dict[str, Any]) -> tuple[str, ...]:
    """Return a rule's conditions to enter, each with the numbers of the bar and whether it held.

    Told by the names of the numbers, so that a strategy of any name is read; none for a rule this project does not
    ship. Longs, and the mirrored shorts where the strategy takes both sides.

    Parameters
    ----------
    numbers
        The rule's columns on the bar.
    params
        The strategy's parameters as configured; what is not given has the rule's default.

    Examples
    --------
    >>> conditions({"close": 99.0, "atr": 1.0, "rsi": 35.0, "rsi_before": 36.0}, {})
    ('RSI below 30: no, it was 35.0', 'RSI at or above 30 on the bar before: yes, it was 36.0')
    """
    known: tuple[tuple[set[str], Callable[[dict[str, float], dict[str, Any], bool], list[str]]], ...] = (
        ({"lower", "middle", "upper", "rsi"}, _bollinger),
        ({"rsi", "rsi_before"}, _rsi),
        ({"channel_high", "channel_low", "relative_volume"}, _breakout),
    )
    tell = next((tell for columns, tell in known if columns <= set(numbers)), None)
    if tell is None or "close" not in numbers:
        return ()
    if params.get("direction") != Direction.LONG_SHORT:
        return tuple(tell(numbers, params, False))
    long = [f"long: {line}" for line in tell(numbers, params, False)]
    return (*long, *(f"short: {line}" for line in tell(numbers, params, True)))


def what_would_have_changed_it(failed: str, checks: Sequence[dict[str, Any]]) -> str:
    """Return what had to be different for a refused proposal to pass; "" when none failed.

    Every failing check is named, the first one first, but for those that failed only because nothing was left.

    Examples
    --------
    >>> what_would_have_changed_it("heat", [{"name": "heat", "passed": False, "value": 0.12, "limit": 0.1}])
    'would have traded if heat had been at most 10.00 % (it came to 12.00 %)'
    >>> what_would_have_changed_it("mode", [{"name": "mode", "passed": False, "value": 1.0, "limit": 0.0}])
    'would have traded but for this: trading was halted'
    """
    if not failed:
        return ""
    failing = [c for c in checks if not c["passed"] and (c["name"] == failed or c["name"] not in _CONSEQUENCES)]
    failing.sort(key=lambda check: check["name"] != failed)
    wishes = [wish for check in failing if (wish := _wish(check))]
    states = [_state(check) for check in failing if not _wish(check)] or ([] if failing else [_title(failed)])
    parts = [f"if {' and '.join(wishes)}"] if wishes else []
    parts += [f"but for this: {'; '.join(states)}"] if states else []
    return f"would have traded {', and '.join(parts)}"


def _wish(check: dict[str, Any]) -> str:
    """Return what the check's value had to be; "" when it is not a matter of a number."""
    value, limit, name = check["value"], check["limit"], str(check["name"])
    if name in _STATES or not (is_number(value) and is_number(limit)):
        return ""
    is_lower = name in _LOWER_BOUNDS
    # Within its bound and failed all the same: it failed for what its detail says (one sector, no volume known).
    if value == limit or (value > limit) == is_lower:
        return ""
    bound = "at least" if is_lower else "at most"
    return f"{name.replace('_', ' ')} had been {bound} {_amount(name, limit)} (it came to {_amount(name, value)})"


def _state(check: dict[str, Any]) -> str:
    detail = str(check.get("detail") or "")
    return f"{_title(str(check['name']))}{f' ({detail})' if detail else ''}"


def _title(name: str) -> str:
    title = check_title(name)
    return title[:1].lower() + title[1:]


def _bollinger(numbers: dict[str, float], params: dict[str, Any], is_short: bool) -> list[str]:
    threshold = float(params.get("rsi_threshold", _BOLLINGER.rsi_threshold))
    close, rsi = numbers["close"], numbers["rsi"]
    if is_short:
        return [
            _close_line("above", "upper band", close, numbers["upper"]),
            _line(f"RSI above {100 - threshold:g}", rsi > 100 - threshold, number(rsi, 1)),
        ]
    return [
        _close_line("below", "lower band", close, numbers["lower"]),
        _line(f"RSI below {threshold:g}", rsi < threshold, number(rsi, 1)),
    ]


def _rsi(numbers: dict[str, float], params: dict[str, Any], is_short: bool) -> list[str]:
    level = float(params.get("entry_level", _RSI.entry_level))
    rsi, before = numbers["rsi"], numbers["rsi_before"]
    if is_short:
        level = 100 - level
        return [
            _line(f"RSI above {level:g}", rsi > level, number(rsi, 1)),
            _line(f"RSI at or below {level:g} on the bar before", before <= level, number(before, 1)),
        ]
    return [
        _line(f"RSI below {level:g}", rsi < level, number(rsi, 1)),
        _line(f"RSI at or above {level:g} on the bar before", before >= level, number(before, 1)),
    ]


def _breakout(numbers: dict[str, float], params: dict[str, Any], is_short: bool) -> list[str]:
    least = float(params.get("min_relative_volume", _BREAKOUT.min_relative_volume))
    close, volume = numbers["close"], numbers["relative_volume"]
    first = (
        _close_line("below", "channel's low", close, numbers["channel_low"])
        if is_short
        else _close_line("above", "channel's high", close, numbers["channel_high"])
    )
    return [first, _line(f"relative volume above {least:g}", volume > least, number(volume))]


def _close_line(way: str, what: str, close: float, level: float) -> str:
    holds = close < level if way == "below" else close > level
    distance = abs(close / level - 1.0) if level else 0.0
    side = "below" if close < level else "above"
    where = f"{significant(close, 6)}, {percent(distance, 2)} {side} {significant(level, 6)}"
    return _line(f"close {way} the {what}", holds, where)


def _line(condition: str, holds: bool, value: str) -> str:
    return f"{condition}: {'yes' if holds else 'no'}, it was {value}"


def _amount(check: str, value: float) -> str:
    return percent(value, 2) if check.startswith(_FRACTIONS) and abs(value) < 10 else significant(value)
