"""`scene.json`, the record beside `scene.ply`: inputs, results, and the cameras of every photo.

The cameras are those of the images as the model saw them (one size for all), in the world frame of the .ply file.
"""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli import __version__
from ilrm_cli.capture.poses.pose_set import rigid
from ilrm_cli.geometry.cameras import MOST_PIXELS, Cameras, plausible
from ilrm_cli.geometry.frames import Frame
from ilrm_cli.geometry.transforms import FARTHEST, Similarity
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.json_values import finite_json, fitted, read_json
from ilrm_cli.scene.checks import is_record, place_as_recorded, record_path, scenes_of

FORMAT = 1  # raised when readers of the older form cannot read the newer one
Role = Literal["input", "fitted", "held_out"]  # given to the model; what the scene is fitted to; held out for scoring
ROLES: tuple[Role, ...] = get_args(Role)
Row3 = Annotated[tuple[float, ...], msgspec.Meta(min_length=3, max_length=3)]
Row4 = Annotated[tuple[float, ...], msgspec.Meta(min_length=4, max_length=4)]
LEAST_SCALE = 1e-9  # of the normalisation; its inverse is the largest
NOT_TURNED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class RecordedView:
    """One photo and its camera."""

    name: str  # path relative to the photo folder
    role: Role
    sha256: str  # of the photo file
    world_from_cam: Annotated[tuple[Row4, ...], msgspec.Meta(min_length=4, max_length=4)]  # OpenCV axes
    focal_px: tuple[float, float]  # (x, y)
    center_px: tuple[float, float]  # principal point (x, y)
    width: int  # px
    height: int  # px
    quarter_turns: Annotated[int, msgspec.Meta(ge=0, le=3)] | None = (
        None  # counterclockwise, from the upright photo to the image; None: unknown
    )


@dataclass(frozen=True)
class SceneRecord:
    """The complete record of how a scene was made. Times in seconds, scores by name (`psnr` in dB, `ssim`)."""

    views: tuple[RecordedView, ...]
    model_from_world: Similarity  # the normalisation, with any chosen scale: from the .ply's frame to the model's
    model: Mapping[str, str]  # "name", "sha256", and "licence" if it is known
    seed: int
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # that the scene was made for, in [0, 1]
    settings: Mapping[str, Any] = field(default_factory=dict)  # options of the command, as JSON values
    timings_s: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()  # every photo that played no part, and why
    frame: Frame = "input"  # of the .ply and the cameras, see `frames`
    frame_from_input: tuple[Row3, ...] = NOT_TURNED  # rotation to `frame` from the input poses' frame
    origin: Row3 | None = None  # point of the input poses' frame at which the file's coordinates are 0; None: its own
    metres_per_unit: float | None = None  # real size of the scene, see `pipeline.real_size`; None: unknown
    up: Row3 | None = None  # unit, in `frame`, as estimated from the poses of all photos
    pose_card: Mapping[str, Any] | None = None  # quality of the poses, as JSON values; None: unknown
    inputs_sha256: str | None = None  # of all inputs of the scene, see `input_hash`; None: unknown
    poses_sha256: str | None = None  # of the known cameras, see `input_hash`; None: unknown
    ply_sha256: str | None = None  # of the scene file as written
    scene_suffix: str = ".ply"  # suffix of the scene file
    start_view: bool = False  # whether its header tells the view at which it opens, as far as the format has comments
    photos: str | None = None  # the input folder or video, see `place_as_recorded`; None: unknown
    photo_root: str | None = None  # folder that names of photos are relative to, likewise; None: unknown, or a video
    given: tuple[str, ...] | None = None  # names of the photos below that folder that were given; None: all
    refined_from: Mapping[str, str] | None = None  # "scene", which was fitted further, and its "sha256"; None: photos
    machine: Mapping[str, Any] = field(default_factory=dict)  # the machine used, see `devices.machine`
    auto_scale: Mapping[str, Any] | None = None  # result of the scale search; None: it did not run
    pruning: Mapping[str, Any] | None = None  # the dropped Gaussians, see `prune.Pruning`; None: nothing was tried
    refine: Mapping[str, Any] | None = None  # figures of the fit to the inputs, see `refine`; None: not requested
    optimize: Mapping[str, Any] | None = None  # figures of the fit to all photos, see `optimize.fit`; None: a draft
    # "turn_deg", "shift_share" and "psnr_as_given", see `ilrm help json`; None: poses are as given.
    poses_refined: Mapping[str, float | None] | None = None
    trace: Mapping[str, Any] | None = None  # how the scene formed, see `trace.TracedLayer`; None: unknown
    versions: Mapping[str, str] = field(default_factory=dict)  # of the libraries
    ilrm: str = __version__
    format: int = FORMAT


def photo_folder_of(record: SceneRecord, record_file: Path) -> Path | None:
    """Return the folder or video that the scene was made from; None if unknown or missing."""
    return _existing(record.photos, record_file)


def photo_root_of(record: SceneRecord, record_file: Path) -> Path | None:
    """Return the folder that names of photos are relative to; None if unknown or missing."""
    return _existing(record.photo_root, record_file)


def required_photo_folder(record: SceneRecord, record_file: Path) -> Path:
    """Return the folder or video that the scene was made from. Raises InputError if it is unknown or missing."""
    place = photo_folder_of(record, record_file)
    if place is None:
        where = "are not recorded" if record.photos is None else f"are no longer at {record.photos}"
        raise InputError(f"the photos of {record_file} {where}; say where they are with --photos.")
    return place


def written_as(record: SceneRecord, record_file: Path) -> Path:
    """Return the scene file that was written with a record."""
    return record_file.with_suffix(record.scene_suffix)


def scene_of(record: SceneRecord, record_file: Path) -> Path:
    """Return the scene file of a record: the one written with it, or else, if it was copied, the only one there is.

    It may be missing.
    """
    written = written_as(record, record_file)
    there = [scene for scene in scenes_of(record_file) if scene.is_file()]
    return there[0] if written not in there and len(there) == 1 else written


def _existing(recorded: str | None, record_file: Path) -> Path | None:
    """Return a place that a record names, if it is there."""
    place = None if recorded is None else Path(os.path.normpath(record_file.parent / recorded))
    return place if place is not None and os.path.exists(place) else None


def rebased(record: SceneRecord, record_file: Path, target: Path) -> SceneRecord:
    """Return a record to be written elsewhere, where it names the same places; places that are missing stay as told."""

    def as_seen(recorded: str | None) -> str | None:
        place = _existing(recorded, record_file)
        return recorded if place is None else place_as_recorded(place, target)

    origin = record.refined_from
    if origin is not None and (start := as_seen(origin.get("scene"))) is not None:
        origin = {**origin, "scene": start}
    return replace(record, photos=as_seen(record.photos), photo_root=as_seen(record.photo_root), refined_from=origin)


def recorded_views(
    names: Sequence[str],
    sha256s: Sequence[str],
    cameras: Cameras,
    role: Role,
    quarter_turns: Sequence[int | None] | None = None,
) -> tuple[RecordedView, ...]:
    """Build the record's views of one role."""
    assert role in ROLES, f"role {role!r}"
    turns = quarter_turns or [None] * len(names)
    assert len(names) == len(sha256s) == len(cameras) == len(turns), "one of each per view"
    return tuple(
        RecordedView(
            name=name,
            role=role,
            sha256=sha256,
            world_from_cam=tuple(tuple(row) for row in pose.tolist()),
            focal_px=(float(focal[0]), float(focal[1])),
            center_px=(float(center[0]), float(center[1])),
            width=cameras.width,
            height=cameras.height,
            quarter_turns=turn,
        )
        for name, sha256, pose, focal, center, turn in zip(
            names, sha256s, cameras.world_from_cam, cameras.focal_px, cameras.center_px, turns, strict=True
        )
    )


def cameras_of(record: SceneRecord, role: Role) -> Cameras | None:
    """Return the cameras of one role in the record's order, in float64; None if there are none."""
    assert role in ROLES, f"role {role!r}"
    views = [view for view in record.views if view.role == role]
    return _cameras(views) if views else None


def camera_of(view: RecordedView) -> Cameras:
    """Return the camera of one photo, in float64."""
    return _cameras([view])


def _cameras(views: Sequence[RecordedView]) -> Cameras:
    return Cameras(
        world_from_cam=torch.tensor([view.world_from_cam for view in views], dtype=torch.float64),
        focal_px=torch.tensor([view.focal_px for view in views], dtype=torch.float64),
        center_px=torch.tensor([view.center_px for view in views], dtype=torch.float64),
        width=views[0].width,
        height=views[0].height,
    )


def encode_record(record: SceneRecord) -> bytes:
    """Encode as JSON with the keys in the order of the dataclasses; non-finite numbers become null."""
    similarity = record.model_from_world
    content = {
        "format": record.format,
        "ilrm": record.ilrm,
        **{name: value for name, value in vars(record).items() if name not in ("format", "ilrm")},
        "views": [vars(view) for view in record.views],
        "left_out": [vars(photo) for photo in record.left_out],
        "model_from_world": {
            "scale": similarity.scale,
            "rotation": similarity.rotation.tolist(),
            "translation": similarity.translation.tolist(),
        },
    }
    text = json.dumps(finite_json(content), indent=1, allow_nan=False, ensure_ascii=False)
    # Put rows of numbers on one line. Line breaks inside strings are escaped, so only real arrays match.
    text = re.sub(r"\[\n([^\[\]{}\"]*?)\n\s*\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)
    return (text + "\n").encode()


def record_beside(scene: Path) -> SceneRecord | None:
    """Read the record beside a scene file; None if there is none."""
    path = record_path(scene)
    return read_record(path) if path.is_file() and is_record(path) else None


def read_record(path: Path) -> SceneRecord:
    """Read a record. Raises `InputError` for a file that is not a complete record."""
    try:
        content = read_json(path)
        if not isinstance(content, dict) or not {"format", "ilrm"} <= content.keys():
            raise InputError(f"{path} is no record of an ilrm scene; move it away to use the scene without it.")
        if content["format"] != FORMAT:
            raise InputError(f"{path} has format {content['format']}; this version of ilrm reads format {FORMAT}.")
        record = fitted(content, SceneRecord, _tensor, extensible=(Similarity, LeftOut))
        _check(record)
        return record
    except Damage as error:
        raise InputError(
            f"the scene record {path} is damaged ({error}); make the scene again or move the file away."
        ) from error


def _tensor(kind: type, values: Any) -> torch.Tensor:
    """Convert nested lists of numbers to a tensor of the annotated shape."""
    try:
        tensor = torch.tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Damage("Expected an array of numbers") from error
    if not isinstance(tensor, kind):
        raise Damage(f"Expected an array of another shape than {tuple(tensor.shape)}")
    return tensor


def _check(record: SceneRecord) -> None:
    """Raise Damage for values that fit their types but make no scene."""
    similarity = record.model_from_world
    if not LEAST_SCALE < similarity.scale < 1 / LEAST_SCALE:
        raise Damage("a scale that is no positive number, or an absurd one")
    moved = torch.cat([similarity.rotation, similarity.translation[:, None]], dim=1).numpy()
    if not _is_rigid(moved):
        raise Damage("a normalisation that is no rotation and translation")
    if rigid(np.column_stack([np.array(record.frame_from_input), np.zeros(3)])) is None:
        raise Damage("a frame_from_input that is no rotation")
    if record.up is not None and not 0.9 < math.hypot(*record.up) < 1.1:
        raise Damage("an up that is no direction")
    real = record.metres_per_unit
    if real is not None and not LEAST_SCALE < real < 1 / LEAST_SCALE:
        raise Damage("a metres_per_unit that is no positive number, or an absurd one")
    if not all(0 <= share <= 1 for share in record.background):
        raise Damage("a background outside of 0 to 1")
    for view in record.views:
        _check_view(view)
    for role in ROLES:
        sizes = {(view.width, view.height) for view in record.views if view.role == role}
        if len(sizes) > 1:
            raise Damage(f"the {role} views have different sizes")


def _check_view(view: RecordedView) -> None:
    """Raise Damage for a camera that is none."""
    if not _is_rigid(np.array(view.world_from_cam)):
        raise Damage(f"the camera of {view.name} has no rotation and position")
    fits = view.width * view.height <= MOST_PIXELS
    if not (fits and plausible(view.focal_px, view.center_px, view.width, view.height)):
        raise Damage(f"the camera of {view.name} has a size, focal length or centre that none has")


def _is_rigid(matrix: Float64[ndarray, "rows 4"]) -> bool:
    return rigid(matrix) is not None and bool((np.abs(matrix) < FARTHEST).all())
