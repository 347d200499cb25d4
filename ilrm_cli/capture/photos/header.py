"""Opening photos of all kinds, including HEIC and camera RAW, and what their headers say.

RAW files are read by rawpy (LibRaw), an extra. A photo that cannot be read is told of in one sentence.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError, features
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2, TiffImageFile

from ilrm_cli.capture.photos.listing import RAW_SUFFIXES
from ilrm_cli.runtime.cache import state_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.pictures import DECODER_ERRORS, MAX_PIXELS, check_page, go_to_page, open_picture

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
WIDE_MODES = ("F", "I")  # signed or of 32 bits, whose white level no file states; Pillow would clip them at 255
WIDE_BITS, TIFF_HEADER_BYTES = 32, 8
MOST_PAGES = 16  # of a TIFF that are looked at
JPEG_FORMATS = ("JPEG", "MPO")  # as Pillow names them
JPEG_HALVINGS, RAW_HALVINGS = 3, 1
REMEMBERED = 10_000  # headers
EXIF_WITHIN = 1 << 20  # bytes at the start of the file in which cameras write their EXIF data
SIDEWAYS = (5, 6)  # LibRaw's `flip` for quarter turns


@dataclass(frozen=True)
class PhotoHeader:
    """Facts about a photo that need no decoding of its pixels."""

    width: int  # px, as stored
    height: int  # px, as stored
    orientation: int  # EXIF tag 274, 1 to 8; 1 is upright, and always set for HEIC and RAW, whose decoders rotate
    focal_35mm: float | None  # EXIF tag 41989, mm on a 36 x 24 mm frame; None if the camera does not say
    camera: str  # EXIF tag 272, the camera's model; empty if not stated
    lens: str = ""  # EXIF tag 42036, the lens's model; empty if not stated
    focal_mm: float | None = None  # EXIF tag 37386, of the lens itself: distinguishes zoom settings of one camera
    halvings: int = 0  # how often the decoder itself can halve the photo

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

    Broken EXIF data is ignored. The file is read again only if it has changed.
    """
    with broken_named(path):
        state = state_of(path)
    return _remembered_header(path, *state)


@lru_cache(REMEMBERED)
def _remembered_header(path: Path, *state: int) -> PhotoHeader:
    if path.suffix.lower() in RAW_SUFFIXES and path.is_file():
        return replace(_header(*raw_header(path)), halvings=RAW_HALVINGS)
    with opened(path) as image:
        return replace(header_of(image), halvings=JPEG_HALVINGS if image.format in JPEG_FORMATS else 0)


def stored_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) of the photo as stored, px; None if it is missing or broken."""
    try:
        header = photo_header(path)
    except InputError:
        return None
    return header.width, header.height


def photo_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of the upright photo, px. Raises InputError if the file is not a photo."""
    return photo_header(path).upright_size


@lru_cache
def _read_heic() -> None:
    """Let Pillow read HEIC by content, whatever a file is called: phones and apps call it .jpg, too."""
    from pi_heif import register_heif_opener

    register_heif_opener()


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a photo and read its header, not its pixels. Raises UnreadablePhoto, also for errors inside the block.

    Of a TIFF with several pages, the first of which may be a small copy, it is the largest one.
    """
    _read_heic()
    if path.suffix.lower() == ".avif" and not features.check("avif"):
        raise UnreadablePhoto(path, "this Pillow was built without AVIF", "save it as JPEG")
    with broken_named(path), open_picture(path) as image:
        if isinstance(image, TiffImageFile):
            length = path.stat().st_size
            go_to_page(image, _largest_page(image, length))
            check_page(image, length)
        if image.mode in WIDE_MODES:
            raise _wide(path)
        yield image


def _largest_page(image: TiffImageFile, length: int) -> int:
    """Return the page with most pixels, the first of several, without those too large for the file or damaged."""
    sizes = [image.width * image.height]
    with suppress(*DECODER_ERRORS):
        for page in range(1, MOST_PAGES):
            image.seek(page)
            sizes.append(_pixels(image, length))
    image.seek(0)
    return sizes.index(max(sizes))


def _pixels(page: TiffImageFile, length: int) -> int:
    """Return how many pixels a page has, 0 if too many; one of a layout that is not known counts, to be refused."""
    with suppress(NotImplementedError):
        try:
            check_page(page, length)
        except Image.DecompressionBombError:
            return 0
    pixels = page.width * page.height
    return pixels if pixels <= MAX_PIXELS else 0


@contextmanager
def broken_named(path: Path) -> Iterator[None]:
    """Turn whatever decoders raise on bad files into UnreadablePhoto."""
    try:
        yield
    except DECODER_ERRORS as error:
        raise _unreadable(path, error) from error


def header_of(image: Image.Image) -> PhotoHeader:
    """Return the header of an open photo."""
    try:
        return _header(_stored_size(image), image.getexif())
    except DECODER_ERRORS:
        return PhotoHeader(*image.size, orientation=1, focal_35mm=None, camera="")


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) before the photo is turned, px; of a TIFF, Pillow gives the size after that."""
    if isinstance(image, TiffImageFile) and ExifTags.Base.Orientation in image.tag_v2:  # which loading removes
        return image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
    return image.size


def _header(size: tuple[int, int], exif: Image.Exif) -> PhotoHeader:
    orientation, details = exif.get(ExifTags.Base.Orientation), exif.get_ifd(ExifTags.IFD.Exif)
    return PhotoHeader(
        *size,
        orientation=orientation if orientation in UPRIGHT_BY else 1,
        focal_35mm=_positive(details.get(ExifTags.Base.FocalLengthIn35mmFilm)),
        camera=str(exif.get(ExifTags.Base.Model, "")),
        lens=str(details.get(ExifTags.Base.LensModel, "")),
        focal_mm=_positive(details.get(ExifTags.Base.FocalLength)),
    )


def _positive(value: object) -> float | None:
    """Return a positive EXIF number, an integer or fraction, as float; None otherwise (a fraction may be 0/0)."""
    return float(value) if isinstance(value, int | float | IFDRational) and value > 0 else None


def _unreadable(path: Path, error: Exception) -> InputError:
    if not os.path.isfile(path):
        return InputError(f"{path} does not exist; check the path.")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadablePhoto(
            path, f"it has more than {MAX_PIXELS // 10**6} megapixels, or more than its few bytes can hold"
        )
    if isinstance(error, MemoryError):
        return UnreadablePhoto(path, "it does not fit into the memory", "make it smaller")
    if path.stat().st_size == 0:
        return UnreadablePhoto(path, "it is empty")
    if isinstance(error, UnidentifiedImageError) and _tiff_bits(path) == WIDE_BITS:
        return _wide(path)
    if "truncated" in str(error).lower():
        return UnreadablePhoto(path, "it is cut short")
    if _tiff_bits(path) is not None:
        return UnreadablePhoto(path, "it is damaged, or a TIFF of a layout that is not known", "save it as RGB")
    return UnreadablePhoto(path, "it is damaged or no photo")


class UnreadablePhoto(InputError):
    """An unreadable photo; `reason` is the clause that follows "because" and reads well alone."""

    def __init__(self, path: Path, reason: str, remedy: str = "replace or remove it") -> None:
        super().__init__(f"{path} cannot be read because {reason}; {remedy}.")
        self.reason = reason


def _wide(path: Path) -> UnreadablePhoto:
    return UnreadablePhoto(
        path, "its colours are signed or 32-bit numbers", "save it with 8 or 16 bits for each colour"
    )


def _tiff_bits(path: Path) -> int | None:
    """Return the bits per colour of a TIFF that Pillow does not know; None if it is not a TIFF."""
    with path.open("rb") as file:
        try:
            directory = ImageFileDirectory_v2(file.read(TIFF_HEADER_BYTES))
            file.seek(directory.next)
            directory.load(file)
        except DECODER_ERRORS:
            return None
    bits = directory.get(ExifTags.Base.BitsPerSample)
    return bits[0] if isinstance(bits, tuple) else bits


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with rawpy. Raises UnreadablePhoto if the file is damaged or rawpy is missing."""
    try:
        import rawpy
    except ImportError as error:
        raise needs_extra(path, "camera RAW files", "raw") from error
    try:
        with path.open("rb") as file, rawpy.imread(file) as raw:
            yield raw
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnreadablePhoto(path, "it is damaged or of a camera that LibRaw does not know") from error
    except rawpy.LibRawError as error:
        raise UnreadablePhoto(path, "it is cut short or damaged") from error
    except DECODER_ERRORS as error:
        raise _unreadable(path, error) from error


def raw_header(path: Path) -> tuple[tuple[int, int], Image.Exif]:
    """Return (width, height) of `raw_photo`'s result in px, and the EXIF data without its orientation."""
    with _opened(path) as raw:
        width, height = raw.sizes.width, raw.sizes.height
        size = (height, width) if raw.sizes.flip in SIDEWAYS else (width, height)
        exif = _exif(path, raw)
    exif.pop(ExifTags.Base.Orientation, None)
    return size, exif


def raw_photo(path: Path, half: bool) -> Image.Image:
    """Develop the photo upright in sRGB, with the camera's white balance and fixed brightness for all photos.

    `half` merges each cell of four sensor pixels into one, which is much faster.
    """
    with _opened(path) as raw:
        return Image.fromarray(raw.postprocess(use_camera_wb=True, no_auto_bright=True, half_size=half))


def _exif(path: Path, raw: Any) -> Image.Exif:
    """Read EXIF from the file itself if it is a TIFF, as most are, else from its JPEG preview; may be empty."""
    import rawpy

    exif = Image.Exif()
    try:
        with path.open("rb") as file:
            start = file.read(EXIF_WITHIN)
        if start[:4] in (b"II*\0", b"MM\0*"):
            exif.load(b"Exif\0\0" + start)
            return exif
        preview = raw.extract_thumb()
        if preview.format == rawpy.ThumbFormat.JPEG:
            with open_picture(io.BytesIO(preview.data), JPEG_FORMATS) as image:
                return image.getexif()
    except (*DECODER_ERRORS, rawpy.LibRawError):
        pass
    return exif


def needs_extra(path: Path, kind: str, extra: str) -> UnreadablePhoto:
    """Return the error for a photo whose library is not installed."""
    return UnreadablePhoto(path, f"{kind} need an extra: run pip install 'ilrm[{extra}]'", "or save it as JPEG")
