import json
import math
from pathlib import Path

import pytest
import torch

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.visualize.film.flight import read_camera_path

PATH = {
    "camera_type": "perspective",
    "render_height": 1080,
    "render_width": 1920,
    "fps": 30,
    "seconds": 2,
    "camera_path": [
        # OpenGL camera at (1, 2, 3) with its axes along the world's: it looks along -z with y up.
        {"camera_to_world": [1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1], "fov": 90, "aspect": 16 / 9},
        {"camera_to_world": [1, 0, 0, 4, 0, 1, 0, 5, 0, 0, 1, 6, 0, 0, 0, 1], "fov": 60, "aspect": 16 / 9},
    ],
}


def written(folder: Path, content: object) -> Path:
    file = folder / "path.json"
    file.write_text(json.dumps(content))
    return file


def test_known_values(tmp_path: Path) -> None:
    path = read_camera_path(written(tmp_path, PATH))
    cameras = path.cameras
    assert (path.fps, len(cameras), cameras.width, cameras.height) == (30, 2, 1920, 1080)
    assert cameras.positions.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cameras.forward[0].tolist() == [0, 0, -1]
    assert cameras.world_from_cam[0, :3, 1].tolist() == [0, -1, 0]  # y down
    torch.testing.assert_close(
        cameras.focal_px, torch.tensor([[540.0] * 2, [540 * math.sqrt(3)] * 2], dtype=torch.float64)
    )
    assert cameras.center_px[0].tolist() == [960, 540]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "is damaged"),
        ({**PATH, "camera_type": "fisheye"}, "only perspective"),
        ({**PATH, "camera_path": []}, "it has no cameras"),
        ({"camera_path": PATH["camera_path"]}, "lacks 'render_width'"),
        ({**PATH, "camera_path": [{"camera_to_world": [1.0] * 15, "fov": 90}]}, "has not 16 numbers"),
        ({**PATH, "camera_path": [{"camera_to_world": [1.0] * 16, "fov": 90}]}, "not a rigid pose"),
        ({**PATH, "camera_path": [{**PATH["camera_path"][0], "fov": 180}]}, "out of range"),
        ({**PATH, "camera_path": [{"camera_to_world": [math.nan] * 16, "fov": 90}]}, "not a rigid pose"),
        ({**PATH, "render_width": math.inf}, "is damaged"),
        ({**PATH, "fps": 0}, "fps is 0"),
        ({**PATH, "fps": math.inf}, "fps is inf"),
    ],
)  # fmt: skip
def test_broken_files(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_camera_path(written(tmp_path, content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_camera_path(tmp_path / "none.json")
