"""Report files, in the formats named by their suffixes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ilrm_cli.report.data import Report
from ilrm_cli.report.html_file import encode_html
from ilrm_cli.report.json_file import encode_json
from ilrm_cli.report.kinds import SUFFIXES
from ilrm_cli.runtime.files import atomic_write

_ENCODERS: dict[str, Callable[[Report], bytes]] = {".html": encode_html, ".json": encode_json}

assert tuple(_ENCODERS) == SUFFIXES


def write_reports(report: Report, paths: Sequence[Path]) -> None:
    """Write the report to each path in the format of its suffix. All are encoded before the first is written."""
    encoded = [(path, _ENCODERS[path.suffix.lower()](report)) for path in paths]
    for path, content in encoded:
        atomic_write(path, content)
