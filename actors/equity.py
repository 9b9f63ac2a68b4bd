"""The equity actor: marks the account to market across venues. Breakers and statistics know no other equity.

It keeps what it needs from events (positions by id, balances by account) instead of asking the portfolio: the
portfolio's own equity counts spot coins twice, and asking it on every bar costs more than the engine itself.
"""

from decimal import Decimal
from math import fsum
from typing import Any, NamedTuple

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.config import ActorConfig
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.events import PositionClosed

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.plain_bars import PlainBars
from nautilus_qs.bridge.raw import raw_of
from nautilus_qs.clock import AccountDay
from nautilus_qs.risk import VenueAccount

_CENT_OF_A_CENT = 4
_ZERO = Decimal(0)


class EquityActorConfig(ActorConfig, frozen=True, kw_only=True):
    """What is marked, and from when.

    Parameters
    ----------
    bar_types
        Every bar type that marks a position.
    trade_from_ns
        Marks before this time are not published: the account cannot have changed.
    day_zone
        Time zone of the account's day.
    max_mark_age_secs
        A mark older than this makes the equity stale; 0 turns the test off (backtest).
    mark_every_secs
        Bars that follow each other faster are not all marked while a position is held; 0 marks every one. The last one
        of a day is marked always, and so is every one on which something is decided: nothing is opened on an older
        mark.
    """

    bar_types: tuple[str, ...]
    trade_from_ns: int = 0
    day_zone: str = "America/New_York"
    max_mark_age_secs: float = 0.0
    mark_every_secs: int = 0


class Held(NamedTuple):
    """A position as it is marked: signed units, entry price, and the margin account it is in ("" in a cash account)."""

    instrument_id: str
    quantity: float
    entry_px: float
    margin_venue: str


class EquityActor(PlainBars, Actor):
    """Publishes an :class:`~nautilus_qs.bridge.messages.EquityPoint` per bar time while anything is open.

    The marks of one bar time are complete when a later event arrives: they are published then, before that event
    changes a position or a balance.
    """

    def __init__(self, config: EquityActorConfig) -> None:
        super().__init__(config)
        self.bars_seen = 0
        self._begin()

    def _begin(self) -> None:
        self.bars_seen = 0
        self._marks: dict[str, float] = {}
        self._mark_ts: dict[str, int] = {}
        self._positions: dict[str, Held] = {}
        self._states: dict[str, Any] = {}
        self._margin: dict[str, Decimal] = {}
        self._cash: dict[str, dict[str, Decimal]] = {}
        self._spot: dict[tuple[str, str], str] = {}
        self._daily: set[str] = set()
        self._closes: dict[str, float] = {}
        self._closing_day = 0
        self._day_ends_ns = 0
        self._has_coins = False
        self._cash_total = _ZERO
        self._ts = 0
        self._is_due = False
        self._marked_until_ns = 0
        self._next_mark_ns = 0
        self._mark_every_ns = self.config.mark_every_secs * 1_000_000_000
        self._day = AccountDay(self.config.day_zone)
        self._trade_from_ns = self.config.trade_from_ns

    def on_start(self) -> None:
        """Subscribe to bars, accounts and positions."""
        for text in self.config.bar_types:
            bar_type = BarType.from_str(text)
            iid = str(bar_type.instrument_id)
            if bar_type.spec.is_time_aggregated() and bar_type.spec.timedelta.days >= 1:
                self._daily.add(iid)
            instrument = self.cache.instrument(bar_type.instrument_id)
            base = getattr(instrument, "base_currency", None)
            if base is not None:
                self._spot[str(bar_type.instrument_id.venue), base.code] = iid
            self.subscribe_bars(bar_type)
        for account in self.cache.accounts():
            self._take_account(account.last_event)
        self.msgbus.subscribe("events.account.*", self._on_account)
        self.msgbus.subscribe("events.position.*", self._on_position)
        self.msgbus.register(bus.ENDPOINT_MARK, self._on_mark_request)

    def on_stop(self) -> None:
        """Mark what is still due."""
        self._mark_if_due()
        self.msgbus.deregister(bus.ENDPOINT_MARK, self._on_mark_request)

    def on_reset(self) -> None:
        """Forget everything: equal to a new actor."""
        self._begin()

    def on_bar(self, bar: Bar) -> None:
        """Take the close as the instrument's mark."""
        self.bars_seen += 1
        iid, ts, _, _, _, close, _ = raw_of(bar)
        if ts > self._ts:
            # The bars between two marks cost these comparisons.
            if self._is_due and (self._ts >= self._next_mark_ns or ts >= self._marked_until_ns):
                self._mark_if_due()
            self._ts = ts
            self._is_due = ts >= self._trade_from_ns
        self._marks[iid] = close
        self._mark_ts[iid] = ts
        if iid in self._daily:
            self.msgbus.publish(bus.DAILY_CLOSES, bus.DailyClose(iid, self._day.of(ts).toordinal(), close))
        else:
            # A bar that closes at midnight belongs to the day that ends there.
            if ts > self._day_ends_ns:
                self._close_day(ts - 1)
            self._closes[iid] = close

    def _close_day(self, ts: int) -> None:
        """Publish the last intraday close of every instrument that traded on the day that is over."""
        for iid, close in self._closes.items():
            self.msgbus.publish(bus.DAILY_CLOSES, bus.DailyClose(iid, self._closing_day, close))
        self._closes.clear()
        self._closing_day = self._day.of(ts).toordinal()
        self._day_ends_ns = self._day.end_ns

    def _mark_if_due(self) -> None:
        """Publish one point per bar time while anything is held, and one a day otherwise."""
        if not self._is_due:
            return
        self._is_due = False
        if self._positions or self._has_coins or self._ts >= self._marked_until_ns:
            self._note_mark()
            self.msgbus.publish(bus.EQUITY, self._point(self._ts))

    def _note_mark(self) -> None:
        """Work out when the next mark is due: soon while anything is held, else on the next day."""
        self._day.of(self._ts)
        self._marked_until_ns = self._next_mark_ns = self._day.end_ns
        if self._positions or self._has_coins:
            self._next_mark_ns = self._ts + self._mark_every_ns

    def _on_mark_request(self, request: bus.MarkRequest) -> None:
        self._is_due = False
        self._note_mark()
        request.point = self._point(self._ts)
        request.marks = self._marks
        request.accounts = tuple(self._accounts())

    def _point(self, ts: int) -> bus.EquityPoint:
        if self._states:
            self._take_states()
        marks = self._marks
        values: list[float] = []
        profits: list[float] = []
        for iid, quantity, entry_px, margin_venue in self._positions.values():
            mark = marks.get(iid, entry_px)
            values.append(quantity * mark)
            if margin_venue:
                # Coins in a cash account are balances; what a margin account holds is only its open profit.
                profits.append(quantity * (mark - entry_px))
        if self._has_coins:
            profits += self._coins()
        # fsum: the same sum whatever the order in which positions were opened.
        return bus.EquityPoint(
            ts,
            self._cash_total + _money(fsum(profits)) if profits else self._cash_total,
            self._cash_total,
            fsum(map(abs, values)),
            fsum(values),
            len(values),
            is_stale=self._is_stale(ts),
        )

    def _accounts(self) -> list[VenueAccount]:
        margin = [
            VenueAccount(venue, is_margin=True, cash=_ZERO, equity=total + _money(self._open_profit(venue)))
            for venue, total in self._margin.items()
        ]
        cash = [
            VenueAccount(venue, is_margin=False, cash=balances.get("USD", _ZERO), equity=_ZERO)
            for venue, balances in self._cash.items()
        ]
        return margin + cash

    def _open_profit(self, venue: str) -> float:
        return fsum(
            held.quantity * (self._marks.get(held.instrument_id, held.entry_px) - held.entry_px)
            for held in self._positions.values()
            if held.margin_venue == venue
        )

    def _coins(self) -> list[float]:
        return [
            float(total) * self._marks.get(self._spot.get((venue, code), ""), 0.0)
            for venue, balances in self._cash.items()
            for code, total in balances.items()
            if code != "USD"
        ]

    def _is_stale(self, ts: int) -> bool:
        limit = self.config.max_mark_age_secs
        if limit <= 0:
            return False
        oldest = min((self._mark_ts.get(held.instrument_id, 0) for held in self._positions.values()), default=ts)
        return ts - oldest > limit * 1e9

    def _on_account(self, event: Any) -> None:
        if event.ts_event > self._ts:
            self._mark_if_due()
        # Several states follow on one fill: only the last before a mark is read.
        self._states[event.account_id.get_issuer()] = event

    def _take_states(self) -> None:
        for event in self._states.values():
            self._take_account(event)
        self._states.clear()

    def _take_account(self, event: Any) -> None:
        venue = event.account_id.get_issuer()
        if event.account_type == AccountType.CASH:
            self._cash[venue] = {b.currency.code: b.total.as_decimal() for b in event.balances}
            self._has_coins = any(total and code != "USD" for b in self._cash.values() for code, total in b.items())
        else:
            self._margin[venue] = sum((b.total.as_decimal() for b in event.balances), _ZERO)
        dollars = [balances.get("USD", _ZERO) for balances in self._cash.values()]
        self._cash_total = sum([*self._margin.values(), *dollars], _ZERO)

    def _on_position(self, event: Any) -> None:
        if event.ts_event > self._ts:
            self._mark_if_due()
        if self._states:
            self._take_states()
        self._next_mark_ns = min(self._next_mark_ns, self._ts + self._mark_every_ns)
        key = event.position_id.value
        if isinstance(event, PositionClosed):
            self._positions.pop(key, None)
            # What it closed at shows in one more mark, though nothing is held any more.
            self._marked_until_ns = 0
            return
        venue = event.account_id.get_issuer()
        self._positions[key] = Held(
            str(event.instrument_id), event.signed_qty, event.avg_px_open, venue if venue in self._margin else ""
        )


def _money(amount: float) -> Decimal:
    return Decimal(repr(round(amount, _CENT_OF_A_CENT)))
