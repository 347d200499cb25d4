"""Where photos were taken, as their cameras or phones noted it in EXIF."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.photos.header import opened, raw_header
from ilrm_cli.capture.photos.listing import RAW_SUFFIXES
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.runtime.errors import InputError

IFD = 0x8825  # EXIF's tag of the table of GPS values
LATITUDE_SIDE, LATITUDE, LONGITUDE_SIDE, LONGITUDE, ALTITUDE_SIDE, ALTITUDE = 1, 2, 3, 4, 5, 6  # tags within it
LEAST_PLACES = 5  # seven numbers are fitted to them: a few more must agree than could by chance
BELOW_SEA = (1, b"\x01")  # values of the side of an altitude


def gps_of(path: Path) -> tuple[float, float, float | None] | None:
    """Return latitude and longitude in degrees and altitude in metres, if known; None if the photo has no place.

    Raises InputError for a photo that cannot be read.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        table = raw_header(path)[1].get_ifd(IFD)
    else:
        with opened(path) as image:
            table = image.getexif().get_ifd(IFD)
    latitude = _degrees(table.get(LATITUDE), table.get(LATITUDE_SIDE), 90.0)
    longitude = _degrees(table.get(LONGITUDE), table.get(LONGITUDE_SIDE), 180.0)
    if latitude is None or longitude is None or latitude == longitude == 0:  # what phones write without a fix
        return None
    altitude = _number(table.get(ALTITUDE))
    below = altitude is not None and table.get(ALTITUDE_SIDE) in BELOW_SEA
    return latitude, longitude, -altitude if altitude is not None and below else altitude


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


def metres_around_first(
    places: Mapping[str, tuple[float, float, float | None]],
) -> Float64[ndarray, "photo 3"]:
    """Return east, north and up in metres from the first place, on the ellipsoid of GPS.

    Altitudes count if all are known. Raises InputError for fewer than LEAST_PLACES.
    """
    if len(places) < LEAST_PLACES:
        raise InputError(
            f"{len(places)} of the photos tell where they were taken (GPS in EXIF), at least {LEAST_PLACES} are "
            "needed; give a known length instead."
        )
    level = any(altitude is None for _, _, altitude in places.values())
    rows = np.array([(north, east, 0.0 if level else up) for north, east, up in places.values()], dtype=np.float64)
    return np.asarray(pycolmap.GPSTransform().ellipsoid_to_enu(rows, *rows[0]), dtype=np.float64)
