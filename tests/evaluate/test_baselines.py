"""Tests of the baselines that a model must beat."""

import dataclasses

import numpy as np
import torch

from ilrm_cli.evaluate import baselines
from ilrm_cli.evaluate.baselines import (
    constant_depth_splat,
    mean_color,
    nearest_photos,
    plane_sweep_splat,
)
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.config import MatchingConfig
from ilrm_cli.pipeline.predict import witnesses
from ilrm_cli.pipeline.starts import sparse_points_splat
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import render
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, photograph

DEPTHS = (2.0, 8.0)  # of the photographed corner


def corner(count: int = 4, shrink: int = 4) -> Views:
    poses = cameras_on_an_arc(count)
    images = np.stack([photograph(pose) for pose in poses]).reshape(count, HEIGHT // shrink, shrink, -1, shrink, 3)
    images = torch.from_numpy(images.mean(axis=(2, 4)) / 255).float().permute(0, 3, 1, 2)
    lens = torch.full((count, 2), FOCAL)
    center = torch.tensor([WIDTH / 2, HEIGHT / 2]).repeat(count, 1)
    cameras = Cameras(torch.from_numpy(np.stack(poses)).float(), lens, center, WIDTH, HEIGHT)
    return Views(images, cameras.resized(WIDTH // shrink, HEIGHT // shrink))


def test_the_nearest_photo_of_an_input_is_itself():
    views = corner()
    assert torch.equal(nearest_photos(views, views.cameras[[2, 0]]), views.images[[2, 0]])


def test_mean_color_of_a_known_pair():
    views = corner(2)
    images = torch.stack([torch.zeros_like(views.images[0]), torch.ones_like(views.images[0])])
    assert mean_color(Views(images, views.cameras)).tolist() == [0.5, 0.5, 0.5]


def test_constant_depth_puts_every_gaussian_there():
    views = corner(2)
    gaussians = constant_depth_splat(views, DEPTHS)
    rows, columns = views.cameras.height // 2, views.cameras.width // 2
    assert len(gaussians) == 2 * rows * columns
    local = gaussians.means.view(2, -1, 3) - views.cameras.positions[:, None]
    depth = (local * views.cameras.forward[:, None]).sum(-1)
    torch.testing.assert_close(depth, torch.full_like(depth, 4.0))


def test_the_plane_sweep_beats_the_nearest_photo_on_the_corner():
    views = corner(5)
    inputs, target = views[[0, 1, 3, 4]], views[[2]]
    splat = render(plane_sweep_splat(inputs, DEPTHS), target.cameras, background=mean_color(inputs)).color
    photo = nearest_photos(inputs, target.cameras)
    assert float(psnr(splat, target.images)) > float(psnr(photo, target.images)) + 1


def test_the_plane_sweep_is_the_untrained_model():
    views = corner(3, shrink=5)
    config = IlrmConfig(
        layers=1, width=32, head_width=16, patch=4, head=baselines.HEAD, matching=MatchingConfig(), min_views=2
    )
    with torch.no_grad():
        expected = Ilrm(config)([views], [DEPTHS])[0]
    grid = views.cameras.resized(views.cameras.width // 2, views.cameras.height // 2)
    expected = expected[~witnesses(expected.means, grid).floating()]
    found = plane_sweep_splat(views, DEPTHS)
    for field in dataclasses.fields(found):
        torch.testing.assert_close(getattr(found, field.name), getattr(expected, field.name))


def test_sparse_points_take_their_colour_from_the_photos():
    views = corner()
    red = torch.tensor([0.9, 0.1, 0.2])[:, None, None].expand_as(views.images)
    place = np.random.default_rng(0).uniform(-0.5, 0.5, (100, 3)) + np.array([0, 0, 4])
    behind = np.array([[0.0, 0, -50]])
    gaussians = sparse_points_splat(np.concatenate([place, behind]), Views(red, views.cameras))
    assert gaussians is not None
    assert len(gaussians) == 100
    colour = 0.5 + 0.28209479 * gaussians.harmonics[:, 0]
    torch.testing.assert_close(colour, torch.tensor([0.9, 0.1, 0.2]).expand(100, 3))
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    expected = np.sqrt((np.sort(apart, axis=1)[:, 1:4] ** 2).mean(1))
    np.testing.assert_allclose(gaussians.scales[:, 0].numpy(), expected, rtol=1e-5)


def test_masked_pixels_colour_no_points():
    views = corner()
    red = torch.tensor([0.9, 0.1, 0.2])[:, None, None].expand_as(views.images).clone()
    masks = torch.ones(len(views), views.cameras.height, views.cameras.width)
    red[0], masks[0] = 1.0, 0.0
    place = np.random.default_rng(0).uniform(-0.5, 0.5, (100, 3)) + np.array([0, 0, 4])
    gaussians = sparse_points_splat(place, Views(red, views.cameras, masks=masks))
    assert gaussians is not None
    colour = 0.5 + 0.28209479 * gaussians.harmonics[:, 0]
    torch.testing.assert_close(colour, torch.tensor([0.9, 0.1, 0.2]).expand(len(gaussians), 3))
    assert sparse_points_splat(place, Views(red, views.cameras, masks=0 * masks)) is None


def test_too_few_points_make_no_start():
    assert sparse_points_splat(np.zeros((0, 3)), corner(2)) is None
    assert sparse_points_splat(np.full((49, 3), [0.0, 0, 4]), corner(2)) is None
