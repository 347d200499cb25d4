"""The results of a scaling study, and the laws derived from them.

Times of the parts of a forward pass come from hooks at the model's modules.
"""

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch

from ilrm_cli.bench.quality import grouped_share
from ilrm_cli.models.cost.flops import Stage, StageName, Tokens, forward_stages, total_flops
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.blocks import UpdateLayer

PartName = Literal["tokenizers", "cross attention", "self attention", "MLPs", "head"]

# Parts distinguishable from outside, with their counted stages: attention includes its projections.
PARTS: dict[PartName, tuple[StageName, ...]] = {
    "tokenizers": ("viewpoint tokenizer", "image tokenizer"),
    "cross attention": ("cross q", "cross kv", "cross attention", "cross proj"),
    "self attention": ("self qkv", "self attention", "self proj"),
    "MLPs": ("cross mlp", "self mlp"),
    "head": ("head",),
}
IN_LAYERS = ("cross attention", "self attention", "MLPs")  # parts that every layer has


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


@dataclass
class PartTimes:
    """Accumulated seconds of each part."""

    seconds: dict[PartName, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))


@contextmanager
def timed_parts(model: Ilrm, device: torch.device) -> Iterator[PartTimes]:
    """Add up the times of the parts of all passes inside it. Synchronises the device, which slows GPUs a little."""
    times, handles = PartTimes(), []
    for module, part in _modules(model):
        started: list[float] = []

        def begin(*_, started=started) -> None:
            started.append(_now(device))

        def end(*_, started=started, part=part) -> None:
            times.seconds[part] += _now(device) - started.pop()

        handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    try:
        yield times
    finally:
        for handle in handles:
            handle.remove()


def part_flops(stages: tuple[Stage, ...]) -> dict[PartName, float]:
    """Return the floating-point operations of each part."""
    flops = {stage.name: stage.flops for stage in stages}
    return {part: sum(flops[name] for name in names) for part, names in PARTS.items()}


def _modules(model: Ilrm) -> Iterator[tuple[torch.nn.Module, PartName]]:
    yield model.viewpoint_tokenizer, "tokenizers"
    yield model.image_tokenizer, "tokenizers"
    for layer in model.layers:
        assert isinstance(layer, UpdateLayer), "layers are of one kind"
        yield layer.cross, "cross attention"
        yield layer.self_attention, "self attention"
        yield layer.cross_mlp, "MLPs"
        yield layer.self_mlp, "MLPs"
    yield model.head, "head"


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
