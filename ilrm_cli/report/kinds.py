"""Kinds of reports, by file suffix; imports nothing heavy."""

from collections.abc import Sequence
from pathlib import Path

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import check_output
from ilrm_cli.scene.checks import record_path

SUFFIXES = (".html", ".json")


def check_reports(reports: Sequence[Path], scene: Path, overwrite: bool) -> None:
    """Raise InputError, before the long work begins, for reports of an unknown kind or that cannot be written."""
    taken = {_place(scene): "the scene", _place(record_path(scene)): "the scene's record"}
    for report in reports:
        if report.suffix.lower() not in SUFFIXES:
            raise InputError(f"--report {report}: reports are {' or '.join(SUFFIXES)} files; name one of these.")
        if holder := taken.get(_place(report)):
            raise InputError(f"--report {report} is {holder} too; choose another name.")
        check_output(report, overwrite)
        taken[_place(report)] = "another --report"


def _place(path: Path) -> Path:
    return path.resolve()
