"""Fee model, fill model, tape and carry by themselves, on a fake tape or without an engine."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nautilus_trader.backtest.config import FeeModelFactory, FillModelFactory, LatencyModelFactory
from nautilus_trader.common.config import ActorFactory
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AssetClass, LiquiditySide, OrderSide, TriggerType
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, StrategyId, Symbol, TraderId
from nautilus_trader.model.instruments import Cfd
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import LimitOrder, MarketOrder, StopMarketOrder

from nautilus_qs.bridge.carry import Carry, CarryConfig
from nautilus_qs.bridge.fees import TableFeeModel, TableFeeModelConfig, load_fee_table
from nautilus_qs.bridge.fills import ImpactFillModel, ImpactFillModelConfig, kind_of
from nautilus_qs.bridge.tape import Tape, TapeConfig
from nautilus_qs.bridge.venue_models import VenueModels
from nautilus_qs.errors import ConfigError, NotFoundError

DAY = 86_400 * 10**9
MAY_2020 = 1_588_550_400 * 10**9


def stock(asset_class: AssetClass = AssetClass.EQUITY, **info: str) -> Cfd:
    return Cfd(
        InstrumentId.from_str("AAA.STOCKS"),
        Symbol("AAA"),
        asset_class,
        USD,
        4,
        2,
        Price.from_str("0.0001"),
        Quantity.from_str("0.01"),
        0,
        0,
        info=info,
    )


AAA = stock(sector="Technology")


class FakeTape:
    """A tape that says what a test tells it."""

    def __init__(self, *, now_ns: int = MAY_2020, volume: float | None = 10_000.0, bar: Any = None) -> None:
        self.now_ns = now_ns
        self.volume = volume
        self.bar = bar

    def bar_in_hand(self, instrument_id: Any) -> Any:
        return self.bar

    def mean_volume(self, instrument_id: Any) -> float | None:
        return self.volume


def common(order_id: str = "A", side: OrderSide = OrderSide.BUY, quantity: float = 100) -> tuple[Any, ...]:
    return (TraderId("T-1"), StrategyId("S-1"), AAA.id, ClientOrderId(order_id), side, AAA.make_qty(quantity))


def market(side: OrderSide = OrderSide.BUY, quantity: float = 100) -> MarketOrder:
    return MarketOrder(*common("A", side, quantity), UUID4(), 0)


def stop(side: OrderSide, trigger: float, ts_init: int = 0) -> StopMarketOrder:
    return StopMarketOrder(*common("A", side), AAA.make_price(trigger), TriggerType.DEFAULT, UUID4(), ts_init)


def bar(opening: float, *, ts: int = DAY, spec: str = "1-DAY", volume: float = 1.0) -> Bar:
    bar_type = BarType.from_str(f"AAA.STOCKS-{spec}-LAST-EXTERNAL")
    px = AAA.make_price(opening)
    return Bar(bar_type, px, px, px, px, AAA.make_qty(volume), ts, ts)


def quote(px: float, ts: int) -> QuoteTick:
    price, size = AAA.make_price(px), AAA.make_qty(1)
    return QuoteTick(AAA.id, price, price, size, size, ts, ts)


def fill_price(model: ImpactFillModel, order: Any, bid: float, ask: float) -> tuple[Decimal, Decimal]:
    book = model.get_orderbook_for_fill_simulation(AAA, order, AAA.make_price(bid), AAA.make_price(ask))
    fills = book.simulate_fills(order, 4, 2, True)
    assert len(fills) == 1
    return fills[0][0].as_decimal(), fills[0][1].as_decimal()


def fill_model(tape: FakeTape, **config: Any) -> ImpactFillModel:
    model = ImpactFillModel(ImpactFillModelConfig(**config))
    model.bind(tape)
    return model


# -- fills -------------------------------------------------------------------------------------------------------------


def test_market_order_meets_the_far_side_worsened_and_is_filled_whole() -> None:
    model = fill_model(FakeTape())
    assert fill_price(model, market(OrderSide.BUY), 99.0, 100.0) == (Decimal("100.1300"), Decimal(100))
    assert fill_price(model, market(OrderSide.SELL), 99.0, 100.0) == (Decimal("98.8713"), Decimal(100))


@pytest.mark.parametrize(
    ("side", "trigger", "opening", "expected"),
    [
        (OrderSide.SELL, 95.0, 99.0, 95.0),
        (OrderSide.SELL, 95.0, 90.0, 90.0),
        (OrderSide.BUY, 105.0, 101.0, 105.0),
        (OrderSide.BUY, 105.0, 108.0, 108.0),
    ],
)
def test_stop_triggered_by_a_bar_meets_trigger_or_worse_open(
    side: OrderSide, trigger: float, opening: float, expected: float
) -> None:
    model = fill_model(FakeTape(bar=bar(opening)), cost_multiplier=0.0)
    assert fill_price(model, stop(side, trigger), 80.0, 120.0)[0] == Decimal(str(expected))


def test_stop_triggered_by_a_quote_meets_the_quote() -> None:
    model = fill_model(FakeTape(), cost_multiplier=0.0)
    assert fill_price(model, stop(OrderSide.SELL, 95.0), 92.0, 92.5)[0] == Decimal(92)


def test_stop_sent_at_the_bars_close_meets_the_market_as_it_is() -> None:
    model = fill_model(FakeTape(bar=bar(99.0, ts=DAY)), cost_multiplier=0.0)
    assert fill_price(model, stop(OrderSide.SELL, 95.0, ts_init=DAY), 93.0, 93.0)[0] == Decimal(93)


def test_limit_order_is_left_to_the_engine() -> None:
    order = LimitOrder(*common(), AAA.make_price(100), UUID4(), 0)
    px = AAA.make_price(100)
    assert fill_model(FakeTape()).get_orderbook_for_fill_simulation(AAA, order, px, px) is None


@given(
    st.decimals("0.0001", "5000", places=4),
    st.floats(0.01, 1e6),
    st.one_of(st.none(), st.floats(1.0, 1e9)),
    st.floats(0.0, 20.0),
    st.sampled_from([OrderSide.BUY, OrderSide.SELL]),
)
def test_market_fill_is_never_better_than_the_market(
    px: Decimal, quantity: float, volume: float | None, stress: float, side: OrderSide
) -> None:
    model = fill_model(FakeTape(volume=volume), cost_multiplier=stress)
    filled, _ = fill_price(model, market(side, quantity), float(px), float(px))
    assert filled >= px if side == OrderSide.BUY else Decimal("0.0001") <= filled <= px


@pytest.mark.parametrize(
    ("instrument", "kinds", "expected"),
    [
        (stock(sector="Energy"), {}, "stock"),
        (stock(), {}, "index"),
        (stock(sector=""), {}, "index"),
        (stock(sector="Energy", kind="index"), {}, "index"),
        (stock(AssetClass.CRYPTOCURRENCY), {}, "crypto"),
        (stock(sector="Energy"), {"AAA.STOCKS": "small"}, "small"),
    ],
)
def test_kind_comes_from_configuration_then_info_then_class(instrument: Cfd, kinds: dict, expected: str) -> None:
    assert kind_of(instrument, kinds) == expected


def test_kind_without_a_spread_is_refused_with_the_setting_to_make() -> None:
    model = fill_model(FakeTape(), kinds={"AAA.STOCKS": "small"})
    with pytest.raises(ConfigError, match=r"set execution\.half_spread_bps\.small"):
        fill_price(model, market(), 99.0, 100.0)


def test_fill_model_without_a_tape_is_refused() -> None:
    with pytest.raises(ConfigError, match="bound to a Tape"):
        fill_price(ImpactFillModel(), market(), 99.0, 100.0)


# -- fees --------------------------------------------------------------------------------------------------------------


def charge(model: TableFeeModel, order: Any, quantity: str, px: str, side: LiquiditySide) -> Decimal:
    order.liquidity_side = side
    money = model.get_commission(order, Quantity.from_str(quantity), Price.from_str(px), AAA)
    assert money.currency == USD
    return money.as_decimal()


def test_fee_model_rounds_up_to_the_cent() -> None:
    model = TableFeeModel(TableFeeModelConfig(table="coinbase"))
    model.bind(FakeTape())
    order = SimpleNamespace(side=OrderSide.BUY, liquidity_side=None)
    assert charge(model, order, "1", "0.21", LiquiditySide.TAKER) == Decimal("0.01")


def test_tier_follows_the_volume_of_the_last_thirty_days_and_forgets_older() -> None:
    tape = FakeTape()
    model = TableFeeModel(TableFeeModelConfig(table="coinbase"))
    model.bind(tape)
    order = SimpleNamespace(side=OrderSide.BUY, liquidity_side=None)
    # 2020: 0.50 % below 10,000, 0.35 % from there, 0.25 % from 50,000. A fill counts for the next, not for itself.
    charged = [charge(model, order, "100", "100", LiquiditySide.TAKER)]
    tape.now_ns += 29 * DAY
    charged.append(charge(model, order, "400", "100", LiquiditySide.TAKER))
    charged.append(charge(model, order, "100", "100", LiquiditySide.TAKER))
    tape.now_ns += DAY
    charged.append(charge(model, order, "1", "100", LiquiditySide.MAKER))
    tape.now_ns += 40 * DAY
    charged.append(charge(model, order, "1", "100", LiquiditySide.MAKER))
    assert charged == [Decimal(50), Decimal(140), Decimal(25), Decimal("0.15"), Decimal("0.50")]
    model.reset()
    assert charge(model, order, "1", "100", LiquiditySide.TAKER) == Decimal("0.50")


def test_volume_that_the_account_starts_with_ages_from_its_first_fill() -> None:
    tape = FakeTape()
    model = TableFeeModel(TableFeeModelConfig(table="coinbase", volume_30d=Decimal(60_000)))
    model.bind(tape)
    order = SimpleNamespace(side=OrderSide.BUY, liquidity_side=None)
    first = charge(model, order, "1", "100", LiquiditySide.TAKER)
    tape.now_ns += 30 * DAY
    assert (first, charge(model, order, "1", "100", LiquiditySide.TAKER)) == (Decimal("0.25"), Decimal("0.50"))


def test_fee_model_without_a_tape_is_refused() -> None:
    model = TableFeeModel(TableFeeModelConfig(table="none"))
    with pytest.raises(ConfigError, match="bound to a Tape"):
        model.get_commission(market(), Quantity.from_str("1"), Price.from_str("1"), AAA)


def test_fee_table_is_found_by_path_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    good, bad, broken = (tmp_path / f"{name}.yaml" for name in ("good", "bad", "broken"))
    good.write_text("{name: mine, sec: [{since: 2020-01-01, per_million: 5.1}]}")
    bad.write_text("{name: mine, taxes: 5}")
    broken.write_text("{name: [")
    assert load_fee_table(str(good)).sec[0].per_million == Decimal("5.1")
    for path in (bad, broken):
        with pytest.raises(ConfigError, match="not valid"):
            load_fee_table(str(path))
    with pytest.raises(NotFoundError, match="neither"):
        load_fee_table("robinhood")


# -- tape --------------------------------------------------------------------------------------------------------------


def test_tape_averages_the_bars_before_the_one_in_hand() -> None:
    tape = Tape(TapeConfig(volume_bars=3))
    assert tape.mean_volume(AAA.id) is None
    for i, volume in enumerate([1.0, 2.0, 3.0, 4.0, 50.0]):
        tape.pre_process(bar(100.0, ts=(i + 1) * DAY, volume=volume))
    assert tape.mean_volume(AAA.id) == 3.0
    tape.pre_process(quote(100.0, 6 * DAY))
    assert tape.mean_volume(AAA.id) == 19.0


def test_tape_knows_no_volume_during_the_first_bar() -> None:
    tape = Tape()
    tape.pre_process(bar(100.0))
    assert tape.mean_volume(AAA.id) is None


def test_tape_follows_the_finest_bars_of_an_instrument() -> None:
    tape = Tape()
    daily, hourly = bar(90.0, spec="1-DAY", volume=500.0), bar(100.0, spec="1-HOUR", volume=7.0)
    tape.pre_process(daily)
    assert tape.bar_in_hand(AAA.id) is daily
    assert tape.instrument_moved_by(daily) == AAA.id
    tape.pre_process(hourly)
    assert tape.bar_in_hand(AAA.id) is hourly
    assert tape.instrument_moved_by(hourly) == AAA.id
    later = bar(91.0, spec="1-DAY", volume=900.0)
    tape.pre_process(later)
    assert tape.bar_in_hand(AAA.id) is None
    assert tape.instrument_moved_by(later) is None
    assert tape.mean_volume(AAA.id) == 7.0


def test_tape_has_no_bar_in_hand_on_a_quote() -> None:
    tape = Tape()
    tape.pre_process(bar(100.0))
    tick = quote(101.0, 2 * DAY)
    tape.pre_process(tick)
    assert tape.bar_in_hand(AAA.id) is None
    assert tape.instrument_moved_by(tick) == AAA.id


# -- carry and the whole -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"borrow_rate": Decimal("3")}, r"borrow_rate must be in \[0, 1\]"),
        ({"margin_rate": Decimal("-0.1")}, r"margin_rate must be in \[0, 1\]"),
        ({"day_count": 100}, "360 or 365"),
    ],
)
def test_carry_refuses_rates_that_cannot_be_right(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Carry(CarryConfig(**fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"latency_ns": -1}, "latency_ns"),
        ({"half_spread_bps": {"stock": -1.0}}, "half_spread_bps"),
        ({"impact_bps": 501.0}, "impact_bps"),
        ({"cost_multiplier": -1.0}, "cost_multiplier"),
    ],
)
def test_venue_models_refuse_numbers_out_of_range(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        VenueModels(**fields)


def test_settings_survive_the_way_through_importable_configurations() -> None:
    models = VenueModels(
        fees="coinbase",
        latency_ns=5,
        half_spread_bps={"crypto": 9.0},
        impact_bps=4.0,
        cost_multiplier=2.0,
        kinds={"AAA.STOCKS": "crypto"},
        dividends={"AAA.STOCKS": ((7, Decimal("0.25")),)},
        borrow_rate=Decimal("0.03"),
        margin_rate=Decimal("0.07"),
    )
    settings = models.settings()
    assert FeeModelFactory.create(settings["fee_model"]).table.name == "coinbase"
    latency = LatencyModelFactory.create(settings["latency_model"])
    assert (latency.insert_latency_nanos, latency.update_latency_nanos, latency.cancel_latency_nanos) == (5, 0, 0)
    fills = FillModelFactory.create(settings["fill_model"])
    fills.bind(FakeTape())
    assert fill_price(fills, market(), 100.0, 100.0)[0] == Decimal("100.26")  # 2 x (9 + 4) bp
    tape, carry = (ActorFactory.create(module) for module in settings["modules"])
    assert isinstance(tape, Tape)
    assert carry.config.dividends == models.dividends
    assert (carry.config.borrow_rate, carry.config.margin_rate) == (Decimal("0.03"), Decimal("0.07"))


def test_settings_and_objects_choose_the_same_models() -> None:
    settings, objects = VenueModels().settings(), VenueModels().objects()
    assert settings.keys() == objects.keys()
    for name in ("fee_model", "fill_model", "latency_model"):
        path = next(iter(msgspec.to_builtins(settings[name]).values()))
        assert path.endswith(f":{type(objects[name]).__name__}")


def test_venue_without_carry_has_no_carry_module() -> None:
    assert [type(module) for module in VenueModels().objects()["modules"]] == [Tape]
    with_carry = VenueModels(margin_rate=Decimal("0.07")).objects()["modules"]
    assert [type(module) for module in with_carry] == [Tape, Carry]
