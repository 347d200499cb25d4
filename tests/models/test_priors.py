"""Priors of heads: maps from files, depth and poses, and plug-ins of other packages."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ilrm_cli.geometry.cameras import unprojected
from ilrm_cli.models import priors
from ilrm_cli.models.priors import (
    FrozenFeatures,
    PositionMaps,
    StoredMap,
    StoredPositions,
    features_of_plugin,
    of_plugin,
    plugin,
    sampled,
)
from ilrm_cli.runtime.errors import InputError
from tests.support.small_models import random_views

VIEWS = random_views(2, 24, 16)
DEPTH = 1 + torch.rand(2, 16, 24, generator=torch.Generator().manual_seed(0))


def stored(values: torch.Tensor, confidence: torch.Tensor | None = None) -> StoredPositions:
    cameras = VIEWS.cameras.to(torch.float64)
    sure = [None] * 2 if confidence is None else confidence
    return StoredPositions([StoredMap(values[i], sure[i], cameras[[i]]) for i in range(2)])


def test_depth_and_poses_are_the_same_as_positions():
    places = unprojected(DEPTH, VIEWS.cameras)
    of_depth, of_places = stored(DEPTH[..., None])(VIEWS), stored(places)(VIEWS)
    torch.testing.assert_close(of_depth.positions.float(), places)
    torch.testing.assert_close(of_places.positions, places)
    assert (of_depth.confidence == 1).all()
    seen = VIEWS.cameras.project(places.flatten(1, 2))
    torch.testing.assert_close(seen.depth, DEPTH.flatten(1))


def test_what_is_not_known_has_no_confidence():
    depth = DEPTH[..., None].clone()
    depth[0, 0, 0], depth[0, 0, 1], depth[0, 0, 2] = 0, torch.nan, torch.inf
    sure = torch.full((2, 16, 24), 0.7)
    sure[1, 0, 0] = torch.nan
    maps = stored(depth, sure)(VIEWS)
    assert maps.confidence[0, 0, :4].tolist() == pytest.approx([0, 0, 0, 0.7])
    assert maps.confidence[1, 0, 0] == 0
    assert maps.positions.isfinite().all()
    assert (maps.positions[0, 0, :3] == 0).all()


def test_maps_of_other_sizes_are_read_at_the_same_rays():
    camera = VIEWS.cameras[[0]]
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    values = torch.stack([columns, rows], -1)
    found = sampled(values, camera.resized(48, 32), camera)
    assert found[0, 0].tolist() == [1, 1]
    assert found[3, 5].tolist() == [11, 7]
    cut = replace(camera.resized(48, 32), width=40, height=32)  # without its last columns
    assert sampled(values[:, :40], cut, camera)[:, 20:].isnan().all()
    assert sampled(values[:, :40], cut, camera)[:, :20].isfinite().all()


def test_frozen_features_are_always_the_same_and_tell_photos_apart():
    before = torch.random.get_rng_state()
    one, other = FrozenFeatures(5)(VIEWS), FrozenFeatures(5)(VIEWS)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one, other)
    assert one.shape == (2, 2, 3, 5)
    assert (one[0] - one[1]).abs().max() > 1e-3
    assert not [p for p in FrozenFeatures(5).parameters() if p.requires_grad]


@pytest.fixture
def offered(monkeypatch):
    """Let a package offer plug-ins."""

    def broken() -> None:
        raise ImportError("no weights")

    places = unprojected(DEPTH, VIEWS.cameras)
    given = {
        "good": lambda: lambda views: PositionMaps(places, torch.ones(2, 16, 24)),
        "small": lambda: lambda views: PositionMaps(places[:, :4], torch.ones(2, 4, 24)),
        "raises": lambda: lambda views: 1 / 0,
        "broken": broken,
        "features": lambda: lambda views: torch.ones(2, 3, 3, 4),
    }
    points = [SimpleNamespace(name=name, load=load) for name, load in given.items()]
    monkeypatch.setattr(priors, "entry_points", lambda group: points if group == priors.POSITION_PLUGINS else [])


@pytest.mark.usefixtures("offered")
def test_plug_ins_are_found_by_name():
    maps = of_plugin(plugin(priors.POSITION_PLUGINS, "good", "--positions"), VIEWS, "--positions good")
    torch.testing.assert_close(maps.positions, unprojected(DEPTH, VIEWS.cameras))
    found = features_of_plugin(plugin(priors.POSITION_PLUGINS, "features", "-"), VIEWS, "-")
    assert found.shape == (2, 3, 3, 4)


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize(
    ("name", "said"),
    [("small", "gave maps of"), ("raises", "failed"), ("features", "failed"), ("broken", "no weights"), ("no", "good")],
)
def test_plug_ins_that_fail_get_a_sentence(name, said):
    with pytest.raises(InputError, match=said):
        of_plugin(plugin(priors.POSITION_PLUGINS, name, "--positions"), VIEWS, f"--positions {name}")
    with pytest.raises(InputError, match="no package that is installed offers any"):
        plugin(priors.FEATURE_PLUGINS, name, "--features")
    with pytest.raises(InputError, match="the plug-in"):
        features_of_plugin(lambda views: torch.ones(1, 2), VIEWS, "--features x")
