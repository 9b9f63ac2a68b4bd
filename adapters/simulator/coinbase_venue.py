"""What Coinbase's REST side and its sockets share: settings, keys, pace, and who answers what."""

import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.coinbase_account import AccountDesk
from adapters.simulator.coinbase_auth import ApiKey, Keyring, issue_key
from adapters.simulator.coinbase_configurations import BadRequestError
from adapters.simulator.coinbase_desk import OrderDesk
from adapters.simulator.coinbase_edits import Edits
from adapters.simulator.coinbase_orders import Writer
from adapters.simulator.coinbase_previews import Previews
from adapters.simulator.coinbase_public import MOST_CANDLES, PublicDesk, Shelf
from adapters.simulator.coinbase_requests import Request, Route, Router
from adapters.simulator.coinbase_sockets import SocketOptions, Streams
from adapters.simulator.coinbase_wire import Json
from adapters.simulator.desk import Desk
from adapters.simulator.exchange import COINBASE, Listing, VenueRules, coinbase_product
from adapters.simulator.faults import Fault, FaultKind
from adapters.simulator.http_faults import Ids
from adapters.simulator.http_faults import Request as SeenRequest
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market
from adapters.simulator.tape import Bar

VENUE = "coinbase"
MOST_CANCELS = 100
LISTED = (
    coinbase_product("BTC-USD", name="Bitcoin"),
    coinbase_product("ETH-USD", name="Ethereum", max_qty=Decimal(42_000)),
    coinbase_product("SOL-USD", name="Solana", max_qty=Decimal(340_000)),
)
"""What is listed unless the settings say otherwise; each has its alias in USDC."""
BALANCES = {"USD": Decimal(100_000), "USDC": Decimal(50_000), "BTC": Decimal(1), "ETH": Decimal(10)}


class CoinbaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the simulated Coinbase is set up, also where it is not known how the real one behaves.

    Parameters
    ----------
    keys
        Who is known; without any, a key is made, whose secret is `CoinbaseVenue.issued`.
    balances
        Units by currency at the start.
    listings, rules
        What is listed, and how orders are matched. A product in USD brings its alias in USDC along.
    account
        A name from which the ids of user and portfolio follow.
    refuses_twice
        Answer a second POST of a client id with DUPLICATE_CLIENT_ORDER_ID instead of with the first order.
    is_terse
        Leave `order_id` and `failure_reason` out of the top level of the answer to a new order.
    unsupported
        Names of order configurations that are not taken, in addition to those that never are on spot products.
    fills_lag_secs
        The list of fills lags behind the user channel.
    most_candles
        Rows of a candles answer.
    private_per_second, public_per_second
        Requests before a 429; 0 is no limit. The venue's own are 30 and 10.
    sockets
        How the sockets behave.

    """

    keys: tuple[ApiKey, ...] = ()
    balances: dict[str, Decimal] = msgspec.field(default_factory=lambda: dict(BALANCES))
    listings: tuple[Listing, ...] = LISTED
    rules: VenueRules = COINBASE
    account: str = "simulated"
    refuses_twice: bool = False
    is_terse: bool = False
    unsupported: frozenset[str] = frozenset()
    fills_lag_secs: float = 0.0
    most_candles: int = MOST_CANDLES
    private_per_second: int = 0
    public_per_second: int = 0
    sockets: SocketOptions = SocketOptions()


class CoinbaseVenue:
    """Everything of the simulated Coinbase.

    Parameters
    ----------
    market, lines
        What it is part of.
    settings
        How it is set up.
    seed
        Of everything that is left to chance.

    Attributes
    ----------
    issued
        A key that was made for this run, None if keys were given.
    desk
        The exchange behind the faults that concern it.
    orders, streams, shelf
        The account's orders, the open sockets, the products.

    """

    def __init__(
        self, market: Market, lines: Lines, settings: CoinbaseSettings | None = None, *, seed: int = 0
    ) -> None:
        settings = settings or CoinbaseSettings()
        self.market = market
        self.issued = None if settings.keys else issue_key()
        self.keyring = Keyring(*settings.keys, *([self.issued.key] if self.issued else []))
        self.user_id = str(uuid5(NAMESPACE_URL, f"user/{settings.account}"))
        self.portfolio_id = str(uuid5(NAMESPACE_URL, f"portfolio/{settings.account}"))
        self.desk = Desk(
            market, settings.rules, _with_aliases(settings.listings), balances=settings.balances, seed=seed
        )
        self.shelf = Shelf(self.desk.exchange)
        market.listen(self.shelf.mirror)
        writer = Writer(market.clock.wire_ns, user_id=self.user_id, portfolio_id=self.portfolio_id)
        self.orders = OrderDesk(
            self.desk,
            self.shelf,
            writer,
            refuses_twice=settings.refuses_twice,
            is_terse=settings.is_terse,
            unsupported=settings.unsupported,
        )
        self._account = AccountDesk(self.orders, portfolio_id=self.portfolio_id)
        self._public = PublicDesk(self.shelf, self._now_ns, most_candles=settings.most_candles)
        self._edits = Edits(self.orders)
        self._previews = Previews(self.orders, self._edits)
        routes = (*self._account.routes(), *self._public.routes(), *self._order_routes())
        self.router = Router(routes, self.keyring, self.now_secs)
        self.private_pace = Pace(settings.private_per_second)
        self.public_pace = Pace(settings.public_per_second)
        self.streams = Streams(
            market,
            lines,
            orders=self.orders,
            account=self._account,
            public=self._public,
            shelf=self.shelf,
            keyring=self.keyring,
            now_secs=self.now_secs,
            user_id=self.user_id,
            options=settings.sockets,
        )
        if settings.fills_lag_secs:
            secs = settings.fills_lag_secs
            market.faults.add(Fault(kind=FaultKind.LAG, where="model:fills", venue=VENUE, times=0, secs=secs))

    def add_history(self, product_id: str, bars: list[Bar]) -> None:
        """Let candles of before the start be known; the bars' times are venue times, a minute or more each."""
        market = self.shelf.markets[self.shelf.get(product_id).canonical]
        market.add_history((self.market.clock.wire_ns(bar.ts_ns), bar) for bar in bars)

    # The clock that tokens are judged by is the wall's: stepped time would make every token old or early.

    def _now_ns(self) -> int:
        return time.time_ns() + self.market.clock.skew_ns

    def now_secs(self) -> int:
        """Return the venue's own time, UTC seconds."""
        return self._now_ns() // NS_PER_SEC

    # Orders.

    def _order_routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/orders", lambda request: self.orders.create(dict(request.body)), "trade"),
            Route("POST", "/orders/preview", lambda request: self._previews.order(request.body)),
            Route("POST", "/orders/edit", lambda request: self._edits.edit(request.body), "trade"),
            Route("POST", "/orders/edit_preview", lambda request: self._previews.edit(request.body)),
            Route("POST", "/orders/batch_cancel", self._batch_cancel, "trade"),
        )

    def _batch_cancel(self, request: Request) -> Json:
        order_ids = request.body.get("order_ids")
        if not isinstance(order_ids, list) or not order_ids or not all(isinstance(i, str) for i in order_ids):
            raise BadRequestError("order_ids is required")
        if len(order_ids) > MOST_CANCELS:
            raise BadRequestError(f"order_ids must hold at most {MOST_CANCELS} ids, held {len(order_ids)}")
        return {"results": [self.orders.cancel(order_id) for order_id in order_ids]}

    def identify(self, request: SeenRequest) -> Ids:
        """Return the orders that a request names, each by both of its ids where both are known."""
        body = request.body if isinstance(request.body, dict) else {}
        order_ids = [body.get("order_id"), *_list(body.get("order_ids")), request.path.rpartition("/historical/")[2]]
        records = self.orders.records
        named = [records[i] for i in order_ids if isinstance(i, str) and i in records]
        client_ids = [body.get("client_order_id"), *(record.client_order_id for record in named)]
        unknown = [i for i in order_ids[:-1] if isinstance(i, str) and i not in records]
        return Ids(
            order_ids=(*(record.order_id for record in named), *unknown),
            client_ids=tuple(i for i in client_ids if isinstance(i, str)),
        )


class Pace:
    """Requests of the last second.

    Parameters
    ----------
    most
        That there may be; 0 is no limit.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> pace = Pace(1, clock=lambda: 0.0)
    >>> pace.take() is None, pace.take() is None
    (False, True)

    """

    def __init__(self, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._most = most
        self._clock = clock
        self._times: deque[float] = deque()

    def take(self) -> dict[str, str] | None:
        """Return the headers of a request that may be, None for one too many."""
        if not self._most:
            return {}
        now = self._clock()
        while self._times and self._times[0] <= now - 1:
            self._times.popleft()
        if len(self._times) >= self._most:
            return None
        self._times.append(now)
        return {
            "x-ratelimit-limit": str(self._most),
            "x-ratelimit-remaining": str(self._most - len(self._times)),
            "x-ratelimit-reset": "1",
        }


def _with_aliases(listings: tuple[Listing, ...]) -> list[Listing]:
    symbols = {listing.symbol for listing in listings}
    twins = (
        msgspec.structs.replace(listing, symbol=f"{listing.base}-USDC", quote="USDC")
        for listing in listings
        if listing.quote == "USD" and f"{listing.base}-USDC" not in symbols
    )
    return [*listings, *twins]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
