from dataclasses import fields

import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.cpu import rasterizer
from ilrm_cli.render.metrics import ssim
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.loss import render_deferred
from tests.support.gaussian_scenes import random_gaussians
from tests.support.training_samples import cameras_side_by_side


def leaves() -> Gaussians:
    scene = random_gaussians(60, 0, dtype=torch.float32)
    return Gaussians(*(getattr(scene, f.name).clone().requires_grad_() for f in fields(scene)))


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
    for f in fields(direct):
        wanted = getattr(direct, f.name).grad
        assert wanted.abs().max() > 0
        torch.testing.assert_close(getattr(deferred, f.name).grad, wanted, atol=1e-6, rtol=0)


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
