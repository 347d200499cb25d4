"""`ilrm reconstruct`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ilrm_cli.cli.console import Detail, Result, face, figures, shares
from ilrm_cli.cli.options import AsJson, Overwrite, Preview, Quiet, SceneOutput, Verbose, takes
from ilrm_cli.cli.pose import card_lines
from ilrm_cli.pipeline.settings import Settings, check_settings
from ilrm_cli.runtime.progress import LAUNCHED, Stage, process_start
from ilrm_cli.runtime.signals import first_ctrl_c_noted

if TYPE_CHECKING:
    from ilrm_cli.capture.photos.folder import ProjectFolder
    from ilrm_cli.pipeline.reconstruct import Reconstruction

TRACE_COLUMNS = ("layer", "tokens moved", "final head, dB", "depths moved", "tuned lens, dB", "depths moved")
RESUMED = "nothing was written; the same command goes on with a fit of more than a minute"  # after Ctrl-C
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
    preview: Preview = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn a folder of photos into a 3D Gaussian splat scene."""
    begin = time.perf_counter()
    launch = process_start() if LAUNCHED.get() else begin
    outputs = Outputs(output, tuple(reports or ()), trace, preview, overwrite)
    with face("reconstruct", as_json, quiet, verbose) as shown:
        folder = opened(photos, settings, outputs)
        checked = time.perf_counter()
        from ilrm_cli.capture.input_hash import inputs_sha256
        from ilrm_cli.pipeline import export
        from ilrm_cli.pipeline import reconstruct as stage
        from ilrm_cli.pipeline.cost_estimate import foreseen
        from ilrm_cli.pipeline.optimize.course import Running
        from ilrm_cli.pipeline.result import summarize
        from ilrm_cli.visualize.film.trace_film import pictures_for, previewed, write_trace
        from ilrm_cli.visualize.report.content import report_of
        from ilrm_cli.visualize.report.write import write_reports

        before = {"start": checked - launch, "imports": time.perf_counter() - checked}
        foretold = foreseen(folder, settings)
        shown.warn(foretold)
        shown.kept = RESUMED
        with shown.progress() as report:
            inputs = inputs_sha256(folder, settings.camera)
            pictures = pictures_for(trace) if trace else 0
            shown_to = previewed(preview, report) if preview else report
            running = Running(first_ctrl_c_noted, keeps=True)
            result = stage.reconstruct(folder, settings, shown_to, trace_pictures=pictures, running=running)
            written = export.export(result, output, photos=photos, inputs_sha256=inputs)
            summary = summarize(result, written, output, time.perf_counter() - launch, before, foretold)
            if trace and result.trace:
                write_trace(result.trace, trace, overwrite)
            if reports:
                write_reports(report_of(result, written.record, summary, photos, report), reports)
        lines = (*lines_of(summary, result), *outputs.lines())
        shown.end(Result(summary, lines, summary["warnings"][len(foretold) :]))


@dataclass(frozen=True)
class Outputs:
    """The files to write, the record beside the scene understood."""

    scene: Path
    reports: tuple[Path, ...]
    trace: Path | None
    preview: Path | None
    overwrite: bool

    def check(self) -> None:
        """Raise InputError if one cannot be written, before the slow imports."""
        from ilrm_cli.render.checks import check_preview_output, check_trace_output
        from ilrm_cli.scene.checks import check_scene_output
        from ilrm_cli.visualize.checks import check_reports

        check_scene_output(self.scene, self.overwrite)
        check_reports(self.reports, self.scene, self.overwrite)
        if self.trace:
            check_trace_output(self.trace, self.overwrite)
        if self.preview:
            check_preview_output(self.preview, self.overwrite)

    def existing(self) -> list[Path]:
        """Return all files, of a trace those that are there already."""
        from ilrm_cli.render.checks import existing_outputs
        from ilrm_cli.scene.checks import record_path

        traced = existing_outputs(self.trace) if self.trace else ()
        preview = (self.preview,) if self.preview else ()
        return [self.scene, record_path(self.scene), *self.reports, *traced, *preview]

    def picture_folders(self) -> list[Path]:
        """Return the folders in which pictures will lie."""
        from ilrm_cli.render.checks import picture_folder

        traced = picture_folder(self.trace) if self.trace else None
        return [*([traced] if traced else ()), *([self.preview.parent] if self.preview else ())]

    def lines(self) -> Iterator[str]:
        """Yield where to find what is written beside the scene."""
        yield from (f"Report: {path}" for path in self.reports)
        if self.trace:
            yield f"Trace: {self.trace}"
        if self.preview:
            yield f"Preview: {self.preview}"


def opened(photos: Path, settings: Settings, outputs: Outputs) -> "ProjectFolder":
    """Return what the place holds; raise InputError for mistakes that file names alone reveal."""
    from ilrm_cli.capture.checks import refuse_among_inputs, refuse_inputs
    from ilrm_cli.capture.photos.folder import open_folder
    from ilrm_cli.models.registry import weights_file
    from ilrm_cli.runtime.errors import InputError

    outputs.check()
    folder = open_folder(photos)
    folder.require(settings.poses, settings.camera, settings.views)
    weights_file(settings.model)
    check_settings(settings)
    refuse_inputs(folder, outputs.existing())
    for place in outputs.picture_folders():
        refuse_among_inputs(folder, place)
    if outputs.preview and settings.effort == "draft":
        raise InputError("--preview shows a fit to all photos, which a draft has not; leave out one of them.")
    return folder


def lines_of(summary: Mapping[str, Any], result: "Reconstruction") -> Iterator[str | Detail | Table]:
    """Yield the result for people."""
    from ilrm_cli.render.metrics import PSNR_CAP

    yield from time_lines(summary["timings_s"])
    if traced := summary["trace"]:
        yield figures("The scene after each layer", TRACE_COLUMNS, trace_rows(traced["layers"]))
        yield TRACE_NOTE
    yield from map(Detail, details(summary, result))
    if refined := summary["refine"]:
        yield f"Refined{_gain(refined)} {refined['iterations']} of {refined['ran']} iterations."
    if fit := summary["optimize"]:
        size = f"{fit['width']}x{fit['height']} px"
        yield f"Fitted to {fit['photos']} photos of {size}{_gain(fit)} {fit['steps']} of {fit['ran']} steps."
        if fit["psnr_before"] is not None:
            yield Detail("These two scores even out exposures, which the verdict's does not.")
    if pruned := summary["pruned"]:
        yield (
            f"Pruned: {pruned['dropped']:,} Gaussians, {pruned['psnr_before']:.2f} dB before, "
            f"{pruned['psnr_after']:.2f} dB after."
        )
    yield summary["verdict"]
    if (psnr := summary["round_trip"]["psnr"]) < PSNR_CAP:
        yield f"Read back from the file: {psnr:.1f} dB PSNR against the scene before it was written."
    views, fit = summary["views"], summary["optimize"]
    seen = len(views["fitted"] or views["used"]) + (len(views["held_out"]) if fit and fit["last_steps"] else 0)
    yield (
        f"{summary['gaussians']:,} Gaussians from {seen} of {views['found']} photos "
        f"in {summary['timings_s']['total']:.1f} s, on the {summary['device'].upper()}: {summary['output']}"
    )


def _gain(fit: Mapping[str, Any]) -> str:
    """Return what judged a fit, and what it said."""
    if fit["psnr_before"] is None:
        if fit["ran"]:
            return ", of which none judged it, in"
        return " not at all, as no photo can be spared to judge whether it helps:"
    judge = f" as long as a trial without {fit['cross_validated']} gained" if fit["cross_validated"] else ""
    return f"{judge}: {fit['psnr_before']:.2f} dB before, {fit['psnr_after']:.2f} dB after"


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
    yield f"Neither inference nor imports: {around_s:.1f} s, {around_s / timings['total']:.0%} of the total."


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
