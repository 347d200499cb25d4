"""Real size: distances within a scene, and how long its unit is, from a known length or from GPS."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.photos.gps import gps_of, metres_around_first
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.render.depth_maps import depth_map, far_of
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.runtime.progress import Report, ignore, in_one_step
from ilrm_cli.scene.checks import existing_record
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.opened import near_of, recorded_cameras
from ilrm_cli.scene.record import (
    LEAST_SCALE,
    RecordedView,
    SceneRecord,
    camera_of,
    encode_record,
    photo_folder_of,
    read_record,
)

METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0, "km": 1000.0, "in": 0.0254, "ft": 0.3048}  # of one of each
LENGTH = re.compile(r"^\s*([\d.]+(?:e[-+]?\d+)?)\s*([a-z]+)\s*$", re.IGNORECASE)
PIXEL = re.compile(r"^(?P<photo>.+?)\s+(?P<x>\d+(?:\.\d+)?)\s*,\s*(?P<y>\d+(?:\.\d+)?)$")
MOST_GPS_ERROR = 0.3  # of the spread of the photos: with larger errors GPS tells nothing about the size


@dataclass(frozen=True)
class Measured:
    """A distance within a scene, or its size by GPS."""

    units: float | None  # scene units; None: only the size was asked for
    metres_per_unit: float | None  # None: unknown
    gps_error_m: float | None = None  # median distance of poses and GPS places; None: without GPS
    photos: int | None = None  # that GPS places were known of

    @property
    def metres(self) -> float | None:
        return None if self.units is None or self.metres_per_unit is None else self.units * self.metres_per_unit


def length_m(text: str) -> float:
    """Parse a length such as "0.35 m" or "14 in" into metres. Raises InputError."""
    found = LENGTH.match(text)
    unit = METRES.get(found[2].lower()) if found else None
    try:
        value = float(found[1]) if found else 0.0
    except ValueError:
        value = 0.0
    if unit is None or not 0 < value * unit < 1e9:
        raise InputError(f"--is {text} is no length; give a number and one of {', '.join(METRES)}, such as 0.35m.")
    return value * unit


def measure(scene: Path, places: Sequence[str], known: str | None, report: Report = ignore) -> Measured:
    """Return the distance of two places; with a known length, record how long the scene's unit is.

    A place is a photo's name, which means its camera, or that and a pixel of the picture as the scene has it, which
    means the surface there. Raises InputError.
    """
    if len(places) != 2:
        raise InputError(f"{len(places)} places are given, a distance is between two: PHOTO or 'PHOTO X,Y' each.")
    metres = None if known is None else length_m(known)
    record_file = existing_record(scene)
    record = read_record(record_file)
    a, b = (_place(scene, record, text, report) for text in places)
    units = float((a - b).norm())
    if metres is None:
        return Measured(units, record.metres_per_unit)
    if units == 0:
        raise InputError(f"{places[0]} and {places[1]} are the same place, which has no length; name two places.")
    return Measured(units, _recorded(record, record_file, metres / units))


def size_by_gps(scene: Path, photos: Path | None = None) -> Measured:
    """Record how long the scene's unit is by where its photos were taken. Raises InputError."""
    record_file = existing_record(scene)
    record = read_record(record_file)
    root = photos or photo_folder_of(record, record_file)
    if root is None:
        where = "are not recorded" if record.photos is None else f"are no longer at {record.photos}"
        raise InputError(f"the photos of {record_file} {where}; name their folder with --photos.")
    files = open_folder(root).names
    taken = {view.name: gps_of(files[view.name]) for view in record.views if view.name in files}
    found = {name: place for name, place in taken.items() if place is not None}
    there = metres_around_first(found)
    ours = np.array([[row[3] for row in view.world_from_cam[:3]] for view in record.views if view.name in found])
    fit = pycolmap.estimate_sim3d(ours, there)
    if fit is None:
        raise InputError("GPS tells no size: the photos were taken in one place; give a known length instead.")
    moved = fit.scale * ours @ fit.rotation.matrix().T + fit.translation
    error = float(np.median(np.linalg.norm(moved - there, axis=1)))
    spread = float(np.linalg.norm(there - there.mean(0), axis=1).mean())
    if not error <= MOST_GPS_ERROR * spread:
        raise InputError(
            f"GPS tells no size: poses and GPS places differ by {error:.1f} m where the photos spread over "
            f"{spread:.1f} m; give a known length instead."
        )
    return Measured(None, _recorded(record, record_file, float(fit.scale)), error, len(found))


def _recorded(record: SceneRecord, file: Path, metres_per_unit: float) -> float:
    if not LEAST_SCALE < metres_per_unit < 1 / LEAST_SCALE:
        raise InputError(
            f"one scene unit would be {metres_per_unit:.3g} m, which cannot be; check the length and places."
        )
    atomic_write(file, encode_record(replace(record, metres_per_unit=metres_per_unit)))
    return metres_per_unit


def _place(scene: Path, record: SceneRecord, text: str, report: Report) -> Float64[Tensor, "3"]:
    """Return a place in scene coordinates."""
    if (view := _named(record, text.strip())) is not None:
        return camera_of(view).positions[0]
    found = PIXEL.match(text.strip())
    view = _named(record, found["photo"]) if found else None
    if found is None or view is None:
        raise InputError(
            f"{text}: no photo of the scene is called so; there are {listed(v.name for v in record.views)}."
        )
    x, y = float(found["x"]), float(found["y"])
    if not (0 <= x < view.width and 0 <= y < view.height):
        raise InputError(f"{text}: the picture of {view.name} has {view.width}x{view.height} px; name a pixel in it.")
    point: list[Float64[Tensor, 3]] = []
    in_one_step("depth", lambda: point.append(_surface_at(scene, record, view, x, y)), report)
    return point[0]


def _named(record: SceneRecord, name: str) -> RecordedView | None:
    """Return the view of a photo by its name, or by the last part of it if only one has that."""
    exact = [view for view in record.views if view.name == name]
    alike = exact or [view for view in record.views if Path(view.name).name == name]
    if len(alike) > 1:
        raise InputError(f"{name} may be {listed(view.name for view in alike)}; give the whole name.")
    return alike[0] if alike else None


def _surface_at(scene: Path, record: SceneRecord, view: RecordedView, x: float, y: float) -> Float64[Tensor, "3"]:
    file = scene if scene.suffix.lower() != ".json" else scene.with_suffix(record.scene_suffix)
    gaussians, near = decode_scene(file).gaussians, near_of(record)
    seen = depth_map(gaussians, camera_of(view), near, far_of(gaussians, recorded_cameras(record), near))
    row, column = int(y), int(x)
    if not seen.trust[row, column] > 0:
        raise InputError(f"{view.name} {x:g},{y:g}: the scene shows no surface there; name a pixel beside it.")
    depth = float(seen.depth[row, column])
    camera = camera_of(view)
    ray = torch.tensor([(x - view.center_px[0]) / view.focal_px[0], (y - view.center_px[1]) / view.focal_px[1], 1.0])
    return camera.positions[0] + depth * camera.world_from_cam[0, :3, :3] @ ray.double()
