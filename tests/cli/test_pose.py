import json

import numpy as np
import pycolmap
import pytest

from ilrm_cli.capture.pose_card import pose_card
from ilrm_cli.cli.pose import card_lines
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.opened import gathered
from tests.support.photographed import cameras_on_an_arc, save_photos

KEYS = {"command", "status", "output", "pose_card", "left_out", "warnings", "seconds"}
CARD_KEYS = {
    "origin", "found", "registered", "error_px", "points", "points_per_photo", "names", "overlap", "baseline_to_depth",
    "step_deg", "relief", "fov_deg", "fov_kept_deg", "unlike_training", "advice",
}  # fmt: skip


def test_json_keys_are_the_contract(tmp_path):
    outcome = ilrm("pose", SAMPLES / "posed", "-o", tmp_path / "out", "--json")
    assert outcome.status == 0, outcome.err
    assert set(outcome.json) == KEYS
    assert set(outcome.json["pose_card"]) == CARD_KEYS
    assert json.loads((tmp_path / "out" / "pose_card.json").read_text()) == outcome.json["pose_card"]
    assert (
        pycolmap.Reconstruction(tmp_path / "out" / "sparse" / "0").num_reg_images()
        == outcome.json["pose_card"]["registered"]
    )


def test_the_card_is_always_shown(tmp_path):
    outcome = ilrm("pose", SAMPLES / "posed", "-o", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    for line in card_lines(pose_card(gathered(SAMPLES / "posed"))):
        assert line in outcome.out


@pytest.mark.parametrize("arguments", [(), ("--camera", "PINHOLE 300,300,160,120")])
def test_photos_without_poses_get_them(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    save_photos(tmp_path / "my photos", cameras_on_an_arc(5))
    outcome = ilrm("pose", tmp_path / "my photos", "-o", tmp_path / "out", *arguments)
    assert outcome.status == 0, outcome.err
    assert "poses come from: structure from motion" in outcome.out
    assert "photos with a pose: 5 of 5" in outcome.out
    photos = gathered(tmp_path / "out").photos
    focal = [photo.lens.params[0] for photo in photos]
    np.testing.assert_allclose(focal, 300, rtol=1e-9 if arguments else 0.05)


def test_mistakes_end_in_one_sentence(tmp_path):
    assert (
        "poses with their own cameras"
        in ilrm("pose", SAMPLES / "posed", "-o", tmp_path / "out", "--camera", "PINHOLE 1,1,1,1").sentence
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    refused = ilrm("pose", SAMPLES / "posed", "-o", tmp_path / "full", "-w")
    assert refused.status == 1
    assert "holds more than poses" in refused.sentence
    assert not (tmp_path / "out").exists()
