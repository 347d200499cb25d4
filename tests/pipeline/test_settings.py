"""What was asked for: the effort that follows, and what contradicts itself."""

import pytest

from ilrm_cli.pipeline.settings import Settings, check_settings, words_of
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
    assert settings.effort == effort
    assert settings.settled().quality == effort
    assert settings.settled().effort == effort


def test_the_usual_effort_takes_no_words():
    assert list(words_of(Settings())) == []
    assert list(words_of(Settings(refine=50))) == ["--refine", "50"]


@pytest.mark.parametrize("quality", ["standard", "high"])
def test_two_kinds_of_fits_do_not_go_together(quality):
    with pytest.raises(InputError, match=rf"--quality {quality} to all photos; give one of them"):
        check_settings(Settings(quality=quality, refine=5))
