"""One matching engine for every venue: pure, synchronous, Decimal; venues differ by `VenueRules` alone.

Hand it ticks and orders with the time (`on_tick`, `submit`, `cancel`, `replace`, `advance`), and it tells events by a
callback. What it does not do is a `RefusalError` with a venue-neutral reason and its numbers.
"""

from adapters.simulator.exchange.book import Book, TradingState
from adapters.simulator.exchange.engine import Exchange
from adapters.simulator.exchange.ledger import Ledger, Position
from adapters.simulator.exchange.orders import (
    Changes,
    Event,
    EventKind,
    Fill,
    Leg,
    Liquidity,
    Order,
    OrderClass,
    OrderType,
    Role,
    Status,
    Ticket,
    TimeInForce,
)
from adapters.simulator.exchange.refusals import Reason, RefusalError
from adapters.simulator.exchange.rules import (
    ALPACA,
    COINBASE,
    Depth,
    Fees,
    FeeTier,
    Listing,
    VenueRules,
    alpaca_pair,
    coinbase_product,
    equity,
)
from adapters.simulator.exchange.sessions import Calendar, Phase, Session, calendar_at

__all__ = [
    "ALPACA",
    "COINBASE",
    "Book",
    "Calendar",
    "Changes",
    "Depth",
    "Event",
    "EventKind",
    "Exchange",
    "FeeTier",
    "Fees",
    "Fill",
    "Ledger",
    "Leg",
    "Liquidity",
    "Listing",
    "Order",
    "OrderClass",
    "OrderType",
    "Phase",
    "Position",
    "Reason",
    "RefusalError",
    "Role",
    "Session",
    "Status",
    "Ticket",
    "TimeInForce",
    "TradingState",
    "VenueRules",
    "alpaca_pair",
    "calendar_at",
    "coinbase_product",
    "equity",
]
