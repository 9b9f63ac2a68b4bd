"""How the Coinbase simulator writes: numbers, times, answers and rows, in the venue's spelling.

Numbers are text without an exponent and absent ones are empty text; times are RFC 3339, with microseconds in REST and
nanoseconds on sockets.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

type Json = dict[str, Any]

NANOS = 1_000_000_000


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer before it is bytes.

    Parameters
    ----------
    status
        HTTP status.
    body
        A JSON object, or the text of the few answers that are plain.

    """

    status: int
    body: Json | str


def encoded(body: Any) -> str:
    """Write JSON without blanks, as the venue does: clients look for pieces of it."""
    return json.dumps(body, separators=(",", ":"))


def number(value: Decimal | None) -> str:
    """Write a number without an exponent and without trailing zeros, an absent one as empty text.

    Examples
    --------
    >>> number(Decimal("1E+3")), number(Decimal("0.10")), number(None)
    ('1000', '0.1', '')

    """
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def time_text(ts_ns: int | None, *, digits: int = 6) -> str | None:
    """Write UTC nanoseconds as RFC 3339 with that many digits of a second, none as null.

    Examples
    --------
    >>> time_text(1_500_000_000), time_text(1_500_000_001, digits=9)
    ('1970-01-01T00:00:01.500000Z', '1970-01-01T00:00:01.500000001Z')

    """
    if ts_ns is None:
        return None
    secs, rest = divmod(ts_ns, NANOS)
    # Through a float the nanoseconds of our day would be lost.
    return f"{datetime.fromtimestamp(secs, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}"[: 20 + digits] + "Z"


def beat_time(ts_ns: int) -> str:
    """Write a time as heartbeats do, which is no RFC 3339.

    Examples
    --------
    >>> beat_time(1_500_000_001)
    '1970-01-01 00:00:01.500000001+00:00'

    """
    return f"{time_text(ts_ns, digits=9)}".replace("T", " ").replace("Z", "+00:00")


def bad_request(details: str) -> Answer:
    """Return the answer to what cannot be read."""
    return Answer(400, {"error": "INVALID_ARGUMENT", "error_details": details, "message": details})


def unauthorized() -> Answer:
    """Return the answer to who cannot be known: plain text, as the venue's gateway gives it."""
    return Answer(401, "Unauthorized\n")


def forbidden() -> Answer:
    """Return the answer to a key without the scope."""
    details = "Missing required scopes"
    return Answer(403, {"error": "PERMISSION_DENIED", "error_details": details, "message": details})


def not_found(details: str) -> Answer:
    """Return the answer to a name that the venue does not know."""
    return Answer(404, {"error": "NOT_FOUND", "error_details": details, "message": details})


def too_many() -> Answer:
    """Return the answer to more requests than there may be."""
    return Answer(429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]})
