"""The runs under a folder: listed, and found by name."""

import difflib
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from nautilus_qs.errors import NotFoundError, StorageError
from nautilus_qs.storage.runs.run import Run, open_run
from nautilus_qs.storage.runs.values import mapping, number_of, time_text

DEFAULT_ROOT = Path("var/runs")
LATEST = "latest"


class RunEntry(Struct, frozen=True, kw_only=True):
    """One line of the list of runs. Fractions are decimals; None where the run does not say.

    ``problem`` says why a directory cannot be read; the other fields are then empty.
    """

    run_id: str
    path: str
    name: str = ""
    created_at: str = ""
    start: str = ""
    end: str = ""
    trades: int | None = None
    total_return: float | None = None
    sharpe: float | None = None
    max_drawdown: float | None = None
    decision_digest: str = ""
    fill_digest: str = ""
    code_version: str = ""
    problem: str = ""


def list_runs(root: Path = DEFAULT_ROOT) -> list[RunEntry]:
    """Return every finished run under `root`, newest first; what cannot be read comes last with its problem.

    Directories that are being written (they start with a dot) are no runs. A folder that does not exist holds none.
    """
    if not root.is_dir():
        return []
    found = [_entry_of(path) for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted((e for e in found if e is not None), key=_age)


def find_run(root: Path, name: str) -> Run:
    """Return the run that `name` means: a directory, an id, an unambiguous beginning of one, or ``latest``.

    Raises
    ------
    NotFoundError
        If nothing or more than one run matches.
    StorageError
        If the run cannot be read.
    """
    if (Path(name) / "metrics.json").is_file():
        return open_run(Path(name))
    if name == LATEST:
        readable = [entry for entry in list_runs(root) if not entry.problem]
        if not readable:
            raise NotFoundError(f"there must be a run under {root}, found none; run nqs backtest or nqs demo")
        return open_run(Path(readable[0].path))
    known = sorted(path.name for path in root.iterdir() if (path / "metrics.json").is_file()) if root.is_dir() else []
    matches = [run_id for run_id in known if run_id.startswith(name)] if name else []
    if name in known:
        return open_run(root / name)
    if len(matches) == 1:
        return open_run(root / matches[0])
    if matches:
        raise NotFoundError(f"run {name!r} must name one run, it matches {', '.join(matches)}; give more of the id")
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else "; see nqs runs list"
    raise NotFoundError(f"run {name!r} must be the id (or its beginning) of a run under {root}, none was found{hint}")


def entry_of(run: Run) -> RunEntry:
    """Return the line of a run in the list of runs."""
    metrics = run.metrics
    summary = mapping(metrics.get("metrics"))
    start, end = ([*(metrics.get("timerange") or ()), "", ""])[:2]
    trades = mapping(metrics.get("counts")).get("trades", mapping(summary.get("trades")).get("count"))
    return RunEntry(
        run_id=run.run_id,
        path=str(run.path),
        name=str(metrics.get("name") or ""),
        created_at=time_text(metrics.get("created_at")),
        start=time_text(start)[:10],
        end=time_text(end)[:10],
        trades=None if trades is None else int(trades),
        total_return=number_of(summary.get("total_return")),
        sharpe=number_of(summary.get("sharpe")),
        max_drawdown=number_of(summary.get("max_drawdown")),
        decision_digest=str(metrics.get("decision_digest") or ""),
        fill_digest=str(metrics.get("fill_digest") or ""),
        code_version=str(metrics.get("code_version") or ""),
    )


def _entry_of(path: Path) -> RunEntry | None:
    try:
        return entry_of(open_run(path))
    except NotFoundError:
        return None
    except (StorageError, TypeError, ValueError) as error:
        return RunEntry(run_id=path.name, path=str(path), problem=str(error))


def _age(entry: RunEntry) -> tuple[bool, float, str]:
    try:
        created = datetime.fromisoformat(entry.created_at)
        seconds = (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        seconds = Path(entry.path).stat().st_mtime
    return bool(entry.problem), -seconds, entry.run_id
