import torch

from ilrm_cli.geometry.cameras import stack
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.probes import contributions
from ilrm_cli.render.rasterize import render
from tests.support.gaussian_scenes import front_camera, random_gaussians, tilted_camera


def test_all_contributions_make_up_what_is_covered() -> None:
    gaussians = random_gaussians(200, 1, dtype=torch.float32)
    camera = tilted_camera(dtype=torch.float32)
    cameras = stack([camera, camera])
    found = contributions(gaussians, cameras)
    torch.testing.assert_close(found.sum(), render(gaussians, cameras).alpha.sum(), rtol=1e-4, atol=0)
    assert (found >= 0).all()


def test_what_is_hidden_or_outside_adds_nothing() -> None:
    depths = torch.tensor([2.0, 4.0, -2.0])
    walls = Gaussians(
        means=torch.stack([torch.zeros(3), torch.zeros(3), depths], dim=1),
        quaternions=torch.tensor([[1.0, 0, 0, 0]] * 3),
        scales=torch.tensor([[50.0, 50.0, 0.01]] * 3),
        opacities=torch.tensor([0.99, 0.99, 0.99]),
        harmonics=torch.zeros(3, 4, 3),
    )
    front, hidden, behind = contributions(walls, front_camera(16, 12, 20.0)).tolist()
    assert abs(front - 0.99 * 16 * 12) < 1
    assert abs(hidden - 0.01 * 0.99 * 16 * 12) < 0.1
    assert behind == 0
