"""What differs between venues, as values: one engine serves all of them."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from adapters.simulator.exchange.orders import OrderClass, OrderType, TimeInForce
from adapters.simulator.tape import CENT, ZERO


class Depth(StrEnum):
    """How much can be taken from the book, and when a resting limit is filled."""

    DISPLAYED = "displayed"
    """What is shown, level by level; a resting limit is filled by trades only."""
    WHOLE = "whole"
    """The best price whatever its size, as a paper account; a resting limit is filled when the quote crosses it."""


class FeeTier(msgspec.Struct, frozen=True):
    """Fees from a traded volume on, as fractions of the value."""

    from_volume: Decimal
    maker: Decimal
    taker: Decimal


class Fees(msgspec.Struct, frozen=True):
    """What an execution costs.

    Parameters
    ----------
    tiers
        In order of volume; none is no fee.
    in_received
        Charged in the asset that is received, instead of in the quote currency.

    """

    tiers: tuple[FeeTier, ...] = ()
    in_received: bool = False

    def tier(self, volume: Decimal) -> FeeTier:
        """Return the tier of a traded volume."""
        reached = [tier for tier in self.tiers if volume >= tier.from_volume]
        return reached[-1] if reached else FeeTier(ZERO, ZERO, ZERO)


NO_FEES = Fees()
BPS_25 = Fees((FeeTier(ZERO, Decimal("0.0015"), Decimal("0.0025")),), in_received=True)
MAKER_TAKER = Fees(
    (
        FeeTier(ZERO, Decimal("0.005"), Decimal("0.009")),
        FeeTier(Decimal(10_000), Decimal("0.004"), Decimal("0.006")),
        FeeTier(Decimal(50_000), Decimal("0.0025"), Decimal("0.004")),
        FeeTier(Decimal(1_000_000), Decimal("0.001"), Decimal("0.002")),
    )
)


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument of a venue.

    Parameters
    ----------
    symbol, base, quote
        Its symbol and the two assets that change hands; of a share the base is the symbol.
    kind
        `equity` or `crypto`.
    price_increment
        Of crypto; None is a share's rule: a cent from 1.00 on, a hundredth of it below.
    qty_increment, min_qty, max_qty
        Of the quantity; a share that is not fractionable has whole quantities whatever is said here.
    notional_increment, min_notional, max_notional
        Of the value in the quote currency.
    calendar
        `XNYS`, or "" for a market that never closes.
    fees
        What its executions cost.

    """

    symbol: str
    base: str
    quote: str = "USD"
    kind: str = "equity"
    name: str = ""
    exchange: str = "NASDAQ"
    price_increment: Decimal | None = None
    qty_increment: Decimal = Decimal("0.000000001")
    min_qty: Decimal = ZERO
    max_qty: Decimal | None = None
    notional_increment: Decimal = CENT
    min_notional: Decimal = ZERO
    max_notional: Decimal | None = None
    is_tradable: bool = True
    is_fractionable: bool = True
    is_shortable: bool = True
    is_easy_to_borrow: bool = True
    calendar: str = ""
    fees: Fees = NO_FEES

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the price increment at a price.

        Examples
        --------
        >>> Listing(symbol="AAPL", base="AAPL").tick_at(Decimal("0.5"))
        Decimal('0.0001')

        """
        if self.price_increment is not None:
            return self.price_increment
        return CENT if price >= 1 else CENT / 100


class VenueRules(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue behaves where venues differ.

    Parameters
    ----------
    name
        Of the venue.
    is_margin
        One buying power over all holdings, and short sales; otherwise a balance and a hold for each currency.
    replaces_by_new_id
        A replacement is a new order that names the old one; otherwise the order keeps its id and changes.
    replacement_keeps_fills
        The new order's quantity is the total, and the old one's fills are its own; otherwise it is what was left.
    refuses_client_id_twice
        A client id is used up for ever; otherwise the exchange returns the first order for the same ticket.
    refuses_wash_trades
        Whether an order that could meet the account's own is refused.
    depth, partial_chance
        How orders fill; the chance that a paper fill is a partial one.
    queue_share
        Share of a trade's size at our very price that is ours (0 to 1).
    collar_cheap, collar_dear
        A buy stop becomes a limit so far above its stop, under 50.00 and from there on; None leaves it a market order.
    protection
        A market order takes no worse than so far from the best price, and what is left is cancelled; None is no limit.
    gtc_days
        After which an order that is good till cancelled is cancelled; None is never.
    max_open_orders
        In one symbol; None is no limit.
    tells_done_for_day
        Whether working orders are told at the close that the day is over.
    short_margin
        A short sale is reckoned at so much above the ask.
    bracket_through
        The limit of a trigger bracket lies so far through its stop, once that is elected.
    equity_types, equity_tifs, crypto_types, crypto_tifs, crypto_classes
        What is taken for shares and for crypto.

    """

    name: str
    is_margin: bool = True
    replaces_by_new_id: bool = True
    replacement_keeps_fills: bool = False
    refuses_client_id_twice: bool = True
    refuses_wash_trades: bool = True
    depth: Depth = Depth.WHOLE
    partial_chance: float = 0.1
    queue_share: Decimal = Decimal("0.5")
    collar_cheap: Decimal | None = Decimal("0.04")
    collar_dear: Decimal | None = Decimal("0.025")
    protection: Decimal | None = None
    gtc_days: int | None = 90
    max_open_orders: int | None = None
    tells_done_for_day: bool = True
    short_margin: Decimal = Decimal("0.03")
    bracket_through: Decimal = Decimal("0.05")
    equity_types: frozenset[OrderType] = frozenset(set(OrderType) - {OrderType.TRIGGER_BRACKET})
    equity_tifs: frozenset[TimeInForce] = frozenset(set(TimeInForce) - {TimeInForce.GTD})
    crypto_types: frozenset[OrderType] = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
    crypto_tifs: frozenset[TimeInForce] = frozenset({TimeInForce.GTC, TimeInForce.IOC})
    crypto_classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})


ALPACA = VenueRules(name="alpaca")
COINBASE = VenueRules(
    name="coinbase",
    is_margin=False,
    replaces_by_new_id=False,
    refuses_client_id_twice=False,
    refuses_wash_trades=False,
    depth=Depth.DISPLAYED,
    collar_cheap=None,
    collar_dear=None,
    protection=Decimal("0.05"),
    gtc_days=None,
    max_open_orders=500,
    tells_done_for_day=False,
    crypto_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TRIGGER_BRACKET}),
    crypto_tifs=frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK}),
)


def equity(symbol: str, **fields: object) -> Listing:
    """Return a share that is listed in New York."""
    return msgspec.structs.replace(Listing(symbol=symbol, base=symbol, calendar="XNYS"), **fields)


def alpaca_pair(symbol: str, **fields: object) -> Listing:
    """Return a currency pair as Alpaca lists it: BTC/USD, least value 10, fee in the asset that is received."""
    base, quote = symbol.split("/")
    pair = Listing(
        symbol=symbol,
        base=base,
        quote=quote,
        kind="crypto",
        exchange="CRYPTO",
        price_increment=CENT,
        min_notional=Decimal(10),
        is_shortable=False,
        fees=BPS_25,
    )
    return msgspec.structs.replace(pair, **fields)


def coinbase_product(symbol: str, **fields: object) -> Listing:
    """Return a product as Coinbase lists it: BTC-USD, fees by tier in the quote currency."""
    base, quote = symbol.split("-")
    product = Listing(
        symbol=symbol,
        base=base,
        quote=quote,
        kind="crypto",
        exchange="COINBASE",
        price_increment=CENT,
        qty_increment=Decimal("0.00000001"),
        min_qty=Decimal("0.00000001"),
        max_qty=Decimal(3400),
        min_notional=Decimal(1),
        max_notional=Decimal(150_000_000),
        is_shortable=False,
        fees=MAKER_TAKER,
    )
    return msgspec.structs.replace(product, **fields)
