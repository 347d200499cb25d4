"""Which frames become inputs and targets, and what samples hold."""

import numpy as np
import pytest
import torch

from ilrm_cli.geometry.cameras import directions_through, pixel_centers
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.config import FrameGap, Spread
from ilrm_cli.train.samples import farthest_points, gap_range, mirrored, pick_frames
from tests.support.training_samples import blob_sample, blobs, procedural_sample


def surface_points(sample) -> torch.Tensor:
    """Return world positions of all input pixels. [V, H, W, 3]"""
    cameras = sample.inputs.cameras
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    return cameras.positions[:, None, None] + sample.depth[..., None] * directions_through(cameras, pixels)


def test_mirroring_reflects_the_world():
    sample = procedural_sample(views=2, targets=1)
    other = mirrored(sample)
    reflection = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(surface_points(other), (surface_points(sample) * reflection).flip(2))
    rotation = other.inputs.cameras.world_from_cam[:, :3, :3]
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(2))


def test_mirrored_pictures_are_those_of_a_mirrored_scene():
    """Round Gaussians: their reflection is that of their means."""
    sample, scene = mirrored(blob_sample()), blobs()
    scene.means[:, 0] *= -1
    torch.testing.assert_close(render(scene, sample.targets.cameras).color, sample.targets.images, atol=1e-4, rtol=0)


def test_mirroring_twice_changes_nothing():
    sample = procedural_sample()
    twice = mirrored(mirrored(sample))
    torch.testing.assert_close(twice.inputs.cameras.center_px, sample.inputs.cameras.center_px)
    torch.testing.assert_close(twice.targets.cameras.world_from_cam, sample.targets.cameras.world_from_cam)
    assert torch.equal(twice.inputs.images, sample.inputs.images)


def on_a_line(positions: list[float]) -> np.ndarray:
    poses = np.tile(np.eye(4), (len(positions), 1, 1))
    poses[:, 0, 3] = positions
    return poses


def test_the_gap_grows_as_published():
    rule = FrameGap()
    assert gap_range(rule, 0) == (25, 45)
    assert gap_range(rule, 15_000) == (35, 90)
    assert gap_range(rule, 30_000) == gap_range(rule, 10**6) == (45, 135)


@pytest.mark.parametrize("step", [0, 30_000])
def test_targets_of_a_video_lie_between_its_inputs(step):
    poses, rule = on_a_line(list(range(200))), FrameGap()
    for seed in range(50):
        inputs, targets = pick_frames(rule, poses, 4, 4, step, np.random.default_rng(seed))
        low, high = gap_range(rule, step)
        assert low <= inputs[-1] - inputs[0] <= high
        assert len({*inputs, *targets}) == 8
        assert all(inputs[0] < frame < inputs[-1] for frame in targets)


def test_a_short_video_gives_what_it_has():
    inputs, targets = pick_frames(FrameGap(), on_a_line(list(range(6))), 4, 2, 0, np.random.default_rng(0))
    assert sorted(inputs + targets) == list(range(6))


def test_farthest_points_of_a_known_line():
    poses = on_a_line([0.0, 1.0, 2.0, 3.0, 10.0, 11.0])
    chosen = farthest_points(poses, 3, np.random.default_rng(3))
    first = chosen[0]
    assert chosen[1] == (5 if first < 4 else 0)
    assert len(set(farthest_points(on_a_line([1.0] * 4), 4, np.random.default_rng(0)))) == 4  # all at one place


def test_spread_frames_come_from_one_stretch():
    rule, spans = Spread(window=(0.1, 0.1)), []
    for seed in range(20):
        inputs, targets = pick_frames(rule, on_a_line(list(range(100))), 4, 3, 0, np.random.default_rng(seed))
        assert len({*inputs, *targets}) == 7
        spans.append(max(inputs + targets) - min(inputs + targets))
    assert max(spans) < 10
