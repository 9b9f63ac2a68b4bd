"""The command line as a user meets it: arguments in, exit code and both streams out."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nautilus_qs.cli.app import main

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output, which ``--json`` promises to be one object."""
        return last_object(self.out)


def last_object(text: str) -> dict[str, Any]:
    """Return the JSON object on the last line of a text."""
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def nqs(*arguments: object) -> Answer:
    """Run ``nqs`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = leaving.code
    return Answer(int(code or 0), out.getvalue(), err.getvalue())


COMMAND = "from nautilus_qs.cli.app import main; main()"


def start(*arguments: object, script: str = COMMAND) -> "subprocess.Popen[str]":
    """Start ``nqs`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
