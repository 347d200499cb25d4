"""Tests of reports that are refused before any work."""

from pathlib import Path

import pytest

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.visualize.checks import check_reports


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["r.pdf"], "reports are .html or .json files"),
        (["r"], "reports are .html or .json files"),
        (["scene.json"], "is the scene's record too"),
        (["a.html", "./a.html"], "is another --report too"),
        (["missing/a.html"], "does not exist; create it first"),
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
