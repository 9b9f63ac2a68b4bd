"""A second book beside the system's own: rebuilt from what a run recorded, and held against every limit.

It knows prices (closes as they came), order events, fills and decisions, and none of the project's accounting. Times
tie as they do in the engine: marks of a bar time first, then what the bar filled, then the decisions of the batch one
nanosecond later, then the orders that follow from them.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from catalog.reader import Catalog
from nautilus_qs.config import RunConfig

GONE = ("canceled", "rejected", "expired", "denied")
TOLERANCE = 1e-6
CENT = 0.01  # an account is kept in cents, and every fill is rounded to one


@dataclass
class Line:
    """Units held or worked: a position once it is filled, a grant until then."""

    strategy: str
    instrument_id: str
    sign: int
    quantity: float
    px: float
    stop: float | None = None
    exits: set[str] = field(default_factory=set)
    stops: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sent = self.quantity


@dataclass
class Moment:
    """The book when something is granted, that grant included: lines held, and lines worked."""

    ts: int
    equity: float
    held: list[Line]
    worked: list[Line]
    marks: dict[str, float]
    grant: Any

    @property
    def lines(self) -> list[tuple[Line, float]]:
        """Every line with the price it is valued at: the last close, of what is worked its reference price."""
        return [
            *((line, self.marks[line.instrument_id]) for line in self.held),
            *((line, line.px) for line in self.worked),
        ]

    def notional(self, keep: Callable[[Line], bool] = lambda _: True) -> float:
        """Return the market value of some lines, as a share of equity."""
        return sum(line.quantity * px for line, px in self.lines if keep(line)) / self.equity

    def heat(self) -> float:
        """Return what everything loses from its entry to its stop, as a share of equity; without a stop, all of it."""
        lost = 0.0
        for line, px in self.lines:
            loss = px if line.stop is None else max(0.0, line.sign * (line.px - line.stop))
            lost += loss * line.quantity
        return lost / self.equity


def closes_of(catalog: Catalog, config: RunConfig) -> pd.DataFrame:
    """Return every traded close: ts, instrument_id, close, in order of time."""
    frames = []
    for data in config.data:
        for iid in data.instruments:
            frame = catalog.bars_frame(iid, data.bar, 0, 2**62)
            ts = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
            frames.append(pd.DataFrame({"ts": ts, "instrument_id": iid, "close": frame["close"].to_numpy()}))
    return pd.concat(frames).sort_values("ts", kind="stable")


class Replay:
    """Goes through a run once more.

    Parameters
    ----------
    tables
        What the run recorded.
    closes
        ts, instrument_id, close of every bar.
    cash
        What the accounts started with together.
    reducing
        Ids of plain orders that only reduce, as whoever sent them knows.
    without_stops
        Strategies that protect nothing.
    margin
        Venues whose account is booked by the result of what is closed, to the cent: over thousands of trades the parts
        of a cent would add up to more than the tolerance of a limit.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        closes: pd.DataFrame,
        *,
        cash: float,
        reducing: Collection[str] = (),
        without_stops: Collection[str] = (),
        margin: Collection[str] = (),
    ) -> None:
        self.cash = cash
        self._margin = margin
        self.fills = 0
        self.positions: dict[str, Line] = {}
        self.working: dict[str, Line] = {}
        self.marks: dict[str, float] = {}
        self.exposed: list[tuple[int, str]] = []
        self._reducing = reducing
        self._without_stops = without_stops
        self._resting: dict[str, dict[str, float]] = {}
        self._events = deque(_timeline(tables, closes))
        self._last = 0
        fills = tables["fills"]
        self._fills: dict[tuple[str, int], list[Any]] = {}
        for fill in fills.itertuples():
            self._fills.setdefault((fill.client_order_id, fill.ts_event), []).append(fill)

    def moments(self, until: int | None = None) -> Iterator[Moment]:
        """Yield the book at every grant, the grant included; go on from where the last call ended."""
        while self._events and (until is None or self._events[0][0] <= until):
            ts, _, kind, what = self._events.popleft()
            if ts != self._last:
                self._note_exposed(self._last)
                self._last = ts
            if kind == "mark":
                self.marks[what.instrument_id] = what.close
            elif kind == "carry":
                self.cash += what.amount
            elif kind == "decision":
                if what.verdict == "granted" and what.action == "enter":
                    self.working[what.client_order_id] = Line(
                        what.strategy,
                        what.instrument_id,
                        1 if what.side == "long" else -1,
                        what.quantity_granted,
                        what.reference_px,
                        stop=what.stop_px,
                    )
                    yield self.now(ts, what)
            else:
                yield from self._on_order(ts, what)
        self._note_exposed(self._last)

    def equity(self) -> float:
        """Return cash and positions at the last closes."""
        return self.cash + sum(
            line.sign * line.quantity * self.marks[line.instrument_id] for line in self.positions.values()
        )

    def now(self, ts: int, grant: Any = None) -> Moment:
        """Return the book as it stands."""
        held, worked = list(self.positions.values()), list(self.working.values())
        return Moment(ts, self.equity(), held, worked, dict(self.marks), grant)

    def _on_order(self, ts: int, event: Any) -> Iterator[Moment]:
        name, order_id, position_id = event.event, event.client_order_id, event.decision_id
        if name == "filled":
            for fill in self._fills[order_id, ts]:
                self._on_fill(fill)
        working = self.working.get(order_id)
        if working is not None and (name in GONE or (name == "filled" and working.quantity < 1e-9)):
            del self.working[order_id]
        elif working is not None and name == "updated":
            working.quantity += event.quantity - working.sent
            working.sent = event.quantity
            working.px = working.px if pd.isna(event.price) else self._price(event)
        line = self.positions.get(position_id)
        if event.leg == "S":
            self._on_stop(line, event)
        elif event.leg == "X" and line is not None:
            if name == "submitted":
                line.exits.add(order_id)
            elif name in GONE:
                line.exits.discard(order_id)
        elif event.leg == "" and name == "submitted" and order_id not in self._reducing:
            sign = 1 if event.side == "buy" else -1
            line = Line(event.strategy, event.instrument_id, sign, event.quantity, self._price(event))
            self.working[order_id] = line
            yield self.now(ts, event)

    def _price(self, event: Any) -> float:
        """Return what a plain order is valued at: its limit, of a sale below the market the market."""
        mark = self.marks[event.instrument_id]
        if pd.isna(event.price):
            return mark
        return event.price if event.side == "buy" else max(event.price, mark)

    def _on_stop(self, line: Line | None, event: Any) -> None:
        stops = self._resting.setdefault(event.decision_id, {}) if line is None else line.stops
        if event.event in ("accepted", "updated"):
            stops[event.client_order_id] = event.trigger_px
        elif event.event in (*GONE, "filled"):
            stops.pop(event.client_order_id, None)
        if line is not None:
            line.stop = next(reversed(line.stops.values())) if line.stops else None

    def _on_fill(self, fill: Any) -> None:
        sign = 1 if fill.side == "buy" else -1
        self.fills += 1
        self.cash -= sign * fill.quantity * fill.price + fill.commission
        if fill.client_order_id in self.working:
            self.working[fill.client_order_id].quantity -= fill.quantity
        line = self.positions.get(fill.position_id)
        if line is None:
            line = Line(fill.strategy, fill.instrument_id, sign, fill.quantity, fill.price)
            line.stops = self._resting.pop(fill.decision_id, {})
            line.stop = next(reversed(line.stops.values())) if line.stops else None
            self.positions[fill.position_id] = line
        elif line.sign == sign:
            total = line.quantity + fill.quantity
            line.px = (line.px * line.quantity + fill.price * fill.quantity) / total
            line.quantity = total
        else:
            if fill.instrument_id.rpartition(".")[2] in self._margin:
                result = line.sign * min(fill.quantity, line.quantity) * (fill.price - line.px)
                self.cash += round(result, 2) - result
            line.quantity -= fill.quantity
            if line.quantity < -1e-9:
                turned = Line(fill.strategy, fill.instrument_id, sign, -line.quantity, fill.price)
                self.positions[fill.position_id] = turned
            elif line.quantity < 1e-9:
                del self.positions[fill.position_id]

    def _note_exposed(self, ts: int) -> None:
        """Remember every position that had neither a resting stop nor an exit under way when a moment was over."""
        for position_id, line in self.positions.items():
            if line.stop is None and not line.exits and line.strategy not in self._without_stops:
                self.exposed.append((ts, position_id))


def _timeline(tables: Mapping[str, pd.DataFrame], closes: pd.DataFrame) -> list[tuple[int, int, str, Any]]:
    events: list[tuple[int, int, str, Any]] = [(row.ts, 0, "mark", row) for row in closes.itertuples()]
    events += [(row.ts, 0, "carry", row) for row in tables["carry"].itertuples()]
    events += [(row.ts_batch + 1, 1, "decision", row) for row in _exact(tables["decisions"]).itertuples()]
    events += [(row.ts_event, 2, "order", row) for row in _exact(tables["orders"]).itertuples()]
    return sorted(events, key=lambda event: event[:2])


def _exact(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose missing stops are None, and not a number that compares false."""
    names = [name for name in ("stop_px", "trigger_px") if name in table]
    return table.assign(**{name: table[name].astype(object).where(table[name].notna(), None) for name in names})


def breaches(config: RunConfig, catalog: Catalog, tables: Mapping[str, pd.DataFrame], **of_replay: Any) -> list[str]:
    """Return every limit that was exceeded when something was granted, in words; a clean run gives none.

    Also told: equity that differs from the book's own, and a position left without a stop.
    """
    closes = closes_of(catalog, config)
    cash = sum(float(text.split()[0]) for venue in config.venues for text in venue.balances)
    margin = {venue.name for venue in config.venues if venue.account == "margin"}
    replay = Replay(tables, closes, cash=cash, margin=margin, **of_replay)
    limits = Limits(config, catalog, closes, tables["regimes"])
    found: list[str] = []
    for moment in replay.moments():
        for name, value, limit in limits.judged(moment):
            if value > limit + TOLERANCE * abs(limit) + 1e-9:
                found.append(f"{moment.ts} {name} {value:.6g} above {limit:.6g}: {moment.grant}")
        told = getattr(moment.grant, "equity", moment.equity)
        if abs(told - moment.equity) > CENT * (1 + replay.fills):
            found.append(f"{moment.ts} equity told {told}, is {moment.equity}")
    return found + [f"{ts} {position_id} has no stop" for ts, position_id in replay.exposed]


class Limits:
    """The limits of a configuration, worked out anew at any moment."""

    def __init__(self, config: RunConfig, catalog: Catalog, closes: pd.DataFrame, regimes: pd.DataFrame) -> None:
        self._config = config
        self._sectors = {str(i.id): i.info["sector"] for i in catalog.instruments(config.instruments)}
        self._regime_ts = regimes["ts"].to_numpy(np.int64)
        self._regime = regimes["regime"].tolist()
        self._is_crisis = ((regimes["label"] == "crisis") | (regimes["regime"] == "crisis")).to_numpy()
        is_daily = all(data.bar.startswith("1-DAY") for data in config.data)
        self._closes = closes.pivot(index="ts", columns="instrument_id", values="close") if is_daily else closes[:0]

    def judged(self, moment: Moment) -> Iterator[tuple[str, float, float]]:
        """Yield name, value and limit of everything that a grant is held against."""
        risk, grant, sectors = self._config.risk, moment.grant, self._sectors
        iid, strategy = grant.instrument_id, grant.strategy
        regime, is_crisis = self.regime_at(moment.ts)
        # Before the first session of the run nothing but a decision tells which regime the warm-up ended in.
        regime = getattr(grant, "regime", regime)
        heat = risk.max_heat_choppy if regime == "high_vol_choppy" else risk.max_heat
        yield "heat", moment.heat(), risk.max_heat_crisis if is_crisis else heat
        if sector := sectors[iid]:
            yield "sector", moment.notional(lambda line: sectors[line.instrument_id] == sector), risk.max_sector
        yield "instrument", moment.notional(lambda line: line.instrument_id == iid), risk.max_instrument
        row = self._config.allocation.by_regime.get(regime, self._config.allocation.default)
        yield "weight", moment.notional(lambda line: line.strategy == strategy), row.get(strategy, 0.0)
        pairs = {(line.strategy, line.instrument_id) for line, _ in moment.lines}
        yield "positions", len(pairs), risk.max_positions
        own = sum(pair[0] == strategy for pair in pairs)
        yield "positions of the strategy", own, risk.max_positions_per_strategy
        if len(self._config.venues) == 1:
            yield "gross exposure", moment.notional(), self._config.venues[0].leverage
        if hasattr(grant, "risk_fraction"):
            at_stop = abs(grant.reference_px - grant.stop_px) * grant.quantity_granted / moment.equity
            yield "risk", at_stop, grant.risk_fraction * grant.multiplier_drawdown
            sizing = self._config.sizing
            cap = sizing.cap_choppy if regime == "high_vol_choppy" else sizing.cap_normal
            yield "risk fraction", grant.risk_fraction, sizing.cap_crisis if is_crisis else cap
            yield "granted", grant.quantity_granted, grant.quantity_asked
        if risk.correlation_mode == "block" and risk.max_correlation < 1.0 and len(self._closes):
            yield "correlation", self.correlation(moment), risk.max_correlation

    def regime_at(self, ts: int) -> tuple[str, bool]:
        """Return the regime in force, and whether risk goes by its crisis values: in force, or the last label."""
        place = int(np.searchsorted(self._regime_ts, ts, side="right")) - 1
        return (self._regime[place], bool(self._is_crisis[place])) if place >= 0 else ("none", False)

    def correlation(self, moment: Moment) -> float:
        """Return the highest correlation with another instrument on the same side, over the last common days."""
        grant, risk = moment.grant, self._config.risk
        sign = 1 if grant.side in ("long", "buy") else -1
        others = {line.instrument_id for line, _ in moment.lines if line.sign == sign} - {grant.instrument_id}
        highest = -1.0
        for other in others:
            pair = self._closes.loc[: moment.ts, [grant.instrument_id, other]].dropna()
            returns = pair.iloc[-risk.correlation_days - 1 :].pct_change().dropna()
            if len(returns) >= risk.correlation_min_days:
                highest = max(highest, float(np.corrcoef(returns.to_numpy().T)[0, 1]))
        return highest
