"""The account: one balance for each currency, what orders hold is locked."""

import asyncio
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from nautilus_trader.common.component import LiveClock, Logger
from nautilus_trader.model.objects import AccountBalance, Money

from adapters.coinbase import parsing
from adapters.coinbase.events import OrderEvents
from adapters.coinbase.http import CoinbaseHttp
from adapters.coinbase.parsing import ParseError
from adapters.coinbase.providers import currency_of
from adapters.transport.errors import VenueError

_ZERO: Final = Decimal(0)


class Balances:
    """Tells the account's state.

    Parameters
    ----------
    client
        Whose account it is.
    http
        The REST interface.
    events
        Says when money has moved.
    clock, log
        Of the client.
    interval_secs
        Seconds between readings without a reason.

    Attributes
    ----------
    totals
        What there is of each currency, held or not.
    """

    def __init__(
        self,
        client: Any,
        http: CoinbaseHttp,
        events: OrderEvents,
        *,
        clock: LiveClock,
        log: Logger,
        interval_secs: float,
    ) -> None:
        self._client = client
        self._http = http
        self._events = events
        self._clock = clock
        self._log = log
        self._interval_secs = interval_secs
        self.totals: dict[str, Decimal] = {}

    async def watch(self) -> None:
        """Read the balances after what has moved money, and now and then, for ever."""
        read_at = monotonic()
        while True:
            await asyncio.sleep(0.5)
            if self._events.is_account_due or monotonic() - read_at > self._interval_secs:
                self._events.is_account_due, read_at = False, monotonic()
                try:
                    await self.update()
                except (VenueError, ParseError) as error:
                    self._log.warning(f"account=stale reason={error}")

    async def update(self) -> None:
        """Read the balances and tell them.

        Raises
        ------
        VenueError, ParseError
            The venue did not tell them.
        """
        totals: dict[str, tuple[Decimal, Decimal]] = {}
        for raw in await self._http.accounts():
            row = parsing.balance(raw)
            available, hold = totals.get(row.currency, (_ZERO, _ZERO))
            totals[row.currency] = (available + row.available, hold + row.hold)
        # Hundreds of currencies are listed with nothing in them; one that had something is told once more as empty.
        told = {code for code, (available, hold) in totals.items() if available or hold} | set(self.totals)
        self.totals = {code: sum(totals.get(code, (_ZERO, _ZERO)), _ZERO) for code in told}
        balances = [_account_balance(code, *totals.get(code, (_ZERO, _ZERO))) for code in sorted(told)]
        if not balances:
            balances = [_account_balance("USD", _ZERO, _ZERO)]
        self._client.generate_account_state(balances, [], True, self._clock.timestamp_ns())


def _account_balance(code: str, available: Decimal, hold: Decimal) -> AccountBalance:
    """Return a balance in the currency's decimals; what the rounding leaves is not free."""
    currency = currency_of(code)
    total, free = Money(available + hold, currency), Money(available, currency)
    free = min(free, total)
    return AccountBalance(total, Money(total.as_decimal() - free.as_decimal(), currency), free)
