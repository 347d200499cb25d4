"""How good a scene is and why, as one plain sentence: causes that were found come before the model's limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.capture.photos.folder import MIN_VIEWS
from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.settings import Quality, Settings
from ilrm_cli.render.metrics import Score, psnr

# Minimum held-out PSNR in dB for each word.
GRADES = ((25.0, "good"), (21.0, "usable"), (17.0, "rough"), (0.0, "poor"))
MOST_ERROR_PX = 2.0  # mean reprojection error of sparse points; on 20 scenes it was 0.24 to 0.73
WIDE_GAP_DEG = 25.0  # from a held-out view to the nearest photo: beyond, none saw much of what it sees
NEARLY_FLAT_DB, WORTH_DB = 25.0, 6.0  # scores of one colour, 10.5 to 20.2 on 20 scenes, and what counts beyond
CHOICES = {"scale": "choosing the scale", "stop": "early stopping", "pruning": "choosing what to prune"}


def chosen_by_scores(result: Reconstruction) -> tuple[str, ...]:
    """Return which of CHOICES the held-out photos made, so that their score is a little better than that of others."""
    made = {
        "scale": result.scale is not None and result.scale.factor != 1,
        "stop": result.refinement is not None or result.fit is not None,
        "pruning": result.trusted.pruning is not None and result.trusted.pruning.dropped > 0,
    }
    return tuple(choice for choice, is_made in made.items() if is_made)


@dataclass(frozen=True)
class PoseFinding:
    """What is known of how well the poses fit the photos."""

    given: bool = False  # whether they came with the photos, so that they can be found anew
    error_px: float | None = None  # mean reprojection error of the sparse points
    turn_deg: float | None = None  # by which they were refined, in the mean; None: they were not
    psnr_as_given: float | None = None  # dB, on held-out photos

    @property
    def misfit(self) -> str | None:
        """What is wrong with them; None: nothing that is known."""
        if self.turn_deg is not None:
            score = "" if self.psnr_as_given is None else f"{self.psnr_as_given:.1f} dB with them, "
            return f"the poses do not fit the photos ({score}{self.turn_deg:.1f}° off): they were refined"
        if self.error_px is not None and self.error_px > MOST_ERROR_PX:
            return f"the poses miss their points by {self.error_px:.1f} px"
        return None

    @property
    def remedy(self) -> str | None:
        return "try --poses sfm, which finds poses anew" if self.misfit and self.given else None


@dataclass(frozen=True)
class Course:
    """What was done to get a scene, of which a remedy is to do more."""

    effort: Quality
    used: int  # inputs
    most: int  # inputs that there could be
    used_all: bool = False  # whether held-out photos were fitted as well, when they had scored the result
    exposure_stops: float = 0.0  # by which exposures differ, if that was evened out
    poses: "PoseFinding" = field(default_factory=lambda: PoseFinding())

    @property
    def nearest(self) -> str:
        """What gaps are measured to."""
        return "input view" if self.effort == "draft" else "fitted photo"

    def where_wide(self) -> str:
        """Return the remedy where held-out photos are far from all others."""
        more = self.effort == "draft" and self.most > self.used
        return f"try --views {min(2 * self.used, self.most)}" if more else "take photos in between"

    def where_close(self) -> str:
        """Return the remedy where they are close to others."""
        if self.poses.remedy:
            return self.poses.remedy
        if self.effort == "draft":
            return "try --quality standard"
        return "try --quality high, or take more photos" if self.effort == "standard" else "more photos would help most"


def verdict(result: Reconstruction) -> str:
    """Return a sentence on the score on held-out photos, and the most likely reason."""
    prepared, chosen, used = result.prepared, result.selection, len(result.selection.used)
    if result.score is None or prepared.targets is None:
        seen_by_all = result.origin is not None or result.settings.hold_out == 0
        return unmeasured(used, len(chosen.fitted) if seen_by_all else 0, refined=result.origin is not None)
    # One photo stays held out, so that the quality is measured.
    most = min(len(result.capture.photos) - 1, result.model.trained_on.views[1])
    seen = prepared.inputs.cameras.world_from_cam
    if result.fit:
        seen = torch.cat([seen, result.fit.cameras.world_from_cam])
    gap_deg = median_gap_deg(seen, prepared.targets.cameras.world_from_cam, prepared.distance)
    course = Course(result.settings.effort, used, most)
    if result.fit:
        made = result.fit.optimized
        course = replace(course, used_all=made.last_steps > 0, exposure_stops=made.exposure_stops)
    course = replace(course, poses=pose_finding(result))
    flat_db = score_of_one_colour(prepared.targets)
    if flat_db >= NEARLY_FLAT_DB and result.score.psnr < flat_db + WORTH_DB:
        return worthless(result.score.psnr, flat_db)
    return advise(result.score, len(prepared.targets), gap_deg, course, chosen_by_scores(result))


def score_of_one_colour(targets: Views) -> float:
    """Return the PSNR in dB that a picture of the mean colour of each photo would have."""
    means = targets.images.mean(dim=(2, 3), keepdim=True).expand_as(targets.images)
    return float(psnr(means, targets.images, targets.masks).mean())


def worthless(psnr_db: float, flat_db: float) -> str:
    """Return the sentence for a score on photos that show next to nothing."""
    return (
        f"The quality is not known: {psnr_db:.1f} dB on held-out photos say nothing where pictures of one "
        f"colour have {flat_db:.1f} dB; take photos of things with texture."
    )


def pose_finding(result: Reconstruction) -> PoseFinding:
    """Return what the points of structure from motion and a fit found out about the poses."""
    refined, capture = result.poses_refined or {}, result.capture
    return PoseFinding(
        given=capture.origin != "sfm",
        error_px=capture.error_px,
        turn_deg=refined.get("turn_deg"),
        psnr_as_given=refined.get("psnr_as_given"),
    )


def grade_of(psnr: float) -> str:
    """Return the word for a held-out score in dB."""
    return next((word for least, word in GRADES if psnr >= least), GRADES[-1][1])


def unmeasured(used: int, fitted: int = 0, *, refined: bool = False) -> str:
    """Return the sentence for a result without held-out photos: all were inputs, or it was `fitted` to all of so many.

    `refined` tells whether it was made from another scene, which had seen all of them.
    """
    if refined:
        said = f"The scene was fitted to all {fitted} photos, as the one before"
        return f"{said}, so the quality is not measured; one made with --no-use-all keeps some to score both."
    if fitted:
        said, spare = f"The scene was fitted to all {fitted} photos", fitted - 2
        remedy = f"hold some out with --hold-out {min(Settings.hold_out, fitted - 1)}"
    else:
        said, spare = f"All {used} photos were inputs", used - 1
        remedy = f"hold one out with --views {used - 1}"
    return (
        f"{said}, so the quality is not measured; {remedy if spare >= MIN_VIEWS else 'take another one to score it'}."
    )


def advise(score: Score, scored: int, gap_deg: float, course: Course, chose: Sequence[str] = ()) -> str:
    """Return the sentence for a score over `scored` photos that made the choices `chose`, of CHOICES.

    They are `gap_deg` from the nearest photo that the scene was made from, as seen from the scene.
    """
    psnr = score.psnr
    photos = "photo" if scored == 1 else "photos"
    finding = f"{grade_of(psnr).capitalize()}: {psnr:.1f} dB, SSIM {score.ssim:.2f} on {scored} held-out {photos}"
    if chose:
        fitted_last = ", fitted only afterwards" if course.used_all else ""
        finding += f" (also used for {' and '.join(CHOICES[choice] for choice in chose)}{fitted_last})"
    if course.exposure_stops:
        finding += f"; exposures differ by {course.exposure_stops:.1f} stops, which scores count as errors"
    if course.poses.misfit:
        finding += f"; {course.poses.misfit}"
    apart = f"{finding}; about {gap_deg:.0f}° from the nearest {course.nearest}"
    if psnr >= GRADES[0][0]:
        return f"{apart}."
    if gap_deg > WIDE_GAP_DEG:
        return f"{apart}, which is wide: {course.where_wide()}."
    return f"{apart}, spacing is fine: {course.where_close()}."


def median_gap_deg(
    seen_from: Float[Tensor, "photo 4 4"], targets: Float[Tensor, "target 4 4"], distance: float
) -> float:
    """Return the median over targets of the angle, in degrees, to the nearest photo; see `capture.poses.overlap`."""
    return float(gap_deg(targets, seen_from, distance).median())
