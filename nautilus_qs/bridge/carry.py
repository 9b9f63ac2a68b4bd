"""What holding costs or pays: dividends, the borrow fee of shorts, interest on borrowed cash.

Prices are adjusted for splits only, so a dividend is paid as cash on its ex-date to whoever held at the previous close
(a short pays it). Borrow fee and margin interest accrue for every calendar day held over midnight UTC, weekends
included, on the last price.
"""

from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct
from nautilus_trader.backtest.config import SimulationModuleConfig
from nautilus_trader.backtest.modules import SimulationModule
from nautilus_trader.model.objects import Money

from nautilus_qs.errors import ConfigError

CARRY = "qs.carry"
"""Topic of the message bus on which each :class:`CarryEntry` is published."""

_DAY_NS = 86_400 * 10**9
_NEVER = 2**63 - 1


class CarryKind(StrEnum):
    """Why cash moved without a trade."""

    DIVIDEND = "dividend"
    BORROW = "borrow"
    MARGIN = "margin_interest"


class CarryEntry(Struct, frozen=True):
    """One movement of cash: positive when the account received it. ``instrument_id`` is "" for margin interest."""

    ts: int
    kind: CarryKind
    instrument_id: str
    amount: Decimal
    currency: str


class CarryConfig(SimulationModuleConfig, frozen=True, kw_only=True):
    """Dividends and yearly rates.

    Parameters
    ----------
    dividends
        By instrument id: (time, amount per share) pairs. The time must lie after the last close before the ex-date and
        not after its open; the session's open is the natural choice.
    borrow_rate, margin_rate
        Yearly rates on short market value and on borrowed cash.
    day_count
        Days of the year by which a daily charge is a part of the rate: 360, as US brokers count.
    """

    dividends: dict[str, tuple[tuple[int, Decimal], ...]] = {}
    borrow_rate: Decimal = Decimal(0)
    margin_rate: Decimal = Decimal(0)
    day_count: int = 360


class Carry(SimulationModule):
    """Pays and charges through the venue's account.

    ``entries`` lists what was moved, in order. Amounts are rounded down to the cent as the account sees them (a receipt
    down, a charge up).

    Raises
    ------
    ConfigError
        If a rate is out of [0, 1] or the day count is neither 360 nor 365.
    """

    def __init__(self, config: CarryConfig | None = None) -> None:
        config = config or CarryConfig()
        super().__init__(config)
        for name in ("borrow_rate", "margin_rate"):
            if not 0 <= getattr(config, name) <= 1:
                raise ConfigError(f"{name} must be in [0, 1], was {getattr(config, name)}; 0.03 is 3 % a year")
        if config.day_count not in (360, 365):
            raise ConfigError(f"day_count must be 360 or 365, was {config.day_count}")
        self._rates = (config.borrow_rate / config.day_count, config.margin_rate / config.day_count)
        self._dividends = sorted(
            (ts, instrument_id, amount) for instrument_id, paid in config.dividends.items() for ts, amount in paid
        )
        self._start()

    def _start(self) -> None:
        self.entries: list[CarryEntry] = []
        self._next_dividend = 0
        self._midnight = 0
        self._next_ns = 0

    def pre_process(self, data: Any) -> None:
        """Settle what is due before the datum's market can change a position."""
        if data.ts_init >= self._next_ns:
            self._settle(data.ts_init)

    def process(self, ts_now: int) -> None:
        """Settle what is due."""
        if ts_now >= self._next_ns:
            self._settle(ts_now)

    def log_diagnostics(self, logger: Any) -> None:
        """Log how much was moved."""
        logger.info(f"carry entries={len(self.entries)} total={sum(entry.amount for entry in self.entries)}")

    def reset(self) -> None:
        """Forget everything: equal to a new module."""
        self._start()

    # -- settlement ------------------------------------------------------------------------------------------------

    def _settle(self, now_ns: int) -> None:
        if any(self._rates):
            if self._midnight:
                self._accrue(now_ns)
            self._midnight = (now_ns // _DAY_NS + 1) * _DAY_NS
        self._pay_dividends(now_ns)
        dividend_ns = self._dividends[self._next_dividend][0] if self._has_dividend else _NEVER
        self._next_ns = min(dividend_ns, self._midnight or _NEVER)

    @property
    def _has_dividend(self) -> bool:
        return self._next_dividend < len(self._dividends)

    def _pay_dividends(self, now_ns: int) -> None:
        while self._has_dividend and self._dividends[self._next_dividend][0] <= now_ns:
            _, instrument_id, per_share = self._dividends[self._next_dividend]
            self._next_dividend += 1
            held = [p for p in self._positions() if p.instrument_id.value == instrument_id]
            units = sum((p.signed_decimal_qty() for p in held), Decimal(0))
            if units:
                self._move(now_ns, CarryKind.DIVIDEND, held[0].quote_currency, units * per_share, instrument_id)

    def _accrue(self, now_ns: int) -> None:
        days = (now_ns - self._midnight) // _DAY_NS + 1 if now_ns >= self._midnight else 0
        positions = self._positions() if days else []
        if not positions:
            return
        borrow_rate, margin_rate = self._rates
        shorts: dict[Any, Decimal] = {}
        for position in positions:
            if borrow_rate and position.is_short:
                shorts[position.instrument_id] = shorts.get(position.instrument_id, Decimal(0)) + self._value(position)
        for instrument_id, value in shorts.items():
            currency = self.exchange.instruments[instrument_id].quote_currency
            self._move(now_ns, CarryKind.BORROW, currency, value * borrow_rate * days, instrument_id.value)
        if margin_rate:
            self._charge_margin(now_ns, positions, margin_rate * days)

    def _charge_margin(self, now_ns: int, positions: list[Any], rate: Decimal) -> None:
        """Charge interest on what the longs are worth beyond the account's equity.

        Proceeds of short sales are collateral of the loan of the shares and finance nothing. Positions in another
        currency than the account's are left out.
        """
        account = self.exchange.get_account()
        currency = account.base_currency
        if currency is None or not account.is_margin_account:
            return
        own = [p for p in positions if p.quote_currency == currency]
        longs = sum((self._value(p) for p in own if p.is_long), Decimal(0))
        gains = sum((self._value(p) - p.signed_decimal_qty() * Decimal(repr(p.avg_px_open)) for p in own), Decimal(0))
        debit = longs - account.balance_total(currency).as_decimal() - gains
        if debit > 0:
            self._move(now_ns, CarryKind.MARGIN, currency, -debit * rate, "")

    def _positions(self) -> list[Any]:
        return self.cache.positions_open(venue=self.exchange.id)

    def _value(self, position: Any) -> Decimal:
        """Return the signed market value of a position at the last price, at its cost before there is one."""
        exchange, instrument_id = self.exchange, position.instrument_id
        price = exchange.best_bid_price(instrument_id) if position.is_long else exchange.best_ask_price(instrument_id)
        mark = price.as_decimal() if price is not None else Decimal(repr(position.avg_px_open))
        return position.signed_decimal_qty() * mark

    def _move(self, now_ns: int, kind: CarryKind, currency: Any, amount: Decimal, instrument_id: str) -> None:
        cents = amount.quantize(Decimal(1).scaleb(-currency.precision), rounding=ROUND_FLOOR)
        if not cents:
            return
        self.exchange.adjust_account(Money(cents, currency))
        entry = CarryEntry(now_ns, kind, instrument_id, cents, currency.code)
        self.entries.append(entry)
        self.msgbus.publish(CARRY, entry)
