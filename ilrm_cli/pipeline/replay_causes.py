"""Possible causes if a reproduced scene is not identical: differences between two records."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ilrm_cli.runtime.errors import listed
from ilrm_cli.scene.record import RecordedView, SceneRecord

UNEXPLAINED = (
    "photos, poses, weights, versions and machine are as recorded; the code of ilrm may have changed without its "
    "version."
)

COMPILED = "its layers were compiled (--compile), and another C++ compiler may change the last bits."
ROUNDING = 1e-5  # of poses, in radians and over their extent: recording transforms them to the input frame


def causes(recorded: SceneRecord, made: SceneRecord) -> tuple[str, ...]:
    """Return one clause per difference, in processing order, then causes that no record tells.

    The latter are the C++ compiler of COMPILED layers and, if nothing differs, UNEXPLAINED.
    """
    parts = (_photos, _poses, _parts_played, _software, _machine)
    known = tuple(clause for part in parts for clause in part(recorded, made))
    compiled = (COMPILED,) if recorded.settings.get("compile") else ()
    return (*known, *compiled, *(() if known else (UNEXPLAINED,)))


def _photos(recorded: SceneRecord, made: SceneRecord) -> Iterator[str]:
    before, now = _by_name(recorded), _by_name(made)
    offered = {*now, *(photo.name for photo in made.left_out)}
    if absent := [name for name in before if name not in offered]:
        yield f"{_counted(absent, 'photo is', 'photos are')} not there: {listed(absent)}."
    if changed := [name for name in before if name in now and before[name].sha256 != now[name].sha256]:
        yield f"{_counted(changed, 'photo has', 'photos have')} another content: {listed(changed)}."
    known = recorded.inputs_sha256 is not None and made.inputs_sha256 is not None
    if known and recorded.inputs_sha256 != made.inputs_sha256 and not (absent or changed):
        yield "something was changed among the other photos, the masks or the files of poses."


def _poses(recorded: SceneRecord, made: SceneRecord) -> Iterator[str]:
    if None in (recorded.poses_sha256, made.poses_sha256) or recorded.poses_sha256 == made.poses_sha256:
        return
    origin = (made.pose_card or {}).get("origin")
    source = "structure from motion found other camera poses" if origin == "sfm" else "the camera poses differ"
    before, now = _by_name(recorded), _by_name(made)
    both = [name for name in before if name in now]
    if not both:
        yield f"{source}."
        return
    poses = np.array([[views[name].world_from_cam for name in both] for views in (before, now)])
    change = poses[1] - poses[0]
    extent = max(float(np.linalg.norm(np.ptp(poses[0, :, :3, 3], axis=0))), 1e-12)  # cameras may share one position
    moved = float(np.linalg.norm(change[:, :3, 3], axis=1).max()) / extent
    turned = float(np.linalg.norm(change[:, :3, :3], axis=(1, 2)).max()) / math.sqrt(2)  # radians, for small angles
    how_far = f"turned by up to {math.degrees(turned):.2g} degrees, moved by up to {moved:.2g} of the distance"
    how_far += " between the farthest of them"
    yield f"{source}, by {'the last bits' if max(turned, moved) < ROUNDING else how_far}; other inputs may be chosen."


def _parts_played(recorded: SceneRecord, made: SceneRecord) -> Iterator[str]:
    """Report photos that are present but changed their role: input, fitted, held out, or none."""
    before, now = _by_name(recorded), _by_name(made)
    offered = {*now, *(photo.name for photo in made.left_out)}
    other = [name for name in {**before, **now} if name in offered and _role(before, name) != _role(now, name)]
    if other:
        yield f"{_counted(other, 'photo plays', 'photos play')} another part: {listed(other)}."


def _software(recorded: SceneRecord, made: SceneRecord) -> Iterator[str]:
    if recorded.model.get("sha256") != made.model.get("sha256"):
        yield f"the weights called {made.model.get('name')} are others."
    if recorded.ilrm != made.ilrm:
        yield f"it was made by ilrm {recorded.ilrm}; this is {made.ilrm}."
    yield from (f"{change}." for change in _changes(recorded.versions, made.versions))


def _machine(recorded: SceneRecord, made: SceneRecord) -> Iterator[str]:
    """Report differences of the machine, which affect the last bits of sums."""
    if changes := list(_changes(recorded.machine, made.machine)):
        yield f"it was computed on another machine: {', '.join(changes)}."


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield "torch 2.12 then, 2.13 now" for each value that both have and that differs."""
    for name, value in before.items():
        if name in now and now[name] != value:
            yield f"{name} {value} then, {now[name]} now"


def _by_name(record: SceneRecord) -> dict[str, RecordedView]:
    return {view.name: view for view in record.views}


def _role(views: Mapping[str, RecordedView], name: str) -> str | None:
    return views[name].role if name in views else None


def _counted(names: list[str], one: str, many: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else many}"
