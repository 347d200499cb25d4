"""Summary of an evaluation: means over scenes, as JSON, CSV and pictures."""

import csv
import io
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ilrm_cli.evaluate.checks import QUALITIES
from ilrm_cli.evaluate.curves import curves_svg
from ilrm_cli.evaluate.results import (
    FROM_POINTS,
    NEAREST_PHOTO,
    OURS,
    STARTS,
    SceneFailure,
    SceneResult,
    Trial,
    label_of,
    mean_of,
)
from ilrm_cli.render.rasterize import to_uint8
from ilrm_cli.runtime.files import atomic_write, check_output, refuse_link
from ilrm_cli.runtime.output_names import place_below

MANY_PHOTOS = 26  # in a scene, the held-out ones included: enough that a fit to all is well covered
ERROR_GAIN = 3.0  # in pictures: an error of a third of the range is white
CSV_COLUMNS = (
    "scene", "views", "method", "refined", "target", "psnr", "ssim", "lpips", "seconds", "gaussians", "iterations",
    "cpu_seconds", "psnr_evened",
)  # fmt: skip
SCORES_JSON, SCORES_CSV = "scores.json", "scores.csv"
PLOT = "_surfaces.svg"  # how plots of precision and recall end, after the name of the scene


@dataclass(frozen=True)
class MethodMean:
    """Means of one method with a number of inputs, over the scenes' means."""

    method: str
    views: str  # inputs: "8", or "7 to 8" if a scene has too few photos
    refined: bool
    scenes: int  # number of scenes with this method
    psnr: float  # dB
    ssim: float
    lpips: float | None
    seconds: float
    cpu_seconds: float | None = None
    psnr_evened: float | None = None  # as in `ViewScore`


@dataclass(frozen=True)
class Margins:
    """Our margins over the baselines, with a number of inputs."""

    views: str
    gain_db: float | None  # mean over scenes of ours, as predicted, minus the nearest photo; None without baselines
    gain_refined_db: float | None  # the same with ours refined
    refinement_never_hurts: bool | None  # refined is never below predicted, in any scene
    ahead_of_refined_starts: float | None  # share of scenes in which ours refined beats every refined baseline start
    compared: int  # number of scenes for that share


@dataclass(frozen=True)
class Gain:
    """What whole reconstructions gain over others, on the scenes that have both."""

    method: str  # label of a quality
    over: str  # that of the least quality asked for, or of the same fit from the sparse points
    scenes: int
    gain_db: float  # mean
    scenes_of_many: int  # those with MANY_PHOTOS or more
    gain_of_many_db: float | None  # mean over these
    least_gain_db: float  # in the worst scene
    ahead: int  # scenes with a higher PSNR
    ssim_ahead: int  # scenes with a higher SSIM


@dataclass(frozen=True)
class Summary:
    """The summary of a whole evaluation."""

    scenes: int
    failed: int
    means: tuple[MethodMean, ...]
    margins: tuple[Margins, ...]
    gains: tuple[Gain, ...] = ()


def summarize(results: Sequence[SceneResult | SceneFailure]) -> Summary:
    """Compute means and margins over the scenes that could be evaluated."""
    good = [result for result in results if isinstance(result, SceneResult)]
    sets = range(max((len(result.inputs) for result in good), default=0))
    means = tuple(mean for k in sets for mean in _means(good, k))
    gains = tuple(_gains(good))
    margins = () if any(mean.method in QUALITIES for mean in means) else tuple(_margins(good, k) for k in sets)
    return Summary(len(good), len(results) - len(good), means, margins, gains)


def _views(results: Sequence[SceneResult], k: int) -> str:
    """Describe the numbers of inputs in the scenes' k-th set."""
    counts = sorted({len(result.inputs[k]) for result in results})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _means(results: Sequence[SceneResult], k: int) -> list[MethodMean]:
    """Compute the means of every method with the k-th set of inputs."""
    by_kind: dict[tuple[str, bool], list[Trial]] = {}
    for result in results:
        for trial in result.trials:
            if trial.views == len(result.inputs[k]):
                by_kind.setdefault((trial.method, trial.refined), []).append(trial)
    return [_mean(method, _views(results, k), refined, trials) for (method, refined), trials in by_kind.items()]


def _mean(method: str, views: str, refined: bool, trials: list[Trial]) -> MethodMean:
    return MethodMean(
        method=method,
        views=views,
        refined=refined,
        scenes=len(trials),
        psnr=statistics.fmean(t.psnr for t in trials),
        ssim=statistics.fmean(t.ssim for t in trials),
        lpips=mean_of(t.lpips for t in trials),
        seconds=statistics.fmean(t.seconds for t in trials),
        cpu_seconds=mean_of(t.cpu_seconds for t in trials),
        psnr_evened=mean_of(t.psnr_evened for t in trials),
    )


def _margins(results: Sequence[SceneResult], k: int) -> Margins:
    def trial(result: SceneResult, method: str, refined: bool) -> Trial | None:
        return result.trial(method, len(result.inputs[k]), refined)

    def gains(refined: bool, over: str) -> list[float]:
        pairs = [(trial(result, OURS, refined), trial(result, over, False)) for result in results]
        return [ours.psnr - other.psnr for ours, other in pairs if ours is not None and other is not None]

    ahead = []
    for result in results:
        ours = trial(result, OURS, True)
        starts = [t.psnr for method in STARTS if (t := trial(result, method, True)) is not None]
        if ours is not None and starts:
            ahead.append(ours.psnr > max(starts))
    predicted, refined, by_refining = gains(False, NEAREST_PHOTO), gains(True, NEAREST_PHOTO), gains(True, OURS)
    return Margins(
        views=_views(results, k),
        gain_db=statistics.fmean(predicted) if predicted else None,
        gain_refined_db=statistics.fmean(refined) if refined else None,
        refinement_never_hurts=min(by_refining) >= 0 if by_refining else None,
        ahead_of_refined_starts=statistics.fmean(ahead) if ahead else None,
        compared=len(ahead),
    )


def _gains(results: Sequence[SceneResult]) -> Iterator[Gain]:
    """Compare each quality with the least one, and with the same fit from the sparse points."""
    methods = {trial.method for result in results for trial in result.trials}
    asked = [quality for quality in QUALITIES if quality in methods]
    pairs = [(method, asked[0]) for method in asked[1:]] + [(m, FROM_POINTS.format(quality=m)) for m in asked]
    for method, over in pairs:
        found = [(result, _of(result, method), _of(result, over)) for result in results]
        both = [(result, ours, other) for result, ours, other in found if ours is not None and other is not None]
        if both:
            yield _gain(both)


def _of(result: SceneResult, method: str) -> Trial | None:
    return next((trial for trial in result.trials if trial.method == method), None)


def _gain(both: Sequence[tuple[SceneResult, Trial, Trial]]) -> Gain:
    _, mine, its = both[0]
    gains = [ours.psnr - other.psnr for _, ours, other in both]
    of_many = [gain for gain, (result, _, _) in zip(gains, both, strict=True) if result.photos >= MANY_PHOTOS]
    return Gain(
        method=label_of(mine.method, mine.refined),
        over=label_of(its.method, its.refined),
        scenes=len(both),
        gain_db=statistics.fmean(gains),
        scenes_of_many=len(of_many),
        gain_of_many_db=statistics.fmean(of_many) if of_many else None,
        least_gain_db=min(gains),
        ahead=sum(gain > 0 for gain in gains),
        ssim_ahead=sum(ours.ssim > other.ssim for _, ours, other in both),
    )


def as_json(results: Sequence[SceneResult | SceneFailure]) -> dict[str, Any]:
    """Return summary and scenes as JSON values."""
    return {
        "summary": asdict(summarize(results)),
        "scenes": [_scene(result) for result in results if isinstance(result, SceneResult)],
        "failed": [asdict(result) for result in results if isinstance(result, SceneFailure)],
    }


def _scene(result: SceneResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "size": [result.width, result.height],
        "inputs": [list(names) for names in result.inputs],
        "targets": list(result.targets),
        "seconds": result.seconds,
        "peak_memory_gb": result.peak_memory_gb,
        "warnings": list(result.warnings),
        "trials": [_trial(trial) for trial in result.trials],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    means = {"psnr": trial.psnr, "ssim": trial.ssim, "lpips": trial.lpips, "psnr_evened": trial.psnr_evened}
    shape = {"geometry": trial.geometry.as_json() if trial.geometry else None}
    own = {key: value for key, value in asdict(trial).items() if key != "scores"} | shape
    return own | means | {"targets": [asdict(score) for score in trial.scores]}


def encode_csv(results: Sequence[SceneResult | SceneFailure]) -> bytes:
    """Write one row per scene, method and target, and a row "mean" for each."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CSV_COLUMNS)
    for result in results:
        for trial in result.trials if isinstance(result, SceneResult) else ():
            head = (result.name, trial.views, trial.method, int(trial.refined))
            for score in trial.scores:
                figures = _figures(score.psnr, score.ssim, score.lpips)
                table.writerow((*head, score.view, *figures, "", "", "", "", _decibels(score.psnr_evened)))
            figures = _figures(trial.psnr, trial.ssim, trial.lpips)
            cpu_s = "" if trial.cpu_seconds is None else f"{trial.cpu_seconds:.3f}"
            effort = f"{trial.seconds:.3f}", trial.gaussians, trial.iterations, cpu_s
            table.writerow((*head, "mean", *figures, *effort, _decibels(trial.psnr_evened)))
    return text.getvalue().encode()


def _figures(psnr: float, ssim: float, lpips: float | None) -> tuple[str, str, str]:
    return f"{psnr:.4f}", f"{ssim:.5f}", "" if lpips is None else f"{lpips:.5f}"


def _decibels(psnr: float | None) -> str:
    return "" if psnr is None else f"{psnr:.4f}"


def encode_picture(result: SceneResult) -> bytes:
    """Draw a PNG with rows for the worst, the middle and the best target: ground truth, ours, three times the error."""
    shown = result.shown
    error = (ERROR_GAIN * (shown.ours - shown.truth).abs()).clamp(0, 1)
    rows = torch.cat([shown.truth, shown.ours, error], dim=3)  # [T, 3, H, 3W]
    pixels = to_uint8(rows.permute(0, 2, 3, 1).flatten(0, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()


def check_folder(folder: Path, scenes: Sequence[str], overwrite: bool, *, plots: bool = False) -> list[Path]:
    """Return the picture paths of the scenes in the output folder; called before the long work.

    Raises InputError where they or the scores cannot be put there.
    """
    refuse_link(folder)
    if not folder.is_dir():
        check_output(folder, overwrite)
    pictures = [drawing_path(folder, scene) for scene in scenes]
    pictures += [drawing_path(folder, scene, PLOT) for scene in scenes if plots]
    for path in (folder / SCORES_JSON, folder / SCORES_CSV, *pictures):
        check_output(path, overwrite)
    return pictures


def drawing_path(folder: Path, scene: str, ending: str = ".png") -> Path:
    """Return the path of a scene's picture, or of its plot."""
    return place_below(folder, f"{scene}{ending}")


def write_drawings(folder: Path, result: SceneResult) -> None:
    """Write `<scene>.png`, see `encode_picture`, and if surfaces were judged `<scene>_surfaces.svg`."""
    atomic_write(drawing_path(folder, result.name), encode_picture(result))
    judged = {f"{label_of(t.method, t.refined)}, {t.views} views": t.geometry for t in result.trials if t.geometry}
    if judged:
        atomic_write(drawing_path(folder, result.name, PLOT), curves_svg(judged).encode())


def write_scores(folder: Path, content: dict[str, Any], results: Sequence[SceneResult | SceneFailure]) -> None:
    """Write `scores.json` (with `content`) and `scores.csv`, each replaced in one step."""
    atomic_write(folder / SCORES_JSON, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    atomic_write(folder / SCORES_CSV, encode_csv(results))
