import torch

from ilrm_cli.geometry.rays import directions_through, pixel_centers
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.samples import mirrored
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
