"""Run directories: written beside, renamed into place, never half there."""

import json
import os
import shutil
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

    def publish(self, metrics: dict[str, Any]) -> bool:
        """Rename the part into place, or confirm what an earlier run of the same id left.

        Returns
        -------
        bool
            Whether an earlier run was confirmed.

        Raises
        ------
        StorageError
            If an earlier run of the same spec decided or filled differently.
        """
        if self.final.exists():
            self._confirm(metrics)
            return True
        self.part.replace(self.final)
        return False

    def _confirm(self, metrics: dict[str, Any]) -> None:
        path = self.final / "metrics.json"
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{path} must be the metrics of an earlier run, found: {error}; remove {self.final} and run again"
            ) from error
        for name in ("decision_digest", "fill_digest"):
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
