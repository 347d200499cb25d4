"""Tests of which handler SIGTERM and Ctrl-C find, and of what ours do."""

import os
import signal
import subprocess
import sys

import pytest

from ilrm_cli.runtime import signals
from ilrm_cli.runtime.signals import first_ctrl_c_noted, sigterm_kept, sigterm_raised


@pytest.mark.parametrize("ours", [signal.SIG_IGN, signal.SIG_DFL])
def test_the_handler_of_before_is_back(ours):
    before = signal.signal(signal.SIGTERM, ours)
    try:
        with sigterm_kept():
            signal.signal(signal.SIGTERM, lambda *_: None)  # as a library does when it is imported
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)


def test_later_signals_are_let_pass_for_a_while_only(monkeypatch):
    """The first may have been swallowed, and the process must still be one that can be ended."""
    now_s = 100.0
    monkeypatch.setattr(signals.time, "monotonic", lambda: now_s)
    with sigterm_raised() as sigterm:
        assert not sigterm.came
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert sigterm.came
        now_s += signals.PEACE_S / 2
        os.kill(os.getpid(), signal.SIGTERM)
        now_s += signals.PEACE_S
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_the_first_ctrl_c_is_noted_and_the_second_has_its_usual_effect():
    with first_ctrl_c_noted() as noted:
        assert not noted.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert noted.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_work_in_the_background_goes_on_ignoring_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with first_ctrl_c_noted() as noted:
            os.kill(os.getpid(), signal.SIGINT)
        assert not noted.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


COLMAP = """import os, signal
signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
class logging: pass
"""
IMPORT = """import signal
signal.signal(signal.SIGTERM, lambda *_: print("ours"))
import ilrm_cli.capture.poses.colmap_library
"""


def test_sigterm_while_pycolmap_is_imported_comes_to_our_handler(tmp_path):
    """Its own handler is there for the last part of its import."""
    (tmp_path / "pycolmap.py").write_text(COLMAP)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    run = subprocess.run([sys.executable, "-c", IMPORT], env=os.environ | {"PYTHONPATH": path}, capture_output=True)
    assert (run.returncode, run.stdout) == (0, b"ours\n"), run.stderr
