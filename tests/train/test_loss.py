"""What training minimises, directly and deferred."""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.cameras import directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import TENSORS, Gaussians
from ilrm_cli.render.cpu import rasterizer
from ilrm_cli.render.metrics import ssim
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.loss import depth_error, render_deferred, scene_loss
from tests.support.gaussian_scenes import random_gaussians
from tests.support.training_samples import cameras_side_by_side, procedural_sample


def splat_at_depth(sample, factor: int, stretch: float) -> Gaussians:
    """Return one Gaussian per viewpoint pixel, at `stretch` times the true depth."""
    grid = sample.inputs.cameras.resized(sample.inputs.cameras.width // factor, sample.inputs.cameras.height // factor)
    pixels = pixel_centers(grid.width, grid.height, grid.focal_px).expand(len(grid), -1, -1, -1)
    depth = sample.depth[:, factor // 2 :: factor, factor // 2 :: factor, None] * stretch
    means = (grid.positions[:, None, None] + depth * directions_through(grid, pixels)).flatten(0, 2)
    n = len(means)
    return Gaussians(
        means, torch.tensor([1.0, 0, 0, 0]).repeat(n, 1), torch.ones(n, 3), torch.full((n,), 0.5), torch.zeros(n, 1, 3)
    )


def test_depth_error_of_known_displacements():
    sample = procedural_sample()
    assert float(depth_error(splat_at_depth(sample, 2, 1.0), sample.depth, sample)) < 1e-8
    doubled = float(depth_error(splat_at_depth(sample, 2, 2.0), sample.depth, sample))
    log2 = torch.log(torch.tensor(2.0))
    torch.testing.assert_close(torch.tensor(doubled), 0.1 * (log2 - 0.05), rtol=1e-3, atol=0)  # Huber, delta 0.1


def test_transparent_gaussians_pay_nothing():
    sample = procedural_sample()
    wrong = splat_at_depth(sample, 2, 3.0)
    right = splat_at_depth(sample, 2, 1.0)
    half = torch.arange(len(wrong)) % 2 == 0
    mixed = Gaussians(
        torch.where(half[:, None], wrong.means, right.means),
        wrong.quaternions, wrong.scales, torch.where(half, 0.0, 0.9), wrong.harmonics,
    )  # fmt: skip
    assert float(depth_error(mixed, sample.depth, sample)) < 1e-8


PLAIN = TrainConfig(ssim_weight=0.0, depth_weight=0.0, final_depth_weight=0.0, inputs_rendered=0)


def test_the_plain_loss_is_the_squared_error():
    sample = procedural_sample()
    splats = splat_at_depth(sample, 2, 1.0)
    error = render(splats, sample.targets.cameras).color - sample.targets.images
    assert float(scene_loss(splats, sample, PLAIN, 0.0).total) == float(error.square().mean()) > 0


def test_terms_add_with_their_weights():
    sample = procedural_sample()
    scene = splat_at_depth(sample, 2, 1.3)
    plain = float(scene_loss(scene, sample, PLAIN, 0.0).total)

    def added(progress: float = 0.0, **weights: float) -> float:
        config = dataclasses.replace(PLAIN, **weights)
        perceptual = lambda image, truth: torch.tensor(3.0)  # noqa: E731
        return float(scene_loss(scene, sample, config, progress, perceptual).total) - plain

    depth = float(depth_error(scene, sample.depth, sample))
    assert added(opacity_weight=2.0) == pytest.approx(2 * 0.5, abs=1e-5)
    assert added(perceptual_weight=0.5) == pytest.approx(1.5, abs=1e-5)
    assert added(depth_weight=2.0) == pytest.approx(2 * depth, rel=1e-4)
    assert added(progress=0.5, depth_weight=2.0) == pytest.approx(depth, rel=1e-4)  # it fades to 0 here
    assert 0 < added(ssim_weight=1.0) < 2


def test_without_true_depth_its_term_is_left_out():
    sample = procedural_sample()
    blind = dataclasses.replace(sample, depth=None)
    config = dataclasses.replace(PLAIN, depth_weight=5.0)
    scene = splat_at_depth(sample, 2, 1.3)
    assert float(scene_loss(scene, blind, config, 0.0).total) == float(scene_loss(scene, sample, PLAIN, 0.0).total)


def leaves() -> Gaussians:
    scene = random_gaussians(60, 0, dtype=torch.float32)
    return scene.rebuilt(*(value.clone().requires_grad_() for value in scene.tensors()))


def loss_of(images: torch.Tensor) -> torch.Tensor:
    truth = torch.linspace(0, 1, images.numel()).view_as(images)
    return (images - truth).square().mean() + 0.1 * (1 - ssim(images, truth).mean())


def test_images_and_gradients_are_those_of_the_direct_way():
    cameras = cameras_side_by_side(4, 32)
    direct, deferred = leaves(), leaves()
    images = render(direct, cameras).color
    loss_of(images).backward()
    again = render_deferred(deferred, cameras)
    assert torch.equal(again, images)
    loss_of(again).backward()
    for name in TENSORS:
        wanted = getattr(direct, name).grad
        assert wanted.abs().max() > 0
        torch.testing.assert_close(getattr(deferred, name).grad, wanted, atol=1e-6, rtol=0)


def test_no_more_than_one_view_is_held(monkeypatch):
    """The renderer's frames hold what the backward pass needs; this counts those alive."""
    alive, most = 0, 0

    class Counted(rasterizer.Frame):
        def __init__(self, *arguments):
            nonlocal alive, most
            super().__init__(*arguments)
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    monkeypatch.setattr(rasterizer, "Frame", Counted)
    for way, expected in ((lambda g, c: render(g, c).color, 4), (render_deferred, 1)):
        most = 0
        loss_of(way(leaves(), cameras_side_by_side(4, 32))).backward()
        assert most <= expected + 1
        assert way is render_deferred or most >= 4
