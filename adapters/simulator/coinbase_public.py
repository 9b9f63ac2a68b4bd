"""What the Coinbase simulator tells everybody: products, books, trades, candles, the time."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from adapters.simulator.coinbase_configurations import BadRequestError
from adapters.simulator.coinbase_market import GRANULARITIES, ProductMarket
from adapters.simulator.coinbase_requests import NotFoundError, Request, Route
from adapters.simulator.coinbase_wire import NANOS, Json, number, time_text
from adapters.simulator.exchange import Exchange, Listing, TradingState
from adapters.simulator.tape import Level, Tick

MOST_CANDLES = 350
MOST_LEVELS = 1_000
_FOR_EVER = 10**10


class Product(msgspec.Struct, frozen=True):
    """A product of the venue.

    Parameters
    ----------
    listing
        Its increments and bounds.
    product_id
        The name asked for.
    canonical
        The name that streams use; another one if this is an alias.

    """

    listing: Listing
    product_id: str
    canonical: str

    @property
    def is_alias(self) -> bool:
        """Return whether another product's book is this one's."""
        return self.product_id != self.canonical

    @property
    def quote(self) -> str:
        """Return the currency it settles in."""
        return self.product_id.split("-")[1]


class Shelf:
    """The venue's products with their aliases and markets.

    A product in USDC is another name for the one in USD: it has the same book, and settles in its own currency. The
    exchange knows it as a listing of its own, which is shown what the other's book is shown.

    Parameters
    ----------
    exchange
        Whose listings are on the shelf.

    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        listings = exchange.listings
        self._products: dict[str, Product] = {}
        for symbol, listing in listings.items():
            namesake = f"{listing.base}-USD"
            canonical = namesake if listing.quote == "USDC" and namesake in listings else symbol
            self._products[symbol] = Product(listing, symbol, canonical)
        self.markets = {p.canonical: ProductMarket(p.canonical) for p in self._products.values()}

    def state_of(self, symbol: str) -> TradingState:
        """Return what may be done in a product now."""
        return self._exchange.books[self._products[symbol].canonical].state

    def follow(self, now_ns: int) -> None:
        """Bring the state of every alias to that of its product."""
        for product in self._products.values():
            state = self.state_of(product.product_id)
            if self._exchange.books[product.product_id].state is not state:
                self._exchange.set_state(product.product_id, state, now_ns)

    def mirror(self, tick: Tick, _wire_ns: int) -> None:
        """Show the exchange a tick under the other names of its product as well."""
        for product in self._products.values():
            if product.is_alias and product.canonical == tick.symbol:
                self._exchange.on_tick(msgspec.structs.replace(tick, symbol=product.product_id))

    def all(self) -> list[Product]:
        """Return every product, aliases included."""
        return list(self._products.values())

    def find(self, product_id: str) -> Product | None:
        """Return a product by either of its names."""
        return self._products.get(product_id)

    def get(self, product_id: str) -> Product:
        """Return a product by either of its names.

        Raises
        ------
        NotFoundError
            There is none.

        """
        product = self.find(product_id)
        if product is None:
            raise NotFoundError(f"Product {product_id} not supported")
        return product

    def market(self, product: Product) -> ProductMarket:
        """Return the market whose book is the product's."""
        return self.markets[product.canonical]

    def canonical(self, product_id: str) -> str | None:
        """Return the name that streams use, None if there is no such product."""
        product = self.find(product_id)
        return product.canonical if product else None


class PublicDesk:
    """Answer what needs no account.

    Parameters
    ----------
    shelf
        The products.
    now_ns
        The wire's clock, UTC nanoseconds.
    most_candles
        Rows of a candles answer; one more has been seen to be a 400.

    """

    def __init__(self, shelf: Shelf, now_ns: Callable[[], int], *, most_candles: int = MOST_CANDLES) -> None:
        self._shelf = shelf
        self._now_ns = now_ns
        self._most_candles = most_candles

    def routes(self) -> tuple[Route, ...]:
        """Return the resources, the mirrored ones under both names."""
        mirrored = [
            ("/products", self.products),
            ("/products/{product_id}", self.product),
            ("/products/{product_id}/candles", self.candles),
            ("/products/{product_id}/ticker", self.ticker),
            ("/product_book", self.product_book),
        ]
        private = [Route("GET", path, handler) for path, handler in mirrored]
        public = [Route("GET", f"/market{path}", handler, "") for path, handler in mirrored]
        best = Route("GET", "/best_bid_ask", self.best_bid_ask)
        return (*private, best, *public, Route("GET", "/time", self.time, ""))

    def time(self, _request: Request) -> Json:
        """Return the venue's time in its three forms."""
        now = self._now_ns()
        return {
            "iso": time_text(now, digits=3),
            "epochSeconds": str(now // NANOS),
            "epochMillis": str(now // 1_000_000),
        }

    def products(self, request: Request) -> Json:
        """Return the products that were asked for, or all of them."""
        names, kind = request.texts("product_ids"), request.text("product_type")
        products = [p for p in self._shelf.all() if not names or p.product_id in names]
        if kind not in ("", "SPOT", "UNKNOWN_PRODUCT_TYPE"):
            products = []
        start = request.whole("offset", 0)
        page = products[start : start + request.count("limit", len(products) or 1, 10_000)]
        rows = [self._row(product, has_tradability=request.flag("get_tradability_status")) for product in page]
        return {"products": rows, "num_products": len(rows)}

    def product(self, request: Request) -> Json:
        """Return one product."""
        product = self._shelf.get(request.names["product_id"])
        return self._row(product, has_tradability=request.flag("get_tradability_status"))

    def candles(self, request: Request) -> Json:
        """Return candles, newest first; the last of them may be open, and nothing says so."""
        product = self._shelf.get(request.names["product_id"])
        secs = GRANULARITIES.get(request.text("granularity"))
        start, end = request.whole("start", 0), request.whole("end", 0)
        if secs is None or not start or not end:
            raise BadRequestError("start, end and granularity are required")
        limit = request.count("limit", self._most_candles, 10 * self._most_candles)
        asked = (end - start) // secs
        if limit > self._most_candles or (not request.text("limit") and asked > self._most_candles):
            raise BadRequestError(f"number of candles requested should be less than {self._most_candles}")
        candles = self._shelf.market(product).candles(secs, start=start, end=end)
        return {"candles": [candle.row() for candle in reversed(candles[-limit:])]}

    def ticker(self, request: Request) -> Json:
        """Return the newest trades first, and the best prices."""
        product = self._shelf.get(request.names["product_id"])
        market = self._shelf.market(product)
        start, end = request.whole("start", 0) * NANOS, request.whole("end", _FOR_EVER) * NANOS
        trades = [trade for trade in reversed(market.trades) if start <= trade.ts_ns <= end]
        rows = [
            trade.row(product.product_id) | {"bid": "", "ask": "", "exchange": "coinbase"}
            for trade in trades[: request.count("limit", 100, 1_000)]
        ]
        return {"trades": rows, "best_bid": _price(market.best_bid), "best_ask": _price(market.best_ask)}

    def best_bid_ask(self, request: Request) -> Json:
        """Return the best level of each side."""
        names = request.texts("product_ids") or [product.product_id for product in self._shelf.all()]
        return {"pricebooks": [self._book(self._shelf.get(name), 1) for name in names]}

    def product_book(self, request: Request) -> Json:
        """Return a book and what follows from its best prices."""
        product = self._shelf.get(request.text("product_id"))
        market = self._shelf.market(product)
        answer: Json = {"pricebook": self._book(product, request.count("limit", MOST_LEVELS, MOST_LEVELS))}
        bid, ask = market.best_bid, market.best_ask
        if bid is None or ask is None:
            return answer | {
                "last": number(market.last_price),
                "mid_market": "",
                "spread_bps": "",
                "spread_absolute": "",
            }
        middle, spread = (bid.price + ask.price) / 2, ask.price - bid.price
        return answer | {
            "last": number(market.last_price),
            "mid_market": number(middle),
            "spread_bps": number(round(spread / middle * 10_000, 12)),
            "spread_absolute": number(spread),
        }

    def _book(self, product: Product, depth: int) -> Json:
        market = self._shelf.market(product)
        return {
            "product_id": product.product_id,
            "bids": [_level(level) for level in market.bids[:depth]],
            "asks": [_level(level) for level in market.asks[:depth]],
            "time": time_text(market.quoted_ns),
        }

    def status_row(self, product_id: str) -> Json:
        """Return a product as the status channel tells of it."""
        product = self._shelf.get(product_id)
        listing = product.listing
        is_open = self._shelf.state_of(product.canonical) is not TradingState.HALTED
        return {
            "product_type": "SPOT",
            "id": product.product_id,
            "base_currency": listing.base,
            "quote_currency": product.quote,
            "base_increment": number(listing.qty_increment),
            "quote_increment": number(listing.notional_increment),
            "display_name": f"{listing.base}/{product.quote}",
            "status": "online" if is_open else "offline",
            "status_message": "",
            "min_market_funds": number(listing.min_notional),
        }

    def _row(self, product: Product, *, has_tradability: bool) -> Json:
        listing, market = product.listing, self._shelf.market(product)
        state = self._shelf.state_of(product.canonical)
        day = market.day(self._now_ns())
        change = round((day.close / day.open - 1) * 100, 8) if day and day.open else None
        is_halted = state is TradingState.HALTED
        return {
            "product_id": product.product_id,
            "price": number(market.last_price),
            "price_percentage_change_24h": number(change),
            "volume_24h": number(day.volume if day else None),
            "volume_percentage_change_24h": "",
            "base_increment": number(listing.qty_increment),
            "quote_increment": number(listing.notional_increment),
            "quote_min_size": number(listing.min_notional),
            "quote_max_size": number(listing.max_notional),
            "base_min_size": number(listing.min_qty),
            "base_max_size": number(listing.max_qty),
            "base_name": listing.name or listing.base,
            "quote_name": "US Dollar" if product.quote == "USD" else product.quote,
            "watched": False,
            "is_disabled": not listing.is_tradable,
            "new": False,
            "status": "offline" if is_halted else "online",
            "cancel_only": state is TradingState.CANCEL_ONLY,
            "limit_only": state is TradingState.LIMIT_ONLY,
            "post_only": state is TradingState.POST_ONLY,
            "trading_disabled": state is TradingState.DISABLED or is_halted,
            "auction_mode": False,
            "product_type": "SPOT",
            "quote_currency_id": product.quote,
            "base_currency_id": listing.base,
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": product.canonical if product.is_alias else "",
            "alias_to": [] if product.is_alias else self._aliases(product),
            "base_display_symbol": listing.base,
            "quote_display_symbol": product.quote,
            # Absent tradability is told as "may be looked at only", which is not what it means.
            "view_only": False if has_tradability else not listing.is_tradable,
            "price_increment": number(listing.tick_at(Decimal(1))),
            "display_name": product.product_id,
            "product_venue": "CBE",
            "approximate_quote_24h_volume": number(day.volume * day.close if day else None),
            "new_at": "2023-01-01T00:00:00Z",
            "best_bid_price": "",
            "best_ask_price": "",
        }

    def _aliases(self, product: Product) -> list[str]:
        return [p.product_id for p in self._shelf.all() if p.is_alias and p.canonical == product.canonical]


def _level(level: Level) -> Json:
    return {"price": number(level.price), "size": number(level.size)}


def _price(level: Level | None) -> str:
    return number(level.price if level else None)
