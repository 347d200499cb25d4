"""Tests with kill -9 at random moments: no partial file, and a batch started again ends with the same files."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.batch_folders import SMALL, content, make_folders

pytestmark = pytest.mark.slow

KILLS = 20
FOLDERS = 6


def start(root: Path, out: Path) -> "subprocess.Popen[bytes]":
    """Start a batch in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ilrm_cli.cli.app", "batch", f"{root}/*", "-o", f"{out}/{{name}}.ply", *SMALL, "-q"],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )


def test_killed_at_random_moments_and_started_again(tmp_path):
    root, out = make_folders(tmp_path / "root", FOLDERS), tmp_path / "out"
    begin = time.monotonic()
    assert start(root, tmp_path / "whole").wait() == 1  # one folder has no photos
    seconds = time.monotonic() - begin
    whole = content(tmp_path / "whole")
    assert len(whole) == 2 * FOLDERS

    moments = random.Random(0)
    kills = 0
    while kills < KILLS:
        process = start(root, out)
        try:
            process.wait(moments.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            kills += 1
            if kills % 2:
                os.killpg(process.pid, signal.SIGKILL)  # all of it at one moment
            else:
                process.kill()  # its processes follow
        process.wait()
        check_visible(out, whole)
        if process.returncode == 1:  # it ran to its end: start over
            assert content(out) == whole
            for path in out.iterdir():
                path.unlink()

    assert start(root, out).wait() == 1
    assert content(out) == whole


def check_visible(out: Path, whole: dict[str, object]) -> None:
    """Check that every file that is not hidden is as it is at the end."""
    made = content(out) if out.is_dir() else {}
    assert {name: value for name, value in made.items() if not name.startswith(".")}.items() <= whole.items()
