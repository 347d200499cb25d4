"""Which folders a batch is over and where their scenes go; nothing is opened."""

import glob
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ilrm_cli.errors import InputError
from ilrm_cli.formats.suffixes import suffix_of
from ilrm_cli.io.photo_files import is_video, natural_order
from ilrm_cli.wording import listed

PLACEHOLDERS = ("{name}", "{parent}")


@dataclass(frozen=True)
class Job:
    """One folder of photos, or video, and its scene."""

    name: str  # of the folder, or of the video without its suffix; after its parent's where several are called so
    photos: Path  # as given
    output: Path  # the scene file


def find_places(patterns: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Folders and videos that the patterns name, each once and in natural order; and what is neither.

    A pattern is a path or has wildcards as in a shell (`**` crosses folders). Hidden names must be spelled out.
    Raises InputError for a pattern that matches nothing, and if no folder or video is left.
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
    """A job for each place found. `template` is the path of the scene with `{name}` and `{parent}` to be filled in.

    Raises InputError for a template of an unknown suffix or with other braces, and where several places would share a
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
    named = place.resolve() if place.name in ("", "..") else place.absolute()  # `.` and `..` are no names
    name = named.stem if is_video(place) else named.name
    output = template.replace("{parent}", named.parent.name).replace("{name}", name)
    return Job(name, place, Path(output).expanduser())
