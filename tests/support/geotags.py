"""Photos that tell where they were taken."""

import math
from pathlib import Path

from PIL import Image

METRES_PER_DEGREE = 111_194.9  # of a great circle of the mean Earth
ORIGIN_DEG, ALTITUDE_M = (48.0, 11.0), 500.0  # latitude and longitude


def geotagged(path: Path, east_m: float, north_m: float, up_m: float) -> None:
    """Write a white photo, 96 px square, taken so far from ORIGIN_DEG."""
    latitude, longitude = ORIGIN_DEG
    write_at(
        path,
        latitude + north_m / METRES_PER_DEGREE,
        longitude + east_m / METRES_PER_DEGREE / math.cos(math.radians(latitude)),
        ALTITUDE_M + up_m,
    )


def write_at(path: Path, latitude_deg: float, longitude_deg: float, altitude_m: float) -> None:
    """Write a photo with a place in EXIF, north and east."""
    exif = Image.Exif()
    latitude, longitude = ((float(value), 0.0, 0.0) for value in (latitude_deg, longitude_deg))
    exif[0x8825] = {1: "N", 2: latitude, 3: "E", 4: longitude, 6: float(altitude_m)}
    Image.new("RGB", (96, 96), "white").save(path, exif=exif)
