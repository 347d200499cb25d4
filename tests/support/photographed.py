"""Photographs of a textured room corner with known cameras, to test feature matching and loaders on."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

FOCAL = 300.0  # px
WIDTH, HEIGHT = 320, 240  # px


def cameras_on_an_arc(count: int, *, spread_deg: float = 40.0) -> list[np.ndarray]:
    """Return world-from-camera poses, y down, all looking at (0, 0, 4) from an arc of radius 4 around it."""
    poses = []
    for angle in np.radians(np.linspace(-spread_deg / 2, spread_deg / 2, count)):
        forward = np.array([np.sin(angle), 0.1 * np.sin(3 * angle), np.cos(angle)])
        forward /= np.linalg.norm(forward)
        right = np.cross([0.0, 1.0, 0.0], forward)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = np.array([0, 0, 4.0]) - 4 * forward
        poses.append(pose)
    return poses


@cache
def texture(seed: int) -> np.ndarray:
    """Return blobs of several sizes, 1024 x 1024, that tile the plane."""
    rng = np.random.default_rng(seed)
    total = np.zeros((1024, 1024, 3))
    for cells in (32, 128, 256):
        layer = Image.fromarray(rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(layer.resize((1024, 1024), Image.Resampling.BICUBIC), dtype=float)
    return np.asarray(Image.fromarray((total / 3).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1)))


def photograph(pose: np.ndarray, seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return a pinhole image of the corner where a floor (y = 1), a left wall (x = -2) and a back wall (z = 5) meet."""
    focal = FOCAL * width / WIDTH
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    local = np.stack([(columns - width / 2) / focal, (rows - height / 2) / focal, np.ones_like(rows)], axis=-1)
    rays = local @ pose[:3, :3].T
    image, nearest = np.zeros((height, width, 3), dtype=np.uint8), np.full((height, width), np.inf)
    for k, (axis, offset) in enumerate(((1, 1.0), (0, -2.0), (2, 5.0))):
        with np.errstate(divide="ignore"):
            depth = (offset - pose[axis, 3]) / rays[..., axis]
        hit = (depth > 0) & (depth < nearest)
        across = [i for i in range(3) if i != axis]
        place = pose[across, 3] + depth[..., None] * rays[..., across]
        index = np.floor(np.nan_to_num(place[hit], posinf=0, neginf=0) * 150).astype(int) % 1024
        image[hit] = texture(10 * seed + k)[index[:, 0], index[:, 1]]
        nearest[hit] = depth[hit]
    return image


def save_photos(folder: Path, poses: list[np.ndarray], seed: int = 0, prefix: str = "photo") -> list[Path]:
    """Write PNG files named prefix_000.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{prefix}_{i:03d}.png" for i in range(len(poses))]
    for path, pose in zip(paths, poses, strict=True):
        Image.fromarray(photograph(pose, seed)).save(path)
    return paths
