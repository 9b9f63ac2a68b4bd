"""What a bracket trade costs as trades add up, for each OMS type that strategies may have.

Run ``python -m tests.performance.oms_scaling`` for the figures as JSON. CPU time: compare the ratios, not the numbers.
The engine's analyzer is quadratic in trades whatever the OMS type; it is taken out here, as in every long run.
"""

import gc
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import msgspec
from nautilus_trader.analysis.analyzer import PortfolioAnalyzer
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity

from tests.integration.oms.clients import INSTRUMENT_ID, NAME, instrument
from tests.integration.oms.holder import Holder, HolderConfig

SIZES = (2_000, 10_000)
# Kind -> OMS type of strategy and of simulated venue, and whether positions are named by the strategy.
KINDS = {"netting": ("NETTING", False), "hedging": ("HEDGING", False), "hedging_named": ("HEDGING", True)}
FLAT_PX, TARGET_PX = 100.0, 121.0


class Scaling(msgspec.Struct, frozen=True):
    """CPU microseconds a trade by number of trades, and how much dearer a trade is at the last than at the first."""

    us_per_trade: dict[int, float]
    growth: float


class Repeater(Holder):
    """Opens a bracket whenever it is flat: each quote is an entry or a target, in turn."""

    def on_quote_tick(self, quote: QuoteTick) -> None:
        if float(quote.bid_price) == FLAT_PX:
            self.enter()


def oms_scaling(sizes: Sequence[int] = SIZES) -> dict[str, Scaling]:
    """Measure every kind at every number of trades, kinds in turn.

    Raises
    ------
    RuntimeError
        When a run did not make and close exactly the trades it should have.
    """
    taken: dict[str, dict[int, float]] = {kind: {} for kind in KINDS}
    for trades in sizes:
        for kind in KINDS:
            taken[kind][trades] = trade_cost(kind, trades)
    return {kind: Scaling(cost, cost[sizes[-1]] / cost[sizes[0]]) for kind, cost in taken.items()}


def trade_cost(kind: str, trades: int) -> float:
    """Return the CPU microseconds that a bracket trade takes in a run of that many."""
    oms, is_named = KINDS[kind]
    with _without_analyzer():
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
        cash = [Money(10_000_000, USD)]
        engine.add_venue(
            Venue(NAME), OmsType[oms], AccountType.MARGIN, cash, base_currency=USD, default_leverage=Decimal(2)
        )
        engine.add_instrument(instrument())
        config = HolderConfig(order_id_tag="A", oms_type=oms, instrument_id=INSTRUMENT_ID, is_named=is_named)
        strategy = Repeater(config)
        engine.add_strategy(strategy)
        engine.add_data(_quotes(2 * trades))
        gc.collect()
        start = time.process_time()
        engine.run()
        taken = time.process_time() - start
        closed = sum(order.status_string() == "FILLED" for order in engine.cache.orders())
        is_flat = not engine.cache.positions_open()
        engine.dispose()
    if strategy.number != trades or closed != 2 * trades or not is_flat:
        raise RuntimeError(f"{kind}: {strategy.number} entries, {closed} fills; {trades} trades should be closed")
    return taken / trades * 1e6


def _quotes(number: int) -> list[QuoteTick]:
    size, second = Quantity.from_int(1_000), 1_000_000_000
    prices = [Price(FLAT_PX, 2), Price(TARGET_PX, 2)]
    return [
        QuoteTick(INSTRUMENT_ID, prices[i % 2], prices[i % 2], size, size, (i + 1) * second, (i + 1) * second)
        for i in range(number)
    ]


@contextmanager
def _without_analyzer() -> Iterator[None]:
    stock = PortfolioAnalyzer.record_trade
    PortfolioAnalyzer.record_trade = lambda *_: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        PortfolioAnalyzer.record_trade = stock


if __name__ == "__main__":
    found = oms_scaling(tuple(int(text) for text in sys.argv[1:]) or SIZES)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
