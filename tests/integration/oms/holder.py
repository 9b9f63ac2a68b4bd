"""A strategy that opens with a bracket, holds, and leaves when it is told to; every id is given, none made up."""

from typing import Any

from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import ContingencyType, OrderSide, TriggerType
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, OrderListId, PositionId, StrategyId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import LimitOrder, MarketOrder, OrderList, StopMarketOrder
from nautilus_trader.trading.strategy import Strategy

STOP_PX = {OrderSide.BUY: "90.00", OrderSide.SELL: "110.00"}
TARGET_PX = {OrderSide.BUY: "120.00", OrderSide.SELL: "80.00"}


class HolderConfig(StrategyConfig, frozen=True, kw_only=True):
    """What it opens; ``is_named`` gives each position the id of its trade (HEDGING only)."""

    instrument_id: InstrumentId
    side: str = "BUY"
    quantity: int = 10
    is_named: bool = False


def trade_name(tag: str, number: int = 1) -> str:
    """Return the id that a trade's orders, list and position derive from."""
    return f"{tag}-{number}"


def position_id(config: HolderConfig, number: int = 1) -> PositionId | None:
    """Return the id given to the trade's position; None leaves it to the engine."""
    return PositionId(trade_name(config.order_id_tag, number)) if config.is_named else None


def bracket(trader_id: TraderId, strategy_id: StrategyId, config: HolderConfig, *, number: int, ts: int) -> OrderList:
    """Return entry, stop and target: the legs reduce only and cancel each other."""
    name = trade_name(config.order_id_tag, number)
    side = OrderSide[config.side]
    closing = OrderSide.SELL if side == OrderSide.BUY else OrderSide.BUY
    entry_id, stop_id, target_id = (ClientOrderId(f"{name}-{leg}") for leg in "EST")
    common: dict[str, Any] = {
        "trader_id": trader_id,
        "strategy_id": strategy_id,
        "instrument_id": config.instrument_id,
        "quantity": Quantity.from_int(config.quantity),
        "order_list_id": OrderListId(name),
        "ts_init": ts,
    }
    leg: dict[str, Any] = {
        **common,
        "order_side": closing,
        "reduce_only": True,
        "contingency_type": ContingencyType.OUO,
        "parent_order_id": entry_id,
    }
    entry = MarketOrder(
        client_order_id=entry_id,
        order_side=side,
        contingency_type=ContingencyType.OTO,
        linked_order_ids=[stop_id, target_id],
        init_id=UUID4(),
        **common,
    )
    stop = StopMarketOrder(
        client_order_id=stop_id,
        trigger_price=Price.from_str(STOP_PX[side]),
        trigger_type=TriggerType.DEFAULT,
        linked_order_ids=[target_id],
        init_id=UUID4(),
        **leg,
    )
    target = LimitOrder(
        client_order_id=target_id,
        price=Price.from_str(TARGET_PX[side]),
        linked_order_ids=[stop_id],
        init_id=UUID4(),
        **leg,
    )
    return OrderList(OrderListId(name), [entry, stop, target])


class Holder(Strategy):
    """Opens once per call of :meth:`enter`, holds, and closes what is its own at :meth:`leave`."""

    def __init__(self, config: HolderConfig) -> None:
        super().__init__(config)
        self.number = 0
        self.loaded = 0
        self.exits = 0

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.config.instrument_id)

    def on_stop(self) -> None:
        self.unsubscribe_quote_ticks(self.config.instrument_id)

    def on_save(self) -> dict[str, bytes]:
        return {"number": str(self.number).encode()}

    def on_load(self, state: dict[str, bytes]) -> None:
        self.number = self.loaded = int(state["number"])

    def enter(self) -> None:
        """Send the next bracket."""
        self.number += 1
        now = self.clock.timestamp_ns()
        orders = bracket(self.trader_id, self.id, self.config, number=self.number, ts=now)
        self.submit_order_list(orders, position_id=position_id(self.config, self.number))

    def leave(self, *, cancels: bool = True, is_naming: bool = True) -> None:
        """Close each open position by a reduce-only market order.

        Parameters
        ----------
        cancels
            Whether the resting orders are canceled first.
        is_naming
            Whether the closing order carries the id of the position it closes.
        """
        for order in self.cache.orders_open(strategy_id=self.id) if cancels else ():
            self.cancel_order(order)
        for held in self.cache.positions_open(strategy_id=self.id):
            self.exits += 1
            order = MarketOrder(
                trader_id=self.trader_id,
                strategy_id=self.id,
                instrument_id=held.instrument_id,
                client_order_id=ClientOrderId(f"{self.config.order_id_tag}-X{self.exits}"),
                order_side=OrderSide.SELL if held.is_long else OrderSide.BUY,
                quantity=held.quantity,
                reduce_only=True,
                init_id=UUID4(),
                ts_init=self.clock.timestamp_ns(),
            )
            self.submit_order(order, position_id=held.id if is_naming else None)
