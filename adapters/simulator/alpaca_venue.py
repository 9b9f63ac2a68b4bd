"""What Alpaca's REST side and its sockets share: settings, keys, pace, the desk, and how things are told."""

from decimal import Decimal
from random import Random
from time import monotonic

import msgspec

from adapters.simulator.alpaca_wire import Json, Shapes, WireError, asset_id, error_body
from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.desk import Desk
from adapters.simulator.exchange import ALPACA, Listing, VenueRules, alpaca_pair, equity
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market

VENUE = "alpaca"
LISTED = (
    *(equity(symbol) for symbol in ("AAPL", "MSFT", "SPY", "QQQ", "NVDA", "TSLA", "F")),
    equity("BRK.A", exchange="NYSE", is_fractionable=False),
    equity("NOSHORT", is_shortable=False, is_easy_to_borrow=False),
    equity("DELISTED", is_tradable=False),
    alpaca_pair("BTC/USD"),
    alpaca_pair("ETH/USD"),
)
"""What is listed unless the settings say otherwise, with one of each odd kind."""


class AlpacaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the simulated Alpaca is set up.

    Parameters
    ----------
    key_id, secret_key
        The one pair of keys that is known. They are no secret: they open nothing but this process.
    cash, multiplier
        Of the account; a multiplier of 1 is a cash account, from 2 on it may sell short.
    listings, rules
        What is listed, and how orders are matched.
    is_paper
        Paper tells trade updates in binary frames, live in text.
    requests_per_minute
        For each of trading and data; 0 is no limit.
    symbol_limit
        Symbols of trades and quotes on one data socket (0 is no limit), as the free plan has it.
    feeds
        Data feeds that the plan includes.
    duplicate_code
        Code of the answer to a client order id that was used before: both have been seen.

    """

    key_id: str = "SIMKEY"
    secret_key: str = "SIMSECRET"
    cash: Decimal = Decimal(100_000)
    multiplier: int = 2
    listings: tuple[Listing, ...] = LISTED
    rules: VenueRules = ALPACA
    is_paper: bool = True
    requests_per_minute: int = 200
    symbol_limit: int = 30
    feeds: frozenset[str] = frozenset({"iex", "delayed_sip", "test", "crypto", "news"})
    duplicate_code: int = 40010001


class Pace:
    """Requests in a minute, counted as the venue counts them.

    Parameters
    ----------
    limit
        Requests in a window; 0 is no limit.
    window_secs
        Length of a window.

    """

    def __init__(self, limit: int, window_secs: float) -> None:
        self._limit = limit
        self._window_secs = window_secs
        self._until = 0.0
        self._used = 0

    def take(self, wire_now_ns: int) -> tuple[bool, dict[str, str]]:
        """Count a request; return whether it is within the limit, and the headers that tell of it."""
        now = monotonic()
        if now >= self._until:
            self._until, self._used = now + self._window_secs, 0
        self._used += 1
        if not self._limit:
            return True, {}
        headers = {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(max(self._limit - self._used, 0)),
            "X-RateLimit-Reset": str(int(wire_now_ns // NS_PER_SEC + self._until - now) + 1),
        }
        return self._used <= self._limit, headers


class AlpacaVenue:
    """The state of the simulated Alpaca.

    Parameters
    ----------
    market, lines
        What it is part of.
    settings
        How it is set up.
    seed
        Of everything that is left to chance.

    """

    def __init__(self, market: Market, lines: Lines, settings: AlpacaSettings, *, seed: int = 0) -> None:
        self.market = market
        self.lines = lines
        self.settings = settings
        self.desk = Desk(
            market,
            settings.rules,
            settings.listings,
            balances={"USD": settings.cash},
            multiplier=settings.multiplier,
            seed=seed,
        )
        self.exchange = self.desk.exchange
        self.listings = self.exchange.listings
        self.shapes = Shapes(market.clock, self.listings, self.exchange.order)
        self.rng = Random(f"{seed}:alpaca-wire")
        minute_secs = market.clock.rule_secs(60.0)
        self.pace = {name: Pace(settings.requests_per_minute, minute_secs) for name in ("trading", "data")}
        self.symbols = {symbol.replace("/", ""): symbol for symbol in self.listings}
        self.symbols |= {symbol: symbol for symbol in self.listings}
        self.symbols |= {asset_id(symbol): symbol for symbol in self.listings}
        self.is_revoked = False
        self.news: list[Json] = []
        self.configurations: Json = {
            "disable_overnight_trading": False,
            "dtbp_check": "entry",
            "fractional_trading": True,
            "max_margin_multiplier": str(settings.multiplier),
            "max_options_trading_level": None,
            "no_shorting": False,
            "pdt_check": "entry",
            "ptp_no_exception_entry": False,
            "suspend_trade": False,
            "trade_confirm_email": "all",
        }

    def authorize(self, key_id: str, secret_key: str) -> None:
        """Check a pair of keys.

        Raises
        ------
        WireError
            403 for a key that nobody knows, 401 for a wrong secret or a key that was revoked.

        """
        if key_id != self.settings.key_id:
            raise _status(403)
        if secret_key != self.settings.secret_key or self.is_revoked:
            raise _status(401)

    def listing(self, name: str) -> Listing:
        """Return an asset by symbol, with or without slash, or id; a WireError where there is none."""
        symbol = self.symbols.get(name)
        if symbol is None:
            raise WireError(404, f"asset not found for {name}", 40410000)
        return self.listings[symbol]


def _status(status: int) -> WireError:
    body = error_body(status)
    return WireError(status, body["message"], body.get("code"))
