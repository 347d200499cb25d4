"""Tests of what the trace of a tiny model measures and shows."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.predict import predict
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.trace import LONG_SIDE_PX, trace
from ilrm_cli.render.metrics import score_of
from ilrm_cli.visualize.film.trace_film import BAND_PX, pictures_for, strip, write_trace
from tests.support.small_models import MATCHED, PYRAMID, random_model, random_views

CONFIG = dataclasses.replace(MATCHED, backdrop=True)


@pytest.fixture(scope="module")
def scene() -> Prepared:
    views = random_views(5)
    return Prepared(views[:3], views[3:], (0.5, 10.0), Similarity(1.0, torch.eye(3), torch.zeros(3)))


@pytest.mark.parametrize("config", [CONFIG, PYRAMID], ids=["layers that pass tokens on", "layers with feedback"])
def test_the_last_row_is_the_predicted_scene(scene, config):
    model = random_model(config)
    traced = trace(model, scene)
    predicted = predict(model, scene)
    assert [row.layer for row in traced.layers] == [0, 1, 2]
    assert traced.layers[-1].head.gaussians == len(predicted.gaussians)
    assert traced.layers[-1].head.psnr == pytest.approx(score_of(predicted.gaussians, scene.targets).psnr, abs=1e-4)


def test_a_model_whose_layers_do_nothing_changes_nothing(scene):
    model = random_model(CONFIG)
    for layer in model.layers:
        for block in (layer.cross.proj, layer.cross_mlp.fc2, layer.self_attention.proj, layer.self_mlp.fc2):
            torch.nn.init.zeros_(block.weight)
    first, *later = trace(model, scene).layers
    assert (first.token_change, first.head.depth_change, first.head.means_change) == (None, None, None)
    assert all((row.token_change, row.head.depth_change, row.head.means_change) == (0, 0, 0) for row in later)
    assert {row.head.psnr for row in later} == {first.head.psnr}


def test_without_held_out_photos_nothing_is_scored_and_an_input_is_shown(scene):
    traced = trace(random_model(CONFIG), dataclasses.replace(scene, targets=None))
    assert all(row.head.psnr is None for row in traced.layers)
    assert traced.shown == 1


def test_pictures_have_one_size_and_the_photo_its_own_colours(scene):
    traced = trace(random_model(CONFIG), scene, pictures=2)
    shapes = {picture.shape for row in traced.pictures for picture in row} | {traced.photo.shape}
    assert shapes == {(320, LONG_SIDE_PX, 3)}
    assert not np.array_equal(traced.pictures[0][0], traced.pictures[0][1])  # the camera moves
    small = np.asarray(Image.fromarray(traced.photo).resize((48, 32), Image.Resampling.BOX)) / 255
    photo = scene.targets.images[traced.shown].permute(1, 2, 0).numpy()
    assert np.corrcoef(small.ravel(), photo.ravel())[0, 1] > 0.9


def test_the_strip_shows_every_layer_below_its_label(scene):
    traced = trace(random_model(CONFIG), scene)
    height, width = traced.photo.shape[0] + BAND_PX, traced.photo.shape[1]
    shown = strip(traced)
    assert shown.shape == (height, 4 * width, 3)
    for column, pictures in enumerate(traced.pictures):
        cell = shown[:, column * width : (column + 1) * width]
        assert np.array_equal(cell[BAND_PX:], pictures[0])
        assert len(np.unique(cell[:BAND_PX])) > 2  # something is written
    assert np.array_equal(shown[BAND_PX:, 3 * width :], traced.photo)


@pytest.mark.parametrize(("name", "pictures"), [("a.mp4", 15), ("a.gif", 15), ("a.webp", 15), ("a.png", 1), ("a", 1)])
def test_films_move_and_stills_do_not(tmp_path, name, pictures):
    assert pictures_for(tmp_path / name) == pictures


def test_written_as_strip_folder_and_film(scene, tmp_path):
    stills = trace(random_model(CONFIG), scene)
    write_trace(stills, tmp_path / "strip.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "strip.png")), strip(stills))
    write_trace(stills, tmp_path / "frames")
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    moving = trace(random_model(CONFIG), scene, pictures=2)
    write_trace(moving, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2 * (2 + 2)  # two pictures per layer, the last one twice
        assert film.size == (2 * stills.photo.shape[1], stills.photo.shape[0] + BAND_PX)
