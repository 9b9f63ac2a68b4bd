"""The track record of every strategy: its last closed trades, what they are worth to sizing, and its weekly probe."""

import math
from collections import deque

import numpy as np

from nautilus_qs.domain import TradeResult
from nautilus_qs.sizing import KellyEstimate, SizingParams, kelly_estimate


class TrackRecord:
    """Closed trades in, Kelly estimates out; recomputed once a week, so that sizes do not follow single trades.

    Parameters
    ----------
    params : SizingParams
        How many trades count.

    """

    def __init__(self, params: SizingParams) -> None:
        self._params = params
        self.reset()

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self.estimates: dict[str, KellyEstimate] = {}
        self._last: dict[str, deque[float]] = {}
        self._is_new: set[str] = set()
        self._probed: set[str] = set()

    def on_trade(self, trade: TradeResult) -> None:
        """Take a closed trade; one without a finite R multiple (it had no stop) says nothing about sizes."""
        if not math.isfinite(trade.r_multiple):
            return
        self._last.setdefault(trade.strategy, deque(maxlen=self._params.max_trades)).append(trade.r_multiple)
        self._is_new.add(trade.strategy)

    def on_week_end(self, rng: np.random.Generator) -> dict[str, KellyEstimate]:
        """Recompute the estimates of strategies that have traded, and give every strategy its probe back.

        Returns
        -------
        dict of str to KellyEstimate
            The estimates that are new.

        """
        # In the order of tags: which strategy traded first must not decide which numbers it draws.
        fresh = {tag: kelly_estimate(self._last[tag], rng, self._params) for tag in sorted(self._is_new)}
        self.estimates.update(fresh)
        self._is_new.clear()
        self._probed.clear()
        return fresh

    def has_probed(self, strategy: str) -> bool:
        """Return whether a strategy has used its probe of this week."""
        return strategy in self._probed

    def use_probe(self, strategy: str) -> None:
        """Count the probe of this week as used."""
        self._probed.add(strategy)

    def return_probe(self, strategy: str) -> None:
        """Give a probe back that came to nothing."""
        self._probed.discard(strategy)
