"""Protocols of workers and worker pools, local (`processes`) or on a cluster (`cluster`)."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable


class HandLost(Exception):
    """Raised when a worker process ends before it returns its result; the message is a clause that says how."""


@runtime_checkable
class Hand(Protocol):
    """A worker process that runs one function at a time and keeps what it has loaded."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a module's function in the worker; the result may be HandLost, after which the worker is unusable."""

    def close(self) -> None:
        """Kill the process, whatever it is doing."""


@runtime_checkable
class Crew(Protocol):
    """A worker pool of `lanes` lanes, each with one worker for poses and one for the model."""

    lanes: int

    def poser(self, lane: int) -> Hand:
        """Start a new worker that computes poses."""

    def modeller(self, lane: int) -> Hand:
        """Start a new worker that holds the model."""

    def close(self) -> None:
        """Close all workers."""
