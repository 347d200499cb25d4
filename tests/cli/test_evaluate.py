"""`ilrm evaluate`, as people run it."""

import json

from tests.cli.conftest import SAMPLES
from tests.cli.run import ilrm

SMALL = ("--size", "64", "--views", "2,4")


def test_scores_go_to_stdout_and_into_the_folder(tmp_path):
    folder = tmp_path / "scores"
    outcome = ilrm("evaluate", SAMPLES / "posed", tmp_path / "absent", *SMALL, "-o", folder, "--json")
    assert outcome.status == 1  # one scene is not there
    assert outcome.json["status"] == "failed"
    assert outcome.json["failed"][0]["name"] == "absent"
    assert [mean["views"] for mean in outcome.json["summary"]["means"]] == [2] * 4 + [4] * 4
    written = json.loads((folder / "scores.json").read_text())
    assert written["scenes"] == outcome.json["scenes"]
    assert sorted(path.name for path in folder.iterdir()) == ["posed.png", "scores.csv", "scores.json"]
    again = ilrm("evaluate", SAMPLES / "posed", *SMALL, "-o", folder)
    assert again.status == 1
    assert "pass -w to overwrite" in again.err


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
