"""How much of an order has been booked: the cumulative mark that socket, REST and restarts share.

A venue tells of the same execution several times: by socket and by REST, again after a reconnect, out of order. Both
venues tell the cumulative quantity of the order with it; whatever lies under the mark is known already.
"""

from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

_ZERO = Decimal(0)


class Increment(NamedTuple):
    """What an execution adds to what is booked: quantity, price, fee, and the cumulative quantity after it."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    cumulative: Decimal


class FillMarks:
    """Cumulative quantity, value and fee booked of each order.

    Examples
    --------
    >>> marks = FillMarks()
    >>> marks.up_to("o", Decimal("0.3"), average=Decimal("100.00"), fee=Decimal("0.12")).price
    Decimal('100.00')
    >>> marks.up_to("o", Decimal("1.0"), average=Decimal("100.70"), fee=Decimal("0.40"))
    Increment(quantity=Decimal('0.7'), price=Decimal('101.00'), fee=Decimal('0.28'), cumulative=Decimal('1.0'))
    >>> marks.up_to("o", Decimal("0.3"), average=Decimal("100.00"), fee=Decimal("0.12")) is None
    True

    """

    def __init__(self) -> None:
        self._marks: dict[str, tuple[Decimal, Decimal, Decimal]] = {}

    def booked(self, order_id: str) -> Decimal:
        """Return the quantity booked of an order."""
        return self._marks.get(order_id, (_ZERO, _ZERO, _ZERO))[0]

    def restore(self, order_id: str, quantity: Decimal, *, value: Decimal = _ZERO, fee: Decimal = _ZERO) -> None:
        """Set the mark of an order that was booked before this process."""
        if quantity > self.booked(order_id):
            self._marks[order_id] = (quantity, value, fee)

    def add(
        self,
        order_id: str,
        quantity: Decimal,
        price: Decimal,
        *,
        cumulative: Decimal,
        average: Decimal | None = None,
        fee: Decimal = _ZERO,
    ) -> Increment | None:
        """Book one execution that ends at `cumulative`; None when all of it is booked already.

        An execution that starts under the mark adds only what lies above it. One that starts above it has overtaken
        others: they are booked with it, at what the order's `average` says they cost together (without one, at its own
        price), and are under the mark when they come.
        """
        booked, value, fees = self._marks.get(order_id, (_ZERO, _ZERO, _ZERO))
        new = cumulative - booked
        if new <= 0 or quantity <= 0:
            return None
        if new > quantity and average is not None:
            price = _unpadded((cumulative * average - value) / new)
        share = fee * min(new / quantity, Decimal(1))
        self._marks[order_id] = (cumulative, value + new * price, fees + share)
        return Increment(new, price, share, cumulative)

    def up_to(self, order_id: str, cumulative: Decimal, *, average: Decimal, fee: Decimal) -> Increment | None:
        """Book what an order's totals add to the mark; None when they add nothing."""
        booked, value, fees = self._marks.get(order_id, (_ZERO, _ZERO, _ZERO))
        new = cumulative - booked
        if new <= 0:
            return None
        total = cumulative * average
        self._marks[order_id] = (cumulative, total, fee)
        return Increment(new, _unpadded((total - value) / new), fee - fees, cumulative)

    def forget(self, order_id: str) -> None:
        """Drop the mark of an order whose life is over."""
        self._marks.pop(order_id, None)


def trade_id(order_id: str, cumulative: Decimal) -> str:
    """Return the id of the execution that brought an order to `cumulative`: the same from every source, 32 characters.

    Examples
    --------
    >>> trade_id("o", Decimal("1.50")) == trade_id("o", Decimal("1.5"))
    True

    """
    return sha256(f"{order_id}|{cumulative.normalize():f}".encode()).hexdigest()[:32]


def _unpadded(price: Decimal) -> Decimal:
    # A quotient has as many digits as the context allows; what lies beyond the twelfth place is not a price.
    return price.quantize(Decimal("0.01")) if price == price.quantize(Decimal("0.01")) else round(price, 12)
