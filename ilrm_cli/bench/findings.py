"""The results of suites, and their encoding as JSON and files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ilrm_cli.bench.charts import bar_chart
from ilrm_cli.bench.timing import BenchRow

JSON_NAME = "bench.json"


@dataclass(frozen=True)
class Findings:
    """The result of one suite."""

    rows: tuple[BenchRow, ...]
    details: Mapping[str, Any] = field(default_factory=dict)  # more figures, as JSON values
    files: Mapping[str, bytes] = field(default_factory=dict)  # charts and texts to be kept: name -> content

    def as_json(self) -> dict[str, Any]:
        return {"rows": [row.as_json() for row in self.rows], **self.details}


def encoded(found: Mapping[str, Findings], machine: Mapping[str, Any]) -> dict[str, bytes]:
    """Return every file of a run: the figures of all suites as JSON, and each suite's charts and documents."""
    content = {"machine": dict(machine), "suites": {name: findings.as_json() for name, findings in found.items()}}
    files = {JSON_NAME: (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()}
    for name, findings in found.items():
        files |= {f"{name}.png": bar_chart(f"Suite {name}: ratios, with strokes at their limits", findings.rows)}
        files |= findings.files
    return files
