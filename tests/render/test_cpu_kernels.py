"""Which blocks of a tile an ellipse reaches, against its pixels one by one, images of needles, and warming up."""

import math
from dataclasses import replace

import numpy as np
import torch

from ilrm_cli.render.cpu import rasterizer
from ilrm_cli.render.cpu.arrays import BLOCK, TILE
from ilrm_cli.render.cpu.tiles import MARGIN, SLACK, blocks_in_row
from ilrm_cli.render.rasterize import prepare, render
from tests.support.dense_renderer import dense_render
from tests.support.gaussian_scenes import random_gaussians, tilted_camera

SAMPLES = 60  # along each side of a block


def random_ellipses(count: int):
    """Return mean in px from pixel (0, 0), conic XX, XY, YY in log2 units, and K of q <= K; some are needles."""
    draw = np.random.default_rng(2)
    for _ in range(count):
        small, large, turn = draw.uniform(0.5, 2), draw.uniform(0.5, 2) * draw.choice([1, 5, 40]), draw.uniform(0, 3.2)
        c, s = math.cos(turn), math.sin(turn)
        inverse = np.array([[c, -s], [s, c]]) @ np.diag([small**-2, large**-2]) @ np.array([[c, s], [-s, c]])
        conic = 0.5 * math.log2(math.e) * inverse
        yield draw.uniform(-6, 22, 2), conic[0, 0], 2 * conic[0, 1], conic[1, 1], draw.uniform(0.5, 8)


def bits_of(mean: np.ndarray, xx: float, xy: float, yy: float, k: float, row: int) -> int:
    determinant = xx * yy - xy * xy / 4
    reach_x, reach_y = math.sqrt(k * yy / determinant) + MARGIN, math.sqrt(k * xx / determinant) + MARGIN
    numbers = (
        mean[0],
        mean[1],
        reach_y,
        4 * xx * k,
        4 * SLACK * xx * yy - xy * xy,
        xy,
        0.5 / xx,
        xy * reach_x / (2 * yy),
    )
    return int(blocks_in_row.py_func(row, *(np.float32(number) for number in numbers)))


def reaches(mean: np.ndarray, xx: float, xy: float, yy: float, k: float, row: int, column: int, steps: int) -> bool:
    """Return whether the ellipse holds one of steps x steps points between a block's first and last pixel centres."""
    x = np.linspace(0, BLOCK - 1, steps) + BLOCK * column - mean[0]
    y = (np.linspace(0, BLOCK - 1, steps) + BLOCK * row - mean[1])[:, None]
    return bool((xx * x * x + xy * x * y + yy * y * y <= k).any())


def test_no_block_with_a_pixel_is_missed_and_none_beyond_the_ellipse_is_taken():
    taken = between = 0
    for ellipse in random_ellipses(150):
        for row in range(TILE // BLOCK):
            bits = bits_of(*ellipse, row)
            for column in range(TILE // BLOCK):
                found = bool(bits >> column & 1)
                assert found or not reaches(*ellipse, row, column, BLOCK)
                taken += found
                between += found and not reaches(*ellipse, row, column, SAMPLES)
    assert taken > 500
    assert between < 0.02 * taken  # within MARGIN, or finer than the samples


def test_images_of_needles_equal_the_dense_renderers():
    scene, camera = random_gaussians(60, 0), tilted_camera(64, 48)
    scene = replace(scene, scales=scene.scales * torch.tensor([10.0, 0.02, 0.02], dtype=torch.float64))
    background = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    color, alpha, _ = dense_render(scene, camera, background)
    image = render(scene.to(torch.float32), camera.to(torch.float32), background=background.float())
    apart = (image.alpha[0].double() - alpha).abs()
    assert (apart <= 2e-4).double().mean() > 0.998  # float32; a block left out would lack whole pixels
    torch.testing.assert_close(image.color[0].double(), color, atol=5e-3, rtol=0)


def test_after_warming_up_kernels_are_cached():
    rasterizer.warm_up(gradients=True)
    assert rasterizer.is_compiled()


def test_gradients_are_compiled_where_only_pictures_were_drawn(monkeypatch):
    """Their kernels are requested separately: a first `--refine` must not wait without a word."""
    left_behind = {"project", "blend_tiles"}
    monkeypatch.setattr(rasterizer, "is_cached", lambda kernel: kernel.py_func.__name__ in left_behind)
    assert rasterizer.is_compiled()
    assert not rasterizer.is_compiled(gradients=True)
    told = []
    prepare("cpu", gradients=True, report=told.append)
    assert [step.stage for step in told] == ["compiling the fit, once"] * 2
