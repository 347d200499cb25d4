"""What photos have of their own: exposures that differ are found, equal ones left alone."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.pipeline.optimize.fit import COLOR_TRIAL, Fit
from ilrm_cli.pipeline.optimize.per_photo import BETA_1, BETA_2, EPS, EVEN_STOPS, RATE, PhotoColors
from tests.support.quick_fit import QUICK, photos_of, scene


def test_uneven_exposures_are_found_and_even_ones_left_alone():
    truth, steps = scene(), replace(QUICK, steps=240, growth=0.0)
    photos = photos_of(truth)
    even = Fit(truth, photos, steps)
    stops = torch.tensor([-0.6, 0.3, 0.6, -0.3, 0.4, -0.4])
    uneven = Fit(truth, replace(photos, images=photos.images * 2 ** stops[:, None, None, None]), steps)
    for done in range(1, steps.steps + 1):
        even.step(done / steps.steps)
        uneven.step(done / steps.steps)
    assert even.colors is None
    assert uneven.colors is not None
    assert uneven.colors.spread_stops == pytest.approx(float(stops.std(correction=0)), rel=0.35)
    gains = uneven.colors.numbers[:, 0].mean(1)
    assert (gains.argsort() == stops.argsort()).all()
    torch.testing.assert_close(uneven.colors.numbers.mean(0), torch.zeros(2, 3), atol=1e-5, rtol=0)


def test_whether_exposures_are_equal_is_decided_once():
    """What differs a little more than `EVEN_STOPS` may come to a little less later."""
    fit = Fit(scene(), photos_of(scene()), QUICK)
    fit.step(COLOR_TRIAL / 2)
    fit.colors.numbers[:, 0] = torch.linspace(-0.2, 0.2, len(fit.photos))[:, None]
    assert fit.exposure_stops == 0, "while it is on trial"
    fit.step(COLOR_TRIAL)
    assert fit.exposure_stops == fit.colors.spread_stops > EVEN_STOPS
    fit.colors.numbers *= 0.1
    went_on = Fit(scene(), photos_of(scene()), QUICK)
    went_on.restore(fit.state())
    for one in (fit, went_on):
        one.step(2 * COLOR_TRIAL)
        assert 0 < one.exposure_stops < EVEN_STOPS


def test_colors_step_like_torchs_adam_for_the_photo_that_is_seen():
    ours, theirs = PhotoColors(2, torch.device("cpu")), torch.zeros(2, 3, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=RATE, betas=(BETA_1, BETA_2), eps=EPS)
    for turn in range(3):
        leaf = ours.of(1)
        (leaf * (1 + turn) + torch.arange(6.0).view(2, 3) * leaf).sum().backward()
        ours.step(1, leaf.grad, 1.0)
        theirs.grad = leaf.grad
        adam.step()
    torch.testing.assert_close(ours.numbers[1] - ours.numbers[0], theirs.detach())
    ours.join(3)
    assert len(ours.numbers) == 5
