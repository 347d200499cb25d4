"""Poses as other tools write them, of photographs with known cameras."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, open_folder
from ilrm_cli.capture.poses.tools.reality_capture import world_from_camera
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH
from tests.support.posed_projects import counted
from tests.support.tool_projects import (
    NAMES,
    PINHOLE,
    POSES,
    TOOLS,
    TURNED,
    bundler,
    images_txt,
    metashape,
    record3d,
    rows_of,
    transforms,
)


def read(folder: Path, write: Callable[[Path], None]) -> Capture:
    write(folder)
    return gather(open_folder(folder))


@pytest.mark.parametrize("tool", TOOLS)
def test_known_cameras(tmp_path: Path, tool: str) -> None:
    capture = read(tmp_path, TOOLS[tool])
    counted(capture)
    assert capture.origin == tool
    assert [Path(photo.name).stem for photo in capture.photos] == [name[:-4] for name in NAMES]
    turn = TURNED.get(tool, np.eye(3))
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam[:3], turn @ pose[:3], atol=1e-9)
        assert (photo.lens.model, photo.lens.width, photo.lens.height) == ("PINHOLE", WIDTH, HEIGHT)
        rounding = 5 if tool == "images.txt" else 1e-9  # of a focal length in whole millimetres
        np.testing.assert_allclose(photo.lens.params, PINHOLE.params, atol=rounding)
    assert open_folder(tmp_path).inputs != ()
    if tool in ("bundler", "opensfm"):
        assert capture.points.tolist() == ([[0, 0, 4], [1, 1, 4]] if tool == "bundler" else [[1, 2, 3]])
    if tool == "bundler":
        assert [len(photo.points) for photo in capture.photos] == [2, 1, 0]


def test_names_with_spaces_in_bundlers_list(tmp_path: Path) -> None:
    """With and without what may follow a name: whether it is a fisheye photo, and its focal length."""
    bundler(tmp_path)
    for number, name in enumerate(NAMES):
        (tmp_path / name).rename(tmp_path / f"Photo {number}.png")
    (tmp_path / "list.txt").write_text("./Photo 0.png 0 300.5\nlost.png\nPhoto 1.png\nPhoto 2.png 0 300\n")
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == [f"Photo {number}.png" for number in range(3)]
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)


def test_frames_of_record3d_that_were_deleted(tmp_path: Path) -> None:
    """A photo more than there are poses has none."""
    record3d(tmp_path)
    for name in NAMES:
        (tmp_path / "rgb" / name).rename(tmp_path / "rgb" / f"{int(name[6:9])}.png")
    (tmp_path / "rgb" / "1.png").rename(tmp_path / "rgb" / "11.png")
    (tmp_path / "rgb" / "11.png").with_name("12.png").write_bytes((tmp_path / "rgb" / "0.png").read_bytes())
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == ["0.png", "2.png"]
    for photo, pose in zip(capture.photos, (POSES[0], POSES[2]), strict=True):
        np.testing.assert_allclose(photo.world_from_cam[:3], TURNED["record3d"] @ pose[:3], atol=1e-9)
    assert "the numbers in their names tell which" in capture.warnings[0]
    for number, letter in ((0, "a"), (2, "b")):
        (tmp_path / "rgb" / f"{number}.png").rename(tmp_path / "rgb" / f"{letter}.png")
    with pytest.raises(InputError, match="3 poses for 4 photos, and no numbers"):
        gather(open_folder(tmp_path))


def test_a_list_of_bundler_of_another_length(tmp_path: Path) -> None:
    bundler(tmp_path)
    (tmp_path / "list.txt").write_text("\n".join(["more.png", NAMES[0], "lost.png", *NAMES[1:]]))
    with pytest.raises(InputError, match="4 cameras and 5 names"):
        gather(open_folder(tmp_path))


@pytest.mark.parametrize(
    ("name", "origin"),
    [("transform_train.json", "transforms"), ("transform.json", "transforms"), ("my_cameras.json", "transforms")],
)
def test_a_transforms_json_under_another_name(tmp_path: Path, name: str, origin: str) -> None:
    capture = read(tmp_path, transforms(name))
    assert (capture.origin, len(capture.photos)) == (origin, 3)
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)


def test_paths_of_another_computer_in_a_transforms_json_under_another_name(tmp_path: Path) -> None:
    transforms("my_cameras.json")(tmp_path)
    file = tmp_path / "my_cameras.json"
    file.write_text(file.read_text().replace("images/", "/home/else/project/images/"))
    assert [photo.name for photo in gather(open_folder(tmp_path)).photos] == [f"images/{name}" for name in NAMES]


def test_the_angles_of_reality_capture() -> None:
    """Looking down with the top to y; then level to the north, to the east, and lying on the right side."""
    np.testing.assert_allclose(world_from_camera(0, 0, 0).T, [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(world_from_camera(0, 90, 0).T, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(world_from_camera(90, 90, 0).T, [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-12)


def test_lenses_of_metashape(tmp_path: Path) -> None:
    """P1 and P2 change places, the principal point counts from the middle, b1 widens; fisheye lenses are fisheye."""
    metashape(tmp_path)
    text = (tmp_path / "doc.xml").read_text()
    more = "<cx>4</cx><cy>-3</cy><k1>.1</k1><k2>.02</k2><k3>.003</k3><p1>.004</p1><p2>.005</p2><b1>2</b1>"
    (tmp_path / "doc.xml").write_text(text.replace("<cx>0</cx><cy>0</cy>", more))
    lens = gather(open_folder(tmp_path)).photos[0].lens
    assert lens.model == "FULL_OPENCV"
    expected = (FOCAL + 2, FOCAL, WIDTH / 2 + 4, HEIGHT / 2 - 3, 0.1, 0.02, 0.005, 0.004, 0.003, 0, 0, 0)
    assert lens.params == pytest.approx(expected)
    fisheye = text.replace(
        '<calibration type="frame" class="adjusted">', '<calibration type="fisheye" class="adjusted">'
    )
    (tmp_path / "doc.xml").write_text(fisheye)
    assert gather(open_folder(tmp_path)).photos[0].lens.model == "OPENCV_FISHEYE"


@pytest.mark.parametrize(("kind", "lost"), [("frame", "b2, p3"), ("fisheye", "b2, p1, p3")])
def test_what_lenses_of_metashape_lose_is_told(tmp_path: Path, kind: str, lost: str) -> None:
    metashape(tmp_path)
    assert not gather(open_folder(tmp_path)).warnings
    text = (tmp_path / "doc.xml").read_text().replace('"frame" class="adjusted"', f'"{kind}" class="adjusted"')
    more = "<cx>0</cx><k4>.01</k4><b2>3</b2><p1>.001</p1><p2>0</p2><p3>.001</p3><p4>0.0</p4>"
    (tmp_path / "doc.xml").write_text(text.replace("<cx>0</cx>", more))
    (warning,) = gather(open_folder(tmp_path)).warnings
    assert "distortion that is left out" in warning
    assert f"({lost})" in warning


def test_a_rig_of_metashape(tmp_path: Path) -> None:
    """The second camera is where its sensor is in the first one's, in the unit of the chunk, which is 2 here."""
    metashape(tmp_path)
    file = tmp_path / "doc.xml"
    before, _, after = file.read_text().partition('<camera id="1" sensor_id="0" label="photo_001">')
    after = after[after.index("</camera>") :]
    first_from_second = np.linalg.inv(POSES[0]) @ POSES[1]
    place = f"<rotation>{rows_of(first_from_second[:3, :3])}</rotation>"
    location = f"<location>{rows_of(first_from_second[:3, 3] / 2)}</location>"
    slave = '<camera id="1" sensor_id="1" master_id="0" label="photo_001">'
    sensor = before[before.index("<sensor id") : before.index("</sensor>")].replace('id="0"', 'id="1" master_id="0"')
    before, _, middle = before.partition("</sensors>")
    file.write_text(f"{before}{sensor}{place}{location}</sensor></sensors>{middle}{slave}{after}")
    capture = gather(open_folder(tmp_path))
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)
    file.write_text(file.read_text().replace(location, ""))
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == NAMES[::2]
    assert "does not say where these cameras are in their rigs and they are left out: photo_001." in capture.warnings[0]


def test_a_lens_that_no_camera_has_is_not_read(tmp_path: Path) -> None:
    metashape(tmp_path / "metashape")
    file = tmp_path / "metashape" / "doc.xml"
    size = f'<resolution width="{WIDTH}" height="{HEIGHT}"/>'
    scanned = f'<sensor id="7" type="cylindrical"><calibration type="cylindrical">{size}<f>1</f></calibration></sensor>'
    file.write_text(file.read_text().replace("</sensors>", f"{scanned}</sensors>"))
    assert len(gather(open_folder(tmp_path / "metashape")).photos) == 3
    file.write_text(file.read_text().replace('sensor_id="0"', 'sensor_id="7"'))
    with pytest.raises(InputError, match="of the type cylindrical, which is not known"):
        gather(open_folder(tmp_path / "metashape"))
    file.write_text(file.read_text().replace('sensor_id="7"', 'sensor_id="0"', 2))
    capture = gather(open_folder(tmp_path / "metashape"))
    assert [photo.name for photo in capture.photos] == NAMES[:2]
    assert "left out: photo_002" in capture.warnings[0]
    TOOLS["opensfm"](tmp_path / "opensfm")
    file = tmp_path / "opensfm" / "reconstruction.json"
    models = json.loads(file.read_text())
    models[1]["cameras"]["both"] = {"projection_type": "dual", "width": 2000, "height": 1000}
    file.write_text(json.dumps(models))
    assert len(gather(open_folder(tmp_path / "opensfm")).photos) == 3


def test_lenses_of_photoscan_before_1_2(tmp_path: Path) -> None:
    """The principal point counts from the corner, and tangential distortion is OpenCV's."""
    metashape(tmp_path)
    file, usual = tmp_path / "doc.xml", f"<f>{FOCAL}</f><cx>0</cx><cy>0</cy>"
    more = "<skew>0.5</skew><k1>.1</k1><k2>.02</k2><p1>.004</p1><p2>.005</p2>"
    old = f"<fx>{FOCAL + 2}</fx><fy>{FOCAL}</fy><cx>{WIDTH / 2 + 4}</cx><cy>{HEIGHT / 2 - 3}</cy>{more}"
    assert usual in file.read_text()
    file.write_text(file.read_text().replace(usual, old))
    capture = gather(open_folder(tmp_path))
    lens = capture.photos[0].lens
    assert lens.model == "OPENCV"
    expected = (FOCAL + 2, FOCAL, WIDTH / 2 + 4, HEIGHT / 2 - 3, 0.1, 0.02, 0.004, 0.005)
    assert lens.params == pytest.approx(expected)
    assert "(skew)" in capture.warnings[0]


def test_poses_without_a_lens_need_one(tmp_path: Path) -> None:
    images_txt(tmp_path)
    for path in (tmp_path / "images").iterdir():
        Image.open(path).save(path)
    folder = open_folder(tmp_path)
    with pytest.raises(InputError, match="no lenses"):
        gather(folder, PoseSettings("other"))
    folder.require(camera="PINHOLE")
    capture = gather(folder, PoseSettings(camera=f"PINHOLE {FOCAL},{FOCAL},{WIDTH / 2},{HEIGHT / 2}"))
    assert [photo.lens for photo in capture.photos] == [PINHOLE] * 3


def test_the_circle_of_project_aria_is_a_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    project = tmp_path / "project"
    transforms("transforms.json")(project)
    file = project / "transforms.json"
    stated = {"camera_model": "FISHEYE624", "distortion_params": [0.0] * 12, "fisheye_crop_radius": 110.5}
    file.write_text(json.dumps(json.loads(file.read_text()) | stated))
    capture = gather(open_folder(project))
    counted(capture)
    for photo in capture.photos:
        assert photo.lens.model == "RAD_TAN_THIN_PRISM_FISHEYE"
        kept = np.asarray(Image.open(photo.mask))
        assert kept.shape == (HEIGHT, WIDTH)
        assert kept.sum() == pytest.approx(np.pi * 110.5**2, rel=0.01)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"fisheye_crop_radius": 1e-3}))
    with pytest.raises(InputError, match="which masks all of the photo"):
        gather(open_folder(project))
