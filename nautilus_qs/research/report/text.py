"""Numbers and names as a reader wants them: signs that align, thousands apart, a dash where there is nothing to say."""

import html
import math
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

MISSING = "–"
MINUS = "\u2212"
ACRONYMS = {"rsi": "RSI", "atr": "ATR", "vix": "VIX", "rl": "RL", "px": "price", "id": "id"}


def escape(value: Any) -> str:
    """Return text that is safe inside HTML, also within an attribute.

    Examples
    --------
    >>> escape('<b> & "x"')
    '&lt;b&gt; &amp; &quot;x&quot;'
    """
    # A percent sign alone at the start of a line is hard to read.
    return html.escape(str(value), quote=True).replace(" %", "\u00a0%")


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 2, *, sign: bool = False) -> str:
    """Return a number with thousands separated and a true minus; a dash for what is none.

    Examples
    --------
    >>> number(-1234.5), number(3, 0, sign=True), number(None)
    ('−1,234.50', '+3', '–')
    """
    if not is_number(value):
        return MISSING
    rounded = round(float(value), digits) + 0.0  # + 0.0 turns a negative zero into zero
    text = f"{abs(rounded):,.{digits}f}"
    if rounded < 0:
        return MINUS + text
    return f"+{text}" if sign and rounded > 0 else text


def percent(value: Any, digits: int = 1, *, sign: bool = False) -> str:
    """Return a fraction as a percentage.

    Examples
    --------
    >>> percent(0.1234), percent(-0.05, sign=True), percent(float("nan"))
    ('12.3 %', '−5.0 %', '–')
    """
    return f"{number(float(value) * 100.0, digits, sign=sign)} %" if is_number(value) else MISSING


def significant(value: Any, digits: int = 4) -> str:
    """Return a number of unknown size with so many significant digits, never in exponent form.

    Examples
    --------
    >>> significant(0.0123456), significant(1234.567), significant(12.5), significant(0)
    ('0.01235', '1,235', '12.5', '0')
    """
    if not is_number(value):
        return MISSING
    size = math.floor(math.log10(abs(value))) + 1 if value else 0
    places = max(0, min(10, digits - size))
    text = number(value, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(n: int, noun: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> count(1, "trade"), count(1200, "trade")
    ('1 trade', '1,200 trades')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def label(name: str) -> str:
    """Return an identifier as a phrase.

    Examples
    --------
    >>> label("rsi_reversion"), label("max_drawdown")
    ('RSI reversion', 'Max drawdown')
    """
    words = " ".join(ACRONYMS.get(word, word) for word in name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def listed(items: Sequence[str], most: int = 4) -> str:
    """Return items as an English list that stays short.

    Examples
    --------
    >>> listed(["SPY", "QQQ"]), listed(["a", "b", "c"], most=2), listed([])
    ('SPY and QQQ', 'a, b and 1 more', '')
    """
    shown = list(items)
    if len(shown) > most:
        shown = [*shown[:most], f"{len(items) - most:,} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def day(ts: Any) -> str:
    """Return the UTC date of a time in nanoseconds.

    Examples
    --------
    >>> day(1_388_534_400_000_000_000), day(None)
    ('2014-01-01', '–')
    """
    return str(np.datetime64(int(ts), "ns").astype("datetime64[D]")) if is_number(ts) else MISSING


def minute(ts: Any) -> str:
    """Return a time in nanoseconds as UTC text to the minute.

    Examples
    --------
    >>> minute(1_388_606_400_000_000_000)
    '2014-01-01 20:00 UTC'
    """
    if not is_number(ts):
        return MISSING
    return str(np.datetime64(int(ts), "ns").astype("datetime64[m]")).replace("T", " ") + " UTC"


def tone(value: Any) -> str:
    """Return the CSS class of a number: gain, loss, or none.

    Examples
    --------
    >>> tone(0.1), tone(-0.1), tone(0.0)
    ('gain', 'loss', '')
    """
    if not is_number(value) or value == 0:
        return ""
    return "gain" if value > 0 else "loss"
