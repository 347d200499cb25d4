"""Evaluation of a model on scenes with held-out views, predicted and refined, beside baselines."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.data.holdout import RenderedSequence
from ilrm_cli.evaluate import baselines, every_eighth, surfaces
from ilrm_cli.evaluate.checks import EXACT, SEVERAL, Plan, Settings, reconstructions
from ilrm_cli.evaluate.protocols import SceneRef, Split, open_scene
from ilrm_cli.evaluate.results import (
    MEAN_COLOR,
    NEAREST_PHOTO,
    OURS,
    PLANE_SWEEP,
    STARTS,
    Evaluation,
    Judge,
    SceneFailure,
    SceneResult,
    SceneWatch,
    Shown,
    Trial,
    wait,
)
from ilrm_cli.evaluate.surface_scores import TrueSurface, surface_seen
from ilrm_cli.geometry.backdrop import before_backdrop
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import blueprint_of
from ilrm_cli.models.loading import ready_model
from ilrm_cli.models.registry import refused_one_photo
from ilrm_cli.pipeline.fit_inputs import refined
from ilrm_cli.pipeline.mesh import require_mesh_libraries
from ilrm_cli.pipeline.predict import Prediction, predict
from ilrm_cli.pipeline.prepare import Prepared, normalize
from ilrm_cli.pipeline.starts import sparse_points_splat
from ilrm_cli.render.mesh_pictures import mesh_picture
from ilrm_cli.render.perceptual import load_lpips, why_no_lpips
from ilrm_cli.render.rasterize import NEAR, renderer_for
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore


def start(plan: Plan, settings: Settings, report: Report = ignore) -> Evaluation:
    """Load the model and the metrics. Raises InputError for a model or device that cannot be used."""
    asked = reconstructions(plan, settings)
    fits = any(one.settled_quality != "draft" for one in asked) if asked else bool(settings.qualities)
    if settings.geometry:
        require_mesh_libraries()
    if (blueprint := blueprint_of(settings.model)) and not blueprint.capabilities.needs_poses:
        raise refused_one_photo(settings.model, SEVERAL)  # before kernels are compiled
    device, missing = resolve_device(settings.device), why_no_lpips()
    loaded = ready_model(
        settings.model,
        settings.device,
        settings.precision,
        compiled=settings.compile,
        gradients=settings.refine > 0 or fits,
        sweeps=settings.baselines,
        report=report,
    )
    if not loaded.model.capabilities.needs_poses:  # of a file in a released format, which has no blueprint
        raise refused_one_photo(settings.model, SEVERAL)
    return Evaluation(loaded, asked, device, renderer_for(device), None if missing else load_lpips(device), missing)


def evaluate(
    run: Evaluation, scenes: Sequence[SceneRef], plan: Plan, settings: Settings, report: Report = ignore
) -> Iterator[SceneResult | SceneFailure]:
    """Yield one result per scene, in order; a scene that cannot be used becomes a failure and the others go on."""
    for number, ref in enumerate(scenes):
        report(Step("scenes", number, len(scenes), ref.name))
        try:
            yield evaluate_scene(run, ref, plan, settings, report)
        except InputError as error:
            yield SceneFailure(ref.name, str(error))
    report(Step("scenes", len(scenes), len(scenes)))


def evaluate_scene(
    run: Evaluation, ref: SceneRef, plan: Plan, settings: Settings, report: Report = ignore
) -> SceneResult:
    """Evaluate all methods, with every number of inputs. Raises InputError if the scene cannot be used."""
    if run.asked:
        return every_eighth.evaluate_whole(run, ref, plan, settings.baselines, report)
    watch = SceneWatch(run.device)
    split = open_scene(ref, plan, run.loaded.model.capabilities, report)
    names = split.frames.frame_names
    largest = split.frames.views(split.inputs[-1], split.width, split.height)
    targets = split.frames.views(split.targets, split.width, split.height)
    trials: list[Trial] = []
    shown = None
    for chosen in split.inputs:
        prepared = _prepared(split, chosen, largest, targets).to(run.device)
        assert prepared.targets is not None, "an evaluation has targets"
        whole = replace(prepared.targets, masks=None)  # all pixels count
        surface = _surface(split, chosen, prepared, settings) if settings.geometry else None
        judge = Judge(whole, tuple(names[i] for i in split.targets), run.lpips, surface)
        shown, ours = _ours(run, prepared, judge, settings, plan.seed, report)
        trials += ours
        if settings.baselines:
            points = prepared.normalized_from_world.points(torch.from_numpy(split.frames.points)).numpy()
            trials += _pictures(prepared, judge)
            trials += _splats(prepared, points, judge, settings.refine, run.loaded.model.capabilities.backdrop)
            trials += _meshes(prepared, points, judge) if surface else []
    assert shown is not None, "at least one set of inputs"
    return SceneResult(
        name=ref.name,
        width=split.width,
        height=split.height,
        inputs=tuple(tuple(names[i] for i in chosen) for chosen in split.inputs),
        targets=tuple(names[i] for i in split.targets),
        trials=tuple(trials),
        seconds=watch.seconds,
        peak_memory_gb=watch.peak_memory_gb,
        warnings=split.warnings,
        shown=shown,
    )


def _prepared(split: Split, chosen: tuple[int, ...], largest: Views, targets: Views) -> Prepared:
    """Prepare the scene in the frame of one set of inputs, a subset of the largest one."""
    inputs = largest[[split.inputs[-1].index(i) for i in chosen]]
    poses = split.frames.world_from_cam[list(chosen)]
    return normalize(poses, inputs, targets, split.frames.points, split.normalisation)


def _surface(split: Split, chosen: tuple[int, ...], prepared: Prepared, settings: Settings) -> TrueSurface:
    """Return what is known of the surface, in the frame of one set of inputs."""
    assert prepared.targets is not None, "an evaluation has targets"
    inputs, targets = prepared.inputs.cameras.to("cpu"), prepared.targets.cameras.to("cpu")
    to_normal = prepared.normalized_from_world
    if settings.geometry != EXACT:
        assert settings.geometry is not None, "asked for"
        return surfaces.scanned(Path(settings.geometry), to_normal, inputs, settings.tolerance)
    assert isinstance(split.frames, RenderedSequence), "checked: exact geometry is that of procedural scenes"
    depth = split.frames.depth * to_normal.scale
    return surface_seen(inputs, depth[list(chosen)], targets, depth[list(split.targets)])


def _ours(
    run: Evaluation, prepared: Prepared, judge: Judge, settings: Settings, seed: int, report: Report
) -> tuple[Shown, list[Trial]]:
    views = len(prepared.inputs)
    began = time.perf_counter()
    predicted = predict(run.loaded.model, prepared)
    gaussians, drawn = predicted.gaussians, predicted.drawn
    wait(run.device)
    seconds = time.perf_counter() - began
    scores, shape = judge.scores(judge.pictures(drawn)), judge.geometry(gaussians)
    trials = [Trial(OURS, views, False, scores, seconds, len(gaussians), None, geometry=shape)]
    if settings.refine > 0:
        drawn, trial = _refined(OURS, predicted, prepared, judge, settings.refine, seconds)
        trials.append(trial)
    shown = judge.shown(drawn, trials[-1].scores)
    kinds = ((surfaces.FITTED, False), (surfaces.FITTED_SURFACES, True))
    for quality, (kind, geometry) in itertools.product(settings.qualities, kinds):
        began = time.perf_counter()
        fitted = surfaces.fitted_to_inputs(predicted, prepared, quality, seed, report, geometry=geometry)
        wait(run.device)
        took, name = seconds + time.perf_counter() - began, kind.format(quality=quality)
        scores, shape = judge.scores(judge.pictures(fitted)), judge.geometry(fitted)
        trials.append(Trial(name, views, False, scores, took, len(fitted), None, geometry=shape))
    return shown, trials


def _meshes(prepared: Prepared, points: Float64[ndarray, "point 3"], judge: Judge) -> list[Trial]:
    """Evaluate the baseline that is a mesh; pictures show it grey."""
    began = time.perf_counter()
    mesh = surfaces.poisson_mesh(points, prepared.inputs.cameras)
    if mesh is None:
        return []
    seconds, targets = time.perf_counter() - began, judge.targets.cameras
    pictures = [
        mesh_picture(mesh, targets[[i]], NEAR).color[None].to(judge.targets.images) for i in range(len(targets))
    ]
    shape = judge.geometry_of_mesh(mesh)
    scores = judge.scores(pictures)
    return [Trial(surfaces.POISSON, len(prepared.inputs), False, scores, seconds, None, None, geometry=shape)]


def _pictures(prepared: Prepared, judge: Judge) -> list[Trial]:
    """Evaluate the baselines that are pictures."""
    inputs, views = prepared.inputs, len(prepared.inputs)
    began = time.perf_counter()
    nearest = baselines.nearest_photos(inputs, judge.targets.cameras)
    plain = baselines.mean_color(inputs)[:, None, None].expand_as(nearest)
    seconds = time.perf_counter() - began
    return [
        Trial(method, views, False, judge.scores(images.split(1)), seconds, None, None)
        for method, images in ((MEAN_COLOR, plain), (NEAREST_PHOTO, nearest))
    ]


def _splats(
    prepared: Prepared, points: Float64[ndarray, "point 3"], judge: Judge, iterations: int, backdrop: bool
) -> list[Trial]:
    """Evaluate the baselines that are Gaussians; holes of the plane sweep show the mean colour, which scores best.

    Refined baselines get the same backdrop as the model's Gaussians, if these have one: it is not learned.
    """
    inputs, views = prepared.inputs, len(prepared.inputs)
    began = time.perf_counter()
    sweep = baselines.plane_sweep_splat(inputs, prepared.depth_range)
    seconds = time.perf_counter() - began
    pictures = judge.pictures(sweep, baselines.mean_color(inputs))
    scores, shape = judge.scores(pictures), judge.geometry(sweep)
    trials = [Trial(PLANE_SWEEP, views, False, scores, seconds, len(sweep), None, geometry=shape)]
    if iterations == 0:
        return trials
    constant = baselines.constant_depth_splat(inputs, prepared.depth_range)
    sparse = sparse_points_splat(points, inputs)
    for method, start in zip(STARTS, (constant, sweep, sparse), strict=True):
        if start is not None:
            before = seconds if start is sweep else 0.0
            whole = before_backdrop(start, inputs, prepared.depth_range) if backdrop else start
            trials.append(_refined(method, Prediction(whole), prepared, judge, iterations, before)[1])
    return trials


def _refined(
    method: str, start: Prediction, prepared: Prepared, judge: Judge, iterations: int, seconds_before: float
) -> tuple[Gaussians, Trial]:
    began = time.perf_counter()
    result = refined(start, prepared, iterations)
    wait(prepared.inputs.images.device)
    seconds = seconds_before + time.perf_counter() - began
    scores = judge.scores(judge.pictures(result.gaussians))
    views, gaussians = len(prepared.inputs), result.gaussians
    figures = seconds, len(gaussians), result.iterations
    return gaussians, Trial(method, views, True, scores, *figures, geometry=judge.geometry(gaussians))
