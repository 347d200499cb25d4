"""Per-folder outcomes of a batch, and their summary as a JSON Lines file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ilrm_cli.pipeline.batch.plan import Job
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import atomic_write, check_output

Status = Literal["ok", "skipped", "failed", "crashed"]
MAX_LINE = 1 << 20  # bytes of a line that may be an outcome
STATUSES: tuple[Status, ...] = ("ok", "skipped", "failed", "crashed")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one folder."""

    job: Job
    status: Status  # made; already there; the input does not allow it; a bug of ours or a dead process
    sentence: str  # about the scene's quality, or about what went wrong
    seconds: float | None = None  # of work on this folder; None if it was skipped
    used: int | None = None  # photos that the scene was made from
    found: int | None = None  # photos that were offered
    psnr: float | None = None  # dB on held-out photos
    ssim: float | None = None
    gaussians: int | None = None
    warnings: tuple[str, ...] = ()
    traceback: str | None = None  # of a bug


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as JSON values."""
    return {
        "name": outcome.job.name,
        "photos": str(outcome.job.photos),
        "output": str(outcome.job.output),
        "status": outcome.status,
        "sentence": outcome.sentence,
        "photos_used": outcome.used,
        "photos_found": outcome.found,
        "gaussians": outcome.gaussians,
        "psnr": outcome.psnr,
        "ssim": outcome.ssim,
        "seconds": None if outcome.seconds is None else round(outcome.seconds, 3),
        "warnings": list(outcome.warnings),
        "traceback": outcome.traceback,
    }


def counts_of(outcomes: Sequence[Outcome]) -> dict[Status, int]:
    """Count the folders with each status."""
    return {status: sum(outcome.status == status for outcome in outcomes) for status in STATUSES}


def check_summary(path: Path | None) -> None:
    """Raise InputError if the summary cannot be written, before the long work begins."""
    if path is None:
        return
    try:
        check_output(path, overwrite=True)
    except InputError as error:
        raise InputError(f"--summary {path}: {error}") from None
    if path.exists() and not _is_summary(path):
        raise InputError(f"--summary {path} is no summary of a batch and would be replaced; choose another name.")


def _is_summary(path: Path) -> bool:
    """Return whether the file is empty or its first line is an outcome."""
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_LINE)
        outcome = json.loads(first) if first else None
    except ValueError:
        return False
    return outcome is None or (isinstance(outcome, dict) and {"name", "photos", "output", "status"} <= outcome.keys())


def write_summary(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write one line per outcome, atomically replacing the file."""
    lines = [json.dumps(as_json(outcome), ensure_ascii=False, allow_nan=False) + "\n" for outcome in outcomes]
    atomic_write(path, "".join(lines).encode())
