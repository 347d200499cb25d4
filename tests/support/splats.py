"""Scenes for the tests of formats, and the distance between two of them."""

import torch
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import matrix_from_quaternion


def splats(count: int, degree: int, seed: int = 0) -> Gaussians:
    """Return random Gaussians within the range of every format: colours mostly in [0, 1], scales from 0.01 to 0.1."""
    draw = torch.Generator().manual_seed(seed)
    harmonics = 0.15 * torch.randn(count, (degree + 1) ** 2, 3, generator=draw)
    harmonics[:, 0] *= 4
    return Gaussians(
        means=torch.randn(count, 3, generator=draw),
        quaternions=torch.nn.functional.normalize(torch.randn(count, 4, generator=draw), dim=1),
        scales=0.01 * 10 ** torch.rand(count, 3, generator=draw),
        opacities=0.05 + 0.9 * torch.rand(count, generator=draw),
        harmonics=harmonics.clamp(-1.5, 1.5),
    )


def one(**changes: Tensor) -> Gaussians:
    """Return a grey Gaussian at (1, 2, 3)."""
    parts = {
        "means": torch.tensor([[1.0, 2.0, 3.0]]),
        "quaternions": torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        "scales": torch.tensor([[1.0, 0.5, 0.25]]),
        "opacities": torch.tensor([1.0]),
        "harmonics": torch.zeros(1, 1, 3),
    }
    return Gaussians(**{**parts, **changes})


def apart(ours: Gaussians, theirs: Gaussians) -> dict[str, float]:
    """Return the largest difference per property; Gaussians are matched by their means, in any order.

    Shapes are compared as covariances over their trace, since several quaternions give the same one.
    """
    near = torch.cdist(ours.means.double(), theirs.means.double()).argmin(1)
    assert len(near.unique()) == len(ours) == len(theirs)
    theirs = theirs[near]
    bases = min(ours.harmonics.shape[1], theirs.harmonics.shape[1])
    pairs = {
        "means": (ours.means, theirs.means),
        "shapes": (shapes(ours), shapes(theirs)),
        "log_scales": (ours.scales.log().sum(1), theirs.scales.log().sum(1)),
        "opacities": (ours.opacities, theirs.opacities),
        "colors": (ours.harmonics[:, 0], theirs.harmonics[:, 0]),
        "harmonics": (ours.harmonics[:, 1:bases], theirs.harmonics[:, 1:bases]),
    }
    return {name: float((a - b).abs().max()) if a.numel() else 0.0 for name, (a, b) in pairs.items()}


def shapes(gaussians: Gaussians) -> Tensor:
    axes = matrix_from_quaternion(gaussians.quaternions.double()) * gaussians.scales.double()[:, None]
    covariances = axes @ axes.transpose(1, 2)
    return covariances / covariances.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
