"""Reports of every kind on disk, which are refused, and the keys for programs, which are a contract."""

import json
from pathlib import Path

import pytest

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.visualize.checks import check_reports
from ilrm_cli.visualize.report.write import encode_json, write_reports

KEYS = {
    "report", "title", "photos", "comparisons", "cameras", "pose_card", "settings", "seed", "machine", "versions",
    "ilrm", "inputs_sha256", "ply_sha256", "command_line",
}  # fmt: skip


def test_the_suffix_says_the_kind(tmp_path, report):
    write_reports(report, [tmp_path / "a.html", tmp_path / "B.JSON"])
    assert (tmp_path / "a.html").read_bytes().startswith(b"<!doctype html>")
    assert json.loads((tmp_path / "B.JSON").read_bytes())["title"] == "shoot"
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "B.JSON"}


def test_it_holds_all_that_json_prints_and_more(report):
    content = json.loads(encode_json(report))
    assert set(content) == KEYS | {"command", "status"} | set(report.summary)
    assert content["report"] == 2
    assert {key: content[key] for key in ("verdict", "layers", "views")} == {
        key: json.loads(json.dumps(report.summary[key])) for key in ("verdict", "layers", "views")
    }
    assert content["photos"][0] == {"name": "a2.png", "role": "input", "reason": "", "number": 1}
    assert [set(compared) for compared in content["comparisons"]] == [{"name", "psnr", "ssim"}] * 2
    assert [camera["name"] for camera in content["cameras"]] == [p.name for p in report.photos[:4]]
    assert content["settings"]["refine"] == 5
    assert content["machine"]["device"] == "cpu"
    assert len(content["ply_sha256"]) == 64


def test_what_was_foretold_comes_first_of_the_warnings(report):
    assert json.loads(encode_json(report))["warnings"][:2] == ["it will be long.", "a photo is cut short."]


def test_what_is_not_finite_is_null(report):
    assert report.summary["held_out"]["psnr"] == float("inf")
    text = encode_json(report).decode()
    assert json.loads(text)["held_out"]["psnr"] is None
    assert "NaN" not in text
    assert "Infinity" not in text


def test_it_says_the_same_where_nothing_is_held_out(unscored):
    content = json.loads(encode_json(unscored))
    assert content["comparisons"] == []
    assert content["held_out"] == {"psnr": None, "ssim": None, "chose": []}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["r.pdf"], "reports are .html or .json files"),
        (["r"], "reports are .html or .json files"),
        (["scene.json"], "is the scene's record too"),
        (["a.html", "./a.html"], "is another --report too"),
        (["there.html/a.html"], "is not a folder"),
        (["there.html"], "exists; pass -w"),
    ],
)
def test_refused(tmp_path, monkeypatch, names, sentence):
    monkeypatch.chdir(tmp_path)
    Path("there.html").write_text("mine")
    with pytest.raises(InputError, match=sentence):
        check_reports([Path(name) for name in names], Path("scene.ply"), overwrite=False)
    assert Path("there.html").read_text() == "mine"


def test_an_existing_report_is_replaced_where_that_is_wanted(tmp_path):
    (tmp_path / "there.html").write_text("old")
    check_reports([tmp_path / "there.html", tmp_path / "B.JSON"], tmp_path / "scene.ply", overwrite=True)
