"""What must be known to trade at Alpaca; keys are named by their environment variables and never held in a config."""

import os
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.config import LiveDataClientConfig, LiveExecClientConfig, NautilusConfig

from adapters.alpaca import constants
from adapters.alpaca.constants import Feed

MIN_GRACE_SECS = 5.0
"""An order that was just accepted may be unknown to the read side for so long."""


class Credentials:
    """A key and its secret, which no text of this object shows.

    Examples
    --------
    >>> Credentials("PK1", "s3cret")
    Credentials(***)

    """

    __slots__ = ("key", "secret")

    def __init__(self, key: str, secret: str) -> None:
        self.key = key
        self.secret = secret

    @classmethod
    def from_environment(cls, key_variable: str, secret_variable: str) -> "Credentials":
        """Read both from the environment.

        Raises
        ------
        ValueError
            If one is missing; the message names the variable.
        """
        values = [os.environ.get(name, "").strip() for name in (key_variable, secret_variable)]
        for name, value in zip((key_variable, secret_variable), values, strict=True):
            if not value:
                raise ValueError(f"the environment variable {name} must hold an Alpaca key, was empty; set it")
        return cls(*values)

    def hide(self, text: str) -> str:
        """Return a text without the key and the secret, wherever they may have come from."""
        return text.replace(self.secret, "***").replace(self.key, "***")

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __reduce__(self) -> Any:
        raise TypeError("credentials are not to be copied out of the process")


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What one order, and one minute, may not exceed, whatever the desk decided; there are no defaults.

    Attributes
    ----------
    orders_a_minute
        Orders that may be submitted or replaced each minute.
    max_quantity
        Units of one order.
    max_notional
        Quantity times price of one order, in the quote currency.
    max_deviation_frac
        Distance of a limit or stop price from the last quote or trade, as a fraction of it.
    """

    orders_a_minute: int
    max_quantity: Decimal
    max_notional: Decimal
    max_deviation_frac: Decimal

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, was {getattr(self, name)}; set caps.{name}")


class AlpacaVenueConfig(NautilusConfig, kw_only=True, frozen=True):
    """Which Alpaca: live or paper, what it may be asked, and how its instruments are made.

    Parameters
    ----------
    paper
        Whether the paper account is traded; there is no default.
    key_variable, secret_variable
        Environment variables that hold the key and its secret.
    rest_url, data_url, stream_url, data_stream_url
        Other hosts than Alpaca's, for a simulator or a proxy; "" for Alpaca's.
    fractional
        Whether fractionable shares can be traded in parts. They are then of another instrument class.
    crypto
        Whether crypto pairs are loaded.
    refresh_secs
        Seconds between two readings of all assets; 0 for never again.
    requests_a_minute, data_requests_a_minute
        What the account may ask; half of the first is kept for cancels and closes.
    deadline_secs
        Total seconds that a call may take.
    veto_path
        "module:callable" that is asked ``(method, path)`` in the sending thread just before each write and answers
        with the reason not to send, or "".
    """

    paper: bool
    key_variable: str = "APCA_API_KEY_ID"
    secret_variable: str = "APCA_API_SECRET_KEY"
    rest_url: str = ""
    data_url: str = ""
    stream_url: str = ""
    data_stream_url: str = ""
    fractional: bool = True
    crypto: bool = True
    refresh_secs: float = 3600.0
    requests_a_minute: int = 200
    data_requests_a_minute: int = 200
    deadline_secs: float = 10.0
    veto_path: str | None = None

    def rest(self) -> str:
        """Return the host of trading calls."""
        return self.rest_url or (constants.REST_PAPER if self.paper else constants.REST_LIVE)

    def data(self) -> str:
        """Return the host of market data calls."""
        return self.data_url or constants.REST_DATA

    def stream(self) -> str:
        """Return the address of the trade stream."""
        return self.stream_url or (constants.STREAM_PAPER if self.paper else constants.STREAM_LIVE)

    def data_stream(self) -> str:
        """Return the host of the market data streams."""
        return self.data_stream_url or constants.STREAM_DATA


class AlpacaDataClientConfig(LiveDataClientConfig, kw_only=True, frozen=True):
    """Configuration of the data client.

    Parameters
    ----------
    venue
        Which Alpaca.
    feed
        Source of equity prices.
    max_symbols
        Symbols that the plan lets one stream have; 0 for no limit.
    stale_secs
        Seconds without data, while something is subscribed and markets are open, after which staleness is published.
    """

    venue: AlpacaVenueConfig
    feed: Feed = Feed.IEX
    max_symbols: int = 30
    stale_secs: float = 60.0
    mute_secs: float = 15.0


class AlpacaExecClientConfig(LiveExecClientConfig, kw_only=True, frozen=True):
    """Configuration of the execution client.

    Parameters
    ----------
    venue
        Which Alpaca.
    caps
        What one order and one minute may not exceed.
    margin
        Whether the account borrows: it decides the account's type and how its total is told.
    claim_foreign
        Whether orders that this adapter did not create may be cancelled and modified through it.
    crypto_fee_bps
        Estimate of the fee of a crypto fill, which the venue tells only at the end of the day.
    grace_secs
        Seconds (>= 5) for which an order may be unknown to the read side after a submission of unknown outcome.
    account_secs
        Seconds between two readings of the account.
    mute_secs
        Seconds without a sign of life after which the trade stream is replaced.
    """

    venue: AlpacaVenueConfig
    caps: Caps
    margin: bool = True
    claim_foreign: bool = False
    crypto_fee_bps: Decimal = Decimal(25)
    grace_secs: float = MIN_GRACE_SECS
    account_secs: float = 30.0
    mute_secs: float = 15.0

    def __post_init__(self) -> None:
        if self.grace_secs < MIN_GRACE_SECS:
            raise ValueError(
                f"grace_secs must be at least {MIN_GRACE_SECS:g}, was {self.grace_secs:g}: "
                "a shorter one rejects orders that live"
            )
