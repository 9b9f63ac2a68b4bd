"""Random days at the Coinbase venue: whatever is traded, both channels and the balances must tell the same."""

import json
from decimal import Decimal
from random import Random

import pytest

from adapters.simulator.clock import VenueClock
from adapters.simulator.coinbase_requests import PREFIX
from adapters.simulator.coinbase_venue import CoinbaseVenue
from adapters.simulator.coinbase_wire import time_text
from adapters.simulator.faults import Fault, FaultKind, FaultPlan
from adapters.simulator.journal import Journal
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market
from adapters.simulator.tape import Tape, random_walk

START_NS = 1_790_000_000_000_000_000
BTC = "BTC-USD"
FINAL = {"FILLED", "CANCELLED", "EXPIRED", "FAILED"}


class Trader:
    """Does at random what a client may do."""

    def __init__(self, seed):
        walk = random_walk(
            BTC, start_ns=START_NS, seed=seed, price=Decimal(50_000), size=Decimal("0.5"), volatility_bps=8.0
        )
        clock = VenueClock(START_NS, wire_start_ns=START_NS)
        self.market = Market(clock, Tape(walk), journal=Journal(), faults=FaultPlan(seed=seed))
        self.venue = CoinbaseVenue(self.market, Lines(), seed=seed)
        self.rng = Random(seed)
        self.rows = {}
        self.count = 0
        self.venue.orders.listen(self.hear)
        self.market.step(1)

    def hear(self, record, event):
        self.rows.setdefault(record.order_id, []).append(self.venue.orders.writer.stream_row(record))

    def ask(self, method, path, body=None, query=""):
        answer = self.venue.router.answer(
            method, PREFIX + path, query=query, body=json.dumps(body or {}).encode(), key=None
        )
        assert answer.status == 200, answer.body
        return answer.body

    def price(self, off):
        last = self.venue.shelf.markets[BTC].last_price
        return f"{last * (1 + Decimal(off) / 1000):.2f}"

    def create(self):
        side = self.rng.choice(["BUY", "SELL"])
        size = f"{self.rng.randint(1, 400) / 1000:.3f}"
        near, far = self.rng.randint(-4, 4), self.rng.randint(2, 8)
        sign = 1 if side == "BUY" else -1
        end = time_text(self.market.clock.wire_now_ns() + self.rng.randint(5, 60) * 1_000_000_000)
        configuration = self.rng.choice(
            [
                {"market_market_ioc": {"base_size": size}},
                {"market_market_ioc": {"quote_size": "250"}},
                {"sor_limit_ioc": {"base_size": size, "limit_price": self.price(near)}},
                {"limit_limit_fok": {"base_size": size, "limit_price": self.price(near)}},
                {"limit_limit_gtc": {"base_size": size, "limit_price": self.price(near)}},
                {"limit_limit_gtc": {"base_size": size, "limit_price": self.price(-sign * far), "post_only": True}},
                {"limit_limit_gtd": {"base_size": size, "limit_price": self.price(near), "end_time": end}},
                {
                    "stop_limit_stop_limit_gtc": {
                        "base_size": size,
                        "limit_price": self.price(sign * (far + 1)),
                        "stop_price": self.price(sign * far),
                        "stop_direction": f"STOP_DIRECTION_STOP_{'UP' if side == 'BUY' else 'DOWN'}",
                    }
                },
                {
                    "trigger_bracket_gtc": {
                        "base_size": size,
                        "limit_price": self.price(-sign * far),
                        "stop_trigger_price": self.price(sign * far),
                    }
                },
            ]
        )
        self.count += 1
        product = self.rng.choice([BTC, BTC, "BTC-USDC"])
        body = {
            "client_order_id": f"c-{self.count}",
            "product_id": product,
            "side": side,
            "order_configuration": configuration,
        }
        if self.rng.random() < 0.2:
            limits = {"limit_price": self.price(20 * sign), "stop_trigger_price": self.price(-20 * sign)}
            body["attached_order_configuration"] = {"trigger_bracket_gtc": limits}
        first = self.ask("POST", "/orders", body)
        if first["success"]:
            again = self.ask("POST", "/orders", body)
            assert again["success_response"]["order_id"] == first["success_response"]["order_id"]

    def cancel(self):
        order_ids = self.rng.sample(sorted(self.rows), min(2, len(self.rows)))
        if self.rng.random() < 0.3:
            self.market.faults.add(Fault(kind=FaultKind.IGNORE_CANCEL))
        if order_ids:
            self.ask("POST", "/orders/batch_cancel", {"order_ids": order_ids})

    def edit(self):
        if self.rows:
            order_id = self.rng.choice(sorted(self.rows))
            size, price = f"{self.rng.randint(1, 400) / 1000:.3f}", self.price(self.rng.randint(-8, 8))
            self.ask("POST", "/orders/edit", {"order_id": order_id, "size": size, "price": price})

    def everything(self, path, name):
        found, cursor = [], ""
        while True:
            page = self.ask("GET", path, query=f"limit=50&cursor={cursor}")
            found += page[name]
            cursor = page["cursor"]
            if not cursor:
                return found


@pytest.mark.parametrize("seed", range(6))
def test_a_random_day_adds_up(seed):
    trader = Trader(seed)
    exchange = trader.venue.desk.exchange
    before = dict(exchange.ledger.balances)
    for _ in range(250):
        trader.rng.choice([trader.create, trader.create, trader.cancel, trader.edit])()
        trader.market.step(trader.rng.randint(0, 3))
    fills = trader.everything("/orders/historical/fills", "fills")
    orders = trader.everything("/orders/historical/batch", "orders")
    assert len(orders) == len({order["order_id"] for order in orders}) == len(trader.rows)
    assert len(fills) == len({fill["trade_id"] for fill in fills}) == len(exchange.fills) > 20
    assert {order["status"] for order in orders} >= {"FILLED", "CANCELLED"}

    moved = dict.fromkeys(before, Decimal(0))
    held = dict.fromkeys(before, Decimal(0))
    for order in orders:
        mine = [fill for fill in fills if fill["order_id"] == order["order_id"]]
        size = sum((Decimal(fill["size"]) for fill in mine), Decimal(0))
        value = sum((Decimal(fill["size"]) * Decimal(fill["price"]) for fill in mine), Decimal(0))
        fees = sum((Decimal(fill["commission"]) for fill in mine), Decimal(0))
        told = trader.rows[order["order_id"]]
        assert (Decimal(order["filled_size"]), Decimal(order["filled_value"])) == (size, value)
        assert Decimal(order["total_fees"]) == fees
        assert told[-1]["status"] == order["status"]
        assert (told[-1]["cumulative_quantity"], told[-1]["total_fees"]) == (order["filled_size"], order["total_fees"])
        sizes = [Decimal(row["cumulative_quantity"]) for row in told]
        assert sizes == sorted(sizes)
        assert not [row for row in told[:-1] if row["status"] in FINAL]
        sign = 1 if order["side"] == "BUY" else -1
        quote = order["product_id"].split("-")[1]
        moved["BTC"] += sign * size
        moved[quote] -= sign * value + fees
        hold = Decimal(order["outstanding_hold_amount"] or 0)
        assert (hold == 0) or order["status"] not in FINAL
        held[quote if order["side"] == "BUY" else "BTC"] += hold
    for account in trader.everything("/accounts", "accounts"):
        currency = account["currency"]
        available, hold = Decimal(account["available_balance"]["value"]), Decimal(account["hold"]["value"])
        assert available + hold == before.get(currency, 0) + moved.get(currency, 0)
        assert hold == held.get(currency, 0)
        assert available >= 0
