"""`ilrm refine`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import Result, face
from ilrm_cli.cli.options import (
    AsJson,
    FurtherGeometry,
    FurtherQuality,
    Overwrite,
    Preview,
    Quiet,
    SceneOutput,
    Verbose,
    takes,
)
from ilrm_cli.cli.outcome import lines_of
from ilrm_cli.cli.reconstruct import WRITTEN, Outputs, fit_of_command
from ilrm_cli.pipeline.settings import FurtherSettings
from ilrm_cli.runtime.progress import launched_at


@takes(FurtherSettings, quality=FurtherQuality, geometry=FurtherGeometry)
def refine(
    scene: Annotated[Path, typer.Argument(help="A scene that ilrm made, or its record.")],
    output: SceneOutput,
    *,
    settings: FurtherSettings,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos or video, if they are not where the record says.")
    ] = None,
    preview: Preview = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fit a scene that was made before further to its photos, and write what comes of it as a new scene."""
    launch = launched_at()
    outputs = Outputs(output, (), None, preview, overwrite)
    with face("refine", as_json, quiet, verbose) as shown:
        from ilrm_cli.scene.checks import check_other_scene

        outputs.check()
        check_other_scene(scene, output)
        shown.reading(f"{scene} and its photos")
        checked = time.perf_counter()

        from ilrm_cli.pipeline.export import export
        from ilrm_cli.pipeline.recorded import fit_further, recorded_scene
        from ilrm_cli.pipeline.result import summarize
        from ilrm_cli.visualize.film.preview import preview_result, previewed

        before = {"start": checked - launch, "imports": time.perf_counter() - checked}
        made = recorded_scene(scene, photos)
        outputs.refuse_inputs(made.folder)
        with fit_of_command(shown) as running, shown.progress() as report:
            with previewed(preview, report) as shown_to:
                result = fit_further(made, settings, shown_to, running=running)
                written = export(result, output, photos=made.photos, inputs_sha256=made.record.inputs_sha256)
            shown.kept = WRITTEN.format(output)
            if preview:
                preview_result(preview, result)
        summary = summarize(result, written, output, time.perf_counter() - launch, before)
        shown.end(Result(summary, (*lines_of(summary, result), *outputs.lines()), summary["warnings"]))
