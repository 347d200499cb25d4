"""360 degree photos with poses of other tools: the views cut from them show what cameras of their poses see."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder, open_photos
from ilrm_cli.capture.photos.round_lenses import VIEWS
from ilrm_cli.capture.poses.colmap import read_model
from ilrm_cli.capture.poses.lenses import colmap_camera, panorama_lens
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.errors import InputError
from tests.capture.test_round_lenses import seen
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, save_photos
from tests.support.posed_projects import counted, write_colmap
from tests.support.tool_projects import GL, rows_of

WIDE, HIGH = 1536, 768


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give each test a cache of its own."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    (a, b), (c, d), (e, f) = ((math.cos(x), math.sin(x)) for x in (yaw, pitch, roll))
    about_y, about_x = np.array([[a, 0, b], [0, 1, 0], [-b, 0, a]]), np.array([[1, 0, 0], [0, c, -d], [0, d, c]])
    return about_y @ about_x @ np.array([[e, -f, 0], [f, e, 0], [0, 0, 1]])


def placed(x: float, yaw: float, pitch: float, roll: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turned(yaw, pitch, roll), [x, 0.1 * x, -0.2]
    return pose


POSES = [placed(-0.6, 0.3, 0.1, -0.1), placed(0.0, 2.0, -0.2, 0.2), placed(0.6, -1.0, 0.0, 0.3)]


def save_panoramas(folder: Path) -> list[str]:
    """Save what is seen around each pose, as COLMAP's model of such photos says."""
    folder.mkdir(parents=True, exist_ok=True)
    column, row = np.meshgrid(np.arange(WIDE) + 0.5, np.arange(HIGH) + 0.5)
    places = np.stack([column.ravel(), row.ravel()], axis=1)
    longitude, latitude = places[:, 0] / WIDE * 2 * np.pi - np.pi, np.pi / 2 - places[:, 1] / HIGH * np.pi
    level = np.cos(latitude)
    rays = np.stack([level * np.sin(longitude), -np.sin(latitude), level * np.cos(longitude)], axis=1)
    np.testing.assert_allclose(colmap_camera(panorama_lens(WIDE, HIGH)).img_from_cam(rays), places, atol=1e-6)
    for number, pose in enumerate(POSES):
        picture = seen(pose[:3, 3], rays.reshape(HIGH, WIDE, 3) @ pose[:3, :3].T)
        Image.fromarray(picture).save(folder / f"p{number}.jpg", quality=95)
    return [f"p{number}.jpg" for number in range(len(POSES))]


def transforms(folder: Path) -> None:
    frames = [
        {"file_path": f"images/{name}", "transform_matrix": (pose @ GL).tolist()}
        for name, pose in zip(save_panoramas(folder / "images"), POSES, strict=True)
    ]
    stated = {"camera_model": "EQUIRECTANGULAR", "w": WIDE, "h": HIGH, "fl_x": WIDE / 2, "fl_y": HIGH}
    (folder / "transforms.json").write_text(json.dumps({**stated, "cx": WIDE / 2, "cy": HIGH / 2, "frames": frames}))


def colmap(folder: Path) -> None:
    write_colmap(folder / "sparse" / "0", save_panoramas(folder / "images"), POSES, panorama_lens(WIDE, HIGH))


def opensfm(folder: Path) -> None:
    shots = {}
    for name, pose in zip(save_panoramas(folder / "images"), POSES, strict=True):
        cam_from_world = np.linalg.inv(pose)
        turn = Rotation.from_matrix(cam_from_world[:3, :3]).as_rotvec().tolist()
        shots[name] = {"rotation": turn, "translation": cam_from_world[:3, 3].tolist(), "camera": "all"}
    camera = {"projection_type": "spherical", "width": WIDE, "height": HIGH}
    (folder / "reconstruction.json").write_text(json.dumps([{"cameras": {"all": camera}, "shots": shots}]))


def metashape(folder: Path) -> None:
    """Without a calibration, as Metashape writes such sensors; beside them is a photo of a usual camera."""
    cameras = [
        f'<camera id="{i}" sensor_id="0" label="{Path(name).stem}"><transform>{rows_of(pose)}</transform></camera>'
        for i, (name, pose) in enumerate(zip(save_panoramas(folder), POSES, strict=True))
    ]
    cameras.append(
        f'<camera id="7" sensor_id="1" label="photo_000"><transform>{rows_of(np.eye(4))}</transform></camera>'
    )
    save_photos(folder, [np.eye(4)])
    sensors = (
        f'<sensor id="0" type="spherical"><resolution width="{WIDE}" height="{HIGH}"/></sensor>'
        f'<sensor id="1" type="frame"><resolution width="{WIDTH}" height="{HEIGHT}"/>'
        f"<calibration><f>{FOCAL}</f></calibration></sensor>"
    )
    (folder / "doc.xml").write_text(
        f"<document><chunk><sensors>{sensors}</sensors><cameras>{''.join(cameras)}</cameras></chunk></document>"
    )


def check_views(capture: Capture) -> None:
    views = [photo for photo in capture.photos if "/" in photo.name.removeprefix("images/")]
    assert len(views) == VIEWS * len(POSES)
    for view in views:
        focal, _, x, y = view.lens.params
        column, row = np.meshgrid(np.arange(view.lens.width) + 0.5, np.arange(view.lens.height) + 0.5)
        rays = np.stack([(column - x) / focal, (row - y) / focal, np.ones_like(row)], axis=-1)
        expected = seen(view.world_from_cam[:3, 3], rays @ view.world_from_cam[:3, :3].T).astype(float)
        shown = np.asarray(Image.open(view.path)).astype(float)
        assert 10 * np.log10(255**2 / np.square(shown - expected).mean()) > 24, view.name  # a texture finer than pixels
    assert {f"{Path(view.name).parent.name}" for view in views} == {f"p{number}.jpg" for number in range(len(POSES))}
    counted(capture)
    assert "3 photos are 360 degree panoramas and were cut into 18 perspective views." in capture.warnings


@pytest.mark.parametrize("write", [transforms, colmap, metashape, opensfm])
def test_views_of_posed_panoramas(tmp_path: Path, write) -> None:
    write(tmp_path / "project")
    capture = gather(open_folder(tmp_path / "project"))
    check_views(capture)
    if write is metashape:
        assert capture.photos[-1].name == "photo_000.png"


def test_panoramas_and_masks_given_one_by_one(tmp_path: Path) -> None:
    """One is masked but for its middle: views that show nothing else are left out."""
    project = tmp_path / "project"
    metashape(project)
    (project / "masks").mkdir()
    mask = np.zeros((HIGH, WIDE), np.uint8)
    mask[:, WIDE // 2 - 50 : WIDE // 2 + 50] = 255
    Image.fromarray(mask).save(project / "masks" / "p1.png")
    capture = gather(open_photos([project / "p0.jpg", project / "p1.jpg"]))
    kept = [photo.name for photo in capture.photos]
    assert kept == [*(f"p0.jpg/{i}.jpg" for i in range(VIEWS)), "p1.jpg/0.jpg"]
    assert [left.name for left in capture.left_out] == [f"p1.jpg/{i}.jpg" for i in range(1, VIEWS)]
    assert capture.found == 2 * VIEWS


def test_points_are_those_of_the_views_that_show_them(tmp_path: Path) -> None:
    colmap(tmp_path)
    model = tmp_path / "sparse" / "0"
    (model / "points3D.txt").write_text("1 0 0 2.0 9 9 9 0.5 1 0 2 0\n")
    lines = (model / "images.txt").read_text().split("\n")
    lines[1] = lines[3] = "700 300 1"
    (model / "images.txt").write_text("\n".join(lines))
    for photo in gather(open_folder(tmp_path)).photos:
        local = (np.array([0, 0, 2.0]) - photo.world_from_cam[:3, 3]) @ photo.world_from_cam[:3, :3]
        shown = not photo.name.startswith("p2") and local[2] > 0 and (np.abs(local[:2] / local[2]) < 1).all()
        assert photo.points.tolist() == ([[0, 0, 2]] if shown else [])


def test_what_is_no_panorama_and_who_cannot_use_one(tmp_path: Path) -> None:
    transforms(tmp_path / "one")
    file = tmp_path / "one" / "transforms.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"frames": content["frames"][:1]}))
    with pytest.raises(InputError, match="only one 360 degree photo a pose"):
        gather(open_folder(tmp_path / "one"))
    file.write_text(json.dumps(content | {"h": 800}))
    with pytest.raises(InputError, match="twice as wide as high, not 1536x800"):
        gather(open_folder(tmp_path / "one"))
    colmap(tmp_path / "model")
    with pytest.raises(InputError, match="cut them into perspective photos first"):
        read_model(tmp_path / "model" / "sparse" / "0")


def test_a_sensor_that_is_not_known_leaves_others(tmp_path: Path) -> None:
    metashape(tmp_path)
    file = tmp_path / "doc.xml"
    file.write_text(file.read_text().replace('id="0" type="spherical"', 'id="0" type="rpc"'))
    with pytest.raises(InputError, match="only one photo"):
        gather(open_folder(tmp_path))
    file.write_text(file.read_text().replace('id="7" sensor_id="1"', 'id="7" sensor_id="0"'))
    with pytest.raises(InputError, match="no calibration for p0"):
        gather(open_folder(tmp_path))
