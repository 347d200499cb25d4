"""A sphere of large Gaussians behind everything, visible where no surface was found.

Our addition to iLRM (not in the paper), similar to the skyboxes of large-scale splatting (Kerbl et al. 2024, A
Hierarchical 3D Gaussian Representation, section 5.3). Without it holes show white, and a model in training learns to
smear surfaces over them instead of leaving them open. The sphere's colour is a smooth function of direction, spherical
harmonics fitted to all input pixels: roughly the sky above, the ground below, the walls around.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry.cameras import unit_rays
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import basis, fibonacci_sphere
from ilrm_cli.geometry.views import Views

COUNT = 1000  # Gaussians on the sphere: 6 degrees apart
OVERLAP = 0.9  # standard deviation over spacing: the sphere is opaque everywhere
OPACITY = 0.999
BEYOND = 100.0  # radius over the scene's far depth: beyond anything that the model can place
DEGREE = 2  # of the colour: best on real scenes, slightly better than constant or 3
RIDGE = 1e-3  # pull towards the mean colour in directions that no input sees
FIT_PX = 64  # long side of the images used for fitting


def before_backdrop(gaussians: Gaussians, inputs: Views, depth_range: tuple[float, float]) -> Gaussians:
    """Return the Gaussians followed by the sphere; `depth_range` is the scene's (near, far)."""
    return Gaussians.concatenated(gaussians, backdrop(inputs, depth_range[1]))


@torch.no_grad()
def backdrop(inputs: Views, far: float) -> Gaussians:
    """Build the sphere around the inputs, in their frame and unit; `far` is the largest depth of the scene."""
    directions = fibonacci_sphere(COUNT, inputs.images)
    colors = fitted_colors(inputs, directions)
    cameras = inputs.cameras
    center = cameras.positions.mean(0)
    radius = BEYOND * far + float((cameras.positions - center).norm(dim=1).max())
    spacing = radius * math.sqrt(4 * math.pi / COUNT)
    scales = torch.full_like(directions[:, 0], OVERLAP * spacing)
    return Gaussians.isotropic(center + radius * directions, scales, colors, OPACITY)


def fitted_colors(inputs: Views, directions: Float[Tensor, "direction 3"]) -> Float[Tensor, "direction 3"]:
    """Evaluate, in the given directions, a ridge regression of input pixels on spherical harmonics of their rays."""
    factor = max(1, max(inputs.cameras.width, inputs.cameras.height) // FIT_PX)
    images = avg_pool2d(inputs.images, factor)
    cameras = inputs.cameras.resized(images.shape[-1], images.shape[-2])
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3)
    values = basis(unit_rays(cameras)[1], DEGREE).flatten(0, -2)[:, 1:]  # the constant is the mean, unpenalised
    mean = pixels.mean(0)
    normal = values.T @ values / len(values) + RIDGE * torch.eye(values.shape[1]).to(values)
    coefficients = torch.linalg.solve(normal, values.T @ (pixels - mean) / len(values))
    return (basis(directions, DEGREE)[:, 1:] @ coefficients + mean).clamp(0, 1)
