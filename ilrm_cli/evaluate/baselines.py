"""Baselines of a model: pictures without 3D, and Gaussians without training."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.layers.config import HeadConfig, MatchingConfig
from ilrm_cli.models.layers.gaussian_head import GaussianHead, channels_of
from ilrm_cli.models.layers.plane_sweep import Matches, PlaneSweep
from ilrm_cli.pipeline.choose_views import pose_features
from ilrm_cli.pipeline.predict import witnesses

FACTOR = 2  # image side over the side of the grid of Gaussians, as in the default model
HEAD = HeadConfig(
    depth="matched", scale="footprint", opacity_shift=0.0, rotation="camera", color="pixel"
)  # the default model's; its raw numbers are zero before training
ESTIMATES = 2  # depths per pixel from a plain sweep: best matches and mean of all


def mean_color(inputs: Views) -> Float[Tensor, "3"]:
    """Return the mean RGB over all pixels of the inputs."""
    return inputs.images.mean(dim=(0, 2, 3))


def nearest_photos(inputs: Views, targets: Cameras) -> Float[Tensor, "target 3 height width"]:
    """Return, for each target, the input with the nearest camera in [position, forward], as in `select_views`."""
    both = torch.cat([inputs.cameras.world_from_cam, targets.world_from_cam]).double().cpu().numpy()
    features = torch.from_numpy(pose_features(both))
    distance = torch.cdist(features[len(inputs) :], features[: len(inputs)])
    return inputs.images[distance.argmin(dim=1).to(inputs.images.device)]


@torch.no_grad()
def plane_sweep_splat(inputs: Views, depth_range: tuple[float, float]) -> Gaussians:
    """Return one Gaussian per pixel of the half-size grid at its best matching depth, without floaters.

    This is the output of a model of `HEAD` with the default matching before its first training step.
    """
    grid, colors = _grid(inputs)
    gaussians = _splat(inputs, PlaneSweep.of(colors, grid, depth_range, MatchingConfig()).matches())
    return gaussians[~witnesses(gaussians.means, grid).floating()]


@torch.no_grad()
def constant_depth_splat(inputs: Views, depth_range: tuple[float, float]) -> Gaussians:
    """Return one Gaussian per pixel of the half-size grid, all at the middle (geometric mean) of the depth range."""
    grid, colors = _grid(inputs)
    shape = (len(inputs), grid.height, grid.width)
    near, far = math.log(depth_range[0]), math.log(depth_range[1])
    depth = torch.full((*shape, ESTIMATES), (near + far) / 2).to(colors)
    log_range = torch.tensor([near, far]).to(colors).expand(len(inputs), 2)
    return _splat(inputs, Matches(torch.zeros(*shape, 0).to(colors), depth, log_range))


def _grid(inputs: Views) -> tuple[Cameras, Float[Tensor, "view 3 rows columns"]]:
    cameras = inputs.cameras
    return cameras.resized(cameras.width // FACTOR, cameras.height // FACTOR), avg_pool2d(inputs.images, FACTOR)


def _splat(inputs: Views, matches: Matches) -> Gaussians:
    grid, colors = _grid(inputs)
    raw = torch.zeros(len(inputs), grid.height, grid.width, channels_of(HEAD)).to(colors)
    return GaussianHead(HEAD, width=1, patch=1).gaussians(raw, grid, colors, matches)
