import pytest

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import PRESETS, chosen_recipe, view_range


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_run(name):
    recipe = chosen_recipe(name, data=("somewhere",))
    assert recipe.model.min_views == recipe.train.min_views
    assert recipe.model.max_views == recipe.train.max_views


def test_the_published_numbers():
    config = PRESETS["paper-re10k"].train
    assert (config.learning_rate, config.warmup, config.steps, config.batch) == (2e-4, 2500, 50_000, 256)
    assert (config.perceptual_weight, config.weight_decay, config.betas, config.clip) == (0.5, 0.05, (0.9, 0.95), 1.0)
    assert (config.frames.first, config.frames.last, config.frames.steps) == ((25, 45), (45, 135), 30_000)


def test_options_override_the_preset_where_given():
    recipe = chosen_recipe("tiny", steps=77, batch=None, **view_range("3-5"))
    assert (recipe.train.steps, recipe.train.batch) == (77, 2)
    assert (recipe.train.min_views, recipe.train.max_views, recipe.model.max_views) == (3, 5, 5)
    assert view_range("8") == {"min_views": 8, "max_views": 8}


@pytest.mark.parametrize(
    ("preset", "overrides", "sentence"),
    [
        ("nonsense", {}, "there are cpu, gpu"),
        ("tiny", view_range("1-3"), "at least 2"),
        ("tiny", view_range("5-3"), "--views 5-3"),
        ("tiny", {"warmup": 200}, "--warmup 200"),
        ("paper-re10k", {}, "--data"),
    ],
)
def test_wrong_combinations_get_a_sentence(preset, overrides, sentence):
    with pytest.raises(InputError, match=sentence):
        chosen_recipe(preset, **overrides)


@pytest.mark.parametrize("text", ["", "many", "2-", "2-3-4", "-3"])
def test_wrong_views_get_a_sentence(text):
    with pytest.raises(InputError, match="--views"):
        view_range(text)
