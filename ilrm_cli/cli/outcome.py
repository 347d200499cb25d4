"""What the terminal says about a scene that was made: the result first, how it came about last."""

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ilrm_cli.cli.console import Detail, figures, shares
from ilrm_cli.cli.pose import card_lines
from ilrm_cli.runtime.progress import Stage

if TYPE_CHECKING:
    from ilrm_cli.pipeline.reconstruct import Reconstruction

TRACE_COLUMNS = ("layer", "token change", "scene, dB", "depth change")
NOT_JUDGED = "Not fitted, as no photo can be spared to judge whether it helps."
TRACE_NOTE = (
    "Scores are of the scene on held-out photos, were the layers after this one left out; changes are relative, since "
    "the row before. Of a model without feedback early rows look worse than they are (`ilrm help trace`)."
)


def lines_of(summary: Mapping[str, Any], result: "Reconstruction") -> Iterator[str | Detail | Table]:
    """Yield the result, the most important first."""
    from ilrm_cli.render.metrics import PSNR_CAP

    views, fit = summary["views"], summary["optimize"]
    yield (
        f"{summary['gaussians']:,} Gaussians from {views['in_scene']} of {views['found']} photos "
        f"in {summary['timings_s']['total']:.1f} s, on the {summary['device'].upper()}: {summary['output']}"
    )
    yield summary["verdict"]
    if refined := summary["refine"]:
        yield _refined(refined)
    if fit:
        yield _course(fit, summary["views"])
        if fit["psnr_before"] is not None:
            yield Detail(
                f"{gain_of(fit)}, at the size of the fit and with exposures evened out, unlike the verdict's score."
            )
    if pruned := summary["pruned"]:
        yield f"Pruned: {pruned['dropped']:,} Gaussians, {gain_of(pruned)}."
    if real := summary["metres_per_unit"]:
        yield f"One scene unit is {real:.4g} m."
    if (psnr := summary["round_trip"]["psnr"]) < PSNR_CAP:
        yield f"Read back from the file: {psnr:.1f} dB PSNR against the scene before it was written."
    if traced := summary["trace"]:
        yield figures("The scene after each layer", TRACE_COLUMNS, trace_rows(traced["layers"]))
        yield TRACE_NOTE
    yield f"Look at it: ilrm view {quote(summary['output'])}"
    yield from map(Detail, (*details(summary, result), *time_lines(summary["timings_s"])))


def gain_of(judged: Mapping[str, Any]) -> str:
    """Return the scores before and after a step."""
    return f"{judged['psnr_before']:.2f} dB before, {judged['psnr_after']:.2f} dB after"


def _refined(fit: Mapping[str, Any]) -> str:
    """Return what a draft gained by a fit to its inputs."""
    if not fit["ran"]:
        return NOT_JUDGED
    judge = f" as long as a trial without {fit['cross_validated']} gained" if fit["cross_validated"] else ""
    return f"Refined{judge}: {gain_of(fit)} {fit['iterations']} of {fit['ran']} iterations."


def _course(fit: Mapping[str, Any], views: Mapping[str, Any]) -> str:
    """Return what a scene was fitted to, and how far."""
    if not fit["ran"]:
        return NOT_JUDGED
    photos, planned = f"{fit['photos']} photos of {fit['width']}x{fit['height']} px", sum(fit["plans"][-1])
    if fit["psnr_before"] is None:
        return f"Fitted to {photos} in {fit['steps']} of {planned} steps; no photo judged it."
    went = f"best after {fit['steps']}" if fit["steps"] else f"none better than the start, which stays, in {fit['ran']}"
    trial = f", in a trial without {fit['cross_validated']}" if fit["cross_validated"] else ""
    last = f", then to the {len(views['held_out'])} held out" if fit["last_steps"] else ""
    return f"Fitted to {photos}, {went} of {planned} steps{trial}{last}."


def details(summary: Mapping[str, Any], result: "Reconstruction") -> Iterator[str]:
    """Yield how the scene came about."""
    yield from card_lines(result.pose_card)
    yield f"poses from {result.capture.origin}; inputs {', '.join(summary['views']['used'])}"
    yield from (f"{photo.name}: {photo.reason}" for photo in result.selection.reasons)
    if scale := result.scale:
        tried = ", ".join(f"{name} {value:.2f} dB" for name, value in scale.tried_db.items())
        yield f"scale times {scale.factor:g}, gain {scale.gain_db:.2f} dB on {scale.judges} photos ({tried})"
    yield f"{summary['floating']:,} Gaussians left out because other photos see through them"
    yield f"model {result.model.name} sha256 {result.model.sha256}"
    if confidence := summary["confidence"]:
        yield f"confidence {confidence['mean']:.2f} on average; {confidence['low_share']:.0%} are hardly supported"


def time_lines(timings: Mapping[str, float]) -> Iterator[str | Table]:
    """Yield the seconds of every stage, and what the tool itself adds to inference and imports."""
    from ilrm_cli.pipeline.result import ATTENTIONS, BEFORE, SHOWN_SECONDS

    rows = {}
    for stage in (*BEFORE, *Stage):
        if timings[stage] >= SHOWN_SECONDS:
            rows[stage] = timings[stage]
        if stage == Stage.INFERENCE:
            rows |= {f"  {name.replace('_', ' ')}": timings[name] for name in ATTENTIONS}
    rows["rest"] = timings["total"] - sum(timings[stage] for stage in (*BEFORE, *Stage))
    yield shares("Where the time went", rows, timings["total"])
    around_s = timings["total"] - timings["inference"] - timings["imports"]
    yield f"Overhead, neither inference nor imports: {around_s:.1f} s, {around_s / timings['total']:.0%} of the total."


def trace_rows(layers: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Yield table rows: how far tokens changed, the score and how far depths changed."""

    def percent(share: float | None) -> str:
        return "" if share is None else f"{share:.0%}" if share < 10 else f"x {share:.0f}"

    for row in layers:
        cells = [str(row["layer"]), percent(row["token_change"])]
        psnr = row["head"]["psnr"]
        yield [*cells, "" if psnr is None else f"{psnr:.2f}", percent(row["head"]["depth_change"])]
