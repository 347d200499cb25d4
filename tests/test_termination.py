"""Whose handler SIGTERM finds."""

import signal

import pytest

from ilrm_cli.termination import sigterm_kept


@pytest.mark.parametrize("ours", [signal.SIG_IGN, signal.SIG_DFL])
def test_the_handler_of_before_is_back(ours):
    before = signal.signal(signal.SIGTERM, ours)
    try:
        with sigterm_kept():
            signal.signal(signal.SIGTERM, lambda *_: None)  # as a library does when it is imported
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)
