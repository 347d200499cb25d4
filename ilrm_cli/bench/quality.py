"""The suite `quality`: what cheaper, inexact attention costs in held-out PSNR of the default model on photos.

A prototype: only this suite and the scaling study use the approximations, and no weights were trained for any of them.
Views are ordered so that neighbours see similar things, which makes groups of them meaningful.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.pipeline import SCENE
from ilrm_cli.bench.timing import ROUNDS, BenchRow, seconds
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.ilrm.model import Ilrm, require_ilrm
from ilrm_cli.models.layers import blocks
from ilrm_cli.models.layers.attention import attention
from ilrm_cli.models.layers.blocks import SelfAttention, UpdateLayer
from ilrm_cli.pipeline.predict import cleaned
from ilrm_cli.pipeline.prepare import Prepared, prepare_photos
from ilrm_cli.pipeline.reconstruct import load, posed_photos
from ilrm_cli.pipeline.select_inputs import select_photos
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import score_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore

HELD_OUT = 2  # photos of the scene that are not inputs
SUMMARISED = 16  # tokens per summary
EXACT = "exact attention"

FP8 = torch.float8_e4m3fn
Change = Callable[[Ilrm, int], AbstractContextManager[None]]  # within it, passes over that number of views are inexact


@contextmanager
def exact(model: Ilrm, views: int) -> Iterator[None]:
    """Change nothing."""
    yield


@contextmanager
def in_fp8(model: Ilrm, views: int) -> Iterator[None]:
    """Round the inputs of all attention to FP8; this affects every model, as the function itself is replaced."""
    blocks.attention = fp8_attention
    try:
        yield
    finally:
        blocks.attention = attention


def grouped(group: int, *, across: bool = False, summarised: int | None = None) -> Change:
    """Return a change to self attention in groups of `group` neighbouring views.

    With `across`, every other layer groups views that are far from each other.
    """

    @contextmanager
    def change(model: Ilrm, views: int) -> Iterator[None]:
        near = [range(start, min(start + group, views)) for start in range(0, views, group)]
        far = [range(start, views, len(near)) for start in range(len(near))]
        replaced: list[tuple[UpdateLayer, SelfAttention]] = []
        try:
            for number, layer in enumerate(model.layers):
                assert isinstance(layer, UpdateLayer)
                replaced.append((layer, layer.self_attention))
                groups = far if across and number % 2 else near
                layer.add_module("self_attention", GroupedSelfAttention(layer.self_attention, groups, summarised))
            yield
        finally:
            for layer, inner in replaced:
                layer.self_attention = inner

    return change


APPROXIMATIONS: Mapping[str, Change] = {
    EXACT: exact,
    "fp8 (emulated)": in_fp8,
    "groups of 4": grouped(4),
    "groups of 4, shifted in every other layer": grouped(4, across=True),
    "groups of 4 with summaries": grouped(4, summarised=SUMMARISED),
}
FAR_VIEWS, FAR_GROUP, FAR_TOKENS = 1000, 16, 256  # for which savings are stated, at 256 x 256 px in the paper's model


@dataclass(frozen=True)
class Outcome:
    """The effect of one approximation on a scene."""

    psnr: float  # dB, mean of the held-out photos
    moved: float  # the largest displacement of a Gaussian's mean, relative to the scene's distance
    seconds: float  # of its pass; emulation costs time that real kernels would not


def quality_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Measure PSNR on the sample scene with each approximation; every pass runs once, whatever `rounds` says.

    Raises `InputError` where there is no sample scene, as in an installed package.
    """
    if not SCENE.is_dir():
        raise InputError("the suite quality needs the folder sample_scenes/posed; run it in a copy of the repository.")
    settings = Settings(auto_scale=False)
    model = require_ilrm(load(settings).model)
    scene = prepared(SCENE, model, settings)
    found = compared(model, scene, report)
    shares = {
        name: grouped_share(FAR_VIEWS, FAR_TOKENS, FAR_GROUP, size)
        for name, size in (("groups", None), ("groups with summaries", SUMMARISED))
    }
    details = {
        "inputs": len(scene.inputs),
        "held_out": 0 if scene.targets is None else len(scene.targets),
        "psnr": {name: outcome.psnr for name, outcome in found.items()},
        "moved": {name: outcome.moved for name, outcome in found.items()},
        f"share_of_self_attention_at_{FAR_VIEWS}_views": shares,
    }
    return Findings(rows(found), details)


def rows(found: Mapping[str, Outcome]) -> tuple[BenchRow, ...]:
    """Return one row per approximation: PSNR is part of the name, the ratio is of mean squared errors."""

    def row(name: str, outcome: Outcome) -> BenchRow:
        lost = found[EXACT].psnr - outcome.psnr
        named = f"{name}: {outcome.psnr:.3f} dB ({-lost:+.3f})"
        return BenchRow(named, outcome.seconds, "the squared error with exact attention", 10 ** (lost / 10))

    return tuple(row(name, outcome) for name, outcome in found.items())


def prepared(folder: Path, model: Ilrm, settings: Settings) -> Prepared:
    """Prepare a scene as `reconstruct` does, with all photos but HELD_OUT as inputs, ordered by `along`."""
    can, capture = model.capabilities, posed_photos(open_folder(folder), settings)
    views = min(len(capture.photos) - HELD_OUT, can.max_views)
    chosen = select_photos(capture, views, can, can.long_side_px, seed=settings.seed)
    scene = prepare_photos(capture, chosen.used, chosen.scored, None, can)
    return replace(scene, inputs=scene.inputs[along(scene.inputs)])


def along(views: Views) -> list[int]:
    """Order the views as a chain: start farthest from the middle, then always take the nearest one left.

    Distances are over position and viewing direction.
    """
    cameras = views.cameras
    place = torch.cat([cameras.positions / cameras.positions.std(0).norm().clamp_min(1e-6), cameras.forward], dim=-1)
    apart = torch.cdist(place, place)
    order = [int((place - place.mean(0)).norm(dim=1).argmax())]
    while len(order) < len(views):
        left = [view for view in range(len(views)) if view not in order]
        order.append(min(left, key=lambda view: float(apart[order[-1], view])))
    return order


@torch.no_grad()
def compared(model: Ilrm, scene: Prepared, report: Report = ignore) -> dict[str, Outcome]:
    """Measure each approximation on a scene with held-out photos; the first one is exact."""
    assert scene.targets is not None, "a scene needs held-out photos"
    found: dict[str, Outcome] = {}
    passes: list[Gaussians] = []
    for name, change in APPROXIMATIONS.items():
        with change(model, len(scene.inputs)):
            spent = seconds(lambda: passes.extend(model([scene.inputs], [scene.depth_range])))
        moved = float((passes[-1].means - passes[0].means).norm(dim=1).max()) / scene.distance
        score = score_of(cleaned(passes[-1], scene, model.capabilities).gaussians, scene.targets)
        found[name] = Outcome(score.psnr, moved, spent)
        report(Step("quality", len(found), len(APPROXIMATIONS)))
    return found


def fp8_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute `attention` on inputs rounded to 8 bits, as FP8 kernels read them; all else stays exact."""
    return attention(fp8_rounded(q), fp8_rounded(k), fp8_rounded(v))


def fp8_rounded(x: Float[Tensor, "batch token head channel"]) -> Float[Tensor, "batch token head channel"]:
    """Round to float8 (4 bits of exponent, 3 of mantissa) and back, with one scale per head and batch entry."""
    scale = x.abs().amax(dim=(1, 3), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / torch.finfo(FP8).max
    return (x / scale).to(FP8).to(x.dtype) * scale


class GroupedSelfAttention(nn.Module):
    """Self attention within groups of views, and to summaries of all others: mean keys and values of runs of tokens.

    A summary of n tokens gets log n added to its score, so that it weighs as much as n tokens.
    """

    def __init__(self, inner: SelfAttention, groups: Sequence[Sequence[int]], summarised: int | None = None):
        """Wrap `inner`. `groups` hold each view once; one summary per `summarised` tokens of a view, None: none."""
        super().__init__()
        self.inner, self.groups, self.summarised = inner, groups, summarised

    def forward(
        self, tokens: Float[Tensor, "scene token dim"], at_once: int | None = None
    ) -> Float[Tensor, "scene token dim"]:
        inner, views = self.inner, sum(len(group) for group in self.groups)
        q, k, v = (
            part.unflatten(1, (views, -1)) for part in inner.projected(tokens, inner.qkv.weight, 3)
        )  # each [B, V, T, heads, c]
        far_k, far_v = (self._summaries(part) for part in (k, v))  # [B, V, T / summarised, heads, c]
        q, k, far_k = inner.q_norm(q.clone()), inner.k_norm(k.clone()), inner.k_norm(far_k)
        mixed = torch.empty_like(q)
        for group in self.groups:
            own, others = list(group), [view for view in range(views) if view not in group]
            keys = torch.cat([k[:, own].flatten(1, 2), far_k[:, others].flatten(1, 2)], dim=1)
            values = torch.cat([v[:, own].flatten(1, 2), far_v[:, others].flatten(1, 2)], dim=1)
            weight = q.new_zeros(keys.shape[1])
            weight[len(own) * k.shape[2] :] = math.log(self.summarised or 1)
            mixed[:, own] = _weighted(q[:, own].flatten(1, 2), keys, values, weight).view_as(q[:, own])
        return inner.proj(mixed.flatten(3).flatten(1, 2))

    def _summaries(self, channels: Float[Tensor, "scene view token head channel"]) -> Tensor:
        if self.summarised is None:
            return channels[:, :, :0]
        return channels.unflatten(2, (-1, self.summarised)).mean(3)


def grouped_share(views: int, tokens_per_view: int, group: int, summarised: int | None) -> float:
    """Return the operations of grouped self attention as a share of those of full self attention."""
    far = (views - group) * tokens_per_view / summarised if summarised else 0.0
    return (group * tokens_per_view + far) / (views * tokens_per_view)


def _weighted(q: Tensor, k: Tensor, v: Tensor, weight: Float[Tensor, " key"]) -> Tensor:
    """Compute `attention` with a weight for each key, given as its logarithm."""
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    mask = weight.expand(q.shape[2], -1)
    return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
