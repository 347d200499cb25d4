"""The result of `ilrm reconstruct` as JSON values, and as one plain sentence on how good it is and why.

The JSON values are what `--json` prints and every report holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrm_cli.capture.photos.folder import MIN_VIEWS
from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.pipeline.export import Exported, as_json
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.render.metrics import Score
from ilrm_cli.render.rasterize import renderer_for
from ilrm_cli.runtime.progress import Stage

BEFORE = ("start", "imports")  # until the command runs, and until its imports are done
LOW_CONFIDENCE = 1 / 3  # one view that agrees against one that contradicts
ATTENTIONS = ("cross_attention", "self_attention")  # parts of inference
SHOWN_SECONDS = 0.005  # shorter stages did not really run

# Minimum held-out PSNR in dB for each word.
GRADES = ((25.0, "good"), (21.0, "usable"), (17.0, "rough"), (0.0, "poor"))
WIDE_GAP_DEG = 25.0  # from a held-out view to its nearest input: beyond, no input saw much of what it sees


def summarize(
    result: Reconstruction,
    written: Exported,
    output: Path,
    total_s: float,
    before: Mapping[str, float] | None = None,
    foretold: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the result as JSON values. `total_s` is the time since process or call start, `before` its first parts.

    `foretold` are warnings that were issued before there was a result; they come first.
    """
    timings = {key: (before or {}).get(key, 0.0) for key in BEFORE}
    for stage in Stage:
        parts = ATTENTIONS if stage is Stage.INFERENCE else ()
        timings |= {key: result.timings_s.get(key, 0.0) for key in (stage, *parts)}
    chosen, score, refined, trip = result.selection, result.score, result.refinement, written.trip
    return {
        "output": str(output),
        "gaussians": written.gaussians,
        "floating": result.prediction.floating,
        "views": {
            "found": result.capture.found,
            "registered": len(result.capture.photos),
            "used": [photo.name for photo in chosen.used],
            "held_out": [photo.name for photo in chosen.held_out],
            "left_out": [vars(photo) for photo in chosen.left_out],
        },
        "auto_scale": as_json(result.scale),
        "model": {"name": result.model.name, "sha256": result.model.sha256},
        "device": result.device.type,
        "renderer": renderer_for(result.device),
        "held_out": {"psnr": score.psnr if score else None, "ssim": score.ssim if score else None},
        "refine": refined.figures if refined else None,
        "optimize": result.optimized.figures if result.optimized else None,
        "round_trip": {"psnr": trip.psnr_db, "views": trip.views, "bytes": trip.bytes},
        "verdict": verdict(result),
        "timings_s": timings | {"export": written.seconds, "total": total_s},
        "layers": [{k: round(v, 3) for k, v in asdict(layer).items()} for layer in result.prediction.layers],
        "confidence": _confidence(result),
        "pruned": as_json(result.trusted.pruning),
        "trace": result.traced,
        "warnings": [*foretold, *result.warnings, *written.warnings],
    }


def _confidence(result: Reconstruction) -> dict[str, float] | None:
    """Return the mean over all Gaussians, and the share with low confidence: unsupported, or mostly contradicted."""
    confidence = result.trusted.confidence
    if confidence is None:
        return None
    return {"mean": float(confidence.mean()), "low_share": float((confidence < LOW_CONFIDENCE).float().mean())}


def verdict(result: Reconstruction) -> str:
    """Return a sentence on the score on held-out photos, and the most likely reason."""
    prepared, pruning, used = result.prepared, result.trusted.pruning, len(result.selection.used)
    if result.score is None or prepared.targets is None:
        return unmeasured(used)
    gap_deg = median_gap_deg(prepared.inputs.cameras, prepared.targets.cameras, prepared.distance)
    refined = result.refinement is not None or result.optimized is not None
    rescaled = result.scale is not None and result.scale.factor != 1
    # One photo stays held out, so that the quality is measured.
    most = min(len(result.capture.photos) - 1, result.model.trained_on.views[1])
    pruned = pruning is not None and pruning.dropped > 0
    return advise(result.score, len(prepared.targets), gap_deg, used, most, refined, rescaled, pruned)


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
    choices = {"the scale": rescaled, "when to stop fitting": refined, "what to prune": pruned}
    if decided := [choice for choice, made in choices.items() if made]:
        finding += f" (they chose {' and '.join(decided)})"
    if psnr >= GRADES[0][0]:
        return f"{finding}; they see it {gap_deg:.0f}° apart from the nearest input."
    if gap_deg > WIDE_GAP_DEG:
        more = f"try --views {min(2 * used, most)}" if most > used else "take photos in between"
        return f"{finding}; they see it {gap_deg:.0f}° apart from the nearest input, which is wide: {more}."
    if not refined:
        return f"{finding}; the views are close enough ({gap_deg:.0f}° apart), so try --quality standard."
    more = f"try --views {min(2 * used, most)} too" if most > used else "more photos would help most"
    return f"{finding}; the views are close ({gap_deg:.0f}° apart), the scene is hard for this model: {more}."


def median_gap_deg(inputs: Cameras, targets: Cameras, depth: float) -> float:
    """Return the median over targets of the angle, in degrees, to the nearest input; see `capture.poses.overlap`."""
    return float(gap_deg(targets.world_from_cam, inputs.world_from_cam, depth).median())
