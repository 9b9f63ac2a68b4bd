"""The node's side of the fake venue: instrument provider, data client, execution client and their factories.

How the venue behaves is in :class:`FakeExecConfig`, so that each way of breaking off is a value: an entry filled
wholly, partly, or without the fill ever being delivered; reports oldest or newest first, with or without history.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import LiveDataClientConfig, LiveExecClientConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrderList
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import (
    AccountType,
    LiquiditySide,
    OmsType,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
    TriggerType,
)
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    InstrumentId,
    Symbol,
    TradeId,
    VenueOrderId,
)
from nautilus_trader.model.identifiers import Venue as VenueId
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity

from tests.integration.oms.venue import CANCELED, FILLED, HELD, PARTIAL, WORKING, Venue, VenueFill, VenueOrder

NAME = "FAKE"
ACCOUNT = AccountId(f"{NAME}-001")
INSTRUMENT_ID = InstrumentId.from_str(f"AAA.{NAME}")
STATUS = {
    HELD: OrderStatus.ACCEPTED,
    WORKING: OrderStatus.ACCEPTED,
    PARTIAL: OrderStatus.PARTIALLY_FILLED,
    FILLED: OrderStatus.FILLED,
    CANCELED: OrderStatus.CANCELED,
}


class FakeExecConfig(LiveExecClientConfig, frozen=True, kw_only=True):
    """How the venue behaves.

    Parameters
    ----------
    path
        The venue's file.
    entry
        How entries fill: ``full``, ``partial`` (``partial`` units), ``silent`` (not told), ``rest`` (not at all).
    newest_first
        Whether reports come newest first, as some venues send them.
    history
        Which orders are reported: ``all``, only those still ``working``, or those and whatever the books hold open,
        with every order of an open position, each ``asked`` for by its id.
    has_fill_reports
        Whether executions are reported, or only orders with their filled quantity.
    """

    path: str
    entry: str = "full"
    partial: int = 4
    newest_first: bool = False
    history: str = "all"
    has_fill_reports: bool = True


def instrument() -> Equity:
    """Return the one share that is traded."""
    return Equity(INSTRUMENT_ID, Symbol("AAA"), USD, 2, Price.from_str("0.01"), Quantity.from_int(1), 0, 0)


class FakeProvider(InstrumentProvider):
    """Knows the one instrument."""

    async def load_all_async(self, filters: dict[str, Any] | None = None) -> None:
        self.add(instrument())


class FakeDataClient(LiveMarketDataClient):
    """Answers a subscription with one quote."""

    async def _connect(self) -> None:
        await self._instrument_provider.load_all_async()
        self._handle_data(instrument())

    async def _disconnect(self) -> None:
        pass

    async def _unsubscribe_quote_ticks(self, command: Any) -> None:
        pass

    async def _subscribe_quote_ticks(self, command: Any) -> None:
        now, size = self._clock.timestamp_ns(), Quantity.from_int(100)
        self._handle_data(
            QuoteTick(command.instrument_id, Price.from_str("99.99"), Price.from_str("100.01"), size, size, now, now)
        )


class FakeExecClient(LiveExecutionClient):
    """Carries orders to the venue, and its events and reports back."""

    def __init__(self, loop: Any, config: FakeExecConfig, *, msgbus: Any, cache: Any, clock: Any) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(NAME),
            venue=VenueId(NAME),
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            instrument_provider=FakeProvider(),
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self._set_account_id(ACCOUNT)
        self._settings = config
        self.broker = Venue(Path(config.path))

    # -- life ------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._cache.add_instrument(instrument())
        cash = Money(100_000, USD)
        balance = AccountBalance(cash, Money(0, USD), cash)
        self.generate_account_state([balance], [], reported=True, ts_event=self._clock.timestamp_ns())
        await self._await_account_registered()

    async def _disconnect(self) -> None:
        pass

    # -- orders ----------------------------------------------------------------------------------------------------

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        entry, *legs = command.order_list.orders
        for order in (entry, *legs):
            self._accept(order)
        name = entry.client_order_id.value
        match self._settings.entry:
            case "full":
                self.fill(name)
            case "partial":
                self.fill(name, self._settings.partial)
            case "silent":
                self.broker.fill(name)

    async def _submit_order(self, command: Any) -> None:
        self._accept(command.order)
        if command.order.order_type == OrderType.MARKET:
            self.fill(command.order.client_order_id.value)

    async def _cancel_order(self, command: Any) -> None:
        self.broker.cancel(command.client_order_id.value)
        self._canceled(self.broker.order(command.client_order_id.value))

    def fill(self, order_id: str, quantity: int | None = None) -> None:
        """Let the venue fill an order, and deliver what follows."""
        fill, gone = self.broker.fill(order_id, quantity)
        order = self._cache.order(ClientOrderId(order_id))
        self.generate_order_filled(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(fill.venue_order_id),
            None,
            TradeId(fill.trade_id),
            order.side,
            order.order_type,
            Quantity.from_int(fill.quantity),
            Price.from_str(fill.price),
            USD,
            Money(0, USD),
            LiquiditySide.TAKER,
            fill.ts,
        )
        for sibling in gone:
            self._canceled(sibling)

    def _accept(self, order: Any) -> None:
        key = (order.strategy_id, order.instrument_id, order.client_order_id)
        self.generate_order_submitted(*key, self._clock.timestamp_ns())
        accepted = self.broker.accept(_venue_order(order))
        self.generate_order_accepted(*key, VenueOrderId(accepted.venue_order_id), accepted.ts)

    def _canceled(self, found: VenueOrder) -> None:
        order = self._cache.order(ClientOrderId(found.order_id))
        key = (order.strategy_id, order.instrument_id, order.client_order_id)
        self.generate_order_canceled(*key, VenueOrderId(found.venue_order_id), found.ts)

    # -- reports ---------------------------------------------------------------------------------------------------

    async def generate_order_status_report(self, command: Any) -> OrderStatusReport | None:
        known = {order.order_id: order for order in self.broker.state.orders}
        found = known.get(command.client_order_id.value)
        return None if found is None else self._order_report(found)

    async def generate_order_status_reports(self, command: Any) -> list[OrderStatusReport]:
        return [self._order_report(order) for order in self._ordered(self._reported())]

    async def generate_fill_reports(self, command: Any) -> list[FillReport]:
        reported = {order.order_id for order in self._reported()} if self._settings.has_fill_reports else set()
        fills = [fill for fill in self.broker.state.fills if fill.order_id in reported]
        return [self._fill_report(fill) for fill in self._ordered(fills)]

    def _reported(self) -> list[VenueOrder]:
        if self._settings.history == "all":
            return self.broker.state.orders
        asked = set()
        if self._settings.history == "asked":
            held = {position.id for position in self._cache.positions_open()}
            asked = {
                order.client_order_id.value
                for order in self._cache.orders()
                if order.is_open or self._cache.position_id(order.client_order_id) in held
            }
        working = {order.order_id for order in self.broker.working()}
        return [order for order in self.broker.state.orders if order.order_id in working | asked]

    async def generate_position_status_reports(self, command: Any) -> list[PositionStatusReport]:
        net, now = self.broker.net(), self._clock.timestamp_ns()
        side = PositionSide.LONG if net > 0 else PositionSide.SHORT if net < 0 else PositionSide.FLAT
        if net == 0 and command.instrument_id is None:
            return []
        return [
            PositionStatusReport(
                ACCOUNT,
                INSTRUMENT_ID,
                side,
                Quantity.from_int(abs(net)),
                UUID4(),
                now,
                now,
                avg_px_open=self.broker.average_price(),
            )
        ]

    def _ordered[T](self, rows: list[T]) -> list[T]:
        return rows[::-1] if self._settings.newest_first else rows[:]

    def _order_report(self, order: VenueOrder) -> OrderStatusReport:
        return OrderStatusReport(
            account_id=ACCOUNT,
            instrument_id=INSTRUMENT_ID,
            venue_order_id=VenueOrderId(order.venue_order_id),
            client_order_id=ClientOrderId(order.order_id),
            order_side=OrderSide[order.side],
            order_type=OrderType[order.kind],
            time_in_force=TimeInForce.GTC,
            order_status=STATUS[order.status],
            quantity=Quantity.from_int(order.quantity),
            filled_qty=Quantity.from_int(order.filled),
            avg_px=order.paid / order.filled if order.filled else None,
            price=None if order.price is None else Price.from_str(order.price),
            trigger_price=None if order.trigger is None else Price.from_str(order.trigger),
            trigger_type=TriggerType.NO_TRIGGER if order.trigger is None else TriggerType.DEFAULT,
            reduce_only=order.reduce_only,
            report_id=UUID4(),
            ts_accepted=order.ts,
            ts_last=order.ts,
            ts_init=order.ts,
            ts_triggered=0,
        )

    def _fill_report(self, fill: VenueFill) -> FillReport:
        return FillReport(
            account_id=ACCOUNT,
            instrument_id=INSTRUMENT_ID,
            venue_order_id=VenueOrderId(fill.venue_order_id),
            client_order_id=ClientOrderId(fill.order_id),
            trade_id=TradeId(fill.trade_id),
            order_side=OrderSide[fill.side],
            last_qty=Quantity.from_int(fill.quantity),
            last_px=Price.from_str(fill.price),
            commission=Money(Decimal(0), USD),
            liquidity_side=LiquiditySide.TAKER,
            report_id=UUID4(),
            ts_event=fill.ts,
            ts_init=fill.ts,
        )


def _venue_order(order: Any) -> VenueOrder:
    # Only a leg names a parent; an entry's links are its legs, and do not cancel each other through it.
    siblings = [] if order.parent_order_id is None else [link.value for link in order.linked_order_ids]
    return VenueOrder(
        order_id=order.client_order_id.value,
        venue_order_id="",
        side=order.side.name,
        kind=order.order_type.name,
        quantity=int(order.quantity),
        price=str(order.price) if order.has_price else None,
        trigger=str(order.trigger_price) if order.has_trigger_price else None,
        reduce_only=order.is_reduce_only,
        parent=None if order.parent_order_id is None else order.parent_order_id.value,
        siblings=siblings,
        status="",
        ts=0,
    )


class FakeDataFactory(LiveDataClientFactory):
    """Makes the data client."""

    @staticmethod
    def create(loop: Any, name: str, config: LiveDataClientConfig, msgbus: Any, cache: Any, clock: Any) -> Any:
        return FakeDataClient(
            loop=loop,
            client_id=ClientId(name),
            venue=VenueId(NAME),
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=FakeProvider(),
            config=config,
        )


class FakeExecFactory(LiveExecClientFactory):
    """Makes the execution client."""

    @staticmethod
    def create(loop: Any, name: str, config: FakeExecConfig, msgbus: Any, cache: Any, clock: Any) -> Any:
        return FakeExecClient(loop, config, msgbus=msgbus, cache=cache, clock=clock)
