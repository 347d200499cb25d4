"""Reports beside a real reconstruction."""

import json

import pytest

from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm


def test_the_report_for_programs_says_what_json_printed(made):
    output, printed = made
    report = json.loads(output.with_name("report.json").read_bytes())
    assert {key: report[key] for key in printed} == printed
    assert sorted(photo["name"] for photo in report["photos"]) == sorted(
        [*printed["views"]["used"], *printed["views"]["held_out"]]
    )
    scores = [compared["psnr"] for compared in report["comparisons"]]
    assert sum(scores) / len(scores) == pytest.approx(printed["held_out"]["psnr"], abs=1e-3)


def test_the_page_says_it_for_people(made):
    output, printed = made
    page = output.with_name("report.html").read_text()
    assert "<h1>posed</h1>" in page
    assert all(name in page for name in (*printed["views"]["used"], *printed["views"]["held_out"]))
    assert page.count('aria-label="Layer ') == len(printed["layers"])


def test_a_report_that_cannot_be_is_refused_before_the_work(tmp_path):
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "a.ply", "--report", tmp_path / "a.pdf")
    assert outcome.status == 1
    assert "reports are .html or .json files" in outcome.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_stopped_after_its_scene_says_where_that_is(tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ilrm_cli.visualize.report.write.write_reports", interrupted)
    options = ("-o", tmp_path / "s.ply", "--report", tmp_path / "r.html", "--views", "3", "--size", "64")
    stopped = ilrm("reconstruct", SAMPLES / "posed", *options, "--quality", "draft", "--no-auto-scale")
    assert stopped.status == 130
    assert f"stopped: the scene is in {tmp_path / 's.ply'}" in stopped.err
    assert (tmp_path / "s.ply").is_file()
