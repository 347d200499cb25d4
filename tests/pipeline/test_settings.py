"""What was asked for: the effort that follows, and what contradicts itself."""

from typing import get_args

import pytest

from ilrm_cli.cli.options import OPTIONS
from ilrm_cli.geometry import frames, transforms
from ilrm_cli.pipeline import settings as light
from ilrm_cli.pipeline.settings import RANGES, Settings, check_ranges, check_settings, words_of
from ilrm_cli.runtime import devices
from ilrm_cli.runtime.errors import InputError


@pytest.mark.parametrize(
    ("settings", "effort"),
    [
        (Settings(), "standard"),
        (Settings(refine=50), "draft"),
        (Settings(quality="draft"), "draft"),
        (Settings(quality="draft", refine=50), "draft"),
        (Settings(quality="high"), "high"),
    ],
)
def test_the_scene_is_fitted_to_all_photos_unless_a_draft_is_asked_for(settings, effort):
    check_settings(settings)
    assert settings.settled_quality == effort
    assert settings.settled().quality == effort
    assert settings.settled().settled_quality == effort


def test_the_usual_effort_takes_no_words():
    assert list(words_of(Settings())) == []
    assert list(words_of(Settings(refine=50))) == ["--refine", "50"]


@pytest.mark.parametrize("quality", ["standard", "high"])
def test_two_kinds_of_fits_do_not_go_together(quality):
    with pytest.raises(InputError, match=rf"--quality {quality} to all photos; give one of them"):
        check_settings(Settings(quality=quality, refine=5))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Settings(hold_out=1), "--hold-out 1 holds every photo out"),
        (Settings(hold_out=4, quality="draft"), "--hold-out 4 is for fits to all photos"),
        (Settings(fit_side_px=800, refine=50), "--fit-size 800 is for fits to all photos"),
        (Settings(geometry=True, quality="draft"), "--geometry is for fits to all photos"),
        (Settings(hold_out=0, refine=5), "--hold-out 0 is for fits to all photos"),
    ],
)
def test_what_is_asked_of_fits_is_refused_of_drafts(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        check_settings(settings)
    check_settings(Settings(hold_out=0))


def test_the_options_accept_what_records_may_hold():
    """Typer's ranges, where it has some, are those of the settings."""
    for name, (least, most) in RANGES.items():
        option = next(part for part in get_args(OPTIONS[name]) if hasattr(part, "min"))
        assert option.min in (None, least), name
        assert option.max in (None, most), name


@pytest.mark.parametrize(("name", "value"), [("long_side_px", 10**9), ("hold_out", -3), ("fps", 1e9), ("seed", -1)])
def test_numbers_out_of_range(name, value):
    with pytest.raises(InputError, match="is not between"):
        check_ranges(Settings(**{name: value}))


def test_copies_that_need_no_torch_are_the_same():
    for copy, original in (
        (light.Device, devices.Device),
        (light.Precision, devices.Precision),
        (light.Frame, frames.Frame),
    ):
        assert get_args(copy) == get_args(original)
    assert light.FARTHEST == transforms.FARTHEST
