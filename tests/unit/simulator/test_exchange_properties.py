"""Whatever clients and markets do: money and units are conserved, holds end at zero, nothing is filled twice."""

import contextlib
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.exchange import (
    ALPACA,
    COINBASE,
    Changes,
    Depth,
    EventKind,
    Exchange,
    Leg,
    OrderClass,
    OrderType,
    RefusalError,
    Ticket,
    TimeInForce,
    alpaca_pair,
    coinbase_product,
    equity,
)
from adapters.simulator.tape import Quote, Side, Trade

START_NS = 1_772_550_000_000_000_000
HOUR_NS = 3_600_000_000_000
CASH = Decimal(10_000)
UNITS = Decimal(100)

cents = st.integers(950, 1050).map(lambda n: Decimal(n) / 100)
offsets = st.integers(1, 30).map(lambda n: Decimal(n) / 100)
sizes = st.integers(1, 60).map(Decimal)
sides = st.sampled_from(Side)

quotes = st.tuples(st.just("quote"), cents, st.integers(1, 20), sizes, sizes)
trades = st.tuples(st.just("trade"), cents, sizes)
waits = st.tuples(st.just("wait"), st.sampled_from((HOUR_NS // 3600, HOUR_NS, 7 * HOUR_NS, 17 * HOUR_NS)))
cancels = st.tuples(st.just("cancel"), st.integers(0, 50))
replaces = st.tuples(st.just("replace"), st.integers(0, 50), cents, st.none() | sizes)
ordinary = st.tuples(
    st.just("order"), sides, st.sampled_from(OrderType), st.sampled_from(TimeInForce), sizes, offsets, st.booleans()
)
simple = st.tuples(
    st.just("order"),
    sides,
    st.sampled_from((OrderType.MARKET, OrderType.LIMIT)),
    st.sampled_from((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC)),
    sizes,
    offsets,
    st.booleans(),
)
grouped = st.tuples(
    st.just("group"), sides, st.sampled_from((OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO)), sizes, offsets
)
actions = st.one_of(quotes, trades, trades, simple, simple, ordinary, grouped, waits, cancels, replaces)
sequences = st.lists(actions, min_size=20, max_size=60)

VENUES = {
    "paper": (ALPACA, equity("X")),
    "displayed": (msgspec.structs.replace(ALPACA, depth=Depth.DISPLAYED), equity("X")),
    "keeping": (msgspec.structs.replace(ALPACA, depth=Depth.DISPLAYED, replacement_keeps_fills=True), equity("X")),
    "alpaca crypto": (ALPACA, alpaca_pair("X/USD", min_notional=Decimal(0))),
    "coinbase": (COINBASE, coinbase_product("X-USD")),
}


class Run:
    """One exchange, driven by a generated sequence and watched event by event."""

    def __init__(self, name, multiplier):
        rules, listing = VENUES[name]
        self.symbol = listing.symbol
        self.filled = {}
        self.final = set()
        self.now_ns = START_NS
        self.count = 0
        self.exchange = Exchange(
            rules,
            [listing],
            balances={"USD": CASH, listing.base: UNITS},
            now_ns=START_NS,
            multiplier=multiplier,
            on_event=self.watch,
        )
        self.step("quote", Decimal("9.99"), 1, Decimal(30), Decimal(30))
        self.step("trade", Decimal(10), Decimal(10))

    def watch(self, event):
        order = event.order
        assert order.id not in self.final, "nothing follows the end of an order"
        assert order.qty is None or order.filled_qty <= order.qty, "never more filled than ordered"
        if event.fill is not None:
            before = self.filled.get(order.id, (order.filled_qty - event.fill.qty))
            assert event.fill.cum_qty == before + event.fill.qty == order.filled_qty
            self.filled[order.id] = order.filled_qty
            self._check_price(order, event.fill)
        if order.status.is_final and event.kind is not EventKind.REPLACED:
            self.final.add(order.id)

    def _check_price(self, order, fill):
        if order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
            limit = order.limit_price
            assert fill.price <= limit if order.side is Side.BUY else fill.price >= limit

    def step(self, kind, *args):
        self.now_ns += 1_000
        with contextlib.suppress(RefusalError):
            getattr(self, kind)(*args)
        self.check_account()

    def quote(self, bid, spread, bid_size, ask_size):
        ask = bid + Decimal(spread) / 100
        self.exchange.on_tick(Quote(self.now_ns, self.symbol, bid, ask, bid_size, ask_size))

    def trade(self, price, size):
        self.exchange.on_tick(Trade(self.now_ns, self.symbol, price, size))

    def wait(self, ns):
        self.now_ns += ns
        self.exchange.advance(self.now_ns)

    def cancel(self, i):
        order = self._pick(i)
        if order is not None:
            self.exchange.cancel(order.id, self.now_ns)

    def replace(self, i, price, qty):
        order = self._pick(i)
        if order is not None:
            self.exchange.replace(order.id, Changes(limit_price=price, qty=qty), self.now_ns)

    def _pick(self, i):
        known = self.exchange.orders()
        return known[i % len(known)] if known else None

    def order(self, side, type_, tif, qty, offset, by_value):
        last = self.exchange.mark(self.symbol)
        sign = 1 if side is Side.BUY else -1
        is_stop = type_ in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRIGGER_BRACKET)
        is_limit = type_ in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TRIGGER_BRACKET)
        is_notional = by_value and type_ is OrderType.MARKET
        self.submit(
            side=side,
            type=type_,
            time_in_force=tif,
            qty=None if is_notional else qty,
            notional=qty * 10 if is_notional else None,
            limit_price=last + (sign if by_value else -sign) * offset if is_limit else None,
            stop_price=last + sign * offset if is_stop else None,
            trail_price=offset if type_ is OrderType.TRAILING_STOP else None,
            expires_ns=self.now_ns + HOUR_NS,
        )

    def group(self, side, order_class, qty, offset):
        last = self.exchange.mark(self.symbol)
        exits_sell = (side is Side.SELL) is (order_class is OrderClass.OCO)
        sign = 1 if exits_sell else -1
        self.submit(
            side=side,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            qty=qty,
            limit_price=None if order_class is OrderClass.OCO else last,
            order_class=order_class,
            take_profit=None if order_class is OrderClass.OTO else Leg(limit_price=last + sign * offset),
            stop_loss=Leg(stop_price=last - sign * offset),
        )

    def submit(self, **fields):
        self.count += 1
        ticket = Ticket(client_id=f"c{self.count}", symbol=self.symbol, **fields)
        self.exchange.submit(ticket, self.now_ns)

    def check_account(self):
        ledger, listing = self.exchange.ledger, self.exchange.listings[self.symbol]
        cash, units = CASH, UNITS
        for fill in self.exchange.fills:
            sign = 1 if fill.side is Side.BUY else -1
            cash -= sign * fill.qty * fill.price + (fill.fee if fill.fee_currency == "USD" else 0)
            units += sign * fill.qty - (fill.fee if fill.fee_currency == listing.base else 0)
        assert (ledger.total("USD"), ledger.total(listing.base)) == (cash, units)
        working = self.exchange.working()
        held = ledger.held(listing.base, working)
        assert 0 <= held <= abs(units), "nothing is offered that is not owned"
        if not self.exchange.rules.is_margin:
            assert ledger.available("USD", working) >= 0, "a cash account owes nothing"

    def end(self):
        for order in self.exchange.working():
            if order.id in {working.id for working in self.exchange.working()}:
                self.exchange.cancel(order.id, self.now_ns)
        listing = self.exchange.listings[self.symbol]
        assert self.exchange.working() == []
        for asset in ("USD", listing.base):
            assert self.exchange.ledger.held(asset, self.exchange.working()) == 0
        assert all(order.status.is_final for order in self.exchange.orders())


@settings(max_examples=150)
@given(st.sampled_from(sorted(VENUES)), st.sampled_from((1, 2)), sequences)
def test_any_sequence_conserves_cash_and_units_and_ends_without_holds(name, multiplier, sequence):
    run = Run(name, multiplier)
    for action in sequence:
        run.step(*action)
    run.end()


@settings(max_examples=50)
@given(sequences, st.integers(0, 2**32))
def test_future_ticks_change_nothing_that_was_told_before(sequence, seed):
    def told(actions):
        run = Run("displayed", 2)
        lengths = []
        for action in actions:
            run.step(*action)
            lengths.append(len(run.exchange.fills))
        return run.exchange.fills, lengths

    half = len(sequence) // 2
    before, _ = told(sequence[:half])
    after, lengths = told(sequence)
    assert after[: lengths[half - 1] if half else 0] == before
