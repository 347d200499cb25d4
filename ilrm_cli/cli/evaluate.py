"""`ilrm evaluate`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ilrm_cli.capture.photos.folder import PoseSource
from ilrm_cli.cli.console import EXIT_FAILED, Face, Result, face
from ilrm_cli.cli.options import (
    LEAST,
    MOST,
    AsJson,
    Compile,
    Device,
    ModelName,
    Overwrite,
    Precision,
    Quiet,
    Seed,
    Verbose,
)
from ilrm_cli.cli.scores import lines_of

if TYPE_CHECKING:
    from ilrm_cli.evaluate.checks import Settings
    from ilrm_cli.evaluate.protocols import SceneRef
    from ilrm_cli.evaluate.results import Evaluation, SceneFailure, SceneResult


def evaluate(
    scenes: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of photos with poses; or the root of RE10K or DL3DV.", show_default=False),
    ] = None,
    protocol: Annotated[
        Literal["folder", "every-eighth", "re10k", "dl3dv"],
        typer.Option(help="Which frames are inputs and targets, at what size; every-eighth scores whole scenes."),
    ] = "folder",
    synthetic: Annotated[
        int | None, typer.Option(help="Evaluate on so many procedural scenes that no training sees.", min=1)
    ] = None,
    views: Annotated[
        str | None,
        typer.Option(help="Numbers of inputs, such as 2,4,8,12; targets stay the same. Default: 8, or the protocol's."),
    ] = None,
    refine: Annotated[int, typer.Option(help="Iterations of fitting to the inputs after prediction.", min=0)] = 0,
    quality: Annotated[
        str | None,
        typer.Option(
            help="every-eighth, or with --geometry: of reconstruct, as standard,high; --refine is for drafts."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="every-eighth: fit for so long instead of a number of steps.", min=LEAST["minutes"]),
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Also score baselines that need no model.")] = True,
    geometry: Annotated[
        str | None,
        typer.Option(
            help="Also judge the surface: exact, for --synthetic; or a scan or mesh (.ply), or scans of ETH3D (.mlp).",
            metavar="exact|FILE",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="--geometry FILE: distance within which surfaces agree, in the unit of the scan.",
            show_default="the benchmark's, or 1 % of the scan's size",
            min=1e-9,
        ),
    ] = None,
    model: ModelName = "default",
    index: Annotated[
        Path | None, typer.Option(help="re10k: pixelSplat's evaluation index; dl3dv: JSON list of input frames.")
    ] = None,
    poses: Annotated[PoseSource, typer.Option(help="Where camera poses come from (folder, every-eighth).")] = "auto",
    size: Annotated[
        int | None,
        typer.Option(
            help="Size of the pictures that the model sees, or that every-eighth scores: their long side in px.",
            min=LEAST["long_side_px"],
            max=MOST["long_side_px"],
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Stop after so many scenes.", min=1)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for scores.json, scores.csv, and a picture per scene (and a plot)."
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    compile: Compile = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score the model on held-out photos, beside baselines that need no model."""
    with face("evaluate", as_json, quiet, verbose) as shown:
        from ilrm_cli.evaluate import checks
        from ilrm_cli.evaluate.checks import Plan, Settings
        from ilrm_cli.models.registry import refuse_one_photo, weights_file
        from ilrm_cli.runtime.errors import InputError

        if synthetic and (scenes or protocol != "folder"):
            raise InputError("--synthetic makes its own scenes; leave the folders and --protocol out.")
        chosen = "synthetic" if synthetic else protocol
        plan = Plan(chosen, numbers(views), index, poses, size, limit, seed)
        qualities = checks.parse_qualities(quality)
        judged = (baselines, geometry, tolerance)
        settings = Settings(model, refine, qualities, minutes, *judged, device, precision, compile)
        checks.check_plan(plan, scenes or [], synthetic or 0)
        checks.check_geometry(geometry, plan, len(scenes or []), tolerance)
        checks.reconstructions(plan, settings)  # a mistake is told before the imports
        refuse_one_photo(model, checks.SEVERAL)
        weights_file(model)

        from ilrm_cli.evaluate import protocols, scoreboard
        from ilrm_cli.evaluate import run as stage

        found, missing = protocols.find_scenes(plan, scenes or [], synthetic or 0)
        if output is not None:
            named, plots = [scene.name for scene in found], geometry is not None
            pictures = scoreboard.check_folder(output, named, overwrite, plots=plots)
            refuse_pictures(found, scenes or [], pictures)
        shown.warn(missing)
        with shown.progress() as report:
            run = stage.start(plan, settings, report)
            about = describe(run, chosen, settings, missing)
            results = kept_results(shown, stage.evaluate(run, found, plan, settings, report), len(found), about, output)
        shown.end(result_of(results, run, about))


def kept_results(
    shown: Face,
    ended: "Iterator[SceneResult | SceneFailure]",
    scenes: int,
    about: Mapping[str, Any],
    output: Path | None,
) -> "list[SceneResult | SceneFailure]":
    """Return the results of all scenes; the output, if there is one, holds them as soon as they are known."""
    from ilrm_cli.evaluate import scoreboard
    from ilrm_cli.evaluate.results import SceneFailure

    results: list[SceneResult | SceneFailure] = []
    for result in ended:
        results.append(result)
        if isinstance(result, SceneFailure):
            shown.warn((f"{result.name} is skipped: {result.reason}",))
        elif output is not None:
            scoreboard.write_drawings(output, result)
        if output is not None:
            scoreboard.write_scores(output, {**about, **scoreboard.as_json(results)}, results)
            shown.kept = f"the first {len(results)} of {scenes} scenes are in {output}"
    return results


def result_of(results: "Sequence[SceneResult | SceneFailure]", run: "Evaluation", about: Mapping[str, Any]) -> Result:
    """Return the result of an evaluation; failures have been shown."""
    from ilrm_cli.evaluate import scoreboard
    from ilrm_cli.evaluate.results import SceneResult

    good = [result for result in results if isinstance(result, SceneResult)]
    complete = len(good) == len(results)
    return Result(
        {**about, **scoreboard.as_json(results)},
        lines_of(good, scoreboard.summarize(results), run),
        [f"{result.name}: {warning}" for result in good for warning in result.warnings],
        status="ok" if complete else "failed",
        exit_status=0 if complete else EXIT_FAILED,
    )


def refuse_pictures(found: "list[SceneRef]", roots: list[Path], pictures: list[Path]) -> None:
    """Raise InputError where a picture would replace an input of a scene, or of the data sets below `roots`."""
    from ilrm_cli.capture.checks import refuse_inputs
    from ilrm_cli.capture.photos.folder import open_folder

    there = [path for path in pictures if path.is_file()]
    opened = [scene.folder for scene in found if scene.folder]
    for folder in (opened or map(open_folder, roots)) if there else ():
        refuse_inputs(folder, there)


def numbers(text: str | None) -> tuple[int, ...]:
    """Parse "2,4,8" into (2, 4, 8). Raises InputError for anything else."""
    from ilrm_cli.runtime.errors import InputError

    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise InputError(f"--views {text}: give numbers with commas between them, such as 2,4,8.") from None


def describe(run: "Evaluation", protocol: str, settings: "Settings", missing: tuple[str, ...]) -> dict[str, Any]:
    """Describe the evaluation's settings as JSON values."""
    whole = [one.settled_quality for one in run.asked]
    return {
        "command": "evaluate",
        "protocol": protocol,
        "model": {"name": run.loaded.name, "sha256": run.loaded.sha256},
        "device": run.device.type,
        "renderer": run.renderer,
        "refine": settings.refine,
        "qualities": list(whole or settings.qualities) or None,
        "minutes": settings.minutes,
        "targets_choose_when_to_stop": settings.refine > 0 and not whole,
        "lpips": run.lpips_missing or "VGG",
        "warnings": list(missing),
    }
