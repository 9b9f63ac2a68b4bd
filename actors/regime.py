"""The regime actor: daily bars of the reference instrument in, the regime of the market out."""

from typing import Any

import msgspec
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.config import ActorConfig
from nautilus_trader.model.data import Bar, BarType, DataType
from nautilus_trader.model.identifiers import ClientId

from catalog.macro import MACRO_CLIENT, MacroPoint
from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge.features import RegimeFeatures
from nautilus_qs.bridge.raw import raw_of
from nautilus_qs.regime.rules import RegimeParams
from nautilus_qs.regime.tracker import RegimeTracker


class RegimeActorConfig(ActorConfig, frozen=True, kw_only=True):
    """Which instrument speaks for the market, and which series may be used.

    Parameters
    ----------
    bar_type
        Daily bars of the reference instrument.
    vix_series, breadth_series
        Names of the macro series, "" when there is none: then their rule does not apply.
    params
        The thresholds of the regions.
    """

    bar_type: str
    vix_series: str = ""
    breadth_series: str = ""
    params: RegimeParams = RegimeParams()


class RegimeActor(Actor):
    """Publishes a :class:`nautilus_qs.domain.RegimeUpdate` at the close of each reference session."""

    def __init__(self, config: RegimeActorConfig) -> None:
        super().__init__(config)
        self._features = RegimeFeatures()
        self._tracker = RegimeTracker(config.params)
        self._macro: dict[str, tuple[int, float]] = {}
        self._previous_bar_ts = 0

    def on_start(self) -> None:
        """Subscribe to the reference bars and the macro series."""
        self.subscribe_bars(BarType.from_str(self.config.bar_type))
        if self.config.vix_series or self.config.breadth_series:
            self.subscribe_data(DataType(MacroPoint), client_id=ClientId(MACRO_CLIENT))

    def on_reset(self) -> None:
        """Forget everything: equal to a new actor."""
        self._features.reset()
        self._tracker = RegimeTracker(self.config.params)
        self._macro.clear()
        self._previous_bar_ts = 0

    def on_save(self) -> dict[str, bytes]:
        """Return the state of the confirmation; the indicators are warmed again from history."""
        return {"tracker": msgspec.json.encode(self._tracker.save())}

    def on_load(self, state: dict[str, bytes]) -> None:
        """Take the confirmation up where it stood."""
        if raw := state.get("tracker"):
            self._tracker.restore(msgspec.json.decode(raw))

    def on_data(self, data: Any) -> None:
        """Keep the newest value of each macro series."""
        self._macro[data.series] = (data.ts_event, data.value)

    def on_bar(self, bar: Bar) -> None:
        """Classify the session that has just closed, with what was known of VIX and breadth before it."""
        iid, ts, _, high, low, close, _ = raw_of(bar)
        features = self._features.update_raw(high, low, close)
        not_before, self._previous_bar_ts = self._previous_bar_ts, ts
        if features is None:
            return
        slope_deg, atr_ratio = features
        update = self._tracker.update(
            ts,
            iid,
            slope_deg,
            atr_ratio,
            vix=self._value(self.config.vix_series, not_before),
            breadth=self._value(self.config.breadth_series, not_before),
        )
        self.msgbus.publish(bus.REGIMES, update)

    def _value(self, series: str, not_before: int) -> float | None:
        # A value became known after the close of the session it belongs to: one from before the previous session's
        # close is of an older session, so the previous session's is missing.
        known = self._macro.get(series)
        return None if known is None or known[0] < not_before else known[1]
