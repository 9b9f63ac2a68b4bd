"""Bars to numbers: the streaming features of one instrument, for each rule and for the market regime.

A features object belongs to one instrument. It is fed every closed bar once, in order, as plain floats, and answers
with the rule's numbers or with None while any of its windows is not full. A bar it was not fed does not exist to it.

NautilusTrader's compiled RSI is used as it is: Wilder's smoothing starts from zero for gains and losses alike, so their
ratio is that of the weighted means from the first change on, and nothing needs to be seeded. It never forgets entirely,
but with period 14 all that lies more than 600 bars back weighs below 1e-19.

Its Bollinger bands, average true range and Donchian channel cost 4.1, 2.0 and 1.1 microseconds an update when called
from Python (each copies its window into a new array), more than everything else done on a quiet bar: the windows of
:mod:`nautilus_qs.indicators` stand in for them, and tests compare the two. The regime sees one bar a day and uses
NautilusTrader's.
"""

from collections import deque
from collections.abc import Iterable
from math import nan

from nautilus_trader.indicators import AverageTrueRange, MovingAverageType, RelativeStrengthIndex

from nautilus_qs.domain import StopKind
from nautilus_qs.errors import ConfigError
from nautilus_qs.indicators import BollingerBands, MeanTrueRange, RelativeVolume, Slope, TrailingChannel
from nautilus_qs.signals.bollinger import BollingerBounce
from nautilus_qs.signals.breakout import Breakout
from nautilus_qs.signals.rsi import RsiReversion
from nautilus_qs.signals.rule import VOLUME_BARS, Rule
from nautilus_qs.signals.stops import StopInputs, StopParams

RawBar = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""


class WindowExtremes:
    """What the Chandelier stop looks at: ATR, highest high and lowest low of n bars, current bar included."""

    __slots__ = ("_before", "_range", "atr", "high", "low")

    def __init__(self, params: StopParams) -> None:
        self._range = MeanTrueRange(params.chandelier_bars)
        # The n - 1 bars before and the current one make n.
        self._before = TrailingChannel(params.chandelier_bars - 1)
        self.reset()

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        self._range.reset()
        self._before.reset()
        self.atr = self.high = self.low = nan

    def update(self, high: float, low: float, close: float) -> None:
        """Take one closed bar; NaN until the window is full."""
        self.atr = self._range.update(high, low, close)
        before = self._before
        before.update(high, low)
        if before.ready:
            self.high = max(high, before.high)
            self.low = min(low, before.low)


class Features:
    """Base of the features of one rule on one instrument.

    Parameters
    ----------
    warmup_bars : int
        The bar with this ordinal (from 1) is the first that yields numbers.
    atr_period : int
        True ranges in the rule's ATR.
    stop_kind : StopKind
        The rule's stop; only the Chandelier needs windows of its own.
    stop_params : StopParams
        Their constants.

    """

    def __init__(self, warmup_bars: int, atr_period: int, *, stop_kind: StopKind, stop_params: StopParams) -> None:
        self._warmup_bars = warmup_bars
        self._range = MeanTrueRange(atr_period)
        self._extremes = WindowExtremes(stop_params) if stop_kind is StopKind.CHANDELIER else None
        self._forget()

    @property
    def mean_volume(self) -> float:
        """Return the mean volume of the last 20 bars, current one included; of fewer while warming, NaN before any."""
        volumes = self._volumes
        return sum(volumes) / len(volumes) if volumes else nan

    @property
    def stop_inputs(self) -> StopInputs:
        """Return what a stop may look at on the last bar; read it only while a position with a moving stop is open."""
        high, low, close = self._last
        extremes = self._extremes
        if extremes is None:
            return StopInputs(high, low, close, self._range.value)
        return StopInputs(high, low, close, self._range.value, extremes.atr, extremes.high, extremes.low)

    def update_raw(
        self, open_: float, high: float, low: float, close: float, volume: float
    ) -> tuple[float, ...] | None:
        """Take one closed bar and return the numbers in the order of the rule's columns, None while warming."""
        raise NotImplementedError  # each rule's own

    def warm(self, bars: Iterable[RawBar]) -> None:
        """Take bars of the past, oldest first, without asking for their numbers."""
        update = self.update_raw
        for open_, high, low, close, volume in bars:
            update(open_, high, low, close, volume)

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        self._range.reset()
        if self._extremes is not None:
            self._extremes.reset()
        self._forget()

    def _forget(self) -> None:
        self._seen = 0
        self._first_close = nan
        self._last = (nan, nan, nan)
        self._volumes: deque[float] = deque(maxlen=VOLUME_BARS)

    def _take(self, high: float, low: float, close: float, volume: float) -> float:
        """Take what every rule needs of a bar, and return the ATR."""
        if self._seen == 0:
            self._first_close = close
        self._seen += 1
        self._last = (high, low, close)
        self._volumes.append(volume)
        if self._extremes is not None:
            self._extremes.update(high, low, close)
        return self._range.update(high, low, close)

    def _rsi_of(self, fraction: float, close: float) -> float:
        # NautilusTrader calls a price that has never moved an RSI of 1. Without a loss so far closes have only risen,
        # so one that stands where it started has not moved, and gains equal losses: 50.
        return 50.0 if fraction == 1.0 and close == self._first_close else 100.0 * fraction


class BollingerFeatures(Features):
    """Numbers of :class:`nautilus_qs.signals.bollinger.BollingerBounce`."""

    def __init__(self, rule: BollingerBounce) -> None:
        params = rule.params
        super().__init__(rule.warmup_bars, params.atr_period, stop_kind=params.stop, stop_params=params.stop_params)
        self._bands = BollingerBands(params.bb_period, params.bb_std)
        self._rsi = RelativeStrengthIndex(params.rsi_period, MovingAverageType.WILDER)

    def update_raw(
        self, open_: float, high: float, low: float, close: float, volume: float
    ) -> tuple[float, ...] | None:
        """Take one closed bar and return close, atr, lower, middle, upper, rsi; None while warming."""
        atr = self._take(high, low, close, volume)
        bands, rsi = self._bands, self._rsi
        bands.update(close)
        rsi.update_raw(close)
        if self._seen < self._warmup_bars:
            return None
        return close, atr, bands.lower, bands.middle, bands.upper, self._rsi_of(rsi.value, close)

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        super().reset()
        self._bands.reset()
        self._rsi.reset()


class RsiFeatures(Features):
    """Numbers of :class:`nautilus_qs.signals.rsi.RsiReversion`."""

    def __init__(self, rule: RsiReversion) -> None:
        params = rule.params
        super().__init__(rule.warmup_bars, params.atr_period, stop_kind=params.stop, stop_params=params.stop_params)
        self._rsi = RelativeStrengthIndex(params.rsi_period, MovingAverageType.WILDER)
        self._rsi_before = nan

    def update_raw(
        self, open_: float, high: float, low: float, close: float, volume: float
    ) -> tuple[float, ...] | None:
        """Take one closed bar and return close, atr, rsi, rsi_before; None while warming."""
        atr = self._take(high, low, close, volume)
        rsi = self._rsi
        rsi.update_raw(close)
        before = self._rsi_before
        self._rsi_before = now = self._rsi_of(rsi.value, close)
        if self._seen < self._warmup_bars:
            return None
        return close, atr, now, before

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        super().reset()
        self._rsi.reset()
        self._rsi_before = nan


class BreakoutFeatures(Features):
    """Numbers of :class:`nautilus_qs.signals.breakout.Breakout`."""

    def __init__(self, rule: Breakout) -> None:
        params = rule.params
        super().__init__(rule.warmup_bars, params.atr_period, stop_kind=params.stop, stop_params=params.stop_params)
        self._entry = TrailingChannel(params.entry_bars)
        self._exit = TrailingChannel(params.exit_bars)
        self._relative = RelativeVolume(params.volume_bars)

    def update_raw(
        self, open_: float, high: float, low: float, close: float, volume: float
    ) -> tuple[float, ...] | None:
        """Take one closed bar and return the numbers in the order of the rule's columns; None while warming."""
        atr = self._take(high, low, close, volume)
        entry, exit_ = self._entry, self._exit
        entry.update(high, low)
        exit_.update(high, low)
        relative = self._relative.update(volume)
        if self._seen < self._warmup_bars:
            return None
        return close, atr, entry.high, entry.low, exit_.high, exit_.low, relative

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        super().reset()
        self._entry.reset()
        self._exit.reset()
        self._relative.reset()


class RegimeFeatures:
    """The two numbers of the market regime: slope(50) over ten days, and ATR(20) / ATR(100).

    The first bar has no previous close, so no true range: the first numbers come with bar 101.
    """

    _LONG = 100
    _SHORT = 20

    def __init__(self) -> None:
        self._slope = Slope(50, lag=10)
        self._short = AverageTrueRange(self._SHORT, MovingAverageType.SIMPLE, use_previous=True)
        self._long = AverageTrueRange(self._LONG, MovingAverageType.SIMPLE, use_previous=True)
        self._seen = 0

    def update_raw(self, high: float, low: float, close: float) -> tuple[float, float] | None:
        """Take one closed bar and return slope (degrees per day) and ATR ratio; None while warming.

        A reference that has not moved at all for 100 days has no ratio: None as well.
        """
        self._seen += 1
        slope = self._slope.update(close)
        self._short.update_raw(high, low, close)
        self._long.update_raw(high, low, close)
        # NautilusTrader counts the first bar's high - low as a true range: one bar later it has left the window.
        if self._seen <= self._LONG or self._long.value <= 0.0:
            return None
        return slope, self._short.value / self._long.value

    def reset(self) -> None:
        """Forget every bar: equal to a new one."""
        self._slope.reset()
        self._short.reset()
        self._long.reset()
        self._seen = 0


def features_for(rule: Rule) -> Features:
    """Return new features for `rule`, to be fed the bars of one instrument.

    Raises
    ------
    ConfigError
        No features are known for a rule of this type.

    """
    if isinstance(rule, BollingerBounce):
        return BollingerFeatures(rule)
    if isinstance(rule, RsiReversion):
        return RsiFeatures(rule)
    if isinstance(rule, Breakout):
        return BreakoutFeatures(rule)
    raise ConfigError(
        f"a rule must be one that features are written for, was {type(rule).__name__}; add it to features_for"
    )
