"""What training consumes: inputs and targets of one scene in the normalised frame, as at inference.

Samplers choose which frames of a capture become inputs and targets (paper section 4.1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.views import Views
from ilrm_cli.train.config import FrameGap, Spread


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
        return Sample(self.inputs.mapped(change), self.targets.mapped(change), depth, self.depth_range)


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


def pick_frames(
    rule: FrameGap | Spread,
    world_from_cam: Float64[ndarray, "frame 4 4"],
    inputs: int,
    targets: int,
    step: int,
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Choose distinct frames as inputs and as targets; there must be at least inputs + targets."""
    assert len(world_from_cam) >= inputs + targets, "too few frames for a sample"
    if isinstance(rule, FrameGap):
        return _between(rule, len(world_from_cam), inputs, targets, step, rng)
    return _spread_out(rule, world_from_cam, inputs, targets, rng)


def gap_range(rule: FrameGap, step: int) -> tuple[int, int]:
    """Return the min and max number of frames between the outer inputs at this step."""
    done = min(1.0, step / max(1, rule.steps))
    low, high = (round(a + done * (b - a)) for a, b in zip(rule.first, rule.last, strict=True))
    return low, high


def _between(
    rule: FrameGap, frames: int, inputs: int, targets: int, step: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Choose inputs evenly over an interval, including its ends, and targets from the rest of it."""
    low, high = gap_range(rule, step)
    gap = int(np.clip(rng.integers(low, high + 1), inputs + targets - 1, frames - 1))
    start = int(rng.integers(frames - gap))
    chosen = (start + np.linspace(0, gap, inputs).round().astype(int)).tolist()
    others = np.setdiff1d(np.arange(start, start + gap + 1), chosen)
    return chosen, rng.choice(others, targets, replace=False).tolist()


def _spread_out(
    rule: Spread, world_from_cam: Float64[ndarray, "frame 4 4"], inputs: int, targets: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    total = len(world_from_cam)
    covered = int(np.clip(round(total * rng.uniform(*rule.window)), inputs + targets, total))
    first = int(rng.integers(total - covered + 1))
    chosen = [first + i for i in farthest_points(world_from_cam[first : first + covered], inputs, rng)]
    others = np.setdiff1d(np.arange(first, first + covered), chosen)
    return chosen, rng.choice(others, targets, replace=False).tolist()


def farthest_points(world_from_cam: Float64[ndarray, "frame 4 4"], count: int, rng: np.random.Generator) -> list[int]:
    """Sample camera positions by farthest point sampling (Eldar et al. 1997): each is farthest from all previous."""
    positions = world_from_cam[:, :3, 3]
    chosen = [int(rng.integers(len(positions)))]
    distance = np.full(len(positions), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm(positions - positions[chosen[-1]], axis=1))
        distance[chosen] = -1.0  # cameras at one position: none twice
        chosen.append(int(distance.argmax()))
    return chosen
