"""Streaming indicators: one closed bar in, one number out, NaN until the whole window has been seen.

Here is what NautilusTrader lacks (relative volume, a channel that excludes the current bar, slope), and two windows it
has but copies into a new array on every update when Python calls them (mean true range, Bollinger bands): these cost
about a fifth here, and tests hold them to NautilusTrader's own numbers.

Every value depends on the bars of its window alone, never on a running sum: an indicator that was warmed from saved
bars equals, to the last bit, one that ran without a break.
"""

from nautilus_qs.indicators.bands import BollingerBands
from nautilus_qs.indicators.channel import TrailingChannel
from nautilus_qs.indicators.relative_volume import RelativeVolume
from nautilus_qs.indicators.slope import Slope
from nautilus_qs.indicators.true_range import MeanTrueRange

__all__ = ["BollingerBands", "MeanTrueRange", "RelativeVolume", "Slope", "TrailingChannel"]
