"""Jobs of a batch: which folders it covers and where their scenes go, and what became of each, as JSON Lines too."""

import glob
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ilrm_cli.capture.photos.listing import Listing, is_video, natural_order
from ilrm_cli.models.registry import refuse_one_photo
from ilrm_cli.pipeline.batch.places import places_in
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import atomic_write, check_folder_of, check_output
from ilrm_cli.runtime.json_values import parsed_json
from ilrm_cli.scene.checks import FIELD, of_gaussians, record_path, suffix_of

PLACEHOLDERS = ("{name}", "{parent}")


@dataclass(frozen=True)
class Job:
    """One folder of photos, or video, and its scene."""

    name: str  # of the folder, or of the video without its suffix; prefixed with the parent's name if several share it
    photos: Path  # as given
    output: Path  # the scene file


def find_places(patterns: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Return the folders and videos matched by the patterns, each once and in natural order, and all other matches.

    A pattern is a path and may have shell wildcards (`**` crosses folders). Hidden names must be spelled out. A single
    folder that holds places (see `places_in`) stands for them.
    Raises InputError if a pattern matches nothing, or if no folder or video is found.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        matches = [path] if path.exists() else [Path(p) for p in glob.glob(str(path), recursive=True)]
        if not matches:
            raise InputError(f"nothing matches {pattern}; give folders of photos or videos, or a pattern in quotes.")
        for match in sorted(matches, key=natural_order):
            found.setdefault(match.resolve(), match)
    places = [path for path in found.values() if path.is_dir() or is_video(path)]
    others = [path for path in found.values() if path not in places]
    if len(found) == 1 and len(places) == 1:
        places = sorted(places_in(places[0], Listing()), key=natural_order) or places
    if not places:
        raise InputError(f"{', '.join(patterns)}: only files that are no video; give the folders that hold the photos.")
    return places, others


def plan(found: Sequence[Path], template: str) -> tuple[Job, ...]:
    """Return one job per place. `template` is the path of the scene, in which `{name}` and `{parent}` are filled in.

    Raises InputError if the template has an unknown suffix or other placeholders, or if several places would share a
    scene or its record.
    """
    if suffix_of(Path(template)) == FIELD:
        raise of_gaussians(Path(template))
    if unknown := [held for held in re.findall(r"\{[^{}]*\}", template) if held not in PLACEHOLDERS]:
        raise InputError(f"--output {template}: {unknown[0]} is unknown; {' and '.join(PLACEHOLDERS)} are filled in.")
    jobs = tuple(_job(place, template) for place in found)
    by_record: dict[Path, list[Job]] = {}
    for job in jobs:
        by_record.setdefault(record_path(job.output.absolute()), []).append(job)
    for same in by_record.values():
        if len({job.output for job in same}) > 1:  # such as a.ply and a.compressed.ply
            raise InputError(
                f"--output {template} gives {listed(job.photos for job in same)} scenes with one record, "
                f"{record_path(same[0].output)}; rename one of them."
            )
        if len(same) > 1:
            remedy = "rename one" if "{parent}" in template else "add {parent}, as in 'out/{parent}-{name}.ply'"
            remedy = remedy if "{name}" in template else "add {name}, as in 'out/{name}.ply'"
            places = listed(job.photos for job in same)
            raise InputError(f"--output {template} gives {places} the same scene {same[0].output}; {remedy}.")
    called = Counter(job.name for job in jobs)
    return tuple(
        replace(job, name=f"{job.photos.absolute().parent.name}/{job.name}") if called[job.name] > 1 else job
        for job in jobs
    )


def _job(place: Path, template: str) -> Job:
    named = place.resolve() if place.name in ("", "..") else place.absolute()  # `.` and `..` are not names
    name = named.stem if is_video(place) else named.name
    # Expanded before names are filled in: a folder called ~ does not lead home. In one go: so may one called {name}.
    filled = {"{name}": name, "{parent}": named.parent.name}
    output = re.sub("|".join(map(re.escape, filled)), lambda held: filled[held[0]], str(Path(template).expanduser()))
    return Job(name, place, Path(output))


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


def check_model(model: str) -> None:
    """Raise InputError for a model that takes a single photo, as far as its name tells."""
    refuse_one_photo(model, "a batch has folders of several; run `ilrm reconstruct PHOTO` for each")


def check_outputs(jobs: Sequence[Job], overwrite: bool) -> None:
    """Raise InputError if the folder of a scene that is to be made can be none, before the long work begins."""
    for job in jobs:
        if overwrite or not job.output.exists():
            check_folder_of(job.output)


def check_summary(path: Path | None, jobs: Sequence[Job]) -> None:
    """Raise InputError if the summary cannot be written beside the scenes, before the long work begins."""
    if path is None:
        return
    for job in jobs:
        output = job.output.resolve()
        if path.resolve() in (output, *output.parents, record_path(output)):
            raise InputError(f"--summary {path} is where the scene of {job.photos} goes; choose another name.")
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
        outcome = parsed_json(first) if first else None
    except ValueError:
        return False
    return outcome is None or (isinstance(outcome, dict) and {"name", "photos", "output", "status"} <= outcome.keys())


def write_summary(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write one line per outcome, atomically replacing the file."""
    lines = [json.dumps(as_json(outcome), ensure_ascii=False, allow_nan=False) + "\n" for outcome in outcomes]
    atomic_write(path, "".join(lines).encode(errors="backslashreplace"))  # as JSON escapes names that are no UTF-8
