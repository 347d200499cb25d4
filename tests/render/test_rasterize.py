"""Images of the CPU renderer: known values, invariants, and a dense float64 renderer as an independent oracle."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras, stack
from ilrm_cli.geometry.gaussians import TENSORS, Gaussians
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.geometry.transforms import Similarity, matrix_from_quaternion
from ilrm_cli.render.rasterize import render, renderer_for
from tests.support.dense_renderer import dense_render
from tests.support.gaussian_scenes import front_camera, random_gaussians, tilted_camera

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def blob(mean: tuple[float, ...], opacity: float, color: tuple[float, ...], scale: float = 0.1) -> Gaussians:
    """Return one round Gaussian of constant colour."""
    return Gaussians(
        means=torch.tensor([mean], dtype=torch.float32),
        quaternions=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.full((1, 3), scale),
        opacities=torch.tensor([opacity]),
        harmonics=((torch.tensor(color) - 0.5) / SH_C0).reshape(1, 1, 3),
    )


def join(*scenes: Gaussians) -> Gaussians:
    return Gaussians.concatenated(*scenes)


CAMERA = front_camera(31, 31, 40.0)  # its middle pixel (15, 15) looks along the axis


def test_one_gaussian_has_its_opacity_and_colour_at_its_centre():
    image = render(blob((0, 0, 2), 0.6, RED), CAMERA, background=torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(image.color[0, :, 15, 15], torch.tensor([0.6, 0.2, 0.4]))
    torch.testing.assert_close(image.alpha[0, 15, 15], torch.tensor(0.6))
    torch.testing.assert_close(image.depth[0, 15, 15], torch.tensor(2.0))


def test_one_gaussian_falls_off_by_its_projected_variance():
    image = render(blob((0, 0, 2), 0.6, RED), CAMERA)
    variance = (40 * 0.1 / 2) ** 2 + 0.3
    torch.testing.assert_close(image.alpha[0, 15, 18], torch.tensor(0.6 * math.exp(-0.5 * 3**2 / variance)))


@pytest.mark.parametrize(("scale", "expected"), [(0.1, 4.0 / 4.3), (0.01, 0.04 / 0.34)])
def test_an_antialiased_gaussian_keeps_its_integral(scale: float, expected: float):
    """Its variance of (40 px · scale / 2)² is widened by 0.3 px² and its opacity lowered by the ratio of the two."""
    scene = replace(blob((0, 0, 2), 0.6, RED, scale), antialiased=True)
    torch.testing.assert_close(render(scene, CAMERA).alpha[0, 15, 15], torch.tensor(0.6 * expected))


def test_an_antialiased_scene_equals_the_dense_renderers():
    scene, camera = replace(random_gaussians(80, 1, scale=0.03), antialiased=True), tilted_camera()
    background = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    expected = dense_render(scene, camera, background)
    drawn = images(scene.to(torch.float32), camera.to(torch.float32))
    for ours, theirs in zip(drawn[1:], expected[1:], strict=True):
        torch.testing.assert_close(ours[0].double(), theirs, atol=2e-4, rtol=1e-3)
    plain = dense_render(replace(scene, antialiased=False), camera, background)
    assert (plain[1] - expected[1]).abs().max() > 0.05


def test_contributions_under_one_255th_are_skipped():
    variance = (40 * 0.1 / 2) ** 2 + 0.3
    image = render(blob((0, 0, 2), 0.6, RED), CAMERA)
    last = math.floor(math.sqrt(2 * variance * math.log(0.6 * 255)))
    assert image.alpha[0, 15, 15 + last] > 1 / 255
    assert image.alpha[0, 15, 16 + last] == 0
    assert image.depth[0, 15, 16 + last] == 0


def test_two_overlapping_gaussians_composite_by_depth_not_by_order():
    near, far = blob((0, 0, 2), 0.6, RED), blob((0, 0, 4), 0.5, GREEN)
    for scene in (join(near, far), join(far, near)):
        image = render(scene, CAMERA, background=torch.zeros(3))
        torch.testing.assert_close(image.color[0, :, 15, 15], torch.tensor([0.6, 0.4 * 0.5, 0.0]))
        torch.testing.assert_close(image.alpha[0, 15, 15], torch.tensor(0.8))
        torch.testing.assert_close(image.depth[0, 15, 15], torch.tensor((0.6 * 2 + 0.2 * 4) / 0.8))


def test_alpha_is_capped():
    scene = join(blob((0, 0, 2), 1.0, RED), blob((0, 0, 4), 0.5, GREEN))
    image = render(scene, CAMERA, background=torch.zeros(3))
    torch.testing.assert_close(image.color[0, :, 15, 15], torch.tensor([0.999, 0.001 * 0.5, 0]), atol=1e-6, rtol=0)


def test_a_saturated_pixel_takes_nothing_more():
    """The second would leave 5e-5 of the light: it is not drawn, nor is anything behind it."""
    scene = join(blob((0, 0, 2), 1.0, RED), blob((0, 0, 3), 0.95, GREEN), blob((0, 0, 4), 0.5, GREEN))
    image = render(scene, CAMERA, background=torch.zeros(3))
    torch.testing.assert_close(image.color[0, :, 15, 15], torch.tensor([0.999, 0, 0]), atol=1e-6, rtol=0)


def test_a_cutoff_leaves_out_no_more_than_its_share_and_what_lies_behind_gets_no_gradient():
    """Of 200 layers of a tenth, light falls to a hundredth after 44."""
    layers = join(*(blob((0, 0, 2 + 0.01 * i), 0.1, RED if i % 3 else GREEN, scale=30.0) for i in range(200)))
    scene = replace(layers, opacities=layers.opacities.clone().requires_grad_())
    whole, cut = render(scene, CAMERA).color, render(scene, CAMERA, cutoff=0.01).color
    difference = (whole - cut).abs().max()
    assert 0 < difference <= 0.01
    with_all, with_cut = (torch.autograd.grad(image[:, 0].sum(), scene.opacities)[0] for image in (whole, cut))
    assert with_all[80] != 0
    assert with_cut[80] == 0
    torch.testing.assert_close(with_cut[:20], with_all[:20], rtol=0.05, atol=0)


def test_background_defaults_to_white():
    assert (render(blob((0, 0, 2), 0.6, RED), CAMERA).color[0, :, 0, 0] == 1).all()


@pytest.mark.parametrize(
    "scene",
    [
        blob((0, 0, 2), 0.6, RED)[:0],
        blob((0, 0, -2), 0.6, RED),
        blob((0, 0, 0.005), 0.6, RED),
        blob((0, 0, 2), 0.0, RED),
        blob((50, 0, 2), 0.6, RED),
    ],
    ids=["no Gaussians", "behind the camera", "before the near plane", "opacity 0", "outside the image"],
)
def test_nothing_to_see_is_background(scene: Gaussians):
    image = render(scene, CAMERA, background=torch.tensor([0.1, 0.2, 0.3]))
    assert (image.color == torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)).all()
    assert (image.alpha == 0).all()
    assert (image.depth == 0).all()


@pytest.mark.parametrize("field", TENSORS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gaussian_that_is_not_finite_is_not_drawn_and_gets_no_gradient(field: str, bad: float):
    clean = random_gaussians(20, 1, dtype=torch.float32)
    broken = clean.rebuilt(*(value.clone() for value in clean.tensors()))
    getattr(broken, field)[3].fill_(bad)
    value = getattr(broken, field).requires_grad_()
    camera = tilted_camera(dtype=torch.float32)
    image = render(broken, camera)
    keep = torch.arange(20) != 3
    assert torch.equal(image.color, render(clean[keep], camera).color)
    image.color.sum().backward()
    assert value.grad is not None
    assert value.grad.isfinite().all()


def test_order_of_gaussians_does_not_matter():
    scene, camera = random_gaussians(60, 2, dtype=torch.float32), tilted_camera(dtype=torch.float32)
    shuffled = scene[torch.randperm(60, generator=torch.Generator().manual_seed(1))]
    for a, b in zip(images(scene, camera), images(shuffled, camera), strict=True):
        torch.testing.assert_close(a, b)


def images(scene: Gaussians, camera: Cameras) -> tuple[torch.Tensor, ...]:
    image = render(scene, camera)
    return image.color, image.alpha, image.depth


def test_moving_world_and_camera_together_changes_nothing():
    scene, camera = random_gaussians(60, 3, dtype=torch.float32), tilted_camera(dtype=torch.float32)
    turn = matrix_from_quaternion(torch.tensor([0.9, 0.2, -0.3, 0.1]))
    move = Similarity(scale=1.0, rotation=turn, translation=torch.tensor([0.5, -1.0, 2.0]))
    pose = torch.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, move.translation
    moved = replace(camera, world_from_cam=pose @ camera.world_from_cam)
    for a, b in zip(images(scene, camera), images(scene.transformed(move), moved), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=2e-4)


def test_the_same_input_gives_the_same_bits():
    scene, camera = random_gaussians(300, 3, dtype=torch.float32), tilted_camera(100, 70, torch.float32)
    for a, b in zip(images(scene, camera), images(scene, camera), strict=True):
        assert torch.equal(a, b)


def test_any_number_of_threads_gives_the_same_bits():
    scene, camera = random_gaussians(300, 1, dtype=torch.float32), tilted_camera(100, 70, torch.float32)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(render(scene, camera).color)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_renders_may_run_side_by_side():
    scene, camera = random_gaussians(300, 1, dtype=torch.float32), tilted_camera(100, 70, torch.float32)
    alone = render(scene, camera).color
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: render(scene, camera).color, range(12)))
    assert all(torch.equal(alone, image) for image in together)


def test_several_cameras_are_drawn_one_by_one():
    scene, first = random_gaussians(40, 1, dtype=torch.float32), tilted_camera(dtype=torch.float32)
    second = replace(first, focal_px=first.focal_px * 1.5)
    both = render(scene, stack([first, second]))
    assert torch.equal(both.color[0], render(scene, first).color[0])
    assert torch.equal(both.color[1], render(scene, second).color[0])


@pytest.mark.parametrize("size", [(1, 1), (15, 17), (37, 29), (64, 48)])
@pytest.mark.parametrize("sh_degree", [0, 3])
def test_images_equal_the_dense_renderers(size: tuple[int, int], sh_degree: int):
    scene, camera = random_gaussians(80, sh_degree), tilted_camera(*size)
    background = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    color, alpha, depth = dense_render(scene, camera, background)
    image = render(scene.to(torch.float32), camera.to(torch.float32), background=background.float())
    # A contribution of 1/255 that rounding skips or keeps may differ at a pixel or two.
    assert close_share(image.color[0], color) > 0.999
    assert close_share(image.alpha[0], alpha) > 0.999
    assert close_share(image.depth[0], depth) > 0.999
    torch.testing.assert_close(image.color[0].double(), color, atol=5e-3, rtol=0)


def close_share(ours: torch.Tensor, oracle: torch.Tensor) -> float:
    """Return the share of pixels that agree to 1e-5 of the largest value."""
    return float(((ours.double() - oracle).abs() <= 1e-5 * oracle.abs().max().clamp_min(1)).double().mean())


def test_which_renderer_runs():
    assert renderer_for("cpu") == "cpu"
    assert renderer_for("cuda:0") == "gsplat"
