"""The nouns of the exchange: what is asked for, what stands on the books, what happened."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from adapters.simulator.tape import ZERO, Side


class OrderType(StrEnum):
    """What makes an order marketable."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    TRIGGER_BRACKET = "trigger_bracket"
    """Both exits in one order: a limit that becomes a limit through its stop, once that is elected."""


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class OrderClass(StrEnum):
    """How orders belong together."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class Role(StrEnum):
    """What an order is within its group."""

    ALONE = "alone"
    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class Status(StrEnum):
    """Where an order stands; the servers put it into their venue's words."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    DONE_FOR_DAY = "done_for_day"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can come."""
        return self in _FINAL


_FINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED, Status.REPLACED})


class Leg(msgspec.Struct, frozen=True):
    """An exit that comes with an entry: a limit (take profit), or a stop with or without a limit (stop loss)."""

    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for.

    Parameters
    ----------
    client_id
        The client's id; never "".
    symbol, side, type, time_in_force
        The order.
    qty, notional
        Units of the base, or of the quote currency; exactly one.
    limit_price, stop_price
        As the type needs them.
    trail_price, trail_percent
        One of them for a trailing stop; a percentage such as 1.5.
    expires_ns
        End of a gtd order, venue time.
    is_post_only, is_extended_hours
        Never take liquidity; also work before the open and after the close.
    order_class, take_profit, stop_loss
        Group and its legs. An oco's own limit is its take profit.
    is_stop_up
        Direction of a stop where the venue lets the client say it; None follows the side.

    """

    client_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_ns: int | None = None
    is_post_only: bool = False
    is_extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: Leg | None = None
    stop_loss: Leg | None = None
    is_stop_up: bool | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a working order; None leaves it."""

    qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_id: str | None = None


class Order(msgspec.Struct, kw_only=True):
    """An order as the venue has it. Only the exchange changes it; everybody else is given copies.

    Parameters
    ----------
    id, client_id
        The venue's id and the client's.
    ticket
        What was asked for; for a leg what the group made of it.
    qty
        Units of the base; None as long as a notional order is not converted by its fills.
    filled_qty, filled_value, fees, number_of_fills
        Totals; value and fees are in the quote currency.
    limit_price, stop_price, trail_price, trail_percent, hwm
        As they are now. `hwm` is the best trade since a trailing stop was accepted.
    is_triggered
        A stop that was elected works as a market or a limit order.
    parent_id, leg_ids, role
        The group.
    legs
        The legs as they were accepted: of the copy that `submit` returns only.
    replaces, replaced_by
        Ids of the order before and after a replacement.
    day_end_ns
        When a day order expires; when an order that is good till cancelled does.
    hold_price
        What a unit is reckoned at for buying power and holds.
    reason
        Why it ended, where that was not a fill.
    is_outside, is_closing
        Placed by another hand than the client's; meant to reduce a holding when it was accepted.

    """

    id: str
    client_id: str
    ticket: Ticket
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    status: Status
    qty: Decimal | None
    notional: Decimal | None = None
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    number_of_fills: int = 0
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    is_post_only: bool = False
    is_extended_hours: bool = False
    is_triggered: bool = False
    is_stop_up: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    role: Role = Role.ALONE
    parent_id: str | None = None
    leg_ids: tuple[str, ...] = ()
    legs: tuple["Order", ...] = ()
    replaces: str | None = None
    replaced_by: str | None = None
    expires_ns: int | None = None
    day_end_ns: int | None = None
    hold_price: Decimal = ZERO
    sequence: int = 0
    created_ns: int = 0
    submitted_ns: int = 0
    updated_ns: int = 0
    filled_ns: int | None = None
    canceled_ns: int | None = None
    expired_ns: int | None = None
    failed_ns: int | None = None
    replaced_ns: int | None = None
    cancel_requested_ns: int | None = None
    reason: str = ""
    is_outside: bool = False
    is_closing: bool = False

    @property
    def leaves_qty(self) -> Decimal:
        """Return what is still to be filled; 0 once the order is final."""
        if self.status.is_final or self.qty is None:
            return ZERO
        return self.qty - self.filled_qty

    @property
    def average_price(self) -> Decimal | None:
        """Return the mean price of the fills, with all its digits; None before the first."""
        return self.filled_value / self.filled_qty if self.filled_qty else None

    def copy(self) -> "Order":
        """Return the order as it is at this moment."""
        return msgspec.structs.replace(self)


class Liquidity(StrEnum):
    """Whether a fill took liquidity or gave it."""

    MAKER = "maker"
    TAKER = "taker"


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution.

    Parameters
    ----------
    id
        Execution id, a UUID.
    qty, price
        Of this execution.
    fee, fee_currency
        With all digits.
    cum_qty, leaves_qty, position_qty
        Of the order and of the position, after it.

    """

    id: str
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    liquidity: Liquidity
    fee: Decimal
    fee_currency: str
    ts_ns: int
    cum_qty: Decimal
    leaves_qty: Decimal
    position_qty: Decimal


class EventKind(StrEnum):
    """What happened to an order."""

    ACCEPTED = "accepted"
    HELD = "held"
    NEW = "new"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    TRIGGERED = "triggered"
    RESTATED = "restated"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    REPLACE_REJECTED = "order_replace_rejected"
    CANCEL_REJECTED = "order_cancel_rejected"
    DONE_FOR_DAY = "done_for_day"
    TRADE_BUST = "trade_bust"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: the order as it was then, and the execution where there is one."""

    id: str
    kind: EventKind
    order: Order
    ts_ns: int
    fill: Fill | None = None
