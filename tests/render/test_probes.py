"""Harmonic depth, small depth pictures, and what each Gaussian contributes."""

import pytest
import torch

from ilrm_cli.geometry.cameras import stack
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.probes import LONG_SIDE_PX, contributions, glance, harmonic_depth
from ilrm_cli.render.rasterize import NEAR, render
from tests.support.captures import TARGET, arc, ball, cameras_at, wall_facing
from tests.support.gaussian_scenes import front_camera, random_gaussians, tilted_camera

CAMERA = cameras_at(torch.eye(4).double()[None]).to(torch.float32)  # 64 x 48 px
MIDDLE = (24, 32)


def discs(*depths_and_opacities: tuple[float, float]) -> Gaussians:
    """Return discs one behind the other on the axis, each as wide as the picture."""
    depths, opacities = torch.tensor(depths_and_opacities).T
    count = len(depths)
    return Gaussians(
        means=torch.tensor([[0.0, 0.0, 1.0]]) * depths[:, None],
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=depths[:, None] * torch.tensor([[1.0, 1.0, 1e-3]]),
        opacities=opacities,
        harmonics=torch.zeros(count, 1, 3),
    )


def test_one_surface_has_its_depth_and_alpha() -> None:
    depth, alpha = harmonic_depth(discs((4.0, 0.7)), CAMERA, NEAR)
    assert float(depth[MIDDLE]) == pytest.approx(4, rel=1e-3)
    assert float(alpha[MIDDLE]) == pytest.approx(0.7, rel=1e-3)


def test_two_surfaces_are_weighed_by_what_shows_of_them() -> None:
    depth, _ = harmonic_depth(discs((2.0, 0.6), (6.0, 0.999)), CAMERA, NEAR)
    behind = 0.4 * 0.999
    assert float(depth[MIDDLE]) == pytest.approx((0.6 + behind) / (0.6 / 2 + behind / 6), rel=1e-3)


def test_a_backdrop_far_behind_a_wall_does_not_move_it() -> None:
    scene = discs((2.0, 0.97), (2000.0, 0.99))
    assert float(harmonic_depth(scene, CAMERA, NEAR)[0][MIDDLE]) == pytest.approx(2, rel=0.04)
    assert float(render(scene, CAMERA).depth[0][MIDDLE]) > 50  # the mean of z: no depth of anything


def test_units_do_not_matter() -> None:
    scene = discs((2.0, 0.6), (6.0, 0.999))
    grown = Gaussians(1e4 * scene.means, scene.quaternions, 1e4 * scene.scales, scene.opacities, scene.harmonics)
    depth, far = harmonic_depth(scene, CAMERA, NEAR)[0], harmonic_depth(grown, CAMERA, 1e4 * NEAR)[0]
    torch.testing.assert_close(far, 1e4 * depth, rtol=1e-3, atol=0)


def test_nothing_is_infinitely_far() -> None:
    behind = CAMERA.moved(CAMERA.world_from_cam @ torch.diag(torch.tensor([-1.0, 1, -1, 1])))
    depth, alpha = harmonic_depth(discs((4.0, 0.7)), behind, NEAR)
    assert depth.isinf().all()
    assert (alpha == 0).all()


def test_small_pictures_of_what_is_solid():
    cameras = arc([0.0, 90.0], elevation_deg=0.0)
    seen = glance(cameras, ball(radius=0.1), near=0.01)
    assert seen.depth.shape == (2, LONG_SIDE_PX * 48 // 64, LONG_SIDE_PX)
    middle = seen.depth[:, 18, 23]
    assert ((middle > 3.5) & (middle < 4.1)).all()  # the near side of a ball four units away
    assert seen.depth[:, 0, 0].isinf().all()
    assert ((seen.alpha > 0.001) & (seen.alpha < 0.2)).all()
    assert (seen.nearest <= seen.depth.masked_fill(seen.depth.isinf(), 0).amax((1, 2))).all()
    assert (seen.nearest > 3.5).all()


def test_who_sees_nothing_has_nothing_near():
    seen = glance(wall_facing(1), ball(TARGET - 100), near=0.01)
    assert seen.nearest.tolist() == [0]
    assert seen.alpha.tolist() == [0]
    assert torch.isinf(seen.depth).all()


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
