"""History of a venue into the catalog: by windows, resumable, and through the same checks as every other source."""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pandas as pd

from catalog.errors import CatalogError
from catalog.ingest import IngestReport, ingest
from catalog.instruments import InstrumentSpec
from catalog.pages import PageStore, Rows, windows
from catalog.sessions import ALWAYS_OPEN
from catalog.sources.series import COLUMNS, BarSeries, BarSize, MacroSeries, PriceKind, Stamp

_NEW_YORK = "America/New_York"

Progress = Callable[[str, float, int], None]
"""Symbol, share of its range that is there, bars so far."""


class VenueHistory(Protocol):
    """A venue's history of bars."""

    @property
    def name(self) -> str:
        """Name under which the catalog remembers it."""

    @property
    def licence(self) -> str:
        """What the venue allows."""

    @property
    def price_kind(self) -> PriceKind:
        """How prices are adjusted."""

    def calendar(self, symbol: str) -> str:
        """Return the market's calendar."""

    def window_secs(self, size: BarSize) -> int:
        """Return the span of a window that a few requests fill."""

    async def open(self, symbols: Sequence[str], size: BarSize) -> None:
        """Check, before anything is asked for, that these bars can be had."""

    async def spec(self, symbol: str) -> InstrumentSpec:
        """Return what the symbol is."""

    async def bars(self, symbol: str, size: BarSize, start_secs: int, end_secs: int) -> Rows:
        """Return the bars that open in a window, both ends included."""

    async def close(self) -> None:
        """End every connection."""


class DownloadJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be got.

    Attributes
    ----------
    symbols
        In the venue's own words.
    size
        Of the bars.
    start_secs, end_secs
        First and last second (UTC) in which a bar may open.
    now_secs
        The time: a bar that is not over by then is left out.
    """

    symbols: tuple[str, ...]
    size: BarSize
    start_secs: int
    end_secs: int
    now_secs: int


def download(
    history: VenueHistory,
    job: DownloadJob,
    catalog: Path | str,
    *,
    accept: Collection[str] = (),
    on_progress: Progress = lambda _symbol, _share, _bars: None,
) -> IngestReport:
    """Get a venue's bars and ingest them; started again after a kill it goes on where it was.

    Pages lie beside the catalog, in ``CATALOG.pages``, until they are in it.

    Raises
    ------
    CatalogError
        If the venue refuses, data is refused by the quality check, or the disk is full. What was got is kept for the
        next attempt.
    """
    root = Path(catalog)
    specs: dict[str, InstrumentSpec] = {}
    stores = {symbol: PageStore(_folder(root, history, job, symbol)) for symbol in job.symbols}

    async def fetch() -> None:
        try:
            await history.open(job.symbols, job.size)
            for symbol in job.symbols:
                specs[symbol] = await history.spec(symbol)
                await _fill(history, job, symbol, stores[symbol], on_progress)
        finally:
            await history.close()

    asyncio.run(fetch())
    report = ingest(_Fetched(history, job, specs, stores), root, accept=accept)
    for store in stores.values():
        store.remove()
    return report


async def _fill(history: VenueHistory, job: DownloadJob, symbol: str, store: PageStore, on_progress: Progress) -> None:
    span = job.end_secs - job.start_secs + 1
    over_secs = job.now_secs - job.size.step_ns // 10**9
    bars = 0
    for first, last in windows(job.start_secs, job.end_secs, history.window_secs(job.size)):
        # One that reaches into the future is cut, and so it is another window when it is asked for again later.
        window = first, min(last, over_secs)
        if window[0] <= window[1] and not store.has(window):
            rows = await history.bars(symbol, job.size, *window)
            store.put(window, rows)
            bars += len(rows)
        on_progress(symbol, (last + 1 - job.start_secs) / span, bars)


def _folder(root: Path, history: VenueHistory, job: DownloadJob, symbol: str) -> Path:
    text = f"{history.name}|{symbol}|{job.size.value}|{job.start_secs}|{job.end_secs}|{history.price_kind.value}"
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    return root.with_name(f"{root.name}.pages") / f"{history.name}-{symbol.replace('/', '-')}-{key}"


class _Fetched:
    """The pages as a source."""

    def __init__(
        self,
        history: VenueHistory,
        job: DownloadJob,
        specs: dict[str, InstrumentSpec],
        stores: dict[str, PageStore],
    ) -> None:
        self._history, self._job, self._specs, self._stores = history, job, specs, stores
        self.name = history.name

    def fingerprint(self) -> str:
        """Return nothing: what a venue has is known only by asking."""
        return ""

    def bars(self) -> Iterator[BarSeries]:
        """Yield the bars of every symbol."""
        for symbol in self._job.symbols:
            rows = self._stores[symbol].rows()
            if not len(rows):
                raise CatalogError(
                    f"{self.name} must have bars of {symbol} in this range, has none; check symbol and time range"
                )
            is_daily = self._job.size is BarSize.DAY and self._history.calendar(symbol) != ALWAYS_OPEN
            times = pd.DatetimeIndex(pd.to_datetime(rows[:, 0].astype("int64"), unit="s", utc=True)).as_unit("ns")
            if is_daily:
                # A day of an exchange is told by its date there.
                times = times.tz_convert(_NEW_YORK).tz_localize(None).normalize()
            yield BarSeries(
                spec=self._specs[symbol],
                size=self._job.size,
                frame=pd.DataFrame(rows[:, 1:], index=times, columns=list(COLUMNS)),
                stamp=Stamp.SESSION if is_daily else Stamp.BAR_START,
                calendar=self._history.calendar(symbol),
                price_kind=self._history.price_kind,
                source=self.name,
                origin=f"{self.name} {symbol}",
                licence=self._history.licence,
            )

    def macro(self) -> Iterator[MacroSeries]:
        """Yield nothing."""
        return iter(())
