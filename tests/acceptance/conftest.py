"""Catalogs of real market data, made once a session and shared by all of its workers."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from catalog.ingest import ingest, ingest_mapping
from catalog.sources.folder import FolderSource

MAPPINGS = Path(__file__).parents[1] / "data_mappings"

STOCKS = ("AAPL", "MSFT", "JPM", "XOM", "JNJ", "PG", "NVDA", "BAC", "HD", "UNH")
FUNDS = ("SPY", "QQQ", "IWM", "TLT", "GLD", "XLE", "XLF", "XLK", "EFA", "HYG")
MARKET = {"us_etfs_daily": FUNDS, "us_stocks_daily": STOCKS, "macro": (), "coinbase_1h": ("BTC-USD",)}
WHOLE_MARKET = ("us_etfs_daily", "us_stocks_daily", "macro")


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of this session that the first worker to ask for it builds, while the others wait."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    place, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            build(place)
            done.touch()
    return place


def only(mapping: str, symbols: tuple[str, ...], root: Path) -> FolderSource:
    """Return the source that a mapping describes, with some of its symbols alone (all when none is named)."""
    source = FolderSource.from_yaml(MAPPINGS / f"{mapping}.yaml", data_root=root)
    groups = [msgspec.structs.replace(group, symbols=list(symbols)) for group in source.mapping.bars]
    return FolderSource(msgspec.structs.replace(source.mapping, bars=groups), root, digest="a part of it")


@pytest.fixture(scope="session")
def market(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalog of ten shares, ten funds, hours of bitcoin, VIX and breadth; skip without the data."""

    def build(place: Path) -> None:
        for mapping, symbols in MARKET.items():
            source = only(mapping, symbols, real_data)
            ingest(source, place, accept=source.accept)

    return once(tmp_path_factory, "market", build)


@pytest.fixture(scope="session")
def whole_market(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalog of all 191 daily symbols with VIX and breadth; skip without the data."""

    def build(place: Path) -> None:
        for mapping in WHOLE_MARKET:
            ingest_mapping(MAPPINGS / f"{mapping}.yaml", place, data_root=real_data)

    return once(tmp_path_factory, "whole_market", build)
