"""`ilrm render`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ilrm_cli.cli.console import face
from ilrm_cli.cli.options import AsJson, Device, Overwrite, Quiet, Verbose

DEFAULT_NAME = "{scene}_{path}.mp4"  # beside the scene, when --output is not given


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(width, height) of "960x540"."""
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"'{text}' is not WIDTHxHEIGHT, such as 960x540", param_hint="--size")
    return int(width), int(height)


def render(
    scene: Annotated[Path, typer.Argument(help="A .ply scene, ours or another tool's.")],
    path: Annotated[
        str, typer.Option(help="orbit, spiral, interpolate, inputs, auto, or a nerfstudio camera path FILE.json.")
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A .mp4, a .gif, a .png (numbered frames) or a folder. Default: SCENE_PATH.mp4."
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the film.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in px.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Orbit all the way round, also where no photo looked.")] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Film a scene along a camera path."""
    pixels = parse_size(size)
    with face("render", as_json, quiet, verbose) as shown:
        from ilrm_cli.devices import resolve_device
        from ilrm_cli.flythrough import fly

        target = output or scene.with_name(DEFAULT_NAME.format(scene=scene.stem, path=Path(path).stem))
        with shown.progress() as report:
            film = fly(
                scene, path, output=target, seconds=seconds, fps=fps, size=pixels, full=full,
                device=resolve_device(device), overwrite=overwrite, report=report,
            )  # fmt: skip
        shown.warn(film.warnings)
        stages = {name: film.timings_s[name] for name in ("load", "render", "encode")}
        shown.shares("Where the time went", stages, film.timings_s["total"])
        shown.say(
            f"{film.frames} frames of {film.width}x{film.height} px at {film.fps:g} fps along {film.path} "
            f"({film.renderer}): {film.output}"
        )
        result: dict[str, Any] = {"command": "render", "status": "ok", **vars(film), "output": str(film.output)}
        shown.finish(result | {"warnings": list(film.warnings)})
