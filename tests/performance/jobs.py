"""What the benchmark measures, one job a process: ``python -m tests.performance.jobs NAME FOLDER BARS`` prints JSON.

CPU is that of the run alone: imports, ingest and the building of the engine are not counted. Memory is the peak of the
whole process above what it had once everything was imported.
"""

import json
import resource
import shutil
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.backtest.node import BacktestNode
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import OrderSide, OrderType
from nautilus_trader.trading.config import ImportableStrategyConfig, StrategyConfig
from nautilus_trader.trading.strategy import Strategy

import strategies.bollinger_bounce
import strategies.breakout
import strategies.rsi_reversion  # noqa: F401  the shells are named by strings: imported here, they are not measured
from catalog.reader import open_catalog
from catalog.sources.series import BarSize
from nautilus_qs.bridge.engine import skip_quadratic_analysis
from nautilus_qs.nodes.backtest import make_spec, record
from tests.runs import STRATEGIES, around_the_clock, run_config, walk, write_catalog

SEED = 7
IID = "SYN-USD.SIM"
BAR_TYPE = f"{IID}-1-MINUTE-LAST-EXTERNAL"
CHUNK = 100_000
# Together about one trade in 60 bars of the walk.
BUSY = {
    "bollinger_bounce": {"bb_std": 2.5, "rsi_threshold": 30},
    "rsi_reversion": {},
    "breakout": {"min_relative_volume": 2.5},
}
QUIET = {
    "bollinger_bounce": {"bb_std": 10.0},
    "rsi_reversion": {"entry_level": 0.001},
    "breakout": {"min_relative_volume": 100.0},
}
# Sizes so small that neither losses nor limits end the trading.
SETTINGS = {
    "timerange": "20200101-20251231",
    "data": [{"instruments": [IID], "bar": "1-MINUTE-LAST"}],
    "sizing": {
        "base_fraction": 0.0002,
        "min_trades": 1000,
        "max_trades": 1000,
        "kelly_fraction": 0.0,
        "shrinkage": 10_000,
    },
    "breakers": {"daily_loss": 0.5, "drawdown_clear": 0.3, "drawdown_reduce": 0.4, "drawdown_halt": 0.5},
    "execution": {"half_spread_bps": {"crypto": 0.0}, "impact_bps": 0.0},
    "chunk_size": CHUNK,
}


def catalog_of(folder: Path, bars: int) -> Path:
    """Return a catalog of one coin's minutes, made once."""
    path = folder / f"catalog-{bars}"
    if not path.exists():
        series = around_the_clock(IID, walk(bars, SEED, step=0.001), BarSize.MINUTE)
        write_catalog(path, [series])
    return path


class NoOp(Strategy):
    """Hears every bar and does nothing."""

    def on_start(self) -> None:
        self.subscribe_bars(BarType.from_str(BAR_TYPE))

    def on_bar(self, bar: Bar) -> None:
        pass


class Brackets(NoOp):
    """Sends one bracket in 60 bars, as plainly as the engine allows: what a trade costs without this project."""

    def on_start(self) -> None:
        super().on_start()
        self.seen = 0
        self.instrument = self.cache.instrument(BarType.from_str(BAR_TYPE).instrument_id)

    def on_bar(self, bar: Bar) -> None:
        self.seen += 1
        if self.seen % 60:
            return
        close = bar.close.as_double()
        orders = self.order_factory.bracket(
            self.instrument.id,
            OrderSide.BUY,
            self.instrument.make_qty(Decimal("0.1")),
            entry_order_type=OrderType.MARKET,
            sl_trigger_price=self.instrument.make_price(close * 0.997),
            tp_price=self.instrument.make_price(close * 1.0045),
            tp_post_only=False,
        )
        self.submit_order_list(orders)


class EmptyConfig(StrategyConfig, frozen=True):
    """Nothing to configure."""


def bare(folder: Path, bars: int, strategy: type = NoOp) -> dict[str, Any]:
    """Run the engine without this project over the same bars and open ticks."""
    skip_quadratic_analysis()
    place = str(catalog_of(folder, bars).absolute())
    config = BacktestRunConfig(
        venues=[BacktestVenueConfig("SIM", "HEDGING", "MARGIN", ["100000 USD"], base_currency="USD")],
        data=[
            BacktestDataConfig(catalog_path=place, data_cls=Bar, bar_types=[BAR_TYPE]),
            BacktestDataConfig(catalog_path=place, data_cls=QuoteTick, instrument_ids=[IID]),
        ],
        engine=BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            run_analysis=False,
            strategies=[
                ImportableStrategyConfig(
                    f"tests.performance.jobs:{strategy.__name__}",
                    "tests.performance.jobs:EmptyConfig",
                    {"oms_type": "HEDGING"},
                )
            ],
        ),
        chunk_size=CHUNK,
        raise_exception=True,
        dispose_on_completion=False,
    )
    node = BacktestNode([config])
    node.build()
    started = time.process_time()
    node.run()
    cpu_s = time.process_time() - started
    closed = node.get_engine(config.id).cache.positions_closed_count()
    return {"cpu_s": cpu_s, "trades": closed}


def brackets(folder: Path, bars: int) -> dict[str, Any]:
    """Run the engine with plain brackets and without this project."""
    return bare(folder, bars, Brackets)


def system(folder: Path, bars: int, params: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Run the whole system over the bars."""
    catalog_path = catalog_of(folder, bars)
    strategies = [{"name": name, "path": STRATEGIES[name], "params": params[name]} for name in STRATEGIES]
    config = run_config(catalog_path, [IID], strategies=strategies, **SETTINGS)
    catalog = open_catalog(catalog_path)
    spec = make_spec(config, catalog)
    out = folder / f"out-{time.time_ns()}"
    out.mkdir()
    started = time.process_time()
    counts = record(spec, catalog, out).counts
    cpu_s = time.process_time() - started
    shutil.rmtree(out)
    return {"cpu_s": cpu_s, "trades": counts.trades, "bars": counts.bars}


def quiet(folder: Path, bars: int) -> dict[str, Any]:
    """Run the whole system over bars that lead to no order."""
    return system(folder, bars, QUIET)


def full(folder: Path, bars: int) -> dict[str, Any]:
    """Run the whole system at its usual density of trades."""
    return system(folder, bars, BUSY)


def backtrader(folder: Path, bars: int) -> dict[str, Any]:
    """Run one of the strategies in backtrader over the same bars."""
    import warnings

    warnings.simplefilter("ignore")
    import backtrader as bt
    import pandas as pd

    class Bounce(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.trades = 0
            self.bands = bt.ind.BollingerBands(self.data.close, period=20, devfactor=2.2)
            self.rsi = bt.ind.RSI(self.data.close, period=14)
            self.atr = bt.ind.ATR(self.data, period=14)
            self.legs: list[Any] = []

        def next(self) -> None:
            close = self.data.close[0]
            if not self.position:
                if close < self.bands.lines.bot[0] and self.rsi[0] < 40 and not self.legs:
                    reach = self.atr[0]
                    self.legs = self.buy_bracket(
                        size=1.0, exectype=bt.Order.Market, stopprice=close - 2 * reach, limitprice=close + 3 * reach
                    )
            elif close >= self.bands.lines.mid[0]:
                for leg in self.legs:
                    self.cancel(leg)
                self.close()
                self.legs = []

        def notify_trade(self, trade: Any) -> None:
            self.trades += trade.isclosed

        def notify_order(self, order: Any) -> None:
            if not order.alive() and not self.position:
                self.legs = [leg for leg in self.legs if leg.alive()]

    frame = open_catalog(catalog_of(folder, bars)).bars_frame(IID, "1-MINUTE-LAST", 0, 2**62)
    frame.index = pd.DatetimeIndex(frame.index).tz_localize(None)
    cerebro = bt.Cerebro()
    cerebro.addstrategy(Bounce)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame, timeframe=bt.TimeFrame.Minutes))
    started = time.process_time()
    (ran,) = cerebro.run()
    return {"cpu_s": time.process_time() - started, "trades": ran.trades}


def ingest_bars(folder: Path, bars: int) -> dict[str, Any]:
    """Compare an ingest with a bare ``write_data`` of the same bars, one after the other."""
    import msgspec
    import pandas as pd
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    from catalog.instruments import build_instrument
    from catalog.objects import to_bars

    series = around_the_clock(IID, walk(bars, SEED, step=0.001), BarSize.MINUTE)
    series = msgspec.structs.replace(series, open_ticks=False)
    path = folder / f"ingest-{time.time_ns()}"
    started = time.process_time()
    write_catalog(path, [series])
    ours = time.process_time() - started
    instrument = build_instrument(series.spec)
    plain = folder / f"plain-{time.time_ns()}"
    plain.mkdir()
    ts = pd.DatetimeIndex(series.frame.index).as_unit("ns").asi8 + series.size.step_ns
    started = time.process_time()
    stored = ParquetDataCatalog(str(plain))
    stored.write_data([instrument])
    stored.write_data(to_bars(instrument, series.size, series.frame, ts))
    bare_s = time.process_time() - started
    shutil.rmtree(path)
    shutil.rmtree(plain)
    return {"cpu_s": ours, "bare_cpu_s": bare_s, "rate_share": bare_s / ours}


def main() -> None:
    """Run one job and print what it took."""
    name, folder, bars = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    catalog_of(folder, bars)
    imported_mb = _peak_mb()
    result = globals()[name](folder, bars)
    print(json.dumps({**result, "imported_mb": imported_mb, "above_import_mb": _peak_mb() - imported_mb}))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
