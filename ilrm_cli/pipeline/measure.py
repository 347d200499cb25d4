"""Real size: distances within a scene, and how long its unit is, from a known length or from GPS."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli.capture.photos.listing import place_of
from ilrm_cli.geometry.cameras import directions_through
from ilrm_cli.pipeline.real_size import by_gps, checked_unit, named
from ilrm_cli.pipeline.settings import length_m
from ilrm_cli.render.depth_maps import depth_map, far_of
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.runtime.progress import Report, ignore, in_one_step
from ilrm_cli.scene.checks import existing_record, names_record
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.opened import near_of, recorded_cameras
from ilrm_cli.scene.record import (
    RecordedView,
    SceneRecord,
    camera_of,
    encode_record,
    photo_root_of,
    read_record,
    required_photo_folder,
    scene_of,
)

PIXEL = re.compile(r"^(?P<photo>.+?)\s+(?P<x>\d+(?:\.\d+)?)\s*,\s*(?P<y>\d+(?:\.\d+)?)$")


@dataclass(frozen=True)
class Measured:
    """A distance within a scene, or its size by GPS."""

    units: float | None  # scene units; None: only the size was asked for
    metres_per_unit: float | None  # None: unknown
    gps_error_m: float | None = None  # median distance of poses and GPS places; None: without GPS
    photos: int | None = None  # that GPS places were known of
    pictures_px: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # those in which pixels were named

    @property
    def metres(self) -> float | None:
        return None if self.units is None or self.metres_per_unit is None else self.units * self.metres_per_unit


def measure(scene: Path, places: Sequence[str], known: str | None, report: Report = ignore) -> Measured:
    """Return the distance of two places; with a known length, record how long the scene's unit is.

    A place is a photo's name, which means its camera, or that and a pixel of the picture as the scene has it, which
    means the surface there. Raises InputError.
    """
    if len(places) != 2:
        raise InputError(f"{len(places)} places are given, a distance is between two: PHOTO or 'PHOTO X,Y' each.")
    metres = None if known is None else length_m(known, "--is")
    record_file = existing_record(scene)
    record = read_record(record_file)
    named_places = [_view_and_pixel(record, text) for text in places]
    a, b = (_position(scene, record, view, pixel, report) for view, pixel in named_places)
    units, unit = float((a - b).norm()), record.metres_per_unit
    if metres is not None:
        unit = _recorded(record, record_file, checked_unit(metres, units, " and ".join(places)))
    pictures = {view.name: (view.width, view.height) for view, pixel in named_places if pixel is not None}
    return Measured(units, unit, pictures_px=pictures)


def size_by_gps(scene: Path, photos: Path | None = None) -> Measured:
    """Record how long the scene's unit is by where its photos were taken. Raises InputError."""
    record_file = existing_record(scene)
    record = read_record(record_file)
    folder = photos or required_photo_folder(record, record_file)
    positions = {view.name: np.array([row[3] for row in view.world_from_cam[:3]]) for view in record.views}
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of photos; name it with --photos.")
    root = place_of(folder, list(positions), None if photos else photo_root_of(record, record_file))
    files = {name: root / name for name in positions if (root / name).is_file()}
    if not files:
        raise InputError(f"{folder} has none of the scene's photos ({listed(positions)}); name it with --photos.")
    metres_per_unit, error_m, photos_found = by_gps(positions, files)
    return Measured(None, _recorded(record, record_file, metres_per_unit), error_m, photos_found)


def _recorded(record: SceneRecord, file: Path, metres_per_unit: float) -> float:
    atomic_write(file, encode_record(replace(record, metres_per_unit=metres_per_unit)))
    return metres_per_unit


def _view_and_pixel(record: SceneRecord, text: str) -> tuple[RecordedView, tuple[float, float] | None]:
    """Return the photo that a text names, and the pixel in its picture; None if its camera is meant."""
    if (view := _named(record, text.strip())) is not None:
        return view, None
    found = PIXEL.match(text.strip())
    view = _named(record, found["photo"]) if found else None
    if found is None or view is None:
        raise InputError(
            f"{text}: no photo of the scene is called so; there are {listed(v.name for v in record.views)}."
        )
    x, y = float(found["x"]), float(found["y"])
    if not (0 <= x < view.width and 0 <= y < view.height):
        raise InputError(
            f"{text}: the scene has the picture of {view.name} at {view.width}x{view.height} px; name a pixel in it, "
            "not in the photo."
        )
    return view, (x, y)


def _position(
    scene: Path, record: SceneRecord, view: RecordedView, pixel: tuple[float, float] | None, report: Report
) -> Float64[Tensor, "3"]:
    """Return the place of a camera, or of the surface at a pixel of its picture, in scene coordinates."""
    if pixel is None:
        return camera_of(view).positions[0]
    point: list[Float64[Tensor, 3]] = []
    in_one_step("depth", lambda: point.append(_surface_at(scene, record, view, *pixel)), report)
    return point[0]


def _named(record: SceneRecord, name: str) -> RecordedView | None:
    """Return the view of a photo; see `named`."""
    found = named(name, [view.name for view in record.views])
    return next((view for view in record.views if view.name == found), None)


def _surface_at(scene: Path, record: SceneRecord, view: RecordedView, x: float, y: float) -> Float64[Tensor, "3"]:
    file = scene_of(record, scene) if names_record(scene) else scene
    gaussians, near = decode_scene(file).gaussians, near_of(record)
    seen = depth_map(gaussians, camera_of(view), near, far_of(gaussians, recorded_cameras(record), near))
    row, column = int(y), int(x)
    if not seen.trust[row, column] > 0:
        raise InputError(f"{view.name} {x:g},{y:g}: the scene shows no surface there; name a pixel beside it.")
    depth = float(seen.depth[row, column])
    camera = camera_of(view)
    ray = directions_through(camera, torch.tensor([[[[x, y]]]], dtype=torch.float64))[0, 0, 0]
    return camera.positions[0] + depth * ray
