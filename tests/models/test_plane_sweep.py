"""A textured wall at a known depth, seen by cameras side by side, and sparse points on two surfaces."""

from contextlib import nullcontext

import pytest
import torch
from torch.nn.functional import interpolate

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.layers import sweep_cpu
from ilrm_cli.models.layers.config import MatchingConfig
from ilrm_cli.models.layers.plane_sweep import (
    Matches,
    PlaneSweep,
    depth_range_of,
    estimate_depth_range,
    log_planes,
    neighbors_of,
    plane_costs,
    plane_costs_in_torch,
    prepare_sweep,
    sweep_compiled_beside,
    warps_between,
)
from ilrm_cli.models.layers.sparse_points import spread_points
from ilrm_cli.runtime import kernels
from ilrm_cli.runtime.progress import Step

DEPTH, FOCAL, SIZE = 4.0, 32.0, 32

CAMERA = Cameras(torch.eye(4)[None], torch.full((1, 2), 20.0), torch.full((1, 2), 10.0), 20, 20)
PLANES = log_planes((1.0, 16.0), 5, torch.zeros(()))  # 1, 2, 4, 8, 16


def wall(positions: list[float], size: int = SIZE) -> Views:
    """Return a wall at z = DEPTH with a smooth random texture, seen along z by cameras at x = positions."""
    noise = torch.rand(1, 3, 24, 96, generator=torch.Generator().manual_seed(0))
    texture = interpolate(noise, scale_factor=4, mode="bicubic", align_corners=False).clamp(0, 1)
    pose = torch.eye(4).repeat(len(positions), 1, 1)
    pose[:, 0, 3] = torch.tensor(positions)
    shift = [round(FOCAL * x / DEPTH) for x in positions]
    images = torch.cat([texture[:, :, :size, 100 + s : 100 + s + size] for s in shift])
    center = torch.full((len(positions), 2), size / 2)
    return Views(images, Cameras(pose, torch.full((len(positions), 2), FOCAL), center, size, size))


def test_planes_are_log_spaced():
    torch.testing.assert_close(log_planes((1.0, 100.0), 3, torch.zeros(())).exp(), torch.tensor([1.0, 10.0, 100.0]))


def test_the_walls_depth_is_found():
    views = wall([0.0, 0.5, 1.0])
    matches = PlaneSweep.of(views.images, views.cameras, (1.0, 16.0), MatchingConfig(planes=33)).matches()
    inner = matches.log_depth[:, 4:-4, 10:-10].exp()
    assert (inner[..., 0] - DEPTH).abs().median() < 0.05 * DEPTH
    assert (inner[..., 1] - DEPTH).abs().median() < 0.05 * DEPTH
    agreement = matches.agreement[:, 4:-4, 10:-10]
    assert agreement.shape[-1] == 2 * 33
    assert agreement[..., 16].median() > 0.9  # plane 16 is the wall's
    assert agreement[..., 0].median() < 0.6  # the nearest plane is not


def test_no_neighbour_sees_it():
    """Two cameras back to back: every cost is that of an unseen point, and depth says nothing."""
    pose = torch.eye(4).repeat(2, 1, 1)
    pose[1, :3, :3] = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    views = wall([0.0, 0.0])
    matches = PlaneSweep.of(views.images, views.cameras.moved(pose), (1.0, 16.0), MatchingConfig(planes=5)).matches()
    assert float(matches.agreement.max()) < 1e-6
    torch.testing.assert_close(matches.log_depth.exp(), torch.full_like(matches.log_depth, 4.0))


def test_neighbours_are_the_nearest_cameras():
    views = wall([0.0, 10.0, 1.0, 11.0])
    assert neighbors_of(views.cameras, 1).flatten().tolist() == [2, 3, 0, 1]


def test_depth_range_covers_the_points():
    near, far = depth_range_of(torch.linspace(2.0, 6.0, 1001))
    assert 1.5 < near < 2.0
    assert 6.0 < far < 10.0


def test_depth_range_from_photos_alone_contains_the_wall():
    near, far = estimate_depth_range(wall([-1.0, -0.5, 0.0, 0.5, 1.0], size=64))
    assert near < DEPTH < far
    assert far / near < 40


def test_background_planes_lie_beyond_the_far_end():
    planes = log_planes((1.0, 4.0), 5, torch.zeros(()), background=2).exp()
    torch.testing.assert_close(planes[:3], torch.tensor([1.0, 2.0, 4.0]))
    assert 4 * 2 < planes[3] < planes[4] < 4 * 10


def test_sparse_points_are_one_more_estimate():
    views = wall([0.0, 0.5])
    sparse = torch.zeros(2, SIZE, SIZE)
    sparse[0, ::8, ::8] = 2.0  # wrong on purpose, and in the first view only
    config = MatchingConfig(planes=9, points=100)
    with_points = PlaneSweep.of(views.images, views.cameras, (1.0, 16.0), config, sparse).matches()
    without = PlaneSweep.of(views.images, views.cameras, (1.0, 16.0), MatchingConfig(planes=9)).matches()
    torch.testing.assert_close(with_points.agreement[..., :18], without.agreement)
    assert with_points.agreement.shape[-1] == 27
    assert not with_points.agreement[1, ..., 18:].any()
    torch.testing.assert_close(with_points.log_depth[0, ..., 2].exp(), torch.full((SIZE, SIZE), 2.0))
    torch.testing.assert_close(with_points.log_depth[1, ..., 2], without.log_depth[1, ..., 0])


@pytest.mark.parametrize(("best", "windows"), [(1, (3,)), (2, (3, 7))])
def test_compiled_costs_are_those_of_torch(best, windows):
    """Views that see each other in part, one that looks the other way."""
    views = wall([0.0, 0.5, 1.5, 0.2], size=24)
    pose = views.cameras.world_from_cam.clone()
    pose[1, :3, :3] = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.2, 0.3], [0.2, 0.0, 0.1], [-0.3, -0.1, 0.0]]))
    pose[3, :3, :3] = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    others, depths = torch.tensor([1, 2, 3]), torch.tensor([0.3, 4.0, 50.0])
    warps = warps_between(views.cameras.moved(pose), 0, others)
    given = (views.images, 0, others, warps, depths, windows, best)
    torch.testing.assert_close(plane_costs(*given), plane_costs_in_torch(*given), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_neighbour_without_finite_warp_sees_nothing(bad):
    """The result is as if its image were black and nothing of it counted."""
    views, others = wall([0.0, 0.5, 1.0], size=12), torch.tensor([1, 2])
    warps = warps_between(views.cameras, 0, others)
    warps[1, :, 2] = bad
    given = (views.images, 0, others, warps, torch.tensor([2.0, 4.0]), (3,), 1)
    compiled, in_torch = plane_costs(*given), plane_costs_in_torch(*given)
    torch.testing.assert_close(compiled, in_torch, rtol=1e-4, atol=1e-5)
    alone = plane_costs_in_torch(views.images, 0, others[:1], warps[:1], *given[4:])
    torch.testing.assert_close(in_torch, alone, rtol=1e-4, atol=1e-5)


def test_a_sweep_in_parts_is_the_whole_sweep():
    views, config = wall([0.0, 0.5, 1.0]), MatchingConfig(planes=5, points=10)
    sparse = torch.zeros(3, SIZE, SIZE)
    sparse[1, 3, 4] = 2.0
    sweep = PlaneSweep.of(views.images, views.cameras, (1.0, 16.0), config, sparse)
    whole, parts = sweep.matches(), Matches.concatenated([sweep.matches(slice(0, 2)), sweep.matches(slice(2, 3))])
    assert all(torch.equal(getattr(parts, name), value) for name, value in vars(whole).items())


def test_after_preparing_nothing_is_compiled(monkeypatch):
    prepare_sweep(torch.device("cpu"))
    assert sweep_cpu.is_compiled()
    steps: list[Step] = []
    prepare_sweep(torch.device("cpu"), steps.append)
    monkeypatch.setattr(sweep_cpu, "is_compiled", lambda: False)
    assert not steps
    prepare_sweep(torch.device("cuda"), steps.append)
    assert not steps
    prepare_sweep(torch.device("cpu"), steps.append)
    assert [step.done for step in steps] == [0, 1]


def test_the_sweep_is_compiled_by_another_process_only_where_it_is_not(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(kernels, "beside", lambda statements: nullcontext(asked.append(statements)))
    for device, compiled in (("cpu", True), ("cuda", False), ("cpu", False)):
        monkeypatch.setattr(sweep_cpu, "is_compiled", lambda compiled=compiled: compiled)
        with sweep_compiled_beside(torch.device(device)):
            pass
    assert len(asked) == 1
    exec(asked[0], {})  # loads what is compiled


def halves() -> tuple[torch.Tensor, torch.Tensor]:
    """Return left half black at depth 2, right half white at depth 8; the image has twice the grid's resolution."""
    colors = torch.zeros(3, 20, 20)
    colors[..., 10:] = 1.0
    sparse = torch.zeros(40, 40)
    sparse[20, 10], sparse[20, 22] = 2.0, 8.0
    return sparse, colors


def test_depth_spreads_over_its_colour():
    share, log_depth = spread_points(*halves(), CAMERA, PLANES, limit=100)
    assert (log_depth[..., :10].exp() - 2).abs().max() < 1e-3
    assert (log_depth[..., 10:].exp() - 8).abs().max() < 1e-3
    torch.testing.assert_close(share[10, 5, 1] / share[10, 5].sum(), torch.tensor(1.0), atol=1e-3, rtol=0)


def test_confidence_falls_with_distance():
    share = spread_points(*halves(), CAMERA, PLANES, limit=100)[0].sum(-1)
    assert share[10, 5] > 0.5
    assert share[0, 5] < 0.01
    assert (share <= 1 + 1e-6).all()


def test_a_depth_between_planes_is_shared_by_both():
    sparse, colors = halves()
    share, _ = spread_points(torch.where(sparse == 2, 2**1.5, sparse), colors, CAMERA, PLANES, limit=100)
    torch.testing.assert_close(share[10, 5, 1], share[10, 5, 2], rtol=1e-3, atol=0)
    beyond, _ = spread_points(torch.where(sparse == 2, 50.0, sparse), colors, CAMERA, PLANES, limit=100)
    assert beyond[10, 5].argmax() == 4


def test_no_point_and_too_many():
    sparse, colors = halves()
    assert spread_points(torch.zeros_like(sparse), colors, CAMERA, PLANES, limit=10) is None
    share, log_depth = spread_points(torch.full_like(sparse, 3.0), colors, CAMERA, PLANES, limit=7)
    torch.testing.assert_close(log_depth.exp(), torch.full_like(log_depth, 3.0))
    assert share.isfinite().all()
