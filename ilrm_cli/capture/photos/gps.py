"""Where photos were taken, as their cameras or phones noted it in EXIF."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.photos.header import opened
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.runtime.errors import InputError

IFD = 0x8825  # EXIF's tag of the table of GPS values
LATITUDE_SIDE, LATITUDE, LONGITUDE_SIDE, LONGITUDE, ALTITUDE_SIDE, ALTITUDE = 1, 2, 3, 4, 5, 6  # tags within it
BELOW_SEA = (1, b"\x01")  # values of the side of an altitude


def gps_of(path: Path) -> tuple[float, float, float] | None:
    """Return latitude and longitude in degrees and altitude in metres (0 if unknown); None if the photo has no place.

    Raises InputError for a photo that cannot be read.
    """
    with opened(path) as image:
        table = image.getexif().get_ifd(IFD)
    latitude = _degrees(table.get(LATITUDE), table.get(LATITUDE_SIDE), 90.0)
    longitude = _degrees(table.get(LONGITUDE), table.get(LONGITUDE_SIDE), 180.0)
    if latitude is None or longitude is None or latitude == longitude == 0:  # what phones write without a fix
        return None
    altitude = _number(table.get(ALTITUDE)) or 0.0
    return latitude, longitude, -altitude if table.get(ALTITUDE_SIDE) in BELOW_SEA else altitude


def _degrees(parts: Any, side: Any, most: float) -> float | None:
    """Return degrees from degrees, minutes and seconds, negative in the south and the west."""
    if not isinstance(parts, Sequence) or not 1 <= len(parts) <= 3:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    value = sum(number / 60**power for power, number in enumerate(numbers) if number is not None)
    value = -value if str(side).strip().upper()[:1] in ("S", "W") else value
    return value if abs(value) <= most else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def metres_around_first(places: Mapping[str, tuple[float, float, float]]) -> Float64[ndarray, "photo 3"]:
    """Return east, north and up in metres from the first place, on the ellipsoid of GPS.

    Raises InputError for fewer than three places.
    """
    if len(places) < 3:
        raise InputError(
            f"{len(places)} of the photos tell where they were taken (GPS in EXIF), at least three are needed; "
            "give a known length instead."
        )
    rows = np.array(list(places.values()), dtype=np.float64)
    return np.asarray(pycolmap.GPSTransform().ellipsoid_to_enu(rows, *rows[0]), dtype=np.float64)
