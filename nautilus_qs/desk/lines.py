"""The lines of the desk's ledger, positions and grants, and what they add up to from the point of view of one order."""

from collections.abc import Iterable
from decimal import Decimal

from nautilus_qs.domain import InstrumentFacts, Side
from nautilus_qs.risk.checks import open_risk
from nautilus_qs.risk.limits import exact

_ZERO = Decimal(0)

CRYPTO_SECTOR = "crypto"
"""The one sector of everything that is traded as a coin."""


def sector_of(instrument: InstrumentFacts) -> str:
    """Return the sector whose limit an instrument counts for, "" for a broad-index fund."""
    return CRYPTO_SECTOR if instrument.is_crypto else instrument.sector


class Line:
    """Units of an instrument that a strategy holds or works.

    ``quantity``, ``notional`` and ``risk`` are positive, whatever the side; ``risk`` is what is lost at the stop, the
    whole notional without one.
    """

    __slots__ = (
        "entry_px",
        "instrument_id",
        "margin",
        "notional",
        "quantity",
        "risk",
        "sector",
        "side",
        "stop_px",
        "strategy",
        "venue",
    )

    def __init__(
        self, strategy: str, instrument: InstrumentFacts, side: Side, *, quantity: Decimal, entry_px: Decimal
    ) -> None:
        self.strategy = strategy
        self.instrument_id = instrument.instrument_id
        self.sector = sector_of(instrument)
        self.venue = instrument.venue
        self.margin = exact(instrument.margin_init)
        self.side = side
        self.quantity = quantity
        self.entry_px = entry_px
        self.stop_px: Decimal | None = None
        self.notional = self.risk = _ZERO

    def value(self, mark_px: Decimal) -> None:
        """Work out notional and risk at a price."""
        self.notional = self.quantity * mark_px
        self.risk = open_risk(self.side, self.quantity, entry_px=self.entry_px, stop_px=self.stop_px, mark_px=mark_px)


class Position(Line):
    """A line that is held. ``mark`` is the price it is valued at, None when that must be done anew."""

    __slots__ = ("mark",)

    def __init__(
        self, strategy: str, instrument: InstrumentFacts, side: Side, *, quantity: Decimal, entry_px: Decimal
    ) -> None:
        super().__init__(strategy, instrument, side, quantity=quantity, entry_px=entry_px)
        self.mark: float | None = None


class Grant(Line):
    """An entry that was granted and is not closed: what is not filled of it counts as if it were."""

    __slots__ = ("client_order_id", "is_probe", "is_touched")

    def __init__(
        self,
        client_order_id: str,
        strategy: str,
        instrument: InstrumentFacts,
        side: Side,
        *,
        quantity: Decimal,
        entry_px: Decimal,
        stop_px: Decimal | None,
        is_probe: bool = False,
    ) -> None:
        super().__init__(strategy, instrument, side, quantity=quantity, entry_px=entry_px)
        self.client_order_id = client_order_id
        self.stop_px = stop_px
        self.is_probe = is_probe
        self.is_touched = False
        self.value(entry_px)

    def fill(self, quantity: Decimal) -> None:
        """Take what was filled away from what is worked."""
        self.quantity = max(_ZERO, self.quantity - quantity)
        self.is_touched = True
        self.value(self.entry_px)


class Tally:
    """What is used already, as far as one order by one strategy on one side of one instrument is concerned.

    Attributes
    ----------
    heat, by_strategy, by_sector, by_instrument : Decimal
        Open risk of everything; market value of the strategy, the sector, the instrument.
    units : Decimal
        Units of the instrument, both sides added up.
    by_venue, margin, reserved : Decimal
        Market value and initial margin of everything at the venue, and the cost of what is worked there.
    opened, opened_total : int
        Strategy and instrument pairs held or worked, by the strategy and by all.
    is_held : bool
        Whether the strategy holds or works the instrument.
    own_risk : Decimal
        Open risk on the same side of the instrument.
    risks, sectors : dict of str
        Open risk and sector of every other instrument held or worked on the same side.

    """

    __slots__ = (
        "by_instrument",
        "by_sector",
        "by_strategy",
        "by_venue",
        "heat",
        "is_held",
        "margin",
        "opened",
        "opened_total",
        "own_risk",
        "reserved",
        "risks",
        "sectors",
        "units",
    )

    def __init__(
        self, strategy: str, instrument: InstrumentFacts, side: Side, *, held: Iterable[Line], worked: Iterable[Grant]
    ) -> None:
        self.heat = self.by_strategy = self.by_sector = self.by_instrument = _ZERO
        self.units = self.by_venue = self.margin = self.reserved = self.own_risk = _ZERO
        self.risks: dict[str, Decimal] = {}
        self.sectors: dict[str, str] = {}
        instrument_id, venue, sector = instrument.instrument_id, instrument.venue, sector_of(instrument)
        pairs: set[tuple[str, str]] = set()
        for lines in (held, worked):
            for line in lines:
                notional = line.notional
                if not notional:  # a grant that is filled and not closed yet
                    continue
                pairs.add((line.strategy, line.instrument_id))
                self.heat += line.risk
                if line.strategy == strategy:
                    self.by_strategy += notional
                if line.sector == sector:
                    self.by_sector += notional
                if line.venue == venue:
                    self.by_venue += notional
                    self.margin += notional * line.margin
                    if lines is worked:
                        self.reserved += notional
                if line.instrument_id == instrument_id:
                    self.by_instrument += notional
                    self.units += line.quantity
                    if line.side is side:
                        self.own_risk += line.risk
                elif line.side is side:
                    self.risks[line.instrument_id] = self.risks.get(line.instrument_id, _ZERO) + line.risk
                    self.sectors[line.instrument_id] = line.sector
        self.opened_total = len(pairs)
        self.opened = sum(1 for pair in pairs if pair[0] == strategy)
        self.is_held = (strategy, instrument_id) in pairs
