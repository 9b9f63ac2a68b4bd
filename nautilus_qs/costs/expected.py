"""The expected cost of an order before it is sent: the same formulas by which a simulated venue fills it."""

from decimal import Decimal

from msgspec import Struct

from nautilus_qs.costs.fees import FeeTable, commission
from nautilus_qs.costs.slippage import IMPACT_BPS, slippage_frac


class Cost(Struct, frozen=True):
    """What an order is expected to cost, in quote currency; all amounts are positive when they cost something."""

    spread: Decimal
    impact: Decimal
    fee: Decimal
    notional: Decimal

    @property
    def total(self) -> Decimal:
        """Return the sum of spread, impact and fee."""
        return self.spread + self.impact + self.fee

    @property
    def bps(self) -> float:
        """Return the total in basis points of notional; 0 for an order of nothing."""
        return float(self.total / self.notional * 10_000) if self.notional else 0.0


def expected_cost(
    table: FeeTable,
    *,
    ts: int,
    is_sell: bool,
    quantity: Decimal,
    price: Decimal,
    half_spread_bps: float,
    mean_volume: float | None,
    is_maker: bool = False,
    impact_bps: float = IMPACT_BPS,
    multiplier: float = 1.0,
    volume_30d: Decimal = Decimal(0),
) -> Cost:
    """Return the expected cost of an order.

    A maker order fills at its price: it pays no spread and no impact. The other parameters are those of
    :func:`~nautilus_qs.costs.slippage.slippage_frac` and :func:`~nautilus_qs.costs.fees.commission`.

    Examples
    --------
    >>> cost = expected_cost(FeeTable(name="none"), ts=0, is_sell=False, quantity=Decimal(100), price=Decimal(50),
    ...                      half_spread_bps=3.0, mean_volume=10_000)
    >>> cost.total, cost.bps
    (Decimal('6.50'), 13.0)
    """
    fee = commission(
        table, ts=ts, is_sell=is_sell, quantity=quantity, price=price, is_maker=is_maker, volume_30d=volume_30d
    )
    notional = quantity * price
    if is_maker:
        return Cost(Decimal(0), Decimal(0), fee, notional)
    spread = multiplier * half_spread_bps / 1e4
    whole = slippage_frac(half_spread_bps, float(quantity), mean_volume, impact_bps=impact_bps, multiplier=multiplier)
    return Cost(
        spread=_share_of(notional, spread), impact=_share_of(notional, whole - spread), fee=fee, notional=notional
    )


def _share_of(notional: Decimal, fraction: float) -> Decimal:
    # Twelve decimals of a fraction are below any price increment; the float's own noise would be shown as money.
    return (notional * Decimal(f"{fraction:.12f}")).quantize(Decimal("0.01"))
