"""One check for each limit: how much of an opening order fits, and the numbers that say so.

Every check takes what is already held, worked and reserved as totals, and returns the units that still fit with a
:class:`~nautilus_qs.domain.Check`: the value as it would be with the whole order, the limit, and whether what fits is
enough. A limit that lets at least ``Ask.needed`` through passes, and cuts the order; one that lets less through fails.
Nothing here is asked about an order that only reduces.
"""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Context, Decimal

from msgspec import Struct

from nautilus_qs.domain import Check, InstrumentFacts, Side
from nautilus_qs.risk.limits import InstrumentLimit, MarginRule, RiskLimits, VenueAccount, exact

_ZERO = Decimal(0)
_DOWN = Context(prec=28, rounding=ROUND_DOWN)

DAY_TRADES_ALLOWED = 3
"""Day trades in five sessions that the pattern-day-trading rule leaves to a small account."""

DAY_TRADER_EQUITY = Decimal(25_000)
"""Equity from which the pattern-day-trading rule no longer counts day trades (FINRA Rule 4210(f)(8)(B), until 2026)."""


class Ask(Struct, frozen=True):
    """An opening order as the limits see it.

    ``needed`` is the least that is worth granting; ``unit_risk`` what one unit loses at the stop, the whole ``price``
    without one; ``equity`` is positive.
    """

    side: Side
    quantity: Decimal
    needed: Decimal
    price: Decimal
    unit_risk: Decimal
    equity: Decimal


type Fit = tuple[Decimal, Check]
"""The units that fit, never more than were asked for, and the numbers."""


def open_risk(
    side: Side, quantity: Decimal, *, entry_px: Decimal, stop_px: Decimal | None, mark_px: Decimal
) -> Decimal:
    """Return what a position loses from its entry to its resting stop, its whole market value without one.

    A stop beyond the entry leaves no risk: max(0, entry - stop) x quantity, mirrored for shorts.

    Examples
    --------
    >>> long = {"entry_px": Decimal(50), "mark_px": Decimal(55)}
    >>> open_risk(Side.LONG, Decimal(10), stop_px=Decimal(48), **long)
    Decimal('20')
    >>> open_risk(Side.LONG, Decimal(10), stop_px=Decimal(52), **long)
    Decimal('0')
    >>> open_risk(Side.LONG, Decimal(10), stop_px=None, **long)
    Decimal('550')

    """
    if stop_px is None:
        return mark_px * quantity
    per_unit = entry_px - stop_px if side is Side.LONG else stop_px - entry_px
    return per_unit * quantity if per_unit > 0 else _ZERO


def check_positions(name: str, count: int, limit: int) -> Check:
    """Judge one more position beside ``count`` positions and working entries.

    Examples
    --------
    >>> check_positions("positions_total", 20, 20).passed
    False

    """
    return Check(name=name, passed=count < limit, value=float(count + 1), limit=float(limit))


def check_heat(ask: Ask, *, open_risk: Decimal, limit: float) -> Fit:
    """Judge the heat of everything open and working with this order.

    Examples
    --------
    9,500 of 10,000 are at risk; at 5 a unit 100 more fit, fewer than half of 300:

    >>> ask = Ask(Side.LONG, Decimal(300), Decimal(150), Decimal(50), Decimal(5), Decimal(100_000))
    >>> quantity, check = check_heat(ask, open_risk=Decimal(9_500), limit=0.10)
    >>> int(quantity), check.passed, check.value, check.limit
    (100, False, 0.11, 0.1)

    """
    return _share("heat", ask, unit=ask.unit_risk, used=open_risk, limit=limit)


def check_correlation(ask: Ask, correlations: Sequence[tuple[str, float | None, bool]], limit: float) -> Fit:
    """Deny an order that is correlated with another instrument held or worked in the same direction.

    Parameters
    ----------
    ask : Ask
        The order.
    correlations : sequence of (str, float or None, bool)
        Each other instrument in the same direction, its correlation with this one (None with too few common days), and
        whether both are in one sector, by which it goes then.
    limit : float
        Correlation above which an instrument is the same bet.

    Examples
    --------
    >>> ask = Ask(Side.LONG, Decimal(300), Decimal(150), Decimal(50), Decimal(5), Decimal(100_000))
    >>> check_correlation(ask, [("A", 0.5, False), ("B", 0.8, False)], 0.7)[1]
    Check(name='correlation', passed=False, value=0.8, limit=0.7, detail='B 0.80')

    """
    measured = [rho for _, rho, _ in correlations if rho is not None]
    highest = max(measured, default=0.0)
    if highest <= limit and len(measured) == len(correlations):
        return ask.quantity, Check("correlation", True, highest, limit)
    named = []
    for instrument_id, rho, is_one_sector in correlations:
        if is_correlated(rho, is_one_sector, limit):
            named.append(f"{instrument_id} by sector" if rho is None else f"{instrument_id} {rho:.2f}")
    if not named:
        return ask.quantity, Check("correlation", True, highest, limit)
    return _ZERO, Check("correlation", False, highest, limit, ", ".join(named))


def is_correlated(rho: float | None, is_one_sector: bool, limit: float) -> bool:
    """Return whether two instruments are one bet: by correlation, by sector where there is none; a limit of 1 is off.

    Examples
    --------
    >>> is_correlated(0.7, True, 0.7), is_correlated(None, True, 0.7)
    (False, True)

    """
    if limit >= 1.0:
        return False
    return is_one_sector if rho is None else rho > limit


def check_cluster(ask: Ask, members: Sequence[str], *, cluster_risk: Decimal, limit: float) -> Fit:
    """Judge the summed heat of this order and of what is correlated with it, in place of denying it.

    Parameters
    ----------
    ask : Ask
        The order.
    members : sequence of str
        The other instruments of the cluster, by name.
    cluster_risk : Decimal
        Open risk in the same direction of every correlated instrument, and of this one by other strategies.
    limit : float
        Heat of a cluster.

    """
    return _share("correlation", ask, unit=ask.unit_risk, used=cluster_risk, limit=limit, what=", ".join(members))


def check_sector(ask: Ask, sector: str, *, used: Decimal, limit: float) -> Fit:
    """Judge the market value in the instrument's sector; one that belongs to none always fits.

    Examples
    --------
    >>> ask = Ask(Side.LONG, Decimal(300), Decimal(150), Decimal(50), Decimal(5), Decimal(100_000))
    >>> quantity, check = check_sector(ask, "Technology", used=Decimal(20_000), limit=0.30)
    >>> int(quantity), check.passed, check.value
    (200, True, 0.35)

    """
    if not sector:
        return ask.quantity, Check("sector", True, 0.0, limit)
    return _share("sector", ask, unit=ask.price, used=used, limit=limit, what=sector)


def check_instrument(
    ask: Ask, *, used: Decimal, held: Decimal, limit: float, stricter: InstrumentLimit | None = None
) -> Fit:
    """Judge the market value in one instrument over all strategies, by whichever of its limits lets least through.

    Parameters
    ----------
    ask : Ask
        The order.
    used, held : Decimal
        Market value and units in the instrument, both sides added up.
    limit : float
        The general cap.
    stricter : InstrumentLimit or None
        This instrument's own limits.

    """
    if stricter is None:
        return _share("instrument_cap", ask, unit=ask.price, used=used, limit=limit)
    if stricter.max_fraction is not None and stricter.max_fraction < limit:
        limit = stricter.max_fraction
    tightest = _share("instrument_cap", ask, unit=ask.price, used=used, limit=limit)
    for what, unit, taken, cap in (
        ("notional", ask.price, used, stricter.max_notional),
        ("units", Decimal(1), held, stricter.max_quantity),
    ):
        if cap is not None:
            fits = min(ask.quantity, _room(unit=unit, used=taken, cap=cap))
            if fits < tightest[0]:
                value = float(taken + ask.quantity * unit)
                detail = _cut(ask, fits, what)
                tightest = fits, Check("instrument_cap", fits >= ask.needed, value, float(cap), detail)
    return tightest


def check_cash(
    ask: Ask,
    account: VenueAccount | None,
    *,
    reserved: Decimal,
    notional: Decimal,
    margin: Decimal,
    margin_init: float,
    limits: RiskLimits,
) -> Fit:
    """Judge whether the account at the venue can pay for the order.

    A cash account never borrows: neither money, so that cost and buffer must be covered by free cash, nor units, so
    that it sells nothing short. A margin account must cover the initial margin of everything, and its equity must stay
    at (1 + ``margin_excess``) x the maintenance margin of everything. Value and limit are what would be used and what
    there is, in currency, of whichever binds.

    Parameters
    ----------
    ask : Ask
        The order.
    account : VenueAccount or None
        The venue's account; without one nothing fits.
    reserved : Decimal
        Cost of working entries at the venue.
    notional, margin : Decimal
        Market value, and initial margin, of positions and working entries at the venue.
    margin_init : float
        Initial margin of the instrument as a share of its value.
    limits : RiskLimits
        Buffer, excess, maintenance and rule.

    Examples
    --------
    >>> ask = Ask(Side.LONG, Decimal(300), Decimal(150), Decimal(50), Decimal(5), Decimal(100_000))
    >>> account = VenueAccount("COINBASE", is_margin=False, cash=Decimal(10_200), equity=Decimal(100_000))
    >>> nothing = {"notional": Decimal(0), "margin": Decimal(0), "margin_init": 1.0, "limits": RiskLimits()}
    >>> quantity, check = check_cash(ask, account, reserved=Decimal(0), **nothing)
    >>> int(quantity), check.passed, check.value, check.limit
    (200, True, 15300.0, 10200.0)

    """
    if account is None:
        return _ZERO, Check("cash", False, 0.0, 0.0, "the venue's account is not known")
    if not account.is_margin:
        if ask.side is Side.SHORT:
            return _ZERO, Check("cash", False, 0.0, 0.0, "a cash account does not sell short")
        cost = exact(1.0 + limits.cash_buffer)
        unit, used = ask.price * cost, reserved * cost
        return _amount("cash", ask, unit=unit, used=used, cap=account.cash)
    if (
        limits.margin_rule is MarginRule.PATTERN_DAY_TRADING
        and account.equity < DAY_TRADER_EQUITY
        and account.day_trades >= DAY_TRADES_ALLOWED
    ):
        detail = f"{account.day_trades} day trades in five sessions with equity below {DAY_TRADER_EQUITY}"
        return _ZERO, Check("cash", False, float(account.day_trades), float(DAY_TRADES_ALLOWED), detail)
    initial = _amount("cash", ask, unit=ask.price * exact(margin_init), used=margin, cap=account.equity)
    kept = exact(limits.margin_maintenance * (1.0 + limits.margin_excess))
    excess = _amount("cash", ask, unit=ask.price * kept, used=notional * kept, cap=account.equity)
    return excess if excess[0] < initial[0] else initial


def check_participation(quantity: Decimal, volume: float, limit: float) -> Fit:
    """Cut an order to its share of the mean volume; it fails only when nothing is left, as where no volume is known.

    Examples
    --------
    >>> check_participation(Decimal(300), 1_000.0, 0.1)
    (Decimal('100.00'), Check(name='participation', passed=True, value=0.3, limit=0.1, detail='cut to 100.00 of 300'))

    """
    if not 0.0 < volume < 1e18:
        return _ZERO, Check("participation", False, 0.0, limit, f"mean volume is {volume:g}")
    fits = _DOWN.multiply(exact(volume), exact(limit))
    share = float(quantity) / volume
    if fits >= quantity:
        return quantity, Check("participation", True, share, limit)
    return fits, Check("participation", True, share, limit, f"cut to {fits} of {quantity}")


def check_minimum(quantity: Decimal, price: Decimal, instrument: InstrumentFacts, floor: Decimal = _ZERO) -> Check:
    """Judge whether a rounded quantity is one that the venue takes, and not below our own floor of notional."""
    notional, least = quantity * price, max(instrument.min_notional, floor)
    if notional < least:
        return Check("minimum", False, float(notional), float(least), "notional")
    is_enough = quantity >= instrument.min_quantity and quantity > 0
    return Check("minimum", is_enough, float(quantity), float(instrument.min_quantity), "" if is_enough else "quantity")


def check_half(granted: Decimal, asked: Decimal, min_grant: float) -> Check:
    """Judge whether what is left of an order after all limits is still worth sending.

    Examples
    --------
    >>> check_half(Decimal(1), Decimal(3), 0.5).passed, check_half(Decimal(2), Decimal(3), 0.5).passed
    (False, True)

    """
    if not asked > 0:
        return Check("half_rule", False, 0.0, min_grant)
    share = float(granted) / float(asked)
    return Check("half_rule", granted == asked or granted >= asked * exact(min_grant), share, min_grant)


def _share(name: str, ask: Ask, *, unit: Decimal, used: Decimal, limit: float, what: str = "") -> Fit:
    """Judge a limit that is a fraction of equity."""
    with_order = used + ask.quantity * unit
    cap = ask.equity * exact(limit)
    value = float(with_order) / float(ask.equity)
    if with_order <= cap:
        return ask.quantity, Check(name, True, value, limit, what)
    fits = _room(unit=unit, used=used, cap=cap)
    return fits, Check(name, fits >= ask.needed, value, limit, _cut(ask, fits, what))


def _amount(name: str, ask: Ask, *, unit: Decimal, used: Decimal, cap: Decimal) -> Fit:
    """Judge a limit that is an amount of money."""
    with_order = used + ask.quantity * unit
    if with_order <= cap:
        return ask.quantity, Check(name, True, float(with_order), float(cap))
    fits = _room(unit=unit, used=used, cap=cap)
    return fits, Check(name, fits >= ask.needed, float(with_order), float(cap), _cut(ask, fits))


def _room(*, unit: Decimal, used: Decimal, cap: Decimal) -> Decimal:
    room = cap - used
    return _DOWN.divide(room, unit) if room > 0 else _ZERO


def _cut(ask: Ask, fits: Decimal, what: str = "") -> str:
    return f"{what + ': ' if what else ''}{fits:.8g} of {ask.quantity} fit"
