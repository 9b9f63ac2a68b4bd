"""Fee tables by date: commissions by maker and taker tier, and the regulatory fees on US equity sales.

A table is data (YAML in ``configs/fees``) with its sources; this module only looks rates up and rounds as the venue
does. Dates begin at midnight in the table's time zone.
"""

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from nautilus_qs.errors import ConfigError

_CENT = Decimal("0.01")
_MILLION = Decimal(1_000_000)
_ZERO = Decimal(0)


class SecFee(Struct, frozen=True, forbid_unknown_fields=True):
    """The SEC's Section 31 fee from a date on, in dollars per million dollars sold."""

    since: date
    per_million: Decimal


class TafFee(Struct, frozen=True, forbid_unknown_fields=True):
    """FINRA's Trading Activity Fee from a date on, in dollars per share sold and at most `cap` per trade."""

    since: date
    per_share: Decimal
    cap: Decimal


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """Commission as a fraction of notional, from a 30-day volume (in quote currency) upwards."""

    volume: Decimal
    maker: Decimal
    taker: Decimal


class TierSchedule(Struct, frozen=True, forbid_unknown_fields=True):
    """The tiers in force from a date on; volumes ascend from 0."""

    since: date
    tiers: tuple[Tier, ...]


class FeeTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything one venue charges, by date.

    Parameters
    ----------
    name
        How configurations refer to it.
    zone
        Time zone in which its dates begin.
    schedules
        Commission tiers, oldest first. The oldest also applies before its date: an unknown fee is not a free trade.
    sec, taf
        Regulatory fees on sales, oldest first. Nothing is charged before their first date.
    sources, notes
        Where the numbers come from, and what is uncertain about them.

    Raises
    ------
    ConfigError
        If dates or volumes do not ascend, a rate is out of range, or the zone is unknown.
    """

    name: str
    zone: str = "UTC"
    schedules: tuple[TierSchedule, ...] = ()
    sec: tuple[SecFee, ...] = ()
    taf: tuple[TafFee, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, dates in self._dates().items():
            if any(later <= earlier for earlier, later in itertools.pairwise(dates)):
                raise ConfigError(f"dates of {name} in fee table {self.name} must ascend; order its rows by since")
        for schedule in self.schedules:
            self._check_tiers(schedule)
        for sec in self.sec:
            if not 0 <= sec.per_million <= 1000:
                raise ConfigError(f"per_million of {sec.since} in fee table {self.name} must be in [0, 1000]")
        for taf in self.taf:
            if not 0 <= taf.per_share <= 1 or taf.cap < 0:
                raise ConfigError(f"per_share of {taf.since} in fee table {self.name} must be in [0, 1], cap >= 0")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError) as error:
            raise ConfigError(f"zone of fee table {self.name} must be a time zone, was {self.zone!r}") from error

    def _dates(self) -> dict[str, list[date]]:
        return {
            "schedules": [row.since for row in self.schedules],
            "sec": [row.since for row in self.sec],
            "taf": [row.since for row in self.taf],
        }

    def _check_tiers(self, schedule: TierSchedule) -> None:
        where = f"the schedule of {schedule.since} in fee table {self.name}"
        volumes = [tier.volume for tier in schedule.tiers]
        if not volumes or volumes[0] != 0 or sorted(set(volumes)) != volumes:
            raise ConfigError(f"volumes of {where} must ascend from 0, were {[str(v) for v in volumes]}")
        # A maker rebate is a negative rate.
        if any(not Decimal("-0.01") <= rate <= Decimal("0.1") for t in schedule.tiers for rate in (t.maker, t.taker)):
            raise ConfigError(f"rates of {where} must be fractions in [-0.01, 0.1]; 0.6 % is 0.006")


def commission(
    table: FeeTable,
    *,
    ts: int,
    is_sell: bool,
    quantity: Decimal,
    price: Decimal,
    is_maker: bool,
    volume_30d: Decimal = _ZERO,
) -> Decimal:
    """Return what one fill costs in fees, in quote currency.

    Tier commissions keep full precision, as Coinbase charges them. The SEC fee and the TAF are each rounded up to the
    cent per fill; Alpaca rounds each up once per account and day, so a day of many fills is charged up to a cent per
    fill and fee too much, never too little.

    Parameters
    ----------
    ts
        Time of the fill, UTC nanoseconds.
    is_sell
        Whether the fill sells; only sales pay regulatory fees.
    quantity, price
        Units filled, and at which price.
    is_maker
        Whether the order rested on the book.
    volume_30d
        Volume traded in the 30 days before, in quote currency: it selects the tier.

    Examples
    --------
    >>> table = FeeTable(name="x", sec=(SecFee(date(2020, 2, 18), Decimal("22.10")),))
    >>> ts = 1_590_000_000 * 10**9
    >>> commission(table, ts=ts, is_sell=True, quantity=Decimal(100), price=Decimal("52.5"), is_maker=False)
    Decimal('0.12')
    """
    day = datetime.fromtimestamp(ts // 10**9, ZoneInfo(table.zone)).date()
    notional = quantity * price
    fee = _tier_rate(table.schedules, day, volume_30d, is_maker=is_maker) * notional
    if is_sell:
        fee += _sec_fee(table.sec, day, notional) + _taf_fee(table.taf, day, quantity)
    return fee


def _tier_rate(schedules: tuple[TierSchedule, ...], day: date, volume_30d: Decimal, *, is_maker: bool) -> Decimal:
    if not schedules:
        return _ZERO
    schedule = schedules[max(_row_at(schedules, day), 0)]
    reached = [tier for tier in schedule.tiers if tier.volume <= volume_30d]
    tier = reached[-1] if reached else schedule.tiers[0]
    return tier.maker if is_maker else tier.taker


def _sec_fee(rows: tuple[SecFee, ...], day: date, notional: Decimal) -> Decimal:
    index = _row_at(rows, day)
    return _ZERO if index < 0 else _cents_up(rows[index].per_million * notional / _MILLION)


def _taf_fee(rows: tuple[TafFee, ...], day: date, quantity: Decimal) -> Decimal:
    index = _row_at(rows, day)
    return _ZERO if index < 0 else min(_cents_up(rows[index].per_share * quantity), rows[index].cap)


def _row_at(rows: Sequence[TierSchedule | SecFee | TafFee], day: date) -> int:
    return bisect_right(rows, day, key=lambda row: row.since) - 1


def _cents_up(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_CEILING)
