"""The adapter's own caps on orders: the last thing between a mistake and the venue.

They repeat, coarsely, what a risk desk has decided, and trust nothing of it. What only sells is not held to the value
of an order or to the rate: an exit must get out.
"""

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from time import monotonic
from typing import NamedTuple


class Quote(NamedTuple):
    """Best bid and ask that are known."""

    bid: Decimal
    ask: Decimal


class OrderCaps:
    """Says what is too much.

    Parameters
    ----------
    max_notional
        Largest value of a buy, in the quote currency.
    max_deviation_frac
        How far a limit may be beyond the quote.
    max_per_sec
        Buys a second.
    max_qty
        Largest quantity by instrument id.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> caps = OrderCaps(max_notional=Decimal(100), max_deviation_frac=Decimal("0.1"), max_per_sec=1, max_qty={})
    >>> caps.refusal("X", is_buy=True, qty=Decimal(2), price=Decimal(60), quote=None)
    'its value of 120 is above the cap of 100'

    """

    def __init__(
        self,
        *,
        max_notional: Decimal,
        max_deviation_frac: Decimal,
        max_per_sec: int,
        max_qty: Mapping[str, Decimal],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_notional = max_notional
        self._max_deviation_frac = max_deviation_frac
        self._max_per_sec = max_per_sec
        self._max_qty = max_qty
        self._clock = clock
        self._sent: deque[float] = deque()

    def refusal(
        self,
        instrument_id: str,
        *,
        is_buy: bool,
        qty: Decimal,
        price: Decimal | None,
        quote: Quote | None,
        is_quote_qty: bool = False,
        is_stop: bool = False,
    ) -> str:
        """Return which cap an order breaks, "" for none; an order that breaks none is counted."""
        cap = self._max_qty.get(instrument_id)
        if cap is not None and not is_quote_qty and qty > cap:
            return f"its quantity of {qty} is above the cap of {cap}"
        # A stop's limit lies beyond the market on purpose.
        if price is not None and quote is not None and not is_stop and self._is_beyond(price, quote, is_buy=is_buy):
            return f"its price of {price} is more than {self._max_deviation_frac} beyond {quote.bid} / {quote.ask}"
        if not is_buy:
            return ""
        return self._value_refusal(qty, price, quote, is_quote_qty=is_quote_qty) or self._rate_refusal()

    def _is_beyond(self, price: Decimal, quote: Quote, *, is_buy: bool) -> bool:
        if is_buy:
            return price > quote.ask * (1 + self._max_deviation_frac)
        return price < quote.bid * (1 - self._max_deviation_frac)

    def _value_refusal(self, qty: Decimal, price: Decimal | None, quote: Quote | None, *, is_quote_qty: bool) -> str:
        at = Decimal(1) if is_quote_qty else price if price is not None else quote.ask if quote is not None else None
        if at is None:
            return "its value is not known: there is no quote of the instrument"
        if qty * at > self._max_notional:
            return f"its value of {qty * at} is above the cap of {self._max_notional}"
        return ""

    def _rate_refusal(self) -> str:
        now = self._clock()
        while self._sent and now - self._sent[0] >= 1.0:
            self._sent.popleft()
        if len(self._sent) >= self._max_per_sec:
            return f"it is one more than {self._max_per_sec} orders a second"
        self._sent.append(now)
        return ""
