"""`report.json`: the report as data, for programs. Pictures are left out; names tell which photo is meant."""

import json
from dataclasses import asdict
from typing import Any

from ilrm_cli.io.scene import finite_json
from ilrm_cli.report.data import Report

FORMAT = 1  # raised when a key changes its meaning or goes away; new ones may be added at any time


def encode_json(report: Report) -> bytes:
    """The summary's keys, then those of `details`; a number that is not finite becomes null."""
    content = {"report": FORMAT, **report.summary, **details(report)}
    return (json.dumps(finite_json(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def details(report: Report) -> dict[str, Any]:
    """What a report holds beyond what `--json` prints.

    title, photos[{name, role (input, held_out, left_out), reason, number}], comparisons[{name, psnr, ssim}] of every
    scored photo, cameras[{name, role, sha256, world_from_cam, focal_px, center_px, width, height}] in the frame of the
    scene, pose_card{...}, settings{...}, seed, machine{...}, versions{...}, ilrm, inputs_sha256, ply_sha256,
    command_line.
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
