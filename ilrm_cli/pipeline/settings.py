"""What the user chose for a reconstruction; nothing heavy is imported."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

from ilrm_cli.capture.photos.folder import PoseSource, VideoChoice
from ilrm_cli.runtime.errors import InputError

# The same as in `devices` and `frames`, which import torch.
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
Frame = Literal["input", "up", "opengl", "opencv"]
Quality = Literal["draft", "standard", "high"]  # the prediction alone, or fitted to all photos: see `optimize.fit`

Fitted = Literal["standard", "high"]  # of these, those with a fit
RefinePoses = Literal["auto", "on", "off"]  # with the scene; auto: where that helps photos that are held out

# What options accept, least and most, by fields of `Settings`: also of records, which anybody may have written.
RANGES: dict[str, tuple[float, float]] = {
    "views": (2, 1_000),
    "refine": (0, 100_000),
    "minutes": (0.01, 10_000),
    "fit_side_px": (64, 4096),
    "hold_out": (0, 1_000_000),
    "long_side_px": (32, 1024),
    "fps": (0.01, 60),
    "max_frames": (3, 100_000),
    "seed": (0, 2**63 - 1),
}

FARTHEST = 1e9  # that --origin may be away; as in `transforms`, which imports torch

# What was usual before there was an option, where today's default is another.
OLD_USUAL = {"quality": "draft", "refine_poses": "off", "origin": "input"}

# What is usual, of which the help tells too.
DEFAULT_VIEWS = 8  # inputs, if the model takes that many and there are enough photos
FIT_SIDES_PX: dict[Fitted, int] = {"standard": 480, "high": 640}  # of photos that are fitted to, at most
FACES = 300_000  # triangles of a mesh, about, at most
# The same with a texture, which holds the detail: of a ball that is rough by 0.3 % of its radius, xatlas took 2.3 CPU
# seconds for the charts of 20,000 triangles, 27.5 for 80,000.
TEXTURED_FACES = 50_000

BY_GPS = "gps"
METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0, "km": 1000.0, "in": 0.0254, "ft": 0.3048}  # of one of each
LENGTH = re.compile(r"([\d.]+(?:e[-+]?\d+)?)\s*([a-z]+)", re.IGNORECASE)
BETWEEN = re.compile(rf"(?P<names>.*\S)\s+(?P<length>{LENGTH.pattern})", re.IGNORECASE)

Part = TypeVar("Part")  # of the settings: a dataclass some of whose fields they have

OPTIONS = {"long_side_px": "--size", "fit_side_px": "--fit-size"}  # of fields whose option has another name


@dataclass(frozen=True)
class Settings:
    """The user's settings, each an option of the same default, in the order of the help; see `cli.options`."""

    views: int | None = None  # inputs; None: see `select_inputs.auto_views`
    refine: int = 0  # iterations of post-prediction optimisation
    quality: Quality | None = None  # None: see `effort`
    minutes: float | None = None  # that the fit takes at most; None: as many steps as its quality
    fit_side_px: int | None = None  # long side of the photos that a fit sees, at most; None: as its quality says
    hold_out: int = 8  # every N-th photo by name is held out of the fit to all others, as the field does; 0: none
    use_all: bool = True  # whether photos held out of a fit are fitted as well in its last stretch
    refine_poses: RefinePoses = "auto"  # during a fit, see `optimize.pose_trial`
    geometry: bool = False  # whether a fit is to surfaces as well, see `optimize.fit.surface_error`
    poses: PoseSource = "auto"  # source of the poses
    camera: str | None = None  # the known lens; see `capture.poses.lenses`
    model: str = "default"  # name or path of the weights
    long_side_px: int | None = None  # of the model's images; None: the model's training size
    auto_scale: bool | None = None  # whether to search for the model's best scale; None: see `search_pays`
    frame: Frame = "input"  # of the written scene
    origin: str = "auto"  # where coordinates of the written scene begin: "auto", "input" or X,Y,Z; see `origin_of`
    scale_from: str | None = None  # what tells the real size: BY_GPS, or two photos and their distance; None: nothing
    confidence: bool = False  # whether to write each Gaussian's confidence into the scene file
    prune: bool = False  # whether to drop contradicted Gaussians, see `prune`
    fps: float | None = None  # frames per second of video; None: as many as the motion requires
    max_frames: int = VideoChoice.max_frames  # limit over all videos
    device: Device = "auto"
    precision: Precision = "auto"  # of the model's matrix products
    compile: bool = False  # whether to compile the update layers, see `models.ilrm.compiled`
    seed: int = 0

    @property
    def settled_quality(self) -> Quality:
        """How far the scene is fitted to all posed photos: standard, unless --refine asks for the prediction."""
        return self.quality or ("draft" if self.refine else "standard")

    @property
    def keep_out(self) -> bool:
        """Whether held-out photos stay out of the scene for good: also where they choose what to prune."""
        return self.prune or not self.use_all

    def narrowed(self, kind: type[Part]) -> Part:
        """Return those of the settings that are fields of `FurtherSettings`, or of `PoseSettings`."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})  # type: ignore[arg-type]

    def settled(self) -> "Settings":
        """Return the same settings in the form that records keep: with the quality, which may be usual only today."""
        return replace(self, quality=self.settled_quality)


@dataclass(frozen=True)
class FurtherSettings:
    """What can be chosen anew for a scene that is fitted further; the rest stays as it was recorded."""

    quality: Fitted | None = None  # None: as recorded, but at least standard
    minutes: float | None = None
    fit_side_px: int | None = None  # None: as recorded
    geometry: bool | None = None  # None: as recorded
    device: Device = "auto"

    def after(self, recorded: Settings) -> Settings:
        """Return the recorded settings with these choices."""
        quality: Quality = "standard" if recorded.settled_quality == "draft" else recorded.settled_quality
        kept = {"quality": self.quality or quality, "fit_side_px": self.fit_side_px or recorded.fit_side_px}
        geometry = recorded.geometry if self.geometry is None else self.geometry
        return replace(recorded, refine=0, **{**vars(self), **kept, "geometry": geometry})


def with_old_usual(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return recorded settings in full: what older versions did not know is what was usual then."""
    return {**asdict(Settings()), **OLD_USUAL, **recorded}


def option_of(field: str) -> str:
    """Return the command-line option that sets a field of `Settings`."""
    return OPTIONS.get(field, f"--{field.replace('_', '-')}")


def check_ranges(settings: Settings) -> None:
    """Raise InputError for a number, or an origin of coordinates, that no option accepts."""
    for name, (least, most) in RANGES.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            raise InputError(f"{option_of(name)} {value:g} is not between {least:g} and {most:g}.")
    origin_of(settings.origin)
    if settings.scale_from not in (None, BY_GPS):
        known_length(settings.scale_from or "")


def length_m(text: str, option: str) -> float:
    """Parse a length such as "0.35 m" or "14in" into metres. Raises InputError."""
    found = LENGTH.fullmatch(text.strip())
    unit = METRES.get(found[2].lower()) if found else None
    try:
        value = float(found[1]) if found else 0.0
    except ValueError:
        value = 0.0
    if unit is None or not 0 < value * unit < FARTHEST:
        raise InputError(f"{option} {text} is no length; give a number and one of {', '.join(METRES)}, such as 0.35m.")
    return value * unit


def known_length(text: str) -> tuple[str, float]:
    """Parse what --scale-from says: the names of two photos, and metres between them. Raises InputError."""
    found = BETWEEN.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f'--scale-from {text} is neither gps nor two photos and a length, such as "A.jpg B.jpg 0.35m".'
        )
    return found["names"], length_m(found["length"], "--scale-from")


def words_of(settings: Settings) -> Iterator[str]:
    """Yield the words of a command line for these settings; those at their defaults are omitted."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value == field.default:
            continue
        if isinstance(value, bool):
            yield option_of(field.name) if value else option_of(f"no_{field.name}")
        else:
            yield from (option_of(field.name), str(value))


def origin_of(text: str) -> tuple[float, float, float] | Literal["auto", "input"]:
    """Parse where coordinates begin: a point of the input's frame, or its own origin, or a near one where it is far."""
    if text == "auto":
        return "auto"
    if text == "input":
        return "input"
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
        raise InputError(f"--origin {text} is neither auto nor input nor a point X,Y,Z.")
    if max(abs(x), abs(y), abs(z)) >= FARTHEST:
        raise InputError(f"--origin {text} is farther away than anything is: coordinates are below {FARTHEST:.0e}.")
    return x, y, z


def check_settings(settings: Settings) -> None:
    """Raise InputError for settings out of range, or that contradict each other."""
    check_ranges(settings)
    if settings.refine and settings.settled_quality != "draft":
        raise InputError(
            f"--refine fits to the inputs for a moment, --quality {settings.quality} to all photos; give one of them."
        )
    if settings.minutes is not None and settings.settled_quality == "draft":
        raise InputError(f"--minutes {settings.minutes:g} is for fits to all photos; a draft takes seconds.")
    if settings.fit_side_px is not None and settings.settled_quality == "draft":
        raise InputError(
            f"--fit-size {settings.fit_side_px} is for fits to all photos; --size is that of a draft's pictures."
        )
    if settings.hold_out == 1:
        raise InputError("--hold-out 1 holds every photo out, so that none is left to fit to; give 0, or 2 and more.")
    if not settings.use_all and settings.settled_quality == "draft":
        raise InputError("--no-use-all is for fits to all photos; a draft never uses the photos that it holds out.")
    if settings.refine_poses == "on" and settings.settled_quality == "draft":
        raise InputError("--refine-poses on is for fits to all photos; a draft takes poses as they are given.")
    if settings.geometry and settings.settled_quality == "draft":
        raise InputError("--geometry is for fits to all photos; a draft takes surfaces as they are predicted.")
    if settings.hold_out != Settings.hold_out and settings.settled_quality == "draft":
        raise InputError(
            f"--hold-out {settings.hold_out} is for fits to all photos; a draft holds out all that are no inputs."
        )


Box = tuple[float, ...]  # its least and its greatest corner: X, Y, Z, X, Y, Z
Crop = Literal["seen", "subject"] | Box


@dataclass(frozen=True)
class MeshSettings:
    """What can be chosen for the mesh of a scene, each an option of the same default.

    Without a resolution cells are as large as pixels of the depth maps (512 on the long side), or larger: at most 384
    are along the longest side, and no more than fit into the memory.
    """

    resolution: int | None = None  # cells along the longest side; None: see below
    crop: Crop = "seen"  # what becomes a mesh: what the cameras see, what they look at, or a box
    watertight: bool = False  # whether what no camera saw counts as solid, which closes the mesh
    faces: int | None = None  # triangles at most; 0: all; None: as many as `pipeline.mesh` says
    texture: bool = False  # whether its colours are an image on it instead of a colour per vertex
    metres: bool = False  # whether the file is in metres, which the scene's record must know; else in scene units


@dataclass(frozen=True)
class AnimateSettings:
    """What can be chosen for the film of a head, each an option of the same default but for the model."""

    model: str  # weights of an Avat3r: a file, since none are published
    camera: str | None = None  # name of the photo whose camera films; None: the first
    confidence: float | None = None  # of a pixel that becomes a Gaussian: above it; None: what the model says
    positions: str | None = None  # plug-in that finds position maps; None: files
    features: str | None = None  # plug-in that finds dense features, or "frozen"; None: files
    long_side_px: int = 512  # of the film
    fps: float | None = None  # None: what the expressions say
    device: Device = "auto"
    precision: Precision = "auto"


def as_predicted(settings: Settings) -> Settings:
    """Return the settings of a scene that is a field: as it was predicted, unless a fit is asked for."""
    return replace(settings, quality=settings.quality or "draft")


def check_unfitted(settings: Settings) -> None:
    """Raise InputError for what is done to Gaussians and cannot be done to a field."""
    asked = {
        f"--quality {settings.settled_quality}": settings.settled_quality != "draft",
        f"--refine {settings.refine}": settings.refine > 0,
        "--confidence": settings.confidence,
        "--prune": settings.prune,
    }
    if unfit := [option for option, wanted in asked.items() if wanted]:
        raise InputError(f"{unfit[0]} is for Gaussians, and a .ilrm keeps a field as predicted; write a .ply instead.")


def crop_of(crop: str) -> Crop:
    """Parse what becomes a mesh: what the cameras see, what they look at, or a box by two of its corners."""
    if crop == "seen":
        return "seen"
    if crop == "subject":
        return "subject"
    try:
        numbers = tuple(float(part) for part in crop.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 6 or not all(math.isfinite(number) and abs(number) < FARTHEST for number in numbers):
        raise InputError(f"--crop {crop} is neither seen nor subject nor two corners X,Y,Z,X,Y,Z.")
    if not all(least < most for least, most in zip(numbers[:3], numbers[3:], strict=True)):
        raise InputError(f"--crop {crop} is an empty box; give its least corner first, then its greatest.")
    return numbers
