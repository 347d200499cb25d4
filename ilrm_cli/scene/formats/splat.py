"""Scenes as .splat files, the layout of antimatter15's viewer: 32 bytes for each Gaussian and no header.

Position and scales are float32, colour and opacity a byte each, the quaternion (w first) four bytes as q * 128 + 128.
Axes are those of the .ply. There are no harmonics: colours do not depend on the view. Viewers show the file while it
loads, so the Gaussians that cover most come first.
"""

from pathlib import Path

import numpy as np

from ilrm_cli.geometry.harmonics import from_color, to_color
from ilrm_cli.scene.formats.scene_file import SceneFile, damaged, from_columns, ready_to_write, usable

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quaternion", "u1", 4)])


def encode_splat(file: SceneFile) -> bytes:
    """Encode the scene as a .splat file, without harmonics above degree 0."""
    scene = ready_to_write(file.gaussians)
    order = (scene.scales.double().log().sum(1) + scene.opacities.double().log()).argsort(descending=True, stable=True)
    scene = scene[order]
    colors = to_color(scene.harmonics.numpy())
    rows = np.empty(len(scene), dtype=ROW)
    rows["mean"], rows["scale"] = scene.means.numpy(), scene.scales.numpy()
    rows["rgba"] = np.rint(np.clip(np.column_stack([colors, scene.opacities.numpy()]), 0, 1) * 255)
    rows["quaternion"] = np.clip(np.rint(scene.quaternions.numpy() * 128 + 128), 0, 255)
    return rows.tobytes()


def decode_splat(path: Path) -> SceneFile:
    """Read a scene. Gaussians with non-finite numbers are dropped and counted.

    Raises `InputError` if the file's length is not a multiple of a Gaussian's, or if there is no usable Gaussian.
    """
    data = path.read_bytes()
    if len(data) % ROW.itemsize:
        raise damaged(path, f"{len(data)} bytes are no multiple of {ROW.itemsize}")
    rows = np.frombuffer(data, dtype=ROW)
    rgba = rows["rgba"].astype(np.float64) / 255
    read = from_columns(
        means=rows["mean"],
        quaternions=(rows["quaternion"].astype(np.float64) - 128) / 128,
        scales=rows["scale"],
        opacities=rgba[:, 3],
        harmonics=from_color(rgba[:, :3]),
    )
    return usable(path, read)
