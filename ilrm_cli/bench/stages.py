"""Times of the parts of a forward pass, from hooks at the model's modules."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch

from ilrm_cli.models.cost.flops import Stage, StageName
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
