"""Tests of `ilrm evaluate` as users run it."""

import json

import pytest

from ilrm_cli.evaluate import run as stage
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.photographed import cameras_on_an_arc
from tests.support.small_data_sets import re10k_clip, write_dl3dv, write_re10k

SMALL = ("--size", "64", "--views", "2,4")


def test_scores_go_to_stdout_and_into_the_folder(tmp_path):
    folder = tmp_path / "scores"
    outcome = ilrm("evaluate", SAMPLES / "posed", tmp_path / "absent", *SMALL, "-o", folder, "--json")
    assert outcome.status == 1  # one scene is not there
    assert outcome.json["status"] == "failed"
    assert outcome.json["failed"][0]["name"] == "absent"
    assert [mean["views"] for mean in outcome.json["summary"]["means"]] == ["2"] * 4 + ["4"] * 4
    written = json.loads((folder / "scores.json").read_text())
    assert written["scenes"] == outcome.json["scenes"]
    assert sorted(path.name for path in folder.iterdir()) == ["posed.png", "scores.csv", "scores.json"]
    again = ilrm("evaluate", SAMPLES / "posed", *SMALL, "-o", folder)
    assert again.status == 1
    assert "pass -w to overwrite" in again.err


def test_an_interrupted_evaluation_says_what_is_kept(tmp_path, monkeypatch):
    whole = stage.evaluate_scene

    def interrupted(run, ref, *rest):
        if ref.name == "absent":
            raise KeyboardInterrupt
        return whole(run, ref, *rest)

    monkeypatch.setattr(stage, "evaluate_scene", interrupted)
    outcome = ilrm("evaluate", SAMPLES / "posed", tmp_path / "absent", *SMALL, "-o", tmp_path / "scores")
    assert outcome.status == 130
    assert "stopped: the first 1 of 2 scenes are in" in outcome.err
    assert len(json.loads((tmp_path / "scores" / "scores.json").read_text())["scenes"]) == 1


def test_people_see_a_table_and_what_it_says():
    outcome = ilrm("evaluate", SAMPLES / "posed", *SMALL)
    assert outcome.status == 0, outcome.err
    assert "dB over the nearest photo" in outcome.out
    assert "LPIPS" in outcome.out


def test_procedural_scenes_need_no_folder():
    outcome = ilrm("evaluate", "--synthetic", "1", "--size", "32", "--views", "2,3", "--no-baselines", "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["protocol"] == "synthetic"
    assert [len(names) for names in outcome.json["scenes"][0]["inputs"]] == [2, 3]


def test_wrong_numbers_of_views_get_a_sentence():
    outcome = ilrm("evaluate", SAMPLES / "posed", "--views", "two")
    assert outcome.status == 1
    assert "give numbers with commas" in outcome.err
    both = ilrm("evaluate", SAMPLES / "posed", "--synthetic", "3")
    assert "leave the folders and --protocol out" in both.err


def test_models_of_one_photo_are_refused_whether_or_not_they_are_here():
    assert "--model triposr takes one photo" in ilrm("evaluate", "--synthetic", "1", "--model", "triposr").sentence


def test_the_published_protocols_run_on_data_in_their_layouts(tmp_path):
    root = write_re10k(tmp_path / "re10k", [re10k_clip("a", cameras_on_an_arc(6, spread_deg=10), 640, 360)])
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"a": {"context": [0, 5], "target": [2]}}))
    re10k = ilrm("evaluate", root, "--protocol", "re10k", "--index", index, "--json")
    write_dl3dv(tmp_path / "dl3dv" / "0a1b", cameras_on_an_arc(10, spread_deg=10))
    dl3dv = ilrm("evaluate", tmp_path / "dl3dv", "--protocol", "dl3dv", "--size", "128", "--views", "4", "--json")
    for outcome, name in ((re10k, "a"), (dl3dv, "0a1b")):
        assert outcome.status == 0, outcome.err
        assert outcome.json["scenes"][0]["name"] == name
        assert outcome.json["summary"]["margins"][0]["gain_db"] > 1


@pytest.mark.usefixtures("tiny_efforts")
def test_whole_reconstructions_are_shown_beside_each_other(tmp_path):
    options = ("--protocol", "every-eighth", "--views", "3", "--size", "64", "--device", "cpu")
    words = ("evaluate", SAMPLES / "posed", *options, "--quality", "standard,draft", "--refine", "1")
    shown = ilrm(*words, "-o", tmp_path / "scores")
    assert shown.status == 0, shown.err
    assert "posed (12)" in shown.out
    assert "standard over draft, refined: " in shown.out
    assert "standard over standard from sparse points: " in shown.out
    assert "Every eighth photo scores and was never looked at" in shown.out
    kept = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert (kept["protocol"], kept["qualities"], kept["refine"]) == ("every-eighth", ["draft", "standard"], 1)
    assert not kept["targets_choose_when_to_stop"]
    (scene,) = kept["scenes"]
    assert scene["targets"] == ["001.jpg", "009.jpg"]
    assert len(scene["inputs"][0]) == 10
    assert [trial["method"] for trial in scene["trials"]] == ["draft", "standard", "standard from sparse points"]
    assert all(trial["cpu_seconds"] > 0 for trial in scene["trials"])
    assert all(abs(trial["psnr_evened"] - trial["psnr"]) < 3 for trial in scene["trials"]), "its exposures are even"
    header, *rows = (tmp_path / "scores" / "scores.csv").read_text().splitlines()
    assert header.endswith(",iterations,cpu_seconds,psnr_evened")
    assert len(rows) == 3 * (2 + 1)
    assert (tmp_path / "scores" / "posed.png").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--quality standard", "add --protocol every-eighth"),
        ("--protocol dl3dv --quality draft", "add --protocol every-eighth"),
        ("--protocol every-eighth --quality best", "--quality best: name draft, standard, high"),
        ("--protocol every-eighth --quality standard --refine 50", "give one of them"),
        ("--protocol every-eighth --views 2,4", "takes one number of --views"),
        ("--protocol every-eighth --synthetic 2", "leave the folders and --protocol out"),
    ],
)
def test_what_whole_reconstructions_cannot_be_asked_for(words, sentence):
    refused = ilrm("evaluate", SAMPLES / "posed", *words.split())
    assert refused.status == 1
    assert sentence in refused.sentence
