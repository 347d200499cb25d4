"""`ilrm render`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilrm_cli.cli.console import Detail, Result, face, shares
from ilrm_cli.cli.options import AsJson, Device, Overwrite, Quiet, Verbose, takes
from ilrm_cli.visualize.checks import FilmSettings, check_path_output, check_settings

if TYPE_CHECKING:
    from ilrm_cli.visualize.film.film import FlythroughResult

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}  # (width, height) by the names of video
OPENERS = {"darwin": "open", "win32": "start"}  # commands that show a file, by the names of systems
DEFAULT_NAME = "{scene}_{path}.mp4"  # beside the scene, if --output is not given


def parse_size(text: str) -> tuple[int, int] | int:
    """Parse "960x540", or one of SIZES, into (width, height); "960" is the long side."""
    if text.lower() in SIZES:
        return SIZES[text.lower()]
    if text.isdecimal():
        return int(text)
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter(
            f"'{text}' is neither a long side in px, such as 960, nor WIDTHxHEIGHT, nor one of {', '.join(SIZES)}",
            param_hint="--size",
        )
    return int(width), int(height)


def parse_channels(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """Split "rgb,depth" into names; the default comes as names already."""
    if isinstance(text, tuple):
        return text
    return tuple(name.strip() for name in text.split(","))


# What each field of `FilmSettings` is on the command line.
FILM = {
    "path": Annotated[
        str,
        typer.Option(
            help="orbit, ellipse, spiral, interpolate, wobble, dolly, dolly-zoom, inputs, a FILE of cameras "
            "(nerfstudio camera path, cameras.json, transforms.json, COLMAP model), or auto: what suits the photos, "
            "kept where they support it, looping."
        ),
    ],
    "seconds": Annotated[
        float | None, typer.Option(help="Length of the video. Default: what the path needs, 4 to 24.")
    ],
    "fps": Annotated[
        float | None,
        typer.Option(help="Frames per second of the video that is made. Default: 24, or what a FILE of cameras says."),
    ],
    "size": Annotated[
        Any,
        typer.Option(
            parser=parse_size,
            metavar="<str>",
            help="Size of each picture side by side: its long side in px, in the shape of the photos; or WIDTHxHEIGHT, "
            "720p, 1080p, 4k. Default: 1280.",
        ),
    ],
    "full": Annotated[bool, typer.Option("--full", help="Orbit all the way round, also where no photo looked.")],
    "loop": Annotated[bool, typer.Option("--loop", help="Play open paths forward and back so that they loop.")],
    "photo": Annotated[
        str | None,
        typer.Option("--at", help="Name of the photo where wobble and dolly start. Default: the most central one."),
    ],
    "channels": Annotated[
        Any,
        typer.Option(
            parser=parse_channels,
            metavar="<str>",
            show_default="rgb",
            help="What to show, side by side: rgb, depth, alpha, confidence; commas between them.",
        ),
    ],
    "side_by_side": Annotated[
        bool, typer.Option("--side-by-side", help="The photo taken nearest to each frame at its left.")
    ],
    "photos": Annotated[
        Path | None, typer.Option(help="Folder of those photos, where it is not the one in the record.")
    ],
    "save_path": Annotated[
        Path | None,
        typer.Option(help="A .json to write the cameras of all frames to, for --path.", metavar="FILE.json"),
    ],
    "device": Device,
}


@takes(FilmSettings, **FILM)
def render(
    scene: Annotated[Path, typer.Argument(help="A scene of any format that `ilrm export` knows.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .mp4, .gif, .webp or .png (numbered frames), or a folder. Default: SCENE_PATH.mp4.",
        ),
    ] = None,
    *,
    settings: FilmSettings,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Render a video along a camera path."""
    with face("render", as_json, quiet, verbose) as shown:
        from ilrm_cli.render.checks import check_video_output
        from ilrm_cli.scene.checks import named, suffix_of_file

        suffix_of_file(scene)
        name = DEFAULT_NAME.format(scene=named(scene).stem, path=Path(settings.path).stem)
        target = output or named(scene).parent / name
        check_settings(settings)
        check_video_output(target, overwrite)
        if settings.save_path is not None:
            check_path_output(settings.save_path, scene, settings, overwrite)

        shown.reading(str(scene))
        from ilrm_cli.visualize.film.film import fly

        with shown.progress() as report:
            film = fly(scene, settings, output=target, overwrite=overwrite, report=report, warn=shown.warn)
        shown.end(Result({**vars(film), "output": str(film.output)}, lines_of(film, settings.path == "auto")))


def lines_of(film: "FlythroughResult", auto: bool) -> Iterator[str | Detail]:
    """Yield what was filmed, how to look at it, and where the time went; `auto` tells whether we chose the path."""
    if film.depth_range:
        yield "Depth from {:.4g} (yellow) to {:.4g} (dark blue) in the units of the poses.".format(*film.depth_range)
    yield (
        f"{film.frames} frames of {film.width}x{film.height} px at {film.fps:g} fps along {film.path}"
        f"{' (auto)' if auto else ''}{', looping' if film.loops else ''}: {film.output}"
    )
    place = film.output if film.output.exists() else film.output.parent  # of numbered frames
    yield f"Look at it: {OPENERS.get(sys.platform, 'xdg-open')} {quote(str(place))}"
    stages = {name: film.timings_s[name] for name in ("load", "render", "encode")}
    yield Detail(f"renderer {film.renderer}")
    yield Detail(shares("Where the time went", stages, film.timings_s["total"]))
