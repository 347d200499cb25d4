"""The result of `ilrm reconstruct` as JSON values: what `--json` prints and every report holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrm_cli.pipeline.export import Exported, as_json
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.verdict import chosen_by_scores, verdict
from ilrm_cli.render.rasterize import renderer_for
from ilrm_cli.runtime.progress import Stage

BEFORE = ("start", "imports")  # until the command runs, and until its imports are done
LOW_CONFIDENCE = 1 / 3  # one view that agrees against one that contradicts
ATTENTIONS = ("cross_attention", "self_attention")  # parts of inference
SHOWN_SECONDS = 0.005  # shorter stages did not really run


def summarize(
    result: Reconstruction,
    written: Exported,
    output: Path,
    total_s: float,
    before: Mapping[str, float] | None = None,
    foretold: Sequence[str] = (),
    mesh: Path | None = None,
) -> dict[str, Any]:
    """Return the result as JSON values. `total_s` is the time since process or call start, `before` its first parts.

    `mesh` is where its mesh is written, too.
    `foretold` are warnings that were issued before there was a result; they come first.
    """
    timings = {key: (before or {}).get(key, 0.0) for key in BEFORE}
    for stage in Stage:
        parts = ATTENTIONS if stage is Stage.INFERENCE else ()
        timings |= {key: result.timings_s.get(key, 0.0) for key in (stage, *parts)}
    chosen, score, refined, trip = result.selection, result.score, result.refinement, written.trip
    return {
        "output": str(output),
        "refined_from": written.record.refined_from,
        "gaussians": written.gaussians,
        "floating": result.prediction.floating,
        "views": {
            "found": result.capture.found,
            "registered": len(result.capture.photos),
            "in_scene": result.in_scene,
            "used": [photo.name for photo in chosen.used],
            "fitted": [photo.name for photo in chosen.fitted],
            "held_out": [photo.name for photo in chosen.scored],
            "left_out": [vars(photo) for photo in chosen.left_out],
        },
        "auto_scale": as_json(result.scale),
        "model": {"name": result.model.name, "sha256": result.model.sha256},
        "device": result.device.type,
        "renderer": renderer_for(result.device),
        "held_out": {
            "psnr": score.psnr if score else None,
            "ssim": score.ssim if score else None,
            "chose": list(chosen_by_scores(result)) if score else [],
        },
        "refine": refined.figures if refined else None,
        "optimize": result.fit.figures if result.fit else None,
        "poses_refined": result.poses_refined,
        "mesh": None if mesh is None else str(mesh),
        "metres_per_unit": written.record.metres_per_unit,
        "round_trip": {"psnr": trip.psnr_db, "views": trip.views, "bytes": trip.bytes},
        "field": result.prediction.sampled.figures if result.prediction.sampled else None,
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
