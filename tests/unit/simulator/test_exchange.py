"""The matching engine, order type by order type: who is filled, when, at which price, and what is refused."""

from datetime import datetime
from decimal import Decimal

import msgspec
import pytest

from adapters.simulator.exchange import (
    ALPACA,
    COINBASE,
    Changes,
    Depth,
    Exchange,
    Leg,
    Liquidity,
    OrderClass,
    OrderType,
    Phase,
    Reason,
    RefusalError,
    Status,
    Ticket,
    TimeInForce,
    TradingState,
    alpaca_pair,
    coinbase_product,
    equity,
)
from adapters.simulator.exchange.sessions import NEW_YORK, calendar_at
from adapters.simulator.tape import Level, Quote, Side, Trade

BUY, SELL = Side.BUY, Side.SELL
PAPER = msgspec.structs.replace(ALPACA, partial_chance=0.0)
SHOWN = msgspec.structs.replace(ALPACA, depth=Depth.DISPLAYED)


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1_000_000_000


OPEN_DAY = at("2026-03-03T10:00:00")


class Venue:
    """An exchange whose clock moves a microsecond with every call, and that remembers what it told."""

    def __init__(self, rules=PAPER, listings=None, *, cash=100_000, now_ns=OPEN_DAY, multiplier=2, **balances):
        self.events = []
        self.now_ns = now_ns
        listings = listings or [equity("AAPL"), equity("F"), equity("HARD", is_shortable=False)]
        funds = {"USD": Decimal(cash)} | {name: Decimal(units) for name, units in balances.items()}
        self.exchange = Exchange(
            rules, listings, balances=funds, now_ns=now_ns, multiplier=multiplier, on_event=self.events.append
        )
        self.count = 0

    def tick(self):
        self.now_ns += 1_000
        return self.now_ns

    def to(self, text):
        self.now_ns = at(text)
        self.exchange.advance(self.now_ns)

    def quote(self, bid, ask, size=1000, symbol="AAPL", **more):
        sizes = {"bid_size": Decimal(str(size)), "ask_size": Decimal(str(size))}
        self.exchange.on_tick(Quote(self.tick(), symbol, Decimal(str(bid)), Decimal(str(ask)), **sizes, **more))

    def trade(self, price, size=100, symbol="AAPL"):
        self.exchange.on_tick(Trade(self.tick(), symbol, Decimal(str(price)), Decimal(str(size))))

    def submit(self, side, qty=None, type_=OrderType.MARKET, tif=TimeInForce.DAY, symbol="AAPL", **fields):
        self.count += 1
        numbers = {
            name: Decimal(str(value))
            for name, value in fields.items()
            if name in ("limit_price", "stop_price", "trail_price", "trail_percent", "notional")
        }
        ticket = Ticket(
            client_id=fields.pop("client_id", f"c{self.count}"),
            symbol=symbol,
            side=side,
            type=type_,
            time_in_force=tif,
            qty=None if qty is None else Decimal(str(qty)),
            **(fields | numbers),
        )
        return self.exchange.submit(ticket, self.tick())

    def limit(self, side, qty, price, **fields):
        return self.submit(side, qty, OrderType.LIMIT, limit_price=price, **fields)

    def status(self, order):
        return self.exchange.order(order.id).status

    def told(self, order):
        return [event.kind.value for event in self.events if event.order.id == order.id]

    def fills(self, order):
        return [(str(fill.qty), str(fill.price)) for fill in self.exchange.fills if fill.order_id == order.id]


def leg(**prices):
    return Leg(**{name: Decimal(str(price)) for name, price in prices.items()})


def refused(action):
    with pytest.raises(RefusalError) as refusal:
        action()
    return refusal.value


# Market and limit


def test_market_order_takes_the_displayed_levels_and_waits_for_more():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10, size=30, more_asks=(Level(Decimal("10.01"), Decimal(20)),))
    order = venue.submit(BUY, 100)
    assert venue.fills(order) == [("30", "10"), ("20", "10.01")]
    venue.quote(9.99, 10.05, size=500)
    assert venue.fills(order)[-1] == ("50", "10.05")
    assert venue.status(order) is Status.FILLED


def test_paper_fills_the_whole_quantity_whatever_is_shown():
    venue = Venue()
    venue.quote(9.99, 10, size=1)
    assert venue.fills(venue.submit(BUY, 500)) == [("500", "10")]


def test_paper_partial_fill_by_chance_is_completed_by_the_next_tick():
    venue = Venue(msgspec.structs.replace(ALPACA, partial_chance=1.0))
    venue.quote(9.99, 10)
    order = venue.submit(BUY, 100)
    assert venue.status(order) is Status.PARTIALLY_FILLED
    venue.quote(9.99, 10)
    assert sum(Decimal(qty) for qty, _ in venue.fills(order)) == 100


def test_resting_limit_is_filled_by_trades_only_with_its_share_at_the_price():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10)
    order = venue.limit(BUY, 100, 9.95)
    venue.quote(9.90, 9.94)
    assert venue.fills(order) == []
    venue.trade(9.95, size=60)
    assert venue.fills(order) == [("30", "9.95")]
    venue.trade(9.94, size=40)
    assert venue.fills(order)[1:] == [("40", "9.95")]
    assert {fill.liquidity for fill in venue.exchange.fills} == {Liquidity.MAKER}


def test_one_trade_is_shared_by_price_then_time():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10)
    first, second = venue.limit(BUY, 50, 9.95), venue.limit(BUY, 50, 9.96)
    venue.trade(9.90, size=70)
    assert venue.fills(second) == [("50", "9.96")]
    assert venue.fills(first) == [("20", "9.95")]


@pytest.mark.parametrize(("tif", "filled"), [(TimeInForce.IOC, "30"), (TimeInForce.FOK, "0")])
def test_order_that_cannot_wait_ends_at_once(tif, filled):
    venue = Venue(SHOWN)
    venue.quote(9.99, 10, size=30)
    order = venue.limit(BUY, 100, 10, tif=tif)
    assert venue.status(order) is Status.CANCELED
    assert str(venue.exchange.order(order.id).filled_qty) == filled
    assert venue.exchange.working() == []


# Stops


def test_stop_elects_on_the_last_trade_and_not_on_a_quote():
    venue = Venue(AAPL=100)
    venue.quote(9.99, 10)
    venue.trade(10)
    order = venue.submit(SELL, 100, OrderType.STOP, stop_price=9.5)
    venue.quote(9.40, 9.42)
    assert venue.status(order) is Status.NEW
    venue.trade(9.50)
    assert venue.fills(order) == [("100", "9.4")]


@pytest.mark.parametrize(("stop", "far", "near"), [("20", "20.81", "20.79"), ("100", "102.51", "102.49")])
def test_buy_stop_becomes_a_collared_limit(stop, far, near):
    venue = Venue()
    venue.quote(Decimal(stop) - 1, Decimal(stop) - Decimal("0.9"))
    order = venue.submit(BUY, 10, OrderType.STOP, stop_price=stop)
    venue.quote(Decimal(far) - 1, far)
    venue.trade(stop)
    assert venue.fills(order) == []
    venue.quote(Decimal(near) - 1, near)
    assert venue.fills(order) == [("10", near)]


def test_trailing_stop_follows_the_best_trade_and_never_goes_back():
    venue = Venue(AAPL=10)
    venue.quote(99, 101)
    venue.trade(100)
    order = venue.submit(SELL, 10, OrderType.TRAILING_STOP, trail_percent=1)
    venue.trade(110)
    venue.trade(109.5)
    stopped = venue.exchange.order(order.id)
    assert (stopped.hwm, stopped.stop_price) == (Decimal(110), Decimal("108.90"))
    venue.quote(108, 108.1)
    venue.trade(108.9)
    assert venue.fills(order) == [("10", "108")]


def test_stop_on_the_wrong_side_of_the_market_is_refused_with_both_prices():
    venue = Venue(AAPL=10)
    venue.trade(10)
    refusal = refused(lambda: venue.submit(SELL, 10, OrderType.STOP, stop_price=10.5))
    assert refusal.reason is Reason.STOP_SIDE
    assert (refusal.facts["stop_price"], refusal.facts["market_price"]) == (Decimal("10.5"), Decimal(10))


# Groups


def bracket(venue, qty=100, price=10, **fields):
    return venue.limit(
        BUY,
        qty,
        price,
        tif=TimeInForce.GTC,
        order_class=OrderClass.BRACKET,
        take_profit=leg(limit_price=11),
        stop_loss=leg(stop_price=9),
        **fields,
    )


def test_legs_are_held_until_the_entry_is_completely_filled():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10, size=40)
    entry = bracket(venue)
    profit, loss = entry.leg_ids
    assert [venue.exchange.order(i).status for i in (profit, loss)] == [Status.HELD, Status.HELD]
    venue.quote(9.99, 10, size=60)
    assert venue.status(entry) is Status.FILLED
    assert [venue.exchange.order(i).status for i in (profit, loss)] == [Status.NEW, Status.NEW]
    assert venue.exchange.position("AAPL").held == 100


def test_partly_filled_leg_shrinks_its_sibling_and_the_full_one_cancels_it():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10)
    entry = bracket(venue)
    profit, loss = entry.leg_ids
    venue.trade(11.01, size=40)
    assert venue.exchange.order(profit).filled_qty == 40
    assert venue.exchange.order(loss).qty == 60
    assert venue.exchange.position("AAPL").held == 60
    venue.trade(11.01, size=60)
    assert venue.exchange.order(loss).status is Status.CANCELED
    assert venue.exchange.position("AAPL").qty == 0


@pytest.mark.parametrize("which", [0, 1])
def test_cancel_of_a_leg_cancels_the_group(which):
    venue = Venue()
    venue.quote(9.99, 10)
    entry = bracket(venue)
    venue.exchange.cancel(entry.leg_ids[which], venue.tick())
    assert venue.exchange.working() == []


def test_cancel_of_a_partly_filled_entry_leaves_the_shares_unprotected():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10, size=40)
    entry = bracket(venue)
    venue.exchange.cancel(entry.id, venue.tick())
    assert venue.exchange.working() == []
    assert venue.exchange.position("AAPL").available == 40


def test_oco_is_an_exit_whose_orders_hold_the_shares_once():
    venue = Venue(AAPL=50)
    venue.quote(9.99, 10)
    venue.trade(10)
    parent = venue.submit(
        SELL,
        50,
        OrderType.LIMIT,
        order_class=OrderClass.OCO,
        take_profit=leg(limit_price=11),
        stop_loss=leg(stop_price=9),
    )
    assert venue.exchange.position("AAPL").held == 50
    venue.quote(8.9, 8.95)
    venue.trade(8.9)
    assert venue.exchange.order(parent.leg_ids[0]).status is Status.FILLED
    assert venue.status(parent) is Status.CANCELED


def test_leg_on_the_wrong_side_of_the_base_price_is_refused():
    venue = Venue()
    venue.quote(9.99, 10)
    refusal = refused(
        lambda: venue.limit(
            BUY,
            1,
            10,
            order_class=OrderClass.BRACKET,
            take_profit=leg(limit_price="10.00"),
            stop_loss=leg(stop_price=9),
        )
    )
    assert (refusal.reason, refusal.facts["field"]) == (Reason.LEG_PRICE, "take_profit.limit_price")


# The account


def test_buying_power_is_held_by_orders_and_given_back_by_a_cancel():
    venue = Venue(cash=1000, multiplier=1)
    venue.quote(9.99, 10)
    order = venue.limit(BUY, 60, 9)
    assert venue.exchange.ledger.buying_power(venue.exchange.working()) == 460
    refusal = refused(lambda: venue.limit(BUY, 60, 9))
    assert refusal.facts["buying_power"] == 460
    venue.exchange.cancel(order.id, venue.tick())
    assert venue.exchange.ledger.buying_power(venue.exchange.working()) == 1000


def test_shares_that_an_order_holds_cannot_be_offered_twice():
    venue = Venue(AAPL=100)
    venue.trade(10)
    first = venue.limit(SELL, 70, 11)
    refusal = refused(lambda: venue.limit(SELL, 40, 11))
    assert (refusal.facts["available"], refusal.facts["held_for_orders"]) == (30, 70)
    assert refusal.facts["related_orders"] == [first.id]


def test_short_sale_needs_a_margin_account_a_share_that_is_lent_and_whole_shares():
    assert refused(lambda: Venue(multiplier=1).submit(SELL, 1)).reason is Reason.SHORTING_OFF
    assert refused(lambda: Venue().submit(SELL, 1, symbol="HARD")).reason is Reason.NOT_SHORTABLE
    assert refused(lambda: Venue().submit(SELL, "0.5")).reason is Reason.FRACTION_SHORT
    venue = Venue()
    venue.quote(9.99, 10)
    venue.submit(SELL, 10)
    assert venue.exchange.position("AAPL").qty == -10
    venue.submit(BUY, 10)
    assert venue.exchange.positions() == []


def test_wash_trade_is_refused_and_names_the_order_in_the_way():
    venue = Venue(AAPL=100)
    venue.quote(9.99, 10.01)
    venue.trade(10)
    stop = venue.submit(SELL, 50, OrderType.STOP, stop_price=9)
    refusal = refused(lambda: venue.limit(BUY, 1, 8))
    assert (refusal.reason, refusal.facts["existing_order_id"]) == (Reason.WASH_TRADE, stop.id)
    venue.exchange.cancel(stop.id, venue.tick())
    venue.limit(SELL, 50, 11)
    venue.limit(BUY, 1, "10.99")
    assert refused(lambda: venue.limit(BUY, 1, 11)).reason is Reason.WASH_TRADE


# Rules of quantity and price


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"type_": OrderType.LIMIT, "qty": 1, "limit_price": "100.123"}, Reason.PRICE_INCREMENT),
        ({"type_": OrderType.LIMIT, "qty": 1, "limit_price": "0.12345"}, Reason.PRICE_INCREMENT),
        ({"type_": OrderType.LIMIT, "qty": 1}, Reason.PRICE_MISSING),
        ({"qty": 0}, Reason.QTY_NOT_POSITIVE),
        ({}, Reason.QTY_MISSING),
        ({"qty": 1, "notional": 5}, Reason.QTY_MISSING),
        ({"qty": "1.5", "tif": TimeInForce.GTC}, Reason.FRACTION_TIF),
        ({"qty": "1.5", "type_": OrderType.TRAILING_STOP, "trail_price": 1}, Reason.FRACTION_TYPE),
        ({"qty": 1, "symbol": "NONE"}, Reason.UNKNOWN_SYMBOL),
        ({"qty": 1, "tif": TimeInForce.GTD}, Reason.TIF_UNSUPPORTED),
        ({"qty": 1, "is_extended_hours": True}, Reason.EXTENDED_HOURS),
        ({"qty": 1, "type_": OrderType.STOP, "stop_price": 5, "tif": TimeInForce.IOC}, Reason.TIF_UNSUPPORTED),
        ({"qty": 1, "order_class": OrderClass.BRACKET, "stop_loss": Leg(None, Decimal(9))}, Reason.LEG_MISSING),
    ],
)
def test_order_against_the_rules_is_refused(order, reason):
    venue = Venue()
    assert refused(lambda: venue.submit(BUY, **order)).reason is reason
    assert venue.events == []


def test_price_below_one_dollar_may_have_four_decimals():
    venue = Venue()
    assert venue.limit(BUY, 1, "0.1234").limit_price == Decimal("0.1234")


def test_notional_order_buys_fractions_for_its_money():
    venue = Venue()
    venue.quote(2.99, 3)
    order = venue.submit(BUY, notional=10)
    assert venue.status(order) is Status.FILLED
    assert venue.exchange.order(order.id).filled_qty == Decimal("3.333333333")


def test_client_id_is_used_up_for_ever():
    venue = Venue()
    order = venue.limit(BUY, 1, 5, client_id="once")
    venue.exchange.cancel(order.id, venue.tick())
    assert refused(lambda: venue.limit(BUY, 1, 5, client_id="once")).reason is Reason.DUPLICATE_CLIENT_ID


# Sessions


def test_order_after_the_close_waits_for_the_next_session_and_its_first_tick():
    venue = Venue(now_ns=at("2026-03-03T17:00:00"))
    order = venue.submit(BUY, 1)
    assert venue.status(order) is Status.ACCEPTED
    venue.to("2026-03-04T09:30:00")
    assert venue.told(order) == ["accepted", "new"]
    venue.quote(9.99, 10)
    assert venue.status(order) is Status.FILLED


def test_day_order_expires_at_the_close_of_a_half_day():
    venue = Venue(now_ns=at("2026-11-27T10:00:00"))
    order = venue.limit(BUY, 1, 5)
    venue.to("2026-11-27T12:59:59")
    assert venue.status(order) is Status.NEW
    venue.to("2026-11-27T13:00:00")
    assert venue.status(order) is Status.EXPIRED


def test_good_till_cancelled_is_told_the_end_of_the_day_and_is_new_in_the_morning():
    venue = Venue()
    order = venue.limit(BUY, 1, 5, tif=TimeInForce.GTC)
    venue.to("2026-03-04T09:31:00")
    assert venue.told(order) == ["new", "done_for_day", "new"]
    venue.to("2026-06-02T10:00:00")
    assert venue.status(order) is Status.CANCELED


def test_extended_hours_order_works_before_the_open_and_expires_in_the_evening():
    venue = Venue(now_ns=at("2026-03-03T08:00:00"))
    late = venue.limit(BUY, 1, 10)
    early = venue.limit(BUY, 1, 10, is_extended_hours=True)
    venue.quote(9.99, 10)
    assert (venue.status(early), venue.status(late)) == (Status.FILLED, Status.ACCEPTED)
    evening = venue.limit(BUY, 1, 5, is_extended_hours=True)
    venue.to("2026-03-03T19:59:00")
    assert venue.status(evening) is Status.NEW
    venue.to("2026-03-03T20:00:00")
    assert venue.status(evening) is Status.EXPIRED


def test_auction_orders_trade_at_the_first_and_last_price_or_not_at_all():
    venue = Venue(now_ns=at("2026-03-03T09:00:00"))
    at_open = venue.submit(BUY, 10, tif=TimeInForce.OPG)
    too_low = venue.limit(BUY, 10, 9, tif=TimeInForce.OPG)
    venue.to("2026-03-03T09:30:00")
    venue.trade(10)
    assert venue.fills(at_open) == [("10", "10")]
    assert venue.status(too_low) is Status.CANCELED
    at_close = venue.submit(BUY, 5, tif=TimeInForce.CLS)
    venue.trade(12)
    venue.to("2026-03-03T16:00:00")
    assert venue.fills(at_close) == [("5", "12")]


@pytest.mark.parametrize(
    ("when", "tif"), [("09:28", TimeInForce.OPG), ("18:59", TimeInForce.OPG), ("15:50", TimeInForce.CLS)]
)
def test_auction_that_takes_no_orders_any_more_refuses_them(when, tif):
    venue = Venue(now_ns=at(f"2026-03-03T{when}:00"))
    assert refused(lambda: venue.submit(BUY, 1, tif=tif)).reason is Reason.TIME_WINDOW


@pytest.mark.parametrize(
    ("when", "phase"),
    [
        ("2026-03-03T03:59:59", Phase.CLOSED),
        ("2026-03-03T04:00:00", Phase.BEFORE),
        ("2026-03-03T09:30:00", Phase.REGULAR),
        ("2026-03-03T16:00:00", Phase.AFTER),
        ("2026-03-03T20:00:00", Phase.CLOSED),
        ("2026-11-27T13:00:00", Phase.AFTER),
        ("2026-11-27T17:00:00", Phase.CLOSED),
        ("2026-11-26T12:00:00", Phase.CLOSED),
        # The clocks changed on the Sunday before: an hour earlier in UTC, the same in New York.
        ("2026-03-09T09:30:00", Phase.REGULAR),
    ],
)
def test_calendar_knows_holidays_half_days_and_the_change_of_clocks(when, phase):
    assert calendar_at(at(when)).phase(at(when)) is phase


def test_halted_symbol_takes_orders_and_fills_none_until_it_resumes():
    venue = Venue()
    venue.quote(9.99, 10)
    venue.exchange.set_state("AAPL", TradingState.HALTED, venue.tick())
    order = venue.submit(BUY, 1)
    assert venue.status(order) is Status.NEW
    venue.exchange.set_state("AAPL", TradingState.OPEN, venue.tick())
    assert venue.status(order) is Status.FILLED


# Changing and ending


def test_replacement_is_a_new_order_for_what_is_left():
    venue = Venue(SHOWN)
    venue.quote(9.99, 10, size=40)
    old = venue.limit(BUY, 100, 10)
    new = venue.exchange.replace(old.id, Changes(limit_price=Decimal("9.98"), client_id="next"), venue.tick())
    assert (new.qty, new.filled_qty, new.replaces) == (60, 0, old.id)
    assert venue.exchange.order(old.id).replaced_by == new.id
    assert venue.exchange.order_by_client_id("next").id == new.id
    venue.trade(9.90, size=100)
    assert venue.exchange.position("AAPL").qty == 100


def test_replacement_may_keep_the_total_and_the_fills():
    venue = Venue(msgspec.structs.replace(SHOWN, replacement_keeps_fills=True))
    venue.quote(9.99, 10, size=40)
    old = venue.limit(BUY, 100, 10)
    new = venue.exchange.replace(old.id, Changes(limit_price=Decimal("9.98")), venue.tick())
    assert (new.qty, new.filled_qty) == (100, 40)
    venue.trade(9.90, size=100)
    assert venue.exchange.position("AAPL").qty == 100


def test_replacement_in_place_keeps_the_id_and_refuses_less_than_is_filled():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")])
    venue.quote(99, 100, size=1, symbol="BTC-USD")
    order = venue.limit(BUY, 3, 100, tif=TimeInForce.GTC, symbol="BTC-USD")
    refusal = refused(lambda: venue.exchange.replace(order.id, Changes(qty=Decimal(1)), venue.tick()))
    assert refusal.reason is Reason.BELOW_FILLED
    changed = venue.exchange.replace(order.id, Changes(qty=Decimal(2)), venue.tick())
    assert (changed.id, changed.qty, changed.leaves_qty) == (order.id, 2, 1)


@pytest.mark.parametrize("status", ["filled", "queued"])
def test_order_that_does_not_work_cannot_be_replaced(status):
    venue = Venue(now_ns=OPEN_DAY if status == "filled" else at("2026-03-03T17:00:00"))
    venue.quote(9.99, 10)
    order = venue.submit(BUY, 1)
    refusal = refused(lambda: venue.exchange.replace(order.id, Changes(qty=Decimal(2)), venue.tick()))
    assert refusal.reason is Reason.NOT_REPLACEABLE


def test_cancel_without_effect_leaves_an_order_that_still_fills():
    venue = Venue()
    order = venue.limit(BUY, 10, 9)
    venue.exchange.cancel(order.id, venue.tick(), is_effective=False)
    assert venue.status(order) is Status.PENDING_CANCEL
    venue.quote(8.9, 8.95)
    assert venue.told(order) == ["new", "pending_cancel", "fill"]


def test_late_fill_after_a_cancel_moves_the_position_and_not_the_status():
    venue = Venue()
    order = venue.limit(BUY, 10, 9)
    venue.exchange.cancel(order.id, venue.tick())
    venue.exchange.fill_anyway(order.id, Decimal(4), Decimal(9), venue.tick())
    assert venue.status(order) is Status.CANCELED
    assert venue.exchange.position("AAPL").qty == 4


def test_busted_trade_returns_units_and_money_and_leaves_the_order():
    venue = Venue()
    venue.quote(9.99, 10)
    order = venue.submit(BUY, 10)
    venue.exchange.bust(venue.exchange.fills[0].id, venue.tick())
    assert venue.told(order) == ["new", "fill", "trade_bust"]
    assert (venue.exchange.ledger.total("USD"), venue.exchange.positions()) == (100_000, [])
    assert venue.status(order) is Status.FILLED


def test_final_order_can_be_neither_cancelled_nor_ended_again():
    venue = Venue()
    venue.quote(9.99, 10)
    order = venue.submit(BUY, 1)
    assert refused(lambda: venue.exchange.cancel(order.id, venue.tick())).reason is Reason.NOT_CANCELABLE
    assert refused(lambda: venue.exchange.cancel("none", venue.tick())).reason is Reason.ORDER_UNKNOWN
    assert venue.exchange.end(order.id, Status.REJECTED, venue.tick(), reason="late").status is Status.FILLED


# Currencies and fees


def test_cash_venue_holds_each_currency_with_its_fee_and_charges_by_tier():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")], cash=10_000)
    venue.quote(99, 100, size=5, symbol="BTC-USD")
    order = venue.limit(BUY, 10, 90, tif=TimeInForce.GTC, symbol="BTC-USD")
    assert venue.exchange.ledger.held("USD", venue.exchange.working()) == Decimal("908.100")
    venue.trade(89, size=10, symbol="BTC-USD")
    assert venue.exchange.order(order.id).fees == Decimal("4.500")
    assert venue.exchange.ledger.total("USD") == Decimal(10_000) - 900 - Decimal("4.5")
    assert venue.exchange.ledger.held("USD", venue.exchange.working()) == 0


def test_market_order_stops_at_the_protection_price_and_is_cancelled_with_its_fills():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")])
    venue.quote(99, 100, size=1, symbol="BTC-USD", more_asks=(Level(Decimal(106), Decimal(50)),))
    order = venue.submit(BUY, 10, tif=TimeInForce.IOC, symbol="BTC-USD")
    assert venue.fills(order) == [("1", "100")]
    assert venue.status(order) is Status.CANCELED


def test_crypto_fee_is_taken_from_what_is_received():
    venue = Venue(PAPER, [alpaca_pair("BTC/USD")])
    venue.quote(99, 100, symbol="BTC/USD")
    venue.submit(BUY, 2, tif=TimeInForce.GTC, symbol="BTC/USD")
    assert venue.exchange.ledger.total("BTC") == Decimal("1.995")
    refusal = refused(lambda: venue.submit(SELL, 2, tif=TimeInForce.GTC, symbol="BTC/USD"))
    assert refusal.facts["available"] == Decimal("1.995")


def test_post_only_order_that_would_take_is_refused():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")])
    venue.quote(99, 100, symbol="BTC-USD")
    refusal = refused(lambda: venue.limit(BUY, 1, 100, tif=TimeInForce.GTC, symbol="BTC-USD", is_post_only=True))
    assert refusal.reason is Reason.POST_ONLY_CROSSES


def test_same_ticket_twice_is_one_order_where_the_venue_is_idempotent():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")])
    first = venue.limit(BUY, 1, 5, tif=TimeInForce.GTC, symbol="BTC-USD", client_id="same")
    again = venue.limit(BUY, 1, 5, tif=TimeInForce.GTC, symbol="BTC-USD", client_id="same")
    assert first.id == again.id
    assert len(venue.exchange.orders()) == 1


def test_trigger_bracket_is_a_limit_until_its_stop_and_then_a_limit_through_it():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")], BTC=1)
    venue.quote(99, 101, symbol="BTC-USD")
    venue.trade(100, symbol="BTC-USD")
    order = venue.submit(SELL, 1, OrderType.TRIGGER_BRACKET, TimeInForce.GTC, "BTC-USD", limit_price=110, stop_price=90)
    venue.quote(88, 89, symbol="BTC-USD")
    assert venue.fills(order) == []
    venue.trade(90, size="0.001", symbol="BTC-USD")
    assert venue.fills(order) == [("1", "88")]
    assert venue.exchange.order(order.id).limit_price == Decimal("85.50")


def test_good_till_date_expires_at_its_date():
    venue = Venue(COINBASE, [coinbase_product("BTC-USD")])
    end_ns = venue.now_ns + 60_000_000_000
    order = venue.limit(BUY, 1, 5, tif=TimeInForce.GTD, symbol="BTC-USD", expires_ns=end_ns)
    venue.exchange.advance(end_ns - 1)
    assert venue.status(order) is Status.NEW
    venue.exchange.advance(end_ns)
    assert venue.status(order) is Status.EXPIRED


def test_same_seed_and_calls_give_the_same_events():
    def run():
        venue = Venue(ALPACA)
        for i in range(30):
            venue.quote(9.99, 10 + i % 3)
            venue.submit(BUY, 7)
        return [(event.id, event.kind, event.order.id, event.fill) for event in venue.events]

    assert run() == run()
