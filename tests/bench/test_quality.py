"""Effects of approximate attention on a scene: a wall seen by a few tiny views."""

import pytest
import torch

from ilrm_cli.bench import quality
from ilrm_cli.bench.quality import EXACT, Outcome, along, compared, exact, grouped
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.runtime.errors import InputError
from tests.models.test_plane_sweep import wall


def test_neighbours_see_alike():
    order = along(wall([0.0, 3.0, 1.0, 4.0, 2.0]))
    assert order in ([0, 2, 4, 1, 3], [3, 1, 4, 2, 0])


def test_what_changes_nothing_scores_the_same(monkeypatch):
    views = wall([0.0, 0.3, 0.6], size=16)
    scene = Prepared(views[:2], views[2:], (1.0, 16.0), Similarity(1.0, torch.eye(3), torch.zeros(3)))
    changes = {EXACT: exact, "one group": grouped(2), "alone": grouped(1)}
    monkeypatch.setattr(quality, "APPROXIMATIONS", changes)
    found = compared(load_model("default").model, scene)
    assert found[EXACT].moved == 0
    assert found["one group"].moved < 1e-3 < found["alone"].moved
    assert abs(found["one group"].psnr - found[EXACT].psnr) < 0.01


def test_ten_decibels_less_are_ten_times_the_error():
    best, worse = quality.rows({EXACT: Outcome(30.0, 0.0, 1.0), "rough": Outcome(20.0, 0.5, 2.0)})
    assert (best.ratio, worse.ratio) == pytest.approx((1, 10))
    assert worse.name == "rough: 20.000 dB (-10.000)"


def test_without_the_sample_scene_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(quality, "SCENE", tmp_path / "none")
    with pytest.raises(InputError, match="sample_scenes/posed"):
        quality.quality_suite()
