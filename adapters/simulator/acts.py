"""What a test or a scenario may do to a venue from outside: another hand on the account, and the venue's own moods."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.desk import Desk
from adapters.simulator.exchange import Changes, Order, Status, Ticket, TradingState
from adapters.simulator.faults import Fault, Scenario
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market
from adapters.simulator.tape import Quote, Tick, Trade

type Arguments = Mapping[str, Any]
type Act = Callable[[Arguments], Any]


class UnknownActError(ValueError):
    """There is no act of this name."""


class Acts:
    """The acts by name. Each takes a mapping and returns what became of it, as JSON.

    ====================  ==========================================================================================
    `halt`, `resume`      symbol, and for `halt` a state (halted, cancel_only, limit_only, post_only, disabled)
    `place`               a ticket: an order from outside, as if by the venue's own web page
    `cancel`, `replace`   order_id (or client_id), and for `replace` the changes
    `fill`                order_id, qty, price: a fill whatever the order's status is
    `bust`                fill_id: the execution is taken back
    `end`                 order_id, status (rejected, canceled, expired), reason
    `forget`              order_id: the venue loses it without a word
    `balance`             asset, units: a deposit, a split, a withdrawal
    `suspend`             is_on: the account takes no orders
    `revoke_key`          of the venue's clients: no request is authorized any more
    `skew`                secs: the venue's clock is wrong by so much on the wire
    `break`               a fault of the kinds mute, half_open, abort, close, lose_subscription, at once
    `news`                an article, to whoever subscribed to news
    ====================  ==========================================================================================

    Every act but `skew` and `break` takes `venue` where there is more than one.

    Parameters
    ----------
    market, desks, lines
        What they act on; the desks by the venue's name.

    """

    def __init__(self, market: Market, desks: Mapping[str, Desk], lines: Lines) -> None:
        self._market = market
        self._desks = desks
        self._lines = lines
        self._acts: dict[str, Act] = {
            "halt": self._halt,
            "resume": self._resume,
            "place": self._place,
            "cancel": self._cancel,
            "replace": self._replace,
            "fill": self._fill,
            "bust": self._bust,
            "end": self._end,
            "forget": self._forget,
            "balance": self._balance,
            "suspend": self._suspend,
            "skew": self._skew,
            "break": self._break,
        }

    def add(self, name: str, act: Act) -> None:
        """Add an act of a venue's own: `revoke_key`, `news`."""
        before = self._acts.get(name)

        def both(arguments: Arguments) -> Any:
            # Several venues may know the same act; each looks whether it is meant.
            return [before(arguments) if before else None, act(arguments)]

        self._acts[name] = both if before else act

    def do(self, name: str, arguments: Arguments) -> Any:
        """Do something.

        Raises
        ------
        UnknownActError
            When there is no such act.

        """
        act = self._acts.get(name)
        if act is None:
            raise UnknownActError(f"no act is named {name}; there are {', '.join(sorted(self._acts))}")
        return act(arguments)

    def load(self, scenario: Scenario) -> None:
        """Arm the faults of a scenario, and plan its acts."""
        for fault in scenario.faults:
            self._market.faults.add(fault)
        start_ns = self._market.clock.now_ns()
        for act in scenario.acts:
            at_ns = start_ns + round(act.at_secs * NS_PER_SEC)
            self._market.plan(at_ns, lambda act=act: self.do(act.do, act.arguments))  # type: ignore[misc]

    def _desk(self, arguments: Arguments) -> Desk:
        name = str(arguments.get("venue", ""))
        if not name and len(self._desks) == 1:
            return next(iter(self._desks.values()))
        if name not in self._desks:
            raise ValueError(f"venue must be one of {', '.join(self._desks)}, was {name}")
        return self._desks[name]

    def _now(self) -> int:
        return self._market.clock.stamp_ns()

    def _order_id(self, desk: Desk, arguments: Arguments) -> str:
        if "order_id" in arguments:
            return str(arguments["order_id"])
        order = desk.exchange.order_by_client_id(str(arguments.get("client_id")))
        if order is None:
            raise ValueError("an order_id, or the client_id of an order that is known, must be given")
        return order.id

    def _halt(self, arguments: Arguments) -> None:
        state = TradingState(arguments.get("state", "halted"))
        self._desk(arguments).exchange.set_state(arguments["symbol"], state, self._now())

    def _resume(self, arguments: Arguments) -> None:
        self._desk(arguments).exchange.set_state(arguments["symbol"], TradingState.OPEN, self._now())

    def _place(self, arguments: Arguments) -> Any:
        desk = self._desk(arguments)
        ticket = msgspec.convert({k: v for k, v in arguments.items() if k != "venue"}, Ticket, strict=False)
        return told(desk.exchange.submit(ticket, self._now(), is_outside=True))

    def _cancel(self, arguments: Arguments) -> Any:
        desk = self._desk(arguments)
        return told(desk.exchange.cancel(self._order_id(desk, arguments), self._now()))

    def _replace(self, arguments: Arguments) -> Any:
        desk = self._desk(arguments)
        named = {k: v for k, v in arguments.items() if k in Changes.__struct_fields__}
        changes = msgspec.convert(named, Changes, strict=False)
        return told(desk.exchange.replace(self._order_id(desk, arguments), changes, self._now()))

    def _fill(self, arguments: Arguments) -> Any:
        desk = self._desk(arguments)
        qty, price = Decimal(str(arguments["qty"])), Decimal(str(arguments["price"]))
        return told(desk.exchange.fill_anyway(self._order_id(desk, arguments), qty, price, self._now()))

    def _bust(self, arguments: Arguments) -> Any:
        return told(self._desk(arguments).exchange.bust(str(arguments["fill_id"]), self._now()))

    def _end(self, arguments: Arguments) -> Any:
        desk = self._desk(arguments)
        status = Status(arguments.get("status", "rejected"))
        reason = str(arguments.get("reason", ""))
        return told(desk.exchange.end(self._order_id(desk, arguments), status, self._now(), reason=reason))

    def _forget(self, arguments: Arguments) -> None:
        desk = self._desk(arguments)
        desk.exchange.forget(self._order_id(desk, arguments))

    def _balance(self, arguments: Arguments) -> str:
        ledger = self._desk(arguments).exchange.ledger
        units = ledger.total(arguments["asset"]) + Decimal(str(arguments["units"]))
        ledger.balances[arguments["asset"]] = units
        return str(units)

    def _suspend(self, arguments: Arguments) -> None:
        self._desk(arguments).exchange.is_suspended = bool(arguments.get("is_on", True))

    def _skew(self, arguments: Arguments) -> None:
        self._market.clock.skew_ns = round(float(arguments["secs"]) * NS_PER_SEC)

    def _break(self, arguments: Arguments) -> int:
        return self._lines.strike(msgspec.convert(dict(arguments), Fault))


def told(struct: msgspec.Struct) -> Any:
    """Return a struct as JSON tells it: Decimals as text."""
    return msgspec.to_builtins(struct, enc_hook=str)


def ticks_of(rows: Iterable[Mapping[str, Any]]) -> list[Tick]:
    """Return ticks of rows: a row with a `price` is a trade, any other a quote; `ts_ns` may be left out."""
    return [_tick_of({"ts_ns": 0, **row}) for row in rows]


def _tick_of(row: Mapping[str, Any]) -> Tick:
    fields = {name: value for name, value in row.items() if name != "type"}
    if "price" in fields:
        return msgspec.convert(fields, Trade, strict=False)
    return msgspec.convert(fields, Quote, strict=False)


def state_of(market: Market, desks: Mapping[str, Desk]) -> dict[str, Any]:
    """Return everything that can be known of the venues: orders, fills, balances, holds, faults, time."""
    return {
        "now_ns": market.clock.now_ns(),
        "wire_now_ns": market.clock.wire_now_ns(),
        "tape_next_ns": market.tape.next_ns,
        "faults": market.faults.state(),
        "venues": {name: _venue_state(desk) for name, desk in desks.items()},
    }


def _venue_state(desk: Desk) -> dict[str, Any]:
    exchange = desk.exchange
    working = exchange.working()
    assets = sorted(exchange.ledger.balances)
    return {
        "phase": exchange.phase.value,
        "orders": [_order_state(order) for order in exchange.orders()],
        "fills": [told(fill) for fill in exchange.fills],
        "balances": {asset: str(exchange.ledger.total(asset)) for asset in assets},
        "held": {asset: str(exchange.ledger.held(asset, working)) for asset in assets},
        "positions": {p.listing.symbol: str(p.qty) for p in exchange.positions()},
        "books": {
            symbol: {"state": book.state.value, "last": str(book.last_price)} for symbol, book in exchange.books.items()
        },
    }


def _order_state(order: Order) -> dict[str, Any]:
    state: dict[str, Any] = told(order)
    state.pop("ticket")
    return state
