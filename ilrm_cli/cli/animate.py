"""`ilrm animate`."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ilrm_cli.cli.console import Detail, Result, face
from ilrm_cli.cli.options import AsJson, Device, Overwrite, Precision, Quiet, Verbose
from ilrm_cli.render.checks import check_video_output

if TYPE_CHECKING:
    from ilrm_cli.pipeline.animate import Animation


def animate(
    head: Annotated[
        Path, typer.Argument(metavar="HEAD.json", help="The head: its photos and their maps, see `ilrm help heads`.")
    ],
    expressions: Annotated[
        Path, typer.Argument(metavar="EXPRESSIONS.json", help="The expressions: a list of numbers for each frame.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The film: .mp4, .gif, .webp, .png (numbered) or a folder.")
    ],
    model: Annotated[str, typer.Option("--model", help="Weights of an Avat3r: a file that `ilrm train` wrote.")],
    camera: Annotated[
        str | None, typer.Option("--at", help="Photo whose camera films, as HEAD.json names it. Default: the first.")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="Leave out pixels of no more than this confidence. Default: the model's.", min=0, max=0.99),
    ] = None,
    positions: Annotated[
        str | None, typer.Option(help="Plug-in that finds position maps, in place of files; see `ilrm help heads`.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Plug-in that finds dense features, in place of files; or frozen, for our own.")
    ] = None,
    size: Annotated[int, typer.Option(help="Size of the film: its long side in px.", min=16, max=4096)] = 512,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second. Default: what EXPRESSIONS.json says, or 24.", min=0.01)
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Film a head with one expression after the other, made from four photos of it."""
    with face("animate", as_json, quiet, verbose) as shown:
        from ilrm_cli.models.registry import weights_file
        from ilrm_cli.runtime.errors import InputError

        check_video_output(output, overwrite)
        for file in (head, expressions):
            if not file.is_file():
                raise InputError(
                    f"{file} is no file; give the .json of the {'head' if file is head else 'expressions'}."
                )
        weights_file(model)
        shown.reading(str(head))

        from ilrm_cli.pipeline.animate import animate as film
        from ilrm_cli.pipeline.settings import AnimateSettings

        settings = AnimateSettings(model, camera, confidence, positions, features, size, fps, device, precision)
        with shown.progress() as report:
            made = film(head, expressions, settings, output=output, overwrite=overwrite, report=report)
        shown.end(Result(data_of(made), lines_of(made)))


def data_of(made: "Animation") -> dict[str, object]:
    """Return what --json prints."""
    return {**asdict(made), "output": str(made.output), "photos": list(made.photos)}


def lines_of(made: "Animation") -> Iterator[str | Detail]:
    """Yield what the film is, and how fast it was made."""
    each = (made.timings_s["expressions"] + made.timings_s["render"]) / made.frames
    yield f"{made.frames} frames of {made.width}x{made.height} px, {made.fps:g} a second: {made.output}"
    yield f"{made.gaussians:,} Gaussians, from {made.kept:.0%} of the pixels of {len(made.photos)} photos."
    yield f"Photos took {made.timings_s['prefix']:.2f} s once, each expression {each:.3f} s with its picture."
    yield Detail(f"model {made.model} sha256 {made.sha256}, on {made.device}, drawn by {made.renderer}")
