"""The verdict on a reconstruction: one plain sentence on its quality, and the reason."""

from ilrm_cli.capture.checks import MIN_VIEWS
from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.reconstruct import Reconstruction
from ilrm_cli.render.metrics import Score

# Minimum held-out PSNR in dB for each word.
GRADES = ((25.0, "good"), (21.0, "usable"), (17.0, "rough"), (0.0, "poor"))
WIDE_GAP_DEG = 25.0  # from a held-out view to its nearest input: beyond, no input saw much of what it sees


def verdict(result: Reconstruction) -> str:
    """Return a sentence on the score on held-out photos, and the most likely reason."""
    used, registered = len(result.used), len(result.capture.photos)
    if result.score is None or result.targets is None:
        return unmeasured(used)
    gap_deg = median_gap_deg(result.inputs.cameras, result.targets.cameras, result.depth)
    refined, rescaled = result.refinement is not None, result.scale is not None and result.scale.factor != 1
    most = min(registered - 1, result.max_views)  # one photo stays held out, so that the quality is measured
    pruned = result.pruning is not None and result.pruning.dropped > 0
    return advise(result.score, len(result.targets), gap_deg, used, most, refined, rescaled, pruned)


def grade_of(psnr: float) -> str:
    """Return the word for a held-out score in dB."""
    return next((word for least, word in GRADES if psnr >= least), GRADES[-1][1])


def unmeasured(used: int) -> str:
    """Return the sentence for a result without held-out photos."""
    remedy = f"hold one out with --views {used - 1}" if used > MIN_VIEWS else "take another one to score it"
    return f"All {used} photos were inputs, so the quality is not measured; {remedy}."


def advise(
    score: Score,
    scored: int,
    gap_deg: float,
    used: int,
    most: int,
    refined: bool,
    rescaled: bool = False,
    pruned: bool = False,
) -> str:
    """Return the sentence for a score over `scored` photos, `gap_deg` from the nearest input as seen from the scene.

    `used` photos were inputs; up to `most` can be. Other decisions based on the photos are mentioned.
    """
    psnr = score.psnr
    photos = "photo that was" if scored == 1 else "photos that were"
    finding = f"{grade_of(psnr).capitalize()}: {psnr:.1f} dB, SSIM {score.ssim:.2f} on {scored} {photos} not given"
    choices = {"the scale": rescaled, "when to stop refining": refined, "what to prune": pruned}
    if decided := [choice for choice, made in choices.items() if made]:
        finding += f" (they chose {' and '.join(decided)})"
    if psnr >= GRADES[0][0]:
        return f"{finding}; they see it {gap_deg:.0f}° apart from the nearest input."
    if gap_deg > WIDE_GAP_DEG:
        more = f"try --views {min(2 * used, most)}" if most > used else "take photos in between"
        return f"{finding}; they see it {gap_deg:.0f}° apart from the nearest input, which is wide: {more}."
    if not refined:
        return f"{finding}; the views are close enough ({gap_deg:.0f}° apart), so try --refine 50."
    more = f"try --views {min(2 * used, most)} too" if most > used else "more photos would help most"
    return f"{finding}; the views are close ({gap_deg:.0f}° apart), the scene is hard for this model: {more}."


def median_gap_deg(inputs: Cameras, targets: Cameras, depth: float) -> float:
    """Return the median over targets of the angle, in degrees, to the nearest input; see `capture.poses.overlap`."""
    return float(gap_deg(targets.world_from_cam, inputs.world_from_cam, depth).median())
