"""How long a scene's unit is in metres: from a known distance of two photos, or from GPS."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.capture.photos.gps import gps_of, metres_around_first
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.geometry.views import Capture
from ilrm_cli.pipeline.settings import BY_GPS, Settings, known_length
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.scene.record import LEAST_SCALE

MOST_GPS_ERROR = 0.3  # of the spread of the photos: with larger errors GPS tells nothing about the size


def metres_per_unit(scale_from: str, capture: Capture) -> float:
    """Return the length of one unit of the poses by what --scale-from says. Raises InputError."""
    positions = {photo.name: photo.world_from_cam[:3, 3] for photo in capture.photos}
    if scale_from == BY_GPS:
        files = {photo.name: photo.path for photo in capture.photos}
        return by_gps(positions, files)[0]
    names, metres = known_length(scale_from)
    a, b = (positions[name] for name in two_of(names, list(positions)))
    return checked_unit(metres, float(np.linalg.norm(a - b)), names)


def require_size(folder: ProjectFolder, settings: Settings) -> None:
    """Raise InputError if too few photos tell where they were taken, --scale-from asks, and poses are still to find.

    Poses that are there may name other photos, and frames of videos tell nothing; unreadable photos are told of later.
    """
    there = any(folder.poses(settings.poses)) or folder.tool_poses(settings.poses) is not None
    if settings.scale_from != BY_GPS or there or not folder.photos:
        return
    places = {}
    for photo in folder.photos:
        with suppress(InputError):
            places[str(photo)] = gps_of(photo)
    metres_around_first({name: place for name, place in places.items() if place is not None})


def two_of(text: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the two photos that a text names, with a space between them, which names may hold as well.

    A name may lack its folders if only one photo has what is left. Raises InputError.
    """
    words = text.split(" ")
    for cut in range(1, len(words)):
        a, b = (named(" ".join(part).strip(), names) for part in (words[:cut], words[cut:]))
        if a is not None and b is not None:
            return a, b
    raise InputError(f"--scale-from: {text} does not name two of the photos with poses, which are {listed(names)}.")


def named(name: str, names: Sequence[str]) -> str | None:
    """Return the photo of a name, or of its last part if only one photo has that. Raises InputError if several have."""
    if name in names:
        return name
    alike = [one for one in names if Path(one).name == name]
    if len(alike) > 1:
        raise InputError(f"{name} may be {listed(alike)}; give the whole name.")
    return alike[0] if alike else None


def checked_unit(metres: float, units: float, between: str) -> float:
    """Return the metres of one unit. Raises InputError if the places are one, or the unit absurd."""
    if units == 0:
        raise InputError(f"{between} are the same place, which has no length; name two places.")
    if not LEAST_SCALE < metres / units < 1 / LEAST_SCALE:
        raise InputError(f"one scene unit would be {metres / units:.3g} m, which cannot be; check length and places.")
    return metres / units


def by_gps(positions: Mapping[str, Float64[ndarray, "3"]], files: Mapping[str, Path]) -> tuple[float, float, int]:
    """Return the metres of one unit, the median distance of poses and GPS places in metres, and how many had one.

    Raises InputError where GPS does not tell, or contradicts the poses.
    """
    taken = {name: gps_of(files[name]) for name in positions if name in files}
    found = {name: place for name, place in taken.items() if place is not None}
    there = metres_around_first(found)
    ours = np.array([positions[name] for name in found])
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
    return checked_unit(float(fit.scale), 1.0, "GPS places"), error, len(found)
