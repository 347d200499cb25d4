"""The log of a training run, as tests read it."""

import json
from pathlib import Path
from typing import Any

from ilrm_cli.train.log import LOG_FILE


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the steps of a run so far, in order."""
    return [json.loads(line) for line in (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]
