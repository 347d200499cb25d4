"""Records that cannot be followed are refused before any work; how far two scenes are apart."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.recorded import as_computed, settings_of
from ilrm_cli.pipeline.replay import distance, replay
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.record import SceneRecord, read_record, recorded_views
from tests.support.records import write_record
from tests.support.small_reconstruction import cameras, gaussians

SETTINGS = Settings(views=4, refine=5, frame="up", fps=2.0, auto_scale=False, compile=True, camera="PINHOLE 1,1,1,1")
RECORD = SceneRecord(
    views=(),
    model_from_world=Similarity(1.0, torch.eye(3).double(), torch.zeros(3).double()),
    model={"name": "default", "sha256": "ff"},
    seed=0,
    settings=dataclasses.asdict(SETTINGS),
    ply_sha256="00",
    photos="photos",
)

RECORD_WITH_A_VIEW = SceneRecord(
    views=recorded_views(["a", "b", "c", "d"], ["0"] * 4, cameras(), "input"),
    model_from_world=Similarity(1.0, torch.eye(3).double(), torch.zeros(3).double()),
    model={},
    seed=0,
)


def recorded(folder: Path, **change) -> Path:
    write_record(folder / "scene.json", dataclasses.replace(RECORD, **change))
    return folder / "scene.json"


def test_settings_come_back(tmp_path):
    file = recorded(tmp_path)
    assert settings_of(read_record(file), file) == SETTINGS


def test_settings_that_were_not_known_then_are_at_their_defaults(tmp_path):
    """Those of then: a draft of poses as they were given, in their own frame."""
    file = recorded(tmp_path, settings={"views": 3})
    assert settings_of(read_record(file), file) == Settings(
        views=3, quality="draft", refine_poses="off", origin="input"
    )


def test_the_precision_that_auto_came_to_is_kept():
    record = dataclasses.replace(RECORD, machine={"precision": "bfloat16"})
    assert as_computed(SETTINGS, record) == dataclasses.replace(SETTINGS, precision="bf16")
    exact = dataclasses.replace(SETTINGS, precision="fp32")
    assert as_computed(exact, record) == exact
    assert as_computed(SETTINGS, dataclasses.replace(RECORD, machine={})) == SETTINGS


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"views": 3, "magic": 1}, r"does not know \(magic\); use ilrm"),
        ({"views": "three"}, r"damaged \(settings: .+ at `\$.views`\)"),
        ({"frame": "sideways"}, "damaged"),
        ({"refine": True}, "damaged"),
        ({"refine": None}, "damaged"),
    ],
)
def test_other_settings_are_refused(tmp_path, settings, sentence):
    file = recorded(tmp_path, settings=settings)
    with pytest.raises(InputError, match=sentence):
        settings_of(read_record(file), file)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({}, {}, "are no longer at photos; say where they are with --photos"),
        ({"photos": None}, {}, "are not recorded; say where they are with --photos"),
        ({"ply_sha256": None}, {}, "does not say what its scene file was"),
        ({}, {"photos": ".", "output": "other.splat"}, "the recorded scene is a .ply file"),
        ({}, {"photos": ".", "output": "scene.json/other.ply"}, "is not a folder"),
        ({}, {"photos": ".", "output": "scene.ply"}, "scene.json exists; pass -w"),
    ],
)
def test_what_cannot_be_made_again(tmp_path, change, options, sentence):
    file = recorded(tmp_path, **change)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=sentence):
        replay(file, **{name: tmp_path / value for name, value in options.items()})
    assert sorted(tmp_path.iterdir()) == before


def test_a_scene_without_its_record(tmp_path):
    with pytest.raises(InputError, match=r"the scene .*scene\.ply does not exist"):
        replay(tmp_path / "scene.ply")
    (tmp_path / "scene.ply").touch()
    with pytest.raises(InputError, match=r"scene\.json does not exist, which tells from what the scene was made"):
        replay(tmp_path / "scene.ply")
    with pytest.raises(InputError, match="is a folder; name a scene, or its record"):
        replay(tmp_path)


def test_a_record_of_something_else(tmp_path):
    (tmp_path / "scene.json").write_text(json.dumps({"camera_model": "OPENCV"}))
    with pytest.raises(InputError, match="is no record of an ilrm scene"):
        replay(tmp_path / "scene.json")


def test_a_scene_is_no_distance_from_itself():
    apart = distance(gaussians(), gaussians(), RECORD_WITH_A_VIEW)
    assert (apart.gaussians, apart.farthest_mean, apart.psnr) == ((300, 300), 0, 100)


def test_one_that_was_moved():
    scene = gaussians()
    means = scene.means.clone()
    means[7] += torch.tensor([0.0, 3.0, 4.0])
    apart = distance(scene, replace(scene, means=means), RECORD_WITH_A_VIEW)
    assert apart.farthest_mean == pytest.approx(5, rel=1e-6)
    assert 20 < apart.psnr < 60


def test_of_other_counts_only_the_pictures_are_compared():
    scene = gaussians()
    apart = distance(scene, scene[:290], RECORD_WITH_A_VIEW)
    assert apart.gaussians == (300, 290)
    assert apart.farthest_mean is None
    assert distance(scene, scene[:100], RECORD_WITH_A_VIEW).psnr < apart.psnr < 100


def test_without_cameras_there_is_no_picture():
    assert distance(gaussians(), gaussians(), replace(RECORD_WITH_A_VIEW, views=())).psnr is None
