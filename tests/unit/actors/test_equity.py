"""The equity actor: when it marks, and that a stopped component takes no bar."""

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OrderSide, OrderType
from nautilus_trader.model.events import AccountState, OrderFilled, PositionOpened
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    PositionId,
    StrategyId,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.model.position import Position
from nautilus_trader.portfolio.portfolio import Portfolio

from actors.equity import EquityActor, EquityActorConfig
from catalog.instruments import build_instrument
from nautilus_qs.bridge import messages as bus
from tests.runs import BarSize, around_the_clock, walk

IID = "SYN-USD.SIM"
BAR_TYPE = BarType.from_str(f"{IID}-1-MINUTE-LAST-EXTERNAL")
MINUTE = 60_000_000_000
START = 1_700_000_040_000_000_000
TRADER = TraderId("T-001")
ACCOUNT = AccountId("SIM-001")


class Stage:
    """An equity actor on a bus of its own, fed by hand."""

    def __init__(self, mark_every_secs: int) -> None:
        self.clock = TestClock()
        self.msgbus = MessageBus(TRADER, self.clock)
        cache = Cache()
        self.instrument = build_instrument(around_the_clock(IID, walk(2, 1, step=0.001), BarSize.MINUTE).spec)
        cache.add_instrument(self.instrument)
        self.actor = EquityActor(EquityActorConfig(bar_types=(str(BAR_TYPE),), mark_every_secs=mark_every_secs))
        self.actor.register_base(Portfolio(self.msgbus, cache, self.clock), self.msgbus, cache, self.clock)
        self.points: list[int] = []
        self.msgbus.register("DataEngine.execute", lambda _command: None)
        self.msgbus.subscribe(bus.EQUITY, lambda point: self.points.append((point.ts - START) // MINUTE))
        self.actor.start()
        self.msgbus.publish("events.account.SIM-001", self.account_state())

    def account_state(self) -> AccountState:
        free = Money(100_000, USD)
        balance = AccountBalance(free, Money(0, USD), free)
        return AccountState(
            ACCOUNT, AccountType.MARGIN, USD, True, [balance], [], {}, UUID4(), START - MINUTE, START - MINUTE
        )

    def bars(self, first: int, last: int) -> None:
        """Deliver the bars of these minutes."""
        for minute in range(first, last + 1):
            px, ts = Price(100, self.instrument.price_precision), START + minute * MINUTE
            bar = Bar(BAR_TYPE, px, px, px, px, Quantity(1, self.instrument.size_precision), ts, ts)
            self.actor.handle_bar(bar)

    def opens(self, minute: int) -> None:
        """Open a position one second after the bar of this minute."""
        ts = START + minute * MINUTE + 1_000_000_000
        fill = OrderFilled(
            TRADER,
            StrategyId("S-001"),
            self.instrument.id,
            ClientOrderId("C-1"),
            VenueOrderId("V-1"),
            ACCOUNT,
            TradeId("1"),
            PositionId("P-1"),
            OrderSide.BUY,
            OrderType.MARKET,
            Quantity(1, self.instrument.size_precision),
            Price(100, self.instrument.price_precision),
            USD,
            Money(0, USD),
            2,
            UUID4(),
            ts,
            ts,
        )
        position = Position(self.instrument, fill)
        self.msgbus.publish("events.position.S-001", PositionOpened.create(position, fill, UUID4(), ts))

    def decides(self) -> bus.MarkRequest:
        """Ask for a mark, as the desk does before it decides."""
        request = bus.MarkRequest(self.clock.timestamp_ns())
        self.msgbus.send(bus.ENDPOINT_MARK, request)
        return request


@pytest.mark.parametrize(("every_secs", "expected"), [(0, list(range(3, 21))), (300, [3, 8, 13, 18])])
def test_equity_actor_marks_what_is_held_at_its_interval_from_the_decision_on(
    every_secs: int, expected: list[int]
) -> None:
    stage = Stage(every_secs)
    stage.bars(0, 3)
    assert stage.decides().point is not None
    stage.points.clear()
    stage.opens(3)
    stage.bars(4, 21)
    # The mark at the decision is the desk's own: published marks follow it at the interval.
    assert stage.points == [minute for minute in expected if minute > 3]


def test_equity_actor_that_is_stopped_takes_no_bar() -> None:
    stage = Stage(0)
    stage.bars(0, 3)
    stage.actor.stop()
    stage.bars(4, 6)
    assert stage.actor.bars_seen == 4
