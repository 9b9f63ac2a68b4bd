"""Who holds and works what: positions, resting stops, and grants that are not filled yet.

There are no running sums that a missed event could leave wrong for good: what things add up to is counted when it is
asked for, over lines that the limit on positions keeps few. A line keeps its own value until its price changes.
"""

import math
from collections.abc import Mapping
from decimal import Decimal

from nautilus_qs.desk.lines import Grant, Line, Position, Tally
from nautilus_qs.domain import Exposure, InstrumentFacts, Side, Working
from nautilus_qs.errors import DataError
from nautilus_qs.risk.limits import exact

_ZERO = Decimal(0)

type Key = tuple[str, str, str]
"""Strategy, instrument, and a name of the position that the caller chooses."""


class Ledger:
    """The desk's own record of exposure, fed by facts.

    The third part of a position's key is one that is new for every position where a stop may be told before its
    position (the id of the entry), else the position id.
    """

    def __init__(self) -> None:
        self.instruments: dict[str, InstrumentFacts] = {}
        self.reset()

    def reset(self) -> None:
        """Forget positions, grants, stops and marks; instruments stay."""
        self.grants: dict[str, Grant] = {}
        self._positions: dict[Key, Position] = {}
        self._stops: dict[Key, Decimal] = {}
        self._marks: dict[str, float] = {}

    def set_instruments(self, instruments: Mapping[str, InstrumentFacts]) -> None:
        """Take the facts of all instruments; they replace those known before."""
        self.instruments = dict(instruments)

    def on_mark(self, instrument_id: str, px: float) -> None:
        """Take the last price of an instrument.

        Raises
        ------
        DataError
            It is not a positive number; the mark before stays.

        """
        if not 0.0 < px < math.inf:
            raise DataError(f"a mark must be a positive number, was {px} of {instrument_id}; check its data")
        self._marks[instrument_id] = px

    def on_fill(self, key: Key, quantity: Decimal, px: Decimal, client_order_id: str) -> None:
        """Take an execution (signed: + bought, - sold).

        What goes beyond a position turns it: the rest is a new position at this price, without a stop.

        Raises
        ------
        DataError
            The facts of the instrument are not known; nothing is taken in.

        """
        if not quantity:  # it would be a short position of nothing, and keep its strategy from entering
            return
        side = Side.LONG if quantity > 0 else Side.SHORT
        size = abs(quantity)
        position = self._positions.get(key)
        if position is None:
            self._open(key, side, size, px)
        elif position.side is side:
            total = position.quantity + size
            position.entry_px = (position.entry_px * position.quantity + px * size) / total
            position.quantity, position.mark = total, None
        elif size < position.quantity:
            position.quantity, position.mark = position.quantity - size, None
        else:
            rest = size - position.quantity
            del self._positions[key]
            self._stops.pop(key, None)
            if rest:
                self._open(key, side, rest, px)
        grant = self.grants.get(client_order_id)
        if grant is not None:
            grant.fill(size)

    def on_stop(self, key: Key, px: Decimal | None) -> None:
        """Take where the stop of a position rests now, None when it is gone; it may come before the position."""
        if px is None:
            self._stops.pop(key, None)
        else:
            self._stops[key] = px
        position = self._positions.get(key)
        if position is not None:
            position.stop_px, position.mark = px, None

    def reserve(self, grant: Grant) -> None:
        """Count a grant from now on; one that is given again under its id replaces the one before."""
        self.grants[grant.client_order_id] = grant

    def release(self, client_order_id: str) -> Grant | None:
        """Forget a grant; return it, None when there is none under this id."""
        return self.grants.pop(client_order_id, None)

    def tally(self, strategy: str, instrument: InstrumentFacts, side: Side) -> Tally:
        """Return what is used already, as far as one order is concerned."""
        return Tally(strategy, instrument, side, held=self._valued(), worked=self.grants.values())

    def is_held(self, strategy: str, instrument_id: str) -> bool:
        """Return whether a strategy holds or works an instrument."""
        for line in self._positions.values():
            if line.instrument_id == instrument_id and line.strategy == strategy:
                return True
        for grant in self.grants.values():
            if grant.instrument_id == instrument_id and grant.strategy == strategy and grant.quantity > 0:
                return True
        return False

    def open_risk(self) -> Decimal:
        """Return what positions and working entries lose at their stops, in money."""
        total = _ZERO
        for position in self._positions.values():
            # What has a stop loses the same at any price: only the others must be valued anew.
            if position.mark is None or (position.stop_px is None and position.mark != self._mark(position)):
                self._value(position)
            total += position.risk
        for grant in self.grants.values():
            total += grant.risk
        return total

    def exposure(self) -> tuple[Decimal, Decimal]:
        """Return gross and net market value of positions and working entries, in money."""
        gross = net = _ZERO
        lines: list[Line] = [*self._valued(), *self.grants.values()]
        for line in lines:
            gross += line.notional
            net += line.notional if line.side is Side.LONG else -line.notional
        return gross, net

    def at_venue(self, venue: str) -> tuple[Decimal, Decimal]:
        """Return the initial margin of everything at a venue, and the cost of what is worked there."""
        lines: list[Line] = [*self._valued(), *self.grants.values()]
        margin = sum((line.notional * line.margin for line in lines if line.venue == venue), _ZERO)
        return margin, sum((grant.notional for grant in self.grants.values() if grant.venue == venue), _ZERO)

    def mark_of(self, instrument_id: str) -> Decimal | None:
        """Return the last price of an instrument, None before the first."""
        px = self._marks.get(instrument_id)
        return None if px is None else exact(px)

    def quantity_of(self, strategy: str, instrument_id: str, side: Side) -> Decimal:
        """Return the units that a strategy holds of an instrument on one side, positive."""
        total = _ZERO
        for line in self._positions.values():
            if line.instrument_id == instrument_id and line.strategy == strategy and line.side is side:
                total += line.quantity
        return total

    def positions(self) -> tuple[Exposure, ...]:
        """Return every open position."""
        return tuple(
            Exposure(
                strategy=position.strategy,
                instrument_id=position.instrument_id,
                side=position.side,
                quantity=position.quantity,
                entry_px=position.entry_px,
                mark_px=position.entry_px if (px := self.mark_of(position.instrument_id)) is None else px,
                stop_px=position.stop_px,
            )
            for position in self._positions.values()
        )

    def working(self) -> tuple[Working, ...]:
        """Return what is granted and not filled."""
        return tuple(
            Working(
                key=grant.client_order_id,
                strategy=grant.strategy,
                instrument_id=grant.instrument_id,
                side=grant.side,
                quantity=grant.quantity,
                entry_px=grant.entry_px,
                stop_px=grant.stop_px,
            )
            for grant in self.grants.values()
            if grant.quantity > 0
        )

    def _open(self, key: Key, side: Side, quantity: Decimal, px: Decimal) -> None:
        instrument = self.instruments.get(key[1])
        if instrument is None:
            raise DataError(f"the facts of {key[1]} must be known before it is traded, a fill came; define it")
        position = Position(key[0], instrument, side, quantity=quantity, entry_px=px)
        position.stop_px = self._stops.get(key)
        self._positions[key] = position

    def _valued(self) -> list[Position]:
        """Return the positions at their last prices."""
        positions = list(self._positions.values())
        for position in positions:
            if position.mark is None or position.mark != self._marks.get(position.instrument_id):
                self._value(position)
        return positions

    def _mark(self, position: Position) -> float | None:
        return self._marks.get(position.instrument_id)

    def _value(self, position: Position) -> None:
        px = self._marks.get(position.instrument_id)
        # Before its first mark a position is worth what it cost.
        position.value(position.entry_px if px is None else exact(px))
        position.mark = px
