"""What the account owns, what its orders hold, and what it may still buy."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec

from adapters.simulator.exchange.orders import Fill, Order, OrderType, Role, Status
from adapters.simulator.exchange.rules import Listing, VenueRules
from adapters.simulator.tape import ZERO, Side


class Position(msgspec.Struct, frozen=True):
    """A holding.

    Parameters
    ----------
    listing
        What is held.
    qty, held
        Units, negative when short, and how many of them working orders hold.
    entry_price
        Mean price of what is held.

    """

    listing: Listing
    qty: Decimal
    held: Decimal
    entry_price: Decimal

    @property
    def available(self) -> Decimal:
        """Return how many units may be offered for sale, or bought back; never negative."""
        return abs(self.qty) - self.held


class Ledger:
    """Balances by asset, and the holds that follow from the working orders.

    Holds are reckoned from the orders each time they are asked for and kept nowhere: they cannot outlive an order.

    Parameters
    ----------
    rules, listings
        The venue and what it lists, by symbol.
    balances
        Units by asset at the start.
    multiplier
        Buying power in multiples of equity; 1 is a cash account.
    mark
        Last price of a symbol.

    """

    def __init__(
        self,
        rules: VenueRules,
        listings: Mapping[str, Listing],
        *,
        balances: Mapping[str, Decimal],
        multiplier: int,
        mark: Callable[[str], Decimal],
    ) -> None:
        self.rules = rules
        self.balances = dict(balances)
        self.multiplier = multiplier
        self.traded_value = ZERO
        self._listings = listings
        self._mark = mark
        self._entry: dict[str, Decimal] = {}
        self._money = {listing.quote for listing in listings.values()}

    def total(self, asset: str) -> Decimal:
        """Return the units of an asset, held or not; negative for a short position or a loan."""
        return self.balances.get(asset, ZERO)

    def entry_price(self, symbol: str) -> Decimal:
        """Return the mean price of a holding, 0 when there is none or it was there from the start."""
        return self._entry.get(symbol, ZERO)

    def position(self, listing: Listing, working: Iterable[Order]) -> Position:
        """Return a holding, which may be of zero units."""
        held = self.held(listing.base, working)
        return Position(listing, self.total(listing.base), held, self.entry_price(listing.symbol))

    def held(self, asset: str, working: Iterable[Order]) -> Decimal:
        """Return how many units of an asset the working orders hold.

        Two exits of one group hold what one of them does: only one of them can be filled.
        """
        total, pairs = ZERO, dict[str, Decimal]()
        for order in working:
            name, amount = self.hold(order)
            if name != asset:
                continue
            if order.role in (Role.TAKE_PROFIT, Role.STOP_LOSS) and (order.parent_id or order.leg_ids):
                group = order.parent_id or order.id
                pairs[group] = max(pairs.get(group, ZERO), amount)
            else:
                total += amount
        total += sum(pairs.values(), ZERO)
        # Orders that opened may have become ones that close, by another's fill: more is not held than there is.
        return min(total, abs(self.total(asset))) if self.rules.is_margin and asset not in self._money else total

    def hold(self, order: Order) -> tuple[str, Decimal]:
        """Return the asset that a working order holds, and how much of it."""
        listing = self._listings[order.symbol]
        if order.status is Status.HELD:
            # Its shares are not there yet: they come with the entry.
            return listing.base, ZERO
        if self.is_closing(order):
            return listing.base, order.leaves_qty
        return listing.quote, self.cost(order)

    def is_closing(self, order: Order) -> bool:
        """Whether an order gives units that are owned, or buys back units that are owed."""
        if not self.rules.is_margin:
            return order.side is Side.SELL
        owned = self.total(self._listings[order.symbol].base)
        return owned > 0 if order.side is Side.SELL else owned < 0

    def cost(self, order: Order) -> Decimal:
        """Return what the rest of an opening order is reckoned to cost in the quote currency, with its fee."""
        fees = self._listings[order.symbol].fees
        rate = ZERO if fees.in_received else fees.tier(self.traded_value).taker
        if order.notional is not None and order.qty is None:
            return max(order.notional - order.filled_value - order.fees, ZERO)
        return order.leaves_qty * order.hold_price * (1 + rate)

    def available(self, asset: str, working: Iterable[Order]) -> Decimal:
        """Return the units of an asset that no order holds."""
        return self.total(asset) - self.held(asset, working)

    def equity(self, quote: str = "USD") -> Decimal:
        """Return cash and holdings at their last prices."""
        return self.total(quote) + sum((qty * price for qty, price in self._holdings(quote)), ZERO)

    def buying_power(self, working: Iterable[Order], quote: str = "USD") -> Decimal:
        """Return what may be bought: a multiple of equity, less what is held already and what orders hold."""
        gross = sum((abs(qty * price) for qty, price in self._holdings(quote)), ZERO)
        return max(self.multiplier * self.equity(quote) - gross - self.held(quote, working), ZERO)

    def cash_power(self, working: Iterable[Order], quote: str = "USD") -> Decimal:
        """Return what may be bought of things that nobody lends on."""
        return max(self.available(quote, working), ZERO)

    def book(self, fill: Fill, listing: Listing) -> Decimal:
        """Move units and money for an execution, and return the position after it."""
        sign = 1 if fill.side is Side.BUY else -1
        value = fill.qty * fill.price
        before = self.total(listing.base)
        self._move(listing.base, sign * fill.qty)
        self._move(listing.quote, -sign * value)
        self._move(fill.fee_currency, -fill.fee)
        self.traded_value += value
        self._enter(listing, before, fill)
        return self.total(listing.base)

    def _move(self, asset: str, units: Decimal) -> None:
        self.balances[asset] = self.total(asset) + units

    def _enter(self, listing: Listing, before: Decimal, fill: Fill) -> None:
        after = before + (fill.qty if fill.side is Side.BUY else -fill.qty)
        if after == 0:
            self._entry.pop(listing.symbol, None)
        elif before * after <= 0:
            self._entry[listing.symbol] = fill.price
        elif abs(after) > abs(before):
            paid = abs(before) * self.entry_price(listing.symbol) + fill.qty * fill.price
            self._entry[listing.symbol] = paid / abs(after)

    def _holdings(self, quote: str) -> Iterable[tuple[Decimal, Decimal]]:
        for listing in self._listings.values():
            qty = self.total(listing.base)
            if qty and listing.quote == quote:
                yield qty, self._mark(listing.symbol)


def reference_price(ticket_price: Decimal | None, order_type: OrderType, market: Decimal) -> Decimal:
    """Return what a unit of an order is reckoned at: its own price, or the market's when it has none."""
    if order_type in (OrderType.MARKET, OrderType.TRAILING_STOP) or ticket_price is None:
        return market
    return ticket_price
