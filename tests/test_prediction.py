"""Tests of what happens to the model's prediction before it is a scene."""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.pipeline.predict import predict
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.runtime.errors import InputError

WIDTH, HEIGHT = 32, 24


def prepared(masks: torch.Tensor | None) -> Prepared:
    pose = torch.eye(4).repeat(3, 1, 1)
    pose[:, 0, 3] = torch.tensor([-1.0, 0.0, 1.0])
    focal, center = torch.full((3, 2), 30.0), torch.tensor([[16.0, 12.0]]).repeat(3, 1)
    images = torch.rand(3, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    views = Views(images, Cameras(pose, focal, center, WIDTH, HEIGHT), masks=masks)
    return Prepared(views, None, (1.0, 10.0), Similarity(1.0, torch.eye(3), torch.zeros(3)))


def test_masked_pixels_give_no_gaussians_and_the_rest_stay_where_they_were():
    model = load_model("default").model
    masks = torch.ones(3, HEIGHT, WIDTH)
    masks[:, :, : WIDTH // 2] = 0
    bare = dataclasses.replace(model.config, backdrop=False)
    model.config = bare
    scene = prepared(masks)
    with torch.no_grad():
        everything = model([scene.inputs], [scene.depth_range])[0]
    rest = predict(model, scene).gaussians
    assert 0 < len(rest) < len(everything)
    camera = prepared(None).inputs.cameras
    assert {tuple(m) for m in rest.means.tolist()} <= {tuple(m) for m in everything.means.tolist()}
    left_of_all = ((rest.means[:, None, 0] - camera.positions[None, :, 0]) < -1e-3 * rest.means[:, None, 2]).all(1)
    assert not left_of_all.any()  # each is right of the middle of the view it comes from


def test_nothing_stands_behind_what_is_masked():
    model = load_model("default").model
    nothing = torch.zeros(3, HEIGHT, WIDTH)
    assert len(predict(model, prepared(nothing)).gaussians) == 0
    assert len(predict(model, prepared(None)).gaussians) >= 1000  # the backdrop alone


def test_nothing_is_left_where_a_photo_is_transparent():
    """The right half of the middle photo is transparent: what others predict there is left out and counted."""
    model = load_model("default").model
    scene = prepared(None)
    empty = torch.zeros(3, HEIGHT, WIDTH)
    empty[1, :, WIDTH // 2 :] = 1
    cut_out = dataclasses.replace(scene, inputs=dataclasses.replace(scene.inputs, empty=empty))
    found = predict(model, cut_out)
    x, _, z = found.gaussians.means.unbind(1)
    column = 30.0 * x / z + 16
    assert not ((column > WIDTH // 2 + 2) & (column < WIDTH)).any()
    assert found.floating > predict(model, scene).floating
    assert len(found.gaussians) > 50  # nor is there a backdrop


def test_a_scene_that_does_not_fit_is_refused_before_the_pass(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ilrm_cli.models.memory_plan.free_bytes", lambda device: 1_000_000)
    with pytest.raises(InputError, match=r"3 views of 32x24 px need .* GB are free"):
        predict(load_model("default").model, prepared(None))
