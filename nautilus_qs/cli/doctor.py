"""``nqs doctor``: is this machine able to run the system?"""

import json
from typing import Any

import typer

from nautilus_qs.cli.options import JsonFlag

NEEDED = {"nautilus_trader": "1.231.0", "pandas": "3.", "arch": "", "exchange_calendars": "", "plotly": ""}
FREE_GB = 1.0


def doctor(json_: JsonFlag = False) -> None:
    """Check Python, packages, disk and the configurations that ship, and say what to do about what is wrong.

    Example: nqs doctor --json
    """
    packages = [_package(name, version) for name, version in NEEDED.items()]
    checks = [_python(), *packages, _disk(), _writable(), _configs()]
    is_ok = all(check["ok"] for check in checks)
    if json_:
        typer.echo(json.dumps({"ok": is_ok, "checks": checks}))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['found']}")
    if not is_ok:
        raise typer.Exit(1)


def _check(name: str, *, ok: bool, found: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": found}


def _python() -> dict[str, Any]:
    import sys

    version = ".".join(str(part) for part in sys.version_info[:3])
    return _check("python", ok=(3, 12) <= sys.version_info[:2] < (3, 15), found=f"{version}, needs 3.12 to 3.14")


def _package(name: str, wanted: str) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version(name)
    except PackageNotFoundError:
        return _check(name, ok=False, found=f"not installed; run make demo or pip install {name}")
    return _check(name, ok=found.startswith(wanted), found=f"{found}, needs {wanted}" if wanted else found)


def _disk() -> dict[str, Any]:
    import shutil

    free_gb = shutil.disk_usage(".").free / 1e9
    return _check("disk", ok=free_gb > FREE_GB, found=f"{free_gb:.1f} GB free here, needs {FREE_GB:g}")


def _writable() -> dict[str, Any]:
    import os

    is_writable = os.access(".", os.W_OK)
    found = "this folder takes var/" if is_writable else "this folder is read-only; change to another"
    return _check("writable", ok=is_writable, found=found)


def _configs() -> dict[str, Any]:
    from nautilus_qs.config import load
    from nautilus_qs.errors import QsError
    from nautilus_qs.nodes.importing import resolve_strategies

    try:
        names = resolve_strategies(load("demo", environ={}))
    except QsError as error:
        return _check("configuration", ok=False, found=str(error))
    return _check("configuration", ok=True, found=f"demo reads, {len(names)} strategies resolve")
