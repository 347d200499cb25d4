"""Work and memory of networks that carry one sequence of tokens through blocks: GS-LRM, Long-LRM, GRM, Avat3r.

Matrix products and attention are counted, in multiply-adds. Memory is an upper bound: what is made is held until the
stage is done.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from ilrm_cli.models.base import Cost, Pass, Piecewise
from ilrm_cli.models.layers.config import HeadConfig
from ilrm_cli.models.layers.gaussian_head import channels_of
from ilrm_cli.models.layers.passes import WHOLE
from ilrm_cli.models.layers.state_space import scan_multiply_adds
from ilrm_cli.models.layers.upsampler import window_sides

FLOAT = 4  # bytes of float32 data: rays, residual stream, Gaussians
RAY_FLOATS = 8  # per pixel while making its channels: colours, origins, directions and their predecessors
DECODED_FLOATS = 36  # per Gaussian while decoding, besides raw numbers and harmonics
OPERATIONS = 2  # of a multiply-add


@dataclass(frozen=True)
class Held:
    """What a stage of a pass does and holds."""

    multiply_adds: float
    numbers: float  # in the precision of the products
    floats: float  # in float32

    def bytes(self, precision: torch.dtype) -> float:
        """Return the bytes held; numbers also once as they were before a cast, where products have less precision."""
        width = torch.finfo(precision).bits // 8
        return self.numbers * width + self.floats * FLOAT


def linear(rows: float, inner: int, columns: int) -> float:
    """Return the multiply-adds of rows times a matrix."""
    return float(rows) * inner * columns


def transformer_block(sequences: float, tokens: float, width: int, mlp_ratio: int, *, quick: bool = False) -> Held:
    """Return the work of a block over `sequences` of `tokens` each, which attend to their own only.

    The quick GELU is made of steps, each of which makes the hidden channels anew.
    """
    rows = sequences * tokens
    products = (4 + 2 * mlp_ratio) * linear(rows, width, width) + 2 * rows * tokens * width
    return Held(
        products, rows * width * max(3 + 3 + 2, (4 if quick else 2) * mlp_ratio + 1), rows * width * (4 if quick else 3)
    )


def cross_block(tokens: float, context: float, width: int, mlp_ratio: int, *, quick: bool = False) -> Held:
    """Return the work of a block in which one sequence of tokens attends to a short one, see `layers.transformer`."""
    own = linear(tokens, width, width)
    products = (2 + 2 * mlp_ratio) * own + linear(context, width, 2 * width) + 2 * tokens * context * width
    held = transformer_block(1, tokens, width, mlp_ratio, quick=quick)
    return Held(products, held.numbers, held.floats)


def upsampling(
    asked: Pass, patch: int, width: int, widths: Sequence[int], window: int, mlp_ratio: int, *, in_runs: bool = False
) -> list[Held]:
    """Return the work of GRM's upsampler, stage by stage; `in_runs`: windows are runs of the tokens of all views."""
    pixels, finer = asked.views * asked.height * asked.width, []
    for narrow in widths:
        patch //= 2
        places = pixels // patch**2
        finer.append(Held(linear(places // 4, width, 4 * narrow), 2 * places * narrow, 0))
        square = math.prod(window_sides(asked.height // patch, asked.width // patch, window))
        within = min(window, places) if in_runs else square
        finer += [transformer_block(places / within, within, narrow, mlp_ratio, quick=True)] * 2
        width = narrow
    return finer


def mamba_block(tokens: int, width: int, state: int, head_width: int, expansion: int, directions: int = 2) -> Held:
    """Return the work of a block of scans over one sequence, see `layers.state_space`."""
    inner = expansion * width
    heads, mixed = inner // head_width, inner + 2 * state
    projected = inner + mixed + heads
    products = linear(tokens, width, projected) + linear(tokens, inner, width)
    scans = directions * scan_multiply_adds(tokens, heads, head_width, state)
    numbers = tokens * (directions * (projected + inner) + 3 * mixed + 5 * inner)
    return Held(products + scans, numbers, tokens * (2 * width + 3 * heads))


def pixel_tokens(pixels: float, patch: int, channels: int, width: int) -> Held:
    """Return the work of turning pixels into tokens."""
    rows = pixels / patch**2
    return Held(linear(rows, patch**2 * channels, width), rows * width, pixels * (2 * channels + RAY_FLOATS))


def gaussian_head(pixels: float, patch: int, width: int, head: HeadConfig) -> Held:
    """Return the work of turning tokens into one Gaussian per pixel."""
    rows, raw = pixels / patch**2, channels_of(head)
    floats = rows * width * 2 + pixels * (raw + 3 * (head.degree + 1) ** 2 + DECODED_FLOATS)
    return Held(linear(rows, width, raw * patch**2), 2 * pixels * raw, floats)


def cost_of(asked: Pass, stages: Mapping[str, Iterable[Held]], parameters: int) -> Cost:
    """Return the cost of a pass of these stages; each name has the parts that are done one after the other."""
    parts = {name: tuple(some) for name, some in stages.items()}
    peaks = {name: max((part.bytes(asked.precision) for part in some), default=0.0) for name, some in parts.items()}
    stage = max(peaks, key=peaks.__getitem__)
    return Cost(
        flops=OPERATIONS * sum(part.multiply_adds for some in parts.values() for part in some),
        weights_bytes=FLOAT * parameters,
        inputs_bytes=3 * FLOAT * asked.views * asked.height * asked.width,
        ways=(Piecewise(WHOLE, int(peaks[stage]), stage),),
    )
