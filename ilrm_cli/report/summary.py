"""The result of `ilrm reconstruct` as JSON values, as printed by `--json` and stored in every report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrm_cli.export import Exported
from ilrm_cli.reconstruct import Reconstruction
from ilrm_cli.verdict import verdict

BEFORE = ("start", "imports")  # until the command runs, and until its imports are done
# In order; the remaining time is between and around them.
STAGES = (
    "poses", "load", "compile", "scale", "inference", "trace", "refine", "confidence", "score", "export",
)  # fmt: skip
AFTER_INFERENCE = STAGES.index("inference") + 1
LOW_CONFIDENCE = 1 / 3  # one view that agrees against one that contradicts
ATTENTIONS = ("cross_attention", "self_attention")  # parts of inference


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
    timings |= {
        key: result.timings_s.get(key, 0.0)
        for key in (*STAGES[:AFTER_INFERENCE], *ATTENTIONS, *STAGES[AFTER_INFERENCE:])
    }
    refined = result.refinement
    return {
        "command": "reconstruct",
        "status": "ok",
        "output": str(output),
        "gaussians": written.gaussians,
        "floating": result.floating,
        "views": {
            "found": result.capture.found,
            "registered": len(result.capture.photos),
            "used": [photo.name for photo in result.used],
            "held_out": [photo.name for photo in result.held_out],
            "left_out": [vars(photo) for photo in result.left_out],
        },
        "auto_scale": vars(result.scale) if result.scale else None,
        "model": {"name": result.model_name, "sha256": result.model_sha256},
        "device": result.device,
        "renderer": result.renderer,
        "held_out": {
            "psnr": result.score.psnr if result.score else None,
            "ssim": result.score.ssim if result.score else None,
        },
        "refine": None
        if refined is None
        else {
            "iterations": refined.iterations,
            "ran": refined.ran,
            "psnr_before": refined.psnr_before,
            "psnr_after": refined.psnr_after,
        },
        "round_trip": {"psnr": written.trip.psnr_db, "views": written.trip.views, "bytes": written.trip.bytes},
        "verdict": verdict(result),
        "timings_s": timings | {"export": written.seconds, "total": total_s},
        "layers": [{"cross_ms": round(t.cross_ms, 3), "self_ms": round(t.self_ms, 3)} for t in result.layers],
        "confidence": _confidence(result),
        "pruned": asdict(result.pruning) if result.pruning else None,
        "trace": result.traced,
        "warnings": [*foretold, *result.warnings, *written.warnings],
    }


def _confidence(result: Reconstruction) -> dict[str, float] | None:
    """Return the mean over all Gaussians, and the share with low confidence: unsupported, or mostly contradicted."""
    if result.confidence is None:
        return None
    low = (result.confidence < LOW_CONFIDENCE).float().mean()
    return {"mean": float(result.confidence.mean()), "low_share": float(low)}
