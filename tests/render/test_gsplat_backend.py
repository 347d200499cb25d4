"""Both renderers give the same images and gradients, where there is a CUDA device."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import stack
from ilrm_cli.geometry.gaussians import TENSORS, Gaussians
from ilrm_cli.render.rasterize import render
from tests.support.gaussian_scenes import random_gaussians, tilted_camera

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def images_and_gradients(scene: Gaussians, device: str) -> dict[str, torch.Tensor]:
    """Return colour, alpha, depth and the gradients of a fixed weighted sum of them, on the CPU."""
    first = tilted_camera(201, 150, torch.float32)
    cameras = stack([first, replace(first, focal_px=first.focal_px * 1.4)])
    parameters = scene.rebuilt(*(value.to(device).requires_grad_() for value in scene.tensors()))
    background = torch.tensor([0.2, 0.5, 0.9], device=device, requires_grad=True)
    image = render(parameters, cameras.to(device), background=background)
    outputs = {"color": image.color, "alpha": image.alpha, "depth": image.depth}
    generator = torch.Generator().manual_seed(3)
    loss = sum((o * torch.randn(o.shape, generator=generator).to(device)).sum() for o in outputs.values())
    inputs = dict(zip(TENSORS, parameters.tensors(), strict=True)) | {"background": background}
    gradients = torch.autograd.grad(loss, list(inputs.values()))
    return {k: v.detach().cpu() for k, v in outputs.items()} | dict(
        zip(inputs, (g.cpu() for g in gradients), strict=True)
    )


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("sh_degree", [0, 3])
def test_images_and_gradients_agree(sh_degree: int, antialiased: bool):
    scene = random_gaussians(2000, sh_degree, scale=0.05, dtype=torch.float32)
    scene = replace(scene, antialiased=antialiased)
    ours, theirs = images_and_gradients(scene, "cpu"), images_and_gradients(scene, "cuda")
    for name in ours:
        scale = theirs[name].abs().max()
        far = (ours[name] - theirs[name]).abs() > 1e-3 * scale
        assert far.float().mean() < 2e-3, name  # pixels and Gaussians at the 1/255 threshold


def test_gaussians_that_are_not_finite_and_empty_scenes_are_background():
    scene = random_gaussians(5, 1, dtype=torch.float32).to("cuda")
    camera = tilted_camera(dtype=torch.float32).to("cuda")
    broken = replace(scene, means=torch.full_like(scene.means, torch.nan))
    for nothing in (broken, scene[:0]):
        image = render(nothing, camera)
        assert (image.color == 1).all()
        assert (image.alpha == 0).all()
        assert (image.depth == 0).all()
