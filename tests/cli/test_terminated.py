"""Tests of a command that gets SIGTERM, as systems and clusters send it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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
