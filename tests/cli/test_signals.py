"""Commands that are killed, stopped or whose terminal is closed: what they leave, and their exit status."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import SAMPLES

COMMAND = (sys.executable, "-m", "ilrm_cli.cli.app")
DONE = """import os, signal, sys
from ilrm_cli.cli import app, console
place, name = sys.argv[1:]
def at_the_end(*_): os.kill(os.getpid(), signal.Signals[name])
if place == "ending": console.Face.end = at_the_end
elif place == "ended": app.main = lambda: at_the_end()
elif place == "leaving":
    import atexit; atexit.register(at_the_end)
sys.argv = ["ilrm", "models", "list"]
app.run()"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["ending", "ended", "leaving"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_last_moment_counts_too(place, name):
    status = subprocess.run([sys.executable, "-c", DONE, place, name], capture_output=True).returncode
    assert status == 128 + signal.Signals[name]


def working(tmp_path: Path, *options: str) -> subprocess.Popen:
    """Start structure from motion and wait until it is at work."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "ILRM_CACHE": str(tmp_path / "cache"), "FORCE_COLOR": "1"}
    command = [*COMMAND, "pose", str(SAMPLES / "posed"), "--poses", "sfm", "-o", str(tmp_path / "out"), *options]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment | {"TERM": "xterm"})
    assert run.stderr is not None
    assert any("features" in line for line in run.stderr)
    return run


def test_a_closed_terminal_ends_in_order(tmp_path):
    run = working(tmp_path)
    run.send_signal(signal.SIGHUP)
    assert "stopped: nothing was written" in run.communicate()[1]
    assert run.returncode == 129
    assert [path.name for path in tmp_path.iterdir()] == ["cache"] or not list(tmp_path.iterdir())


def test_what_a_killed_command_leaves_is_swept_by_any_other(tmp_path):
    run = working(tmp_path)
    run.kill()
    run.communicate()
    left = list(tmp_path.glob(".ilrm-*"))
    assert left
    environment = os.environ | {"TMPDIR": str(tmp_path), "ILRM_CACHE": str(tmp_path / "cache")}
    subprocess.run([*COMMAND, "models", "list", "-q"], check=True, env=environment)
    assert not list(tmp_path.glob(".ilrm-*"))


def test_work_that_ignores_a_closed_terminal_goes_on(tmp_path):
    """As after `nohup`."""
    script = "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); from ilrm_cli.cli.app import run; run()"
    run = subprocess.Popen([sys.executable, "-c", script, "models", "list"], stdout=subprocess.PIPE)
    time.sleep(0.2)
    run.send_signal(signal.SIGHUP)
    run.communicate()
    assert run.returncode == 0
