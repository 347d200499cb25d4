"""Small random scenes and cameras for the renderer's tests."""

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import matrix_from_quaternion


def tilted_camera(width: int = 37, height: int = 29, dtype: torch.dtype = torch.float64) -> Cameras:
    """Return one camera away from the origin, with an off-centre principal point and unequal focal lengths."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = matrix_from_quaternion(torch.tensor([0.97, 0.1, -0.15, 0.08], dtype=torch.float64))
    pose[:3, 3] = torch.tensor([0.3, -0.2, 0.1])
    return Cameras(
        world_from_cam=pose[None],
        focal_px=torch.tensor([[1.1 * width, 1.2 * width]], dtype=torch.float64),
        center_px=torch.tensor([[0.47 * width, 0.54 * height]], dtype=torch.float64),
        width=width,
        height=height,
    ).to(dtype)


def front_camera(width: int, height: int, focal_px: float) -> Cameras:
    """Return one camera at the origin that looks along z, with its principal point in the middle."""
    return Cameras(
        world_from_cam=torch.eye(4)[None],
        focal_px=torch.full((1, 2), focal_px),
        center_px=torch.tensor([[width / 2, height / 2]]),
        width=width,
        height=height,
    )


def random_gaussians(
    count: int, sh_degree: int, *, seed: int = 0, scale: float = 0.2, dtype: torch.dtype = torch.float64
) -> Gaussians:
    """Return Gaussians before the cameras above, also beside and behind the image; quaternions of any length."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 0.8, 0.8])
    means[:, 2] += 3
    log_scales = 0.6 * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return Gaussians(
        means=means,
        quaternions=2 * torch.randn(count, 4, generator=generator, dtype=torch.float64),
        scales=scale * log_scales.exp(),
        opacities=0.1 + 0.85 * torch.rand(count, generator=generator, dtype=torch.float64),
        harmonics=0.6 * torch.randn(count, (sh_degree + 1) ** 2, 3, generator=generator, dtype=torch.float64),
    ).to(dtype)
