"""What the venue is called, where it lives, and its closed sets; each set has an UNKNOWN branch."""

from enum import StrEnum
from typing import Final

from nautilus_trader.model.enums import BarAggregation, OrderStatus, OrderType, TimeInForce
from nautilus_trader.model.identifiers import ClientId, Venue

COINBASE: Final = "COINBASE"
COINBASE_VENUE: Final = Venue(COINBASE)
COINBASE_CLIENT_ID: Final = ClientId(COINBASE)

REST_HOST: Final = "api.coinbase.com"
MARKET_URL: Final = "wss://advanced-trade-ws.coinbase.com"
USER_URL: Final = "wss://advanced-trade-ws-user.coinbase.com"
API: Final = "/api/v3/brokerage"

REQUESTS_PER_SEC: Final = 30.0
"""Private requests a second that the venue allows a user."""
CANCELS_PER_REQUEST: Final = 100
CANDLES_PER_REQUEST: Final = 350
ORDERS_PER_PAGE: Final = 250
MUTE_SECS: Final = 5.0
"""Heartbeats come each second; five missing ones are an end."""


class Channel(StrEnum):
    """Channels of the sockets, by the name to subscribe to."""

    HEARTBEATS = "heartbeats"
    LEVEL2 = "level2"
    MARKET_TRADES = "market_trades"
    TICKER = "ticker"
    CANDLES = "candles"
    STATUS = "status"
    USER = "user"


L2_DATA: Final = "l2_data"
"""What the venue calls the channel level2 in its own messages."""
SUBSCRIPTIONS: Final = "subscriptions"


class Status(StrEnum):
    """Order statuses of the venue."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    QUEUED = "QUEUED"
    EDIT_QUEUED = "EDIT_QUEUED"
    CANCEL_QUEUED = "CANCEL_QUEUED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN_ORDER_STATUS"


TERMINAL: Final = frozenset({Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.FAILED})

STATUS_OF: Final = {
    Status.PENDING: OrderStatus.ACCEPTED,
    Status.OPEN: OrderStatus.ACCEPTED,
    Status.QUEUED: OrderStatus.ACCEPTED,
    Status.EDIT_QUEUED: OrderStatus.ACCEPTED,
    Status.CANCEL_QUEUED: OrderStatus.ACCEPTED,
    Status.FILLED: OrderStatus.FILLED,
    Status.CANCELLED: OrderStatus.CANCELED,
    Status.EXPIRED: OrderStatus.EXPIRED,
    Status.FAILED: OrderStatus.REJECTED,
}
"""NautilusTrader's status; a partly filled live order is told by its quantity, and UNKNOWN has none."""

TRIGGERED: Final = "STOP_TRIGGERED"

KIND_OF: Final = {
    "market_market_ioc": (OrderType.MARKET, TimeInForce.IOC),
    "market_market_fok": (OrderType.MARKET, TimeInForce.FOK),
    "sor_limit_ioc": (OrderType.LIMIT, TimeInForce.IOC),
    "limit_limit_gtc": (OrderType.LIMIT, TimeInForce.GTC),
    "limit_limit_gtd": (OrderType.LIMIT, TimeInForce.GTD),
    "limit_limit_fok": (OrderType.LIMIT, TimeInForce.FOK),
    "stop_limit_stop_limit_gtc": (OrderType.STOP_LIMIT, TimeInForce.GTC),
    "stop_limit_stop_limit_gtd": (OrderType.STOP_LIMIT, TimeInForce.GTD),
}
"""Order type and time in force by the key of the order configuration."""

POST_ONLY_REASONS: Final = frozenset({"INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"})
DUPLICATE: Final = "DUPLICATE_CLIENT_ORDER_ID"

GRANULARITY_OF: Final = {
    (1, BarAggregation.MINUTE): ("ONE_MINUTE", 60),
    (5, BarAggregation.MINUTE): ("FIVE_MINUTE", 300),
    (15, BarAggregation.MINUTE): ("FIFTEEN_MINUTE", 900),
    (30, BarAggregation.MINUTE): ("THIRTY_MINUTE", 1800),
    (1, BarAggregation.HOUR): ("ONE_HOUR", 3600),
    (2, BarAggregation.HOUR): ("TWO_HOUR", 7200),
    (4, BarAggregation.HOUR): ("FOUR_HOUR", 14400),
    (6, BarAggregation.HOUR): ("SIX_HOUR", 21600),
    (1, BarAggregation.DAY): ("ONE_DAY", 86400),
}
"""The venue's name of a bar and its seconds, by step and aggregation."""
