"""Photos on disk: finding them, reading them upright in sRGB, and writing upright copies."""

import io
import re
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import ExifTags, Image, ImageCms

from ilrm_cli.errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
PHOTO_FOLDERS = ("images", "input")  # where COLMAP, nerfstudio and 3DGS projects keep their photos
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # what PIL raises on bad files
BROKEN_EXIF = (*UNREADABLE, KeyError, TypeError, struct.error)  # what it raises on bad EXIF data
OTHER_PHOTO_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"})
JPEG_REDUCTIONS = (8, 4, 2)  # the sizes a JPEG decoder can produce directly, as divisors
QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # EXIF orientation -> counterclockwise quarter turns that make it upright
UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation -> what makes it upright
MAX_PIXELS = 800_000_000  # of a photo; PIL's own limit, made for servers, refuses what phones take today
COPY_QUALITY = 95  # JPEG quality of working copies: compression noise stays below the noise of the sensor

Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # PIL refuses twice this
warnings.filterwarnings("ignore", message="Corrupt EXIF data", module="PIL")  # such a photo is used without its EXIF


@dataclass(frozen=True)
class PhotoHeader:
    """What a photo says about itself without being decoded."""

    width: int  # px, as stored
    height: int  # px, as stored
    orientation: int  # EXIF tag 274, 1 to 8; 1 is upright
    focal_35mm: float | None  # EXIF tag 41989, mm on a 36 x 24 mm frame; None if the camera does not say
    camera: str  # EXIF tag 272, the camera's model; empty if it does not say

    @property
    def quarter_turns(self) -> int | None:
        """Counterclockwise quarter turns from stored to upright; None if the photo is mirrored as well."""
        return QUARTER_TURNS.get(self.orientation)

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of what `read_photo` returns, px."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def photo_folder(folder: Path) -> Path:
    """Where the photos of a project are: its `images` or `input` subfolder if that holds any, else the folder."""
    for name in PHOTO_FOLDERS:
        if (folder / name).is_dir() and find_photos(folder / name):
            return folder / name
    return folder


def find_photos(folder: Path) -> list[Path]:
    """Photos (JPEG, PNG, WebP) of a folder in natural order; only if it holds none, those of all its subfolders.

    Hidden files and folders are passed over.
    """
    directly = [path for path in folder.iterdir() if _is_photo(path)]
    return sorted(directly or (path for path in folder.rglob("*") if _is_photo(path, folder)), key=natural_order)


def find_unreadable_kinds(folder: Path) -> list[Path]:
    """Files that are photos to people but of a kind that is not read here, HEIC and camera RAW, in natural order."""
    return sorted((p for p in folder.rglob("*") if p.suffix.lower() in OTHER_PHOTO_SUFFIXES), key=natural_order)


def natural_order(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sorting key by which `frame_2` comes before `frame_10`."""
    parts = re.split(r"(\d+)", path.as_posix())
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts)


def _is_photo(path: Path, root: Path | None = None) -> bool:
    inside = path.relative_to(root).parts if root else (path.name,)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in inside)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def photo_header(path: Path) -> PhotoHeader:
    """Size, orientation and focal length from the first bytes of the file. Raises InputError if it is no photo.

    Broken EXIF data is passed over.
    """
    try:
        with Image.open(path) as image:
            return _header(image)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _header(image: Image.Image) -> PhotoHeader:
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
    except BROKEN_EXIF:
        return PhotoHeader(*image.size, orientation=1, focal_35mm=None, camera="")
    orientation, focal = exif.get(ExifTags.Base.Orientation), details.get(ExifTags.Base.FocalLengthIn35mmFilm)
    return PhotoHeader(
        *image.size,
        orientation=orientation if orientation in UPRIGHT_BY else 1,
        focal_35mm=float(focal) if isinstance(focal, int) and focal > 0 else None,
        camera=str(exif.get(ExifTags.Base.Model, "")),
    )


def photo_size(path: Path) -> tuple[int, int]:
    """(width, height) of the upright photo, px. Raises InputError if the file is no photo."""
    return photo_header(path).upright_size


def read_photo(path: Path, at_least: tuple[int, int] | None = None) -> UInt8[ndarray, "height width 3"]:
    """The photo upright (EXIF), in sRGB (embedded profile applied), transparency laid on white, fully decoded.

    `at_least` = (width, height) in px lets large photos be read at a half, a quarter or an eighth of their size, while
    both sides stay at least that long; only exact divisors of the size are used, so that pixel geometry stays exact.
    Raises InputError naming the file if it is damaged or no photo. Broken EXIF data and profiles are passed over.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(_shrunk(_opaque_srgb(_drafted(image, at_least)), at_least))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def check_photo(path: Path) -> None:
    """Raise InputError if the photo cannot be decoded to its end; JPEGs at an eighth of their size, so quickly."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (1, 1))
            image.load()
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def encode_upright_copy(path: Path, max_side: int) -> bytes:
    """JPEG file of the upright photo, its longer side reduced to at most `max_side` px, the focal length kept.

    The 35 mm focal length is what structure from motion starts from; everything else in the EXIF is left behind.
    """
    header = photo_header(path)
    width, height = header.upright_size
    factor = min(1.0, max_side / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = Image.fromarray(read_photo(path, at_least=size))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    exif = Image.Exif()
    if header.focal_35mm:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = round(header.focal_35mm)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=COPY_QUALITY, subsampling=0, exif=exif)
    return buffer.getvalue()


def _unreadable(path: Path, error: Exception) -> InputError:
    if not path.is_file():
        return InputError(f"{path} does not exist; check the path.")
    if isinstance(error, Image.DecompressionBombError):
        return InputError(f"{path} has more than {MAX_PIXELS // 10**6} megapixels; make it smaller.")
    reason = "it is cut short" if "truncated" in str(error).lower() else "it is damaged or no photo"
    return InputError(f"{path} cannot be read because {reason}; replace or remove it.")


def _drafted(image: Image.Image, at_least: tuple[int, int] | None) -> Image.Image:
    """Ask the JPEG decoder for a smaller image where the division is exact."""
    reduction = _reduction(image, at_least)
    if image.format in ("JPEG", "MPO") and reduction > 1:
        image.draft(image.mode, (image.width // reduction, image.height // reduction))
    image.load()
    return image


def _shrunk(image: Image.Image, at_least: tuple[int, int] | None) -> Image.Image:
    """The same reduction by averaging, for files whose decoder cannot."""
    reduction = _reduction(image, at_least)
    return image.reduce(reduction) if reduction > 1 else image


def _reduction(image: Image.Image, at_least: tuple[int, int] | None) -> int:
    if at_least is None:
        return 1
    for divisor in JPEG_REDUCTIONS:
        exact = image.width % divisor == 0 and image.height % divisor == 0
        # which side is which is not known before the photo is upright, so both must serve for both
        if exact and min(image.size) // divisor >= min(at_least) and max(image.size) // divisor >= max(at_least):
            return divisor
    return 1


def _opaque_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    turn = UPRIGHT_BY.get(_header(image).orientation)
    image = image if turn is None else image.transpose(turn)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P" or (image.mode != "RGBA" and image.has_transparency_data):
        image = image.convert("RGBA")
    if profile:
        image = _converted_to_srgb(image, profile)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _converted_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError):  # the profile is broken or made for other channels: colours as stored
        return image
    assert converted is not None
    return converted
