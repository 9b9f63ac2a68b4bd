"""How an order meets the market: at which price it may trade, what it takes of the book, when a stop is elected."""

from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import NamedTuple

from adapters.simulator.exchange.book import Book
from adapters.simulator.exchange.checks import crosses
from adapters.simulator.exchange.orders import Order, OrderType, TimeInForce
from adapters.simulator.exchange.rules import Depth, Listing, VenueRules
from adapters.simulator.tape import ZERO, Level, Side, Trade

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
_FIFTY = Decimal(50)


class Execution(NamedTuple):
    """A quantity at a price."""

    qty: Decimal
    price: Decimal


def is_waiting(order: Order) -> bool:
    """Whether an order is a stop that was not elected yet."""
    return order.type in _STOPS and not order.is_triggered


def limit_of(order: Order) -> Decimal | None:
    """Return the worst price an order takes; None for any price.

    A stop that was elected as a collared order carries its limit in `limit_price`.
    """
    if order.type is OrderType.MARKET or (order.type is OrderType.TRAILING_STOP):
        return None
    return order.limit_price


def elect(order: Order, price: Decimal, rules: VenueRules, listing: Listing) -> bool:
    """Follow a trade with a trailing stop, and elect a stop that it reaches; True when the order is elected by it."""
    if order.is_triggered or order.type not in (*_STOPS, OrderType.TRIGGER_BRACKET):
        return False
    if order.type is OrderType.TRAILING_STOP:
        trail(order, price)
    if order.stop_price is None:
        return False
    reached = price >= order.stop_price if order.is_stop_up else price <= order.stop_price
    if not reached:
        return False
    order.is_triggered = True
    through = _limit_once_elected(order, rules)
    if through is not None:
        order.limit_price = through.quantize(listing.tick_at(through))
    return True


def _limit_once_elected(order: Order, rules: VenueRules) -> Decimal | None:
    stop = order.stop_price or ZERO
    if order.type is OrderType.TRIGGER_BRACKET:
        sign = 1 if order.side is Side.BUY else -1
        return stop * (1 + sign * rules.bracket_through)
    if order.type is OrderType.STOP and order.side is Side.BUY:
        collar = rules.collar_cheap if stop < _FIFTY else rules.collar_dear
        return None if collar is None else stop * (1 + collar)
    return None


def trail(order: Order, price: Decimal) -> None:
    """Move the mark and the stop of a trailing order to a better price, never to a worse one."""
    is_sell = order.side is Side.SELL
    if order.hwm is not None and (price <= order.hwm if is_sell else price >= order.hwm):
        return
    order.hwm = price
    distance = order.trail_price
    if distance is None:
        distance = price * (order.trail_percent or ZERO) / 100
    order.stop_price = price - distance if is_sell else price + distance


def units_left(order: Order, price: Decimal, rate: Decimal, listing: Listing) -> Decimal:
    """Return what is still to be filled at a price, in units; a notional order's money buys whole increments."""
    if order.qty is not None:
        return order.leaves_qty
    assert order.notional is not None
    money = order.notional - order.filled_value - order.fees
    units = money / (price * (1 + rate))
    return max(units.quantize(listing.qty_increment, ROUND_DOWN), ZERO)


class Taking(NamedTuple):
    """What decides how much an order takes now.

    Attributes
    ----------
    rate
        Fee that a notional order pays out of its money, as a fraction.
    worst
        Price beyond which it takes nothing; None for any.
    """

    rate: Decimal
    worst: Decimal | None


def taken(
    order: Order, book: Book, rules: VenueRules, listing: Listing, taking: Taking, rng: Random
) -> list[Execution]:
    """Return what an order takes of the book now, best price first."""
    levels = [
        level
        for level in book.shown(order.side)
        if taking.worst is None or crosses(order.side, taking.worst, level.price)
    ]
    if not levels:
        return []
    if order.time_in_force is TimeInForce.FOK and not _is_enough(order, levels, rules, listing, taking):
        return []
    if rules.depth is Depth.WHOLE:
        return _whole(order, levels[0].price, rules, listing, taking, rng)
    executions: list[Execution] = []
    taken_qty, spent = ZERO, ZERO
    for level in levels:
        left = units_left(order, level.price, taking.rate, listing) - taken_qty
        if order.qty is None:
            money = (order.notional or ZERO) - order.filled_value - order.fees - spent
            left = (money / (level.price * (1 + taking.rate))).quantize(listing.qty_increment, ROUND_DOWN)
        qty = min(left, level.size)
        if qty <= 0:
            break
        executions.append(Execution(qty, level.price))
        taken_qty += qty
        spent += qty * level.price * (1 + taking.rate)
    return executions


def _is_enough(order: Order, levels: list[Level], rules: VenueRules, listing: Listing, taking: Taking) -> bool:
    if rules.depth is Depth.WHOLE:
        return True
    return sum((level.size for level in levels), ZERO) >= units_left(order, levels[0].price, taking.rate, listing)


def _whole(
    order: Order, price: Decimal, rules: VenueRules, listing: Listing, taking: Taking, rng: Random
) -> list[Execution]:
    left = units_left(order, price, taking.rate, listing)
    if left <= 0:
        return []
    # A paper account fills one order in ten in part first, and the rest with the market's next move.
    may_part = order.time_in_force is not TimeInForce.FOK and order.number_of_fills == 0
    if may_part and rng.random() < rules.partial_chance:
        unit = Decimal(1) if left == left.to_integral_value() else listing.qty_increment
        part = (left * Decimal(rng.randint(10, 90)) / 100).quantize(unit, ROUND_DOWN)
        if part > 0:
            return [Execution(part, price)]
    return [Execution(left, price)]


def given(order: Order, trade: Trade, volume: Decimal, rules: VenueRules, listing: Listing) -> Decimal:
    """Return how much of a trade a resting limit gives: all of it beyond its price, its share at the very price.

    Parameters
    ----------
    order
        A limit that rests.
    trade
        The print.
    volume
        What earlier orders left of its size.
    rules, listing
        The venue and the instrument.

    """
    limit = limit_of(order)
    if limit is None:
        return ZERO
    is_beyond = trade.price < limit if order.side is Side.BUY else trade.price > limit
    if not is_beyond and trade.price != limit:
        return ZERO
    share = volume if is_beyond else volume * rules.queue_share
    left = order.leaves_qty
    unit = Decimal(1) if listing.kind == "equity" and left == left.to_integral_value() else listing.qty_increment
    return min(share.quantize(unit, ROUND_DOWN), left)
