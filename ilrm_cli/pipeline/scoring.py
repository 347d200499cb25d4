"""What a finished scene is worth: its score on held-out photos, and how far each Gaussian can be trusted."""

from dataclasses import dataclass

from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.pipeline.fit_photos import PhotoFit
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.prune import Trusted, trusted
from ilrm_cli.pipeline.refine_poses import corrected, on_other_half
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import Score, score_of
from ilrm_cli.runtime.progress import Report, Stage, Stopwatch, ignore


@dataclass(frozen=True)
class Judged:
    """A scene and its scores."""

    trusted: Trusted  # with confidences and without floaters, as far as the settings ask for it
    score: Score | None  # None if no photo is held out
    score_as_given: Score | None = None  # of the same pixels with poses as given; None: they were not refined


def judged(
    gaussians: Gaussians,
    prepared: Prepared,
    chosen: Selection,
    settings: Settings,
    watch: Stopwatch,
    report: Report = ignore,
    *,
    fit: PhotoFit | None = None,
    field: PlacedField | None = None,
) -> Judged:
    """Judge a scene, in a frame and with poses as they were before a `fit`, if it was made by one.

    The score is that of what the fit measured, if the scene was fitted to the held-out photos as well after that. If
    poses were refined, it is that of pixels that did not tell them. It is that of the `field` on whose surface the
    Gaussians lie, if that is the scene.
    """
    measured, moved = (fit.optimized.measured, fit.measured_with) if fit else (gaussians, None)
    given, prepared = prepared, corrected(prepared, chosen, moved or (fit.corrections if fit else None))
    with watch.stage(Stage.CONFIDENCE):
        trust = trusted(
            gaussians,
            prepared.inputs,
            prepared.targets or prepared.inputs,
            with_confidence=settings.confidence,
            pruned=settings.prune,
            report=report,
        )
    with watch.stage(Stage.SCORE):
        if prepared.targets is None or given.targets is None:
            return Judged(trust, None)
        shown = trust.gaussians if measured is gaussians else measured
        if moved is None:
            return Judged(trust, score_of(field or shown, prepared.targets, report))
        told, as_given = on_other_half(prepared.targets), on_other_half(given.targets)
        return Judged(trust, score_of(shown, told, report), score_of(shown, as_given, report))
