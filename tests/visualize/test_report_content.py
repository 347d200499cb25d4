"""What a report tells: every photo once, held-out photos beside the scene, and what else."""

import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.cli import app
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import score_of
from ilrm_cli.visualize.report import photo_list
from ilrm_cli.visualize.report.comparisons import ERROR_RAMP, comparisons, in_ramp
from ilrm_cli.visualize.report.content import command_of
from tests.support.small_reconstruction import NAMES, reconstruction


def test_the_command_spells_out_what_is_not_usual(report):
    assert shlex.split(report.command)[:2] == ["ilrm", "reconstruct"]
    assert shlex.split(report.command)[5:] == ["--views", "2", "--refine", "5"]
    assert command_of([Path("a b")], Path("s.ply"), Settings()) == "ilrm reconstruct 'a b' -o s.ply"


def test_every_setting_is_an_option_of_the_command():
    """A new setting is thus either an option of its name or listed under OPTIONS."""
    hints = get_type_hints(Settings)
    changed = Settings(**{f.name: _another(hints[f.name], f.default) for f in fields(Settings)})
    words = shlex.split(command_of([Path("p")], Path("s"), changed))
    command = app.command("reconstruct")
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word for word in words if word.startswith("-")}
    assert used <= known
    assert len(used) == len(fields(Settings)) + 1  # and -o


def _another(hint, default):
    """Return a value of the type that is not the default."""
    if get_origin(hint) is Literal:
        return next(value for value in get_args(hint) if value != default)
    if get_args(hint):
        return _another(get_args(hint)[0], default)
    return {bool: not default, int: 77, float: 7.5, str: "other"}[hint]


def test_the_title_is_the_name_of_the_photos(report):
    assert report.title == "shoot"


def test_inputs_first_then_held_out_then_the_rest_each_in_natural_order(report):
    assert [(photo.name, photo.role, photo.number) for photo in report.photos] == [
        ("a2.png", "input", 1),
        ("a10.png", "input", 2),
        ("b.png", "held_out", None),
        (NAMES[3], "held_out", None),
        ("gone.jpg", "left_out", None),
        ("short.jpg", "left_out", None),
    ]
    assert [photo.reason for photo in report.photos[3:]] == [
        "it is held out to score the result", "it shares <no> point", "it is cut short",
    ]  # fmt: skip


def test_photos_that_the_scene_was_fitted_to_are_no_inputs_and_not_left_out(fitted):
    roles = [(photo.name, photo.role) for photo in fitted.photos]
    assert roles[1:4] == [("a10.png", "input"), ("b.png", "fitted"), (NAMES[3], "held_out")]
    assert sorted((camera.name, camera.role) for camera in fitted.layout.cameras) == sorted(roles[:4])
    assert [(view.name, view.role) for view in fitted.record.views] == roles[:4]
    assert [photo.name for photo in fitted.record.left_out] == ["short.jpg", "gone.jpg"]


def test_what_cannot_be_read_has_no_picture(report):
    assert [photo.thumbnail is not None for photo in report.photos] == [True] * 4 + [False] * 2


def test_thumbnails_are_small_and_upright(tmp_path):
    result = reconstruction(tmp_path)
    picture = Image.new("RGB", (900, 600), "white")
    picture.paste("black", (0, 0, 900, 300))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: the upper half is shown on the right
    picture.save(tmp_path / "short.jpg", exif=exif)
    shown = next(photo for photo in photo_list.photo_list(result) if photo.name == "short.jpg").thumbnail
    assert shown.shape == (240, 160, 3)
    assert shown[:, :60].min() > 200 > 50 > shown[:, 100:].max()


def test_pictures_stop_where_a_page_would_grow_heavy(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_list, "MAX_THUMBNAILS", 3)
    photos = photo_list.photo_list(reconstruction(tmp_path))
    assert [photo.thumbnail is not None for photo in photos] == [True] * 3 + [False] * 3
    assert np.array([photo.number is not None for photo in photos]).sum() == 2


def test_a_scene_that_is_right_shows_no_error(report):
    assert [compared.name for compared in report.comparisons] == list(NAMES[2:])
    for compared in report.comparisons:
        assert compared.psnr == 100  # the cap
        assert compared.ssim == pytest.approx(1, abs=1e-6)
        assert np.array_equal(compared.photo, compared.render)
        assert (compared.error == ERROR_RAMP[0]).all()


def test_scores_are_those_whose_mean_is_the_score(tmp_path):
    result = reconstruction(tmp_path)
    darker = replace(result.prepared.targets, images=result.prepared.targets.images * 0.8)
    mean = score_of(result.gaussians, darker)
    made = comparisons(replace(result, prepared=replace(result.prepared, targets=darker), score=mean))
    assert len({round(compared.psnr, 3) for compared in made}) == 2
    assert np.mean([compared.psnr for compared in made]) == pytest.approx(mean.psnr, abs=1e-4)
    assert np.mean([compared.ssim for compared in made]) == pytest.approx(mean.ssim, abs=1e-5)


def test_masked_pixels_show_no_error(tmp_path):
    result = reconstruction(tmp_path)
    masks = torch.ones(2, 48, 64)
    masks[:, :, :32] = 0
    wrong = replace(result.prepared.targets, images=1 - result.prepared.targets.images, masks=masks)
    for compared in comparisons(replace(result, prepared=replace(result.prepared, targets=wrong))):
        assert (compared.error[:, :32] == ERROR_RAMP[0]).all()
        assert not (compared.error[:, 32:] == ERROR_RAMP[0]).all()


@pytest.mark.parametrize("turns", [1, 3])
def test_a_portrait_photo_that_was_turned_is_shown_upright(tmp_path, turns):
    """The view as the model sees it lies on its side; the page shows it as it was taken."""
    result = reconstruction(tmp_path)
    turned = replace(result.prepared.targets, quarter_turns=torch.tensor([turns, 0]))
    shown = comparisons(replace(result, prepared=replace(result.prepared, targets=turned)))
    as_seen = comparisons(result)
    assert np.array_equal(shown[0].photo, np.rot90(as_seen[0].photo, -turns))
    assert np.array_equal(shown[1].photo, as_seen[1].photo)


def test_the_ramp_is_dark_where_nothing_is_wrong_and_ends_at_full_error():
    colours = in_ramp(torch.tensor([[0.0, 0.25, 0.5, 1.0, 9.0]]))
    assert colours[0].tolist() == [list(ERROR_RAMP[i]) for i in (0, 1, 2, 4, 4)]
    brightness = in_ramp(torch.linspace(0, 1, 50)[None]).astype(float).sum(-1)[0]
    assert (np.diff(brightness) >= -2).all()  # rounding
