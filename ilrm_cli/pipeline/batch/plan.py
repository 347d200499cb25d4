"""Planning of a batch: which folders it covers and where their scenes go, without opening anything."""

import glob
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ilrm_cli.capture.photos.listing import is_video, natural_order
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.scene.checks import suffix_of

PLACEHOLDERS = ("{name}", "{parent}")


@dataclass(frozen=True)
class Job:
    """One folder of photos, or video, and its scene."""

    name: str  # of the folder, or of the video without its suffix; prefixed with the parent's name if several share it
    photos: Path  # as given
    output: Path  # the scene file


def find_places(patterns: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Return the folders and videos matched by the patterns, each once and in natural order, and all other matches.

    A pattern is a path and may have shell wildcards (`**` crosses folders). Hidden names must be spelled out.
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
    if not places:
        raise InputError(f"{', '.join(patterns)}: only files that are no video; give the folders that hold the photos.")
    return places, others


def plan(found: Sequence[Path], template: str) -> tuple[Job, ...]:
    """Return one job per place. `template` is the path of the scene, in which `{name}` and `{parent}` are filled in.

    Raises InputError if the template has an unknown suffix or other placeholders, or if several places would share a
    scene.
    """
    suffix_of(Path(template))
    if unknown := [held for held in re.findall(r"\{[^{}]*\}", template) if held not in PLACEHOLDERS]:
        raise InputError(f"--output {template}: {unknown[0]} is unknown; {' and '.join(PLACEHOLDERS)} are filled in.")
    jobs = tuple(_job(place, template) for place in found)
    by_output: dict[Path, list[Job]] = {}
    for job in jobs:
        by_output.setdefault(job.output.absolute(), []).append(job)
    for same in by_output.values():
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
