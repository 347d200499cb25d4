"""The main job: reconstruction of 3D Gaussians from a folder of photos, with quality measures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli import __version__
from ilrm_cli.capture.input_hash import poses_sha256
from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, ProjectFolder
from ilrm_cli.capture.pose_card import PoseCard, pose_card
from ilrm_cli.capture.poses.overlap import require_parallax
from ilrm_cli.geometry.frames import up_direction
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Capture
from ilrm_cli.models.checkpoint import LoadedModel, ModelIdentity, blueprint_of
from ilrm_cli.models.layers.passes import LayerTime
from ilrm_cli.models.loading import ready_model
from ilrm_cli.pipeline.field_match import require_field
from ilrm_cli.pipeline.fit_inputs import Refinement, fit_inputs
from ilrm_cli.pipeline.fit_photos import PhotoFit, fit_photos
from ilrm_cli.pipeline.object_photo import object_photo, the_photo, without_fit
from ilrm_cli.pipeline.optimize.course import Running
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.pipeline.predict import Prediction, predict
from ilrm_cli.pipeline.prepare import Prepared, prepare_photos
from ilrm_cli.pipeline.prune import Trusted
from ilrm_cli.pipeline.real_size import metres_per_unit, require_size
from ilrm_cli.pipeline.refine_poses import corrected
from ilrm_cli.pipeline.scale_search import UNJUDGED, ScaleChoice, best_scale, search_pays
from ilrm_cli.pipeline.scoring import judged
from ilrm_cli.pipeline.select_inputs import Selection, advice_on_counts, photos_by_role
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.trace import Trace, check_traceable, trace
from ilrm_cli.render.metrics import Score
from ilrm_cli.runtime.cache import state_of
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Stage, Stopwatch, ignore


@dataclass(frozen=True)
class EarlierScene:
    """The scene that was fitted further."""

    scene: Path
    sha256: str


@dataclass(frozen=True)
class Reconstruction:
    """A scene, and what each stage made on the way to it. Gaussians, inputs and held-out views are normalised."""

    settings: Settings
    model: ModelIdentity
    capture: Capture
    selection: Selection
    prepared: Prepared  # at the scale that was chosen
    scale: ScaleChoice | None  # None: the search did not run
    prediction: Prediction
    refinement: Refinement | None  # None: not requested
    trusted: Trusted  # predicted or refined, pruned on request
    score: Score | None  # None if no photo is held out
    score_as_given: Score | None = None  # of the same pixels with poses as given; None: they were not refined
    refined_before: Mapping[str, float | None] | None = None  # `poses_refined` of the scene that was fitted further
    fit: PhotoFit | None = None  # to all photos that are not held out; None: a draft
    earlier: EarlierScene | None = None  # None: it was made from photos alone
    metres_per_unit: float | None = None  # real length of a unit of the poses; None: unknown
    trace: Trace | None = None  # how the scene formed, layer by layer; None: not requested
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def gaussians(self) -> Gaussians:
        """The scene."""
        return self.trusted.gaussians

    @property
    def optimized(self) -> Optimized | None:
        return self.fit.optimized if self.fit else None

    @property
    def in_scene(self) -> int:
        """Number of photos that the scene was made from: inputs, fitted ones, and judges fitted in the last stretch."""
        chosen = self.selection
        judges = len(chosen.scored) if self.fit and self.fit.optimized.last_steps else 0
        return len(chosen.fitted or chosen.used) + judges

    @property
    def poses_refined(self) -> dict[str, Any] | None:
        """By how much poses were refined, as JSON values; None: they are as given, or as they were found before."""
        if self.fit is None or self.fit.corrections is None:
            return dict(self.refined_before) if self.refined_before else None
        moved, as_given = self.fit.corrections, self.score_as_given
        return {
            "turn_deg": moved.turn_deg,
            "shift_share": moved.shift,
            "psnr_as_given": as_given.psnr if as_given else None,
        }

    @property
    def device(self) -> torch.device:
        return self.gaussians.means.device

    @cached_property
    def poses(self) -> Float64[Tensor, "photo 4 4"]:
        """The poses world_from_cam of all posed photos."""
        return torch.from_numpy(self.capture.world_from_cam)

    @cached_property
    def up(self) -> Float64[Tensor, "3"]:
        """The direction that is up in the frame of the input poses, as all photos together tell it best."""
        return up_direction(self.poses)

    @cached_property
    def pose_card(self) -> PoseCard:
        return pose_card(self.capture, self.model.trained_on)

    @property
    def traced(self) -> dict[str, Any] | None:
        """The numbers of the trace as JSON values, with the name of the photo in its pictures."""
        if self.trace is None:
            return None
        photo = (self.selection.scored or self.selection.used)[self.trace.shown]
        return {"photo": photo.name, "layers": [asdict(row) for row in self.trace.layers]}


def reconstruct(
    folder: ProjectFolder,
    settings: Settings,
    report: Report = ignore,
    *,
    as_field: bool = False,
    trace_pictures: int = 0,
    running: Running = Running(),
) -> Reconstruction:
    """Reconstruct a folder of photos or a video: model, poses, and `reconstruct_capture`.

    With `as_field` the scene is the field that a model predicts. With `trace_pictures` the model runs once more to be
    traced, with that many pictures per layer; the scene is the same. `running` tells what may end the fit to all photos
    early. Raises InputError for photos, poses, weights or settings that cannot be used.
    """
    watch, taken = Stopwatch(), None
    if (blueprint := blueprint_of(settings.model)) and not blueprint.capabilities.needs_poses:
        settings = without_fit(settings)  # before kernels for fits are compiled
    elif blueprint:
        folder.require(settings.poses, settings.camera, settings.views)
    loaded = load(settings, report, watch)
    if as_field:
        require_field(loaded.model.capabilities, settings)
    with watch.stage(Stage.POSES):
        if loaded.model.capabilities.needs_poses:
            capture = posed_photos(folder, settings, report)
        else:
            settings = without_fit(settings)
            capture, taken = object_photo(folder, loaded, report)
    result = reconstruct_capture(
        capture,
        loaded,
        settings,
        report,
        taken=taken,
        as_field=as_field,
        trace_pictures=trace_pictures,
        running=running,
    )
    return with_seconds(result, watch.seconds)


def posed_photos(folder: ProjectFolder, settings: Settings, report: Report = ignore) -> Capture:
    """Run `gather` with these settings. Raises InputError also if the photos were all taken from one place."""
    folder.require(settings.poses, settings.camera, settings.views)
    require_size(folder, settings)
    capture = gather(folder, settings.narrowed(PoseSettings), report)
    require_parallax(capture.world_from_cam[:, :3, 3], capture.points, folder.place)
    return capture


def load(settings: Settings, report: Report = ignore, watch: Stopwatch | None = None) -> LoadedModel:
    """Load the model, ready for any number of scenes; see `ready_model`, also for `watch`."""
    return ready_model(
        settings.model,
        settings.device,
        settings.precision,
        compiled=settings.compile,
        gradients=settings.refine > 0 or settings.settled_quality != "draft",
        report=report,
        watch=watch,
    )


def with_seconds(result: Reconstruction, seconds: Mapping[str, float]) -> Reconstruction:
    """Add the seconds of stages that ran earlier to the result's timings."""
    total = {stage: value + result.timings_s.get(stage, 0.0) for stage, value in seconds.items()}
    return replace(result, timings_s=result.timings_s | total)


def reconstruct_capture(
    capture: Capture,
    loaded: LoadedModel,
    settings: Settings,
    report: Report = ignore,
    *,
    taken: Prepared | None = None,
    as_field: bool = False,
    trace_pictures: int = 0,
    running: Running = Running(),
) -> Reconstruction:
    """Run view selection, normalisation, one forward pass, optional refinement, and scoring on held-out photos.

    `loaded` comes from `load` with the same settings. The result depends on the arguments alone, not on earlier work of
    the process. `taken` is the view of a model that needs no poses, see `object_photo`. See `reconstruct` for
    `as_field`, `trace_pictures` and `running`. Raises InputError for a capture or settings that cannot be used.
    """
    watch, model, can = Stopwatch(), loaded.model, loaded.model.capabilities
    if taken is None and not can.needs_poses:
        raise InputError(f"the model {loaded.name} takes one photo of an object: ilrm reconstruct PHOTO.")
    if trace_pictures:
        check_traceable(can)
    with watch.stage(Stage.POSES):
        chosen = photos_by_role(capture, settings, can, report) if taken is None else the_photo(capture)
        real = metres_per_unit(settings.scale_from, capture) if settings.scale_from else None
    with watch.stage(Stage.LOAD):
        if taken is None:
            taken = prepare_photos(capture, chosen.used, chosen.scored, settings.long_side_px, can, report)
        prepared = taken.to(resolve_device(settings.device))
    with watch.stage(Stage.SCALE):
        prepared, scale = _best_scale(loaded, prepared, settings.auto_scale, report)
    with watch.stage(Stage.INFERENCE):
        predictor = partial(predict, model, report=report)
        predicted = predictor(prepared)
    with watch.stage(Stage.TRACE):
        formed = trace(model, prepared, trace_pictures, report) if trace_pictures else None
    with watch.stage(Stage.REFINE):
        refinement = None
        if settings.refine > 0:
            refinement = fit_inputs(predictor, predicted, prepared, chosen, settings.refine, report)
    with watch.stage(Stage.OPTIMIZE):
        fit = None
        if settings.settled_quality != "draft":
            key = fit_key(capture, settings, loaded.sha256)
            fit = fit_photos(predictor, predicted, prepared, chosen, settings, running=running, key=key, report=report)
    made = ((fit and fit.optimized) or refinement or predicted).gaussians
    advice = advice_on_counts(loaded.name, model.capabilities, chosen)
    unscaled = (UNJUDGED,) if settings.auto_scale and prepared.targets is None else ()
    field = predicted.sampled.drawn if as_field and predicted.sampled else None
    told = judged(made, prepared, chosen, settings, watch, report, fit=fit, field=field)
    return Reconstruction(
        settings=settings,
        model=loaded.identity,
        capture=capture,
        selection=chosen,
        prepared=corrected(prepared, chosen, fit.corrections if fit else None),
        scale=scale,
        prediction=predicted,
        refinement=refinement,
        fit=fit,
        trusted=told.trusted,
        score=told.score,
        score_as_given=told.score_as_given,
        metres_per_unit=real,
        trace=formed,
        timings_s=watch.seconds | _attention_s(predicted.layers),
        warnings=(*capture.warnings, *advice, *unscaled, *(fit.warnings if fit else ())),
    )


def fit_key(capture: Capture, settings: Settings, *start: str) -> tuple[object, ...]:
    """Return all that a fit depends on, as JSON values; `start` tells what it begins at.

    Photos are told by names and poses and by the state of their files, which is cheap and changes with them.
    """
    files = [path for photo in capture.photos for path in (photo.path, photo.mask) if path is not None]
    states = [state_of(path) for path in files]
    return (__version__, *start, asdict(settings.settled()), poses_sha256(capture), states)


def _best_scale(
    loaded: LoadedModel, prepared: Prepared, wanted: bool | None, report: Report
) -> tuple[Prepared, ScaleChoice | None]:
    """Return the scene at the scale that suits the model best, judged by held-out photos, if that is wanted."""
    model = loaded.model
    if not prepared.targets or not (search_pays(prepared, model.capabilities) if wanted is None else wanted):
        return prepared, None
    multiple = model.capabilities.size_multiple
    return best_scale(prepared, lambda attempt: predict(model, attempt).gaussians, multiple, report)


def _attention_s(layers: tuple[LayerTime, ...]) -> dict[str, float]:
    """Return the seconds of all layers by kind of attention: parts of the inference."""
    return {
        "cross_attention": sum(layer.cross_ms for layer in layers) / 1e3,
        "self_attention": sum(layer.self_ms for layer in layers) / 1e3,
    }
