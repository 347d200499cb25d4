"""Errors that cameras and structure from motion add to photos and poses, all off by default, and its sparse points.

Simulated points lie at textured pixels of rendered views, at slightly wrong depths.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from scipy.spatial.transform import Rotation
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.rasterize import pixels_of
from ilrm_cli.runtime.pictures import open_picture

FLAT_WEIGHT = 0.01  # weight of a pixel without gradient, relative to 1 at full contrast
MAX_SHARE = 0.15  # of all pixels: features keep a distance from each other
OUTLIER_FACTOR = 3.0  # a wrong match puts a point at most this many times too far or too near
SHARE_OF_JPEG = 0.5  # of the scenes drawn for training; the others are as a camera's raw file


@dataclass(frozen=True)
class Photometry:
    """Photometric differences between the photos of a scene, unexplained by geometry; all off at 0."""

    exposure: float = 0.0  # standard deviation of log brightness between views
    white_balance: float = 0.0  # per colour channel
    noise: float = 0.0  # standard deviation of sensor noise at full brightness, in display units
    jpeg_quality: tuple[int, int] | None = None  # range over the photos; None: uncompressed


@dataclass(frozen=True)
class PoseNoise:
    """Errors of the poses that structure from motion finds; off at 0."""

    rotation_deg: float = 0.0  # standard deviation about each axis
    translation: float = 0.0  # standard deviation along each axis, as a share of the scene's median depth


def disturb(
    images: Float[Tensor, "view 3 height width"], photometry: Photometry, rng: np.random.Generator
) -> Float[Tensor, "view 3 height width"]:
    """Vary gains per view and add sensor noise and JPEG artefacts; CPU and CUDA draw different noise."""
    views = images.shape[0]
    log_gain = photometry.exposure * rng.standard_normal((views, 1, 1, 1))
    log_gain = log_gain + photometry.white_balance * rng.standard_normal((views, 3, 1, 1))
    seen = images * torch.from_numpy(np.exp(log_gain)).float().to(images.device)
    dice = torch.Generator(images.device).manual_seed(int(rng.integers(1 << 62)))
    noise = torch.randn(images.shape, generator=dice, device=images.device)
    photos = (seen + photometry.noise * noise * (0.3 + 0.7 * seen).sqrt()).clamp(0, 1)
    if photometry.jpeg_quality is None:
        return photos
    low, high = photometry.jpeg_quality
    return torch.stack([through_jpeg(photo, int(rng.integers(low, high + 1))) for photo in photos])


def through_jpeg(image: Float[Tensor, "3 height width"], quality: int) -> Float[Tensor, "3 height width"]:
    """Encode a picture as JPEG of the given quality (1 to 95) and decode it, keeping its device."""
    data = io.BytesIO()
    Image.fromarray(pixels_of(image)).save(data, "JPEG", quality=quality)
    with open_picture(data, ("JPEG",)) as kept:
        return torch.from_numpy(np.array(kept)).permute(2, 0, 1).float().div(255).to(image.device)


def shaken(cameras: Cameras, noise: PoseNoise, median_depth: float, rng: np.random.Generator) -> Cameras:
    """Return the cameras with small errors of rotation and position."""
    turn = math.radians(noise.rotation_deg) * rng.standard_normal((len(cameras), 3))
    rotation = Rotation.from_rotvec(turn).as_matrix()
    pose = cameras.world_from_cam.double().clone()
    pose[:, :3, :3] = pose[:, :3, :3] @ torch.from_numpy(rotation)
    pose[:, :3, 3] += noise.translation * median_depth * torch.from_numpy(rng.standard_normal((len(cameras), 3)))
    return replace(cameras, world_from_cam=pose.to(cameras.world_from_cam))


def draw_photometry(rng: np.random.Generator) -> Photometry:
    """Draw how much photos of one scene differ: from one locked camera to a phone that adjusts itself all the time."""
    return Photometry(
        exposure=_between(0.005, 0.12, rng),
        white_balance=_between(0.002, 0.04, rng),
        noise=_between(0.003, 0.03, rng),
        jpeg_quality=(60, 95) if rng.random() < SHARE_OF_JPEG else None,
    )


def draw_pose_noise(rng: np.random.Generator) -> PoseNoise:
    """Draw errors as structure from motion leaves them: turned and moved by as much, seen in the image."""
    rotation_deg = _between(0.002, 0.06, rng)
    return PoseNoise(rotation_deg, math.radians(rotation_deg))


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@dataclass(frozen=True)
class Triangulation:
    """The quality of sparse points; the defaults are clean."""

    points: float = 500.0  # per view, at most
    far: float = 6.0  # nothing beyond this multiple of the lower quartile of all depths is triangulated
    noise: float = 0.0  # standard deviation of log-depth
    outliers: float = 0.0  # share of points at a wrong depth


def draw_triangulation(rng: np.random.Generator) -> Triangulation:
    """Draw a quality as captures vary: from dozens of points in plain rooms to thousands, only nearby or far out."""
    return Triangulation(
        points=_between(40, 1500, rng),
        far=_between(1.5, 8, rng),
        noise=_between(0.001, 0.02, rng),
        outliers=float(rng.uniform(0, 0.03)),
    )


def triangulated(
    images: Float[Tensor, "view 3 height width"],
    depth: Float[Tensor, "view height width"],
    quality: Triangulation,
    rng: np.random.Generator,
) -> Float[Tensor, "view height width"]:
    """Return z-depth at the pixels where a point is found, 0 elsewhere, in the unit of `depth`."""
    gray = images.mean(1)
    across, down = (gray[:, :, 1:] - gray[:, :, :-1]).abs(), (gray[:, 1:] - gray[:, :-1]).abs()
    contrast = torch.nn.functional.pad(across, (0, 1)) + torch.nn.functional.pad(down, (0, 0, 0, 1))
    limit = quality.far * depth.flatten()[:: max(1, depth.numel() // 10_000)].quantile(0.25)
    weight = (contrast + FLAT_WEIGHT) * (depth <= limit)

    count = round(min(quality.points, MAX_SHARE * depth[0].numel()))
    luck = torch.from_numpy(rng.gumbel(size=tuple(depth.shape))).to(depth)
    order = (weight.log() + luck).flatten(1)  # the largest are a weighted draw without replacement
    best = order.topk(count, dim=1)
    error = quality.noise * rng.standard_normal((len(depth), count))
    wild = rng.random((len(depth), count)) < quality.outliers
    error = np.where(wild, rng.uniform(-np.log(OUTLIER_FACTOR), np.log(OUTLIER_FACTOR), error.shape), error)
    value = depth.flatten(1).gather(1, best.indices) * torch.from_numpy(np.exp(error)).to(depth)
    value = value * best.values.isfinite()
    return torch.zeros_like(depth).flatten(1).scatter(1, best.indices, value).view_as(depth)
