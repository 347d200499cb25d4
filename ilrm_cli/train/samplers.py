"""Sampling of a capture's frames as inputs and targets (paper section 4.1)."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.train.config import FrameGap, Spread


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
