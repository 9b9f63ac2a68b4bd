"""What a simulated venue's models must know of the market: the datum in hand, the time, and recent volume.

A fee model, a fill model and the order queue of one venue share one tape. NautilusTrader builds them apart from each
other; the tape finds its venue's models when the venue registers it and hands itself to them, so that no private
attribute and no global is needed. What holds a tape asks for :class:`MarketTape`, which a live simulator can offer too.
"""

from collections import deque
from typing import Any, Protocol

from nautilus_trader.backtest.config import SimulationModuleConfig
from nautilus_trader.backtest.modules import SimulationModule
from nautilus_trader.model.data import Bar

from nautilus_qs.bridge.raw import raw_of


class MarketTape(Protocol):
    """What the models of a venue read."""

    @property
    def now_ns(self) -> int:
        """The venue's time, UTC nanoseconds."""

    def bar_in_hand(self, instrument_id: Any) -> Any | None:
        """Return the bar that moves the instrument's market right now, None when a quote or nothing does."""

    def mean_volume(self, instrument_id: Any) -> float | None:
        """Return the mean volume of the bars before the datum in hand, None when there are none."""


_KEPT_WINDOWS = 4
"""Bars kept of an instrument, in windows: several sizes of bar may be fed, and the finest is the most frequent."""


class TapeConfig(SimulationModuleConfig, frozen=True, kw_only=True):
    """How many bars the mean volume looks back."""

    volume_bars: int = 20


class TapeRequest:
    """Asks a venue for its tape over the message bus; the tape fills itself in."""

    __slots__ = ("tape",)

    def __init__(self) -> None:
        self.tape: Tape | None = None


class Tape(SimulationModule):
    """Sees every datum of one venue before its market moves."""

    def __init__(self, config: TapeConfig | None = None) -> None:
        config = config or TapeConfig()
        super().__init__(config)
        self._volume_bars = config.volume_bars
        self.queue: Any = None
        self._bars: dict[str, deque[Any]] = {}
        self._finest: dict[str, tuple[tuple[int, int], Any]] = {}
        self.datum: Any = None

    def register_venue(self, exchange: Any) -> None:
        """Join the venue and hand the tape to its models."""
        super().register_venue(exchange)
        for model in (exchange.fee_model, exchange.fill_model):
            if hasattr(model, "bind"):
                model.bind(self)
        self.msgbus.register(endpoint=_endpoint(exchange.id), handler=self._on_request)

    def _on_request(self, request: TapeRequest) -> None:
        request.tape = self

    @property
    def now_ns(self) -> int:
        """The venue's time, UTC nanoseconds."""
        return int(self.clock.timestamp_ns())

    def pre_process(self, data: Any) -> None:
        """Note a datum before the market moves on it; this runs on every datum of the venue, so it does little."""
        self.datum = data
        if type(data) is Bar:
            # By instrument alone: to look a bar type up costs four times as much. Sizes are told apart when asked for.
            iid = raw_of(data)[0]
            bars = self._bars.get(iid)
            if bars is None:
                bars = self._bars[iid] = deque(maxlen=_KEPT_WINDOWS * (self._volume_bars + 1))
            bars.append(data)
        queue = self.queue
        if queue is not None and queue.is_waiting:
            queue.deliver(data)

    def process(self, ts_now: int) -> None:
        """Do nothing: time alone moves no market."""

    def bar_in_hand(self, instrument_id: Any) -> Any | None:
        """Return the bar that moves the instrument's market right now, None when a quote or nothing does."""
        datum = self.datum
        if type(datum) is Bar and datum.bar_type.instrument_id == instrument_id:
            return datum if _size(datum) == self._finest_of(instrument_id.value) else None
        return None

    def instrument_moved_by(self, data: Any) -> Any | None:
        """Return the instrument whose market `data` moves; a bar coarser than the finest one moves none."""
        if type(data) is not Bar:
            return getattr(data, "instrument_id", None)
        instrument_id = data.bar_type.instrument_id
        return instrument_id if _size(data) == self._finest_of(instrument_id.value) else None

    def mean_volume(self, instrument_id: Any) -> float | None:
        """Return the mean volume of the bars before the one in hand.

        The instrument's finest bars count, as they do for execution. Fewer than the full window give the mean of those
        seen; None before the first.
        """
        iid = instrument_id.value
        finest = self._finest_of(iid)
        if finest is None:
            return None
        datum, volumes = self.datum, []
        for bar in reversed(self._bars[iid]):
            if bar is not datum and _size(bar) == finest:
                volumes.append(bar.volume.as_double())
                if len(volumes) == self._volume_bars:
                    break
        # Summed from the oldest on, as ever: a sum of floats depends on its order.
        return sum(reversed(volumes)) / len(volumes) if volumes else None

    def _finest_of(self, iid: str) -> tuple[int, int] | None:
        """Return the smallest size of bar seen of an instrument, None before its first bar."""
        bars = self._bars.get(iid)
        if bars is None:
            return None
        known = self._finest.get(iid)
        if known is None or _size(bars[-1]) != known[0]:
            sizes = {_size(bar): bar.bar_type.spec.timedelta for bar in bars}
            if known is not None:
                sizes[known[0]] = known[1]
            known = self._finest[iid] = min(sizes.items(), key=lambda item: item[1])
        return known[0]

    def log_diagnostics(self, logger: Any) -> None:
        """Log nothing."""

    def reset(self) -> None:
        """Forget everything, and let the venue's models and queue do the same."""
        self.datum = None
        self._bars.clear()
        self._finest.clear()
        for part in (self.queue, self.exchange.fee_model, self.exchange.fill_model):
            if hasattr(part, "reset"):
                part.reset()


def tape_of(msgbus: Any, venue: Any) -> Tape:
    """Return the tape of a venue.

    Raises
    ------
    KeyError
        If the venue has none: add the tape to the venue's modules.
    """
    request = TapeRequest()
    endpoint = _endpoint(venue)
    if endpoint in msgbus.endpoints():
        msgbus.send(endpoint=endpoint, msg=request)
    if request.tape is None:
        raise KeyError(f"venue {venue} must have a Tape among its modules, found none; see VenueModels.settings")
    return request.tape


def _endpoint(venue: Any) -> str:
    return f"VenueTape.{venue}"


def _size(bar: Any) -> tuple[int, int]:
    """Return what tells sizes of bar apart; comparing bar types themselves costs five times as much."""
    spec = bar.bar_type.spec
    return spec.step, spec.aggregation
