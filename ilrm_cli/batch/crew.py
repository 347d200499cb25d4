"""Who does the work: processes of this machine (`processes`) or of a cluster (`cluster`) look alike from here."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable


class HandLost(Exception):
    """A process ended before it gave its result; the message is a clause that says how."""


@runtime_checkable
class Hand(Protocol):
    """A process that does one thing at a time and keeps what it has loaded."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a module's function there; the result may be HandLost, after which the hand is of no use."""

    def close(self) -> None:
        """End the process, whatever it is doing."""


@runtime_checkable
class Crew(Protocol):
    """So many lanes, each with a hand for poses and a hand for the model."""

    lanes: int

    def poser(self, lane: int) -> Hand:
        """A new hand that finds poses."""

    def modeller(self, lane: int) -> Hand:
        """A new hand that holds the model."""

    def close(self) -> None:
        """End everything."""
