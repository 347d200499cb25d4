"""Options shared by several commands, those of the user's settings among them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ilrm_cli.capture.photos.folder import PoseSource, ProjectFolder
from ilrm_cli.pipeline import settings as chosen

LEAST, MOST = ({name: ends[i] for name, ends in chosen.RANGES.items()} for i in (0, 1))


def count_or_auto(text: str) -> int | None:
    """Parse a number, or "auto" as None."""
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is neither a number nor auto.") from None


ViewCount = Annotated[
    int | None,
    typer.Option(
        "--views",
        parser=count_or_auto,
        metavar="N|auto",
        show_default="auto",
        help=f"Photos given to the model. auto is {chosen.DEFAULT_VIEWS}, and more where the photos stand far apart.",
    ),
]
Refine = Annotated[
    int,
    typer.Option(
        help="Iterations of fitting a draft to its inputs, for a moment instead of minutes.", min=LEAST["refine"]
    ),
]
Quality = Annotated[
    chosen.Quality | None,
    typer.Option(
        show_default="standard; draft with --refine",
        help="draft is the prediction alone; standard fits it to all posed photos, in one to three minutes on two "
        "cores; high goes on for several times as long, in more detail.",
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(help="Fit for so long instead of a number of steps; --quality gives the size.", min=LEAST["minutes"]),
]
FitSide = Annotated[
    int | None,
    typer.Option(
        "--fit-size",
        help="Long side in px at which photos are fitted to, at most; the time grows with the area.",
        show_default=f"{chosen.FIT_SIDES_PX['standard']}; {chosen.FIT_SIDES_PX['high']} with --quality high",
        min=LEAST["fit_side_px"],
        max=MOST["fit_side_px"],
    ),
]
HoldOut = Annotated[
    int,
    typer.Option(
        help="Hold out every N-th photo by name, to score the result and to choose when to stop fitting; 0: none.",
        min=LEAST["hold_out"],
    ),
]
UseAll = Annotated[
    bool, typer.Option(help="Fit to the held-out photos as well in a last stretch, when they have scored the result.")
]
RefinePoses = Annotated[
    chosen.RefinePoses,
    typer.Option(
        help="Refine camera poses with the scene (pose optimisation); auto: where held-out photos gain by it."
    ),
]
Geometry = Annotated[
    bool,
    typer.Option(
        "--geometry", help="Fit surfaces as well as pictures (normals, flat Gaussians): for meshes and depth."
    ),
]
FurtherGeometry = Annotated[
    bool | None,
    typer.Option(
        "--geometry/--no-geometry", show_default="as recorded", help="Fit surfaces as well, see `ilrm reconstruct`."
    ),
]
FurtherQuality = Annotated[
    chosen.Fitted | None,
    typer.Option(show_default="as recorded, but at least standard", help="How far to fit, see `ilrm reconstruct`."),
]
PoseSourceOption = Annotated[PoseSource, typer.Option("--poses", help="Where camera poses come from.")]
ModelName = Annotated[str, typer.Option("--model", help="A name of `ilrm models list`, or a checkpoint file.")]
LongSide = Annotated[
    int | None,
    typer.Option(
        "--size",
        help="Size of the pictures that the model sees: their long side in px, in the shape of the photos.",
        min=LEAST["long_side_px"],
        max=MOST["long_side_px"],
    ),
]
Precision = Annotated[
    chosen.Precision, typer.Option(help="Number format of the model's computation; auto is bf16 where it is fast.")
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the model first, half a minute the first time; on a CPU it hardly pays.",
    ),
]
SceneFrame = Annotated[
    chosen.Frame,
    typer.Option(
        "--frame", help="Axes of the scene: of the poses as they came, z up, y up, or y down as splat viewers want it."
    ),
]
SceneOrigin = Annotated[
    str,
    typer.Option(
        "--origin",
        metavar="auto|input|X,Y,Z",
        help="Point of the input's frame where the scene's coordinates begin; auto moves far ones near, as of maps.",
    ),
]
ScaleFrom = Annotated[
    str | None,
    typer.Option(
        "--scale-from",
        metavar="gps|'A B LENGTH'",
        help='What tells the real size: two photos and the distance between them, "A.jpg B.jpg 0.35m"; or GPS in them.',
    ),
]
WithConfidence = Annotated[
    bool, typer.Option("--confidence", help="Also write into the scene how well the photos support each Gaussian.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Remove floaters where that improves held-out PSNR.")]
AutoScale = Annotated[
    bool | None,
    typer.Option(
        help="Try other scales on held-out photos and use the one that shows them best.",
        show_default="where sparse points do not tell the scale",
    ),
]
Device = Annotated[chosen.Device, typer.Option(help="Where to compute; auto takes CUDA where it is present.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", "-w", help="Replace the output if it exists.")]
Photos = Annotated[
    list[Path],
    typer.Argument(
        metavar="PHOTOS",
        help="Folder of photos, with or without poses of another tool; or a video; or the photos themselves.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more about what was done.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=LEAST["seed"])]
WRITTEN = "The scene to write: .ply, .compressed.ply, .splat, .spz, .sog or .glb; its record goes beside it."
SceneOutput = Annotated[Path, typer.Option("--output", "-o", help=WRITTEN)]
NamedOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help=f"{WRITTEN} Of one object, a .glb is its mesh. A .ilrm keeps the field that some models predict.",
        show_default="a .ply named after the photos",
    ),
]
Preview = Annotated[
    Path | None,
    typer.Option(
        help="Also show the fit as it goes: a .jpg or .png of the scene beside a photo, rewritten a few times."
    ),
]
Mesh = Annotated[
    Path | None,
    typer.Option(help="Also write the scene's surface as a mesh, as `ilrm mesh` does: a .glb, .ply, .obj or .stl."),
]
KnownCamera = Annotated[
    str | None,
    typer.Option("--camera", help='Known lens, kept as it is: "PINHOLE 1200,1200,960,540" or a cameras.txt of COLMAP.'),
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="Frames per second to take from an input video. Default: as the camera moves.",
        min=LEAST["fps"],
        max=MOST["fps"],
    ),
]
MaxFrames = Annotated[int, typer.Option(help="Frames to take from videos, at most.", min=LEAST["max_frames"])]

# What each field of the settings' classes is on the command line; its default is the field's.
OPTIONS: dict[str, Any] = {
    "views": ViewCount,
    "refine": Refine,
    "quality": Quality,
    "minutes": Minutes,
    "fit_side_px": FitSide,
    "hold_out": HoldOut,
    "use_all": UseAll,
    "refine_poses": RefinePoses,
    "geometry": Geometry,
    "poses": PoseSourceOption,
    "camera": KnownCamera,
    "model": ModelName,
    "long_side_px": LongSide,
    "auto_scale": AutoScale,
    "frame": SceneFrame,
    "origin": SceneOrigin,
    "scale_from": ScaleFrom,
    "confidence": WithConfidence,
    "prune": Prune,
    "fps": Fps,
    "max_frames": MaxFrames,
    "device": Device,
    "precision": Precision,
    "compile": Compile,
    "seed": Seed,
}


def offer_of(folder: ProjectFolder) -> str:
    """Return in words what is read: photos of a folder, a video, or poses that name photos elsewhere."""
    count = len(folder.photos)
    return f"{count} photo{'s' * (count != 1)} in {folder.place}" if count else str(folder.place)


def takes(settings: type, **other: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a dataclass; it gets the object as its parameter `settings`.

    The options are those of OPTIONS, or `other` ones for fields of these names.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = [field.name for field in fields(settings)]
        signature = inspect.signature(command)
        parameters = []
        for parameter in signature.parameters.values():
            parameters += _parameters(settings, OPTIONS | other) if parameter.name == "settings" else [parameter]

        @wraps(command)
        def run(**given: Any) -> None:
            command(settings=settings(**{name: given.pop(name) for name in names}), **given)

        # Where typer looks for a command's options.
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _parameters(settings: type, options: Mapping[str, Any]) -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, keyword, default=field.default, annotation=options[field.name])
        for field in fields(settings)
    ]
