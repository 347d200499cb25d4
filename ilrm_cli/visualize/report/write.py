"""Reports on disk, of the kinds that their suffixes name.

`report.json` holds the report as data, for programs. Pictures are left out; names tell which photo is meant.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.runtime.json_values import envelope, finite_json
from ilrm_cli.visualize.checks import SUFFIXES
from ilrm_cli.visualize.report.content import Report
from ilrm_cli.visualize.report.html import encode_html

FORMAT = 2  # raised when a key is removed or changes its meaning; new ones may be added at any time


def encode_json(report: Report) -> bytes:
    """Encode the summary's keys, then those of `details`; non-finite numbers become null."""
    content = {"report": FORMAT, **envelope("reconstruct", report.summary), **details(report)}
    return (json.dumps(finite_json(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


_ENCODERS: dict[str, Callable[[Report], bytes]] = {".html": encode_html, ".json": encode_json}

assert tuple(_ENCODERS) == SUFFIXES


def write_reports(report: Report, paths: Sequence[Path]) -> None:
    """Write the report to each path in the format of its suffix. All are encoded before the first is written."""
    encoded = [(path, _ENCODERS[path.suffix.lower()](report)) for path in paths]
    for path, content in encoded:
        atomic_write(path, content)


def details(report: Report) -> dict[str, Any]:
    """Return what a report holds in addition to `--json`.

    title, photos[{name, role (input, fitted, held_out, left_out), reason, number}], comparisons[{name, psnr, ssim}] of
    every scored photo, cameras[{name, role, sha256, world_from_cam, focal_px, center_px, width, height, quarter_turns}]
    in the frame of the scene, pose_card{...}, settings{...}, seed, machine{...}, versions{...}, ilrm, inputs_sha256,
    ply_sha256, command_line.
    """
    record = report.record
    return {
        "title": report.title,
        "photos": [{key: getattr(p, key) for key in ("name", "role", "reason", "number")} for p in report.photos],
        "comparisons": [{"name": c.name, "psnr": c.psnr, "ssim": c.ssim} for c in report.comparisons],
        "cameras": [vars(view) for view in record.views],
        "pose_card": asdict(report.card),
        "settings": report.settings,
        "seed": record.seed,
        "machine": record.machine,
        "versions": record.versions,
        "ilrm": record.ilrm,
        "inputs_sha256": record.inputs_sha256,
        "ply_sha256": record.ply_sha256,
        "command_line": report.command,
    }
