"""Projects with poses on disk, made of photographs of the textured corner, and what spoils them."""

import json
from pathlib import Path

import numpy as np

from ilrm_cli.geometry.cameras import Lens
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos

PINHOLE = Lens("PINHOLE", (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)


def write_colmap(folder: Path, names: list[str], poses: list[np.ndarray], lens: Lens = PINHOLE) -> None:
    """Write a text model; one camera, no points."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.txt").write_text(
        f"1 {lens.model} {lens.width} {lens.height} {' '.join(map(str, lens.params))}\n"
    )
    lines = []
    for i, (name, world_from_cam) in enumerate(zip(names, poses, strict=True), 1):
        cam_from_world = np.linalg.inv(world_from_cam)
        lines.append(f"{i} {quaternion(cam_from_world)} {' '.join(map(str, cam_from_world[:3, 3]))} 1 {name}\n\n")
    (folder / "images.txt").write_text("".join(lines))
    (folder / "points3D.txt").write_text("")


def quaternion(pose: np.ndarray) -> str:
    """Return w x y z of a rotation that turns by less than 180 degrees."""
    r = pose[:3, :3]
    w = np.sqrt(1 + np.trace(r)) / 2
    return " ".join(map(str, [w, *(np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]) / (4 * w))]))


def colmap_project(folder: Path, count: int = 4) -> list[np.ndarray]:
    poses = cameras_on_an_arc(count)
    paths = save_photos(folder / "images", poses)
    write_colmap(folder / "sparse" / "0", [path.name for path in paths], poses)
    return poses


def nerf_project(folder: Path, keys: list[dict]) -> None:
    """Write a transforms.json without sizes; `keys` of each frame are added."""
    poses = cameras_on_an_arc(len(keys))
    save_photos(folder / "images", poses)
    frames = [
        {"file_path": f"images/photo_00{i}.png", "transform_matrix": pose.tolist()} | more
        for i, (pose, more) in enumerate(zip(poses, keys, strict=True))
    ]
    (folder / "transforms.json").write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# Counts


def counted(capture) -> None:
    """Check that every photo that was found has a pose or a reason."""
    names = [*(photo.name for photo in capture.photos), *(left.name for left in capture.left_out)]
    assert len(names) == len(set(names)) == capture.found
