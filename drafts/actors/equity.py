"""The equity actor: marks the account to market across venues. Breakers and statistics know no other equity.

It keeps what it needs from events (positions by id, balances by account) instead of asking the portfolio: the
portfolio's own equity counts spot coins twice, and asking it on every bar costs more than the engine itself.
"""

from decimal import Decimal
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.events import PositionClosed

from nautilus_qs.bridge import messages as bus
from nautilus_qs.clock import AccountDay


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
        A mark older than this makes the equity stale, unless its market is closed; 0 turns the test off (backtest).
    """

    bar_types: tuple[str, ...]
    trade_from_ns: int = 0
    day_zone: str = "America/New_York"
    max_mark_age_secs: float = 0.0


class EquityActor(Actor):
    """Publishes an :class:`~nautilus_qs.bridge.messages.EquityPoint` per bar time while anything is open."""

    def __init__(self, config: EquityActorConfig) -> None:
        super().__init__(config)
        self._start()

    def _start(self) -> None:
        self._marks: dict[str, float] = {}
        self._mark_ts: dict[str, int] = {}
        self._positions: dict[str, tuple[str, float, float, bool]] = {}
        self._margin_totals: dict[str, Decimal] = {}
        self._cash_balances: dict[str, dict[str, Decimal]] = {}
        self._free: dict[str, Decimal] = {}
        self._spot: dict[str, str] = {}
        self._daily: set[str] = set()
        self._ids: dict[Any, str] = {}
        self._pending_closes: dict[str, tuple[int, float]] = {}
        self._ts = 0
        self._is_due = False
        self._last_day: Any = None
        self._day = AccountDay(self.config.day_zone)

    def on_start(self) -> None:
        """Subscribe to bars, accounts and positions."""
        for text in self.config.bar_types:
            bar_type = BarType.from_str(text)
            iid = str(bar_type.instrument_id)
            self._ids[bar_type] = iid
            if bar_type.spec.is_time_aggregated() and bar_type.spec.timedelta.days >= 1:
                self._daily.add(iid)
            instrument = self.cache.instrument(bar_type.instrument_id)
            base = getattr(instrument, "base_currency", None)
            if base is not None:
                self._spot[f"{bar_type.instrument_id.venue}:{base.code}"] = iid
            self.subscribe_bars(bar_type)
        for account in self.cache.accounts():
            self._on_account(account.last_event)
        self.msgbus.subscribe("events.account.*", self._on_account)
        self.msgbus.subscribe("events.position.*", self._on_position)
        self.msgbus.register(bus.ENDPOINT_MARK, self._on_mark_request)

    def on_stop(self) -> None:
        """Mark what is still due."""
        self._mark_if_due()
        self.msgbus.deregister(bus.ENDPOINT_MARK, self._on_mark_request)

    def on_reset(self) -> None:
        """Forget everything: equal to a new actor."""
        self._start()

    def on_bar(self, bar: Bar) -> None:
        """Take the close as the instrument's mark; the first bar of a later time closes the marks of the one before."""
        ts = bar.ts_event
        if ts > self._ts:
            self._mark_if_due()
            self._ts = ts
            self._is_due = True
        iid = self._ids[bar.bar_type]
        close = bar.close.as_double()
        self._marks[iid] = close
        self._mark_ts[iid] = ts
        if iid in self._daily:
            self.msgbus.publish(bus.DAILY_CLOSES, bus.DailyClose(iid, self._day.of(ts).toordinal(), close))
        else:
            self._on_intraday_close(iid, ts, close)

    def _on_intraday_close(self, iid: str, ts: int, close: float) -> None:
        day = self._day.of(ts - 1).toordinal()
        previous = self._pending_closes.get(iid)
        if previous is not None and previous[0] != day:
            self.msgbus.publish(bus.DAILY_CLOSES, bus.DailyClose(iid, previous[0], previous[1]))
        self._pending_closes[iid] = (day, close)

    def _mark_if_due(self) -> None:
        """Publish one point per bar time while positions are open, and one a day otherwise."""
        if not self._is_due or self._ts < self.config.trade_from_ns:
            return
        self._is_due = False
        day = self._day.of(self._ts)
        if self._positions or self._cash_coins() or day != self._last_day:
            self._last_day = day
            self.msgbus.publish(bus.EQUITY, self._point(self._ts))

    def _on_mark_request(self, request: bus.MarkRequest) -> None:
        self._is_due = False
        self._last_day = self._day.of(self._ts)
        request.point = self._point(self._ts)
        request.marks = self._marks
        request.buying_power = dict(self._free)

    def _point(self, ts: int) -> bus.EquityPoint:
        cash = sum(self._margin_totals.values(), Decimal(0))
        unrealised = gross = net = 0.0
        for iid, quantity, entry_px, is_margin in self._positions.values():
            mark = self._marks.get(iid, entry_px)
            value = quantity * mark
            gross += abs(value)
            net += value
            if is_margin:
                unrealised += quantity * (mark - entry_px)
        coins = 0.0
        for venue, balances in self._cash_balances.items():
            for code, total in balances.items():
                if code == "USD":
                    cash += total
                elif total:
                    coins += float(total) * self._marks.get(self._spot.get(f"{venue}:{code}", ""), 0.0)
        equity = cash + Decimal(repr(round(unrealised + coins, 8)))
        return bus.EquityPoint(ts, equity, cash, gross, net, len(self._positions), is_stale=self._is_stale(ts))

    def _cash_coins(self) -> bool:
        return any(total and code != "USD" for b in self._cash_balances.values() for code, total in b.items())

    def _is_stale(self, ts: int) -> bool:
        limit = self.config.max_mark_age_secs
        if limit <= 0:
            return False
        oldest = min((self._mark_ts.get(p[0], 0) for p in self._positions.values()), default=ts)
        return ts - oldest > limit * 1e9

    def _on_account(self, event: Any) -> None:
        venue = event.account_id.get_issuer()
        if event.account_type == AccountType.CASH:
            self._cash_balances[venue] = {b.currency.code: b.total.as_decimal() for b in event.balances}
            self._free[venue] = sum((b.free.as_decimal() for b in event.balances if b.currency.code == "USD"), Decimal(0))
        else:
            self._margin_totals[venue] = sum((b.total.as_decimal() for b in event.balances), Decimal(0))
            self._free[venue] = sum((b.free.as_decimal() for b in event.balances), Decimal(0))

    def _on_position(self, event: Any) -> None:
        key = event.position_id.value
        if isinstance(event, PositionClosed):
            self._positions.pop(key, None)
            return
        iid = str(event.instrument_id)
        is_margin = event.account_id.get_issuer() in self._margin_totals
        self._positions[key] = (iid, event.signed_qty, event.avg_px_open, is_margin)
