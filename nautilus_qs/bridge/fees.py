"""Dated fee tables as NautilusTrader's fee model."""

import hashlib
import importlib.resources
from collections import deque
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml
from nautilus_trader.backtest.config import FeeModelConfig
from nautilus_trader.backtest.models import FeeModel
from nautilus_trader.model.enums import LiquiditySide, OrderSide
from nautilus_trader.model.objects import Money

from nautilus_qs.bridge.tape import MarketTape
from nautilus_qs.costs import FeeTable, commission
from nautilus_qs.errors import ConfigError, NotFoundError

_THIRTY_DAYS_NS = 30 * 86_400 * 10**9


def load_fee_table(name: str) -> FeeTable:
    """Return the fee table that `name` means: one that ships in ``configs/fees``, or the path of a YAML file.

    Raises
    ------
    NotFoundError
        If there is neither.
    ConfigError
        If the file is no valid table.
    """
    shipped = importlib.resources.files("configs").joinpath("fees", f"{name}.yaml")
    source = shipped if shipped.is_file() else Path(name)
    if not source.is_file():
        raise NotFoundError(f"fee table {name!r} must be the name of one in configs/fees or a path; found neither")
    try:
        return msgspec.convert(yaml.safe_load(source.read_text(encoding="utf-8")), FeeTable)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigError(f"fee table {name!r} is not valid: {error}") from error


def fee_fingerprint(name: str) -> str:
    """Return a digest of what a fee table says, whatever its file is called and however it is written."""
    table = msgspec.json.encode(load_fee_table(name), order="deterministic")
    return hashlib.blake2b(table, digest_size=8).hexdigest()


class TableFeeModelConfig(FeeModelConfig, frozen=True, kw_only=True):
    """Which table, and the 30-day volume that the account starts with (quote currency; it selects the first tier)."""

    table: str
    volume_30d: Decimal = Decimal(0)


class TableFeeModel(FeeModel):
    """Charges what the table says at the tape's time, by the tier of the volume traded in the 30 days before.

    The commission is rounded up to the currency's smallest unit: an account books no less.
    """

    def __init__(self, config: TableFeeModelConfig) -> None:
        self.table = load_fee_table(config.table)
        self._start_volume = config.volume_30d
        self._tape: MarketTape | None = None
        self.reset()

    def bind(self, tape: MarketTape) -> None:
        """Take the tape whose time dates the fees."""
        self._tape = tape

    def reset(self) -> None:
        """Forget the volume traded."""
        self._volume = self._start_volume
        self._fills: deque[tuple[int, Decimal]] = deque()
        if self._start_volume:
            self._fills.append((-1, self._start_volume))

    def get_commission(self, order: Any, fill_qty: Any, fill_px: Any, instrument: Any) -> Money:
        """Return the commission of one fill in the instrument's quote currency.

        Raises
        ------
        ConfigError
            If no tape was bound: the venue must have one among its modules.
        """
        if self._tape is None:
            raise ConfigError("TableFeeModel must be bound to a Tape, was not; add the Tape to the venue's modules")
        now_ns = self._tape.now_ns
        quantity, price = fill_qty.as_decimal(), fill_px.as_decimal()
        fee = commission(
            self.table,
            ts=now_ns,
            is_sell=order.side == OrderSide.SELL,
            quantity=quantity,
            price=price,
            is_maker=order.liquidity_side == LiquiditySide.MAKER,
            volume_30d=self._volume_before(now_ns),
        )
        if self.table.schedules:
            self._add_volume(now_ns, quantity * price)
        currency = instrument.quote_currency
        return Money(fee.quantize(Decimal(1).scaleb(-currency.precision), rounding=ROUND_CEILING), currency)

    def _volume_before(self, now_ns: int) -> Decimal:
        fills = self._fills
        if fills and fills[0][0] == -1:
            # What the account starts with ages from the first fill on.
            fills[0] = (now_ns, fills[0][1])
        while fills and fills[0][0] <= now_ns - _THIRTY_DAYS_NS:
            self._volume -= fills.popleft()[1]
        return self._volume

    def _add_volume(self, now_ns: int, notional: Decimal) -> None:
        self._fills.append((now_ns, notional))
        self._volume += notional
