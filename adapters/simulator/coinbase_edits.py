"""Changes of working orders at the Coinbase simulator: the id stays, price and size are given together."""

import asyncio

from adapters.simulator.coinbase_configurations import Force, Kind, read_number
from adapters.simulator.coinbase_desk import OrderDesk, text_of
from adapters.simulator.coinbase_orders import Edit, Record
from adapters.simulator.coinbase_refusals import edit_failure
from adapters.simulator.coinbase_requests import PREFIX
from adapters.simulator.coinbase_wire import Json
from adapters.simulator.exchange import Changes, RefusalError
from adapters.simulator.faults import FaultKind, Occurrence

EDIT = f"POST {PREFIX}/orders/edit"
_EDITABLE = (Kind.LIMIT, Kind.STOP_LIMIT, Kind.BRACKET)


class EditError(Exception):
    """The venue does not take an edit; the text is its name for that."""


class Edits:
    """Take edits.

    Parameters
    ----------
    orders
        The account's orders.

    """

    def __init__(self, orders: OrderDesk) -> None:
        self._orders = orders

    def edit(self, request: Json) -> Json:
        """Change price and size of a working order; both must be given, the size is the total.

        Raises
        ------
        BadRequestError
            The body cannot be read.

        """
        try:
            record, changes = self.check(request)
            if self._is_dropped_later(record):
                return {"success": True, "errors": []}
            self._orders.desk.replace(record.order_id, changes, where=EDIT)
        except RefusalError as error:
            return _not_edited(*edit_failure(error))
        except EditError as error:
            return _not_edited(str(error), "")
        record.edits.append(Edit(changes.limit_price, changes.qty, self._orders.clock.now_ns()))
        self._orders.settle()
        return {"success": True, "errors": []}

    def _is_dropped_later(self, record: Record) -> bool:
        """Whether a fault lets an edit be queued first and refused after its seconds."""
        occurrence = Occurrence(
            venue=self._orders.desk.venue,
            where=EDIT,
            order_ids=(record.order_id,),
            client_ids=(record.client_order_id,),
        )
        fault = self._orders.desk.market.faults.first(occurrence, FaultKind.REJECT_ORDER)
        if fault is None:
            return False
        record.is_edit_queued = True
        self._orders.tell(record)
        asyncio.get_running_loop().call_later(fault.secs, self._drop_edit, record)
        return True

    def _drop_edit(self, record: Record) -> None:
        if record.is_edit_queued:
            record.is_edit_queued = False
            self._orders.tell(record)

    def check(self, request: Json) -> tuple[Record, Changes]:
        """Return the order that an edit means and what it changes.

        Raises
        ------
        BadRequestError
            The body cannot be read.
        EditError
            The venue would not take it.

        """
        record = self._orders.find(text_of(request, "order_id"))
        if record is None:
            raise EditError("ORDER_NOT_FOUND")
        if record.asked.quote_size is not None:
            raise EditError("SIZE_IN_QUOTE_EDITS_NOT_ALLOWED")
        if record.asked.kind not in _EDITABLE or record.asked.force is not Force.GTC:
            raise EditError("ONLY_LIMIT_ORDER_EDITS_SUPPORTED")
        if record.is_final or record.is_cancel_queued:
            raise EditError("ONLY_OPEN_ORDERS_CAN_BE_EDITED")
        if record.is_edit_queued:
            raise EditError("ORDER_IS_ALREADY_BEING_REPLACED")
        return record, self._changes(request, record)

    def _changes(self, request: Json, record: Record) -> Changes:
        listing = self._orders.exchange.listings[record.order.symbol]
        if not request.get("price"):
            raise EditError("INVALID_EDITED_PRICE")
        # A size that is left out is read as zero.
        if not request.get("size"):
            raise EditError("CANNOT_EDIT_TO_BELOW_FILLED_SIZE" if record.order.filled_qty else "INVALID_EDITED_SIZE")
        size, price = read_number(request["size"], "size"), read_number(request["price"], "price")
        stop = read_number(request["stop_price"], "stop_price") if request.get("stop_price") else None
        if size % listing.qty_increment or size < listing.min_qty:
            raise EditError("INVALID_EDITED_SIZE")
        return Changes(qty=size, limit_price=price, stop_price=stop)


def _not_edited(edit: str, preview: str) -> Json:
    return {"success": False, "errors": [{"edit_failure_reason": edit, "preview_failure_reason": preview}]}
