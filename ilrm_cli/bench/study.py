"""What a scaling study finds, and the laws that follow from it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ilrm_cli.bench.approximations import grouped_share
from ilrm_cli.bench.stages import PartName
from ilrm_cli.model.config import IlrmConfig
from ilrm_cli.model.flops import Tokens, forward_stages, total_flops


@dataclass(frozen=True)
class Case:
    """So many views of one size."""

    views: int
    width: int  # px
    height: int  # px

    def __str__(self) -> str:
        return f"{self.views} views of {self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        return self.views * self.width * self.height


@dataclass(frozen=True)
class Measured:
    """A pass of all layers, from one that was run."""

    case: Case
    seconds: float
    rest_seconds: float  # rays, Gaussians and whatever else is in no part
    part_seconds: dict[PartName, float]
    flops: float
    matmul_seconds: float  # that the machine's matrix product would take for as many operations
    copy_seconds: float  # that copying as many bytes as have to be moved would take
    work_bytes: int | None  # at most, besides weights and images; None: not to be known
    planned_bytes: int  # what the planner says of the same

    @property
    def share(self) -> float:
        """Of the rate of the matrix product."""
        return self.matmul_seconds / self.seconds


@dataclass(frozen=True)
class Predicted:
    """A pass that was not run."""

    case: Case
    seconds: float
    part_seconds: dict[PartName, float]
    flops: float
    full_attention_flops: float  # of the variant with one joint self attention over all tokens
    planned_bytes: int


@dataclass(frozen=True)
class Study:
    """Everything that the document tells."""

    config: IlrmConfig
    device: str
    precision: str
    measured: tuple[Measured, ...]
    predicted: tuple[Predicted, ...]

    def as_json(self) -> dict[str, Any]:
        return {"measured": [asdict(m) for m in self.measured], "predicted": [asdict(p) for p in self.predicted]}


def fastest(rounds: Sequence[Measured]) -> Measured:
    """The shortest pass of one case, and the shortest times that it is compared with, each apart.

    Other work on the machine can only make each of them longer, so that none of these is told by it.
    """
    return replace(
        min(rounds, key=lambda m: m.seconds),
        matmul_seconds=min(m.matmul_seconds for m in rounds),
        copy_seconds=min(m.copy_seconds for m in rounds),
    )


def at_one_rate(found: Sequence[Measured]) -> list[Measured]:
    """The times as if the matrix product had taken its median time per operation throughout.

    Other work on the machine, and its clock, change from case to case: shares of the rate stay, times compare.
    """
    typical = statistics.median(m.matmul_seconds / m.flops for m in found)
    return [_slowed(m, typical * m.flops / m.matmul_seconds) for m in found]


def _slowed(m: Measured, factor: float) -> Measured:
    return replace(
        m,
        seconds=factor * m.seconds,
        rest_seconds=factor * m.rest_seconds,
        part_seconds={part: factor * spent for part, spent in m.part_seconds.items()},
        matmul_seconds=factor * m.matmul_seconds,
        copy_seconds=factor * m.copy_seconds,
    )


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through (x, y) on logarithmic axes, by least squares: y grows as x to its power."""
    xs, ys = ([math.log(max(value, 1e-12)) for value in column] for column in zip(*points, strict=True))
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread


def takeover_views(config: IlrmConfig, width: int, height: int) -> float:
    """The number of views from which self attention alone has more operations than all the rest of a pass.

    Attention grows with the square of the views, everything else with the views.
    """
    one = {stage.name: stage.flops for stage in forward_stages(config, 1, height, width)}
    return (sum(one.values()) - one["self attention"]) / one["self attention"]


def grouped_flops(config: IlrmConfig, case: Case, group: int | None) -> float:
    """Operations of a pass whose self attention is among so many views at a time; None: among all."""
    return total_flops(forward_stages(config, case.views, case.height, case.width, group))


def summarised_flops(config: IlrmConfig, case: Case, group: int, tokens: int) -> float:
    """The same where every view also attends to summaries of all others, one for each so many tokens."""
    flops = {stage.name: stage.flops for stage in forward_stages(config, case.views, case.height, case.width)}
    per_view = Tokens.per_view(config, case.height, case.width).viewpoint
    saved = 1 - grouped_share(case.views, per_view, group, tokens)
    return sum(flops.values()) - saved * flops["self attention"]
