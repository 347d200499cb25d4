"""Training samples: inputs and targets of a scene in the normalised frame, as at inference."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.views import Views


@dataclass(frozen=True)
class Sample:
    """One scene in the normalised frame of its inputs."""

    inputs: Views
    targets: Views
    depth: Float[Tensor, "view height width"] | None  # z-depth of the inputs; None if unknown
    depth_range: tuple[float, float]  # near, far

    def to(self, device: torch.device | str) -> "Sample":
        """Copy to the device, asynchronously if the memory is pinned."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "Sample":
        """Return the sample in page-locked memory, from which GPU copies are asynchronous."""
        return self._mapped(lambda tensor: tensor if tensor.is_cuda else tensor.pin_memory())

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> "Sample":
        depth = None if self.depth is None else change(self.depth)
        return Sample(_mapped(self.inputs, change), _mapped(self.targets, change), depth, self.depth_range)


def _mapped(views: Views, change: Callable[[Tensor], Tensor]) -> Views:
    c = views.cameras
    cameras = type(c)(change(c.world_from_cam), change(c.focal_px), change(c.center_px), c.width, c.height)
    sparse_depth = None if views.sparse_depth is None else change(views.sparse_depth)
    return Views(change(views.images), cameras, sparse_depth)


def mirrored(sample: Sample) -> Sample:
    """Mirror left and right: images flip, the world is reflected at x = 0, and so is every camera's own x axis."""
    depth = None if sample.depth is None else sample.depth.flip(-1)
    return Sample(_mirrored(sample.inputs), _mirrored(sample.targets), depth, sample.depth_range)


def _mirrored(views: Views) -> Views:
    cameras = views.cameras
    reflection = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])).to(cameras.world_from_cam)
    center = torch.stack([cameras.width - cameras.center_px[:, 0], cameras.center_px[:, 1]], dim=-1)
    poses = reflection @ cameras.world_from_cam @ reflection
    moved = type(cameras)(poses, cameras.focal_px, center, cameras.width, cameras.height)
    sparse_depth = None if views.sparse_depth is None else views.sparse_depth.flip(-1)
    return Views(views.images.flip(-1), moved, sparse_depth)
