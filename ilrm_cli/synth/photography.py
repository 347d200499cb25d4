"""Errors that cameras and structure from motion add to photos and poses; all off by default."""

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
    pixels = (image.permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality)
    with Image.open(data) as kept:
        return torch.from_numpy(np.array(kept)).permute(2, 0, 1).float().div(255).to(image.device)


def shaken(cameras: Cameras, noise: PoseNoise, median_depth: float, rng: np.random.Generator) -> Cameras:
    """Return the cameras with small errors of rotation and position."""
    turn = math.radians(noise.rotation_deg) * rng.standard_normal((len(cameras), 3))
    rotation = Rotation.from_rotvec(turn).as_matrix()
    pose = cameras.world_from_cam.double().clone()
    pose[:, :3, :3] = pose[:, :3, :3] @ torch.from_numpy(rotation)
    pose[:, :3, 3] += noise.translation * median_depth * torch.from_numpy(rng.standard_normal((len(cameras), 3)))
    return replace(cameras, world_from_cam=pose.to(cameras.world_from_cam))
