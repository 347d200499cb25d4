"""Helpers that run the command line within this process or in one of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from ilrm_cli.cli.app import SENTENCES, app, command


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The error as users see it: one line."""
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.err
        return lines[0]


def ilrm(*arguments: str | Path) -> Outcome:
    """Run the command in this process; raise anything but an orderly exit."""
    result = CliRunner().invoke(
        app, [str(a) for a in arguments], prog_name="ilrm", env={"NO_COLOR": "1", "TERM": "dumb"}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def ilrm_process(*arguments: str | Path, cwd: Path | None = None) -> Outcome:
    """Run the command as a user does: another process, real exit status, both streams."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", "from ilrm_cli.cli.app import run; run()", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=environment,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


def commands() -> dict[str, Any]:
    """Return all commands by their names, those within groups among them: `models`, `models list`."""
    found = {name: command(name) for name in SENTENCES}
    groups = {name: getattr(one, "commands", {}) for name, one in found.items()}
    return found | {f"{name} {inner}": one for name, held in groups.items() for inner, one in held.items()}
