"""Lenses scaled, turned, and given by the user."""

import numpy as np
import pycolmap
import pytest

from ilrm_cli.capture.poses.lenses import (
    checked_lens,
    colmap_camera,
    fits,
    lenses_for,
    parse_given,
    scaled_lens,
    turned_lens,
    turned_pose,
)
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError
from tests.support.all_lenses import LENSES

by_model = pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)


def points_in_view(count: int = 50) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform([-0.5, -0.4, 1.0], [0.5, 0.4, 1.5], (count, 3))


def test_every_camera_model_of_colmap_is_covered():
    ours = {lens.model for lens in LENSES}
    assert ours | {"INVALID", "EQUIRECTANGULAR"} == set(pycolmap.CameraModelId.__members__)


def test_turning_a_pinhole_by_hand():
    turned = turned_lens(Lens("PINHOLE", (400.0, 410.0, 300.0, 250.0), 640, 480), 1)
    assert turned == Lens("PINHOLE", (410.0, 400.0, 250.0, 340.0), 480, 640)


@pytest.mark.parametrize("turns", [1, 2, 3])
@by_model
def test_turned_camera_sees_the_point_at_the_turned_pixel(lens, turns):
    points = points_in_view()
    pixels = colmap_camera(lens).img_from_cam(points)
    for _ in range(turns):  # what numpy.rot90 does to continuous pixel coordinates
        size = (lens.width, lens.height)[_ % 2]
        pixels = np.stack([pixels[:, 1], size - pixels[:, 0]], axis=1)
    cam_from_turned = turned_pose(np.eye(4), turns)[:3, :3]
    seen = colmap_camera(turned_lens(lens, turns)).img_from_cam(points @ cam_from_turned)
    np.testing.assert_allclose(seen, pixels, atol=1e-8)


def test_turning_agrees_with_rot90():
    image = np.arange(12).reshape(3, 4)
    lens = Lens("PINHOLE", (5.0, 5.0, 2.5, 0.5), 4, 3)  # principal point on the centre of pixel (column 2, row 0)
    for turns in range(4):
        turned, (_, _, x, y) = np.rot90(image, turns), turned_lens(lens, turns).params
        assert turned[int(y), int(x)] == image[0, 2]


@by_model
def test_four_turns_change_nothing(lens):
    np.testing.assert_allclose(turned_lens(turned_lens(lens, 3), 1).params, lens.params)


@by_model
def test_scaled_lens_sees_the_point_at_the_scaled_pixel(lens):
    points = points_in_view()
    half = scaled_lens(lens, 320, 240)
    expected = colmap_camera(lens).img_from_cam(points) / 2
    np.testing.assert_allclose(colmap_camera(half).img_from_cam(points), expected, atol=1e-8)
    assert (half.width, half.height) == (320, 240)


def test_fits_allows_rounding_and_no_more():
    lens = Lens("PINHOLE", (400.0, 400.0, 320.0, 240.0), 640, 480)
    assert fits(lens, 320, 240)
    assert fits(lens, 80, 59)
    assert not fits(lens, 480, 640)
    assert not fits(lens, 640, 427)


def test_a_panorama_and_a_broken_camera_are_refused():
    with pytest.raises(InputError, match="panorama"):
        checked_lens(Lens("EQUIRECTANGULAR", (640.0, 320.0), 640, 320), "here")
    with pytest.raises(InputError, match=r"here.*focal"):
        checked_lens(Lens("PINHOLE", (0.0, 400.0, 1.0, 1.0), 640, 320), "here")
    with pytest.raises(InputError, match="here"):
        checked_lens(Lens("PINHOLE", (400.0, 1.0), 640, 320), "here")


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("SIMPLE_RADIAL", (1e30,)),
        ("SIMPLE_RADIAL", (-1e6,)),
        ("OPENCV", (0.0, 0.0, 1e300, 0.0)),
        ("DIVISION", (-50.0,)),
    ],
)
def test_a_distortion_that_leaves_nothing_is_refused(model, distortion):
    focal = (232.0,) if model.startswith("SIMPLE") else (232.0, 232.0)
    with pytest.raises(InputError, match="here: a camera has a distortion"):
        checked_lens(Lens(model, (*focal, 240.0, 160.0, *distortion), 480, 320), "here")


@by_model
def test_usual_distortion_is_not_refused(lens):
    assert checked_lens(lens, "here") is lens


def test_parameters_belong_to_the_photos_as_they_are():
    given = parse_given("pinhole 1200, 1201,960,540")
    assert lenses_for(given, {"a": (1920, 1080), "b": (1920, 1080)}) == dict.fromkeys(
        "ab", Lens("PINHOLE", (1200.0, 1201.0, 960.0, 540.0), 1920, 1080)
    )


def test_photos_of_several_sizes_need_a_file():
    with pytest.raises(InputError, match=r"a is 1920x1080, b is 640x480"):
        lenses_for(parse_given("PINHOLE 1200,1200,960,540"), {"a": (1920, 1080), "b": (640, 480)})


def test_a_file_gives_each_shape_its_camera_scaled(tmp_path):
    path = tmp_path / "cameras.txt"
    path.write_text(
        "# id model width height params\n1 SIMPLE_PINHOLE 2000 1000 900 1000 500\n2 PINHOLE 100 100 80 81 50 50\n"
    )
    lenses = lenses_for(parse_given(str(path)), {"wide": (1000, 500), "square": (100, 100)})
    assert lenses["wide"] == Lens("SIMPLE_PINHOLE", (450.0, 500.0, 250.0), 1000, 500)
    assert lenses["square"] == Lens("PINHOLE", (80.0, 81.0, 50.0, 50.0), 100, 100)
    with pytest.raises(InputError, match=r"0 cameras for tall, which is 100x300"):
        lenses_for(parse_given(str(path)), {"tall": (100, 300)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is no model with parameters"),
        ("PINHOLE 1200,abc", "not all numbers"),
        ("PINHOLE 1,2", r"--camera: PINHOLE takes 4 parameters \(fx, fy, cx, cy\), not 2\."),
        ("INVALID 1,2", "INVALID is not a camera model of COLMAP"),
        ("CUBIST 1,2,3,4", "not a camera model of COLMAP"),
        ("PINHOLE -5,5,960,540", "no positive size and focal length"),
        ("nowhere/cameras.txt", "cannot be read"),
    ],
)
def test_mistakes_are_named(text, said):
    with pytest.raises(InputError, match=said):
        lenses_for(parse_given(text), {"a": (1920, 1080)})
