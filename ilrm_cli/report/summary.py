"""The result of `ilrm reconstruct` as JSON values: what `--json` prints and every report holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrm_cli.export import Exported
from ilrm_cli.reconstruct import Reconstruction
from ilrm_cli.verdict import verdict

BEFORE = ("start", "imports")  # until the command runs, and until it has imported what it needs
# In order; the rest is what lies around them.
STAGES = (
    "poses", "load", "compile", "scale", "inference", "trace", "refine", "confidence", "score", "export",
)  # fmt: skip
AFTER_INFERENCE = STAGES.index("inference") + 1
LOW_CONFIDENCE = 1 / 3  # one view that agrees against one that does not
ATTENTIONS = ("cross_attention", "self_attention")  # parts of inference


def summarize(
    result: Reconstruction,
    written: Exported,
    output: Path,
    total_s: float,
    before: Mapping[str, float] | None = None,
    foretold: Sequence[str] = (),
) -> dict[str, Any]:
    """The result as JSON values. `total_s` is the time since the process or call began, `before` its first parts.

    `foretold` are warnings that were given before there was a result; they come first.
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
    """Mean over all Gaussians, and the share of those that no photo supports or more contradict than support."""
    if result.confidence is None:
        return None
    low = (result.confidence < LOW_CONFIDENCE).float().mean()
    return {"mean": float(result.confidence.mean()), "low_share": float(low)}
