"""The main job: reconstruction of 3D Gaussians from a folder of photos, with quality measures."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import ProjectFolder, VideoChoice
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Capture, LeftOut, PosedPhoto, TrainingRange, Views
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.models.ilrm.tuned_lens import shipped_lens
from ilrm_cli.models.layers.passes import LayerTime
from ilrm_cli.models.loading import ready_model
from ilrm_cli.pipeline.predict import predict, refined
from ilrm_cli.pipeline.prepare import Prepared, prepare_photos
from ilrm_cli.pipeline.prune import Pruning, prune, support
from ilrm_cli.pipeline.refine import Refinement
from ilrm_cli.pipeline.scale_search import ScaleChoice, best_scale
from ilrm_cli.pipeline.select_inputs import Selection, select_photos
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.trace import Trace, check_traceable, trace
from ilrm_cli.render.metrics import Score, score_of
from ilrm_cli.render.rasterize import renderer_for
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.progress import Report, Stopwatch, ignore


@dataclass(frozen=True)
class Reconstruction:
    """The scene and its data. Gaussians, inputs and held-out views are normalised."""

    gaussians: Gaussians
    floating: int  # dropped because other views see through them; published models keep all
    capture: Capture
    used: tuple[PosedPhoto, ...]
    held_out: tuple[PosedPhoto, ...]
    scored: tuple[PosedPhoto, ...]  # photos of `targets`: all held-out ones, or an even selection of many
    left_out: tuple[LeftOut, ...]  # every photo that is not an input, and why
    scale: ScaleChoice | None  # result of the scale search; None: it did not run
    inputs: Views
    targets: Views | None  # None if no photo is held out
    depth: float  # geometric mean of the nearest and farthest surface: the scene's distance, normalised
    normalized_from_world: Similarity
    model_name: str
    model_sha256: str
    trained_on: TrainingRange  # of the model
    device: str
    renderer: str
    score: Score | None  # None if no photo is held out
    refinement: Refinement | None
    # Support of each Gaussian by the inputs, see `prune`; before pruning. None: not requested.
    confidence: Float[Tensor, " gaussian"] | None
    pruning: Pruning | None  # None: not requested
    layers: tuple[LayerTime, ...]
    trace: Trace | None = None  # how the scene formed, layer by layer; None: not requested
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def traced(self) -> dict[str, Any] | None:
        """The numbers of the trace as JSON values, with the name of the photo in its pictures."""
        if self.trace is None:
            return None
        photo = (self.scored or self.used)[self.trace.shown]
        return {"photo": photo.name, "layers": [asdict(row) for row in self.trace.layers]}


def reconstruct(
    folder: ProjectFolder, settings: Settings, report: Report = ignore, *, trace_pictures: int = 0
) -> Reconstruction:
    """Reconstruct a folder of photos or a video: model, poses, and `reconstruct_capture`.

    With `trace_pictures` the model runs once more to be traced, with that many pictures per layer; the scene is the
    same. Raises InputError for photos, poses, weights or settings that cannot be used.
    """
    folder.require(settings.poses, settings.camera, settings.views)
    watch = Stopwatch()
    loaded = load(settings, report, watch)
    with watch.stage("poses"):
        capture = posed_photos(folder, settings, report)
    result = reconstruct_capture(capture, loaded, settings, report, trace_pictures=trace_pictures)
    return with_seconds(result, watch.seconds)


def posed_photos(folder: ProjectFolder, settings: Settings, report: Report = ignore) -> Capture:
    """Run `gather` with these settings."""
    video = VideoChoice(settings.fps, settings.max_frames)
    return gather(folder, settings.poses, camera=settings.camera, video=video, seed=settings.seed, report=report)


def load(settings: Settings, report: Report = ignore, watch: Stopwatch | None = None) -> LoadedModel:
    """Load the model, ready for any number of scenes; see `ready_model`, also for `watch`."""
    return ready_model(
        settings.model,
        settings.device,
        settings.precision,
        compiled=settings.compile,
        gradients=settings.refine > 0,
        report=report,
        watch=watch,
    )


def with_seconds(result: Reconstruction, seconds: dict[str, float]) -> Reconstruction:
    """Add the seconds of stages that ran earlier to the result's timings."""
    total = {stage: value + result.timings_s.get(stage, 0.0) for stage, value in seconds.items()}
    return replace(result, timings_s=result.timings_s | total)


def reconstruct_capture(
    capture: Capture, loaded: LoadedModel, settings: Settings, report: Report = ignore, *, trace_pictures: int = 0
) -> Reconstruction:
    """Run view selection, normalisation, one forward pass, optional refinement, and scoring on held-out photos.

    `loaded` comes from `load` with the same settings. The result depends on the arguments alone, not on earlier work of
    the process. See `reconstruct` for `trace_pictures`. Raises InputError for a capture or settings that cannot be
    used.
    """
    watch, model, can = Stopwatch(), loaded.model, loaded.model.capabilities
    if trace_pictures:
        check_traceable(can)
    with watch.stage("poses"):
        side = settings.long_side_px or can.long_side_px
        chosen = select_photos(capture, settings.views, can, side, seed=settings.seed, report=report)
    with watch.stage("load"):
        prepared = prepare_photos(capture, chosen.used, chosen.scored, settings.long_side_px, can, report).to(
            resolve_device(settings.device)
        )
    with watch.stage("scale"):
        prepared, scale = _best_scale(loaded, prepared, report) if settings.auto_scale else (prepared, None)
    with watch.stage("inference"):
        predicted = predict(model, prepared, report)
    with watch.stage("trace"):
        formed = trace(model, prepared, shipped_lens(loaded.sha256), trace_pictures, report) if trace_pictures else None
    with watch.stage("refine"):
        refinement = refined(predicted, prepared, settings.refine, report) if settings.refine > 0 else None
    gaussians = refinement.gaussians if refinement else predicted.gaussians
    with watch.stage("confidence"):
        gaussians, confidence, pruning = _trusted(gaussians, prepared, settings, report)
    with watch.stage("score"):
        score = score_of(gaussians, prepared.targets, report) if prepared.targets else None
    return Reconstruction(
        gaussians=gaussians,
        floating=predicted.floating,
        capture=capture,
        used=chosen.used,
        held_out=chosen.held_out,
        scored=chosen.scored,
        left_out=chosen.left_out,
        scale=scale,
        inputs=prepared.inputs,
        targets=prepared.targets,
        depth=prepared.distance,
        normalized_from_world=prepared.normalized_from_world,
        model_name=loaded.name,
        model_sha256=loaded.sha256,
        trained_on=can.trained_on,
        device=gaussians.means.device.type,
        renderer=renderer_for(gaussians.means.device),
        score=score,
        refinement=refinement,
        confidence=confidence,
        pruning=pruning,
        layers=predicted.layers,
        trace=formed,
        timings_s=watch.seconds | _attention_s(predicted.layers),
        warnings=(*capture.warnings, *_advice_on_counts(loaded, chosen)),
    )


def _best_scale(loaded: LoadedModel, prepared: Prepared, report: Report) -> tuple[Prepared, ScaleChoice | None]:
    """Return the scene at the scale that suits the model best, judged by held-out photos."""
    if not prepared.targets:
        return prepared, None
    model = loaded.model
    multiple = model.capabilities.size_multiple
    return best_scale(prepared, lambda attempt: predict(model, attempt).gaussians, multiple, report)


def _trusted(
    gaussians: Gaussians, prepared: Prepared, settings: Settings, report: Report
) -> tuple[Gaussians, Tensor | None, Pruning | None]:
    """Return the scene without contradicted Gaussians, the confidence in the rest, and a summary, if requested."""
    if not (settings.confidence or settings.prune):
        return gaussians, None, None
    found = support(gaussians, prepared.inputs, report)
    kept, pruning = torch.ones_like(gaussians.opacities, dtype=torch.bool), None
    if settings.prune:
        kept, pruning = prune(gaussians, found, prepared.targets or prepared.inputs, report)
    return gaussians[kept], found.confidence()[kept] if settings.confidence else None, pruning


def _attention_s(layers: tuple[LayerTime, ...]) -> dict[str, float]:
    """Return the seconds of all layers by kind of attention: parts of the inference."""
    return {
        "cross_attention": sum(layer.cross_ms for layer in layers) / 1e3,
        "self_attention": sum(layer.self_ms for layer in layers) / 1e3,
    }


def _advice_on_counts(loaded: LoadedModel, chosen: Selection) -> Iterator[str]:
    can, used = loaded.model.capabilities, len(chosen.used)
    if not can.min_views <= used <= can.max_views:
        least = f"{can.min_views} to " if can.min_views < can.max_views else ""
        yield (
            f"the model {loaded.name} was trained for {least}{can.max_views} views, {used} are used: "
            "expect less than its best."
        )
    if len(chosen.scored) < len(chosen.held_out):
        yield f"of {len(chosen.held_out)} photos that are held out, {len(chosen.scored)} evenly chosen ones are scored."
