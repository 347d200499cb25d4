"""Tests of the processes that work for a batch and of how they end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.pipeline.batch.workers import HOLDS_SIGNALS, SIGNALS, LocalPool, WorkerDied
from ilrm_cli.runtime.progress import Step

PARENT = """
import time
from ilrm_cli.pipeline.batch.workers import LocalPool
if __name__ == "__main__":
    worker = LocalPool(1, []).pose_worker(0)
    import os
    print(worker.submit(os.getpid).result(), flush=True)
    worker.submit(time.sleep, 60)
    time.sleep(60)
"""
HANDLERS = """import signal
for number in (signal.SIGINT, signal.SIGTERM): print(getattr(signal.getsignal(number), "name", "default_int_handler"))
"""
TELLING = """
from ilrm_cli.pipeline.batch.workers import told
from ilrm_cli.runtime.progress import Step
for step in (Step("features", 1, 2), Step("matching", 3, 9, picture=lambda: None), Step("matching", 4, 9)):
    told.get()(step)
"""


@pytest.fixture
def pool():
    pool = LocalPool(2, ["3", "GPU-5"])
    yield pool
    pool.close()


def test_a_worker_is_another_process_with_its_gpu(pool):
    workers = [pool.pose_worker(0), pool.pose_worker(1)]
    assert [worker.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() for worker in workers] == ["3", "GPU-5"]
    assert len({os.getpid(), *(worker.submit(os.getpid).result() for worker in workers)}) == 3


def test_a_worker_tells_its_steps_until_the_result_is_there(pool):
    worker = pool.pose_worker(0)
    assert worker.submit(exec, TELLING).result() is None
    assert worker.latest == Step("matching", 3, 9), "of a stage that goes on, steps are told now and then"
    assert worker.submit(os.getpid).result()
    assert worker.latest is None


def test_workers_take_no_modules_from_the_current_folder(pool, tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert pool.pose_worker(0).submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == "3"
    assert not (tmp_path / "run").exists()


def test_ctrl_c_and_sigterm_are_for_the_batch_to_handle(pool):
    worker = pool.pose_worker(0)
    process = worker.submit(os.getpid).result()
    worker.submit(pinhole, (9.0, 9.0), (4.0, 3.0), 8, 6).result()  # loads pycolmap
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(process, number)
    assert worker.submit(os.getpid).result() == process


@pytest.mark.skipif(not HOLDS_SIGNALS, reason="this system cannot hold signals")
def test_signals_to_a_worker_that_is_still_starting_do_not_end_it(pool):
    worker = pool.pose_worker(0)
    starting = multiprocessing.active_children()
    for process in starting:
        for number in SIGNALS:
            os.kill(process.pid, number)
    assert worker.submit(os.getpid).result() in [process.pid for process in starting]


def test_programs_that_a_worker_starts_can_be_ended(pool):
    said = pool.pose_worker(0).submit(subprocess.check_output, [sys.executable, "-S", "-c", HANDLERS]).result()
    assert said.split() == [b"default_int_handler", b"SIG_DFL"]


def test_a_process_that_dies_is_lost_with_the_reason(pool):
    for function, argument, reason in ((os._exit, 7, "status 7"), (os.abort, None, "SIGABRT")):
        lost = pool.pose_worker(0).submit(function, *([argument] if argument else []))
        with pytest.raises(WorkerDied, match=reason):
            lost.result()


def test_closing_ends_what_is_under_way(pool):
    worker = pool.pose_worker(0)
    start, under_way = time.monotonic(), worker.submit(time.sleep, 60)
    worker.close()
    with pytest.raises(WorkerDied, match="SIGKILL"):
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
    """Return whether a process runs; dead ones that nobody has reaped remain as zombies."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True)
    return done.stdout.strip()[:1] not in ("", "Z")
