"""One plain sentence on how good a reconstruction is, and why."""

import torch

from ilrm_cli.cameras import Cameras
from ilrm_cli.reconstruct import Reconstruction

# Held-out PSNR in dB from which each word is deserved.
GRADES = ((25.0, "good"), (21.0, "usable"), (17.0, "rough"), (0.0, "poor"))
WIDE_GAP_DEG = 25.0  # from a held-out view to its nearest input: beyond it, much of what it sees no input saw


def verdict(result: Reconstruction) -> str:
    """How the result scores on photos it was not given, and the most likely reason."""
    used, registered = len(result.used), len(result.capture.photos)
    if result.score is None or result.targets is None:
        return f"All {used} photos were inputs, so the quality is not measured; hold some out with --views."
    gap_deg = median_gap_deg(result.inputs.cameras, result.targets.cameras)
    refined = result.refinement is not None
    return advise(result.score.psnr, len(result.targets), gap_deg, used, registered, refined)


def advise(psnr: float, scored: int, gap_deg: float, used: int, registered: int, refined: bool) -> str:
    """The sentence for a held-out PSNR (dB) over so many photos, that lie `gap_deg` from the nearest input."""
    grade = next(word for least, word in GRADES if psnr >= least)
    finding = f"{grade.capitalize()}: {psnr:.1f} dB on {scored} photos that were not given"
    if psnr >= GRADES[0][0]:
        return f"{finding}; they look {gap_deg:.0f}° away from the nearest input."
    if gap_deg > WIDE_GAP_DEG:
        more = f"try --views {min(2 * used, registered)}" if registered > used else "take photos in between"
        return f"{finding}; they look {gap_deg:.0f}° away from the nearest input, which is wide: {more}."
    if not refined:
        return f"{finding}; the views are close enough ({gap_deg:.0f}° apart), so try --refine 50."
    return (
        f"{finding}; the views are close enough ({gap_deg:.0f}° apart): the scene or its poses are hard for this model."
    )


def median_gap_deg(inputs: Cameras, targets: Cameras) -> float:
    """Median over targets of the smallest angle, in degrees, between its viewing direction and an input's."""
    cosine = (targets.forward @ inputs.forward.T).clamp(-1, 1).max(dim=1).values
    return float(torch.rad2deg(torch.arccos(cosine)).median())
