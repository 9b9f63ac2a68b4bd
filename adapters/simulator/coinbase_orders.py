"""An order as Coinbase tells of it: what was asked for, what the exchange made of it, and the rows of both channels."""

from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256

import msgspec

from adapters.simulator.coinbase_configurations import Configuration, Kind
from adapters.simulator.coinbase_wire import Json, number, time_text
from adapters.simulator.exchange.orders import Fill, Liquidity, Order, Status
from adapters.simulator.tape import Side

ZERO = Decimal(0)
KEPT_EDITS = 5
_STATUSES = {
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELLED",
    Status.REPLACED: "CANCELLED",
    Status.EXPIRED: "EXPIRED",
    Status.REJECTED: "FAILED",
}
_PENDING = frozenset({Status.PENDING_NEW, Status.ACCEPTED, Status.HELD})
_STREAM_TYPES = {Kind.MARKET: "Market", Kind.LIMIT: "Limit", Kind.STOP_LIMIT: "Stop Limit", Kind.BRACKET: "Bracket"}


class Edit(msgspec.Struct, frozen=True):
    """A change of an order that the venue took; `replace_ns` is venue time."""

    price: Decimal | None
    size: Decimal | None
    replace_ns: int


class Record(msgspec.Struct, kw_only=True):
    """An order of the account.

    Parameters
    ----------
    order_id, client_order_id, product_id
        As told on the wire; the product is the one that was submitted.
    stream_product_id
        The canonical name, which streams use.
    side, asked, request
        What was asked for, read and as it came.
    order
        The exchange's order as it was last told of.
    fills
        Executions, oldest first.
    reversals
        Executions that were taken back, each with the time of that; the order stays as it is.
    is_cancel_queued, is_edit_queued
        Accepted and not yet effective: the order is live.
    edits
        The last changes, oldest first.
    originating_order_id, attached_order_id
        The parent of an attached order, and the child of its parent.

    """

    order_id: str
    client_order_id: str
    product_id: str
    stream_product_id: str
    side: Side
    asked: Configuration
    request: Json
    order: Order
    fills: list[Fill] = []
    reversals: list[Fill] = []
    is_cancel_queued: bool = False
    is_edit_queued: bool = False
    edits: list[Edit] = []
    originating_order_id: str = ""
    attached_order_id: str = ""

    @property
    def is_final(self) -> bool:
        """Return whether nothing more can come."""
        return self.order.status.is_final

    @property
    def value_after_fees(self) -> Decimal:
        """Return what the account paid or received."""
        sign = 1 if self.side is Side.BUY else -1
        return self.order.filled_value + sign * self.order.fees

    @property
    def size(self) -> Decimal | None:
        """Return the size as it is now; None of an order in quote currency until it is done."""
        return self.order.qty if self.asked.quote_size is None or self.is_final else None

    @property
    def leaves(self) -> Decimal:
        """Return what may still fill; the venue zeroes it once the order is final."""
        if self.is_final or self.size is None:
            return ZERO
        return max(self.size - self.order.filled_qty, ZERO)

    @property
    def status(self) -> str:
        """Return the status in the venue's words."""
        if self.is_final:
            return _STATUSES[self.order.status]
        if self.is_cancel_queued:
            return "CANCEL_QUEUED"
        if self.is_edit_queued:
            return "EDIT_QUEUED"
        return "PENDING" if self.order.status in _PENDING else "OPEN"

    @property
    def trigger_status(self) -> str:
        """Return whether the stop was elected, for orders that have one."""
        if self.asked.kind not in (Kind.STOP_LIMIT, Kind.BRACKET):
            return "INVALID_ORDER_TYPE"
        return "STOP_TRIGGERED" if self.order.is_triggered else "STOP_PENDING"

    @property
    def completion(self) -> Decimal:
        """Return the filled share as a percentage."""
        if self.status == "FILLED":
            return Decimal(100)
        return self.order.filled_qty / self.size * 100 if self.size else ZERO


class Writer:
    """Write records as rows.

    Parameters
    ----------
    wire_ns
        From venue time to the wire's.
    user_id, portfolio_id
        Whose orders they are.

    """

    def __init__(self, wire_ns: Callable[[int], int], *, user_id: str, portfolio_id: str) -> None:
        self._wire_ns = wire_ns
        self._user_id = user_id
        self._portfolio_id = portfolio_id

    def time(self, venue_ns: int | None) -> str | None:
        """Write a venue time."""
        return None if venue_ns is None else time_text(self._wire_ns(venue_ns))

    def row(self, record: Record, *, hold: Decimal = ZERO) -> Json:
        """Write an order as REST tells of it.

        Parameters
        ----------
        record
            The order.
        hold
            What of the account it holds.

        """
        order, asked = record.order, record.asked
        is_final = record.is_final
        last_fill = record.fills[-1].ts_ns if record.fills else None
        return {
            "order_id": record.order_id,
            "product_id": record.product_id,
            "user_id": self._user_id,
            "order_configuration": self._configuration(record),
            "side": record.side.name,
            "client_order_id": record.client_order_id,
            "status": record.status,
            "time_in_force": asked.force.value,
            "created_time": self.time(order.created_ns),
            "completion_percentage": number(record.completion),
            "filled_size": number(order.filled_qty),
            "average_filled_price": number(order.average_price or ZERO),
            # Deprecated and always empty: what was charged is in total_fees.
            "fee": "",
            "number_of_fills": str(len(record.fills)),
            "filled_value": number(order.filled_value),
            "pending_cancel": record.is_cancel_queued and not is_final,
            "size_in_quote": asked.quote_size is not None,
            "total_fees": number(order.fees),
            "size_inclusive_of_fees": asked.quote_size is not None,
            "total_value_after_fees": number(record.value_after_fees),
            "trigger_status": record.trigger_status,
            "order_type": asked.kind.value,
            "reject_reason": "REJECT_REASON_UNSPECIFIED" if order.status is not Status.REJECTED else order.reason,
            "settled": record.status == "FILLED",
            "product_type": "SPOT",
            "reject_message": order.reason if order.status is Status.REJECTED else "",
            "cancel_message": _cancel_message(record),
            "order_placement_source": "RETAIL_ADVANCED",
            "outstanding_hold_amount": "" if is_final else number(hold),
            "is_liquidation": False,
            "last_fill_time": self.time(last_fill),
            "edit_history": [self._edit(edit) for edit in record.edits[-KEPT_EDITS:]],
            "leverage": "",
            "margin_type": "UNKNOWN_MARGIN_TYPE",
            "retail_portfolio_id": self._portfolio_id,
            "originating_order_id": record.originating_order_id,
            "attached_order_id": record.attached_order_id,
        }

    def stream_row(self, record: Record, *, hold: Decimal = ZERO) -> Json:
        """Write an order as the user channel tells of it: cumulative, every value as text, no trade ids."""
        order, asked = record.order, record.asked
        return {
            "avg_price": number(order.average_price or ZERO),
            "cancel_reason": _cancel_message(record),
            "client_order_id": record.client_order_id,
            "completion_percentage": number(record.completion),
            "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
            "creation_time": self.time(order.created_ns),
            "cumulative_quantity": number(order.filled_qty),
            "end_time": self.time(order.expires_ns) or "",
            "filled_value": number(order.filled_value),
            "leaves_quantity": number(record.leaves),
            "limit_price": number(order.limit_price),
            "number_of_fills": str(len(record.fills)),
            "order_id": record.order_id,
            "order_side": record.side.name,
            "order_type": _STREAM_TYPES[asked.kind],
            "outstanding_hold_amount": number(ZERO if record.is_final else hold),
            "post_only": "true" if asked.post_only else "false",
            "product_id": record.stream_product_id,
            "product_type": "SPOT",
            "reject_reason": order.reason if order.status is Status.REJECTED else "",
            "retail_portfolio_id": self._portfolio_id,
            "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
            "status": record.status,
            "stop_price": number(order.stop_price),
            "time_in_force": asked.force.value,
            "total_fees": number(order.fees),
            "total_value_after_fees": number(record.value_after_fees),
            "trigger_status": record.trigger_status,
        }

    def fill_row(self, record: Record, fill: Fill) -> Json:
        """Write an execution as the list of fills tells of it, commission with all digits.

        One that was taken back bears the trade id of the execution: a trade id is of one row among the fills alone.
        """
        moment = self.time(fill.ts_ns)
        kind = "REVERSAL" if fill in record.reversals else "FILL"
        return {
            "entry_id": sha256(f"{kind}:{fill.id}".encode()).hexdigest(),
            "trade_id": fill.id,
            "order_id": record.order_id,
            "trade_time": moment,
            "trade_type": kind,
            "price": number(fill.price),
            "size": number(fill.qty),
            "commission": number(fill.fee),
            "product_id": record.product_id,
            "sequence_timestamp": moment,
            "liquidity_indicator": "MAKER" if fill.liquidity is Liquidity.MAKER else "TAKER",
            "size_in_quote": False,
            "user_id": self._user_id,
            "side": fill.side.name,
            "retail_portfolio_id": self._portfolio_id,
        }

    def _configuration(self, record: Record) -> Json:
        """Return the configuration as it is after the edits, in the words it came in."""
        asked, order = record.asked, record.order
        fields = dict(next(iter(record.request["order_configuration"].values())))
        if record.edits:
            for name, value in (("base_size", order.qty), ("limit_price", order.limit_price)):
                if name in fields:
                    fields[name] = number(value)
            name = "stop_trigger_price" if asked.kind is Kind.BRACKET else "stop_price"
            if name in fields:
                fields[name] = number(order.stop_price)
        return {asked.name: fields}

    def _edit(self, edit: Edit) -> Json:
        return {
            "price": number(edit.price),
            "size": number(edit.size),
            "replace_accept_timestamp": self.time(edit.replace_ns),
        }


def _cancel_message(record: Record) -> str:
    if record.status != "CANCELLED":
        return ""
    return "User requested cancel" if record.is_cancel_queued else record.order.reason
