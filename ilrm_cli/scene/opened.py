"""A scene file with everything needed to show it: cameras, background, near plane, up."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli.capture.photos.folder import VideoChoice
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import up_direction
from ilrm_cli.render.paths.orbits import default_cameras
from ilrm_cli.render.rasterize import NEAR
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile, told_dropped
from ilrm_cli.scene.record import ROLES, SceneRecord, cameras_of, photo_folder_of, photo_root_of, record_beside
from ilrm_cli.scene.start_view import start_view_in

# For scenes without cameras: a common photo shape and a normal lens.
FOREIGN_SIZE_PX = (640, 426)
FOREIGN_FOV_DEG = 45.0  # vertical

WHITE = (1.0, 1.0, 1.0)  # background of scenes that do not state theirs; the paper's


@dataclass(frozen=True)
class Sight:
    """Viewpoints and settings for showing a scene."""

    cameras: Cameras
    background: tuple[float, float, float]  # in [0, 1]
    near: float  # world units


@dataclass(frozen=True)
class ShownScene(Sight):
    """A scene, ready to be filmed or viewed.

    Its cameras, float64, are those of the input photos; without a record the start view of the file, or a ring.
    """

    file: SceneFile
    names: tuple[str, ...] = ()  # of those photos; empty without a record
    origin: tuple[float, float, float] | None = None  # of the file's coordinates in the input's frame; None: its own
    recorded_up: Float64[Tensor, "3"] | None = None  # unit; None: not recorded
    target: Float64[Tensor, "3"] | None = None  # that a start view looks at; None: found from the cameras
    warnings: tuple[str, ...] = ()  # one sentence each
    photos: Path | None = None  # folder or video of the input photos; None: unknown or missing
    photo_root: Path | None = None  # folder that `names` are relative to, likewise
    video: VideoChoice | None = None  # how frames of a video were chosen; None: unknown
    quarter_turns: tuple[int | None, ...] = ()  # of each photo, see `RecordedView`; empty without a record

    @cached_property
    def up(self) -> Float64[Tensor, "3"]:
        """The unit direction that is up, estimated from the cameras if it is not recorded."""
        return up_direction(self.cameras.world_from_cam) if self.recorded_up is None else self.recorded_up


def read_shown_scene(scene: Path) -> ShownScene:
    """Read a scene file and the record beside it, if there is one. Raises `InputError`."""
    file = decode_scene(scene)
    warnings = remarks_on(file, scene)
    beside = record_path(scene)
    record = record_beside(scene)
    if record is None or cameras_of(record, "input") is None:
        state = "is none of ilrm, or broken" if beside.is_file() else "is not there"
        return _without_record(file, warnings, f"no record with cameras lies beside {scene} ({beside.name} {state})")
    inputs = [view for view in record.views if view.role == "input"]
    return ShownScene(
        **vars(sight_of(record)),
        file=file,
        names=tuple(view.name for view in inputs),
        origin=None if record.origin is None else (record.origin[0], record.origin[1], record.origin[2]),
        recorded_up=None if record.up is None else torch.tensor(record.up, dtype=torch.float64),
        warnings=warnings,
        photos=photo_folder_of(record, beside),
        photo_root=photo_root_of(record, beside),
        video=_video_choice(record),
        quarter_turns=tuple(view.quarter_turns for view in inputs),
    )


def require_cameras(scene: Path, what: str) -> SceneRecord:
    """Return the record beside a scene. Raises InputError if it names no cameras; `what` is a clause on them."""
    record = record_beside(scene)
    if record is None or not record.views:
        beside = record_path(scene).name
        raise InputError(f"{scene} has no cameras, {what}: {beside} beside it would name them.")
    return record


def remarks_on(file: SceneFile, scene: Path) -> tuple[str, ...]:
    """Return one sentence for each thing of a scene file that was not taken as it is."""
    return (*file.remarks, *told_dropped(file.dropped, scene))


def _without_record(file: SceneFile, warnings: tuple[str, ...], why: str) -> ShownScene:
    """Return the scene as seen from the start view that its header tells, or else from a ring."""
    view = start_view_in(file.comments)
    if view is None:
        ring = default_cameras(file.gaussians, *FOREIGN_SIZE_PX, FOREIGN_FOV_DEG)
        return ShownScene(
            ring, WHITE, NEAR, file, warnings=(*warnings, f"{why}: seen from a ring around its middle, y down.")
        )
    up, target = (torch.tensor(point, dtype=torch.float64) for point in (view.up, view.target))
    return ShownScene(
        view.camera(FOREIGN_SIZE_PX[0]),
        WHITE,
        NEAR,
        file,
        recorded_up=torch.nn.functional.normalize(up, dim=0),
        target=target,
        warnings=(*warnings, f"{why}: seen from the start view that the file tells."),
    )


def _video_choice(record: SceneRecord) -> VideoChoice | None:
    fps, most = record.settings.get("fps"), record.settings.get("max_frames")
    return VideoChoice(fps, most) if isinstance(most, int) and isinstance(fps, (int, float, type(None))) else None


def recorded_cameras(record: SceneRecord) -> tuple[Cameras, ...]:
    """Return the cameras of all photos, those of each role together: they share a size."""
    found = (cameras_of(record, role) for role in ROLES)
    return tuple(cameras for cameras in found if cameras is not None)


def sight_of(record: SceneRecord) -> Sight:
    """Return the input cameras of a recorded scene, with its background and the near plane of the model."""
    cameras = cameras_of(record, "input")
    assert cameras is not None, "a scene is made from inputs"
    return Sight(cameras, record.background, near_of(record))


def near_of(record: SceneRecord) -> float:
    """Return the near plane of the model, in units of the scene file."""
    return NEAR / record.model_from_world.scale
