"""GPS places in EXIF: all sides of the globe, what is no place, and metres on the ellipsoid."""

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.photos.gps import gps_of, metres_around_first
from ilrm_cli.runtime.errors import InputError


def photo_at(path, table):
    exif = Image.Exif()
    if table is not None:
        exif[0x8825] = table
    Image.new("RGB", (8, 6)).save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (
            {1: "N", 2: (48.0, 8.0, 30.0), 3: "E", 4: (11.0, 34.0, 12.0), 5: b"\x00", 6: 519.5},
            (48.141667, 11.57, 519.5),
        ),
        ({1: "S", 2: (33.0, 51.0, 0.0), 3: "W", 4: (70.0, 30.0, 0.0)}, (-33.85, -70.5, None)),
        ({1: "N", 2: (52.0, 0.0, 0.0), 3: "E", 4: (5.0, 0.0, 0.0), 5: b"\x01", 6: 3.0}, (52.0, 5.0, -3.0)),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (5.0, 0.0, 0.0)}, None),
        ({1: "N"}, None),
        (None, None),
    ],
)
def test_places(tmp_path, table, place):
    found = gps_of(photo_at(tmp_path / "a.jpg", table))
    if place is None:
        assert found is None
    else:
        assert found[:2] == pytest.approx(place[:2], abs=1e-5)
        assert found[2] == place[2]


def test_metres_are_those_of_the_earth():
    more = {"d": (48.002, 11.0, 500.0), "e": (48.003, 11.0, 500.0)}
    places = {"a": (48.0, 11.0, 500.0), "b": (48.001, 11.0, 500.0), "c": (48.0, 11.001, 510.0), **more}
    metres = metres_around_first(places)
    assert np.allclose(metres[0], 0, atol=1e-6)
    assert np.allclose(metres[1], (0, 111.2, 0), atol=0.2)  # a thousandth of a degree of latitude
    assert np.allclose(metres[2], (74.6, 0, 10), atol=0.2)  # of longitude, times the cosine of 48 degrees


def test_altitudes_count_only_if_all_are_known():
    places = {name: (48.0, 11.0 + i / 1000, None if i == 2 else 500.0 + i) for i, name in enumerate("abcde")}
    assert np.abs(metres_around_first(places)[:, 2]).max() < 0.01


def test_four_places_are_too_few():
    with pytest.raises(InputError, match="at least 5 are needed"):
        metres_around_first({name: (1.0, 1.0 + i, 0.0) for i, name in enumerate("abcd")})
