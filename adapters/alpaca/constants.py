"""The venue's names: hosts, enumerations with a branch for what is not known yet, error codes, event tables."""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from nautilus_trader.model.identifiers import Venue

ALPACA: Final = "ALPACA"
ALPACA_VENUE: Final = Venue(ALPACA)

REST_LIVE: Final = "https://api.alpaca.markets"
REST_PAPER: Final = "https://paper-api.alpaca.markets"
REST_DATA: Final = "https://data.alpaca.markets"
STREAM_LIVE: Final = "wss://api.alpaca.markets/stream"
STREAM_PAPER: Final = "wss://paper-api.alpaca.markets/stream"
STREAM_DATA: Final = "wss://stream.data.alpaca.markets"
CRYPTO_STREAM_PATH: Final = "/v1beta3/crypto/us"
NEWS_STREAM_PATH: Final = "/v1beta1/news"

DUPLICATE_ID_TEXT: Final = "client_order_id must be unique"
"""Two codes have been seen with it; the text is the only mark that both share."""

NOTICES_TOPIC: Final = "venue.notices.ALPACA"
"""Where what people must know is published: see :class:`Notice`."""


class _Open(StrEnum):
    """An enumeration that the venue extends without notice: what is not in the table is UNKNOWN, never an error."""

    @classmethod
    def _missing_(cls, value: object) -> "_Open":
        return cls("unknown")


class OrderState(_Open):
    """Status of an order as the venue names it."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    PENDING_REVIEW = "pending_review"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    CALCULATED = "calculated"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    UNKNOWN = "unknown"


DEAD_STATES: Final = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REPLACED, OrderState.REJECTED}
)
"""States in which an order can do nothing more under its id."""

DOUBTFUL_STATES: Final = frozenset({OrderState.UNKNOWN, OrderState.PENDING_REVIEW})
"""States that say nothing about whether the order lives."""


class TradeEvent(_Open):
    """What a message of the trade stream tells."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    HELD = "held"
    FILL = "fill"
    PARTIAL_FILL = "partial_fill"
    CANCELED = "canceled"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done_for_day"
    REPLACED = "replaced"
    REJECTED = "rejected"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    ORDER_REPLACE_REJECTED = "order_replace_rejected"
    ORDER_CANCEL_REJECTED = "order_cancel_rejected"
    RESTATED = "restated"
    TRADE_BUST = "trade_bust"
    TRADE_CORRECT = "trade_correct"
    UNKNOWN = "unknown"


class Kind(_Open):
    """Type of an order."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    UNKNOWN = "unknown"


class Tif(_Open):
    """Time in force."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"
    UNKNOWN = "unknown"


class OrderClass(_Open):
    """Whether an order stands alone or has legs."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"
    MLEG = "mleg"
    UNKNOWN = "unknown"


class AssetClass(_Open):
    """What is traded."""

    EQUITY = "us_equity"
    CRYPTO = "crypto"
    OPTION = "us_option"
    UNKNOWN = "unknown"


class Feed(StrEnum):
    """Source of US equity prices; SIP needs a subscription."""

    IEX = "iex"
    SIP = "sip"
    DELAYED_SIP = "delayed_sip"


class NoticeKind(StrEnum):
    """What a :class:`Notice` is about."""

    UNCOVERED = "uncovered"
    """A position that no working exit covers."""
    STREAM_DOWN = "stream_down"
    STREAM_UP = "stream_up"
    STALE = "stale"
    UNAUTHORIZED = "unauthorized"
    BUST = "bust"
    """A trade was taken back or corrected: positions are to be reconciled."""
    UNRESOLVED = "unresolved"
    """The outcome of a request is still not known."""
    FOREIGN = "foreign"
    """An order or execution that this adapter did not cause."""


class Notice(Struct, frozen=True, kw_only=True):
    """What people, and whoever guards the account, must know; published on the bus.

    Attributes
    ----------
    kind
        What it is about.
    text
        One sentence.
    instrument_id, client_order_id
        "" where it is about none.
    ts_event
        When it was noticed, ns.
    """

    kind: NoticeKind
    text: str
    instrument_id: str = ""
    client_order_id: str = ""
    ts_event: int


STREAM_ERRORS: Final = {
    400: "invalid_syntax",
    401: "not_authenticated",
    402: "auth_failed",
    403: "already_authenticated",
    404: "auth_timeout",
    405: "symbol_limit",
    406: "connection_limit",
    407: "slow_client",
    408: "v2_not_enabled",
    409: "insufficient_subscription",
    410: "invalid_subscribe_action",
    411: "insufficient_scope",
    500: "internal_error",
}
"""Codes of the market data streams' error messages, by the names used in counters."""

FINAL_STREAM_ERRORS: Final = frozenset({402, 408, 409, 411})
"""Errors that no further attempt can mend."""
