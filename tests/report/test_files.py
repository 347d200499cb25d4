"""Reports of every kind on disk."""

import json

from ilrm_cli.visualize.report.write import write_reports


def test_the_suffix_says_the_kind(tmp_path, report):
    write_reports(report, [tmp_path / "a.html", tmp_path / "B.JSON"])
    assert (tmp_path / "a.html").read_bytes().startswith(b"<!doctype html>")
    assert json.loads((tmp_path / "B.JSON").read_bytes())["title"] == "shoot"
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "B.JSON"}
