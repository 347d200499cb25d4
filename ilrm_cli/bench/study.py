"""The results of a scaling study, and the laws derived from them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ilrm_cli.bench.approximations import grouped_share
from ilrm_cli.bench.stages import PartName
from ilrm_cli.models.cost.flops import Tokens, forward_stages, total_flops
from ilrm_cli.models.ilrm.config import IlrmConfig


@dataclass(frozen=True)
class Case:
    """A number of views of one size."""

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
    """A pass of all layers, extrapolated from one measured layer."""

    case: Case
    seconds: float
    rest_seconds: float  # rays, Gaussians and all else outside the parts
    part_seconds: dict[PartName, float]
    flops: float
    matmul_seconds: float  # time of as many operations in the machine's matrix product
    copy_seconds: float  # time of copying as many bytes as must be moved
    work_bytes: int | None  # peak, besides weights and images; None: cannot be measured
    planned_bytes: int  # as predicted by the planner

    @property
    def share(self) -> float:
        """Share of the matrix product's rate that the pass reaches."""
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
    """The contents of the document."""

    config: IlrmConfig
    device: str
    precision: str
    measured: tuple[Measured, ...]
    predicted: tuple[Predicted, ...]

    def as_json(self) -> dict[str, Any]:
        return {"measured": [asdict(m) for m in self.measured], "predicted": [asdict(p) for p in self.predicted]}


def fastest(rounds: Sequence[Measured]) -> Measured:
    """Combine the passes of one case: the shortest pass, and the shortest of each time it is compared with.

    Other work on the machine can only lengthen each of them, so each minimum is taken separately.
    """
    return replace(
        min(rounds, key=lambda m: m.seconds),
        matmul_seconds=min(m.matmul_seconds for m in rounds),
        copy_seconds=min(m.copy_seconds for m in rounds),
    )


def at_one_rate(found: Sequence[Measured]) -> list[Measured]:
    """Rescale the times as if the matrix product had run at its median rate throughout.

    Other work on the machine, and its clock rate, vary between cases: shares stay the same, times become comparable.
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
    """Fit y ∝ x to a power by least squares on logarithmic axes, and return the power."""
    xs, ys = ([math.log(max(value, 1e-12)) for value in column] for column in zip(*points, strict=True))
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread


def takeover_views(config: IlrmConfig, width: int, height: int) -> float:
    """Return the number of views from which self attention alone has more operations than the rest of a pass.

    Self attention is quadratic in the number of views, everything else linear.
    """
    one = {stage.name: stage.flops for stage in forward_stages(config, 1, height, width)}
    return (sum(one.values()) - one["self attention"]) / one["self attention"]


def grouped_flops(config: IlrmConfig, case: Case, group: int | None) -> float:
    """Count the operations of a pass with self attention within groups of `group` views; None: among all views."""
    return total_flops(forward_stages(config, case.views, case.height, case.width, group))


def summarised_flops(config: IlrmConfig, case: Case, group: int, tokens: int) -> float:
    """Count the operations of a pass with grouped attention and a summary per `tokens` tokens of other views."""
    flops = {stage.name: stage.flops for stage in forward_stages(config, case.views, case.height, case.width)}
    per_view = Tokens.per_view(config, case.height, case.width).viewpoint
    saved = 1 - grouped_share(case.views, per_view, group, tokens)
    return sum(flops.values()) - saved * flops["self attention"]
