"""Where orders of the Coinbase simulator come in: created once, previewed, edited, cancelled, and their records kept.

The exchange tells what happens while it is being called and must not be called from there. What follows from an event
(the child of a filled parent) waits in `settle`.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from adapters.simulator.coinbase_configurations import (
    BadRequestError,
    Configuration,
    Kind,
    read_configuration,
    ticket_of,
    written,
)
from adapters.simulator.coinbase_orders import Record, Writer
from adapters.simulator.coinbase_public import Product, Shelf
from adapters.simulator.coinbase_refusals import RefusedError, cancel_failure, refused
from adapters.simulator.coinbase_requests import PREFIX
from adapters.simulator.coinbase_wire import Json, number, time_text
from adapters.simulator.desk import Desk
from adapters.simulator.exchange import (
    Event,
    EventKind,
    Order,
    Reason,
    RefusalError,
    Status,
    Ticket,
)
from adapters.simulator.tape import Side

CREATE = f"POST {PREFIX}/orders"
EDIT = f"POST {PREFIX}/orders/edit"
CANCEL = f"POST {PREFIX}/orders/batch_cancel"
_EDITABLE = (Kind.LIMIT, Kind.STOP_LIMIT, Kind.BRACKET)


class Draft(msgspec.Struct, frozen=True):
    """What is known of an order before the exchange has told of it."""

    product: Product
    asked: Configuration
    request: Json
    parent_id: str = ""


type RecordListener = Callable[[Record, Event | None], None]


class OrderDesk:
    """The account's orders.

    Parameters
    ----------
    desk
        The exchange behind the faults that concern it.
    shelf
        The products.
    writer
        Of rows.
    refuses_twice
        Whether a second POST of a client id is answered DUPLICATE_CLIENT_ORDER_ID instead of with the first order.
    is_terse
        Whether the answer to a new order leaves out the top-level `order_id` and `failure_reason`.
    unsupported
        Names of configurations that are not taken.

    """

    def __init__(
        self,
        desk: Desk,
        shelf: Shelf,
        writer: Writer,
        *,
        refuses_twice: bool = False,
        is_terse: bool = False,
        unsupported: frozenset[str] = frozenset(),
    ) -> None:
        self.desk = desk
        self.exchange = desk.exchange
        self.clock = desk.market.clock
        self.shelf = shelf
        self.writer = writer
        self.refuses_twice = refuses_twice
        self.is_terse = is_terse
        self.unsupported = unsupported
        self.records: dict[str, Record] = {}
        self._listeners: list[RecordListener] = []
        self._by_client: dict[str, str] = {}
        self._drafts: dict[str, Draft] = {}
        self._children: deque[Record] = deque()
        desk.listen(self._on_event)
        desk.market.each_step(self.settle)

    def listen(self, listener: RecordListener) -> None:
        """Have every change of a record told, with the exchange's event where there is one."""
        self._listeners.append(listener)

    def find(self, order_id: str) -> Record | None:
        """Return an order by its id, None if there is none or the venue has lost it."""
        return self.records.get(order_id) if self.exchange.order(order_id) is not None else None

    def open_records(self) -> list[Record]:
        """Return the orders that are not final, oldest first."""
        return [record for record in self.records.values() if not record.is_final and self.find(record.order_id)]

    # What the exchange tells.

    def _on_event(self, event: Event) -> None:
        record = self.records.get(event.order.id)
        if record is None:
            record = self._enter(event.order)
            # The exchange begins with an order that works; this venue says before that it has it.
            record.order.status = Status.PENDING_NEW
            self.tell(record)
        if event.kind is EventKind.CANCELED and record.is_cancel_queued and not record.is_final:
            # The exchange cancels at once; this venue says first that it will.
            self.tell(record)
        record.order = event.order
        if event.kind is EventKind.TRADE_BUST and event.fill is not None:
            record.reversals.append(msgspec.structs.replace(event.fill, ts_ns=event.ts_ns))
        elif event.fill is not None:
            record.fills.append(event.fill)
        if record.is_final:
            record.is_edit_queued = False
        if event.kind is EventKind.FILL and "attached_order_configuration" in record.request:
            self._children.append(record)
            with contextlib.suppress(RuntimeError):
                # A step settles at its end; what the control port does is followed by nothing else.
                asyncio.get_running_loop().call_soon(self.settle)
        self.tell(record, event)

    def tell(self, record: Record, event: Event | None = None) -> None:
        """Tell the listeners of a record that changed, with the exchange's event where there is one."""
        for listener in self._listeners:
            listener(record, event)

    def settle(self) -> None:
        """Do what follows from events and could not be done while the exchange told of them."""
        while self._children:
            self._attach(self._children.popleft())

    def _enter(self, order: Order) -> Record:
        draft = self._drafts.pop(order.client_id, None) or self._foreign(order)
        record = Record(
            order_id=order.id,
            client_order_id=order.client_id,
            product_id=draft.product.product_id,
            stream_product_id=draft.product.canonical,
            side=order.side,
            asked=draft.asked,
            request=draft.request,
            order=order.copy(),
            originating_order_id=draft.parent_id,
        )
        self.records[order.id] = record
        self._by_client[order.client_id] = order.id
        return record

    def _foreign(self, order: Order) -> Draft:
        """Return the draft of an order that was placed by another way than this API."""
        ticket = order.ticket
        end = None if ticket.expires_ns is None else time_text(self.clock.wire_ns(ticket.expires_ns))
        configuration = written(ticket, end_time=end)
        product = self.shelf.get(order.symbol)
        request = {
            "client_order_id": order.client_id,
            "product_id": product.product_id,
            "side": order.side.name,
            "order_configuration": configuration,
        }
        return Draft(product, read_configuration(configuration), request)

    def _attach(self, parent: Record) -> None:
        """Place the bracket that was attached to an order, now that the order is filled."""
        ((name, fields),) = parent.request["attached_order_configuration"].items()
        configuration = {name: fields | {"base_size": number(parent.order.filled_qty)}}
        side = parent.side.opposite
        request = {
            "client_order_id": f"{parent.client_order_id}-attached",
            "product_id": parent.product_id,
            "side": side.name,
            "order_configuration": configuration,
        }
        draft = Draft(self.shelf.get(parent.product_id), read_configuration(configuration), request, parent.order_id)
        try:
            child = self._submit(draft, where="attached order")
        except (RefusalError, RefusedError):
            # The venue has no way to tell either: the parent is filled and unprotected.
            return
        parent.attached_order_id = child.order_id

    def _submit(self, draft: Draft, *, where: str = CREATE) -> Record:
        ticket = self._ticket(draft)
        self.shelf.follow(self.clock.now_ns())
        self._drafts[ticket.client_id] = draft
        try:
            order = self.desk.submit(ticket, where=where)
        finally:
            self._drafts.pop(ticket.client_id, None)
        return self.records[order.id]

    def _ticket(self, draft: Draft) -> Ticket:
        return ticket_of(
            draft.asked,
            client_id=draft.request["client_order_id"],
            listing=draft.product.listing,
            side=_side(draft.request),
            venue_ns=self.clock.venue_ns,
        )

    # What clients ask for.

    def create(self, request: Json) -> Json:
        """Create an order; the identical request again returns the order that it made.

        Parameters
        ----------
        request
            The body.

        Returns
        -------
        dict
            The answer's body, which tells of success and of failure alike.

        Raises
        ------
        BadRequestError
            The body cannot be read.

        """
        client_id = text_of(request, "client_order_id")
        known = self.find(self._by_client.get(client_id, ""))
        if known is not None:
            return self._created_before(known, request)
        try:
            record = self._submit(self._draft(request))
        except RefusalError as error:
            return _not_created(request, refused(error), reason=error.reason)
        except RefusedError as error:
            return _not_created(request, error)
        self.settle()
        return self._created(record)

    def _created_before(self, record: Record, request: Json) -> Json:
        if self.refuses_twice or _essence(record.request) != _essence(request):
            return _not_created(request, RefusedError(""), reason=Reason.DUPLICATE_CLIENT_ID)
        return self._created(record)

    def _created(self, record: Record) -> Json:
        request = record.request
        success = {
            "order_id": record.order_id,
            "product_id": request["product_id"],
            "side": request["side"],
            "client_order_id": record.client_order_id,
        }
        body: Json = {
            "success": True,
            "success_response": success,
            "order_configuration": request["order_configuration"],
        }
        # Older answers bear both although neither means anything next to a success.
        older = {"failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": record.order_id}
        return body if self.is_terse else body | older

    def _draft(self, request: Json) -> Draft:
        _side(request)
        asked = read_configuration(request.get("order_configuration"))
        if asked.name in self.unsupported:
            raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", f"{asked.name} is not supported")
        attached = request.get("attached_order_configuration")
        if attached is not None:
            bracket = read_configuration(attached, is_attached=True)
            if asked.kind not in (Kind.MARKET, Kind.LIMIT):
                raise RefusedError("PREVIEW_INVALID_ORDER_CONFIG", f"nothing can be attached to {asked.name}")
            sized = msgspec.structs.replace(bracket, base_size=Decimal(1))
            self._check_attached(sized, request)
        product = self.shelf.find(text_of(request, "product_id"))
        if product is None:
            raise RefusedError("PREVIEW_INVALID_PRODUCT_ID", "Invalid product_id")
        return Draft(product, asked, request)

    def _check_attached(self, bracket: Configuration, request: Json) -> None:
        product = self.shelf.find(text_of(request, "product_id"))
        if product is not None:
            side = _side(request).opposite
            ticket_of(bracket, client_id="x", listing=product.listing, side=side, venue_ns=self.clock.venue_ns)

    def check(self, request: Json) -> tuple[Draft, Order]:
        """Return what an order would be, and change nothing.

        Raises
        ------
        BadRequestError
            The body cannot be read.
        RefusedError
            It would be refused.

        """
        draft = self._draft({"client_order_id": "preview", **request})
        self.shelf.follow(self.clock.now_ns())
        try:
            return draft, self.exchange.check(self._ticket(draft), self.clock.now_ns())
        except RefusalError as error:
            raise refused(error) from error

    def cancel(self, order_id: str) -> Json:
        """Ask for an order's end; success means that this was queued, and the order may fill until it is done."""
        record = self.find(order_id)
        failure = _cancel_failure(record)
        if not failure and record is not None:
            failure = self._end(record)
        return {
            "success": not failure,
            "failure_reason": failure or "UNKNOWN_CANCEL_FAILURE_REASON",
            "order_id": order_id,
        }

    def _end(self, record: Record) -> str:
        record.is_cancel_queued = True
        try:
            self.desk.cancel(record.order_id, where=CANCEL)
        except RefusalError as error:
            record.is_cancel_queued = False
            # Its time may have come while it was looked at.
            return _cancel_failure(record) or cancel_failure(error)
        self.settle()
        return ""


def text_of(request: Json, name: str) -> str:
    """Return a text of a body.

    Raises
    ------
    BadRequestError
        It is missing, empty or no text.

    """
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequestError(f"{name} is required")
    return value


def _side(request: Json) -> Side:
    try:
        return Side[text_of(request, "side")]
    except KeyError as error:
        raise BadRequestError(f"invalid side {request.get('side')}") from error


def _essence(request: Json) -> str:
    """Return what makes two requests the same order."""
    names = ("client_order_id", "product_id", "side", "order_configuration", "attached_order_configuration")
    return json.dumps({name: request.get(name) for name in names}, sort_keys=True)


def _cancel_failure(record: Record | None) -> str:
    if record is None:
        return "UNKNOWN_CANCEL_ORDER"
    if record.order.status is Status.FILLED:
        return "ORDER_IS_FULLY_FILLED"
    if record.is_cancel_queued:
        return "DUPLICATE_CANCEL_REQUEST"
    if record.is_final:
        return "INVALID_CANCEL_REQUEST"
    return "ORDER_IS_BEING_REPLACED" if record.is_edit_queued else ""


def _not_created(request: Json, error: RefusedError, *, reason: Reason | None = None) -> Json:
    names: dict[str, Any] = {"error": error.error, "preview": error.preview}
    message = error.message
    if reason is Reason.DUPLICATE_CLIENT_ID:
        names = {"error": "DUPLICATE_CLIENT_ORDER_ID", "preview": "UNKNOWN_PREVIEW_FAILURE_REASON"}
        message = "Client order id was used before"
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": {
            "error": names["error"],
            "message": message,
            "error_details": "",
            "preview_failure_reason": names["preview"],
            "new_order_failure_reason": names["error"],
        },
        "order_configuration": request.get("order_configuration"),
    }
