import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray

from ilrm_cli.capture.poses.transforms_json import OPENCV_FROM_OPENGL
from ilrm_cli.geometry.cameras import Cameras, Lens
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.ply import encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.visualize.checks import FilmSettings
from ilrm_cli.visualize.film import film
from ilrm_cli.visualize.film.camera_files import read_camera_path, write_camera_path
from ilrm_cli.visualize.film.film import FlythroughResult
from tests.support.decoded import decoded
from tests.support.posed_projects import write_colmap
from tests.support.splats import one

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


def test_rows_instead_of_16_numbers(tmp_path: Path) -> None:
    flat = read_camera_path(written(tmp_path, PATH)).cameras
    rows = [
        {**frame, "camera_to_world": np.reshape(frame["camera_to_world"], (4, 4))[:height].tolist()}
        for frame, height in zip(PATH["camera_path"], (4, 3), strict=True)
    ]
    nested = read_camera_path(written(tmp_path, {**PATH, "camera_path": rows})).cameras
    assert torch.equal(nested.world_from_cam, flat.world_from_cam)


def known_poses() -> list[ndarray]:
    """Return poses at (0, 1, 2) and (3, 4, 5), the second turned by 90 degrees about y to look along +x."""
    first, second = np.eye(4), np.eye(4)
    first[:3, 3], second[:3, 3] = (0, 1, 2), (3, 4, 5)
    second[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    return [first, second]


def check_known(cameras: Cameras, focal_px: float = 50.0) -> None:
    torch.testing.assert_close(cameras.world_from_cam, torch.from_numpy(np.stack(known_poses())))
    assert (cameras.width, cameras.height) == (80, 60)
    assert cameras.focal_px.tolist() == [[focal_px] * 2] * 2
    assert cameras.center_px.tolist() == [[40, 30]] * 2


def test_cameras_of_the_inria_trainer(tmp_path: Path) -> None:
    """Listed out of order of their names; the second photo is half as large."""
    content = [
        {"id": i, "img_name": name, "width": 80 // scale, "height": 60 // scale, "fx": 50 / scale, "fy": 50 / scale,
         "position": pose[:3, 3].tolist(), "rotation": pose[:3, :3].tolist()}
        for i, (name, scale, pose) in enumerate(zip(("b", "a"), (1, 2), known_poses(), strict=True))
    ]  # fmt: skip
    path = read_camera_path(written(tmp_path, content))
    assert path.fps is None
    check_known(path.cameras)
    content[1]["rotation"] = (2 * np.eye(3)[::-1]).tolist()
    with pytest.raises(InputError, match="camera 1"):
        read_camera_path(written(tmp_path, content))


@pytest.mark.parametrize("named", [True, False])
def test_a_transforms_json(tmp_path: Path, named: bool) -> None:
    """In the order of its frames, photos or not."""
    frames = [
        ({"file_path": f"images/{name}.png"} if named else {}) | {"transform_matrix": (p @ OPENCV_FROM_OPENGL).tolist()}
        for name, p in zip("ba", known_poses(), strict=True)
    ]
    check_known(read_camera_path(written(tmp_path, {"w": 80, "h": 60, "fl_x": 50, "frames": frames})).cameras)
    with pytest.raises(InputError, match=r'add "w" and "h"'):
        read_camera_path(written(tmp_path, {"fl_x": 50, "frames": frames}))


@pytest.mark.parametrize("name", [{}, {"file_path": "one.png"}])
def test_frames_of_a_transforms_json_stay_in_order_and_may_share_a_name(tmp_path: Path, name: dict[str, str]) -> None:
    frames = [{**name, "transform_matrix": (shifted(by) @ OPENCV_FROM_OPENGL).tolist()} for by in range(12)]
    cameras = read_camera_path(written(tmp_path, {"w": 80, "h": 60, "fl_x": 50, "frames": frames})).cameras
    assert cameras.positions[:, 0].tolist() == list(range(12))


def shifted(by: float) -> np.ndarray:
    pose = np.eye(4)
    pose[0, 3] = by
    return pose


@pytest.mark.parametrize("place", ["", "sparse/0", "sparse/0/images.txt"])
def test_a_colmap_model(tmp_path: Path, place: str) -> None:
    """In the natural order of names; a film shows no distortion."""
    lens = Lens("SIMPLE_RADIAL", (50.0, 40.0, 30.0, 0.1), 80, 60)
    write_colmap(tmp_path / "sparse" / "0", ["p10.jpg", "p9.jpg"], known_poses()[::-1], lens)
    check_known(read_camera_path(tmp_path / place).cameras)
    with pytest.raises(InputError, match="holds no COLMAP model"):
        read_camera_path(tmp_path / "sparse" / ".." / "..")


@pytest.mark.parametrize("away", [1e10, 1e30, 1e300])
def test_cameras_farther_away_than_anything_is(tmp_path: Path, away: float) -> None:
    """Of every kind of path; films of them would show nothing."""
    pose = known_poses()[0]
    pose[0, 3] = away
    frame, intrinsics = {"transform_matrix": pose.tolist()}, {"w": 80, "h": 60, "fl_x": 50}
    inria = {"img_name": "a", "width": 80, "height": 60, "fx": 50, "fy": 50}
    inria |= {"position": pose[:3, 3].tolist(), "rotation": pose[:3, :3].tolist()}
    for content in ([inria], {**intrinsics, "frames": [frame]}):
        with pytest.raises(InputError, match="no rotation and position"):
            read_camera_path(written(tmp_path, content))
    write_colmap(tmp_path / "sparse" / "0", ["p.jpg"], [pose], Lens("PINHOLE", (50.0, 50.0, 40.0, 30.0), 80, 60))
    with pytest.raises(InputError, match="no rotation and position"):
        read_camera_path(tmp_path / "sparse" / "0")


def test_pictures_larger_than_any_are_told_of_in_models_too(tmp_path: Path) -> None:
    lens = Lens("PINHOLE", (90_000.0, 90_000.0, 50_000.0, 50_000.0), 100_000, 100_000)
    write_colmap(tmp_path / "sparse" / "0", ["p.jpg"], known_poses()[:1], lens)
    with pytest.raises(InputError, match="its pictures have 100000x100000 px"):
        read_camera_path(tmp_path / "sparse" / "0")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    cameras = Cameras(
        torch.from_numpy(np.stack(known_poses())),
        torch.tensor([[50.0, 51.0], [70.0, 71.0]]).double(),
        torch.tensor([[39.0, 31.0], [40.0, 30.0]]).double(),
        width=80,
        height=60,
    )
    write_camera_path(tmp_path / "path.json", cameras, fps=12.5, loops=True)
    read = read_camera_path(tmp_path / "path.json")
    assert read.fps == 12.5
    torch.testing.assert_close(read.cameras.world_from_cam, cameras.world_from_cam, atol=1e-12, rtol=0)
    assert torch.equal(read.cameras.focal_px, cameras.focal_px)
    assert torch.equal(read.cameras.center_px, cameras.center_px)
    told = json.loads((tmp_path / "path.json").read_text())["camera_path"][0]
    assert math.tan(math.radians(told["fov"]) / 2) == pytest.approx(30 / 51)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Write a grey ball as a scene of another tool."""
    file = tmp_path / "a.ply"
    file.write_bytes(encode_ply(SceneFile(one(means=torch.tensor([[0.0, 1.0, 5.0]])))))
    return file


def fly(scene: Path, path: str, *, output: Path, **chosen: Any) -> FlythroughResult:
    return film.fly(scene, FilmSettings(path, **chosen), output=output)


def test_the_path_flown_is_written_and_can_be_flown_again(tmp_path: Path, scene: Path) -> None:
    first = fly(scene, "orbit", output=tmp_path / "a.mp4", save_path=tmp_path / "path.json", size=(48, 32), seconds=0.2)
    again = fly(scene, str(tmp_path / "path.json"), output=tmp_path / "b.mp4")
    assert (again.frames, again.fps, again.width, again.height) == (first.frames, first.fps, 48, 32)
    shown, other = (decoded(tmp_path / name)[1] for name in ("a.mp4", "b.mp4"))
    assert np.abs(np.asarray(shown, dtype=int) - np.asarray(other, dtype=int)).max() <= 1


def test_cameras_of_photos_are_flown_at_a_pace_that_can_be_seen(tmp_path: Path, scene: Path) -> None:
    content = [
        {"img_name": f"{i}", "width": 48, "height": 32, "fx": 40, "fy": 40, "position": p[:3, 3].tolist(),
         "rotation": p[:3, :3].tolist()}
        for i, p in enumerate([*known_poses(), *known_poses()])
    ]  # fmt: skip
    (tmp_path / "cameras.json").write_text(json.dumps(content))
    made = fly(scene, str(tmp_path / "cameras.json"), output=tmp_path / "a.mp4", size=(48, 32))
    assert (made.frames, made.fps) == (4, 1)


@pytest.mark.parametrize(
    ("name", "why"),
    [("p.txt", "are .json files"), ("a.json", "is read for the video"), ("a.ply/p.json", "is not a folder")],
)
def test_paths_that_cannot_be_written(tmp_path: Path, scene: Path, name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        fly(scene, "orbit", output=tmp_path / "film.mp4", save_path=tmp_path / name)
    assert not (tmp_path / "film.mp4").exists()
