"""The venue's models inside NautilusTrader's own engine, on hand-made bars: every price is worked out by hand.

All strategies and venues are HEDGING. Bars carry a volume of 10,000, so that an order of 100 is a share of 1 %: 10 bp
of impact on top of half the spread (3 bp for a stock), 13 bp in all.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.node import BacktestNode
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import (
    AccountType,
    AssetClass,
    ContingencyType,
    OmsType,
    OrderSide,
    TimeInForce,
    TriggerType,
)
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, OrderListId, Symbol, Venue
from nautilus_trader.model.instruments import Cfd, CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder, MarketOrder, OrderList, StopMarketOrder
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy

from nautilus_qs.bridge.carry import CARRY, Carry, CarryKind
from nautilus_qs.bridge.tape import tape_of
from nautilus_qs.bridge.venue_models import VenueModels, install

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
MONDAY = 1_588_550_400 * SECOND  # 2020-05-04 00:00 UTC
OPEN, CLOSE = 14 * HOUR + HOUR // 2, 21 * HOUR
TICK_DELAY = SECOND + 1_000_000


def stock(symbol: str = "AAA", sector: str = "Technology") -> Cfd:
    return Cfd(
        InstrumentId.from_str(f"{symbol}.STOCKS"),
        Symbol(symbol),
        AssetClass.EQUITY,
        USD,
        2,
        2,
        Price.from_str("0.01"),
        Quantity.from_str("0.01"),
        0,
        0,
        margin_init=Decimal(1),
        margin_maint=Decimal(1),
        info={"sector": sector},
    )


def coin() -> CurrencyPair:
    return CurrencyPair(
        InstrumentId.from_str("BTC-USD.COINS"),
        Symbol("BTC-USD"),
        BTC,
        USD,
        2,
        6,
        Price.from_str("0.01"),
        Quantity.from_str("0.000001"),
        0,
        0,
    )


def day_open(day: int) -> int:
    return MONDAY + day * DAY + OPEN


def day_close(day: int) -> int:
    return MONDAY + day * DAY + CLOSE


def bar_of(instrument: Any, spec: str, row: tuple[float, float, float, float], ts: int, *, volume: float) -> Bar:
    bar_type = BarType.from_str(f"{instrument.id}-{spec}-LAST-EXTERNAL")
    return Bar(bar_type, *(instrument.make_price(px) for px in row), instrument.make_qty(volume), ts, ts)


def open_tick(instrument: Any, px: float, start: int) -> QuoteTick:
    price, size = instrument.make_price(px), instrument.make_qty(1_000_000)
    ts = start + TICK_DELAY
    return QuoteTick(instrument.id, price, price, size, size, ts, ts)


def sessions(instrument: Any, rows: Iterable[tuple[int, tuple[float, float, float, float]]], *, ticks: bool = True):
    data: list[Any] = []
    for day, row in rows:
        if ticks:
            data.append(open_tick(instrument, row[0], day_open(day)))
        data.append(bar_of(instrument, "1-DAY", row, day_close(day), volume=10_000))
    return data


def hours(instrument: Any, rows: Iterable[tuple[float, float, float, float]], start: int = MONDAY):
    data: list[Any] = []
    for i, row in enumerate(rows):
        data.append(open_tick(instrument, row[0], start + i * HOUR))
        data.append(bar_of(instrument, "1-HOUR", row, start + (i + 1) * HOUR, volume=10_000))
    return data


class Scripted(Strategy):
    """Runs steps one nanosecond after given times and writes down every order event."""

    def __init__(self, tag: str = "S1") -> None:
        super().__init__(StrategyConfig(oms_type="HEDGING", order_id_tag=tag))
        self.steps: list[tuple[int, Callable[[Scripted], None]]] = []
        self.seen: list[Any] = []
        self.when_canceled: Callable[[Scripted, Any], None] | None = None

    def on_start(self) -> None:
        for i, (ts, step) in enumerate(self.steps):
            self.clock.set_time_alert_ns(f"step{i}", ts + 1, lambda _event, step=step: step(self))

    def on_order_event(self, event: Any) -> None:
        self.seen.append(event)

    def on_order_canceled(self, event: Any) -> None:
        if self.when_canceled is not None:
            self.when_canceled(self, event)

    def on_reset(self) -> None:
        self.seen = []

    # -- what a test looks at -------------------------------------------------------------------------------------

    def fills(self) -> list[tuple[str, float, int]]:
        return [
            (event.client_order_id.value, float(event.last_px), event.ts_event)
            for event in self.seen
            if type(event).__name__ == "OrderFilled"
        ]

    def prices(self) -> dict[str, float]:
        return {order_id: px for order_id, px, _ in self.fills()}

    def story(self, order_id: str) -> list[str]:
        names = [type(event).__name__ for event in self.seen if event.client_order_id.value == order_id]
        return [name.removeprefix("Order") for name in names]

    # -- what a step does -----------------------------------------------------------------------------------------

    def market(self, instrument: Any, order_id: str, side: OrderSide, quantity: float = 100, **kwargs: Any) -> None:
        position_id = kwargs.pop("position_id", None)
        order = MarketOrder(
            self.trader_id,
            self.id,
            instrument.id,
            ClientOrderId(order_id),
            side,
            instrument.make_qty(quantity),
            UUID4(),
            self.clock.timestamp_ns(),
            **kwargs,
        )
        self.submit_order(order, position_id=position_id)

    def bracket(
        self, instrument: Any, *, stop: float, target: float, side: OrderSide = OrderSide.BUY, quantity: float = 100
    ) -> None:
        """Send E (entry), S (stop) and T (target); the entry must not be filled at or beyond stop or target."""
        now = self.clock.timestamp_ns()
        ids = {leg: ClientOrderId(leg) for leg in "EST"}
        units = instrument.make_qty(quantity)
        low, high = min(stop, target), max(stop, target)
        closing = OrderSide.SELL if side == OrderSide.BUY else OrderSide.BUY
        common = (self.trader_id, self.id, instrument.id)
        children = {"reduce_only": True, "order_list_id": OrderListId("L"), "parent_order_id": ids["E"]}
        entry = MarketOrder(
            *common,
            ids["E"],
            side,
            units,
            UUID4(),
            now,
            time_in_force=TimeInForce.FOK,
            contingency_type=ContingencyType.OTO,
            order_list_id=OrderListId("L"),
            linked_order_ids=[ids["S"], ids["T"]],
            tags=[f"SKIP_BELOW={low:.2f}", f"SKIP_ABOVE={high:.2f}"],
        )
        resting = StopMarketOrder(
            *common,
            ids["S"],
            closing,
            units,
            instrument.make_price(stop),
            TriggerType.DEFAULT,
            UUID4(),
            now,
            contingency_type=ContingencyType.OUO,
            linked_order_ids=[ids["T"]],
            **children,
        )
        goal = LimitOrder(
            *common,
            ids["T"],
            closing,
            units,
            instrument.make_price(target),
            UUID4(),
            now,
            contingency_type=ContingencyType.OUO,
            linked_order_ids=[ids["S"]],
            **children,
        )
        self.submit_order_list(OrderList(OrderListId("L"), [entry, resting, goal]))


def engine_of(venues: dict[str, VenueModels], data: dict[Any, list[Any]], *strategies: Scripted) -> BacktestEngine:
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id="BT-001", logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    for name, models in venues.items():
        engine.add_venue(
            Venue(name),
            OmsType.HEDGING,
            AccountType.MARGIN,
            [Money(100_000, USD)],
            base_currency=USD,
            default_leverage=Decimal(1),
            **models.objects(),
        )
    for instrument, rows in data.items():
        engine.add_instrument(instrument)
        engine.add_data(rows, sort=False)
    engine.sort_data()
    install(engine.kernel, venues)
    for strategy in strategies:
        engine.add_strategy(strategy)
    return engine


def run_stocks(strategy: Scripted, data: dict[Any, list[Any]], models: VenueModels | None = None) -> BacktestEngine:
    engine = engine_of({"STOCKS": models or VenueModels()}, data, strategy)
    engine.run()
    return engine


def balance(engine: BacktestEngine, venue: str = "STOCKS") -> Decimal:
    return engine.kernel.cache.account_for_venue(Venue(venue)).balance_total(USD).as_decimal()


FLAT = (100.0, 101.0, 99.0, 100.0)


# -- arrival: the open of one's own market, never a stale price -----------------------------------------------------


def test_market_orders_of_two_instruments_each_fill_at_their_own_open() -> None:
    first, second = stock("AAA"), stock("BBB")
    data = {
        first: sessions(first, [(0, FLAT), (1, (102.0, 103.0, 101.0, 102.5))]),
        second: sessions(second, [(0, (50.0, 51.0, 49.0, 50.5)), (1, (55.0, 56.0, 54.0, 55.5))]),
    }
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: (s.market(first, "A", OrderSide.BUY), s.market(second, "B", OrderSide.SELL)))
    ]
    run_stocks(strategy, data)
    # 102.00 x 1.0013 = 102.1326, rounded up; 55.00 x 0.9987 = 54.9285, rounded down.
    opened = day_open(1) + TICK_DELAY
    assert strategy.fills() == [("A", 102.14, opened), ("B", 54.92, opened)]


def test_order_sent_at_close_ignores_other_markets_and_timers_until_its_own_open() -> None:
    share, pair = stock(), coin()
    data = {
        share: sessions(share, [(0, FLAT), (1, (102.0, 103.0, 101.0, 102.5))]),
        pair: hours(pair, [(9000.0, 9100.0, 8900.0, 9000.0)] * 44),
    }
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: s.market(share, "A", OrderSide.BUY)),
        (day_close(0) + 30 * SECOND, lambda _s: None),
    ]
    engine = engine_of({"STOCKS": VenueModels(), "COINS": VenueModels()}, data, strategy)
    engine.run()
    assert strategy.fills() == [("A", 102.14, day_open(1) + TICK_DELAY)]


def test_market_order_without_open_ticks_fills_at_the_next_close() -> None:
    share = stock()
    data = {share: sessions(share, [(0, FLAT), (1, (100.0, 104.0, 99.0, 103.0))], ticks=False)}
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.market(share, "A", OrderSide.BUY))]
    run_stocks(strategy, data)
    assert strategy.fills() == [("A", 103.14, day_close(1))]  # 103.00 x 1.0013 = 103.1339


def test_order_that_arrives_after_the_tick_waits_for_the_next_datum() -> None:
    share = stock()
    data = {share: sessions(share, [(0, FLAT), (1, (102.0, 103.0, 101.0, 102.5))])}
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.market(share, "A", OrderSide.BUY))]
    slow = VenueModels(latency_ns=DAY - 2 * SECOND)
    run_stocks(strategy, data, slow)
    assert strategy.fills() == [("A", 102.64, day_close(1))]  # the close: 102.50 x 1.0013 = 102.63325


def test_cost_multiplier_scales_slippage_and_index_funds_pay_less() -> None:
    fund = stock("FUND", sector="")
    data = {fund: sessions(fund, [(0, FLAT), (1, FLAT)])}
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.market(fund, "A", OrderSide.BUY))]
    run_stocks(strategy, data, VenueModels(cost_multiplier=3.0))
    assert strategy.prices() == {"A": 100.33}  # 3 x (1 + 10) bp


# -- stops and targets ----------------------------------------------------------------------------------------------


def bracket_on(rows: list[tuple[int, Any]], *, stop: float, target: float, **kwargs: Any) -> Scripted:
    share = stock()
    ticks = kwargs.pop("ticks", True)
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.bracket(share, stop=stop, target=target, **kwargs))]
    data = sessions(share, rows)
    if not ticks:
        # The open tick of the day that matters is missing: the bar alone must tell the gap.
        data = [d for d in data if not (isinstance(d, QuoteTick) and d.ts_event > day_open(2))]
    run_stocks(strategy, {share: data})
    return strategy


def test_stop_inside_a_bar_fills_at_its_trigger_less_slippage() -> None:
    strategy = bracket_on([(0, FLAT), (1, FLAT), (2, (99.0, 99.5, 90.0, 91.0))], stop=95.0, target=120.0)
    # 95.00 x 0.9987 = 94.8765, rounded down.
    assert strategy.prices() == {"E": 100.13, "S": 94.87}
    assert strategy.story("T")[-1] == "Canceled"


@pytest.mark.parametrize("ticks", [True, False])
def test_stop_that_gaps_fills_at_the_open(ticks: bool) -> None:
    rows = [(0, FLAT), (1, FLAT), (2, (90.0, 93.0, 85.0, 92.0))]
    strategy = bracket_on(rows, stop=95.0, target=120.0, ticks=ticks)
    assert strategy.prices() == {"E": 100.13, "S": 89.88}  # 90.00 x 0.9987 = 89.883
    assert strategy.fills()[-1][2] == (day_open(2) + TICK_DELAY if ticks else day_close(2))


@pytest.mark.parametrize(
    ("row", "px"),
    [((101.0, 112.0, 100.0, 108.0), 110.15), ((115.0, 118.0, 112.0, 113.0), 115.15)],
    ids=["inside", "gap"],
)
def test_stop_of_a_short_mirrors(row: tuple[float, float, float, float], px: float) -> None:
    strategy = bracket_on([(0, FLAT), (1, FLAT), (2, row)], stop=110.0, target=80.0, side=OrderSide.SELL)
    # 110.00 x 1.0013 = 110.143 and 115.00 x 1.0013 = 115.1495, rounded up.
    assert strategy.prices() == {"E": 99.87, "S": px}


@pytest.mark.parametrize("opening", [104.0, 112.0], ids=["inside", "gap"])
def test_target_fills_at_its_price_as_maker(opening: float) -> None:
    strategy = bracket_on([(0, FLAT), (1, FLAT), (2, (opening, 115.0, 103.0, 111.0))], stop=90.0, target=110.0)
    assert strategy.prices() == {"E": 100.13, "T": 110.0}
    assert strategy.story("S")[-1] == "Canceled"


@pytest.mark.parametrize(
    ("row", "leg"),
    [((100.0, 112.0, 94.0, 100.0), "S"), ((104.0, 111.0, 94.0, 100.0), "T")],
    ids=["low is nearer", "high is nearer"],
)
def test_bar_that_spans_both_legs_reaches_the_side_nearer_the_open_first(
    row: tuple[float, float, float, float], leg: str
) -> None:
    strategy = bracket_on([(0, FLAT), (1, FLAT), (2, row)], stop=95.0, target=110.0)
    assert list(strategy.prices()) == ["E", leg]


def test_stop_and_target_stand_from_the_entry_bar_on() -> None:
    strategy = bracket_on([(0, FLAT), (1, (100.0, 101.0, 94.0, 96.0))], stop=95.0, target=110.0)
    assert strategy.prices() == {"E": 100.13, "S": 94.87}


# -- entries that are skipped ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", [100, 0.01], ids=["many lots", "one lot"])
@pytest.mark.parametrize("opening", [94.0, 95.0, 110.0, 113.0])
def test_entry_whose_open_reaches_stop_or_target_is_refused_with_its_children(opening: float, quantity: float) -> None:
    row = (opening, opening + 1, opening - 1, opening)
    strategy = bracket_on([(0, FLAT), (1, row), (2, FLAT)], stop=95.0, target=110.0, quantity=quantity)
    assert strategy.fills() == []
    for leg in "EST":
        assert strategy.story(leg) == ["Initialized", "Submitted", "Rejected"]
    reasons = {event.reason for event in strategy.seen if type(event).__name__ == "OrderRejected"}
    bound = "below 95.00" if opening <= 95 else "above 110.00"
    assert reasons == {f"SKIPPED: the market at {opening:.2f} is at or {bound}"}


@pytest.mark.parametrize("opening", [95.01, 109.99])
def test_entry_whose_open_lies_between_stop_and_target_is_filled(opening: float) -> None:
    row = (opening, opening, opening, opening)
    strategy = bracket_on([(0, FLAT), (1, row)], stop=95.0, target=110.0)
    assert list(strategy.prices()) == ["E"]
    assert strategy.story("S")[-1] == strategy.story("T")[-1] == "Accepted"


def test_entry_cancelled_on_its_way_takes_its_children_along() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: s.bracket(share, stop=95.0, target=110.0)),
        (day_close(0) + 10 * SECOND, lambda s: s.cancel_order(s.cache.order(ClientOrderId("E")))),
    ]
    run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, FLAT)])})
    assert strategy.fills() == []
    assert [strategy.story(leg)[-1] for leg in "EST"] == ["Canceled"] * 3
    assert strategy.seen[-1].ts_event == day_close(0) + 10 * SECOND + 1


def test_cancel_all_reaches_orders_on_their_way() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: (s.market(share, "A", OrderSide.BUY), s.market(share, "B", OrderSide.SELL))),
        (day_close(0) + SECOND, lambda s: s.cancel_all_orders(share.id, OrderSide.BUY)),
    ]
    run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, FLAT)])})
    assert list(strategy.prices()) == ["B"]


def test_batch_cancel_reaches_orders_on_their_way_and_at_the_venue() -> None:
    share = stock()
    strategy = Scripted()

    def cancel_both(s: Scripted) -> None:
        s.cancel_orders([s.cache.order(ClientOrderId(name)) for name in ("S", "B")])

    strategy.steps = [
        (day_close(0), lambda s: s.bracket(share, stop=95.0, target=110.0)),
        (day_close(1), lambda s: (s.market(share, "B", OrderSide.BUY), cancel_both(s))),
    ]
    run_stocks(strategy, {share: sessions(share, [(d, FLAT) for d in range(3)])})
    assert strategy.prices() == {"E": 100.13}
    assert [strategy.story(name)[-1] for name in "STB"] == ["Canceled"] * 3


def test_leg_cancelled_on_its_way_leaves_the_entry_to_arrive() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: s.bracket(share, stop=95.0, target=110.0)),
        (day_close(0) + SECOND, lambda s: s.cancel_order(s.cache.order(ClientOrderId("T")))),
    ]
    run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, FLAT)])})
    assert strategy.prices() == {"E": 100.13}
    assert strategy.story("T")[-1] == "Canceled"


def test_stop_changed_on_its_way_arrives_changed() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: s.bracket(share, stop=90.0, target=110.0)),
        (
            day_close(0) + SECOND,
            lambda s: s.modify_order(s.cache.order(ClientOrderId("S")), trigger_price=share.make_price(98.0)),
        ),
    ]
    run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, FLAT), (2, (99.5, 100.0, 97.0, 99.0))])})
    assert strategy.prices() == {"E": 100.13, "S": 97.87}  # 98.00 x 0.9987 = 97.8726


def test_orders_on_their_way_at_the_end_are_forgotten_by_a_reset() -> None:
    share, other = stock("AAA"), stock("BBB")
    strategy = Scripted()
    strategy.steps = [(day_close(1), lambda s: s.market(share, "A", OrderSide.BUY))]
    data = {
        share: sessions(share, [(0, FLAT), (1, FLAT)]),
        other: sessions(other, [(0, FLAT), (1, FLAT), (2, FLAT)]),
    }
    engine = run_stocks(strategy, data)
    client = tape_of(engine.kernel.msgbus, "STOCKS").queue
    assert strategy.story("A") == ["Initialized", "Submitted"]
    assert client.is_waiting
    engine.reset()
    assert not client.is_waiting


@pytest.mark.parametrize(("close", "fills"), [(96.0, ["E"]), (95.0, []), (110.0, [])])
def test_entry_without_open_ticks_is_judged_by_the_close_it_would_fill_at(close: float, fills: list[str]) -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.bracket(share, stop=95.0, target=110.0))]
    row = (100.0, 111.0, 94.0, close)
    run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, row)], ticks=False)})
    assert list(strategy.prices()) == fills


# -- leaving by rule: cancel, wait for the word, close --------------------------------------------------------------


def leave_at(strategy: Scripted, instrument: Any, close_ns: int) -> None:
    def cancel(s: Scripted) -> None:
        s.cancel_order(s.cache.order(ClientOrderId("S")))

    def close(s: Scripted, event: Any) -> None:
        legs = [s.cache.order(ClientOrderId(leg)) for leg in "ST"]
        if all(order.is_closed for order in legs) and s.cache.order(ClientOrderId("X")) is None:
            position = s.cache.positions_open()[0]
            s.market(instrument, "X", OrderSide.SELL, reduce_only=True, position_id=position.id)

    strategy.steps.append((close_ns, cancel))
    strategy.when_canceled = close


def test_daily_exit_is_told_of_the_cancel_at_once_and_fills_at_the_next_open() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.bracket(share, stop=90.0, target=120.0))]
    leave_at(strategy, share, day_close(1))
    engine = run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, FLAT), (2, (98.0, 99.0, 80.0, 85.0))])})
    cancels = [event.ts_event for event in strategy.seen if type(event).__name__ == "OrderCanceled"]
    assert cancels == [day_close(1) + 1] * 2
    assert strategy.fills()[-1] == ("X", 97.87, day_open(2) + TICK_DELAY)  # 98.00 x 0.9987 = 97.8726
    assert engine.kernel.cache.positions_open() == []


def test_hourly_exit_is_told_of_the_cancel_at_once_and_fills_at_the_next_open() -> None:
    pair = coin()
    strategy = Scripted()
    strategy.steps = [(MONDAY + HOUR, lambda s: s.bracket(pair, stop=8000.0, target=11000.0))]
    leave_at(strategy, pair, MONDAY + 2 * HOUR)
    row = (9000.0, 9100.0, 8900.0, 9050.0)
    engine = engine_of(
        {"COINS": VenueModels()}, {pair: hours(pair, [row, row, (9060.0, 9070.0, 9000.0, 9010.0)])}, strategy
    )
    engine.run()
    # Crypto: 5 + 10 bp. 9000.00 x 1.0015 = 9013.50; 9060.00 x 0.9985 = 9046.41.
    assert strategy.fills() == [
        ("E", 9013.5, MONDAY + HOUR + TICK_DELAY),
        ("X", 9046.41, MONDAY + 2 * HOUR + TICK_DELAY),
    ]


def test_stop_put_back_beyond_the_market_closes_instead_of_being_refused() -> None:
    share = stock()

    def restore(s: Scripted) -> None:
        position = s.cache.positions_open()[0]
        order = StopMarketOrder(
            s.trader_id,
            s.id,
            share.id,
            ClientOrderId("S2"),
            OrderSide.SELL,
            share.make_qty(100),
            share.make_price(99.5),
            TriggerType.DEFAULT,
            UUID4(),
            s.clock.timestamp_ns(),
            reduce_only=True,
        )
        s.submit_order(order, position_id=position.id)

    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.market(share, "A", OrderSide.BUY)), (day_close(1), restore)]
    run_stocks(strategy, {share: sessions(share, [(0, FLAT), (1, FLAT), (2, (98.0, 99.0, 97.0, 98.0))])})
    assert strategy.fills()[-1] == ("S2", 97.87, day_open(2) + TICK_DELAY)


# -- two strategies on one instrument -------------------------------------------------------------------------------


def test_two_strategies_hold_and_close_their_own_positions() -> None:
    share = stock()
    one, two = Scripted("S1"), Scripted("S2")
    one.steps = [(day_close(0), lambda s: s.bracket(share, stop=95.0, target=110.0))]
    two.steps = [(day_close(0), lambda s: s.market(share, "B", OrderSide.BUY, 40))]
    data = {share: sessions(share, [(0, FLAT), (1, FLAT), (2, (99.0, 99.5, 94.0, 96.0))])}
    engine = engine_of({"STOCKS": VenueModels()}, data, one, two)
    engine.run()
    left = engine.kernel.cache.positions_open()
    assert [(p.strategy_id, float(p.quantity)) for p in left] == [(two.id, 40.0)]
    assert one.prices() == {"E": 100.13, "S": 94.87}


# -- fees -----------------------------------------------------------------------------------------------------------


def test_stock_sale_pays_the_fees_of_its_day_and_purchases_none() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: s.market(share, "A", OrderSide.BUY)),
        (day_close(1), lambda s: s.market(share, "B", OrderSide.SELL)),
    ]
    run_stocks(strategy, {share: sessions(share, [(d, FLAT) for d in range(3)])}, VenueModels(fees="alpaca"))
    paid = {e.client_order_id.value: str(e.commission) for e in strategy.seen if type(e).__name__ == "OrderFilled"}
    # May 2020: 22.10 per million of 9,987.00 = 0.2207, up to 0.23; TAF 100 x 0.000119 = 0.0119, up to 0.02.
    assert paid == {"A": "0.00 USD", "B": "0.25 USD"}


def test_coin_orders_pay_taker_and_maker_rates_of_their_day() -> None:
    pair = coin()
    strategy = Scripted()
    strategy.steps = [(MONDAY + HOUR, lambda s: s.bracket(pair, stop=80.0, target=110.0, quantity=50))]
    rows = [FLAT, FLAT, (105.0, 115.0, 104.0, 112.0)]
    engine = engine_of({"COINS": VenueModels(fees="coinbase")}, {pair: hours(pair, rows)}, strategy)
    engine.run()
    paid = [(e.client_order_id.value, e.commission.as_decimal()) for e in strategy.seen if hasattr(e, "commission")]
    # 2020: 0.50 % both. Entry: 5 bp + 10 bp x sqrt(0.5) on 100.00 = 100.1208, up to 100.13; 5,006.50 x 0.5 % = 25.0325.
    assert strategy.prices()["E"] == 100.13
    assert paid == [("E", Decimal("25.04")), ("T", Decimal("27.50"))]


# -- carry ----------------------------------------------------------------------------------------------------------


def held(side: OrderSide, models: VenueModels, days: list[int], entry_day: int = 0) -> tuple[BacktestEngine, Carry]:
    share = stock()
    strategy = Scripted()
    strategy.steps = [(day_close(entry_day), lambda s: s.market(share, "A", side))]
    engine = run_stocks(strategy, {share: sessions(share, [(d, FLAT) for d in days])}, models)
    modules = tape_of(engine.kernel.msgbus, "STOCKS").exchange.modules
    carry = next(module for module in modules if isinstance(module, Carry))
    return engine, carry


def dividend(day: int) -> dict[str, tuple[tuple[int, Decimal], ...]]:
    return {"AAA.STOCKS": ((day_open(day), Decimal("0.25")),)}


@pytest.mark.parametrize(("side", "amount"), [(OrderSide.BUY, "25.00"), (OrderSide.SELL, "-25.00")])
def test_dividend_goes_to_whoever_held_at_the_previous_close(side: OrderSide, amount: str) -> None:
    engine, carry = held(side, VenueModels(dividends=dividend(2)), [0, 1, 2])
    assert [(e.kind, e.instrument_id, e.amount) for e in carry.entries] == [
        (CarryKind.DIVIDEND, "AAA.STOCKS", Decimal(amount))
    ]
    assert balance(engine) == Decimal(100_000) + Decimal(amount)


def test_dividend_misses_whoever_buys_at_the_open_of_the_ex_date() -> None:
    engine, carry = held(OrderSide.BUY, VenueModels(dividends=dividend(1)), [0, 1, 2])
    assert carry.entries == []
    assert balance(engine) == 100_000


def test_borrow_fee_accrues_for_each_calendar_day_a_short_is_held() -> None:
    # Sold at Friday's open, held over the weekend: Saturday, Sunday, Monday midnight in one charge of three days.
    days = [3, 4, 7]
    engine, carry = held(OrderSide.SELL, VenueModels(borrow_rate=Decimal("0.036")), days, entry_day=3)
    # 100 x 100.00 x 3.6 % / 360 x 3 = 3.00.
    assert [(e.kind, e.amount) for e in carry.entries] == [(CarryKind.BORROW, Decimal("-3.00"))]
    assert balance(engine) == Decimal("99997.00")


def test_nothing_accrues_on_a_flat_account_or_to_longs_that_are_paid_for() -> None:
    models = VenueModels(borrow_rate=Decimal("0.036"), margin_rate=Decimal("0.072"))
    _, carry = held(OrderSide.BUY, models, [3, 4, 7], entry_day=4)
    assert carry.entries == []


def test_margin_interest_is_charged_on_what_longs_are_worth_beyond_equity() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.market(share, "A", OrderSide.BUY, 1500))]
    heard: list[Any] = []
    models = VenueModels(margin_rate=Decimal("0.072"), cost_multiplier=0.0)
    engine = engine_of({"STOCKS": models}, {share: sessions(share, [(d, FLAT) for d in range(3)])}, strategy)
    engine.kernel.msgbus.subscribe(CARRY, heard.append)
    engine.run()
    # 150,000 of stock on 100,000 of equity: 50,000 x 7.2 % / 360 = 10.00.
    assert [(e.kind, e.amount) for e in heard] == [(CarryKind.MARGIN, Decimal("-10.00"))]


# -- the same again: reset, and by node -----------------------------------------------------------------------------


def test_engine_that_is_reset_gives_the_same_fills_and_carry() -> None:
    share = stock()
    strategy = Scripted()
    strategy.steps = [(day_close(0), lambda s: s.bracket(share, stop=95.0, target=110.0))]
    data = {share: sessions(share, [(0, FLAT), (1, FLAT), (2, FLAT), (3, (99.0, 99.5, 94.0, 96.0))])}
    engine = engine_of({"STOCKS": VenueModels(fees="alpaca", dividends=dividend(2))}, data, strategy)
    engine.run()
    first, cash = strategy.fills(), balance(engine)
    engine.reset()
    engine.run()
    assert strategy.fills() == first
    assert len(first) == 2
    assert balance(engine) == cash


@pytest.mark.parametrize("chunk_size", [None, 3], ids=["one shot", "streamed"])
def test_node_with_importable_models_fills_as_the_engine_does(tmp_path: Any, chunk_size: int | None) -> None:
    share, other = stock("AAA"), stock("BBB")
    catalog = ParquetDataCatalog(str(tmp_path))
    catalog.write_data([share, other])
    for instrument in (share, other):
        rows = sessions(instrument, [(0, FLAT), (1, FLAT), (2, FLAT), (3, (99.0, 99.5, 94.0, 96.0))])
        catalog.write_data([row for row in rows if isinstance(row, QuoteTick)])
        catalog.write_data([row for row in rows if isinstance(row, Bar)])
    models = VenueModels(fees="alpaca", dividends=dividend(2))
    ids = [str(share.id), str(other.id)]
    config = BacktestRunConfig(
        venues=[
            BacktestVenueConfig(
                name="STOCKS",
                oms_type="HEDGING",
                account_type="MARGIN",
                base_currency="USD",
                starting_balances=["100000 USD"],
                default_leverage=1.0,
                **models.settings(),
            )
        ],
        data=[
            BacktestDataConfig(catalog_path=str(tmp_path), data_cls=QuoteTick, instrument_ids=ids),
            BacktestDataConfig(catalog_path=str(tmp_path), data_cls=Bar, instrument_ids=ids, bar_spec="1-DAY-LAST"),
        ],
        engine=BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False),
        chunk_size=chunk_size,
        raise_exception=True,
        dispose_on_completion=False,
    )
    node = BacktestNode([config])
    node.build()
    engine = node.get_engine(config.id)
    clients = install(engine.kernel, ["STOCKS"])
    strategy = Scripted()
    strategy.steps = [
        (day_close(0), lambda s: (s.bracket(share, stop=95.0, target=110.0), s.market(other, "B", OrderSide.BUY)))
    ]
    engine.add_strategy(strategy)
    node.run()
    assert strategy.prices() == {"E": 100.13, "B": 100.13, "S": 94.87}
    assert balance(engine) == Decimal("100000") + 25 - 526 - Decimal("0.23")
    assert not clients["STOCKS"].is_waiting
    node.dispose()


def test_install_without_a_tape_says_what_is_missing() -> None:
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("BARE"), OmsType.HEDGING, AccountType.MARGIN, [Money(1, USD)], base_currency=USD)
    with pytest.raises(KeyError, match="Tape among its modules"):
        install(engine.kernel, ["BARE"])
