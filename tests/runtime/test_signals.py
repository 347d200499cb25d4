"""Tests of which handler SIGTERM finds, and of what ours does."""

import os
import signal

import pytest

from ilrm_cli.runtime import signals
from ilrm_cli.runtime.signals import sigterm_kept, sigterm_raised


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
