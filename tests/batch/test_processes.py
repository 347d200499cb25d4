"""Processes that work for a batch, and how they end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from ilrm_cli.batch.crew import HandLost
from ilrm_cli.batch.processes import HOLDS_SIGNALS, SIGNALS, LocalCrew
from ilrm_cli.pose.lenses import pinhole

PARENT = """
import time
from ilrm_cli.batch.processes import LocalCrew
if __name__ == "__main__":
    hand = LocalCrew(1, []).poser(0)
    import os
    print(hand.submit(os.getpid).result(), flush=True)
    hand.submit(time.sleep, 60)
    time.sleep(60)
"""
HANDLERS = """import signal
for number in (signal.SIGINT, signal.SIGTERM): print(getattr(signal.getsignal(number), "name", "default_int_handler"))
"""


@pytest.fixture
def crew():
    crew = LocalCrew(2, ["3", "GPU-5"])
    yield crew
    crew.close()


def test_a_hand_is_another_process_with_its_gpu(crew):
    hands = [crew.poser(0), crew.poser(1)]
    assert [hand.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() for hand in hands] == ["3", "GPU-5"]
    assert len({os.getpid(), *(hand.submit(os.getpid).result() for hand in hands)}) == 3


def test_ctrl_c_and_sigterm_are_for_the_batch_to_handle(crew):
    hand = crew.poser(0)
    process = hand.submit(os.getpid).result()
    hand.submit(pinhole, (9.0, 9.0), (4.0, 3.0), 8, 6).result()  # loads pycolmap
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(process, number)
    assert hand.submit(os.getpid).result() == process


@pytest.mark.skipif(not HOLDS_SIGNALS, reason="this system cannot hold signals")
def test_signals_to_a_hand_that_is_still_starting_do_not_end_it(crew):
    hand = crew.poser(0)
    starting = multiprocessing.active_children()
    for process in starting:
        for number in SIGNALS:
            os.kill(process.pid, number)
    assert hand.submit(os.getpid).result() in [process.pid for process in starting]


def test_programs_that_a_hand_starts_can_be_ended(crew):
    said = crew.poser(0).submit(subprocess.check_output, [sys.executable, "-S", "-c", HANDLERS]).result()
    assert said.split() == [b"default_int_handler", b"SIG_DFL"]


def test_a_process_that_dies_is_lost_with_the_reason(crew):
    for function, argument, reason in ((os._exit, 7, "status 7"), (os.abort, None, "SIGABRT")):
        lost = crew.poser(0).submit(function, *([argument] if argument else []))
        with pytest.raises(HandLost, match=reason):
            lost.result()


def test_closing_ends_what_is_under_way(crew):
    hand = crew.poser(0)
    start, under_way = time.monotonic(), hand.submit(time.sleep, 60)
    hand.close()
    with pytest.raises(HandLost, match="SIGKILL"):
        under_way.result()
    assert time.monotonic() - start < 30


def test_processes_end_with_the_batch_however_it_ends(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(child)


def running(process: int) -> bool:
    """Whether it runs; where nobody collects the dead, they remain as zombies."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True)
    return done.stdout.strip()[:1] not in ("", "Z")
