import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.paths.subject import subject_of, visible_depth, weighted_quantiles
from tests.support.captures import TARGET, UP, arc, ball, cameras_at, wall_facing


def test_weighted_quantiles() -> None:
    values = torch.tensor([[3.0], [1.0], [2.0]])
    assert weighted_quantiles(values, torch.tensor([1.0, 1, 1]), (0.1, 0.5, 0.9)).tolist() == [[1], [2], [3]]
    assert weighted_quantiles(values, torch.tensor([8.0, 1, 1]), (0.5,)).tolist() == [[3]]


def test_inward_cameras_cross_at_their_target() -> None:
    subject = subject_of(arc([-60, -20, 10, 70]), ball())
    assert subject.converging
    torch.testing.assert_close(subject.target, TARGET)
    assert abs(subject.depth - 4) < 0.3


def test_parallel_axes_take_the_depth_of_the_scene() -> None:
    subject = subject_of(wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0])))
    assert not subject.converging
    torch.testing.assert_close(subject.target[:2], torch.tensor([0.25, 0.25]).double())
    assert abs(float(subject.target[2]) - 5) < 0.1


def test_nearly_parallel_axes_do_not_run_away() -> None:
    """A degree of noise in the poses moves the crossing far; the target stays at the scene."""
    draw = torch.Generator().manual_seed(1)
    cameras = wall_facing()
    aims = torch.tensor([0.25, 0.25, 5.0]).double() + 0.1 * torch.randn(9, 3, generator=draw).double()
    poses = torch.cat([look_at(p[None], a, UP) for p, a in zip(cameras.positions, aims, strict=True)])
    subject = subject_of(cameras_at(poses), ball(torch.tensor([0.25, 0.25, 5.0])))
    assert abs(float(subject.target[2]) - 5) < 0.2


def test_cameras_that_look_outward_do_not_converge() -> None:
    inward = arc([0, 60, 120, 180, 240, 300], elevation_deg=0)
    outward = inward.world_from_cam @ torch.diag(torch.tensor([-1.0, 1, -1, 1]).double())
    assert not subject_of(cameras_at(outward), ball()).converging


def test_depth_counts_only_what_is_in_the_picture() -> None:
    behind = ball(torch.tensor([0.25, 0.25, -50.0]), count=5000)
    ahead = ball(torch.tensor([0.25, 0.25, 5.0]))
    both = Gaussians.concatenated(behind, ahead)
    assert abs(visible_depth(wall_facing(), both) - 5) < 0.1
    assert abs(visible_depth(wall_facing(), behind) - 50) < 1


def test_the_middle_of_the_picture_can_be_asked_for_alone() -> None:
    """A ball far off the axis is nearer than the one straight ahead."""
    beside, ahead = ball(torch.tensor([1.2, 0.0, 3.0]), radius=0.05), ball(torch.tensor([0.0, 0.0, 6.0]), radius=0.05)
    scene = Gaussians.concatenated(beside, beside, ahead)
    camera = wall_facing()[:1]
    assert abs(visible_depth(camera, scene) - 3) < 0.1
    assert abs(visible_depth(camera, scene, window=0.3) - 6) < 0.1
    assert visible_depth(camera, ahead, share=0.05) < visible_depth(camera, ahead)
