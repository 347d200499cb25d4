"""Reports on disk: which kinds there are, told apart by their suffix."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ilrm_cli.errors import InputError
from ilrm_cli.io.atomic import atomic_write, check_output
from ilrm_cli.io.scene import record_path
from ilrm_cli.report.data import Report
from ilrm_cli.report.html_file import encode_html
from ilrm_cli.report.json_file import encode_json

_ENCODERS: dict[str, Callable[[Report], bytes]] = {".html": encode_html, ".json": encode_json}


def check_reports(reports: Sequence[Path], scene: Path, overwrite: bool) -> None:
    """Refuse, before the long work begins, reports of an unknown kind or that cannot be written."""
    taken = {_place(scene): "the scene", _place(record_path(scene)): "the scene's record"}
    for report in reports:
        if report.suffix.lower() not in _ENCODERS:
            raise InputError(f"--report {report}: reports are {' or '.join(_ENCODERS)} files; name one of these.")
        if holder := taken.get(_place(report)):
            raise InputError(f"--report {report} is {holder} too; choose another name.")
        check_output(report, overwrite)
        taken[_place(report)] = "another --report"


def write_reports(report: Report, paths: Sequence[Path]) -> None:
    """Write the report to each path, in the kind that its suffix says. All are encoded before the first is written."""
    encoded = [(path, _ENCODERS[path.suffix.lower()](report)) for path in paths]
    for path, content in encoded:
        atomic_write(path, content)


def _place(path: Path) -> Path:
    return path.resolve()
