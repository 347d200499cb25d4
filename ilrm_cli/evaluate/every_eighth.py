"""The protocol every-eighth: the whole of `ilrm reconstruct`, scored on every eighth photo, which it never gets.

The photos that score are taken out of the capture before anything is chosen, as is customary in the field. What the
pipeline holds out of the others itself, to choose the scale and when to stop, is a part of the method. Poses and sparse
points are those of all photos: a photo without a pose could not score.
"""

import time
from dataclasses import dataclass, replace

import torch

from ilrm_cli.capture.load_views import common_size, load_views
from ilrm_cli.capture.photos.folder import MIN_VIEWS, open_folder
from ilrm_cli.data.folders import read_folder
from ilrm_cli.evaluate.checks import Plan
from ilrm_cli.evaluate.protocols import TARGET_EVERY, SceneRef
from ilrm_cli.evaluate.results import FROM_POINTS, Evaluation, Judge, SceneResult, SceneWatch, Shown, Trial, wait
from ilrm_cli.geometry.backdrop import before_backdrop
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Capture, PosedPhoto
from ilrm_cli.pipeline.fit_photos import fit_photos
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import normalized_views, prepare_photos
from ilrm_cli.pipeline.reconstruct import reconstruct_capture
from ilrm_cli.pipeline.select_inputs import photos_by_role, photos_without
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.starts import sparse_points_splat
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore

LONG_SIDE_PX = 480  # of the pictures that are scored


def split(capture: Capture) -> tuple[Capture, tuple[PosedPhoto, ...]]:
    """Return the capture without every eighth photo by name, beginning with the first, and these."""
    held = tuple(sorted(capture.photos, key=lambda photo: photo.name)[::TARGET_EVERY])
    return replace(capture, photos=photos_without(capture.photos, held)), held


def evaluate_whole(run: Evaluation, ref: SceneRef, plan: Plan, baselines: bool, report: Report = ignore) -> SceneResult:
    """Reconstruct with each of the settings that are asked for and score the scenes; the picture shows the last one.

    With `baselines`, the first fit among these is repeated from the sparse points, if there are enough of them. Raises
    InputError if the scene cannot be used.
    """
    assert ref.path is not None, "a folder has a path"
    watch = SceneWatch(run.device)
    folder = ref.folder or open_folder(ref.path)
    capture = read_folder(folder, plan.poses, seed=plan.seed, report=report).capture
    given, held = split(capture)
    if len(given.photos) < MIN_VIEWS:
        raise InputError(f"{ref.path}: {len(capture.photos)} posed photos are too few to hold one out; take more.")
    width, height = common_size(given.photos, long_side=plan.long_side_px or LONG_SIDE_PX)
    targets, names = load_views(held, width, height), tuple(photo.name for photo in held)

    def scored(made: Made, method: str, refined: bool = False) -> tuple[Trial, Shown]:
        judge = Judge(normalized_views(targets, made.normalized_from_world).to(run.device), names, run.lpips)
        scores = judge.scores(judge.pictures(made.gaussians))
        figures = made.seconds, len(made.gaussians), made.steps, made.cpu_seconds
        return Trial(method, len(given.photos), refined, scores, *figures), judge.shown(made.gaussians, scores)

    trials, shown = [], None
    for settings in run.asked:
        made = reconstructed(run, given, settings, report)
        trial, shown = scored(made, settings.settled_quality, settings.refine > 0)
        trials.append(trial)
    assert shown is not None, "at least one reconstruction is asked for"
    fits = [settings for settings in run.asked if settings.settled_quality != "draft"]
    from_points = fitted_from_points(run, given, fits[0], report) if baselines and fits else None
    if from_points is not None:
        trials.append(scored(from_points, FROM_POINTS.format(quality=fits[0].settled_quality))[0])
    return SceneResult(
        name=ref.name,
        width=width,
        height=height,
        inputs=(tuple(photo.name for photo in given.photos),),
        targets=names,
        trials=tuple(trials),
        seconds=watch.seconds,
        peak_memory_gb=watch.peak_memory_gb,
        warnings=capture.warnings,
        shown=shown,
    )


@dataclass(frozen=True)
class Made:
    """A scene that was made of posed photos, and what that took."""

    gaussians: Gaussians  # normalised
    normalized_from_world: Similarity
    steps: int | None  # of the fit that led to it; None: it is a prediction
    seconds: float
    cpu_seconds: float  # of this process, over all threads


def reconstructed(run: Evaluation, given: Capture, settings: Settings, report: Report = ignore) -> Made:
    """Run the pipeline as `ilrm reconstruct` does after the poses."""
    began, cpu_began = time.perf_counter(), time.process_time()
    made = reconstruct_capture(given, run.loaded, settings, report)
    wait(made.device)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    steps = made.optimized.steps if made.optimized else made.refinement.iterations if made.refinement else None
    return Made(made.gaussians, made.prepared.normalized_from_world, steps, seconds, cpu_seconds)


def fitted_from_points(run: Evaluation, given: Capture, settings: Settings, report: Report = ignore) -> Made | None:
    """Fit the sparse points to the same photos, in the same steps or time; None if there are too few points.

    Colours are those of all fitted photos. The model's backdrop is added, as in other baselines: it is not learned.
    """
    began, cpu_began = time.perf_counter(), time.process_time()
    can, device = run.loaded.model.capabilities, run.device
    chosen = photos_by_role(given, settings, can, report)
    prepared = prepare_photos(given, chosen.used, chosen.scored, settings.long_side_px, can, report).to(device)
    inputs, to_normal = prepared.inputs, prepared.normalized_from_world
    fitted = load_views(chosen.fitted, inputs.cameras.width, inputs.cameras.height)
    points = to_normal.points(torch.from_numpy(given.points)).numpy()
    start = sparse_points_splat(points, normalized_views(fitted, to_normal).to(device))
    if start is None:
        return None
    if can.backdrop and inputs.content is None:
        start = before_backdrop(start, inputs, prepared.depth_range)
    predicted = Prediction(start)
    fit = fit_photos(lambda fold: predicted, predicted, prepared, chosen, settings, report=report)
    wait(device)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return Made(fit.optimized.gaussians, to_normal, fit.optimized.steps, seconds, cpu_seconds)
