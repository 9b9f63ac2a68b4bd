"""Values of metrics.json, read for a list or a comparison."""

import re
from datetime import UTC, datetime
from typing import Any


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under dotted keys; a statistic (a mapping with ``value``) becomes its value.

    Lists of mappings with a ``name`` are keyed by it, so that a strategy that moved is no difference.

    Examples
    --------
    >>> flatten({"risk": {"heat": 0.1}, "sharpe": {"value": 0.5, "n": 250}, "tags": [1, 2]})
    {'risk.heat': 0.1, 'sharpe': 0.5, 'tags': [1, 2]}
    >>> flatten({"strategies": [{"name": "rsi", "path": "a:B"}]})
    {'strategies.rsi.name': 'rsi', 'strategies.rsi.path': 'a:B'}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
            value = {str(item["name"]): item for item in value}
        if isinstance(value, dict) and "value" in value:
            flat[path] = value["value"]
        elif isinstance(value, dict) and value:
            flat.update(flatten(value, path))
        else:
            flat[path] = value
    return flat


def number_of(value: Any) -> float | None:
    """Return the number in a plain value, a statistic or a drawdown; None without one.

    Examples
    --------
    >>> number_of(0.5), number_of({"value": 1.2, "n": 3}), number_of({"depth": 0.1}), number_of(None)
    (0.5, 1.2, 0.1, None)
    """
    if isinstance(value, dict):
        value = value.get("value", value.get("depth"))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def time_text(value: Any) -> str:
    """Return a time as ISO text in UTC: from nanoseconds, from ISO text, or from ``YYYYMMDD``; "" without one.

    Examples
    --------
    >>> time_text(1_388_534_400_000_000_000), time_text("20140101"), time_text("2014-01-01")
    ('2014-01-01T00:00:00Z', '2014-01-01', '2014-01-01')
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if re.fullmatch(r"\d{8}", text) else text


def mapping(value: Any) -> dict[str, Any]:
    """Return a value that is a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}
