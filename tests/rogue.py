"""A strategy that keeps no rule: plain orders, far too large, turning positions round, and changing its mind."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.objects import Quantity
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

TAG = "rogue"


class RogueConfig(StrategyConfig, frozen=True, kw_only=True):
    """What it may touch, and its chance."""

    bar_types: tuple[str, ...]
    seed: int
    rate: float = 0.3
    trade_from_ns: int = 0


class Sent(NamedTuple):
    """An order as it was sent: whether it can only make the position it names smaller."""

    order_id: str
    is_reducing: bool


class Rogue(Strategy):
    """Sends whatever comes to its mind two nanoseconds after a bar, when the batch of that bar has been decided."""

    def __init__(self, config: RogueConfig) -> None:
        super().__init__(config)
        self.sent: list[Sent] = []
        self.grown: list[str] = []
        self._rng = np.random.default_rng(config.seed)
        self._price: dict[Any, float] = {}

    def on_start(self) -> None:
        for text in self.config.bar_types:
            self.subscribe_bars(BarType.from_str(text))

    def on_bar(self, bar: Bar) -> None:
        iid = bar.bar_type.instrument_id
        self._price[iid] = bar.close.as_double()
        if bar.ts_event >= self.config.trade_from_ns and self._rng.random() < self.config.rate:
            self.clock.set_time_alert_ns(f"{iid}", bar.ts_event + 2, lambda _event: self._act(iid))

    def _act(self, iid: Any) -> None:
        held = self.cache.positions_open(instrument_id=iid, strategy_id=self.id)
        working = [order for order in self.cache.orders_open(instrument_id=iid, strategy_id=self.id) if order.has_price]
        acts: list[Callable[[Any, Any], None]] = [self._open, self._open, self._rest]
        if held:
            acts += [self._reduce, self._reduce, self._turn, self._take_profit]
        if working:
            acts += [self._modify, self._modify, self._cancel]
        act = acts[self._rng.integers(len(acts))]
        chosen = held if act in (self._reduce, self._turn, self._take_profit) else working
        act(iid, chosen[self._rng.integers(len(chosen))] if chosen else None)

    def _units(self, iid: Any, share: float) -> Quantity:
        """Return units worth a share of a hundred thousand."""
        return self.cache.instrument(iid).make_qty(share * 100_000.0 / self._price[iid])

    def _side(self) -> Any:
        return OrderSide.BUY if self._rng.random() < 0.7 else OrderSide.SELL

    def _open(self, iid: Any, _subject: Any) -> None:
        share = float(self._rng.choice([0.005, 0.02, 0.05, 0.2, 3.0]))
        self._send(self.order_factory.market(iid, self._side(), self._units(iid, share)))

    def _rest(self, iid: Any, _subject: Any) -> None:
        side = self._side()
        away = self._rng.uniform(0.9, 1.02)
        price = self._price[iid] * (away if side == OrderSide.BUY else 2.0 - away)
        instrument = self.cache.instrument(iid)
        units = self._units(iid, float(self._rng.choice([0.005, 0.02, 0.5])))
        self._send(self.order_factory.limit(iid, side, units, instrument.make_price(price)))

    def _reduce(self, iid: Any, position: Any) -> None:
        part = Decimal(str(round(self._rng.uniform(0.2, 1.0), 2))) if self._rng.random() < 0.5 else Decimal(1)
        units = Quantity(float(position.quantity.as_decimal() * part), position.quantity.precision)
        if not 0 < units <= position.quantity or self._is_being_closed(position):
            return
        side = OrderSide.SELL if position.is_long else OrderSide.BUY
        is_flagged = bool(self._rng.random() < 0.5)
        self._send(self.order_factory.market(iid, side, units, reduce_only=is_flagged), position.id, is_reducing=True)

    def _take_profit(self, iid: Any, position: Any) -> None:
        """Rest an order that only reduces beyond the market."""
        if self._is_being_closed(position):
            return
        instrument = self.cache.instrument(iid)
        price = instrument.make_price(self._price[iid] * (1.05 if position.is_long else 0.95))
        side = OrderSide.SELL if position.is_long else OrderSide.BUY
        order = self.order_factory.limit(iid, side, position.quantity, price, reduce_only=True)
        self._send(order, position.id, is_reducing=True)

    def _is_being_closed(self, position: Any) -> bool:
        orders = self.cache.orders_inflight(instrument_id=position.instrument_id, strategy_id=self.id)
        return any(self.cache.position_id(order.client_order_id) == position.id for order in orders)

    def _turn(self, iid: Any, position: Any) -> None:
        side = OrderSide.SELL if position.is_long else OrderSide.BUY
        units = Quantity(float(position.quantity.as_decimal() * 2), position.quantity.precision)
        self._send(self.order_factory.market(iid, side, units), position.id)

    def _modify(self, iid: Any, order: Any) -> None:
        instrument = self.cache.instrument(iid)
        factor = float(self._rng.choice([0.5, 2.0, 20.0]))
        units = instrument.make_qty(order.quantity.as_double() * factor)
        if factor > 1.0:
            self.grown.append(order.client_order_id.value)
        price = instrument.make_price(order.price.as_double() * self._rng.uniform(0.98, 1.02))
        self.modify_order(order, quantity=units, price=price)

    def _cancel(self, _iid: Any, order: Any) -> None:
        self.cancel_order(order)

    def _send(self, order: Any, position_id: Any = None, *, is_reducing: bool = False) -> None:
        self.sent.append(Sent(order.client_order_id.value, is_reducing))
        self.submit_order(order, position_id=position_id)
