"""Protocols of workers and worker pools, local (`processes`) or on a cluster (`cluster`)."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable


class WorkerDied(Exception):
    """Raised when a worker process ends before it returns its result; the message is a clause that says how."""


@runtime_checkable
class Worker(Protocol):
    """A worker process that runs one function at a time and keeps what it has loaded."""

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
