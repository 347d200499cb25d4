"""Tests of places where no video and no trace can be written."""

from pathlib import Path

import pytest

from ilrm_cli.render.checks import check_trace_output, check_video_output
from ilrm_cli.runtime.errors import InputError


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown suffix; use \.mp4, \.gif, \.webp"):
        check_video_output(tmp_path / "a.avi", overwrite=False)
    with pytest.raises(InputError, match="does not exist; create it first"):
        check_video_output(tmp_path / "none" / "a.mp4", overwrite=False)
    (tmp_path / "b.mp4").mkdir()
    (tmp_path / "c").touch()
    with pytest.raises(InputError, match="is a folder"):
        check_video_output(tmp_path / "b.mp4", overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        check_video_output(tmp_path / "c", overwrite=True)


def test_outputs_that_cannot_be_of_a_trace(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"x")
    for name, reason in (
        ("trace.avi", r"one strip\) or no suffix"),
        ("--confidence", "is no place for a trace"),  # the option's value was forgotten
        ("there.png", "exists"),
        ("no/trace.mp4", "does not exist"),
    ):
        with pytest.raises(InputError, match=reason):
            check_trace_output(tmp_path / name, overwrite=False)
    check_trace_output(tmp_path / "there.png", overwrite=True)
