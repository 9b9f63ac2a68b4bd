"""``make conformance``: each case of both venues in one table, by id, and what became of it.

A pytest plugin. A test belongs to the case its name carries (``test_alp_07_...``); a case may have several. A case
that no test carries is shown as missing, and the command fails as it does for a failed one.
"""

import re
from typing import Any

import pytest

CASES = {"ALP": 25, "CBX": 25}
_ID = re.compile(r"test_(alp|cbx)_(\d\d)_([a-z0-9_]+)")

_seen: dict[str, list[tuple[str, str, str]]] = {}


def pytest_runtest_logreport(report: Any) -> None:
    """Note what became of a test: its call, or a set-up or tear-down that failed or skipped."""
    found = _ID.search(report.nodeid)
    if found is None or (report.when != "call" and report.outcome == "passed"):
        return
    reason = ""
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    case = f"{found[1].upper()}-{found[2]}"
    _seen.setdefault(case, []).append((report.outcome, found[3].replace("_", " "), reason))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table."""
    write = terminalreporter.write_line
    for venue, count in CASES.items():
        write("")
        for number in range(1, count + 1):
            case = f"{venue}-{number:02}"
            for outcome, title, reason in _seen.get(case, [("missing", "", "")]):
                write(f"{case}  {outcome:8} {title}{f' ({reason})' if reason else ''}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail when a case is missing."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    wanted = {f"{venue}-{number:02}" for venue, count in CASES.items() for number in range(1, count + 1)}
    if not wanted <= set(_seen) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
