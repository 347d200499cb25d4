import pytest

from ilrm_cli.capture.poses.lenses import lenses_for, parse_given
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError


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
