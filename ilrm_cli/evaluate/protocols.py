"""Evaluation protocols: the scenes, their input and target frames, and the image size."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.load_views import common_size
from ilrm_cli.capture.photos.folder import ProjectFolder, open_folder
from ilrm_cli.data.checks import find_posed_folders
from ilrm_cli.data.folders import read_folder, scene_name
from ilrm_cli.data.holdout import HOLDOUT_INPUTS, HOLDOUT_TARGETS, holdout_scene
from ilrm_cli.data.re10k import find_sequence, read_evaluation_index, read_index
from ilrm_cli.data.sequences import FrameSequence
from ilrm_cli.evaluate.checks import Plan, check_plan
from ilrm_cli.geometry.frames import Normalisation
from ilrm_cli.models.base import Capabilities
from ilrm_cli.pipeline.choose_views import select_views
from ilrm_cli.pipeline.select_inputs import default_views
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import read_json
from ilrm_cli.runtime.output_names import output_names
from ilrm_cli.runtime.progress import Report, ignore

TARGET_EVERY = 8  # frames; the published evaluation's targets are the 1st, 9th, 17th, ...
RE10K_SIDE_PX = 256  # of the published protocol's square images
DL3DV_SIZE = (960, 544)  # (width, height) of the published protocol
DL3DV_VIEWS = (16,)  # default inputs; published for 16 and 32
HOLDOUT_VIEWS = (2, 4, 8, 12)


@dataclass(frozen=True)
class SceneRef:
    """The location of a scene that has not been read yet."""

    name: str  # for tables and files, unique within a run
    path: Path | None = None  # folder, or root of RE10K
    key: str = ""  # RE10K: the clip
    number: int = 0  # of a procedural scene
    folder: ProjectFolder | None = None  # what the folder holds; None: not looked through yet


@dataclass(frozen=True)
class Split:
    """A scene, ready to be evaluated."""

    frames: FrameSequence
    inputs: tuple[tuple[int, ...], ...]  # one set per number of inputs, each a subset of the next
    targets: tuple[int, ...]  # shared by all sets
    width: int  # px
    height: int  # px
    normalisation: Normalisation  # of the frame that the model gets, see `frame_of_model`
    warnings: tuple[str, ...] = ()


def find_scenes(plan: Plan, paths: Sequence[Path], synthetic: int = 0) -> tuple[list[SceneRef], tuple[str, ...]]:
    """Return the scenes of a run, and a warning for each missing part of the protocol.

    Raises InputError for paths and settings that cannot be used at all.
    """
    check_plan(plan, paths, synthetic)
    if plan.protocol == "synthetic":
        if max(plan.views, default=0) > HOLDOUT_INPUTS:
            raise InputError(f"--views {max(plan.views)}: procedural scenes have {HOLDOUT_INPUTS} inputs at most.")
        return [SceneRef(f"synthetic_{i:03d}", number=i) for i in range(synthetic)][: plan.limit], ()
    warnings: tuple[str, ...] = ()
    if plan.protocol == "re10k":
        found, warnings = _re10k_scenes(plan, paths)
    elif plan.protocol == "dl3dv":
        if plan.index is not None:
            read_input_list(plan.index)  # a damaged list fails here, before any work
        found = [SceneRef("", path) for root in paths for path in find_posed_folders(root)]
    else:
        found = [SceneRef("", path, folder=_opened(path)) for path in paths]
    return _named(found[: plan.limit]), warnings


def _opened(path: Path) -> ProjectFolder | None:
    """Look through a folder; None if that fails, so that its scene does when its turn comes."""
    with contextlib.suppress(InputError):
        return open_folder(path)
    return None


def _named(refs: list[SceneRef]) -> list[SceneRef]:
    """Name the scenes by folder or clip, or by the whole path if names coincide; files are named after them."""
    names = [ref.key or scene_name(ref.path or Path()) for ref in refs]
    paths = ["_".join((ref.path or Path()).resolve().parts[1:]) for ref in refs]
    unlike = [name if names.count(name) == 1 else path for name, path in zip(names, paths, strict=True)]
    return [replace(ref, name=name) for ref, name in zip(refs, output_names(unlike, flat=True), strict=True)]


def _re10k_scenes(plan: Plan, roots: Sequence[Path]) -> tuple[list[SceneRef], tuple[str, ...]]:
    assert plan.index is not None, "check_plan has seen to it"
    entries = read_evaluation_index(plan.index)
    found = [
        SceneRef("", root, key)
        for root in roots
        for key, chunk in read_index(root).items()
        if key in entries and os.path.isfile(chunk)
    ]
    if not found:
        raise InputError(f"None of the clips in {plan.index} is in {', '.join(map(str, roots))}; get the test chunks.")
    if len(found) < len(entries):
        return found, (f"only {len(found)} of the {len(entries)} clips of the index are here: no published figure.",)
    return found, ()


def open_scene(ref: SceneRef, plan: Plan, can: Capabilities, report: Report = ignore) -> Split:
    """Open a scene and split its frames for a model of these capabilities. Raises InputError if that is impossible.

    folder: inputs by k-means over all photos, every other photo is a target. re10k: the index's frames at 256x256.
    Published models get the scale from the raw translations, as in their evaluation. dl3dv: every 8th frame is a
    target; inputs are the list's, or by k-means over the others; 544x960, scaled to cover. synthetic: 4 targets, inputs
    by k-means over 12 other frames.
    """
    if plan.protocol == "re10k":
        return _open_re10k(ref, plan, can)
    if plan.protocol == "dl3dv":
        return _open_dl3dv(ref, plan, can, report)
    if plan.protocol == "synthetic":
        return _open_synthetic(ref, plan, can)
    assert ref.path is not None, "a folder has a path"
    frames = read_folder(ref.folder or open_folder(ref.path), plan.poses, seed=plan.seed, report=report)
    photos = frames.capture.photos
    counts = plan.views or (default_views(can, len(photos)),)
    if max(counts) >= len(photos):
        raise InputError(f"{ref.path}: --views {max(counts)} of {len(photos)} posed photos leaves none to score on.")
    inputs = nested_inputs(frames.world_from_cam, range(len(photos)), counts, plan.seed)
    targets = tuple(i for i in range(len(photos)) if i not in inputs[-1])
    long_side = plan.long_side_px or can.long_side_px
    used = [photos[i] for i in inputs[-1]]
    width, height = common_size(used, long_side=long_side, multiple=can.size_multiple)
    return Split(frames, inputs, targets, width, height, can.frame, frames.capture.warnings)


def _open_re10k(ref: SceneRef, plan: Plan, can: Capabilities) -> Split:
    assert ref.path is not None
    assert plan.index is not None
    entry = read_evaluation_index(plan.index)[ref.key]
    frames = find_sequence(read_index(ref.path), ref.key)
    if not all(0 <= i < len(frames) for i in (*entry.context, *entry.target)):
        raise InputError(f"{ref.key} has {len(frames)} frames, fewer than {plan.index} asks for; get its chunk again.")
    side = round(RE10K_SIDE_PX / can.size_multiple) * can.size_multiple
    return Split(frames, (entry.context,), entry.target, side, side, can.normalisation)


def _open_dl3dv(ref: SceneRef, plan: Plan, can: Capabilities, report: Report) -> Split:
    assert ref.path is not None
    frames = read_folder(open_folder(ref.path), seed=plan.seed, report=report)
    targets = tuple(range(0, len(frames), TARGET_EVERY))
    others = [i for i in range(len(frames)) if i not in targets]
    if plan.index is None:
        inputs = nested_inputs(frames.world_from_cam, others, plan.views or DL3DV_VIEWS, plan.seed)
    else:
        listed = read_input_list(plan.index)
        if frames.name not in listed:
            raise InputError(f"{plan.index} lists no input frames for {frames.name}; leave --index out for our own.")
        inputs = (listed_frames(frames.frame_names, listed[frames.name], frames.name),)
    scale = (plan.long_side_px or DL3DV_SIZE[0]) / DL3DV_SIZE[0]
    multiple = can.size_multiple
    width, height = (round(side * scale / multiple) * multiple for side in DL3DV_SIZE)
    return Split(frames, inputs, targets, width, height, can.frame, frames.capture.warnings)


def _open_synthetic(ref: SceneRef, plan: Plan, can: Capabilities) -> Split:
    counts = plan.views or HOLDOUT_VIEWS
    frames = holdout_scene(ref.number, plan.long_side_px or can.long_side_px, can.size_multiple)
    inputs = nested_inputs(frames.world_from_cam, range(HOLDOUT_INPUTS), counts, plan.seed)
    targets = tuple(range(HOLDOUT_INPUTS, HOLDOUT_INPUTS + HOLDOUT_TARGETS))
    width, height = frames.lenses[0].width, frames.lenses[0].height
    return Split(frames, inputs, targets, width, height, can.frame)


def nested_inputs(
    world_from_cam: Float64[ndarray, "frame 4 4"], candidates: Sequence[int], counts: Sequence[int], seed: int
) -> tuple[tuple[int, ...], ...]:
    """Return a set of frames per count, smallest first, each chosen by k-means from the next larger one."""
    pool, sets = np.asarray(candidates), []
    for count in sorted(set(counts), reverse=True):
        pool = pool[list(select_views(world_from_cam[pool], count, seed=seed))]
        sets.append(tuple(int(i) for i in pool))
    return tuple(reversed(sets))


def read_input_list(file: Path) -> dict[str, tuple[str | int, ...]]:
    """Read scene name -> input frames from a published k-means list: JSON, with frames as file names or indices.

    Raises InputError if the file is not such a list.
    """
    try:
        content = read_json(file)
    except ValueError as error:
        raise InputError(f"{file} is not a readable JSON file; give the list of input frames per scene.") from error
    good = isinstance(content, dict) and all(
        isinstance(frames, list) and all(isinstance(frame, str | int) for frame in frames)
        for frames in content.values()
    )
    if not good:
        raise InputError(f"{file} is not a JSON object of scene name -> list of input frames.")
    return {name: tuple(frames) for name, frames in content.items()}


def listed_frames(frame_names: Sequence[str], wanted: Sequence[str | int], scene: str) -> tuple[int, ...]:
    """Return the ascending indices of frames given by index, name or file name. Raises InputError if one is absent."""
    places = {Path(name).stem: index for index, name in enumerate(frame_names)}
    chosen = set()
    for frame in wanted:
        index = frame if isinstance(frame, int) else places.get(Path(frame).stem, -1)
        if not 0 <= index < len(frame_names):
            raise InputError(f"{scene}: the listed input frame {frame} is not among its {len(frame_names)} frames.")
        chosen.add(index)
    return tuple(sorted(chosen))
