"""`ilrm evaluate`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from ilrm_cli.capture.photos.folder import Origin
from ilrm_cli.cli.console import EXIT_FAILED, Detail, Face, Result, face
from ilrm_cli.cli.options import AsJson, Compile, Device, Overwrite, Precision, Quiet, Seed, Verbose
from ilrm_cli.runtime.errors import printable

if TYPE_CHECKING:
    from ilrm_cli.evaluate.protocols import SceneRef
    from ilrm_cli.evaluate.results import SceneFailure, SceneResult, Trial
    from ilrm_cli.evaluate.run import Evaluation
    from ilrm_cli.evaluate.scoreboard import MethodMean, Summary

UNSEEN = (
    "Every eighth photo scores and was never looked at for a choice; of the others, those that reconstruct holds out "
    "itself chose the scale and when to stop."
)
STOPPING = "The held-out photos chose when to stop refining, for ilrm and for the baselines alike."


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
        typer.Option(help="every-eighth: of reconstruct, such as draft,standard,high; --refine is for the draft."),
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Also score baselines that need no model.")] = True,
    model: Annotated[str, typer.Option(help="Name of a shipped model, or a checkpoint file.")] = "default",
    index: Annotated[
        Path | None, typer.Option(help="re10k: pixelSplat's evaluation index; dl3dv: JSON list of input frames.")
    ] = None,
    poses: Annotated[Origin, typer.Option(help="Where camera poses come from (folder, every-eighth).")] = "auto",
    size: Annotated[
        int | None,
        typer.Option(
            help="Size of the pictures that the model sees, or that every-eighth scores: their long side in px.",
            min=32,
            max=1024,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Stop after so many scenes.", min=1)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for scores.json, scores.csv and a picture per scene.")
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
        from ilrm_cli.evaluate.checks import Plan, Settings, check_plan, parse_qualities, reconstructions
        from ilrm_cli.models.registry import weights_file
        from ilrm_cli.runtime.errors import InputError

        if synthetic and (scenes or protocol != "folder"):
            raise InputError("--synthetic makes its own scenes; leave the folders and --protocol out.")
        chosen = "synthetic" if synthetic else protocol
        plan = Plan(chosen, numbers(views), index, poses, size, limit, seed)
        settings = Settings(model, refine, parse_qualities(quality), baselines, device, precision, compile)
        check_plan(plan, scenes or [], synthetic or 0)
        asked = reconstructions(plan, settings)
        weights_file(model)

        from ilrm_cli.evaluate import protocols, scoreboard
        from ilrm_cli.evaluate import run as stage

        found, missing = protocols.find_scenes(plan, scenes or [], synthetic or 0)
        if output is not None:
            pictures = scoreboard.check_folder(output, [scene.name for scene in found], overwrite)
            refuse_pictures(found, scenes or [], pictures)
        shown.warn(missing)
        with shown.progress() as report:
            run = stage.start(plan, settings, report)
            about = describe(run, chosen, refine, [one.effort for one in asked], missing)
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
            scoreboard.write_picture(output, result)
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


def describe(
    run: "Evaluation", protocol: str, refine: int, qualities: Sequence[str], missing: tuple[str, ...]
) -> dict[str, Any]:
    """Describe the evaluation's settings as JSON values."""
    return {
        "command": "evaluate",
        "protocol": protocol,
        "model": {"name": run.loaded.name, "sha256": run.loaded.sha256},
        "device": run.device.type,
        "renderer": run.renderer,
        "refine": refine,
        "qualities": list(qualities) or None,
        "targets_choose_when_to_stop": refine > 0 and not qualities,
        "lpips": run.lpips_missing or "VGG",
        "warnings": list(missing),
    }


def lines_of(results: list["SceneResult"], summary: "Summary", run: "Evaluation") -> Iterator[str | Detail | Table]:
    """Yield the PSNR of every method on every scene, the means, and conclusions from the margins."""
    from ilrm_cli.evaluate.results import OURS

    if not results:
        return
    if summary.margins:
        yield scene_table(results, summary)
        yield mean_table(summary)
        yield from sentences(summary)
    else:
        yield whole_table(results, summary)
        yield from gain_sentences(summary)
    if run.lpips_missing:
        yield f"LPIPS is not available: {run.lpips_missing}."
    for result in results:
        ours = [f"{t.gaussians:,} Gaussians" for t in result.trials if t.method == OURS and not t.refined]
        size = f"{result.width}x{result.height}", f"{len(result.targets)} targets"
        effort = f"{result.seconds:.1f} s in all", f"peak memory {result.peak_memory_gb:.1f} GB"
        yield Detail(f"{result.name}: {', '.join((*size, *ours, *effort))}")


def whole_table(results: list["SceneResult"], summary: "Summary") -> Table:
    """Return a row per scene and whole reconstruction, and their means."""
    from ilrm_cli.evaluate.results import label_of

    measured = any(mean.lpips is not None for mean in summary.means)
    table = Table(
        "scene (photos)", "method", title="Whole reconstructions, on every eighth photo", title_justify="left"
    )
    for column in ("PSNR", "evened", "SSIM", *(["LPIPS"] if measured else []), "CPU s", "Gaussians", "steps"):
        table.add_column(column, justify="right", no_wrap=True)

    def scores(of: "Trial | MethodMean") -> list[str]:
        distance = [] if not measured else [f"{of.lpips:.3f}" if of.lpips is not None else ""]
        evened = "" if of.psnr_evened is None else f"{of.psnr_evened:.2f}"
        quality = [f"{of.psnr:.2f}", evened, f"{of.ssim:.3f}", *distance]
        return [label_of(of.method, of.refined), *quality, f"{of.cpu_seconds:.0f}"]

    for result in results:
        for trial in result.trials:
            steps = "" if trial.iterations is None else str(trial.iterations)
            table.add_row(f"{printable(result.name)} ({result.photos})", *scores(trial), f"{trial.gaussians:,}", steps)
    for mean in summary.means:
        table.add_row(f"mean of {mean.scenes}", *scores(mean), style="bold")
    return table


def gain_sentences(summary: "Summary") -> Iterator[str]:
    """Yield the gains in words, and which photos chose."""
    from ilrm_cli.evaluate.scoreboard import MANY_PHOTOS

    for gain in summary.gains:
        parts = [f"{gain.method} over {gain.over}: {gain.gain_db:+.2f} dB on average"]
        if gain.gain_of_many_db is not None:
            parts.append(f"{gain.gain_of_many_db:+.2f} dB with {MANY_PHOTOS} photos or more ({gain.scenes_of_many})")
        parts.append(f"{gain.least_gain_db:+.2f} dB at least")
        yield f"{', '.join(parts)}; ahead on {gain.ahead} of {gain.scenes} scenes, in SSIM on {gain.ssim_ahead}."
    yield UNSEEN


def scene_table(results: list["SceneResult"], summary: "Summary") -> Table:
    """Return a row per scene and number of inputs with a column per method."""
    from ilrm_cli.evaluate.results import label_of

    kinds = dict.fromkeys((mean.method, mean.refined) for mean in summary.means)
    table = Table("scene", title="PSNR in dB on held-out views", title_justify="left")
    table.add_column("views", justify="right")
    for method, refined in kinds:
        table.add_column(label_of(method, refined), justify="right", min_width=5)
    for result in results:
        for views in map(len, result.inputs):
            found = [result.trial(method, views, refined) for method, refined in kinds]
            table.add_row(
                printable(result.name), str(views), *(f"{trial.psnr:.2f}" if trial else "" for trial in found)
            )
    return table


def mean_table(summary: "Summary") -> Table:
    """Return the means over the scenes."""
    from ilrm_cli.evaluate.results import OURS, label_of

    table = Table("method", title="Means over scenes", title_justify="left")
    for column in ("views", "scenes", "PSNR", "SSIM", "LPIPS", "seconds"):
        table.add_column(column, justify="right")
    for mean in summary.means:
        table.add_row(
            label_of(mean.method, mean.refined),
            mean.views,
            str(mean.scenes),
            f"{mean.psnr:.2f}",
            f"{mean.ssim:.3f}",
            "" if mean.lpips is None else f"{mean.lpips:.3f}",
            f"{mean.seconds:.2f}",
            style="bold" if mean.method == OURS else "",
        )
    return table


def sentences(summary: "Summary") -> list[str]:
    """Describe the margins in words."""
    lines = []
    for margin in summary.margins:
        parts = []
        if margin.gain_db is not None:
            parts.append(f"{margin.gain_db:+.2f} dB over the nearest photo")
        if margin.gain_refined_db is not None:
            parts.append(f"{margin.gain_refined_db:+.2f} dB refined")
        if margin.ahead_of_refined_starts is not None:
            parts.append(f"refined ahead of every refined baseline on {margin.ahead_of_refined_starts:.0%} of scenes")
        if parts:
            lines.append(f"{margin.views} views: {', '.join(parts)}.")
    if any(mean.refined for mean in summary.means):
        lines.append(STOPPING)
    return lines
