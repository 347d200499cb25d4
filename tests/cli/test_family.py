"""Every system of the family from end to end, with tiny random weights: made, filmed, scored, exported and reported."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.models.checkpoint import blueprint_with, load_model
from ilrm_cli.models.registry import ARCHITECTURES
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.train.config import TINY_MODELS
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.family import drawn, saved
from tests.support.heads import small_avatar, small_head
from tests.support.small_fields import NAMES as FIELDS
from tests.support.small_fields import small_network

pytestmark = pytest.mark.slow
SYSTEMS = (*TINY_MODELS, *FIELDS)
FEW = ("--size", "64x48", "--seconds", "0.2", "--fps", "20")


@pytest.fixture(scope="module", params=SYSTEMS)
def made(request, tmp_path_factory):
    """Return a system, and a folder with its weights, its scene, and what the command said."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    if name in FIELDS:
        weights, suffix = saved(small_network(name), folder), ".ilrm"
    else:
        config = replace(TINY_MODELS[name], min_views=2, max_views=3, long_side_px=64)
        weights, suffix = saved(drawn(blueprint_with(config).build()), folder), ".ply"
    one = not load_model(str(weights)).model.capabilities.needs_poses
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ilrm_cli.render.surface.RESOLUTION", 16)
        reports = ("--report", folder / "report.html", "--report", folder / "report.json")
        chosen = () if one else ("--views", "2", "--quality", "draft", "--no-auto-scale")
        photos = cut_out(folder) if one else SAMPLES / "posed"
        scene = folder / f"scene{suffix}"
        outcome = ilrm("reconstruct", photos, "--model", weights, "-o", scene, *chosen, *reports, "--json")
        assert outcome.status == 0, outcome.err
        yield name, weights, scene, outcome.json, one


def cut_out(folder):
    """Write a photo of the sample scene in which all but a disc is transparent."""
    pixels = np.asarray(Image.open(min((SAMPLES / "posed" / "images").iterdir())).convert("RGB").resize((96, 96)))
    y, x = np.mgrid[:96, :96] - 47.5
    alpha = np.where(np.hypot(x, y) < 40, 255, 0).astype(np.uint8)
    (folder / "photos").mkdir()
    Image.fromarray(np.dstack([pixels, alpha])).save(folder / "photos" / "thing.png")
    return folder / "photos" / "thing.png"


def test_it_makes_a_scene_and_a_report(made):
    name, _, scene, told, one = made
    file = decode_scene(scene)
    assert len(file.gaussians) == told["gaussians"] > 100
    assert (file.field is not None) == (name in FIELDS)
    assert (told["held_out"]["psnr"] is None) == one
    report = json.loads(scene.with_name("report.json").read_text())
    assert report["title"]
    page = scene.with_name("report.html").read_text()
    assert "scene" in page
    json.dumps(told, allow_nan=False)


def test_its_film_shows_something(made, tmp_path):
    _, _, scene, _, _ = made
    film = ilrm("render", scene, "-o", tmp_path / "film", "--path", "orbit", "--full", *FEW, "--json")
    assert film.status == 0, film.err
    frames = [np.asarray(Image.open(path)).astype(int) for path in sorted((tmp_path / "film").iterdir())]
    assert len(frames) == film.json["frames"] == 4
    assert max(frame.std() for frame in frames) > 5
    assert np.abs(frames[0] - frames[2]).mean() > 0.5  # it looks different from the other side


def test_its_gaussians_are_exported(made, tmp_path):
    name, _, scene, told, _ = made
    done = ilrm("export", scene, "-o", tmp_path / "out.spz", "--json")
    assert done.status == 0, done.err
    assert done.json["gaussians"] == told["gaussians"]
    assert (done.json["field"] is not None) == (name in FIELDS)


def test_it_is_evaluated_on_posed_photos(made, tmp_path):
    _, weights, _, _, one = made
    words = ("--model", weights, "--views", "2", "--no-baselines", "--json")
    done = ilrm("evaluate", SAMPLES / "posed", *words)
    if one:
        assert "takes one photo of an object" in done.sentence
        return
    assert done.status == 0, done.err
    (scene,) = done.json["scenes"]
    assert scene["trials"][0]["psnr"] > 3


def test_the_same_comes_again(made):
    _, _, scene, _, _ = made
    again = ilrm("replay", scene, "--json")
    assert again.json["identical"], again.err


def test_a_head_is_animated(tmp_path):
    folder, weights = small_head(tmp_path / "heads"), saved(small_avatar(), tmp_path)
    code = small_avatar().config.code
    (folder / "two.json").write_text(json.dumps([[0.0] * code, [2.0] * code]))
    words = (folder / "head.json", folder / "two.json", "-o", tmp_path / "film", "--model", weights, "--size", "48")
    done = ilrm("animate", *words, "--json")
    assert done.status == 0, done.err
    first, second = (np.asarray(Image.open(path)).astype(int) for path in sorted((tmp_path / "film").iterdir()))
    assert first.std() > 5
    assert np.abs(first - second).max() > 0
    command = ("reconstruct", SAMPLES / "posed", "--model", weights, "-o", tmp_path / "scene.ply")
    assert "animates heads" in ilrm(*command).sentence


def test_no_system_is_forgotten():
    assert {*SYSTEMS, "avat3r", "ilrm"} == set(ARCHITECTURES)
