"""The gate: the last question before an order leaves, asked of every order of every origin.

The desk decides, the gate enforces. What only reduces always passes. What opens needs trading mode NORMAL and a permit:
the desk's grant for this very order, or the consent of the judge for an order that nobody proposed. A fault denies.
"""

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from nautilus_qs.domain import Side, TradingMode

_ZERO = Decimal(0)

GATE_ERROR = "RISK_GATE_ERROR"
"""How a denial begins that speaks of a fault of the gate, and not of the order."""


class OrderFacts(Struct, frozen=True):
    """What the gate must know of an order.

    Parameters
    ----------
    client_order_id : str
        The order's id.
    strategy, instrument_id : str
        Whose it is, and on what.
    side : Side
        LONG buys, SHORT sells.
    quantity : Decimal
        Units, positive.
    price : Decimal or None
        Its limit or trigger price, None for a market order.
    reduce_only : bool
        Whether the order says of itself that it only reduces; that alone proves nothing.
    parent_id : str or None
        The entry of whose bracket it is a leg, or the order that was split into it.
    position_quantity : Decimal
        What the strategy holds of the instrument, negative when short. Where a strategy holds several positions: the
        one that the order is for.
    stop_px : Decimal or None
        The protective stop that goes out with an opening order.
    volume : float or None
        Mean volume of the instrument, None when the order's origin does not know it.

    """

    client_order_id: str
    strategy: str
    instrument_id: str
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    reduce_only: bool = False
    parent_id: str | None = None
    position_quantity: Decimal = _ZERO
    stop_px: Decimal | None = None
    volume: float | None = None


class _Permit:
    """The reservation of one opening order: what may still be filled under its id."""

    __slots__ = ("has_passed", "instrument_id", "parent", "price", "quantity", "remaining", "side", "strategy")

    def __init__(self, facts: OrderFacts, *, has_passed: bool, parent: "_Permit | None" = None) -> None:
        self.strategy = facts.strategy
        self.instrument_id = facts.instrument_id
        self.side = facts.side
        self.quantity = self.remaining = facts.quantity
        self.price = facts.price
        self.has_passed = has_passed
        self.parent = parent

    def covers(self, facts: OrderFacts) -> bool:
        """Return whether an order may go out under this permit."""
        return (
            facts.side is self.side
            and facts.instrument_id == self.instrument_id
            and facts.strategy == self.strategy
            and facts.quantity <= self.remaining
        )


class Gate:
    """Lets orders pass or says why not, and keeps one reservation for each opening order.

    Parameters
    ----------
    judge : callable
        Says why an opening order of another origin than the desk must not go out, None when it may; the same limits as
        the desk's. An exception counts as a denial.

    Examples
    --------
    >>> gate = Gate(lambda facts: "no")
    >>> buy = OrderFacts("A-E", "rsi", "SPY.ARCA", Side.LONG, Decimal(10))
    >>> gate.check(buy)
    'no'
    >>> gate.on_grant(buy)
    >>> gate.check(buy), gate.reserved
    (None, 1)
    >>> gate.check(OrderFacts("A-X", "rsi", "SPY.ARCA", Side.SHORT, Decimal(10), position_quantity=Decimal(10)))
    >>> gate.on_closed("A-E"), gate.on_closed("A-X"), gate.reserved, gate.closing
    (None, None, 0, 0)

    """

    def __init__(self, judge: Callable[[OrderFacts], str | None]) -> None:
        self._judge = judge
        self.reset()

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self.mode = TradingMode.NORMAL
        self._permits: dict[str, _Permit] = {}
        self._closes: dict[str, tuple[str, str, Side, Decimal]] = {}
        self._legs: dict[str, Decimal] = {}

    @property
    def reserved(self) -> int:
        """Return the number of opening orders that were granted or passed and are not closed."""
        return len(self._permits)

    @property
    def closing(self) -> int:
        """Return the number of reducing orders that passed and are not closed."""
        return len(self._closes) + len(self._legs)

    def reserved_quantity(self, instrument_id: str) -> Decimal:
        """Return the units of an instrument that may still be opened under the permits given."""
        return sum((p.remaining for p in self._permits.values() if p.instrument_id == instrument_id), _ZERO)

    def on_grant(self, facts: OrderFacts) -> None:
        """Take the desk's grant: an order with this id, strategy, instrument and side may open up to this quantity."""
        self._permits[facts.client_order_id] = _Permit(facts, has_passed=False)

    def check(self, facts: OrderFacts) -> str | None:
        """Return why an order must not go out, None when it may, and reserve what it opens.

        An order that goes out a second time under its id (an emulated one when it is released) is judged again by the
        mode and by its permit, and reserves nothing more.
        """
        try:
            return self._check(facts)
        except Exception as error:  # noqa: BLE001  the border of the money path: whatever goes wrong here denies
            return f"{GATE_ERROR} {error!r}"

    def check_modify(
        self, client_order_id: str, *, quantity: Decimal, current: Decimal, price: Decimal | None = None
    ) -> str | None:
        """Return why an order must not be modified, None when it may: no quantity grows, no opening order costs more.

        Parameters
        ----------
        client_order_id : str
            The order.
        quantity, current : Decimal
            Its quantity after and before.
        price : Decimal or None
            Its limit or trigger price after, None when it has none or keeps it.

        """
        try:
            if not 0 < quantity <= current:
                return f"RISK_GATE_INCREASE quantity must be in (0, {current}], was {quantity}"
            permit = self._permits.get(client_order_id)
            if permit is None:
                return None
            if self.mode is not TradingMode.NORMAL:
                return f"RISK_GATE_MODE {self.mode}: an opening order is cancelled, not modified"
            if price is not None and permit.price is not None and price * quantity > permit.price * permit.quantity:
                return f"RISK_GATE_INCREASE cost must be at most that of {permit.quantity} at {permit.price}"
        except Exception as error:  # noqa: BLE001  the border of the money path: whatever goes wrong here denies
            return f"{GATE_ERROR} {error!r}"
        return None

    def on_fill(self, client_order_id: str, quantity: Decimal) -> None:
        """Take an execution: what it filled is no longer reserved."""
        permit = self._permits.get(client_order_id)
        if permit is not None:
            permit.remaining = max(_ZERO, permit.remaining - quantity)
            return
        close = self._closes.get(client_order_id)
        if close is not None:
            self._closes[client_order_id] = (*close[:3], max(_ZERO, close[3] - quantity))

    def on_closed(self, client_order_id: str) -> None:
        """Take the end of an order (filled, cancelled, rejected, denied, expired), or of a grant that is not used."""
        permit = self._permits.pop(client_order_id, None)
        if permit is not None and permit.parent is not None:
            # What a slice did not fill goes back to the order it was split from.
            permit.parent.remaining += permit.remaining
        self._closes.pop(client_order_id, None)
        self._legs.pop(client_order_id, None)

    def _check(self, facts: OrderFacts) -> str | None:
        if not facts.quantity > 0:
            return f"RISK_GATE_QUANTITY must be above 0, was {facts.quantity}"
        if self._is_reducing(facts):
            key = (facts.strategy, facts.instrument_id, facts.side, facts.quantity)
            if facts.reduce_only and (facts.parent_id is not None or facts.price is not None):
                # It rests, and is cut to the position that is left: a stop must not keep others from closing.
                self._legs[facts.client_order_id] = facts.quantity
            else:
                self._closes[facts.client_order_id] = key
            return None
        parent = self._permits.get(facts.parent_id) if facts.parent_id is not None else None
        if parent is not None and self._is_leg(facts, parent):
            self._legs[facts.client_order_id] = facts.quantity
            return None
        return self._check_opening(facts, parent)

    def _check_opening(self, facts: OrderFacts, parent: _Permit | None) -> str | None:
        if self.mode is not TradingMode.NORMAL:
            return f"RISK_GATE_MODE {self.mode}: only what reduces passes"
        permit = self._permits.get(facts.client_order_id)
        if permit is not None:
            if permit.covers(facts):
                permit.has_passed = True
                return None
            return (
                f"RISK_GATE_GRANT must be {permit.side} of {permit.instrument_id} by {permit.strategy} up to "
                f"{permit.remaining}, was {facts.side} {facts.quantity} of {facts.instrument_id} by {facts.strategy}"
            )
        # An order that went out whole has nothing left to split: its slices would open the same units again.
        if parent is not None and not parent.has_passed and parent.covers(facts):
            parent.remaining -= facts.quantity
            self._permits[facts.client_order_id] = _Permit(facts, has_passed=True, parent=parent)
            return None
        reason = self._judge(facts)
        if reason is None:
            self._permits[facts.client_order_id] = _Permit(facts, has_passed=True)
        return reason

    def _is_reducing(self, facts: OrderFacts) -> bool:
        """Return whether an order can only make its position smaller.

        The position decides, not the flag. An order that is flagged is judged against the whole position: a stop, a
        target and an emergency close may stand side by side, since a venue lets none of them open anything. One that
        is not flagged must also leave room for every other close under way, or two of them would turn the position; a
        flagged one that rests is none of these, for it is cut when the position is.
        """
        held = facts.position_quantity
        if held == 0 or (held > 0) is (facts.side is Side.LONG):
            return False
        if facts.reduce_only:
            return facts.quantity <= abs(held)
        under_way = sum(
            (
                quantity
                for order_id, (strategy, instrument_id, side, quantity) in self._closes.items()
                if strategy == facts.strategy
                and instrument_id == facts.instrument_id
                and side is facts.side
                and order_id != facts.client_order_id
            ),
            _ZERO,
        )
        return facts.quantity + under_way <= abs(held)

    def _is_leg(self, facts: OrderFacts, parent: _Permit) -> bool:
        """Return whether an order can only close what its parent, which may not be filled yet, opens."""
        return (
            parent.has_passed
            and facts.reduce_only
            and facts.side is not parent.side
            and facts.quantity <= parent.quantity
            and facts.instrument_id == parent.instrument_id
            and facts.strategy == parent.strategy
        )
