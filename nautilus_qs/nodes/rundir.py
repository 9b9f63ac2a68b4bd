"""Run directories: written beside, renamed into place, never half there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nautilus_qs.errors import StorageError


class RunDirectory:
    """The directory of one run while it is being written.

    ``part`` is where files go, ``final`` where they end up. Leaving the context without :meth:`publish` removes the
    part; a part whose process was killed is removed by the next run of the same id.
    """

    def __init__(self, runs: Path, run_id: str) -> None:
        self.final = runs / run_id
        self.part = runs / f".{run_id}.{os.getpid()}.part"
        self._runs = runs

    def __enter__(self) -> Self:
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            self._remove_orphans()
            self.part.mkdir()
        except OSError as error:
            raise StorageError(
                f"{self._runs} must be writable, found: {error}; free space or choose another place"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.part, ignore_errors=True)
        if isinstance(error, OSError):
            raise StorageError(
                f"{self._runs} must take the whole run, found: {error}; free space or choose another place; nothing of "
                "the run is left"
            ) from error

    def publish(self, metrics: dict[str, Any], digests_of: Callable[[Path], dict[str, str]] | None = None) -> bool:
        """Rename the part into place, or confirm what an earlier run of the same id left.

        Parameters
        ----------
        metrics
            What this run found, its digests among it.
        digests_of
            Works the digests out from the tables of an earlier run's directory: what its metrics say may be true no
            longer. Without it the metrics are believed.

        Returns
        -------
        bool
            Whether an earlier run was confirmed.

        Raises
        ------
        StorageError
            If an earlier run of the same spec decided or filled differently.
        """
        if not self.final.exists():
            try:
                self.part.replace(self.final)
            except OSError:
                # Another process that ran the same spec may have been quicker: then its run is the earlier one.
                if not self.final.exists():
                    raise
            else:
                return False
        self._confirm(metrics, digests_of)
        return True

    def _confirm(self, metrics: dict[str, Any], digests_of: Callable[[Path], dict[str, str]] | None) -> None:
        path = self.final / "metrics.json"
        try:
            earlier = dict(json.loads(path.read_text(encoding="utf-8")))
            found = {} if digests_of is None else digests_of(self.final)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(
                f"{self.final} must hold the metrics and tables of an earlier run, found: {error}; remove it and run "
                "again"
            ) from error
        for name in ("decision_digest", "fill_digest"):
            if earlier.get(name) == metrics[name] != found.get(name, metrics[name]):
                raise StorageError(
                    f"{name} of the tables in {self.final} must be that of its metrics, {earlier[name]}, was "
                    f"{found[name]}: they were altered; remove it and run again"
                )
            if earlier.get(name) != metrics[name]:
                raise StorageError(
                    f"{name} of the same spec must not change: {earlier.get(name)} before, {metrics[name]} now; the "
                    f"run is not deterministic or {self.final} was altered"
                )

    def _remove_orphans(self) -> None:
        for path in self._runs.glob(".*.part"):
            pid = path.name.split(".")[-2]
            if pid.isdigit() and not _is_alive(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
