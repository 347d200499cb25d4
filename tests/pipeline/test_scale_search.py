"""The search for the best scale, with a model whose error at each scale is known."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.scale_search import best_scale, candidates, for_trial, scaled, search_pays
from tests.support.toy_model import ToyConfig, capabilities_of

WORLD = Similarity(1.0, torch.eye(3).double(), torch.tensor([0.0, 0.0, 1.0]).double())  # of a capture off its origin


def views(count: int, *, sparse: bool = False) -> Views:
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, 0, 3] = torch.linspace(-1, 1, count)
    lens = torch.full((count, 2), 8.0)
    depth = torch.full((count, 16, 16), 4.0) if sparse else None
    return Views(torch.full((count, 3, 16, 16), 0.5), Cameras(poses, lens, lens, 16, 16), depth)


def prepared(targets: int = 5, world: Similarity = WORLD) -> Prepared:
    return Prepared(views(3, sparse=True), views(targets), (1.0, 10.0), world)


def wall(grey: float, scene: Prepared) -> Gaussians:
    """Return one large Gaussian that fills every picture, at the scene's scale."""
    scale = scene.depth_range[0]
    return Gaussians(
        means=torch.tensor([[0.0, 0.0, 4.0 * scale]]),
        quaternions=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.full((1, 3), 100.0 * scale),
        opacities=torch.ones(1),
        harmonics=torch.full((1, 1, 3), (grey - 0.5) / SH_C0),
    )


def test_the_candidates_are_apart_and_begin_with_the_usual_scale():
    raw = candidates(prepared(world=Similarity(4.0, torch.eye(3).double(), torch.zeros(3).double())))
    assert raw == {"usual": 1.0, "x0.5": 0.5, "x3": 3.0}  # a centred capture: raw is the usual scale
    off = Similarity(1.0, torch.eye(3).double(), torch.tensor([0.0, 0, 4]).double())
    assert candidates(prepared(world=off)) == {"usual": 1.0, "x0.5": 0.5, "x3": 3.0, "raw": pytest.approx(0.25)}


def test_the_search_pays_where_nothing_else_tells_depths():
    can = capabilities_of(ToyConfig())
    matches, pointless = replace(can, sweeps=True), replace(prepared(), inputs=views(3))
    assert not search_pays(prepared(), matches)
    assert search_pays(pointless, matches)
    assert search_pays(prepared(), can)


def test_a_scaled_scene_is_the_same_scene():
    twice = scaled(prepared(), 2.0)
    assert twice.depth_range == (2.0, 20.0)
    assert torch.equal(twice.inputs.cameras.positions, 2 * prepared().inputs.cameras.positions)
    assert twice.inputs.sparse_depth is not None
    assert torch.equal(twice.inputs.sparse_depth, torch.full((3, 16, 16), 8.0))
    point = torch.tensor([[1.0, 2.0, 3.0]]).double()
    torch.testing.assert_close(twice.normalized_from_world.points(point), 2 * WORLD.points(point))


def test_a_map_far_from_its_origin_has_no_raw_scale():
    far = Similarity(1.0, torch.eye(3).double(), torch.tensor([0.0, 0, 1e5]).double())
    assert "raw" not in candidates(prepared(world=far))


def test_trials_see_smaller_images_of_the_same_scene():
    lens = torch.tensor([[200.0, 200.0]])
    depth = torch.zeros(1, 160, 240)
    depth[0, 101, 31] = 5.0
    large = Views(torch.rand(1, 3, 160, 240), Cameras(torch.eye(4)[None], lens, lens, 240, 160), depth, depth + 1)
    small = for_trial(Prepared(large, None, (1.0, 9.0), WORLD), 16)
    views = small.inputs
    assert (views.cameras.width, views.cameras.height) == (128, 80)
    assert views.images.shape == (1, 3, 80, 128)
    assert views.cameras.focal_px.tolist() == [[pytest.approx(200 * 128 / 240), 100.0]]
    assert views.sparse_depth is not None
    assert views.sparse_depth.nonzero().tolist() == [[0, 50, 16]]
    assert views.masks is not None
    assert views.masks.shape == (1, 80, 128)
    assert for_trial(prepared(), 16).inputs.images.shape[-1] == 16


def test_the_scale_that_shows_held_out_photos_best_is_used():
    tones = {0.5: 0.9, 1.0: 0.7, 3.0: 0.52}
    best, choice = best_scale(prepared(), lambda scene: wall(tones[scene.depth_range[0]], scene))
    assert (choice.factor, best.depth_range) == (3.0, (3.0, 30.0))
    assert choice.judges == 3  # every second of five
    assert list(choice.tried_db) == ["usual", "x0.5", "x3"]
    assert choice.tried_db["x3"] == pytest.approx(34.0, abs=0.5)  # an error of 0.02
    assert choice.gain_db == pytest.approx(20.0, abs=0.5)  # to 0.2
    assert best.targets is not None
    assert len(best.targets) == 5


def test_a_gain_by_chance_changes_nothing():
    tones = {0.5: 0.7, 1.0: 0.7, 3.0: 0.6995}
    scene = prepared()
    best, choice = best_scale(scene, lambda attempt: wall(tones[attempt.depth_range[0]], attempt))
    assert best is scene
    assert (choice.factor, choice.gain_db) == (1.0, 0.0)
