"""Fields of the venue's JSON: Decimals, nanoseconds, texts; what is none is refused for a short, named reason."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from msgpack import Timestamp

_MAX_NUMBER = Decimal("1e15")
_MAX_DECIMALS = 18
MAX_TEXT = 128
_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):?(\d\d))", re.ASCII
)


class ParseError(ValueError):
    """A payload that cannot be used.

    Attributes
    ----------
    reason
        Short and from a small set (``order_id_missing``): fit to be a label of a counter.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_decimal(value: object, reason: str = "number") -> Decimal:
    """Return a number, which may come as text, int or float.

    Examples
    --------
    >>> parse_decimal("100.10"), parse_decimal(178.26), parse_decimal(5)
    (Decimal('100.10'), Decimal('178.26'), Decimal('5'))

    """
    if value is None:
        raise ParseError(f"{reason}_null")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ParseError(f"{reason}_not_a_number")
    if isinstance(value, str) and (len(value) > 40 or not value.isascii() or "_" in value):
        raise ParseError(f"{reason}_not_a_number")
    if isinstance(value, int) and abs(value) > _MAX_NUMBER:
        raise ParseError(f"{reason}_too_large")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ParseError(f"{reason}_not_a_number") from None
    if not number.is_finite():
        raise ParseError(f"{reason}_not_finite")
    if abs(number) > _MAX_NUMBER:
        raise ParseError(f"{reason}_too_large")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_MAX_DECIMALS:
        raise ParseError(f"{reason}_too_fine")
    return number


def parse_time_ns(value: object, reason: str = "time") -> int:
    """Return nanoseconds since 1970, from RFC 3339 text with any offset or from a MessagePack timestamp.

    Examples
    --------
    >>> parse_time_ns("2022-04-19T13:45:04.980944666-04:00") - parse_time_ns("2022-04-19T17:45:04.980944665Z")
    1

    """
    if isinstance(value, Timestamp):
        return _in_range(value.to_unix_nano(), reason)
    if value is None:
        raise ParseError(f"{reason}_null")
    if not isinstance(value, str):
        raise ParseError(f"{reason}_not_a_time")
    found = _TIME.fullmatch(value)
    if found is None:
        raise ParseError(f"{reason}_not_a_time")
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        if sign:
            offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
            moment += offset if sign == "-" else -offset
    except (ValueError, OverflowError):
        raise ParseError(f"{reason}_not_a_time") from None
    whole = moment - _EPOCH
    return _in_range((whole.days * 86_400 + whole.seconds) * _SECOND_NS + int((fraction or "0").ljust(9, "0")), reason)


def _in_range(moment_ns: int, reason: str) -> int:
    if not 0 <= moment_ns < 2**63:
        raise ParseError(f"{reason}_out_of_range")
    return moment_ns


def object_of(raw: object, reason: str) -> Mapping[str, Any]:
    """Return an object, or refuse what is none."""
    if not isinstance(raw, Mapping):
        raise ParseError(f"{reason}_not_an_object")
    return raw


def number_of(body: Mapping[str, Any], key: str) -> Decimal:
    """Return a number that must be there."""
    return parse_decimal(body.get(key), key)


def number_or_none(body: Mapping[str, Any], key: str) -> Decimal | None:
    """Return a number, None where there is none."""
    value = body.get(key)
    return None if value is None or value == "" else parse_decimal(value, key)


def time_of(body: Mapping[str, Any], key: str) -> int:
    """Return a time that must be there, ns."""
    return parse_time_ns(body.get(key), key)


def time_or_none(body: Mapping[str, Any], key: str) -> int | None:
    """Return a time, None where there is none."""
    value = body.get(key)
    return None if value is None or value == "" else parse_time_ns(value, key)


def text_of(body: Mapping[str, Any], key: str) -> str:
    """Return a text, "" where there is none."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ParseError(f"{key}_not_text")
    return value[: 4 * MAX_TEXT]


def word_of(body: Mapping[str, Any], key: str) -> str:
    """Return a text in lower case."""
    return text_of(body, key).lower()


def id_of(body: Mapping[str, Any], key: str, reason: str) -> str:
    """Return an identifier that must be there."""
    value = text_of(body, key)
    if not value or len(value) > MAX_TEXT or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ParseError(f"{reason}_missing" if not value else f"{reason}_invalid")
    return value


def symbol_of(body: Mapping[str, Any], reason: str, key: str = "symbol") -> str:
    """Return a symbol that must be there."""
    value = text_of(body, key)
    if not value:
        raise ParseError(f"{reason}_missing")
    if len(value) > 32 or not value.isascii() or not re.fullmatch(r"[A-Za-z0-9./\-]+", value):
        raise ParseError(f"{reason}_invalid")
    return value
