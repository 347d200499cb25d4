"""`ilrm reconstruct`."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilrm_cli.capture.photos.folder import ProjectFolder, open_photos
from ilrm_cli.cli.console import Face, Result, face
from ilrm_cli.cli.options import AsJson, Mesh, NamedOutput, Overwrite, Photos, Preview, Quiet, Verbose, offer_of, takes
from ilrm_cli.cli.outcome import lines_of
from ilrm_cli.pipeline.settings import Settings, as_predicted, check_settings, check_unfitted
from ilrm_cli.runtime.progress import launched_at
from ilrm_cli.runtime.signals import first_ctrl_c_noted

if TYPE_CHECKING:
    from ilrm_cli.pipeline.optimize.course import Running
    from ilrm_cli.pipeline.reconstruct import Reconstruction
    from ilrm_cli.runtime.progress import Report
    from ilrm_cli.scene.record import SceneRecord

WRITTEN = "the scene is in {}"
STOPPING = "stopping: writing the best state so far; Ctrl-C again ends at once, without it"
RESUMED = "nothing was written; the same command goes on with the fit"


@takes(Settings)
def reconstruct(
    photos: Photos,
    output: NamedOutput = None,
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
    mesh: Mesh = None,
    preview: Preview = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn a folder of photos into a 3D Gaussian splat scene."""
    launch = launched_at()
    with face("reconstruct", as_json, quiet, verbose) as shown:
        folder = open_photos(photos)
        output = output or Path(f"{folder.title}.ply")
        output, mesh = as_solid(folder, settings.model, output, mesh)
        outputs = Outputs(output, tuple(reports or ()), trace, preview, overwrite, mesh)
        settings = as_predicted(settings) if outputs.as_field else settings
        check(folder, settings, outputs)
        shown.reading(offer_of(folder))
        checked = time.perf_counter()
        from ilrm_cli.capture.input_hash import inputs_sha256
        from ilrm_cli.pipeline import export
        from ilrm_cli.pipeline import reconstruct as stage
        from ilrm_cli.pipeline.batch.places import taken_as_one
        from ilrm_cli.pipeline.cost_estimate import foreseen
        from ilrm_cli.pipeline.export_mesh import require_for_mesh
        from ilrm_cli.pipeline.result import summarize
        from ilrm_cli.visualize.film.preview import previewed
        from ilrm_cli.visualize.film.trace_film import pictures_for

        before = {"start": checked - launch, "imports": time.perf_counter() - checked}
        foretold = (*(() if folder.given else taken_as_one(folder.place, folder.listing)), *foreseen(folder, settings))
        shown.warn(foretold)
        with fit_of_command(shown) as running, shown.progress() as report:
            inputs = inputs_sha256(folder, settings.camera)
            pictures = pictures_for(trace) if trace else 0
            with previewed(preview, report) as shown_to:
                if mesh:
                    require_for_mesh(settings.model)
                result = stage.reconstruct(
                    folder,
                    settings,
                    shown_to,
                    as_field=outputs.as_field,
                    trace_pictures=pictures,
                    running=running,
                )
                written = export.export(result, output, photos=folder.place, inputs_sha256=inputs, mesh=mesh)
            shown.kept = WRITTEN.format(output)
            summary = summarize(result, written, output, time.perf_counter() - launch, before, foretold, mesh)
            outputs.write_beside(result, written.record, summary, folder, report)
        lines = (*lines_of(summary, result), *outputs.lines())
        shown.end(Result(summary, lines, summary["warnings"][len(foretold) :]))


def as_solid(folder: ProjectFolder, model: str, output: Path, mesh: Path | None) -> tuple[Path, Path | None]:
    """Return the scene and the mesh to write: a .glb of a single object is its mesh, with the scene beside it."""
    from ilrm_cli.models.registry import may_need_no_poses

    solid = output.suffix.lower() == ".glb" and mesh is None and len(folder.photos) == 1 and may_need_no_poses(model)
    return (output.with_suffix(".ply"), output) if solid else (output, mesh)


@contextmanager
def fit_of_command(shown: Face) -> Iterator["Running"]:
    """Yield what a command has in mind for its fit: the first Ctrl-C ends it early, and a killed one goes on.

    Of a state that is left when the command is stopped, it says so.
    """
    from ilrm_cli.pipeline.optimize.course import Leaving, Running

    leaving = Leaving()
    try:
        yield Running(partial(first_ctrl_c_noted, partial(shown.at_once, STOPPING)), keeps=leaving)
    except BaseException:
        if leaving.goes_on:
            shown.kept = RESUMED
        raise


@dataclass(frozen=True)
class Outputs:
    """The files to write, the record beside the scene understood."""

    scene: Path
    reports: tuple[Path, ...]
    trace: Path | None
    preview: Path | None
    overwrite: bool
    mesh: Path | None = None

    @property
    def as_field(self) -> bool:
        """Whether the scene is the field that the model predicts."""
        from ilrm_cli.scene.checks import FIELD

        return self.scene.suffix.lower() == FIELD

    def check(self, fields: bool = False) -> None:
        """Raise InputError if one cannot be written, before the slow imports; `fields`: the scene may be a field."""
        from ilrm_cli.render.checks import check_preview_output, check_trace_output
        from ilrm_cli.scene.checks import check_mesh_output, check_scene_output
        from ilrm_cli.visualize.checks import check_reports

        check_scene_output(self.scene, self.overwrite, fields)
        check_reports(self.reports, self.scene, self.overwrite)
        if self.trace:
            check_trace_output(self.trace, self.overwrite)
        if self.mesh:
            check_mesh_output(self.mesh, self.scene, self.overwrite)
        if self.preview:
            check_preview_output(self.preview, self.overwrite)
        self._check_apart()

    def _check_apart(self) -> None:
        """Raise InputError if two would be one file."""
        from ilrm_cli.runtime.errors import InputError

        named = {"--output": self.scene, "--mesh": self.mesh, "--trace": self.trace, "--preview": self.preview}
        seen: dict[Path, str] = {}
        for option, path in (*named.items(), *(("--report", report) for report in self.reports)):
            if path is not None and (other := seen.setdefault(path.resolve(), option)) != option:
                raise InputError(f"{option} {path} is what {other} writes too; choose another name.")

    def refuse_inputs(self, folder: ProjectFolder) -> None:
        """Raise InputError if one would replace an input, or put pictures where they would be taken for photos."""
        from ilrm_cli.capture.checks import refuse_among_inputs, refuse_inputs
        from ilrm_cli.render.checks import existing_outputs, picture_folder
        from ilrm_cli.scene.checks import record_path

        traced = existing_outputs(self.trace) if self.trace else ()
        preview, mesh = ((path,) if path else () for path in (self.preview, self.mesh))
        refuse_inputs(folder, [self.scene, record_path(self.scene), *self.reports, *traced, *mesh, *preview])
        for place in (picture_folder(self.trace) if self.trace else None, *(path.parent for path in preview)):
            refuse_among_inputs(folder, place)

    def write_beside(
        self,
        result: "Reconstruction",
        record: "SceneRecord",
        summary: Mapping[str, Any],
        folder: ProjectFolder,
        report: "Report",
    ) -> None:
        """Write all but the scene, which is there. Raises InputError where there is no surface, after the reports."""
        from ilrm_cli.pipeline.export_mesh import write_mesh
        from ilrm_cli.visualize.film.preview import preview_result
        from ilrm_cli.visualize.film.trace_film import write_trace
        from ilrm_cli.visualize.report.content import report_of
        from ilrm_cli.visualize.report.write import write_reports

        if self.preview:
            preview_result(self.preview, result)
        if self.trace and result.trace:
            write_trace(result.trace, self.trace, self.overwrite)
        mesh = None
        try:
            mesh = write_mesh(result, record, self.scene, self.mesh, report) if self.mesh else None
        finally:
            if self.reports:
                told = summary if mesh is not None else {**summary, "mesh": None}
                write_reports(report_of(result, record, told, folder, report, mesh=mesh), self.reports)

    def lines(self) -> Iterator[str]:
        """Yield where to find what is written beside the scene."""
        yield from (f"Report: {path}" for path in self.reports)
        if self.trace:
            yield f"Trace: {self.trace}"
        if self.mesh:
            yield f"Mesh: {self.mesh}"
        if self.preview:
            yield f"Preview: {self.preview}"


def check(folder: ProjectFolder, settings: Settings, outputs: Outputs) -> None:
    """Raise InputError for mistakes that file names alone reveal."""
    from ilrm_cli.models.registry import may_need_no_poses, refuse_gaussians, weights_file
    from ilrm_cli.runtime.errors import InputError

    outputs.check(fields=True)
    weights_file(settings.model)
    if outputs.as_field:
        refuse_gaussians(settings.model, str(outputs.scene))
        check_unfitted(settings)
    if not (may_need_no_poses(settings.model) and len(folder.photos) == 1):
        folder.require(settings.poses, settings.camera, settings.views)
    elif outputs.preview:
        raise InputError("--preview shows a fit to several photos, and there is one; leave it out.")
    check_settings(settings)
    outputs.refuse_inputs(folder)
    if outputs.preview and settings.settled_quality == "draft":
        raise InputError("--preview shows a fit to all photos, which a draft has not; leave out one of them.")
