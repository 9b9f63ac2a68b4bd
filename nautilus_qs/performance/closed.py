"""A closed trade, as the statistics need it."""

from decimal import Decimal
from typing import Protocol

from msgspec import Struct


class TradeLike(Protocol):
    """What a statistic needs of a closed trade; a stored trade row has it, too."""

    @property
    def pnl(self) -> float | Decimal:
        """Profit after commission, account currency."""

    @property
    def commission(self) -> float | Decimal:
        """Commission paid, positive."""

    @property
    def return_frac(self) -> float:
        """Profit as a fraction of the entry's notional."""

    @property
    def r_multiple(self) -> float:
        """Profit in units of the initial risk; NaN when there was no stop."""

    @property
    def entry_ts(self) -> int:
        """Time of the first fill, UTC nanoseconds."""

    @property
    def exit_ts(self) -> int:
        """Time of the last fill, UTC nanoseconds."""

    @property
    def mae(self) -> float:
        """Worst unrealised return while it was open."""

    @property
    def mfe(self) -> float:
        """Best unrealised return while it was open."""


class Trade(Struct, frozen=True):
    """A closed trade; the fields are those of :class:`TradeLike`."""

    pnl: float
    return_frac: float
    r_multiple: float
    commission: float
    entry_ts: int
    exit_ts: int
    mae: float
    mfe: float
