"""Predictions from photos that are no inputs: which photos are grouped, and where their scenes come to lie."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.pipeline.fit_photos import LEAST_MINUTES, fit_photos
from ilrm_cli.pipeline.further_groups import further_groups, predict_further
from ilrm_cli.pipeline.optimize.poses import PoseCorrections
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, prepare_photos
from ilrm_cli.pipeline.reconstruct import load, posed_photos
from ilrm_cli.pipeline.select_inputs import Selection, select_for_fit
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.starts import START_SHARE, sparse_start
from tests.cli.conftest import SAMPLES
from tests.support.splats import splats

SIDE = 64
QUICK = Settings(views=3, long_side_px=SIDE, auto_scale=False)


@pytest.fixture(scope="module")
def parts() -> tuple[Selection, Prepared]:
    """Three inputs, seven other fitted photos and two that are held out, in the frame of the inputs."""
    capture, can = posed_photos(open_folder(SAMPLES / "posed"), QUICK), load(QUICK).model.capabilities
    chosen = select_for_fit(capture, 3, can, SIDE, hold_out=8)
    return chosen, prepare_photos(capture, chosen.used, chosen.scored, SIDE, can)


def test_each_group_is_as_large_as_that_of_the_inputs_and_new_while_photos_last(parts):
    chosen, _ = parts
    groups = further_groups(chosen, 9, seed=0)
    assert [len(group) for group in groups] == [3] * len(groups)
    names = [photo.name for group in groups for photo in group]
    fresh = {photo.name for photo in chosen.only_fitted}
    assert len(fresh - set(names)) <= 1, "fewer than half a group is left over"
    assert set(names) - fresh <= {photo.name for photo in chosen.used}
    assert len(names) - len(set(names) & fresh) <= 1, "only the last is filled up"
    assert not set(names) & {photo.name for photo in chosen.scored}
    assert len(further_groups(chosen, 1, seed=0)) == 1
    assert further_groups(replace(chosen, fitted=chosen.used), 9, seed=0) == []


@pytest.mark.parametrize("turned", [False, True])
def test_scenes_of_other_groups_come_to_lie_where_the_inputs_see_them(parts, turned):
    """A model that finds the same points of the world from any photos; corrections turn and shift all photos alike."""
    chosen, prepared = parts
    truth = splats(50, 1)
    moves = PoseCorrections(
        tuple(photo.name for photo in chosen.fitted),
        torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).expand(len(chosen.fitted), 3, 3),
        torch.tensor([0.1, -0.2, 0.3]).expand(len(chosen.fitted), 3),
    )

    positions = torch.from_numpy(np.stack([photo.world_from_cam[:3, 3] for photo in chosen.fitted]))
    places = prepared.normalized_from_world.points(positions) + (moves.shifts[0].double() if turned else 0)

    def predict(group: Prepared) -> Prediction:
        assert group.depth_range == prepared.depth_range
        assert group.inputs.images.shape == prepared.inputs.images.shape
        positions = group.inputs.cameras.positions.double()
        torch.testing.assert_close(positions.mean(0), torch.zeros(3).double(), atol=1e-5, rtol=0)
        own_from_inputs = group.normalized_from_world.after(prepared.normalized_from_world.inverse())
        found = own_from_inputs.inverse().points(positions)
        assert float(torch.cdist(found, places).amin(1).max()) < 1e-5
        return Prediction(truth.transformed(own_from_inputs), torch.linspace(0.1, 1, 50))

    groups = further_groups(chosen, 2, seed=0)
    for made in predict_further(predict, prepared, groups, moves if turned else None):
        assert made.support is not None
        near = truth.means.norm(dim=1) < 1e3
        assert 0 < len(made.gaussians) <= int(near.sum())
        distances = torch.cdist(made.gaussians.means.double(), truth.means.double()).amin(1)
        assert float(distances.max()) < 1e-4


def test_predictions_share_the_number_of_gaussians_that_a_fit_begins_with(parts):
    _, prepared = parts
    scene = replace(splats(80_000, 0), means=torch.rand(80_000, 3))
    one = Prediction(scene, torch.ones(80_000))
    alone, shared = (len(sparse_start(one, prepared, 0, further)) for further in ((), (one, one, one)))
    points = alone - START_SHARE * 80_000
    assert shared - points == pytest.approx(START_SHARE * 80_000, rel=0.03)


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize(("minutes", "passes"), [(None, 2), (LEAST_MINUTES / 60, 0)])
def test_a_fit_begins_with_them_unless_there_is_no_time(parts, monkeypatch, minutes, passes):
    chosen, prepared = parts
    seen = list[Prepared]()

    def predict(group: Prepared) -> Prediction:
        seen.append(group)
        return found

    found = Prediction(Gaussians.isotropic(torch.rand(500, 3), torch.full((500,), 0.05), torch.rand(500, 3), 0.5))
    found = replace(found, support=torch.ones(500))
    settings = replace(QUICK, minutes=minutes, refine_poses="off")
    fit_photos(predict, found, prepared, chosen, settings)
    assert len(seen) == passes
