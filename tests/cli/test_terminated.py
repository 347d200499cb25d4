"""Tests of a command that gets SIGTERM, as systems and clusters send it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import SAMPLES


def test_structure_from_motion_ends_quietly_and_leaves_nothing(tmp_path: Path) -> None:
    """The signal arrives while pycolmap works, whose own handler prints a stack trace."""
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    command = [sys.executable, "-m", "ilrm_cli.cli.app", "pose", SAMPLES / "posed", "--poses", "sfm", "-o", out]
    environment = os.environ | {"TMPDIR": str(scratch), "ILRM_CACHE": str(tmp_path / "cache")}
    environment |= {"FORCE_COLOR": "1", "TERM": "xterm"}  # bars are drawn while it works
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert run.stderr is not None
        assert any("features" in line for line in run.stderr)
        run.send_signal(signal.SIGTERM)
        said, complained = run.communicate()
    finally:
        run.kill()
    assert run.returncode == 143
    assert said == ""
    assert complained.endswith("stopped: nothing was written\n")
    assert "SIGTERM" not in complained
    assert list(scratch.iterdir()) == []
    assert not out.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device is always full here")
@pytest.mark.parametrize("words", ["models list", "models list --json", "help views"])
def test_what_is_said_to_a_full_disk_is_a_failure_without_a_traceback(words: str) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "ilrm_cli.cli.app", *words.split()]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
