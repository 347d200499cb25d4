"""Projects with poses as other tools write them, of three photographs with known cameras."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from ilrm_cli.geometry.cameras import Lens
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos
from tests.support.posed_projects import quaternion, write_colmap

GL = np.diag([1.0, -1, -1, 1])
POSES = cameras_on_an_arc(3)
NAMES = [f"photo_00{i}.png" for i in range(3)]
PINHOLE = Lens("PINHOLE", (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)


def rows_of(matrix: np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in np.ravel(matrix))


def table_of(poses: Mapping[str, np.ndarray]) -> str:
    """Return a table of RealityCapture, of angles taken apart from the world-to-camera matrix as it is documented."""
    lines = [f"#cameras {len(poses)}", "#name,x,y,alt,heading,pitch,roll,f,px,py,k1,k2,k3,k4,t1,t2"]
    for name, pose in poses.items():
        right, down, forward = pose[:3, :3].T
        pitch, heading = math.asin(-down[2]), math.atan2(-down[0], -down[1])
        roll = math.atan2(-right[2], -forward[2])
        angles = ",".join(f"{math.degrees(angle):.12f}" for angle in (heading, pitch, roll))
        lines.append(f"{name},{','.join(map(str, pose[:3, 3]))},{angles},{FOCAL * 36 / WIDTH},0,0,0,0,0,0,0,0")
    return "\r\n".join(lines)


def reality_capture(folder: Path) -> None:
    save_photos(folder, POSES)
    table = table_of(dict(zip(NAMES, POSES, strict=True)))
    (folder / "cameras.csv").write_text(table, encoding="utf-8-sig")


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
