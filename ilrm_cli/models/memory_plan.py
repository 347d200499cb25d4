"""Planning of a forward pass for the free memory: its chunks, or what would fit instead."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Cost, Network, Pass, Piecewise, Priced
from ilrm_cli.models.layers.passes import Chunks
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import free_bytes

PLENTY = sys.maxsize  # bytes of free memory with which chunks have their usual sizes
USABLE = 0.95  # of the free memory: leaves room for other programs
# Memory held beyond the tensors: allocator gaps (CPU: measured in processes that had made several passes of other sizes
# and used up to 0.93 of the plan; GPU: assumed), packed matrices, threads' buffers.
GAPS, OVERHEAD_BYTES = {"cpu": 1.75, "cuda": 1.4}, 32 << 20
NOTHING_FITS = "no number of views or size fits; end other programs"
SMALLEST_LONG_SIDE_PX = 64  # smallest size that is advised


@dataclass(frozen=True)
class Plan:
    """The plan of a pass."""

    cost: Cost
    way: Piecewise
    device: str  # device type

    @property
    def chunks(self) -> Chunks:
        return self.way.chunks

    @property
    def needed_bytes(self) -> int:
        """Bytes that must be free once the weights and the images are loaded."""
        return _needed(self.way, self.device)

    @property
    def total_bytes(self) -> int:
        """Bytes of all tensors at the peak, weights and images included."""
        return self.cost.weights_bytes + self.cost.inputs_bytes + self.way.work_bytes


def plan(model: Priced, asked: Pass, free: int) -> Plan:
    """Return the largest chunks that fit into `free` bytes, with weights and images already loaded.

    Raises `InputError` with what would fit if even the smallest chunks do not.
    """
    cost = model.cost(asked)
    for way in cost.ways:
        if _needed(way, asked.device) <= USABLE * free:
            return Plan(cost, way, asked.device)
    raise InputError(_refusal(model, asked, _needed(cost.ways[-1], asked.device), free))


def fit_to_memory(model: Network, inputs: Views) -> Plan:
    """Plan a pass over these views, by the memory free on their device now.

    Raises `InputError` with what would fit if they do not.
    """
    device, cameras = inputs.images.device, inputs.cameras
    asked = Pass(len(inputs), cameras.height, cameras.width, model.precision, device.type)
    return plan(model, asked, free_bytes(device))


def check_fits(model: Priced, asked: Pass) -> None:
    """Raise `InputError`, with what would fit, if a pass cannot fit into the memory free before loading.

    Loading takes more, so a pass accepted here may still be refused by `fit_to_memory`.
    """
    free, cost = free_bytes(torch.device(asked.device)), model.cost(asked)
    plan(model, asked, max(0, free - cost.weights_bytes - cost.inputs_bytes))


def fits(model: Priced, asked: Pass, free: int) -> bool:
    """Return whether a pass in the smallest chunks fits into `free` bytes besides weights and images."""
    return _needed(model.cost(asked).ways[-1], asked.device) <= USABLE * free


def _needed(way: Piecewise, device: str) -> int:
    return int(GAPS[device] * way.work_bytes) + OVERHEAD_BYTES


def _refusal(model: Priced, asked: Pass, needed: int, free: int) -> str:
    """Return one sentence: how much is missing, and the most views, or the largest size, that would fit."""

    def largest(candidates: Iterable[Pass]) -> Pass | None:
        return next((candidate for candidate in candidates if fits(model, candidate, free)), None)

    can = model.capabilities
    views = largest(replace(asked, views=n) for n in range(asked.views - 1, can.min_views - 1, -1))
    smaller = largest(_smaller(asked, can.size_multiple))
    ways = []
    if views:
        ways.append(f"--views {views.views}")
    if smaller:
        ways.append(f"--size {max(smaller.width, smaller.height)}")
    advice = f"use {' or '.join(ways)}, or end other programs" if ways else NOTHING_FITS
    return (
        f"{asked.views} views of {asked.width}x{asked.height} px need {needed / 1e9:.2f} GB of memory besides weights "
        f"and photos, and {free / 1e9:.2f} GB are free; {advice}."
    )


def _smaller(asked: Pass, step: int) -> Iterator[Pass]:
    """Yield the same views in decreasing sizes of about the same aspect ratio, sides multiples of `step` px."""
    long_side = max(asked.width, asked.height)
    for side in range((long_side - 1) // step * step, SMALLEST_LONG_SIDE_PX - 1, -step):
        width, height = (max(step, round(px * side / long_side / step) * step) for px in (asked.width, asked.height))
        yield replace(asked, width=width, height=height)
