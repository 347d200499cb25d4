"""The prediction fitted to all posed photos that are not held out, by the effort that was asked for."""

from ilrm_cli.capture.load_views import common_size, load_views
from ilrm_cli.geometry.views import PosedPhoto, Views
from ilrm_cli.pipeline.optimize.fit import EFFORTS, Optimized, optimize
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, normalized_views
from ilrm_cli.pipeline.refine import refine_start
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.runtime.progress import Report, Step, ignore

MULTIPLE = 16  # px, of sides: tiles of the rasteriser, and photos that halve evenly


def fit_photos(
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    effort: str,
    *,
    seed: int = 0,
    report: Report = ignore,
) -> Optimized:
    """Fit a prediction to `chosen.fitted` at the effort's size, judged by `chosen.scored`."""
    how = EFFORTS[effort]
    width, height = common_size(chosen.fitted, long_side=how.long_side_px, multiple=MULTIPLE)

    def load(photos: tuple[PosedPhoto, ...], stage: str) -> Views:
        views = normalized_views(load_views(photos, width, height), prepared.normalized_from_world)
        report(Step(stage, len(photos), len(photos)))
        return views.to(prepared.inputs.images.device)

    photos = load(chosen.fitted, "photos to fit")
    judges = load(chosen.scored, "photos that judge") if chosen.scored else None
    start = predicted.gaussians
    if predicted.support is not None:
        start = refine_start(start, predicted.support, prepared.inputs)
    return optimize(predicted.gaussians, start, photos, judges, how, seed=seed, report=report)
