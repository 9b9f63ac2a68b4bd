"""Deterministic names: the same decision has the same id in every run, on every machine, before and after a restart."""

from enum import StrEnum
from hashlib import blake2b

from nautilus_qs.domain import Action

_SEPARATOR = "\x1f"  # a character no tag and no instrument id holds, so that two parts never read as two others


class Leg(StrEnum):
    """Which order of a decision: its entry, protective stop, target, or exit."""

    ENTRY = "E"
    STOP = "S"
    TARGET = "T"
    EXIT = "X"


def make_decision_id(trader_id: str, strategy: str, instrument_id: str, ts_batch: int, action: Action) -> str:
    """Return the id of a decision: 20 lowercase hexadecimal characters.

    Examples
    --------
    >>> make_decision_id("QS-BACKTEST", "rsi", "SPY.ARCA", 1_420_146_000_000_000_000, Action.ENTER)
    '11cb5eda05dec6bcb81f'

    """
    text = _SEPARATOR.join((trader_id, strategy, instrument_id, str(ts_batch), action.value))
    return blake2b(text.encode(), digest_size=10).hexdigest()


def client_order_id(decision_id: str, leg: Leg, sequence: int = 0) -> str:
    """Return the client order id of one leg, at most 32 characters; a leg that is sent again has a sequence above 0.

    A venue refuses the second order under one id, so that whoever sends a decision twice, it is carried out once.

    Raises
    ------
    ValueError
        The sequence is negative, or the id would be too long.

    Examples
    --------
    >>> client_order_id("0123456789abcdef0123", Leg.ENTRY), client_order_id("0123456789abcdef0123", Leg.STOP, 2)
    ('0123456789abcdef0123-E', '0123456789abcdef0123-S2')

    """
    text = f"{decision_id}-{leg.value}{sequence if sequence else ''}"
    if sequence < 0 or len(text) > 32:
        raise ValueError(f"sequence must be at least 0 and the id at most 32 characters, was {text!r}")
    return text
