"""What an order or an edit would come to, without any of it happening."""

from decimal import Decimal
from uuid import uuid4

import msgspec

from adapters.simulator.coinbase_configurations import Kind
from adapters.simulator.coinbase_desk import OrderDesk
from adapters.simulator.coinbase_edits import EditError, Edits
from adapters.simulator.coinbase_refusals import RefusedError
from adapters.simulator.coinbase_wire import Json, number
from adapters.simulator.exchange import Order
from adapters.simulator.tape import Side

ZERO = Decimal(0)


class _Estimate(msgspec.Struct, frozen=True):
    """Units, their price and the fee, all expected."""

    base: Decimal
    price: Decimal
    fee: Decimal

    @property
    def value(self) -> Decimal:
        """Return what the units are worth."""
        return self.base * self.price


class Previews:
    """Answer what would be.

    Parameters
    ----------
    desk, edits
        The orders, and who changes them.

    """

    def __init__(self, desk: OrderDesk, edits: Edits) -> None:
        self._desk = desk
        self._edits = edits

    def order(self, request: Json) -> Json:
        """Return what an order would come to, or in `errs` why it may not be.

        Raises
        ------
        BadRequestError
            The body cannot be read.

        """
        try:
            draft, order = self._desk.check(request)
        except RefusedError as error:
            return self._totals(None, None) | {"errs": [error.preview]}
        is_taker = draft.asked.kind is Kind.MARKET or not draft.asked.post_only
        estimate = self._estimate(order, is_taker=is_taker)
        return self._totals(estimate, order) | {"errs": [], "preview_id": str(uuid4())}

    def edit(self, request: Json) -> Json:
        """Return what an order would come to after an edit, or in `errors` why it may not be.

        Raises
        ------
        BadRequestError
            The body cannot be read.

        """
        try:
            record, changes = self._edits.check(request)
        except EditError as error:
            failure = {"edit_failure_reason": str(error), "preview_failure_reason": ""}
            return self._totals(None, None) | {"errors": [failure]}
        changed = record.order.copy()
        changed.qty, changed.limit_price = changes.qty, changes.limit_price
        estimate = self._estimate(changed, is_taker=not record.asked.post_only)
        totals = self._totals(estimate, changed)
        return totals | {"errors": [], "average_filled_price": number(record.order.average_price or ZERO)}

    def _estimate(self, order: Order, *, is_taker: bool) -> _Estimate:
        listing = self._desk.exchange.listings[order.symbol]
        book = self._desk.exchange.books[order.symbol]
        tier = listing.fees.tier(self._desk.exchange.ledger.traded_value)
        rate = tier.taker if is_taker else tier.maker
        price = order.limit_price or book.market_price(order.side)
        if order.qty is not None:
            base = order.qty
        else:
            money = (order.notional or ZERO) / (1 + rate)
            base = (money / price).quantize(listing.qty_increment) if price else ZERO
        return _Estimate(base, price, base * price * rate)

    def _totals(self, estimate: _Estimate | None, order: Order | None) -> Json:
        if estimate is None or order is None:
            names = ("order_total", "commission_total", "quote_size", "base_size", "best_bid", "best_ask", "slippage")
            return dict.fromkeys(names, "0") | {"warning": [], "is_max": False}
        sign = 1 if order.side is Side.BUY else -1
        book = self._desk.exchange.books[order.symbol]
        best = book.market_price(order.side)
        slippage = abs(estimate.price / best - 1) if best and order.limit_price is None else ZERO
        return {
            "order_total": number(estimate.value + sign * estimate.fee),
            "commission_total": number(estimate.fee),
            "warning": [],
            "quote_size": number(estimate.value),
            "base_size": number(estimate.base),
            "best_bid": number(book.best(Side.SELL)),
            "best_ask": number(book.best(Side.BUY)),
            "is_max": False,
            "slippage": number(slippage),
        }
