"""The book of one symbol: what is shown, what of it has been taken, and the last trade."""

from decimal import Decimal
from enum import StrEnum

from adapters.simulator.tape import ZERO, Level, Quote, Side, Trade


class TradingState(StrEnum):
    """What the venue lets people do in a symbol."""

    OPEN = "open"
    HALTED = "halted"
    CANCEL_ONLY = "cancel_only"
    LIMIT_ONLY = "limit_only"
    POST_ONLY = "post_only"
    DISABLED = "disabled"


class Book:
    """What can be seen of a symbol's market.

    Examples
    --------
    >>> book = Book()
    >>> book.show(Quote(0, "A", Decimal(9), Decimal(10), Decimal(5), Decimal(5)))
    >>> book.take(Side.BUY, Decimal(2))
    >>> book.shown(Side.BUY)
    [Level(price=Decimal('10'), size=Decimal('3'))]

    """

    def __init__(self) -> None:
        self.quote: Quote | None = None
        self.trade: Trade | None = None
        self.state = TradingState.OPEN
        self._levels: dict[Side, list[Level]] = {Side.BUY: [], Side.SELL: []}

    def show(self, quote: Quote) -> None:
        """Replace what is shown."""
        self.quote = quote
        self._levels = {Side.BUY: list(quote.asks), Side.SELL: list(quote.bids)}

    def shown(self, taker: Side) -> list[Level]:
        """Return the levels that a taker of this side meets, best first, less what was taken of them."""
        return [level for level in self._levels[taker] if level.size > 0]

    def best(self, taker: Side) -> Decimal | None:
        """Return the best price that a taker of this side meets; None on an empty book."""
        levels = self._levels[taker]
        return levels[0].price if levels else None

    def take(self, taker: Side, qty: Decimal) -> None:
        """Remove a quantity from the levels, best first."""
        remaining: list[Level] = []
        for level in self._levels[taker]:
            taken = min(level.size, qty)
            qty -= taken
            remaining.append(Level(level.price, level.size - taken))
        self._levels[taker] = remaining

    @property
    def last_price(self) -> Decimal:
        """Return the last trade's price, the middle of the quote without one, 0 without both."""
        if self.trade is not None:
            return self.trade.price
        return (self.quote.bid + self.quote.ask) / 2 if self.quote is not None else ZERO

    def market_price(self, taker: Side) -> Decimal:
        """Return the price that an order without one is reckoned at."""
        return self.best(taker) or self.last_price
