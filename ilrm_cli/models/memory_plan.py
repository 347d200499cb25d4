"""Planning of a forward pass for the free memory: chunk sizes, or what would fit instead."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from ilrm_cli.geometry.views import Views
from ilrm_cli.models.cost.flops import Tokens
from ilrm_cli.models.cost.footprint import Footprint, Workload, footprint
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.passes import Chunks
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import free_bytes

PLENTY = sys.maxsize  # bytes of free memory with which chunks have their usual sizes
USABLE = 0.95  # of the free memory: leaves room for other programs
# Memory held beyond the tensors: allocator gaps (CPU: measured in processes that had made several passes of other sizes
# and used up to 0.93 of the plan; GPU: assumed), packed matrices, threads' buffers.
GAPS, OVERHEAD_BYTES = {"cpu": 1.75, "cuda": 1.4}, 32 << 20
PIECE_TOKENS = {"cpu": 1 << 13, "cuda": 1 << 16}  # image tokens of a usual chunk: more are not faster on any device
LEAST_TOKENS = 1 << 8  # minimum of a chunk: products of smaller matrices are slow
NOTHING_FITS = "no number of views or size fits; end other programs"
SMALLEST_LONG_SIDE_PX = 64  # smallest size that is advised


@dataclass(frozen=True)
class Plan:
    """The plan of a pass."""

    chunks: Chunks
    footprint: Footprint
    device: str  # device type

    @property
    def needed_bytes(self) -> int:
        """Bytes that must be free once the weights and the images are loaded."""
        return _needed(self.footprint, self.device)


def plan(load: Workload, free: int) -> Plan:
    """Return the largest chunks that fit into `free` bytes, with weights and images already loaded.

    Raises `InputError` with what would fit if even the smallest chunks do not.
    """
    for chunks in _pieces(load):
        held = footprint(load, chunks)
        if _needed(held, load.device) <= USABLE * free:
            return Plan(chunks, held, load.device)
    raise InputError(_refusal(load, _needed(held, load.device), free))


def fit_to_memory(model: Ilrm, inputs: Views) -> Plan:
    """Set the model's chunk sizes for these views, by the memory free on their device now.

    Raises `InputError` with what would fit if they do not.
    """
    device, cameras = inputs.images.device, inputs.cameras
    load = Workload(model.config, len(inputs), cameras.height, cameras.width, model.precision, device.type)
    found = plan(load, free_bytes(device))
    model.chunks = found.chunks
    return found


def check_fits(load: Workload) -> None:
    """Raise `InputError`, with what would fit, if a pass cannot fit into the memory free before loading.

    Loading takes more, so a pass accepted here may still be refused by `fit_to_memory`.
    """
    free, held = free_bytes(torch.device(load.device)), footprint(load)
    plan(load, max(0, free - held.weights - held.inputs))


def fits(load: Workload, free: int) -> bool:
    """Return whether a pass in the smallest chunks fits into `free` bytes besides weights and images."""
    *_, smallest = _pieces(load)
    return _needed(footprint(load, smallest), load.device) <= USABLE * free


def _needed(held: Footprint, device: str) -> int:
    return int(GAPS[device] * held.work) + OVERHEAD_BYTES


def _pieces(load: Workload) -> Iterator[Chunks]:
    """Yield chunk sizes from the usual ones to the smallest, powers of two.

    The usual ones are taken whenever they fit, so that results do not depend on other programs; with powers of two,
    matrix products mostly give the same numbers bit by bit.
    """
    per_view = Tokens.per_view(load.config, load.height, load.width)
    tokens = PIECE_TOKENS[load.device]
    while tokens >= LEAST_TOKENS:
        yield Chunks(
            1 << max(0, (tokens // per_view.image).bit_length() - 1), tokens // load.config.viewpoint_factor**2
        )
        tokens //= 2


def _refusal(load: Workload, needed: int, free: int) -> str:
    """Return one sentence: how much is missing, and the most views, or the largest size, that would fit."""
    views = _largest(load, free, (replace(load, views=n) for n in range(load.views - 1, load.config.min_views - 1, -1)))
    smaller = _largest(load, free, _smaller(load))
    ways = []
    if views:
        ways.append(f"--views {views.views}")
    if smaller:
        ways.append(f"--size {max(smaller.width, smaller.height)}")
    advice = f"use {' or '.join(ways)}, or end other programs" if ways else NOTHING_FITS
    return (
        f"{load.views} views of {load.width}x{load.height} px need {needed / 1e9:.2f} GB of memory besides weights and "
        f"photos, and {free / 1e9:.2f} GB are free; {advice}."
    )


def _smaller(load: Workload) -> Iterator[Workload]:
    """Yield the same views in decreasing sizes of about the same aspect ratio that the model accepts."""
    step, long_side = load.config.size_multiple, max(load.width, load.height)
    for side in range((long_side - 1) // step * step, SMALLEST_LONG_SIDE_PX - 1, -step):
        width, height = (max(step, round(px * side / long_side / step) * step) for px in (load.width, load.height))
        yield replace(load, width=width, height=height)


def _largest(load: Workload, free: int, candidates: Iterable[Workload]) -> Workload | None:
    return next((candidate for candidate in candidates if fits(candidate, free)), None)
