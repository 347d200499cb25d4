"""`ilrm reconstruct`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilrm_cli.cli.console import Face, face
from ilrm_cli.cli.options import AsJson, Overwrite, Quiet, SceneOutput, Verbose, takes
from ilrm_cli.cli.pose_card import card_lines
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.progress import LAUNCHED, Stage, process_start

if TYPE_CHECKING:
    from ilrm_cli.capture.photos.folder import ProjectFolder
    from ilrm_cli.pipeline.reconstruct import Reconstruction

TRACE_COLUMNS = ("layer", "tokens moved", "final head, dB", "depths moved", "tuned lens, dB", "depths moved")
TRACE_NOTE = (
    "Final head: the scene if the layers after this one were left out. Tuned lens: what the tokens hold by then, read "
    "by a map of their own. Scores are of held-out photos; how far things moved is since the row before."
)


@takes(Settings)
def reconstruct(
    photos: Annotated[
        Path, typer.Argument(help="Folder of photos, with or without a COLMAP model or transforms.json; or a video.")
    ],
    output: SceneOutput = Path("scene.ply"),
    *,
    settings: Settings,
    reports: Annotated[
        list[Path] | None,
        typer.Option("--report", help="Also write what was done and how good it is: a .html or .json; repeatable."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Also show the scene forming, layer by layer: .mp4, .gif, .webp, .png (one strip) or a folder."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn a folder of photos into a 3D Gaussian splat scene."""
    begin = time.perf_counter()
    launch = process_start() if LAUNCHED.get() else begin
    with face("reconstruct", as_json, quiet, verbose) as shown:
        from ilrm_cli.capture.checks import refuse_inputs

        check_outputs(output, reports or (), trace, overwrite)
        folder = opened(photos, settings)
        refuse_inputs(folder, outputs_of(output, reports or (), trace))
        checked = time.perf_counter()
        from ilrm_cli.capture.input_hash import inputs_sha256
        from ilrm_cli.pipeline import export
        from ilrm_cli.pipeline import reconstruct as stage
        from ilrm_cli.pipeline.cost_estimate import foreseen
        from ilrm_cli.pipeline.result import summarize
        from ilrm_cli.visualize.film.trace_film import pictures_for, write_trace
        from ilrm_cli.visualize.report.content import report_of
        from ilrm_cli.visualize.report.write import write_reports

        before = {"start": checked - launch, "imports": time.perf_counter() - checked}
        foretold = foreseen(folder, settings)
        shown.warn(foretold)
        with shown.progress() as report:
            inputs = inputs_sha256(folder, settings.camera)
            pictures = pictures_for(trace) if trace else 0
            result = stage.reconstruct(folder, settings, report, trace_pictures=pictures)
            written = export.export(result, settings, output, photos=photos, inputs_sha256=inputs)
            summary = summarize(result, written, output, time.perf_counter() - launch, before, foretold)
            if trace and result.trace:
                write_trace(result.trace, trace, overwrite)
            if reports:
                write_reports(report_of(result, settings, written.record, summary, photos, report), reports)
        shown.warn(tuple(summary["warnings"][len(foretold) :]))
        show(shown, summary, result)
        for path in reports or ():
            shown.say(f"Report: {path}")
        if trace:
            shown.say(f"Trace: {trace}")
        shown.finish(summary)


def check_outputs(output: Path, reports: Sequence[Path], trace: Path | None, overwrite: bool) -> None:
    """Raise InputError if an output cannot be written, before the slow imports."""
    from ilrm_cli.render.checks import check_trace_output
    from ilrm_cli.scene.checks import check_scene_output
    from ilrm_cli.visualize.checks import check_reports

    check_scene_output(output, overwrite)
    check_reports(reports, output, overwrite)
    if trace:
        check_trace_output(trace, overwrite)


def outputs_of(output: Path, reports: Sequence[Path], trace: Path | None) -> list[Path]:
    """Return the files that are written, as far as they are there already."""
    from ilrm_cli.render.checks import existing_outputs
    from ilrm_cli.scene.checks import record_path

    return [output, record_path(output), *reports, *(existing_outputs(trace) if trace else ())]


def opened(photos: Path, settings: Settings) -> "ProjectFolder":
    """Return what the place holds; raise InputError for mistakes that file names alone reveal."""
    from ilrm_cli.capture.photos.folder import open_folder
    from ilrm_cli.models.registry import weights_file

    folder = open_folder(photos)
    folder.require(settings.poses, settings.camera, settings.views)
    weights_file(settings.model)
    return folder


def show(shown: Face, summary: dict[str, Any], result: "Reconstruction") -> None:
    """Show the result for people."""
    from ilrm_cli.render.metrics import PSNR_CAP

    show_times(shown, summary["timings_s"])
    if traced := summary["trace"]:
        shown.table("The scene after each layer", TRACE_COLUMNS, trace_rows(traced["layers"]))
        shown.say(TRACE_NOTE)
    views = summary["views"]
    for line in card_lines(result.pose_card) if shown.verbose else ():
        shown.detail(line)
    shown.detail(f"poses from {result.capture.origin}; inputs {', '.join(views['used'])}")
    for photo in result.selection.left_out:
        shown.detail(f"{photo.name}: {photo.reason}")
    if scale := result.scale:
        tried = ", ".join(f"{name} {value:.2f} dB" for name, value in scale.tried_db.items())
        shown.detail(f"scale times {scale.factor:g}, gain {scale.gain_db:.2f} dB on {scale.judges} photos ({tried})")
    shown.detail(f"{result.prediction.floating:,} Gaussians left out because other photos see through them")
    shown.detail(f"model {summary['model']['name']} sha256 {summary['model']['sha256']}")
    if refined := summary["refine"]:
        shown.say(
            f"Refined: {refined['psnr_before']:.2f} dB before, {refined['psnr_after']:.2f} dB after "
            f"{refined['iterations']} of {refined['ran']} iterations."
        )
    if pruned := summary["pruned"]:
        shown.say(
            f"Pruned: {pruned['dropped']:,} Gaussians, {pruned['psnr_before']:.2f} dB before, "
            f"{pruned['psnr_after']:.2f} dB after."
        )
    if confidence := summary["confidence"]:
        shown.detail(
            f"confidence {confidence['mean']:.2f} on average; {confidence['low_share']:.0%} are hardly supported"
        )
    shown.say(summary["verdict"])
    if (psnr := summary["round_trip"]["psnr"]) < PSNR_CAP:
        shown.say(f"Read back from the file: {psnr:.1f} dB PSNR against the scene before it was written.")
    shown.say(
        f"{summary['gaussians']:,} Gaussians from {len(views['used'])} of {views['found']} photos "
        f"in {summary['timings_s']['total']:.1f} s, on the {summary['device'].upper()}: {summary['output']}"
    )


def show_times(shown: Face, timings: Mapping[str, float]) -> None:
    """Show the seconds of every stage, and what the tool itself adds to inference and imports."""
    from ilrm_cli.pipeline.result import ATTENTIONS, BEFORE, SHOWN_SECONDS

    rows = {}
    for stage in (*BEFORE, *Stage):
        if timings[stage] >= SHOWN_SECONDS:
            rows[stage] = timings[stage]
        if stage == Stage.INFERENCE:
            rows |= {f"  {name.replace('_', ' ')}": timings[name] for name in ATTENTIONS}
    rows["rest"] = timings["total"] - sum(timings[stage] for stage in (*BEFORE, *Stage))
    shown.shares("Where the time went", rows, timings["total"])
    around_s = timings["total"] - timings["inference"] - timings["imports"]
    shown.say(f"Neither inference nor imports: {around_s:.1f} s, {around_s / timings['total']:.0%} of the total.")


def trace_rows(layers: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Yield table rows: how far tokens moved and, per reading, the score and how far depths moved."""

    def percent(share: float | None) -> str:
        return "" if share is None else f"{share:.0%}" if share < 10 else f"x {share:.0f}"

    for row in layers:
        cells = [str(row["layer"]), percent(row["token_change"])]
        for reading in (row["head"], row["tuned"] or {}):
            psnr = reading.get("psnr")
            cells += ["" if psnr is None else f"{psnr:.2f}", percent(reading.get("depth_change"))]
        yield cells
