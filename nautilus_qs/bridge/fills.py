"""Where marketable orders fill: the tape's price, worsened by half the spread and the order's impact.

A stop that a bar triggers fills at its trigger, or at the bar's open when that is worse (it gapped). The engine walks a
bar as open, high, low, close, so its own best price is then the extreme of the bar, which nobody would have been
filled at. Limit orders are left to the engine: they fill at their price.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.backtest.config import FillModelConfig
from nautilus_trader.backtest.models import FillModel
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder
from nautilus_trader.model.enums import AssetClass, BookType, OrderSide, OrderType
from nautilus_trader.model.objects import Quantity

from nautilus_qs.bridge.rounding import price_of, tick_ceil, tick_floor
from nautilus_qs.bridge.tape import MarketTape
from nautilus_qs.costs import HALF_SPREAD_BPS, IMPACT_BPS, slippage_frac
from nautilus_qs.errors import ConfigError

_UNLIMITED = 1e12


class ImpactFillModelConfig(FillModelConfig, frozen=True, kw_only=True):
    """The costs of taking liquidity.

    Parameters
    ----------
    half_spread_bps
        By kind of instrument (index, stock, crypto).
    impact_bps
        At a quantity of 1 % of the mean volume; grows with the square root.
    cost_multiplier
        Scales spread and impact, for stress runs.
    kinds
        Kind by instrument id, where the instrument does not tell it itself (see :func:`kind_of`).
    random_seed
        Of the engine's model underneath, which draws nothing here; fixed so that it does not reseed from the system.
    """

    half_spread_bps: dict[str, float] = msgspec.field(default_factory=lambda: dict(HALF_SPREAD_BPS))
    impact_bps: float = IMPACT_BPS
    cost_multiplier: float = 1.0
    kinds: dict[str, str] = {}
    random_seed: int | None = 0


def kind_of(instrument: Any, kinds: Mapping[str, str]) -> str:
    """Return the kind of an instrument: as configured, as its ``info`` says, crypto, else index without a sector."""
    info = instrument.info or {}
    named = kinds.get(instrument.id.value) or info.get("kind")
    if named:
        return str(named)
    if instrument.asset_class == AssetClass.CRYPTOCURRENCY:
        return "crypto"
    return "stock" if info.get("sector") else "index"


class ImpactFillModel(FillModel):
    """Fills market and stop-market orders whole, at a price that is never better than the tape's.

    Liquidity is unlimited: what share of the volume an entry may take is limited before it is sent, and an exit is
    never cut. ``market_px`` holds the price that each order met, before spread and impact, by client order id.
    """

    def __init__(self, config: ImpactFillModelConfig | None = None) -> None:
        config = config or ImpactFillModelConfig()
        super().__init__(config=config)
        self._config = config
        self._tape: MarketTape | None = None
        self._facts: dict[Any, tuple[float, Decimal, Quantity]] = {}
        self.market_px: dict[str, float] = {}

    def reset(self) -> None:
        """Forget what was met: equal to a new model."""
        self.market_px.clear()

    def bind(self, tape: MarketTape) -> None:
        """Take the tape that knows the bar in hand and the recent volume."""
        self._tape = tape

    def get_orderbook_for_fill_simulation(
        self, instrument: Any, order: Any, best_bid: Any, best_ask: Any
    ) -> OrderBook | None:
        """Return the book an order meets: one level at its fill price; None leaves the order to the engine.

        Raises
        ------
        ConfigError
            If no tape was bound, or the instrument's kind has no spread.
        """
        if order.order_type not in (OrderType.MARKET, OrderType.STOP_MARKET):
            return None
        if self._tape is None:
            raise ConfigError("ImpactFillModel must be bound to a Tape, was not; add the Tape to the venue's modules")
        half_spread_bps, increment, unlimited = self._facts_of(instrument)
        frac = slippage_frac(
            half_spread_bps,
            order.quantity.as_double(),
            self._tape.mean_volume(instrument.id),
            impact_bps=self._config.impact_bps,
            multiplier=self._config.cost_multiplier,
        )
        is_buy = order.side == OrderSide.BUY
        base = self._base_price(order, best_ask if is_buy else best_bid, is_buy=is_buy)
        self.market_px[order.client_order_id.value] = float(base)
        book = OrderBook(instrument.id, BookType.L2_MBP)
        price = price_of(instrument, _worsened(base, frac, increment, is_buy=is_buy))
        resting = OrderSide.SELL if is_buy else OrderSide.BUY
        book.add(BookOrder(resting, price, unlimited, 1), 0, 0)
        return book

    def _base_price(self, order: Any, best: Any, *, is_buy: bool) -> Decimal:
        tape = self._tape
        bar = tape.bar_in_hand(order.instrument_id) if tape is not None else None
        # A stop sent at the bar's close was not there while the bar traded: it meets the market as it is.
        if bar is None or order.order_type != OrderType.STOP_MARKET or order.ts_init >= bar.ts_init:
            return best.as_decimal()
        trigger, opening = order.trigger_price.as_decimal(), bar.open.as_decimal()
        return max(trigger, opening) if is_buy else min(trigger, opening)

    def _facts_of(self, instrument: Any) -> tuple[float, Decimal, Quantity]:
        facts = self._facts.get(instrument.id)
        if facts is None:
            kind = kind_of(instrument, self._config.kinds)
            if kind not in self._config.half_spread_bps:
                raise ConfigError(
                    f"half_spread_bps must name the kind {kind!r} of {instrument.id}, has "
                    f"{sorted(self._config.half_spread_bps)}; set execution.half_spread_bps.{kind}"
                )
            facts = (
                self._config.half_spread_bps[kind],
                instrument.price_increment.as_decimal(),
                Quantity(_UNLIMITED, instrument.size_precision),
            )
            self._facts[instrument.id] = facts
        return facts


def _worsened(base: Decimal, frac: float, increment: Decimal, *, is_buy: bool) -> Decimal:
    """Return `base` moved against the order by `frac`, on the price grid and never rounded in its favour."""
    move = base * Decimal(repr(frac))
    return tick_ceil(base + move, increment) if is_buy else max(tick_floor(base - move, increment), increment)
