"""The suite `fit` on a small scene: its parts make up the step."""

import pytest
import torch

from ilrm_cli.bench import fit as suite
from ilrm_cli.bench.fit import FitCase, fit_scene, fit_suite, rows_of
from ilrm_cli.runtime.progress import Step

SMALL = FitCase(gaussians=500, photos=3, width=64, height=48, warm_up=1, limit=0.4)


def test_the_scene_is_of_the_size_asked_for_and_in_the_photos():
    photos, start = fit_scene(SMALL)
    assert photos.images.shape == (3, 3, 48, 64)
    assert len(start) == 500
    seen = photos.cameras.project(start.means)
    assert bool(seen.inside.any(0).all())
    again = fit_scene(SMALL)[1]
    assert torch.equal(start.means, again.means)


def test_parts_make_up_the_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(suite, "FIT", SMALL)
    steps: list[Step] = []
    found = fit_suite(rounds=2, report=steps.append)
    whole, *parts, rest = found.rows
    assert whole.name == "a step of the fit, 500 Gaussians at 64x48"
    assert sum(part.ratio for part in parts) == pytest.approx(1)
    assert sum(part.seconds for part in parts) == pytest.approx(whole.seconds)
    assert rest.ratio == pytest.approx(1 - 1 / whole.ratio)
    assert found.details["steps_per_cpu_second"] == pytest.approx(1 / whole.seconds)
    assert steps[-1] == Step("fit", 7, 7)  # a step before, and three photos twice


@pytest.mark.parametrize(("loss_s", "passed"), [(0.5, True), (2.5, False)])
def test_what_is_not_drawing_has_a_limit(loss_s: float, passed: bool):
    parts = {"drawing forward": 1.0, "loss forward": loss_s, "drawing backward": 2.0, "update": 0.5}
    whole, *_, rest = rows_of(SMALL, parts)
    assert whole.ratio == pytest.approx((3.5 + loss_s) / 3)
    assert rest.seconds == pytest.approx(loss_s + 0.5)
    assert rest.passed is passed
    assert whole.passed
