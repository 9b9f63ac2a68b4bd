"""What the Coinbase simulator tells the owner of a key: balances, orders, fills, fees, and the key itself.

Orders and fills are read models, which may lag behind the streams.
"""

import base64
from collections.abc import Callable
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

import msgspec

from adapters.simulator.coinbase_configurations import BadRequestError, read_time
from adapters.simulator.coinbase_desk import OrderDesk
from adapters.simulator.coinbase_orders import Record
from adapters.simulator.coinbase_requests import NotFoundError, Request, Route
from adapters.simulator.coinbase_wire import Json, number
from adapters.simulator.exchange import Fill, Order

FIAT = frozenset({"USD", "EUR", "GBP"})
_LONE_STATUSES = frozenset({"OPEN"})


class AccountDesk:
    """Answer what the owner of a key may see.

    Parameters
    ----------
    desk
        The orders.
    portfolio_id
        The one portfolio that the key belongs to.

    """

    def __init__(self, desk: OrderDesk, *, portfolio_id: str) -> None:
        self._desk = desk
        self._portfolio_id = portfolio_id

    def routes(self) -> tuple[Route, ...]:
        """Return the resources."""
        return (
            Route("GET", "/accounts", self.accounts),
            Route("GET", "/accounts/{account_id}", self.account),
            Route("GET", "/orders/historical/batch", self.orders),
            Route("GET", "/orders/historical/fills", self.fills),
            Route("GET", "/orders/historical/{order_id}", self.order),
            Route("GET", "/transaction_summary", self.fees),
            Route("GET", "/portfolios", self.portfolios),
            Route("GET", "/key_permissions", self.permissions),
        )

    # Balances.

    def accounts(self, request: Request) -> Json:
        """Return a page of balances."""
        rows = [self._account_row(currency) for currency in self._currencies()]
        start, size = _offset(request), request.count("limit", 49, 250)
        page = rows[start : start + size]
        has_next = start + size < len(rows)
        return {
            "accounts": page,
            "has_next": has_next,
            "cursor": _cursor(start + size) if has_next else "",
            "size": len(page),
        }

    def account(self, request: Request) -> Json:
        """Return one balance."""
        for currency in self._currencies():
            row = self._account_row(currency)
            if row["uuid"] == request.names["account_id"]:
                return {"account": row}
        raise NotFoundError("account not found")

    def _currencies(self) -> list[str]:
        exchange = self._desk.exchange
        listed = {asset for listing in exchange.listings.values() for asset in (listing.base, listing.quote)}
        return sorted(listed | set(exchange.ledger.balances))

    def _account_row(self, currency: str) -> Json:
        exchange = self._desk.exchange
        working = exchange.working()
        hold = exchange.ledger.held(currency, working)
        return {
            "uuid": str(uuid5(NAMESPACE_URL, f"{self._portfolio_id}/{currency}")),
            "name": f"{currency} Wallet",
            "currency": currency,
            "available_balance": {"value": number(exchange.ledger.total(currency) - hold), "currency": currency},
            "default": currency == "USD",
            "active": True,
            "created_at": "2021-05-31T09:59:59Z",
            "updated_at": self._desk.writer.time(self._desk.clock.now_ns()),
            "deleted_at": None,
            "type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_CRYPTO",
            "ready": True,
            "hold": {"value": number(hold), "currency": currency},
            "retail_portfolio_id": self._portfolio_id,
            "platform": "ACCOUNT_PLATFORM_CONSUMER",
        }

    # Orders.

    def order(self, request: Request) -> Json:
        """Return an order by the venue's id."""
        order_id = request.names["order_id"]
        record, order = self._desk.records.get(order_id), self._desk.desk.order(order_id)
        if record is None or order is None:
            raise NotFoundError("order not found")
        return {"order": self.row(_as_of(record, order))}

    def orders(self, request: Request) -> Json:
        """Return a page of orders, newest first unless another order is asked for."""
        chosen = [record for record in self._seen() if _matches(record, request, self._created_ns)]
        sort_by = request.text("sort_by")
        size = request.count("limit", 100, 1_000)
        if sort_by in ("", "UNKNOWN_SORT_BY"):
            chosen.sort(key=_newest_first)
            # Pages are cut at an order and not at a number, so that new orders do not move them.
            after = _last_seen(request)
            chosen = [record for record in chosen if after is None or _newest_first(record) > after]
            start = 0
        else:
            chosen.sort(key=_SORTS.get(sort_by, _newest_first))
            start = _offset(request)
        page = chosen[start : start + size]
        has_next = start + size < len(chosen)
        if start or sort_by not in ("", "UNKNOWN_SORT_BY"):
            cursor = _cursor(start + size)
        else:
            cursor = _pack(":".join(map(str, _newest_first(page[-1])))) if page else ""
        return {
            "orders": [self.row(record) for record in page],
            "sequence": "0",
            "has_next": has_next,
            "cursor": cursor if has_next else "",
        }

    def row(self, record: Record) -> Json:
        """Return an order with what it holds."""
        return self._desk.writer.row(record, hold=self.hold(record))

    def hold(self, record: Record) -> Decimal:
        """Return what an order holds of the account now."""
        return Decimal(0) if record.is_final else self._desk.exchange.ledger.hold(record.order)[1]

    def _created_ns(self, record: Record) -> int:
        return self._desk.clock.wire_ns(record.order.created_ns)

    def _seen(self) -> list[Record]:
        """Return the orders as the read model has them: it may lag, and not have heard of the newest."""
        records = self._desk.records
        return [_as_of(records[order.id], order) for order in self._desk.desk.orders() if order.id in records]

    # Fills.

    def fills(self, request: Request) -> Json:
        """Return a page of executions, newest first; an empty cursor is all that tells of the end."""
        records = self._desk.records
        known = {fill.id: fill for fill in self._desk.desk.fills()}
        reversals = [fill for record in records.values() for fill in record.reversals if fill.id in known]
        told = [fill for fill in [*known.values(), *reversals] if fill.order_id in records]
        # Executions of one moment keep the order in which they happened.
        told.sort(key=lambda fill: fill.ts_ns)
        pairs = [(records[fill.order_id], fill) for fill in reversed(told)]
        pairs = [(record, fill) for record, fill in pairs if self._matches_fill(record, fill, request)]
        start, size = _offset(request), request.count("limit", 100, 3_000)
        rows = [self._desk.writer.fill_row(record, fill) for record, fill in pairs[start : start + size]]
        return {"fills": rows, "cursor": _cursor(start + size) if start + size < len(pairs) else ""}

    def _matches_fill(self, record: Record, fill: Fill, request: Request) -> bool:
        order_ids = request.texts("order_ids") or request.texts("order_id")
        trade_ids = request.texts("trade_ids")
        product_ids = request.texts("product_ids") or request.texts("product_id")
        if order_ids and record.order_id not in order_ids:
            return False
        if trade_ids and fill.id not in trade_ids:
            return False
        if product_ids and record.product_id not in product_ids:
            return False
        moment = self._desk.clock.wire_ns(fill.ts_ns)
        return _is_within(moment, request, "start_sequence_timestamp", "end_sequence_timestamp")

    # Fees, portfolios, the key.

    def fees(self, _request: Request) -> Json:
        """Return the fee tier that the traded volume has reached."""
        ledger, exchange = self._desk.exchange.ledger, self._desk.exchange
        schedule = next(iter(exchange.listings.values())).fees
        tier = schedule.tier(ledger.traded_value)
        above = [t.from_volume for t in schedule.tiers if t.from_volume > tier.from_volume]
        paid = sum((record.order.fees for record in self._desk.records.values()), Decimal(0))
        return {
            "total_volume": float(ledger.traded_value),
            "total_fees": float(paid),
            "fee_tier": {
                "pricing_tier": f"Advanced {schedule.tiers.index(tier) + 1 if tier in schedule.tiers else 0}",
                "usd_from": number(tier.from_volume),
                "usd_to": number(above[0]) if above else "",
                "taker_fee_rate": number(tier.taker),
                "maker_fee_rate": number(tier.maker),
            },
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": float(ledger.traded_value),
            "advanced_trade_only_fees": float(paid),
            "coinbase_pro_volume": 0,
            "coinbase_pro_fees": 0,
            "total_balance": number(ledger.total("USD")),
            "has_promo_fee": False,
        }

    def portfolios(self, _request: Request) -> Json:
        """Return the one portfolio."""
        return {"portfolios": [{"name": "Default", "uuid": self._portfolio_id, "type": "DEFAULT", "deleted": False}]}

    def permissions(self, request: Request) -> Json:
        """Return what the key that asks may do."""
        key = request.key
        return {
            "can_view": key is not None and key.can_view,
            "can_trade": key is not None and key.can_trade,
            "can_transfer": key is not None and key.can_transfer,
            "portfolio_uuid": self._portfolio_id,
            "portfolio_type": "DEFAULT",
        }


def _as_of(record: Record, order: Order) -> Record:
    """Return a record as it was when the order was like this."""
    return msgspec.structs.replace(record, order=order, fills=record.fills[: order.number_of_fills])


def _matches(record: Record, request: Request, created_ns: Callable[[Record], int]) -> bool:
    statuses = request.texts("order_status")
    if _LONE_STATUSES & set(statuses) and len(statuses) > 1:
        raise BadRequestError("OPEN cannot be combined with other order statuses")
    wanted = {
        "order_status": (statuses, record.status),
        "product_ids": (request.texts("product_ids") or request.texts("product_id"), record.product_id),
        "order_ids": (request.texts("order_ids"), record.order_id),
        "order_side": (request.texts("order_side"), record.side.name),
        "order_types": (request.texts("order_types") or request.texts("order_type"), record.asked.kind.value),
        "time_in_forces": (request.texts("time_in_forces"), record.asked.force.value),
    }
    if any(values and value not in values for values, value in wanted.values()):
        return False
    return _is_within(created_ns(record), request, "start_date", "end_date")


def _is_within(moment_ns: int, request: Request, start: str, end: str) -> bool:
    """Return whether a time lies in a span, its start included and its end not."""
    if request.text(start) and moment_ns < read_time(request.text(start), start):
        return False
    return not (request.text(end) and moment_ns >= read_time(request.text(end), end))


def _newest_first(record: Record) -> tuple[int, int]:
    return -record.order.created_ns, -record.order.sequence


def _last_fill(order: Order) -> int:
    return -(order.filled_ns or 0)


_SORTS: dict[str, Callable[[Record], tuple[int, int] | int | Decimal]] = {
    "LAST_FILL_TIME": lambda record: _last_fill(record.order),
    "LAST_UPDATE_TIME": lambda record: -record.order.updated_ns,
    "LIMIT_PRICE": lambda record: -(record.order.limit_price or Decimal(0)),
}


def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _cursor(offset: int) -> str:
    return _pack(str(offset))


def _unpack(request: Request) -> str:
    text = request.text("cursor")
    try:
        return base64.urlsafe_b64decode(text.encode()).decode()
    except ValueError as error:
        raise BadRequestError("invalid cursor") from error


def _offset(request: Request) -> int:
    text = _unpack(request)
    if not text:
        return 0
    if not text.isdigit():
        raise BadRequestError("invalid cursor")
    return int(text)


def _last_seen(request: Request) -> tuple[int, int] | None:
    created, _, sequence = _unpack(request).partition(":")
    if not created:
        return None
    try:
        return int(created), int(sequence)
    except ValueError as error:
        raise BadRequestError("invalid cursor") from error
