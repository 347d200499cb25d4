"""How good a scene is and why, as one plain sentence: causes that were found come before the model's limits."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.capture.photos.folder import MIN_VIEWS
from ilrm_cli.capture.photos.near_duplicates import sharpness_of
from ilrm_cli.capture.pose_card import WIDE_STEP_DEG
from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.course import Ending
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.pipeline.optimize.pose_trial import LEAST_GAIN_DB
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.settings import Quality, Settings
from ilrm_cli.render.metrics import Score, psnr

# Minimum held-out PSNR in dB for each word.
GRADES = ((25.0, "good"), (21.0, "usable"), (17.0, "rough"), (0.0, "poor"))
MOST_ERROR_PX = 2.0  # mean reprojection error of sparse points; on 20 scenes it was 0.24 to 0.73
WIDE_GAP_DEG = 25.0  # from a held-out view to the nearest photo: beyond, none saw much of what it sees
# By which one held-out photo may score below the median of the others before it is set apart: on 20 scenes the lowest
# was 0.9 to 5.4 dB below, 8.5 on one, and 13.7 behind a tree that no other photo shows.
MOST_BELOW_DB = 8.0
NEARLY_FLAT_DB, WORTH_DB = 25.0, 6.0  # scores of one colour, 10.5 to 20.2 on 20 scenes, and what counts beyond
BLURRED = 1 / 8  # of the others' variance of the Laplacian; on 20 scenes the least was 0.22 at 256 px, 0.16 at 480
MOST_OVERFIT_DB = 5.0  # by which fitted photos may look better than held-out ones; on four scenes it was 4 to 6
ENOUGH_STEPS = 250  # of a fit: with fewer more time is what helps
UNFINISHED = {  # fits, and their remedies
    "stopped": "the fit was stopped; `ilrm refine` goes on with it",
    "time": "there was no time for more; give it more --minutes",
}
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
    gain_db: float | None = None  # by which refined ones are better there

    @property
    def misfit(self) -> str | None:
        """What is wrong with them; None: nothing that is known."""
        if self.turn_deg is not None and self.gain_db is not None and self.gain_db >= LEAST_GAIN_DB:
            score = "" if self.psnr_as_given is None else f"{self.psnr_as_given:.1f} dB with them, "
            return f"the poses do not fit the photos ({score}{self.turn_deg:.1f}° off): they were refined"
        if self.error_px is not None and self.error_px > MOST_ERROR_PX:
            return f"the poses miss their points by {self.error_px:.1f} px"
        return None


@dataclass(frozen=True)
class FitFinding:
    """What a fit to the photos tells of them."""

    helped: bool = True  # whether held-out photos gained
    ended: Ending = "steps"
    overfit_db: float | None = None  # by how much it explains fitted photos better than held-out ones
    exposure_stops: float = 0.0  # by which exposures differ, if that was evened out
    used_all: bool = False  # whether held-out photos were fitted as well, when they had scored the result


@dataclass(frozen=True)
class Apart:
    """A held-out photo that scores far below the others."""

    name: str
    psnr: float  # dB
    others_db: float  # median of the others


@dataclass(frozen=True)
class Evidence:
    """What is known of how a scene was made, and of its photos."""

    quality: Quality
    gap_deg: float  # from held-out photos to the nearest photo that the scene was made from, as seen from the scene
    step_deg: float | None = None  # between neighbouring photos, likewise; None: unknown
    blurred: int = 0  # photos
    fit: FitFinding = FitFinding()
    poses: PoseFinding = PoseFinding()
    apart: Apart | None = None

    @property
    def nearest(self) -> str:
        """What gaps are measured to."""
        return "input view" if self.quality == "draft" else "fitted photo"

    def cause(self) -> str:
        """Return the most likely reason for a low score, and its remedy: what was found before what is only likely."""
        spacing = "spacing is fine"
        if self.gap_deg > WIDE_GAP_DEG:
            spacing = "which is wide"
        elif self.step_deg is not None and self.step_deg > WIDE_STEP_DEG:
            spacing = f"and photos stand {self.step_deg:.0f}° apart"
        if self.poses.misfit:
            surer = "more photos, which overlap more, make poses surer; see `ilrm pose`"
            return f"{spacing}: {'try --poses sfm, which finds poses anew' if self.poses.given else surer}"
        if not self.fit.helped:
            return (
                "but fitting did not help: poses may be wrong, or the photos show different places or things that "
                "moved; see `ilrm pose`"
            )
        if self.fit.ended in UNFINISHED:
            return f"{spacing}: {UNFINISHED[self.fit.ended]}"
        if self.blurred:
            return f"{spacing}: {self.blurred} of the photos looked at are blurred; take them again, or leave them out"
        if spacing != "spacing is fine":
            fit = "try --quality standard, or " if self.quality == "draft" else ""
            return f"{spacing}: {fit}take photos in between"
        return f"{spacing}: {self._more()}"

    def _more(self) -> str:
        """Return what to do where nothing is wrong."""
        if self.quality == "draft":
            return "try --quality standard"
        if self.fit.overfit_db is not None and self.fit.overfit_db > MOST_OVERFIT_DB:
            return f"photos that it was fitted to have {self.fit.overfit_db:.0f} dB more; more photos would help most"
        return (
            "try --quality high, or take more photos" if self.quality == "standard" else "more photos would help most"
        )


def verdict(result: Reconstruction) -> str:
    """Return a sentence on the score on held-out photos, and the most likely reason."""
    prepared, chosen, sampled = result.prepared, result.selection, result.prediction.sampled
    if sampled and len(chosen.used) == 1:
        return guessed(sampled.psnr, sampled.views)
    if result.score is None or prepared.targets is None:
        refined, none_held = result.earlier is not None, result.settings.hold_out == 0
        seen_last = refined and not none_held and len(chosen.fitted) > len(chosen.used)
        fitted = len(chosen.fitted) if none_held or seen_last else 0
        return unmeasured(len(chosen.used), fitted, refined=refined, seen_last=seen_last)
    flat_db = score_of_one_colour(prepared.targets)
    if flat_db >= NEARLY_FLAT_DB and result.score.psnr < flat_db + WORTH_DB:
        return worthless(result.score.psnr, flat_db)
    return advise(result.score, len(prepared.targets), evidence_of(result), chosen_by_scores(result))


def guessed(psnr_db: float, views: int) -> str:
    """Return the sentence for a field from a single photo."""
    return (
        f"What the photo does not show is the model's guess, so the quality is not measured; the Gaussians show the "
        f"model's field with {psnr_db:.1f} dB, from {views} sides."
    )


def evidence_of(result: Reconstruction) -> Evidence:
    """Return what is known of a scene some of whose photos are held out."""
    prepared, targets = result.prepared, result.prepared.targets
    assert targets is not None, "some are held out"
    seen = prepared.inputs.cameras.world_from_cam
    if result.fit:
        seen = torch.cat([seen, result.fit.cameras.world_from_cam])
    timed = result.settings.minutes is not None
    return Evidence(
        quality=result.settings.settled_quality,
        gap_deg=median_gap_deg(seen, targets.cameras.world_from_cam, prepared.distance),
        step_deg=result.pose_card.step_deg,
        blurred=blurred(torch.cat([prepared.inputs.images, targets.images])),
        fit=fit_finding(result.fit.optimized, timed=timed) if result.fit else FitFinding(),
        poses=pose_finding(result),
        apart=set_apart(result.score, [photo.name for photo in result.selection.scored]),
    )


def set_apart(score: Score | None, names: Sequence[str]) -> Apart | None:
    """Return the photo whose score is far below that of the others, if there is one."""
    found = sorted(zip((view.psnr for view in score.views) if score else (), names, strict=False))
    if len(found) < 2:
        return None
    (lowest_db, name), others_db = found[0], statistics.median(psnr for psnr, _ in found[1:])
    return Apart(name, lowest_db, others_db) if others_db - lowest_db > MOST_BELOW_DB else None


def fit_finding(made: Optimized, *, timed: bool = False) -> FitFinding:
    """Return what a fit tells of the photos; one that was `timed` may have planned few steps."""
    own_db, others_db = made.psnr_fitted, made.psnr_after
    hurried = timed and made.ended == "steps" and made.ran < ENOUGH_STEPS
    ended: Ending = "time" if hurried else made.ended
    return FitFinding(
        helped=made.steps > 0 or ended in UNFINISHED,
        ended=ended,
        overfit_db=None if own_db is None or others_db is None else own_db - others_db,
        exposure_stops=made.exposure_stops,
        used_all=made.last_steps > 0,
    )


def blurred(images: Float[Tensor, "view 3 height width"]) -> int:
    """Return how many pictures show much less detail than the others."""
    greys = (255 * images.mean(1)).round().to(torch.uint8).cpu().numpy()
    sharpness = [sharpness_of(grey) for grey in greys]
    return sum(one < BLURRED * statistics.median(sharpness) for one in sharpness)


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
    as_given = refined.get("psnr_as_given")
    return PoseFinding(
        given=capture.origin != "sfm",
        error_px=capture.error_px,
        turn_deg=refined.get("turn_deg"),
        psnr_as_given=as_given,
        gain_db=result.score.psnr - as_given if result.score and as_given is not None else None,
    )


def grade_of(psnr: float) -> str:
    """Return the word for a held-out score in dB."""
    return next((word for least, word in GRADES if psnr >= least), GRADES[-1][1])


def unmeasured(used: int, fitted: int = 0, *, refined: bool = False, seen_last: bool = False) -> str:
    """Return the sentence for a result without held-out photos: all were inputs, or it was `fitted` to all of so many.

    `refined` tells whether it was made from another scene, `seen_last` whether that one held some out until the end.
    """
    if fitted:
        said, spare, some = f"The scene was fitted to all {fitted} photos", fitted - 2, "some"
        option = "--no-use-all" if seen_last else f"--hold-out {min(Settings.hold_out, fitted - 1)}"
    else:
        said, spare, some, option = f"All {used} photos were inputs", used - 1, "one", f"--views {used - 1}"
    remedy = f"hold {some} out with {option}"
    if refined:
        said += ", as the one before" if fitted else " of the one before"
        remedy = f"one made with {option} keeps {some} to score both"
    if spare < MIN_VIEWS and not seen_last:
        remedy = "take another one to score it"
    return f"{said}, so the quality is not measured; {remedy}."


def advise(score: Score, scored: int, made: Evidence, chose: Sequence[str] = ()) -> str:
    """Return the sentence for a score over `scored` photos that made the choices `chose`, of CHOICES.

    If one of them is far below the others, the word is about those.
    """
    psnr, lowest = score.psnr, made.apart
    photos = "photo" if scored == 1 else "photos"
    word = f"{grade_of(lowest.others_db)} but for one photo" if lowest else grade_of(psnr)
    finding = f"{word.capitalize()}: {psnr:.1f} dB, SSIM {score.ssim:.2f} on {scored} held-out {photos}"
    if chose:
        fitted_last = ", fitted only afterwards" if made.fit.used_all else ""
        finding += f" (also used for {' and '.join(CHOICES[choice] for choice in chose)}{fitted_last})"
    if lowest:
        rest = "the other" if scored == 2 else "the others"
        finding += (
            f"; {lowest.name} has {lowest.psnr:.1f} dB and {rest} {lowest.others_db:.1f}: it may show what no other "
            "photo does"
        )
    if made.fit.exposure_stops:
        finding += f"; exposures differ by {made.fit.exposure_stops:.1f} stops, which scores count as errors"
    if made.poses.misfit:
        finding += f"; {made.poses.misfit}"
    apart = f"{finding}; about {made.gap_deg:.0f}° from the nearest {made.nearest}"
    return f"{apart}." if psnr >= GRADES[0][0] else f"{apart}, {made.cause()}."


def median_gap_deg(
    seen_from: Float[Tensor, "photo 4 4"], targets: Float[Tensor, "target 4 4"], distance: float
) -> float:
    """Return the median over targets of the angle, in degrees, to the nearest photo; see `capture.poses.overlap`."""
    return float(gap_deg(targets, seen_from, distance).median())
