"""Routes: the camera at each moment of a film, before it is cut into frames."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras


@dataclass(frozen=True)
class Route:
    """A smooth curve of cameras over phases in [0, 1]."""

    at: Callable[[Float[Tensor, " frame"]], Cameras]
    closed: bool  # phase 1 equals phase 0, without a jump

    def frames(self, count: int, *, loop: bool = False) -> Cameras:
        """Return `count` frames; on a closed route, or with `loop`, the first follows the last without a jump.

        An open route is followed from end to end, or, with `loop`, there and back smoothly.
        """
        assert count > 0, f"{count} frames"
        steps = torch.arange(count, dtype=torch.float64)
        if self.closed:
            return self.at(steps / count)
        if loop:
            return self.at((1 - (2 * math.pi * steps / count).cos()) / 2)
        return self.at(steps / max(1, count - 1))

    def part(self, start: float, end: float) -> "Route":
        """Return the stretch between two phases, as an open route; on a closed route it may go past 1."""
        return Route(
            lambda phases: self.at(
                (start + (end - start) * phases) % 1.0 if self.closed else start + (end - start) * phases
            ),
            closed=False,
        )
