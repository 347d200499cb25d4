"""The suite `quality`: what approximations of attention cost in held-out PSNR of the default model on photos.

A prototype: only this suite uses the approximations. Views are ordered so that neighbours see similar things, which
makes groups of them meaningful.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ilrm_cli.bench.approximations import Change, exact, grouped, grouped_share, in_fp8
from ilrm_cli.bench.findings import Findings
from ilrm_cli.bench.pipeline import SCENE
from ilrm_cli.bench.timing import ROUNDS, BenchRow, seconds
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.ilrm.model import Ilrm
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
    model = load(settings).model
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
    config, capture = model.config, posed_photos(folder, settings)
    views = min(len(capture.photos) - HELD_OUT, config.max_views)
    chosen = select_photos(capture, views, config, config.long_side_px, seed=settings.seed)
    scene = prepare_photos(capture, chosen.used, chosen.scored, None, config)
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


@torch.inference_mode()
def compared(model: Ilrm, scene: Prepared, report: Report = ignore) -> dict[str, Outcome]:
    """Measure each approximation on a scene with held-out photos; the first one is exact."""
    assert scene.targets is not None, "a scene needs held-out photos"
    found: dict[str, Outcome] = {}
    passes: list[Gaussians] = []
    for name, change in APPROXIMATIONS.items():
        with change(model, len(scene.inputs)):
            spent = seconds(lambda: passes.extend(model([scene.inputs], [scene.depth_range])))
        moved = float((passes[-1].means - passes[0].means).norm(dim=1).max()) / scene.distance
        score = score_of(cleaned(passes[-1], scene, model.config).gaussians, scene.targets)
        found[name] = Outcome(score.psnr, moved, spent)
        report(Step("quality", len(found), len(APPROXIMATIONS)))
    return found
