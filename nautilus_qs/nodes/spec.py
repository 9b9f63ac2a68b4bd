"""What a run is: its configuration, the data it reads and the code that runs it, and the id that follows from them."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nautilus_qs.config import RunConfig, span_ns

CODE_PACKAGES = ("nautilus_qs", "strategies", "actors", "catalog")


class RunSpec(Struct, frozen=True, kw_only=True):
    """A frozen backtest: same spec, same decisions.

    ``data`` holds a fingerprint per data set; where results and catalog lie on disk is no part of what a run is.
    """

    config: RunConfig
    data: tuple[tuple[str, str], ...]
    code_version: str

    @property
    def run_id(self) -> str:
        """The id that follows from configuration, data and code: 16 hexadecimal digits."""
        values = {k: v for k, v in msgspec.to_builtins(self.config).items() if k not in ("catalog", "runs")}
        text = msgspec.json.encode([values, self.data, self.code_version], order="deterministic")
        return hashlib.blake2b(text, digest_size=8).hexdigest()

    @property
    def start_ns(self) -> int:
        """First nanosecond that may trade."""
        return span_ns(self.config.timerange)[0]

    @property
    def end_ns(self) -> int:
        """Last nanosecond of the run."""
        return span_ns(self.config.timerange)[1]

    @property
    def warm_ns(self) -> int:
        """First nanosecond of the bars that warm the indicators."""
        return warm_ns(self.config)


def warm_ns(config: RunConfig) -> int:
    """Return the first nanosecond of the bars that warm the indicators of a run."""
    return span_ns(config.timerange)[0] - config.warmup_days * 86_400 * 10**9


@cache
def code_version() -> str:
    """Return a digest of this project's own source files: it changes with any of them, committed or not."""
    digest = hashlib.sha256()
    for package in CODE_PACKAGES:
        for path in sorted(_folder(package).rglob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _folder(package: str) -> Path:
    spec: Any = find_spec(package)
    return Path(next(iter(spec.submodule_search_locations)))
