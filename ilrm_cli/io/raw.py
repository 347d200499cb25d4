"""Camera RAW files, read by rawpy (LibRaw), an extra."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from ilrm_cli.io.unreadable import BROKEN_EXIF, UnreadablePhoto, needs_extra

EXIF_WITHIN = 1 << 20  # bytes at the start of the file in which cameras write their EXIF data
SIDEWAYS = (5, 6)  # LibRaw's `flip` for quarter turns


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
            with Image.open(io.BytesIO(preview.data)) as image:
                return image.getexif()
    except (*BROKEN_EXIF, rawpy.LibRawError):
        pass
    return exif
