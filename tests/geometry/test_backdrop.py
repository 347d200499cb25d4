"""Cameras in the middle of a world that is blue above and brown below."""

import torch

from ilrm_cli.geometry.backdrop import COUNT, backdrop, before_backdrop, fitted_colors
from ilrm_cli.geometry.cameras import Cameras, unit_rays
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import fibonacci_sphere
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.rasterize import render

BLUE, BROWN = torch.tensor([0.5, 0.7, 1.0]), torch.tensor([0.4, 0.3, 0.2])


def looking_around(views: int = 4, size: int = 32) -> Views:
    """Return views turned about the y axis (down) in equal steps, with a smooth gradient from upper to lower colour."""
    half = torch.arange(views) * torch.pi / views
    quaternions = torch.stack([half.cos(), 0 * half, half.sin(), 0 * half], dim=-1)
    pose = torch.eye(4).repeat(views, 1, 1)
    pose[:, :3, :3] = matrix_from_quaternion(quaternions)
    pose[:, 0, 3] = torch.linspace(-1, 1, views)
    cameras = Cameras(pose, torch.full((views, 2), size / 2), torch.full((views, 2), size / 2), size, size)
    return Views(colors_of(unit_rays(cameras)[1]).permute(0, 3, 1, 2).contiguous(), cameras)


def colors_of(directions: torch.Tensor) -> torch.Tensor:
    return torch.lerp(BLUE, BROWN, (directions[..., 1:2] + 1) / 2)


def test_directions_cover_the_sphere_evenly():
    sphere = fibonacci_sphere(COUNT, torch.zeros(()))
    torch.testing.assert_close(sphere.norm(dim=1), torch.ones(COUNT))
    nearest = torch.cdist(sphere, sphere).fill_diagonal_(9).min(dim=1).values
    assert nearest.min() > 0.7 * nearest.max()


def test_colors_follow_the_direction():
    directions = fibonacci_sphere(100, torch.zeros(()))
    torch.testing.assert_close(fitted_colors(looking_around(), directions), colors_of(directions), atol=0.02, rtol=0)


def test_it_is_opaque_from_within_and_shows_its_colors():
    views = looking_around()
    seen = render(backdrop(views, far=3.0), views.cameras)
    assert seen.alpha.min() > 0.97
    assert (seen.color - views.images).abs().mean() < 0.02
    assert (seen.color - views.images).abs().max() < 0.1  # between splats a little white shows
    assert seen.depth.min() > 100


def test_what_is_in_front_hides_it():
    views = looking_around()
    wall = Gaussians(
        means=torch.tensor([[0.0, 0.0, 3.0]]),
        quaternions=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.full((1, 3), 0.5),
        opacities=torch.tensor([0.99]),
        harmonics=torch.full((1, 1, 3), -2.0),
    )
    both = before_backdrop(wall, views, (1.0, 3.0))
    assert len(both) == 1 + COUNT
    ahead = Cameras(torch.eye(4)[None], torch.full((1, 2), 16.0), torch.full((1, 2), 16.0), 32, 32)
    image = render(both, ahead).color[0]
    assert image[:, 16, 16].max() < 0.05
    assert image[:, 2, 2].min() > 0.3
