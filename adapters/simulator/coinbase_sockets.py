"""The Coinbase simulator's two sockets: who is told what of the market and of the account, and when.

Two clocks meet here. Ticks and orders are told as they happen; heartbeats, batches of trades and the deadlines of quiet
connections follow the wall, as a client's own watchdogs do.
"""

import asyncio
import copy
import json
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import msgspec
from starlette.websockets import WebSocket

from adapters.simulator.clock import ClockMode
from adapters.simulator.coinbase_account import AccountDesk
from adapters.simulator.coinbase_auth import Keyring
from adapters.simulator.coinbase_desk import OrderDesk
from adapters.simulator.coinbase_market import STREAMED_SECS, ProductMarket
from adapters.simulator.coinbase_orders import Record
from adapters.simulator.coinbase_public import PublicDesk, Shelf
from adapters.simulator.coinbase_sessions import Endpoint, Session, error_frame, frame_of
from adapters.simulator.coinbase_wire import NANOS, Json, beat_time, encoded
from adapters.simulator.exchange import Event, EventKind, TradingState
from adapters.simulator.faults import Fault, FaultKind, FaultPlan, Occurrence
from adapters.simulator.journal import EntryKind
from adapters.simulator.lines import Line, Lines
from adapters.simulator.market import Market
from adapters.simulator.tape import Quote, Tick

SNAPSHOT_ORDERS = 50
SNAPSHOT_TRADES = 100
SNAPSHOT_CANDLES = 100
_POLICY, _GOING_AWAY = 1008, 1001


class SocketOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the sockets behave; durations are the venue's, before its time scale.

    Parameters
    ----------
    has_client_id
        Whether frames bear a `client_id`.
    subscribe_secs
        A connection without a subscription is closed after so many seconds.
    idle_secs
        One that was told nothing for so long is closed, unless it subscribed to heartbeats.
    batch_secs
        Between two batches of trades. Heartbeats come every fourth, batched tickers every twentieth.

    """

    has_client_id: bool = True
    subscribe_secs: float = 5.0
    idle_secs: float = 75.0
    batch_secs: float = 0.25


class _JoinedBefore(FaultPlan):
    """A plan without the fault that joins fills: that one must act before frames are numbered, and has."""

    def __init__(self, plan: FaultPlan) -> None:
        super().__init__()
        self._plan = plan

    def take(self, occurrence: Occurrence, *kinds: FaultKind) -> list[Fault]:
        others = tuple(kind for kind in kinds if kind is not FaultKind.COALESCE_FILLS)
        return self._plan.take(occurrence, *others) if others else []


class SessionLine(Line):
    """A line whose frames are numbered as they are handed to it, after what waited for an answer has waited."""

    def __init__(self, websocket: WebSocket, market: Market, session: Session) -> None:
        seen = copy.copy(market)
        seen.faults = _JoinedBefore(market.faults)
        super().__init__(websocket, seen, venue="coinbase", stream=session.endpoint.value, encode=encoded)
        self.session = session
        self.opened_at = self.told_at = monotonic()
        self.trades: list[Json] = []
        self.candles: list[Json] = []
        self.beats = 0

    def lose(self, event: str) -> None:
        """Forget a subscription, by the name of its channel; any other event is no longer told."""
        if self.session.wants(event):
            self.session.forget(event)
        else:
            super().lose(event)

    def tell(self, channel: str, events: list[Json]) -> None:
        """Send events of a channel."""
        self.send(frame_of(channel, events), event=channel)

    def _send_now(self, frame: Any, event: str, order_ids: tuple[str, ...], client_ids: tuple[str, ...]) -> None:
        self.told_at = monotonic()
        super()._send_now(self.session.numbered(frame), event, order_ids, client_ids)


class Streams:
    """The open connections of both sockets.

    Parameters
    ----------
    market, lines
        What the simulator's venues share.
    orders, account, public, shelf
        What is told.
    keyring, now_secs
        Who may be told, judged by which clock.
    user_id
        Of the account.
    options
        How the sockets behave.

    """

    def __init__(
        self,
        market: Market,
        lines: Lines,
        *,
        orders: OrderDesk,
        account: AccountDesk,
        public: PublicDesk,
        shelf: Shelf,
        keyring: Keyring,
        now_secs: Callable[[], int],
        user_id: str,
        options: SocketOptions,
    ) -> None:
        self._market = market
        self._lines = lines
        self._orders = orders
        self._account = account
        self._public = public
        self._shelf = shelf
        self._keyring = keyring
        self._now_secs = now_secs
        self._user_id = user_id
        self._options = options
        self._open: list[SessionLine] = []
        self._joined: dict[str, int] = {}
        self._states: dict[str, TradingState] = {}
        market.listen(self._on_tick)
        market.each_step(self._on_step)
        orders.listen(self._on_record)

    async def serve(self, websocket: WebSocket, endpoint: Endpoint) -> None:
        """Serve one connection until it ends."""
        session = Session(
            endpoint,
            keyring=self._keyring,
            feed=self,
            now_ns=self._market.clock.wire_now_ns,
            now_secs=self._now_secs,
            user_id=self._user_id,
            has_client_id=self._options.has_client_id,
        )
        line = SessionLine(websocket, self._market, session)
        if not await line.open():
            return
        self._lines.add(line)
        self._open.append(line)
        pulse = asyncio.create_task(self._pulse(line), name=f"coinbase-{endpoint.value}-pulse")
        try:
            while (text := await line.receive()) is not None:
                self._answer(line, text)
        finally:
            pulse.cancel()
            self._open.remove(line)
            self._lines.remove(line)
            await line.end()
            await asyncio.gather(pulse, return_exceptions=True)

    def _answer(self, line: SessionLine, text: str | bytes) -> None:
        line.received(_without_token(text))
        for frame in line.session.receive(text):
            line.send(frame, event=_event_of(frame))

    def tell_states(self) -> None:
        """Tell the status channel which products can be traded otherwise than before."""
        self._shelf.follow(self._market.clock.now_ns())
        for product_id in self._shelf.markets:
            state = self._shelf.state_of(product_id)
            if self._states.setdefault(product_id, TradingState.OPEN) is state:
                continue
            self._states[product_id] = state
            event = {"type": "update", "products": [self._public.status_row(product_id)]}
            for line in self._who_wants("status"):
                line.tell("status", [event])

    def tell_error(self, message: str, *, endpoint: str = "", loses: str = "") -> int:
        """Send an error to the open connections, and forget a subscription of theirs; return how many there were.

        Parameters
        ----------
        message
            What the frame says.
        endpoint
            Only on this socket.
        loses
            Channel that is not told any more, although nothing was closed.

        """
        lines = [line for line in self._open if endpoint in ("", line.session.endpoint.value)]
        for line in lines:
            line.send(error_frame(message), event="error")
            if loses:
                line.session.forget(loses)
        return len(lines)

    # What a subscription begins with.

    def canonical(self, product_id: str) -> str | None:
        """Return the name that streams use for a product."""
        return self._shelf.canonical(product_id)

    def snapshots(self, channel: str, product_ids: tuple[str, ...]) -> Iterable[list[Json]]:
        """Return the events of each frame that a new subscription begins with."""
        markets = [self._shelf.markets[name] for name in product_ids]
        if channel == "level2":
            for market in markets:
                yield [{"type": "snapshot", "product_id": market.product_id, "updates": market.snapshot()}]
        elif channel == "market_trades":
            trades = [(trade, market.product_id) for market in markets for trade in market.trades]
            trades.sort(key=lambda pair: pair[0].ts_ns, reverse=True)
            yield [{"type": "snapshot", "trades": [trade.row(name) for trade, name in trades[:SNAPSHOT_TRADES]]}]
        elif channel in ("ticker", "ticker_batch"):
            yield [{"type": "snapshot", "tickers": self._tickers(channel, product_ids)}]
        elif channel == "candles":
            rows = [row for name in product_ids for row in self._candles(name, SNAPSHOT_CANDLES)]
            yield [{"type": "snapshot", "candles": rows}]
        elif channel == "status":
            names = product_ids or tuple(self._shelf.markets)
            yield [{"type": "snapshot", "products": [self._public.status_row(name) for name in names]}]
        elif channel == "user":
            yield from self._user_snapshots(product_ids)

    def _user_snapshots(self, product_ids: tuple[str, ...]) -> Iterable[list[Json]]:
        wanted = [r for r in self._orders.open_records() if not product_ids or r.stream_product_id in product_ids]
        rows = [self._row(record) for record in wanted]
        for start in range(0, max(len(rows), 1), SNAPSHOT_ORDERS):
            positions: Json = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
            batch = rows[start : start + SNAPSHOT_ORDERS]
            yield [{"type": "snapshot", "orders": batch, "positions": positions}]

    def _tickers(self, channel: str, product_ids: Iterable[str]) -> list[Json]:
        now, has_best = self._market.clock.wire_now_ns(), channel == "ticker"
        return [self._shelf.markets[name].ticker(now, has_best=has_best) for name in product_ids]

    def _candles(self, product_id: str, count: int) -> list[Json]:
        """Return the newest five-minute buckets, newest first, the open one among them."""
        now = self._market.clock.wire_now_ns() // NANOS
        start = now - count * STREAMED_SECS
        candles = self._shelf.markets[product_id].candles(STREAMED_SECS, start=start, end=now)
        return [candle.row() | {"product_id": product_id} for candle in reversed(candles)]

    # What happens.

    def _on_tick(self, tick: Tick, wire_ns: int) -> None:
        market = self._shelf.markets.get(tick.symbol)
        if market is None:
            return
        if isinstance(tick, Quote):
            self._on_quote(market, tick, wire_ns)
            return
        trade = market.trade(tick, wire_ns)
        for line in self._who_wants("market_trades", tick.symbol):
            line.trades.append(trade.row(tick.symbol))
        for line in self._who_wants("ticker", tick.symbol):
            line.tell("ticker", [{"type": "update", "tickers": self._tickers("ticker", (tick.symbol,))}])

    def _on_quote(self, market: ProductMarket, quote: Quote, wire_ns: int) -> None:
        lines = self._who_wants("level2", quote.symbol)
        # Most of a long tape is played before anybody listens, and differences are dear.
        updates = market.updates(quote, wire_ns) if lines else []
        market.show(quote, wire_ns)
        if updates:
            event = {"type": "update", "product_id": quote.symbol, "updates": updates}
            for line in lines:
                line.tell("level2", [event])

    def _who_wants(self, channel: str, product_id: str | None = None) -> list[SessionLine]:
        return [line for line in self._open if line.session.wants(channel, product_id)]

    def _on_step(self) -> None:
        self.tell_states()
        # With stepped time nothing happens between two steps: a batch ends with its step, whatever the wall says.
        if self._market.clock.mode is ClockMode.STEPPED:
            for line in self._open:
                self._tell_trades(line)
                self._tell_candles(line)

    def _on_record(self, record: Record, event: Event | None) -> None:
        name = event.kind.value if event is not None else "update"
        ids = {"order_ids": (record.order_id,), "client_ids": (record.client_order_id,)}
        if self._is_joined(record, event):
            return
        update = {"type": "update", "orders": [self._row(record)]}
        for line in self._who_wants("user"):
            names = line.session.products("user")
            if (names and record.stream_product_id not in names) or self._is_lost(line, record):
                continue
            line.send(frame_of("user", [update]), event=name, **ids)

    def _is_joined(self, record: Record, event: Event | None) -> bool:
        """Whether a fault lets this fill be told with the next one only: totals make up for it."""
        if event is None or event.fill is None or event.kind is EventKind.TRADE_BUST:
            return False
        occurrence = self._occurrence(Endpoint.USER, record, event.kind.value)
        fault = self._market.faults.first(occurrence, FaultKind.COALESCE_FILLS)
        told = self._joined.pop(record.order_id, 0) + 1
        if fault is None or told >= fault.count:
            return False
        self._joined[record.order_id] = told
        return True

    def _is_lost(self, line: SessionLine, record: Record) -> bool:
        """Whether a fault makes the venue forget now that this connection subscribed to the account."""
        occurrence = self._occurrence(line.session.endpoint, record, "user")
        fault = self._market.faults.first(occurrence, FaultKind.LOSE_SUBSCRIPTION)
        if fault is None:
            return False
        now = self._market.clock.wire_now_ns()
        self._market.journal.add(EntryKind.FAULT, "coinbase", line.stream, ts_ns=now, fault=fault.kind.value)
        line.session.forget("user")
        return True

    def _occurrence(self, endpoint: Endpoint, record: Record, event: str) -> Occurrence:
        return Occurrence(
            venue="coinbase",
            where=f"stream:{endpoint.value}",
            order_ids=(record.order_id,),
            client_ids=(record.client_order_id,),
            event=event,
        )

    def _row(self, record: Record) -> Json:
        return self._orders.writer.stream_row(record, hold=self._account.hold(record))

    # What the wall's clock brings.

    async def _pulse(self, line: SessionLine) -> None:
        clock, options = self._market.clock, self._options
        beat = 0
        while line.is_open:
            await asyncio.sleep(clock.rule_secs(options.batch_secs))
            beat += 1
            if not line.session.has_subscribed:
                if monotonic() - line.opened_at > clock.rule_secs(options.subscribe_secs):
                    line.close(_POLICY, "no subscription")
                    return
            elif not line.session.wants("heartbeats"):
                if monotonic() - line.told_at > clock.rule_secs(options.idle_secs):
                    line.close(_GOING_AWAY, "idle")
                    return
            elif beat % 4 == 0:
                self._tell_beat(line)
            self._tell_trades(line)
            if beat % 4 == 0:
                self._tell_candles(line)
            if beat % 20 == 0 and line.session.wants("ticker_batch"):
                tickers = self._tickers("ticker_batch", line.session.products("ticker_batch"))
                line.tell("ticker_batch", [{"type": "update", "tickers": tickers}])

    def _tell_beat(self, line: SessionLine) -> None:
        line.beats += 1
        now = beat_time(self._market.clock.wire_now_ns())
        line.tell("heartbeats", [{"current_time": now, "heartbeat_counter": line.beats}])

    def _tell_trades(self, line: SessionLine) -> None:
        if line.trades:
            trades, line.trades = line.trades, []
            line.tell("market_trades", [{"type": "update", "trades": trades}])

    def _tell_candles(self, line: SessionLine) -> None:
        """Send the open bucket of each product again, if it has changed."""
        rows = [row for name in line.session.products("candles") for row in self._candles(name, 1)]
        changed = [row for row in rows if row not in line.candles]
        if changed:
            line.candles = rows
            line.tell("candles", [{"type": "update", "candles": changed}])


def _event_of(frame: Json) -> str:
    if frame.get("type") == "error":
        return "error"
    is_account = frame["channel"] == "user"
    return "snapshot" if is_account else str(frame["channel"])


def _without_token(text: str | bytes) -> Any:
    """Return a client's message for the journal, which keeps no tokens."""
    try:
        message = json.loads(text)
    except ValueError:
        return "malformed"
    return {k: v for k, v in message.items() if k != "jwt"} if isinstance(message, dict) else message
