"""Opening of photos of all kinds, and the contents of their headers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError, features
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from ilrm_cli.io.photo_files import HEIC_SUFFIXES, RAW_SUFFIXES
from ilrm_cli.io.raw import raw_header
from ilrm_cli.io.unreadable import BROKEN_EXIF, UNREADABLE, UnreadablePhoto, needs_extra
from ilrm_cli.runtime.errors import InputError

QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # EXIF orientation -> counterclockwise quarter turns to upright
UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation -> transposition to upright
WIDE_MODES = ("F", "I")  # 32 bits per pixel, whose white level no file states; Pillow would clip them at 255
WIDE_BITS, TIFF_HEADER_BYTES = 32, 8
MAX_PIXELS = 800_000_000  # of a photo; PIL's own limit, made for servers, rejects photos of today's phones

Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # PIL rejects twice this
warnings.filterwarnings("ignore", message="Corrupt EXIF data", module="PIL")  # such a photo is used without its EXIF


@dataclass(frozen=True)
class PhotoHeader:
    """Facts about a photo that need no decoding of its pixels."""

    width: int  # px, as stored
    height: int  # px, as stored
    orientation: int  # EXIF tag 274, 1 to 8; 1 is upright, and always set for HEIC and RAW, whose decoders rotate
    focal_35mm: float | None  # EXIF tag 41989, mm on a 36 x 24 mm frame; None if the camera does not say
    camera: str  # EXIF tag 272, the camera's model; empty if not stated
    focal_mm: float | None = None  # EXIF tag 37386, of the lens itself: distinguishes zoom settings of one camera

    @property
    def quarter_turns(self) -> int | None:
        """Counterclockwise quarter turns from stored to upright; None if the photo is mirrored as well."""
        return QUARTER_TURNS.get(self.orientation)

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of what `read_photo` returns, px."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def photo_header(path: Path) -> PhotoHeader:
    """Read size, orientation and focal length from the start of the file. Raises InputError if it is not a photo.

    Broken EXIF data is ignored.
    """
    if path.suffix.lower() in RAW_SUFFIXES and path.is_file():
        return _header(*raw_header(path))
    with opened(path) as image:
        return header_of(image)


def photo_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of the upright photo, px. Raises InputError if the file is not a photo."""
    return photo_header(path).upright_size


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a photo and read its header, not its pixels. Raises UnreadablePhoto, also for errors inside the block."""
    if path.suffix.lower() in HEIC_SUFFIXES:
        try:
            from pi_heif import register_heif_opener
        except ImportError as error:
            raise needs_extra(path, "HEIC photos", "heic") from error
        register_heif_opener()
    if path.suffix.lower() == ".avif" and not features.check("avif"):
        raise UnreadablePhoto(path, "this Pillow was built without AVIF", "save it as JPEG")
    with broken_named(path), Image.open(path) as image:
        if image.mode in WIDE_MODES:
            raise _wide(path)
        yield image


@contextmanager
def broken_named(path: Path) -> Iterator[None]:
    """Turn Pillow's errors on bad files into UnreadablePhoto."""
    try:
        yield
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def header_of(image: Image.Image) -> PhotoHeader:
    """Return the header of an open photo."""
    try:
        return _header(image.size, image.getexif())
    except BROKEN_EXIF:
        return PhotoHeader(*image.size, orientation=1, focal_35mm=None, camera="")


def _header(size: tuple[int, int], exif: Image.Exif) -> PhotoHeader:
    orientation, details = exif.get(ExifTags.Base.Orientation), exif.get_ifd(ExifTags.IFD.Exif)
    return PhotoHeader(
        *size,
        orientation=orientation if orientation in UPRIGHT_BY else 1,
        focal_35mm=_positive(details.get(ExifTags.Base.FocalLengthIn35mmFilm)),
        camera=str(exif.get(ExifTags.Base.Model, "")),
        focal_mm=_positive(details.get(ExifTags.Base.FocalLength)),
    )


def _positive(value: object) -> float | None:
    """Return a positive EXIF number, an integer or fraction, as float; None otherwise (a fraction may be 0/0)."""
    return float(value) if isinstance(value, int | float | IFDRational) and value > 0 else None


def _unreadable(path: Path, error: Exception) -> InputError:
    if not path.is_file():
        return InputError(f"{path} does not exist; check the path.")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadablePhoto(path, f"it has more than {MAX_PIXELS // 10**6} megapixels", "make it smaller")
    if path.stat().st_size == 0:
        return UnreadablePhoto(path, "it is empty")
    if isinstance(error, UnidentifiedImageError) and _tiff_bits(path) == WIDE_BITS:
        return _wide(path)
    cut = "truncated" in str(error).lower()
    return UnreadablePhoto(path, "it is cut short" if cut else "it is damaged or no photo")


def _wide(path: Path) -> UnreadablePhoto:
    return UnreadablePhoto(path, "its colours are 32-bit numbers", "save it with 8 or 16 bits for each colour")


def _tiff_bits(path: Path) -> int | None:
    """Return the bits per colour of a TIFF that Pillow does not know; None if it is not a TIFF."""
    with path.open("rb") as file:
        try:
            directory = ImageFileDirectory_v2(file.read(TIFF_HEADER_BYTES))
            file.seek(directory.next)
            directory.load(file)
        except BROKEN_EXIF:
            return None
    bits = directory.get(ExifTags.Base.BitsPerSample)
    return bits[0] if isinstance(bits, tuple) else bits
