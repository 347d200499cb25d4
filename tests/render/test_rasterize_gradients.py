"""Gradients of the CPU renderer against autograd through the dense float64 renderer, itself checked by differences."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras, stack
from ilrm_cli.geometry.gaussians import TENSORS, Gaussians
from ilrm_cli.render.rasterize import render
from tests.support.dense_renderer import dense_render
from tests.support.gaussian_scenes import random_gaussians, tilted_camera

BACKGROUND = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)


def upstream(camera: Cameras, dtype: torch.dtype) -> list[Tensor]:
    """Return fixed random weights of colour, alpha and depth in the loss."""
    generator = torch.Generator().manual_seed(5)
    shapes = [(3, camera.height, camera.width), (camera.height, camera.width), (camera.height, camera.width)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def loss(outputs: tuple[Tensor, ...], weights: list[Tensor], parts: str) -> Tensor:
    names = ("color", "alpha", "depth")
    return sum(((o * w).sum() for n, o, w in zip(names, outputs, weights, strict=True) if n in parts), torch.zeros(()))


def leaves(scene: Gaussians) -> Gaussians:
    return scene.rebuilt(*(value.detach().clone().requires_grad_() for value in scene.tensors()))


def dense_gradients(scene: Gaussians, camera: Cameras, parts: str) -> dict[str, Tensor]:
    scene, background = leaves(scene), BACKGROUND.clone().requires_grad_()
    inputs = [getattr(scene, name) for name in TENSORS] + [background]
    value = loss(dense_render(scene, camera, background), upstream(camera, torch.float64), parts)
    return dict(zip([*TENSORS, "background"], torch.autograd.grad(value, inputs, materialize_grads=True), strict=True))


def our_gradients(scene: Gaussians, camera: Cameras, parts: str) -> dict[str, Tensor]:
    scene, background = leaves(scene.to(torch.float32)), BACKGROUND.float().requires_grad_()
    inputs = [getattr(scene, name) for name in TENSORS] + [background]
    image = render(scene, camera.to(torch.float32), background=background)
    outputs = (image.color[0], image.alpha[0], image.depth[0])
    value = loss(outputs, upstream(camera, torch.float32), parts)
    return dict(zip([*TENSORS, "background"], torch.autograd.grad(value, inputs, materialize_grads=True), strict=True))


@pytest.mark.parametrize("parts", ["color", "alpha", "depth", "color alpha depth"])
@pytest.mark.parametrize("sh_degree", [0, 1, 2, 3])
def test_gradients_equal_the_dense_renderers(sh_degree: int, parts: str):
    scene, camera = random_gaussians(30, sh_degree, seed=4), tilted_camera()
    expected, ours = dense_gradients(scene, camera, parts), our_gradients(scene, camera, parts)
    for name, gradient in expected.items():
        error = (ours[name].double() - gradient).abs().max()
        assert error <= 2e-4 * gradient.abs().max(), f"{name}: {error} of {gradient.abs().max()}"


@pytest.mark.parametrize("parts", ["color", "alpha", "depth"])
def test_gradients_of_antialiased_scenes_equal_the_dense_renderers(parts: str):
    scene, camera = replace(random_gaussians(30, 1, seed=4, scale=0.02), antialiased=True), tilted_camera()
    expected, ours = dense_gradients(scene, camera, parts), our_gradients(scene, camera, parts)
    for name, gradient in expected.items():
        error = (ours[name].double() - gradient).abs().max()
        assert error <= 2e-4 * gradient.abs().max(), f"{name}: {error} of {gradient.abs().max()}"


@pytest.mark.parametrize("sh_degree", [0, 3])
def test_the_dense_renderers_gradients_equal_finite_differences(sh_degree: int):
    scene, camera = random_gaussians(12, sh_degree, seed=4), tilted_camera(20, 14)
    weights, step = upstream(camera, torch.float64), 1e-6
    expected = dense_gradients(scene, camera, "color alpha depth")
    generator = torch.Generator().manual_seed(9)
    for name in TENSORS:
        value = getattr(scene, name)
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        ends = [
            loss(
                dense_render(replace(scene, **{name: value + sign * step * direction}), camera, BACKGROUND),
                weights,
                "color alpha depth",
            )
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close((expected[name] * direction).sum(), slope, rtol=1e-5, atol=1e-5)


def test_gradients_of_several_cameras_add_up():
    scene, first = random_gaussians(30, 1, dtype=torch.float32), tilted_camera(dtype=torch.float32)
    second = replace(first, focal_px=first.focal_px * 1.5)

    def gradient(cameras: Cameras) -> Tensor:
        parameters = leaves(scene)
        return torch.autograd.grad(render(parameters, cameras).color.square().sum(), parameters.means)[0]

    torch.testing.assert_close(gradient(stack([first, second])), gradient(first) + gradient(second))


def test_the_same_input_gives_the_same_gradient_bits():
    scene, camera = random_gaussians(300, 3), tilted_camera(100, 70)
    first, second = (our_gradients(scene, camera, "color alpha depth") for _ in range(2))
    for name in TENSORS:
        assert torch.equal(first[name], second[name])


def test_any_number_of_threads_gives_the_same_gradient_bits():
    scene, camera = random_gaussians(300, 1), tilted_camera(100, 70)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(our_gradients(scene, camera, "color alpha depth"))
    finally:
        torch.set_num_threads(threads)
    for name in TENSORS:
        assert torch.equal(results[0][name], results[1][name]), name
        assert torch.equal(results[0][name], results[2][name]), name


def test_saturated_pixels_pass_gradients_only_to_what_is_seen():
    scene = random_gaussians(200, 0, scale=0.8)
    scene, camera = replace(scene, opacities=scene.opacities.clamp_min(0.9)), tilted_camera()
    ours = our_gradients(scene, camera, "color alpha")
    expected = dense_gradients(scene, camera, "color alpha")
    assert (expected["opacities"] == 0).any()
    for name, gradient in expected.items():
        assert (ours[name].double() - gradient).abs().max() <= 1e-3 * gradient.abs().max(), name
