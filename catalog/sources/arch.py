"""The embedded source: index data that the package ``arch`` carries as examples; offline, no key.

S&P 500 and NASDAQ Composite, daily, 1999 to 2018, and the VIX, 2014 to 2018. The files are read without importing
``arch`` itself, which would take seconds.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from catalog.errors import CatalogError
from catalog.instruments import InstrumentSpec, Kind
from catalog.sessions import NEW_YORK
from catalog.sources.series import COLUMNS, BarSeries, BarSize, MacroSeries, PriceKind, Stamp

_LICENCE = "NCSA (package arch); prices from Yahoo Finance, Cboe"
_INDEX_WARNING = (
    "an index cannot be bought: a fund that follows it pays dividends and costs fees, this series does neither"
)
_INDICES = (
    ("SPX.INDEX", "sp500", "S&P 500", (_INDEX_WARNING,)),
    ("NDQ.INDEX", "nasdaq", "NASDAQ Composite", (_INDEX_WARNING,)),
)


class ArchSource:
    """S&P 500, NASDAQ Composite and VIX out of the package ``arch``."""

    name = "arch"

    def fingerprint(self) -> str:
        """Return the package's version: its data changes with nothing else.

        Raises
        ------
        CatalogError
            If the package is not installed.
        """
        try:
            return f"arch=={version('arch')}"
        except PackageNotFoundError as error:
            raise _missing() from error

    def bars(self) -> Iterator[BarSeries]:
        """Yield the two indices."""
        for instrument_id, folder, title, warnings in _INDICES:
            frame = _read(folder).rename(columns=str.lower)[list(COLUMNS)].astype("float64")
            yield BarSeries(
                spec=InstrumentSpec(
                    instrument_id=instrument_id, kind=Kind.INDEX, is_proxy=True, facts={"title": title}
                ),
                size=BarSize.DAY,
                frame=frame,
                stamp=Stamp.SESSION,
                calendar=NEW_YORK,
                price_kind=PriceKind.SPLIT_ADJUSTED,
                source=self.name,
                origin=f"arch.data.{folder}",
                licence=_LICENCE,
                warnings=warnings,
            )

    def macro(self) -> Iterator[MacroSeries]:
        """Yield the VIX."""
        values = _read("vix").iloc[:, 0].astype("float64")
        yield MacroSeries(
            name="VIX",
            values=values,
            calendar=NEW_YORK,
            source=self.name,
            origin="arch.data.vix",
            licence=_LICENCE,
        )


def _missing() -> CatalogError:
    return CatalogError("the package arch must be installed for the embedded data, found none; pip install arch")


def _read(folder: str) -> pd.DataFrame:
    found = find_spec("arch")
    if found is None or not found.submodule_search_locations:
        raise _missing()
    path = Path(found.submodule_search_locations[0]) / "data" / folder / f"{folder}.csv.gz"
    if not path.is_file():
        raise CatalogError(f"the package arch must carry data/{folder}, found no such file; install arch 6 to 8")
    frame = pd.read_csv(path, index_col=0, parse_dates=[0], na_values=["."])
    frame.index = pd.DatetimeIndex(frame.index).as_unit("ns")
    return frame
