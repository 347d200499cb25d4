"""The real size of a scene by --scale-from: two photos and their distance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, PosedPhoto
from ilrm_cli.pipeline.real_size import metres_per_unit, require_size
from ilrm_cli.pipeline.settings import Settings, check_ranges
from ilrm_cli.runtime.errors import InputError
from tests.support.geotags import geotagged

PLACES = {"A.jpg": (0, 0, 0), "left/B.jpg": (3, 4, 0), "right/B.jpg": (0, 0, 2), "two words.jpg": (0, 0, 10)}


def capture(places=PLACES):
    lens = Lens("PINHOLE", (50.0, 50.0, 32.0, 24.0), 64, 48)
    poses = [np.block([[np.eye(3), np.array(place, float)[:, None]], [0, 0, 0, 1]]) for place in places.values()]
    photos = tuple(PosedPhoto(name, Path(name), lens, pose) for name, pose in zip(places, poses, strict=True))
    return Capture(photos, len(photos), "colmap", np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("A.jpg left/B.jpg 10 m", 2),
        ("left/B.jpg A.jpg 50cm", 0.1),
        ("A.jpg two words.jpg 5m", 0.5),
        ("two words.jpg A.jpg 100 in", 0.254),
        ("A.jpg right/B.jpg 2e3mm", 1),
    ],
)
def test_two_photos_and_their_distance_tell_it(text, metres):
    check_ranges(Settings(scale_from=text))
    assert metres_per_unit(text, capture()) == pytest.approx(metres)


def test_a_name_may_lack_its_folder_where_that_is_unique():
    one = capture({name: place for name, place in PLACES.items() if not name.startswith("right")})
    assert metres_per_unit("A.jpg B.jpg 10m", one) == pytest.approx(2)
    with pytest.raises(InputError, match=r"B\.jpg may be"):
        metres_per_unit("A.jpg B.jpg 10m", capture())


def test_gps_in_the_photos_tells_it_too(tmp_path):
    places = {f"{index}.jpg": (index, index % 2, index % 3) for index in range(6)}
    made = capture(places)
    photos = tuple(replace(photo, path=tmp_path / photo.name) for photo in made.photos)
    for photo, (east, north, up) in zip(photos, places.values(), strict=True):
        geotagged(photo.path, 20 * east, 20 * north, 20 * up)
    assert metres_per_unit("gps", replace(made, photos=photos)) == pytest.approx(20, rel=0.01)


def test_photos_without_gps_are_refused_before_they_get_poses(tmp_path):
    for index in range(6):
        geotagged(tmp_path / f"{index}.jpg", 20 * index, index, 0)
    require_size(open_folder(tmp_path), Settings(scale_from="gps"))
    (tmp_path / "5.jpg").write_bytes(b"no photo")
    require_size(open_folder(tmp_path), Settings(scale_from="gps"))
    (tmp_path / "4.jpg").unlink()
    require_size(open_folder(tmp_path), Settings(scale_from="0.jpg 1.jpg 1m"))
    with pytest.raises(InputError, match="4 of the photos tell where they were taken"):
        require_size(open_folder(tmp_path), Settings(scale_from="gps"))
    (tmp_path / "transforms.json").write_text('{"frames": []}')  # poses, of whatever photos
    require_size(open_folder(tmp_path), Settings(scale_from="gps"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A.jpg other.jpg 1m", "does not name two of the photos"),
        ("A.jpg 1m", "does not name two of the photos"),
        ("A.jpg A.jpg 1m", "are the same place"),
        ("A.jpg left/B.jpg 1e-7mm", "which cannot be"),
    ],
)
def test_what_tells_nothing_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        metres_per_unit(text, capture())


@pytest.mark.parametrize("text", ["", "0.35m", "A.jpg B.jpg", "A.jpg B.jpg 3 furlongs", "A.jpg B.jpg 0m", "GPS"])
def test_what_says_no_length_is_refused_before_anything_is_read(text):
    with pytest.raises(InputError, match="--scale-from"):
        check_ranges(Settings(scale_from=text))
