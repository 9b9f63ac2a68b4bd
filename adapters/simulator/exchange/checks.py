"""What an order must satisfy before it is accepted; each check raises the refusal that the venue would answer."""

from collections.abc import Iterable
from decimal import Decimal

from adapters.simulator.exchange.book import Book, TradingState
from adapters.simulator.exchange.orders import Leg, Order, OrderClass, OrderType, Ticket, TimeInForce
from adapters.simulator.exchange.refusals import Reason, RefusalError
from adapters.simulator.exchange.rules import Listing, VenueRules
from adapters.simulator.exchange.sessions import new_york
from adapters.simulator.tape import CENT, ZERO, Side

_PRICED = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("stop_price", "limit_price"),
    OrderType.TRIGGER_BRACKET: ("stop_price", "limit_price"),
}
_EXEMPT = (OrderClass.BRACKET, OrderClass.OCO)
_NAKED = (OrderType.MARKET, OrderType.STOP)
# Minutes of the day in New York between which an auction takes no orders any more.
_OPG_SHUT = (9 * 60 + 28, 19 * 60)
_CLS_SHUT = (15 * 60 + 50, 19 * 60)


def check_ticket(ticket: Ticket, listing: Listing, rules: VenueRules) -> None:
    """Check what needs neither market nor account: quantity, prices, and which combinations exist."""
    if not listing.is_tradable:
        raise RefusalError(Reason.NOT_TRADABLE, symbol=listing.symbol)
    if (ticket.qty is None) == (ticket.notional is None):
        raise RefusalError(Reason.QTY_MISSING)
    _check_size(ticket, listing)
    _check_combination(ticket, listing, rules)
    _check_fraction(ticket, listing)
    check_prices(ticket, listing)
    _check_class(ticket)


def _check_size(ticket: Ticket, listing: Listing) -> None:
    size = ticket.qty if ticket.qty is not None else ticket.notional
    assert size is not None
    if size <= 0:
        raise RefusalError(Reason.QTY_NOT_POSITIVE, qty=size)
    if ticket.qty is not None:
        if ticket.qty % listing.qty_increment:
            raise RefusalError(Reason.QTY_INCREMENT, qty=ticket.qty, increment=listing.qty_increment)
        if ticket.qty < listing.min_qty:
            raise RefusalError(Reason.QTY_TOO_SMALL, qty=ticket.qty, least=listing.min_qty)
        if listing.max_qty is not None and ticket.qty > listing.max_qty:
            raise RefusalError(Reason.QTY_TOO_LARGE, qty=ticket.qty, most=listing.max_qty)
        return
    if size % listing.notional_increment:
        raise RefusalError(Reason.NOTIONAL_INCREMENT, notional=size, increment=listing.notional_increment)
    if size < listing.min_notional:
        raise RefusalError(Reason.NOTIONAL_TOO_SMALL, notional=size, least=listing.min_notional)
    if listing.max_notional is not None and size > listing.max_notional:
        raise RefusalError(Reason.NOTIONAL_TOO_LARGE, notional=size, most=listing.max_notional)


def _check_combination(ticket: Ticket, listing: Listing, rules: VenueRules) -> None:
    is_crypto = listing.kind == "crypto"
    if ticket.type not in (rules.crypto_types if is_crypto else rules.equity_types):
        raise RefusalError(Reason.TYPE_UNSUPPORTED, type=ticket.type, kind=listing.kind)
    if ticket.time_in_force not in (rules.crypto_tifs if is_crypto else rules.equity_tifs):
        raise RefusalError(Reason.TIF_UNSUPPORTED, time_in_force=ticket.time_in_force, kind=listing.kind)
    if is_crypto and ticket.order_class not in rules.crypto_classes:
        raise RefusalError(Reason.CLASS_UNSUPPORTED, order_class=ticket.order_class, kind=listing.kind)
    auction = ticket.time_in_force in (TimeInForce.OPG, TimeInForce.CLS)
    immediate = ticket.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if (auction or immediate) and ticket.type not in (OrderType.MARKET, OrderType.LIMIT):
        raise RefusalError(Reason.TIF_UNSUPPORTED, time_in_force=ticket.time_in_force, type=ticket.type)
    if ticket.type is OrderType.TRAILING_STOP and (ticket.trail_price is None) == (ticket.trail_percent is None):
        raise RefusalError(Reason.PRICE_MISSING, field="trail_price")
    is_eligible = ticket.type is OrderType.LIMIT and ticket.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    if ticket.is_extended_hours and not (is_eligible and ticket.order_class is OrderClass.SIMPLE):
        raise RefusalError(Reason.EXTENDED_HOURS)


def _check_fraction(ticket: Ticket, listing: Listing) -> None:
    is_whole = ticket.qty is not None and ticket.qty == ticket.qty.to_integral_value()
    if listing.kind != "equity" or is_whole:
        return
    if not listing.is_fractionable:
        raise RefusalError(Reason.NOT_FRACTIONABLE, symbol=listing.symbol)
    if ticket.time_in_force is not TimeInForce.DAY:
        raise RefusalError(Reason.FRACTION_TIF)
    if ticket.order_class is not OrderClass.SIMPLE:
        raise RefusalError(Reason.FRACTION_CLASS)
    if ticket.type is OrderType.TRAILING_STOP:
        raise RefusalError(Reason.FRACTION_TYPE)


def check_prices(ticket: Ticket, listing: Listing) -> None:
    """Check that the prices are there and are multiples of the increment."""
    if ticket.order_class is not OrderClass.OCO:
        for name in _PRICED.get(ticket.type, ()):
            if getattr(ticket, name) is None:
                raise RefusalError(Reason.PRICE_MISSING, field=name)
    named = {"limit_price": ticket.limit_price, "stop_price": ticket.stop_price, "trail_price": ticket.trail_price}
    for prefix, leg in (("take_profit", ticket.take_profit), ("stop_loss", ticket.stop_loss)):
        if leg is not None:
            named |= {f"{prefix}.limit_price": leg.limit_price, f"{prefix}.stop_price": leg.stop_price}
    for name, price in named.items():
        if price is None:
            continue
        if price <= 0 or price % listing.tick_at(price):
            raise RefusalError(Reason.PRICE_INCREMENT, field=name, price=price, increment=listing.tick_at(price))


def _check_class(ticket: Ticket) -> None:
    profit, loss = ticket.take_profit, ticket.stop_loss
    has_profit = profit is not None and profit.limit_price is not None
    has_loss = loss is not None and loss.stop_price is not None
    if ticket.order_class in (OrderClass.BRACKET, OrderClass.OCO):
        if not has_profit:
            raise RefusalError(Reason.LEG_MISSING, order_class=ticket.order_class, field="take_profit.limit_price")
        if not has_loss:
            raise RefusalError(Reason.LEG_MISSING, order_class=ticket.order_class, field="stop_loss.stop_price")
    if ticket.order_class is OrderClass.OTO and has_profit == has_loss:
        raise RefusalError(Reason.LEG_MISSING, order_class=ticket.order_class, field="take_profit or stop_loss")
    if ticket.order_class is OrderClass.SIMPLE:
        return
    if ticket.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        raise RefusalError(Reason.TIF_UNSUPPORTED, time_in_force=ticket.time_in_force, type=ticket.type)
    if ticket.type is OrderType.TRAILING_STOP:
        raise RefusalError(Reason.TYPE_UNSUPPORTED, type=ticket.type, kind=ticket.order_class)
    if ticket.order_class is OrderClass.OCO and ticket.type is not OrderType.LIMIT:
        raise RefusalError(Reason.TYPE_UNSUPPORTED, type=ticket.type, kind="oco")


def check_market(ticket: Ticket, listing: Listing, book: Book, rules: VenueRules) -> None:
    """Check an order against the market as it is: halts, the side of a stop, post only, the legs' prices."""
    _check_state(ticket, book)
    last = book.last_price
    is_elected_up = ticket.is_stop_up if ticket.is_stop_up is not None else ticket.side is Side.BUY
    stop = ticket.stop_price
    if stop is not None and last and ticket.type in (OrderType.STOP, OrderType.STOP_LIMIT):
        if is_elected_up and stop <= last:
            raise RefusalError(Reason.STOP_SIDE, stop_price=stop, market_price=last, relation="greater")
        if not is_elected_up and stop >= last:
            raise RefusalError(Reason.STOP_SIDE, stop_price=stop, market_price=last, relation="less")
    opposite = book.best(ticket.side)
    if ticket.is_post_only and ticket.limit_price is not None and crosses(ticket.side, ticket.limit_price, opposite):
        raise RefusalError(Reason.POST_ONLY_CROSSES, limit_price=ticket.limit_price)
    if rules.protection is not None and ticket.type is OrderType.MARKET and opposite is None:
        raise RefusalError(Reason.NO_LIQUIDITY, symbol=listing.symbol)
    _check_least_value(ticket, listing, book)
    _check_legs(ticket, book)


def _check_state(ticket: Ticket, book: Book) -> None:
    refused = {
        TradingState.CANCEL_ONLY: True,
        TradingState.DISABLED: True,
        TradingState.LIMIT_ONLY: ticket.type is not OrderType.LIMIT,
        TradingState.POST_ONLY: not ticket.is_post_only,
    }
    if refused.get(book.state, False):
        raise RefusalError(Reason.HALTED, symbol=ticket.symbol, state=book.state)


def _check_least_value(ticket: Ticket, listing: Listing, book: Book) -> None:
    if ticket.qty is None or not listing.min_notional:
        return
    value = ticket.qty * (ticket.limit_price or ticket.stop_price or book.market_price(ticket.side))
    if value and value < listing.min_notional:
        raise RefusalError(Reason.NOTIONAL_TOO_SMALL, notional=value, least=listing.min_notional)


def _check_legs(ticket: Ticket, book: Book) -> None:
    if ticket.order_class is OrderClass.SIMPLE:
        return
    is_exit = ticket.order_class is OrderClass.OCO
    base = book.last_price if is_exit else (ticket.limit_price or ticket.stop_price or book.last_price)
    if not base:
        return
    # The legs of an entry are on its other side; an oco is itself on the side of its legs.
    legs_sell = (ticket.side is Side.SELL) if is_exit else (ticket.side is Side.BUY)
    profit = (ticket.take_profit or Leg()).limit_price
    stop = (ticket.stop_loss or Leg()).stop_price
    if profit is not None and (profit < base + CENT if legs_sell else profit > base - CENT):
        side = ">= base_price + 0.01" if legs_sell else "<= base_price - 0.01"
        raise RefusalError(Reason.LEG_PRICE, field="take_profit.limit_price", relation=side, base_price=base)
    if stop is not None and (stop > base - CENT if legs_sell else stop < base + CENT):
        side = "<= base_price - 0.01" if legs_sell else ">= base_price + 0.01"
        raise RefusalError(Reason.LEG_PRICE, field="stop_loss.stop_price", relation=side, base_price=base)


def check_window(ticket: Ticket, now_ns: int) -> None:
    """Check that an auction still takes orders."""
    window = {TimeInForce.OPG: _OPG_SHUT, TimeInForce.CLS: _CLS_SHUT}.get(ticket.time_in_force)
    if window is None:
        return
    there = new_york(now_ns)
    if window[0] <= there.hour * 60 + there.minute < window[1]:
        raise RefusalError(Reason.TIME_WINDOW, time_in_force=ticket.time_in_force)


def check_wash_trade(ticket: Ticket, working: Iterable[Order]) -> None:
    """Check that an order could not meet one of the account's own on the other side."""
    if ticket.order_class in _EXEMPT or ticket.type is OrderType.TRAILING_STOP:
        return
    for other in working:
        if other.symbol != ticket.symbol or other.side is ticket.side:
            continue
        if other.order_class in _EXEMPT or other.type is OrderType.TRAILING_STOP:
            continue
        if ticket.type in _NAKED or other.type in _NAKED:
            raise RefusalError(
                Reason.WASH_TRADE,
                existing_order_id=other.id,
                reject_reason="opposite side market/stop order exists",
            )
        buy, sell = ticket.limit_price, other.limit_price
        if ticket.side is Side.SELL:
            buy, sell = sell, buy
        if buy is not None and sell is not None and buy >= sell:
            raise RefusalError(
                Reason.WASH_TRADE, existing_order_id=other.id, reject_reason="opposite side limit order exists"
            )


def crosses(side: Side, limit: Decimal, opposite: Decimal | None) -> bool:
    """Whether a limit meets the best price of the other side.

    Examples
    --------
    >>> crosses(Side.BUY, Decimal(10), Decimal(10)), crosses(Side.SELL, Decimal(10), Decimal(9))
    (True, False)

    """
    if opposite is None or opposite <= ZERO:
        return False
    return limit >= opposite if side is Side.BUY else limit <= opposite
