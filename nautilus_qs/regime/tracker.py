"""The regime of one reference instrument, session after session: the day's label and what is in force after it."""

from nautilus_qs.domain import Regime, RegimeUpdate
from nautilus_qs.errors import DataError, StorageError
from nautilus_qs.regime.confirmation import Confirmation
from nautilus_qs.regime.rules import RegimeParams, classify


class RegimeTracker:
    """Label each session of one reference instrument and confirm the regime.

    The reference instrument is the one of the first update; sessions must come in order, each once, so that a bar
    that is delivered twice cannot count twice towards a confirmation.

    Parameters
    ----------
    params : RegimeParams
        Borders of the regions and days to confirm.

    Examples
    --------
    >>> tracker = RegimeTracker()
    >>> for day in range(3):
    ...     update = tracker.update(day, "SPY.ARCA", 3.0, 1.0, vix=15.0, breadth=0.7)
    >>> str(update.label), update.count, str(update.regime)
    ('bull_trending', 3, 'bull_trending')

    """

    def __init__(self, params: RegimeParams | None = None) -> None:
        self._params = params if params is not None else RegimeParams()
        self._confirmation = Confirmation(self._params.confirmation_days)
        self._instrument_id = ""
        self._ts: int | None = None

    @property
    def params(self) -> RegimeParams:
        """Return the borders in use."""
        return self._params

    @property
    def regime(self) -> Regime:
        """Return the regime in force, ``NONE`` before the first confirmation."""
        return self._confirmation.regime

    @property
    def ts(self) -> int | None:
        """Return the time of the last session taken, None before the first."""
        return self._ts

    def update(
        self,
        ts: int,
        instrument_id: str,
        slope_deg: float,
        atr_ratio: float,
        *,
        vix: float | None,
        breadth: float | None,
    ) -> RegimeUpdate:
        """Take one closed session.

        Parameters
        ----------
        ts : int
            Close of the session, UTC nanoseconds; later than the last one's.
        instrument_id : str
            The reference instrument.
        slope_deg, atr_ratio : float
            Slope(50) in degrees per day and ATR(20) / ATR(100) at that close. Do not call while they warm up.
        vix, breadth : float or None
            As of the PREVIOUS session's close, None (or NaN) when missing.

        Returns
        -------
        RegimeUpdate
            Raw label, confidence, count towards confirmation, and the regime in force from now on.

        Raises
        ------
        DataError
            The session is not later than the last, is of another instrument, or its numbers cannot be labelled. The
            state is then unchanged.

        """
        self._require_next(ts, instrument_id)
        reading = classify(
            slope_deg, atr_ratio, vix=vix, breadth=breadth, in_force=self._confirmation.regime, params=self._params
        )
        count, regime = self._confirmation.update(reading.label)
        self._instrument_id, self._ts = instrument_id, ts
        return RegimeUpdate(
            ts=ts,
            instrument_id=instrument_id,
            slope_deg=slope_deg,
            atr_ratio=atr_ratio,
            vix=None if "vix" in reading.missing else vix,
            breadth=None if "breadth" in reading.missing else breadth,
            label=reading.label,
            confidence=reading.confidence,
            count=count,
            regime=regime,
            missing=reading.missing,
        )

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self._confirmation.reset()
        self._instrument_id, self._ts = "", None

    def save(self) -> dict[str, str | int]:
        """Return the state as values that JSON keeps; ``ts`` is -1 before the first session."""
        ts = -1 if self._ts is None else self._ts
        return {**self._confirmation.save(), "instrument_id": self._instrument_id, "ts": ts}

    def restore(self, state: dict[str, str | int]) -> None:
        """Take over a saved state.

        Raises
        ------
        StorageError
            A field is missing or is not what :meth:`save` writes; the present state is left as it is.

        """
        try:
            instrument_id, ts = str(state["instrument_id"]), int(state["ts"])
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(
                f"a saved regime must have instrument_id and ts, was {state!r}; remove the damaged state"
            ) from error
        self._confirmation.restore(state)
        self._instrument_id, self._ts = instrument_id, None if ts < 0 else ts

    def _require_next(self, ts: int, instrument_id: str) -> None:
        if self._ts is None:
            return
        if instrument_id != self._instrument_id:
            raise DataError(
                f"a regime has one reference instrument, {self._instrument_id!r}, was {instrument_id!r}; "
                "use one tracker for each"
            )
        if ts <= self._ts:
            raise DataError(
                f"sessions must come in order, each once: the last was {self._ts}, this is {ts}; "
                "drop what was taken already"
            )


def crisis_guard(update: RegimeUpdate) -> bool:
    """Return whether risk must take its crisis values after this session.

    Risk does not wait for a confirmation: it is guarded from the first day labelled crisis until the first day that is
    not, whatever regime is in force. Allocation goes by ``update.regime`` instead.

    Examples
    --------
    >>> update = RegimeTracker().update(1, "SPY.ARCA", -6.0, 1.8, vix=44.0, breadth=0.2)
    >>> str(update.regime), crisis_guard(update)
    ('none', True)

    """
    return update.label is Regime.CRISIS
