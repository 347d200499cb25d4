"""Protocols of workers and worker pools, and workers that are processes of this machine.

Processes rather than threads, so that Ctrl-C stops structure from motion at once, a crash inside a library costs one
folder and not the batch, and the memory that a large folder needed is returned.
"""

import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Protocol, runtime_checkable

from ilrm_cli.runtime.memory import SHARERS
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.runtime.signals import HOLDS_SIGNALS, signals_held

TELL_EVERY_S = 0.5  # between two steps of a stage that a worker tells of
told: ContextVar[Report] = ContextVar("told", default=ignore)  # how functions in a worker tell their steps
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAFE_PATH = "PYTHONSAFEPATH"  # environment variable; the same as Python's option -P
SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads in their current state


class WorkerDied(Exception):
    """Raised when a worker process ends before it returns its result; the message is a clause that says how."""


@runtime_checkable
class Worker(Protocol):
    """A worker process that runs one function at a time and keeps what it has loaded."""

    latest: Step | None  # of the function that it runs, as far as that is known

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a module's function in the worker; the result may be WorkerDied, after which the worker is unusable."""

    def close(self) -> None:
        """Kill the process, whatever it is doing."""


@runtime_checkable
class WorkerPool(Protocol):
    """A worker pool of `slots` slots, each with one worker for poses and one for the model."""

    slots: int

    def pose_worker(self, slot: int) -> Worker:
        """Start a new worker that computes poses."""

    def model_worker(self, slot: int) -> Worker:
        """Start a new worker that holds the model."""

    def close(self) -> None:
        """Close all workers."""


class LocalPool:
    """Worker processes on this machine, with one GPU per slot if there are any."""

    def __init__(self, slots: int, gpus: list[str]):
        self.slots, self._gpus, self._workers = slots, gpus, list[LocalWorker]()

    def environment(self, slot: int) -> dict[str, str]:
        """Return the environment variables that the processes of a slot get in addition to ours."""
        if not self._gpus:
            return {SHARERS: str(self.slots)}
        gpu = slot % len(self._gpus)
        return {"CUDA_VISIBLE_DEVICES": self._gpus[gpu], SHARERS: str(len(range(gpu, self.slots, len(self._gpus))))}

    def pose_worker(self, slot: int) -> "LocalWorker":
        self._workers.append(LocalWorker(self.environment(slot)))
        return self._workers[-1]

    model_worker = pose_worker

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


class LocalWorker:
    """A process that calls functions for this one, one at a time; a thread of ours waits for it."""

    def __init__(self, environment: dict[str, str]):
        self.latest: Step | None = None
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=serve, args=(theirs, environment), daemon=False)
        with (
            _current_folder_off_path(),
            signals_held(*SIGNALS),
        ):  # also in the new process: while it imports, a signal would end it with a traceback
            self._process.start()
        theirs.close()  # so that reading ends when the process does
        self._waiter = ThreadPoolExecutor(1, thread_name_prefix="worker")

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._waiter.submit(self._call, function, arguments)

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            self.latest = None
            self._connection.send((function, arguments))
            while isinstance(received := self._connection.recv(), Step):
                self.latest = received
            return received
        except (EOFError, OSError) as error:
            self._process.join()
            raise WorkerDied(f"its process {_ending(self._process.exitcode)}") from error

    def close(self) -> None:
        self._process.kill()
        self._waiter.shutdown()  # before join(): of two threads that wait for a process, one misses its status
        self._process.join()
        self._connection.close()


def serve(connection: Connection, environment: dict[str, str]) -> None:
    """Run the worker's main loop; it ends with the process that started it, however that ends."""
    os.environ.update(environment)
    for number in SIGNALS:  # workers receive them too, but it is the batch that ends workers
        signal.signal(number, lambda *_: None)  # SIG_IGN would be inherited by ffmpeg and other programs started here
    if HOLDS_SIGNALS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        told.set(Teller(connection))
        connection.send(function(*arguments))


class Teller:
    """A report of steps to the process that started this one: of each stage at once, and then now and then."""

    def __init__(self, connection: Connection):
        self._connection, self._stage, self._told_s = connection, "", -math.inf

    def __call__(self, step: Step) -> None:
        now_s = time.monotonic()
        if step.stage != self._stage or now_s - self._told_s >= TELL_EVERY_S:
            self._stage, self._told_s = step.stage, now_s
            self._connection.send(replace(step, picture=None))


@contextmanager
def _current_folder_off_path() -> Iterator[None]:
    """Let Pythons that are started within the context take no modules from the user's current folder.

    `multiprocessing` starts them with -c, so that they would run a pickle.py that lies there.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "served by the main process"
    parent.join()
    os._exit(1)


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        memory = ", as happens when memory runs out" if -exit_code == signal.SIGKILL else ""
        return f"was ended by {signal.Signals(-exit_code).name}{memory}"
    return f"ended with status {exit_code}"
