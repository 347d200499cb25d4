"""A scene file with everything needed to show it: cameras, background, near plane, up."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ilrm_cli.capture.photos.folder import VideoChoice
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.orbits import default_cameras
from ilrm_cli.render.rasterize import NEAR
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.record import SceneRecord, cameras_of, photo_folder_of, record_beside

# For scenes without cameras: a common photo shape and a normal lens.
FOREIGN_SIZE_PX = (640, 426)
FOREIGN_FOV_DEG = 45.0  # vertical

WHITE = (1.0, 1.0, 1.0)  # background of scenes that do not state theirs; the paper's


@dataclass(frozen=True)
class ShownScene:
    """A scene, ready to be filmed or viewed."""

    file: SceneFile
    cameras: Cameras  # of the input photos, float64, or a ring around a scene without any
    names: tuple[str, ...]  # of those photos; empty for the ring
    background: tuple[float, float, float]  # in [0, 1]
    near: float  # world units
    up: Tensor | None  # [3] unit, as recorded; None: not recorded
    warnings: tuple[str, ...]  # one sentence each
    photos: Path | None = None  # folder or video of the input photos; None: unknown or missing
    video: VideoChoice | None = None  # how frames of a video were chosen; None: unknown
    quarter_turns: tuple[int | None, ...] = ()  # of each photo, see `RecordedView`; empty for the ring


def read_shown_scene(scene: Path) -> ShownScene:
    """Read a scene file and the record beside it, if there is one. Raises `InputError`."""
    file = decode_scene(scene)
    dropped = (f"{file.dropped} Gaussians of {scene} have numbers that are not finite and are not drawn.",)
    warnings = dropped if file.dropped else ()
    beside = record_path(scene)
    record = record_beside(scene)
    cameras = cameras_of(record, "input") if record else None
    if record is None or cameras is None:
        ring = default_cameras(file.gaussians, *FOREIGN_SIZE_PX, FOREIGN_FOV_DEG)
        state = "is none of ilrm, or broken" if beside.is_file() else "is not there"
        note = (
            f"no record with cameras lies beside {scene} ({beside.name} {state}): seen from a ring around its middle, "
            "y down."
        )
        return ShownScene(file, ring, (), WHITE, NEAR, None, (*warnings, note))
    inputs = [view for view in record.views if view.role == "input"]
    names, turns = tuple(view.name for view in inputs), tuple(view.quarter_turns for view in inputs)
    up = None if record.up is None else torch.tensor(record.up, dtype=torch.float64)
    photos = photo_folder_of(record, beside)
    video = _video_choice(record)
    return ShownScene(file, cameras, names, record.background, near_of(record), up, warnings, photos, video, turns)


def _video_choice(record: SceneRecord) -> VideoChoice | None:
    fps, most = record.settings.get("fps"), record.settings.get("max_frames")
    return VideoChoice(fps, most) if isinstance(most, int) and isinstance(fps, (int, float, type(None))) else None


def near_of(record: SceneRecord) -> float:
    """Return the near plane of the model, in the scene's units."""
    return NEAR / record.model_from_world.scale
