"""Poses as other tools write them, of photographs with known cameras."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.poses.lenses import turned_pose
from ilrm_cli.capture.poses.tools.reality_capture import world_from_camera
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos
from tests.support.posed_projects import counted, quaternion, write_colmap

GL = np.diag([1.0, -1, -1, 1])
POSES = cameras_on_an_arc(3)
NAMES = [f"photo_00{i}.png" for i in range(3)]
PINHOLE = Lens("PINHOLE", (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)


def rows_of(matrix: np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in np.ravel(matrix))


def reality_capture(folder: Path) -> None:
    """Write angles taken apart from the rotation that Capturing Reality documents for its world-to-camera matrix."""
    lines = ["#cameras 3", "#name,x,y,alt,heading,pitch,roll,f,px,py,k1,k2,k3,k4,t1,t2"]
    for name, pose in zip(NAMES, POSES, strict=True):
        right, down, forward = pose[:3, :3].T
        pitch, heading = math.asin(-down[2]), math.atan2(-down[0], -down[1])
        roll = math.atan2(-right[2], -forward[2])
        angles = ",".join(f"{math.degrees(angle):.12f}" for angle in (heading, pitch, roll))
        lines.append(f"{name},{','.join(map(str, pose[:3, 3]))},{angles},{FOCAL * 36 / WIDTH},0,0,0,0,0,0,0,0")
    save_photos(folder, POSES)
    (folder / "cameras.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")


def metashape(folder: Path) -> None:
    """Write a chunk turned, twice as large and moved against the user's coordinates; one camera is not aligned."""
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    cameras = []
    for i, (name, pose) in enumerate(zip(NAMES, POSES, strict=True)):
        chunk = np.eye(4)
        chunk[:3, :3] = turn.T @ pose[:3, :3]
        chunk[:3, 3] = turn.T @ (pose[:3, 3] - [5, 6, 7]) / 2
        label = name.removesuffix(".png")
        cameras.append(
            f'<camera id="{i}" sensor_id="0" label="{label}"><transform>{rows_of(chunk)}</transform></camera>'
        )
    cameras.append('<camera id="9" sensor_id="0" label="lost"/>')
    sensor = (
        f'<sensor id="0" type="frame"><resolution width="{WIDTH}" height="{HEIGHT}"/><calibration type="frame" '
        f'class="initial"><f>1</f></calibration><calibration type="frame" class="adjusted"><resolution '
        f'width="{WIDTH}" height="{HEIGHT}"/><f>{FOCAL}</f><cx>0</cx><cy>0</cy></calibration></sensor>'
    )
    place = f"<rotation>{rows_of(turn)}</rotation><translation>5 6 7</translation><scale>2</scale>"
    save_photos(folder, POSES)
    (folder / "doc.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><document version="2.0.0"><chunk label="Chunk 1"><sensors>{sensor}'
        f"</sensors><cameras><group>{''.join(cameras)}</group></cameras><transform>{place}</transform></chunk></document>"
    )


def polycam(folder: Path) -> None:
    save_photos(folder / "keyframes" / "corrected_images", POSES)
    save_photos(folder / "keyframes" / "images", POSES)
    (folder / "keyframes" / "corrected_cameras").mkdir()
    for name, pose in zip(NAMES, POSES, strict=True):
        entries = {f"t_{r}{c}": (pose @ GL)[r, c] for r in range(3) for c in range(4)}
        content = {
            **entries,
            "fx": FOCAL,
            "fy": FOCAL,
            "cx": WIDTH / 2,
            "cy": HEIGHT / 2,
            "width": WIDTH,
            "height": HEIGHT,
        }
        (folder / "keyframes" / "corrected_cameras" / name).with_suffix(".json").write_text(json.dumps(content))


def record3d(folder: Path) -> None:
    """Turn the world so that quaternions of the cameras, which look backward, have a real part."""
    rows = []
    for pose in POSES:
        w, x, y, z = map(float, quaternion(GL @ pose @ GL).split())
        rows.append([x, y, z, w, *(GL @ pose)[:3, 3]])
    k = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    content = {"w": WIDTH, "h": HEIGHT, "K": k.T.ravel().tolist(), "poses": rows}
    save_photos(folder / "rgb", POSES)
    (folder / "metadata").write_text(json.dumps(content))


def arkit(folder: Path) -> None:
    """One file by rows, the others by columns."""
    save_photos(folder, POSES)
    k = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    for i, (name, pose) in enumerate(zip(NAMES, POSES, strict=True)):
        matrices = {"cameraPoseARFrame": pose @ GL, "intrinsics": k}
        content = {key: (m if i == 0 else m.T).ravel().tolist() for key, m in matrices.items()}
        (folder / name).with_suffix(".json").write_text(json.dumps(content))


def bundler(folder: Path) -> None:
    """Write two points, of which the first photo shows both and the second one, and a photo without a pose."""
    cameras = [
        f"{FOCAL} 0 0\n{rows_of(m[:3, :3])}\n{rows_of(m[:3, 3])}" for m in (GL @ np.linalg.inv(p) for p in POSES)
    ]
    cameras.insert(1, "0 0 0\n0 0 0 0 0 0 0 0 0\n0 0 0")
    points = "0 0 4\n1 2 3\n1 0 7 1.0 2.0\n1 1 4\n1 2 3\n2 0 7 1 2 2 7 1 2"
    save_photos(folder, POSES)
    (folder / "bundle.out").write_text("# Bundle file v0.3\n4 2\n" + "\n".join([*cameras, points]) + "\n")
    (folder / "list.txt").write_text("\n".join([f"./{NAMES[0]} 0 300", "lost.png", *NAMES[1:]]))


def opensfm(folder: Path) -> None:
    """Turn the world by 90 degrees about z; a smaller second model is passed over."""
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    shots = {}
    for name, pose in zip(NAMES, POSES, strict=True):
        cam_from_world = np.linalg.inv(turn @ pose)
        w, *axis = map(float, quaternion(cam_from_world).split())
        length = float(np.linalg.norm(axis))
        turned = [2 * math.atan2(length, w) * part / length for part in axis]
        shots[name] = {"rotation": turned, "translation": cam_from_world[:3, 3].tolist(), "camera": "v2 x"}
    camera = {
        "projection_type": "perspective",
        "width": WIDTH,
        "height": HEIGHT,
        "focal": FOCAL / WIDTH,
        "k1": 0,
        "k2": 0,
    }
    models = [
        {"cameras": {}, "shots": {}},
        {"cameras": {"v2 x": camera}, "shots": shots, "points": {"1": {"coordinates": [1, 2, 3]}}},
    ]
    save_photos(folder / "images", POSES)
    (folder / "reconstruction.json").write_text(json.dumps(models))


def inria(folder: Path) -> None:
    save_photos(folder / "images", POSES)
    content = [
        {"id": i, "img_name": name[:-4], "width": WIDTH, "height": HEIGHT, "position": pose[:3, 3].tolist(),
         "rotation": pose[:3, :3].tolist(), "fx": FOCAL, "fy": FOCAL}
        for i, (name, pose) in enumerate(zip(NAMES, POSES, strict=True))
    ]  # fmt: skip
    (folder / "cameras.json").write_text(json.dumps(content))


def transforms(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        frames = [
            {"file_path": f"images/{photo}", "transform_matrix": (pose @ GL).tolist()}
            for photo, pose in zip(NAMES, POSES, strict=True)
        ]
        save_photos(folder / "images", POSES)
        (folder / name).write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))

    return write


def images_txt(folder: Path) -> None:
    """Write photos with a focal length of 35 mm on a frame of 36 mm."""
    write_colmap(folder / "sparse" / "0", [name.replace("png", "jpg") for name in NAMES], POSES)
    (folder / "sparse" / "0" / "cameras.txt").unlink()
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = round(FOCAL * 36 / WIDTH)
    for path in save_photos(folder / "images", POSES):
        Image.open(path).save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()


TOOLS = {
    "realitycapture": reality_capture, "metashape": metashape, "polycam": polycam, "record3d": record3d, "arkit": arkit,
    "bundler": bundler, "opensfm": opensfm, "inria": inria, "images.txt": images_txt,
}  # fmt: skip
TURNED = {"record3d": GL[:3, :3], "opensfm": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])}  # worlds, if others


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


@pytest.mark.parametrize("tool", [*TOOLS, "transforms"])
def test_photos_stored_sideways(tmp_path: Path, tool: str) -> None:
    """Tools know the pixels as stored, whether they state a size or not; 6 is a quarter turn clockwise to upright."""
    TOOLS.get(tool, transforms("transforms.json"))(tmp_path)
    sideways(tmp_path)
    capture = gather(open_folder(tmp_path))
    turn = TURNED.get(tool, np.eye(3))
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam[:3], turn @ turned_pose(pose, 3)[:3], atol=1e-9)
        assert photo.lens.params[2:] == pytest.approx((HEIGHT / 2, WIDTH / 2))


@pytest.mark.parametrize("center", [(150, 118), (122, 150)])
def test_a_lens_given_for_photos_stored_sideways(tmp_path: Path, center: tuple[int, int]) -> None:
    """It may be that of the photos as stored or that of the upright ones, where x is as far from the bottom."""
    images_txt(tmp_path)
    sideways(tmp_path)
    capture = gather(open_folder(tmp_path), camera=f"PINHOLE {FOCAL},{FOCAL},{center[0]},{center[1]}")
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, turned_pose(pose, 3), atol=1e-9)
        assert photo.lens.params == pytest.approx((FOCAL, FOCAL, 122, 150))


def sideways(folder: Path) -> None:
    """Mark all photos as to be turned clockwise, without turning them."""
    for path in [path for path in folder.rglob("*") if path.suffix in (".png", ".jpg")]:
        image = Image.open(path)
        exif = image.getexif()
        exif.get_ifd(ExifTags.IFD.Exif)
        exif[ExifTags.Base.Orientation] = 6
        image.save(path, exif=exif)


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


@pytest.mark.parametrize(("kind", "lost"), [("frame", "b2, k4, p3"), ("fisheye", "b2, p1, p3")])
def test_what_lenses_of_metashape_lose_is_told(tmp_path: Path, kind: str, lost: str) -> None:
    metashape(tmp_path)
    assert not gather(open_folder(tmp_path)).warnings
    text = (tmp_path / "doc.xml").read_text().replace('"frame" class="adjusted"', f'"{kind}" class="adjusted"')
    more = "<cx>0</cx><k4>.01</k4><b2>3</b2><p1>.001</p1><p2>0</p2><p3>.001</p3><p4>0.0</p4>"
    (tmp_path / "doc.xml").write_text(text.replace("<cx>0</cx>", more))
    (warning,) = gather(open_folder(tmp_path)).warnings
    assert "distortion that is left out" in warning
    assert f"({lost})" in warning


def test_poses_without_a_lens_need_one(tmp_path: Path) -> None:
    images_txt(tmp_path)
    for path in (tmp_path / "images").iterdir():
        Image.open(path).save(path)
    folder = open_folder(tmp_path)
    with pytest.raises(InputError, match="no lenses"):
        gather(folder, "other")
    folder.require(camera="PINHOLE")
    capture = gather(folder, camera=f"PINHOLE {FOCAL},{FOCAL},{WIDTH / 2},{HEIGHT / 2}")
    assert [photo.lens for photo in capture.photos] == [PINHOLE] * 3
