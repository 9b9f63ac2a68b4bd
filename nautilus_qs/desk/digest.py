"""Fingerprints of what was decided and what was filled: equal digests mean equal trades.

They hold neither ids nor clocks, and do not depend on the order of the rows, so that a backtest, a rerun and a live
node can be compared. A number reads the same as a Decimal, as a float, and as either read back from a file.
"""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol


class DecidedRow(Protocol):
    """What the digest reads of a decision."""

    @property
    def ts_batch(self) -> int: ...
    @property
    def strategy(self) -> str: ...
    @property
    def instrument_id(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def quantity_granted(self) -> Decimal: ...
    @property
    def reference_px(self) -> float: ...
    @property
    def stop_px(self) -> float | None: ...
    @property
    def target_px(self) -> float | None: ...


class FilledRow(Protocol):
    """What the digest reads of an execution."""

    @property
    def ts_batch(self) -> int: ...
    @property
    def strategy(self) -> str: ...
    @property
    def instrument_id(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def leg(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def price(self) -> Decimal: ...


def decision_digest(rows: Iterable[DecidedRow]) -> str:
    """Return the SHA-256 of all decisions, granted or not: batch, strategy, instrument, side, type, quantity, prices.

    Examples
    --------
    >>> decision_digest([]) == hashlib.sha256(b"").hexdigest()
    True

    """
    return _digest(
        (
            row.ts_batch,
            row.strategy,
            row.instrument_id,
            row.side,
            row.action,
            *map(_text, (row.quantity_granted, row.reference_px, row.stop_px, row.target_px)),
        )
        for row in rows
    )


def fill_digest(rows: Iterable[FilledRow]) -> str:
    """Return the SHA-256 of all executions: batch time, strategy, instrument, side, leg, quantity, price.

    Examples
    --------
    >>> fill_digest([]) == decision_digest([])
    True

    """
    return _digest(
        (row.ts_batch, row.strategy, row.instrument_id, row.side, row.leg, _text(row.quantity), _text(row.price))
        for row in rows
    )


def _digest(lines: Iterable[tuple[object, ...]]) -> str:
    digest = hashlib.sha256()
    for line in sorted("|".join(map(str, parts)) for parts in lines):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _text(number: Decimal | float | None) -> str:
    """Return one text for one number: 100, 100.0 and Decimal("1E+2") are all "100"."""
    if number is None:
        return "-"
    exact = number if isinstance(number, Decimal) else Decimal(repr(float(number)))
    if not exact.is_finite():
        return str(exact)
    text = format(exact, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
