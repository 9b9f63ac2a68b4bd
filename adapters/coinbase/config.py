"""What a person may set of the adapter; of the key only the names of its environment variables."""

from decimal import Decimal

from nautilus_trader.config import LiveDataClientConfig, LiveExecClientConfig, NautilusConfig
from nautilus_trader.model.identifiers import InstrumentId

from adapters.coinbase.constants import MARKET_URL, REST_HOST, USER_URL


class CoinbaseEndpoints(NautilusConfig, frozen=True, kw_only=True):
    """Where the venue is.

    Parameters
    ----------
    rest_host
        Host, or host and port, of the REST interface.
    market_url, user_url
        Of the two sockets.
    plain_http
        Speak http without TLS; only to a simulator on the loopback interface.
    proxy_url
        For REST; the environment's proxies are not read.
    ca_bundle
        File of certificates to trust instead of the usual ones.
    """

    rest_host: str = REST_HOST
    market_url: str = MARKET_URL
    user_url: str = USER_URL
    plain_http: bool = False
    proxy_url: str | None = None
    ca_bundle: str | None = None

    def __post_init__(self) -> None:
        """Refuse to speak without TLS to anything but this machine."""
        host = self.rest_host.rpartition(":")[0] or self.rest_host
        if self.plain_http and host not in ("127.0.0.1", "localhost", "[::1]"):
            raise ValueError(f"plain_http is for the loopback interface only, rest_host was {self.rest_host!r}")
        for url in (self.market_url, self.user_url):
            if not url.startswith("wss://") and not (
                self.plain_http and url.startswith(("ws://127.0.0.1:", "ws://localhost:", "ws://[::1]:"))
            ):
                raise ValueError(f"a socket must be wss://, or ws:// on loopback with plain_http, was {url!r}")


class CoinbaseDataClientConfig(LiveDataClientConfig, frozen=True, kw_only=True):
    """Settings of the data client.

    Parameters
    ----------
    endpoints
        Where the venue is.
    key_env, secret_env
        Names of the environment variables with the key's name and its secret; market data needs none.
    quotes_from_book
        Take quotes from level2, with its sizes at every change, instead of the ticker.
    update_instruments_interval_mins
        Minutes between readings of the products; None for never.
    products_cache
        File that keeps the products for a start while the venue does not answer; None for none.
    products_deadline_secs
        How long the venue may take to tell the products.
    """

    endpoints: CoinbaseEndpoints = CoinbaseEndpoints()
    key_env: str = "COINBASE_API_KEY"
    secret_env: str = "COINBASE_API_SECRET"
    quotes_from_book: bool = False
    update_instruments_interval_mins: int | None = 60
    products_cache: str | None = None
    products_deadline_secs: float = 20.0


class CoinbaseExecClientConfig(LiveExecClientConfig, frozen=True, kw_only=True):
    """Settings of the execution client. The caps have no defaults: they guard money.

    Parameters
    ----------
    max_order_notional
        Largest value of an order that buys, in the quote currency.
    max_price_deviation_frac
        How far a limit may be on the wrong side of the last quote: a buy above the ask, a sale below the bid.
    max_orders_per_sec
        New orders a second; sales are not counted out.
    max_order_qty
        Largest quantity by instrument id, in the base currency.
    endpoints, key_env, secret_env, products_cache, products_deadline_secs
        As for the data client.
    account_label
        The account id is COINBASE-<label>.
    deadline_secs
        Total time a call may take.
    repost_secs
        How long after its submission an order in doubt may be sent again.
    fills_lag_secs
        How long the list of fills may lag before the order's totals are booked instead.
    account_interval_secs
        Seconds between readings of the balances; they are read after fills, too.
    spot_positions
        Balance by instrument id that is not the strategies' own: for these instruments the rest of the balance is
        reported as a position. Other instruments report what the books say.
    claim_external
        Instrument ids whose orders from elsewhere are reported to the engine; any other foreign order is left alone.
    stop_market_offset_frac
        How far through its trigger the limit rests when a stop-market order is sent as a stop-limit order: it may end
        unfilled beyond that. None denies stop-market orders.
    probe_stop_limits
        Preview a stop-limit order once for each traded product; without it they are taken to work.
    maker_fee, taker_fee
        Fee rates of the instruments; None to ask the venue.
    """

    max_order_notional: Decimal
    max_price_deviation_frac: Decimal
    max_orders_per_sec: int
    max_order_qty: dict[str, Decimal] = {}
    endpoints: CoinbaseEndpoints = CoinbaseEndpoints()
    key_env: str = "COINBASE_API_KEY"
    secret_env: str = "COINBASE_API_SECRET"
    products_cache: str | None = None
    products_deadline_secs: float = 20.0
    account_label: str = "SPOT"
    deadline_secs: float = 8.0
    repost_secs: float = 10.0
    fills_lag_secs: float = 10.0
    account_interval_secs: float = 30.0
    spot_positions: dict[str, Decimal] = {}
    claim_external: frozenset[InstrumentId] = frozenset()
    stop_market_offset_frac: Decimal | None = None
    probe_stop_limits: bool = True
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse caps that cap nothing."""
        if self.max_order_notional <= 0 or self.max_orders_per_sec < 1 or not 0 < self.max_price_deviation_frac < 1:
            raise ValueError(
                "caps must be max_order_notional > 0, max_orders_per_sec >= 1, 0 < max_price_deviation_frac < 1, were "
                f"{self.max_order_notional}, {self.max_orders_per_sec}, {self.max_price_deviation_frac}"
            )
