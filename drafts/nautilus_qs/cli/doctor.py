"""``nqs doctor``: is this machine able to run the system?"""

import json
from typing import Annotated, Any

import typer


def doctor(json_: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False) -> None:
    """Check Python, packages, clock, disk and the embedded data, and say what to do about what is wrong.

    [bold]Example[/bold]: nqs doctor --json
    """
    checks = [_python(), _package("nautilus_trader", "1.231.0"), _package("pandas", "3."), _disk(), _configs(), _writable()]
    if json_:
        typer.echo(json.dumps({"ok": all(c["ok"] for c in checks), "checks": checks}))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['found']}")
    if not all(c["ok"] for c in checks):
        raise typer.Exit(1)


def _check(name: str, *, ok: bool, found: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": found}


def _python() -> dict[str, Any]:
    import sys

    version = ".".join(str(n) for n in sys.version_info[:3])
    return _check("python", ok=(3, 12) <= sys.version_info[:2] < (3, 15), found=f"{version}, needs 3.12 to 3.14")


def _package(name: str, wanted: str) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version(name)
    except PackageNotFoundError:
        return _check(name, ok=False, found=f"not installed; run make demo or pip install {name}")
    return _check(name, ok=found.startswith(wanted), found=f"{found}, needs {wanted}")


def _disk() -> dict[str, Any]:
    import shutil

    free_gb = shutil.disk_usage(".").free / 1e9
    return _check("disk", ok=free_gb > 1.0, found=f"{free_gb:.1f} GB free here, needs 1")


def _writable() -> dict[str, Any]:
    import os

    return _check("writable", ok=os.access(".", os.W_OK), found="this folder takes var/" if os.access(".", os.W_OK) else "this folder is read-only")


def _configs() -> dict[str, Any]:
    from nautilus_qs.config import load
    from nautilus_qs.errors import QsError

    try:
        loaded = load("demo", environ={})
    except QsError as error:
        return _check("configuration", ok=False, found=str(error))
    return _check("configuration", ok=True, found=f"demo reads, {len(loaded.strategies)} strategies")
