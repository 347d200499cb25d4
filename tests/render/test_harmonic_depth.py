import pytest
import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.probes import harmonic_depth
from ilrm_cli.render.rasterize import NEAR, render
from tests.support.captures import cameras_at

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
