"""The report for programs: its keys are a contract."""

import json

from ilrm_cli.visualize.report.write import encode_json

KEYS = {
    "report", "title", "photos", "comparisons", "cameras", "pose_card", "settings", "seed", "machine", "versions",
    "ilrm", "inputs_sha256", "ply_sha256", "command_line",
}  # fmt: skip


def test_it_holds_all_that_json_prints_and_more(report):
    content = json.loads(encode_json(report))
    assert set(content) == KEYS | set(report.summary)
    assert content["report"] == 1
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
    assert content["held_out"] == {"psnr": None, "ssim": None}
