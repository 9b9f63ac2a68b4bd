"""Numbers about the whole market (VIX, breadth) as custom data, stamped when they could be known."""

from nautilus_trader.core.data import Data
from nautilus_trader.core.nautilus_pyo3.model import register_custom_data_class
from nautilus_trader.model.custom import customdataclass_pyo3

MACRO_CLIENT = "MACRO"


@customdataclass_pyo3()
class MacroPoint(Data):
    """One value of a named series.

    ``ts_event`` and ``ts_init`` are the UTC nanoseconds at which the value was known: some minutes after the close of
    the session that it describes, so that a decision at that close sees the previous session's value.

    Attributes
    ----------
    series
        Name of the series, "VIX".
    value
        The number in the series' own unit: points for VIX, a share of 0 to 1 for breadth.
    """

    series: str = ""
    value: float = 0.0


register_custom_data_class(MacroPoint)
