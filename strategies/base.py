"""The strategy shell: read the bar, ask the rule, propose, and hand the verdict to whoever carries it out.

A strategy decides nothing about money. It turns closed bars into numbers and numbers into proposals; the risk desk
answers, and :class:`~strategies.execution.Execution` carries the answer out.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.features import features_for
from nautilus_qs.bridge.plain_bars import PlainBars
from nautilus_qs.bridge.raw import raw_of
from nautilus_qs.bridge.rounding import order_tick, stop_price, target_price
from nautilus_qs.desk.ids import make_decision_id
from nautilus_qs.domain import Proposal, Signal, Verdict
from nautilus_qs.errors import ConfigError, DataError
from strategies.execution import FOLLOWED, Execution
from strategies.signal_rows import ENTRY, EXIT, HELD, QUIET, SignalRows
from strategies.slot import Phase, Slot

SAVED_BARS = 600
"""Bars kept by on_save: after so many, what came before has left every indicator (Wilder's RSI to below 1e-15)."""


class RuleStrategyConfig(StrategyConfig, frozen=True, kw_only=True):
    """What every rule strategy is told.

    Parameters
    ----------
    name
        The strategy's name in weights, limits and results; also its order id tag.
    bar_types
        The bars it decides on, one bar type an instrument.
    trade_from_ns
        Bars that closed before this time warm the indicators and lead to no proposal.
    entry_time_in_force
        Of the entry order. The prices beyond which it is pointless travel with it as tags.
    cancel_deadline_secs
        How long a rule exit waits for its legs to be confirmed cancelled before it asks again.
    chunk_rows
        Bars whose numbers are kept before they are handed to the recorder.
    manage_stop
        Whether the strategy's positions are closed before it stops; off, they keep their stops.
    """

    name: str
    bar_types: tuple[str, ...]
    trade_from_ns: int = 0
    entry_time_in_force: str = "DAY"
    cancel_deadline_secs: float = 5.0
    chunk_rows: int = 8192
    # With manage_stop a strategy is stopped once it is flat, however long its market stays closed: a week at most.
    market_exit_interval_ms: int = 60_000
    market_exit_max_attempts: int = 10_080


class RuleStrategy(PlainBars, Strategy):
    """Base of every strategy: subclasses name their pure rule (``RULE``), and nothing else.

    A bug in a handler stops this strategy, with its stops left in place, and not the node.
    """

    RULE: Any = None

    def __init__(self, config: RuleStrategyConfig) -> None:
        super().__init__(config)
        self.rule = self.RULE(config.params)
        self.tag = config.name
        self._entry = self.rule.entry
        self._trade_from_ns = config.trade_from_ns
        self._seen = SignalRows(self.rule, config.name, config.chunk_rows)
        self._execution = Execution(self)
        self._slots: dict[Any, Slot] = {}
        self._by_id: dict[str, Slot] = {}
        self._begin()

    def _begin(self) -> None:
        self._slots.clear()
        self._by_id.clear()
        self._seen.clear()
        self._is_faulted = False
        self._saved_bars: dict[str, list[tuple[float, ...]]] = {}
        self._saved_trades: dict[str, dict[str, Any]] = {}

    # -- life cycle ------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Subscribe, warm up and adopt what is already open."""
        self._activate()

    def on_resume(self) -> None:
        """Go on after a stop: the same steps, which may be repeated."""
        self._activate()

    def on_stop(self) -> None:
        """Hand over the last numbers; positions and their stops stay as they are."""
        self._flush()

    def on_reset(self) -> None:
        """Forget everything: equal to a new strategy."""
        self._begin()

    def on_save(self) -> dict[str, bytes]:
        """Return the bars that rebuild the indicators, and the trades in progress."""
        bars = {
            str(bar_type): [raw_of(bar)[2:] for bar in reversed(self.cache.bars(bar_type)[:SAVED_BARS])]
            for bar_type in self._slots
        }
        trades = {slot.instrument_id: slot.saved() for slot in self._slots.values() if slot.position_id is not None}
        return {"bars": msgspec.msgpack.encode(bars), "trades": msgspec.msgpack.encode(trades)}

    def on_load(self, state: dict[str, bytes]) -> None:
        """Rebuild the indicators from saved bars; positions are adopted from the cache when the strategy starts."""
        if raw := state.get("bars"):
            self._saved_bars = msgspec.msgpack.decode(raw)
        if raw := state.get("trades"):
            self._saved_trades = msgspec.msgpack.decode(raw)

    def _activate(self) -> None:
        # The bus knows a handler that is subscribed already, and keeps it once.
        self.msgbus.subscribe(bus.verdict_topic(self.tag), self.on_verdict)
        self.msgbus.subscribe(bus.CANCELS, self._execution.on_cancel_request)
        for text in self.config.bar_types:
            bar_type = BarType.from_str(text)
            if bar_type not in self._slots:
                self._add_slot(bar_type)
            self.subscribe_bars(bar_type)
        for slot in self._slots.values():
            if slot.position_id is not None and self.cache.position(slot.position_id).is_closed:
                self._execution.finish(slot)
        for position in self.cache.positions_open(strategy_id=self.id):
            free = self._by_id.get(str(position.instrument_id))
            if free is not None and free.phase is Phase.IDLE:
                self._execution.adopt(free, position, self._saved_trades.pop(free.instrument_id, {}))

    def _add_slot(self, bar_type: Any) -> None:
        instrument = self.cache.instrument(bar_type.instrument_id)
        if instrument is None:
            raise ConfigError(
                f"every instrument of strategy {self.tag} must be loaded, {bar_type.instrument_id} was not found; "
                "ingest it or take it out of the configuration"
            )
        slot = Slot(str(bar_type.instrument_id), features_for(self.rule), place=len(self._seen.instruments))
        self._seen.instruments.append(slot.instrument_id)
        slot.instrument = instrument
        self._slots[bar_type] = slot
        self._by_id[slot.instrument_id] = slot
        if saved := self._saved_bars.pop(str(bar_type), None):
            slot.features.warm(saved)

    # -- bars ------------------------------------------------------------------------------------------------------

    def on_bar(self, bar: Bar) -> None:
        """Update the numbers of the bar's instrument and act on what the rule says of them."""
        if self._is_faulted:
            return
        try:
            iid, ts, open_, high, low, close, volume = raw_of(bar)
            slot = self._by_id[iid]
            numbers = slot.features.update_raw(open_, high, low, close, volume)
            if numbers is not None and ts >= self._trade_from_ns:
                self._read(slot, ts, numbers, high, low)
        except Exception as error:  # noqa: BLE001  the border between the node and one strategy
            self._on_error(error)

    def _read(self, slot: Slot, ts: int, numbers: tuple[float, ...], high: float, low: float) -> None:
        if slot.position_id is not None:
            slot.bars_held += 1
            slot.high = max(slot.high, high)
            slot.low = min(slot.low, low)
            self._read_held(slot, numbers, ts)
            return
        signal = self._entry(slot.instrument_id, numbers)
        if signal is None:
            # What most bars come to: recorded here, without another call.
            seen = self._seen
            seen.packed += seen.pack(ts, slot.place, QUIET, *numbers)
            if len(seen.packed) >= seen.chunk_bytes:
                self._flush()
        elif slot.phase is Phase.IDLE:
            self._record(ts, slot, ENTRY, numbers)
            self._propose_entry(slot, signal, ts)
        else:
            self._record(ts, slot, HELD, numbers)

    def _read_held(self, slot: Slot, numbers: tuple[float, ...], ts: int) -> None:
        leaving = self.rule.exit(slot.instrument_id, numbers, slot.side) if slot.phase is Phase.OPEN else None
        if leaving is not None:
            self._record(ts, slot, EXIT, numbers)
            slot.phase = Phase.EXIT_PROPOSED
            self._propose(slot, leaving, ts)
            return
        is_held = self.rule.entry(slot.instrument_id, numbers) is not None
        self._record(ts, slot, HELD if is_held else QUIET, numbers)
        if slot.trail is not None and slot.phase is Phase.OPEN:
            self._execution.ratchet(slot, ts)

    def _propose_entry(self, slot: Slot, signal: Signal, ts: int) -> None:
        if signal.stop_px is None:
            raise DataError(f"an entry needs a stop, {self.tag} gave none for {slot.instrument_id}")
        stop_px = stop_price(signal.stop_px, order_tick(slot.instrument, signal.stop_px), signal.side)
        target_px = signal.target_px
        if target_px is not None:
            target_px = float(target_price(target_px, order_tick(slot.instrument, target_px), signal.side))
        slot.phase = Phase.PROPOSED
        slot.stop_px = stop_px
        self._propose(slot, msgspec.structs.replace(signal, stop_px=float(stop_px), target_px=target_px), ts)

    def _propose(self, slot: Slot, signal: Signal, ts: int) -> None:
        self.msgbus.publish(
            bus.PROPOSALS,
            Proposal(
                decision_id=make_decision_id(
                    self.trader_id.value, self.tag, slot.instrument_id, ts_batch=ts, action=signal.action
                ),
                strategy=self.tag,
                ts_batch=ts,
                signal=signal,
                volume=slot.features.mean_volume,
            ),
        )

    # -- verdicts and events ---------------------------------------------------------------------------------------

    def on_verdict(self, verdict: Verdict) -> None:
        """Carry out what the desk decided; a grant that cannot be used is given back."""
        self._guard(self._execution.on_verdict, verdict, self._by_id[verdict.proposal.signal.instrument_id])

    def on_order_event(self, event: Any) -> None:
        """Follow the orders of the trade in progress."""
        if type(event) not in FOLLOWED:
            return
        self._guard(self._execution.on_order_event, event, self._by_id.get(str(event.instrument_id)))

    def on_position_closed(self, event: Any) -> None:
        """Publish the finished trade and free its slot."""
        self._guard(self._execution.on_position_closed, event, self._by_id.get(str(event.instrument_id)))

    def slot_of(self, instrument_id: str) -> Slot | None:
        """Return the slot of an instrument, None where it is not traded."""
        return self._by_id.get(instrument_id)

    def tell_fault(self, detail: str) -> None:
        """Log and publish what this strategy could not do."""
        self.log.error(f"fault strategy={self.tag} {detail}")
        self.msgbus.publish(bus.FAULTS, bus.Fault(self.clock.timestamp_ns(), self.tag, detail, is_critical=False))

    def _guard(self, act: Callable[..., None], subject: Any, *rest: Any) -> None:
        # Exits and stops of a faulted strategy are still followed; only its reading of bars has ended.
        try:
            act(subject, *rest)
        except Exception as error:  # noqa: BLE001  the border between the node and one strategy
            self._on_error(error)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, DataError):
            self.tell_fault(str(error))
            return
        self._is_faulted = True
        self.tell_fault(f"stopped: {error!r}")

    # -- what the rule saw -----------------------------------------------------------------------------------------

    def _record(self, ts: int, slot: Slot, outcome: int, numbers: tuple[float, ...]) -> None:
        seen = self._seen
        seen.packed += seen.pack(ts, slot.place, outcome, *numbers)
        if len(seen.packed) >= seen.chunk_bytes:
            self._flush()

    def _flush(self) -> None:
        chunk = self._seen.take()
        if chunk is not None:
            self.msgbus.publish(bus.SIGNALS, chunk)
